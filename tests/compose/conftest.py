# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real Docker engine with the demo's images, and stacks that are always removed."""
from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo" / "compose"))

import stack
from stack import Stack

ENGINE = ROOT / "demo" / "compose" / "engine.py"
PREFIX = "rbtest-"

Up = Callable[..., Stack]


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each file has a stack, which its tests change one after the other: one worker runs them all."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def run_engine(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ENGINE), *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


@pytest.fixture(scope="session")
def docker() -> None:
    """An engine, Compose and all images. CI must have them; elsewhere the tests are skipped without."""
    for command in ("ensure", "build"):
        done = run_engine(command)
        if done.returncode != 0:
            reason = f"no Docker engine for the tests of the stack: {done.stderr.strip()}"
            (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="module")
def up(docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Builds a stack of its own project at each call; all of them are removed at the end."""
    started = []

    def build(history: str, at: str, file: str = "development") -> Stack:
        project = PREFIX + secrets.token_hex(4)
        directory = tmp_path_factory.mktemp(project)
        # Noted first: a stack that failed half way is to be removed as well.
        started.append(Stack(directory, project, file, history, at))
        return stack.up(directory, history, at, file, project, fast=True)

    try:
        yield build
    finally:
        for one in started:
            stack.down(one)
