# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps given to the revisions they belong to."""

from __future__ import annotations

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision
from ansible_collections.recyclic.rollback.plugins.module_utils._watch import Step, by_revision

# a <- b <- d, a <- c, both merged in e, f on top of it.
GRAPH = Graph([Revision("a", ()), Revision("b", ("a",)), Revision("c", ("a",)), Revision("d", ("b",)),
               Revision("e", ("c", "d")), Revision("f", ("e",))])


def steps(*heads: str) -> list[Step]:
    return [Step(heads=sorted(each), at=0, seconds=0, catalogue={}) for each in heads]


@pytest.mark.parametrize(("start", "path", "seen", "counts"), [
    ("f", "fe", ["e", "cd"], [1, 1]),
    # The merge is undone by two writes, of which the first looks like what a later revision leaves.
    ("f", "fedc", ["e", "c", "cd", "bc", "b"], [1, 2, 1, 1]),
    # The row of one branch goes without another taking its place.
    ("cd", "dcb", ["bc", "b", "a"], [1, 1, 1]),
    # A revision that writes the table itself.
    ("f", "f", ["f", "fx", "e"], [3]),
    # Ended in the middle; what came after the end.
    ("f", "fed", ["e"], [1, 0, 0]),
    ("f", "f", ["e", "f"], [1]),
    ("f", "fe", [], [0, 0]),
    # Down to nothing.
    ("b", "ba", ["a", ""], [1, 1]),
])
def test_whose_a_step_is(start: str, path: str, seen: list[str], counts: list[int]) -> None:
    given = steps(*seen)
    found = by_revision(given, start, list(path), GRAPH)
    assert list(found) == list(path)
    assert [len(found[revision]) for revision in path] == counts
    assert [step for revision in path for step in found[revision]] == given[:sum(counts)]
