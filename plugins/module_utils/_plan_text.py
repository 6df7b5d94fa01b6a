# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The plan as an operator reads it on a terminal, in ten seconds."""

from __future__ import annotations

import typing as t

from ._messages import say
from ._routes import ALEMBIC, Route


def plan_lines(planned: dict[str, t.Any], routes: t.Sequence[Route], line: str, language: str) -> list[str]:
    """Return the plan in lines: where it leads, the three routes, what Alembic's takes, what is in the way.

    ``line`` is what accepts its losses; empty where nothing is left to accept.
    """
    heads = {key: ", ".join(planned[key]) or say(language, "none") for key in ("from_heads", "to_heads")}
    crossed = [step for step in planned["path"] if not step["in_scope"]]
    lines = [say(language, "plan_where", database=planned["database"], **heads),
             say(language, "plan_undoes", number=len(planned["path"]), crossed=len(crossed))]
    lines += [say(language, "plan_step", revision=step["revision"], message=step["message"],
                  downgrade=say(language, f"plan_downgrade_{step['downgrade'].rstrip('?')}"))
              for step in planned["path"]]
    lines += [say(language, "plan_purpose", table=table, rows=rows)
              for table, rows in planned["purpose"].items() if rows is not None]
    lines += ["", say(language, "plan_route_head"), *(_row(route, language) for route in routes)]
    lines.append(say(language, "plan_recommended", route=planned["recommended"]) if planned["recommended"]
                 else say(language, "plan_recommended_none"))
    ladder = planned["ladder"]
    if len(ladder) > 1 or (ladder and ladder != [planned["recommended"]]):
        lines.append(say(language, "plan_ladder", routes=", ".join(ladder)))
    first = next(route for route in routes if route.name == (ladder or [ALEMBIC])[0])
    if first.losses:
        lines += ["", say(language, "plan_loss_head", route=first.name), *(
            say(language, "plan_loss", **{key: loss.describe(language)[key] for key in ("id", "text")})
            for loss in first.losses)]
    lines += [say(language, "plan_note", route=route.name, text=say(language, note.key, **note.facts))
              for route in routes for note in route.notes]
    lines += [each["text"] for each in planned["alternatives"]]
    lines += [say(language, "plan_blocker", **{
        key: ", ".join(each[key]) if isinstance(each[key], list) else "?" if each[key] is None else each[key]
        for key in ("pid", "application", "state", "seconds", "tables")}) for each in planned["blockers"]]
    lines += [*planned.get("notes", []), *planned["warnings"]]
    if line:
        lines += ["", say(language, "plan_accept", line=line)]
    return lines


def _row(route: Route, language: str) -> str:
    time = say(language, "plan_time_" + str(route.estimate_from), seconds=route.estimate_s
               ) if route.estimate_s is not None else ""
    reasons = [say(language, reason.key, **reason.facts) for reason in route.obstacles]
    loses = reasons[0] if reasons else say(language, "plan_loses", number=len(route.losses), rows=route.rows, time=time
                                           ) if route.losses else say(language, "plan_loses_nothing", time=time)
    return say(language, "plan_route", route=route.name.ljust(8), loses=loses,
               verdict=say(language, f"plan_verdict_{route.verdict}").ljust(16))
