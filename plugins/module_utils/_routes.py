# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The three routes of a rollback: by Alembic, by hand in one transaction, from a backup. What each one costs."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from types import MappingProxyType

from ._announce import (
    Announcement,
    Mission,
    acts_of,
    deleted,
    known_to,
    other_statements,
    split_column,
)
from ._catalogue import compare
from ._checks import unqualified
from ._errors import Problem
from ._evidence import now, seconds_between
from ._losses import Acceptances, Loss, settle_losses
from ._manual_plan import followers_by_hand, true_after
from ._messages import say
from ._stakes import Stakes
from ._statements import Act
from ._trial import Catalogue, Course, Trial

ALEMBIC, MANUAL, RESTORE = "alembic", "manual", "restore"
SAFE, NEEDS_ACCEPTANCE, IMPOSSIBLE = "safe", "needs_acceptance", "impossible"


@dataclass
class Route:
    """One way back. ``obstacles`` and ``notes`` are told, not raised.

    ``estimate_s`` comes of a measure, which ``estimate_from`` names: rehearsal, or trial. ``backup`` is the path of the
    one that is restored, ``changes`` are the tables it alters, as a plan announces them, where that is known.
    """

    name: str
    losses: list[Loss] = field(default_factory=list)
    obstacles: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    estimate_s: float | None = None
    estimate_from: str | None = None
    backup: str | None = None
    changes: dict[str, list[str]] | None = None

    @property
    def verdict(self) -> str:
        if self.obstacles:
            return IMPOSSIBLE
        return NEEDS_ACCEPTANCE if self.losses else SAFE

    @property
    def rows(self) -> int:
        """Return the rows and values that go, as far as they could be counted."""
        return sum(loss.rows or 0 for loss in self.losses if not loss.kind.startswith("empty-"))

    def weight(self) -> tuple[int, int, int, int]:
        """Return what routes are compared by: verdict, losses nobody could count, rows and values, number of losses."""
        uncounted = [loss for loss in self.losses if loss.rows is None and not loss.exact]
        return (SAFE, NEEDS_ACCEPTANCE, IMPOSSIBLE).index(self.verdict), len(uncounted), self.rows, len(self.losses)

    def describe(self, language: str) -> dict[str, t.Any]:
        """Return it as ``plan.json`` holds it."""
        return {"verdict": self.verdict,
                "reasons": [say(language, reason.key, **reason.facts) for reason in [*self.obstacles, *self.notes]],
                "losses": [loss.describe(language) for loss in self.losses],
                "estimate_s": self.estimate_s, "estimate_from": self.estimate_from,
                "backup": self.backup, "changes": self.changes}


def demanded(route: Route, accepted: Acceptances) -> list[Loss]:
    """Return the losses that have to be accepted by name before a route is taken, and are not.

    What is not known is no loss yet: a rehearsal shows it before anything is done.
    """
    unrehearsed = Loss("unrehearsed").id in accepted.limits
    return accepted.missing(loss for loss in route.losses if loss.kind != "unknown" or unrehearsed)


def by_alembic(announced: Announcement, trial: Trial) -> Route:
    """Return the route of Alembic's own downgrade."""
    obstacles, notes = list(announced.obstacles), list(announced.notes)
    if trial.stopped and not obstacles:
        # On a database built from nothing there are no rows: with rows another error may not come up.
        where = obstacles if trial.stopped.startswith("NotImplementedError") else notes
        where.append(Problem("route_stopped", revision=trial.stopped_at or "?", error=trial.stopped))
    return Route(ALEMBIC, announced.losses, obstacles, notes, trial.downgrade_s,
                 "trial" if trial.downgrade_s is not None else None)


def by_hand(course: Course, mission: Mission, live: Catalogue, trial: Trial, stakes: Stakes,
            references: t.Mapping[str, str] = MappingProxyType({})) -> Route:
    """Return the route of one transaction: the migration's rows deleted, the recorded revisions set.

    It is possible where the record would then be true: nothing but rows of the migration's own tables is undone.
    ``references`` declares what becomes of rows that refer to them, by the foreign key's name.
    """
    route = Route(MANUAL)
    crossed = [revision for revision in course.path if revision != mission.migration]
    true = true_after(course, mission, live, trial)
    truth = [Problem("route_manual_true", heads=", ".join(true))] if true else []
    if crossed:
        route.obstacles.append(Problem("route_manual_crosses", revisions=", ".join(crossed)))
        route.notes += truth
        return route
    acts = acts_of(trial.rendered.get(mission.migration, {}), course.version_table)
    if trial.complete:
        before, after = trial.ends()
        # Against the target's own schema: what a downgrade leaves behind, a record set by hand would deny as well.
        differs: list[t.Any] = [change for change in compare(before, trial.target or after)
                                if change.object != course.version_name]
        touched = {table for step in trial.steps.get(mission.migration, []) for table in step.touched}
        other = other_statements(trial.rendered.get(mission.migration, {}), course.version_table)
        if other and not differs:
            # Views, functions, grants: what no catalogue here compares.
            route.obstacles.append(Problem("route_manual_statement", revision=mission.migration, statement=other[0]))
    elif acts is not None and not any(act.kind == "other" for act in acts):
        differs = [act for act in acts if act.kind not in ("delete", "truncate")]
        touched = {act.table for act in acts}
    else:
        route.obstacles.append(Problem("route_manual_unknown", revision=mission.migration))
        return route
    if differs:
        route.obstacles.append(Problem("route_manual_structure", revision=mission.migration,
                                       changes=", ".join(f"{each.kind} {_named(each)}" for each in differs)))
        route.notes += truth
    strange = sorted(touched - {*mission.tables, course.version_name})
    if strange:
        route.obstacles.append(Problem("route_manual_strange", revision=mission.migration, tables=", ".join(strange)))
    found = followers_by_hand(stakes, mission, live, references)
    route.obstacles += found.obstacles
    route.notes += found.notes
    # Every row goes, as by a DELETE without a condition.
    own = [loss for table in mission.tables if table in live["tables"]
           for loss in deleted(mission, stakes, table, [Act("delete", table)])]
    route.losses = settle_losses(loss for loss in [*own, *found.losses.values()] if loss.rows or not loss.exact)
    return route


def _named(each: t.Any) -> str:
    return str(getattr(each, "object", "") or getattr(each, "table", ""))


def by_restore(course: Course, mission: Mission, live: Catalogue, trial: Trial, stakes: Stakes,
               backup: dict[str, t.Any] | None, newest: dict[str, t.Any] | None) -> Route:
    """Return the route of a backup whose recorded revisions are the target's; what was written since is lost.

    ``newest`` is the newest backup of whatever revisions, for the words where there is none that serves.
    """
    route = Route(RESTORE)
    if backup is None:
        route.obstacles.append(Problem("route_restore_none") if newest is None else Problem(
            "route_restore_other", to_heads=", ".join(course.to_heads) or "-",
            heads=", ".join(newest["heads"] or []) or "-", path=newest["path"]))
        return route
    age = seconds_between(backup["finished_at"], now())
    route.notes.append(Problem("route_restore_from", path=backup["path"], at=backup["finished_at"],
                               hours=round(age / 3600, 1)))
    route.backup = backup["path"]
    losses = [Loss("revision", revision, because=course.graph[revision].message)
              for revision in course.path if revision != mission.migration]
    held = {unqualified(name): measured for name, measured in backup["tables"].items()}
    own = course.version_name
    losses += [Loss("drop-table", table, *(stakes.rows_of(table) or (None, False)))
               for table in live["tables"] if table not in held and table != own and table in stakes.stored]
    if trial.before and trial.target:
        for change in compare(trial.before, trial.target):
            table, _dot, column = split_column(change)
            if change.kind == "drop-column" and known_to(live, table, column):
                counted = stakes.values_of(table, column) or (None, False)
                losses.append(Loss("drop-column", f"{table}.{column}", *counted))
    losses += [loss for table in sorted(live["tables"]) if table in held and table != own
               for loss in _written(mission, stakes, table, held[table])]
    route.losses = settle_losses(losses)
    return route


def _written(mission: Mission, stakes: Stakes, table: str, held: dict[str, t.Any]) -> list[Loss]:
    """Tell what was written to a table since a backup, beyond what the migration put there."""
    counted = stakes.rows_of(table)
    if counted is None:
        return []
    rows, exact = counted
    if table in mission.tables:
        own = stakes.rows_of(table, mission.rows[table]) if table in mission.rows else counted
        surplus = rows - (own[0] if own else 0) - (0 if table not in mission.rows else held["rows"])
        return [Loss("written-since", table, surplus, exact)] if surplus > 0 else []
    if exact and held["exact"] and rows != held["rows"]:
        # At least: rows that were changed, and rows deleted for others that were added, do not show in a number.
        return [Loss("written-since", table, abs(rows - held["rows"]), False)]
    # With another set of columns the fingerprint says nothing of the rows; what is not proved the same is not.
    comparable = exact and held["exact"] and held.get("fingerprint") and not _restructured(stakes, table, held)
    same = comparable and stakes.fingerprint(table) == held["fingerprint"]
    return [] if same else [Loss("written-since", table, None, False)]


def _restructured(stakes: Stakes, table: str, held: dict[str, t.Any]) -> bool:
    return stakes.structure(table) != held.get("structure")


def recommend(routes: t.Sequence[Route]) -> str | None:
    """Return the route that loses least; of two that lose the same, the first; None where none is possible."""
    possible = [route for route in routes if route.verdict != IMPOSSIBLE]
    return min(possible, key=lambda route: route.weight()).name if possible else None


def alternatives(course: Course, mission: Mission, routes: t.Sequence[Route], recommended: str | None, language: str
                 ) -> list[dict[str, t.Any]]:
    """Return other ways: the migration's own parent where the path crosses more than it, and what loses less."""
    found: list[dict[str, t.Any]] = []
    parents = course.graph[mission.migration].down
    below = [revision for revision in course.path if revision != mission.migration
             and revision in course.graph.ancestors(mission.migration)]
    above = [revision for revision in course.path if mission.migration in course.graph.ancestors(revision)
             and revision != mission.migration]
    if below and len(parents) == 1:
        found.append({"route": ALEMBIC, "to_revision": parents[0], "undoes": [*above, mission.migration],
                      "text": say(language, "alternative_parent", parent=parents[0], number=len(above) + 1)})
    if above:
        found.append({"route": None, "to_revision": None, "undoes": [],
                      "text": say(language, "alternative_corrective", revisions=", ".join(above))})
    best = next((route for route in routes if route.name == recommended), None)
    if best and best.name != ALEMBIC:
        found.append({"route": best.name, "to_revision": course.to_revision, "undoes": list(course.path),
                      "text": say(language, f"alternative_{best.name}")})
    return found


def acceptance(missing: t.Sequence[Loss], line: str, language: str) -> str:
    """Return the words that say what has still to be accepted, with the line to paste."""
    return say(language, "accept_missing", ids=", ".join(loss.id for loss in missing), line=line)
