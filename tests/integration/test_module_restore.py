# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""restore_beside: whatever somebody calls a backup, loaded beside the live database, or told for what it is."""
from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    Answer,
    Database,
    Started,
    clean_environment,
    common_args,
    files_with,
    run_module,
    wait_for,
)
from psycopg2.sql import SQL, Identifier, Literal

UNVERIFIED = {"accept": ["unverified-backup"]}
RUN = "20260301T031500Z-a1b2c3"


def options(database: Database, state_dir: Path, **more: Any) -> dict[str, Any]:
    return {**common_args(database), "disk_reserve": "1MiB", "state_dir": str(state_dir), **more}


def beside(database: Database, state_dir: Path, **more: Any) -> Answer:
    return run_module("restore_beside", **options(database, state_dir, **more))


def backup(database: Database, state_dir: Path, **more: Any) -> dict[str, Any]:
    """A backup of ours; its manifest."""
    taken = run_module("pg_backup", **common_args(database), disk_reserve="1MiB", backups=str(state_dir / "backups"),
                       **more)
    assert "backup" in taken, taken
    manifest: dict[str, Any] = taken["backup"]
    return manifest


def by_hand(database: Database, *words: str, program: str = "pg_dump") -> bytes:
    """What pg_dump says to an operator who types it, in the container where there is one."""
    if database.composed:
        argv = database.server.argv("exec", "-T", "postgres", program, "-U", database.server.superuser, *words)
        environment = dict(os.environ)
    else:
        argv = [str(database.server.bin_dir / program), *words]
        environment = clean_environment(PGHOST=database.server.host, PGPORT=str(database.server.port),
                                        PGUSER=database.server.superuser, PGPASSWORD=database.server.password)
    done = subprocess.run(argv, env=environment, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def plain(database: Database, *words: str) -> bytes:
    return by_hand(database, "-d", database.name, *words)


def databases(database: Database) -> set[str]:
    """The databases there are of this one's role, and those marked as ours, besides itself."""
    query = SQL("SELECT datname FROM pg_database WHERE datname <> {0} AND (pg_get_userbyid(datdba) = {1}"
                " OR starts_with(datname, {0}))").format(Literal(database.name), Literal(database.user))
    return {name for (name,) in database.rows(query, superuser=True, name="postgres")}


def mark_of(database: Database, name: str) -> dict[str, Any]:
    query = SQL("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = {}").format(
        Literal(name))
    found: dict[str, Any] = json.loads(database.value(query, superuser=True, name="postgres"))["recyclic.rollback"]
    return found


def left_nothing(database: Database, before: str) -> None:
    assert databases(database) == set()
    assert database.dump() == before
    assert database.processes() == []
    assert database.one_shots() == []
    assert database.sessions() == []


# Our own backups


@pytest.mark.both_runtimes
@pytest.mark.parametrize("kind", ["custom", "plain"])
def test_a_backup_of_ours_is_loaded_and_compared(database: Database, state_dir: Path, kind: str) -> None:
    manifest = backup(database, state_dir, format=kind)
    then = database.dump()
    database.rows("DELETE FROM sale_items; UPDATE users SET username = 'another' || id")
    now = database.dump()

    answer = beside(database, state_dir, heads=[MIGRATION])

    assert answer.get("changed") is True, answer
    assert database.dump() == now
    assert database.dump(answer["database"]) == then
    assert databases(database) == {answer["database"]}
    assert (answer["heads"], answer["compared"]) == ([MIGRATION], True)
    assert answer["source"]["manifest"] == manifest["path"] + "/backup.json"
    assert {name: table["rows"] for name, table in answer["tables"].items()} == {
        name: table["rows"] for name, table in manifest["tables"].items()}
    mark = mark_of(database, answer["database"])
    assert (mark["kind"], mark["of"], mark["heads"], mark["proved"]) == ("beside", database.name, [MIGRATION], True)
    assert json.loads((Path(manifest["path"]) / "backup.json").read_text())["restored_and_compared"] is True
    assert any("CREATE DATABASE" in line for line in answer["executed_commands"])
    assert not files_with(database.spelled_password(), state_dir)


def test_within_a_run_it_is_loaded_once(database: Database, state_dir: Path) -> None:
    backup(database, state_dir)
    run_dir = state_dir / "runs" / RUN
    run_dir.mkdir(parents=True)

    first = beside(database, state_dir, run_dir=str(run_dir))
    again = beside(database, state_dir, run_dir=str(run_dir))

    assert (first["changed"], again["changed"]) == (True, False), again
    assert again["database"] == first["database"] and RUN in first["database"]
    assert databases(database) == {first["database"]}
    [begun] = [line for line in (run_dir / "journal.jsonl").read_text().splitlines() if '"begun"' in line]
    assert json.loads(begun)["acts"] is False
    # Another backup in the same run takes its place.
    (state_dir / "other.sql").write_bytes(plain(database))
    other = beside(database, state_dir, run_dir=str(run_dir), backup=str(state_dir / "other.sql"), **UNVERIFIED)
    assert other.get("changed") is True, other
    assert databases(database) == {other["database"]}


@pytest.mark.parametrize("named", ["path", "file", "id", "run", "latest"])
def test_the_ways_to_name_a_backup(database: Database, state_dir: Path, named: str) -> None:
    manifest = backup(database, state_dir)
    run_dir = state_dir / "runs" / RUN
    run_dir.mkdir(parents=True)
    (run_dir / "backup.json").write_text(json.dumps(manifest))
    wanted = {"path": manifest["path"], "file": f"{manifest['path']}/database.dump", "id": manifest["backup_id"],
              "run": RUN, "latest": "latest"}[named]

    answer = run_module("restore_beside", check=True, **options(database, state_dir, backup=wanted))

    assert answer["source"]["path"] == f"{manifest['path']}/database.dump"
    assert databases(database) == set()


def test_a_backup_at_other_revisions_is_refused_before_it_is_loaded(database: Database, state_dir: Path) -> None:
    backup(database, state_dir)

    answer = beside(database, state_dir, heads=["9a2b3c4d5e6f"])

    assert (answer["problem"], answer["outcome"]) == ("source_heads", "refused")
    assert MIGRATION in answer["msg"] and "9a2b3c4d5e6f" in answer["msg"]
    assert databases(database) == set()


def test_a_backup_of_another_database_needs_the_operators_word(make_database: Callable[..., Database],
                                                               state_dir: Path) -> None:
    one, other = make_database("guide", "migration"), make_database("guide", "migration")
    other.rows(SQL("GRANT {} TO {}").format(Identifier(one.user), Identifier(other.user)), superuser=True)
    path = backup(one, state_dir)["path"]

    answer = beside(other, state_dir, backup=path)

    assert answer["problem"] == "source_of_another"
    assert answer["facts"]["id"] == f"other-database:{one.name}"
    assert beside(other, state_dir, backup=path, accept=[answer["facts"]["id"]]).get("changed") is True


def test_what_is_loaded_must_be_what_the_manifest_tells(database: Database, state_dir: Path) -> None:
    path = Path(backup(database, state_dir)["path"]) / "backup.json"
    told = json.loads(path.read_text())
    told["tables"]["public.categories"]["rows"] += 1
    path.write_text(json.dumps(told))
    before = database.dump()

    answer = beside(database, state_dir)

    assert answer["problem"] == "beside_differs" and "categories" in answer["msg"]
    left_nothing(database, before)


@pytest.mark.parametrize("runtime", ["compose"], indirect=True, scope="session")
@pytest.mark.parametrize("kind", ["custom", "plain"])
def test_client_programs_newer_than_the_server(database: Database, state_dir: Path, kind: str) -> None:
    """They write settings that the server does not know; here they are the machine's own, beside the container."""
    host = {"login_db": database.name, "login_user": database.user, "login_password": database.password,
            "login_host": database.server.host, "pg_bin_dir": str(database.server.bin_dir), "disk_reserve": "1MiB"}
    run_module("pg_backup", **host, backups=str(state_dir / "backups"), format=kind)
    before = database.dump()

    answer = run_module("restore_beside", **host, state_dir=str(state_dir))

    assert answer.get("compared") is True, answer
    assert database.dump(answer["database"]) == before


# Dumps that somebody else made


def crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


FOREIGN: dict[str, tuple[str, tuple[str, ...], Callable[[bytes], bytes]]] = {
    "plain": ("backup.sql", (), bytes),
    "custom": ("backup.dump", ("-Fc",), bytes),
    "tar": ("backup.tar", ("-Ft",), bytes),
    "gzip": ("backup.sql.gz", (), gzip.compress),
    "bzip2-custom": ("backup.dump.bz2", ("-Fc",), bz2.compress),
    "xz-tar": ("backup.tar.xz", ("-Ft",), lzma.compress),
    "crlf": ("backup.sql", (), crlf),
    "crlf-gzip": ("backup.sql.gz", (), lambda content: gzip.compress(crlf(content))),
    "clean": ("backup.sql", ("--clean",), bytes),
    "clean-if-exists": ("backup.sql", ("--clean", "--if-exists"), bytes),
    "inserts": ("backup.sql", ("--inserts",), bytes),
    "column-inserts": ("backup.sql", ("--column-inserts", "--rows-per-insert=50"), bytes),
}


@pytest.mark.both_runtimes("plain", "xz-tar", "crlf-gzip", "custom")
@pytest.mark.parametrize("form", FOREIGN)
def test_an_ordinary_dump_is_loaded(database: Database, state_dir: Path, tmp_path: Path, form: str) -> None:
    # Text that would be torn by reading lines wrongly.
    database.rows("CREATE TABLE notes (id int PRIMARY KEY, body text, raw bytea);"
                  r" INSERT INTO notes VALUES (1, E'a\\\\.\n\\\\.\nb\tc\\\\', '\x0d0a5c'),"
                  r" (2, 'it''s; -- $$ \! /*', NULL);"
                  " CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS $f$ SELECT n * 2 -- \\! 'x\n$f$")
    name, words, change = FOREIGN[form]
    path = tmp_path / name
    path.write_bytes(change(plain(database, *words)))
    before = database.dump()

    refused = beside(database, state_dir, backup=str(path))
    assert refused["problem"] == "source_unverified" and "rollback_accept=unverified-backup" in refused["msg"]
    answer = beside(database, state_dir, backup=str(path), heads=[MIGRATION], **UNVERIFIED)

    assert answer.get("changed") is True, answer
    assert database.dump() == before
    assert database.dump(answer["database"]) == before
    assert (answer["heads"], answer["compared"], answer["source"]["manifest"]) == ([MIGRATION], False, None)
    assert answer["tables"]["public.notes"]["fingerprint"]


@pytest.mark.both_runtimes
def test_a_directory_dump_is_loaded(database: Database, state_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "backup.dir"
    if database.composed:
        database.server.compose("exec", "-T", "postgres", "sh", "-c", 'rm -rf /tmp/dumped; pg_dump -U "$1" -d "$2" -Fd '
                                "-f /tmp/dumped", "sh", database.server.superuser, database.name)
        database.server.compose("cp", "postgres:/tmp/dumped", str(path))
    else:
        plain(database, "-Fd", "-f", str(path))
    before = database.dump()

    answer = beside(database, state_dir, backup=str(path), **UNVERIFIED)

    assert answer.get("changed") is True, answer
    assert database.dump(answer["database"]) == before
    assert answer["source"]["kind"] == "directory"
    if database.composed:
        assert "recyclic-rollback" not in database.server.compose("exec", "-T", "postgres", "ls", "/tmp")


def test_a_dump_at_other_revisions_is_dropped_again(database: Database, state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_bytes(plain(database))
    before = database.dump()

    answer = beside(database, state_dir, backup=str(tmp_path / "b.sql"), heads=["9a2b3c4d5e6f"], **UNVERIFIED)

    assert answer["problem"] == "source_heads" and MIGRATION in answer["msg"]
    left_nothing(database, before)


def test_a_dump_that_lacks_tables_of_the_same_revision(database: Database, state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_bytes(plain(database, "-t", "categories", "-t", "alembic_version"))
    before = database.dump()

    answer = beside(database, state_dir, backup=str(tmp_path / "b.sql"), **UNVERIFIED)

    assert answer["problem"] == "beside_lacks_tables" and "public.users" in answer["msg"]
    left_nothing(database, before)


def test_owners_that_are_not_here(database: Database, state_dir: Path, tmp_path: Path) -> None:
    content = plain(database, "-Fc")
    text = plain(database)
    (tmp_path / "b.dump").write_bytes(content)
    (tmp_path / "b.sql").write_bytes(text.replace(database.user.encode(), b"nobody-here"))
    database.rows("CREATE ROLE gone_tomorrow; GRANT SELECT ON users TO gone_tomorrow", superuser=True)
    try:
        (tmp_path / "c.dump").write_bytes(plain(database, "-Fc"))
    finally:
        database.rows("DROP OWNED BY gone_tomorrow; DROP ROLE gone_tomorrow", superuser=True)
    before = database.dump()

    for name in ("b.sql", "c.dump"):
        answer = beside(database, state_dir, backup=str(tmp_path / name), **UNVERIFIED)
        assert answer["problem"] == "source_roles", answer
        assert ("nobody-here" if name == "b.sql" else "gone_tomorrow") in answer["msg"]
    assert beside(database, state_dir, backup=str(tmp_path / "b.sql"), no_owner=True, **UNVERIFIED)["problem"] == (
        "source_plain_owners")
    left_nothing(database, before)
    loaded = beside(database, state_dir, backup=str(tmp_path / "c.dump"), no_owner=True, **UNVERIFIED)
    assert loaded.get("changed") is True, loaded
    assert database.dump(loaded["database"]) == before


def test_owners_one_is_no_member_of(make_database: Callable[..., Database], state_dir: Path, tmp_path: Path) -> None:
    one, other = make_database("guide", "migration"), make_database("guide", "migration")
    (tmp_path / "b.sql").write_bytes(plain(one))

    answer = beside(other, state_dir, backup=str(tmp_path / "b.sql"), **UNVERIFIED)

    assert answer["problem"] == "source_not_member" and one.user in answer["msg"]


# What is no backup


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def named(content: bytes, before: bytes, line: bytes) -> bytes:
    """With a line of one's own before the one that begins so."""
    return content.replace(b"\n" + before, b"\n" + line + b"\n" + before, 1)


REFUSED: dict[str, tuple[str, tuple[str, ...], Callable[[bytes], bytes]]] = {
    "empty": ("source_empty", (), lambda _content: b""),
    "packed-empty": ("source_empty", (), lambda _content: gzip.compress(b"")),
    "cut": ("source_truncated", (), cut),
    "cut-gzip": ("source_truncated", (), lambda content: cut(gzip.compress(content))),
    "cut-custom": ("source_truncated", ("-Fc",), lambda content: content[:-400]),
    "cut-tar": ("source_truncated", ("-Ft",), cut),
    "torn-custom": ("source_truncated", ("-Fc",), crlf),
    "letter": ("source_foreign", (), lambda _content: b"Dear all,\n\nhere is the backup.\n"),
    "other-sql": ("source_foreign", (), lambda _content: b"-- MySQL dump\nCREATE TABLE x (a int);\n"),
    "zip": ("source_foreign", (), lambda _content: b"PK\x03\x04\n" + bytes(600)),
    "cluster": ("source_cluster", ("cluster",), bytes),
    "create": ("source_creates", ("--create",), bytes),
    "zstd": ("source_packed", (), lambda _content: b"\x28\xb5\x2f\xfd" + bytes(40)),
    "utf16": ("source_utf16", (), lambda content: crlf(content).decode().encode("utf-16")),
    "schema": ("source_no_rows", ("--schema-only",), bytes),
    "schema-custom": ("source_no_rows", ("--schema-only", "-Fc"), bytes),
    "rows": ("source_no_tables", ("--data-only",), bytes),
    "one-table": ("source_tables_only", ("-t", "categories"), bytes),
    "newer": ("source_newer", (), lambda content: content.replace(
        b"-- Dumped from database version ", b"-- Dumped from database version 9")),
    "shell": ("source_command", (), lambda content: named(content, b"CREATE TABLE", b"\\! touch /tmp/was-here")),
    "shell-behind": ("source_command", (), lambda content: named(content, b"CREATE TABLE", b"SELECT 1 \\! id")),
    "copy-from-file": ("source_command", (), lambda content: named(content, b"CREATE TABLE",
                                                                   b"\\copy users from '/etc/passwd'")),
    "include": ("source_command", (), lambda content: named(content, b"CREATE TABLE", b"  \\i /etc/passwd")),
    "connect": ("source_creates", (), lambda content: named(content, b"CREATE TABLE", b"\\connect other")),
    "atomic": ("source_command", (), lambda content: named(
        content, b"CREATE TABLE", b"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\n"
                                  b"COPY public.users (id) FROM stdin;\n\\! id\n\\.")),
    "extension": ("source_extensions", (), lambda content: named(
        content, b"CREATE TABLE", b"CREATE EXTENSION IF NOT EXISTS no_such_thing WITH SCHEMA public;")),
    "superuser": ("source_extensions_superuser", (), lambda content: named(
        content, b"CREATE TABLE", b"CREATE EXTENSION IF NOT EXISTS file_fdw WITH SCHEMA public;")),
    "wrong": ("beside_not_loaded", (), lambda content: named(content, b"CREATE TABLE", b"SELECT no_such_thing();")),
}


@pytest.mark.both_runtimes("cut-custom", "wrong", "shell-behind")
@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_backup_is_told_and_nothing_done(database: Database, state_dir: Path, tmp_path: Path, form: str
                                                    ) -> None:
    key, words, change = REFUSED[form]
    content = by_hand(database, program="pg_dumpall") if words == ("cluster",) else plain(database, *words)
    path = tmp_path / "backup"
    path.write_bytes(change(content))
    before = database.dump()

    answer = beside(database, state_dir, backup=str(path), **UNVERIFIED)

    assert (answer.get("problem"), answer.get("outcome")) == (key, "refused"), answer
    assert str(path) in answer["msg"]
    if "line" in answer["facts"]:
        line = path.read_bytes().splitlines()[answer["facts"]["line"] - 1]
        assert b"\\" in line or line.startswith(b"CREATE DATABASE")
    left_nothing(database, before)
    assert not Path("/tmp/was-here").exists()


@pytest.mark.parametrize(("harm", "key"), [
    ("bytes", "source_damaged"), ("gone", "source_damaged"), ("incomplete", "source_incomplete"),
    ("absent", "source_absent")])
def test_a_damaged_backup_of_ours(database: Database, state_dir: Path, harm: str, key: str) -> None:
    path = Path(backup(database, state_dir)["path"])
    dump = path / "database.dump"
    if harm == "bytes":
        content = bytearray(dump.read_bytes())
        content[len(content) // 2] ^= 0xFF
        dump.write_bytes(content)
    elif harm == "gone":
        dump.unlink()
    elif harm == "incomplete":
        path = path.rename(path.with_name(".incomplete-" + path.name))
    else:
        shutil.rmtree(path)

    answer = beside(database, state_dir, backup=str(path))

    assert answer["problem"] == key, answer
    assert databases(database) == set()


def test_there_is_no_backup_at_all(database: Database, state_dir: Path) -> None:
    assert beside(database, state_dir)["problem"] == "source_no_latest"
    assert beside(database, state_dir, backup="20260301T031500Z-nothere")["problem"] == "source_absent"


@pytest.mark.both_runtimes
def test_a_disk_too_small_is_told_before(make_database: Callable[..., Database], state_dir: Path) -> None:
    database = make_database("guide", "migration")
    backup(database, state_dir)
    before = database.dump()
    # The data directory's place is told to those who may know it.
    database.rows(SQL("GRANT pg_read_all_settings TO {}").format(Identifier(database.user)), superuser=True)

    answer = beside(database, state_dir, disk_reserve="100%")

    assert answer["problem"] == "beside_disk_small", answer
    left_nothing(database, before)


def test_a_disk_that_cannot_be_seen_is_told(database: Database, state_dir: Path) -> None:
    backup(database, state_dir)
    answer = beside(database, state_dir, disk_reserve="100%")
    assert answer.get("changed") is True, answer
    assert len(answer["notes"]) == 1


# Cut off


def slow(database: Database, path: Path) -> Path:
    """A dump that takes its time on the server."""
    path.write_bytes(named(plain(database), b"CREATE TABLE", b"SELECT pg_sleep(600);"))
    return path


def begin(database: Database, state_dir: Path, start: Callable[..., Started], path: Path) -> Started:
    """A module that is loading by now."""
    run_dir = state_dir / "runs" / RUN
    run_dir.mkdir(parents=True)
    started = start("restore_beside", **options(database, state_dir, backup=str(path), run_dir=str(run_dir),
                                                **UNVERIFIED))
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'"
    wait_for(lambda: database.rows(query, superuser=True, name="postgres"), "the load to be at work")
    return started


@pytest.mark.both_runtimes
def test_an_interrupted_load_leaves_nothing(database: Database, state_dir: Path, tmp_path: Path,
                                            start_module: Callable[..., Started]) -> None:
    path, before = slow(database, tmp_path / "slow.sql"), database.dump()
    started = begin(database, state_dir, start_module, path)

    started.kill(signal.SIGTERM)

    assert started.answer()["problem"] == "interrupted"
    left_nothing(database, before)


@pytest.mark.both_runtimes
def test_what_a_killed_load_left_goes_with_the_next(database: Database, state_dir: Path, tmp_path: Path,
                                                    start_module: Callable[..., Started]) -> None:
    path, before = slow(database, tmp_path / "slow.sql"), database.dump()
    begin(database, state_dir, start_module, path).kill()
    wait_for(lambda: databases(database), "the database it left")
    (tmp_path / "good.sql").write_bytes(plain(database))

    answer = beside(database, state_dir, backup=str(tmp_path / "good.sql"), run_dir=str(state_dir / "runs" / RUN),
                    **UNVERIFIED)

    assert answer.get("changed") is True, answer
    assert databases(database) == {answer["database"]}
    assert database.dump(answer["database"]) == before == database.dump()


def test_a_load_that_takes_too_long_is_ended(database: Database, state_dir: Path, tmp_path: Path) -> None:
    path, before = slow(database, tmp_path / "slow.sql"), database.dump()

    answer = beside(database, state_dir, backup=str(path), timeout=2, **UNVERIFIED)

    assert answer["problem"] == "beside_not_loaded" and "timeout" in answer["msg"]
    left_nothing(database, before)


def test_check_mode_loads_nothing(database: Database, state_dir: Path) -> None:
    backup(database, state_dir)
    answer = run_module("restore_beside", check=True, **options(database, state_dir))
    assert answer["changed"] is True
    assert databases(database) == set()
