# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Playbooks as an operator runs them: from any directory, against one database, with everything they print kept."""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from composed import ComposeServer
from harness import ALEMBIC_PYTHON, MIGRATION, ROOT, TOP, Database, clean_environment, config_of

PLAYBOOKS = ROOT / "playbooks"
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
# What a test about something else does without: trial and rehearsal take seconds each, and another route would end
# otherwise what is to be seen failing. FULL brings them back.
# In Compose SQL is rendered on the image alone, which has no history but its own.
QUICK: dict[str, Any] = {
    "rollback_plan_trial": False, "rollback_strategy": "alembic", "rollback_safety_copy": "never",
    "rollback_accept": ["unrehearsed", *(f"unknown:{revision}" for revision in (TOP, MIGRATION))]}
FULL: dict[str, Any] = dict.fromkeys(QUICK)


@dataclass
class Played:
    """How a playbook ended: its status, everything it printed, and the report it left on the controller."""

    status: int
    output: str = field(repr=False)
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> int:
        found = re.findall(r"changed=(\d+)", self.output)
        assert found, self.output
        return sum(map(int, found))


@dataclass
class Site:
    """One managed database: its inventory, its state directory, its reports."""

    database: Database
    home: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def run_dir(self) -> Path:
        """The directory of the latest run."""
        return (self.state / "runs" / "latest").resolve()

    def evidence(self, name: str) -> Any:
        return json.loads((self.run_dir / name).read_text())

    def newest(self, name: str) -> Any:
        """A file of the newest run; a plan is one, and `latest` does not point to it."""
        place = max(path for path in (self.state / "runs").iterdir() if not path.is_symlink())
        return json.loads((place / name).read_text())

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.run_dir / "journal.jsonl").read_text().splitlines()]

    def backups(self) -> list[str]:
        place = self.state / "backups"
        return sorted(entry.name for entry in place.iterdir()) if place.is_dir() else []

    def place(self) -> dict[str, Any]:
        """What says where the database is, where programs run, and what besides the tables is there to check."""
        server = self.database.server
        if isinstance(server, ComposeServer):
            usual = yaml.safe_load((ROOT / "roles/rollback/vars/main/shared.yml").read_text())["rollback_usual_checks"]
            return {"rollback_runtime": "compose", "rollback_alembic_python": "python3", "rollback_quiesce": [],
                    "rollback_checks": usual["tables"],
                    **{f"rollback_compose_{name}": found for name, found in server.options().items()}}
        return {"rollback_login_host": server.host, "rollback_login_port": server.port,
                "rollback_pg_bin_dir": str(server.bin_dir), "rollback_alembic_python": ALEMBIC_PYTHON}

    def inventory(self) -> Path:
        database = self.database
        variables = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_pipelining": True,
            "rollback_database": database.name, "rollback_login_user": database.user,
            "rollback_login_password": database.password, **self.place(),
            "rollback_alembic_config": config_of(database),
            "rollback_alembic_environment": {"DATABASE_URL": database.url}, "rollback_state_dir": str(self.state),
            "rollback_report_dir": str(self.home / "reports"), "rollback_confirm": database.name,
            "rollback_lock_timeout": 500, "rollback_lock_retries": 1, "rollback_lock_retry_delay": 1,
            "rollback_disk_reserve": "1M", **QUICK, **self.settings}
        # A setting of None leaves a variable at the role's own default.
        variables = {name: text for name, text in variables.items() if text is not None}
        path = self.home / "inventory.json"
        # Written as !unsafe would be: a password may hold what Jinja would take for its own.
        path.write_text(json.dumps({"rollback": {"hosts": {"site": variables}}}))
        return path

    def argv(self, playbook: str, *arguments: str, **settings: Any) -> list[str]:
        name = playbook if playbook.count(".") > 1 else str(PLAYBOOKS / f"{playbook}.yml")
        extra = ["-e", json.dumps(settings)] if settings else []
        return [str(ANSIBLE), "-i", str(self.inventory()), name, *arguments, *extra]

    def start(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None, **settings: Any
              ) -> subprocess.Popen[str]:
        """Start a playbook, from a directory that is not the clone's, and go on."""
        return subprocess.Popen(
            self.argv(playbook, *arguments, **settings), cwd=self.home, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env=clean_environment(ANSIBLE_NOCOLOR="1", COLUMNS="200", **(environment or {})))

    def finish(self, process: subprocess.Popen[str], limit_s: float = 180) -> Played:
        """Wait for a playbook. A report counts as its own if it names it."""
        output, _error = process.communicate(timeout=limit_s)
        latest = self.home / "reports" / "latest" / "report.json"
        return Played(process.returncode, output, json.loads(latest.read_text()) if latest.exists() else {})

    def play(self, playbook: str, *arguments: str, environment: dict[str, str] | None = None, **settings: Any
             ) -> Played:
        latest = self.home / "reports" / "latest"
        if latest.is_symlink():
            latest.unlink()
        return self.finish(self.start(playbook, *arguments, environment=environment, **settings))


def kill_controller(process: subprocess.Popen[str]) -> None:
    """Kill ansible-playbook alone, as a lost machine would: its workers and modules are not asked."""
    os.kill(process.pid, signal.SIGKILL)
    if process.stdout:
        process.stdout.close()
    process.wait()


@contextmanager
def in_the_way(site: Site, mode: str) -> Iterator[None]:
    """A forgotten console holds categories: EXCLUSIVE lets backups and counts pass, ACCESS EXCLUSIVE nothing."""
    holder = site.database.connect(application_name="a forgotten console")
    try:
        with holder.cursor() as cursor:
            cursor.execute(f"LOCK TABLE categories IN {mode} MODE")
        yield
    finally:
        holder.close()
