# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The worked example of production, played on a stack of exactly its shape."""
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness import clean_environment, files_with, spellings


def containers(site: Stack) -> dict[str, str]:
    listed = subprocess.run(
        ["docker", "ps", "--all", "--format", '{{.Label "com.docker.compose.service"}} {{.ID}}', "--filter",
         f"label=com.docker.compose.project={site.project}"], capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in listed.splitlines())


def test_the_production_inventory_rolls_back_as_it_stands(up: Any, tmp_path: Path) -> None:
    site: Stack = up("chain", "migration", "production")
    token = next(line.split("=", 1)[1].strip("'") for line in site.env_file.read_text().splitlines()
                 if line.startswith("DEMO_API_TOKEN="))
    environment = dict(line.partition("=")[::2] for line in (site.container("postgres") or {})["Config"]["Env"])
    before = containers(site)
    # What differs from the example: which machine, where the project is, and what stands in the vault.
    here = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False,
        "rollback_compose_directory": str(site.directory), "rollback_compose_project": site.project,
        "rollback_state_dir": str(tmp_path / "state"), "rollback_report_dir": str(tmp_path / "reports"),
        "rollback_disk_reserve": "1M", "vault_recyclic_api_token": token,
        # Nobody is told from here; tests/unit/test_inventories.py looks at the example's channels.
        "rollback_notify": [], "rollback_metrics_dir": str(tmp_path)}
    (tmp_path / "here.yml").write_text(yaml.safe_dump(
        {"rollback": {"hosts": {"recyclic.example.org": here}}}))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(ROOT / "inventories" / "production"), "-i",
         "here.yml", str(ROOT / "playbooks" / "rollback.yml"), "-e", "rollback_confirm=recyclic"], cwd=tmp_path,
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=clean_environment(COLUMNS="200"))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert report["outcome"] == "rolled_back" and report["to_heads"] == ["g1h2i3j4k5l6"] == site.heads()
    assert {check["id"]: check["result"] for check in report["checks"]} == {
        "categories-empty": "pass", "dom-category-level-1": "pass", "recorded-revisions": "pass",
        "other-tables-unchanged": "pass", "api-health": "pass", "api-categories": "pass", "api-tests": "pass",
        "validation-script": "pass", "database-errors": "pass", "api-memory": "pass"}
    assert report["services"] == {"stopped": ["api"], "resumed": ["api"], "held": [], "left_stopped": []}
    assert 0 < report["outage_s"] < report["duration_s"]
    # What a plain `up` would do is said: the files still name the newer release.
    assert any("docker compose up" in step and "m3npr1c3dr0p" in step for step in report["next_steps"])
    # The API is another container, on the release that fits; nothing else was touched, and no one-shot one is left.
    after = containers(site)
    assert {name for name in before if before[name] != after.get(name)} == {"api"} and set(after) == set(before)
    assert (site.container("api") or {})["Config"]["Image"] == "recyclic-demo:chain-before"
    # The application's own words are kept beside the report, and no secret anywhere.
    run = (tmp_path / "state" / "runs" / "latest").resolve()
    assert "no category found" in (run / "command-validation-script.log").read_text()
    secrets = {token, *spellings(environment["POSTGRES_PASSWORD"])}
    assert not [secret for secret in secrets if secret in done.stdout]
    assert files_with(secrets, tmp_path / "state", tmp_path / "reports") == []
    assert "Raison" in (run / "report.md").read_text()
    figures = (tmp_path / "recyclic_rollback_recyclic.prom").read_text()
    of = 'database="recyclic"'
    for figure in (f"in_force{{{of}}} 1", f"services_left_stopped{{{of}}} 0",
                   f'service_memory_bytes{{{of},service="api"}} ',
                   f'check_response_seconds{{{of},check="api-categories"}} 0.',
                   f'check_log_errors{{{of},check="database-errors"}} 0',
                   f'recorded_revision{{{of},revision="g1h2i3j4k5l6"}} 1'):
        assert f"\nrecyclic_rollback_{figure}" in figures
