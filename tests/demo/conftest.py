# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One real server for the session, and databases built by Alembic's own command line.

DEMO_PYTHON may name another interpreter for the Alembic commands, one with another version of it.
"""
from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from psycopg2.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

if TYPE_CHECKING:
    from server import Server

PARENT = {"guide": "9a2b3c4d5e6f", "chain": "g1h2i3j4k5l6", "branched": "g1h2i3j4k5l6"}


@dataclass(frozen=True)
class Database:
    """A database at some point of a history."""

    history: str
    url: str
    ini: Path

    def alembic(self, *arguments: str, status: int = 0) -> str:
        """Run Alembic; returns stdout and stderr together, after checking the exit status."""
        done = subprocess.run(
            [os.environ.get("DEMO_PYTHON", sys.executable), "-m", "alembic", "-c", str(self.ini), *arguments],
            env={**os.environ, "DATABASE_URL": self.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def seed(self, stage: str, status: int = 0) -> dict[str, Any]:
        """Run the seeding; returns its JSON line, or {} for another exit status than 0."""
        done = subprocess.run(
            [sys.executable, str(ROOT / "demo" / "seed.py"), stage, "--history", self.history],
            env={**os.environ, "DATABASE_URL": self.url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        result: dict[str, Any] = json.loads(done.stdout or "{}")
        return result

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def heads(self) -> set[str]:
        return {head for (head,) in self.rows("SELECT version_num FROM alembic_version")}

    def tables(self) -> set[str]:
        names = self.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in names}

    def columns(self, table: str) -> set[str]:
        query = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        return {name for (name,) in self.rows(query)}

    def content(self) -> dict[str, Any]:
        """Everything: columns and rows by table, and the recorded heads."""
        content: dict[str, Any] = {"heads": self.heads()}
        for table in self.tables() - {"alembic_version"}:
            content[table] = (self.columns(table), self.rows(f"SELECT * FROM {table} ORDER BY 1, 2"))
        return content

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The session's server, in a directory with a blank in its name."""
    from server import destroy, start

    home = tmp_path_factory.mktemp("the server")
    try:
        yield start(home)
    finally:
        destroy(home)


@pytest.fixture(scope="session")
def create(server: Server) -> Callable[..., Database]:
    """Make a database of a history: empty, or a copy of one that no session is connected to."""
    numbers = itertools.count(1)

    def make(history: str, template: Database | None = None) -> Database:
        name = f"{history}_{next(numbers)}"
        source = template.url.rpartition("/")[2] if template else "template0"
        connection = psycopg2.connect(server.url())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(source)))
        connection.close()
        return Database(history, server.url(name), ROOT / "demo" / "migrations" / history / "alembic.ini")

    return make


@pytest.fixture(scope="session")
def seeded(create: Callable[..., Database]) -> Callable[[str], Database]:
    """A copy of the history's database as it was just below the migration, seeded."""
    originals: dict[str, Database] = {}

    def copy(history: str) -> Database:
        if history not in originals:
            original = originals[history] = create(history)
            original.alembic("upgrade", PARENT[history])
            if history == "branched":
                original.alembic("upgrade", "f4g5h6i7j8k9")
            original.seed("before")
        return create(history, originals[history])

    return copy
