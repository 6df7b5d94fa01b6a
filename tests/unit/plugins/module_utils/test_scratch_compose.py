# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts an application knows its database by, and which of the managed node's files may be shown to it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _scratch_mounts
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch_mounts import holds_only_files, mounts_of
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch_runtime import hosts_of, linked_in


@pytest.mark.parametrize(("name", "text", "expected"), [
    ("DATABASE_URL", "postgresql://user:word@postgres:5432/recyclic", {"postgres"}),
    ("DATABASE_URL", "postgresql+psycopg2://postgres/recyclic", {"postgres"}),
    ("ANY", "postgres://user:p@ss/w:rd?#@db.example.org/x?sslmode=require", {"db.example.org"}),
    ("ANY", "postgresql://user@one:1,two:2,10.0.0.3/x", {"one", "two", "10.0.0.3"}),
    ("ANY", "postgresql:///recyclic?host=postgres&port=5432", {"postgres"}),
    ("ANY", "dbname=recyclic host=postgres hostaddr='172.18.0.2'", {"postgres", "172.18.0.2"}),
    ("PGHOST", "postgres", {"postgres"}),
    ("DB_HOST", " a_service ", {"a_service"}),
    ("PGHOSTADDR", "172.18.0.2", {"172.18.0.2"}),
    # What every host has itself, or no name of a host.
    ("PGHOST", "/var/run/postgresql", set()),
    ("DATABASE_URL", "postgresql://user@%2Fvar%2Frun/recyclic", set()),
    ("DATABASE_URL", "postgresql://user@127.0.0.1/x postgresql://localhost/x", set()),
    ("HOST", "0.0.0.0", set()),
    ("DATABASE_URL", "postgresql://user@[::1]:5432/recyclic", set()),
    # Another kind of server, and another variable.
    ("REDIS_URL", "redis://redis:6379/0", set()),
    ("GHOST_STORY", "postgres", set()),
    ("HOSTS_FILE", "hosts", set()),
])
def test_hosts_of(name: str, text: str, expected: set[str]) -> None:
    assert hosts_of({name: text}) == expected


def test_linked_in() -> None:
    extra = ["one=10.0.0.1", "two:10.0.0.2", "six=::1"]
    assert linked_in({"links": ["postgres:db", "redis"], "extra_hosts": extra}) == {
        "db", "redis", "one", "two", "six"}
    assert linked_in({"links": None}) == set()


def test_a_tree_of_files_is_shown(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").write_text("")
    # Where it leads is looked for inside the container.
    (tmp_path / "a" / "link").symlink_to("/var/run/docker.sock")
    assert holds_only_files(str(tmp_path / "a")) and holds_only_files(str(tmp_path / "a" / "file"))
    (tmp_path / "to a").symlink_to(tmp_path / "a")
    assert holds_only_files(str(tmp_path / "to a"))


@pytest.mark.parametrize("kind", ["socket", "pipe"])
def test_what_is_alive_is_not(tmp_path: Path, kind: str) -> None:
    (tmp_path / "deep").mkdir()
    path = str(tmp_path / "deep" / "x")
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "socket":
            listener.bind(path)
        else:
            os.mkfifo(path)
        assert not holds_only_files(path)
        assert not holds_only_files(str(tmp_path))
        (tmp_path / "link").symlink_to(path)
        assert not holds_only_files(str(tmp_path / "link"))


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/self/root", "/dev/null", "/sys/class", "/nowhere/at/all"])
def test_what_leads_everywhere_or_nowhere_is_not(path: str) -> None:
    assert not holds_only_files(path)


def test_what_is_mounted_below_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scratch_mounts, "_mount_points", lambda: ["/", str(tmp_path), f"{tmp_path} beside"])
    assert holds_only_files(str(tmp_path))
    monkeypatch.setattr(_scratch_mounts, "_mount_points", lambda: ["/", f"{tmp_path}/deep/mount"])
    assert not holds_only_files(str(tmp_path))


def test_mount_points_are_read_as_they_are() -> None:
    assert {"/", "/proc"} <= set(_scratch_mounts._mount_points())


def test_what_is_too_large_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scratch_mounts, "ENTRIES", 3)
    for number in range(4):
        assert holds_only_files(str(tmp_path))
        (tmp_path / str(number)).write_text("")
    assert not holds_only_files(str(tmp_path))


def test_mounts_of(tmp_path: Path) -> None:
    (tmp_path / "a, b").mkdir()
    (tmp_path / "secret").write_text("")
    config = {"secrets": {"token": {"file": str(tmp_path / "secret")}, "named": {"environment": "TOKEN"}},
              "configs": {"its": {"file": str(tmp_path / "secret")}, "inline": {"content": "x"}}}
    definition = {
        "volumes": [{"type": "bind", "source": str(tmp_path / "a, b"), "target": "/data"},
                    {"type": "bind", "source": str(tmp_path / "not there"), "target": "/other"},
                    {"type": "volume", "source": "data", "target": "/volume"}, {"type": "tmpfs", "target": "/t"}],
        "tmpfs": ["/run:size=1m"], "secrets": [{"source": "token"}, {"source": "named"}],
        "configs": [{"source": "its", "target": "/etc/its"}, {"source": "inline"}]}
    secret = f"type=bind,source={tmp_path}/secret,target="
    assert mounts_of(config, definition) == [
        "--mount", f'type=bind,"source={tmp_path}/a, b",target=/data,readonly',
        "--mount", f"{secret}/run/secrets/token,readonly", "--mount", f"{secret}/etc/its,readonly",
        "--tmpfs", "/run:size=1m", "--tmpfs", "/t"]
    assert mounts_of({}, {}) == []
    assert not (tmp_path / "not there").exists()
