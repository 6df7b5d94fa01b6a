# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Backups: taken in one snapshot with the evidence that describes them, whole or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ._counts import all_tables, qualified, settle, survey
from ._database import (
    DatabaseError,
    Limits,
    Target,
    end_backends,
    identity,
    recorded_heads,
    rows,
    session_name,
    value,
)
from ._errors import Problem, Refusal
from ._evidence import fsync_directory, new_run_id, now, process_mark, read_json, write_file, write_json
from ._progress import part
from ._restore_text import restore_text
from ._runner import Program, Runtime

MANIFEST = "backup.json"
INCOMPLETE = ".incomplete-"
YOUNG_S = 60
# A role's own settings by which the same statements make other objects, or other texts; the others are its own.
ROLE_SETTINGS = ("search_path", "role", "TimeZone", "DateStyle", "IntervalStyle", "bytea_output",
                 "standard_conforming_strings")
# Without these another server may not hold what this one holds, or not be found where it is.
PARAMETERS = ("port", "shared_preload_libraries", "max_locks_per_transaction", "max_prepared_transactions")
_SUFFIX = {"custom": "dump", "plain": "sql"}
# Bytes of dump per byte of table: measured on text-heavy rows at the fastest compression, with room to spare.
_EXPECTED_RATIO = {"custom": 0.5, "plain": 1.2}
_UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_PLAIN_TRAILER = b"-- PostgreSQL database dump complete"


@dataclass(frozen=True)
class Wanted:
    """What to back up, and how: ``tables`` also go into a file of their own; the time limit is in seconds."""

    whole: bool
    tables: tuple[str, ...]
    format: str
    reserve: str
    timeout_s: float
    fingerprint_max_bytes: int
    version_table: str = "alembic_version"
    version_schema: str | None = None


def parse_reserve(text: str, total: int) -> int:
    """Return the bytes a reserve stands for: ``5%`` of the file system, or ``2GiB``, ``500M``, ``1048576``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:(%)|([KMGT]?)(?:i?B)?)\s*", text, re.IGNORECASE)
    if not match:
        raise Refusal("reserve_unreadable", reserve=text)
    number = float(match.group(1))
    return int(total * number / 100) if match.group(2) else int(number * _UNITS[match.group(3).upper()])


def expected_bytes(connection: t.Any, wanted: Wanted) -> int:
    """Return a cautious guess of the space the backup will take."""
    whole = sum(size for _schema, _table, size in all_tables(connection))
    return int(whole * _EXPECTED_RATIO[wanted.format])


def require_space(where: str, wanted: Wanted, expected: int) -> int:
    """Return the reserve in bytes. Raises Refusal when the expected bytes would eat into it."""
    place = os.path.abspath(where)
    while not os.path.exists(place):  # In check mode the directory may not be there yet.
        place = os.path.dirname(place)
    disk = shutil.disk_usage(place)
    reserve = parse_reserve(wanted.reserve, disk.total)
    if disk.free - expected < reserve:
        raise Refusal("disk_too_small", path=where, free=disk.free, expected=expected, reserve=reserve)
    return reserve


def require_client(runtime: Runtime, server_version: int) -> str:
    """Return pg_dump's version. Raises Refusal for one older than the server, which it would refuse to dump."""
    done = runtime.run(Program([runtime.client("pg_dump"), "--version"], timeout_s=30))
    if done.rc in (126, 127):
        raise Refusal("client_program_missing", program=runtime.client("pg_dump"), where=runtime.name)
    found = re.search(r"(\d+)(?:\.\d+)?", done.stdout)
    if not found or int(found.group(1)) < server_version // 10000:
        raise Refusal("client_too_old", client=done.stdout.strip(), server=server_version // 10000)
    return done.stdout.strip()


def describe_database(connection: t.Any) -> dict[str, t.Any]:
    """Return what a dump does not carry: owner, encoding, settings, grants, extensions; the server's roles, parameters.

    ``parameters`` are those of PARAMETERS that this role is shown.
    """
    names = ("owner", "encoding", "collate", "ctype", "provider", "locale", "acl", "settings")
    # The provider came with version 15, and its locale changed its name with 17.
    found = rows(connection, """
        SELECT pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
               to_jsonb(d)->>'datlocprovider', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale'),
               d.datacl::text[],
               (SELECT s.setconfig FROM pg_db_role_setting s WHERE s.setdatabase = d.oid AND s.setrole = 0)
        FROM pg_database d WHERE d.datname = current_database()""")[0]
    extensions = rows(connection, "SELECT extname, extversion FROM pg_extension ORDER BY 1")
    attributes = ("superuser", "inherit", "createrole", "createdb", "login", "replication", "bypassrls")
    roles = rows(connection, """
        SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls
        FROM pg_roles WHERE NOT starts_with(rolname, 'pg_') ORDER BY 1""")
    memberships = rows(connection, """
        SELECT DISTINCT pg_get_userbyid(roleid), pg_get_userbyid(member) FROM pg_auth_members ORDER BY 1, 2""")
    parameters = rows(connection, "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(PARAMETERS),))
    role_settings = rows(connection, """
        SELECT pg_get_userbyid(s.setrole), s.setdatabase <> 0, c.setting
        FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c (setting)
        WHERE s.setrole <> 0 AND split_part(c.setting, '=', 1) = ANY (%s)
          AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY 1, 2, 3""", (list(ROLE_SETTINGS),))
    schemas = rows(connection, """
        SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace
        WHERE NOT starts_with(nspname, 'pg_') AND nspname NOT IN ('public', 'information_schema')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_namespace'::regclass
                          AND d.objid = pg_namespace.oid AND d.deptype = 'e') ORDER BY 1""")
    return {**dict(zip(names, found)), "extensions": dict(extensions), "parameters": dict(parameters),
            "roles": [dict(zip(("name", *attributes), role)) for role in roles],
            "memberships": [list(pair) for pair in memberships],
            # As it is resolved for this role: others find other tables by the same bare name.
            "search_path": value(connection, "SELECT array_to_string(ARRAY(SELECT quote_ident(s)"
                                             " FROM unnest(current_schemas(false)) s), ',')"),
            "schemas": [list(row) for row in schemas], "role_settings": [list(row) for row in role_settings]}


def sweep_incomplete(backups: str) -> list[str]:
    """Remove what backups that were cut off left behind, and return the names; one still at work is left alone."""
    swept = []
    for name in sorted(os.listdir(backups)) if os.path.isdir(backups) else []:
        path = os.path.join(backups, name)
        if not name.startswith(INCOMPLETE):
            continue
        owner = read_json(os.path.join(path, "owner.json"))
        if owner and owner["mark"] and process_mark(owner["pid"]) == owner["mark"]:
            continue
        # One of another database may be so young that it has not said yet whose it is, or be whole by now.
        try:
            if not owner and time.time() - os.stat(path).st_mtime < YOUNG_S:
                continue
            shutil.rmtree(path)
        except FileNotFoundError:
            continue
        swept.append(name)
    return swept


def take(target: Target, runtime: Runtime, backups: str, wanted: Wanted, run_id: str | None) -> dict[str, t.Any]:
    """Take a backup and return its manifest, which also stands beside it.

    Counts, fingerprints and dump see the same snapshot: this session exports it, pg_dump takes it by name. Everything
    is written in a directory of another name and renamed once it has been listed, read back whole, checksummed and
    fsynced. Raises Problem or Refusal, leaving no file that could be taken for a backup.
    """
    # Outside a run the process stands for it: two backups at once must not end each other's work.
    name = session_name(run_id or str(os.getpid()), "backup")
    backup_id = f"{new_run_id()}-{re.sub('[^A-Za-z0-9]+', '_', target.database)}"
    aside, final = os.path.join(backups, INCOMPLETE + backup_id), os.path.join(backups, backup_id)
    session = target.connect(name, Limits(lock_timeout_ms=30000), autocommit=False)
    done = False
    try:
        client = require_client(runtime, session.server_version)
        reserve = require_space(backups, wanted, expected_bytes(session, wanted))
        session.rollback()
        os.mkdir(aside, mode=0o700)
        write_json(os.path.join(aside, "owner.json"), {"pid": os.getpid(), "mark": process_mark(os.getpid())})
        manifest = _fill(session, target, runtime, aside, wanted, name, reserve)
        manifest = {"backup_id": backup_id, "path": final, "client_version": client, **manifest}
        write_json(os.path.join(aside, MANIFEST), manifest)
        write_file(os.path.join(aside, "SHA256SUMS"),
                   "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in manifest["files"]))
        write_file(os.path.join(aside, "RESTORE.txt"), restore_text(target, manifest))
        os.unlink(os.path.join(aside, "owner.json"))
        fsync_directory(aside)
        os.rename(aside, final)
        fsync_directory(backups)
        done = True
    except OSError as error:
        raise Problem("backup_failed", file=str(error.filename or aside), error=error.strerror or str(error)) from error
    finally:
        session.close()
        if not done:
            # A client that was ended may leave its session for a moment, and that holds locks on every table.
            with suppress(Problem, DatabaseError), target.open(session_name(run_id, "control")) as control:
                end_backends(control, name)
        shutil.rmtree(aside, ignore_errors=True)  # Gone already when the rename was made.
    return manifest


def _fill(session: t.Any, target: Target, runtime: Runtime, aside: str, wanted: Wanted, name: str, reserve: int
          ) -> dict[str, t.Any]:
    began = now()
    tables = []
    for table in wanted.tables:
        found = qualified(session, table)
        if not found:
            raise Refusal("table_absent", table=table, database=target.database)
        tables.append(found)
    session.rollback()
    rows(session, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    # The snapshot lives as long as this transaction; the second setting came with version 17.
    rows(session, "SELECT set_config(name, '0', true) FROM pg_settings"
                  " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')")
    snapshot = value(session, "SELECT pg_export_snapshot()")
    heads = recorded_heads(session, wanted.version_table, wanted.version_schema)
    described = {**identity(session), **describe_database(session)}
    settle(session)

    def low_disk() -> str | None:
        return "disk_reserve" if shutil.disk_usage(aside).free < reserve else None

    files: list[dict[str, t.Any]] = []
    commands = []
    contents: list[tuple[str, list[tuple[str, str]]]] = [("database", [])] if wanted.whole else []
    if tables:
        contents.append(("tables", tables))
    counting = None
    with target.client_environment(name, aside) as environment, ThreadPoolExecutor(1) as pool, _cancelling(session):
        for scope, only in contents:
            file = f"{scope}.{_SUFFIX[wanted.format]}"
            path = os.path.join(aside, file + ".incomplete")
            program = Program(_dump_argv(runtime, target, wanted, snapshot, only), environment, stdout=path,
                              timeout_s=wanted.timeout_s)
            commands.append(runtime.shown(program).replace(path, file))

            def watch() -> str | None:
                # The counts start once pg_dump does: its fork must not meet a second thread.
                nonlocal counting
                counting = counting or pool.submit(survey, session, wanted.fingerprint_max_bytes)
                return low_disk()

            with part(f"dump_{scope}", *_foreseen(os.path.dirname(aside), target, wanted, scope, session)):
                done = runtime.run(program, watch)
            if done.ended_by == "disk_reserve":
                raise Problem("backup_disk_reserve", file=file, reserve=reserve)
            if done.ended_by:
                raise Problem("backup_timeout", file=file, limit=wanted.timeout_s)
            if done.rc != 0:
                raise Problem("backup_failed", file=file,
                              error=done.stderr.strip()[-800:] or f"pg_dump: status {done.rc}")
            os.rename(path, os.path.join(aside, file))
            files.append({"name": file, "scope": scope, "tables": [".".join(table) for table in only]})
        with part("count"):
            counted = counting.result() if counting else survey(session, wanted.fingerprint_max_bytes)
    session.rollback()
    for entry in files:
        expected = tables if entry["scope"] == "tables" else [measured["place"] for measured in counted.values()]
        with part("check"):
            _verify(runtime, os.path.join(aside, entry["name"]), wanted.format, expected)
        entry.update(_seal(os.path.join(aside, entry["name"])))
    return {"database": target.database, "started_at": began, "finished_at": now(), "format": wanted.format,
            "heads": heads, **runtime.whereabouts(), "server": described, "files": files,
            "tables": counted, "commands": commands,
            "verified": True, "restored_and_compared": False}


def _foreseen(backups: str, target: Target, wanted: Wanted, scope: str, session: t.Any) -> tuple[float | None, bool]:
    """Return about how many bytes a dump will have: as many as that of the newest good backup of its kind."""
    # A manifest nobody can read is no reason to go without a backup.
    with suppress(AttributeError, KeyError, TypeError, OSError):
        last = newest_good(backups, target.database) or {"files": []}
        known = [entry["bytes"] for entry in last["files"] if entry["scope"] == scope]
        if known and last["format"] == wanted.format:
            return known[0], True
    return (expected_bytes(session, wanted), True) if scope == "database" else (None, False)


@contextmanager
def _cancelling(session: t.Any) -> t.Iterator[None]:
    """Do not wait for a count nobody will read any more."""
    try:
        yield
    except BaseException:
        with suppress(DatabaseError):
            session.cancel()
        raise


def _dump_argv(runtime: Runtime, target: Target, wanted: Wanted, snapshot: str, only: list[tuple[str, str]]
               ) -> list[str]:
    argv = [runtime.client("pg_dump"), "--no-password", f"--format={wanted.format}", f"--snapshot={snapshot}",
            "--lock-wait-timeout=30000", f"--dbname={target.dsn()}"]
    if wanted.format == "custom":
        argv.append("--compress=1")
    # Quoted, a pattern means exactly this name.
    quoted = ['"{}"."{}"'.format(*(part.replace('"', '""') for part in table)) for table in only]
    return argv + [f"--table={pattern}" for pattern in quoted]


def _verify(runtime: Runtime, path: str, kind: str, tables: t.Iterable[t.Sequence[str]]) -> None:
    """Read a dump back whole. Raises Problem when it is cut short or a table's rows are not in it."""
    file = os.path.basename(path)
    if kind == "plain":
        with open(path, "rb") as stream:
            stream.seek(max(0, os.path.getsize(path) - 4096))
            if _PLAIN_TRAILER not in stream.read():
                raise Problem("backup_cut_short", file=file)
        return
    listing = path + ".list"
    listed = runtime.run(Program([runtime.client("pg_restore"), "--list"], stdin_file=path, stdout=listing))
    with open(listing, encoding="utf-8", errors="replace") as stream:
        contents = stream.read()
    os.unlink(listing)
    # The list has one line for each, so a line's end inside a name is shown as a space.
    missing = [".".join(table) for table in tables
               if re.sub(r"[\r\n]", " ", f" TABLE DATA {table[0]} {table[1]} ") not in contents]
    # The table of contents proves nothing about the data behind it: writing it all out to nowhere reads every block.
    read = runtime.run(Program([runtime.client("pg_restore"), "--file=/dev/null"], stdin_file=path))
    if listed.rc or read.rc or missing:
        raise Problem("backup_not_whole", file=file,
                      error=(listed.stderr + read.stderr).strip()[-500:] or f"- {', '.join(missing)}")


def _seal(path: str) -> dict[str, t.Any]:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
        os.fsync(stream.fileno())
    return {"bytes": os.path.getsize(path), "sha256": digest.hexdigest()}


def damage(manifest: dict[str, t.Any], deep: bool = False) -> str | None:
    """Return what is wrong with a backup's files: missing, another size, with ``deep`` another checksum; else None."""
    for entry in manifest["files"]:
        path = os.path.join(manifest["path"], entry["name"])
        if not os.path.exists(path):
            return f"{path}: missing"
        if os.path.getsize(path) != entry["bytes"]:
            return f"{path}: {os.path.getsize(path)} bytes, not {entry['bytes']}"
        if deep and _seal(path)["sha256"] != entry["sha256"]:
            return f"{path}: sha256 differs"
    return None


def newest_good(backups: str, database: str, server: str | None = None, heads: t.Sequence[str] | None = None
                ) -> dict[str, t.Any] | None:
    """Return the manifest of the newest whole backup of a database whose files are all there; None where none is.

    ``server`` is a system identifier and ``heads`` are recorded revisions, sorted, where only such a backup will do.
    """
    names = [name for name in os.listdir(backups) if not name.startswith(".")] if os.path.isdir(backups) else []
    manifests = [read_json(os.path.join(backups, name, MANIFEST)) for name in names]
    mine = [manifest for manifest in manifests if manifest and manifest["database"] == database
            and server in (None, manifest.get("server", {}).get("system_identifier"))
            and heads in (None, sorted(manifest.get("heads") or []))
            and any(entry["scope"] == "database" for entry in manifest["files"])]
    newest_first = sorted(mine, key=lambda manifest: str(manifest.get("finished_at")), reverse=True)
    return next((manifest for manifest in newest_first if damage(manifest) is None), None)
