# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a run that failed left, as measured while nothing writes: the outcome, and whether services may start on it."""

from __future__ import annotations

import os
import typing as t
from dataclasses import asdict, dataclass

from ._checks import passed, take_evidence, told
from ._counts import differences, not_compared
from ._database import Target, recorded_heads, session_name
from ._errors import FAILED_NEEDS_HUMAN, FAILED_UNCHANGED, REFUSED, Problem
from ._evidence import Journal, read_json, run_id_of, write_json
from ._messages import say

VERDICT = "verdict.json"
NOT_VALID = "not_valid"
# How the data is: as before, as asked and validated, or neither for all that is known.
AS_BEFORE, AS_ASKED, UNKNOWN = "as_before", "as_asked", "unknown"


@dataclass(frozen=True)
class Verdict:
    """How a run ended, what that rests on in words, how the data is, and the recorded revisions if they were read."""

    outcome: str
    rests_on: str
    data: str
    heads: list[str] | None = None


def judge(run_dir: str, claimed: str, measure: t.Callable[[], dict[str, t.Any]], language: str = "en") -> Verdict:
    """Judge a run that failed.

    Where no step of ours began to act, nothing of ours can have changed the database. Otherwise ``measure`` reads it
    again and every table is compared with the evidence from before. Data that was validated as rolled back, and has
    not moved since, is as asked: what failed after that is the application.
    """
    if claimed == FAILED_NEEDS_HUMAN:
        return Verdict(FAILED_NEEDS_HUMAN, say(language, "rests_on_still_at_work"), UNKNOWN)
    if not Journal(run_dir).acted():
        outcome = claimed if claimed in (REFUSED, NOT_VALID) else FAILED_UNCHANGED
        return Verdict(outcome, say(language, "rests_on_nothing_begun"), AS_BEFORE)
    before = read_json(os.path.join(run_dir, "before.json"))
    if before is None:
        return Verdict(FAILED_NEEDS_HUMAN, say(language, "rests_on_no_evidence"), UNKNOWN)
    try:
        after = measure()
    except Exception as error:  # pylint: disable=broad-except
        # Whatever keeps us from measuring, an unmeasured database is not called unchanged.
        reason = say(language, error.key, **error.facts) if isinstance(error, Problem) else str(error)
        return Verdict(FAILED_NEEDS_HUMAN, say(language, "rests_on_no_measure", error=reason), UNKNOWN)
    heads = after["heads"]
    if validated(run_dir, heads):
        return Verdict(FAILED_NEEDS_HUMAN, say(language, "rests_on_validated"), AS_ASKED, heads)
    if heads != before["heads"]:
        rests_on = say(language, "rests_on_heads", before=", ".join(before["heads"] or []),
                       after=", ".join(heads or []))
        return Verdict(FAILED_NEEDS_HUMAN, rests_on, UNKNOWN, heads)
    changed = differences(before["tables"], after["tables"])
    if changed:
        return Verdict(FAILED_NEEDS_HUMAN, "; ".join(told(entry, language) for entry in changed), UNKNOWN, heads)
    unread = not_compared(before["tables"], after["tables"])
    rest = say(language, "rests_on_estimates", tables=", ".join(unread)) if unread else ""
    return Verdict(FAILED_UNCHANGED, say(language, "rests_on_same", tables=len(after["tables"]) - len(unread)) + rest,
                   AS_BEFORE, heads)


def measure(run_dir: str, target: Target, fingerprint_max_bytes: int) -> dict[str, t.Any]:
    """Return the database as it is now, to be compared with the evidence from before."""
    table, schema = _version_table(run_dir)
    with target.open(session_name(run_id_of(run_dir), "judge"), autocommit=False) as connection:
        return take_evidence(connection, [], fingerprint_max_bytes, True, table, schema)


def heads_now(run_dir: str, target: Target) -> list[str]:
    """Return the recorded revisions as they are now."""
    with target.open(session_name(run_id_of(run_dir), "judge")) as connection:
        return recorded_heads(connection, *_version_table(run_dir)) or []


def _version_table(run_dir: str) -> tuple[str, str | None]:
    version = (read_json(os.path.join(run_dir, "plan.json")) or {}).get("version_table") or {}
    return version.get("name", "alembic_version"), version.get("schema")


def validated(run_dir: str, heads: t.Sequence[str] | None) -> bool:
    """Tell whether the data was validated as rolled back, and these revisions are still the ones recorded then.

    A validation from before the last step that acted says nothing of what that step did.
    """
    after = read_json(os.path.join(run_dir, "after.json")) if run_dir and Journal(run_dir).measured() else None
    return bool(after and passed(after.get("results", [])) and after["heads"] == heads)


def keep(run_dir: str, verdict: Verdict) -> None:
    """Keep a verdict: once services are back, users write, and the tables no longer tell."""
    write_json(os.path.join(run_dir, VERDICT), asdict(verdict))


def read_verdict(run_dir: str | None) -> dict[str, t.Any] | None:
    """Return the verdict kept in a run directory; None where there is none."""
    return t.cast("dict[str, t.Any] | None", read_json(os.path.join(run_dir, VERDICT))) if run_dir else None


def forget(run_dir: str) -> None:
    """Forget the verdict of a run that is taken up again: what it was about is about to change."""
    path = os.path.join(run_dir, VERDICT)
    if os.path.exists(path):
        os.unlink(path)


def still(verdict: Verdict, heads: t.Sequence[str] | None, language: str = "en") -> Verdict:
    """Return a kept verdict, unless the recorded revisions have moved since it was given."""
    if verdict.heads is None or heads == verdict.heads:
        return verdict
    moved = say(language, "rests_on_heads", before=", ".join(verdict.heads), after=", ".join(heads or []))
    return Verdict(FAILED_NEEDS_HUMAN, moved, UNKNOWN, list(heads or []))
