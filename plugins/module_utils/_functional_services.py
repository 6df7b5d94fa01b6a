# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Checks of services: what they log, the memory they use, and commands run once in a container of theirs."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass, field, replace

from ._compose import Project
from ._compose_runtime import ComposeRuntime
from ._diagnose_logs import _Follower, lines_of
from ._docker import Container
from ._evidence import read_json, write_file
from ._functional import Check, Finding, kind_of
from ._ground import Ground
from ._messages import say
from ._runner import APPLICATION, KEPT_BYTES, Program
from ._services import EVIDENCE, Services, by_service

LOG_LIMIT_S = 60.0
QUOTED, QUOTED_CHARACTERS = 3, 200
OUTPUT_BYTES = 1024 * 1024
# What a rollback itself makes the server and its clients log.
OWN_DOING = (
    r"terminating connection due to administrator command",
    r"canceling statement due to (lock timeout|user request)",
    r"connection to client lost",
    r"database \"[^\"]*\" is being accessed by other users",
)


# Bytes, ``before`` the services were stopped and ``after``; None where it was not seen.
Used = dict[str, t.Optional[int]]


@dataclass(frozen=True)
class Asked:
    """What these checks are asked of, and with what.

    ``filled`` fills the Compose files in besides, ``heads`` reads the recorded revisions, ``commands`` collects what
    was executed, ``memory`` is what each service used and uses.
    """

    ground: Ground
    run_dir: str | None
    since: str
    filled: dict[str, str]
    heads: t.Callable[[], list[str] | None]
    check_mode: bool
    language: str
    commands: list[str]
    memory: dict[str, Used] = field(default_factory=dict)


def measure(checks: t.Sequence[Check], asked: Asked) -> dict[str, Finding]:
    """Measure each check once; return what was found by id."""
    project, language = asked.ground.project, asked.language
    if project is None:
        return {check["id"]: Finding(kind_of(check), say(language, "check_needs_compose"), "skip") for check in checks}
    found = {}
    among = project.containers() if checks else []
    for check in checks:
        if check["log"]:
            found[check["id"]] = log(check, project, among, asked.since, language)
        elif check["memory"]:
            found[check["id"]] = memory(check, asked.memory.get(check["memory"]["service"], {}), language)
        elif asked.check_mode:
            found[check["id"]] = Finding(kind_of(check), say(language, "check_would_act"), "skip")
        else:
            found[check["id"]] = guarded(check, asked)
    return found


def log(check: Check, project: Project, among: t.Sequence[Container], since: str, language: str) -> Finding:
    """Count the lines of a service's containers since a moment that match."""
    asked = check["log"]
    expected = say(language, "log_at_most", max=asked["max"], pattern=asked["pattern"])
    containers = project.of_service(asked["service"], among)
    if not containers:
        return Finding(expected, say(language, "check_not_running", service=asked["service"]), "fail")
    if not since:
        return Finding(expected, say(language, "log_since_missing"), "skip")
    wanted = re.compile(asked["pattern"])
    ignored = [re.compile(pattern) for pattern in (*OWN_DOING, *asked["ignore"])]
    counted: dict[str, t.Any] = {"since": since, "lines": 0, "matched": 0, "ignored": 0}
    quoted: list[str] = []
    for container in containers:
        line = ""
        # As it comes, without secrets: nothing of it is kept anywhere but what is quoted.
        with _Follower(["docker", "logs", "--since", since, container.id], LOG_LIMIT_S) as follower:
            for text in lines_of(follower.stream, project.docker.redact):
                line = text.strip()
                counted["lines"] += 1
                if wanted.search(line):
                    own = any(pattern.search(line) for pattern in ignored)
                    counted["ignored" if own else "matched"] += 1
                    if not own and len(quoted) < QUOTED:
                        quoted.append(line[:QUOTED_CHARACTERS])
        if follower.timed_out or follower.status:
            # What the client says of its failure comes last.
            error = "timeout" if follower.timed_out else line[:QUOTED_CHARACTERS] or f"status {follower.status}"
            return Finding(expected, say(language, "log_unread", name=container.name, error=error), "fail", counted)
    counted["quoted"] = quoted
    observed = say(language, "log_lines", lines=counted["matched"])
    return Finding(expected, ": ".join([observed, " / ".join(quoted)]) if quoted else observed,
                   "pass" if counted["matched"] <= asked["max"] else "fail", counted)


def memory_used(project: Project | None, run_dir: str | None) -> dict[str, Used]:
    """Return what each service used when this run stopped some, and uses now; one call for all."""
    if project is None:
        return {}
    services = Services(project)
    among = project.containers()
    kept = (read_json(os.path.join(run_dir, EVIDENCE)) if run_dir else None) or {}
    before, after = kept.get("memory_bytes") or {}, by_service(services.memory(among), among)
    return {name: {"before": before.get(name), "after": after.get(name)} for name in sorted({*before, *after})}


def at_rest(project: Project | None, run_dir: str | None) -> set[str]:
    """Return the services that did not run when this run came to stop them, and do not now: nobody asked for them."""
    kept = (read_json(os.path.join(run_dir, EVIDENCE)) if run_dir and project else None) or {}
    idle = {name for name, each in kept.get("services", {}).items() if not each["running"]}
    return idle - {each.service for each in project.containers() if each.running} if idle and project else set()


def memory(check: Check, used: Used, language: str) -> Finding:
    """Judge what a service uses of memory against what it used before, and against a limit."""
    asked, service = check["memory"], check["memory"]["service"]
    now, earlier, limit = used.get("after"), used.get("before"), asked["max_bytes"]
    limits = ([] if limit is None else [limit]) + ([asked["max_ratio"] * earlier] if earlier else [])
    told = {"bytes": now, "bytes_before": earlier}
    expected = say(language, "memory_at_most", mib=_mib(min(limits))) if limits else say(language, "memory_any")
    if now is None:
        return Finding(expected, say(language, "check_not_running", service=service), "fail", told)
    if not now:
        return Finding(expected, say(language, "memory_unread"), "skip", told)
    observed = say(language, "memory_used", mib=_mib(now))
    if earlier:
        observed += ", " + say(language, "memory_before", mib=_mib(earlier))
    return Finding(expected, observed, "pass" if now <= min(limits, default=now) else "fail", told)


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.1f}"


def guarded(check: Check, asked: Asked) -> Finding:
    """Run a command, and see that it did not move the database: an entrypoint that migrates would undo a rollback."""
    before = asked.heads()
    found = command(check, asked)
    after = asked.heads()
    if after == before:
        return found
    language = asked.language
    told = say(language, "command_moved", before=_named(before, language), after=_named(after, language))
    return replace(found, observed=f"{told}. {found.observed}", result="fail", grave=True)


def _named(heads: list[str] | None, language: str) -> str:
    return ", ".join(heads or []) or say(language, "none")


def command(check: Check, asked: Asked) -> Finding:
    """Run a command once, and judge its status and what it said; that is kept in the run directory."""
    wanted, language, runtime = check["command"], asked.language, t.cast(ComposeRuntime, asked.ground.runtime)
    environment = {str(name): str(text) for name, text in wanted["environment"].items()}
    program = Program(list(wanted["argv"]), environment, timeout_s=wanted["timeout"], kept_bytes=OUTPUT_BYTES,
                      place=APPLICATION)
    shown = runtime.project.shown("run", "--rm", "--no-deps", "-T", wanted["service"], *program.argv)
    asked.commands.append(runtime.docker.redact(shown))
    expected = say(language, "command_status", status=", ".join(map(str, wanted["rc"])))
    if wanted["stdout"]:
        expected += ", " + say(language, "command_says", pattern=wanted["stdout"])
    if asked.filled:
        service = wanted["service"]
        runtime.project.require_kept(service, runtime.project.configured(asked.filled)["services"][service])
    done = runtime.run_once(program, wanted["service"], filled=asked.filled)
    output = runtime.docker.redact(_whole(done.stdout, OUTPUT_BYTES) + _whole(done.stderr, KEPT_BYTES))[-OUTPUT_BYTES:]
    ran: dict[str, t.Any] = {"rc": done.rc, "duration_s": round(done.duration_s, 1), "ended_by": done.ended_by}
    if asked.run_dir:
        ran["log"] = os.path.join(asked.run_dir, f"command-{re.sub('[^A-Za-z0-9_.-]', '-', check['id'])}.log")
        write_file(ran["log"], output)
    if done.ended_by:
        observed = say(language, "command_ended", seconds=ran["duration_s"])
    else:
        observed = say(language, "command_ran", status=done.rc, seconds=ran["duration_s"])
    said = not wanted["stdout"] or re.search(wanted["stdout"], output) is not None
    if not said:
        observed += ", " + say(language, "command_silent")
    passed = said and not done.ended_by and done.rc in wanted["rc"]
    if not passed and asked.run_dir:
        observed += ". " + say(language, "command_output", path=ran["log"])
    return Finding(expected, observed, "pass" if passed else "fail", ran)


def _whole(text: str, kept: int) -> str:
    """Drop the line a tail begins in: half a secret would not be known for one."""
    return text.partition("\n")[2] if len(text.encode("utf-8", errors="replace")) >= kept else text
