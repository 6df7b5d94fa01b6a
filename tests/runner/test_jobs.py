# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The jobs of a rollback, one after the other on one database, as AWX runs them; then what each of them left."""
from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness import Database, files_with
from jobs import USER, Job, Template

from playbooks import FULL

PARENT = "9a2b3c4d5e6f"
# What a workflow may hand from node to node instead of what was there.
GARBAGE = {"sites": [{"site": None}], "outcome": "rolled_back", "plan": 7}


@dataclass
class Jobs:
    """The jobs by name, and what they worked on."""

    template: Template
    done: dict[str, Job] = field(default_factory=dict)
    dumps: list[str] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.template.site.database

    def __getitem__(self, name: str) -> Job:
        return self.done[name]

    def run(self, name: str, playbook: str, survey: dict[str, Any], *arguments: str) -> None:
        self.done[name] = self.template.run(playbook, survey, *arguments)


def survey(**answers: Any) -> dict[str, Any]:
    """Answers as AWX hands them on: a text that was not given is empty, which Ansible reads as null."""
    return {"rollback_to_revision": "", "rollback_accept": "", "rollback_confirm": "", "rollback_reason": "",
            "rollback_impact": "", "rollback_decision": "", "rollback_next_steps": "", "rollback_ticket": "",
            "rollback_take_over": "", "rollback_scenario": "", "rollback_strategy": "auto", "rollback_language": "en",
            "rollback_safety_copy": "auto", "rollback_watch_s": 0, "rollback_backup_max_age": 0, **answers}


@pytest.fixture(scope="module")
def jobs(make_template: Callable[..., Template]) -> Jobs:
    template = make_template(**FULL)
    made = Jobs(template)
    name = made.database.name
    made.dumps.append(made.database.dump())
    made.run("plan", "plan", survey(), "-vvv")
    quick = {"rollback_plan_trial": False}
    made.run("check", "rollback", survey(rollback_confirm=name, **quick), "--check")
    made.run("unconfirmed", "rollback", survey(**quick))
    made.run("elsewhere", "rollback", survey(rollback_confirm=name), "-l", "elsewhere")
    made.dumps.append(made.database.dump())
    made.run("rollback", "rollback", survey(
        rollback_confirm=f"{name}\n", rollback_accept="\nno-such-loss=3\r\n\n second , \n", rollback_ticket="4711",
        rollback_reason="slow\nsince noon: {{ nothing }} 'is' \"run\"", rollback_next_steps="call Bob\n\nwrite it up",
        rollback_progress_s=1, recyclic_rollback=GARBAGE), "-vvv")
    made.run("validate", "validate", survey(validate_expectation="rolled_back", validate_baseline=""), "-vvv")
    made.run("drill", "drill", survey(), "-v")
    return made


def test_each_job_ends_as_it_should_and_says_so_in_its_artifacts(jobs: Jobs) -> None:
    ended = {name: (job.status, job.rc, job.site()["outcome"]) for name, job in jobs.done.items()
             if name != "elsewhere"}

    assert ended == {
        "plan": ("successful", 0, "planned"), "check": ("successful", 0, "planned"),
        "unconfirmed": ("failed", 2, "refused"), "rollback": ("successful", 0, "rolled_back"),
        "validate": ("successful", 0, "validated"), "drill": ("successful", 0, "drill_passed")}, {
            name: job.stdout[-3000:] for name, job in jobs.done.items()}
    assert jobs.database.heads() == {PARENT}
    assert jobs.database.count("categories") == 0


def test_what_only_looked_has_changed_nothing(jobs: Jobs) -> None:
    assert jobs.dumps[0] == jobs.dumps[1]
    assert jobs["check"].of("playbook_on_start")
    assert jobs["check"].site()["report"] == {"node": "", "controller": ""}


def test_artifacts_tell_a_person_what_happened_and_what_is_next(jobs: Jobs) -> None:
    site = jobs.template.site
    planned, done = jobs["plan"].site(), jobs["rollback"].site()

    assert set(planned) == {"outcome", "run_id", "database", "route", "report", "plan", "why", "next"}
    assert planned["database"] == jobs.database.name
    assert planned["route"] == "alembic"
    assert any("Recommended: alembic" in line for line in planned["plan"])
    assert "rollback.yml" in " ".join(planned["next"])
    assert Path(planned["report"]["node"], "plan.json").is_file()
    assert done["report"]["node"] == str(site.state / "runs" / done["run_id"])
    for place in done["report"].values():
        assert Path(place, "report.json").is_file()
    assert Path(jobs["drill"].site()["report"]["node"], "report.json").is_file()
    assert "rollback_confirm" in jobs["unconfirmed"].site()["why"]


def test_nothing_is_asked_where_nobody_answers(jobs: Jobs) -> None:
    job = jobs["unconfirmed"]

    assert "rollback_confirm" in job.stdout
    assert job.status == "failed"  # One that waits would have been ended for its silence.
    assert not [event for event in job.events if "pause" in str(event.get("event_data", {}).get("task_action"))
                and event["event"] == "runner_on_ok"]
    assert 4 not in job.phases


def test_events_tell_the_phases_in_their_order_and_every_failure(jobs: Jobs) -> None:
    assert jobs["plan"].phases == [1, 2]
    phases = jobs["rollback"].phases
    assert phases == sorted(phases)
    # Nobody is told here, no service runs, and no check asks the application.
    assert set(phases) == {1, 2, 3, 5, 6, 7, 8, 9, 12}
    assert jobs["unconfirmed"].phases[-1] == 12
    for name, job in jobs.done.items():
        if name == "elsewhere":
            continue
        stats = job.of("playbook_on_stats")
        assert len(stats) == 1, name
        counted = stats[0]["event_data"]
        # A failure that was rescued is one event; only what a play ends with counts as a failure.
        failed = [event for event in job.of("runner_on_failed") if not event["event_data"].get("ignore_errors")]
        assert len(failed) == sum(counted["failures"].values()) + sum(counted["rescued"].values()), name
        assert bool(sum(counted["failures"].values())) is (job.rc != 0)
        assert not sum(counted["dark"].values())
        assert not [event for event in job.of("runner_on_ok", "runner_item_on_ok")
                    if event["event_data"].get("res", {}).get("failed")]
        assert [event["counter"] for event in job.events] == list(range(1, len(job.events) + 1))
        assert len(job.stdout) > 1000


def test_no_password_is_in_what_awx_keeps(jobs: Jobs) -> None:
    kept = [job.place / "artifacts" for job in jobs.done.values()]

    # It is looked for where it is; at this verbosity Ansible shows every argument.
    assert files_with(jobs.database.spelled_password(), jobs["plan"].place / "inventory")
    assert '"invocation"' in jobs["plan"].stdout
    assert files_with(jobs.database.spelled_password(), *kept) == []


def test_output_is_lines_and_none_is_written_over(jobs: Jobs) -> None:
    for name, job in jobs.done.items():
        assert not re.search(r"\r(?!\r*\n)", job.stdout), name
    assert re.search(r"\n(BACKUP|REHEARSAL)[^:\r]*: [^\r]*elapsed[^\r]*\r\n", jobs["rollback"].stdout)


def test_the_survey_and_the_user_of_awx_are_in_the_report(jobs: Jobs) -> None:
    place = Path(jobs["rollback"].site()["report"]["node"])
    report = json.loads((place / "report.json").read_text())

    assert json.loads((place / "plan.json").read_text())["accepted"] == ["no-such-loss=3", "second"]
    assert (report["operator"], report["ticket"]) == (USER, "4711")
    assert report["reason"] == "slow\nsince noon: {{ nothing }} 'is' \"run\""
    assert report["next_steps"] == ["call Bob", "write it up"]
    # What was asked and not answered.
    assert (report["impact"], report["decision"]) == ("", "")


def test_a_limit_without_a_site_is_no_success(jobs: Jobs) -> None:
    job = jobs["elsewhere"]

    assert job.status == "failed" and job.rc != 0, job.stdout
    assert "rollback" in job.stdout
