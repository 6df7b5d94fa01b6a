# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a diagnosis rests on: the database's sessions and tables, the containers, the disks, the revisions.

Each part is read by itself, so that what is down keeps nothing else from being told.
"""

from __future__ import annotations

import os
import re
import shutil
import typing as t
from datetime import datetime, timedelta, timezone

from ._compose import Project
from ._compose_runtime import ComposeRuntime
from ._counts import qualified
from ._database import DatabaseError, recorded_heads, rows, value
from ._diagnose_logs import SHOWN_CHARACTERS, clean, last_lines
from ._docker import Container
from ._errors import Refusal
from ._evidence import StateDirectory, read_json
from ._images import image_graph
from ._redact import Redactor
from ._revisions import Graph
from ._run import META
from ._services import Services

_AGO = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# Smaller tables are planned well enough without, and are analyzed by the server within minutes.
_MANY_ROWS = 10000


def moment(since: str, state: StateDirectory, database: str) -> str:
    """Return since when to read logs, in UTC: as asked, else since the last run began, else for an hour.

    Raises Refusal for what is neither a moment nor an age.
    """
    began = read_json(os.path.join(state.runs, "latest", META)) or {}
    if not since and began.get("database") == database and began.get("started_at"):
        return str(began["started_at"])
    age = _AGO.fullmatch(since or "1h")
    try:
        found = (datetime.now(timezone.utc).replace(microsecond=0)
                 - timedelta(**{_UNITS[age.group(2)]: int(age.group(1))}) if age
                 else datetime.fromisoformat(since.replace("Z", "+00:00")))
    except (ValueError, OverflowError) as error:
        raise Refusal("since_invalid", since=since) from error
    found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return found.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


# The database

def sessions(connection: t.Any, tables: t.Sequence[str], redact: Redactor) -> list[dict[str, t.Any]]:
    """Return every session on this database but ours, with who blocks it and which of the tables it has locked."""
    found = rows(connection, """
        SELECT a.pid, a.usename AS user, a.application_name AS application, host(a.client_addr) AS client,
               a.backend_type, a.state, a.wait_event_type,
               round(extract(epoch FROM now() - coalesce(a.xact_start, a.backend_start)))::int AS transaction_s,
               round(extract(epoch FROM now() - a.state_change))::int AS state_s,
               pg_blocking_pids(a.pid) AS blocked_by,
               ARRAY(SELECT DISTINCT c.relname || ' (' || l.mode || ')' FROM pg_locks l
                     JOIN pg_class c ON c.oid = l.relation
                     WHERE l.pid = a.pid AND l.granted AND c.relname = ANY(%s) ORDER BY 1) AS locks,
               left(a.query, 2000) AS query
        FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() ORDER BY a.pid
        """, ([table.rpartition(".")[2] for table in tables],))
    names = ("pid", "user", "application", "client", "backend_type", "state", "wait", "transaction_s", "state_s",
             "blocked_by", "locks", "query")
    return [{**dict(zip(names, row)), "query": clean(redact, row[-1] or "")[:SHOWN_CHARACTERS]} for row in found]


def waiting_for(pid: int, among: t.Sequence[t.Mapping[str, t.Any]]) -> list[int]:
    """Return the pids that wait for a session, directly or behind others."""
    found: list[int] = []
    queue = [pid]
    while queue:
        holder = queue.pop(0)
        next_ones = [row["pid"] for row in among if holder in row["blocked_by"] and row["pid"] not in (*found, pid)]
        found += next_ones
        queue += next_ones
    return found


def blocking(among: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return the sessions others wait for that wait for none themselves, each with its C(waiting)."""
    known = {row["pid"]: row for row in among}
    holders = {pid for row in among for pid in row["blocked_by"]}
    # One that is not in the list is not of this database, or a prepared transaction (pid 0).
    roots = [pid for pid in sorted(holders) if not known.get(pid, {"blocked_by": []})["blocked_by"]]
    return [{"pid": pid, **known.get(pid, {}), "waiting": waiting_for(pid, among)} for pid in roots]


def table_facts(connection: t.Any, tables: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return, of each of the tables, whether it is there and holds rows, and what the statistics know of it."""
    found = []
    for table in tables:
        entry: dict[str, t.Any] = {"table": table, "present": None, "empty": None}
        found.append(entry)
        try:
            name = qualified(connection, table)
            entry["present"] = name is not None
            if name is None:
                continue
            statistics = rows(connection, """
                SELECT n_live_tup, n_dead_tup, n_mod_since_analyze, greatest(last_analyze, last_autoanalyze),
                       greatest(last_vacuum, last_autovacuum), quote_ident(schemaname) || '.' || quote_ident(relname)
                FROM pg_stat_user_tables WHERE (schemaname, relname) = (%s, %s)""", name)[0]
            entry.update(zip(("live_rows", "dead_rows", "changed_since_analyze", "last_analyze", "last_vacuum"),
                             statistics))
            # The name is the server's own, quoted by it.
            entry["empty"] = not value(connection, f"SELECT EXISTS (SELECT FROM {statistics[5]})")  # noqa: S608
        except (DatabaseError, IndexError) as error:
            # A table that is locked says no more of itself; the sessions say who holds it.
            entry["error"] = str(error).strip()
    return found


def database_facts(connection: t.Any, tables: t.Sequence[str], longest: int, version: tuple[str, str | None],
                   redact: Redactor) -> dict[str, t.Any]:
    """Return what the server tells of sessions, locks, connections, sizes, statistics and revisions."""
    every = sessions(connection, tables, redact)
    clients = [row for row in every if row["backend_type"] == "client backend"]
    by_age = sorted(clients, key=lambda row: -(row["state_s"] or 0))
    in_use, most, size = rows(connection, """
        SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
               current_setting('max_connections')::int, pg_database_size(current_database())""")[0]
    unknown = rows(connection, """
        SELECT schemaname || '.' || relname, n_live_tup FROM pg_stat_user_tables
        WHERE last_analyze IS NULL AND last_autoanalyze IS NULL AND n_live_tup >= %s
        ORDER BY n_live_tup DESC LIMIT 10""", (_MANY_ROWS,))
    heads, error = None, ""
    try:
        heads = recorded_heads(connection, *version)
    except DatabaseError as refused:
        error = str(refused).strip()
    return {
        "recorded_heads": heads, "recorded_error": error,
        "blocking": blocking(every),
        "blocked": [row for row in every if row["blocked_by"]],
        "idle_in_transaction": [row for row in by_age if (row["state"] or "").startswith("idle in transaction")],
        "longest": [row for row in by_age if row["state"] == "active"][:longest],
        "connections": in_use, "max_connections": most, "size_bytes": size,
        "tables": table_facts(connection, tables),
        "never_analyzed": [{"table": name, "rows": count} for name, count in unknown],
    }


# The containers

def container_facts(project: Project, every: t.Sequence[Container]) -> list[dict[str, t.Any]]:
    """Return the state of a project's containers; memory in bytes, None where there is no limit or it does not run."""
    docker = project.docker
    inspected = {entry["Id"]: entry for entry in docker.inspect([each.id for each in every])}
    used = Services(project).memory(every)
    found = []
    for each in every:
        entry = inspected.get(each.id, {"State": {}, "HostConfig": {}})
        checks = (entry["State"].get("Health") or {}).get("Log") or [{}]
        found.append({
            **each.describe(), "finished_at": each.finished_at, "restart_policy": each.restart_policy,
            "restarts": entry.get("RestartCount"), "oom_killed": bool(entry["State"].get("OOMKilled")),
            "error": docker.redact(entry["State"].get("Error") or ""),
            "health_said": clean(docker.redact, str(checks[-1].get("Output") or "").strip())[-SHOWN_CHARACTERS:],
            "memory_bytes": used.get(each.id),
            "memory_limit_bytes": entry["HostConfig"].get("Memory") or None,
            "last_lines": [] if each.well or (each.status == "exited" and each.exit_code == 0)
            else last_lines(docker, each.id),
        })
    return found


# Disks and revisions

def disk_facts(project: Project | None, state_dir: str, database: Container | None) -> list[dict[str, t.Any]]:
    """Return the free space where evidence, the engine's files and the database's volumes are, as far as seen here."""
    places = {"state_dir": [state_dir]}
    if project:
        argv = ("info", "--format", "{{json .DockerRootDir}}")
        done = project.docker.call(*argv)
        places["docker"] = [project.docker.read(done, *argv, default='""') or ""] if done.rc == 0 else []
    if database:
        places["database"] = [str(mount.get("Source") or "") for mount in database.mounts]
    found = []
    for name, paths in places.items():
        for path in paths:
            if os.path.isdir(path):
                usage = shutil.disk_usage(path)
                found.append({"place": name, "path": path, "free_bytes": usage.free, "total_bytes": usage.total})
    return found


def stand(graph: Graph | None, recorded: t.Sequence[str] | None) -> str:
    """Return where a history stands to the recorded revisions: same, ahead of them, behind them, or unknown."""
    if graph is None or not recorded:
        return "unknown"
    if any(revision not in graph for revision in recorded):
        return "behind"
    return "same" if set(graph.heads()) <= graph.ancestors(*recorded) else "ahead"


def history_facts(graph: Graph | None, image: str, recorded: t.Sequence[str] | None, migration: str
                  ) -> dict[str, t.Any]:
    """Return what a history says of the recorded revisions; C(applied) tells whether the migration is among them."""
    found: dict[str, t.Any] = {"image": image, "heads": graph.heads() if graph else None,
                               "stand": stand(graph, recorded), "unknown": [], "overlap": None, "applied": None}
    if graph and recorded is not None:
        found["unknown"] = [revision for revision in recorded if revision not in graph]
        found["overlap"] = graph.overlapping(recorded)
        if migration in graph and not found["unknown"]:
            found["applied"] = migration in graph.ancestors(*recorded)
    return found


def image_facts(runtime: ComposeRuntime, every: t.Sequence[Container], recorded: t.Sequence[str] | None,
                applications: t.Sequence[str], migration: str, config: str, python: str) -> dict[str, t.Any]:
    """Return what the migrations image and those the application runs on say of the recorded revisions."""
    project = runtime.project
    graphs: dict[str, Graph | None] = {}

    def told(image: str, name: str) -> dict[str, t.Any]:
        if image not in graphs:
            graphs[image] = image_graph(runtime, image, config, python, project.docker.redact)
        return history_facts(graphs[image], name, recorded, migration)

    service = project.layout.migrations
    found: dict[str, t.Any] = {"recorded": recorded, "applications": {
        name: told(each.image, each.image_name) for name in applications for each in project.of_service(name, every)}}
    found["migrations"] = told(str(project.local_image(service)["Id"]), project.image_of(service))
    return found
