# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs that are cut off, and runs that meet: nothing goes on unseen, and the next run reaches the goal."""
from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import make_project, process_table, wait_for

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import process_mark
from playbooks import QUICK, Site, in_the_way, kill_controller

MakeSite = Callable[..., Site]


def waits_in(site: Site, part: str) -> Callable[[], Any]:
    """Whether a session of the run's is there and waits for a lock."""
    return lambda: [name for pid, name, _state in site.database.sessions() if pid in site.database.waiting()
                    and part in name]


def module_at_work(site: Site) -> int:
    """The pid of the module whose step is under way."""
    begun = [line for line in site.journal() if line["event"] == "begun"][-1]
    return int(begun["pid"])


def ours(site: Site) -> list[str]:
    """Every process outside the server that still works for the run: modules, Alembic, client programs."""
    return [line for pid, line, _environment in process_table() if pid in site.database.processes()]


@pytest.mark.both_runtimes("and module-in the downgrade")
@pytest.mark.parametrize(("step", "part", "mode", "lock_timeout"), [
    ("backup", "backup", "ACCESS EXCLUSIVE", 500),
    ("alembic_downgrade", "alembic", "EXCLUSIVE", 60000),
], ids=["in the backup", "in the downgrade"])
@pytest.mark.parametrize("victim", ["controller", "controller and module"])
def test_killed_while_it_waits(make_site: MakeSite, step: str, part: str, mode: str, lock_timeout: int, victim: str
                               ) -> None:
    site = make_site("guide", rollback_lock_timeout=lock_timeout)
    with contextlib.ExitStack() as held:
        if step == "alembic_downgrade":
            held.enter_context(in_the_way(site, mode))
        process = site.start("rollback")
        if step == "backup":
            # The plan must not meet this lock: it is taken once the plan has looked.
            wait_for((site.state / "runs" / "latest" / "plan.json").exists, "the plan")
            held.enter_context(in_the_way(site, mode))
        wait_for(waits_in(site, part), f"{step} to wait for its lock")
        module = module_at_work(site)
        kill_controller(process)
        if victim == "controller and module":
            os.kill(module, signal.SIGKILL)
            # What the module had started dies with it, and the server notices within its check interval.
            wait_for(lambda: not site.database.sessions(), "the sessions to end")

        told = site.play("status")
        assert f"Under way when last seen: {step}" in told.output
        still = "yes" if victim == "controller" else "no"
        assert f"its process {module} runs: {still}" in told.output
        assert ("At work on the server" in told.output) is (still == "yes")
        assert "ansible-playbook rollback.yml" in told.output

        # The next run ends what is still at work while the lock stands; then the way is free.
        again = site.start("rollback", rollback_lock_timeout=5000)
        wait_for(lambda: any(line["event"] == "resumed" for line in site.journal()), "the next run to take over")
        assert not process_mark(module)
    played = site.finish(again)

    assert played.status == 0, played.output
    assert played.report["outcome"] == "rolled_back"
    assert played.report["resumed_after"] == [step]
    assert f"was cut off at: {step}" in played.output
    assert site.database.heads() == {"9a2b3c4d5e6f"}
    assert site.database.count("categories") == 0
    # One run directory tells the whole story, and the cut backup left nothing.
    assert len([entry for entry in (site.state / "runs").iterdir() if entry.name != "latest"]) == 1
    assert not [name for name in site.backups() if name.startswith(".")]
    assert not site.database.sessions()
    wait_for(lambda: not ours(site), "the last process to end")
    assert site.play("rollback").report["outcome"] == "already_rolled_back"


def test_cut_off_after_the_goal_was_reached(make_site: MakeSite) -> None:
    site = make_site("guide")
    process = site.start("rollback")
    wait_for(lambda: site.state.is_dir() and (site.state / "runs" / "latest" / "journal.jsonl").exists() and any(
        line["event"] == "ended" and line["step"] == "alembic_downgrade" for line in site.journal()), "the downgrade")
    kill_controller(process)
    plan = site.evidence("plan.json")

    played = site.play("rollback")

    assert played.status == 0, played.output
    assert played.report["outcome"] == "rolled_back"
    # Judged against the evidence from before the cut, under the plan it was carrying out.
    assert played.report["from_heads"] == plan["from_heads"] == ["k1l2m3n4o5p6"]
    assert {check["result"] for check in played.report["checks"]} == {"pass"}
    assert played.changed == 0


def test_of_two_runs_started_together_one_works(make_site: MakeSite) -> None:
    site = make_site("guide", rollback_lock_timeout=60000)
    with in_the_way(site, "EXCLUSIVE"):
        first = site.start("rollback")
        wait_for(waits_in(site, "alembic"), "the first run to wait for its lock")
        second = site.play("rollback")
        assert second.status != 0
        assert second.report["outcome"] == "refused"
        assert "is under way on this database" in second.report["failure"]
        assert "status.yml" in second.report["failure"]
        assert site.database.count("alembic_version") == 1
        assert site.database.heads() == {"k1l2m3n4o5p6"}
    played = site.finish(first)
    assert played.status == 0, played.output
    assert site.evidence("report.json")["outcome"] == "rolled_back"
    assert site.database.heads() == {"9a2b3c4d5e6f"}


def test_two_runs_in_the_same_moment(make_site: MakeSite) -> None:
    site = make_site("guide")
    both = [site.start("rollback") for _count in range(2)]
    statuses = sorted(site.finish(process).status for process in both)
    assert statuses[0] == 0
    # The later one was refused, or came late enough to find the work done; two never acted.
    outcomes = sorted(report["outcome"] for report in reports(site))
    assert outcomes in (["refused", "rolled_back"], ["already_rolled_back", "rolled_back"])
    assert site.database.heads() == {"9a2b3c4d5e6f"}


def reports(site: Site) -> list[dict[str, Any]]:
    """Every report on the controller."""
    import json

    places = [entry for entry in (site.home / "reports").iterdir() if not entry.is_symlink()]
    return [json.loads((place / "report.json").read_text()) for place in places]


def test_a_polite_signal_ends_the_work_before_the_run(make_site: MakeSite) -> None:
    site = make_site("guide", rollback_lock_timeout=60000)
    with in_the_way(site, "EXCLUSIVE"):
        process = site.start("rollback")
        wait_for(waits_in(site, "alembic"), "the run to wait for its lock")
        os.kill(module_at_work(site), signal.SIGTERM)
        played = site.finish(process)
    assert played.status != 0
    assert played.report["outcome"] == "failed_unchanged"
    assert "signal 15" in played.report["failure"]
    assert site.database.heads() == {"k1l2m3n4o5p6"}
    assert not site.database.sessions()


def test_what_a_cut_downgrade_had_committed_stops_the_next_run(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    # Half of it is committed on the spot, then it is cut: taken up blindly, the loss would be the new normal.
    ini = make_project(tmp_path / "project", downgrade="""
with op.get_context().autocommit_block():
    op.execute("DELETE FROM ligne_depot")
op.execute("SELECT pg_sleep(120)")
""")
    site.settings = {"rollback_alembic_config": str(ini), "rollback_migration": "70907090709a",
                     "rollback_accept": [*QUICK["rollback_accept"], "delete-rows:ligne_depot"]}
    site.database.stamp("70907090709a")
    process = site.start("rollback")
    wait_for(lambda: site.database.count("ligne_depot") == 0, "the first half")
    module = module_at_work(site)
    kill_controller(process)
    os.kill(module, signal.SIGKILL)
    before = site.evidence("before.json")

    played = site.play("rollback")

    assert played.status != 0
    assert played.report["outcome"] == "failed_needs_human"
    assert "public.ligne_depot: 1500 rows became 0" in played.report["failure"]
    assert site.evidence("before.json") == before
    assert site.database.heads() == {"70907090709a"}
