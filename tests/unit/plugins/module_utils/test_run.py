# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who may begin a run, and what is done with what the run before left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _evidence, _run
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    now,
    process_mark,
    seconds_between,
    write_json,
)

RUN = "20260301T031500Z-a1b2c3"
HERE = {"host": "ctl", "space": "boot/pid:[1]", "pid": 10, "mark": "100", "peers": [[20, "200"]]}
ALIVE = {"host": "ctl", "space": HERE["space"], "pid": 20, "mark": "200"}
GONE = {**ALIVE, "mark": "199"}
ELSEWHERE = {**ALIVE, "host": "awx-7", "space": "another/pid:[1]"}

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(str(tmp_path / "state"))
    found.create()
    Path(found.run_dir(RUN)).mkdir()
    return found


def held(controller: dict[str, Any], since: str = "2026-03-01T03:15:00.000Z") -> dict[str, Any]:
    return {"run_id": RUN, "owner": "alice", "controller": controller, "since": since}


@pytest.mark.parametrize(("controller", "take_over"), [
    (GONE, []), (GONE, ["another"]), (ELSEWHERE, [RUN]), (ELSEWHERE, ["another", RUN])])
def test_a_run_whose_controller_is_gone_may_be_taken_over(state: StateDirectory, controller: dict[str, Any],
                                                          take_over: list[str]) -> None:
    _run._require_gone(held(controller), HERE, state, take_over)


@pytest.mark.parametrize(("controller", "take_over", "key"), [
    (ALIVE, [], "run_in_progress"),
    (ALIVE, [RUN], "run_in_progress"),  # one that is seen running is never taken over
    (HERE, [], "run_in_progress"),
    (ELSEWHERE, [], "run_owner_unknown"),
    (ELSEWHERE, ["another", RUN[:-1]], "run_owner_unknown"),
    (ELSEWHERE, [""], "run_owner_unknown"),
])
def test_a_run_that_may_be_alive_is_not_taken_over(state: StateDirectory, controller: dict[str, Any],
                                                   take_over: list[str], key: str) -> None:
    with pytest.raises(Refusal) as refused:
        _run._require_gone(held(controller), HERE, state, take_over)
    assert refused.value.key == key
    assert refused.value.facts["controller"] == f"{controller['host']} pid {controller['pid']}"


def test_an_unseen_owner_is_given_with_the_time_since_its_last_sign(state: StateDirectory) -> None:
    with pytest.raises(Refusal) as refused:
        _run._require_gone(held(ELSEWHERE), HERE, state, [])
    since_locked = refused.value.facts["silent_s"]
    Journal(state.run_dir(RUN)).write("begun", step="plan", pid=1, mark="")
    with pytest.raises(Refusal) as refused:
        _run._require_gone(held(ELSEWHERE), HERE, state, [])
    assert isinstance(since_locked, int) and since_locked > 60
    assert refused.value.facts["silent_s"] in (0, 1)


WISH = {"playbook": "rollback", "database": "recyclic", "goal": {"migration": "k1l2m3n4o5p6", "to_revision": ""}}


@pytest.mark.parametrize(("other", "same"), [
    ({}, True), ({"operator": "bob", "started_at": "later"}, True), ({"playbook": "validate"}, False),
    ({"database": "other"}, False), ({"goal": {"migration": "k1l2m3n4o5p6", "to_revision": "9a2b3c4d5e6f"}}, False),
])
def test_the_same_wish_is_the_same_playbook_database_and_goal(other: dict[str, Any], same: bool) -> None:
    assert _run._same_wish(WISH, {**WISH, **other}) is same
    assert _run._same_wish({}, {**WISH, **other}) is False


def test_an_untouched_run_directory_tells_of_no_step(tmp_path: Path) -> None:
    found = _run.inspect_run(str(tmp_path / RUN))
    assert seconds_between(found.pop("last_sign"), now()) < 5
    assert found == {"run_id": RUN, "meta": {}, "open_steps": [], "at": [], "acted": False, "reported": False}


def test_a_run_that_was_cut_off_tells_what_was_under_way(tmp_path: Path) -> None:
    write_json(str(tmp_path / "run.json"), WISH)
    journal = Journal(str(tmp_path))
    with journal.step("plan"):
        pass
    journal.write("begun", step="alembic_downgrade", acts=True, pid=1, mark="long ago")
    found = _run.inspect_run(str(tmp_path))
    assert found["meta"] == WISH
    assert [(step["step"], step["alive"]) for step in found["open_steps"]] == [("alembic_downgrade", False)]
    assert (found["at"], found["acted"], found["reported"]) == (["alembic_downgrade"], True, False)
    assert found["last_sign"] == journal.lines()[-1]["at"]


def test_a_run_that_was_cut_off_between_two_steps_tells_the_last_that_ended(tmp_path: Path) -> None:
    for name in ("plan", "backup"):
        with Journal(str(tmp_path)).step(name):
            pass
    found = _run.inspect_run(str(tmp_path))
    assert (found["open_steps"], found["at"]) == ([], ["backup"])


@pytest.mark.parametrize("sign", ["report.json", "abandoned"])
def test_a_run_that_has_its_report_or_a_successor_is_not_taken_up_again(tmp_path: Path, sign: str) -> None:
    if sign == "abandoned":
        Journal(str(tmp_path)).write("abandoned", successor="another")
    else:
        write_json(str(tmp_path / sign), {})
    assert _run.inspect_run(str(tmp_path))["reported"]


OBSTINATE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up'); time.sleep(60)"
WILLING = "import time; print('up'); time.sleep(60)"


@linux
@pytest.mark.parametrize(("source", "status"), [(WILLING, -15), (OBSTINATE, -9)], ids=["willing", "obstinate"])
def test_a_process_left_at_work_is_asked_then_killed(monkeypatch: pytest.MonkeyPatch, python: Callable[..., Any],
                                                     source: str, status: int) -> None:
    monkeypatch.setattr(_run, "LEFTOVER_LIMIT_S", 0.5)
    process = python(source)
    assert process.stdout.readline() == "up\n"
    _run._end_process({"pid": process.pid, "mark": process_mark(process.pid)}, RUN)
    assert process.wait(5) == status


@linux
def test_a_process_that_went_by_itself_in_the_meantime_is_no_error(start: Callable[..., Any]) -> None:
    process = start("sleep", "60")
    step = {"pid": process.pid, "mark": process_mark(process.pid)}
    process.kill()
    process.wait()
    _run._end_process(step, RUN)


@linux
def test_a_process_that_bears_the_pid_of_one_that_went_is_left_alone(monkeypatch: pytest.MonkeyPatch,
                                                                     start: Callable[..., Any],
                                                                     eventually: Callable[..., Any]) -> None:
    monkeypatch.setattr(_run, "LEFTOVER_LIMIT_S", 0.5)
    stranger = start("sleep", "60")
    _run._end_process({"pid": stranger.pid, "mark": "of an earlier process"}, RUN)
    assert not eventually(lambda: stranger.poll() is not None, 0.3)


@linux
def test_a_process_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch, start: Callable[..., Any]) -> None:
    monkeypatch.setattr(_run, "LEFTOVER_LIMIT_S", 0.0)  # no time to end in
    process = start("sleep", "60")
    mark = process_mark(process.pid)
    # As of one that waits for a disk: no signal ends that. A busy machine would end this one in no time.
    monkeypatch.setattr(_run, "process_mark", lambda _pid: mark)
    with pytest.raises(Problem) as problem:
        _run._end_process({"pid": process.pid, "mark": mark}, RUN)
    assert (problem.value.key, problem.value.facts) == ("steps_remain", {"run_id": RUN, "pids": str(process.pid)})


def test_latest_points_to_the_last_run(state: StateDirectory) -> None:
    for run_id in ("one", "two"):
        Path(state.run_dir(run_id)).mkdir()
        _evidence.point(state.runs, run_id)
    latest = Path(state.runs) / "latest"
    assert latest.is_symlink() and latest.resolve().name == "two"
    assert sorted(entry.name for entry in Path(state.runs).iterdir()) == [RUN, "latest", "one", "two"]
