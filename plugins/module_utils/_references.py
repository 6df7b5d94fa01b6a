# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The foreign keys around some tables: among them, from other tables, to other tables."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass

from ._database import rows, value

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

Place = tuple[str, str]


@dataclass(frozen=True)
class Reference:
    """A foreign key: tables as schema and name, columns in its own order, its definition as SQL."""

    name: str
    table: Place
    columns: tuple[str, ...]
    to: Place
    to_columns: tuple[str, ...]
    definition: str
    comment: str | None


def references(connection: t.Any) -> list[Reference]:
    """Return every foreign key; that of a partitioned table once."""
    found = rows(connection, """
        SELECT o.conname, n.nspname, c.relname, fn.nspname, f.relname, pg_get_constraintdef(o.oid),
               obj_description(o.oid, 'pg_constraint'),
               ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k (attnum, place)
                     JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum ORDER BY k.place),
               ARRAY(SELECT a.attname::text FROM unnest(o.confkey) WITH ORDINALITY k (attnum, place)
                     JOIN pg_attribute a ON a.attrelid = o.confrelid AND a.attnum = k.attnum ORDER BY k.place)
        FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_class f ON f.oid = o.confrelid JOIN pg_namespace fn ON fn.oid = f.relnamespace
        WHERE o.contype = 'f' AND o.conparentid = 0 ORDER BY 2, 3, 1""")
    return [Reference(name, (schema, table), tuple(columns), (to_schema, to_table), tuple(to_columns), definition,
                      comment)
            for name, schema, table, to_schema, to_table, definition, comment, columns, to_columns in found]


def within(connection: t.Any, places: t.Collection[Place]) -> list[Reference]:
    """Return those among the tables, a table's own to itself included."""
    return [each for each in references(connection) if each.table in places and each.to in places]


def from_others(connection: t.Any, places: t.Collection[Place]) -> list[Reference]:
    """Return those of other tables to these."""
    return [each for each in references(connection) if each.table not in places and each.to in places]


def to_others(connection: t.Any, places: t.Collection[Place]) -> list[Reference]:
    """Return those of these tables to others."""
    return [each for each in references(connection) if each.table in places and each.to not in places]


def stopped_by(connection: t.Any, reference: Reference, table: t.Any, staged: t.Any) -> int:
    """Count the rows of another table that refer to what would no longer be there."""
    equal = sql.SQL(" AND ").join(
        sql.SQL("p.{} = r.{}").format(sql.Identifier(theirs), sql.Identifier(own))
        for own, theirs in zip(reference.columns, reference.to_columns))
    return int(value(connection, sql.SQL(
        "SELECT count(*) FROM {} r WHERE EXISTS (SELECT FROM {} p WHERE {})"
        " AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
            sql.Identifier(*reference.table), table, equal, staged, equal)))
