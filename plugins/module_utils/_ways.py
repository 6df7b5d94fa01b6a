# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The routes of a rollback, each taken on a restored copy as it would be taken on the live database."""

from __future__ import annotations

import re
import typing as t
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ._alembic import Moved
from ._copy import Clock, Copy
from ._database import DatabaseError, Limits, rows, session_name
from ._errors import Refusal
from ._losses import Loss, table_of
from ._manual import Manual, transact
from ._measured import Picture, content_differs
from ._ours import BESIDE, mark, name_for
from ._redact import Redactor
from ._restored import require_same, restore
from ._revisions import Graph
from ._routes import ALEMBIC, MANUAL, RESTORE
from ._scratch import fresh_database
from ._swap import swap
from ._watch import Step, by_revision

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

_RUNNING = re.compile(r"Running downgrade (\w+)")


@dataclass(frozen=True)
class Way:
    """A route with what it needs: the transaction of one by hand, the manifest and time limit of a restore.

    ``role`` is who acts on the live database: on the copy it has no more rights than there.
    """

    route: str = ALEMBIC
    manual: Manual | None = None
    backup: dict[str, t.Any] | None = None
    timeout_s: float = 7200
    role: str = ""


@dataclass
class Taken:
    """What was seen on the way: the history, the steps by revision (none of a restore), whether a table was touched."""

    graph: Graph
    steps: dict[str, list[Step]] = field(default_factory=dict)
    touched: bool = False


def take(way: Way, copy: Copy, clock: Clock, from_heads: t.Sequence[str], path: t.Sequence[str],
         to_heads: t.Sequence[str], to_revision: str, language: str, redact: Redactor) -> Taken:
    """Take a route on a copy, timed. Raises Refusal where it fails, or does not record what it has to."""
    if way.route == RESTORE:
        return by_restore(way, copy, clock, to_heads, language, redact)
    copy.watch()
    if way.route == MANUAL:
        with clock.step("manual"):
            moved = by_hand(way, copy)
            require_heads(copy, to_heads)
    else:
        with clock.step("downgrade"):
            moved = copy.move([("downgrade", to_revision)])
            require_moved(copy, moved, from_heads, path, to_heads)
    steps = by_revision(copy.steps(), from_heads, list(path), moved.graph)
    return Taken(moved.graph, steps, any(step.touched for own in steps.values() for step in own))


def by_hand(way: Way, copy: Copy) -> Moved:
    """Do the transaction here. Nothing is moved by Alembic; it tells the history, and where its connections arrive."""
    moved = copy.move([])
    with copy.scratch.target.open(session_name(copy.run_id, "manual"), copy.limits, autocommit=False) as connection:
        try:
            if way.role:
                rows(connection, sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(way.role)))
            done = transact(connection, t.cast("Manual", way.manual))
            connection.commit()
        except DatabaseError as error:
            raise Refusal("rehearsal_manual_failed", error=str(error).strip()) from error
    copy.commands += [f"{statement};" for statement in (*done.statements, "COMMIT")]
    return moved


def by_restore(way: Way, copy: Copy, clock: Clock, to_heads: t.Sequence[str], language: str, redact: Redactor
               ) -> Taken:
    """Load the other backup beside the copy, compare it, and swap the two."""
    seen = copy.move([])
    manifest, live = t.cast("dict[str, t.Any]", way.backup), copy.scratch.target
    name = name_for(BESIDE, live.database, copy.run_id)
    beside = replace(copy.scratch, target=replace(live, params={**live.params, "dbname": name}, inside=live.inside and {
        **live.inside, "dbname": name}))
    with clock.step("load"):
        fresh_database(beside.target, copy.scratch.like)
        copy.commands.append(restore(beside, manifest, redact, way.timeout_s, copy.run_id))
    with clock.step("swap"):
        with live.open(session_name(copy.run_id, "swap")) as connection:
            mark(connection, name, BESIDE, live.database, copy.run_id, to_heads, True)
        swapped = swap(live, live.database, name, copy.run_id, Limits(), lambda: None)
        copy.commands += [f"{statement};" for statement in swapped.statements]
        require_heads(copy, to_heads)
        require_same(manifest, copy.evidence(), language)
    return Taken(seen.graph)


def require_moved(copy: Copy, moved: Moved, from_heads: t.Sequence[str], path: t.Sequence[str],
                  to_heads: t.Sequence[str]) -> None:
    """Raise Refusal unless the downgrade came to its end, and recorded what was predicted."""
    heads = copy.heads()
    failed = moved.failure
    if failed:
        revision = failed.get("at") or reached(moved.graph, from_heads, path, heads, moved.transcript)
        if moved.ended_by:
            raise Refusal("rehearsal_ended", revision=revision, limit=copy.environment.timeout_s)
        raise Refusal("rehearsal_failed", revision=revision, error=failed["error"])
    require_heads(copy, to_heads)


def require_heads(copy: Copy, to_heads: t.Sequence[str]) -> None:
    heads = copy.heads()
    if sorted(heads) != sorted(to_heads):
        raise Refusal("rehearsal_heads", heads=", ".join(heads) or "-", predicted=", ".join(to_heads) or "-")


def reached(graph: Graph, from_heads: t.Sequence[str], path: t.Sequence[str], heads: t.Sequence[str], transcript: str
            ) -> str:
    """Return the revision at which a downgrade came to its end: the last one Alembic said it began.

    Where it said nothing, the first of the path whose recorded revisions were not reached.
    """
    begun = [revision for revision in _RUNNING.findall(transcript) if revision in path]
    if begun:
        return begun[-1]
    done = [number for number in range(len(path) + 1)
            if sorted(graph.heads_after_downgrade(from_heads, path[:number])) == sorted(heads)]
    return path[min(done[-1] if done else 0, len(path) - 1)] if path else ""


def given_up(before: Picture, after: Picture, own: t.Collection[str], announced: t.Iterable[t.Mapping[str, t.Any]]
             ) -> list[Loss]:
    """Return what a restore would take that its plan does not speak of: by table, the rows written since the backup."""
    told = {table_of(Loss(*loss["id"].partition(":")[::2])) for loss in announced} | set(own)
    found = []
    for table, old in before.tables.items():
        new = after.tables.get(table)
        if table in told:
            continue
        if new is None:
            found.append(Loss("drop-table", table, old["rows"], old["exact"]))
        elif old["rows"] != new["rows"] or content_differs(table, before, after):
            found.append(Loss("written-since", table, abs(old["rows"] - new["rows"]) or None, False))
    return found
