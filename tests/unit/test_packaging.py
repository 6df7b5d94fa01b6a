# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is published, and what stays where it is."""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# What runs, builds and operators leave in a clone.
LEFT = (
    ".ansible/tmp/x", ".cache/x", ".demo/database.url", ".vault-password", ".venv/bin/x", "ansible-navigator.log",
    "build/recyclic-rollback-0.0.1.tar.gz", "collections/ansible_collections/acme/tools/MANIFEST.json",
    "context/Dockerfile", "playbooks/ansible-navigator.log", "inventories/fleet/host_vars/nantes.example.org/vault.yml",
    "inventories/production/group_vars/rollback/vault.yml", "playbooks/.vault-password",
    "playbooks/plan-artifact-2026-03-01T03:15:00.000000+00:00.json", "playbooks/reports/latest/report.json",
    "playbooks/rollback.retry", "plugins/modules/__pycache__/x.pyc", "reports/fleet/latest/fleet.html",
    "tests/output/x",
)

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only git knows what belongs to the project")


def known(place: Path) -> list[str]:
    """What git knows of, or would."""
    command = ["git", "-C", str(place), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\0").split("\0")
    return [name for name in listed if (place / name).is_symlink() or (place / name).is_file()]


def test_the_tarball_holds_what_git_knows_and_nothing_that_was_left(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    for name in known(ROOT):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    for name in LEFT:
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_text("left")
    subprocess.run(["git", "init", "--quiet", str(clone)], check=True)
    subprocess.run([Path(sys.executable).with_name("ansible-galaxy"), "collection", "build", "--output-path", tmp_path],
                   cwd=clone, capture_output=True, check=True)

    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        packed = {member.name for member in archive.getmembers() if not member.isdir()}
    patterns = [*yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"], "galaxy.yml"]
    belongs = known(clone)
    places = {name: [name, *map(str, Path(name).parents)] for name in belongs}
    published = {name for name in belongs
                 if not any(fnmatch.fnmatch(place, pattern) for place in places[name] for pattern in patterns)}
    assert sorted(set(LEFT) & set(belongs)) == [], "git would take these"
    assert packed - {"MANIFEST.json", "FILES.json"} == published
    assert {"README.md", "playbooks/rollback.yml", "roles/rollback/defaults/main.yml"} <= packed


def test_what_writes_the_images_dockerfile_is_a_pin() -> None:
    assert f"ansible-builder=={version('ansible-builder')}" in (ROOT / "requirements-dev.txt").read_text().splitlines()


def test_a_clones_commands_of_the_readme_find_the_collection() -> None:
    found = re.findall(r"`ANSIBLE_COLLECTIONS_PATH=collections \.venv/bin/(ansible-doc [^`]+)`",
                       (ROOT / "README.md").read_text())
    assert len(found) == 2
    for program, *arguments in map(str.split, found):
        done = subprocess.run([Path(sys.executable).with_name(program), *arguments], cwd=ROOT, capture_output=True,
                              text=True, env={"ANSIBLE_COLLECTIONS_PATH": "collections", "PATH": "/usr/bin:/bin"},
                              check=False)
        assert done.returncode == 0 and "recyclic.rollback" in done.stdout, done.stderr
