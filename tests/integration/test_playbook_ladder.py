# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""rollback.yml by each of its routes, and from one to the next: the rows afterwards, or the rows as they were."""
from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import MIGRATION, PARENT, ROOT, Database, common_args, run_module

from playbooks import FULL, Played, Site

MakeSite = Callable[..., Site]
# A downgrade that works wherever it is tried first, and not where it counts: the copies are another server's.
ON_LIVE = ("op.get_bind().execute(sa.text('SELECT system_identifier::text FROM pg_control_system()')).scalar_one()"
           " == {!r}")


def own_rows(database: Database) -> dict[str, Any]:
    """Every table's rows, in an order of their own; the recorded revisions among them."""
    tables = database.rows("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
                           " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1")
    return {name: sorted(row[0] for row in database.rows(f"SELECT t::text FROM {name} t")) for (name,) in tables}


def restorable(make_site: MakeSite, history: str, **settings: Any) -> Site:
    """A site whose state directory holds a backup from just before the migration."""
    site = make_site(history, "before", **{**FULL, **settings})
    taken = run_module("pg_backup", **common_args(site.database), backups=str(site.state / "backups"),
                       disk_reserve="1M")
    assert taken.get("changed"), taken
    site.database.alembic("upgrade", MIGRATION)
    return site


def kept(site: Site, kind: str) -> list[str]:
    """The databases of ours of a kind that stand beside the live one."""
    beginning = f"{site.database.name}_{kind}"
    every = site.database.rows("SELECT datname FROM pg_database ORDER BY 1")
    return [name for (name,) in every if name.startswith(beginning)]


def rolled_back(played: Played, route: str, site: Site) -> None:
    assert played.status == 0, played.output
    assert played.report["outcome"] == "rolled_back" and played.report["route"] == route, played.report
    heads = [PARENT[site.database.history]] if site.database.history != "branched" else [
        "f4g5h6i7j8k9", "g1h2i3j4k5l6"]
    assert played.report["to_heads"] == heads
    assert sorted(row[0] for row in site.database.rows("SELECT version_num FROM alembic_version")) == heads


@pytest.mark.both_runtimes("chain")
@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_by_hand_it_ends_as_by_alembic(make_site: MakeSite, history: str) -> None:
    site = make_site(history, "migration", **{**FULL, "rollback_strategy": "manual"})
    expected = own_rows(site.database)
    assert expected["public.categories"]

    played = site.play("rollback")

    rolled_back(played, "manual", site)
    found = own_rows(site.database)
    assert found["public.categories"] == []
    for table in expected.keys() - {"public.categories", "public.alembic_version"}:
        assert found[table] == expected[table], table
    assert [entry["route"] for entry in played.report["routes_tried"]] == ["manual"]
    assert site.evidence("rehearsal.json")["route"] == "manual" and site.evidence("rehearsal.json")["result"] == "pass"
    assert kept(site, "safety") == [played.report["safety_copy"]]

    again = site.play("rollback")
    assert again.report["outcome"] == "already_rolled_back" and again.changed == 0


@pytest.mark.both_runtimes("guide")
@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_from_a_backup_it_ends_as_before_the_migration(make_site: MakeSite, history: str) -> None:
    site = restorable(make_site, history, rollback_strategy="restore")
    before = own_rows(site.database)

    played = site.play("rollback")

    rolled_back(played, "restore", site)
    found = own_rows(site.database)
    assert found["public.categories"] == [] and before["public.categories"]
    for table in before.keys() - {"public.categories", "public.alembic_version"}:
        assert found[table] == before[table], table
    assert kept(site, "kept") == [played.report["kept_database"]]


def test_a_write_the_plan_knew_has_to_be_given_up_by_name(make_site: MakeSite) -> None:
    site = restorable(make_site, "guide", rollback_strategy="restore")
    site.database.rows("UPDATE dom_category SET label = label || '.' WHERE level = 1")
    dump = site.database.dump()

    refused = site.play("rollback")
    assert refused.status != 0 and refused.report["outcome"] == "refused"
    assert "written-since:dom_category" in refused.output
    assert site.database.dump() == dump

    played = site.play("rollback", rollback_accept=["written-since:dom_category"])
    rolled_back(played, "restore", site)
    assert not site.database.rows("SELECT 1 FROM dom_category WHERE label LIKE '%.'")
    assert [loss["id"] for loss in played.report["losses"]] == ["written-since:dom_category"]


def identifier(database: Database) -> str:
    return str(database.rows("SELECT system_identifier::text FROM pg_control_system()", superuser=True)[0][0])


def own_site(make_site: MakeSite, tmp_path: Path, downgrade: str, **settings: Any) -> Site:
    """A site with the guide's history, whose migration has this downgrade."""
    site = make_site("guide", "migration", **{**FULL, **settings})
    shutil.copytree(ROOT / "demo" / "migrations", tmp_path / "migrations")
    path = tmp_path / "migrations" / "guide" / "versions" / "guide_06_copy_labels.py"
    body = downgrade.replace("LIVE", ON_LIVE.format(identifier(site.database))).replace("\n", "\n    ")
    path.write_text('"""copy labels"""\nimport sqlalchemy as sa\nfrom alembic import op\n'
                    "from steps.copy_labels import upgrade\n"
                    f"revision, down_revision = '{MIGRATION}', '{PARENT['guide']}'\n\n\ndef downgrade():\n    {body}\n")
    site.settings["rollback_alembic_config"] = str(tmp_path / "migrations" / "guide" / "alembic.ini")
    return site


@pytest.mark.parametrize("downgrade", [
    pytest.param("op.execute('DELETE FROM categories')\nif LIVE:\n    raise RuntimeError('only here')", id="inside"),
    pytest.param("if LIVE:\n    with op.get_context().autocommit_block():\n"
                 "        op.execute('DELETE FROM dom_category_closure')\n    raise RuntimeError('half way')\n"
                 "op.execute('DELETE FROM categories')", id="half_way"),
    pytest.param("if not LIVE:\n    op.execute('DELETE FROM categories')", id="nothing_done"),
    pytest.param("op.execute('DELETE FROM categories')\nif LIVE:\n    op.execute('DELETE FROM dom_category_closure')",
                 id="too_much"),
])
def test_where_alembic_fails_the_route_by_hand_follows(make_site: MakeSite, tmp_path: Path, downgrade: str) -> None:
    site = own_site(make_site, tmp_path, downgrade)
    before = own_rows(site.database)

    played = site.play("rollback")

    assert played.status == 0, played.output
    assert played.report["outcome"] == "rolled_back" and played.report["route"] == "manual"
    assert [(entry["route"], entry["result"]) for entry in played.report["routes_tried"]] == [
        ("alembic", "failed"), ("manual", "ok")]
    assert played.report["routes_tried"][0]["reason"]
    found = own_rows(site.database)
    assert found == {**before, "public.categories": [], "public.alembic_version": [f"({PARENT['guide']})"]}


def test_where_alembic_fails_after_its_commit_the_route_by_hand_follows(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, "op.execute('DELETE FROM categories')")
    env = tmp_path / "migrations" / "env.py"
    live = ON_LIVE.format(identifier(site.database)).replace("op.get_bind()", "connection").replace("sa.", "")
    env.write_text(env.read_text() + f"""
    from sqlalchemy import text
    with create_engine(settings(), poolclass=NullPool).connect() as connection:
        there = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        if {live} and there == {PARENT["guide"]!r}:
            raise RuntimeError("too late")
""")
    before = own_rows(site.database)

    played = site.play("rollback")

    assert played.status == 0, played.output
    assert [(entry["route"], entry["result"]) for entry in played.report["routes_tried"]] == [
        ("alembic", "failed"), ("manual", "ok")]
    assert own_rows(site.database) == {
        **before, "public.categories": [], "public.alembic_version": [f"({PARENT['guide']})"]}


def test_from_the_head_a_backup_leads_back_once_what_it_takes_is_accepted(make_site: MakeSite) -> None:
    site = restorable(make_site, "chain", rollback_strategy="restore")
    expected = {name: held for name, held in own_rows(site.database).items()
                if name not in ("public.categories", "public.alembic_version")}
    site.database.alembic("upgrade", "heads")
    refused = site.play("rollback")
    assert refused.report["outcome"] == "refused" and "revision:24b194c1b790" in refused.report["failure"]
    ids = re.findall(r"-e rollback_accept=(\S+)", refused.report["failure"])[0]

    played = site.play("rollback", rollback_accept=ids.rstrip("."))

    rolled_back(played, "restore", site)
    found = own_rows(site.database)
    assert found.pop("public.categories") == [] and found.pop("public.alembic_version")
    assert found == expected


def test_a_route_that_fails_its_rehearsal_is_not_tried(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, "op.execute('SELECT 1 / 0')", rollback_plan_trial=False,
                    rollback_accept=[f"unknown:{MIGRATION}"])
    before = own_rows(site.database)

    played = site.play("rollback")

    assert played.status == 0 and played.report["outcome"] == "rolled_back", played.output
    assert "alembic: " in played.output and "division by zero" in played.output
    assert [entry["route"] for entry in played.report["routes_tried"]] == ["manual"]
    assert not any(line["step"] == "alembic_downgrade" for line in site.journal() if line["event"] == "begun")
    assert own_rows(site.database) == {
        **before, "public.categories": [], "public.alembic_version": [f"({PARENT['guide']})"]}


def test_without_another_route_the_database_is_put_back(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, "op.execute('DELETE FROM categories')\nif LIVE:\n"
                    "    op.execute('DELETE FROM dom_category_closure')", rollback_strategy="alembic")
    before, dump = own_rows(site.database), site.database.dump()

    played = site.play("rollback")

    assert played.status != 0 and played.report["outcome"] == "failed_unchanged", played.output
    assert own_rows(site.database) == before and site.database.dump() == dump
    assert [entry["result"] for entry in played.report["routes_tried"]] == ["failed"]


def test_without_a_copy_the_backup_puts_it_back(make_site: MakeSite, tmp_path: Path) -> None:
    site = own_site(make_site, tmp_path, "op.execute('DELETE FROM categories')\nif LIVE:\n"
                    "    op.execute('DELETE FROM dom_category_closure')", rollback_strategy="alembic",
                    rollback_safety_copy="never")
    dump = site.database.dump()

    played = site.play("rollback")

    assert played.status != 0 and played.report["outcome"] == "failed_unchanged", played.output
    assert site.database.dump() == dump


def test_a_scenario_presets_and_what_is_set_explicitly_wins(make_site: MakeSite) -> None:
    site = make_site("guide", "migration", **FULL)
    played = site.play("plan", rollback_scenario="performance", rollback_language="fr")
    assert played.status == 0, played.output
    assert site.newest("plan.json")["strategy"] == "alembic"
    assert played.report["reason"] == "L'application est lente depuis la migration."
    assert len(played.report["next_steps"]) == 2

    played = site.play("plan", rollback_scenario="performance", rollback_strategy="manual", rollback_reason="mine")
    assert site.newest("plan.json")["strategy"] == "manual" and played.report["reason"] == "mine"

    wrong = site.play("plan", rollback_scenario="panic")
    assert wrong.status != 0 and "panic" in wrong.output


def test_a_plan_names_the_routes_it_would_try(make_site: MakeSite) -> None:
    site = restorable(make_site, "chain")
    site.play("plan")
    assert site.newest("plan.json")["ladder"] == ["alembic", "manual", "restore"]
    site.database.rows("INSERT INTO sites (name, city) VALUES ('a new one', 'Lyon')")
    played = site.play("plan")
    assert site.newest("plan.json")["ladder"] == ["alembic", "manual"]
    assert "written-since:sites" in played.output
