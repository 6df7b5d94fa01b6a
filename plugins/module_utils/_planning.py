# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A plan put together: the trial, the three routes, whether the record is true, and what has to be accepted."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass, field

from ._alembic import Environment, Sight
from ._announce import Announcement, Mission, announce
from ._backup import newest_good
from ._catalogue import Change, read_catalogue
from ._database import DatabaseError, Limits, rows
from ._errors import Problem, Refusal
from ._evidence import StateDirectory, read_json
from ._ground import Ground
from ._ladder import AUTO, Ladder, climb
from ._losses import Acceptances, Loss, ready_line, settle_losses, table_of
from ._messages import say
from ._plan import APPLIED, Goal
from ._redact import Redactor
from ._report import GOOD
from ._routes import (
    Route,
    acceptance,
    alternatives,
    by_alembic,
    by_hand,
    by_restore,
    recommend,
)
from ._run import last_report
from ._scratch import Scratch, Wish, scratch_server
from ._stakes import COUNT_LIMIT_MS, Stakes, blockers, looking
from ._swap import require_swappable
from ._trial import Catalogue, Consistency, Course, Trial, consistency, see_history, try_course

# By these a scratch server is not to be had: then nothing can be rehearsed either.
_NO_SCRATCH = ("scratch_", "disk_too_small", "image_missing")
SHOWN_CHANGES = 8


@dataclass
class Request:
    """What a plan is asked with, besides where the database is.

    ``foreseen`` names what the rollback that led here was announced, and accepted, to leave otherwise than its target.
    """

    mission: Mission
    accepted: Acceptances
    limits: Limits
    run_id: str | None
    language: str
    state_dir: str | None = None
    try_it: bool = True
    foreseen: frozenset[str] = frozenset()
    strategy: str = AUTO
    references: t.Mapping[str, str] = field(default_factory=dict)
    wish: t.Callable[[dict[str, t.Any], int], Wish] | None = None


@dataclass
class Findings:
    """What a plan found: the routes, the record's truth, what is missing, and why the run may not go on (in words)."""

    routes: list[Route]
    consistent: Consistency
    trial: Trial
    announced: Announcement
    recommended: str | None = None
    ladder: Ladder = field(default_factory=Ladder)
    alternatives: list[dict[str, t.Any]] = field(default_factory=list)
    blockers: list[dict[str, t.Any]] = field(default_factory=list)
    missing: list[Loss] = field(default_factory=list)
    line: str = ""
    refusal: str = ""
    warnings: list[str] = field(default_factory=list)
    facts: dict[str, t.Any] = field(default_factory=dict)


def find(ground: Ground, environment: Environment, sight: Sight, chosen: Goal, recorded: t.Sequence[str],
         connection: t.Any, like: dict[str, t.Any], request: Request, redact: Redactor) -> Findings:
    """Find out what a rollback would cost. ``connection`` is a read-only session on the live database, in autocommit.

    ``like`` is what identity() and describe_database() say of it.
    """
    course = Course(sight.graph, tuple(recorded), chosen.to_heads, chosen.to_revision, chosen.path,
                    sight.probe["version_table"], sight.probe["version_table_schema"], sight.probe["user"])
    stakes = Stakes(connection)
    with looking(connection):
        # The time limit is that of counts.
        rows(connection, "SELECT set_config('statement_timeout', %s, false)",
             (str(request.limits.statement_timeout_ms),))
        live = read_catalogue(connection)
        rows(connection, "SELECT set_config('statement_timeout', %s, false)", (str(COUNT_LIMIT_MS),))
    size = sum(stakes.sizes.values())
    trial, consistent, no_scratch = _try(ground, environment, course, live, like, size, request, redact)
    announced = announce(course, request.mission, live, trial, stakes) if chosen.path else Announcement()
    alembic = by_alembic(announced, trial)
    found = Findings([alembic], consistent, trial, announced)
    found.facts = {"size_bytes": size, "free_bytes": _free(request.state_dir)}
    if chosen.position == APPLIED:
        _weigh(found, course, live, stakes, like, request, no_scratch, connection)
        at_stake = {*request.mission.tables, *(announced.changes or {})} & set(live["tables"])
        found.blockers = blockers(connection, at_stake, stakes)
    _tell_consistency(found, recorded, request)
    return found


def _try(ground: Ground, environment: Environment, course: Course, live: Catalogue, like: dict[str, t.Any], size: int,
         request: Request, redact: Redactor) -> tuple[Trial, Consistency, str]:
    """Return the trial, whether the record is true, and why no scratch server can be had (empty: it can)."""
    language = request.language
    if request.wish is None or not request.try_it:
        why = say(language, "why_not_tried")
        return _rendered(environment, course, Trial(error=why)), Consistency("unknown", why=why), ""
    if request.wish(like, 0).isolation == "override":
        # There a migration with an address of its own reaches production: a plan changes nothing, so it tries nothing.
        why = say(language, "why_not_apart")
        return _rendered(environment, course, Trial(error=why)), Consistency("unknown", why=why), ""
    try:
        # Nothing of the data is put there: only the schema.
        with scratch_server(ground, request.wish(like, 0), redact) as scratch:
            trial = try_course(scratch, environment, course, request.limits, request.run_id)
            if trial.before is None:
                why = say(language, "why_not_built", error=trial.error)
                return _rendered(environment, course, trial), Consistency("unknown", why=why), ""
            return trial, _truth(scratch, environment, course, live, trial, request), ""
    except (Refusal, DatabaseError) as error:
        why = say(language, error.key, **error.facts) if isinstance(error, Refusal) else str(error).strip()
        missing = why if isinstance(error, Refusal) and error.key.startswith(_NO_SCRATCH) else ""
        return _rendered(environment, course, Trial(error=why)), Consistency("unknown", why=why), missing


def _truth(scratch: Scratch, environment: Environment, course: Course, live: Catalogue, trial: Trial,
           request: Request) -> Consistency:
    without = (course.version_table,)
    recorded = t.cast("Catalogue", trial.before)
    found = consistency(live, recorded, trial.seen, without)
    if found.verdict == "yes" and not found.drift:
        return found
    # What no state on the way explains, another branch or a later revision may.
    history = see_history(scratch, environment, course, request.limits, request.run_id)
    return consistency(live, recorded, [*trial.seen, *history], without)


def true_heads(ground: Ground, environment: Environment, sight: Sight, connection: t.Any, like: dict[str, t.Any],
               request: Request, redact: Redactor) -> list[str]:
    """Return the revisions whose schema the live database has, whatever it records.

    None where that is not known, and where several have the same: then the rows alone tell.
    """
    course = Course(sight.graph, (), (), "", (), sight.probe["version_table"], sight.probe["version_table_schema"],
                    sight.probe["user"])
    if request.wish is None or not request.try_it or request.wish(like, 0).isolation == "override":
        return []
    try:
        with scratch_server(ground, request.wish(like, 0), redact) as scratch:
            history = see_history(scratch, environment, course, request.limits, request.run_id)
    except (Problem, DatabaseError):
        return []
    nothing: Catalogue = {"tables": {}, "types": {}, "sequences": [], "foreign_keys": []}
    return list(consistency(read_catalogue(connection), nothing, history, (course.version_table,)).true_heads)


def _rendered(environment: Environment, course: Course, trial: Trial) -> Trial:
    """Add what rendering shows, where nothing at all can be reached."""
    if course.path and not trial.rendered:
        trial.rendered = environment.render(list(course.path), "downgrade")
    return trial


def _weigh(found: Findings, course: Course, live: Catalogue, stakes: Stakes, like: dict[str, t.Any], request: Request,
           no_scratch: str, connection: t.Any) -> None:
    """Put the three routes side by side, and say what is still to be accepted."""
    language, mission = request.language, request.mission
    [alembic] = found.routes
    if found.announced.effects.get(mission.migration) is False and found.trial.complete:
        alembic.obstacles.append(Problem("route_inert", revision=mission.migration))
    unrehearsed = [Loss("unrehearsed", because=f": {no_scratch}" if no_scratch else "")
                   ] if no_scratch or Loss("unrehearsed").id in request.accepted.limits else []
    untrue = []
    if found.consistent.verdict == "no":
        untrue.append(Loss("inconsistent", because=_listed(found.consistent.differs)))
    alembic.losses = settle_losses([*alembic.losses, *unrehearsed, *untrue])
    backups = os.path.join(request.state_dir, "backups") if request.state_dir else ""
    known = {"database": like["database"], "server": like["system_identifier"]}
    newest = newest_good(backups, **known) if backups else None
    good = newest_good(backups, **known, heads=sorted(course.to_heads)) if backups else None
    found.facts["backup"] = newest and {"path": newest["path"], "finished_at": newest["finished_at"],
                                        "heads": newest["heads"],
                                        "restored_and_compared": newest["restored_and_compared"]}
    manual = by_hand(course, mission, live, found.trial, stakes, request.references)
    touched = {*mission.tables, *map(table_of, manual.losses)} & set(live["tables"])
    manual.changes = {table: ["rows"] for table in sorted(touched)}
    manual.losses = settle_losses([*manual.losses, *unrehearsed, *untrue])
    restore = by_restore(course, mission, live, found.trial, stakes, good, newest)
    restore.losses = settle_losses([*restore.losses, *unrehearsed])
    if not restore.obstacles:
        try:
            require_swappable(connection, like["database"])
        except Refusal as refusal:
            restore.obstacles.append(refusal)
    found.routes += [manual, restore]
    _estimate(found.routes, request.state_dir, like["database"])
    found.recommended = recommend(found.routes)
    found.alternatives = alternatives(course, mission, found.routes, found.recommended, language)
    _decide(found, request)


def _decide(found: Findings, request: Request) -> None:
    """Choose the routes that will be tried, and say what is still to be accepted of the first."""
    language = request.language
    found.ladder = climb(found.routes, request.strategy, request.accepted)
    ways = " ".join(each["text"] for each in found.alternatives)
    if not found.ladder.routes:
        wanted = [route for route in found.routes if request.strategy in (AUTO, route.name)]
        reasons = "; ".join(say(language, "ladder_reasons", route=route.name, reasons="; ".join(
            say(language, reason.key, **reason.facts) for reason in route.obstacles)) for route in wanted)
        found.refusal = say(language, "ladder_none", reasons=reasons, others=ways).strip()
        return
    first = next(route for route in found.routes if route.name == found.ladder.routes[0])
    found.missing = found.ladder.missing
    if found.missing:
        # With what was accepted already: whoever pastes it runs the whole again.
        unrehearsed = Loss("unrehearsed").id in request.accepted.limits
        found.line = ready_line(loss for loss in first.losses if loss.kind != "unknown" or unrehearsed)
        # What undoes or loses less stands before the line that accepts the losses.
        found.refusal = f"{ways} {acceptance(found.missing, found.line, language)}".strip()


def _tell_consistency(found: Findings, recorded: t.Sequence[str], request: Request) -> None:
    consistent, language = found.consistent, request.language
    if consistent.drift:
        found.warnings.append(say(language, "consistent_drift", differs=_listed(consistent.drift)))
    if consistent.verdict == "unknown":
        found.warnings.append(say(language, "consistent_unknown", why=consistent.why))
    if consistent.verdict == "no":
        heads = " ".join(consistent.true_heads)
        way_out = say(language, "consistent_true", heads=heads) if heads else say(
            language, "consistent_several", heads=" / ".join(", ".join(each) for each in consistent.candidates)
        ) if consistent.candidates else say(language, "consistent_nobody")
        told = say(language, "consistent_no", recorded=", ".join(recorded), differs=_listed(consistent.differs),
                   way_out=way_out)
        found.warnings.append(told)
        foreseen = {change.object for change in consistent.differs} <= request.foreseen
        if "inconsistent" not in request.accepted.limits and not (foreseen and not found.routes[0].losses):
            found.refusal = f"{told} {found.refusal}".strip()


def _listed(changes: t.Sequence[Change]) -> str:
    shown = [f"{change.kind} {change.object}{f' ({change.detail})' if change.detail else ''}"
             for change in changes[:SHOWN_CHANGES]]
    return ", ".join(shown) + (f", ... ({len(changes)})" if len(changes) > SHOWN_CHANGES else "")


def _estimate(routes: t.Sequence[Route], state_dir: str | None, database: str) -> None:
    """Give each route the time it took when it was last rehearsed here; the trial's is kept where there is none."""
    last = last_rehearsal(StateDirectory(state_dir), database) if state_dir else None
    seconds = {step["name"]: step["seconds"] for step in (last or {}).get("steps", []) if step.get("result") == "ok"}
    for route, step in (("alembic", "downgrade"), ("manual", "manual"), ("restore", "restore")):
        for each in routes:
            if each.name == route and step in seconds:
                each.estimate_s, each.estimate_from = seconds[step], "rehearsal"


def last_rehearsal(state: StateDirectory, database: str) -> dict[str, t.Any] | None:
    """Return the newest rehearsal on a database that passed."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        place = state.run_dir(name)
        rehearsal = None if name == "latest" else read_json(os.path.join(place, "rehearsal.json"))
        if rehearsal and rehearsal.get("result") == "pass" and (
                read_json(os.path.join(place, "run.json")) or {}).get("database") == database:
            return t.cast("dict[str, t.Any]", rehearsal)
    return None


def _free(state_dir: str | None) -> int | None:
    place = os.path.abspath(state_dir) if state_dir else ""
    while place and not os.path.exists(place):
        place = os.path.dirname(place)
    if not place:
        return None
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def foreseen_by_last(state_dir: str | None, database: str, recorded: t.Sequence[str]) -> frozenset[str]:
    """Return what the last rollback on a database, if it led to these revisions, was accepted to leave otherwise."""
    report = last_report(StateDirectory(state_dir), database) if state_dir else None
    if not report or report.get("outcome") not in GOOD or sorted(report.get("to_heads") or []) != sorted(recorded):
        return frozenset()
    return frozenset(loss["id"].partition(":")[2] for loss in report.get("losses", [])
                     if loss["id"].startswith(("not-restored:", "left-behind:")))
