# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of texts on their way from AWX: answers and secrets, in files as AWX writes them."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.release import __version__
from loading import ROOT

# From this release on Ansible reads what AWX marks as unsafe like any other scalar of YAML.
READ_AS_YAML = tuple(map(int, __version__.split(".")[:2])) >= (2, 19)
SHAPES = {"0042": 34, "1.10": 1.1, "12:30": 750, "2026-01-05": datetime.date(2026, 1, 5), "yes": True, "null": None,
          "": None, "1_000": 1000, "0x1F": 31, "#0042": "#0042", "0042 ": "0042 ", "v1.10": "v1.10", "9a2b": "9a2b",
          "1,5": "1,5", "recyclic\n": "recyclic\n", "{{ nothing }}": "{{ nothing }}"}


class Unsafe(yaml.SafeDumper):
    """As AWX writes down answers, and what credentials inject."""


Unsafe.add_representer(str, lambda dumper, text: dumper.represent_scalar("!unsafe", text))


def handed_on(place: Path, **variables: Any) -> Path:
    place = place / "extravars.yml"
    place.write_text(yaml.dump(variables, Dumper=Unsafe))
    return place


@pytest.mark.parametrize("text", SHAPES)
def test_a_text_that_looks_like_something_else_becomes_that(tmp_path: Path, text: str) -> None:
    arrived = DataLoader().load_from_file(str(handed_on(tmp_path, rollback_ticket=text)))["rollback_ticket"]
    shape = SHAPES[text] if READ_AS_YAML else text
    assert (arrived, str(arrived)) == (shape, str(shape))
    # The arguments of roles and modules make text of it once more, and not the same.
    result = ArgumentSpecValidator({"rollback_ticket": {"type": "str"}}).validate({"rollback_ticket": arrived})
    assert result.error_messages == []
    assert result.validated_parameters["rollback_ticket"] == (None if shape is None else str(shape))


def play(place: Path, role: dict[str, Any], variables: dict[str, Any], **answers: Any) -> tuple[int, str]:
    """One role's tasks in a job of AWX, on a site whose inventory has these variables."""
    (place / "sites.json").write_text(json.dumps({"rollback": {"hosts": {"site": {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}}}}))
    (place / "play.json").write_text(json.dumps([{"hosts": "rollback", "gather_facts": False, "tasks": [
        {"ansible.builtin.include_role": role}]}]))
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", place / "sites.json", place / "play.json", "-vvv",
         "-e", f"@{handed_on(place, awx_job_id=7, **answers)}"], cwd=place, text=True, capture_output=True, check=False,
        timeout=300, env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")})
    return done.returncode, " ".join(done.stdout.split())


@pytest.mark.parametrize(("database", "typed", "confirmed"), [
    ("recyclic", "recyclic\n", True), ("recyclic", " recyclic\r\n", True), ("recyclic", "recyclic2\n", False),
    ("recyclic", "\n", False), ("42", "42", True), ("0042", "0042", not READ_AS_YAML)])
def test_a_confirmation_is_the_name_whatever_was_pasted_around_it(tmp_path: Path, database: str, typed: str,
                                                                  confirmed: bool) -> None:
    plan = {"plan": {"database": database}, "warned": [], "unconfirmed": "not its name", "prompt": "?"}
    role = {"name": "recyclic.rollback.preflight", "tasks_from": "confirm"}
    status, said = play(tmp_path, role, {"preflight_plan": plan}, rollback_confirm=typed)
    assert (status == 0) is confirmed, said
    assert confirmed or "not its name" in said


@pytest.mark.parametrize(("password", "kept"), [("0042", not READ_AS_YAML), ("2026-01-05", not READ_AS_YAML),
                                                ("yes", not READ_AS_YAML), ("s3cret", True), ("", True)])
def test_a_password_that_is_no_text_any_more_is_refused_by_its_name_alone(tmp_path: Path, password: str,
                                                                          kept: bool) -> None:
    # What is kept is refused for its directory, further on.
    (tmp_path / "no-directory").touch()
    role = {"name": "recyclic.rollback.preflight", "tasks_from": "main"}
    variables = {"rollback_login_password": "{{ vault_rollback_login_password }}", "preflight_playbook": "rollback",
                 "rollback_state_dir": str(tmp_path / "no-directory" / "state")}
    status, said = play(tmp_path, role, variables, vault_rollback_login_password=password)
    assert status != 0 and ("no-directory" in said) is kept, said
    date = 'Failed to convert "rollback_login_password"'
    assert ((date if "-" in password else "rollback_login_password is not text") in said) is not kept, said
    assert password in ("", "yes") or not {"34", password} & set(re.findall(r"[\w-]+", said)), said
