# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rollbacks from inside the image, over SSH, on a node that is not in it."""
from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ansible_runner
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARENT = "9a2b3c4d5e6f"
LIMIT_S = 600
# The directory of a job that AWX gets back, wherever it ran.
KEPT = "/runner/artifacts/1"
# What the second rollback does without: the first one has shown it.
QUICK = {"rollback_plan_trial": False, "rollback_safety_copy": "never", "rollback_accept": ["unrehearsed"]}


def files_with(word: str, place: Path) -> list[Path]:
    """The files below a directory that hold the word."""
    return [path for path in place.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]


def inventory(node, demo, reports: str, **more) -> str:
    """One site, all but its secrets."""
    variables = {**node.variables, **demo.settings, "rollback_report_dir": reports, **more}
    return json.dumps({"rollback": {"hosts": {"site": variables}}})


def rolled_back(demo, report: Path) -> dict[str, Any]:
    """The database is as it was before the migration, and the report on the controller's side tells so."""
    assert demo.state() == (0, {PARENT})
    told = json.loads(report.read_text())
    assert (told["outcome"], told["route"], told["to_heads"]) == ("rolled_back", "alembic", [PARENT])
    assert not [check for check in told["checks"] if check["result"] == "fail"]
    return told


@pytest.fixture
def job(container, node, demo, project, tmp_path):
    """``job(**settings)``: a private data directory as AWX lays it out, with what AWX would have for ansible-runner."""

    def make(**settings) -> Path:
        home = tmp_path / "awx_1"
        shutil.copytree(project, home / "project", symlinks=True)
        files = {
            "inventory/hosts": inventory(node, demo, f"{KEPT}/reports"),
            "env/settings": yaml.safe_dump({"suppress_ansible_output": True, **settings}),
            "env/envvars": yaml.safe_dump({"ANSIBLE_FORCE_COLOR": "True", "ANSIBLE_HOST_KEY_CHECKING": "False"}),
            "env/extravars": yaml.safe_dump({**demo.secrets, "rollback_confirm": "recyclic"}),
            "env/ssh_key": node.key.read_text(),
            "env/cmdline": f"-u {node.user}",
        }
        for name, text in files.items():
            (home / name).parent.mkdir(exist_ok=True)
            (home / name).write_text(text)
        return home

    return make


def test_a_job_of_awx_on_kubernetes_plans(container, demo, job, tmp_path):
    """There the job is sent into the container, where ansible-runner works, and what it left is sent back."""
    runner = str(Path(sys.executable).with_name("ansible-runner"))
    sent = subprocess.run([runner, "transmit", str(job()), "--playbook=playbooks/plan.yml", "--ident=1"],
                          capture_output=True, check=True).stdout
    worked = subprocess.run(["docker", "run", "--rm", "--interactive", "--network=host", f"--label={container.label}",
                             "recyclic-rollback-ee", "ansible-runner", "worker", "--private-data-dir=/runner"],
                            input=sent, capture_output=True, timeout=LIMIT_S, check=False)
    assert worked.returncode == 0, worked.stderr
    back = tmp_path / "back"
    done = subprocess.run([runner, "process", str(back), "--ident=1"], input=worked.stdout, capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (back / "artifacts/1/rc").read_text() == "0"
    plan = json.loads((back / "artifacts/1/reports/latest/plan.json").read_text())
    assert plan["to_heads"] == [PARENT] and plan["routes"]["alembic"]["verdict"] == "safe"
    assert demo.state() != (0, {PARENT})
    assert files_with(demo.password, back) == []


def test_a_job_of_awx_rolls_back(container, demo, job):
    """On a machine with an engine AWX has ansible-runner start the container."""
    assert demo.state() != (0, {PARENT})
    home = job(process_isolation=True, process_isolation_executable="docker", container_image="recyclic-rollback-ee",
               container_options=["--network=host", f"--label={container.label}"])

    ran = ansible_runner.run(private_data_dir=str(home), playbook="playbooks/rollback.yml", ident="1", timeout=LIMIT_S)

    assert (ran.status, ran.rc) == ("successful", 0), ran.stdout.read()[-4000:]
    assert rolled_back(demo, home / "artifacts/1/reports/latest/report.json")["rehearsal"]["result"] != "skipped"
    assert ran.stats["failures"] == ran.stats["dark"] == {}
    # Of what AWX keeps, events, output and facts included, nothing tells the password.
    assert files_with(demo.password, home / "env") == [home / "env/extravars"]
    assert files_with(demo.password, home / "artifacts") == files_with(demo.password, home / "project") == []


def documented(pattern: str) -> str:
    """What the page has people type, as it stands there."""
    [found] = re.findall(pattern, (ROOT / "docs" / "execution-environment.md").read_text(), flags=re.MULTILINE)
    return found


def test_the_published_collection_rolls_back_and_whatever_else_it_does(container, node, demo, tarball, tmp_path):
    """The tarball, installed in the container, from a directory that has nothing of the project."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    shutil.copy(tarball, place)
    shutil.copy(node.key, place / "key")
    secret = {**demo.secrets, "ansible_ssh_private_key_file": "/elsewhere/key",
              "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"}
    (place / "hosts.json").write_text(inventory(node, demo, "/elsewhere/reports", **secret, **QUICK))
    # As the image's own user, which a key has to belong to.
    owner = 1000 if os.geteuid() == 0 else os.geteuid()
    for path in (place, *place.iterdir()):
        os.chown(path, owner, -1)

    told = container.run(
        "sh", "-ec", documented("^(ansible-galaxy collection install .*)$") + """
        play() { playbook=$1; shift; ansible-playbook -i hosts.json recyclic.rollback.$playbook "$@"; }
        play rollback -e rollback_confirm=recyclic
        play validate
        play drill
        play report
        status=0; play awx >awx.log 2>&1 || status=$?; test $status = 2""",
        options=("--network=host", f"--user={owner}:0", f"--volume={place}:/elsewhere", "--workdir=/elsewhere",
                 "--env=" + documented("--set-environment-variable (.*)$")))

    reports = {json.loads(path.read_text())["playbook"]: path for path in (place / "reports").glob("2*/report.json")}
    rolled_back(demo, reports["rollback"])
    outcomes = {name: json.loads(path.read_text())["outcome"] for name, path in reports.items()}
    assert outcomes == {"rollback": "rolled_back", "validate": "validated", "drill": "drill_passed"}
    summary = json.loads((place / "reports/fleet/latest/fleet.json").read_text())
    assert [site["outcome"] for site in summary["sites"]] == ["rolled_back"]
    # It asks for an address once it has found awx.awx.
    asked = (place / "awx.log").read_text()
    assert "Where is AWX?" in asked and "awx.awx" not in asked
    assert demo.password not in told + asked and files_with(demo.password, place / "reports") == []


def test_nothing_is_left_running(container):
    listed = ["docker", "ps", "--all", "--quiet", f"--filter=label={container.label}"]
    assert subprocess.run(listed, capture_output=True, text=True, check=True).stdout == ""
