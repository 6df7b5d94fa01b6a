# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real server, a project as AWX clones it, and job templates on databases of their own."""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]
pytest.register_assert_rewrite("harness", "jobs")

from harness import Databases
from jobs import Template, copy_project
from server import destroy, start

from playbooks import Site


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file look at the same jobs: one worker runs them all."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.xdist_group(f"runner-{item.path.stem}"))


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    home = tmp_path_factory.mktemp("the server of the jobs")
    try:
        made = Databases(start(home))
        for setting in ("fsync", "full_page_writes"):
            made.superuser(f"ALTER SYSTEM SET {setting} TO off")
        made.superuser("SELECT pg_reload_conf()")
        yield made
    finally:
        destroy(home)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("projects") / "_8__recyclic")


@pytest.fixture(scope="module")
def make_template(databases: Databases, project: Path, tmp_path_factory: pytest.TempPathFactory
                  ) -> Iterator[Callable[..., Template]]:
    """``make_template(**settings)``: a site whose inventory AWX has, and its job templates."""
    made = []

    def make(**settings: Any) -> Template:
        home = tmp_path_factory.mktemp("awx")
        made.append(databases.make("guide", "migration"))
        # No inventory of AWX holds a confirmation.
        site = Site(made[-1], home / "managed", {"rollback_confirm": None, **settings})
        site.home.mkdir()
        return Template(site, project, home)

    yield make
    for database in made:
        databases.drop(database)
