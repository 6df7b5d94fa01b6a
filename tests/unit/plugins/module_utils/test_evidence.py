# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a crash may leave, and what it may not: files, journal, locks."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Interrupted, Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    new_run_id,
    now,
    owner_alive,
    private_directory,
    process_mark,
    read_json,
    run_id_of,
    seconds_between,
    write_file,
    write_json,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o644)
    write_file(str(path), "né à Évry\n")
    assert path.read_text(encoding="utf-8") == "né à Évry\n"
    assert mode(path) == 0o600


@pytest.mark.parametrize("old", ["the old content", None])
def test_a_write_that_fails_leaves_the_old_file_and_no_stray_one(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "report.json"
    if old:
        path.write_text(old)
    with pytest.raises(UnicodeEncodeError):
        write_file(str(path), "not text: \udcff")
    assert [entry.name for entry in tmp_path.iterdir()] == (["report.json"] if old else [])
    assert not old or path.read_text() == old


def test_a_write_onto_a_directory_leaves_no_stray_file(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError):
        write_file(str(tmp_path / "taken"), "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_name_without_a_directory_is_a_file_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json("evidence.json", {"rows": 1})
    assert read_json("evidence.json") == {"rows": 1}


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    content = {"é": [1, None, "x"], "path": "kept"}
    write_json(str(tmp_path / "x.json"), {**content, "path": Path("kept")})
    assert read_json(str(tmp_path / "x.json")) == content


@pytest.mark.parametrize("left", [None, "", '{"half": ', "\x00\x00"])
def test_json_that_is_missing_or_cut_short_is_none(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / "x.json").write_text(left)
    assert read_json(str(tmp_path / "x.json")) is None


def test_json_below_a_plain_file_is_none(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("an operator's note")
    assert read_json(str(tmp_path / "README" / "backup.json")) is None


def test_a_private_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        private_directory(str(tmp_path / "a" / "b"))
        assert os.umask(0) == 0, "the umask is given back"
    finally:
        os.umask(umask)
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_directory_that_is_there_loses_what_others_may_do_and_its_parent_does_not(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        path.chmod(0o755)
    (tmp_path / "a" / "b" / "kept").write_text("x")
    private_directory(str(tmp_path / "a" / "b"))
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, 0o700)
    assert [entry.name for entry in (tmp_path / "a" / "b").iterdir()] == ["kept"]


@pytest.mark.parametrize("below", ["", "state"])
def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refusal) as refused:
        private_directory(str(tmp_path / "file" / below) if below else str(tmp_path / "file"))
    assert refused.value.key == "directory_not_writable"
    assert refused.value.facts["error"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(Refusal):
        private_directory(str(tmp_path / "locked" / "state"))


def test_moments_are_utc_and_their_distance_is_in_seconds() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", now())
    assert seconds_between("2026-03-01T23:59:59.500Z", "2026-03-02T00:00:02.750Z") == 3.25


def test_run_ids_are_unique_and_sort_by_time() -> None:
    found = {new_run_id() for _turn in range(50)}
    assert len(found) == 50
    assert all(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{6}", run_id) for run_id in found)


@pytest.mark.parametrize(("run_dir", "run_id"), [
    ("/var/lib/x/runs/20260301T031500Z-a1b2c3", "20260301T031500Z-a1b2c3"),
    ("/var/lib/x/runs/20260301T031500Z-a1b2c3/", "20260301T031500Z-a1b2c3"), ("", None), (None, None),
])
def test_a_run_directory_bears_its_runs_name(run_dir: str | None, run_id: str | None) -> None:
    assert run_id_of(run_dir) == run_id


@linux
def test_a_process_has_one_mark_for_its_whole_life(start: Callable[..., Any]) -> None:
    process = start("sleep", "60")
    mark = process_mark(process.pid)
    assert mark.isdigit() and process_mark(process.pid) == mark
    assert process_mark(os.getpid()) != ""


@linux
def test_a_zombie_and_a_dead_process_have_no_mark(start: Callable[..., Any], eventually: Callable[..., Any]) -> None:
    process = start("sleep", "60")
    process.kill()
    assert eventually(lambda: process_mark(process.pid) == ""), "a zombie is gone, though its pid is still taken"
    assert Path(f"/proc/{process.pid}").exists()
    process.wait()
    assert process_mark(process.pid) == ""


@linux
def test_a_name_with_parentheses_does_not_hide_the_mark(tmp_path: Path, start: Callable[..., Any]) -> None:
    link = tmp_path / "a) b (c"
    link.symlink_to("/bin/sleep")
    assert process_mark(start(str(link), "60").pid).isdigit()


def events(journal: Journal) -> list[tuple[str, str | None]]:
    return [(line["event"], line.get("result")) for line in journal.lines()]


def test_a_step_that_succeeds_leaves_two_lines(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    with journal.step("backup", acts=True) as step:
        assert events(journal) == [("begun", None)], "the line is there before the work"
        step.commands.append("pg_dump")
        step.facts["bytes"] = 12
    begun, ended = journal.lines()
    assert (begun["step"], begun["acts"], begun["pid"]) == ("backup", True, os.getpid())
    assert (ended["result"], ended["commands"], ended["bytes"]) == ("ok", ["pg_dump"], 12)
    assert ended["duration_s"] >= 0 and mode(tmp_path / "journal.jsonl") == 0o600


@pytest.mark.parametrize(("error", "result", "reason"), [
    (Problem("migration_failed"), "failed", "migration_failed"),
    (Refusal("disk_too_small"), "refused", "disk_too_small"), (Interrupted(15), "interrupted", None),
    (ValueError("x"), "failed", None), (KeyboardInterrupt(), "failed", None),
])
def test_a_step_that_ends_early_says_how_and_lets_the_error_through(
        tmp_path: Path, error: BaseException, result: str, reason: str | None) -> None:
    journal = Journal(str(tmp_path))
    with pytest.raises(type(error)), journal.step("plan"):
        raise error
    assert events(journal) == [("begun", None), ("ended", result)]
    assert journal.lines()[-1].get("reason") == reason


def test_a_reason_the_step_gave_itself_is_kept(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    with pytest.raises(Problem), journal.step("plan") as step:
        step.facts["reason"] = "mine"
        raise Problem("theirs")
    assert journal.lines()[-1]["reason"] == "mine"


def test_without_a_run_directory_nothing_is_journalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for run_dir in (None, ""):
        journal = Journal(run_dir)
        with journal.step("plan", acts=True):
            pass
        assert (journal.lines(), journal.open_steps(), journal.acted()) == ([], [], False)
    assert list(tmp_path.iterdir()) == []


def test_a_line_cut_short_is_passed_over_and_swallows_nothing_written_later(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.write("begun", step="plan", pid=1, mark="")
    with open(tmp_path / "journal.jsonl", "a", encoding="utf-8") as stream:
        stream.write('{"at": "2026-03-01T03:15:00.000Z", "event": "end')
    assert events(journal) == [("begun", None)]
    journal.write("resumed")
    assert [event for event, _result in events(journal)] == ["begun", "resumed"]


def test_open_steps_are_those_no_ended_line_answers(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    with journal.step("plan"):
        pass
    with journal.step("backup"):
        journal.write("begun", step="alembic_downgrade", pid=os.getpid(), mark="another life")
        found = {step["step"]: step["alive"] for step in journal.open_steps()}
        assert found == {"backup": process_mark(os.getpid()) != "", "alembic_downgrade": False}
    assert [step["step"] for step in journal.open_steps()] == ["alembic_downgrade"]


STEP = """
import sys, time
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal
with Journal(sys.argv[1]).step("alembic_downgrade", acts=True):
    print("begun")
    time.sleep(60)
"""


@linux
def test_an_open_step_is_alive_until_its_process_is_killed(tmp_path: Path, python: Callable[..., Any]) -> None:
    process = python(STEP, str(tmp_path))
    assert process.stdout.readline() == "begun\n"
    journal = Journal(str(tmp_path))
    (step,) = journal.open_steps()
    assert (step["step"], step["pid"], step["alive"]) == ("alembic_downgrade", process.pid, True)
    process.kill()
    process.wait()
    assert [step["alive"] for step in journal.open_steps()] == [False]
    assert journal.acted(), "killed or not, it had begun to act"


@pytest.mark.parametrize(("acts", "acted"), [([], False), ([False, False], False), ([False, True], True)])
def test_a_run_has_acted_once_a_step_that_acts_was_begun(tmp_path: Path, acts: list[bool], acted: bool) -> None:
    journal = Journal(str(tmp_path))
    for number, one in enumerate(acts):
        with journal.step(f"step {number}", acts=one):
            pass
    assert journal.acted() is acted


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(str(tmp_path / "state"))
    found.create()
    return found


def test_the_state_directory_is_private_throughout(state: StateDirectory) -> None:
    for path in (state.path, state.runs, state.backups, state.locks):
        assert mode(Path(path)) == 0o700
    assert state.run_dir("id").startswith(state.runs) and state.lock_path("slug").startswith(state.locks)


@pytest.mark.parametrize(("held", "given_back"), [
    ({"run_id": "mine"}, True), ({"run_id": "theirs"}, False), (None, False),
])
def test_a_lock_is_given_back_only_by_its_own_run(state: StateDirectory, held: dict[str, str] | None, given_back: bool
                                                  ) -> None:
    path = Path(state.lock_path("recyclic-1"))
    if held:
        write_json(str(path), held)
    assert state.release("recyclic-1", "mine") is given_back
    assert path.exists() is (held is not None and not given_back)


RACE = """
import sys, time
from pathlib import Path
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory
state, counter = StateDirectory(sys.argv[1]), Path(sys.argv[2])
for _turn in range(25):
    with state.deciding("recyclic-1"):
        seen = int(counter.read_text())
        time.sleep(0.002)
        counter.write_text(str(seen + 1))
"""


def test_two_processes_decide_one_after_the_other(state: StateDirectory, tmp_path: Path, python: Callable[..., Any]
                                                  ) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    racers = [python(RACE, state.path, str(counter)) for _turn in range(3)]
    assert [(racer.wait(20), racer.stderr.read()) for racer in racers] == [(0, "")] * 3
    assert counter.read_text() == "75"


def test_different_databases_do_not_wait_for_each_other(state: StateDirectory, python: Callable[..., Any]) -> None:
    with state.deciding("recyclic-1"):
        source = RACE[:RACE.index("for _turn")] + 'with state.deciding("other-2"):\n    print("in")\n'
        assert python(source, state.path, "unused").stdout.readline() == "in\n"


HERE = {"host": "ctl", "space": "boot/pid:[1]", "pid": 10, "mark": "100", "peers": [[20, "200"]]}


@pytest.mark.parametrize(("owner", "alive"), [
    ({"pid": 10, "mark": "100"}, True),  # the one that asks
    ({"pid": 20, "mark": "200"}, True),
    ({"pid": 20, "mark": "201"}, False),  # the pid was given to another process since
    ({"pid": 30, "mark": "300"}, False),
    ({"pid": 20, "mark": "200", "space": "boot/pid:[2]"}, None),  # another container
    ({"pid": 20, "mark": "200", "space": "earlier boot/pid:[1]"}, None),
    ({"pid": 20, "mark": "200", "space": ""}, None),
])
def test_an_owner_is_alive_gone_or_out_of_sight(owner: dict[str, Any], alive: bool | None) -> None:
    assert owner_alive({"space": HERE["space"], **owner}, HERE) is alive
    # As it comes back from the lock's file.
    assert owner_alive(json.loads(json.dumps({"space": HERE["space"], **owner})), HERE) is alive


def test_nobody_is_in_sight_of_a_controller_that_does_not_know_where_it_is() -> None:
    assert owner_alive({**HERE, "space": ""}, {**HERE, "space": ""}) is None
    assert owner_alive(HERE, {"host": "mac", "space": "", "pid": 10, "mark": ""}) is None
    assert owner_alive({}, HERE) is None


def test_a_journal_line_survives_the_process_that_wrote_it(tmp_path: Path, collections_environment: dict[str, str]
                                                           ) -> None:
    source = STEP.replace("time.sleep(60)", "import os; os._exit(9)")
    done = subprocess.run([sys.executable, "-c", source, str(tmp_path)], env=collections_environment, check=False)
    assert done.returncode == 9
    assert [step["step"] for step in Journal(str(tmp_path)).open_steps()] == ["alembic_downgrade"]
