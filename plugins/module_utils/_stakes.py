# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What is at stake in the live database, counted where that is cheap, and who stands in the way. Read-only."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ._checks import unqualified
from ._counts import all_tables, measure, qualified, settle, structures
from ._database import DatabaseError, rows, value
from ._errors import Refusal

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# A table up to this size is counted in well under a second; all that one plan counts, in a few.
CHEAP_BYTES = 128 * 1024 * 1024
BUDGET_BYTES = 1024 * 1024 * 1024
COUNT_LIMIT_MS = 3000

Counted = tuple[int, bool]


@dataclass
class Stakes:
    """Counts in the live database, each in a statement of its own, so that no lock outlives a look.

    ``connection`` is in autocommit mode and read-only. A count is ``(rows, exact)``; beyond the budget of bytes, or of
    time, it is an estimate from the statistics.
    """

    connection: t.Any
    budget: int = BUDGET_BYTES
    sizes: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    structures: dict[tuple[str, str], str] | None = None

    def __post_init__(self) -> None:
        rows(self.connection, "SELECT set_config('statement_timeout', %s, false)", (str(COUNT_LIMIT_MS),))
        # Even its size is not told while somebody holds a table alone.
        with looking(self.connection):
            self.sizes = {f"{schema}.{table}": size for schema, table, size in all_tables(self.connection)}

    @property
    def stored(self) -> set[str]:
        """The tables that hold rows of their own, as catalogues name them; a partitioned one does not."""
        return set(map(unqualified, self.sizes))

    def place(self, table: str) -> tuple[str, str] | None:
        """Return schema and name of a table as catalogues name it; None where it is absent."""
        if table not in self.places:
            # Bare in a catalogue means the schema public, whatever this session's search_path says.
            schema, dot, name = table.partition(".")
            asked = qualified(self.connection, table if dot else f"public.{table}")
            self.places[table] = asked or (None if dot else qualified(self.connection, schema or name))
        return self.places[table]

    def named(self, table: str) -> str:
        """Return a table's name as catalogues have it, as the session's search_path finds it; as it is where absent."""
        place = qualified(self.connection, table)
        return table if place is None else place[1] if place[0] == "public" else ".".join(place)

    def rows_of(self, table: str, where: str | None = None) -> Counted | None:
        """Count a table's rows, those that a filter finds; None for an absent table or a filter it does not bear."""
        place = self.place(table)
        if place is None:
            return None
        if not self._afford(place):
            # How many of them a filter finds, no statistics tell.
            return None if where else self._estimate(place)
        try:
            return measure(self.connection, place, where)["rows"], True
        except (Refusal, DatabaseError):
            return None if where else self._estimate(place)

    def values_of(self, table: str, column: str) -> Counted | None:
        """Count a column's values that are not null; None where there is no such column."""
        place = self.place(table)
        if place is None:
            return None
        name = sql.Identifier(column).as_string(self.connection)
        if not self._afford(place):
            share = value(self.connection, "SELECT 1 - null_frac FROM pg_stats WHERE (schemaname, tablename, attname)"
                                           " = (%s, %s, %s)", (*place, column))
            every = self._estimate(place)[0]
            return (int(every * float(share)) if share is not None else every), False
        return self.rows_of(table, f"{name} IS NOT NULL")

    def fingerprint(self, table: str) -> str | None:
        """Return a table's fingerprint where it is cheap, otherwise None."""
        place = self.place(table)
        if place is None or not self._afford(place):
            return None
        try:
            with self._settled():
                return str(measure(self.connection, place, fingerprint=True)["fingerprint"])
        except (Refusal, DatabaseError):
            return None

    def structure(self, table: str) -> str | None:
        """Return the digest of a table's structure, as surveys hold it."""
        if self.structures is None:
            with self._settled():
                self.structures = structures(self.connection)
        place = self.place(table)
        return self.structures.get(place) if place else None

    @contextmanager
    def _settled(self) -> t.Iterator[None]:
        """Give one transaction the settings that fingerprints and structures are defined under."""
        self.connection.autocommit = False
        try:
            settle(self.connection)
            yield
        finally:
            self.connection.rollback()
            self.connection.autocommit = True

    def _afford(self, place: tuple[str, str]) -> bool:
        size = self.sizes.get(".".join(place), 0)
        if size > CHEAP_BYTES or size > self.budget:
            return False
        self.budget -= size
        return True

    def _estimate(self, place: tuple[str, str]) -> Counted:
        ident = sql.Identifier(*place).as_string(self.connection)
        found = value(self.connection, "SELECT greatest(reltuples, 0)::bigint FROM pg_class"
                                       " WHERE oid = to_regclass(%s)", (ident,))
        return int(found or 0), False


def blockers(connection: t.Any, tables: t.Iterable[str], stakes: Stakes) -> list[dict[str, t.Any]]:
    """Return the sessions a migration of these tables would have to wait for.

    Each as ``{pid, application, user, client, state, seconds, query, tables}``.
    """
    places = [stakes.place(table) for table in tables]
    wanted = [sql.Identifier(*place).as_string(connection) for place in places if place]
    names = ("pid", "application", "user", "client", "state", "seconds", "query", "tables")
    found = rows(connection, """
        SELECT a.pid, a.application_name, a.usename, host(a.client_addr), a.state,
               round(extract(epoch FROM now() - coalesce(a.xact_start, a.backend_start)))::int, left(a.query, 200),
               array_agg(DISTINCT l.relation::regclass::text)
        FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.granted AND l.locktype = 'relation' AND a.pid <> pg_backend_pid()
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.relation = ANY (SELECT to_regclass(name)::oid FROM unnest(%s::text[]) name)
        GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 6 DESC NULLS LAST""", (wanted,))
    return [dict(zip(names, row)) for row in found]


@contextmanager
def looking(connection: t.Any) -> t.Iterator[None]:
    """Raise Refusal naming who holds a table so that not even a look at it is possible."""
    try:
        yield
    except DatabaseError as error:
        held = rows(connection, """
            SELECT DISTINCT a.pid, a.application_name, l.relation::regclass::text
            FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE l.granted AND l.mode = 'AccessExclusiveLock' AND l.locktype = 'relation'
              AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              AND a.pid <> pg_backend_pid() ORDER BY 1, 3""")
        if not held:
            raise
        sessions = "; ".join(f"pid {pid} ({application or '?'}): {table}" for pid, application, table in held)
        raise Refusal("plan_blocked", sessions=sessions, pid=held[0][0], error=str(error).strip()) from error
