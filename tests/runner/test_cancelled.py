# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A job that is cancelled: the runner kills the playbook, and asks nothing of it."""
from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import wait_for
from jobs import Template

from playbooks import Site, in_the_way

# A job gets there after a plan, a backup and a rehearsal, on a machine that may be slow.
PATIENCE_S = 180.0
Start = Callable[[Template, dict[str, Any]], tuple[Path, "subprocess.Popen[str]"]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the rollback's job. One that is still there when a wait was in vain is cancelled: it ends its playbook."""
    processes: list[subprocess.Popen[str]] = []

    def begin(template: Template, answers: dict[str, Any]) -> tuple[Path, subprocess.Popen[str]]:
        place, process = template.start("rollback", answers)
        processes.append(process)
        return place, process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=60)
            finally:
                process.kill()


def waits(site: Site, part: str) -> bool:
    """Whether a session of the run's waits for a lock."""
    return any(part in name for pid, name, _state in site.database.sessions() if pid in site.database.waiting())


def resumed(site: Site) -> list[str]:
    """At what the jobs before were cut off."""
    return [step for line in site.journal() if line["event"] == "resumed" for step in line["cut_off"]]


def test_cancelled_in_three_places_then_the_same_job_finishes(
        make_template: Callable[..., Template], start: Start) -> None:
    template = make_template(rollback_accept=None, rollback_lock_timeout=60000)
    site, database = template.site, template.site.database
    answers = {"rollback_confirm": database.name}
    before = database.dump()

    place, process = start(template, answers)
    # The plan must not meet this lock: it is taken once the plan has looked.
    wait_for((site.state / "runs" / "latest" / "plan.json").exists, "the plan", PATIENCE_S)
    with in_the_way(site, "ACCESS EXCLUSIVE"):
        wait_for(lambda: waits(site, "backup"), "the backup to wait", PATIENCE_S)
        cancelled = template.cancel(place, process)
    assert (cancelled.status, cancelled.artifacts) == ("canceled", {})

    place, process = start(template, answers)
    wait_for(lambda: [line["step"] for line in site.journal() if line["event"] == "begun"][-1:] == ["rehearsal"],
             "the rehearsal", PATIENCE_S)
    assert template.cancel(place, process).status == "canceled"
    assert database.dump() == before

    with in_the_way(site, "EXCLUSIVE"):
        place, process = start(template, answers)
        wait_for(lambda: waits(site, "alembic"), "the downgrade to wait", PATIENCE_S)
        assert template.cancel(place, process).status == "canceled"
        assert database.heads() == {"k1l2m3n4o5p6"}
        # What is still at work is ended before anything else.
        place, process = start(template, answers)
        wait_for(lambda: "alembic_downgrade" in resumed(site), "the same job to take over", PATIENCE_S)
    done = template.finish(place, process)

    assert (done.status, done.site()["outcome"]) == ("successful", "rolled_back"), done.stdout
    assert resumed(site) == ["backup", "rehearsal", "alembic_downgrade"]
    assert database.heads() == {"9a2b3c4d5e6f"}
    assert database.count("categories") == 0
    assert not database.sessions()
    wait_for(lambda: not database.processes(), "the last process to end")
    # One run, however many jobs; and the scratch servers of those that were cancelled are gone.
    assert len([entry for entry in (site.state / "runs").iterdir() if entry.name != "latest"]) == 1
    assert not [name for name in site.backups() if name.startswith(".")]
