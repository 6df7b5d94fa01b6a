# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The four warnings before a run is confirmed, and the summary that ends it: what is said, and that it fits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES
from ansible_collections.recyclic.rollback.plugins.module_utils._summary import COLUMNS, summary
from ansible_collections.recyclic.rollback.plugins.module_utils._warnings import (
    Around,
    before_remigration,
    before_return,
    before_rollback,
    question,
)

AROUND = Around(8_100_000_000, 1_200_000_000, 40_000_000_000, "/var/lib/recyclic-rollback/backups", ("api", "worker"),
                34.5)
LOSSES = [{"id": f"drop-table:t{number}", "text": f"table t{number} goes, with 3 rows", "rows": 3, "exact": True}
          for number in range(6)]
PLANNED: dict[str, Any] = {
    "database": "recyclic", "from_heads": ["k1l2m3n4o5p6"], "to_heads": ["9a2b3c4d5e6f"], "ladder": ["alembic"],
    "recommended": "alembic", "path": [{"revision": "k1l2m3n4o5p6"}], "purpose": {"categories": 14, "gone": None},
    "tables": [], "source": {"name": "kept"},
    "routes": {route: {"losses": [], "backup": "/b/1", "estimate_s": 1.5, "estimate_from": "rehearsal"}
               for route in ("alembic", "restore")}}


def of_route(**more: Any) -> dict[str, Any]:
    return {**PLANNED, "routes": {name: {**route, **more} for name, route in PLANNED["routes"].items()}}


def joined(lines: list[str]) -> str:
    assert len(lines) <= 20 and max(map(len, lines)) <= 80, lines
    return " ".join(line.strip() for line in lines)


def test_a_rollback_that_loses_nothing_else() -> None:
    assert joined(before_rollback(PLANNED, AROUND, "en")) == (
        "BEFORE YOU CONFIRM: database recyclic, from k1l2m3n4o5p6 to 9a2b3c4d5e6f "
        "1. DESTRUCTIVE: 1 revision(s) are undone by the route alembic; what goes: 14 rows (categories). "
        "2. IRREVERSIBLE: once gone, rows come back from a backup alone, or a safety copy where one is made. "
        "Nothing else is lost. "
        "3. BUSINESS IMPACT: whatever uses categories is affected. Services stopped meanwhile: api, worker. The act "
        "itself took 1.5 s when last rehearsed; copy and checks come on top. The last outage here: 34.5 s. "
        "4. BACKUP REQUIRED: of the whole database (8.1 GB), taken and verified before anything changes: about 1.2 GB "
        "in /var/lib/recyclic-rollback/backups, 40 GB free there.")


def test_in_french_with_losses_none_of_which_can_be_missed() -> None:
    uncounted = {"id": "change-rows:big", "text": "big change", "rows": None, "exact": False}
    text = joined(before_rollback(of_route(losses=[*LOSSES, uncounted], estimate_s=None), AROUND, "fr"))
    assert "OPÉRATION DESTRUCTIVE" in text and "disparaissent : 14 lignes (categories)" in text
    assert "En plus, 7 perte(s), 18 lignes comptées, et d'autres qui n'ont pas pu l'être" in text
    assert "Pertes acceptées (7) :" in text and "... (7)" in text
    assert "La durée n'a pas encore été mesurée ici." in text
    assert "Services arrêtés pendant ce temps : api, worker." in text


def test_a_backup_that_stands_for_a_new_one_and_no_service_to_stop() -> None:
    text = joined(before_rollback(PLANNED, replace(AROUND, services=(), standing="/b/7"), "en"))
    assert "/b/7, already restored and compared once, stands for a new one" in text
    assert "No service is stopped by this run: stop yourself what writes." in text
    assert "GB free" not in text


def test_a_rollback_by_restore_names_the_backup_that_takes_the_place() -> None:
    text = joined(before_rollback({**PLANNED, "ladder": ["restore"]}, AROUND, "en"))
    assert "/b/1 takes the place of the whole database recyclic (route restore, 1 revision(s))" in text


def test_a_restore_an_undo_and_tables() -> None:
    counts: dict[str, tuple[int | None, int | None]] = {"sales": (12, 10), "new": (3, None)}
    text = joined(before_return(of_route(losses=LOSSES[:1]), counts, True, AROUND, "en"))
    assert "kept takes the place of the whole database recyclic. Rows, now > then: sales 12 > 10, new 3 > -." in text
    assert "undo.yml brings it back" in text and "Besides, 1 loss(es), 3 rows" in text
    assert "counted once the backup is loaded" in joined(before_return(PLANNED, {}, False, AROUND, "en"))
    text = joined(before_return({**PLANNED, "tables": ["sales"]}, counts, True, AROUND, "fr"))
    assert "ces tables sont remplacées par le contenu de kept : sales (12 lignes)." in text


def test_a_remigration() -> None:
    text = joined(before_remigration(PLANNED, AROUND, "en"))
    assert "1 revision(s) change schema and data of recyclic: k1l2m3n4o5p6." in text
    assert "tried on a copy first" in text


def test_the_question_stands_below_what_has_to_be_read() -> None:
    assert question(["a", "b"], "recyclic", "fr").splitlines() == [
        "a", "b", "", "Tapez le nom de la base (recyclic) pour continuer"]


def report(**more: Any) -> dict[str, Any]:
    check = {"id": "categories-empty", "observed": "0 rows", "expected": "0 rows", "result": "pass"}
    return {"outcome": "rolled_back", "database": "recyclic", "failure": "", "outcome_rests_on": "5 tables measured",
            "resumed_after": [], "routes_tried": [], "playbook": "rollback", "route": "alembic",
            "from_heads": ["k1l2m3n4o5p6"], "to_heads": ["9a2b3c4d5e6f"], "outage_s": 4.2, "duration_s": 61.0,
            "checks": [check] * 6, "backup": {"path": "/b/1", "bytes": 12345, "restored_and_compared": True},
            "rehearsal": None, "losses": LOSSES, "safety_copy": "recyclic_safety", "services": {
                "stopped": ["api"], "resumed": ["api"], "left_stopped": []},
            "next_steps": ["Find the cause.", "Then: ansible-playbook remigrate.yml"], **more}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("more", [
    {}, {"outcome": "refused", "failure": "a long reason " * 30, "checks": [], "backup": None, "services": {}},
    {"outcome": "failed_unchanged", "failure": "it failed", "routes_tried": [
        {"route": route, "result": "failed", "reason": "locked " * 12} for route in ("alembic", "manual", "restore")]}],
    ids=["success", "refusal", "fallback"])
def test_the_summary_fits_one_screen_outcome_first_next_last(more: dict[str, Any], language: str) -> None:
    lines = summary(report(**more), language, "/reports/20260301T031500Z-a1b2c3/report.html")
    # With what Ansible prints around it, and its indentation.
    assert 4 + sum(-(-len(line) // COLUMNS) for line in lines) <= 24, lines
    assert report(**more)["outcome"] in lines[0]
    assert lines[-1].endswith("ansible-playbook remigrate.yml")
    assert any("report.html" in line for line in lines[-4:])
    left = len(summary(report(**more), language, "/r/report.html", whole=True)) - len(lines)
    assert left >= 0 and (left == 0 or any("rapport" in line or "report" in line for line in lines[:-3]))


def test_a_check_that_failed_is_never_left_out() -> None:
    checks = [{"id": f"check-{number}", "observed": "1", "expected": "0", "result": "fail" if number == 6 else "pass"}
              for number in range(8)]
    lines = summary(report(checks=checks), "en", "/r/report.html")
    assert any("check-6" in line for line in lines)
