# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The routes in the order they are tried, as far as the plan allows each; and which of them were tried."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ._errors import Problem
from ._losses import Acceptances, Loss
from ._routes import ALEMBIC, IMPOSSIBLE, MANUAL, RESTORE, Route, demanded

ORDER = (ALEMBIC, MANUAL, RESTORE)
AUTO = "auto"
# The steps of a rehearsal that are the route itself.
ROUTE_STEPS = ("downgrade", "manual", "swap")
# The steps of the journal that carry a route out. A restored copy that never took the live one's place is one too.
_STEPS = {"alembic_downgrade": ALEMBIC, "manual_rollback": MANUAL, "restore_beside": RESTORE, "database_swap": RESTORE}


@dataclass(frozen=True)
class Ladder:
    """The routes to try, in order. ``missing`` are the losses of the first that nobody accepted yet.

    ``left_out`` says of each other possible route why it is not one of them.
    """

    routes: tuple[str, ...] = ()
    missing: list[Loss] = field(default_factory=list)
    left_out: list[Problem] = field(default_factory=list)


def climb(routes: t.Sequence[Route], strategy: str, accepted: Acceptances) -> Ladder:
    """Return the ladder of a strategy.

    The first possible route leads, whatever it costs: that is the operator's to accept, and no other takes its place
    in silence. One further down joins only with nothing left to accept.
    """
    wanted = [route for name in (ORDER if strategy == AUTO else (strategy,)) for route in routes if route.name == name]
    possible = [route for route in wanted if route.verdict != IMPOSSIBLE]
    found, left_out = [], []
    for route in possible:
        missing = demanded(route, accepted)
        if route is possible[0] or not missing:
            found.append(route.name)
        else:
            left_out.append(Problem("ladder_not_accepted", route=route.name, ids=", ".join(
                loss.id for loss in missing)))
    return Ladder(tuple(found), demanded(possible[0], accepted) if possible else [], left_out)


def tried(journal: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return the routes a journal shows were tried: ``{route, result, reason, attempts, blockers}``, the last one last.

    A route that came to its end and was judged not to have done its work failed all the same.
    """
    found: list[dict[str, t.Any]] = []
    for line, recovering in _followed(journal):
        if line["event"] != "ended":
            continue
        step, route = line["step"], None if recovering else _STEPS.get(line["step"])
        if route and line.get("purpose", RESTORE) == RESTORE:
            if step == "database_swap" and found and found[-1]["step"] == "restore_beside":
                found.pop()
            found.append({"step": step, "route": route, "result": line["result"], "reason": line.get("reason", ""),
                          "attempts": line.get("attempts"), "blockers": line.get("blockers", [])})
        elif step == "judge" and line.get("route") and found and found[-1]["route"] == line["route"]:
            found[-1].update(result="failed", reason=line.get("failure") or found[-1]["reason"])
    # What was only loaded beside the live database, for recovery say, was no way back.
    return [{key: part for key, part in entry.items() if key != "step"} for entry in found
            if (entry["step"], entry["result"]) != ("restore_beside", "ok")]


def acted_by(journal: t.Iterable[dict[str, t.Any]]) -> str | None:
    """Return the route that began to act last, whether or not it could say how that ended; None where none did."""
    begun = [_STEPS[line["step"]] for line, recovering in _followed(journal)
             if line["event"] == "begun" and line.get("acts") and line["step"] in _STEPS and not recovering]
    return begun[-1] if begun else None


def _followed(journal: t.Iterable[dict[str, t.Any]]) -> t.Iterator[tuple[dict[str, t.Any], bool]]:
    """Go through a journal, each line with whether it belongs to the recovery of what a route that failed has left.

    A step that was cut off has not said what it was for.
    """
    recovering = False
    for line in journal:
        if line["event"] == "resumed":
            recovering = False
        elif line["event"] == "ended" and line["step"] == "judge":
            recovering = bool(line.get("route")) and line.get("data") == "unknown"
        yield line, recovering
