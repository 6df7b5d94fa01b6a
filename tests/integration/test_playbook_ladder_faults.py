# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a route that failed leaves to the next one, to undo.yml and the operator: nothing lost, hidden or left over."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import wait_for
from test_playbook_ladder import kept, own_rows, own_site, restorable

from playbooks import Played, Site

MakeSite = Callable[..., Site]
TOO_MUCH = "op.execute('DELETE FROM categories')\nif LIVE:\n    op.execute('DELETE FROM dom_category_closure')"
WITHOUT_COPY = """op.execute('DELETE FROM categories')
if LIVE:
    with op.get_context().autocommit_block():
        bind = op.get_bind()
        name = bind.execute(sa.text("SELECT datname FROM pg_database"
                                    " WHERE starts_with(datname, current_database() || '_safety')")).scalar_one()
        bind.exec_driver_sql(f'DROP DATABASE "{name}"')
        op.execute('DELETE FROM dom_category_closure')
    raise RuntimeError('half way')"""


def test_undo_gives_back_what_was_before_and_not_what_a_failed_route_left(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, TOO_MUCH)
    before = own_rows(site.database)
    played = site.play("rollback")
    assert (played.status, played.report["route"]) == (0, "manual"), played.output
    [damaged] = kept(site, "kept")

    undone = site.play("undo", rollback_accept=["inconsistent"])

    assert (undone.status, undone.report["outcome"]) == (0, "undone"), undone.output
    assert own_rows(site.database) == before
    assert played.report["set_aside"] == damaged != played.report["kept_database"]
    assert damaged in played.output


def test_a_recovery_that_fails_is_told_with_what_it_was_for(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, WITHOUT_COPY, rollback_strategy="alembic", rollback_safety_copy="always")

    played = site.play("rollback")

    assert played.report["outcome"] == "failed_needs_human", played.output
    assert "half way" in played.report["failure"]
    assert "_safety_" in played.report["failure"]


def not_valid(**more: Any) -> dict[str, Any]:
    return {"rollback_strategy": "restore", "rollback_plan_trial": False, "rollback_accept": ["unrehearsed"], **more}


def test_a_restore_that_is_not_valid_gives_its_place_back_at_once(make_site: MakeSite) -> None:
    check = {"id": "never", "table": "sites", "rows": 99, "expectation": "rolled_back"}
    site = restorable(make_site, "guide", **not_valid(rollback_checks=[check]))
    dump = site.database.dump()

    played = site.play("rollback")

    assert played.report["outcome"] == "failed_unchanged", played.output
    assert site.database.dump() == dump
    # The replaced database itself, which is there already: nothing is loaded meanwhile.
    ended = [line["step"] for line in site.journal() if line["event"] == "ended"]
    assert (ended.count("restore_beside"), ended.count("database_swap")) == (1, 2)
    assert kept(site, "beside") == []


def test_a_write_no_backup_holds_stops_a_restore_and_leaves_nothing(make_site: MakeSite) -> None:
    site = restorable(make_site, "guide", **not_valid())

    played = write_meanwhile(site, "INSERT INTO sites (name, city) VALUES ('Written since', 'Lyon')")

    assert played.report["outcome"] == "refused", played.output
    assert "public.sites" in played.report["failure"]
    assert (kept(site, "kept"), kept(site, "beside")) == ([], [])


def test_a_write_no_backup_holds_stops_what_would_cascade_to_it(make_site: MakeSite) -> None:
    site = make_site("guide", **not_valid(
        rollback_strategy="manual", rollback_manual_references={"note_category": "cascade"},
        rollback_accept=["unrehearsed", "delete-rows:notes"]))
    site.database.rows("CREATE TABLE notes (id int PRIMARY KEY, category_id uuid CONSTRAINT note_category"
                       " REFERENCES categories)")
    site.database.rows("INSERT INTO notes SELECT 1, min(id::text)::uuid FROM categories")

    played = write_meanwhile(site, "INSERT INTO notes SELECT 2, min(id::text)::uuid FROM categories")

    assert played.report["outcome"] == "refused", played.output
    assert "public.notes: 1 rows became 2" in played.report["failure"]
    assert site.database.count("notes") == 2


def write_meanwhile(site: Site, statement: str) -> Played:
    """Roll back while somebody writes between the backup and what it is compared with."""
    process = site.start("rollback")
    wait_for((site.state / "runs" / "latest" / "backup.json").exists, "the backup")
    site.database.rows(statement)
    return site.finish(process)
