# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx.yml run against the stand-in controller, and a reader of the role's data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import controller
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECRET = "s3cr3t-that-nobody-prints"


class Loader(yaml.SafeLoader):
    """Reads Ansible's own tags as the text they stand before."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


@dataclass
class Loaded:
    """The stand-in, and awx.yml run against it."""

    store: controller.Controller
    address: str
    home: Path
    first: subprocess.CompletedProcess[str] = field(init=False)

    def play(self, *options: str, environment: dict[str, str] | None = None,
             **variables: Any) -> subprocess.CompletedProcess[str]:
        settings = {
            "awx_objects_machine_credential": "", "awx_objects_secrets": {
                "database": {"login_password": SECRET, "database_url": "", "api_token": SECRET}},
            "vault_rollback_smtp_password": SECRET, "vault_awx_mattermost_url": f"https://chat.example.org/{SECRET}",
            **variables}
        return subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", ROOT / "inventories" / "awx",
             ROOT / "playbooks" / "awx.yml", "-e", json.dumps(settings), *options], cwd=self.home, text=True,
            capture_output=True, check=False, timeout=600,
            env={**{key: value for key, value in os.environ.items() if not key.startswith(("CONTROLLER_", "TOWER_"))},
                 "CONTROLLER_HOST": self.address, "CONTROLLER_OAUTH_TOKEN": controller.TOKEN, "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"), "ANSIBLE_PIPELINING": "1",
                 **(environment or {})})


def recap(played: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """The figures of a play's last line."""
    found = re.findall(r"(\w+)=(\d+)", played.stdout.rsplit("PLAY RECAP", 1)[-1])
    assert found, played.stdout + played.stderr
    return {name: int(number) for name, number in found}


def trusted(data: Any) -> Any:
    """Everything in it as Ansible reads it from a role's files: a template."""
    try:
        from ansible.template import trust_as_template
    except ImportError:  # ansible-core before 2.19
        return data
    if isinstance(data, dict):
        return {key: trusted(value) for key, value in data.items()}
    if isinstance(data, list):
        return [trusted(value) for value in data]
    return trust_as_template(data) if isinstance(data, str) else data


def templated(text: str, **variables: Any) -> Any:
    """What Ansible makes of a text of a role's."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    return Templar(loader=DataLoader(), variables=trusted(variables)).template(trusted(text))
