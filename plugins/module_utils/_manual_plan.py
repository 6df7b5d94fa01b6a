# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a plan tells of a rollback by hand: what refers to the rows, and which revision would be true afterwards."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._announce import Mission
from ._errors import Problem
from ._losses import Loss
from ._manual_references import CASCADE, DECISIONS, REFUSE, SET_NULL, decided, declaration, unknown_names
from ._stakes import Counted, Stakes
from ._trial import Catalogue, Course, Trial, differing

ForeignKey = t.Mapping[str, t.Any]


@dataclass
class Followers:
    """What refers to rows that go: losses by what was declared of it, and what is in the way or cannot be told yet."""

    losses: dict[str, Loss] = field(default_factory=dict)
    obstacles: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def lose(self, kind: str, table: str, counted: Counted) -> None:
        """Keep a loss. Rows that several keys touch may be the same ones."""
        loss = Loss(kind, table, *counted)
        known = self.losses.get(loss.id)
        self.losses[loss.id] = loss if known is None else Loss(
            kind, table, (known.rows or 0) + (loss.rows or 0), False)


def followers_by_hand(stakes: Stakes, mission: Mission, live: Catalogue, references: t.Mapping[str, str]) -> Followers:
    """Tell what becomes of rows that refer to those of the migration's own tables, all of which go.

    ``references`` maps a foreign key's name to refuse, set_null or cascade. An undeclared one is in the way, whatever
    the database itself would do.
    """
    found = Followers()
    keys = live["foreign_keys"]
    strange = [f"{name}: {decision}" for name, decision in references.items() if decision not in DECISIONS]
    strange += unknown_names(references, ((key["name"], key["table"]) for key in keys))
    if strange:
        found.obstacles.append(Problem("route_manual_undeclarable", names=", ".join(sorted(strange))))
    for table in mission.tables:
        if table in live["tables"]:
            _follow(stakes, table, live, references, found, frozenset(mission.tables), True)
    return found


def _follow(stakes: Stakes, table: str, live: Catalogue, references: t.Mapping[str, str], found: Followers,
            seen: frozenset[str], whole: bool) -> None:
    """Follow the keys into a table that loses all its rows (``whole``), or some that only the transaction can tell."""
    for key in live["foreign_keys"]:
        child = key["table"]
        if key["to_table"] != table or (child in seen and child != table) or (whole and child == table):
            continue
        counted = _references(stakes, key)
        if not counted or (counted[1] and not counted[0]):
            continue
        fixed = [name for name in key["columns"] if live["tables"][child]["columns"][name]["not_null"]]
        decision = decided(references, key["name"], child)
        told = found.obstacles if whole else found.notes
        if decision == REFUSE:
            told.append(Problem("route_manual_referenced", rows=counted[0], child=child, table=table,
                                columns=", ".join(key["columns"]), constraint=key["name"],
                                line=declaration([(key["name"], child, not fixed)])))
        elif decision == SET_NULL and fixed:
            told.append(Problem("route_manual_not_null", constraint=key["name"], child=child,
                                columns=", ".join(fixed)))
        elif decision == SET_NULL:
            found.lose("change-rows", child, (counted[0], counted[1] and whole))
        elif decision == CASCADE:
            found.lose("delete-rows", child, (counted[0], counted[1] and whole))
            if child not in seen:
                _follow(stakes, child, live, references, found, seen | {child}, False)


def _references(stakes: Stakes, key: ForeignKey) -> Counted | None:
    """Count the rows that refer by a key: those none of whose columns is null."""
    columns = key["columns"]
    exact = stakes.rows_of(key["table"], " AND ".join(f"{_quoted(name)} IS NOT NULL" for name in columns)
                           ) if len(columns) > 1 else None
    return exact or stakes.values_of(key["table"], columns[0])


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def true_after(course: Course, mission: Mission, live: Catalogue, trial: Trial) -> list[str]:
    """Return the revisions that would be true if only the migration's rows were removed; none where nobody can tell.

    Where no state without the migration has the live structure, those that are recorded stay true.
    """
    if trial.before is None:
        return []
    own = (course.version_name,)
    drift = differing(trial.before, live, own)
    if any(change.kind.startswith(("drop-", "change-")) for change in drift):
        # The record is not true now: then only what is exactly as the database is may be.
        drift = []
    same = [sorted(heads) for heads, catalogue in trial.seen if heads and differing(catalogue, live, own) == drift]
    without = [heads for heads in same if mission.migration not in course.graph.ancestors(*heads)]
    if without:
        # Other revisions that only move rows are still applied.
        return max(without, key=lambda heads: len(course.graph.ancestors(*heads)))
    recorded = sorted(course.from_heads)
    return recorded if recorded in same else []
