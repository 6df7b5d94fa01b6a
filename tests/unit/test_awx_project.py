# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The repository as a project of AWX: what it finds there, what it installs, and what it must not meet."""
from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))
# What lies in a working directory and in no clone.
NOT_CLONED = {".ansible", ".cache", ".demo", ".git", ".venv", "build", "reports"}

pytestmark = pytest.mark.skipif(not (ROOT / "playbooks" / "collections").exists(),
                                reason="a built collection is no project")


def walk() -> list[tuple[str, list[str]]]:
    """Every directory and its files, through links as well, as AWX walks when it is told to show what links lead to."""
    found = []
    for place, directories, files in os.walk(ROOT, followlinks=True):
        if Path(place) == ROOT:
            directories[:] = [name for name in directories if name not in NOT_CLONED]
        found.append((os.path.relpath(place, ROOT), files))
        assert len(found) < 2000, f"links that lead back to where they are: {place}"
    return found


def listed(place: str, name: str) -> bool:
    """Whether AWX offers a file as a playbook: a line looks like a play's, and it skips none of its directories."""
    parts = Path(place).parts
    if {"roles", "tasks", "group_vars", "host_vars"} & set(parts) or any(part.startswith(".") for part in parts):
        return False
    path = ROOT / place / name
    return path.suffix in (".yml", ".yaml") and any(
        re.match(r"\s*-?\s*(hosts|include|import_playbook):", line)
        for line in path.read_text(errors="ignore").splitlines())


def texts(*patterns: str) -> dict[Path, str]:
    found = {path: path.read_text() for pattern in patterns for path in ROOT.glob(pattern)}
    assert found
    return found


def test_links_never_lead_back_to_where_they_are() -> None:
    """Otherwise whoever follows them, as AWX can be told to, never comes to an end."""
    through = [place for place, _files in walk() if place.startswith(("collections", "playbooks/collections"))]

    assert through
    assert all(place.count("ansible_collections") <= 2 for place in through)


def test_awx_offers_every_playbook() -> None:
    offered = {(place, name) for place, files in walk() for name in files if listed(place, name)}

    assert {name for place, name in offered if place == "playbooks"} == set(PLAYBOOKS)


@pytest.mark.parametrize("name", ["meta", "plugins", "roles"])
def test_our_names_resolve_beside_the_playbooks_and_from_the_root(name: str) -> None:
    for tree in ("collections", "playbooks/collections"):
        assert (ROOT / tree / "ansible_collections/recyclic/rollback" / name).resolve() == ROOT / name


def test_awx_finds_what_to_install_where_it_looks() -> None:
    wanted = yaml.safe_load((ROOT / "requirements.yml").read_text())
    declared = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]

    assert {each["name"]: each["version"] for each in wanted["collections"]} == declared
    # Roles of Galaxy are wanted nowhere; a second list would be installed as well.
    assert not [path for pattern in ("roles/requirements.y*ml", "collections/requirements.y*ml")
                for path in ROOT.glob(pattern)]


def test_no_play_asks_for_variables() -> None:
    """AWX does not answer vars_prompt: the job would wait for ever."""
    plays: list[dict[str, Any]] = [play for text in texts("playbooks/*.yml").values() for play in yaml.safe_load(text)]

    assert not [play for play in plays if "vars_prompt" in play]


def test_nothing_reads_the_artifacts() -> None:
    """A later node of a workflow gets them as extra variables, or does not: they can be lost."""
    found = texts("playbooks/*.yml", "roles/*/[!v]*/**/*.yml", "roles/**/*.j2")
    # What is named so for Prometheus is no variable.
    named = {str(path.relative_to(ROOT)) for path, text in found.items()
             if re.search(r"(?<!\w)recyclic_rollback(?!\w)", text) and "monitoring" not in path.parts}

    assert named == {"roles/report/tasks/artifacts.yml"}
