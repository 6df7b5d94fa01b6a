# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollback is: where it goes, what it undoes, and which states and targets have no exact meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _alembic_agent
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import (
    APPLIED,
    ROLLED_BACK,
    Goal,
    describe,
    goal,
    target_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision

Read = Callable[[str], Graph]

MIGRATION = "k1l2m3n4o5p6"
PARENT = "g1h2i3j4k5l6"
GUIDE_TARGET = "9a2b3c4d5e6f"
PROBE = {"version_table": "alembic_version", "version_table_schema": None}


@pytest.fixture
def decide(script: Callable[[str], Any], history: Read) -> Callable[..., Goal]:
    """Decide on a history of the demo, by the path Alembic itself would walk."""

    def decide(name: str, recorded: list[str], to: str | None = None, migration: str = MIGRATION) -> Goal:
        request = {"direction": "downgrade", "to": to, "migration": migration}
        try:
            path, error = _alembic_agent.path(script(name), request, recorded), None
        except Exception as refused:  # the agent reports it as text
            path, error = None, str(refused)
        return goal(history(name), recorded, migration, to, path, error)

    return decide


@pytest.mark.parametrize(("name", "recorded", "to", "path", "left"), [
    ("guide", [MIGRATION], None, [MIGRATION], [GUIDE_TARGET]),
    ("guide", [MIGRATION], GUIDE_TARGET, [MIGRATION], [GUIDE_TARGET]),
    ("chain", [MIGRATION], None, [MIGRATION], [PARENT]),
    ("chain", [MIGRATION], "", [MIGRATION], [PARENT]),
    ("chain", [MIGRATION], GUIDE_TARGET, [MIGRATION, PARENT, "f4g5h6i7j8k9", "e3f4g5h6i7j8", "d2e3f4g5h6i7",
                                          "b1c2d3e4f5a6"], [GUIDE_TARGET]),
    ("chain", ["m3npr1c3dr0p"], None, ["m3npr1c3dr0p", "h2i3j4k5l6m7", "8dfd79bd357d", "24b194c1b790", MIGRATION],
     [PARENT]),
    ("branched", [MIGRATION, "f4g5h6i7j8k9"], None, [MIGRATION], ["f4g5h6i7j8k9", PARENT]),
    ("branched", ["24b194c1b790", "f4g5h6i7j8k9"], PARENT, ["24b194c1b790", MIGRATION], ["f4g5h6i7j8k9", PARENT]),
    ("branched", [MIGRATION], None, [MIGRATION], [PARENT]),
])
def test_an_applied_migration_is_undone_by_the_path_alembic_walks(
        decide: Callable[..., Goal], name: str, recorded: list[str], to: str | None, path: list[str], left: list[str]
) -> None:
    assert decide(name, recorded, to) == Goal(to or left[-1], APPLIED, tuple(path), tuple(left))


def test_the_guides_target_unwinds_both_branches_and_says_so(decide: Callable[..., Goal]) -> None:
    chosen = decide("branched", ["24b194c1b790", "f4g5h6i7j8k9"], GUIDE_TARGET)
    assert chosen.to_heads == (GUIDE_TARGET,)
    assert set(chosen.path) == {MIGRATION, "24b194c1b790", PARENT, "b1c2d3e4f5a6", "d2e3f4g5h6i7", "e3f4g5h6i7j8",
                                "f4g5h6i7j8k9"}


@pytest.mark.parametrize(("name", "recorded", "to"), [
    ("guide", [GUIDE_TARGET], None), ("chain", [PARENT], None), ("branched", ["f4g5h6i7j8k9", PARENT], None),
    ("chain", ["b1c2d3e4f5a6"], None),  # the target itself has been passed as well
    ("branched", ["f4g5h6i7j8k9"], None), ("chain", [PARENT], GUIDE_TARGET),
])
def test_a_migration_that_is_not_applied_leaves_nothing_to_undo(
        decide: Callable[..., Goal], name: str, recorded: list[str], to: str | None) -> None:
    chosen = decide(name, recorded, to)
    assert (chosen.position, chosen.path, chosen.to_heads) == (ROLLED_BACK, (), tuple(sorted(recorded)))


@pytest.mark.parametrize(("name", "recorded", "to", "migration", "key"), [
    ("chain", [], None, MIGRATION, "nothing_recorded"),
    ("chain", ["a-newer-one"], None, MIGRATION, "recorded_unknown"),
    ("chain", [MIGRATION, "a-newer-one"], None, MIGRATION, "recorded_unknown"),
    ("guide", ["24b194c1b790"], None, MIGRATION, "recorded_unknown"),  # the guide's migrations, a newer database
    ("chain", [MIGRATION, GUIDE_TARGET], None, MIGRATION, "heads_overlap"),
    ("chain", [MIGRATION, PARENT], None, MIGRATION, "heads_overlap"),
    ("chain", [MIGRATION], None, "k1l2", "revision_partial"),
    ("chain", [MIGRATION], "9a2b", MIGRATION, "revision_partial"),
    ("chain", [MIGRATION], "base", MIGRATION, "revision_unknown"),
    ("chain", [MIGRATION], MIGRATION, MIGRATION, "target_not_ancestor"),
    ("chain", [MIGRATION], "24b194c1b790", MIGRATION, "target_not_ancestor"),
    ("branched", [MIGRATION], "d2e3f4g5h6i7", MIGRATION, "target_not_ancestor"),
    ("chain", [MIGRATION], None, "5d0e1f2a3b4c", "migration_first"),
])
def test_what_has_no_exact_meaning_is_refused(decide: Callable[..., Goal], name: str, recorded: list[str],
                                              to: str | None, migration: str, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        decide(name, recorded, to, migration)
    assert refused.value.key == key


def test_a_refused_target_names_the_migrations_own_parent(decide: Callable[..., Goal]) -> None:
    with pytest.raises(Refusal) as refused:
        decide("chain", [MIGRATION], "24b194c1b790")
    assert refused.value.facts == {"migration": MIGRATION, "target": "24b194c1b790", "parents": PARENT}


MERGED = Graph([Revision("a1", ()), Revision("b1", ("a1",)), Revision("c1", ("a1",)), Revision("d1", ("b1", "c1"))])


def test_a_merge_has_no_single_parent_until_one_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        target_of(MERGED, "d1", None)
    assert (refused.value.key, refused.value.facts["parents"]) == ("migration_merges", "b1, c1")
    assert target_of(MERGED, "d1", "b1") == "b1"


@pytest.mark.parametrize(("path", "error", "said"), [
    (None, "Ambiguous walk", "Ambiguous walk"),
    ([], None, "-"),
    (["d1"], None, None),  # what is left records b1 and c1: fine
    (["d1", "c1"], None, "c1"),  # c1 does not stand on b1
    (["d1", "b1"], None, "b1"),  # the target itself
    (["c1"], None, "c1"),
])
def test_a_path_that_leaves_the_targets_line_is_refused(path: list[str] | None, error: str | None, said: str | None
                                                        ) -> None:
    if said is None:
        assert goal(MERGED, ["d1"], "d1", "b1", path, error).to_heads == ("b1", "c1")
        return
    with pytest.raises(Refusal) as refused:
        goal(MERGED, ["d1"], "d1", "b1", path, error)
    assert refused.value.key == "path_ambiguous"
    assert said in str(refused.value.facts["error"])


def test_a_path_without_the_migration_is_refused(history: Read) -> None:
    with pytest.raises(Refusal) as refused:
        goal(history("chain"), ["24b194c1b790"], MIGRATION, None, ["24b194c1b790"])
    assert refused.value.key == "path_ambiguous"


def described(graph: Graph, recorded: list[str], chosen: Goal) -> dict[str, Any]:
    return describe("recyclic", MIGRATION, graph, recorded, chosen, {"categories": 14}, PROBE)


def test_a_plan_begins_with_where_from_and_where_to(decide: Callable[..., Goal], history: Read) -> None:
    recorded = ["k1l2m3n4o5p6", "f4g5h6i7j8k9"]
    plan = described(history("branched"), recorded, decide("branched", recorded))
    assert plan["from_heads"] == ["f4g5h6i7j8k9", MIGRATION] and plan["to_heads"] == ["f4g5h6i7j8k9", PARENT]
    (step,) = plan["path"]
    assert (step["revision"], step["in_scope"], step["downgrade"]) == (MIGRATION, True, "implemented")
    assert plan["purpose"] == {"categories": 14}
    assert plan["version_table"] == {"name": "alembic_version", "schema": None}


def test_what_a_plan_undoes_besides_is_marked(decide: Callable[..., Goal], history: Read) -> None:
    plan = described(history("chain"), ["24b194c1b790"], decide("chain", ["24b194c1b790"]))
    assert [(step["revision"], step["in_scope"]) for step in plan["path"]] == [
        ("24b194c1b790", False), (MIGRATION, True)]
