# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Functional checks: how they are written, how they are judged, and when they are asked again."""

from __future__ import annotations

import base64
import json
import stat
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.recyclic.rollback.plugins.module_utils import _functional_http as http_checks
from ansible_collections.recyclic.rollback.plugins.module_utils import _verdict
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._functional import (
    Finding,
    as_result,
    baseline_of,
    functional_spec,
    header_secrets,
    record_baseline,
    require_sound,
    secrets_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._functional_http import Answer, Probe, ask, judge, watch
from ansible_collections.recyclic.rollback.plugins.module_utils._functional_services import _whole, memory
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._report import build

SERVICE = {"service": "api"}
PLAIN = Redactor()


def check(**given: Any) -> dict[str, Any]:
    """A check as the module has it: every option there."""
    validator = ArgumentSpecValidator({"checks": {"type": "list", "elements": "dict", "options": functional_spec()}})
    result = validator.validate({"checks": [json.loads(json.dumps({"id": "one", **given}))]})
    assert not result.error_messages
    [found] = result.validated_parameters["checks"]
    return dict(found)


# Written


@pytest.mark.parametrize(("given", "key"), [
    ({}, "check_kinds"),
    ({"http": SERVICE, "memory": SERVICE}, "check_kinds"),
    ({"http": {"path": "/health"}}, "check_http_target"),
    ({"http": {"url": "http://h/", "service": "api"}}, "check_http_target"),
    ({"http": {"url": "http://h/", "body": "("}}, "check_pattern_broken"),
    ({"log": {**SERVICE, "pattern": "["}}, "check_pattern_broken"),
    ({"log": {**SERVICE, "ignore": ["fine", "*"]}}, "check_pattern_broken"),
    ({"command": {**SERVICE, "stdout": "?"}}, "check_pattern_broken"),
])
def test_a_check_that_cannot_be_measured_is_refused_by_its_id(given: dict[str, Any], key: str) -> None:
    with pytest.raises(Refusal) as refused:
        require_sound([check(**given)], None, {})
    assert (refused.value.key, refused.value.facts["id"]) == (key, "one")


def test_two_checks_of_one_name_are_refused() -> None:
    with pytest.raises(Refusal, match="checks_share_id"):
        require_sound([check(memory=SERVICE), check(log=SERVICE)], None, {})


def test_each_kind_by_itself_is_sound() -> None:
    for kind in ("http", "log", "memory", "command"):
        require_sound([check(**{kind: SERVICE})], None, {})


def test_what_is_secret_of_headers() -> None:
    basic = base64.b64encode(b"user:p%ss word").decode()
    found = header_secrets({"Authorization": "Bearer abcdefghij", "X-Two": f"Basic {basic}", "Cookie": "s=1234",
                            "Accept": "application/json", "x-forwarded-proto": "https", "X-Flag": "1"})
    assert found >= {"Bearer abcdefghij", "abcdefghij", basic, f"Basic {basic}", "s=1234"}
    assert not found & {"application/json", "https", "1", "Bearer"}
    assert "p%ss word" in header_secrets({"Authorization": f"Basic {basic}"})


def test_secrets_are_told_from_what_only_stands_beside_them() -> None:
    checks = [check(http={"url": "http://u:urlpass@h/", "headers": {"X-Key": "headerkey"}}),
              check(command={**SERVICE, "environment": {"API_TOKEN": "tokenvalue", "LEVEL": "1"}})]
    secret, plain = secrets_of({"http_headers": {"Accept": "text/plain"}, "checks": checks,
                                "resume_environment": {"TAG": "v1", "DB_PASSWORD": "dbpass"}})
    assert secret >= {"urlpass", "headerkey", "tokenvalue", "dbpass"}
    assert plain == {"text/plain", "1", "v1"}


# Judged


def probe(baseline_ms: float | None = None, headers: dict[str, str] | None = None, severity: str = "fail",
          **http: Any) -> Probe:
    return Probe(check(http={**SERVICE, **http}, severity=severity), headers or {}, baseline_ms)


@pytest.mark.parametrize(("one", "answer", "result"), [
    (probe(), Answer(200, "", 5), "pass"),
    (probe(), Answer(500, "", 5), "fail"),
    (probe(), Answer(nothing="Connection refused"), "fail"),
    (probe(status=[200, 404]), Answer(404, "", 5), "pass"),
    (probe(body=r"^\["), Answer(200, "[]", 5), "pass"),
    (probe(body=r"^\["), Answer(200, "<html>", 5), "fail"),
    (probe(), Answer(401, "", 5), "warn"),
    (probe(), Answer(403, "", 5), "warn"),
    (probe(headers={"Authorization": "wrong"}), Answer(401, "", 5), "fail"),
    (probe(status=[401]), Answer(401, "", 5), "pass"),
    (probe(max_ms=100), Answer(200, "", 101), "fail"),
    (probe(max_ms=100), Answer(200, "", 99), "pass"),
    (probe(), Answer(200, "", 9000), "pass"),
    (probe(baseline_ms=100), Answer(200, "", 301), "fail"),
    (probe(baseline_ms=100), Answer(200, "", 299), "pass"),
    (probe(baseline_ms=100, max_ratio=5), Answer(200, "", 499), "pass"),
    (probe(baseline_ms=5), Answer(200, "", 199), "pass"),
    (probe(baseline_ms=5), Answer(200, "", 201), "fail"),
    (probe(baseline_ms=1000, max_ms=100), Answer(200, "", 101), "fail"),
])
def test_an_answer_is_judged(one: Probe, answer: Answer, result: str) -> None:
    one.times.clear()
    assert judge(one, answer, "en").result == result


def test_the_median_of_the_last_three_is_judged() -> None:
    one = probe(max_ms=100)
    results = [judge(one, Answer(200, "", ms), "en").result for ms in (900, 10, 10, 900, 900)]
    assert results == ["fail", "fail", "pass", "pass", "fail"]


def test_a_severity_of_warn_holds_unless_the_failure_is_grave() -> None:
    one = check(command=SERVICE, severity="warn")
    assert as_result(one, Finding("a", "b", "fail"))["result"] == "warn"
    grave = as_result(one, Finding("a", "b", "fail", grave=True))
    assert (grave["result"], grave["severity"]) == ("fail", "fail")
    assert as_result(check(http=SERVICE), Finding("a", "b", "skip"))["result"] == "skip"


@pytest.mark.parametrize(("options", "now", "before", "result"), [
    ({}, 200, 100, "pass"), ({}, 201, 100, "fail"), ({"max_ratio": 3.0}, 201, 100, "pass"), ({}, 10**9, None, "pass"),
    ({"max_bytes": 50}, 51, None, "fail"), ({"max_bytes": 50}, 51, 100, "fail"), ({}, None, 100, "fail"),
    ({}, 0, 100, "skip"),
])
def test_memory_is_judged_against_before_and_a_limit(options: dict[str, Any], now: int | None, before: int | None,
                                                     result: str) -> None:
    used = {"before": before, "after": now}
    assert memory(check(memory={**SERVICE, **options}), used, "en").result == result


def test_a_cut_tail_does_not_begin_within_a_line() -> None:
    assert _whole("half a secret\nwhole\n", 5) == "whole\n"
    assert _whole("short\n", 100) == "short\n"


# The baseline


def test_a_baseline_keeps_what_passed_and_is_about_the_same_request(tmp_path: Path) -> None:
    path = str(tmp_path / "baselines" / "slug.json")
    good, bad = check(http={"url": "http://u:secretpass@h/a"}), {**check(http=SERVICE), "id": "bad"}
    found = {"one": Finding("", "", "pass", {"ms": 12.5}), "bad": Finding("", "", "warn", {"status": 401})}
    assert baseline_of(path, good) is None
    record_baseline(path, [good, bad], found)
    assert baseline_of(path, good) == 12.5
    assert baseline_of(path, bad) is None
    assert baseline_of(path, check(http={"url": "http://h/other"})) is None
    text = Path(path).read_text(encoding="utf-8")
    assert "secretpass" not in text
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    record_baseline(path, [bad], {"bad": Finding("", "", "pass", {"ms": 1.0})})
    assert (baseline_of(path, good), baseline_of(path, bad)) == (12.5, 1.0)


# Watched


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only sleeping moves; returns the pauses."""
    pauses: list[float] = []
    monkeypatch.setattr(http_checks.time, "sleep", pauses.append)
    monkeypatch.setattr(http_checks.time, "monotonic", lambda: sum(pauses))
    return pauses


def answering(*statuses: int) -> Callable[[], Callable[[Probe], Answer]]:
    """Answer with each status in turn, then with the last for ever."""
    left = list(statuses)

    def look() -> Callable[[Probe], Answer]:
        status = left.pop(0) if len(left) > 1 else left[0]
        return lambda _probe: Answer(status, "", 1)

    return look


@pytest.mark.parametrize(("statuses", "watch_s", "pauses", "result"), [
    ((200,), 60, [1, 1], "pass"),
    ((200,), 0, [1, 1], "pass"),
    ((500, 500, 200), 60, [2, 2, 1, 1], "pass"),
    ((200, 500, 200, 200, 500, 200), 60, [1, 2, 1, 1, 2, 1, 1], "pass"),
    ((500,), 10, [2, 2, 2, 2, 2], "fail"),
    ((500,), 0, [2, 2], "fail"),
    # Well at the very end of the time: asked on until that is sure.
    ((500, 500, 500, 200), 6, [2, 2, 2, 1, 1], "pass"),
    ((500, 500, 500, 200, 500), 6, [2, 2, 2, 1], "fail"),
    ((401,), 60, [1, 1], "warn"),
])
def test_checks_are_repeated_until_well_three_times_in_a_row(
        statuses: tuple[int, ...], watch_s: int, pauses: list[float], result: str, clock: list[float]) -> None:
    one = probe()
    watched = watch([one], answering(*statuses), watch_s, "en")
    assert (clock, one.found.result, watched) == (pauses, result, sum(pauses))


def test_it_is_said_after_how_long_it_was_well(clock: list[float]) -> None:
    late, ready = probe(), probe()
    watch([late], answering(500, 500, 200), 60, "en")
    assert late.found.observed.endswith("well after 4.0 s")
    assert late.found.measure["well_after_s"] == 4
    watch([ready], answering(200), 60, "fr")
    assert "bien" not in ready.found.observed


def test_a_failure_declared_a_warning_is_waited_for_too(clock: list[float]) -> None:
    one = probe(severity="warn")
    watch([one], answering(500, 200), 60, "en")
    assert one.found.result == "pass"


def test_nothing_to_ask_takes_no_time(clock: list[float]) -> None:
    assert (watch([], answering(500), 60, "en"), clock) == (0, [])


# Asked


class Handler(BaseHTTPRequestHandler):
    other = ""
    seen: list[tuple[str, str]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.seen.append((f"{self.server.server_address[1]}{self.path}", self.headers.get("Authorization", "")))
        onward = {"/here": "/there", "/away": f"{self.other}/there", "/round": "/round"}.get(self.path)
        if onward:
            self.send_response(307)
            self.send_header("Location", onward)
            self.end_headers()
            return
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        for _drop in range(30 if self.path == "/drops" else 1):
            self.wfile.write(b"drop")
            self.wfile.flush()
            time.sleep(0.02 if self.path == "/drops" else 0)

    def log_message(self, *_arguments: Any) -> None:
        """Be silent."""


@pytest.fixture
def servers() -> Iterator[tuple[str, str]]:
    """The addresses of two servers on this machine."""
    found = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _each in range(2)]
    for each in found:
        threading.Thread(target=each.serve_forever, args=(0.01,), daemon=True).start()
    urls = tuple(f"http://127.0.0.1:{each.server_address[1]}" for each in found)
    Handler.other, Handler.seen = urls[1], []
    try:
        yield urls[0], urls[1]
    finally:
        for each in found:
            each.shutdown()
            each.server_close()


def test_a_redirect_is_followed_at_home_and_takes_no_token_elsewhere(servers: tuple[str, str]) -> None:
    home, other = servers
    headers = {"Authorization": "Bearer secret"}
    assert ask(f"{home}/here", "GET", headers, False, PLAIN).status == 200
    assert ask(f"{home}/away", "GET", headers, False, PLAIN).status == 307
    assert not [place for place, _token in Handler.seen if place.startswith(other.rpartition(":")[2])]
    assert ask(f"{home}/round", "GET", headers, False, PLAIN).status == 307


def test_an_answer_has_a_status_a_body_and_milliseconds(servers: tuple[str, str]) -> None:
    answer = ask(f"{servers[0]}/broken", "GET", {}, False, PLAIN)
    assert (answer.status, answer.body, answer.nothing) == (500, "drop", "")
    assert answer.ms > 0


def test_no_answer_is_said_and_nothing_is_waited_for_for_ever(servers: tuple[str, str], monkeypatch: pytest.MonkeyPatch
                                                              ) -> None:
    assert ask("http://127.0.0.1:1/", "GET", {}, False, PLAIN).nothing
    assert ask("no url", "GET", {}, False, PLAIN).nothing
    monkeypatch.setattr(http_checks, "REQUEST_LIMIT_S", 0.1)
    assert ask(f"{servers[0]}/drops", "GET", {}, False, PLAIN).nothing


# Reported


def functional_run(place: Path, passed: bool = True, heads: tuple[str, ...] = ("g1",)) -> str:
    """A run that rolled back, validated, and found the application not well."""
    journal = Journal(str(place))
    for step, acts in (("before", False), ("alembic_downgrade", True), ("after", False), ("functional", False)):
        with journal.step(step, acts=acts):
            pass
    data = [{"id": "empty", "expected": "", "observed": "", "severity": "fail", "result": "pass" if passed else "fail"}]
    write_json(str(place / "before.json"), {"heads": ["k1"], "tables": {}})
    write_json(str(place / "after.json"), {"heads": list(heads), "tables": {}, "results": data})
    write_json(str(place / "functional.json"), {"results": [{**data[0], "id": "api", "result": "fail"}]})
    return str(place)


def test_a_functional_failure_says_that_the_data_is_right_and_stays(tmp_path: Path) -> None:
    run = functional_run(tmp_path)
    verdict = _verdict.judge(run, "None", lambda: {"heads": ["g1"], "tables": {}})
    outcome, rests_on = verdict.outcome, verdict.rests_on
    assert outcome == "failed_needs_human"
    assert "rolled back and validated" in rests_on
    assert "users may have written since" in rests_on
    report = build(run, outcome, {"measured_heads": ["g1"]}, "en")
    assert [each["id"] for each in report["checks"]] == ["empty", "api"]
    [step] = report["next_steps"]
    assert "diagnose.yml" in step
    assert "rollback_resume_environment" in step


@pytest.mark.parametrize(("passed", "now"), [(False, ["g1"]), (True, ["k1", "x2"])])
def test_data_that_is_not_right_is_not_called_so(passed: bool, now: list[str], tmp_path: Path) -> None:
    run = functional_run(tmp_path, passed)
    verdict = _verdict.judge(run, "None", lambda: {"heads": now, "tables": {}})
    outcome, rests_on = verdict.outcome, verdict.rests_on
    assert outcome == "failed_needs_human"
    assert "recorded revisions" in rests_on
    report = build(run, outcome, {"measured_heads": now}, "en")
    assert "do not restore" not in json.dumps(report["next_steps"])
