# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ways back after a rollback: restore.yml, undo.yml and remigrate.yml, row for row, and once."""
from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import HEADS, MIGRATION, clean_environment, common_args, make_project, run_module, wait_for
from psycopg2.sql import SQL, Identifier, Literal

from playbooks import Played, Site, kill_controller

MakeSite = Callable[..., Site]


def back_up(site: Site) -> dict[str, Any]:
    taken = run_module("pg_backup", **common_args(site.database), backups=str(site.state / "backups"),
                       disk_reserve="1M")
    assert taken.get("changed"), taken
    manifest: dict[str, Any] = taken["backup"]
    return manifest


def accepting(site: Site, playbook: str, **settings: Any) -> Played:
    """Play it as an operator does: what it asks for is pasted from what it printed."""
    refused = site.play(playbook, **settings)
    assert refused.status != 0 and refused.report["outcome"] == "refused", refused.output
    asked = re.search(r"-e rollback_accept=(\S+)", refused.report["failure"])
    assert asked, refused.output
    return site.play(playbook, **settings, rollback_accept=asked[1])


def beside(site: Site) -> list[str]:
    """The databases that stand beside the live one."""
    query = SQL("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = {} AND datname <> {}")
    found = site.database.rows(query.format(Literal(site.database.user), Literal(site.database.name)), superuser=True,
                               name="postgres")
    return sorted(name for (name,) in found)


def insert_category(site: Site, name: str) -> None:
    site.database.rows(SQL("INSERT INTO categories (id, name) VALUES (gen_random_uuid(), {})").format(Literal(name)))


def migrated(site: Site) -> str:
    """Back up a database from before the migration, migrate it, and return the dump of what was backed up."""
    back_up(site)
    before = site.database.dump()
    site.database.alembic("upgrade", "heads")
    return before


@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_the_backup_from_before_the_migration_comes_back(make_site: MakeSite, history: str) -> None:
    site = make_site(history, "before")
    before = migrated(site)
    replaced = site.database.dump()

    played = accepting(site, "restore") if history != "guide" else site.play("restore")

    assert played.status == 0, played.output
    assert site.database.dump() == before
    report = played.report
    assert (report["outcome"], report["route"]) == ("restored", "restore")
    assert report["to_heads"] == sorted(site.database.heads())
    assert site.database.dump(report["kept_database"]) == replaced
    assert site.database.rows(SQL("SELECT count(*) FROM pg_stat_activity WHERE datname = {}").format(
        Literal(site.database.name)), superuser=True, name="postgres") == [(0,)]
    assert beside(site) == [report["kept_database"]]

    again = site.play("restore")

    assert (again.status, again.changed, again.report["outcome"]) == (0, 0, "restored"), again.output
    assert site.database.dump() == before


def test_what_a_rollback_kept_comes_back_with_its_writes_counted(make_site: MakeSite) -> None:
    site = make_site("guide", rollback_safety_copy="always")
    before = site.database.dump()
    assert site.play("rollback").report["safety_copy"]
    site.database.rows("UPDATE sites SET name = 'Atelier, \"neuf\"' WHERE ctid = (SELECT min(ctid) FROM sites)")
    insert_category(site, "since the rollback")
    replaced = site.database.dump()

    refused = site.play("undo")

    assert (refused.status != 0, refused.report["outcome"]) == (True, "refused"), refused.output
    assert all(f"written-since:{table}" in refused.report["failure"] for table in ("categories", "sites"))
    assert site.database.dump() == replaced

    played = accepting(site, "undo", undo_export=True)

    assert (played.status, played.report["outcome"]) == (0, "undone"), played.output
    assert site.database.dump() == before
    assert site.database.dump(played.report["kept_database"]) == replaced
    assert {loss["id"] for loss in played.report["losses"]} >= {"written-since:categories", "written-since:sites"}
    export = site.run_dir / "export"
    assert (export / "public.sites.csv").stat().st_mode & 0o777 == 0o600
    with (export / "public.sites.csv").open(newline="") as stream:
        [row] = list(csv.DictReader(stream))
    assert row["name"] == 'Atelier, "neuf"'
    assert "since the rollback" in (export / "public.categories.csv").read_text()
    assert any("public.sites" in line for line in played.report["exported"])

    again = site.play("undo")

    assert (again.status, again.changed, again.report["outcome"]) == (0, 0, "undone"), again.output
    assert site.database.dump() == before
    assert played.report["kept_database"] in again.output


def test_a_foreign_dump_is_counted_once_loaded_and_undone_again(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    there = site.database.dump()
    path = tmp_path / "backup avant.sql"
    done = subprocess.run(
        [site.database.server.bin_dir / "pg_dump", "-f", path, site.database.url], env=clean_environment(), check=True)
    assert done.returncode == 0
    site.database.rows("DELETE FROM ligne_depot")
    insert_category(site, "since the dump")
    replaced = site.database.dump()
    (tmp_path / "empty.sql").touch()

    for wanted, problem in ((str(tmp_path / "empty.sql"), "is empty"), ("nobody", "There is no backup nobody"),
                            (str(path), "unverified-backup")):
        refused = site.play("restore", restore_backup=wanted)
        assert (refused.status != 0, refused.report["outcome"]) == (True, "refused"), refused.output
        assert problem in refused.report["failure"]

    refused = site.play("restore", restore_backup=str(path), rollback_accept="unverified-backup")

    assert refused.report["outcome"] == "refused", refused.output
    assert "written-since:ligne_depot" in refused.report["failure"]
    assert (site.database.dump(), beside(site)) == (replaced, [])

    asked = re.search(r"-e rollback_accept=(\S+)", refused.report["failure"])
    assert asked
    played = site.play("restore", restore_backup=str(path), rollback_accept=asked[1])

    assert (played.status, played.report["outcome"]) == (0, "restored"), played.output
    assert site.database.dump() == there

    undone = site.play("undo")

    assert (undone.status, undone.report["outcome"]) == (0, "undone"), undone.output
    assert site.database.dump() == replaced


def test_only_named_tables_come_back(make_site: MakeSite) -> None:
    site = make_site("guide")
    back_up(site)
    there = site.database.rows("SELECT * FROM categories ORDER BY id")
    site.database.rows("UPDATE categories SET name = name || ' x'")
    site.database.rows("UPDATE sites SET name = name || ' y'")
    sites = site.database.rows("SELECT * FROM sites ORDER BY id")

    misspelt = site.play("restore", restore_table="categories")
    assert misspelt.report["outcome"] == "refused" and "restore_table" in misspelt.report["failure"], misspelt.output

    played = accepting(site, "restore", restore_tables="categories")

    assert (played.status, played.report["outcome"]) == (0, "restored"), played.output
    assert site.database.rows("SELECT * FROM categories ORDER BY id") == there
    assert site.database.rows("SELECT * FROM sites ORDER BY id") == sites
    assert [loss["id"] for loss in played.report["losses"]] == ["written-since:categories"]


def test_what_is_not_as_it_should_be_after_a_restore_is_put_back(make_site: MakeSite) -> None:
    site = make_site("guide", rollback_checks=[{"id": "more", "table": "categories", "min_rows": 100000}])
    back_up(site)
    insert_category(site, "since the backup")
    before = site.database.dump()

    played = accepting(site, "restore")

    assert played.status != 0
    assert played.report["outcome"] == "failed_unchanged", played.output
    assert "more" in played.report["failure"]
    assert site.database.dump() == before


def test_nothing_kept_is_refused_with_what_there_is(make_site: MakeSite) -> None:
    site = make_site("guide")
    assert site.play("rollback").status == 0

    refused = site.play("undo")

    assert (refused.status != 0, refused.report["outcome"]) == (True, "refused"), refused.output
    assert site.backups()[0] in refused.report["failure"] and "restore.yml" in refused.report["failure"]


def test_the_migration_is_tried_on_a_copy_and_applied_again(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("branched", rollback_accept=None, rollback_safety_copy="auto")
    expected = HEADS["branched"] - {"24b194c1b790"} | {MIGRATION}
    assert site.play("rollback").status == 0
    before = site.database.dump()

    tried = site.play("remigrate", "--check")

    assert tried.status == 0, tried.output
    assert "On a copy of" in tried.output and site.database.dump() == before

    played = site.play("remigrate")

    assert (played.status, played.report["outcome"]) == (0, "remigrated"), played.output
    assert site.database.heads() == expected and site.database.count("categories") > 0
    after = site.database.dump()
    rehearsal = site.evidence("rehearsal.json")
    assert (rehearsal["result"], rehearsal["way_back"]["ok"]) == ("pass", True)
    assert {check["result"] for check in played.report["checks"]} == {"pass"}

    again = site.play("remigrate")

    assert (again.status, again.changed, again.report["outcome"]) == (0, 0, "remigrated"), again.output
    assert site.database.dump() == after

    undone = site.play("undo")

    assert (undone.status, undone.report["outcome"]) == (0, "undone"), undone.output
    assert site.database.dump() == before


def test_a_migration_that_fails_on_a_copy_is_not_applied(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide", rollback_migration="70907090709a", rollback_accept=None, rollback_checks=[])
    ini = make_project(tmp_path / "project", upgrade="op.execute('DROP TABLE nowhere')")
    site.database.stamp("b0a5eb0a5eb0")
    before = site.database.dump()

    played = site.play("remigrate", rollback_alembic_config=str(ini))

    assert (played.status != 0, played.report["outcome"]) == (True, "refused"), played.output
    assert "DROP TABLE nowhere" in played.report["failure"]

    played = site.play("remigrate", rollback_alembic_config=str(ini), rollback_accept="unrehearsed")

    assert (played.status != 0, played.report["outcome"]) == (True, "failed_unchanged"), played.output
    assert site.database.dump() == before


@pytest.mark.both_runtimes
def test_a_restore_in_either_runtime_and_back(make_site: MakeSite) -> None:
    site = make_site("guide", "before")
    before = migrated(site)
    replaced = site.database.dump()

    played = site.play("restore", "--check")

    assert played.status == 0, played.output
    assert (site.database.dump(), beside(site)) == (replaced, [])
    assert "ansible-playbook restore.yml" in played.output and "rollback.yml" not in played.output

    played = site.play("restore")

    assert (played.status, played.report["outcome"]) == (0, "restored"), played.output
    assert site.database.dump() == before
    assert site.play("undo").status == 0
    assert site.database.dump() == replaced


def test_a_restore_cut_off_after_the_swap_is_only_validated(make_site: MakeSite) -> None:
    site = make_site("guide", "before")
    before = migrated(site)
    process = site.start("restore")
    swapped = SQL("SELECT count(*) FROM pg_database WHERE datname LIKE {}").format(
        Literal(f"{site.database.name}_kept_%"))
    wait_for(lambda: site.database.value(swapped, superuser=True, name="postgres"), "the swap")
    kill_controller(process)
    wait_for(lambda: not site.database.processes(), "the module to end")

    played = site.play("restore")

    assert (played.status, played.changed, played.report["outcome"]) == (0, 0, "restored"), played.output
    assert played.report["resumed_after"] and len(beside(site)) == 1
    assert site.database.dump() == before


def test_what_was_loaded_tells_what_is_missing_and_goes_again(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    database = site.database
    database.rows("CREATE TABLE notes (id int PRIMARY KEY, said text, other text);"
                  "INSERT INTO notes VALUES (1, 'a', ''), (2, NULL, E'x\\ny'), (10, '\\.', ' \"q\", '), (9, 'b', 'z');"
                  "CREATE TABLE loose AS SELECT 1 AS id; CREATE TABLE gone AS SELECT 7 AS id")
    back_up(site)
    held = database.rows("SELECT * FROM notes WHERE id <> 9 ORDER BY id")
    run_dir = site.state / "runs" / "20260301T031500Z-a1b2c3"
    run_dir.mkdir(parents=True)
    there = {"state_dir": str(site.state), "run_dir": str(run_dir)}
    loaded = run_module("restore_beside", **common_args(database), **there, disk_reserve="1M")
    assert loaded.get("changed"), loaded
    database.rows("DELETE FROM notes WHERE id IN (1, 10); UPDATE notes SET other = 'later' WHERE id = 2;"
                  "INSERT INTO notes VALUES (11, 'new', 'new'); DELETE FROM loose; DROP TABLE gone")

    written = run_module("rows_export", **common_args(database), run_dir=str(run_dir), disk_reserve="1M",
                         from_database=loaded["database"], directory=str(tmp_path / "export"))

    assert {each["table"]: each["rows"] for each in written["tables"] if each["rows"]} == {
        "public.notes": 3, "public.gone": 1}, written
    assert any("public.loose was not exported" in line for line in written["lines"])
    database.rows("TRUNCATE notes")
    connection = database.connect()
    with connection, connection.cursor() as cursor, (tmp_path / "export" / "public.notes.csv").open() as stream:
        cursor.copy_expert("COPY notes FROM STDIN (FORMAT csv, HEADER)", stream)
    connection.close()
    assert database.rows("SELECT * FROM notes ORDER BY id") == held

    full = run_module("rows_export", **common_args(database), disk_reserve="100%",
                      from_database=loaded["database"], directory=str(tmp_path / "full"))
    assert full["problem"] == "export_disk_reserve" and list((tmp_path / "full").iterdir()) == []

    # An environment that does not work any more keeps no backup from coming back.
    planned = run_module("restore_plan", **common_args(database), state_dir=str(site.state), source="latest",
                         migration=MIGRATION, alembic_config=str(tmp_path / "nowhere.ini"))
    assert {"written-since:notes", "written-since:loose"} <= set(planned["missing"]), planned
    assert any("nowhere.ini" in line for line in planned["lines"])

    asked = {**common_args(database), "state_dir": str(site.state), "migration": MIGRATION,
             "alembic_config": str(database.ini)}
    begun = run_module("restore_plan", **asked, source="latest", run_dir=str(run_dir))
    counted = run_module("restore_plan", **asked, run_dir=str(run_dir), accept=begun["missing"],
                         recount=loaded["database"])
    assert (counted["refusal"], counted["plan"]["replacement"]) == ("", loaded["database"]), counted
    # A run that is taken up again does not load it twice.
    assert run_module("restore_beside", **common_args(database), **there, disk_reserve="1M")["changed"] is False
    assert run_module("restore_plan", **asked, source=loaded["database"], tables=["notes"]
                      )["problem"] == "return_tables_of_database"
    some = run_module("pg_backup", **common_args(database), backups=str(site.state / "backups"), tables=["notes"],
                      disk_reserve="1M")["backup"]
    [file] = [entry["name"] for entry in some["files"] if entry["scope"] == "tables"]
    assert run_module("restore_plan", **asked, source=f"{some['path']}/{file}")["problem"] == "return_only_some"
    proved = database.value(SQL("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = {}"
                                ).format(Literal(loaded["database"])))
    comment = SQL("COMMENT ON DATABASE {} IS {}")
    database.rows(comment.format(Identifier(loaded["database"]), Literal(proved.replace(
        '"proved": true', '"proved": false'))))
    assert run_module("restore_plan", **asked, source=loaded["database"])["problem"] == "return_unproved"

    dropped = run_module("beside_drop", **common_args(database), run_dir=str(run_dir))
    assert (dropped["changed"], dropped["dropped"], beside(site)) == (True, [loaded["database"]], [])
    assert run_module("beside_drop", **common_args(database), run_dir=str(run_dir))["changed"] is False
