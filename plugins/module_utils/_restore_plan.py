# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What putting something else in the live database's place would take with it: a backup, a file, a database of ours."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field, replace

from ._alembic import Environment, prefix_of
from ._announce import Mission
from ._archive import find_source
from ._backup import newest_good
from ._beside import aimed
from ._catalogue import read_catalogue
from ._checks import take_evidence, unqualified
from ._counts import differences
from ._database import Limits, session_name
from ._errors import FAILED_NEEDS_HUMAN, Problem, Refusal, Unended
from ._evidence import Journal, StateDirectory, now, read_json
from ._fit import UNVERIFIED
from ._ground import Ground
from ._losses import Loss, settle_losses
from ._messages import say
from ._report import MOVED
from ._revisions import Graph, Revision
from ._routes import by_restore
from ._run import META, REPORT
from ._stakes import Stakes
from ._swap import KEPT, Ours, list_ours
from ._trial import Course, Trial

RESTORE, UNDO = "restore", "undo"
# Of these playbooks something is left to be undone.
_ACTING = ("rollback", "restore", "undo", "remigrate")
SHOWN_TABLES = 20


@dataclass
class Origin:
    """What is to take the live database's place.

    ``tables`` is a survey of it, None while nobody knows. ``since`` is what the live one is compared with, as evidence;
    None stands for the survey itself. ``bytes`` is the file's size or the database's, ``at`` when it was taken.
    """

    kind: str
    name: str
    heads: list[str] | None
    tables: dict[str, t.Any] | None
    at: str | None
    bytes: int | None
    proved: bool
    of: str = ""
    only: tuple[str, ...] | None = None
    since: dict[str, t.Any] | None = None
    run_id: str | None = None

    def describe(self) -> dict[str, t.Any]:
        """Return it as ``plan.json`` keeps it."""
        return {"kind": self.kind, "name": self.name, "heads": self.heads, "at": self.at, "bytes": self.bytes,
                "restored_and_compared": self.proved, "of": self.of, "run_id": self.run_id}


@dataclass(frozen=True)
class History:
    """The revision graph and the version table as env.py has them; ``why`` there is no graph, in words."""

    graph: Graph | None
    version_table: str
    version_schema: str | None
    why: str = ""


@dataclass
class Toll:
    """What is lost, which revisions go, and the live tables' counts: ``{table: (now, there)}`` of those that differ."""

    losses: list[Loss] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)
    counts: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)


def read_history(environment: Environment, connection: t.Any, run_id: str | None, limits: Limits, table: str,
                 schema: str | None, language: str) -> History:
    """Ask the application's environment; a backup has to come back also where that is broken."""
    try:
        sight = environment.look_from(connection, prefix_of(run_id), limits)
    except Unended:
        raise
    except Problem as problem:
        return History(None, table, schema, say(language, problem.key, **problem.facts))
    return History(sight.graph, sight.probe["version_table"], sight.probe["version_table_schema"])


def find_origin(ground: Ground, connection: t.Any, state: StateDirectory, wanted: str, purpose: str,
                version_table: str) -> Origin:
    """Return what is meant by a name, a path or an id. Raises Refusal where it is nothing that could come back.

    ``wanted`` is empty for what the last run kept. ``connection`` is a session on the live database.
    """
    ours = list_ours(connection, ground.target.database)
    if purpose == UNDO:
        return _kept_origin(_of_last_run(ground, state, ours) if not wanted else _named(ours, wanted) or _refuse(
            ground, state, ours), state)
    found = _named(ours, wanted)
    if found:
        return replace(_kept_origin(found, state), since=None)
    source = find_source(ground, state.path, wanted, version_table=version_table)
    manifest = source.manifest
    size = sum(entry["bytes"] for entry in manifest["files"]) if manifest else (
        os.path.getsize(source.path) if os.path.isfile(source.path) else None)
    return Origin("backup" if manifest else "file", manifest["path"] if manifest else source.path, source.heads,
                  manifest["tables"] if manifest else None, manifest["finished_at"] if manifest else None, size,
                  bool(manifest and manifest["restored_and_compared"]),
                  manifest["database"] if manifest else "", source.tables)


def _named(ours: t.Iterable[Ours], wanted: str) -> Ours | None:
    return next((each for each in ours if each.name == wanted), None)


def _kept_origin(found: Ours, state: StateDirectory) -> Origin:
    if not found.proved or found.renamed:
        raise Refusal("return_unproved", name=found.name)
    since = read_json(os.path.join(state.run_dir(found.run_id), "after.json")) if found.run_id else None
    return Origin("database", found.name, None if found.heads is None else sorted(found.heads), None, found.at,
                  found.bytes, True, found.of, None, since if since and since.get("tables") else None, found.run_id)


def _of_last_run(ground: Ground, state: StateDirectory, ours: list[Ours]) -> Ours:
    """Return the database the last run that changed the live one has kept. Raises Refusal, with what there is."""
    report = last_acted(state, ground.target.database)
    kept = [name for name in ((report or {}).get("kept_database"), (report or {}).get("safety_copy")) if name]
    return next((found for found in (_named(ours, name) for name in kept) if found), None) or _refuse(
        ground, state, ours)


def _refuse(ground: Ground, state: StateDirectory, ours: t.Iterable[Ours]) -> t.NoReturn:
    newest = newest_good(state.backups, ground.target.database)
    raise Refusal("undo_nothing", databases=", ".join(each.name for each in ours if each.proved) or "-",
                  backup=newest["path"] if newest else "-")


def last_acted(state: StateDirectory, database: str) -> dict[str, t.Any] | None:
    """Return the report of the last run that moved a database, or may have."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        report = None if name == "latest" else read_json(os.path.join(state.runs, name, REPORT))
        if report and report.get("database") == database and report.get("playbook") in _ACTING and (
                report.get("outcome") in (*MOVED, FAILED_NEEDS_HUMAN)) and Journal(state.run_dir(name)).acted():
            return t.cast("dict[str, t.Any]", report)
    return None


def already(state: StateDirectory, database: str, purpose: str, goal: t.Mapping[str, t.Any],
            live: t.Callable[[], dict[str, t.Any]], heads: t.Sequence[str]) -> dict[str, t.Any] | None:
    """Return the report of the last run where it did just this, and nothing has changed since; otherwise None.

    What an undo has put back is not taken away again by asking twice: that has to be asked for by name.
    """
    report = last_acted(state, database)
    if not report or report["playbook"] != purpose or report["outcome"] not in MOVED:
        return None
    place = state.run_dir(report["run_id"])
    if sorted(report["to_heads"]) != sorted(heads) or (read_json(os.path.join(place, META)) or {}).get("goal") != goal:
        return None
    if purpose == UNDO:
        return report
    after = read_json(os.path.join(place, "after.json"))
    return report if after and not differences(after["tables"], live()["tables"]) else None


def swapped_in(connection: t.Any, live: str, run_dir: str | None, plan: t.Mapping[str, t.Any] | None) -> str | None:
    """Return the name the live database was kept under, if this run has replaced it by what it planned to."""
    if not (run_dir and plan and plan.get("replacement") and Journal(run_dir).acted()):
        return None
    run_id = os.path.basename(os.path.normpath(run_dir))
    for each in list_ours(connection, live):
        if each.kind == KEPT and each.run_id == run_id:
            # The newest of them: one put back since has replaced another.
            return each.name if (each.replacement or {}).get("name") == plan["replacement"] else None
    return None


def measure_origin(ground: Ground, name: str, run_id: str | None, fingerprint_max_bytes: int, history: History
                   ) -> dict[str, t.Any]:
    """Return the evidence of a database beside the live one."""
    with aimed(ground.target, name).open(session_name(run_id, "count"), autocommit=False) as connection:
        return take_evidence(connection, [], fingerprint_max_bytes, True, history.version_table,
                             history.version_schema)


def applied_at(graph: Graph | None, migration: str, heads: t.Sequence[str]) -> bool:
    """Tell whether a migration is applied where these revisions are recorded; without a history, by its id alone."""
    return migration in (graph.ancestors(*heads) if graph else set()) | set(heads)


def toll(connection: t.Any, history: History, origin: Origin, recorded: t.Sequence[str], mission: Mission,
         only: t.Sequence[str], live: str) -> Toll:
    """Count what the live database would lose. ``connection`` is a read-only session on it, in autocommit mode.

    ``only`` are the tables to bring back, empty for the whole database. What the migration itself put in its tables is
    no loss where the migration goes too.
    """
    stakes = Stakes(connection)
    since = origin.since["tables"] if origin.since else origin.tables
    heads = (origin.since["heads"] if origin.since else origin.heads) or []
    found = Toll()
    if origin.kind == "file":
        found.losses.append(Loss(UNVERIFIED, because=origin.name))
    if origin.of and origin.of != live:
        found.losses.append(Loss("other-database", origin.of))
    names = {stakes.named(table) for table in only}
    if since is None:
        found.losses += [Loss("written-since", name, None, False) for name in sorted(names)]
        return found
    crossed = (not origin.since and applied_at(history.graph, mission.migration, recorded)
               and not applied_at(history.graph, mission.migration, heads))
    own = Mission(mission.migration, tuple(map(stakes.named, mission.tables)) if crossed and not names else (),
                  {stakes.named(table): rule for table, rule in mission.rows.items()} if crossed else {})
    graph, path = _path(history.graph, recorded, heads)
    course = Course(graph, tuple(recorded), tuple(heads), "", tuple(path), history.version_table,
                    history.version_schema, "")
    backup = {"path": origin.name, "finished_at": origin.at or now(), "heads": heads, "tables": since}
    route = by_restore(course, own, read_catalogue(connection), Trial(), stakes, backup, backup)
    found.losses += [loss for loss in route.losses if not names or (loss.kind == "written-since"
                                                                    and loss.object in names)]
    found.losses = settle_losses(found.losses)
    found.revisions = [] if names else path
    there = {unqualified(name): table["rows"] for name, table in (origin.tables or since).items()}
    for loss in found.losses:
        if loss.kind in ("written-since", "drop-table"):
            counted = stakes.rows_of(loss.object)
            found.counts[loss.object] = (counted[0] if counted else None, there.get(loss.object))
    return found


def _path(graph: Graph | None, recorded: t.Sequence[str], heads: t.Sequence[str]) -> tuple[Graph, list[str]]:
    """Return the revisions that go, and a history that knows all of them."""
    known = list(graph.revisions.values()) if graph else []
    strange = [Revision(revision, ()) for revision in {*recorded, *heads} if graph is None or revision not in graph]
    every = Graph([*known, *strange])
    return every, sorted(every.ancestors(*recorded) - every.ancestors(*heads))
