# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a downgrade took with it, derived from two measures; which of it was announced; how long it held its locks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _drill_report, _measured, _rehearsal, _ways
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import Loss, acceptances, ready_line
from ansible_collections.recyclic.rollback.plugins.module_utils._measured import Errand, Picture
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision
from ansible_collections.recyclic.rollback.plugins.module_utils._watch import Step

ALONE = Errand({"m": "the migration"}, "m", ["own"])
CROSSING = Errand({"n": "a newer one", "m": "the migration"}, "m", ["own"])


def table(**columns: str) -> dict[str, Any]:
    return {"columns": {name: {"type": kind, "not_null": False, "default": None} for name, kind in columns.items()},
            "constraints": {}, "indexes": {}, "filenode": 1}


def measured(rows: int, fingerprint: str | None = "1", exact: bool = True) -> dict[str, Any]:
    return {"rows": rows, "fingerprint": fingerprint, "exact": exact, "structure": fingerprint}


def picture(tables: Mapping[str, tuple[dict[str, Any], dict[str, Any]]], **more: Any) -> Picture:
    catalogue = {"tables": {name: structure for name, (structure, _rows) in tables.items()}, "types": {},
                 "sequences": [], "foreign_keys": []}
    return Picture(catalogue, {name: rows for name, (_structure, rows) in tables.items()}, **more)


def found(before: Picture, after: Picture, errand: Errand = ALONE, **counters: Any) -> dict[str, tuple[Any, bool]]:
    """Losses by id; counters are by revision."""
    return {loss.id: (loss.rows, loss.exact) for loss in _measured.measured_losses(before, after, errand, counters)}


ONE = table(id="uuid", name="text")


def one(rows: int, fingerprint: str | None = "1", exact: bool = True, name: str = "other", **more: Any) -> Picture:
    return picture({name: (ONE, measured(rows, fingerprint, exact))}, **more)


def test_what_stays_as_it_was_is_no_loss() -> None:
    assert found(one(5), one(5)) == {}
    # Rewritten row by row, with the same content in the end.
    assert found(one(5), one(5), m={"other": {"deleted": 5, "inserted": 5, "updated": 2}}) == {}


@pytest.mark.parametrize(("before", "after", "counters", "expected"), [
    (one(5), one(3, "2"), {}, {"delete-rows:other": (2, True)}),
    (one(5), one(5, "2"), {}, {"change-rows:other": (5, False)}),
    (one(5), one(5, "2"), {"updated": 2}, {"change-rows:other": (2, True)}),
    (one(5), one(7, "2"), {"inserted": 2}, {}),
    # As many rows as before, and not one of them the same.
    (one(5), one(5, "2"), {"inserted": 5, "deleted": 5}, {"delete-rows:other": (5, True)}),
    (one(5), one(0, "0"), {"deleted": 9, "inserted": 4}, {"delete-rows:other": (5, True)}),
    # Too large to be read: only what was counted while it happened tells, or that nothing is left.
    (one(500, None, False), one(500, None, False), {}, {}),
    (one(500, None, False), one(500, None, False), {"deleted": 3}, {"delete-rows:other": (3, False)}),
    (one(500, None, False), one(0, None, False), {}, {"delete-rows:other": (500, False)}),
])
def test_rows_that_go_or_change(before: Picture, after: Picture, counters: dict[str, int],
                                expected: dict[str, tuple[int, bool]]) -> None:
    assert found(before, after, m={"other": counters}) == expected


def test_the_migrations_own_rows_are_its_to_remove() -> None:
    before, after = one(17, name="own"), one(0, "0", name="own")
    assert found(before, after, m={"own": {"deleted": 17, "updated": 3}}) == {}
    # What another revision changes in them is not.
    assert found(before, one(17, "2", name="own"), CROSSING, n={"own": {"updated": 3}}) == {
        "revision:n": (None, True), "change-rows:own": (3, True)}


def told_apart(rows: int, own: int | None, rest: int, mark: str) -> Picture:
    return one(rows, mark, name="own", own={"own": own}, rest={} if own is None else {"own": measured(rest, mark)})


FILTERED = Errand({"m": "the migration"}, "m", ["own"], {"own": "made"})


@pytest.mark.parametrize(("before", "after", "expected"), [
    (told_apart(17, 14, 3, "1"), told_apart(3, 0, 3, "1"), {}),
    (told_apart(17, 14, 3, "1"), told_apart(0, 0, 0, "0"), {"delete-rows:own": (3, True)}),
    # The wrong ones: as many rows go as are the migration's, and three of them are not.
    (told_apart(17, 14, 3, "1"), told_apart(14, 14, 0, "0"), {"delete-rows:own": (3, True)}),
    (told_apart(17, 14, 3, "1"), told_apart(3, 0, 3, "2"), {"change-rows:own": (3, False)}),
    # Afterwards, or even before, the filter means nothing any more.
    (told_apart(17, 14, 3, "1"), told_apart(0, None, 0, "0"), {"delete-rows:own": (3, True)}),
    (told_apart(17, None, 0, "1"), told_apart(0, None, 0, "0"), {"delete-rows:own": (17, True)}),
])
def test_a_filter_tells_which_rows_are_the_migrations(before: Picture, after: Picture,
                                                      expected: dict[str, tuple[int, bool]]) -> None:
    # Content differs wherever rows differ; here the whole table's fingerprint must not be taken for the rest's.
    after.tables["own"]["fingerprint"] = "other"
    assert found(before, after, FILTERED) == expected


def test_structure_that_goes_comes_back_empty_or_is_of_another_type() -> None:
    before = picture({
        "gone": (ONE, measured(4)), "own": (table(id="uuid"), measured(9)),
        "kept": (table(id="uuid", weight="numeric", note="text"), measured(6)), "parts": (ONE, measured(0))},
        held={"kept": {"key": ["id"], "values": {"id": 6, "weight": 5, "note": 2}, "fingerprints": {}}})
    del before.tables["parts"]  # a partitioned one: its rows are its partitions'
    after = picture({"kept": (table(id="uuid", note="varchar(5)", price="numeric"), measured(6, "2")),
                     "back": (ONE, measured(0)), "filled": (ONE, measured(3))})
    expected = {"drop-table:gone": (4, True), "drop-table:parts": (None, True), "drop-column:kept.weight": (5, True),
                "change-column:kept.note": (2, True), "empty-table:back": (0, True),
                "empty-column:kept.price": (6, True)}
    assert found(before, after) == expected, "dropping its own table is what the migration is undone for"
    assert found(before, after, CROSSING) == {**expected, "drop-table:own": (9, True), "revision:n": (None, True)}
    before.held.clear()
    assert found(before, after)["drop-column:kept.weight"] == (6, False), "nobody looked: at most all of them"


@pytest.mark.parametrize(("marks", "differs"), [
    (({"id": "1", "name": "2", "gone": "3"}, {"id": "1", "name": "2"}), False),
    (({"id": "1", "name": "2", "gone": "3"}, {"id": "1", "name": "9"}), True),
    (({}, {"id": "1", "name": "2"}), None),
])
def test_content_is_compared_in_the_columns_both_have(marks: tuple[dict[str, str], dict[str, str]],
                                                      differs: bool | None) -> None:
    held = [{"other": {"key": ["id"], "values": dict.fromkeys("abc", 1), "fingerprints": each}} for each in marks]
    before = picture({"other": (table(id="uuid", name="text", gone="int"), measured(5))}, held=held[0])
    after = picture({"other": (table(id="uuid", name="text"), measured(5, "2"))}, held=held[1])
    assert _measured.content_differs("other", before, after) is differs


def loss(name: str, rows: int | None = None, exact: bool = True) -> dict[str, Any]:
    return {"id": name, "text": name, "rows": rows, "exact": exact}


@pytest.mark.parametrize(("announced", "accept", "expected"), [
    ([], [], True),
    ([loss("drop-table:t", 17)], [], False),
    ([loss("drop-table:t", 16)], [], True),
    ([loss("drop-table:t", 16, exact=False)], [], False),
    ([loss("drop-table:t", None)], [], False),
    ([loss("drop-table:s", 17)], [], True),
    ([], ["drop-table:t"], False),
    ([], ["drop-table:t=17"], False),
    ([loss("drop-table:t", 17)], ["drop-table:t=16"], True),
    ([loss("drop-table:t", 16)], ["drop-table:t"], False),
])
def test_what_was_not_announced_nor_accepted(announced: list[dict[str, Any]], accept: list[str], expected: bool
                                             ) -> None:
    gone = Loss("drop-table", "t", 17)
    assert _measured.not_announced([gone], announced, acceptances(accept)) == ([gone] if expected else [])


def test_a_table_that_comes_back_though_it_is_none_of_the_targets_was_announced() -> None:
    announced = [loss("left-behind:t")]
    assert _measured.not_announced([Loss("empty-table", "t", 0)], announced, acceptances([])) == []


def test_the_line_accepts_everything_at_once() -> None:
    line = _measured.line_for([Loss("delete-rows", "t", 3)], [loss("revision:n"), loss("unknown:m"), loss(
        "drop-column:a.b", 9, exact=False)], acceptances(["no-upgrade", "drop-table:s=4"]))
    assert line == ready_line([
        Loss("delete-rows", "t", 3), Loss("drop-column", "a.b", 9, exact=False), Loss("drop-table", "s", 4),
        Loss("no-upgrade"), Loss("revision", "n")])


@pytest.mark.parametrize(("announced", "after", "touched", "expected"), [
    ({"other": ["rows"]}, one(5), False, True),
    ({"other": ["rows"]}, one(4, "2"), False, False),
    # A statement that found no row to do it to.
    ({"other": ["rows"]}, one(5), True, False),
    ({"other": ["drop-column"]}, one(5), False, True),
    ({"elsewhere": ["delete"]}, one(5), False, False),
    ({}, one(5), False, False),
    (None, one(5), False, False),
])
def test_doing_nothing_is_told_from_having_nothing_to_do(announced: Any, after: Picture, touched: bool, expected: bool
                                                         ) -> None:
    assert _measured.did_nothing(one(5), after, touched, announced) is expected


GRAPH = Graph([Revision("a", ()), Revision("b", ("a",)), Revision("c", ("b",))])


@pytest.mark.parametrize(("heads", "transcript", "expected"), [
    (["c"], "", "c"),
    (["b"], "", "b"),
    (["a"], "", "b"),
    (["elsewhere"], "", "c"),
    # In one transaction the record says nothing: Alembic itself does.
    (["c"], "INFO Running downgrade c -> b, third\nINFO Running downgrade b -> a, second\nboom", "b"),
])
def test_the_revision_at_which_a_downgrade_ended(heads: list[str], transcript: str, expected: str) -> None:
    assert _ways.reached(GRAPH, ["c"], ["c", "b"], heads, transcript) == expected


def step(seconds: float, locks: list[tuple[str, str, float]], counters: dict[str, Any] | None = None) -> Step:
    return Step([], 0.0, seconds, {}, counters=counters or {},
                locks=[{"table": name, "mode": mode, "held_s": held} for name, mode, held in locks])


def test_durations_locks_and_counters_are_by_revision() -> None:
    steps = {"c": [step(0.5, [("t", "AccessExclusive", 2.0), ("u", "Share", 0.1)], {"t": {"deleted": 2}}),
                   step(0.25, [("t", "AccessExclusive", 1.0)], {"t": {"deleted": 1, "updated": 4}})], "b": []}
    told = _rehearsal.durations(steps, ["c", "b"])
    assert told == [
        {"revision": "c", "seconds": 0.75, "locks": [{"table": "t", "mode": "AccessExclusive", "held_s": 2.0},
                                                     {"table": "u", "mode": "Share", "held_s": 0.1}]},
        {"revision": "b", "seconds": None, "locks": []}]
    assert _rehearsal.longest_lock(told) == {"table": "t", "mode": "AccessExclusive", "held_s": 2.0, "revision": "c"}
    assert _rehearsal.longest_lock(told[1:]) is None
    assert _rehearsal.counters_of(steps) == {"c": {"t": {"deleted": 3, "updated": 4}}}


def test_a_drills_steps_are_those_it_came_to() -> None:
    entries = [{"name": name, "started_at": name, "seconds": 1.5, "result": result} for name, result in (
        ("start", "ok"), ("restore", "ok"), ("compare", "ok"), ("downgrade", "failed"))]
    steps = _drill_report.steps_of({"steps": entries})
    assert [(each["name"], each["result"], each["duration_s"]) for each in steps] == [
        ("restore", "pass", 4.5), ("roll_back", "fail", 1.5), ("validate", "skip", None), ("remigrate", "skip", None),
        ("by_hand", "skip", None), ("restore_back", "skip", None)]
