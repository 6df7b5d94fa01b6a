# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Rows of named tables put in place of others, in one transaction that is compared before it is committed."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass

from ._counts import measure, settle, structures
from ._database import DatabaseError, describe_sessions, rows, value
from ._errors import Refusal
from ._references import Reference, from_others, stopped_by, to_others, within
from ._staging import MISSING, REPLACE, Table, listed

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import errors, sql


@dataclass
class Moved:
    """What became of one table: rows before and after, and how many were inserted, updated and deleted."""

    table: str
    before: int
    after: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    same: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.inserted or self.updated or self.deleted)

    def describe(self) -> dict[str, t.Any]:
        """Return it for a result."""
        return {"table": self.table, "rows_before": self.before, "rows_after": self.after, "inserted": self.inserted,
                "updated": self.updated, "deleted": self.deleted, "changed": self.changed}


def put(live: t.Any, beside: t.Any, tables: t.Sequence[Table], mode: str, may_act: t.Callable[[], None]
        ) -> list[Moved]:
    """Make the tables what was staged, in one transaction; see REPLACE and MISSING. Triggers of users do not fire.

    Raises Refusal, nothing changed, where references from or to other tables stand in the way, by constraint and rows.
    """
    ending = False
    try:
        found = _put(live, beside, tables, mode)
        may_act()
        ending = True
        live.commit()
    except errors.LockNotAvailable as error:
        live.rollback()
        raise Refusal("rows_locked", tables=", ".join(table.name for table in tables),
                      sessions=_holders(live, tables)) from error
    except errors.IntegrityError as error:
        # One that is deferred speaks at the end.
        raise Refusal("rows_stopped", constraint=error.diag.constraint_name or "?", table=error.diag.table_name or "?",
                      error=str(error).strip()) from error
    except DatabaseError as error:
        if ending:  # Whether that came through, only a look at the database tells.
            raise
        raise Refusal("rows_refused", tables=", ".join(table.name for table in tables),
                      error=str(error).strip()) from error
    finally:
        with suppress(DatabaseError):
            live.rollback()
    return found


def _put(live: t.Any, beside: t.Any, tables: t.Sequence[Table], mode: str) -> list[Moved]:
    settle(live)
    places = [table.place for table in tables]
    locked = sorted({*places, *(each.table for each in from_others(live, places))})
    rows(live, sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(
        sql.SQL(", ").join(sql.Identifier(*place) for place in locked)))
    inward, outward, before = from_others(live, places), to_others(live, places), structures(live)
    cut = within(live, places) if mode == REPLACE else []
    ordered = _parents_first(live, tables)
    # A check or a generated column may mean what the application's own search_path finds.
    rows(live, "SET LOCAL search_path TO DEFAULT")
    if mode == REPLACE:
        _require_unreferenced(live, tables, inward)
    _require_parents(live, tables, outward, mode)
    found = [Moved(table.name, measure(live, table.place)["rows"]) for table in tables]
    rows(live, "SET CONSTRAINTS ALL DEFERRED")
    with_triggers = _silence(live, tables)
    # Among the tables themselves no order of deletes and inserts is right for every key and every reference.
    for reference in cut:
        rows(live, sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
            sql.Identifier(*reference.table), sql.Identifier(reference.name)))
    if mode == REPLACE:
        for table, moved in zip(tables, found):
            _delete(live, table, moved)
        for table, moved in zip(tables, found):
            _update(live, table, moved)
    for place in ordered:
        found[place].inserted = _insert(live, tables[place])
    rows(live, "SET CONSTRAINTS ALL IMMEDIATE")
    for reference in cut:
        rows(live, sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
            sql.Identifier(*reference.table), sql.Identifier(reference.name), sql.SQL(reference.definition)))
        if reference.comment:
            rows(live, sql.SQL("COMMENT ON CONSTRAINT {} ON {} IS {}").format(
                sql.Identifier(reference.name), sql.Identifier(*reference.table), sql.Literal(reference.comment)))
    for table, name, statement in with_triggers:
        rows(live, sql.SQL("ALTER TABLE {} " + statement).format(table.ident, sql.Identifier(name)))
    _verify(live, beside, tables, found, mode)
    after = structures(live)
    if any(before.get(place) != after.get(place) for place in places):
        raise Refusal("rows_structure_moved", tables=", ".join(table.name for table in tables))
    for table in tables:
        _advance(live, table)
    return found


def _silence(live: t.Any, tables: t.Sequence[Table]) -> list[tuple[Table, str, str]]:
    """Keep users' triggers from firing; return what puts each back as it was."""
    back = []
    for table in tables:
        for column in table.identities:
            rows(live, sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET GENERATED BY DEFAULT").format(
                table.ident, sql.Identifier(column)))
            back.append((table, column, "ALTER COLUMN {} SET GENERATED ALWAYS"))
        for name, enabled in rows(live, """
                SELECT tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal
                AND tgenabled IN ('O', 'A')""", (table.ident.as_string(live),)):
            rows(live, sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(table.ident, sql.Identifier(name)))
            back.append((table, name, "ENABLE TRIGGER {}" if enabled == "O" else "ENABLE ALWAYS TRIGGER {}"))
    return back


def _delete(live: t.Any, table: Table, moved: Moved) -> None:
    if not table.key:
        if _text_sum(live, table.ident, table) == _text_sum(live, table.staged, table):
            moved.same = True
            return
        moved.deleted = _count(live, sql.SQL("DELETE FROM {}").format(table.ident))
        return
    moved.deleted = _count(live, sql.SQL("DELETE FROM {} t WHERE NOT EXISTS (SELECT FROM {} s WHERE {})").format(
        table.ident, table.staged, _keyed(table)))


def _update(live: t.Any, table: Table, moved: Moved) -> None:
    """Change the rows whose text is another: as a fingerprint reads them, whatever their types can be compared by."""
    ordinary = [name for name in table.columns if name not in table.key]
    if not (table.key and ordinary):
        return
    moved.updated = _count(live, sql.SQL("UPDATE {} t SET {} FROM {} s WHERE {} AND {} <> {}").format(
        table.ident, sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in ordinary),
        table.staged, _keyed(table), _text("t", table.columns), _text("s", table.columns)))


def _insert(live: t.Any, table: Table) -> int:
    wanted = sql.SQL("NOT EXISTS (SELECT FROM {} t WHERE {})").format(table.ident, _keyed(table)) if table.key else (
        sql.SQL("NOT EXISTS (SELECT FROM {})").format(table.ident))
    return _count(live, sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} s WHERE {}").format(
        table.ident, listed(table.columns), listed(table.columns), table.staged, wanted))


def _verify(live: t.Any, beside: t.Any, tables: t.Sequence[Table], found: t.Sequence[Moved], mode: str) -> None:
    settle(live)
    settle(beside)
    for table, moved in zip(tables, found):
        here = measure(live, table.place, fingerprint=mode == REPLACE)
        moved.after = here["rows"]
        there = measure(beside, table.place, fingerprint=mode == REPLACE)
        lacking = moved.after != moved.before + moved.inserted or moved.after < there["rows"]
        if (here != there) if mode == REPLACE else lacking:
            raise Refusal("rows_not_same", table=table.name, rows=moved.after, expected=there["rows"])


def _advance(live: t.Any, table: Table) -> None:
    """Let the sequences of its columns go on behind what is there; one that was ahead stays there."""
    for sequence, column, step in rows(live, """
            SELECT d.objid::regclass::text, a.attname, q.seqincrement
            FROM pg_depend d JOIN pg_sequence q ON q.seqrelid = d.objid
                 JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
              AND d.refobjid = to_regclass(%s)""", (table.ident.as_string(live),)):
        top = value(live, sql.SQL("SELECT max({}) FROM {}").format(sql.Identifier(column), table.ident))
        # The name is the server's own spelling of it.
        last, called = rows(live, sql.SQL("SELECT last_value, is_called FROM {}").format(sql.SQL(sequence)))[0]
        if step > 0 and top is not None and (top > last or (top == last and not called)):
            value(live, "SELECT setval(%s, %s)", (sequence, top))


def _require_unreferenced(live: t.Any, tables: t.Sequence[Table], inward: t.Sequence[Reference]) -> None:
    by_place = {table.place: table for table in tables}
    for each in inward:
        count = stopped_by(live, each, by_place[each.to].ident, by_place[each.to].staged)
        if count:
            raise Refusal("rows_referenced", table=".".join(each.to), constraint=each.name, by=".".join(each.table),
                          rows=count)


def _require_parents(live: t.Any, tables: t.Sequence[Table], outward: t.Sequence[Reference], mode: str) -> None:
    by_place = {table.place: table for table in tables}
    for each in outward:
        table = by_place[each.table]
        only = sql.SQL("NOT EXISTS (SELECT FROM {} t WHERE {})").format(table.ident, _keyed(table)) if (
            mode == MISSING) else sql.SQL("true")
        count = value(live, sql.SQL("SELECT count(*) FROM {} s WHERE {} AND {} AND NOT EXISTS (SELECT FROM {} p"
                                    " WHERE {})").format(
            table.staged, only, sql.SQL(" AND ").join(sql.SQL("s.{} IS NOT NULL").format(sql.Identifier(name))
                                                      for name in each.columns),
            sql.Identifier(*each.to), sql.SQL(" AND ").join(
                sql.SQL("p.{} = s.{}").format(sql.Identifier(theirs), sql.Identifier(own))
                for own, theirs in zip(each.columns, each.to_columns))))
        if count:
            raise Refusal("rows_without_parent", table=table.name, constraint=each.name, to=".".join(each.to),
                          rows=count)


def _parents_first(live: t.Any, tables: t.Sequence[Table]) -> list[int]:
    """Order tables, by number, so that what a row refers to is there before it; in a circle, as they were named."""
    waits = {table.place: set[tuple[str, str]]() for table in tables}
    for each in within(live, list(waits)):
        if each.to != each.table:
            waits[each.table].add(each.to)
    rest, ordered = list(range(len(tables))), list[int]()
    while rest:
        left = {tables[number].place for number in rest}
        chosen = next((number for number in rest if not waits[tables[number].place] & left), rest[0])
        ordered.append(chosen)
        rest.remove(chosen)
    return ordered


def _holders(live: t.Any, tables: t.Sequence[Table]) -> str:
    pids = [row[0] for row in rows(live, """
        SELECT DISTINCT pid FROM pg_locks WHERE granted AND pid <> pg_backend_pid() AND relation = ANY(
            SELECT to_regclass(n)::oid FROM unnest(%s) n)""", ([table.ident.as_string(live) for table in tables],))]
    return ", ".join(f"pid {each['pid']} ({each['user']}, {each['application']})"
                     for each in describe_sessions(live, pids)) or "-"


def _text_sum(live: t.Any, ident: t.Any, table: Table) -> t.Any:
    return rows(live, sql.SQL("SELECT count(*), sum(hashtextextended({}, 0)) FROM {} t").format(
        _text("t", table.columns), ident))


def _count(live: t.Any, statement: t.Any) -> int:
    with live.cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def _keyed(table: Table) -> t.Any:
    return sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in table.key)


def _text(alias: str, names: t.Sequence[str]) -> t.Any:
    return sql.SQL("ROW({})::text").format(sql.SQL(", ").join(sql.Identifier(alias, name) for name in names))
