# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Tables that are the same on two databases, and their rows streamed from one into temporary tables of the other."""

from __future__ import annotations

import os
import threading
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._counts import qualified, settle
from ._database import DatabaseError, rows
from ._errors import Refusal

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

REPLACE, MISSING = "replace", "missing"


@dataclass
class Table:
    """One table on both sides: ``place`` is schema and name, ``staged`` what its rows are called meanwhile.

    ``columns`` are those that can be written, ``every`` those and the generated ones, ``identities`` those that
    otherwise only the server writes.
    """

    place: tuple[str, str]
    staged: t.Any
    columns: list[str] = field(default_factory=list)
    every: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return ".".join(self.place)

    @property
    def ident(self) -> t.Any:
        return sql.Identifier(*self.place)


def tables_of(live: t.Any, beside: t.Any, names: t.Sequence[str], mode: str) -> list[Table]:
    """Return the tables as they are on both sides. Raises Refusal where they are not the same columns on both."""
    found: list[Table] = []
    for name in names:
        place = qualified(live, name)
        if place is None:
            raise Refusal("table_absent", table=name, database=live.info.dbname)
        if any(table.place == place for table in found):
            continue
        there = _columns(beside, place)
        if not there:
            raise Refusal("rows_not_in_backup", table=".".join(place))
        here = _columns(live, place)
        _require_same_columns(".".join(place), here, there)
        table = Table(place, sql.Identifier("pg_temp", f"staged_{len(found)}"), every=sorted(here))
        table.columns = [column for column in table.every if not here[column][1]]
        table.identities = [column for column in table.every if here[column][2] == "a"]
        table.key = _key(live, table)
        if mode == MISSING and not table.key:
            raise Refusal("rows_no_key", table=table.name)
        found.append(table)
    return found


def _columns(connection: t.Any, place: tuple[str, str]) -> dict[str, tuple[str, str, str]]:
    statement = """
        SELECT attname, format_type(atttypid, atttypmod), attgenerated::text, attidentity::text FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"""
    found = rows(connection, statement, (sql.Identifier(*place).as_string(connection),))
    return {name: (kind, generated, identity) for name, kind, generated, identity in found}


def _require_same_columns(table: str, here: t.Mapping[str, t.Any], there: t.Mapping[str, t.Any]) -> None:
    lacking, more = sorted(set(here) - set(there)), sorted(set(there) - set(here))
    other = [f"{name}: {there[name][0]} / {here[name][0]}" for name in sorted(set(here) & set(there))
             if here[name][:2] != there[name][:2]]
    if lacking or more or other:
        raise Refusal("rows_structure", table=table, lacking=", ".join(lacking) or "-", more=", ".join(more) or "-",
                      other=", ".join(other) or "-")


def _key(connection: t.Any, table: Table) -> list[str]:
    statement = """
        SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY a.attname COLLATE "C" """
    return [row[0] for row in rows(connection, statement, (table.ident.as_string(connection),))]


def stage(live: t.Any, beside: t.Any, tables: t.Sequence[Table]) -> None:
    """Stream the tables' rows into temporary ones of the live session, which commits them; memory stays flat."""
    # One spelling on both sides, of letters and of values.
    beside.set_client_encoding(live.encoding)
    for connection in (live, beside):
        settle(connection)
    for table in tables:
        rows(live, sql.SQL("CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
            table.staged, listed(table.every), table.ident))
        _stream(live, beside, table)
        if table.key:
            rows(live, sql.SQL("CREATE INDEX ON {} ({})").format(table.staged, listed(table.key)))
        rows(live, sql.SQL("ANALYZE {}").format(table.staged))
    live.commit()


def _stream(live: t.Any, beside: t.Any, table: Table) -> None:
    reading, writing = os.pipe()
    failed: list[Exception] = []
    out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(listed(table.every), table.ident).as_string(beside)
    into = sql.SQL("COPY {} ({}) FROM STDIN").format(table.staged, listed(table.every)).as_string(live)

    def write() -> None:
        try:
            with os.fdopen(writing, "wb") as sink, beside.cursor() as cursor:
                cursor.copy_expert(out, sink)
        except (DatabaseError, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as feed, live.cursor() as cursor:
            cursor.copy_expert(into, feed)
    except DatabaseError as error:
        raise Refusal("rows_not_taken", table=table.name, error=str(error).strip()) from error
    finally:
        if thread.is_alive():
            with suppress(DatabaseError):
                beside.cancel()
        thread.join()
    # The end of the stream is no sign that all of it came.
    if failed:
        raise Refusal("rows_not_read", table=table.name, error=str(failed[0]).strip()) from failed[0]


def listed(names: t.Sequence[str]) -> t.Any:
    return sql.SQL(", ").join(map(sql.Identifier, names))
