# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a diagnosis reads, keeps and concludes, without an engine or a database."""

from __future__ import annotations

import io
import json
import re
import stat
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _diagnose_logs
from ansible_collections.recyclic.rollback.plugins.module_utils._causes import Scene, causes
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose import (
    blocking,
    history_facts,
    moment,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose_logs import (
    LINE_BYTES,
    Newest,
    last_lines,
    lines_of,
    read_service,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose_summary import lines, markdown
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import MASK, Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph
from ansible_collections.recyclic.rollback.plugins.module_utils._run import last_report

SECRET = "s3cr%et/@pass"


# Since when


def run_began(state: StateDirectory, at: str, database: str = "recyclic", **report: Any) -> None:
    place = Path(state.runs) / "latest"
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps({"database": database, "started_at": at}))
    if report:
        named = Path(state.runs) / "20260101T000000Z-1"
        named.mkdir()
        (named / "report.json").write_text(json.dumps({"database": database, "run_id": named.name, **report}))


@pytest.mark.parametrize(("since", "expected"), [
    ("2026-01-31T14:00:00Z", "2026-01-31T14:00:00Z"),
    ("2026-01-31T14:00:00", "2026-01-31T14:00:00Z"),
    ("2026-01-31T15:00:00+01:00", "2026-01-31T14:00:00Z"),
])
def test_a_moment_is_taken_as_utc_unless_it_says_otherwise(tmp_path: Path, since: str, expected: str) -> None:
    assert moment(since, StateDirectory(str(tmp_path)), "recyclic") == expected


@pytest.mark.parametrize(("since", "age"), [("30m", timedelta(minutes=30)), ("2d", timedelta(days=2)),
                                            ("", timedelta(hours=1))])
def test_an_age_counts_back_from_now_and_an_hour_is_the_default(tmp_path: Path, since: str, age: timedelta) -> None:
    found = datetime.fromisoformat(moment(since, StateDirectory(str(tmp_path)), "recyclic").replace("Z", "+00:00"))
    assert abs(datetime.now(timezone.utc) - age - found) < timedelta(seconds=5)


def test_without_a_wish_the_last_run_on_this_database_says_since_when(tmp_path: Path) -> None:
    state = StateDirectory(str(tmp_path))
    run_began(state, "2026-01-02T03:04:05.678Z")
    assert moment("", state, "recyclic") == "2026-01-02T03:04:05.678Z"
    assert moment("", state, "another") != "2026-01-02T03:04:05.678Z"
    assert moment("30m", state, "recyclic") != "2026-01-02T03:04:05.678Z"


@pytest.mark.parametrize("since", ["yesterday", "30x", "m", "2026-13-01", "99999999999d"])
def test_what_is_neither_moment_nor_age_is_refused(tmp_path: Path, since: str) -> None:
    with pytest.raises(Refusal) as refused:
        moment(since, StateDirectory(str(tmp_path)), "recyclic")
    assert refused.value.key == "since_invalid"


# Logs


def read(text: str | bytes, *secrets: str) -> list[str]:
    data = text if isinstance(text, bytes) else text.encode()
    return list(lines_of(io.BytesIO(data), Redactor(secrets)))


def test_lines_come_without_secrets_however_these_are_written() -> None:
    found = read(f"a {SECRET}\nurl postgresql://u:other%40one@host/db\nALTER ROLE r PASSWORD 'hidden one'\n\nlast",
                 SECRET)
    assert found == [f"a {MASK}", f"url postgresql://u:{MASK}@host/db", f"ALTER ROLE r PASSWORD '{MASK}'", "", "last"]


@pytest.mark.parametrize("before", range(LINE_BYTES - len(SECRET) - 1, LINE_BYTES + 2))
def test_a_secret_across_the_limit_of_a_line_leaves_no_half_of_itself(before: int) -> None:
    found = read("x" * before + SECRET + "y" * LINE_BYTES + "\nnext\n", SECRET)
    assert len(found) == 2 and found[1] == "next"
    assert not any(SECRET[:size] in found[0] for size in range(2, len(SECRET) + 1))
    assert len(found[0]) <= LINE_BYTES


def test_bytes_that_are_no_text_do_not_stop_the_reading() -> None:
    assert read(b"\xff\xfe\nfine\n")[1] == "fine"


def test_a_file_keeps_the_newest_within_its_cap(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    log = Newest(str(path), 1000)
    for number in range(500):
        log.write(f"line {number}\n")
    log.close()
    kept = path.read_text().splitlines()
    assert log.capped and path.stat().st_size <= 1000 and path.stat().st_size >= 500
    assert kept[-1] == "line 499" and kept == [f"line {number}" for number in range(500 - len(kept), 500)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [path]


def test_a_file_below_its_cap_is_whole_also_across_its_halves(tmp_path: Path) -> None:
    log = Newest(str(tmp_path / "a.log"), 1000)
    for number in range(80):
        log.write(f"line {number:03}\n")
    log.close()
    assert not log.capped
    assert (tmp_path / "a.log").read_text().splitlines() == [f"line {number:03}" for number in range(80)]


def test_a_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("evidence")
    with pytest.raises(FileExistsError):
        Newest(str(tmp_path / "a.log"))
    assert (tmp_path / "a.log").read_text() == "evidence"


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A client of Docker that does what a shell script says."""
    def make(script: str) -> Any:
        place = tmp_path / "bin"
        place.mkdir()
        (place / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (place / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", str(place), prepend=":")
        return SimpleNamespace(redact=Redactor([SECRET]))

    return make


def test_a_services_log_is_counted_by_pattern_and_searched_for_signs(tmp_path: Path,
                                                                     docker: Callable[[str], Any]) -> None:
    client = docker(f"echo 'A Migration of {SECRET}'; echo 'UndefinedColumn: price' >&2; echo plain")
    found = read_service(client, [("1", "p-api-1"), ("2", "p-api-2")], "2026-01-01T00:00:00Z", str(tmp_path), "api",
                         {"migration": re.compile("migration", re.IGNORECASE)})
    assert (found.lines, found.matches, found.failed) == (6, {"migration": 2}, "")
    assert found.signs["undefined"]["count"] == 2
    assert (tmp_path / "api.log").read_text().splitlines()[:4] == ["# p-api-1", f"A Migration of {MASK}",
                                                                   "UndefinedColumn: price", "plain"]
    assert (tmp_path / "api.matches.log").read_text() == f"A Migration of {MASK}\n" * 2


def test_an_engine_that_cannot_give_a_log_is_quoted(tmp_path: Path, docker: Callable[[str], Any]) -> None:
    client = docker(f"echo 'driver does not support reading, {SECRET}' >&2; exit 1")
    found = read_service(client, [("1", "p-api-1")], "2026-01-01T00:00:00Z", str(tmp_path), "api", {})
    assert found.failed == f"driver does not support reading, {MASK}"


def test_a_log_that_never_ends_is_ended_and_said(tmp_path: Path, docker: Callable[[str], Any]) -> None:
    client = docker("echo begun; exec sleep 60")
    found = read_service(client, [("1", "p-api-1")], "2026-01-01T00:00:00Z", str(tmp_path), "api", {}, limit_s=0.5)
    assert found.ended and found.lines == 1


def test_a_log_beyond_the_cap_is_said(tmp_path: Path, docker: Callable[[str], Any],
                                      monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_diagnose_logs.Newest.__init__, "__defaults__", (2000,))
    found = read_service(docker("seq 1000 2000"), [("1", "p-api-1")], "2026-01-01T00:00:00Z", str(tmp_path), "api", {})
    assert found.capped and found.lines == 1001 and (tmp_path / "api.log").read_text().endswith("2000\n")


def test_the_last_lines_of_a_container_are_those_it_ended_with(docker: Callable[[str], Any]) -> None:
    assert last_lines(docker(f"seq 1 20; echo {SECRET} >&2"), "1", 2) == ["20", MASK]


# What is concluded from numbers


def session(pid: int, *blocked_by: int, **more: Any) -> dict[str, Any]:
    return {"pid": pid, "user": "u", "application": "a", "client": None, "state": "active", "transaction_s": 1,
            "state_s": 1, "blocked_by": list(blocked_by), "locks": [], "query": "q", **more}


def test_the_one_others_wait_for_is_found_behind_those_who_wait_themselves() -> None:
    found = blocking([session(1), session(2, 1), session(3, 2), session(4, 2, 1), session(5)])
    assert [(row["pid"], sorted(row["waiting"])) for row in found] == [(1, [2, 3, 4])]


def test_a_holder_that_is_no_session_here_is_named_as_well() -> None:
    assert [(row["pid"], row["waiting"]) for row in blocking([session(2, 0)])] == [(0, [2])]


@pytest.mark.parametrize(("recorded", "expected", "applied"), [
    (["m3npr1c3dr0p"], "same", True),
    (["k1l2m3n4o5p6"], "ahead", True),
    (["g1h2i3j4k5l6"], "ahead", False),
    (["zzzz"], "behind", None),
    ([], "unknown", False),
    (None, "unknown", None),
])
def test_a_history_is_placed_against_what_is_recorded(history: Callable[[str], Graph], recorded: list[str] | None,
                                                      expected: str, applied: bool | None) -> None:
    found = history_facts(history("chain"), "image", recorded, "k1l2m3n4o5p6")
    assert (found["stand"], found["applied"]) == (expected, applied)


def test_two_rows_on_one_line_of_descent_are_seen_and_two_heads_are_not(history: Callable[[str], Graph]) -> None:
    overlap = history_facts(history("chain"), "i", ["g1h2i3j4k5l6", "k1l2m3n4o5p6"], "")["overlap"]
    assert overlap == ("g1h2i3j4k5l6", "k1l2m3n4o5p6")
    assert history_facts(history("branched"), "i", ["24b194c1b790", "f4g5h6i7j8k9"], "")["overlap"] is None


def test_an_image_that_tells_nothing_is_unknown() -> None:
    assert history_facts(None, "image", ["a"], "a") == {
        "image": "image", "heads": None, "stand": "unknown", "unknown": [], "overlap": None, "applied": None}


# Causes


def scene(**found: Any) -> Scene:
    return Scene(found.pop("language", "en"), lambda text: f"psql -c '{text}'",
                 lambda *words: f"docker compose {' '.join(words)}", ["api"], **found)


def container(service: str = "api", **more: Any) -> dict[str, Any]:
    return {"service": service, "name": f"p-{service}-1", "status": "running", "health": "healthy", "exit_code": 0,
            "oneoff": False, "restart_policy": "", "restarts": 0, "oom_killed": False, "error": "", "health_said": "",
            "memory_bytes": None, "memory_limit_bytes": None, "started_at": "2026-01-01T00:00:00Z", "last_lines": [],
            "image": "i", **more}


def database(**more: Any) -> dict[str, Any]:
    return {"recorded_heads": ["k1"], "connections": 5, "max_connections": 100, **more}


def log(**signs: str) -> dict[str, Any]:
    return {"lines": 1, "matches": {}, "capped": False, "ended": False, "failed": "",
            "signs": {name: {"count": 2, "last": last} for name, last in signs.items()}}


def told(stand: str, **more: Any) -> dict[str, Any]:
    return {"image": "app:2", "heads": ["k1"], "stand": stand, "unknown": [], "overlap": None, "applied": True, **more}


def heads(stand: str, **more: Any) -> dict[str, Any]:
    return {"applications": {"api": told(stand)}, "migrations": told("same", **more)}


WELL: dict[str, Any] = {
    "containers": [container(), container("postgres"), container("api-tests", status="exited", health=""),
                   container("api-migrations", status="exited", health="")],
    "database": database(tables=[{"table": "categories", "present": True, "empty": False}],
                         idle_in_transaction=[session(7, state="idle in transaction", locks=["t"], state_s=2)],
                         longest=[session(8, state_s=3)]),
    "heads": heads("same"), "logs": {"api": log()}, "disk": [{"path": "/", "free_bytes": 1 << 40,
                                                              "total_bytes": 1 << 41, "place": "state_dir"}],
    "last_run": {"run_id": "r", "outcome": "rolled_back", "to_heads": ["k1"], "finished_at": "2026"},
}


def test_where_all_is_well_there_is_no_cause() -> None:
    assert causes(scene(**WELL)) == []
    assert "No probable cause" in "\n".join(lines(scene(**WELL), [], "recyclic", "2026", "/d"))


BLOCKED = {"blocked": [session(2, 1)], "blocking": [{**session(1, state="idle in transaction"), "waiting": [2]}]}

CASES: list[tuple[str, dict[str, Any], str, str]] = [
    # id, what is found instead, words of the text, words of what to do next
    ("engine_down", {"unavailable": {"containers": {"key": "engine_down", "text": "why", "command": ""}}}, "why",
     "systemctl start docker"),
    ("database_down", {"unavailable": {"database": {"key": "database_down", "text": "why", "command": "start it"}}},
     "why", "start it"),
    ("disk_full", {"disk": [{"path": "/v", "free_bytes": 1 << 20, "total_bytes": 1 << 40, "place": "docker"}]}, "/v",
     "/v"),
    ("disk_full", {"logs": {"postgres": log(disk_full="No space left on device")}}, "No space left", "df -h"),
    ("out_of_memory", {"containers": [container(oom_killed=True)]}, "p-api-1", "mem_limit"),
    ("out_of_memory", {"logs": {"api": log(out_of_memory="MemoryError")}}, "MemoryError", "docker stats"),
    ("migration_running", {"containers": [container(), container("api-migrations")]}, "p-api-migrations-1",
     "docker stop p-api-migrations-1"),
    ("migrations_failed", {"containers": [container(), container(
        "api-migrations", status="exited", exit_code=255, last_lines=["2026 boom"])]}, "255 (container"
     " p-api-migrations-1): boom", "rollback.yml --check"),
    ("service_down", {"containers": []}, "api has no container", "up -d --no-deps api"),
    ("service_down", {"containers": [container(status="exited", health="")]}, "status 0", "start api"),
    ("service_down", {"containers": [container(), container("redis", status="exited", health="healthy")]}, "redis",
     "start redis"),
    ("service_down", {"containers": [container(status="exited", exit_code=3, last_lines=["2026 the wheel came off"])]},
     "status 3. Its last lines: the wheel came off", "docker logs --tail 50 p-api-1"),
    ("service_down", {"containers": [container(status="restarting", exit_code=1, restarts=9)]}, "9 time(s)", "logs"),
    ("service_down", {"containers": [container(health="unhealthy", health_said="refused")]}, "refused", "logs"),
    ("compatibility", {"heads": heads("ahead")}, "newer than its database", "rollback_resume_environment"),
    ("compatibility", {"heads": heads("behind")}, "older than its database", "rollback_resume_environment"),
    ("compatibility", {"heads": {}, "logs": {"api": log(undefined="UndefinedColumn: price")}}, "price",
     "rollback_resume_environment"),
    ("data_errors", {"logs": {"api": log(undefined="UndefinedColumn: price")}}, "may not tell the truth",
     "validate.yml"),
    ("data_errors", {"logs": {"api": log(violated="NotNullViolation: x")}}, "NotNullViolation", "rollback.yml --check"),
    ("blocked", {"database": database(**BLOCKED)}, "wait for pid 1", "SELECT pg_terminate_backend(1)"),
    ("blocked", {"database": database(blocked=[session(2, 0)], blocking=[{"pid": 0, "waiting": [2]}])},
     "prepared transaction", "pg_prepared_xacts"),
    ("blocked", {"database": database(blocked=[session(2, 1)], blocking=[
        {**session(1, application="recyclic.rollback:r:manual"), "waiting": [2]}])}, "recyclic.rollback:r",
     "status.yml"),
    ("version_table", {"database": database(recorded_heads=[])}, "empty", "rollback.yml --check"),
    ("version_table", {"database": database(recorded_heads=None)}, "no version table", "status.yml"),
    ("version_table", {"heads": heads("same", overlap=["a", "b"])}, "a and b", "validate.yml"),
    ("version_table", {"heads": heads("same", unknown=["zz"])}, "zz", "rollback.yml --check"),
    ("moved_since", {"last_run": {**WELL["last_run"], "to_heads": ["g1"]}}, "left the database at g1", "--no-deps"),
    ("data_missing", {"database": database(tables=[{"table": "categories", "present": False, "empty": None}])},
     "does not exist", "validate_expectation=migrated"),
    ("data_missing", {"database": database(tables=[{"table": "categories", "present": True, "empty": True}])},
     "is empty", "validate_expectation=migrated"),
    ("idle_transaction", {"database": database(idle_in_transaction=[session(
        7, state="idle in transaction", locks=["categories (RowExclusiveLock)"], state_s=31)])}, "categories",
     "pg_terminate_backend(7)"),
    ("connections", {"database": database(connections=90)}, "90 of 100", "pg_stat_activity"),
    ("connections", {"logs": {"api": log(connections="too many clients already")}}, "too many", "max_connections"),
    ("memory", {"containers": [container(memory_bytes=95 << 20, memory_limit_bytes=100 << 20)]}, "95 MiB",
     "restart api"),
    ("long_query", {"database": database(longest=[session(8, state_s=31)])}, "31 s", "pg_cancel_backend(8)"),
    ("statistics", {"database": database(never_analyzed=[{"table": "public.sales", "rows": 50000}])}, "sales (50000)",
     "ANALYZE"),
]


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(("ident", "instead", "text", "command"), CASES)
def test_a_cause_is_named_with_its_evidence_and_what_to_type(ident: str, instead: dict[str, Any], text: str,
                                                             command: str, language: str) -> None:
    found = causes(scene(**{**WELL, **instead, "language": language}))
    assert [each["id"] for each in found] == [ident]
    if language == "en":
        assert text in found[0]["text"]
        assert command in found[0]["next"]


@pytest.mark.parametrize("instead", [
    {"database": database(idle_in_transaction=[session(7, state="idle in transaction", state_s=99)])},
    {"database": database(longest=[session(8, state_s=99, application="recyclic.rollback:r:backup")])},
    {"database": database(recorded_heads=None, recorded_error="permission denied")},
    {"database": database(tables=[{"table": "categories", "present": True, "empty": True}]),
     "heads": heads("same", applied=False)},
    {"last_run": {**WELL["last_run"], "to_heads": ["g1"], "outcome": "refused"}},
    {"containers": [container(), container("worker", status="exited", health="", restart_policy="on-failure")]},
])
def test_what_only_looks_like_a_cause_is_none(instead: dict[str, Any]) -> None:
    assert causes(scene(**{**WELL, **instead})) == []


def test_the_most_urgent_cause_comes_first() -> None:
    found = causes(scene(**{**WELL, "database": database(**BLOCKED, never_analyzed=[{"table": "t", "rows": 50000}]),
                            "containers": [container(status="exited", exit_code=1)], "heads": heads("ahead")}))
    assert [each["id"] for each in found] == ["service_down", "compatibility", "blocked", "statistics"]


# What people read


@pytest.mark.parametrize(("language", "title", "headings"), [
    ("en", "# Diagnosis of recyclic since 2026: 1 probable cause(s)", ["## Logs", "## Sessions"]),
    ("fr", "# Diagnostic de recyclic depuis 2026 : 1 cause(s) probable(s)",
     ["## Journaux", "## Tables de la migration"]),
])
def test_the_summary_begins_with_the_causes(language: str, title: str, headings: list[str]) -> None:
    shown = scene(**{**WELL, "language": language, "unavailable": {"heads": {"key": "k", "text": "no | why"}},
                     "database": database(**BLOCKED, tables=[{"table": "categories", "present": True, "empty": False}],
                                          size_bytes=1 << 20),
                     "logs": {"api": {**log(), "capped": True, "ended": True, "failed": "driver"}}})
    first = lines(shown, causes(shown), "recyclic", "2026", "/d")
    text = markdown(shown, first)
    assert text.startswith(title) and text.index("pg_terminate_backend(1)") < text.index(headings[0])
    assert all(heading in text for heading in headings)
    assert "/d" in text and "no | why" in text and "driver" in text


def test_the_last_report_on_this_database_is_found(tmp_path: Path) -> None:
    state = StateDirectory(str(tmp_path))
    assert last_report(state, "recyclic") is None
    run_began(state, "2026", outcome="rolled_back", to_heads=["g1"], finished_at="2026")
    assert (last_report(state, "recyclic") or {})["to_heads"] == ["g1"]
    assert last_report(state, "another") is None
