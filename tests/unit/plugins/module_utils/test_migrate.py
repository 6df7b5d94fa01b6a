# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which movement Alembic would make, and what is said of one that went wrong."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _migrate
from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import Environment, Sight
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._migrate import (
    Move,
    _gave_up_waiting,
    _what_went_wrong,
    perform,
    predict,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import Finished, HostRuntime

GRAPH = Graph([Revision("a1", ()), Revision("b1", ("a1",)), Revision("c1", ("b1",)), Revision("x1", ("a1",))])


def sight(path: list[str] | None, error: str | None = None) -> Sight:
    return Sight("1.16", GRAPH, path, error, {})


@pytest.mark.parametrize(("recorded", "direction", "revision", "path", "predicted"), [
    (["c1"], "downgrade", "a1", ["c1", "b1"], ["a1"]), (["c1", "x1"], "downgrade", "b1", ["c1"], ["b1", "x1"]),
    (["a1"], "upgrade", "c1", ["b1", "c1"], ["c1"]), (["x1"], "upgrade", "b1", ["b1"], ["b1", "x1"]),
    ([], "upgrade", "a1", ["a1"], ["a1"]),
])
def test_the_movement_and_what_it_leaves(recorded: list[str], direction: str, revision: str, path: list[str],
                                         predicted: list[str]) -> None:
    move = predict(sight(path), recorded, direction, revision)
    assert (move.before, move.path, move.predicted) == (recorded, path, predicted)


@pytest.mark.parametrize(("recorded", "direction", "revision"), [
    (["b1"], "downgrade", "b1"), (["b1"], "upgrade", "b1"), (["c1"], "upgrade", "a1"), (["c1", "x1"], "upgrade", "b1"),
])
def test_where_the_database_is_already_nothing_moves(recorded: list[str], direction: str, revision: str) -> None:
    move = predict(sight(None), recorded, direction, revision)
    assert (move.path, move.predicted) == ([], recorded)


@pytest.mark.parametrize(("recorded", "direction", "revision", "path", "key"), [
    (["c1"], "downgrade", "b", ["c1"], "revision_partial"), (["c1"], "downgrade", "head", ["c1"], "revision_unknown"),
    (["z9"], "downgrade", "a1", None, "recorded_unknown"), (["c1", "a1"], "downgrade", "b1", ["c1"], "heads_overlap"),
    (["b1"], "downgrade", "c1", None, "not_above"), (["x1"], "downgrade", "b1", None, "not_above"),
    ([], "downgrade", "a1", None, "not_above"), (["c1"], "downgrade", "a1", None, "path_ambiguous"),
    (["c1"], "downgrade", "a1", [], "path_ambiguous"),
])
def test_a_movement_without_an_exact_meaning_is_refused(recorded: list[str], direction: str, revision: str,
                                                        path: list[str] | None, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        predict(sight(path), recorded, direction, revision)
    assert refused.value.key == key


def move(after: list[str], **given: Any) -> Move:
    return Move("downgrade", "a1", ["b1"], ["a1"], ["b1"], after, attempts=4, **given)


LOCKED = "psycopg2.errors.LockNotAvailable: canceling statement due to lock timeout"


@pytest.mark.parametrize(("after", "done", "key"), [
    (["b1"], Finished(1, "", LOCKED, 1.0), "lock_timeout"),
    (["b1"], Finished(1, "FEHLER 55P03", "", 1.0), "lock_timeout"),
    (["b1"], Finished(1, "", "Traceback", 1.0), "migration_failed"),
    (["b1"], Finished(-15, "", "", 1.0, "timeout"), "migration_ended"),
    (["b1"], Finished(0, "", "", 1.0), "heads_not_predicted"),
    (["a1"], Finished(1, "", "Traceback", 1.0), "moved_but_failed"),
    (["a1"], Finished(-15, "", "", 1.0, "timeout"), "moved_but_failed"),
    (["x1"], Finished(1, "", "Traceback", 1.0), "moved_part_way"),
    (["x1"], Finished(-15, "", "", 1.0, "timeout"), "moved_part_way"),
    (["x1"], Finished(0, "", "", 1.0), "heads_not_predicted"),
    ([], Finished(0, "", "", 1.0), "heads_not_predicted"),
])
def test_what_went_wrong_is_judged_by_the_recorded_revisions_first(tmp_path: Path, after: list[str], done: Finished,
                                                                   key: str) -> None:
    environment = Environment(HostRuntime(), "x.ini", "python3", None, {}, 1, Redactor())
    problem = _what_went_wrong(done, move(after), environment)
    assert problem.key == key
    assert problem.outcome is None, "whoever closes the run measures first"


def test_who_holds_the_lock_is_named() -> None:
    environment = Environment(HostRuntime(), "x.ini", "python3", None, {}, 1, Redactor())
    blocker = {"pid": 7, "application": "", "user": "alice", "state": "idle in transaction", "seconds": 90,
               "query": "SELECT 1"}
    problem = _what_went_wrong(Finished(1, "", LOCKED, 1.0), move(["b1"], blockers=[blocker]), environment)
    assert problem.facts == {"attempts": 4, "blockers": "pid 7 (alice, idle in transaction for 90 s: SELECT 1)"}


@pytest.mark.parametrize(("after", "done", "waited"), [
    (["b1"], Finished(1, "", LOCKED, 1.0), True),
    (["b1"], Finished(0, "", LOCKED, 1.0), False),
    (["a1"], Finished(1, "", LOCKED, 1.0), False),  # it moved before: asking again would move it further
    (["b1"], Finished(1, "", "deadlock detected", 1.0), False),
])
def test_only_a_lock_never_had_is_asked_for_again(after: list[str], done: Finished, waited: bool) -> None:
    assert _gave_up_waiting(done, move(after)) is waited


@pytest.mark.parametrize(("asked_until", "attempts", "watched"), [
    (0, 0, []), (1, 1, ["forbidden"]), (2, 1, [None]), (3, 1, [None]), (4, 2, [None, "forbidden"]),
])
def test_what_forbids_it_is_heard_at_every_moment(monkeypatch: pytest.MonkeyPatch, asked_until: int, attempts: int,
                                                  watched: list[str | None]) -> None:
    """Before an attempt, during it, after it, and in the pause before the next."""
    asked, seen = [], []

    class Stubborn:
        runtime, redact = HostRuntime(), Redactor()

        def move(self, *given: Any) -> Finished:
            seen.append(given[-1]())
            return Finished(1, "", LOCKED, 1.0)

    def may_act() -> None:
        asked.append(1)
        if len(asked) > asked_until:
            raise Refusal("migrate_stop_order", by="alice", at="-", why="-")

    monkeypatch.setattr(_migrate, "end_backends", lambda *_given: [])
    monkeypatch.setattr(_migrate, "backends", lambda *_given: [])
    stubborn: Any = Stubborn()
    standing: Any = SimpleNamespace(heads_now=lambda _control: ["b1"])
    target: Any = SimpleNamespace(surely=lambda *_given: nullcontext())
    with pytest.raises(Refusal) as refused:
        perform(Move("downgrade", "a1", ["b1"], ["a1"], ["b1"]), stubborn, target, None, standing, Limits(1, 1), None,
                3, 0, may_act)
    assert (refused.value.key, len(seen), seen) == ("migrate_stop_order", attempts, watched)
