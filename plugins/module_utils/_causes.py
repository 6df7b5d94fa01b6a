# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Probable causes, read off what a diagnosis found. Pure: nothing is asked here.

A rule yields causes; the rules stand most urgent first.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._database import APPLICATION
from ._messages import say

LONG_S = 30
NEAR = 0.9
DISK_SHARE, DISK_BYTES = 0.01, 200 * 1024 * 1024
MIB = 1024 * 1024

Fact = dict[str, t.Any]
Cause = dict[str, str]


@dataclass
class Scene:
    """What was found, part by part. ``unavailable`` says why a part is not: ``{key, text, command}``.

    ``sql`` and ``shown`` give the command lines that run a statement and a command of Compose.
    """

    language: str
    sql: t.Callable[[str], str]
    shown: t.Callable[..., str]
    applications: t.Sequence[str] = ()
    database_service: str = "postgres"
    migrations_service: str = "api-migrations"
    database: Fact = field(default_factory=dict)
    containers: list[Fact] | None = None
    logs: dict[str, Fact] = field(default_factory=dict)
    disk: list[Fact] = field(default_factory=list)
    heads: Fact = field(default_factory=dict)
    last_run: Fact | None = None
    unavailable: dict[str, dict[str, str]] = field(default_factory=dict)

    def sign(self, name: str) -> Fact | None:
        """Return how often the logs bear a sign, and the last line that does: the application's own, if any does."""
        found = [(service, log["signs"][name]) for service, log in self.logs.items() if name in log["signs"]]
        if not found:
            return None
        service, last = max(found, key=lambda each: (each[0] in self.applications, each[1]["last"]))
        return {"service": service, "count": sum(each["count"] for _name, each in found), "last": last["last"]}

    def migrations(self) -> Fact:
        return self.heads.get("migrations") or {}

    def recorded(self) -> list[str] | None:
        return self.database.get("recorded_heads")


def causes(scene: Scene) -> list[Cause]:
    """Return the probable causes, most urgent first: ``{id, text, next}``."""
    rules = (_engine, _server, _disk, _killed, _migrations, _services, _compatibility, _blocked, _version_table, _moved,
             _data, _idle, _connections, _memory, _long, _statistics)
    return [cause for rule in rules for cause in rule(scene)]


def cause(scene: Scene, ident: str, variant: str = "", **facts: object) -> Cause:
    return {"id": ident, "text": say(scene.language, f"cause_{ident}{variant}", **facts),
            "next": say(scene.language, f"remedy_{ident}{variant}", **facts)}


def _list(found: t.Iterable[object] | None) -> str:
    return ", ".join(map(str, found or [])) or "-"


def _who(row: Fact) -> Fact:
    """Return who a session is, for a message."""
    return {"pid": row["pid"], "user": row.get("user") or "-", "application": row.get("application") or "-",
            "client": row.get("client") or "-", "state": row.get("state") or "-",
            "seconds": row.get("transaction_s") if row.get("transaction_s") is not None else "-",
            "locks": _list(row.get("locks")), "query": row.get("query") or "-"}


def _engine(scene: Scene) -> t.Iterator[Cause]:
    if scene.unavailable.get("containers", {}).get("key") == "engine_down":
        yield cause(scene, "engine_down", reason=scene.unavailable["containers"]["text"])


def _server(scene: Scene) -> t.Iterator[Cause]:
    found = scene.unavailable.get("database")
    if found and found["key"] != "engine_down":
        yield cause(scene, "database_down", reason=found["text"],
                    command=found["command"] or "ansible-playbook status.yml")


def _disk(scene: Scene) -> t.Iterator[Cause]:
    sign = scene.sign("disk_full")
    low = [each for each in scene.disk
           if each["free_bytes"] < max(DISK_BYTES, int(each["total_bytes"] * DISK_SHARE))]
    for each in low:
        yield cause(scene, "disk_full", path=each["path"], free=each["free_bytes"] // MIB,
                    total=each["total_bytes"] // MIB)
    if sign and not low:
        yield cause(scene, "disk_full", "_said", **sign)


def _killed(scene: Scene) -> t.Iterator[Cause]:
    for each in scene.containers or []:
        if each["oom_killed"]:
            yield cause(scene, "out_of_memory", service=each["service"], name=each["name"],
                        limit=(each["memory_limit_bytes"] or 0) // MIB or "-",
                        command=scene.shown("up", "-d", "--no-deps", each["service"]))
    sign = scene.sign("out_of_memory")
    if sign:
        yield cause(scene, "out_of_memory", "_said", **sign)


def _migrations(scene: Scene) -> t.Iterator[Cause]:
    mine = [each for each in scene.containers or [] if each["service"] == scene.migrations_service]
    for each in mine:
        if each["status"] in ("running", "restarting", "paused"):
            yield cause(scene, "migration_running", name=each["name"], since=each["started_at"])
    if mine and mine[-1]["status"] in ("exited", "dead") and mine[-1]["exit_code"] != 0:
        yield cause(scene, "migrations_failed", name=mine[-1]["name"], code=mine[-1]["exit_code"],
                    last=_last(mine[-1]))


def _last(container: Fact) -> str:
    return " / ".join(line.partition(" ")[2] for line in container["last_lines"][-3:]) or container["error"] or "-"


def _services(scene: Scene) -> t.Iterator[Cause]:
    if scene.containers is None:
        return
    for service in scene.applications:
        if not any(each["service"] == service and not each["oneoff"] for each in scene.containers):
            yield cause(scene, "service_down", "_absent", service=service,
                        command=scene.shown("up", "-d", "--no-deps", service))
    for each in scene.containers:
        if each["oneoff"] or each["service"] == scene.migrations_service or not _unwell(scene, each):
            continue
        facts = {"service": each["service"], "name": each["name"], "code": each["exit_code"],
                 "restarts": each["restarts"], "status": each["status"], "health": each["health"] or "-",
                 "last": _last(each), "said": each["health_said"] or "-",
                 "command": scene.shown("start", each["service"])}
        stopped = each["status"] in ("exited", "created", "dead")
        yield cause(scene, "service_down", "_stopped" if stopped and not each["exit_code"] else "_exited" if stopped
                    else "_unhealthy" if each["status"] == "running" else "_restarting", **facts)


def _unwell(scene: Scene, container: Fact) -> bool:
    """Tell a service that should run and does not from one that did its work and ended."""
    if container["status"] == "running":
        return container["health"] == "unhealthy"
    stays = (container["service"] in (*scene.applications, scene.database_service) or container["health"]
             or container["restart_policy"] in ("always", "unless-stopped"))
    return bool(stays or container["exit_code"] or container["status"] != "exited")


def _compatibility(scene: Scene) -> t.Iterator[Cause]:
    sign = scene.sign("undefined")
    recorded = scene.recorded()
    applications = (scene.heads.get("applications") or {}).items()
    astray = [(name, told) for name, told in applications if told["stand"] in ("ahead", "behind")]
    for name, told in astray:
        yield cause(scene, "compatibility", "_ahead" if told["stand"] == "ahead" else "_behind", service=name,
                    image=told["image"], expects=_list(told["heads"]), recorded=_list(recorded),
                    count=sign["count"] if sign else 0, last=sign["last"] if sign else "-")
    if sign and not astray:
        # The image is made for the recorded revision, and yet something is not there: then that row lies.
        same = bool(applications) and all(told["stand"] == "same" for _name, told in applications)
        yield cause(scene, "data_errors" if same else "compatibility", "_undefined", recorded=_list(recorded), **sign)


def _blocked(scene: Scene) -> t.Iterator[Cause]:
    rows = {row["pid"]: row for row in scene.database.get("blocked", [])}
    for holder in scene.database.get("blocking", []):
        waiting = [rows[pid] for pid in holder["waiting"] if pid in rows]
        facts = {**_who(holder), "count": len(waiting), "waiting": "; ".join(
            f"pid {row['pid']} ({row['user'] or '-'}, {row['application'] or '-'}, {row['transaction_s']} s)"
            for row in waiting) or "-"}
        ours = (holder.get("application") or "").startswith(APPLICATION)
        if not holder["pid"]:
            yield cause(scene, "blocked", "_prepared", **facts, command=scene.sql(
                "SELECT gid, prepared, owner FROM pg_prepared_xacts"))
        elif ours:
            yield cause(scene, "blocked", "_ours", **facts)
        else:
            yield cause(scene, "blocked", **facts, command=_end(scene, holder))


def _end(scene: Scene, row: Fact) -> str:
    return scene.sql(f"SELECT pg_terminate_backend({int(row['pid'])})")


def _version_table(scene: Scene) -> t.Iterator[Cause]:
    told, recorded = scene.migrations(), scene.recorded()
    if scene.database and not recorded and not scene.database.get("recorded_error"):
        yield cause(scene, "version_table", "_empty" if recorded == [] else "_absent")
    if told.get("overlap"):
        yield cause(scene, "version_table", "_overlap", lower=told["overlap"][0], upper=told["overlap"][1])
    if told.get("unknown"):
        yield cause(scene, "version_table", "_unknown", revisions=_list(told["unknown"]), image=told["image"],
                    heads=_list(told["heads"]))


def _moved(scene: Scene) -> t.Iterator[Cause]:
    last, recorded = scene.last_run, scene.recorded()
    good = ("rolled_back", "already_rolled_back", "restored", "undone", "remigrated")
    if last and recorded and last["outcome"] in good and last["to_heads"] and set(last["to_heads"]) != set(recorded):
        started = [each["started_at"] for each in scene.containers or []
                   if each["service"] == scene.migrations_service and each["started_at"] > last["finished_at"]]
        yield cause(scene, "moved_since", run_id=last["run_id"], finished_at=last["finished_at"],
                    left=_list(last["to_heads"]), recorded=_list(recorded), service=scene.migrations_service,
                    started=_list(started))


def _data(scene: Scene) -> t.Iterator[Cause]:
    if scene.migrations().get("applied"):
        recorded = _list(scene.recorded())
        for table in scene.database.get("tables", []):
            if table["present"] is False:
                yield cause(scene, "data_missing", "_absent", table=table["table"], recorded=recorded)
            elif table["empty"]:
                yield cause(scene, "data_missing", "_empty", table=table["table"], recorded=recorded)
    sign = scene.sign("violated")
    if sign:
        yield cause(scene, "data_errors", "_violated", **sign)


def _idle(scene: Scene) -> t.Iterator[Cause]:
    holders = [row["pid"] for row in scene.database.get("blocking", [])]
    for row in scene.database.get("idle_in_transaction", []):
        if row["pid"] not in holders and row["locks"] and (row["state_s"] or 0) >= LONG_S:
            yield cause(scene, "idle_transaction", **_who(row), command=_end(scene, row))


def _connections(scene: Scene) -> t.Iterator[Cause]:
    used, most = scene.database.get("connections", 0), scene.database.get("max_connections", 0)
    if used and used >= most * NEAR:
        yield cause(scene, "connections", used=used, most=most, command=scene.sql(
            "SELECT usename, application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 DESC"))
    sign = scene.sign("connections")
    if sign:
        yield cause(scene, "connections", "_said", **sign)


def _memory(scene: Scene) -> t.Iterator[Cause]:
    for each in scene.containers or []:
        used, limit = each["memory_bytes"], each["memory_limit_bytes"]
        if used and limit and used >= limit * NEAR:
            yield cause(scene, "memory", service=each["service"], name=each["name"], used=used // MIB,
                        limit=limit // MIB, command=scene.shown("restart", each["service"]))


def _long(scene: Scene) -> t.Iterator[Cause]:
    for row in scene.database.get("longest", []):
        ours = (row["application"] or "").startswith(APPLICATION)
        if not ours and not row["blocked_by"] and (row["state_s"] or 0) >= LONG_S:
            yield cause(scene, "long_query", **{**_who(row), "seconds": row["state_s"]}, command=scene.sql(
                f"SELECT pg_cancel_backend({int(row['pid'])})"))


def _statistics(scene: Scene) -> t.Iterator[Cause]:
    found = scene.database.get("never_analyzed", [])
    if found:
        yield cause(scene, "statistics", tables=_list(f"{each['table']} ({each['rows']})" for each in found),
                    command=scene.sql("ANALYZE"))
