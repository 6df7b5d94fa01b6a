# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tests of AWX's objects share: the role's own data, and the stand-in controller, loaded once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

import controller
from loading import ROOT, Loaded, Loader


@pytest.fixture(scope="session")
def objects() -> dict[str, Any]:
    """The role's data, as it stands in its files."""
    found: dict[str, Any] = {}
    for path in (ROOT / "roles" / "awx_objects" / "vars" / "main").glob("*.yml"):
        found |= yaml.load(path.read_text(encoding="utf-8"), Loader)
    found["awx_objects_questions"] = {name: question for part in ("run", "told", "others")
                                      for name, question in found[f"awx_objects_questions_{part}"].items()}
    return found


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """A stand-in that awx.yml has been loaded into once, by the real modules of awx.awx."""
    store = controller.Controller(ROOT)
    with controller.serve(store) as address:
        awx = Loaded(store, address, tmp_path_factory.mktemp("awx"))
        awx.first = awx.play()
        yield awx
