# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is skipped by `make test`, and what is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "Makefile").exists(), reason="a built collection has no Makefile")


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("ensure", "build", "ci", "status", "skipped"), [
    (0, 0, "", 0, False), (3, 0, "", 0, True), (3, 0, "true", 2, False), (1, 0, "", 2, False),
    # A release whose image cannot be built is no engine that is missing.
    (0, 1, "", 2, False), (0, 1, "true", 2, False),
])
def test_only_an_engine_that_cannot_be_had_is_skipped(tmp_path: Path, ensure: int, build: int, ci: str, status: int,
                                                      skipped: bool) -> None:
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    program(tmp_path / ".venv/bin/python", f'[ "$2" = ensure ] && exit {ensure}; exit {build}')
    (tmp_path / ".venv/installed").touch()
    done = subprocess.run(["make", "engine"], cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, "SKIPPED without a Docker engine" in done.stderr) == (status, skipped), done.stderr


@pytest.mark.parametrize(("given", "told"), [({}, "true"), ({"CI": ""}, "true"), ({"CI": "woodpecker"}, "woodpecker")])
def test_continuous_integration_says_what_it_is(tmp_path: Path, given: dict[str, str], told: str) -> None:
    """Otherwise what needs an engine would be skipped there, and all would look well."""
    program(tmp_path / "bin/make", 'echo "$1 $CI"')
    environment = {name: text for name, text in os.environ.items() if name != "CI"}
    environment["PATH"] = f"{tmp_path}/bin:{os.environ['PATH']}"
    done = subprocess.run([ROOT / ".ci/run"], env={**environment, **given}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == f"test {told}"
