# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The artifacts of several sites, whatever became of each, in one job."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import clean_environment

from playbooks import ANSIBLE

RUN = {"run_id": "20260101T000000Z-000001", "database": "other", "route": "manual", "failure": "", "next_steps": ["go"]}
LONG = [f"line {number}" for number in range(100)]
SITES: dict[str, dict[str, Any]] = {
    "done": {"report_result": {"outcome": "rolled_back", "report": RUN}},
    # Ended before a plan was made, and before there was a report.
    "lost": {"report_result": {"outcome": "drill_failed", "report": {"failure": "no {{ backup }}"}},
             "report_run_dir": ""},
    "long": {"report_result": {"outcome": "planned", "report": {**RUN, "route": None}},
             "preflight_plan": {"lines": LONG, "plan": {"recommended": "alembic"}}},
    # A drill that was only checked has no outcome.
    "none": {"report_result": {"outcome": None, "report": {}}, "report_run_dir": ""},
    **{f"site-{number}": {"report_result": {"outcome": "planned", "report": RUN}} for number in range(4)}}


def hand_on(place: Path, project: Path, *arguments: str) -> dict[str, Any]:
    """Every site at its own pace, as in a wave; what the job then has."""
    inventory = place / "sites.json"
    shared = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "report_run_dir": "/there",
              "rollback_state_dir": "/state", "rollback_report_dir": "/reports"}
    own = {name: {**shared, "rollback_database": f"base {name}", **variables} for name, variables in SITES.items()}
    inventory.write_text(json.dumps({"rollback": {"hosts": own}}))
    book = project / "playbooks" / "hand_on.yml"
    task = {"ansible.builtin.include_role": {"name": "recyclic.rollback.report", "tasks_from": "artifacts"}}
    play = {"hosts": "rollback", "gather_facts": False, "strategy": "host_pinned", "tasks": [task]}
    book.write_text(json.dumps([play]))
    done = subprocess.run([str(ANSIBLE), "-i", str(inventory), "--forks", "4", str(book), *arguments], cwd=place,
                          env=clean_environment(ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
                                                ANSIBLE_SHOW_CUSTOM_STATS="1"),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    artifacts: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{"):])["global_custom_stats"]
    assert list(artifacts) == ["recyclic_rollback"]
    sites: dict[str, Any] = artifacts["recyclic_rollback"]["sites"]
    return sites


def test_each_site_of_a_wave_adds_its_own(tmp_path: Path, project: Path) -> None:
    sites = hand_on(tmp_path, project)

    assert set(sites) == set(SITES)
    assert {name: site["database"] for name, site in sites.items()} == {name: f"base {name}" for name in SITES}
    assert sites["done"] == {
        "outcome": "rolled_back", "run_id": RUN["run_id"], "database": "base done", "route": "manual", "plan": [],
        "report": {"node": "/there", "controller": f"/reports/{RUN['run_id']}"}, "why": "", "next": ["go"]}
    assert (sites["lost"]["outcome"], sites["lost"]["run_id"]) == ("drill_failed", "")
    assert sites["lost"]["report"] == {"node": "", "controller": ""}
    assert (sites["long"]["route"], sites["none"]["outcome"]) == ("alembic", "planned")
    # What accepts the losses stands last.
    assert sites["long"]["plan"] == [*LONG[:38], "...", LONG[-1]]


def test_a_check_has_no_report_to_show(tmp_path: Path, project: Path) -> None:
    sites = hand_on(tmp_path, project, "--check")

    assert {(site["run_id"], site["report"]["controller"]) for site in sites.values()} == {("", "")}
