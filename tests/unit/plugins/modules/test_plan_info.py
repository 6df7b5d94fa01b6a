# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator is told of a plan, and when a plan is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._announce import Announcement
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import Loss
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import APPLIED, ROLLED_BACK
from ansible_collections.recyclic.rollback.plugins.module_utils._planning import Findings
from ansible_collections.recyclic.rollback.plugins.module_utils._routes import Route
from ansible_collections.recyclic.rollback.plugins.module_utils._trial import Consistency, Trial
from ansible_collections.recyclic.rollback.plugins.modules import plan_info

PLANNED: dict[str, Any] = {
    "database": "recyclic", "migration": "c1", "position": APPLIED, "from_heads": ["c1"], "to_heads": ["b1"],
    "path": [{"revision": "c1", "message": "third", "downgrade": "implemented", "in_scope": True}],
    "purpose": {"categories": 14, "absent": None}, "ladder": ["alembic"], "recommended": "alembic",
    "alternatives": [], "blockers": [],
    "warnings": ["look out"]}


def found(*losses: Loss, missing: tuple[Loss, ...] = (), refusal: str = "", line: str = "") -> Findings:
    routes = [Route("alembic", list(losses), estimate_s=1.5, estimate_from="rehearsal"), Route("manual", [], [
        Problem("route_manual_crosses", revisions="b1")]), Route("restore", [Loss("written-since", "sales", 3)])]
    return Findings(routes, Consistency("yes"), Trial(), Announcement(), missing=list(missing), refusal=refusal,
                    line=line)


def test_the_operator_reads_the_routes_the_losses_and_the_line_to_paste() -> None:
    losses = (Loss("drop-table", "categories", 17), Loss("revision", "b1", because="second"))
    seen = found(*losses, missing=losses, refusal="not accepted", line="-e it")
    result = plan_info.result(PLANNED, seen, False, "en")
    assert result["lines"] == [
        "Database recyclic records c1; afterwards b1.", "Revisions undone: 1; not asked for: 0.",
        "undoes c1: third (its downgrade: implemented)",
        "categories holds 14 rows and may differ afterwards: it is one of rollback_migration_tables", "",
        "Route    | Verdict          | Loses",
        "alembic  | needs acceptance | losses: 2; rows or values: 17; 1.5 s when last rehearsed",
        "manual   | impossible       | by hand only the migration's own rows can be undone, and b1 would have to be "
        "undone too",
        "restore  | needs acceptance | losses: 1; rows or values: 3", "Recommended: alembic.", "",
        "The route alembic would take:", "  drop-table:categories: table categories goes, with 17 rows",
        "  revision:b1: revision b1 (second) is undone too", "look out", "",
        "To accept exactly this: -e it"]
    assert (result["refusal"], result["missing"]) == ("not accepted", ["drop-table:categories", "revision:b1"])
    assert "(recyclic)" in result["prompt"] and "rollback_confirm=recyclic" in result["unconfirmed"]
    assert result["changed"] is False


@pytest.mark.parametrize(("finishing", "line", "refusal"), [
    (False, "Nothing to undo: c1 is not applied.", "a lie"),
    (True, "The goal was reached before the run was cut off; what is left is to validate.", ""),
])
def test_where_nothing_is_to_be_undone_it_says_which_way(finishing: bool, line: str, refusal: str) -> None:
    result = plan_info.result({**PLANNED, "position": ROLLED_BACK}, found(refusal="a lie"), finishing, "en")
    assert line in result["lines"]
    # What is left of a run that had acted is to validate, whatever a plan would say now.
    assert result["refusal"] == refusal


@pytest.mark.parametrize(("known", "effect", "told"), [
    ("implemented", False, "empty?"), ("unknown", False, "empty?"), ("unknown", True, "implemented"),
    ("empty?", True, "implemented"), ("raises", False, "raises"), ("implemented", None, "implemented"),
])
def test_what_a_trial_showed_of_a_downgrade_is_told(known: str, effect: bool | None, told: str) -> None:
    planned = {"path": [{"revision": "c1", "downgrade": known}]}
    seen = found()
    seen.announced.effects = {"c1": effect}
    plan_info.sharpen(planned, seen)
    assert planned["path"][0]["downgrade"] == told


@pytest.mark.parametrize(("position", "acted", "begun"), [
    (APPLIED, True, True), (APPLIED, False, False), (ROLLED_BACK, True, False), (None, True, False),
])
def test_a_plan_is_taken_up_only_when_the_run_had_begun_to_act_on_it(tmp_path: Path, position: str | None, acted: bool,
                                                                     begun: bool) -> None:
    if position:
        write_json(str(tmp_path / "plan.json"), {"position": position})
    with Journal(str(tmp_path)).step("x", acts=acted):
        pass
    assert bool(plan_info.plan_begun(str(tmp_path))) is begun
    assert plan_info.plan_begun(None) is None and plan_info.plan_begun("") is None


@pytest.mark.parametrize(("table", "absent", "expected"), [("categories", "fail", "pass"), ("users", "fail", "fail")])
def test_before_anything_is_done_only_what_can_be_judged_is(table: str, absent: str, expected: str) -> None:
    found = plan_info.lenient({"table": table, "unchanged": True, "absent": absent, "rows": 0}, ["categories"])
    assert found == {"table": table, "unchanged": False, "absent": expected, "rows": 0}
