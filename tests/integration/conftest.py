# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real server in each runtime for the session; for each test databases of its own, and nothing left at work.

A test marked `both_runtimes` runs against either server: the embedded one, and one that is a service of a Compose
project. The marker's words, if it has any, name the variants of the test that run in Compose as well.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("harness")

import harness
from composed import ComposeServer, compose_project, why_no_engine
from harness import Database, Databases, Server, Started

BOTH = "both_runtimes"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker(BOTH):
        metafunc.parametrize("runtime", ["host", "compose"], indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [item for item in items if _is_wanted(item)]


def _is_wanted(item: pytest.Item) -> bool:
    marker, call = item.get_closest_marker(BOTH), getattr(item, "callspec", None)
    if not (marker and marker.args and call) or call.params["runtime"] == "host":
        return True
    return any(word in call.id for word in marker.args)


@pytest.fixture(scope="session")
def runtime(request: pytest.FixtureRequest) -> str:
    """Where the test's programs run: host, or compose."""
    return str(getattr(request, "param", "host"))


@pytest.fixture(scope="session")
def host_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The session's embedded server; with xdist, each worker has one."""
    from server import destroy, start

    home = tmp_path_factory.mktemp("the server")
    try:
        yield start(home)
    finally:
        destroy(home)


@pytest.fixture(scope="session")
def docker_engine(request: pytest.FixtureRequest) -> None:
    """A Docker engine with the images. CI must have one; elsewhere the tests that need it are skipped without."""
    reason = why_no_engine()
    if reason:
        calls = [getattr(item, "callspec", None) for item in request.session.items]
        count = sum(call.params.get("runtime") == "compose" for call in calls if call)
        told = f"{count} TESTS CANNOT RUN IN COMPOSE, no Docker engine: {reason}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)


@pytest.fixture(scope="session")
def compose_server(docker_engine: None, host_server: Server, worker: str, tmp_path_factory: pytest.TempPathFactory
                   ) -> Iterator[ComposeServer]:
    """The session's Compose project; with xdist, each worker has one."""
    mounts = (harness.ROOT, tmp_path_factory.getbasetemp())
    with compose_project(tmp_path_factory.mktemp("the project"), worker, host_server.bin_dir, mounts) as server:
        yield server


@pytest.fixture(scope="session")
def worker() -> str:
    """The name of this test process among those of xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "alone")


@pytest.fixture
def server(runtime: str, request: pytest.FixtureRequest) -> Server | ComposeServer:
    found: Server | ComposeServer = request.getfixturevalue(f"{runtime}_server")
    return found


@pytest.fixture(scope="session")
def compose_databases(compose_server: ComposeServer) -> Databases:
    """Makes databases there, and keeps the templates they are copied from."""
    return Databases(compose_server)


@pytest.fixture(scope="session")
def host_databases(host_server: Server) -> Databases:
    """The same on the embedded server."""
    made = Databases(host_server)
    # Hundreds of databases come and go, and none has to survive a power cut.
    for setting in ("fsync", "full_page_writes"):
        made.superuser(f"ALTER SYSTEM SET {setting} TO off")
    made.superuser("SELECT pg_reload_conf()")
    return made


@pytest.fixture
def databases(runtime: str, request: pytest.FixtureRequest) -> Databases:
    found: Databases = request.getfixturevalue(f"{runtime}_databases")
    return found


@pytest.fixture
def make_database(databases: Databases) -> Iterator[Callable[..., Database]]:
    """``make_database(history, at)``: a fresh database of a fresh role; ``at`` as in harness.build, or None."""
    made: list[Database] = []

    def make(*arguments: Any, **options: Any) -> Database:
        made.append(databases.make(*arguments, **options))
        return made[-1]

    yield make
    left = [found for database in made for found in database.one_shots()]
    for database in made:
        databases.drop(database)
    assert left == []


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
