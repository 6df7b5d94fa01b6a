# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""pg_backup: a backup that says what is in it, restores by its own text, or is not there at all."""
from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    NOWHERE,
    Answer,
    Database,
    Started,
    clean_environment,
    common_args,
    files_with,
    make_programs,
    run_module,
    spellings,
    tree,
    wait_for,
)
from psycopg2.sql import SQL, Identifier

RESERVE = {"disk_reserve": "1MiB"}


@pytest.fixture
def backups(state_dir: Path) -> Path:
    return state_dir / "backups"


def options(database: Database, backups: Path, **more: Any) -> dict[str, Any]:
    return {**common_args(database), **RESERVE, "backups": str(backups), **more}


def take(database: Database, backups: Path, **more: Any) -> dict[str, Any]:
    """Take a backup, which has to succeed; returns its manifest."""
    taken = run_module("pg_backup", **options(database, backups, **more))
    assert taken.get("changed") is True, taken
    manifest: dict[str, Any] = taken["backup"]
    return manifest


def truth(database: Database, name: str | None = None) -> dict[str, tuple[int, str]]:
    """Rows and fingerprint of every table, measured by itself."""
    found = run_module("table_count", **{**common_args(database), "login_db": name or database.name}, everything=True)
    return {table: (measured["rows"], measured["fingerprint"]) for table, measured in found["tables"].items()}


def told(manifest: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {table: (measured["rows"], measured["fingerprint"]) for table, measured in manifest["tables"].items()}


def pgpass(database: Database, tmp_path: Path) -> str:
    """A file as an operator has it."""
    path = tmp_path / "pgpass"
    escaped = database.password.replace("\\", "\\\\").replace(":", "\\:")
    path.write_text(f"*:*:*:*:{escaped}\n")
    path.chmod(0o600)
    return str(path)


def sh(database: Database, tmp_path: Path, script: Path) -> subprocess.CompletedProcess[str]:
    """Run a RESTORE.txt as its first lines say, to the end."""
    path = f"{database.server.bin_dir}{os.pathsep}{os.environ['PATH']}"
    login = {"PGPASSWORD": database.password} if database.composed else {"PGPASSFILE": pgpass(database, tmp_path)}
    return subprocess.run(["sh", str(script)], capture_output=True, text=True, check=False, cwd="/",
                          env=clean_environment(PATH=path, SWAP="yes", **login))


@contextmanager
def another_thread(act: Callable[[], Any]) -> Iterator[None]:
    """Something done over and over beside the test."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            act()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def left_nothing(database: Database, backups: Path) -> None:
    assert tree(backups) == {}
    assert database.one_shots() == []
    assert database.processes() == []
    assert database.sessions() == []


# What a backup is


@pytest.mark.both_runtimes
@pytest.mark.parametrize(("kind", "suffix"), [("custom", "dump"), ("plain", "sql")])
def test_the_manifest_is_true(database: Database, backups: Path, kind: str, suffix: str) -> None:
    manifest = take(database, backups, format=kind, tables=["categories", "public.users"])

    place = Path(manifest["path"])
    assert place.parent == backups
    assert sorted(path.name for path in place.iterdir()) == sorted(
        ["backup.json", "SHA256SUMS", "RESTORE.txt", f"database.{suffix}", f"tables.{suffix}"])
    assert json.loads((place / "backup.json").read_text()) == manifest
    for entry in manifest["files"]:
        content = (place / entry["name"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=place, check=False,
                          capture_output=True).returncode == 0
    assert [(entry["scope"], entry["tables"]) for entry in manifest["files"]] == [
        ("database", []), ("tables", ["public.categories", "public.users"])]
    assert told(manifest) == truth(database)
    assert manifest["tables"]["public.sales"]["rows"] == database.count("sales") == 2000
    assert (manifest["heads"], manifest["database"], manifest["format"]) == ([MIGRATION], database.name, kind)
    assert (manifest["verified"], manifest["restored_and_compared"]) == (True, False)
    assert manifest["server"]["owner"] == database.user
    # Only the named tables are in their file.
    if kind == "custom":
        listed = subprocess.run([database.server.bin_dir / "pg_restore", "--list", place / "tables.dump"], text=True,
                                check=True, capture_output=True, env=clean_environment()).stdout
        assert [line.split()[6] for line in listed.splitlines() if " TABLE DATA " in line] == ["categories", "users"]


def test_modes(database: Database, backups: Path) -> None:
    manifest = take(database, backups)
    place = Path(manifest["path"])
    assert [path.stat().st_mode & 0o777 for path in (backups, place)] == [0o700, 0o700]
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_two_backups_stand_beside_each_other(database: Database, backups: Path) -> None:
    first = take(database, backups)
    before = tree(Path(first["path"]))
    database.rows("DELETE FROM categories")
    second = take(database, backups)
    assert first["path"] != second["path"]
    assert sorted(path.name for path in backups.iterdir()) == sorted(Path(one["path"]).name for one in (first, second))
    assert tree(Path(first["path"])) == before
    assert (first["tables"]["public.categories"]["rows"], second["tables"]["public.categories"]["rows"]) == (17, 0)


def test_backups_at_once_do_not_touch_each_other(database: Database, backups: Path, start_module: Callable[..., Started]
                                                 ) -> None:
    started = [start_module("pg_backup", **options(database, backups)) for _number in range(5)]
    answers = [module.answer() for module in started]
    assert [answer.get("msg") for answer in answers] == [None] * 5
    assert [answer["swept"] for answer in answers] == [[]] * 5
    names = [answer["backup"]["backup_id"] for answer in answers]
    assert sorted(path.name for path in backups.iterdir()) == sorted(names)


def test_a_backup_just_begun_is_not_swept_by_another(database: Database, backups: Path) -> None:
    from ansible_collections.recyclic.rollback.plugins.module_utils._backup import sweep_incomplete

    swept: list[str] = []
    with another_thread(lambda: swept.extend(sweep_incomplete(str(backups)))):
        taken = run_module("pg_backup", **options(database, backups))
    assert swept == []
    assert taken.get("msg") is None
    assert Path(taken["backup"]["path"], "backup.json").exists()


@pytest.mark.both_runtimes
def test_tables_alone(database: Database, backups: Path) -> None:
    manifest = take(database, backups, whole=False, tables=["categories"])
    assert [entry["name"] for entry in manifest["files"]] == ["tables.dump"]
    assert "scratch" in (Path(manifest["path"]) / "RESTORE.txt").read_text().lower()


@pytest.mark.both_runtimes
def test_check_mode_takes_nothing(database: Database, backups: Path) -> None:
    shown = run_module("pg_backup", check=True, **options(database, backups))
    assert shown["changed"] is True
    assert not backups.parent.exists()
    refused = run_module("pg_backup", check=True, **options(database, backups, disk_reserve="100%"))
    assert refused["problem"] == "disk_too_small"
    assert not backups.parent.exists()


@pytest.mark.both_runtimes
def test_the_run_keeps_manifest_and_commands(database: Database, backups: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "20260101T000000Z-abcdef"
    run_dir.mkdir()
    manifest = take(database, backups, run_dir=str(run_dir))
    assert json.loads((run_dir / "backup.json").read_text()) == manifest
    begun, ended = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert (begun["step"], begun["acts"], ended["result"]) == ("backup", False, "ok")
    assert len(ended["commands"]) == 1
    assert "pg_dump" in ended["commands"][0]
    assert files_with(database.spelled_password(), backups, run_dir) == []


# One snapshot


PARTS = 'if [ "$1" = --version ]; then exec "$REAL" "$@"; fi\n'
SLOW = PARTS + 'while [ ! -e "{flag}" ]; do sleep 0.05; done\nexec "$REAL" "$@"'


def test_counts_are_of_the_dumps_own_moment(
    database: Database, backups: Path, tmp_path: Path, start_module: Callable[..., Started]
) -> None:
    flag = tmp_path / "go"
    programs = make_programs(tmp_path / "bin", database.server, SLOW.format(flag=flag))
    exact = truth(database)

    module = start_module("pg_backup", **options(database, backups, pg_bin_dir=programs, tables=["categories"]))
    # pg_dump has been started by now, so the snapshot is there; neither it nor the counts may see what follows.
    wait_for(lambda: [pid for pid in database.processes() if pid != module.pid], "pg_dump")
    database.rows("DELETE FROM categories; UPDATE users SET username = 'x' || username;"
                  "INSERT INTO sites SELECT gen_random_uuid(), 'n' || i, 'c' FROM generate_series(1, 100) i")
    flag.touch()
    manifest = module.answer()["backup"]

    assert told(manifest) == exact
    assert database.count("categories") == 0
    done = sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert truth(database) == exact


def test_backups_amid_steady_writing(database: Database, backups: Path, tmp_path: Path) -> None:
    connection = database.connect()
    connection.autocommit = True
    with connection.cursor() as cursor, another_thread(lambda: cursor.execute(
            "INSERT INTO sites VALUES (gen_random_uuid(), gen_random_uuid()::text, 'c');"
            "UPDATE users SET created_at = clock_timestamp() WHERE username = 'user03'")):
        wait_for(lambda: database.count("sites") > 20, "the writer")
        manifest = take(database, backups)
    connection.close()
    assert manifest["tables"]["public.sites"]["rows"] < database.count("sites")
    done = sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert truth(database) == told(manifest)


# RESTORE.txt


@pytest.mark.both_runtimes("custom")
@pytest.mark.parametrize("kind", ["custom", "plain"])
def test_restore_text_restores_into_place(
    make_database: Callable[..., Database], backups: Path, tmp_path: Path, kind: str
) -> None:
    database = make_database("chain", "migration", name=f"It's \"{kind}\" $HOME 100%")
    database.rows(SQL("ALTER DATABASE {0} SET search_path TO \"$user\", public, \"Odd one\";"
                      "ALTER DATABASE {0} SET work_mem TO '7MB'; ALTER DATABASE {0} SET DateStyle TO 'SQL, DMY';"
                      "ALTER DATABASE {0} SET application_name TO 'it''s \"so\"'").format(Identifier(database.name)))
    manifest = take(database, backups, format=kind, tables=["categories"])
    settings = database.rows("SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
                             " WHERE datname = current_database()")
    schema = database.dump()
    # Everything that can go wrong with the live one, its users still connected.
    database.rows("DROP TABLE categories; DELETE FROM sale_items; DELETE FROM alembic_version")
    bystander = database.connect()

    done = sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt")

    bystander.close()
    assert done.returncode == 0, done.stderr
    assert truth(database) == told(manifest)
    assert database.heads() == {MIGRATION}
    assert database.dump() == schema
    assert database.rows("SELECT setconfig FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
                         " WHERE datname = current_database()") == settings
    assert database.value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
                          ) == database.user
    assert database.value("SELECT count(*) FROM sale_items", name=f"{database.name}_replaced") == 0
    # It compared every table on the way.
    text = (Path(manifest["path"]) / "RESTORE.txt").read_text()
    assert text.count('same "$(') == len(manifest["tables"])


def test_a_setting_only_a_superuser_may_give_does_not_stop_the_restore(
    database: Database, backups: Path, tmp_path: Path
) -> None:
    database.rows(f'ALTER DATABASE "{database.name}" SET log_min_duration_statement TO 500', superuser=True)
    manifest = take(database, backups)
    database.rows("DELETE FROM sale_items")
    done = sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert truth(database) == told(manifest)
    assert "log_min_duration_statement" in done.stdout + done.stderr


def test_restore_text_stops_at_a_damaged_file(database: Database, backups: Path, tmp_path: Path) -> None:
    manifest = take(database, backups)
    file = Path(manifest["path"]) / "database.dump"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    dump = database.dump()
    assert sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt").returncode != 0
    assert database.dump() == dump
    assert database.rows("SELECT 1 FROM pg_database WHERE datname = current_database() || '_restored'") == []


def two_rows(database: Database, schema: str, name: str) -> None:
    statement = SQL("CREATE SCHEMA IF NOT EXISTS {0}; CREATE TABLE {0}.{1} AS SELECT generate_series(1, 2) AS i")
    database.rows(statement.format(Identifier(schema), Identifier(name)))


def test_tables_and_schemas_with_odd_names(empty: Database, backups: Path, tmp_path: Path) -> None:
    names = [("public", "with space"), ("public", 'say "hi"'), ("public", "été 漢"), ("public", "UPPER"),
             ("public", "a.b"), ("My schema", "t"), ("public", "it's $HOME `x`")]
    for schema, name in names:
        two_rows(empty, schema, name)
    manifest = take(empty, backups, tables=["with space", 'say "hi"', "My schema.t", "UPPER"])
    assert {table: measured["rows"] for table, measured in manifest["tables"].items()} == {
        f"{schema}.{name}": 2 for schema, name in names}
    empty.rows('DROP TABLE "with space"')
    done = sh(empty, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert truth(empty) == told(manifest)


@pytest.mark.parametrize(("schema", "name"), [("v1.2", "things"), ("public", "two\nlines"), ("public", "100%")],
                         ids=["dot-in-schema", "newline", "percent"])
def test_names_that_look_like_something_else(
    empty: Database, backups: Path, tmp_path: Path, schema: str, name: str
) -> None:
    two_rows(empty, schema, name)
    manifest = take(empty, backups)
    done = sh(empty, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert truth(empty) == told(manifest)


def test_restore_text_keeps_the_collation_provider(
    make_database: Callable[..., Database], backups: Path, tmp_path: Path
) -> None:
    database = make_database("guide", None, options="LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'")
    database.rows("CREATE TABLE things (name text); INSERT INTO things VALUES ('É')")
    query = "SELECT datlocprovider, datlocale, lower('É') FROM pg_database WHERE datname = current_database()"
    before = database.rows(query)
    manifest = take(database, backups)
    done = sh(database, tmp_path, Path(manifest["path"]) / "RESTORE.txt")
    assert done.returncode == 0, done.stderr
    assert database.rows(query) == before


# What goes wrong leaves nothing


DYING = {
    "half-then-1": (PARTS + '"$REAL" "$@" | head -c 20000\nexit 1', "backup_failed"),
    "half-then-killed": (PARTS + '"$REAL" "$@" | head -c 20000\nkill -KILL $$', "backup_failed"),
    "nothing-then-1": (PARTS + "echo 'the disk is on fire' >&2\nexit 1", "backup_failed"),
    "whole-then-1": (PARTS + '"$REAL" "$@"\nexit 1', "backup_failed"),
    "half-then-0": (PARTS + '"$REAL" "$@" | head -c 20000\nexit 0', "backup_not_whole"),
    "nothing-then-0": (PARTS + "exit 0", "backup_not_whole"),
    "all-but-100-bytes": (PARTS + '"$REAL" "$@" | head -c -100\nexit 0', "backup_not_whole"),
    "other-bytes": (PARTS + '"$REAL" "$@" | tr A-M N-Z\nexit 0', "backup_not_whole"),
    "a-table-missing": (PARTS + '"$REAL" "$@" --exclude-table-data=sales\nexit 0', "backup_not_whole"),
}


@pytest.mark.parametrize("kind", ["custom", "plain"])
def test_a_dump_that_is_not_whole_is_not_kept(database: Database, backups: Path, tmp_path: Path, kind: str) -> None:
    earlier = take(database, backups)
    before = tree(backups)
    for case, (script, problem) in DYING.items():
        if (case, kind) == ("a-table-missing", "plain"):
            continue  # of a plain dump only the last line is known
        programs = make_programs(tmp_path / case, database.server, script)
        failed = run_module("pg_backup", **options(database, backups, format=kind, pg_bin_dir=programs))
        if (problem, kind) == ("backup_not_whole", "plain"):
            problem = "backup_cut_short"
        assert failed.get("problem") == problem, case
        assert "database." in failed["msg"]
        assert ("on fire" in failed["msg"]) is (case == "nothing-then-1")
        assert tree(backups) == before, case
    assert [path.name for path in backups.iterdir()] == [Path(earlier["path"]).name]
    assert database.processes() == []
    assert database.sessions() == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """``small_disk(size)``: a file system of its own, of so many bytes; needs root."""
    place = tmp_path / "a small disk"

    def mount(size: str) -> Path:
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", place],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"A FULL DISK IS NOT TESTED HERE, a file system cannot be mounted: {done.stderr.strip()}")
        return place

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", place], check=True)


def dense(database: Database, megabytes: int) -> None:
    """Rows that no compression makes smaller: their dump is larger than the guess."""
    noise = " || ".join(f"sha512((i + 1e7 * {number})::text::bytea)" for number in range(8))
    database.rows(f"CREATE TABLE dense AS SELECT {noise} AS noise FROM generate_series(1, {megabytes} * 2048) i")


@pytest.mark.parametrize(("kind", "size"), [("custom", "3600k"), ("plain", "7600k")])
def test_a_full_disk(database: Database, small_disk: Callable[[str], Path], kind: str, size: str) -> None:
    place = small_disk(size)
    earlier = take(database, place / "backups", disk_reserve="0")
    before = tree(place)
    dense(database, 4)

    failed = run_module("pg_backup", **options(database, place / "backups", disk_reserve="0", format=kind))

    assert failed["problem"] == "backup_failed", failed
    assert "No space left" in failed["msg"]
    assert tree(place) == before
    assert Path(earlier["path"]).exists()


def test_a_full_disk_when_all_but_the_manifest_is_written(database: Database, small_disk: Callable[[str], Path],
                                                          tmp_path: Path) -> None:
    place = small_disk("4m")
    fill = PARTS + f'"$REAL" "$@"\nstatus=$?\ncat /dev/zero > "{place}/other files" 2>/dev/null\nexit $status'
    programs = make_programs(tmp_path / "bin", database.server, fill)
    failed = run_module("pg_backup", **options(database, place / "backups", disk_reserve="0", pg_bin_dir=programs))
    assert failed["problem"] == "backup_failed"
    assert "No space left" in failed["msg"]
    assert tree(place / "backups") == {}


@pytest.mark.parametrize(("reserve", "problem"), [("100%", "disk_too_small"), ("900TiB", "disk_too_small"),
                                                  ("a lot", "reserve_unreadable"), ("-1", "reserve_unreadable"),
                                                  ("5 % of it", "reserve_unreadable")])
def test_the_reserve_is_kept_from_the_start(database: Database, backups: Path, reserve: str, problem: str) -> None:
    refused = run_module("pg_backup", **options(database, backups, disk_reserve=reserve))
    assert (refused["problem"], refused["outcome"]) == (problem, "refused")
    left_nothing(database, backups)


def test_the_reserve_is_kept_on_the_way(database: Database, small_disk: Callable[[str], Path], tmp_path: Path) -> None:
    place = small_disk("20m")
    dense(database, 8)
    # The dump stops for a while where it has already eaten into the reserve.
    script = PARTS + '"$REAL" "$@" | { head -c 6000000; sleep 30; cat; }'
    programs = make_programs(tmp_path / "bin", database.server, script)
    reserve = shutil.disk_usage(place).free - 5_500_000

    failed = run_module("pg_backup", **options(database, place / "backups", disk_reserve=str(reserve),
                                               pg_bin_dir=programs))

    assert failed["problem"] == "backup_disk_reserve", failed
    assert f"reserve of {reserve} bytes" in failed["msg"]
    left_nothing(database, place / "backups")


def test_the_time_limit(database: Database, backups: Path, tmp_path: Path) -> None:
    programs = make_programs(tmp_path / "bin", database.server, SLOW.format(flag=tmp_path / "never"))
    failed = run_module("pg_backup", **options(database, backups, timeout=1, pg_bin_dir=programs))
    left_nothing(database, backups)
    assert failed["problem"] == "backup_timeout"
    assert "timeout" in failed["msg"]


# Ended early


def program(pid: int) -> str:
    """The file a process executes."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name
    except FileNotFoundError:
        return ""


@pytest.fixture
def at_work(
    database: Database, backups: Path, tmp_path: Path, start_module: Callable[..., Started]
) -> Iterator[tuple[Started, Path]]:
    """A backup whose real pg_dump waits for a lock, and the directory its temporary files go to."""
    flag, scratch = tmp_path / "go", tmp_path / "tmp"
    scratch.mkdir()
    if database.composed:
        # The container's own programs, which take their time to start: the lock is had before them. Not earlier still,
        # for then it is met by what is asked of the tables before.
        module = start_module("pg_backup", environment={"TMPDIR": str(scratch)}, **options(database, backups))
        wait_for(lambda: list(backups.glob(".incomplete-*/*.incomplete")), "the file of the dump")
    else:
        programs = make_programs(tmp_path / "bin", database.server, SLOW.format(flag=flag))
        module = start_module("pg_backup", environment={"TMPDIR": str(scratch)},
                              **options(database, backups, pg_bin_dir=programs))
        wait_for(lambda: [pid for pid in database.processes() if pid != module.pid], "pg_dump")
    with database.locked("users"):
        flag.touch()
        wait_for(lambda: database.waiting() and "pg_dump" in map(program, database.processes()), "pg_dump at the lock")
        yield module, scratch


@pytest.mark.both_runtimes("15")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(
    database: Database, backups: Path, at_work: tuple[Started, Path], signum: int
) -> None:
    module, scratch = at_work
    module.kill(signum)
    answer = module.answer(30)
    left_nothing(database, backups)
    assert answer["problem"] == "interrupted"
    assert tree(scratch) == {}


@pytest.mark.both_runtimes
def test_a_server_lost_on_the_way_leaves_nothing(
    database: Database, backups: Path, at_work: tuple[Started, Path]
) -> None:
    module, scratch = at_work
    for pid, _name, _state in database.sessions():
        database.rows(f"SELECT pg_terminate_backend({pid})")
    failed = module.answer(30)
    left_nothing(database, backups)
    assert failed["problem"]
    assert tree(scratch) == {}


@pytest.mark.both_runtimes
def test_killed_the_dump_ends_and_the_next_backup_sweeps(
    database: Database, backups: Path, at_work: tuple[Started, Path], make_database: Callable[..., Database]
) -> None:
    module, _scratch = at_work
    other = make_database("guide", "migration")
    # One that is still at work is left alone.
    busy = os.listdir(backups)
    assert [name.startswith(".incomplete-") for name in busy] == [True]
    earlier = run_module("pg_backup", **options(other, backups))
    assert earlier["swept"] == []
    kept = tree(Path(earlier["backup"]["path"]))

    module.kill(signal.SIGKILL)
    wait_for(lambda: not database.processes(), "the end of pg_dump", 10)
    wait_for(lambda: not database.sessions(), "the end of the sessions", 10)
    module.process.wait()

    assert sorted(os.listdir(backups)) == sorted([*busy, Path(earlier["backup"]["path"]).name])
    later = run_module("pg_backup", **options(other, backups))
    assert later["swept"] == busy
    assert sorted(os.listdir(backups)) == sorted(Path(one["backup"]["path"]).name for one in (earlier, later))
    assert tree(Path(earlier["backup"]["path"])) == kept


@pytest.mark.both_runtimes
def test_killed_no_password_is_left_behind(database: Database, backups: Path, at_work: tuple[Started, Path],
                                           make_database: Callable[..., Database]) -> None:
    module, scratch = at_work
    module.kill(signal.SIGKILL)
    wait_for(lambda: not database.processes(), "the end of pg_dump", 10)
    module.process.wait()
    # What a killed process cannot tidy, the next backup does.
    run_module("pg_backup", environment={"TMPDIR": str(scratch)}, **options(make_database(), backups))
    assert files_with(database.spelled_password(), scratch, backups) == []


# Refused


def refusal(answer: Answer, problem: str) -> None:
    assert (answer.get("problem"), answer.get("outcome")) == (problem, "refused"), answer


@pytest.mark.both_runtimes
def test_wrong_password_and_no_server_are_told_apart(database: Database, backups: Path) -> None:
    wrong = run_module("pg_backup", **options(database, backups, login_password="wrong-password"))
    refusal(wrong, "database_refuses")
    assert database.user in wrong["msg"]
    nobody = run_module("pg_backup", **options(database, backups, **NOWHERE))
    refusal(nobody, "server_unreachable")
    assert ":1" in nobody["msg"]
    left_nothing(database, backups)


def test_an_older_client_is_refused(database: Database, backups: Path, tmp_path: Path) -> None:
    script = 'if [ "$1" = --version ]; then echo "pg_dump (PostgreSQL) 13.9"; exit; fi\nexec "$REAL" "$@"'
    programs = make_programs(tmp_path / "bin", database.server, script)
    for check in (True, False):
        refused = run_module("pg_backup", check=check, **options(database, backups, pg_bin_dir=programs))
        refusal(refused, "client_too_old")
        assert "13.9" in refused["msg"]
    left_nothing(database, backups)


def test_no_client_is_refused(database: Database, backups: Path, tmp_path: Path) -> None:
    refused = run_module("pg_backup", **options(database, backups, pg_bin_dir=str(tmp_path)))
    refusal(refused, "client_program_missing")
    assert str(tmp_path) in refused["msg"]


def test_without_pg_restore_nothing_is_dumped(database: Database, backups: Path, tmp_path: Path) -> None:
    programs = make_programs(tmp_path / "bin", database.server, 'exec "$REAL" "$@"')
    (Path(programs) / "pg_restore").unlink()
    refused = run_module("pg_backup", **options(database, backups, pg_bin_dir=programs))
    refusal(refused, "client_program_missing")
    left_nothing(database, backups)


def test_a_directory_that_cannot_be_written_is_refused(database: Database, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("kept")
    for place in (tmp_path / "a file", tmp_path / "a file" / "backups", Path("/proc/backups")):
        refused = run_module("pg_backup", **options(database, place))
        refusal(refused, "directory_not_writable")
        assert str(place) in refused["msg"]
    assert (tmp_path / "a file").read_text() == "kept"


@pytest.mark.both_runtimes
def test_a_table_that_is_not_there_is_refused(database: Database, backups: Path) -> None:
    refused = run_module("pg_backup", **options(database, backups, tables=["categories", "catgories"]))
    refusal(refused, "table_absent")
    assert "catgories" in refused["msg"]
    left_nothing(database, backups)


@pytest.mark.both_runtimes
def test_a_role_that_cannot_read_everything_takes_no_backup(database: Database, databases: Any, backups: Path) -> None:
    reader = Database(database.server, database.name, f"reader of {database.name}", "only-reads-%40", database.history)
    databases.role(reader.user, reader.password)
    try:
        failed = run_module("pg_backup", **options(reader, backups))
        assert failed["problem"] in ("backup_failed", "database_error", "table_unreadable")
        assert "permission denied" in failed["msg"]
        left_nothing(database, backups)
    finally:
        databases.superuser(SQL("DROP ROLE {}").format(Identifier(reader.user)))


def test_a_password_in_connect_params_is_a_secret_too(database: Database, backups: Path) -> None:
    arguments = options(database, backups, login_password="", connect_params={"password": database.password})
    taken = run_module("pg_backup", **arguments)
    assert told(taken["backup"]) == truth(database)
    assert files_with(spellings(database.password), backups) == []
