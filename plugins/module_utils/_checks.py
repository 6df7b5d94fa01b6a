# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Checks: what must be true of the tables, measured in one snapshot and judged apart from the measuring."""

from __future__ import annotations

import typing as t

from ._counts import differences, measure, qualified, settle, survey
from ._database import identity, recorded_heads, rows
from ._errors import Refusal
from ._evidence import now

Check = t.Mapping[str, t.Any]
Result = dict[str, t.Any]


def check_spec() -> dict[str, t.Any]:
    """Return the options of one check."""
    return {
        "id": {"type": "str", "required": True},
        "table": {"type": "str", "required": True},
        "filter": {"type": "str"},
        "rows": {"type": "int"},
        "min_rows": {"type": "int"},
        "max_rows": {"type": "int"},
        "unchanged": {"type": "bool", "default": False},
        "absent": {"type": "str", "default": "fail", "choices": ["fail", "pass", "accepted"]},
        "expectation": {"type": "str", "default": "any", "choices": ["any", "rolled_back", "migrated"]},
        "severity": {"type": "str", "default": "fail", "choices": ["fail", "warn"]},
    }


def take_evidence(connection: t.Any, checks: t.Sequence[Check], fingerprint_max_bytes: int, everything: bool,
                  version_table: str, version_schema: str | None) -> dict[str, t.Any]:
    """Measure, in one read-only snapshot: ``{at, server, heads, tables, checks}``.

    ``connection`` must not be in autocommit mode. ``checks`` maps an id to ``{present, rows, exact, fingerprint}``.
    """
    duplicates = {check["id"] for check in checks if sum(other["id"] == check["id"] for other in checks) > 1}
    if duplicates:
        raise Refusal("check_unreadable", check=", ".join(sorted(duplicates)), error="two checks share this id")
    rows(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    places = {check["id"]: qualified(connection, check["table"]) for check in checks}
    heads = recorded_heads(connection, version_table, version_schema)
    server = identity(connection)
    settle(connection)
    measured: dict[str, t.Any] = {}
    for check in checks:
        place = places[check["id"]]
        measured[check["id"]] = {"present": False, "rows": None} if place is None else {
            "present": True, **measure(connection, place, check["filter"], fingerprint=check["unchanged"])}
    tables = survey(connection, fingerprint_max_bytes) if everything else {}
    connection.rollback()
    return {"at": now(), "server": server, "heads": heads, "tables": tables, "checks": measured}


def judge(checks: t.Sequence[Check], evidence: dict[str, t.Any], expectation: str, baseline: dict[str, t.Any] | None,
          accepted: t.Collection[str]) -> list[Result]:
    """Judge each check that applies to an expectation: ``{id, expected, observed, result, severity}``.

    ``result`` is ``pass``, ``fail``, ``warn`` (a failure that was declared to be no more) or ``skip`` (nothing to
    compare with).
    """
    found = []
    for check in checks:
        if check["expectation"] in ("any", expectation):
            expected, observed, passed = _judge(check, evidence["checks"][check["id"]], baseline, accepted)
            result = "skip" if passed is None else "pass" if passed else check["severity"]
            found.append({"id": check["id"], "expected": expected, "observed": observed, "result": result,
                          "severity": check["severity"]})
    return found


def _judge(check: Check, measured: dict[str, t.Any], baseline: dict[str, t.Any] | None, accepted: t.Collection[str]
           ) -> tuple[str, str, bool | None]:
    bounds = [(check["rows"], "{} rows", int.__eq__), (check["min_rows"], "at least {} rows", int.__ge__),
              (check["max_rows"], "at most {} rows", int.__le__)]
    wanted = [text.format(bound) for bound, text, _test in bounds if bound is not None]
    if not measured["present"]:
        passed = check["absent"] == "pass" or (
            check["absent"] == "accepted" and f"drop-table:{check['table']}" in accepted)
        return " and ".join(wanted) or "present", "absent", passed
    passed = all(test(measured["rows"], bound) for bound, _text, test in bounds if bound is not None)
    if not check["unchanged"]:
        return " and ".join(wanted) or "present", f"{measured['rows']} rows", passed
    before = (baseline or {}).get("checks", {}).get(check["id"])
    if not before or not before["present"]:
        # Without an earlier measure only the bounds can be judged, and without bounds nothing.
        return " and ".join([*wanted, "unchanged"]), f"{measured['rows']} rows", passed if wanted else None
    same = (before["rows"], before["fingerprint"]) == (measured["rows"], measured["fingerprint"])
    observed = f"{measured['rows']} rows" if same or before["rows"] != measured["rows"] else (
        f"{measured['rows']} rows, other content")
    return " and ".join([*wanted, f"the same {before['rows']} rows"]), observed, passed and same


def judge_heads(evidence: dict[str, t.Any], expected: t.Sequence[str]) -> Result:
    """Judge the recorded revisions against the whole expected set."""
    observed = evidence["heads"] or []
    return {"id": "recorded-revisions", "expected": ", ".join(sorted(expected)) or "none",
            "observed": ", ".join(sorted(observed)) or "none",
            "result": "pass" if sorted(observed) == sorted(expected) else "fail", "severity": "fail"}


def judge_other_tables(evidence: dict[str, t.Any], baseline: dict[str, t.Any], concerned: t.Collection[str]) -> Result:
    """Judge that every table the migration does not concern holds what it held."""
    changed = differences(baseline["tables"], evidence["tables"], concerned)
    counted = [name for name in baseline["tables"] if name not in concerned]
    observed = "; ".join(f"{entry['table']}: {entry['how']} ({entry['before']} -> {entry['after']} rows)"
                         for entry in changed)
    return {"id": "other-tables-unchanged", "expected": f"{len(counted)} tables unchanged",
            "observed": observed or f"{len(counted)} tables unchanged",
            "result": "fail" if changed else "pass", "severity": "fail"}


def concerned_tables(names: t.Iterable[str], version_table: str, version_schema: str | None) -> set[str]:
    """Return, as ``schema.name``, the tables a migration may change, and the version table, which it must."""
    version = f"{version_schema or 'public'}.{version_table}"
    return {version, *(name if "." in name else f"public.{name}" for name in names)}


def passed(results: t.Iterable[Result]) -> bool:
    """Tell whether no check failed outright."""
    return all(result["result"] != "fail" for result in results)
