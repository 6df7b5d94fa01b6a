# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""run_open, run_close and status_info: one run at a time, taken up after a cut, and ended by what was measured."""
from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    NOWHERE,
    Answer,
    Database,
    Started,
    alembic_args,
    another_controller,
    common_args,
    controller,
    dead_controller,
    files_with,
    run_module,
    tree,
    wait_for,
)

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal
from ansible_collections.recyclic.rollback.plugins.module_utils._verdict import validated

Starts = Callable[..., Started]


def open_args(database: Database, state_dir: Path, **more: Any) -> dict[str, Any]:
    return {**common_args(database), "state_dir": str(state_dir), "playbook": "rollback", "operator": "Ada",
            "goal": {"migration": MIGRATION}, "controller": controller(), **more}


def open_run(database: Database, state_dir: Path, **more: Any) -> Answer:
    return run_module("run_open", **open_args(database, state_dir, **more))


def close_run(database: Database, state_dir: Path, run: Answer, **more: Any) -> Answer:
    return run_module("run_close", **common_args(database), state_dir=str(state_dir), run_dir=run["run_dir"], **more)


def status(database: Database, state_dir: Path, **more: Any) -> Answer:
    arguments = {**common_args(database), "state_dir": str(state_dir), "controller": controller(), **more}
    return run_module("status_info", **arguments)


def locks(state_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (state_dir / "locks").glob("*.json")]


def journal(run: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(run["run_dir"]) / "journal.jsonl").read_text().splitlines()]


def stranger() -> dict[str, Any]:
    """A controller on another machine: nobody here can know whether it runs."""
    return {**controller(), "host": "elsewhere", "space": "0000/pid:[1]", "peers": []}


# One at a time


@pytest.mark.both_runtimes
def test_a_run_has_a_directory_and_the_lock(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    assert (run["changed"], run["resumed"], run["cut_off"], run["notice"], run["ended"]) == (False, False, None, "", [])
    assert Path(run["run_dir"]) == state_dir / "runs" / run["run_id"]
    for path in [state_dir, *(state_dir / part for part in ("runs", "backups", "locks")), Path(run["run_dir"])]:
        assert path.stat().st_mode & 0o777 == 0o700, path
    for path in state_dir.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_mode & 0o777 == 0o600, path
    assert os.readlink(state_dir / "runs" / "latest") == run["run_id"]
    [lock] = locks(state_dir)
    assert (lock["run_id"], lock["owner"], lock["controller"]["pid"]) == (run["run_id"], "Ada", os.getpid())
    assert files_with(database.spelled_password(), state_dir) == []


def test_a_loose_state_directory_is_tightened(database: Database, state_dir: Path) -> None:
    state_dir.mkdir()
    state_dir.chmod(0o755)
    open_run(database, state_dir)
    assert state_dir.stat().st_mode & 0o777 == 0o700


@pytest.mark.both_runtimes
def test_while_its_controller_lives_no_other_run_begins(database: Database, state_dir: Path) -> None:
    with another_controller() as (theirs, _end):
        first = open_run(database, state_dir, controller=theirs)
        before = tree(state_dir)
        second = open_run(database, state_dir, operator="Grace")
        forced = open_run(database, state_dir, take_over=first["run_id"])
    for refused in (second, forced):
        assert (refused["problem"], refused["outcome"]) == ("run_in_progress", "refused")
        assert first["run_id"] in refused["msg"]
        assert "Ada" in refused["msg"]
        assert str(theirs["pid"]) in refused["msg"]
    after = tree(state_dir)
    assert {name: text for name, text in after.items() if not name.endswith(".deciding")} == {
        name: text for name, text in before.items() if not name.endswith(".deciding")}


def test_the_same_controller_does_not_begin_twice(database: Database, state_dir: Path) -> None:
    first = open_run(database, state_dir)
    assert open_run(database, state_dir)["problem"] == "run_in_progress"
    close_run(database, state_dir, first, outcome="planned")
    assert open_run(database, state_dir)["run_id"] != first["run_id"]


def test_two_databases_do_not_wait_for_each_other(make_database: Callable[..., Database], state_dir: Path) -> None:
    one, two = make_database("guide", None), make_database("guide", None)
    runs = [open_run(one, state_dir), open_run(two, state_dir)]
    assert len({run["run_id"] for run in runs}) == 2
    assert len(locks(state_dir)) == 2


def test_of_many_at_once_one_begins(database: Database, state_dir: Path, start_module: Starts) -> None:
    started = [start_module("run_open", **open_args(database, state_dir)) for _number in range(6)]
    answers = [module.answer() for module in started]
    begun = [answer for answer in answers if not answer.get("failed")]
    assert len(begun) == 1
    assert {answer["problem"] for answer in answers if answer.get("failed")} == {"run_in_progress"}
    assert [lock["run_id"] for lock in locks(state_dir)] == [begun[0]["run_id"]]


def test_a_run_of_another_node_is_seen_by_its_lock_in_the_database(database: Database, state_dir: Path) -> None:
    from ansible_collections.recyclic.rollback.plugins.module_utils._database import LOCK_RUN, LOCK_SPACE

    holder = database.connect(application_name="recyclic.rollback:elsewhere:control")
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_SPACE, LOCK_RUN))
    try:
        refused = open_run(database, state_dir)
    finally:
        holder.close()
    assert refused["problem"] == "another_run_acting"
    assert "elsewhere" in refused["msg"]
    assert locks(state_dir) == []
    assert "resumed" in open_run(database, state_dir)


# After a cut


def test_a_dead_controllers_run_is_the_same_run_again(database: Database, state_dir: Path) -> None:
    cut = open_run(database, state_dir, controller=dead_controller())
    (Path(cut["run_dir"]) / "plan.json").write_text("{}")
    again = open_run(database, state_dir, operator="Grace")
    assert (again["run_id"], again["run_dir"], again["resumed"]) == (cut["run_id"], cut["run_dir"], True)
    assert cut["run_id"] in again["notice"]
    assert (Path(cut["run_dir"]) / "plan.json").exists()
    assert [lock["owner"] for lock in locks(state_dir)] == ["Grace"]
    assert journal(again)[0]["event"] == "resumed"


@pytest.mark.parametrize("other", [{"goal": {"migration": "b1c2d3e4f5a6"}}, {"playbook": "backup"}])
def test_another_wish_is_another_run(database: Database, state_dir: Path, other: dict[str, Any]) -> None:
    cut = open_run(database, state_dir, controller=dead_controller())
    run = open_run(database, state_dir, **other)
    assert run["run_id"] != cut["run_id"]
    assert (run["resumed"], run["cut_off"]["run_id"]) == (False, cut["run_id"])
    assert journal(cut)[-1]["event"] == "abandoned"
    assert journal(cut)[-1]["successor"] == run["run_id"]
    assert os.readlink(state_dir / "runs" / "latest") == run["run_id"]


def test_a_reported_run_is_not_taken_up(database: Database, state_dir: Path) -> None:
    cut = open_run(database, state_dir, controller=dead_controller())
    (Path(cut["run_dir"]) / "report.json").write_text("{}")  # cut between the report and the lock
    run = open_run(database, state_dir)
    assert run["run_id"] != cut["run_id"]
    assert run["resumed"] is False


def test_an_unknown_controller_keeps_its_lock_until_named(database: Database, state_dir: Path) -> None:
    held = open_run(database, state_dir, controller=stranger())
    refused = open_run(database, state_dir)
    assert (refused["problem"], refused["outcome"]) == ("run_owner_unknown", "refused")
    assert f"rollback_take_over={held['run_id']}" in refused["msg"]
    assert "elsewhere" in refused["msg"]
    wrong = open_run(database, state_dir, take_over="20200101T000000Z-000000")
    assert wrong["problem"] == "run_owner_unknown"
    assert [lock["controller"]["host"] for lock in locks(state_dir)] == ["elsewhere"]
    # As a survey has several, of which each site finds its own: with commas between, or one on each line.
    several = f"20200101T000000Z-000000, 20200101T000000Z-111111\n{held['run_id']}"
    taken = open_run(database, state_dir, take_over=several)
    assert (taken["run_id"], taken["resumed"]) == (held["run_id"], True)


def test_a_lock_whose_run_directory_is_gone(database: Database, state_dir: Path) -> None:
    cut = open_run(database, state_dir, controller=dead_controller())
    shutil.rmtree(cut["run_dir"])
    assert status(database, state_dir)["run"]["alive"] is False
    run = open_run(database, state_dir)
    assert run["run_id"] != cut["run_id"]
    assert Path(run["run_dir"]).is_dir()


def test_a_lock_half_written(database: Database, state_dir: Path) -> None:
    open_run(database, state_dir, controller=dead_controller())
    [path] = (state_dir / "locks").glob("*.json")
    path.write_text('{"run_id": "2026')
    assert Path(open_run(database, state_dir)["run_dir"]).is_dir()


def cut_off_at_work(database: Database, state_dir: Path, start_module: Starts) -> tuple[Answer, Started]:
    """A run whose controller has died while its migration waits for a lock."""
    run = open_run(database, state_dir, controller=dead_controller())
    module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade", revision="9a2b3c4d5e6f",
                          run_dir=run["run_dir"], lock_timeout=600000)
    wait_for(database.waiting, "the migration at the lock")
    return run, module


@pytest.mark.both_runtimes
def test_what_a_cut_run_left_at_work_is_ended_first(database: Database, state_dir: Path, start_module: Starts) -> None:
    dump = database.dump()
    with database.locked("categories") as holder:
        run, module = cut_off_at_work(database, state_dir, start_module)

        seen = status(database, state_dir)
        assert (seen["run"]["run_id"], seen["run"]["alive"], seen["run"]["acted"]) == (run["run_id"], False, True)
        assert [(step["step"], step["pid"], step["alive"]) for step in seen["run"]["steps"]] == [
            ("alembic_downgrade", module.pid, True)]
        [session] = [session for session in seen["sessions"] if "alembic" in session["application"]]
        assert session["blocked_by"] == [holder]
        assert "rollback.yml" in seen["next"]
        assert any(str(module.pid) in line for line in seen["lines"])

        again = open_run(database, state_dir)

        assert module.process.poll() is not None
        assert database.one_shots() == []
        assert database.processes() == []
        assert database.sessions() == []
    assert (again["run_id"], again["resumed"]) == (run["run_id"], True)
    assert [step["step"] for step in again["cut_off"]["open_steps"]] == ["alembic_downgrade"]
    assert any(f"pid {module.pid}" in entry for entry in again["ended"])
    assert f"pid {module.pid}" in again["notice"]
    # It still answered, to nobody, and nothing happened afterwards.
    assert module.answer()["problem"] == "interrupted"
    time.sleep(1)
    assert database.heads() == {MIGRATION}
    assert database.dump() == dump
    # The step ended once, with the commands it had run.
    ended = [line for line in journal(again) if line["event"] == "ended"]
    assert [(line["step"], len(line["commands"])) for line in ended] == [("alembic_downgrade", 1)]


@pytest.mark.both_runtimes
def test_a_leftover_that_will_not_listen_is_killed(
    database: Database, state_dir: Path, start_module: Starts
) -> None:
    with database.locked("categories"):
        run, module = cut_off_at_work(database, state_dir, start_module)
        module.kill(signal.SIGSTOP)
        again = open_run(database, state_dir)
        assert module.process.wait(10) == -signal.SIGKILL
        wait_for(lambda: not database.processes() and not database.sessions(), "the end of the work", 10)
    assert again["run_id"] == run["run_id"]
    assert database.heads() == {MIGRATION}


@pytest.mark.both_runtimes
def test_a_killed_leftovers_sessions_are_ended_too(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir, controller=dead_controller())
    left = database.connect(application_name=f"recyclic.rollback:{run['run_id']}:alembic")
    other = database.connect(application_name="recyclic.rollback:20200101T000000Z-000000:alembic")
    again = open_run(database, state_dir)
    assert again["ended"] == [f"session {left.get_backend_pid()}"]
    assert [name for _pid, name, _state in database.sessions()] == ["recyclic.rollback:20200101T000000Z-000000:alembic"]
    left.close()
    other.close()


def test_another_process_under_an_old_pid_is_left_alone(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir, controller=dead_controller())
    with another_controller() as (bystander, _end):
        line = {"at": "2026-01-01T00:00:00.000Z", "event": "begun", "step": "backup", "acts": False,
                "pid": bystander["pid"], "mark": "12345"}
        (Path(run["run_dir"]) / "journal.jsonl").write_text(json.dumps(line) + '\n{"at": "2026-01-01T00:0')
        again = open_run(database, state_dir)
        assert again["ended"] == []
        os.kill(bystander["pid"], 0)
    assert [step["alive"] for step in again["cut_off"]["open_steps"]] == [False]


# Check mode, and what is refused


@pytest.mark.both_runtimes
def test_check_mode_writes_nothing(database: Database, state_dir: Path) -> None:
    shown = run_module("run_open", check=True, **open_args(database, state_dir))
    assert (shown["changed"], shown["run_dir"], shown["run_id"]) == (False, "", "")
    assert not state_dir.exists()
    closed = run_module("run_close", check=True, **common_args(database), state_dir=str(state_dir), run_dir="",
                        outcome="planned")
    assert closed["report"]["outcome"] == "planned"
    assert not state_dir.exists()
    file = state_dir.parent / "a file"
    file.write_text("")
    refused = run_module("run_open", check=True, **open_args(database, file / "state"))
    assert (refused["problem"], refused["outcome"]) == ("directory_not_writable", "refused")


@pytest.mark.both_runtimes
def test_what_a_run_needs_is_proved_at_its_beginning(database: Database, state_dir: Path) -> None:
    nobody = open_run(database, state_dir, **NOWHERE)
    assert (nobody["problem"], nobody["outcome"]) == ("server_unreachable", "refused")
    wrong = open_run(database, state_dir, login_password="wrong-password")
    assert (wrong["problem"], wrong["outcome"]) == ("database_refuses", "refused")
    assert not state_dir.exists()
    (state_dir.parent / "a file").write_text("")
    refused = open_run(database, state_dir.parent / "a file" / "state")
    assert (refused["problem"], refused["outcome"]) == ("directory_not_writable", "refused")


# Status


def test_status_of_nothing(database: Database, state_dir: Path) -> None:
    seen = status(database, state_dir)
    assert (seen["changed"], seen["run"], seen["sessions"], seen["backup"], seen["last_outcome"]) == (
        False, None, [], None, None)
    assert (seen["server"], seen["recorded_heads"], seen["incomplete_backups"]) == ("up", [MIGRATION], [])
    assert not state_dir.exists()


@pytest.mark.both_runtimes
def test_status_with_the_server_down(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir, controller=dead_controller())
    backup = run_module("pg_backup", **common_args(database), backups=str(state_dir / "backups"), disk_reserve="1MiB")
    before = tree(state_dir)
    seen = status(database, state_dir, **NOWHERE)
    assert "failed" not in seen
    assert seen["server"].startswith("Nothing answers")
    assert seen["recorded_heads"] is None
    assert seen["backup"]["path"] == backup["backup"]["path"]
    assert seen["next"] == "The server does not answer: start it first."
    # The lock is of a server and database: at another port it is another one's.
    assert status(database, state_dir)["run"]["run_id"] == run["run_id"]
    assert tree(state_dir) == before


def test_status_knows_the_newest_good_backup(database: Database, state_dir: Path) -> None:
    backups = state_dir / "backups"
    args = {**common_args(database), "backups": str(backups), "disk_reserve": "1MiB"}
    first, second = (run_module("pg_backup", **args)["backup"] for _number in range(2))
    newest = max((first, second), key=lambda one: one["finished_at"])
    oldest = min((first, second), key=lambda one: one["finished_at"])
    only_tables = run_module("pg_backup", **args, whole=False, tables=["users"])["backup"]
    (backups / ".incomplete-20260101T000000Z-abcdef-x").mkdir()
    seen = status(database, state_dir)
    assert seen["backup"]["path"] == newest["path"]
    assert (seen["backup"]["heads"], seen["backup"]["bytes"]) == ([MIGRATION], newest["files"][0]["bytes"])
    assert seen["incomplete_backups"] == [".incomplete-20260101T000000Z-abcdef-x"]
    file = Path(newest["path"]) / "database.dump"
    os.truncate(file, file.stat().st_size - 1)
    assert status(database, state_dir)["backup"]["path"] == oldest["path"]
    (Path(oldest["path"]) / "database.dump").unlink()
    assert status(database, state_dir)["backup"] is None
    assert Path(only_tables["path"]).exists()


def test_status_while_a_run_is_under_way(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    seen = status(database, state_dir)
    assert (seen["run"]["run_id"], seen["run"]["alive"], seen["run"]["steps"]) == (run["run_id"], True, [])
    held = status(database, state_dir, controller=stranger())
    assert held["run"]["alive"] is None


# The end


def evidence(database: Database, run: Answer, **more: Any) -> Path:
    path = Path(run["run_dir"]) / "before.json"
    taken = run_module("table_count", **common_args(database), run_dir=run["run_dir"], evidence=str(path),
                       everything=True, **more)
    assert taken["passed"] is True
    return path


def fail_at_acting(database: Database, run: Answer) -> dict[str, Any]:
    """A step that acts is begun and fails, as alembic_migrate does at a lock; returns what the playbook hands on."""
    with database.locked("categories"):
        failed = run_module("alembic_migrate", **alembic_args(database), direction="downgrade", revision="9a2b3c4d5e6f",
                            run_dir=run["run_dir"], lock_timeout=300, retries=0)
    assert failed["problem"] == "lock_timeout"
    return {key: failed[key] for key in ("msg", "outcome", "problem")}


def fail(run: Answer) -> dict[str, Any]:
    """The same in the journal alone, where the failure itself does not matter."""
    with pytest.raises(Problem), Journal(run["run_dir"]).step("alembic_downgrade", acts=True):
        raise Problem("migration_failed")
    return {"msg": "no", "outcome": None, "problem": "migration_failed"}


@pytest.mark.both_runtimes
def test_a_rollback_is_reported_and_the_lock_given_back(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    run_module("alembic_migrate", **alembic_args(database), direction="downgrade", revision="9a2b3c4d5e6f",
               run_dir=run["run_dir"])
    run_module("table_count", **common_args(database), run_dir=run["run_dir"],
               evidence=str(Path(run["run_dir"]) / "after.json"), expected_heads=["9a2b3c4d5e6f"],
               checks=[{"id": "empty", "table": "categories", "rows": 0}])

    closed = close_run(database, state_dir, run, outcome="rolled_back", told={"reason": "slow", "ticket": "T-1"})

    assert (closed["outcome"], closed["good"], closed["changed"]) == ("rolled_back", True, False)
    place = Path(run["run_dir"])
    report = json.loads((place / "report.json").read_text())
    assert report == closed["report"]
    assert (report["run_id"], report["outcome"], report["route"]) == (run["run_id"], "rolled_back", "alembic")
    assert (report["to_heads"], report["reason"], report["ticket"]) == (["9a2b3c4d5e6f"], "slow", "T-1")
    assert report["database"] == database.name
    checks = {check["id"]: check["result"] for check in report["checks"]}
    assert checks == {"empty": "pass", "recorded-revisions": "pass"}
    assert [step["name"] for step in report["steps"]] == ["before", "alembic_downgrade", "after"]
    assert report["outage_s"] > 0
    assert "rolled back" in (place / "report.md").read_text()
    assert {entry["name"]: entry["content"] for entry in closed["files"]} == {
        name: (place / name).read_text() for name in ("report.json", "report.md", "report.html", "metrics.prom")}
    assert all((place / name).stat().st_mode & 0o777 == 0o600 for name in ("report.json", "report.md"))
    assert locks(state_dir) == []
    assert status(database, state_dir)["last_outcome"] == {"run_id": run["run_id"], "outcome": "rolled_back",
                                                           "finished_at": report["finished_at"], "restore": "-"}
    assert files_with(database.spelled_password(), state_dir) == []


def test_a_success_that_nobody_measured_is_none(database: Database, state_dir: Path) -> None:
    # Ansible leads the other hosts of a batch past their rescue where a task failed that runs once for all of them.
    planned = open_run(database, state_dir)
    run_module("plan_info", **alembic_args(database), migration=MIGRATION, concerned=["categories"],
               run_dir=planned["run_dir"])
    closed = close_run(database, state_dir, planned, outcome="rolled_back")
    assert (closed["outcome"], closed["good"]) == ("failed_unchanged", False)
    assert "nothing that changes data was started" in closed["report"]["outcome_rests_on"]
    assert "without a measurement" in closed["report"]["failure"]
    assert "ansible-playbook status.yml" in "\n".join(closed["summary"])

    acted = open_run(database, state_dir)
    evidence(database, acted)
    run_module("alembic_migrate", **alembic_args(database), direction="downgrade", revision="9a2b3c4d5e6f",
               run_dir=acted["run_dir"])
    closed = close_run(database, state_dir, acted, outcome="rolled_back")
    assert (closed["outcome"], closed["good"]) == ("failed_needs_human", False)
    assert "9a2b3c4d5e6f" in closed["report"]["outcome_rests_on"]
    assert locks(state_dir) == []


@pytest.mark.parametrize("outcome", ["rolled_back", "restored", "undone", "remigrated"])
def test_a_success_whose_measurement_did_not_pass_is_none(database: Database, state_dir: Path, outcome: str) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    with Journal(run["run_dir"]).step("alembic_downgrade", acts=True):
        pass
    taken = run_module("table_count", **common_args(database), run_dir=run["run_dir"],
                       evidence=str(Path(run["run_dir"]) / "after.json"), everything=True,
                       checks=[{"id": "empty", "table": "categories", "rows": 0}])
    assert taken["passed"] is False
    closed = close_run(database, state_dir, run, outcome=outcome)
    assert (closed["outcome"], closed["good"]) == ("failed_unchanged", False)
    assert "did not pass" in closed["report"]["failure"]
    assert "tables are as before" in closed["report"]["outcome_rests_on"]


def test_where_there_was_nothing_to_do_nothing_has_to_be_measured(database: Database, state_dir: Path) -> None:
    for plan, good in (({"position": "rolled_back"}, True), ({"position": "applied"}, False), (None, False)):
        run = open_run(database, state_dir)
        if plan:
            (Path(run["run_dir"]) / "plan.json").write_text(json.dumps(plan))
        closed = close_run(database, state_dir, run, outcome="remigrated")
        assert (closed["good"], closed["outcome"]) == (good, "remigrated" if good else "failed_unchanged")


@pytest.mark.parametrize("later", ["a step", "a cut"])
def test_a_measurement_from_before_it_is_none_of_what_came_later(database: Database, state_dir: Path, later: str
                                                                 ) -> None:
    run = open_run(database, state_dir, controller=dead_controller())
    evidence(database, run)
    with Journal(run["run_dir"]).step("table_restore", acts=True):
        pass
    run_module("table_count", **common_args(database), run_dir=run["run_dir"],
               evidence=str(Path(run["run_dir"]) / "after.json"), everything=True)
    assert validated(run["run_dir"], [MIGRATION])
    if later == "a cut":
        again = open_run(database, state_dir)
        assert again["run_id"] == run["run_id"]
    else:
        with Journal(run["run_dir"]).step("table_restore", acts=True):
            pass
    # After a cut it still tells how the data was left, but not that this attempt has measured anything.
    assert validated(run["run_dir"], [MIGRATION]) is (later == "a cut")
    closed = close_run(database, state_dir, run, outcome="restored")
    assert (closed["good"], "without a measurement" in closed["report"]["failure"]) == (False, True)


def test_a_failure_before_anything_acted(database: Database, state_dir: Path) -> None:
    for claimed, outcome in (("refused", "refused"), (None, "failed_unchanged")):
        run = open_run(database, state_dir)
        failure = {"msg": "no", "outcome": claimed}
        closed = close_run(database, state_dir, run, failure=failure)
        assert (closed["outcome"], closed["good"]) == (outcome, False)
        assert closed["report"]["failure"] == "no"
        assert locks(state_dir) == []


@pytest.mark.both_runtimes
def test_a_failure_that_changed_nothing(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    failure = fail_at_acting(database, run)
    closed = close_run(database, state_dir, run, failure=failure)
    assert (closed["outcome"], closed["good"]) == ("failed_unchanged", False)
    assert "tables are as before" in closed["report"]["outcome_rests_on"]
    assert closed["report"]["routes_tried"][0]["result"] == "failed"
    assert closed["report"]["routes_tried"][0]["blockers"][0]["application"] == "a forgotten console"


@pytest.mark.parametrize(
    ("change", "named"),
    [("UPDATE users SET username = 'x' WHERE username = 'user03'", "public.users"),
     ("DELETE FROM categories", "public.categories"), ("CREATE TABLE leftover ()", "public.leftover"),
     ("DROP TABLE sale_items", "public.sale_items"), ("ALTER TABLE sites ADD COLUMN half_done int", "public.sites"),
     ("UPDATE alembic_version SET version_num = '9a2b3c4d5e6f'", "9a2b3c4d5e6f"),
     ("DELETE FROM alembic_version", MIGRATION), ("DROP TABLE alembic_version", MIGRATION)])
def test_a_failure_that_changed_something(database: Database, state_dir: Path, change: str, named: str) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    failure = fail(run)
    database.rows(change)
    closed = close_run(database, state_dir, run, failure=failure)
    assert (closed["outcome"], closed["good"]) == ("failed_needs_human", False)
    assert named in closed["report"]["outcome_rests_on"]
    assert json.loads((Path(run["run_dir"]) / "report.json").read_text())["outcome"] == "failed_needs_human"


def test_a_failure_that_refuses_after_acting_is_measured_all_the_same(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    failure = {**fail(run), "outcome": "refused"}
    database.rows("DELETE FROM categories")
    assert close_run(database, state_dir, run, failure=failure)["outcome"] == "failed_needs_human"


def test_what_cannot_be_measured_is_not_called_unchanged(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    failure = fail(run)
    without = close_run(database, state_dir, run, failure=failure)
    assert without["outcome"] == "failed_needs_human"
    assert "no evidence" in without["report"]["outcome_rests_on"]

    run = open_run(database, state_dir)
    evidence(database, run)
    failure = fail(run)
    with database.locked("users"):
        locked = close_run(database, state_dir, run, failure=failure)
    assert locked["outcome"] == "failed_needs_human"
    assert locks(state_dir) == []


@pytest.mark.both_runtimes
def test_a_server_that_went_away_is_reported(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    evidence(database, run)
    failure = fail(run)
    closed = run_module("run_close", **{**common_args(database), "login_password": "changed-meanwhile"},
                        state_dir=str(state_dir), run_dir=run["run_dir"], failure=failure)
    assert closed["outcome"] == "failed_needs_human"
    assert (Path(run["run_dir"]) / "report.json").exists()
    assert locks(state_dir) == []


def test_an_estimate_does_not_prove_a_table_unchanged(database: Database, state_dir: Path) -> None:
    database.rows("ANALYZE")
    run = open_run(database, state_dir)
    evidence(database, run, fingerprint_max_bytes=1000)
    failure = fail(run)
    database.rows("DELETE FROM sale_items")
    closed = close_run(database, state_dir, run, failure=failure, fingerprint_max_bytes=1000)
    # Unchanged is only said of what was measured, and the rest is named.
    assert closed["outcome"] == "failed_needs_human" or "public.sale_items" in closed["report"]["outcome_rests_on"]


def test_a_count_does_not_prove_content_unchanged(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    size = database.value("SELECT pg_table_size('sale_items')")
    evidence(database, run, fingerprint_max_bytes=size // 2)
    failure = fail(run)
    database.rows("UPDATE sale_items SET label = 'lost'")
    closed = close_run(database, state_dir, run, failure=failure, fingerprint_max_bytes=size // 2)
    assert closed["outcome"] == "failed_needs_human" or "public.sale_items" in closed["report"]["outcome_rests_on"]


def test_another_runs_lock_is_not_given_back(database: Database, state_dir: Path) -> None:
    cut = open_run(database, state_dir, controller=dead_controller())
    run = open_run(database, state_dir, playbook="backup")
    close_run(database, state_dir, cut, outcome="planned")
    assert [lock["run_id"] for lock in locks(state_dir)] == [run["run_id"]]


def test_a_password_in_a_failure_is_masked(database: Database, state_dir: Path) -> None:
    run = open_run(database, state_dir)
    close_run(database, state_dir, run, failure={"msg": f"could not connect to {database.url}"})
    report = (Path(run["run_dir"]) / "report.md").read_text()
    assert "could not connect to" in report
    assert files_with(database.spelled_password(), state_dir) == []
