# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator is told of the run before, and where a run may be opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.modules import run_open

CUT_OFF = {"run_id": "r1", "at": ["alembic_downgrade", "backup"]}


@pytest.mark.parametrize(("begun", "pieces"), [
    ({"cut_off": None, "resumed": False, "ended": []}, []),
    ({"cut_off": CUT_OFF, "resumed": True, "ended": ["alembic_downgrade (pid 7)"]},
     ["r1", "alembic_downgrade, backup", "alembic_downgrade (pid 7)", "goes on"]),
    ({"cut_off": CUT_OFF, "resumed": False, "ended": []}, ["r1", "none", "new run"]),
    ({"cut_off": {"run_id": "r1", "at": []}, "resumed": True, "ended": []}, ["r1", "none"]),
])
def test_the_run_before_is_told_of_when_it_was_cut_off(begun: dict[str, Any], pieces: list[str]) -> None:
    notice = run_open.notice(begun, "en")
    assert bool(notice) is bool(pieces)
    assert all(piece in notice for piece in pieces)


def test_a_state_directory_that_may_be_made_is_not_made_in_check_mode(tmp_path: Path) -> None:
    run_open.require_writable(str(tmp_path / "not" / "yet"))
    assert list(tmp_path.iterdir()) == []


def test_a_state_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refusal) as refused:
        run_open.require_writable(str(tmp_path / "file" / "state"))
    assert refused.value.key == "directory_not_writable"
