# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Checks: what must be true of the tables, measured in one snapshot and judged apart from the measuring."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._counts import differences, measure, not_compared, qualified, settle, survey
from ._database import identity, recorded_heads, rows
from ._errors import Refusal
from ._evidence import now
from ._messages import say

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
        raise Refusal("checks_share_id", ids=", ".join(sorted(duplicates)))
    # The session as well: a filter that ends the transaction must not find itself able to write.
    rows(connection, "SET default_transaction_read_only TO on")
    connection.commit()
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
          accepted: t.Collection[str], language: str = "en") -> list[Result]:
    """Judge each check that applies to an expectation: ``{id, expected, observed, result, severity}``.

    ``result`` is ``pass``, ``fail``, ``warn`` (a failure that was declared to be no more) or ``skip`` (nothing to
    compare with). ``expected`` and ``observed`` are words for the operator.
    """
    found = []
    for check in checks:
        if check["expectation"] in ("any", expectation):
            expected, observed, passed = _judge(check, evidence["checks"][check["id"]], baseline, accepted, language)
            result = "skip" if passed is None else "pass" if passed else check["severity"]
            found.append({"id": check["id"], "expected": expected, "observed": observed, "result": result,
                          "severity": check["severity"]})
    return found


def excused(checks: t.Iterable[Check], accepted: t.Collection[str]) -> list[Check]:
    """Return checks as they are judged after a restore: writes given up were there before, and are not any more."""
    return [{**check, "unchanged": False} if f"written-since:{unqualified(check['table'])}" in accepted else check
            for check in checks]


def _judge(check: Check, measured: dict[str, t.Any], baseline: dict[str, t.Any] | None, accepted: t.Collection[str],
           language: str) -> tuple[str, str, bool | None]:
    bounds = [(check["rows"], say(language, "check_rows", rows=check["rows"]), int.__eq__),
              (check["min_rows"], say(language, "check_at_least", rows=check["min_rows"]), int.__ge__),
              (check["max_rows"], say(language, "check_at_most", rows=check["max_rows"]), int.__le__)]
    wanted = [words for bound, words, _test in bounds if bound is not None]
    present = ", ".join(wanted) or say(language, "check_present")
    if not measured["present"]:
        passed = check["absent"] == "pass" or (
            check["absent"] == "accepted" and f"drop-table:{check['table']}" in accepted)
        return present, say(language, "check_absent"), passed
    passed = all(test(measured["rows"], bound) for bound, _words, test in bounds if bound is not None)
    observed = say(language, "check_rows", rows=measured["rows"])
    if not check["unchanged"]:
        return present, observed, passed
    before = (baseline or {}).get("checks", {}).get(check["id"])
    if not before or not before["present"]:
        # Without an earlier measure only the bounds can be judged, and without bounds nothing.
        return ", ".join([*wanted, say(language, "check_unchanged")]), observed, passed if wanted else None
    same = (before["rows"], before["fingerprint"]) == (measured["rows"], measured["fingerprint"])
    if not same and before["rows"] == measured["rows"]:
        observed = say(language, "check_other_content", rows=measured["rows"])
    return ", ".join([*wanted, say(language, "check_same", rows=before["rows"])]), observed, passed and same


def judge_heads(evidence: dict[str, t.Any], expected: t.Sequence[str], language: str = "en") -> Result:
    """Judge the recorded revisions against the whole expected set."""
    observed = evidence["heads"] or []
    nothing = say(language, "none")
    return {"id": "recorded-revisions", "expected": ", ".join(sorted(expected)) or nothing,
            "observed": ", ".join(sorted(observed)) or nothing,
            "result": "pass" if sorted(observed) == sorted(expected) else "fail", "severity": "fail"}


def judge_other_tables(evidence: dict[str, t.Any], baseline: dict[str, t.Any], concerned: t.Collection[str],
                       language: str = "en", foreseen: Foreseen | None = None) -> Result:
    """Judge that every table the migration does not concern holds what it held, or what it was foreseen to hold."""
    every = differences(baseline["tables"], evidence["tables"], concerned)
    changed = [entry for entry in every if not (foreseen and foreseen.explains(entry["table"], baseline, evidence))]
    expected = [entry["table"] for entry in every if entry not in changed]
    others = [name for name in evidence["tables"] if name not in concerned and name not in expected]
    unread = [name for name in not_compared(baseline["tables"], evidence["tables"])
              if name not in concerned and name not in expected]
    unchanged = say(language, "check_tables_unchanged", tables=len(others) - len(unread))
    if expected:
        unchanged += say(language, "check_tables_foreseen", tables=", ".join(expected))
    if unread and not changed:
        unchanged += say(language, "rests_on_estimates", tables=", ".join(unread))
    return {"id": "other-tables-unchanged", "expected": unchanged,
            "observed": "; ".join(told(entry, language) for entry in changed) or unchanged,
            "result": "fail" if changed else "pass", "severity": "fail"}


@dataclass(frozen=True)
class Foreseen:
    """What was known beforehand: the tables a plan announced, and what a rehearsal on the backup made of every table.

    ``announced`` maps a table, without its schema where that is public, to kinds of change; None where the plan could
    not tell. ``before`` and ``after`` are the surveys of the rehearsal; empty where there was none.
    """

    announced: t.Mapping[str, t.Any] | None
    before: t.Mapping[str, t.Any] = field(default_factory=dict)
    after: t.Mapping[str, t.Any] = field(default_factory=dict)

    def explains(self, table: str, baseline: dict[str, t.Any], evidence: dict[str, t.Any]) -> bool:
        """Tell whether a table that is not as it was is as it was to become.

        Where there was a rehearsal, it alone tells; of a table written to since the backup it knows the structure.
        """
        if not self.after:
            return self.announced is not None and unqualified(table) in self.announced
        old, rehearsed_old = baseline["tables"].get(table), self.before.get(table)
        new, rehearsed_new = evidence["tables"].get(table), self.after.get(table)
        if not (new and rehearsed_new):
            return new is None and rehearsed_new is None
        restructured = not rehearsed_old or rehearsed_old["structure"] != rehearsed_new["structure"]
        if new["structure"] != rehearsed_new["structure"] or not (restructured or _content(rehearsed_old) != _content(
                rehearsed_new)):
            return False
        same_start = _content(old) == _content(rehearsed_old)
        return new["rows"] == rehearsed_new["rows"] if same_start else restructured


def _content(measured: t.Mapping[str, t.Any] | None) -> tuple[t.Any, t.Any] | None:
    return (measured["rows"], measured["fingerprint"]) if measured else None


def unqualified(table: str) -> str:
    """Return a table's name as plans have it: with its schema unless that is public."""
    return table[7:] if table.startswith("public.") else table


def told(difference: dict[str, t.Any], language: str) -> str:
    """Return one difference between two measures in words."""
    return say(language, "difference_" + difference["how"], **difference)


def places(connection: t.Any, table: str, known: dict[str, t.Any]) -> set[str]:
    """Return, as ``schema.name``, where a table is; one that is gone is looked up in an earlier survey by its name."""
    found = qualified(connection, table)
    if found:
        return {".".join(found)}
    return {name for name, measured in known.items() if table in (name, measured["place"][1])}


def name_failed(results: t.Iterable[Result], language: str) -> list[str]:
    """Return each check that failed, in words."""
    return [say(language, "check_failed", id=result["id"], observed=result["observed"], expected=result["expected"])
            for result in results if result["result"] == "fail"]


def passed(results: t.Iterable[Result]) -> bool:
    """Tell whether no check failed outright."""
    return all(result["result"] != "fail" for result in results)
