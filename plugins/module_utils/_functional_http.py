# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""HTTP checks, asked again and again until the application has been well for a while."""

from __future__ import annotations

import re
import statistics
import time
import typing as t
from collections import deque
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit

from ansible.module_utils.urls import ConnectionError as UrlsError
from ansible.module_utils.urls import open_url

from ._compose import Project, address_of
from ._errors import Refusal
from ._functional import Check, Finding, kind_of
from ._messages import say
from ._redact import Redactor

REQUEST_LIMIT_S = 10.0
BODY_LIMIT = 1024 * 1024
HOPS = 5
SAFE_METHODS = ("GET", "HEAD")
# Well is who answers so many rounds in a row; the response time judged is the median of as many.
ROUNDS = 3
PAUSE_WELL_S, PAUSE_S = 1.0, 2.0
# Three times a few milliseconds is noise, no slowness.
RATIO_FLOOR_MS = 200.0


@dataclass(frozen=True)
class Answer:
    """What a request met: a status, a body and milliseconds, or the reason why nothing answered."""

    status: int = 0
    body: str = ""
    ms: float = 0.0
    nothing: str = ""


@dataclass
class Probe:
    """One HTTP check, followed over the rounds."""

    check: Check
    headers: dict[str, str]
    baseline_ms: float | None = None
    times: deque[float] = field(default_factory=lambda: deque(maxlen=ROUNDS))
    found: Finding = field(default_factory=lambda: Finding("", "", "skip"))
    well_since: float | None = None

    @property
    def settled(self) -> bool:
        """Waiting would not make it better."""
        return self.found.result in ("pass", "warn")


def ask(url: str, method: str, headers: t.Mapping[str, str], proxied: bool, redact: Redactor) -> Answer:
    """Send one request, within its time limit; redirects are followed on the same host and port only."""
    began = time.monotonic()
    try:
        for hop in range(HOPS + 1):
            left = max(REQUEST_LIMIT_S - (time.monotonic() - began), 0.1)
            try:
                response = open_url(url, method=method, headers=dict(headers), timeout=left, follow_redirects="none",
                                    use_proxy=proxied, use_netrc=False)
            except HTTPError as error:
                response = error
            with response:
                onward = _onward(url, method, response)
                if not onward or hop == HOPS:
                    body = _read(response, began + REQUEST_LIMIT_S)
                    return Answer(int(response.code), body, (time.monotonic() - began) * 1000)
                url = onward
        raise AssertionError
    except (OSError, HTTPException, UrlsError, ValueError) as error:
        return Answer(nothing=redact(str(getattr(error, "reason", "") or error) or type(error).__name__))


def _onward(url: str, method: str, response: t.Any) -> str:
    location = response.headers.get("Location")
    if method not in SAFE_METHODS or not 300 <= response.code < 400 or not location:
        return ""
    onward = urljoin(url, location)
    return onward if urlsplit(onward)[:2] == urlsplit(url)[:2] else ""


def _read(response: t.Any, deadline: float) -> str:
    """Return the body's beginning. Raises TimeoutError for one that comes in drops."""
    parts: list[bytes] = []
    while sum(map(len, parts)) < BODY_LIMIT:
        part = response.read1(65536) if hasattr(response, "read1") else response.read(65536)
        if not part:
            break
        parts.append(part)
        if time.monotonic() > deadline:
            raise TimeoutError(f"> {REQUEST_LIMIT_S:.0f} s")
    return b"".join(parts).decode("utf-8", errors="replace")


def limit_ms(check: Check, baseline_ms: float | None) -> float | None:
    """Return the milliseconds an answer may take; None where there is nothing to judge by."""
    http = check["http"]
    limits = [] if http["max_ms"] is None else [float(http["max_ms"])]
    if baseline_ms is not None:
        limits.append(max(http["max_ratio"] * baseline_ms, RATIO_FLOOR_MS))
    return min(limits, default=None)


def judge(probe: Probe, answer: Answer, language: str) -> Finding:
    """Judge one round's answer, and the median of the last times."""
    http, limit = probe.check["http"], limit_ms(probe.check, probe.baseline_ms)
    expected = [say(language, "http_status", status=", ".join(map(str, http["status"])))]
    if http["body"]:
        expected.append(say(language, "http_body", pattern=http["body"]))
    if limit is not None:
        expected.append(say(language, "http_at_most", ms=round(limit)))
    wanted = ", ".join(expected)
    measure: dict[str, t.Any] = {"status": answer.status or None, "baseline_ms": probe.baseline_ms}
    if answer.nothing:
        return Finding(wanted, answer.nothing, "fail", measure)
    observed = say(language, "http_status", status=answer.status)
    if answer.status not in http["status"]:
        if answer.status in (401, 403) and not probe.headers:
            return Finding(wanted, say(language, "http_credentials", status=answer.status), "warn", measure)
        return Finding(wanted, observed, "fail", measure)
    if http["body"] and not re.search(http["body"], answer.body):
        return Finding(wanted, say(language, "http_other_body", status=answer.status), "fail", measure)
    probe.times.append(answer.ms)
    median = statistics.median(probe.times)
    measure.update(ms=round(median, 1), last_ms=[round(ms, 1) for ms in probe.times])
    observed += ", " + say(language, "http_ms", ms=round(median))
    return Finding(wanted, observed, "fail" if limit is not None and median > limit else "pass", measure)


def watch(probes: t.Sequence[Probe], look: t.Callable[[], t.Callable[[Probe], Answer]], watch_s: float, language: str
          ) -> float:
    """Ask all of them until they are well three rounds in a row, or the time is up; return the seconds it took.

    ``look`` is called once a round and returns how to ask: a container that was started again has another address.
    """
    began = time.monotonic()
    rounds = well = 0
    while probes:
        fetch, at = look(), time.monotonic() - began
        for probe in probes:
            probe.found = judge(probe, fetch(probe), language)
            probe.well_since = None if not probe.settled else at if probe.well_since is None else probe.well_since
        rounds, well = rounds + 1, well + 1 if all(probe.settled for probe in probes) else 0
        # One that is well by turns is not well: the last rounds are asked also when the time is up.
        if well == ROUNDS or (not well and rounds >= ROUNDS and time.monotonic() - began + PAUSE_S > watch_s):
            break
        time.sleep(PAUSE_WELL_S if well else PAUSE_S)
    for probe in probes:
        if probe.well_since and probe.well_since > PAUSE_S / 2:
            seconds = round(probe.well_since, 1)
            told = probe.found.observed + ", " + say(language, "http_well_after", seconds=seconds)
            probe.found = Finding(probe.found.expected, told, probe.found.result,
                                  {**probe.found.measure, "well_after_s": seconds})
    return round(time.monotonic() - began, 1)


def watch_checks(checks: t.Sequence[Check], project: Project | None, headers: t.Mapping[str, t.Any],
                 baseline: t.Callable[[Check], float | None], watch_s: float, check_mode: bool, language: str,
                 redact: Redactor) -> tuple[dict[str, Finding], float]:
    """Watch the HTTP checks; return what was found by id, and the seconds it took."""
    found, probes = {}, []
    for check in checks:
        http = check["http"]
        if not http["url"] and project is None:
            found[check["id"]] = Finding(kind_of(check), say(language, "check_needs_compose"), "skip")
        elif check_mode and http["method"] not in SAFE_METHODS:
            found[check["id"]] = Finding(kind_of(check), say(language, "check_would_act"), "skip")
        else:
            sent = {str(name): str(text) for name, text in {**headers, **http["headers"]}.items()}
            probes.append(Probe(check, sent, baseline(check)))
    watched_s = watch(probes, lambda: look_at(project, probes, language, redact), watch_s, language)
    return {**found, **{probe.check["id"]: probe.found for probe in probes}}, watched_s


def look_at(project: Project | None, probes: t.Sequence[Probe], language: str, redact: Redactor
            ) -> t.Callable[[Probe], Answer]:
    """Return how this round's requests are sent, the containers being where they are now."""
    among = project.containers() if project and any(probe.check["http"]["service"] for probe in probes) else []

    def fetch(probe: Probe) -> Answer:
        http = probe.check["http"]
        if http["url"]:
            return ask(http["url"], http["method"], probe.headers, True, redact)
        container = next((each for each in project.of_service(http["service"], among) if each.status == "running"),
                         None) if project else None
        if container is None:
            return Answer(nothing=say(language, "check_not_running", service=http["service"]))
        try:
            host, port = address_of(container, http["port"])
        except Refusal:
            return Answer(nothing=say(language, "check_unreachable", service=http["service"], name=container.name))
        place = f"[{host}]" if ":" in host else host
        # What the environment says of proxies is not about containers.
        return ask(f"http://{place}:{port}/{http['path'].lstrip('/')}", http["method"], probe.headers, False, redact)

    return fetch
