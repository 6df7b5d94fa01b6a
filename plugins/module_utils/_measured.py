# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a downgrade took with it, derived from what was measured on a copy before and after it. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._catalogue import Catalogue, compare
from ._counts import differences
from ._losses import Acceptances, Loss, ready_line, settle_losses

Counters = t.Mapping[str, t.Mapping[str, t.Mapping[str, int]]]

_OF_COLUMNS = ("drop-column", "new-column", "change-column")
# What a plan calls a change of rows; every other kind is one of structure.
_OF_ROWS = ("rows", "delete", "truncate", "update")


@dataclass
class Picture:
    """A copy at one moment; tables are named as catalogues name them, the version table is left out.

    ``tables`` is a survey. ``held`` tells of columns what columns_held() does, of those tables that were looked into.
    ``own`` counts, for tables with a filter, the rows that are the migration's (None where the filter means nothing),
    ``rest`` are rows and fingerprint of the others.
    """

    catalogue: Catalogue
    tables: dict[str, dict[str, t.Any]]
    held: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    own: dict[str, int | None] = field(default_factory=dict)
    rest: dict[str, dict[str, t.Any]] = field(default_factory=dict)

    def types(self, table: str) -> dict[str, str]:
        """Return each column's type."""
        columns = self.catalogue["tables"].get(table, {}).get("columns", {})
        return {name: column["type"] for name, column in columns.items()}


@dataclass(frozen=True)
class Errand:
    """What was undone: the path with each revision's message, the migration, its own tables and the filters on them."""

    path: t.Mapping[str, str]
    migration: str
    tables: t.Collection[str] = ()
    filtered: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether nothing but the migration was undone."""
        return list(self.path) == [self.migration]


def measured_losses(before: Picture, after: Picture, errand: Errand, counters: Counters) -> list[Loss]:
    """Return what was lost. ``counters`` is by revision and table what was inserted, updated and deleted."""
    found = [Loss("revision", revision, because=message) for revision, message in errand.path.items()
             if revision != errand.migration]
    found += _of_structure(before, after, errand)
    for table in sorted(set(before.tables) & set(after.tables)):
        found += _of_rows(table, before, after, errand, counters)
    return settle_losses(found)


def _of_structure(before: Picture, after: Picture, errand: Errand) -> t.Iterator[Loss]:
    for change in compare(before.catalogue, after.catalogue):
        if change.kind == "drop-table":
            yield from _dropped(before, change.object, errand)
        elif change.kind == "new-table" and not after.tables.get(change.object, {}).get("rows"):
            yield Loss("empty-table", change.object, 0)
        elif change.kind in _OF_COLUMNS:
            table, _dot, column = change.object.rpartition(".")
            if change.kind == "new-column":
                yield Loss("empty-column", change.object, *_count(after, table))
            elif change.kind == "drop-column" and not (errand.alone and table in errand.tables):
                yield Loss("drop-column", change.object, *_values(before, table, column))
            elif change.kind == "change-column" and change.retypes:
                yield Loss("change-column", change.object, *_values(before, table, column), change.detail)


def _dropped(before: Picture, table: str, errand: Errand) -> t.Iterator[Loss]:
    """Tell what went with a table: of the migration's own, the rows that others put there."""
    if not (errand.alone and table in errand.tables):
        yield Loss("drop-table", table, *_count(before, table))
    elif table in errand.filtered:
        rows, exact = _count(before, table)
        own = before.own.get(table)
        others = rows if own is None or rows is None else rows - own
        if others:
            yield Loss("drop-table", table, others, exact)


def _of_rows(table: str, before: Picture, after: Picture, errand: Errand, counters: Counters) -> t.Iterator[Loss]:
    held, left, mine = before.tables[table], after.tables[table], 0
    differs = content_differs(table, before, after)
    if differs is False:
        return
    exact, every = held["exact"] and left["exact"], held["rows"]
    deleted = sum(by_table.get(table, {}).get("deleted", 0) for by_table in counters.values())
    # What the migration's own downgrade does to the migration's own tables is what it is there for.
    updated = sum(by_table.get(table, {}).get("updated", 0) for revision, by_table in counters.items()
                  if table not in errand.tables or revision != errand.migration)
    if table in errand.tables:
        if table not in errand.filtered:
            mine = every
        elif table in before.rest and table in after.rest:
            # The others are looked at as if they were a table of their own.
            held, left, mine = before.rest[table], after.rest[table], before.own[table] or 0
            differs = None
            if before.types(table) == after.types(table) and held["fingerprint"] and left["fingerprint"]:
                differs = held["fingerprint"] != left["fingerprint"]
        else:
            mine = before.own.get(table) or 0
    gone = held["rows"] - left["rows"] - (0 if held is before.rest.get(table) else mine) if exact else (
        every if not left["rows"] else 0)
    # Where rows were put back as well, their number does not tell how many went.
    lost = 0 if differs is False else max(gone, min(deleted, every) - mine)
    if lost > 0:
        # Which rows were whose could not be told: then all of them count.
        unknown = table in errand.tables and before.own.get(table) is None
        yield Loss("delete-rows", table, lost, exact, errand.filtered.get(table, "") if unknown else "")
    if updated:
        yield Loss("change-rows", table, min(updated, every), exact)
    elif lost <= 0 and differs and held["rows"] == left["rows"] and mine < every:
        yield Loss("change-rows", table, held["rows"], False)


def as_announced(after: Picture, announced: t.Iterable[t.Mapping[str, t.Any]]) -> list[Loss]:
    """Return what a plan says of the target's own schema, which no copy holds, as far as the copy bears it out."""
    found = []
    for each in announced:
        kind, _colon, what = each["id"].partition(":")
        table, _dot, column = what.rpartition(".")
        there = what in after.catalogue["tables"] or what in after.catalogue["types"] or (
            what in after.catalogue["sequences"]) or column in after.types(table)
        if (kind, there) in (("not-restored", False), ("left-behind", True)):
            found.append(Loss(kind, what))
    return found


def content_differs(table: str, before: Picture, after: Picture) -> bool | None:
    """Tell whether a table's rows differ in the columns both have; None where that is not known."""
    old, new = before.types(table), after.types(table)
    if old == new:
        marks = (before.tables[table]["fingerprint"], after.tables[table]["fingerprint"])
        return marks[0] != marks[1] if all(marks) else None
    held, left = (picture.held.get(table, {}).get("fingerprints") for picture in (before, after))
    if not held or not left:
        return None
    common = [name for name in old if old[name] == new.get(name)]
    return any(held[name] != left[name] for name in common)


def _count(picture: Picture, table: str) -> tuple[int | None, bool]:
    """Return a table's rows; those of a partitioned table are its partitions'."""
    measured = picture.tables.get(table)
    return (measured["rows"], measured["exact"]) if measured else (None, True)


def _values(picture: Picture, table: str, column: str) -> tuple[int | None, bool]:
    """Return how many values a column held; where nobody looked, as many as there were rows at most."""
    held = picture.held.get(table)
    return (held["values"][column], True) if held else (_count(picture, table)[0], False)


def not_announced(measured: t.Iterable[Loss], announced: t.Iterable[t.Mapping[str, t.Any]], accepted: Acceptances
                  ) -> list[Loss]:
    """Return the losses that nobody was told of, or was told of as fewer rows, and nobody accepted.

    ``announced`` are those of a plan: ``{id, rows, exact}``.
    """
    known = {loss["id"]: loss for loss in announced}
    found = []
    for loss in measured:
        told = known.get(loss.id)
        if told is None and loss.kind.startswith("empty-"):
            # What comes back, and is none of the target's, is announced as left behind.
            told = known.get(f"left-behind:{loss.object}")
        if loss.id in accepted.limits:
            expected = accepted.covers(loss)
        elif told is None:
            expected = False
        else:
            expected = told["rows"] is None or not told["exact"] or loss.at_most <= told["rows"]
        if not expected:
            found.append(loss)
    return found


def line_for(measured: t.Iterable[Loss], announced: t.Iterable[t.Mapping[str, t.Any]], accepted: Acceptances) -> str:
    """Return the line that accepts everything: what was announced, what was measured, and what was accepted before."""
    wanted = {loss.id: loss for loss in measured}
    for each in announced:
        if each["id"] not in wanted and not each["id"].startswith("unknown:"):
            wanted[each["id"]] = _loss(each["id"], each["rows"], each["exact"])
    for name, limit in accepted.limits.items():
        if name not in wanted:
            wanted[name] = _loss(name, limit, True)
    return ready_line(wanted[name] for name in sorted(wanted))


def _loss(name: str, rows: int | None, exact: bool) -> Loss:
    kind, _colon, what = name.partition(":")
    return Loss(kind, what, rows, exact)


def did_nothing(before: Picture, after: Picture, touched: bool, announced: t.Mapping[str, t.Sequence[str]] | None
                ) -> bool:
    """Tell whether nothing at all was done although a plan announced that something would be.

    ``touched`` tells whether there was a statement on any table, ``announced`` maps a table to kinds of change; None
    where nobody knew.
    """
    expected = [table for table, kinds in (announced or {}).items()
                if any(kind not in _OF_ROWS for kind in kinds) or before.tables.get(table, {}).get("rows")]
    return bool(expected) and not touched and not compare(before.catalogue, after.catalogue) and not differences(
        before.tables, after.tables)
