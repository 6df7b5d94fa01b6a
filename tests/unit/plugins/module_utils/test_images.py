# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether two histories are the same below what a database records."""
from __future__ import annotations

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._images import other_path
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision


def line(*revisions: str, depends: dict[str, str] | None = None) -> Graph:
    """A history in one line, the oldest first."""
    needs = depends or {}
    return Graph(Revision(name, (before,) if before else (), depends_on=(needs[name],) if name in needs else ())
                 for before, name in zip(("", *revisions), revisions))


@pytest.mark.parametrize(("theirs", "differing"), [
    (line("a", "b", "c"), []),
    # A newer one knows more above, an older one less: neither says anything against the path.
    (line("a", "b", "c", "d", "e"), []), (line("a", "b"), []),
    # The same ids by another path.
    (line("b", "a", "c"), ["a", "b", "c"]), (line("b", "a"), ["a", "b"]),
    # One more in between, and one less.
    (line("a", "x", "b", "c"), ["b", "x"]), (line("a", "c"), ["b", "c"]),
    (line("a", "b", "c", depends={"c": "a"}), ["c"]), (Graph([]), [])])
def test_histories_are_compared_below_the_recorded_revision(theirs: Graph, differing: list[str]) -> None:
    assert other_path(line("a", "b", "c", "d"), theirs, ["c"]) == differing
