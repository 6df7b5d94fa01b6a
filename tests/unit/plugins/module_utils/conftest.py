# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The three histories of the demo, as Alembic's own API reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _alembic_agent
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision

Read = Callable[[str], Graph]


@pytest.fixture(scope="session")
def script(root: Path) -> Callable[[str], Any]:
    """Return Alembic's own view of a history."""
    config = pytest.importorskip("alembic.config")
    directory = pytest.importorskip("alembic.script")
    found: dict[str, Any] = {}

    def read(history: str) -> Any:
        if history not in found:
            ini = str(root / "demo" / "migrations" / history / "alembic.ini")
            found[history] = directory.ScriptDirectory.from_config(config.Config(ini))
        return found[history]

    return read


@pytest.fixture(scope="session")
def graph_of() -> Callable[[Any], Graph]:
    """Return the graph of what Alembic reads, as the agent reports it."""
    return lambda directory: Graph(
        Revision(entry["revision"], tuple(entry["down"]), entry["message"], tuple(entry["depends_on"]),
                 entry["downgrade"]) for entry in _alembic_agent.graph(directory))


@pytest.fixture(scope="session")
def history(script: Callable[[str], Any], graph_of: Callable[[Any], Graph]) -> Read:
    """Return the graph of a history of the demo."""
    return lambda name: graph_of(script(name))
