# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Backups as files: the space they need, and which of them is good."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._backup import (
    Wanted,
    damage,
    newest_good,
    parse_reserve,
    require_client,
    require_space,
    sweep_incomplete,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import process_mark, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import HostRuntime

TOTAL = 1000 * 2**30


@pytest.mark.parametrize(("text", "reserve"), [
    ("0", 0), ("1073741824", 2**30), ("1048576B", 2**20), ("10K", 10 * 2**10), ("500M", 500 * 2**20),
    ("500MB", 500 * 2**20), ("2GiB", 2 * 2**30), ("2 gib", 2 * 2**30), ("1.5G", int(1.5 * 2**30)), ("1T", 2**40),
    (" 2GiB ", 2 * 2**30), ("5%", TOTAL // 20), ("5 %", TOTAL // 20), ("0.5%", TOTAL // 200), ("100%", TOTAL),
])
def test_a_reserve_is_bytes_a_size_or_a_percentage(text: str, reserve: int) -> None:
    assert parse_reserve(text, TOTAL) == reserve


@pytest.mark.parametrize("text", [
    "", " ", "%", "GiB", "-5%", "-1", "5%%", "5 PB", "five", "1,5G", "1.G", ".5G", "2 G iB", "5% of it", "1e9", "0x10",
    "None",
])
def test_a_reserve_that_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_reserve(text, TOTAL)
    assert (refused.value.key, refused.value.facts) == ("reserve_unreadable", {"reserve": text})


def wanted(reserve: str) -> Wanted:
    return Wanted(True, (), "custom", reserve, 60, 2**30)


def test_a_backup_that_would_eat_into_the_reserve_is_refused(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(Refusal) as refused:
        require_space(str(tmp_path), wanted("1M"), free)
    assert refused.value.key == "disk_too_small"
    assert (refused.value.facts["expected"], refused.value.facts["reserve"]) == (free, 2**20)
    with pytest.raises(Refusal):
        require_space(str(tmp_path), wanted("100%"), 0)


def test_space_is_measured_where_the_directory_is_going_to_be(tmp_path: Path) -> None:
    assert require_space(str(tmp_path / "not" / "there" / "yet"), wanted("1M"), 0) == 2**20
    assert not (tmp_path / "not").exists()


@pytest.mark.parametrize(("said", "server", "good"), [
    ("pg_dump (PostgreSQL) 16.4", 160002, True), ("pg_dump (PostgreSQL) 18.1 (Debian 18.1-1)", 160002, True),
    ("pg_dump (PostgreSQL) 15.4", 160002, False), ("pg_dump (PostgreSQL) 17beta1", 170000, True),
    ("something else", 160002, False), ("", 140000, False),
])
def test_a_client_older_than_the_server_is_refused(tmp_path: Path, said: str, server: int, good: bool) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(f"#!/bin/sh\necho {shlex.quote(said)}\n")
    program.chmod(0o755)
    if good:
        assert require_client(HostRuntime(str(tmp_path)), server) == said
        return
    with pytest.raises(Refusal) as refused:
        require_client(HostRuntime(str(tmp_path)), server)
    assert refused.value.facts == {"client": said, "server": server // 10000}


def backup(backups: Path, name: str, database: str = "recyclic", scopes: tuple[str, ...] = ("database",)
           ) -> dict[str, Any]:
    """A finished backup with real files; the content does not matter here."""
    directory = backups / name
    directory.mkdir(parents=True)
    files = []
    for scope in scopes:
        (directory / f"{scope}.dump").write_bytes(b"the dump")
        files.append({"name": f"{scope}.dump", "scope": scope, "tables": [], "bytes": 8,
                      "sha256": hashlib.sha256(b"the dump").hexdigest()})
    manifest = {"backup_id": name, "path": str(directory), "database": database, "files": files}
    write_json(str(directory / "backup.json"), manifest)
    return manifest


def test_an_undamaged_backup_is_found_so_at_both_depths(tmp_path: Path) -> None:
    manifest = backup(tmp_path, "one", scopes=("database", "tables"))
    assert damage(manifest) is None and damage(manifest, deep=True) is None


@pytest.mark.parametrize(("harm", "shallow", "deep"), [
    (lambda path: path.unlink(), "missing", "missing"),
    (lambda path: path.write_bytes(b""), "0 bytes, not 8", "0 bytes, not 8"),
    (lambda path: path.write_bytes(b"the dumb"), None, "sha256 differs"),
], ids=["missing", "emptied", "one byte"])
def test_damage_is_named_with_its_file(tmp_path: Path, harm: Callable[[Path], Any], shallow: str | None, deep: str
                                       ) -> None:
    manifest = backup(tmp_path, "one", scopes=("database", "tables"))
    path = tmp_path / "one" / "tables.dump"
    harm(path)
    assert damage(manifest) == (shallow and f"{path}: {shallow}")
    assert damage(manifest, deep=True) == f"{path}: {deep}"


def test_the_newest_good_backup_is_whole_undamaged_and_of_this_database(tmp_path: Path) -> None:
    backup(tmp_path, "20260101T000000Z-000001-recyclic")
    wished = backup(tmp_path, "20260102T000000Z-000002-recyclic", scopes=("database", "tables"))
    backup(tmp_path, "20260103T000000Z-000003-recyclic", scopes=("tables",))
    backup(tmp_path, "20260104T000000Z-000004-other", database="other")
    backup(tmp_path, "20260105T000000Z-000005-recyclic")
    (tmp_path / "20260105T000000Z-000005-recyclic" / "database.dump").write_bytes(b"")
    backup(tmp_path, "20260106T000000Z-000006-recyclic")
    (tmp_path / "20260106T000000Z-000006-recyclic" / "backup.json").write_text('{"cut sho')
    (tmp_path / "20260107T000000Z-000007-recyclic").mkdir()
    backup(tmp_path, ".incomplete-20260108T000000Z-000008-recyclic")
    assert newest_good(str(tmp_path), "recyclic") == wished


def test_a_stray_file_among_the_backups_is_passed_over(tmp_path: Path) -> None:
    wished = backup(tmp_path, "20260102T000000Z-000002-recyclic")
    (tmp_path / "notes.txt").write_text("an operator's")
    assert newest_good(str(tmp_path), "recyclic") == wished


def test_where_there_is_no_backup_there_is_no_good_one(tmp_path: Path) -> None:
    assert newest_good(str(tmp_path), "recyclic") is None
    assert newest_good(str(tmp_path / "absent"), "recyclic") is None


def test_what_was_cut_off_is_swept_and_what_is_at_work_is_not(tmp_path: Path, start: Callable[..., Any]) -> None:
    process = start("sleep", "60")
    mark = process_mark(process.pid)
    if not mark:
        pytest.skip("no /proc to tell processes apart by")
    owners = {".incomplete-at-work": {"pid": process.pid, "mark": mark},
              ".incomplete-gone": {"pid": process.pid, "mark": "of an earlier process"},
              ".incomplete-unmarked": {"pid": process.pid, "mark": ""}}
    for name, owner in owners.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "database.dump.incomplete").write_bytes(b"half")
        write_json(str(tmp_path / name / "owner.json"), owner)
    (tmp_path / ".incomplete-nobodys").mkdir()
    os.utime(tmp_path / ".incomplete-nobodys", (0, 0))
    # Between its first two system calls a backup of another database has not said yet whose it is.
    (tmp_path / ".incomplete-newborn").mkdir()
    backup(tmp_path, "20260102T000000Z-000002-recyclic")
    assert sweep_incomplete(str(tmp_path)) == [".incomplete-gone", ".incomplete-nobodys", ".incomplete-unmarked"]
    (tmp_path / ".incomplete-newborn").rmdir()
    assert sorted(os.listdir(tmp_path)) == [".incomplete-at-work", "20260102T000000Z-000002-recyclic"]
    process.kill()
    process.wait()
    assert sweep_incomplete(str(tmp_path)) == [".incomplete-at-work"]
    assert sweep_incomplete(str(tmp_path / "absent")) == []
