# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Functional checks: is the application well? What a check may say, and what all kinds of checks share."""

from __future__ import annotations

import base64
import os
import re
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._compose import Project
from ._errors import Refusal
from ._evidence import now, private_directory, read_json, write_json
from ._redact import environment_secrets, url_passwords
from ._services import Services

Check = t.Mapping[str, t.Any]

KINDS = ("http", "log", "memory", "command")
VARIABLE = "rollback_checks"
# Headers that say what is asked, not who asks.
_PLAIN_HEADER = re.compile(r"accept.*|content-type|host|user-agent|x-forwarded-.*", re.IGNORECASE)


def functional_spec() -> dict[str, t.Any]:
    """Return the options of one check."""
    return {
        "id": {"type": "str", "required": True},
        "expectation": {"type": "str", "default": "any", "choices": ["any", "rolled_back", "migrated"]},
        "severity": {"type": "str", "default": "fail", "choices": ["fail", "warn"]},
        "http": {"type": "dict", "options": {
            "url": {"type": "str"},
            "service": {"type": "str"},
            "port": {"type": "int", "default": 8000},
            "path": {"type": "str", "default": "/"},
            "method": {"type": "str", "default": "GET"},
            "headers": {"type": "dict", "default": {}, "no_log": True},
            "status": {"type": "list", "elements": "int", "default": [200]},
            "body": {"type": "str"},
            "max_ms": {"type": "int"},
            "max_ratio": {"type": "float", "default": 3.0},
        }},
        "log": {"type": "dict", "options": {
            "service": {"type": "str", "required": True},
            "pattern": {"type": "str", "default": r"\b(ERROR|FATAL|PANIC)\b"},
            "ignore": {"type": "list", "elements": "str", "default": []},
            "max": {"type": "int", "default": 0},
        }},
        "memory": {"type": "dict", "options": {
            "service": {"type": "str", "required": True},
            "max_ratio": {"type": "float", "default": 2.0},
            "max_bytes": {"type": "int"},
        }},
        "command": {"type": "dict", "options": {
            "service": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "default": []},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "rc": {"type": "list", "elements": "int", "default": [0]},
            "stdout": {"type": "str"},
            "timeout": {"type": "int", "default": 600},
        }},
    }


@dataclass(frozen=True)
class Finding:
    """What one check found: words for the operator, ``pass``, ``fail``, ``warn`` or ``skip``, and the measure.

    A ``grave`` failure is one whatever the check's own severity.
    """

    expected: str
    observed: str
    result: str
    measure: dict[str, t.Any] = field(default_factory=dict)
    grave: bool = False


def as_result(check: Check, found: Finding) -> dict[str, t.Any]:
    """Return the result in the shape every check of a report has."""
    severity = "fail" if found.grave else check["severity"]
    return {"id": check["id"], "expected": found.expected, "observed": found.observed,
            "result": severity if found.result == "fail" else found.result, "severity": severity}


def kind_of(check: Check) -> str:
    """Return which kind a sound check is."""
    return next(kind for kind in KINDS if check[kind] is not None)


def service_of(check: Check) -> str:
    """Return the service whose own container a sound check is about; empty for a URL, or a container made for it."""
    return "" if check["command"] else str(check[kind_of(check)]["service"] or "")


def require_sound(checks: t.Sequence[Check], project: Project | None, filled: dict[str, str]) -> None:
    """Raise Refusal for a check that cannot be measured as it is written; nothing is measured.

    ``filled`` is what the Compose files will be filled in with besides.
    """
    names = [check["id"] for check in checks]
    duplicates = {name for name in names if names.count(name) > 1}
    if duplicates:
        raise Refusal("checks_share_id", ids=", ".join(sorted(duplicates)))
    for check in checks:
        kinds = [kind for kind in KINDS if check[kind] is not None]
        if len(kinds) != 1:
            raise Refusal("check_kinds", id=check["id"], kinds=", ".join(KINDS), given=", ".join(kinds) or "-")
        asked = check[kinds[0]]
        if kinds == ["http"] and bool(asked["url"]) == bool(asked["service"]):
            raise Refusal("check_http_target", id=check["id"])
        for pattern in (asked.get("body"), asked.get("pattern"), asked.get("stdout"), *asked.get("ignore", [])):
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise Refusal("check_pattern_broken", id=check["id"], pattern=pattern, error=str(error)) from error
        if project and asked["service"]:
            project.service(asked["service"], VARIABLE)
            if kinds == ["command"]:
                Services(project).definition(asked["service"], filled)


def header_secrets(headers: t.Mapping[str, t.Any]) -> set[str]:
    """Return what must never be shown of headers: their values, each long word of these, a decoded password.

    As in an environment, fewer than four characters hide nothing.
    """
    found: set[str] = set()
    for name, value in headers.items():
        if _PLAIN_HEADER.fullmatch(str(name)):
            continue
        text = str(value)
        scheme, _space, rest = text.partition(" ")
        found |= {text, *(word for word in text.split() if len(word) >= 8)}
        if scheme.lower() == "basic":
            with suppress(ValueError):
                found.add(base64.b64decode(rest, validate=True).decode().partition(":")[2])
    return {secret for secret in found if len(secret) >= 4}


def secrets_of(params: t.Mapping[str, t.Any]) -> tuple[set[str], set[str]]:
    """Return what is secret of a module's options, and what is not though it stands in options declared secret."""
    headers, environments, secret = [params["http_headers"]], [params["resume_environment"]], set()
    for check in params["checks"]:
        headers += [check["http"]["headers"]] if check["http"] else []
        environments += [check["command"]["environment"]] if check["command"] else []
        secret |= url_passwords((check["http"] or {}).get("url") or "")
    for each in headers:
        secret |= header_secrets(each)
    for each in environments:
        secret |= environment_secrets(each)
    return secret, {str(text) for each in (*headers, *environments) for text in each.values()} - secret


def baseline_path(state_dir: str, slug: str) -> str:
    return os.path.join(state_dir, "baselines", f"{slug}.json")


def baseline_of(path: str, check: Check) -> float | None:
    """Return the milliseconds of an earlier, healthy measure of the same request; None where there is none."""
    known = ((read_json(path) if path else None) or {}).get("checks", {}).get(check["id"], {})
    return known["ms"] if known.get("asked") == _asked(check) else None


def record_baseline(path: str, checks: t.Sequence[Check], found: t.Mapping[str, Finding]) -> None:
    """Keep the response times of the checks that passed; others keep what was known of them."""
    private_directory(os.path.dirname(path))
    known = (read_json(path) or {}).get("checks", {})
    fresh = {check["id"]: {"asked": _asked(check), "ms": found[check["id"]].measure["ms"], "at": now()}
             for check in checks if check["http"] and found[check["id"]].result == "pass"}
    write_json(path, {"checks": {**known, **fresh}})


def _asked(check: Check) -> list[t.Any]:
    """What makes two response times comparable; a URL may hold a password, which is not written down."""
    http = check["http"]
    return [http["method"], http["service"], http["port"], http["path"], re.sub(r"//[^/]*@", "//", http["url"] or "")]
