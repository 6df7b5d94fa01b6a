# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A backup loaded into a new database beside the live one, which is not touched, and proved before anybody uses it."""

from __future__ import annotations

import os
import re
import tempfile
import time
import typing as t
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from ._archive import PLAIN, Source, fed, script_lines, typed
from ._checks import take_evidence, told
from ._counts import all_tables, differences
from ._database import DatabaseError, Target, recorded_heads, rows, value
from ._errors import Problem, Refusal
from ._fit import How, Room, other_heads, require_loadable
from ._ground import Ground
from ._messages import say
from ._ours import oid_of
from ._progress import part
from ._redact import Redactor, last_words
from ._restored import SHOWN_DIFFERENCES, mark_compared
from ._runner import Program
from ._script import drops, outward, without
from ._swap import BESIDE, drop, end_named, list_ours, maintenance, mark, name_for, work_name

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# psql of these minor versions, and every later major, knows the lines that forbid it commands of its own.
_RESTRICTING = {13: 22, 14: 19, 15: 14, 16: 10, 17: 6}
_TIMEOUT_SINCE = 170000
_TIMEOUT = b"SET transaction_timeout = 0;\n"
_HEAD = 1 << 16


@dataclass
class Loaded:
    """A database beside the live one that holds a backup: ``evidence`` as take_evidence() has it, heads sorted."""

    name: str
    seconds: float
    evidence: dict[str, t.Any]
    heads: list[str] | None
    commands: list[str]
    compared: bool
    notes: list[str] = field(default_factory=list)


def aimed(target: Target, database: str) -> Target:
    """Return the same server and user on another database."""
    inside = {**target.inside, "dbname": database} if target.inside else None
    return replace(target, params={**target.params, "dbname": database}, inside=inside)


def drop_beside(ground: Ground, run_id: str | None, name: str, language: str = "en") -> list[str]:
    """Drop a loaded database that has served; return what to tell when that cannot be, which undoes nothing."""
    try:
        with maintenance(ground.target).open(work_name(run_id, "undo")) as control:
            end_named(control, work_name(run_id, "load"))
            drop(control, name)
    except (DatabaseError, Problem) as error:
        told_error = say(language, error.key, **error.facts) if isinstance(error, Problem) else str(error).strip()
        return [say(language, "beside_left", name=name, error=told_error)]
    return []


def still_there(ground: Ground, run_id: str | None, name: str) -> bool:
    """Tell whether a database this run loaded and proved is still there, under the name it was given."""
    with maintenance(ground.target).open(work_name(run_id, "preflight")) as control:
        return any(each.name == name and each.kind == BESIDE and each.run_id == run_id and each.proved
                   and not each.renamed for each in list_ours(control, ground.target.database))


def drop_left(control: t.Any, live: str, run_id: str | None, keep: str = "") -> list[str]:
    """Drop what this run's earlier attempts left beside the live database, and return the names."""
    if not run_id:
        return []
    end_named(control, work_name(run_id, "load"))
    name = name_for(BESIDE, live, run_id)
    # One whose maker was killed before it could mark it bears this run's own name, and nothing was loaded into it.
    if oid_of(control, name) is not None and value(
            control, "SELECT shobj_description(oid, 'pg_database') IS NULL FROM pg_database WHERE datname = %s",
            (name,)):
        mark(control, name, BESIDE, live, run_id, None)
    left = [each.name for each in list_ours(control, live)
            if each.kind == BESIDE and each.run_id == run_id and each.name != keep and not each.renamed]
    for each in left:
        drop(control, each)
    return left


def load(ground: Ground, source: Source, run_id: str | None, timeout_s: float, reserve: str, redact: Redactor,
         accept: t.Collection[str], how: How | None = None) -> Loaded:
    """Load a backup into a new database, whole or not at all, and compare it with its manifest table by table.

    ``timeout_s`` is in seconds, ``reserve`` what has to stay free of the server's disk. One without a manifest needs
    the acceptance ``unverified-backup``, and is measured. Raises Refusal; the new database is gone then, and nothing
    else was touched.
    """
    how, began = how or How(), time.monotonic()
    require_loadable(ground, source, accept, how)
    base, live, work = maintenance(ground.target), ground.target.database, work_name(run_id, "load")
    notes: list[str] = []
    with base.open(work_name(run_id, "restore")) as control:
        drop_left(control, live, run_id)
        room = Room(ground, control, source, reserve, how.language)
        notes += room.notes
        name = name_for(BESIDE, live, run_id)
        made = done = False
        try:
            with ground.target.open(work_name(run_id, "restore")) as session:
                create = _create(session, name, source, how)
            made = True
            created = _run(control, create)
            mark(control, name, BESIDE, live, run_id, None)
            command = _feed(ground, source, aimed(ground.target, name), work, timeout_s, reserve, redact, how, room)
            evidence = _measure(aimed(ground.target, name), work, source, how)
            compared = _prove(source, evidence, how)
            if source.manifest is None and source.tables is None:
                _require_whole(ground, source, evidence, how)
            mark(control, name, BESIDE, live, run_id, evidence["heads"], proved=True)
            done = True
        finally:
            if made and not done:
                _undo(base, live, name, run_id, work)
    if compared and source.manifest:
        with suppress(OSError):  # Evidence about a backup others keep; one that cannot be written to is as good.
            mark_compared(source.manifest)
    heads = evidence["heads"]
    return Loaded(name, round(time.monotonic() - began, 3), evidence, heads, [created, command], compared, notes)


def _create(session: t.Any, name: str, source: Source, how: How) -> t.Any:
    """Return the statement that makes the new database as the manifest has it, otherwise as the live one is."""
    found = rows(session, """
        SELECT pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d)->>'datlocprovider',
               coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale')
        FROM pg_database d WHERE datname = current_database()""")[0]
    server = source.manifest["server"] if source.manifest else dict(
        zip(("encoding", "collate", "ctype", "provider", "locale"), found))
    parts = [sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
        sql.Identifier(name), *(sql.Literal(server[key]) for key in ("encoding", "collate", "ctype")))]
    provider = {"i": "icu", "b": "builtin"}.get(str(server.get("provider")))
    if provider and session.server_version >= 150000:
        parts.append(sql.SQL("LOCALE_PROVIDER {} {} {}").format(
            sql.SQL(provider), sql.SQL("ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"),
            sql.Literal(server["locale"])))
    owner = (source.manifest["server"] if source.manifest else {}).get("owner") or value(
        session, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
    # What belongs to him can be given to him only where he may create it: in the schema public, as the owner of all.
    member = value(session, "SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = %s", (owner,))
    if member and not how.no_owner:
        parts.append(sql.SQL("OWNER {}").format(sql.Identifier(owner)))
    return sql.SQL(" ").join(parts)


def _run(control: t.Any, create: t.Any) -> str:
    spelled = str(create.as_string(control)) + ";"
    try:
        rows(control, create)
    except DatabaseError as error:
        raise Refusal("beside_not_created", command=spelled, error=str(error).strip()) from error
    return spelled


def _feed(ground: Ground, source: Source, new: Target, work: str, timeout_s: float, reserve: str, redact: Redactor,
          how: How, room: Room) -> str:
    """Load it, in one transaction that the first error ends; return the command."""
    runtime = ground.runtime
    options = ["--no-owner", "--no-privileges"] if how.no_owner else []
    # What ties tables to others that are not in the file comes after their rows.
    options += ["--section=pre-data", "--section=data"] if source.tables is not None else []
    with new.open(work) as session:
        version = session.server_version
    newer = bool(source.told and source.told.newer_settings and version < _TIMEOUT_SINCE)
    argv = [runtime.client("pg_restore"), "--no-password", "--exit-on-error", "--single-transaction", *options,
            f"--dbname={new.dsn()}"]
    if source.kind == PLAIN or newer:
        argv = [runtime.client("psql"), "--no-password", "--no-psqlrc", "--quiet", "--output=/dev/null",
                "--set=ON_ERROR_STOP=1", "--single-transaction", f"--dbname={new.dsn()}"]

    def watch() -> str | None:
        return "disk_reserve" if room.short() else None

    with ExitStack() as held:
        lines = held.enter_context(script_lines(source)) if source.kind == PLAIN else None
        kept = _kept(ground, source, lines, newer) if lines is not None else None
        made = held.enter_context(fed(ground, source, how.room, kept, reserve))
        environment = held.enter_context(new.client_environment(work, how.room or tempfile.gettempdir()))
        program = made(argv, None)
        if newer and source.kind != PLAIN:
            path = held.enter_context(_as_script(ground, source, made, options, timeout_s, redact, how))
            program = Program(argv, stdin_file=path)
        program.environment, program.timeout_s = environment, timeout_s
        with part("load"):
            done = runtime.run(program, watch)
    if done.ended_by == "disk_reserve":
        raise Refusal("beside_disk_reserve", path=source.path, reserve=room.reserve, directory=room.directory)
    if done.rc or done.ended_by:
        key = "beside_not_self_contained" if source.tables is not None else "beside_not_loaded"
        raise Refusal(key, path=source.path, error=last_words(done, redact))
    with part("analyze"), new.open(work) as session:
        rows(session, "ANALYZE")
    return typed(source, runtime.shown(Program(argv)))


@contextmanager
def _as_script(ground: Ground, source: Source, made: t.Callable[[list[str], str | None], Program],
               options: list[str], timeout_s: float, redact: Redactor, how: How) -> t.Iterator[str]:
    """Yield where an archive stands as SQL: newer client programs begin with a setting an older server does not know.

    The file has no name, and only the client of this very host can write to it.
    """
    with tempfile.TemporaryFile(dir=how.room) as script:
        path = f"/proc/{os.getpid()}/fd/{script.fileno()}"
        program = made([ground.runtime.client("pg_restore"), *options, f"--file={path}"], None)
        program.timeout_s = timeout_s
        done = ground.runtime.run(program)
        if done.rc or done.ended_by:
            raise Refusal("beside_not_loaded", path=source.path, error=last_words(done, redact))
        script.seek(0)
        place = script.read(_HEAD).find(_TIMEOUT)
        if place >= 0:
            script.seek(place)
            script.write(b"--" + b" " * (len(_TIMEOUT) - 3) + b"\n")
            script.flush()
        yield path


def _kept(ground: Ground, source: Source, lines: t.Iterator[bytes], newer: bool) -> t.Iterator[bytes] | None:
    """Return a plain dump's lines as psql is to have them; None for one it can have as it is."""
    seen = source.told
    restricted = bool(seen and seen.restricted) and not _knows_restrict(ground)
    clean, single = bool(seen and seen.clean), source.tables is not None
    if not (restricted or newer or clean or single or source.crlf):
        return None

    def unwanted(statement: str) -> bool:
        return (clean and drops(statement)) or (single and outward(statement)) or (
            newer and statement.startswith("SET transaction_timeout"))

    return without(lines, source.path, unwanted, not restricted)


def _knows_restrict(ground: Ground) -> bool:
    done = ground.runtime.run(Program([ground.runtime.client("psql"), "--version"], timeout_s=30))
    found = re.search(r"(\d+)\.(\d+)", done.stdout)
    return bool(found) and (int(found[1]) > max(_RESTRICTING) or int(found[2]) >= _RESTRICTING.get(int(found[1]), 1000)
                            ) if found else False


def _measure(new: Target, work: str, source: Source, how: How) -> dict[str, t.Any]:
    with new.open(work, autocommit=False) as connection:
        if source.tables is None:
            broken = [row[0] for row in rows(connection, """
                SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready)
                UNION ALL SELECT conrelid::regclass || '.' || conname FROM pg_constraint WHERE NOT convalidated
                ORDER BY 1""")]
            connection.rollback()
            if broken and not source.manifest:
                raise Refusal("beside_not_valid", path=source.path, names=", ".join(broken))
        return take_evidence(connection, [], how.fingerprint_max_bytes, True, how.version_table, how.version_schema)


def _prove(source: Source, evidence: dict[str, t.Any], how: How) -> bool:
    """Tell whether what was loaded was compared with a manifest. Raises Refusal where it is not what it should be."""
    heads = evidence["heads"] or []
    manifest = source.manifest
    if source.tables is not None:
        return bool(manifest) and _same(source, evidence, how, source.tables, structure=False)
    if how.heads is not None and heads != sorted(how.heads):
        raise other_heads(source, heads, how)
    if manifest is None:
        return False
    if heads != (source.heads or []):
        raise Refusal("beside_differs", path=source.path,
                      differences=f"{', '.join(source.heads or ['-'])} / {', '.join(heads or ['-'])}")
    return _same(source, evidence, how, None, structure=True)


def _require_whole(ground: Ground, source: Source, evidence: dict[str, t.Any], how: How) -> None:
    """Raise Refusal where a dump nobody vouches for has the live database's revisions, and not its tables."""
    with ground.target.open(work_name(None, "preflight")) as connection:
        heads = recorded_heads(connection, how.version_table, how.version_schema)
        lacking = [f"{schema}.{table}" for schema, table, _size in all_tables(connection)
                   if f"{schema}.{table}" not in evidence["tables"]]
    if lacking and heads == evidence["heads"]:
        raise Refusal("beside_lacks_tables", path=source.path, tables=", ".join(lacking))


def _same(source: Source, evidence: dict[str, t.Any], how: How, only: tuple[str, ...] | None, structure: bool) -> bool:
    surveys = []
    for survey in (source.manifest["tables"] if source.manifest else {}, evidence["tables"]):
        surveys.append({name: measured if structure else {**measured, "structure": None}
                        for name, measured in survey.items() if only is None or name in only})
    found = [told(entry, how.language) for entry in differences(*surveys)]
    if found:
        rest = ["..."] if len(found) > SHOWN_DIFFERENCES else []
        raise Refusal("beside_differs", path=source.path, differences="; ".join([*found[:SHOWN_DIFFERENCES], *rest]))
    return True


def _undo(base: Target, live: str, name: str, run_id: str | None, work: str) -> None:
    """Drop the new database. Nobody else knows of it; what cannot be done now, the run's next attempt does."""
    with suppress(DatabaseError, Problem), base.open(work_name(run_id, "undo")) as control:
        end_named(control, work)
        if oid_of(control, name) is not None:
            mark(control, name, BESIDE, live, run_id, None)
            drop(control, name)
