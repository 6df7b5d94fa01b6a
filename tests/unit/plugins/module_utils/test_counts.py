# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two moments compared, table by table."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences

Measured = dict[str, Any]


def measured(rows: int, fingerprint: str | None = "1", exact: bool = True) -> Measured:
    return {"rows": rows, "exact": exact, "fingerprint": fingerprint, "bytes": 8192}


@pytest.mark.parametrize(("before", "after", "how"), [
    (measured(3), measured(3), None),
    (measured(3), measured(2), "rows"),
    (measured(3, "1"), measured(3, "2"), "content"),
    (measured(0, "0"), measured(0, "0"), None),
    (measured(1, "0"), measured(1, "7"), "content"),
    (measured(3), None, "gone"),
    (None, measured(3), "new"),
    (measured(3, None), measured(3, "2"), None),  # one side was only counted: rows are all there is to compare
    (measured(3, None), measured(4, "2"), "rows"),
    (measured(3, None, exact=False), measured(9), None),  # an estimate is neither equal nor different
    (measured(3), measured(9, None, exact=False), None),
    (measured(3, None, exact=False), None, "gone"),
])
def test_a_table_at_two_moments(before: Measured | None, after: Measured | None, how: str | None) -> None:
    found = differences({"public.t": before} if before else {}, {"public.t": after} if after else {})
    assert found == ([] if how is None else [{
        "table": "public.t", "how": how, "before": before and before["rows"], "after": after and after["rows"]}])


def test_tables_left_out_are_not_compared_and_the_others_come_in_order() -> None:
    before = {name: measured(1) for name in ("public.b", "public.a", "public.out")}
    found = differences(before, {name: measured(2) for name in before}, {"public.out"})
    assert [entry["table"] for entry in found] == ["public.a", "public.b"]
