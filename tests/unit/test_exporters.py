# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of the tests that cannot be had are named, with what to do."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[1] / "exporters.py"


@pytest.fixture
def exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script on a machine that has nothing."""
    spec = importlib.util.spec_from_file_location("exporters", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sys.argv", ["exporters.py", "ensure"])
    return module


def test_what_is_missing_is_named_and_how_to_have_it(exporters: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert exporters.missing() == list(exporters.PROGRAMS)
    assert exporters.main() == exporters.NOT_POSSIBLE
    told = capsys.readouterr().err
    assert all(name in told for name in exporters.PROGRAMS) and "install" in told


def test_a_program_on_path_is_taken_as_it_is(exporters: ModuleType, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bin").mkdir()
    for name in exporters.PROGRAMS:
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho '{name}, version 2.42.0+ds (branch)'\n")
        (tmp_path / "bin" / name).chmod(0o755)
    assert exporters.main() == 0
    assert capsys.readouterr().out.splitlines() == [f"{name}: 2.42.0" for name in exporters.PROGRAMS]
    assert not (tmp_path / "cache" / "root").exists()
