# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A history tried on a scratch server, built from nothing: what each downgrade does, and what the schema should be."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._alembic import Environment, Moved, prefix_of
from ._catalogue import Catalogue, Change, compare
from ._database import DatabaseError, Limits, rows, session_name, value
from ._revisions import Graph
from ._scratch import Scratch, fresh_database
from ._watch import Step, by_revision, install, read_steps

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql


@dataclass(frozen=True)
class Course:
    """What is tried: from which recorded revisions, by which path, to which; without ``path``, only the schema.

    ``version_table`` and ``version_schema`` are those env.py names, ``role`` the one it connects as.
    """

    graph: Graph
    from_heads: tuple[str, ...]
    to_heads: tuple[str, ...]
    to_revision: str
    path: tuple[str, ...]
    version_table: str
    version_schema: str | None
    role: str

    @property
    def version_name(self) -> str:
        """The version table as catalogues name it."""
        schema = self.version_schema
        return f"{schema}.{self.version_table}" if schema and schema != "public" else self.version_table


@dataclass
class Trial:
    """What came of it. ``error`` says why the history could not be built from nothing; then the rest is empty.

    ``steps`` are those of the downgrade by revision. ``before``, ``after`` and ``target`` are the catalogues at the
    recorded revisions, after the downgrade, and as the target's own revisions build it. ``stopped_at`` and ``stopped``
    tell where and why the downgrade failed, ``upgrade_error`` why upgrading again did. ``seen`` is every state met, as
    ``(heads, catalogue)``; times are in seconds.
    """

    error: str = ""
    before: Catalogue | None = None
    after: Catalogue | None = None
    target: Catalogue | None = None
    steps: dict[str, list[Step]] = field(default_factory=dict)
    stopped_at: str = ""
    stopped: str = ""
    upgrade_error: str = ""
    downgrade_s: float | None = None
    rendered: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: list[tuple[list[str], Catalogue]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the downgrade was seen to its end."""
        return self.before is not None and self.after is not None

    def ends(self) -> tuple[Catalogue, Catalogue]:
        """Return the catalogues before and after the downgrade of a trial that is complete."""
        return t.cast("Catalogue", self.before), t.cast("Catalogue", self.after)


def upgrades(graph: Graph, wanted: t.Iterable[str], applied: t.Iterable[str] = ()) -> list[tuple[str, str]]:
    """Return the upgrades that add these revisions to what is applied, none of them for nothing."""
    found, done = [], graph.ancestors(*applied)
    for revision in sorted(wanted):
        if revision not in done:
            found.append(("upgrade", revision))
            done |= graph.ancestors(revision)
    return found


def try_course(scratch: Scratch, theirs: Environment, course: Course, limits: Limits, run_id: str | None) -> Trial:
    """Build the history up to the recorded revisions, undo the path, apply it again; on the scratch server alone.

    Raises Refusal where env.py's connections arrive elsewhere.
    """
    graph = course.graph
    # By way of the target, so that its own schema is seen as well.
    building = upgrades(graph, course.to_heads if course.path else ())
    building += upgrades(graph, course.from_heads, [revision for _direction, revision in building])
    again = upgrades(graph, course.from_heads, course.to_heads)
    moves = building + ([("downgrade", course.to_revision), *again] if course.path else [])
    moved, steps = _play(scratch, theirs, course, limits, run_id, moves, len(building))
    trial = Trial(_failure(moved, len(building)))
    trial.rendered = moved.rendered
    if trial.error:
        return trial
    built = _reached(steps, course.from_heads)
    if built is None:
        trial.error = ", ".join(course.from_heads)
        return trial
    trial.before = steps[built].catalogue
    # Only what upgrades reach: what a downgrade leaves behind is no revision's schema.
    trial.seen = [(step.heads, step.catalogue) for step in steps[:built + 1]]
    if not course.path:
        return trial
    at_target = _reached(steps[:built + 1], course.to_heads)
    trial.target = steps[at_target].catalogue if at_target is not None else _nothing(course)
    undone = moved.moves[len(building)] if len(moved.moves) > len(building) else None
    ended = _reached(steps[built + 1:], course.to_heads)
    down = steps[built + 1:] if ended is None else steps[built + 1:built + 2 + ended]
    trial.steps = by_revision(down, list(course.from_heads), list(course.path), graph)
    if undone and undone["ok"] and ended is not None:
        trial.after, trial.downgrade_s = steps[built + 1 + ended].catalogue, undone["seconds"]
        failed = [move for move in moved.moves[len(building) + 1:] if not move["ok"]]
        trial.upgrade_error = ": ".join(filter(None, (failed[0].get("at"), first_line(failed[0]["error"])))
                                        ) if failed else ""
    else:
        trial.stopped_at = (undone or {}).get("at") or next(
            (revision for revision in course.path if not trial.steps.get(revision)), "")
        trial.stopped = first_line(undone["error"]) if undone and not undone["ok"] else ", ".join(
            steps[-1].heads if steps else [])
    return trial


def see_history(scratch: Scratch, theirs: Environment, course: Course, limits: Limits, run_id: str | None
                ) -> list[tuple[list[str], Catalogue]]:
    """Build the whole history from nothing and return every state on the way: ``(heads, catalogue)``."""
    moves = upgrades(course.graph, course.graph.heads())
    _moved, steps = _play(scratch, theirs, course, limits, run_id, moves, len(moves))
    return [(step.heads, step.catalogue) for step in steps]


def _play(scratch: Scratch, theirs: Environment, course: Course, limits: Limits, run_id: str | None,
          moves: list[tuple[str, str]], building: int) -> tuple[Moved, list[Step]]:
    """Make the moves, of which so many build, beside what was made by hand; where that fails, without it.

    Some histories need schemas and extensions that were there before them, others make them themselves.
    """
    made = _made_by_hand(scratch)
    moved, steps = _play_once(scratch, theirs, course, limits, run_id, moves, made)
    if made and _failure(moved, building):
        moved, steps = _play_once(scratch, theirs, course, limits, run_id, moves, [])
    return moved, steps


def _play_once(scratch: Scratch, theirs: Environment, course: Course, limits: Limits, run_id: str | None,
               moves: list[tuple[str, str]], made: list[t.Any]) -> tuple[Moved, list[Step]]:
    fresh_database(scratch.target, scratch.like)
    name = prefix_of(run_id)
    with scratch.target.open(session_name(run_id, "trial"), limits) as connection:
        # What the history does is asked here, not whether this role may: that the rehearsal shows.
        if value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", (course.role,)):
            rows(connection, sql.SQL("ALTER ROLE {} SUPERUSER").format(sql.Identifier(course.role)))
        for statement in made:
            # An extension may not be installed here: whether the history needs it, building it tells.
            with suppress(DatabaseError):
                rows(connection, statement)
        install(connection, course.version_table, course.version_schema, statements=True)
        moved = scratch.environment(theirs).moves(
            name, limits, expected(scratch, connection, name), moves, render=list(course.path))
    with scratch.target.open(session_name(run_id, "trial")) as connection:
        return moved, read_steps(connection)


def expected(scratch: Scratch, connection: t.Any, name: str) -> dict[str, str]:
    """Return what a connection made through env.py has to say of itself before anything is moved there.

    ``connection`` is a session on the scratch server under the limits that are to hold.
    """
    settings = {setting: str(value(connection, "SELECT current_setting(%s)", (setting,)))
                for setting in Limits().settings()}
    return {"system_identifier": scratch.identifier, "database": scratch.target.database, "application_name": name,
            **settings}


def _made_by_hand(scratch: Scratch) -> list[t.Any]:
    """Return the statements that make schemas and extensions like the live ones."""
    made = [sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(*map(sql.Identifier, schema))
            for schema in scratch.like.get("schemas") or []]
    return made + [sql.SQL("CREATE EXTENSION IF NOT EXISTS {} CASCADE").format(sql.Identifier(name))
                   for name in scratch.like.get("extensions") or {} if name != "plpgsql"]


def _failure(moved: Moved, building: int) -> str:
    return next((first_line(move["error"]) for move in moved.moves[:building] if not move["ok"]), "")


def first_line(error: str) -> str:
    """Return what an error begins with: the rest is the statement, and where to read about the class."""
    return error.strip().partition("\n")[0]


def _reached(steps: t.Sequence[Step], heads: t.Sequence[str]) -> int | None:
    return next((number for number, step in enumerate(steps) if sorted(step.heads) == sorted(heads)), None)


def _nothing(course: Course) -> Catalogue | None:
    """Return the catalogue of an empty database, where that is where the path leads."""
    return None if course.to_heads else {"tables": {}, "types": {}, "sequences": [], "foreign_keys": []}


@dataclass(frozen=True)
class Consistency:
    """Whether the tables are those of the recorded revisions: ``yes``, ``no`` or ``unknown``, with what differs.

    ``true_heads`` are the revisions whose schema it is, where one is; ``candidates`` are several sets of them that have
    the same. ``drift`` is what was changed by hand and no revision knows; ``why`` says why it is unknown.
    """

    verdict: str
    differs: tuple[Change, ...] = ()
    true_heads: tuple[str, ...] = ()
    drift: tuple[Change, ...] = ()
    why: str = ""
    candidates: tuple[tuple[str, ...], ...] = ()


_STRUCTURAL = ("drop-table", "drop-column", "drop-type", "change-type", "change-column")
_ADDED = ("new-table", "new-column", "new-type")


def consistency(live: Catalogue, recorded: Catalogue, history: t.Sequence[tuple[list[str], Catalogue]],
                without: t.Collection[str] = ()) -> Consistency:
    """Compare the live schema with that of the recorded revisions, and with every other state of the history.

    What is not there, or there otherwise, contradicts the record; what is there besides does where another revision
    makes it. ``without`` names tables that are nobody's, such as the version table.
    """
    found = differing(recorded, live, without)
    if not found:
        return Consistency("yes")
    others = [(heads, differing(catalogue, live, without)) for heads, catalogue in history if heads]
    exact = sorted({tuple(sorted(heads)) for heads, differs in others if not differs})
    known = {change for _heads, catalogue in history for change in _objects(catalogue)}
    against = [change for change in found if change.kind in _STRUCTURAL
               or (change.kind in _ADDED and (change.kind, change.object) in known)]
    if exact:
        return Consistency("no", tuple(found), exact[0] if len(exact) == 1 else (), candidates=tuple(exact))
    if not against:
        return Consistency("yes", drift=tuple(found))
    heads, fewest = min(others, key=lambda each: len(each[1]), default=([], found))
    nearest = tuple(heads) if len(fewest) < len(found) and not [
        change for change in fewest if change.kind in _STRUCTURAL] else ()
    return Consistency("no", tuple(against), nearest)


def differing(recorded: Catalogue, live: Catalogue, without: t.Collection[str]) -> list[Change]:
    """Return how a live schema differs from a recorded one, tables that are nobody's left out."""
    return [change for change in compare(recorded, live) if change.object.split(".")[0] not in without
            and change.object not in without]


def _objects(catalogue: Catalogue) -> set[tuple[str, str]]:
    found = {("new-table", table) for table in catalogue["tables"]}
    found |= {("new-column", f"{table}.{column}") for table, entry in catalogue["tables"].items()
              for column in entry["columns"]}
    return found | {("new-type", name) for name in catalogue["types"]}
