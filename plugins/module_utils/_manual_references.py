# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What refers to rows that are removed by hand: foreign keys of the catalogue, and what was declared of each."""

from __future__ import annotations

import json
import shlex
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._checks import unqualified
from ._database import rows
from ._errors import Refusal

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

REFUSE, SET_NULL, CASCADE = "refuse", "set_null", "cascade"
DECISIONS = (REFUSE, SET_NULL, CASCADE)

Place = tuple[str, str]


def shown(place: Place) -> str:
    """Return a table's name as plans have it."""
    return unqualified(".".join(place))


@dataclass(frozen=True)
class Key:
    """A foreign key: ``columns`` of ``child`` refer to ``to_columns`` of ``parent``; tables by oid and by name.

    ``on_delete`` is as in pg_constraint: a, r, c, n or d. ``cleared`` are the columns that are set to null for it, and
    ``fixed`` those of them that may not be null.
    """

    name: str
    child: int
    child_place: Place
    parent: int
    parent_place: Place
    columns: tuple[str, ...]
    to_columns: tuple[str, ...]
    on_delete: str
    cleared: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}: {shown(self.child_place)} ({', '.join(self.columns)}) -> {shown(self.parent_place)}"


@dataclass
class Schema:
    """Every foreign key of a database, and which tables are parts of which.

    ``parts`` maps a table to its partitions and the tables that inherit from it, ``whole`` a partition to what it is
    a partition of.
    """

    keys: list[Key]
    parts: dict[int, list[int]] = field(default_factory=dict)
    whole: dict[int, int] = field(default_factory=dict)

    def above(self, table: int) -> set[int]:
        """Return a table and all that it is a partition of."""
        found = {table}
        while table in self.whole:
            table = self.whole[table]
            found.add(table)
        return found

    def covered(self, table: int) -> set[int]:
        """Return every table by whose name its rows may be referred to."""
        found, waiting = self.above(table), [table]
        while waiting:
            waiting += [part for part in self.parts.get(waiting.pop(), []) if part not in found]
            found.update(waiting)
        return found

    def into(self, table: int) -> list[Key]:
        """Return the foreign keys that may refer to rows of a table."""
        covered = self.covered(table)
        return [key for key in self.keys if key.parent in covered]


def read_schema(connection: t.Any) -> Schema:
    """Read the foreign keys of a database. What a partition has from its parent is told there."""
    # Before PostgreSQL 15 a key clears all of its columns, or none.
    some = sql.SQL("o.confdelsetcols" if connection.server_version >= 150000 else "NULL::int2[]")
    statement = sql.SQL("""
        SELECT o.conname, o.conrelid::bigint, cn.nspname, c.relname, o.confrelid::bigint, pn.nspname, p.relname,
               k.columns, k.to_columns, o.confdeltype::text, k.cleared, k.fixed
        FROM pg_constraint o
             JOIN pg_class c ON c.oid = o.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
             JOIN pg_class p ON p.oid = o.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
             CROSS JOIN LATERAL (
                SELECT array_agg(a.attname::text ORDER BY u.place) AS columns,
                       array_agg(b.attname::text ORDER BY u.place) AS to_columns,
                       coalesce(array_agg(a.attname::text ORDER BY u.place) FILTER (WHERE s.clears), '{{}}') AS cleared,
                       coalesce(array_agg(a.attname::text ORDER BY u.place)
                                FILTER (WHERE s.clears AND a.attnotnull), '{{}}') AS fixed
                FROM unnest(o.conkey, o.confkey) WITH ORDINALITY u (own, other, place)
                     JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = u.own
                     JOIN pg_attribute b ON b.attrelid = o.confrelid AND b.attnum = u.other
                     CROSS JOIN LATERAL (SELECT coalesce(u.own = ANY({some}), true) AS clears) s) k
        WHERE o.contype = 'f' AND o.conparentid = 0
        ORDER BY cn.nspname COLLATE "C", c.relname COLLATE "C", o.conname COLLATE "C" """).format(some=some)
    found = Schema([Key(name, child, (child_schema, child_name), parent, (parent_schema, parent_name), tuple(columns),
                        tuple(to_columns), on_delete, tuple(cleared), tuple(fixed))
                    for (name, child, child_schema, child_name, parent, parent_schema, parent_name, columns, to_columns,
                         on_delete, cleared, fixed) in rows(connection, statement)])
    for part, above, partition in rows(connection, """
            SELECT i.inhrelid::bigint, i.inhparent::bigint, c.relispartition
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p')"""):
        found.parts.setdefault(above, []).append(part)
        if partition:
            found.whole[part] = above
    return found


def spellings(name: str, table: str) -> tuple[str, ...]:
    """Return what a foreign key of a table (named as plans have it) may be declared by."""
    long = (f"{table}.{name}",) if "." in table else (f"{table}.{name}", f"public.{table}.{name}")
    return (name, *long)


def decided(references: t.Mapping[str, str], name: str, table: str) -> str:
    """Return what was declared of a foreign key of a table (named as plans have it); the longer name counts first."""
    for spelled in reversed(spellings(name, table)):
        if spelled in references:
            return references[spelled]
    return REFUSE


def unknown_names(references: t.Mapping[str, str], keys: t.Iterable[tuple[str, str]]) -> list[str]:
    """Return the declared names that are no foreign key's. ``keys`` are names and tables of all there are."""
    known = {spelled for name, table in keys for spelled in spellings(name, table)}
    return sorted(name for name in references if name not in known)


def require_declared(references: t.Mapping[str, str], schema: Schema, concerned: t.Iterable[Key]) -> None:
    """Raise Refusal for a declared name that is no foreign key's, or several tables', or with a word nobody knows."""
    strange = sorted(f"{name}: {decision}" for name, decision in references.items() if decision not in DECISIONS)
    if strange:
        raise Refusal("manual_decision_unknown", decisions=", ".join(strange))
    concerned = list(concerned)
    unknown = unknown_names(references, ((key.name, shown(key.child_place)) for key in schema.keys))
    if unknown:
        raise Refusal("manual_reference_unknown", names=", ".join(unknown),
                      known="; ".join(map(str, concerned)) or "-")
    for name in sorted(references):
        tables = sorted({shown(key.child_place) for key in concerned if key.name == name})
        if len(tables) > 1:
            raise Refusal("manual_reference_ambiguous", name=name,
                          names=", ".join(f"{table}.{name}" for table in tables))


def declaration(keys: t.Iterable[tuple[str, str, bool]]) -> str:
    """Return what an operator pastes to declare foreign keys, each as ``(name, table, may its columns be null)``."""
    keys = sorted(keys)
    names = [name for name, _table, _nullable in keys]
    declared = {name if names.count(name) == 1 else f"{table}.{name}": SET_NULL if nullable else CASCADE
                for name, table, nullable in keys}
    return f"-e {shlex.quote(json.dumps({'rollback_manual_references': declared}, ensure_ascii=False))}"


# Conditions


def identifiers(names: t.Sequence[str]) -> t.Any:
    """Return a list of columns in parentheses."""
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, names)))


def where(condition: t.Any) -> t.Any:
    """Return the end of a statement about the rows that a condition finds; None finds every row."""
    return sql.SQL("") if condition is None else sql.SQL(" WHERE {}").format(condition)


def referring(key: Key, parent: Place, condition: t.Any) -> t.Any:
    """Return the condition of the rows of a child that refer to those that a condition finds in its parent."""
    return sql.SQL("{} IN (SELECT {} FROM {}{})").format(
        identifiers(key.columns), sql.SQL(", ").join(map(sql.Identifier, key.to_columns)), sql.Identifier(*parent),
        where(condition))


def with_its_own(key: Key, condition: t.Any) -> t.Any:
    """Return the condition of rows that a condition finds, and of those that refer to them within their own table."""
    found, table = sql.Identifier("found by hand"), sql.Identifier(*key.child_place)
    to_columns = sql.SQL(", ").join(map(sql.Identifier, key.to_columns))
    of_table = sql.SQL(", ").join(sql.SQL("{}.{}").format(table, sql.Identifier(name)) for name in key.to_columns)
    joined = sql.SQL(" AND ").join(
        sql.SQL("{}.{} = {}.{}").format(table, sql.Identifier(own), found, sql.Identifier(other))
        for own, other in zip(key.columns, key.to_columns))
    return sql.SQL("({condition} OR {key} IN (WITH RECURSIVE {found} AS (SELECT {to_columns} FROM {table} WHERE"
                   " {condition} UNION SELECT {of_table} FROM {table} JOIN {found} ON {joined})"
                   " SELECT {to_columns} FROM {found}))").format(
        condition=condition, key=identifiers(key.to_columns), found=found, to_columns=to_columns, table=table,
        of_table=of_table, joined=joined)
