# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator is told of a plan, and when a plan is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import APPLIED, ROLLED_BACK, Goal
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision
from ansible_collections.recyclic.rollback.plugins.modules import plan_info

GRAPH = Graph([Revision("a1", (), "first"), Revision("b1", ("a1",), "second"), Revision("c1", ("b1",), "third"),
               Revision("d1", ("c1",), "fourth")])
PLANNED: dict[str, Any] = {
    "database": "recyclic", "migration": "c1", "position": APPLIED, "from_heads": ["c1"], "to_heads": ["b1"],
    "path": [{"revision": "c1", "message": "third", "downgrade": "implemented", "in_scope": True}],
    "purpose": {"categories": 14, "absent": None}}


@pytest.mark.parametrize(("path", "to", "crossed", "way_out"), [
    (("d1", "c1"), "b1", "d1 (fourth)", "Newer revisions"),
    (("c1", "b1"), "a1", "b1 (second)", "its own parent b1"),
    (("d1", "c1", "b1"), "a1", "d1 (fourth); b1 (second)", "Newer revisions"),
])
def test_a_path_that_undoes_more_is_refused_with_the_way_out(path: tuple[str, ...], to: str, crossed: str, way_out: str
                                                             ) -> None:
    with pytest.raises(Refusal) as refused:
        plan_info.require_only(GRAPH, Goal(to, APPLIED, path, (to,)), "c1", "en")
    assert refused.value.key == "path_crosses"
    assert refused.value.facts["crossed"] == crossed
    assert way_out in str(refused.value.facts["way_out"])


@pytest.mark.parametrize("path", [("c1",), ()])
def test_a_path_that_undoes_the_migration_alone_is_not_refused(path: tuple[str, ...]) -> None:
    plan_info.require_only(GRAPH, Goal("b1", APPLIED, path, ("b1",)), "c1", "en")


def test_the_operator_reads_what_is_undone_and_what_it_removes() -> None:
    result = plan_info.result(PLANNED, False, "en")
    assert result["lines"] == [
        "Database recyclic records c1; afterwards b1.", "undoes c1: third (its downgrade: implemented)",
        "categories holds 14 rows and may differ afterwards: it is one of rollback_migration_tables"]
    assert "(recyclic)" in result["prompt"] and "rollback_confirm=recyclic" in result["unconfirmed"]
    assert result["changed"] is False


@pytest.mark.parametrize(("finishing", "line"), [
    (False, "Nothing to undo: c1 is not applied."),
    (True, "The goal was reached before the run was cut off; what is left is to validate."),
])
def test_where_nothing_is_to_be_undone_it_says_which_way(finishing: bool, line: str) -> None:
    assert plan_info.result({**PLANNED, "position": ROLLED_BACK}, finishing, "en")["lines"] == [line]


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
