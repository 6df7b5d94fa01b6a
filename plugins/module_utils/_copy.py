# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A restored copy on a scratch server: measured, migrated, watched; production is not reached from it."""

from __future__ import annotations

import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ._alembic import Environment, Moved, prefix_of
from ._announce import without
from ._catalogue import Catalogue, read_catalogue
from ._checks import Check, take_evidence
from ._counts import columns_held, measure, qualified, settle
from ._database import DatabaseError, Limits, end_backends, recorded_heads, rows, session_name
from ._errors import Problem, Refusal
from ._evidence import now
from ._measured import Picture
from ._progress import part
from ._runner import APPLICATION, Program
from ._scratch import Scratch
from ._trial import expected
from ._watch import SCHEMA, Step, install, read_steps


@dataclass
class Clock:
    """Times the steps of a rehearsal: ``{name, started_at, seconds, result}``, the result ``ok`` or ``failed``.

    ``of`` is how many there will be, where that is known.
    """

    steps: list[dict[str, t.Any]]
    of: int | None = None

    @contextmanager
    def step(self, name: str) -> t.Iterator[dict[str, t.Any]]:
        """Time one step; it stands in the list from its beginning."""
        entry: dict[str, t.Any] = {"name": name, "started_at": now(), "seconds": None, "result": "failed"}
        self.steps.append(entry)
        began = time.monotonic()
        try:
            with part(name, number=len(self.steps), of=self.of):
                yield entry
            entry["result"] = "ok"
        finally:
            entry["seconds"] = round(time.monotonic() - began, 3)


@dataclass(frozen=True)
class Look:
    """How a copy is looked at.

    ``filters`` finds, by table, the rows that are the migration's. ``announced`` maps a table to the kinds of change a
    plan expects of it: only these are looked into column by column, every table where it is None.
    """

    version_table: str
    version_schema: str | None
    checks: t.Sequence[Check] = ()
    fingerprint_max_bytes: int = 1 << 30
    filters: t.Mapping[str, str] = field(default_factory=dict)
    announced: t.Mapping[str, t.Sequence[str]] | None = None


@dataclass
class Copy:
    """A restored copy on a scratch server, and the application's Alembic environment led to it."""

    scratch: Scratch
    environment: Environment
    limits: Limits
    run_id: str | None
    look: Look
    commands: list[str] = field(default_factory=list)

    def evidence(self) -> dict[str, t.Any]:
        """Measure tables, checks and recorded revisions, as take_evidence() does, the watch's own tables left out."""
        look = self.look
        with self.scratch.target.open(session_name(self.run_id, "measure"), autocommit=False) as connection:
            found = take_evidence(connection, look.checks, look.fingerprint_max_bytes, True, look.version_table,
                                  look.version_schema)
        tables = {name: table for name, table in found["tables"].items() if table["place"][0] != SCHEMA}
        return {**found, "tables": tables}

    def heads(self) -> list[str]:
        """Return the revisions recorded now."""
        with self.scratch.target.open(session_name(self.run_id, "measure")) as connection:
            return recorded_heads(connection, self.look.version_table, self.look.version_schema) or []

    def picture(self, evidence: t.Mapping[str, t.Any], before: Picture | None = None) -> Picture:
        """Complete the evidence of this moment: structure, columns, and the rows that are the migration's.

        After a migration, columns are looked into where a table has others than ``before``.
        """
        with self.scratch.target.open(session_name(self.run_id, "measure"), autocommit=False) as connection:
            version = self._version_name(connection)
            places = {table: _place(connection, table) for table in self.look.filters}
            settle(connection)
            found = Picture(_without(read_catalogue(connection), version), {
                named: table for table in evidence["tables"].values()
                for named in [said(*table["place"])] if named != version})
            for name, table in found.tables.items():
                if table["exact"]:
                    self._look_into(connection, found, name, before)
            # A filter is the operator's: it names tables as the application does.
            rows(connection, "SET LOCAL search_path TO DEFAULT")
            for name, place in places.items():
                if place and said(*place) in found.tables:
                    self._tell_apart(connection, found, place, self.look.filters[name])
            connection.rollback()
        return found

    def catalogue(self) -> Catalogue:
        """Return the structure as it is now, the version table left out."""
        with self.scratch.target.open(session_name(self.run_id, "measure")) as connection:
            return _without(read_catalogue(connection), self._version_name(connection))

    def _version_name(self, connection: t.Any) -> str:
        name = ".".join(part for part in (self.look.version_schema, self.look.version_table) if part)
        return said(*(_place(connection, name) or ("public", name)))

    def _look_into(self, connection: t.Any, found: Picture, name: str, before: Picture | None) -> None:
        place = tuple(found.tables[name]["place"])
        if before is None:
            kinds = None if self.look.announced is None else self.look.announced.get(name, ())
            wanted = found.tables[name]["fingerprint"] and (kinds is None or any("column" in kind for kind in kinds))
            found.held[name] = columns_held(connection, place, fingerprint=bool(wanted))
            return
        old, new = before.types(name), found.types(name)
        key = before.held.get(name, {}).get("key", [])
        if not old or old == new or any(old[column] != new.get(column) for column in key):
            return
        if before.held.get(name, {}).get("fingerprints"):
            found.held[name] = columns_held(connection, place, key, fingerprint=True)

    def _tell_apart(self, connection: t.Any, found: Picture, place: tuple[str, str], condition: str) -> None:
        """Count the migration's rows and measure the others; a filter means nothing where a table it names is gone."""
        name = said(*place)
        rows(connection, "SAVEPOINT filter")
        try:
            others = measure(connection, place, without(condition),
                             fingerprint=bool(found.tables[name]["fingerprint"]))
            found.own[name], found.rest[name] = found.tables[name]["rows"] - others["rows"], others
        except Refusal:
            rows(connection, "ROLLBACK TO SAVEPOINT filter")
            found.own[name] = None

    def watch(self) -> None:
        """Have every move from now on recorded."""
        with self.scratch.target.open(session_name(self.run_id, "watch")) as connection:
            install(connection, self.look.version_table, self.look.version_schema, statements=True)

    def steps(self) -> list[Step]:
        """Return what was recorded so far."""
        with self.scratch.target.open(session_name(self.run_id, "watch")) as connection:
            return read_steps(connection)

    def move(self, moves: t.Sequence[tuple[str, str]], migration: str | None = None, to: str | None = None) -> Moved:
        """Make moves here, and nowhere else; what was ended on the way is ended on the server too.

        Raises Refusal, no move made, where a connection made through env.py arrives elsewhere.
        """
        name = prefix_of(self.run_id)
        with self.scratch.target.open(session_name(self.run_id, "control"), self.limits) as control:
            try:
                moved = self.environment.moves(name, self.limits, expected(self.scratch, control, name), moves,
                                               migration=migration, to=to)
            finally:
                self.commands += [self.scratch.runtime.shown(Program(
                    [self.environment.python, "-m", "alembic", "-c", self.environment.config, *move],
                    cwd=self.environment.cwd, place=APPLICATION)) for move in moves]
                with suppress(DatabaseError, Problem):
                    end_backends(control, name, self.scratch.runtime.addresses)
        return moved


def said(schema: str, name: str) -> str:
    """Return a table's name as catalogues have it."""
    return name if schema == "public" else f"{schema}.{name}"


def _place(connection: t.Any, table: str) -> tuple[str, str] | None:
    """Resolve a table's name on the database's own search_path, or in the schema public."""
    return qualified(connection, table) or (None if "." in table else qualified(connection, f"public.{table}"))


def _without(catalogue: Catalogue, table: str) -> Catalogue:
    return {**catalogue, "tables": {name: entry for name, entry in catalogue["tables"].items() if name != table}}
