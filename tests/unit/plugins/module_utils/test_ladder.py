# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which routes a strategy tries, in which order, and what a journal tells of those that were."""
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._ladder import acted_by, climb, tried
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import Loss, acceptances
from ansible_collections.recyclic.rollback.plugins.module_utils._routes import Route

NO = [Problem("route_restore_none")]
LOST = [Loss("drop-table", "t", 3)]


def routes(alembic: Any = (), manual: Any = (), restore: Any = ()) -> list[Route]:
    """Routes with these losses; an obstacle among them makes one impossible."""
    return [Route(name, [each for each in given if isinstance(each, Loss)],
                  [each for each in given if isinstance(each, Problem)])
            for name, given in (("alembic", alembic), ("manual", manual), ("restore", restore))]


@pytest.mark.parametrize(("found", "strategy", "accept", "expected", "missing", "left_out"), [
    (routes(), "auto", [], ("alembic", "manual", "restore"), [], []),
    (routes(alembic=NO), "auto", [], ("manual", "restore"), [], []),
    (routes(), "manual", [], ("manual",), [], []),
    (routes(alembic=NO), "alembic", [], (), [], []),
    # The first possible one leads, whatever it costs; another never takes its place in silence.
    (routes(alembic=LOST), "auto", [], ("alembic", "manual", "restore"), ["drop-table:t"], []),
    (routes(alembic=LOST), "auto", ["drop-table:t=3"], ("alembic", "manual", "restore"), [], []),
    (routes(alembic=LOST), "auto", ["drop-table:t=2"], ("alembic", "manual", "restore"), ["drop-table:t"], []),
    (routes(restore=LOST), "auto", [], ("alembic", "manual"), [], ["restore"]),
    (routes(restore=LOST), "auto", ["drop-table:t"], ("alembic", "manual", "restore"), [], []),
    (routes(alembic=NO, manual=NO, restore=LOST), "auto", [], ("restore",), ["drop-table:t"], []),
])
def test_the_ladder_of_a_strategy(found: list[Route], strategy: str, accept: list[str], expected: tuple[str, ...],
                                  missing: list[str], left_out: list[str]) -> None:
    ladder = climb(found, strategy, acceptances(accept))
    assert ladder.routes == expected
    assert [loss.id for loss in ladder.missing] == missing
    assert [each.facts["route"] for each in ladder.left_out] == left_out


def ended(step: str, result: str = "ok", **facts: Any) -> dict[str, Any]:
    return {"event": "ended", "step": step, "result": result, **facts}


@pytest.mark.parametrize(("journal", "expected"), [
    ([], []),
    ([ended("backup"), ended("alembic_downgrade"), ended("after")], [("alembic", "ok", "")]),
    ([ended("alembic_downgrade", "failed", reason="lock_timeout"), ended("judge", route="alembic", failure="why"),
      ended("manual_rollback")], [("alembic", "failed", "why"), ("manual", "ok", "")]),
    # What came to its end and was not valid failed all the same.
    ([ended("alembic_downgrade"), ended("judge", route="alembic", failure="not valid")],
     [("alembic", "failed", "not valid")]),
    # A judgement of the whole run is of no route.
    ([ended("alembic_downgrade"), ended("judge")], [("alembic", "ok", "")]),
    ([ended("restore_beside"), ended("database_swap", purpose="restore")], [("restore", "ok", "")]),
    ([ended("restore_beside", "failed", reason="beside_failed")], [("restore", "failed", "beside_failed")]),
    # Recovery is no way back.
    ([ended("alembic_downgrade", "failed"), ended("restore_beside"), ended("database_swap", purpose="recovery")],
     [("alembic", "failed", "")]),
    # Also one that could not say so, or did not get that far.
    ([ended("alembic_downgrade"), ended("judge", route="alembic", failure="why", data="unknown"),
      ended("restore_beside", "failed", reason="beside_failed")], [("alembic", "failed", "why")]),
    ([ended("alembic_downgrade"), ended("judge", route="alembic", failure="why", data="unknown"),
      ended("database_swap", "cut off")], [("alembic", "failed", "why")]),
    ([ended("alembic_downgrade"), ended("judge", route="alembic", failure="why", data="unknown"),
      ended("database_swap", purpose="recovery"), ended("judge", data="as_before"), ended("restore_beside"),
      ended("database_swap", "cut off")], [("alembic", "failed", "why"), ("restore", "cut off", "")]),
])
def test_the_routes_a_journal_shows(journal: list[dict[str, Any]], expected: list[tuple[str, str, str]]) -> None:
    assert [(each["route"], each["result"], each["reason"]) for each in tried(journal)] == expected


def test_who_acted_last_need_not_have_said_how_it_ended() -> None:
    begun = [{"event": "begun", "step": step, "acts": acts} for step, acts in (
        ("alembic_downgrade", True), ("restore_beside", False), ("database_swap", True), ("after", False))]
    assert acted_by(begun) == "restore" and acted_by(begun[:2]) == "alembic" and acted_by([]) is None


def test_a_recovery_that_was_cut_off_is_no_route() -> None:
    journal = [{"event": "begun", "step": "alembic_downgrade", "acts": True},
               ended("judge", route="alembic", data="unknown"),
               {"event": "begun", "step": "database_swap", "acts": True}]
    assert acted_by(journal) == "alembic"
    journal += [{"event": "resumed"}, {"event": "begun", "step": "database_swap", "acts": True}]
    assert acted_by(journal) == "restore"
