# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Rows that one database of a server has and another has not, streamed into files that COPY reads."""

from __future__ import annotations

import os
import shutil
import typing as t
from contextlib import suppress
from dataclasses import dataclass

from ._counts import settle
from ._database import rows
from ._errors import Problem, Refusal

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# Rows a cursor fetches at a time, and how many are written between two looks at the disk.
_BATCH = 2000
_LOOK_ROWS = 50000
_QUOTED = (",", '"', "\n", "\r", "\\")

Place = tuple[str, str]


@dataclass
class Exported:
    """What came of a table: the rows written, and where; ``why`` says why it was left out."""

    table: str
    rows: int = 0
    path: str = ""
    why: Problem | None = None

    def describe(self) -> dict[str, t.Any]:
        """Return it for a result."""
        return {"table": self.table, "rows": self.rows, "path": self.path or None}


def export(source: t.Any, other: t.Any, place: Place, directory: str, reserve: int) -> Exported:
    """Write the rows of a table that ``other`` has not, or has with another content, to ``schema.table.csv``.

    Both are sessions outside autocommit, on snapshots that do not move. Rows are told apart by the primary key; where
    the other database has no such table, every row is written. ``reserve`` bytes stay free. Raises Refusal otherwise.
    """
    name = ".".join(place)
    for connection in (source, other):
        settle(connection)
    columns, key = _columns(source, place), _key(source, place)
    theirs = _columns(other, place)
    if theirs and not key:
        return Exported(name, why=Problem("export_no_key", table=name))
    if theirs and _key(other, place) != key:
        return Exported(name, why=Problem("export_other_key", table=name))
    path = os.path.join(directory, name.replace("/", "_") + ".csv")
    common = [column for column in columns if column in theirs]
    mine = _stream(source, place, key, common, columns)
    known: t.Iterator[tuple[t.Any, ...]] = _stream(other, place, key, common, []) if theirs else iter(())
    missing = _missing(mine, known, len(key)) if theirs else (row[len(key) + 1:] for row in mine)
    written = _write(path, columns, missing, directory, reserve, source)
    return Exported(name, written, path if written else "")


def _columns(connection: t.Any, place: Place) -> list[str]:
    """Return the columns COPY would write, in the table's order; none where there is no such table."""
    return [row[0] for row in rows(connection, """
        SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
        AND attgenerated = '' ORDER BY attnum""", (sql.Identifier(*place).as_string(connection),))]


def _key(connection: t.Any, place: Place) -> list[str]:
    return [row[0] for row in rows(connection, """
        SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY a.attname COLLATE "C" """,
                                   (sql.Identifier(*place).as_string(connection),))]


def _stream(connection: t.Any, place: Place, key: t.Sequence[str], digested: t.Sequence[str],
            columns: t.Sequence[str]) -> t.Iterator[tuple[t.Any, ...]]:
    """Yield each row's key as text, a digest of the columns both have, then its columns as text, ordered by the key.

    Two servers' collations, and types, sort in their own ways; the bytes of a text sort in one.
    """
    texts = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in key]
    digest = sql.SQL("md5(ROW({})::text)").format(sql.SQL(", ").join(map(sql.Identifier, digested))) if digested else (
        sql.SQL("''"))
    wanted = [*texts, digest, *(sql.SQL("{}::text").format(sql.Identifier(name)) for name in columns)]
    order = sql.SQL(", ").join(sql.SQL('{} COLLATE "C"').format(text) for text in texts)
    statement = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(wanted), sql.Identifier(*place))
    if texts:
        statement = sql.SQL("{} ORDER BY {}").format(statement, order)
    with connection.cursor(name="export") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(statement)
        yield from cursor


def _missing(mine: t.Iterator[tuple[t.Any, ...]], known: t.Iterator[tuple[t.Any, ...]], width: int
             ) -> t.Iterator[tuple[t.Any, ...]]:
    """Yield the columns of the rows whose key, or content under it, is not among the known ones; both are sorted."""
    theirs = next(known, None)
    for row in mine:
        while theirs is not None and theirs[:width] < row[:width]:
            theirs = next(known, None)
        if theirs is None or theirs[:width + 1] != row[:width + 1]:
            yield row[width + 1:]


def _write(path: str, columns: t.Sequence[str], found: t.Iterator[tuple[t.Any, ...]], directory: str, reserve: int,
           source: t.Any) -> int:
    """Write rows as COPY's CSV with a header, whole or not at all; without any row there is no file."""
    written, aside = 0, path + ".new"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8",
                  newline="") as stream:
            stream.write(",".join(map(_cell, columns)) + "\n")
            for row in found:
                if written % _LOOK_ROWS == 0 and shutil.disk_usage(directory).free < reserve:
                    raise Refusal("export_disk_reserve", directory=directory, reserve=reserve,
                                  database=source.info.dbname)
                stream.write(",".join(map(_cell, row)) + "\n")
                written += 1
            stream.flush()
            os.fsync(stream.fileno())
        if written:
            os.replace(aside, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)
    return written


def _cell(text: str | None) -> str:
    """Return a value as COPY reads it: nothing for NULL, quotes for what would be taken for something else."""
    if text is None:
        return ""
    if not text or any(sign in text for sign in _QUOTED) or text.strip() != text:
        return '"' + text.replace('"', '""') + '"'
    return text
