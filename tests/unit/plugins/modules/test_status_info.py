# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What status.yml advises, and whose stops it tells of."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, write_json
from ansible_collections.recyclic.rollback.plugins.modules import status_info

QUIET: dict[str, Any] = {"run": None, "sessions": [], "migrations": [], "engine": "up", "server": "up", "stopped": [],
                         "files": None, "last_outcome": None, "down": [], "unwell": []}


@pytest.mark.parametrize(("found", "command"), [
    ({}, "Nothing"), ({"unwell": ["api", "api"]}, "diagnose.yml"),
    ({"down": ["api"], "unwell": ["redis"]}, "restart.yml"),
    ({"server": "down", "unwell": ["postgres"]}, "diagnose.yml"), ({"server": "down"}, "start it first"),
    ({"server": "down", "down": ["postgres"]}, "restart.yml"),
    ({"server": "down", "down": ["postgres"], "files": "no compose.yml"}, "no compose.yml"),
])
def test_what_runs_and_is_not_well_is_to_be_diagnosed(found: dict[str, Any], command: str) -> None:
    assert command in status_info.advise({**QUIET, **found}, "en")


def test_what_was_stopped_of_another_project_is_none_of_ours(tmp_path: Path) -> None:
    state, among = StateDirectory(str(tmp_path)), [SimpleNamespace(id="id-api", running=False, started_at="t1")]
    stopped = {"at": "-", "services": {"api": {"running": True, "containers": [{"id": "id-api", "started_at": "t1"}]}}}
    for number, project in enumerate(("mine", "theirs")):
        (tmp_path / "runs" / str(number)).mkdir(parents=True)
        write_json(str(tmp_path / "runs" / str(number) / "services.json"), {**stopped, "project": project})
    write_json(str(tmp_path / "stopped-theirs.json"), {**stopped, "project": "theirs"})
    seen = {name: status_info.stopped_by_us(state, SimpleNamespace(name=name), among)
            for name in ("mine", "theirs", "no")}
    assert [each["run_id"] for each in seen["mine"]] == ["0"] and seen["no"] == []
    assert [each["run_id"] for each in seen["theirs"]] == [None, "1"]
