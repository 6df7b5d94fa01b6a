# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks of templates that work on no database: what their jobs end with, and hand on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from loading import ROOT, Loader


def play(place: Path, playbook: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In an inventory of two sites, of which the second does not answer, a monitoring host and another one."""
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    (place / "inventory.json").write_text(json.dumps({
        "all": {"vars": {
            "rollback_state_dir": str(place / "state"), "rollback_report_dir": str(place / "reports"),
            "monitoring_rules_file": str(place / "rules.yml"), "monitoring_alertmanager_file": str(place / "am.yml"),
            "monitoring_promtool": "", "monitoring_amtool": ""}},
        "rollback": {"hosts": {"north": here, "south": nowhere}},
        "monitoring": {"hosts": {"watcher": here}}, "others": {"hosts": {"stranger": here}}}))
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", place / "inventory.json",
         ROOT / "playbooks" / f"{playbook}.yml", *arguments], cwd=place, text=True, capture_output=True, check=False,
        timeout=300, env={
            **os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", "ANSIBLE_SHOW_CUSTOM_STATS": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")})


@pytest.mark.parametrize("answer", [None, "false", "true"])
def test_a_report_ends_as_failed_only_where_it_is_told_so_and_after_the_summary(
        tmp_path: Path, answer: str | None) -> None:
    done = play(tmp_path, "report", *(["-e", f"report_after_failure={answer}"] if answer else []))
    assert (done.returncode != 0) is (answer == "true"), done.stdout
    said = json.loads(done.stdout[done.stdout.index("{"):])
    tasks = [task for each in said["plays"] for task in each["tasks"]]
    [shown] = [result["msg"] for task in tasks if task["task"]["name"].endswith("Show how all the sites stand")
               for result in task["hosts"].values() if "msg" in result]
    assert all(any(line.startswith(name) for line in shown) for name in ("north", "south")), shown
    [ended] = {result["msg"] for result in tasks[-1]["hosts"].values()}
    assert ("Ce workflow a commencé par un échec" in ended and "This workflow began with a failure" in ended) is (
        answer == "true"), ended
    sites = said["global_custom_stats"]["recyclic_rollback"]["sites"]
    assert {name: site["outcome"] for name, site in sites.items()} == {"north": "no_run", "south": "no_answer"}
    assert sites["south"]["why"] and (sites["north"]["run_id"], sites["north"]["database"]) == ("", "recyclic")


@pytest.mark.parametrize(("environment", "place"), [({"PWD": "/here"}, "/here"), ({}, "/project/playbooks")])
def test_reports_have_a_place_where_no_shell_says_where_it_is(environment: dict[str, str], place: str) -> None:
    defaults = yaml.load((ROOT / "roles/rollback/defaults/main.yml").read_text(encoding="utf-8"), Loader)
    shown = subprocess.run(
        [Path(sys.executable).with_name("ansible"), "-i", "localhost,", "-c", "local", "localhost", "--playbook-dir",
         "/project/playbooks", "-m", "ansible.builtin.debug", "-a", f"msg={defaults['rollback_report_dir']}"],
        text=True, capture_output=True, check=False, timeout=120,
        env={**{name: value for name, value in os.environ.items() if name != "PWD"}, **environment})
    assert f'"{place}/reports"' in shown.stdout, shown.stdout + shown.stderr


def test_monitoring_may_be_limited_to_its_own_hosts_and_nothing_else_may(tmp_path: Path) -> None:
    done = play(tmp_path, "monitoring", "--limit", "watcher")
    assert done.returncode == 0 and (tmp_path / "rules.yml").exists(), done.stdout
    for playbook, limit in (("monitoring", "stranger"), ("status", "watcher")):
        refused = play(tmp_path, playbook, "--limit", limit)
        assert refused.returncode != 0 and "The limit names no host of the group" in refused.stdout, refused.stdout
