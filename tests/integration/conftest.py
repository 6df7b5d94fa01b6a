# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One real server for the session; for each test databases of its own, and no module left at work."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("harness")

import harness
from harness import Database, Databases, Server, Started


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The session's server; with xdist, each worker has one."""
    from server import destroy, start

    home = tmp_path_factory.mktemp("the server")
    try:
        yield start(home)
    finally:
        destroy(home)


@pytest.fixture(scope="session")
def databases(server: Server) -> Databases:
    """Makes databases, and keeps the templates they are copied from."""
    made = Databases(server)
    # Hundreds of databases come and go, and none has to survive a power cut.
    for setting in ("fsync", "full_page_writes"):
        made.superuser(f"ALTER SYSTEM SET {setting} TO off")
    made.superuser("SELECT pg_reload_conf()")
    return made


@pytest.fixture
def make_database(databases: Databases) -> Iterator[Callable[..., Database]]:
    """``make_database(history, at)``: a fresh database of a fresh role; ``at`` as in harness.build, or None."""
    made: list[Database] = []

    def make(*arguments: Any, **options: Any) -> Database:
        made.append(databases.make(*arguments, **options))
        return made[-1]

    yield make
    for database in made:
        databases.drop(database)


@pytest.fixture
def database(make_database: Callable[..., Database]) -> Database:
    """The guide's history, at the migration, with what users did since."""
    return make_database("guide", "migration")


@pytest.fixture
def empty(make_database: Callable[..., Database]) -> Database:
    """A database without a table."""
    return make_database("guide", None)


@pytest.fixture
def start_module() -> Iterator[Callable[..., Started]]:
    """Start a module and go on; none of them outlives the test."""
    started: list[Started] = []

    def start(*arguments: Any, **options: Any) -> Started:
        started.append(harness.start_module(*arguments, **options))
        return started[-1]

    yield start
    for module in started:
        module.end()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where runs and backups go; not made yet."""
    return tmp_path / "state of the node"


@pytest.fixture
def make_site(make_database: Callable[..., Database], tmp_path: Path) -> Callable[..., Any]:
    """``make_site(history, at, **settings)``: a managed database and its inventory."""
    from playbooks import Site

    def make(history: str = "guide", at: str = "migration", **settings: Any) -> Site:
        home = tmp_path / f"site {history}"
        home.mkdir(exist_ok=True)
        return Site(make_database(history, at), home, settings)

    return make
