# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What refers to rows that go by hand: names, declarations, parts of tables, and what a plan makes of them."""
from __future__ import annotations

import json
import shlex
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._announce import Mission
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._manual import Removal, removals_from
from ansible_collections.recyclic.rollback.plugins.module_utils._manual_plan import followers_by_hand, true_after
from ansible_collections.recyclic.rollback.plugins.module_utils._manual_references import (
    Key,
    Schema,
    decided,
    declaration,
    require_declared,
    unknown_names,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._trial import Course, Trial


def key(name: str = "fk", child: int = 2, parent: int = 1, table: str = "lines") -> Key:
    return Key(name, child, ("public", table), parent, ("public", "categories"), ("category",), ("id",), "a",
               ("category",), ())


@pytest.mark.parametrize(("references", "table", "decision"), [
    ({}, "lines", "refuse"), ({"fk": "cascade"}, "lines", "cascade"), ({"other": "cascade"}, "lines", "refuse"),
    ({"fk": "cascade", "lines.fk": "set_null"}, "lines", "set_null"),
    ({"public.lines.fk": "cascade"}, "lines", "cascade"),
    ({"s.lines.fk": "cascade"}, "s.lines", "cascade"), ({"lines.fk": "cascade"}, "s.lines", "refuse"),
])
def test_the_longer_name_decides(references: dict[str, str], table: str, decision: str) -> None:
    assert decided(references, "fk", table) == decision


def test_names_that_are_nobodys() -> None:
    known = [("fk", "lines"), ("fk", "s.lines")]
    assert unknown_names({"fk": "", "lines.fk": "", "public.lines.fk": "", "s.lines.fk": ""}, known) == []
    assert unknown_names({"kf": "", "labels.fk": "", "public.s.lines.fk": ""}, known) == [
        "kf", "labels.fk", "public.s.lines.fk"]


@pytest.mark.parametrize(("keys", "declared"), [
    ([("fk", "lines", True)], {"fk": "set_null"}), ([("fk", "lines", False)], {"fk": "cascade"}),
    ([("fk", "lines", True), ("fk", "labels", False)], {"labels.fk": "cascade", "lines.fk": "set_null"}),
    ([("it's é", "lines", True)], {"it's é": "set_null"}),
])
def test_what_is_pasted_is_one_word_of_a_shell(keys: list[tuple[str, str, bool]], declared: dict[str, str]) -> None:
    option, text = shlex.split(declaration(keys))
    assert (option, json.loads(text)) == ("-e", {"rollback_manual_references": declared})


@pytest.mark.parametrize(("references", "problem"), [
    ({"fk": "drop"}, "manual_decision_unknown"), ({"kf": "cascade"}, "manual_reference_unknown"),
    ({"fk": "cascade"}, "manual_reference_ambiguous"), ({"lines.fk": "cascade"}, None),
    ({"elsewhere": "cascade"}, None),
])
def test_a_declaration_has_to_mean_one_key(references: dict[str, str], problem: str | None) -> None:
    concerned = [key(), key(child=3, table="labels")]
    schema = Schema([*concerned, key("elsewhere", 5, 4, "notes")])
    if problem is None:
        require_declared(references, schema, concerned)
        return
    with pytest.raises(Refusal) as caught:
        require_declared(references, schema, concerned)
    assert caught.value.key == problem


def test_rows_are_referred_to_by_every_name_of_their_table() -> None:
    # 1 has the partitions 2 and 3, 3 has 4; 6 inherits from 5 and is no partition.
    schema = Schema([key(str(parent), 9, parent) for parent in range(1, 7)], {1: [2, 3], 3: [4], 5: [6]},
                    {2: 1, 3: 1, 4: 3})
    assert {table: sorted(each.name for each in schema.into(table)) for table in range(1, 7)} == {
        1: ["1", "2", "3", "4"], 2: ["1", "2"], 3: ["1", "3", "4"], 4: ["1", "3", "4"], 5: ["5", "6"], 6: ["6"]}


def test_removals_as_options_give_them() -> None:
    given = [{"table": "a"}, {"table": "b", "filter": None, "rows": 0}, {"table": "c", "filter": "x"}]
    assert removals_from(given) == (Removal("a"), Removal("b", "", 0), Removal("c", "x"))


# In a plan


class Counts:
    """Stakes of which only the counts are asked."""

    def __init__(self, counts: dict[str, tuple[int, bool]]) -> None:
        self.counts = counts

    def values_of(self, table: str, column: str) -> tuple[int, bool] | None:
        return self.counts.get(f"{table}.{column}")

    def rows_of(self, table: str, where: str | None = None) -> tuple[int, bool] | None:
        return self.counts.get(f"{table}: {where}")


def table(*columns: str, fixed: str = "") -> dict[str, Any]:
    return {"columns": {name: {"type": "int", "not_null": name == fixed, "default": None} for name in columns},
            "constraints": {}, "indexes": {}}


LIVE: dict[str, Any] = {
    "tables": {"categories": table("id", "parent"), "lines": table("id", "category"),
               "labels": table("id", "category", fixed="category"), "weighings": table("line", "kind")},
    "types": {}, "sequences": [],
    "foreign_keys": [
        {"name": "own", "table": "categories", "to_table": "categories", "on_delete": "a", "columns": ["parent"]},
        {"name": "lines_fk", "table": "lines", "to_table": "categories", "on_delete": "c", "columns": ["category"]},
        {"name": "labels_fk", "table": "labels", "to_table": "categories", "on_delete": "a", "columns": ["category"]},
        {"name": "pair", "table": "weighings", "to_table": "lines", "on_delete": "a", "columns": ["line", "kind"]},
    ]}
COUNTS = {"categories.parent": (3, True), "lines.category": (9, True), "labels.category": (0, True),
          'weighings: "line" IS NOT NULL AND "kind" IS NOT NULL': (4, True)}


def followers(references: dict[str, str], **counts: tuple[int, bool]) -> tuple[dict[str, Any], list[str], list[str]]:
    mission = Mission("m", ("categories",))
    more = {name.replace("__", "."): count for name, count in counts.items()}
    found = followers_by_hand(cast("Any", Counts({**COUNTS, **more})), mission, LIVE, references)
    return ({loss.id: (loss.rows, loss.exact) for loss in found.losses.values()},
            [problem.key for problem in found.obstacles], [problem.key for problem in found.notes])


def test_what_was_not_declared_is_in_the_way_whatever_the_database_would_do() -> None:
    assert followers({}) == ({}, ["route_manual_referenced"], [])
    assert followers({"lines_fk": "refuse"}, labels__category=(1, True)) == (
        {}, ["route_manual_referenced"] * 2, [])


def test_what_was_declared_is_a_loss() -> None:
    assert followers({"lines_fk": "set_null"}) == ({"change-rows:lines": (9, True)}, [], [])
    # Of what refers to rows that follow, only the transaction knows which.
    assert followers({"lines_fk": "cascade"}) == ({"delete-rows:lines": (9, True)}, [], ["route_manual_referenced"])
    assert followers({"lines_fk": "cascade", "weighings.pair": "cascade"}) == (
        {"delete-rows:lines": (9, True), "delete-rows:weighings": (4, False)}, [], [])
    assert followers({"lines_fk": "cascade", "pair": "set_null"}) == (
        {"delete-rows:lines": (9, True), "change-rows:weighings": (4, False)}, [], [])


def test_what_cannot_be_done_is_in_the_way() -> None:
    assert followers({"lines_fk": "set_null", "labels_fk": "set_null"}, labels__category=(2, True))[1] == [
        "route_manual_not_null"]
    assert followers({"lines_fk": "set_null", "line_fk": "cascade"})[1] == ["route_manual_undeclarable"]
    assert followers({"lines_fk": "empty"})[1][0] == "route_manual_undeclarable"


class Line:
    """A graph that is one line: a, b, c, d."""

    def ancestors(self, *revisions: str) -> set[str]:
        return {each for revision in revisions for each in "abcd" if each <= revision}


def true(live: dict[str, Any], seen: list[tuple[list[str], dict[str, Any]]], recorded: str, migration: str
         ) -> list[str]:
    course = SimpleNamespace(graph=Line(), from_heads=(recorded,), version_name="alembic_version")
    trial = Trial(before=seen[-1][1], seen=seen)
    return true_after(cast(Course, course), Mission(migration), live, trial)


def test_the_revision_that_would_be_true() -> None:
    empty: dict[str, Any] = {"tables": {}, "types": {}, "sequences": [], "foreign_keys": []}
    one = {**empty, "tables": {"categories": table("id")}}
    two = {**empty, "tables": {"categories": table("id", "price")}}
    drifted = {**empty, "tables": {**one["tables"], "by_hand": table("id"), "alembic_version": table("version_num")}}
    states = [(["a"], empty), (["b"], one), (["c"], one)]
    assert true(one, states, "c", "c") == ["b"]
    assert true(drifted, states, "c", "c") == ["b"]
    assert true(one, [(["a"], one), *states[1:]], "c", "c") == ["b"], "what only moved rows below is still applied"
    # A later revision changed the structure: it cannot be denied.
    assert true(two, [*states, (["d"], two)], "d", "c") == ["d"]
    # Recorded is d, but the structure is that of b and c.
    assert true(one, [*states, (["d"], two)], "d", "c") == ["b"]
    assert true({**empty, "tables": {"other": table("id")}}, states, "c", "c") == []
    assert true_after(cast(Course, SimpleNamespace()), Mission("c"), one, Trial()) == []
