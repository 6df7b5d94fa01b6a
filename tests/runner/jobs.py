# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Jobs as AWX starts them: the private data directory it makes, ansible-runner on it, and what it keeps of them."""
from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from harness import ROOT, clean_environment

from playbooks import Site

RUNNER = Path(sys.executable).with_name("ansible-runner")
USER = "alice.martin"
_ids = itertools.count(4711)


class Survey(yaml.SafeDumper):
    """As AWX writes extra variables down: no text in them is a template."""


Survey.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


@dataclass
class Job:
    """What is left of a job."""

    place: Path
    status: str
    rc: int
    stdout: str = field(repr=False)
    events: list[dict[str, Any]] = field(repr=False)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] in kinds]

    @property
    def artifacts(self) -> dict[str, Any]:
        """As AWX stores them: the last event's that has any."""
        found = [event["event_data"]["artifact_data"] for event in self.events
                 if event.get("event_data", {}).get("artifact_data")]
        return found[-1] if found else {}

    def site(self, name: str = "site") -> dict[str, Any]:
        assert list(self.artifacts) == ["recyclic_rollback"], self.stdout
        found: dict[str, Any] = self.artifacts["recyclic_rollback"]["sites"][name]
        return found

    @property
    def phases(self) -> list[int]:
        """The numbers of the phases that were entered, in the order of their events."""
        names = [event["event_data"]["task"] for event in self.of("runner_on_ok")]
        return [int(found.group(1)) for found in (re.match(r"\((\d+)/\d+\) ", name) for name in names) if found]

    @property
    def changed(self) -> int:
        return sum(self.of("playbook_on_stats")[-1]["event_data"]["changed"].values())


def copy_project(place: Path) -> Path:
    """What git knows of, and what is new: a project as AWX has it, in which nothing was installed or built."""
    place.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True,
                            check=True, text=True).stdout.split("\0")
    # One that was deleted is still listed; a directory holds others that are.
    names = [name for name in listed if name and ((ROOT / name).is_file() or (ROOT / name).is_symlink())]
    archive = place.with_suffix(".tar")
    subprocess.run(["tar", "--null", "-T", "-", "-cf", str(archive)], cwd=ROOT, input="\0".join(names).encode(),
                   check=True)
    subprocess.run(["tar", "-xf", str(archive), "-C", str(place)], check=True)
    return place


@dataclass
class Template:
    """A job template on one site, and AWX's other part: a directory for each job, gone or not afterwards."""

    site: Site
    project: Path
    home: Path

    def inventory(self) -> str:
        """The script AWX writes: groups with their variables, hosts with theirs and AWX's own."""
        variables = json.loads(self.site.inventory().read_text())["rollback"]["hosts"]["site"]
        own = {name: variables.pop(name) for name in list(variables) if name.startswith(("ansible_", "rollback_login"))}
        content = {
            "all": {"vars": {}, "hosts": ["elsewhere"]},
            "rollback": {"hosts": ["site"], "vars": variables},
            "_meta": {"hostvars": {
                "site": {**own, "remote_tower_enabled": "true", "remote_tower_id": 1},
                "elsewhere": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable,
                              "remote_tower_enabled": "true", "remote_tower_id": 2}}},
        }
        return f"#! /usr/bin/env python3\n# -*- coding: utf-8 -*-\nprint({json.dumps(content)!r})\n"

    def prepare(self, playbook: str, survey: dict[str, Any], *arguments: str, **settings: Any) -> Path:
        number = next(_ids)
        place = self.home / f"awx_{number}_{playbook}"
        shutil.copytree(self.project, place / "project", symlinks=True)
        for name in ("env", "inventory"):
            (place / name).mkdir()
        script = place / "inventory" / "hosts"
        script.write_text(self.inventory())
        script.chmod(0o700)
        meta = {"job_id": number, "job_launch_type": "manual", "user_id": 7, "user_name": USER,
                "user_email": "alice@example.org", "user_first_name": "Alice", "user_last_name": "Martin",
                "inventory_id": 3, "inventory_name": "Recyclic", "project_revision": "0" * 40, "project_scm_branch": "",
                "job_template_id": 12, "job_template_name": f"Recyclic {playbook}", "execution_node": "node-1"}
        extra = {**survey, **{f"{prefix}_{name}": value for prefix in ("awx", "tower") for name, value in meta.items()}}
        (place / "env" / "extravars").write_text(yaml.dump(extra, Dumper=Survey))
        (place / "env" / "cmdline").write_text(" ".join([*arguments, "-u", "root"]))
        (place / "env" / "settings").write_text(json.dumps(
            {"job_timeout": 0, "idle_timeout": 300, "suppress_ansible_output": True, "pexpect_timeout": 1, **settings}))
        (place / "env" / "envvars").write_text(json.dumps({
            "JOB_ID": str(number), "INVENTORY_ID": "3", "PROJECT_REVISION": "0" * 40, "MAX_EVENT_RES": "700000",
            "AWX_HOST": "https://awx.example.org", "AWX_PRIVATE_DATA_DIR": str(place), "ANSIBLE_FORCE_COLOR": "True",
            "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True", "TERM": "xterm",
            "ANSIBLE_RETRY_FILES_ENABLED": "False",
            "ANSIBLE_COLLECTIONS_PATH": ":".join([str(place / "requirements_collections"), "~/.ansible/collections",
                                                  "/usr/share/ansible/collections"])}))
        return place

    def start(self, playbook: str, survey: dict[str, Any], *arguments: str, **settings: Any
              ) -> tuple[Path, subprocess.Popen[str]]:
        place = self.prepare(playbook, survey, *arguments, **settings)
        environment = clean_environment(PATH=f"{RUNNER.parent}{os.pathsep}{os.environ['PATH']}")
        # A project finds its own collection; and neither what CI says of output nor where a shell is does AWX say.
        for name in ("PYTHONPATH", "CI", "PWD"):
            environment.pop(name, None)
        argv = [str(RUNNER), "run", str(place), "-p", f"playbooks/{playbook}.yml", "--ident", place.name.split("_")[1]]
        return place, subprocess.Popen(argv, cwd=place, env=environment, stdin=subprocess.DEVNULL, text=True,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def finish(self, place: Path, process: subprocess.Popen[str], limit_s: float = 600) -> Job:
        said, _error = process.communicate(timeout=limit_s)
        kept = place / "artifacts" / place.name.split("_")[1]
        assert (kept / "status").exists(), said
        events = [json.loads(path.read_text()) for path in sorted(
            (kept / "job_events").glob("*-*.json"), key=lambda path: int(path.name.partition("-")[0]))]
        return Job(place, (kept / "status").read_text(), int((kept / "rc").read_text()),
                   # With the line ends of the terminal it was.
                   (kept / "stdout").read_bytes().decode(), events)

    def run(self, playbook: str, survey: dict[str, Any], *arguments: str, **settings: Any) -> Job:
        return self.finish(*self.start(playbook, survey, *arguments, **settings))

    def cancel(self, place: Path, process: subprocess.Popen[str]) -> Job:
        """As AWX cancels: the runner is told, and kills the playbook."""
        os.kill(process.pid, signal.SIGTERM)
        return self.finish(place, process)
