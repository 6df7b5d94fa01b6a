# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the execution environment's builder comes by its base, with an engine that tells what it is asked."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).resolve().parents[2] / "execution-environment" / "build.py"
BASE = "debian:bookworm-slim"
# It has an image once that was pulled, or made.
ENGINE = """#!/bin/sh
cd "${0%/*}/.."
echo "${0##*/} $*" >>asked
case "$1" in
info) [ -e "is-${0##*/}" ] ;;
image) [ -e there ] && echo sha256:1 ;;
pull) case "$REGISTRY" in
    none) echo no registry answers >&2; exit 1 ;;
    silent) exec sleep 30 ;;
    *) touch there
    esac ;;
*) exit 1
esac
"""

pytestmark = pytest.mark.skipif(not PATH.exists(), reason="a built collection builds no image")


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script on a machine with Docker, which has no image yet; what engine.py is run for is kept in `made`."""
    spec = importlib.util.spec_from_file_location("ee_build", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "bin").mkdir()
    for name in ("docker", "podman"):
        (tmp_path / "bin" / name).write_text(ENGINE)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "is-docker").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(module, "PULL_S", 1)
    monkeypatch.setattr(module, "made", [], raising=False)
    monkeypatch.setattr(module, "ensured", lambda missing, there: module.made.append(missing))
    return module


def pulls(home: Path) -> list[str]:
    return [line for line in (home / "asked").read_text().splitlines() if " pull " in line]


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_base_is_pulled_before_anything_is_installed_for_it(build: ModuleType, tmp_path: Path, engine: str) -> None:
    (tmp_path / "is-docker").rename(tmp_path / f"is-{engine}")
    assert build.base_image(build.container_engine(), newest=False) == BASE
    assert pulls(tmp_path) == [f"{engine} pull {BASE}"] and build.made == []


@pytest.mark.parametrize(("registry", "told"), [("none", "no registry answers"), ("silent", "took more than 1 s")])
def test_with_docker_it_is_made_where_no_registry_answers(build: ModuleType, monkeypatch: pytest.MonkeyPatch,
                                                          registry: str, told: str) -> None:
    monkeypatch.setenv("REGISTRY", registry)
    build.base_image("docker", newest=False)
    assert len(build.made) == 1 and told in build.made[0]


def test_with_podman_it_is_asked_for(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY", "none")
    with pytest.raises(build.NotPossible, match="no registry answers"):
        build.base_image("podman", newest=False)
    assert build.made == []


@pytest.mark.parametrize("registry", ["answers", "none", "silent"])
def test_without_the_cache_the_newest_base_is_taken_where_there_is_one(
        build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str) -> None:
    monkeypatch.setenv("REGISTRY", registry)
    monkeypatch.setattr(build, "pip_settings", lambda: {"timeout": "60"})
    ran: list[list[str]] = []
    monkeypatch.setattr(build, "run", lambda command, engine: ran.append(command))
    (tmp_path / "cache").mkdir()
    (tmp_path / "there").touch()
    build.build(["ours:latest"], no_cache=True)
    assert pulls(tmp_path) == [f"docker pull {BASE}"] and build.made == []
    # The copy of the base that knows the way to pip's packages, then the image.
    assert [command[1] for command in ran] == ["build", "build"]
    assert all("--no-cache" in command for command in ran)


def test_a_base_that_is_there_is_used_as_it_is(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    assert build.base_image("docker", newest=False) == BASE and pulls(tmp_path) == []


@pytest.mark.parametrize(("status", "kind"), [(3, "NotPossible"), (1, "RuntimeError")])
def test_what_failed_is_told_from_what_is_not_possible(tmp_path: Path, status: int, kind: str) -> None:
    """Tests are skipped for the one and fail for the other."""
    spec = importlib.util.spec_from_file_location("ee_build", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = tmp_path
    (tmp_path / "demo/compose").mkdir(parents=True)
    (tmp_path / "demo/compose/engine.py").write_text(f"import sys\nprint('why', file=sys.stderr)\nsys.exit({status})\n")
    with pytest.raises(getattr(module, kind, RuntimeError), match="nothing there: why"):
        module.ensured("nothing there", lambda: False)
    module.ensured("Compose alone is missing", lambda: True)
