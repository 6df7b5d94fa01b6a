# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A drill: the newest backup restored, rolled back, validated and migrated again, on a copy alone."""

from __future__ import annotations

import typing as t
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ._alembic import Environment, Moved
from ._catalogue import compare
from ._checks import Result, judge, judge_heads, judge_other_tables, passed, told
from ._copy import Clock, Copy, Look
from ._counts import differences
from ._database import Limits
from ._errors import Refusal
from ._ground import Ground
from ._losses import Acceptances, Loss, table_of
from ._manual import Manual
from ._measured import Errand, Picture, measured_losses
from ._messages import say
from ._plan import Goal, goal, target_of
from ._redact import Redactor
from ._rehearsal import (
    compare_copy,
    counters_of,
    durations,
    enter_scratch,
    longest_lock,
    restore_copy,
    upgrade_again,
)
from ._revisions import Graph
from ._scratch import Wish
from ._watch import by_revision
from ._ways import MANUAL, RESTORE, Way, by_hand, by_restore, require_heads, require_moved


@dataclass(frozen=True)
class Exercise:
    """What is drilled: the migration, where to go back to (empty: its parent), its tables, and what was accepted.

    ``manual`` makes the transaction by hand for the recorded revisions before and after. ``backup`` returns the newest
    good backup that records revisions, None where there is none; ``role`` is who would act.
    """

    migration: str
    to_revision: str
    tables: t.Collection[str]
    accepted: Acceptances
    manual: t.Callable[[t.Sequence[str], t.Sequence[str], Look], Manual]
    backup: t.Callable[[t.Sequence[str]], dict[str, t.Any] | None]
    role: str = ""


def drill(ground: Ground, theirs: Environment, manifest: dict[str, t.Any], exercise: Exercise, wish: Wish, look: Look,
          limits: Limits, timeout_s: float, language: str, redact: Redactor, record: dict[str, t.Any]) -> None:
    """Drill on a backup. ``record`` is filled as a rehearsal's is; the live database is not connected to.

    Raises Problem or Refusal where a step fails so that no other can follow.
    """
    clock, copy = Clock(record["steps"]), None
    try:
        with ExitStack() as stack:
            with clock.step("start"):
                scratch = enter_scratch(stack, ground, wish, redact, record)
            copy = Copy(scratch, scratch.environment(theirs), limits, wish.run_id, look)
            restore_copy(copy, manifest, clock, redact, timeout_s)
            seen = copy.move([], migration=exercise.migration, to=exercise.to_revision or None)
            copy.look = replace(look, version_table=seen.probe["version_table"],
                                version_schema=seen.probe["version_table_schema"])
            evidence, before = compare_copy(copy, manifest, clock, language)
            # Before anything is moved: a revision that does not exist is no failure of the downgrade.
            target_of(seen.graph, exercise.migration, exercise.to_revision)
            if exercise.migration not in seen.graph.ancestors(*evidence["heads"] or []):
                with clock.step("migrate"):
                    seen = _migrate(copy, exercise)
                evidence = copy.evidence()
                before = copy.picture(evidence)
            chosen = goal(seen.graph, evidence["heads"] or [], exercise.migration, exercise.to_revision, seen.path)
            record.update(from_heads=evidence["heads"], to_heads=list(chosen.to_heads), to_revision=chosen.to_revision,
                          path=[seen.graph[revision].describe() for revision in chosen.path])
            copy.watch()
            with clock.step("downgrade"):
                moved = copy.move([("downgrade", chosen.to_revision)])
                require_moved(copy, moved, evidence["heads"], list(chosen.path), chosen.to_heads)
            with clock.step("measure") as measured:
                left, after = _validate(copy, seen.graph, chosen, exercise, evidence, before, language, record)
            measured["result"] = "ok" if passed(record["checks"]) else "failed"
            with clock.step("upgrade") as upgrade:
                record["upgrade_again"] = upgrade_again(copy, seen.graph, evidence["heads"], chosen.to_heads, before)
            if not record["upgrade_again"]["ok"]:
                upgrade["result"] = "failed"
                raise Refusal("drill_not_upgraded", error=record["upgrade_again"]["error"])
            # By hand nothing but rows is undone: where more has to be, that is no route.
            if chosen.path == (exercise.migration,) and not compare(before.catalogue, after.catalogue):
                _by_hand(copy, clock, chosen, exercise, evidence["heads"] or [], left, language)
            other = exercise.backup(chosen.to_heads)
            if other:
                way = Way(RESTORE, backup=other, timeout_s=timeout_s)
                by_restore(way, copy, clock, chosen.to_heads, language, redact)
    finally:
        record["commands"] = [redact(line) for line in (copy.commands if copy else [])]
    if not passed(record["checks"]):
        raise Refusal("drill_not_valid", failed="; ".join(
            say(language, "check_failed", **{key: result[key] for key in ("id", "observed", "expected")})
            for result in record["checks"] if result["result"] == "fail"))


def _migrate(copy: Copy, exercise: Exercise) -> Moved:
    """Bring a backup from before the migration to it; return what is seen from there."""
    moved = copy.move([("upgrade", exercise.migration)])
    if moved.failure:
        raise Refusal("drill_not_migrated", migration=exercise.migration, error=moved.failure["error"])
    return copy.move([], migration=exercise.migration, to=exercise.to_revision or None)


def _validate(copy: Copy, graph: Graph, chosen: Goal, exercise: Exercise, evidence: dict[str, t.Any], before: Picture,
              language: str, record: dict[str, t.Any]) -> tuple[dict[str, t.Any], Picture]:
    """Judge what the rollback left: the checks, the recorded revisions, every table that is not the migration's.

    Returns the evidence and the picture of it.
    """
    steps = by_revision(copy.steps(), evidence["heads"], list(chosen.path), graph)
    record["revisions"] = durations(steps, list(chosen.path))
    record["longest_lock"] = longest_lock(record["revisions"])
    left = copy.evidence()
    after = copy.picture(left, before)
    errand = Errand({revision: graph[revision].message for revision in chosen.path}, exercise.migration,
                    exercise.tables, copy.look.filters)
    losses = measured_losses(before, after, errand, counters_of(steps))
    record["losses"] = [loss.describe(language) for loss in losses]
    # What a table lost with its columns, or what was accepted, is told by its id.
    explained = {table_of(loss) for loss in losses if exercise.accepted.covers(loss)} | {
        name for name in before.tables if before.types(name) != after.types(name)}
    concerned = {*exercise.tables, copy.look.version_table, *explained}
    places = {place for place, table in {**evidence["tables"], **left["tables"]}.items()
              if table["place"][1] in concerned or place in concerned}
    new = set(left["tables"]) - set(evidence["tables"])
    record["checks"] = [
        *judge(copy.look.checks, left, "rolled_back", evidence, list(exercise.accepted.limits), language),
        judge_heads(left, chosen.to_heads, language),
        judge_other_tables(left, evidence, places | new, language),
        _judge_losses(losses, exercise.accepted, language)]
    return left, after


def _by_hand(copy: Copy, clock: Clock, chosen: Goal, exercise: Exercise, from_heads: t.Sequence[str],
             left: dict[str, t.Any], language: str) -> None:
    """Take the route by hand from where upgrading again led: it has to leave what Alembic's left."""
    with clock.step("manual"):
        by_hand(Way(MANUAL, exercise.manual(from_heads, chosen.to_heads, copy.look), role=exercise.role), copy)
        require_heads(copy, chosen.to_heads)
        differing = [told(entry, language) for entry in differences(left["tables"], copy.evidence()["tables"])]
    if differing:
        raise Refusal("drill_by_hand_differs", differences="; ".join(differing))


def _judge_losses(losses: t.Iterable[Loss], accepted: Acceptances, language: str) -> Result:
    """Judge that nothing was lost that was not accepted; which revisions are undone besides is no loss on a copy."""
    missing = [loss for loss in accepted.missing(losses) if loss.kind != "revision"]
    nothing = say(language, "none")
    return {"id": "losses", "expected": nothing, "severity": "fail", "result": "fail" if missing else "pass",
            "observed": "; ".join(f"{loss.id} ({loss.describe(language)['text']})" for loss in missing) or nothing}
