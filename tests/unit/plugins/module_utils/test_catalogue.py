# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two catalogues compared."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._catalogue import Change, compare


def column(kind: str = "integer", not_null: bool = False, default: str | None = None) -> dict[str, Any]:
    return {"type": kind, "not_null": not_null, "default": default}


def table(filenode: int = 1, constraints: dict[str, str] | None = None, indexes: dict[str, str] | None = None,
          **columns: dict[str, Any]) -> dict[str, Any]:
    return {"columns": columns, "constraints": constraints or {}, "indexes": indexes or {}, "filenode": filenode}


def catalogue(types: dict[str, list[str]] | None = None, sequences: tuple[str, ...] = (), **tables: Any
              ) -> dict[str, Any]:
    return {"tables": tables, "types": types or {}, "sequences": list(sequences), "foreign_keys": []}


FULL = catalogue({"mood": ["low", "high"]}, ("numbers",), items=table(
    7, {"pk": "PRIMARY KEY (id)"}, {"by_name": "CREATE INDEX"}, id=column(not_null=True), name=column("text")))


def test_the_same_twice_and_the_other_way_round() -> None:
    assert compare(FULL, FULL) == []
    empty = catalogue()
    assert compare(FULL, empty) == [
        Change("drop-table", "items"), Change("drop-type", "mood", "low, high"), Change("drop-sequence", "numbers")]
    assert compare(empty, FULL) == [
        Change("new-table", "items"), Change("new-type", "mood", "low, high"), Change("new-sequence", "numbers")]


@pytest.mark.parametrize(("before", "after", "changes"), [
    (table(a=column()), table(), [Change("drop-column", "items.a", "integer")]),
    (table(), table(a=column("text")), [Change("new-column", "items.a", "text")]),
    (table(a=column()), table(a=column("text")), [Change("change-column", "items.a", "integer -> text")]),
    (table(a=column()), table(a=column(not_null=True)), [Change("change-column", "items.a", "null -> not null")]),
    (table(a=column(not_null=True)), table(a=column()), [Change("change-column", "items.a", "not null -> null")]),
    (table(a=column()), table(a=column("text", True)), [
        Change("change-column", "items.a", "integer -> text"), Change("change-column", "items.a", "null -> not null")]),
    (table(a=column(default="1")), table(2, a=column(default="2")), [Change("change-default", "items.a", "1 -> 2")]),
    (table(constraints={"c": "CHECK (a)"}), table(), [Change("drop-constraint", "items.c", "CHECK (a)")]),
    (table(), table(indexes={"i": "CREATE INDEX i"}), [Change("new-index", "items.i", "CREATE INDEX i")]),
    (table(constraints={"c": "CHECK (a)"}), table(constraints={"c": "CHECK (b)"}), [
        Change("drop-constraint", "items.c", "CHECK (a)"), Change("new-constraint", "items.c", "CHECK (b)")]),
])
def test_a_table_at_two_moments(before: dict[str, Any], after: dict[str, Any], changes: list[Change]) -> None:
    assert compare(catalogue(items=before), catalogue(items=after)) == changes


def test_a_type_with_other_labels() -> None:
    assert compare(catalogue({"mood": ["a", "b"]}), catalogue({"mood": ["b", "a"]})) == [
        Change("change-type", "mood", "a, b -> b, a")]


def test_tables_come_first_and_in_order() -> None:
    before = catalogue({"a": []}, b=table(z=column(), a=column()), a=table())
    assert [change.object for change in compare(before, catalogue(b=table()))] == ["a", "b.a", "b.z", "a"]


@pytest.mark.parametrize(("change", "retypes"), [
    (Change("change-column", "a.b", "integer -> text"), True),
    (Change("change-column", "a.b", "null -> not null"), False),
    (Change("change-column", "a.b", "not null -> null"), False),
    (Change("change-type", "a", "a -> b"), False),
])
def test_another_type_or_only_another_nullability(change: Change, retypes: bool) -> None:
    assert change.retypes is retypes
