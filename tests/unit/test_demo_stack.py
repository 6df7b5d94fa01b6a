# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo's stack is spoken to by whichever Compose there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STACK = ROOT / "demo" / "compose" / "stack.py"

pytestmark = pytest.mark.skipif(not STACK.exists(), reason="a built collection has no demo")


def stack(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, STACK, *arguments, "--dir", home / "shop"], capture_output=True, text=True,
                          env={**os.environ, "PATH": f"{home}/bin:{os.environ['PATH']}"}, check=False)


def test_what_users_did_is_filled_in_by_a_compose_that_stands_alone(tmp_path: Path) -> None:
    """Where `docker compose` is none of the engine's commands."""
    programs = {"docker": "exit 1",
                "docker-compose": f'[ "$1" = version ] && echo v2.26.1 || echo "$*" >{tmp_path}/asked'}
    (tmp_path / "bin").mkdir()
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/compose.production.yml").touch()
    (tmp_path / "shop/stack.json").write_text(json.dumps(
        {"project": "shop", "file": "production", "history": "chain", "at": "parent"}))

    done = stack(tmp_path, "seed")

    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().strip()
    assert f"-f {tmp_path}/shop/compose.production.yml --env-file {tmp_path}/shop/.env -p shop run" in asked
    assert asked.endswith("api-migrations python3 /app/seed.py after --history chain")


def test_what_is_not_there_cannot_be_filled(tmp_path: Path) -> None:
    done = stack(tmp_path, "seed")
    assert done.returncode == 3 and "holds no stack" in done.stderr


def test_the_demos_playbook_leaves_that_to_the_stack() -> None:
    text = (ROOT / "playbooks" / "demo_compose.yml").read_text(encoding="utf-8")
    assert "[docker," not in text and "'seed'" in text
