# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state of things in a few lines, and the one next command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    process_mark,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.modules import status_info

HERE = {"host": "ctl", "space": "boot/pid:[1]", "pid": 10, "mark": "100", "peers": []}
RUN: dict[str, Any] = {"run_id": "r1", "playbook": "rollback", "owner": "alice", "since": "then", "alive": False,
                       "steps": [{"step": "alembic_downgrade", "at": "then", "pid": 7, "alive": True}]}
SESSION = {"pid": 9, "application": "recyclic.rollback:r1:alembic", "user": "app", "state": "active", "query": "DROP",
           "seconds": 40, "blocked_by": [3, 4]}

MIGRATION_AT_WORK = {"name": "migrations-run-1", "since": "then", "command": "docker stop migrations-run-1",
                     "run_id": None}


def found(**other: Any) -> dict[str, Any]:
    return {"run": None, "sessions": [], "recorded_heads": ["k1l2m3n4o5p6"], "server": "up", "backup": None,
            "incomplete_backups": [], "last_outcome": None, "next": "-", "engine": None, "services": [],
            "migrations": [], "stopped": [], "down": [], **other}


@pytest.mark.parametrize(("state", "advice"), [
    (found(), "Nothing is under way."),
    (found(run=RUN), "Take up the run that was cut off: ansible-playbook rollback.yml"),
    (found(run={**RUN, "alive": True}), "Wait for the run under way, or end it."),
    (found(run={**RUN, "alive": None}), "Its controller cannot be seen from here. When you know it is gone: "
                                        "ansible-playbook rollback.yml -e rollback_take_over=r1"),
    (found(sessions=[SESSION]), "Wait for the run under way, or end it."),
    (found(server="Nothing answers", run=RUN), "The server does not answer: start it first."),
    (found(server="Nothing answers", down=["postgres"]),
     "Start what is stopped, in order: ansible-playbook restart.yml"),
    (found(stopped=[{"run_id": "r1", "services": ["api"]}]),
     "Start what is stopped, in order: ansible-playbook restart.yml"),
    (found(engine="The engine is down.", server="The engine is down."),
     "Nothing of the project can be seen or done: The engine is down."),
    (found(migrations=[MIGRATION_AT_WORK], run=RUN, down=["api"]),
     "A migration nobody here started is at work. Let it end, or stop it: ansible-playbook emergency_stop.yml"),
    (found(migrations=[{**MIGRATION_AT_WORK, "run_id": "r1"}], run={**RUN, "alive": True}),
     "Wait for the run under way, or end it."),
    (found(migrations=[{**MIGRATION_AT_WORK, "run_id": "r1"}], run=RUN),
     "Take up the run that was cut off: ansible-playbook rollback.yml"),
])
def test_the_next_command_answers_the_most_urgent(state: dict[str, Any], advice: str) -> None:
    assert status_info.advise(state, "en") == advice


@pytest.mark.parametrize(("language", "first"), [
    ("en", "Run r1 (rollback, by alice)"), ("fr", "Le run r1 (rollback, par alice)"),
])
def test_everything_that_was_found_is_told(language: str, first: str) -> None:
    backup = {"path": "/b1", "finished_at": "then", "heads": ["k1l2m3n4o5p6"], "bytes": 9}
    last = {"run_id": "r0", "outcome": "refused", "finished_at": "before"}
    lines = status_info.describe(found(run=RUN, sessions=[SESSION], backup=backup, incomplete_backups=[".incomplete-x"],
                                       last_outcome=last), language)
    assert lines[0].startswith(first)
    text = "\n".join(lines)
    for piece in ("alembic_downgrade", "3, 4", "k1l2m3n4o5p6", "/b1", ".incomplete-x", "r0"):
        assert piece in text


def test_a_server_that_does_not_answer_is_told_instead_of_its_revisions() -> None:
    lines = status_info.describe(found(server="Nothing answers at db:5432", recorded_heads=None), "en")
    assert "Nothing answers at db:5432" in lines
    assert not any("Recorded revisions" in line for line in lines)


@pytest.mark.parametrize("sight", [True, False, None])
def test_a_controller_is_running_or_not_or_out_of_sight(sight: bool | None) -> None:
    lines = status_info.describe(found(run={**RUN, "alive": sight}), "en")
    (line,) = [line for line in lines if "its controller" in line]
    assert line.endswith({True: "yes", False: "no", None: "unknown"}[sight])


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    directory = StateDirectory(str(tmp_path / "state"))
    directory.create()
    return directory


def test_the_run_that_holds_the_lock_is_looked_into(state: StateDirectory) -> None:
    assert state.locks_held() == []
    write_json(state.lock_path("recyclic-1"), {
        "run_id": "r1", "owner": "alice", "since": "then", "controller": {**HERE, "pid": 11, "mark": "1"}})
    os.mkdir(state.run_dir("r1"))
    mark = process_mark(os.getpid())
    Journal(state.run_dir("r1")).write("begun", step="alembic_downgrade", acts=True, pid=os.getpid(), mark=mark)
    (held,) = state.locks_held()
    assert held["slug"] == "recyclic-1"
    run = status_info.run_under_way(state, held, HERE)
    assert (run["run_id"], run["owner"], run["alive"], run["acted"]) == ("r1", "alice", False, True)
    assert [(step["step"], step["alive"]) for step in run["steps"]] == [("alembic_downgrade", bool(mark))]


def test_the_last_outcome_is_the_newest_report_on_this_database(state: StateDirectory) -> None:
    assert status_info.last_outcome(state, "recyclic") is None
    for run_id, database in (("r1", "recyclic"), ("r2", "recyclic"), ("r3", "other")):
        os.mkdir(state.run_dir(run_id))
        write_json(os.path.join(state.run_dir(run_id), "report.json"), {
            "run_id": run_id, "database": database, "outcome": "rolled_back", "finished_at": "then", "backup": None})
    os.mkdir(state.run_dir("r4"))
    os.symlink("r3", os.path.join(state.runs, "latest"))
    assert status_info.last_outcome(state, "recyclic")["run_id"] == "r2"
    assert status_info.last_outcome(state, "unheard of") is None


def test_a_stray_file_among_the_runs_is_passed_over(state: StateDirectory) -> None:
    Path(state.runs, "notes.txt").write_text("an operator's")
    assert status_info.last_outcome(state, "recyclic") is None
