# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real processes, and the place from which they find this collection."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# The repository's own link, or the tree in which ansible-test has put a copy of it.
COLLECTIONS = [str(ROOT / "collections"), *(str(up.parent) for up in ROOT.parents if up.name == "ansible_collections")]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the collection."""
    return ROOT


@pytest.fixture(scope="session")
def collections_environment() -> dict[str, str]:
    """The environment in which another Python, or an Ansible, finds this collection."""
    imports = [*COLLECTIONS, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(imports),
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(COLLECTIONS)}


@pytest.fixture
def start(collections_environment: dict[str, str]) -> Iterator[Start]:
    """Start programs that are ended, whatever happens, when the test is over."""
    started: list[subprocess.Popen[str]] = []

    def launch(*argv: str, **options: Any) -> subprocess.Popen[str]:
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                   "env": collections_environment, **options}
        process = subprocess.Popen(argv, **options)
        started.append(process)
        return process

    yield launch
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def python(start: Start) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python program given as text, unbuffered, that can import this collection."""
    return lambda source, *arguments, **options: start(sys.executable, "-u", "-c", source, *arguments, **options)


@pytest.fixture
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Wait for something to become true, five seconds at most; returns what it was then."""

    def wait(condition: Callable[[], Any], limit_s: float = 5.0) -> Any | None:
        deadline = time.monotonic() + limit_s
        while True:
            found = condition()
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.02)

    return wait
