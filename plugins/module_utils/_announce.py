# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a downgrade would take with it, told before it is run: what the trial showed, counted in the live database."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ._catalogue import Change, compare
from ._errors import Problem
from ._losses import Loss, settle_losses
from ._stakes import Stakes
from ._statements import Act, acts, split
from ._trial import Catalogue, Course, Trial

_DELETING = ("delete", "truncate")
# Statements that change no structure; those that keep the version table are left out by its name.
_ON_ROWS = re.compile(r"(BEGIN|COMMIT|SELECT|DELETE|TRUNCATE|UPDATE|INSERT|SET|WITH)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Mission:
    """What is to be undone: the migration, its own tables, and a filter for each that finds the rows it made."""

    migration: str
    tables: tuple[str, ...] = ()
    rows: t.Mapping[str, str] = field(default_factory=dict)


@dataclass
class Announcement:
    """What a route would do: its losses, why it cannot be taken, how each table would differ, what is not known.

    ``obstacles`` and ``notes`` are told, not raised. ``changes`` maps a table to kinds of change; None where nothing
    showed what the downgrade does. ``effects`` tells by revision whether it did anything: None where nobody knows.
    """

    losses: list[Loss] = field(default_factory=list)
    obstacles: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)
    changes: dict[str, list[str]] | None = None
    effects: dict[str, bool | None] = field(default_factory=dict)

    def change(self, table: str, kind: str) -> None:
        """Keep that a table would differ."""
        if self.changes is None:
            self.changes = {}
        kinds = self.changes.setdefault(table, [])
        if kind not in kinds:
            kinds.append(kind)


def announce(course: Course, mission: Mission, live: Catalogue, trial: Trial, stakes: Stakes) -> Announcement:
    """Tell what Alembic's downgrade along a course would take with it."""
    found = Announcement()
    crossed = [revision for revision in course.path if revision != mission.migration]
    losses = [Loss("revision", revision, because=course.graph[revision].message) for revision in crossed]
    known = {revision: acts_of(trial.rendered.get(revision, {}), course.version_table) for revision in course.path}
    if trial.complete:
        found.changes = {table: ["rows"] for revision in course.path for step in trial.steps.get(revision, [])
                         for table in step.touched if table in live["tables"] and table != course.version_name}
        losses += _of_structure(course, mission, live, trial, stakes, found)
        for number, revision in enumerate(course.path):
            losses += _of_rows(course, mission, live, trial, stakes, revision, number, known[revision], found)
        if trial.upgrade_error:
            losses.append(Loss("no-upgrade", because=trial.upgrade_error))
    else:
        losses += _as_rendered(course, mission, live, stakes, known, found)
    for revision in course.path:
        if course.graph[revision].downgrade == "raises":
            found.obstacles.append(Problem("route_raises", revision=revision))
    found.losses = settle_losses(losses)
    return found


def acts_of(rendered: t.Mapping[str, str], version_table: str) -> list[Act] | None:
    """Return what rendered SQL would do besides keeping the version table; None where it could not be rendered."""
    if "sql" not in rendered:
        return None
    return [act for act in acts(rendered["sql"]) if act.table.rpartition(".")[2] != version_table]


def other_statements(rendered: t.Mapping[str, str], version_table: str) -> list[str]:
    """Return the rendered statements that do more than keep the version table, look, or change rows."""
    mine = re.compile(rf'(UPDATE|DELETE FROM|INSERT INTO) ("?[^" ]+"?\.)?"?{re.escape(version_table)}"?\s')
    return [" ".join(statement.split())[:120] for statement in split(rendered.get("sql", ""))
            if not mine.match(statement) and not _ON_ROWS.match(statement)]


def _is_purpose(course: Course, mission: Mission, table: str) -> bool:
    return table in mission.tables and course.path == (mission.migration,)


def _dropped(course: Course, mission: Mission, stakes: Stakes, table: str) -> list[Loss]:
    """Tell what goes with a table: of the migration's own, the rows that others put there."""
    if not _is_purpose(course, mission, table):
        return [_counted("drop-table", table, stakes.rows_of(table))]
    if table not in mission.rows:
        return []
    others = stakes.rows_of(table, without(mission.rows[table])) or stakes.rows_of(table)
    return [_counted("drop-table", table, others)] if others and (others[0] or not others[1]) else []


def without(condition: str) -> str:
    """Return the condition of the rows that another one does not find."""
    return f"NOT coalesce(({condition}), false)"


def _of_structure(course: Course, mission: Mission, live: Catalogue, trial: Trial, stakes: Stakes,
                  found: Announcement) -> list[Loss]:
    losses = []
    before, after = trial.ends()
    target = trial.target or after
    for change in compare(before, after):
        table, _dot, column = split_column(change)
        if table == course.version_name:
            continue
        if change.kind.endswith(("-table", "-column", "-default", "-constraint", "-index")):
            found.change(table, change.kind)
        if change.kind in ("drop-table", "drop-column", "change-column") and not known_to(live, table, column):
            continue
        if change.kind == "drop-table":
            losses += _dropped(course, mission, stakes, table)
        elif change.kind == "drop-column" and not _is_purpose(course, mission, table):
            losses.append(_counted("drop-column", f"{table}.{column}", stakes.values_of(table, column)))
        elif change.kind == "change-column" and _type(before, table, column) != _type(after, table, column):
            losses.append(_counted("change-column", f"{table}.{column}", stakes.values_of(table, column),
                                   change.detail))
        elif change.kind == "new-table" and table in target["tables"] and not _filled(trial, table):
            losses.append(Loss("empty-table", table, 0))
        elif change.kind == "change-type":
            losses += [_counted("change-column", f"{name}.{each}", stakes.values_of(name, each), change.detail)
                       for name, entry in live["tables"].items() for each, column in entry["columns"].items()
                       if column["type"] == change.object]
        elif change.kind == "new-column" and table in before["tables"]:
            losses.append(_counted("empty-column", f"{table}.{column}", stakes.rows_of(table)))
    # The target as its own revisions build it, against what the downgrade makes of the later schema.
    for change in compare(target, after):
        if change.kind in ("drop-table", "drop-column", "drop-type", "drop-sequence"
                           ) and change.object != course.version_name:
            losses.append(Loss("not-restored", change.object))
        elif change.kind in ("new-table", "new-column", "new-type", "new-sequence"):
            losses.append(Loss("left-behind", change.object))
    return losses


def _filled(trial: Trial, table: str) -> bool:
    """Tell whether the downgrade puts rows into a table that it makes."""
    return any("insert" in step.touched.get(table, []) for steps in trial.steps.values() for step in steps)


def _of_rows(course: Course, mission: Mission, live: Catalogue, trial: Trial, stakes: Stakes, revision: str,
             number: int, acts: list[Act] | None, found: Announcement) -> list[Loss]:
    """Tell what one revision's downgrade does to the rows of tables that were there before and still are after."""
    losses: list[Loss] = []
    before, after = trial.ends()
    steps = trial.steps.get(revision, [])
    earlier = [step for undone in course.path[:number] for step in trial.steps.get(undone, [])]
    schema = earlier[-1].catalogue if earlier else before
    touched = {table: {op for step in steps for op in step.touched.get(table, [])}
               for step in steps for table in step.touched}
    rendered = trial.rendered.get(revision, {})
    seen = bool(touched) or bool(steps and compare(schema, steps[-1].catalogue))
    # Where nothing was seen, only SQL that holds nothing says that nothing is done.
    found.effects[revision] = seen or (None if "sql" not in rendered or acts or other_statements(
        rendered, course.version_table) else False)
    # A key that this revision drops, or that only the live database has.
    keys = [key for key in schema["foreign_keys"] if steps and key in steps[-1].catalogue["foreign_keys"]]
    keys += [key for key in live["foreign_keys"] if key not in before["foreign_keys"]]
    for table, ops in touched.items():
        if table == course.version_name or table not in live["tables"] or table not in after["tables"]:
            continue
        if ops & set(_DELETING):
            losses += deleted(mission, stakes, table, acts)
            losses += followers(stakes, table, {**schema, "foreign_keys": keys}, found, whole(acts, table))
        if "update" in ops and not (table in mission.tables and revision == mission.migration):
            losses.append(_counted("change-rows", table, _number(stakes, table, acts, ("update",))))
    return [loss for loss in losses if loss.rows != 0 or not loss.exact]


def deleted(mission: Mission, stakes: Stakes, table: str, acts: list[Act] | None) -> list[Loss]:
    """Tell which rows of a table would go that the migration did not put there."""
    gone = _number(stakes, table, acts, _DELETING)
    if gone is None:
        return [Loss("delete-rows", table, None, False)]
    if table not in mission.tables:
        return [Loss("delete-rows", table, *gone)]
    if table not in mission.rows:
        return []
    others = stakes.rows_of(table, without(mission.rows[table]))
    if others is None:
        # Which are the migration's cannot be told: all of them are at stake.
        return [Loss("delete-rows", table, *gone, because=mission.rows[table])]
    both = _number(stakes, table, acts, _DELETING, without(mission.rows[table])) if gone[1] else None
    return [Loss("delete-rows", table, *(both or (min(others[0], gone[0]), False)))]


def whole(acts: list[Act] | None, table: str) -> bool:
    """Tell whether a table is known to be emptied, not only of some rows."""
    return any(act.table == table and act.kind in _DELETING and not act.where for act in acts or [])


def followers(stakes: Stakes, table: str, schema: Catalogue, found: Announcement, emptied: bool,
              seen: frozenset[str] = frozenset()) -> list[Loss]:
    """Tell what foreign keys do when rows of a table are deleted: rows that go along, and rows that stop it."""
    losses = []
    cleared = {name for name, kinds in (found.changes or {}).items() if "rows" in kinds}
    for key in schema["foreign_keys"]:
        child = key["table"]
        if key["to_table"] != table or child == table or child in seen:
            continue
        counted = stakes.values_of(child, key["columns"][0])
        if not counted or (counted[1] and not counted[0]):
            continue
        if key["on_delete"] in ("a", "r"):
            # Some rows only, or rows that the downgrade may clear first: only the rehearsal can tell.
            stops = found.obstacles if emptied and child not in cleared else found.notes
            stops.append(Problem("route_referenced", table=table, child=child, rows=counted[0],
                                 columns=", ".join(key["columns"])))
            continue
        found.change(child, "rows")
        losses.append(Loss("delete-rows" if key["on_delete"] == "c" else "change-rows", child, counted[0], False))
        if key["on_delete"] == "c":
            losses += followers(stakes, child, schema, found, False, seen | {table, child})
    return losses


def _number(stakes: Stakes, table: str, acts: list[Act] | None, kinds: t.Collection[str], among: str = ""
            ) -> tuple[int, bool] | None:
    """Return how many rows the rendered statements meet; where they cannot be read, all the table has at most.

    ``among`` is a condition that the rows have to meet as well.
    """
    mine = [act for act in acts or [] if act.table == table and act.kind in kinds]
    unread = any(act.kind == "other" for act in acts or [])
    conditions = [" AND ".join(f"({part})" for part in (act.where, among) if part) or None for act in mine]
    counts = [stakes.rows_of(table, condition) for condition in conditions]
    known = [count for count in counts if count]
    every = stakes.rows_of(table, among or None)
    if not mine or unread or len(known) < len(counts):
        return (every[0], False) if every else None
    if len(known) == 1:
        return known[0]
    # One row may be met by several.
    return min(sum(rows for rows, _exact in known), every[0] if every else sum(rows for rows, _exact in known)), False


def _as_rendered(course: Course, mission: Mission, live: Catalogue, stakes: Stakes,
                 rendered: t.Mapping[str, list[Act] | None], found: Announcement) -> list[Loss]:
    """Tell what the rendered SQL shows, where the history could not be tried."""
    losses: list[Loss] = []
    gone: set[str] = set()
    for revision in course.path:
        known = rendered[revision]
        found.effects[revision] = None if known is None else bool(known)
        if course.graph[revision].downgrade == "raises":
            continue
        if not known or any(act.kind == "other" for act in known):
            losses.append(Loss("unknown", revision, because=course.graph[revision].message))
        if not known:
            continue
        for act in known:
            if act.kind == "other":
                continue
            found.change(act.table, act.kind)
            if act.kind == "create-table":
                losses.append(Loss("empty-table", act.table, 0))
            if act.table not in live["tables"]:
                continue
            if act.kind == "drop-table":
                gone.add(act.table)
                losses += _dropped(course, mission, stakes, act.table)
            elif act.kind == "drop-column" and not _is_purpose(course, mission, act.table):
                gone |= {f"{act.table}.{column}" for column in act.columns}
                losses += [_counted("drop-column", f"{act.table}.{column}", stakes.values_of(act.table, column))
                           for column in act.columns if column in live["tables"][act.table]["columns"]]
            elif act.kind in _DELETING:
                losses += deleted(mission, stakes, act.table, [act])
                # What an earlier step drops refers to nothing any more.
                keys = [key for key in live["foreign_keys"] if not gone & {
                    key["table"], *(f"{key['table']}.{column}" for column in key["columns"])}]
                # Rendered SQL does not tell which constraints a statement before took away.
                losses += followers(stakes, act.table, {**live, "foreign_keys": keys}, found, False)
            elif act.kind == "update" and not (act.table in mission.tables and revision == mission.migration):
                losses.append(_counted("change-rows", act.table, _number(stakes, act.table, [act], ("update",))))
    return [loss for loss in losses if loss.rows != 0 or not loss.exact or loss.kind in ("drop-table", "empty-table")]


def _counted(kind: str, name: str, counted: tuple[int, bool] | None, because: str = "") -> Loss:
    rows, exact = counted or (None, False)
    return Loss(kind, name, rows, exact, because)


def split_column(change: Change) -> tuple[str, str, str]:
    """Return table, dot and column of what a change is about; the last two empty where it is a table or a type."""
    if change.kind.endswith(("-column", "-default", "-constraint", "-index")):
        return change.object.rpartition(".")
    return change.object, "", ""


def known_to(live: Catalogue, table: str, column: str) -> bool:
    """Tell whether the live database has a table, or a column, that a change is about."""
    return table in live["tables"] and (not column or column in live["tables"][table]["columns"])


def _type(catalogue: Catalogue, table: str, column: str) -> str | None:
    return catalogue["tables"].get(table, {}).get("columns", {}).get(column, {}).get("type")
