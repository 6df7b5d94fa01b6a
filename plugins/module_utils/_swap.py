# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Another database under the live one's name, in one transaction; and a copy of the live one beside it.

While either waits for the database to be free, a second session ends the sessions on it. The lock the server then holds
keeps new ones waiting at the door, so an application that reconnects all the time cannot make it fail.
"""

from __future__ import annotations

import time
import typing as t
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from ._database import DatabaseError, Limits, Target, rows, value
from ._dress import cannot_dress, dress_as
from ._errors import Problem, Refusal
from ._freeing import STATEMENT_TIMEOUT, Freeing
from ._ours import (
    BESIDE,
    KEPT,
    SAFETY,
    Ours,
    comment_of,
    drop,
    end_left,
    end_named,
    free_name,
    holding,
    in_words,
    list_ours,
    maintenance,
    mark,
    marked,
    name_for,
    oid_of,
    own_comment,
    put_comment,
    sessions_on,
    work_name,
)
from ._progress import part

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# For databases beside the live one this is the one place to import from.
__all__ = ["BESIDE", "KEPT", "SAFETY", "Copied", "Ours", "Swapped", "copy", "dress_as", "drop", "drop_unproved",
           "end_left", "holding", "list_ours", "maintenance", "mark", "name_for", "oid_of", "require_swappable", "swap",
           "work_name"]

ANSWER_LIMIT_S = 60.0
_STRATEGY_SINCE = 150000


@dataclass(frozen=True)
class Swapped:
    """What a swap left: the name the replaced database is kept under, seconds, and how many sessions were ended.

    ``notes`` are settings that could not be given, ``statements`` what was executed.
    """

    kept: str
    seconds: float
    ended: int
    notes: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copied:
    """A copy of the live database: its name, the seconds it took, its bytes; the rest as in Swapped."""

    name: str
    seconds: float
    bytes: int
    ended: int = 0
    notes: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


def require_swappable(connection: t.Any, live: str) -> None:
    """Raise Refusal where this role could not replace the database of this name, or the server would not let it."""
    found = rows(connection, """
        SELECT current_user, r.rolsuper, r.rolsuper OR r.rolcreatedb, pg_has_role(d.datdba, 'USAGE'),
               pg_get_userbyid(d.datdba), d.oid::bigint
        FROM pg_database d, pg_roles r WHERE d.datname = %s AND r.rolname = current_user""", (live,))
    if not found:
        raise Refusal("swap_database_absent", name=live)
    user, superuser, may_create, owns, owner, oid = found[0]
    if not may_create:
        raise Refusal("swap_needs_createdb", user=user, database=live)
    if not owns:
        raise Refusal("swap_needs_ownership", user=user, database=live, owner=owner)
    # A superuser may take any role; pg_has_role knows.
    lacking = [] if superuser else cannot_dress(connection, live)
    if lacking:
        raise Refusal("swap_needs_roles", user=user, database=live, roles=", ".join(lacking))
    foreign = [each for each in sessions_on(connection, [oid]) if not each["may_end"]]
    if foreign:
        raise Refusal("swap_cannot_end", user=user, database=live, sessions=in_words(foreign))
    prepared = rows(connection, "SELECT gid FROM pg_prepared_xacts WHERE database = %s ORDER BY 1", (live,))
    if prepared:
        raise Refusal("swap_prepared", database=live, names=", ".join(row[0] for row in prepared))
    slots = rows(connection, "SELECT slot_name FROM pg_replication_slots WHERE database = %s ORDER BY 1", (live,))
    if slots:
        raise Refusal("swap_slots", database=live, names=", ".join(row[0] for row in slots))
    subscribed = rows(connection, "SELECT subname FROM pg_subscription WHERE subdbid = %s ORDER BY 1", (oid,))
    if subscribed:
        raise Refusal("swap_subscribed", database=live, names=", ".join(row[0] for row in subscribed))


def swap(target: Target, live: str, replacement: str, run_id: str | None, limits: Limits, may_act: t.Callable[[], None],
         heads: t.Sequence[str] | None = None) -> Swapped:
    """Put ``replacement`` in the live database's place, whole or not at all; ``heads`` are those the live one records.

    Whoever calls has closed its own sessions on both. ``may_act`` is asked before each attempt and raises what forbids
    it. Raises Refusal while nothing has been tried, then Problem naming the database now under the live name.
    """
    began = time.monotonic()
    base, name = maintenance(target), work_name(run_id, "beside")
    with base.open(name + ":end", limits) as ender:
        oids = {each: oid_of(ender, each) for each in (live, replacement)}
        if oids[replacement] is None or oids[live] is None:
            raise Refusal("swap_database_absent", name=replacement if oids[replacement] is None else live)
        require_swappable(ender, live)
        require_swappable(ender, replacement)
        notes = dress_as(ender, live, replacement)
        kept = free_name(ender, KEPT, live, run_id)
        own = own_comment(comment_of(ender, live))
        said = marked(KEPT, live, kept, run_id, heads, True, own, {"name": replacement, "oid": oids[replacement]})
        free = Freeing(base, ender, live, t.cast("set[int]", set(oids.values())), name, limits, may_act)

        def rename(session: t.Any) -> list[str]:
            done = []
            for old, new in ((live, kept), (replacement, live)):
                statement = sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
                rows(session, statement)
                done.append(str(statement.as_string(session)))
            return [*done, put_comment(session, kept, said), put_comment(session, live, own)]

        try:
            statements = free.do(rename, autocommit=False)
        except DatabaseError as error:
            # Also a connection lost in COMMIT: whether it took effect is seen, never guessed.
            now_there = _settled(base, name, live)
            if now_there[0] != oids[replacement]:
                raise Problem("swap_failed", database=live, replacement=replacement, oid=now_there[0],
                              error=str(error).strip()) from error
            statements = free.statements
    there, allowed = _settled(base, name, live)
    if there != oids[replacement] or not allowed:
        raise Problem("swap_other_there", database=live, replacement=replacement, oid=there, kept=kept)
    return Swapped(kept, round(time.monotonic() - began, 3), len(free.ended), tuple(notes),
                   ("BEGIN", *statements, "COMMIT"))


def copy(target: Target, live: str, run_id: str | None, timeout_s: float, may_act: t.Callable[[], None],
         heads: t.Sequence[str] | None = None) -> Copied:
    """Copy the live database beside it, by its files; marked as not proved yet. Gone again if this does not end well.

    One this run left unproved is dropped first. Raises Refusal where nothing was tried, Problem when it failed.
    """
    began = time.monotonic()
    base, name = maintenance(target), work_name(run_id, "beside")
    limits = Limits(lock_timeout_ms=5000, statement_timeout_ms=int(timeout_s * 1000))
    with base.open(name + ":end", Limits()) as ender, ExitStack() as undo:
        require_swappable(ender, live)
        drop_unproved(ender, live, run_id)
        made, oid = free_name(ender, SAFETY, live, run_id), oid_of(ender, live)
        free = Freeing(base, ender, live, {t.cast("int", oid)}, name, limits, may_act)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} ALLOW_CONNECTIONS false{}").format(
            sql.Identifier(made), sql.Identifier(live),
            sql.SQL(" STRATEGY file_copy" if ender.server_version >= _STRATEGY_SINCE else ""))

        def create(session: t.Any) -> list[str]:
            rows(session, statement)
            return [str(statement.as_string(session))]

        undo.callback(_undo_copy, base, made, live, run_id, name)
        try:
            with part("copy", value(ender, "SELECT pg_database_size(%s)", (live,))):
                statements = free.do(create, autocommit=True)
            mark(ender, made, SAFETY, live, run_id, heads)
            notes = dress_as(ender, live, made)
        except DatabaseError as error:
            if getattr(error, "pgcode", None) == STATEMENT_TIMEOUT:
                raise Problem("copy_timeout", database=live, limit=timeout_s) from error
            raise Problem("copy_failed", database=live, error=str(error).strip()) from error
        undo.pop_all()
        size = value(ender, "SELECT pg_database_size(%s)", (made,))
    return Copied(made, round(time.monotonic() - began, 3), size, len(free.ended), tuple(notes), tuple(statements))


def drop_unproved(connection: t.Any, live: str, run_id: str | None) -> list[str]:
    """Drop what this run's earlier attempts at a copy left, and return the names.

    A copy whose maker was killed before it could be marked is known by its name, which is this run's alone.
    """
    if not run_id:
        return []
    name = name_for(SAFETY, live, run_id)
    if oid_of(connection, name) is not None and comment_of(connection, name) is None:
        mark(connection, name, SAFETY, live, run_id, None)
    dropped = []
    for each in list_ours(connection, live):
        if each.kind == SAFETY and each.run_id == run_id and not each.proved and not each.renamed:
            drop(connection, each.name)
            dropped.append(each.name)
    return dropped


def _undo_copy(base: Target, made: str, live: str, run_id: str | None, name: str) -> None:
    """Drop a copy that did not end well. Its name was nobody's before; what cannot be done now a resume does."""
    with suppress(DatabaseError, Problem), base.open(name + ":undo") as session:
        end_named(session, name + ":act")
        if oid_of(session, made) is not None:
            mark(session, made, SAFETY, live, run_id, None)
            drop(session, made)


def _settled(base: Target, name: str, live: str) -> tuple[int | None, bool]:
    """Return which database bears the live name, and whether it takes connections, once nothing of ours is at work.

    Raises Problem when no server answers for a minute: then nobody knows.
    """
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while True:
        try:
            with base.open(name + ":look") as session:
                # What was begun may still be about to take effect.
                end_named(session, name + ":act")
                found = rows(session, "SELECT oid::bigint, datallowconn FROM pg_database WHERE datname = %s", (live,))
                return found[0] if found else (None, False)
        except (Refusal, DatabaseError) as error:
            if time.monotonic() > deadline:
                told = error.facts.get("error", error.key) if isinstance(error, Refusal) else str(error).strip()
                raise Problem("swap_uncertain", database=live, place=base.place, error=told) from error
            time.sleep(1)
