# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether two histories are the same below what a database records."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _images
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import Container
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import Ground
from ansible_collections.recyclic.rollback.plugins.module_utils._images import examine, other_path, witnesses
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


class Seen(SimpleNamespace):
    """A container, as far as it is looked at here."""

    image_name = "shop:1"


def seen(name: str, service: str, image: str, running: bool = True) -> Container:
    return cast(Container, Seen(name=name, service=service, image=image, running=running))


def test_of_the_migrations_only_the_newest_container_is_a_witness() -> None:
    """An older one may be of another branch, months ago; it built nothing of what is there now."""
    every = [seen("old", "migrations", "branch", False), seen("api-1", "api", "a"), seen("redis", "redis", "r"),
             seen("api-2", "api", "a"), seen("api-3", "api", "b"), seen("new", "migrations", "main", False)]
    assert [each.name for each in witnesses(every, "migrations", ["api"])] == ["new", "api-2", "api-3"]
    assert [each.name for each in witnesses(every[:2], "migrations", ["migrations"])] == ["old"]


@pytest.mark.parametrize(("running", "said", "unsaid"), [
    (False, "docker rm shop-migrations-1", "running"), (True, "shop-migrations-1 is running", "docker rm")])
def test_a_container_that_contradicts_is_named_and_removed_only_where_it_does_not_run(
        monkeypatch: pytest.MonkeyPatch, running: bool, said: str, unsaid: str) -> None:
    among = [seen("shop-migrations-1", "migrations", "other", running)]
    project: Any = SimpleNamespace(
        layout=SimpleNamespace(migrations="migrations"), containers=lambda: among, image_of=lambda _name: "shop:2",
        require_image=lambda _name: {"Id": "mine"})
    monkeypatch.setattr(_images, "image_graph", lambda *_rest: line("b", "a", "c"))
    environment: Any = SimpleNamespace(config="", python="", redact=None)
    with pytest.raises(Refusal) as refusal:
        examine(Ground(cast(Any, None), cast(Any, None), project), environment, line("a", "b", "c"), ["c"], [], ["api"],
                {}, "en")
    remedy = str(refusal.value.facts["remedy"])
    assert refusal.value.key == "image_other_path" and said in remedy and unsaid not in remedy
