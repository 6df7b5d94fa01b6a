# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On which data services may start again after a run that failed."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._verdict import (
    AS_ASKED,
    AS_BEFORE,
    UNKNOWN,
    Verdict,
    forget,
    judge,
    keep,
    read_verdict,
    still,
)

TABLE = {"public.categories": {"place": ["public", "categories"], "rows": 14, "exact": True, "fingerprint": "1",
                               "structure": "s"}}
BEFORE = {"heads": ["k1"], "tables": TABLE}


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A run that acted on a database it had measured."""
    with Journal(str(tmp_path)).step("alembic_downgrade", acts=True):
        write_json(str(tmp_path / "before.json"), BEFORE)
    return str(tmp_path)


def changed(rows: int) -> dict[str, Any]:
    return {"heads": ["k1"], "tables": {"public.categories": {**TABLE["public.categories"], "rows": rows}}}


@pytest.mark.parametrize(("now", "outcome", "data"), [
    (BEFORE, "failed_unchanged", AS_BEFORE),
    # Half of a downgrade that is not one transaction: no revision moved, and rows are gone.
    (changed(0), "failed_needs_human", UNKNOWN),
    ({**BEFORE, "heads": ["g1"]}, "failed_needs_human", UNKNOWN)])
def test_services_start_on_data_that_is_as_before(run: str, now: dict[str, Any], outcome: str, data: str) -> None:
    verdict = judge(run, "None", lambda: now)
    assert (verdict.outcome, verdict.data, verdict.heads) == (outcome, data, now["heads"])


@pytest.mark.parametrize(("result", "data"), [("pass", AS_ASKED), ("fail", UNKNOWN)])
def test_services_start_on_data_that_was_validated(run: str, result: str, data: str) -> None:
    with Journal(run).step("after"):
        write_json(f"{run}/after.json", {"heads": ["g1"], "results": [{"id": "a", "result": result}]})
    assert judge(run, "None", lambda: {**changed(0), "heads": ["g1"]}).data == data
    # What acts afterwards is not what was validated.
    with Journal(run).step("alembic_downgrade", acts=True):
        pass
    assert judge(run, "None", lambda: {**changed(0), "heads": ["g1"]}).data == UNKNOWN


def test_nothing_starts_while_something_may_be_at_work_or_nothing_can_be_measured(run: str) -> None:
    def unreachable() -> dict[str, Any]:
        raise OSError("gone")

    assert judge(run, "failed_needs_human", lambda: BEFORE).data == UNKNOWN
    assert judge(run, "None", unreachable).data == UNKNOWN


def test_a_verdict_stands_while_no_recorded_revision_moves(run: str) -> None:
    verdict = judge(run, "None", lambda: BEFORE)
    keep(run, verdict)
    assert Verdict(**(read_verdict(run) or {})) == verdict
    assert still(verdict, ["k1"]) == verdict
    moved = still(verdict, ["m3"])
    assert (moved.outcome, moved.data, moved.heads) == ("failed_needs_human", UNKNOWN, ["m3"])
    assert "k1" in moved.rests_on and "m3" in moved.rests_on
    forget(run)
    assert read_verdict(run) is None and read_verdict(None) is None
