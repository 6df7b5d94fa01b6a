# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The revision graph, held against Alembic's own behaviour."""

from __future__ import annotations

import random
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _alembic_agent
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import APPLIED, ROLLED_BACK, goal
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision

Read = Callable[[str], Graph]

MIGRATION = "k1l2m3n4o5p6"
FIRST = ["5d0e1f2a3b4c", "7c1a2f4b9c3a", "8f2b7a1d4e6b"]
# A merge, a branch point and a dependency:
#   a - b - d(merge of b, c) - e        x - y(depends on b)
#    \- c /
SMALL = Graph([
    Revision("a1", ()), Revision("b1", ("a1",)), Revision("c1", ("a1",)), Revision("d1", ("b1", "c1")),
    Revision("e1", ("d1",)), Revision("x1", ()), Revision("y1", ("x1",), depends_on=("b1",)),
])


@pytest.mark.parametrize(("name", "heads", "below"), [
    ("guide", [MIGRATION], [*FIRST, "a0c1d2e3f4b5", "9a2b3c4d5e6f"]),
    ("chain", ["m3npr1c3dr0p"], [*FIRST, "9a2b3c4d5e6f", "b1c2d3e4f5a6", "d2e3f4g5h6i7", "e3f4g5h6i7j8",
                                 "f4g5h6i7j8k9", "g1h2i3j4k5l6"]),
    ("branched", ["24b194c1b790", "f4g5h6i7j8k9"], [*FIRST, "9a2b3c4d5e6f", "b1c2d3e4f5a6", "g1h2i3j4k5l6"]),
])
def test_the_histories_of_the_demo(history: Read, name: str, heads: list[str], below: list[str]) -> None:
    graph = history(name)
    assert graph.heads() == heads
    assert graph.ancestors(MIGRATION) == {MIGRATION, *below}
    assert graph[MIGRATION].describe() == {
        "revision": MIGRATION, "message": graph[MIGRATION].message, "downgrade": "implemented"}
    assert graph[MIGRATION].message
    assert graph.ancestors(*heads) == set(graph.revisions)


@pytest.mark.parametrize(("revisions", "ancestors"), [
    (["a1"], {"a1"}), (["b1", "c1"], {"a1", "b1", "c1"}), (["e1"], {"a1", "b1", "c1", "d1", "e1"}),
    (["y1"], {"y1", "x1", "b1", "a1"}), (["unknown"], set()), ([], set()),
])
def test_ancestors_go_through_merges_and_dependencies(revisions: list[str], ancestors: set[str]) -> None:
    assert SMALL.ancestors(*revisions) == ancestors


def test_a_revision_others_depend_on_is_still_a_head() -> None:
    assert Graph([Revision("a1", ()), Revision("b1", (), depends_on=("a1",))]).heads() == ["a1", "b1"]


def test_a_full_id_is_required_and_a_part_of_one_names_what_it_may_mean(history: Read) -> None:
    graph = history("chain")
    graph.require(MIGRATION, "rollback_migration")
    with pytest.raises(Refusal) as refused:
        graph.require("8", "rollback_to_revision")
    assert refused.value.key == "revision_partial"
    assert refused.value.facts == {"role": "rollback_to_revision", "revision": "8",
                                   "candidates": "8dfd79bd357d, 8f2b7a1d4e6b"}


@pytest.mark.parametrize("revision", ["nonesuch", "", "head", "-1", "base", "K1L2M3N4O5P6", f"{MIGRATION}x"])
def test_an_unknown_id_is_refused_with_the_heads(history: Read, revision: str) -> None:
    with pytest.raises(Refusal) as refused:
        history("branched").require(revision, "rollback_migration")
    assert refused.value.key == "revision_unknown"
    assert refused.value.facts["heads"] == "24b194c1b790, f4g5h6i7j8k9"


@pytest.mark.parametrize(("recorded", "found"), [
    (["e1"], None), (["b1", "c1"], None), ([], None), (["y1", "c1"], None), (["e1", "y1"], None),
    (["a1", "b1"], ("a1", "b1")), (["e1", "a1"], ("a1", "e1")), (["y1", "b1"], ("b1", "y1")),
    (["unknown", "b1"], None),
])
def test_two_recorded_revisions_on_one_line_are_found(recorded: list[str], found: tuple[str, str] | None) -> None:
    assert SMALL.overlapping(recorded) == found


@pytest.mark.parametrize(("recorded", "path", "left"), [
    (["24b194c1b790", "f4g5h6i7j8k9"], ["24b194c1b790", MIGRATION], {"f4g5h6i7j8k9", "g1h2i3j4k5l6"}),
    ([MIGRATION, "9a2b3c4d5e6f"], [], {MIGRATION, "9a2b3c4d5e6f"}),
    (["24b194c1b790", "9a2b3c4d5e6f"], ["24b194c1b790"], {MIGRATION, "9a2b3c4d5e6f"}),
    (["b1c2d3e4f5a6", "d2e3f4g5h6i7"], ["b1c2d3e4f5a6"], {"d2e3f4g5h6i7"}),
])
def test_heads_after_a_downgrade_of_the_branched_history(history: Read, recorded: list[str], path: list[str],
                                                         left: set[str]) -> None:
    assert history("branched").heads_after_downgrade(recorded, path) == left


@pytest.mark.parametrize(("recorded", "path", "left"), [
    (["e1"], ["e1", "d1"], {"b1", "c1"}), (["b1", "c1"], ["c1"], {"b1"}), (["a1"], ["a1"], set()),
    (["y1"], ["y1"], {"x1", "b1"}), (["y1", "c1"], ["y1"], {"x1", "b1", "c1"}), (["y1", "d1"], ["y1"], {"x1", "d1"}),
])
def test_heads_after_a_downgrade(recorded: list[str], path: list[str], left: set[str]) -> None:
    assert SMALL.heads_after_downgrade(recorded, path) == left


@pytest.mark.parametrize(("recorded", "path", "left"), [
    ([], ["a1"], {"a1"}), (["a1"], ["b1", "c1"], {"b1", "c1"}), (["b1", "c1"], ["d1"], {"d1"}),
    (["b1", "x1"], ["y1"], {"y1"}), (["d1", "x1"], ["y1"], {"d1", "y1"}), (["a1"], [], {"a1"}),
])
def test_heads_after_an_upgrade(recorded: list[str], path: list[str], left: set[str]) -> None:
    assert SMALL.heads_after_upgrade(recorded, path) == left


def upgrade() -> None:
    """The work of a generated revision."""


def downgrade() -> None:
    """The work of a generated revision."""


class Walk:
    """A generated history, and a real database that Alembic itself moves along it."""

    def __init__(self, revisions: list[tuple[str, tuple[str, ...], tuple[str, ...]]], directory: Path,
                 connection: Any) -> None:
        from alembic.script import ScriptDirectory
        from alembic.script.base import Script
        from alembic.script.revision import RevisionMap

        (directory / "versions").mkdir(exist_ok=True)
        scripts = []
        for name, down, depends_on in revisions:
            module: Any = types.ModuleType(name)
            module.__doc__ = f"the revision {name}"
            module.revision, module.down_revision, module.depends_on = name, down or None, depends_on or None
            module.upgrade, module.downgrade = upgrade, downgrade
            scripts.append(Script(module, name, str(directory / "versions" / f"{name}.py")))
        self.script = ScriptDirectory(str(directory))
        self.script.revision_map = RevisionMap(lambda: scripts)
        self.connection = connection

    def path(self, direction: str, to: str) -> list[str] | None:
        """What the agent would report; None where Alembic refuses the question."""
        from alembic.script.revision import RevisionError
        from alembic.util import CommandError

        try:
            return _alembic_agent.path(self.script, {"direction": direction, "to": to}, self.recorded())
        except (CommandError, RevisionError):
            return None

    def recorded(self) -> list[str]:
        from alembic.runtime.migration import MigrationContext

        return sorted(MigrationContext.configure(self.connection).get_current_heads())

    def move(self, direction: str, to: str) -> list[str] | None:
        """Have Alembic go there; returns the revisions it ran, in its order; None where its own bookkeeping breaks."""
        from alembic.runtime.migration import MigrationContext

        ran: list[str] = []
        revs = self.script._upgrade_revs if direction == "upgrade" else self.script._downgrade_revs
        context = MigrationContext.configure(self.connection, opts={
            "fn": lambda heads, _context: revs(to, heads),
            "on_version_apply": [lambda step, **_: ran.append(step.up_revision_id)]})
        try:
            with context.begin_transaction():
                context.run_migrations()
        except (KeyError, AssertionError):  # what its HeadMaintainer raises for a row that is not there
            return None
        return ran


def random_history(draw: random.Random) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """Roots, branch points, merges and dependencies, in an order in which each stands on earlier ones only."""
    found: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
    for number in range(draw.randint(3, 11)):
        earlier = [name for name, _down, _depends in found]
        kind = draw.choices(("root", "one", "merge"), (1, 6, 3))[0] if earlier else "root"
        count = {"root": 0, "one": 1, "merge": 2}[kind]
        down = tuple(draw.sample(earlier, min(count, len(earlier))))
        others = [name for name in earlier if name not in down]
        depends = tuple(draw.sample(others, 1)) if others and draw.random() < 0.25 else ()
        found.append((f"r{number:02d}", down, depends))
    return found


@contextmanager
def database() -> Iterator[Any]:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        yield connection


SEEDS = range(25)


@pytest.mark.parametrize("seed", SEEDS)
def test_alembic_leaves_what_the_graph_predicts(seed: int, tmp_path: Path, graph_of: Callable[[Any], Graph]) -> None:
    pytest.importorskip("alembic")
    draw = random.Random(seed)
    with database() as connection:
        walk = Walk(random_history(draw), tmp_path, connection)
        graph = graph_of(walk.script)
        moves, ran = 0, []
        for _turn in range(25):
            recorded = walk.recorded()
            direction, to = draw.choice(("upgrade", "upgrade", "downgrade")), draw.choice(sorted(graph.revisions))
            path = walk.path(direction, to)
            if not path:
                continue
            after = graph.heads_after_upgrade if direction == "upgrade" else graph.heads_after_downgrade
            predicted = sorted(after(recorded, path))
            told = f"{direction} {to} from {recorded}, by {path}"
            ran = walk.move(direction, to)
            if ran is None:
                break  # Alembic cannot do it itself: nothing to compare with from here on
            assert ran == path, told
            assert walk.recorded() == predicted, told
            moves += 1
            if graph.overlapping(predicted):
                break  # nor can it walk on from there
        assert moves or ran is None, "this history was never moved along"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_goal_that_is_accepted_is_reached_and_undoes_the_migration(seed: int, tmp_path: Path,
                                                                     graph_of: Callable[[Any], Graph]) -> None:
    pytest.importorskip("alembic")
    draw = random.Random(seed)
    with database() as connection:
        walk = Walk(random_history(draw), tmp_path, connection)
        graph = graph_of(walk.script)
        for _turn in range(10):
            up = draw.choice(graph.heads())
            if walk.path("upgrade", up) and walk.move("upgrade", up) is None:
                break
            migration = draw.choice(sorted(graph.revisions))
            to = draw.choice([None, *sorted(graph.ancestors(migration) - {migration})])
            target = to or (graph[migration].down[0] if len(graph[migration].down) == 1 else None)
            recorded = walk.recorded()
            if not recorded or target is None:
                continue
            applied = graph.ancestors(*recorded)
            try:
                chosen = goal(graph, recorded, migration, to, walk.path("downgrade", target))
            except Refusal as refused:
                assert refused.key == "path_ambiguous", f"{migration} to {target} from {recorded}"
                continue
            if chosen.position == ROLLED_BACK:
                assert migration not in applied
                continue
            assert chosen.position == APPLIED
            assert walk.move("downgrade", chosen.to_revision) == list(chosen.path)
            assert walk.recorded() == list(chosen.to_heads)
            assert graph.overlapping(walk.recorded()) is None, "Alembic could not go on from there"
            left = graph.ancestors(*walk.recorded())
            assert migration not in left and chosen.to_revision in left
            assert applied - left == set(chosen.path), "exactly what was announced is undone"


def test_a_dependency_below_the_parent_is_predicted_as_alembic_records_it(
        tmp_path: Path, graph_of: Callable[[Any], Graph]) -> None:
    """c stands on b and depends on b's own parent a; with another branch recorded, Alembic leaves a as well."""
    pytest.importorskip("alembic")
    with database() as connection:
        walk = Walk([("a", (), ()), ("b", ("a",), ()), ("c", ("b",), ("a",)), ("x", (), ())], tmp_path, connection)
        for revision in ("x", "c"):
            walk.move("upgrade", revision)
        assert walk.recorded() == ["c", "x"]
        predicted = graph_of(walk.script).heads_after_downgrade(["c", "x"], ["c"])
        assert walk.move("downgrade", "b") == ["c"]
        assert predicted == set(walk.recorded()) == {"a", "b", "x"}
