# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Databases of ours beside the live one: their names, the comment by which they are known, and how they go."""

from __future__ import annotations

import json
import os
import re
import typing as t
import zlib
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace

from ._database import LOCK_RUN, LOCK_SPACE, DatabaseError, Target, rows, session_name, value
from ._errors import Refusal, Unended
from ._evidence import new_run_id, now

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

BESIDE, SAFETY, KEPT = "beside", "safety", "kept"
MAINTENANCE = ("postgres", "template1")
NAME_BYTES = 63
END_LIMIT_S = 15.0
_KEY = "recyclic.rollback"
# A connection whose server vanished is noticed within half a minute, not after the kernel's two hours.
_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
# Whose sessions this role may end, of the role r: what pg_terminate_backend asks, and an error would stop the rest.
MAY_END = """((SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    OR (NOT r.rolsuper AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))))"""


@dataclass(frozen=True)
class Ours:
    """A database of ours: ``of`` is the live one's name, ``comment`` that one's own; ``at`` as now() writes it.

    ``bytes`` is None where this role may not know. ``marked_name`` is the name it was given: another one means that
    somebody renamed it. ``connections`` counts its sessions. ``replacement`` is, of a kept one, ``{name, oid}`` of the
    database that took its place.
    """

    name: str
    kind: str
    of: str
    run_id: str | None
    at: str
    heads: list[str] | None
    proved: bool
    bytes: int | None
    comment: str | None
    oid: int = 0
    marked_name: str = ""
    connections: int = 0
    replacement: dict[str, t.Any] | None = None

    @property
    def renamed(self) -> bool:
        return bool(self.marked_name) and self.marked_name != self.name


def name_for(kind: str, database: str, run_id: str | None) -> str:
    """Return the name of a database of ours, 63 bytes at most; a new one each time where there is no run."""
    stamp = re.sub(r"[^0-9A-Za-z-]", "_", run_id or new_run_id())[-30:]
    tail = f"_{kind}_{stamp}"
    return database.encode()[:NAME_BYTES - len(tail)].decode(errors="ignore") + tail


def free_name(connection: t.Any, kind: str, database: str, run_id: str | None) -> str:
    """Return the same, or another where that one is taken: a run may replace the live database more than once."""
    name = name_for(kind, database, run_id)
    return name if oid_of(connection, name) is None else name_for(kind, database, None)


def oid_of(connection: t.Any, name: str) -> int | None:
    """Return which database bears a name; None where there is none."""
    return t.cast("int | None", value(connection, "SELECT oid::bigint FROM pg_database WHERE datname = %s", (name,)))


def comment_of(connection: t.Any, name: str) -> str | None:
    """Return a database's comment as it stands."""
    return t.cast("str | None", value(
        connection, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (name,)))


def read_mark(comment: str | None) -> dict[str, t.Any] | None:
    """Return what a comment of ours says; None for any other comment."""
    try:
        found = json.loads(comment or "")[_KEY]
    except (ValueError, TypeError, KeyError):
        return None
    known = isinstance(found, dict) and found.get("kind") in (BESIDE, SAFETY, KEPT) and isinstance(found.get("of"), str)
    return found if known else None


def own_comment(comment: str | None) -> str | None:
    """Return the comment a live database is to bear: its own, also where ours has wrapped it."""
    mark_read = read_mark(comment)
    return mark_read.get("comment") if mark_read else comment


def marked(kind: str, of: str, name: str, run_id: str | None, heads: t.Sequence[str] | None, proved: bool,
           comment: str | None, replacement: dict[str, t.Any] | None = None) -> str:
    """Return the comment of a database of ours."""
    said = {"kind": kind, "of": of, "name": name, "run_id": run_id, "at": now(),
            "heads": None if heads is None else sorted(heads), "comment": comment, "proved": proved}
    return json.dumps({_KEY: {**said, "replacement": replacement} if replacement else said}, ensure_ascii=False)


def put_comment(connection: t.Any, name: str, comment: str | None) -> str:
    """Set a database's comment and return the statement."""
    statement = sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(comment))
    rows(connection, statement)
    return str(statement.as_string(connection))


def mark(connection: t.Any, name: str, kind: str, of: str, run_id: str | None, heads: t.Sequence[str] | None,
         proved: bool = False) -> None:
    """Make a database ours: from now on it is found, told and, one day, dropped."""
    own = own_comment(comment_of(connection, of))
    put_comment(connection, name, marked(kind, of, name, run_id, heads, proved, own))


def list_ours(connection: t.Any, of: str | None = None) -> list[Ours]:
    """Return the databases that bear our comment, newest first; ``of`` limits them to one live database's."""
    found = rows(connection, """
        SELECT d.oid::bigint, d.datname, shobj_description(d.oid, 'pg_database'),
               CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
                    THEN pg_database_size(d.oid) END,
               (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.usesysid IS NOT NULL)
        FROM pg_database d WHERE shobj_description(d.oid, 'pg_database') LIKE %s""", (f"%{_KEY}%",))
    ours = []
    for oid, name, comment, size, connections in found:
        said = read_mark(comment)
        if said and of in (None, said["of"]):
            ours.append(Ours(name, said["kind"], said["of"], said.get("run_id"), str(said.get("at") or ""),
                             said.get("heads"), bool(said.get("proved")), size, said.get("comment"), oid,
                             str(said.get("name") or ""), connections, said.get("replacement")))
    return sorted(ours, key=lambda each: (each.at, each.oid), reverse=True)


def drop(connection: t.Any, name: str) -> None:
    """Drop a database of ours. Raises Refusal for any other, one somebody renamed, and one somebody is connected to."""
    found = next((each for each in list_ours(connection) if each.name == name), None)
    if found is None:
        raise Refusal("beside_not_ours", name=name)
    if found.renamed:
        raise Refusal("beside_renamed", name=name, was=found.marked_name, of=found.of)
    if found.connections:
        raise Refusal("beside_in_use", name=name, sessions=in_words(sessions_on(connection, [found.oid])))
    if value(connection, "SELECT datistemplate FROM pg_database WHERE oid = %s", (found.oid,)):
        rows(connection, sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(sql.Identifier(name)))
    try:
        rows(connection, sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
    except DatabaseError as error:
        if getattr(error, "pgcode", None) != "55006":
            raise
        raise Refusal("beside_in_use", name=name, sessions=str(error).strip()) from error


def maintenance(target: Target) -> Target:
    """Return the same server and user on another database than the live one: nobody renames the one he is in.

    Raises Refusal where neither of the usual ones can be had.
    """
    last: Refusal | None = None
    for name in MAINTENANCE:
        if name == target.database:
            continue
        params = {**_KEEPALIVES, **target.params, "dbname": name}
        inside = {**target.inside, "dbname": name} if target.inside else None
        beside = replace(target, params=params, inside=inside)
        try:
            beside.connect(session_name(None, "maintenance")).close()
        except Refusal as refusal:
            last = refusal
        else:
            return beside
    if last and last.key != "database_refuses":
        raise last
    raise Refusal("maintenance_unreachable", names=", ".join(MAINTENANCE), user=target.params.get("user", ""),
                  error=last.facts["error"] if last else "")


def work_name(run_id: str | None, part: str) -> str:
    """Return a session's name by which a later attempt of the same run finds it; outside a run this process's own."""
    return session_name(run_id or str(os.getpid()), part)


def end_left(connection: t.Any, run_id: str | None) -> list[int]:
    """End what an attempt of this run that was killed left at work on the server, in whatever database it is.

    Returns the pids. Raises Unended when one stays.
    """
    return end_named(connection, work_name(run_id, "beside"))


def end_named(connection: t.Any, prefix: str) -> list[int]:
    """End the sessions, in whatever database, whose name starts so; this one stays. Raises Unended as end_left()."""
    ended: set[int] = set()
    for left in range(int(END_LIMIT_S), -1, -1):
        found = [row[0] for row in rows(connection, """
            SELECT pid FROM pg_stat_activity
            WHERE starts_with(application_name, %s) AND pid <> pg_backend_pid()""", (prefix,))]
        if not found:
            break
        if not left:
            raise Unended("backends_remain", pids=", ".join(map(str, found)))
        for pid in found:
            value(connection, "SELECT pg_terminate_backend(%s, 1000)", (pid,))
            ended.add(pid)
    return sorted(ended)


def sessions_on(connection: t.Any, oids: t.Collection[int]) -> list[dict[str, t.Any]]:
    """Return who is connected to databases: ``{pid, user, application, client, may_end}``."""
    names = ("pid", "user", "application", "client", "may_end")
    # The text is this file's own.
    statement = sql.SQL("""
        SELECT a.pid, r.rolname, a.application_name, coalesce(host(a.client_addr), 'local'), {}
        FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
        WHERE a.datid = ANY(%s::bigint[]) AND a.pid <> pg_backend_pid() ORDER BY 1""").format(sql.SQL(MAY_END))
    return [dict(zip(names, row)) for row in rows(connection, statement, (list(oids),))]


def in_words(sessions: t.Iterable[dict[str, t.Any]]) -> str:
    """Return them as an operator looks for them."""
    return ", ".join("pid {pid} ({user}, {application}, {client})".format(**each) for each in sessions) or "-"


@contextmanager
def holding(connection: t.Any, database: str) -> t.Iterator[None]:
    """Hold, on a maintenance session, the lock that says a run is acting on the database of this name.

    Advisory locks belong to a database; the live one's own is looked at as well. Raises Refusal while either is held
    by another session.
    """
    key = zlib.crc32(database.encode()) - 2**31
    if not value(connection, "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, key)):
        raise Refusal("another_run_acting", holder=_holder(connection, key, None) or "?")
    with ExitStack() as held:
        held.callback(_unlock, connection, key)
        holder = _holder(connection, LOCK_RUN, database)
        if holder:
            raise Refusal("another_run_acting", holder=holder)
        yield


def _unlock(connection: t.Any, key: int) -> None:
    # A session that was lost has lost the lock as well.
    with suppress(DatabaseError):
        value(connection, "SELECT pg_advisory_unlock(%s, %s)", (LOCK_SPACE, key))


def _holder(connection: t.Any, key: int, database: str | None) -> str | None:
    found = rows(connection, """
        SELECT a.application_name || ' (pid ' || a.pid || ')' FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid::bigint = %s
          AND l.database = (SELECT oid FROM pg_database WHERE datname = coalesce(%s, current_database()))
        """, (LOCK_SPACE, key & 0xFFFFFFFF, database))
    return found[0][0] if found else None
