# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Row counts and fingerprints: what a table holds, said so that two moments can be compared."""

from __future__ import annotations

import typing as t

from . import _progress
from ._database import rows, value
from ._errors import Refusal

try:
    import psycopg2
    from psycopg2 import sql
except ImportError:
    pass  # _database says so to the operator.

# The text form of a row must not depend on who asks: the same bytes give the same text in every session.
_TEXT_FORM = ("SET LOCAL TimeZone TO 'UTC'", "SET LOCAL DateStyle TO 'ISO'", "SET LOCAL IntervalStyle TO 'postgres'",
              "SET LOCAL bytea_output TO 'hex'", "SET LOCAL extra_float_digits TO 1", "SET LOCAL search_path TO ''",
              "SET LOCAL quote_all_identifiers TO off",
              # Rather an error than the rows this role happens to see.
              "SET LOCAL row_security TO off")
# Counting costs about a fifth of fingerprinting: it stays exact for this many times larger tables.
_COUNT_FACTOR = 5


def settle(connection: t.Any) -> None:
    """Give the current transaction the settings a fingerprint is defined under."""
    for statement in _TEXT_FORM:
        rows(connection, statement)


def qualified(connection: t.Any, table: str) -> tuple[str, str] | None:
    """Resolve a table's name, with or without its schema, on the session's own search_path; None where it is absent."""
    schema, _dot, name = table.rpartition(".")
    ident = sql.Identifier(schema, name) if schema else sql.Identifier(name)
    found = rows(connection, "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                             " WHERE c.oid = to_regclass(%s)", (ident.as_string(connection),))
    return (found[0][0], found[0][1]) if found else None


def all_tables(connection: t.Any) -> list[tuple[str, str, int]]:
    """Return every table that holds rows of its own: schema, name, and size in bytes (indexes left out).

    Tables that belong to an extension are left out: a dump does not carry their rows.
    """
    return rows(connection, """
        SELECT n.nspname, c.relname, pg_table_size(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
          AND NOT starts_with(n.nspname, 'pg_')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
        ORDER BY 1, 2""")


def measure(connection: t.Any, table: tuple[str, str], where: str | None = None, fingerprint: bool = False
            ) -> dict[str, t.Any]:
    """Count a table exactly, on request with its fingerprint: ``{rows, exact, fingerprint}``.

    The fingerprint is ``sum(hashtextextended(ROW(columns sorted by name)::text, 0))``: independent of the order of rows
    and columns, equal after dump and restore and between PostgreSQL versions. Raises Refusal for a filter that the
    server does not understand.
    """
    wanted: list[t.Any] = [sql.SQL("count(*)")]
    if fingerprint:
        names = rows(connection, """
            SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
            ORDER BY attname COLLATE "C" """, (sql.Identifier(*table).as_string(connection),))
        columns = sql.SQL(", ").join(sql.Identifier(row[0]) for row in names)
        wanted.append(sql.SQL("coalesce(sum(hashtextextended(ROW({})::text, 0)), 0)::text").format(columns))
    statement = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(wanted), sql.Identifier(*table))
    if where:
        # An operator's own SQL, by design; the session is read-only.
        statement = sql.SQL("{} WHERE ({})").format(statement, sql.SQL(where))
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            found = cursor.fetchone()
    except psycopg2.Error as error:
        if not where:
            raise Refusal("table_unreadable", table=".".join(table), error=str(error).strip()) from error
        raise Refusal("count_failed", table=".".join(table), filter=where, error=str(error).strip()) from error
    return {"rows": found[0], "exact": True, "fingerprint": found[1] if fingerprint else None}


def columns_held(connection: t.Any, table: tuple[str, str], key: t.Sequence[str] | None = None,
                 fingerprint: bool = False) -> dict[str, t.Any]:
    """Count each column's values that are not null, in one pass: ``{key, values: {column: n}, fingerprints}``.

    ``fingerprints``, on request, holds for each column a sum over the rows that moves with none of the other columns,
    but for those of ``key``, by default the primary key's: a value that went to another row is another sum.
    """
    ident = sql.Identifier(*table)
    spelled = ident.as_string(connection)
    names = [row[0] for row in rows(connection, """
        SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
        ORDER BY attname COLLATE "C" """, (spelled,))]
    if key is None:
        key = [row[0] for row in rows(connection, """
            SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
            WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY a.attname COLLATE "C" """, (spelled,))]
    if not names:
        return {"key": list(key), "values": {}, "fingerprints": {}}
    # Arrays: a list of results is shorter than the longest list of columns.
    counts = sql.SQL(", ").join(sql.SQL("count({})").format(sql.Identifier(name)) for name in names)
    sums = sql.SQL(", ").join(
        sql.SQL("coalesce(sum(hashtextextended(ROW({})::text, 0)), 0)::text").format(
            sql.SQL(", ").join(map(sql.Identifier, [*key, name]))) for name in (names if fingerprint else []))
    found = rows(connection, sql.SQL("SELECT ARRAY[{}]::bigint[], ARRAY[{}]::text[] FROM {}").format(
        counts, sums, ident))[0]
    return {"key": list(key), "values": dict(zip(names, found[0])), "fingerprints": dict(zip(names, found[1]))}


def structures(connection: t.Any) -> dict[tuple[str, str], str]:
    """Return, by schema and name, a digest of each table's columns, constraints and indexes, whatever their order.

    NOT NULL counts as a property of its column: only PostgreSQL 18 gives it a name of its own. An index that was never
    finished does not count: no dump carries it.
    """
    found = rows(connection, """
        SELECT n.nspname, c.relname, md5(concat_ws(E'\n',
            (SELECT string_agg(concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                                         pg_get_expr(d.adbin, d.adrelid)), E'\n' ORDER BY a.attname COLLATE "C")
             FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
            (SELECT string_agg(o.conname || ' ' || pg_get_constraintdef(o.oid), E'\n' ORDER BY o.conname COLLATE "C")
             FROM pg_constraint o WHERE o.conrelid = c.oid AND o.contype <> 'n'),
            (SELECT string_agg(pg_get_indexdef(i.indexrelid), E'\n' ORDER BY pg_get_indexdef(i.indexrelid) COLLATE "C")
             FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid)))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND NOT starts_with(n.nspname, 'pg_') AND n.nspname <> 'information_schema'""")
    return {(schema, table): digest for schema, table, digest in found}


def survey(connection: t.Any, fingerprint_max_bytes: int, fingerprint: bool = True) -> dict[str, dict[str, t.Any]]:
    """Measure every table: ``{schema.name: {place, rows, exact, fingerprint, structure, bytes}}``.

    ``place`` is schema and name apart. Tables larger than ``fingerprint_max_bytes`` are only counted, and from five
    times that size on estimated from the statistics and marked ``exact: false``.
    """
    found: dict[str, dict[str, t.Any]] = {}
    structure = structures(connection)
    everything = all_tables(connection)
    with _progress.part("count"):
        for number, (schema, table, size) in enumerate(everything):
            _progress.done(number, len(everything), _progress.TABLES)
            if size > fingerprint_max_bytes * _COUNT_FACTOR:
                ident = sql.Identifier(schema, table).as_string(connection)
                estimate = value(connection, "SELECT greatest(reltuples, 0)::bigint FROM pg_class"
                                             " WHERE oid = to_regclass(%s)", (ident,))
                measured = {"rows": estimate, "exact": False, "fingerprint": None}
            else:
                wanted = fingerprint and size <= fingerprint_max_bytes
                measured = measure(connection, (schema, table), fingerprint=wanted)
            found[f"{schema}.{table}"] = {"place": [schema, table], **measured,
                                          "structure": structure.get((schema, table)), "bytes": size}
    return found


def not_compared(before: dict[str, t.Any], after: dict[str, t.Any]) -> list[str]:
    """Return the tables in both surveys that were too large to be read: nobody can say their rows are the same."""
    return sorted(name for name in set(before) & set(after)
                  if not (before[name]["fingerprint"] and after[name]["fingerprint"]))


def differences(before: dict[str, t.Any], after: dict[str, t.Any], without: t.Collection[str] = ()
                ) -> list[dict[str, t.Any]]:
    """Compare two surveys: one entry per table that is not the same, ``{table, before, after, how}``.

    ``how`` is ``gone``, ``new``, ``structure``, ``rows`` or ``content``. Where only one side has a fingerprint, rows
    are compared; an estimate is never called equal or different.
    """
    found = []
    for name in sorted(set(before) | set(after)):
        if name in without:
            continue
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            how = "new" if old is None else "gone"
        elif old.get("structure") != new.get("structure"):
            how = "structure"
        elif not (old["exact"] and new["exact"]):
            continue
        elif old["rows"] != new["rows"]:
            how = "rows"
        elif old["fingerprint"] and new["fingerprint"] and old["fingerprint"] != new["fingerprint"]:
            how = "content"
        else:
            continue
        found.append({"table": name, "how": how, "before": old and old["rows"], "after": new and new["rows"]})
    return found
