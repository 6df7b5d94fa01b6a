# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refusals: nothing is changed, the message names the way out, and the status says no."""
from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import make_project, wait_for

from playbooks import Played, Site

MakeSite = Callable[..., Site]
FIVE = ("g1h2i3j4k5l6", "f4g5h6i7j8k9", "e3f4g5h6i7j8", "d2e3f4g5h6i7", "b1c2d3e4f5a6")


def refused(site: Site, *way_out: str, **settings: Any) -> Played:
    """Run the rollback; assert that it refuses with these words and leaves the database as it was."""
    before = site.database.dump()
    played = site.play("rollback", **settings)
    assert played.status != 0, played.output
    assert played.report.get("outcome") == "refused", played.output
    for words in way_out:
        assert words in played.report["failure"]
    assert played.changed == 0
    assert site.database.dump() == before
    assert not [name for name in site.backups() if name.startswith(".")]
    assert not site.database.sessions()
    return played


def test_the_papers_target_is_refused_naming_what_else_it_would_undo(make_site: MakeSite) -> None:
    site = make_site("chain")
    played = refused(site, *FIVE, "Leave rollback_to_revision empty", rollback_to_revision="9a2b3c4d5e6f")
    assert not site.backups()
    assert played.report["to_heads"] == ["k1l2m3n4o5p6"]
    # What loses less stands before what accepts the losses.
    assert 0 <= played.report["failure"].find("-e rollback_to_revision=") < played.report["failure"].find(
        "-e rollback_accept=")


def test_newer_revisions_on_top_are_refused(make_site: MakeSite) -> None:
    refused(make_site("chain", "head"), "24b194c1b790", "8dfd79bd357d", "h2i3j4k5l6m7", "m3npr1c3dr0p",
            "Newer revisions")


def test_a_target_below_a_branch_point_would_undo_the_other_branch_too(make_site: MakeSite) -> None:
    refused(make_site("branched"), "f4g5h6i7j8k9", "d2e3f4g5h6i7", rollback_to_revision="9a2b3c4d5e6f")


@pytest.mark.parametrize(("settings", "words"), [
    ({"rollback_to_revision": "fffffffffff0"}, ["rollback_to_revision=fffffffffff0", "alembic history"]),
    ({"rollback_migration": "fffffffffff0"}, ["rollback_migration=fffffffffff0"]),
    ({"rollback_to_revision": "8f2b"}, ["only a part", "8f2b7a1d4e6b", "full id"]),
    ({"rollback_to_revision": "head"}, ["rollback_to_revision=head"]),
    ({"rollback_to_revision": "-1"}, ["rollback_to_revision=-1"]),
    ({"rollback_migration": "9a2b3c4d5e6f", "rollback_to_revision": "k1l2m3n4o5p6"}, ["not below", "leave "]),
], ids=["unknown target", "unknown migration", "partial", "head", "relative", "not an ancestor"])
def test_a_target_without_one_exact_meaning(make_site: MakeSite, settings: dict[str, Any], words: list[str]) -> None:
    refused(make_site("guide"), *words, **settings)


def test_a_target_already_passed_is_already_rolled_back(make_site: MakeSite) -> None:
    site = make_site("guide", "before")
    site.database.alembic("downgrade", "8f2b7a1d4e6b")
    before = site.database.dump()

    played = site.play("rollback")

    assert (played.status, played.changed, played.report["outcome"]) == (0, 0, "already_rolled_back")
    assert site.database.dump() == before


def test_a_version_the_tables_contradict(make_site: MakeSite) -> None:
    site = make_site("guide")
    # As the paper guide's second option leaves it when its DELETE fails.
    site.database.stamp("9a2b3c4d5e6f")
    refused(site, "categories-empty is 17 rows, expected 0 rows", "validate.yml")


@pytest.mark.parametrize(("heads", "words"), [
    (["9a2b3c4d5e6f", "k1l2m3n4o5p6"], ["9a2b3c4d5e6f and k1l2m3n4o5p6", "remove the other row"]),
    ([], ["empty or absent", "alembic stamp"]),
    (["0123456789ab"], ["0123456789ab", "does not know"]),
], ids=["two on one line", "none", "unknown"])
def test_recorded_revisions_nobody_should_act_on(make_site: MakeSite, heads: list[str], words: list[str]) -> None:
    site = make_site("guide")
    site.database.stamp(*heads)
    refused(site, *words)


def test_without_confirmation(make_site: MakeSite) -> None:
    site = make_site("guide")
    refused(site, f"-e rollback_confirm={site.database.name}", rollback_confirm="")
    refused(site, "-e rollback_confirm=", rollback_confirm="another database")
    assert not site.backups()


def test_a_state_directory_that_cannot_be_written(make_site: MakeSite) -> None:
    site = make_site("guide")
    (site.home / "a file").write_text("")
    refused(site, "cannot be written", "rollback_state_dir", rollback_state_dir=str(site.home / "a file" / "state"))


def test_a_disk_too_small(make_site: MakeSite) -> None:
    refused(make_site("guide"), "bytes free", "rollback_disk_reserve", rollback_disk_reserve="900T")


def test_a_wrong_password(make_site: MakeSite) -> None:
    refused(make_site("guide"), "refuses user", "rollback_login_password", rollback_login_password="not this one")


def test_a_server_that_is_down(make_site: MakeSite) -> None:
    # A port nobody listens on: the reserved one of a service that is not here.
    refused(make_site("guide"), "Nothing answers", "Start the server", rollback_login_port=1)


@pytest.mark.parametrize("broken", ["interpreter", "configuration", "env.py", "url"])
def test_a_broken_alembic_environment(make_site: MakeSite, tmp_path: Path, broken: str) -> None:
    site = make_site("guide")
    if broken == "interpreter":
        refused(site, "cannot be started", rollback_alembic_python="/nowhere/python")
    elif broken == "configuration":
        refused(site, "Alembic does not work", "current", rollback_alembic_config=str(tmp_path / "none.ini"))
    elif broken == "env.py":
        ini = make_project(tmp_path / "project", before="raise RuntimeError('the models do not import')")
        refused(site, "the models do not import", rollback_alembic_config=str(ini))
    else:
        refused(site, "DATABASE_URL is not set", rollback_alembic_environment={})


def test_an_application_that_connects_somewhere_else(make_site: MakeSite, make_database: Callable[..., Any]) -> None:
    site, other = make_site("guide"), make_database("guide", "migration")
    elsewhere = other.dump()
    refused(site, "database", rollback_alembic_environment={"DATABASE_URL": other.url})
    assert other.dump() == elsewhere


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission(make_site: MakeSite) -> None:
    refused(make_site("guide"), "cannot be written", rollback_state_dir="/proc/recyclic-rollback")


def test_rows_written_since_the_backup_would_be_in_none(make_site: MakeSite) -> None:
    site = make_site("guide")
    process = site.start("rollback")
    wait_for((site.state / "runs" / "latest" / "backup.json").exists, "the backup")
    site.database.rows("INSERT INTO categories (id, name) VALUES (gen_random_uuid(), 'Written since')")

    played = site.finish(process)

    assert played.status != 0
    assert played.report["outcome"] == "refused"
    assert "public.categories: 17 rows became 18" in played.report["failure"]
    assert site.database.count("categories") == 18
    assert site.database.heads() == {"k1l2m3n4o5p6"}


def test_one_table_given_on_the_command_line(make_site: MakeSite) -> None:
    played = make_site("guide").play("backup", rollback_migration_tables="categories")
    assert played.report["outcome"] == "backed_up", played.output


def test_a_misspelt_variable(make_site: MakeSite) -> None:
    site = make_site("guide")
    refused(site, "rollback_migraton", rollback_migraton="aaaa")
    for playbook in ("plan", "backup"):
        played = site.play(playbook, rollback_migraton="aaaa")
        assert played.status != 0 and played.report["outcome"] == "refused", played.output


def test_a_route_that_cannot_lead_there(make_site: MakeSite) -> None:
    refused(make_site("chain"), "by hand only the migration's own rows can be undone", rollback_strategy="manual",
            rollback_to_revision="9a2b3c4d5e6f")
    refused(make_site("guide"), "there is no good backup of this database", rollback_strategy="restore")


def test_a_project_that_is_not_named(make_site: MakeSite) -> None:
    refused(make_site("guide"), "rollback_compose_directory", rollback_runtime="compose")


@pytest.mark.parametrize("playbook", ["rollback", "backup", "validate", "status"])
def test_an_inventory_without_the_group_is_no_success(make_site: MakeSite, playbook: str) -> None:
    played = make_site("guide").play(playbook, rollback_hosts="nobody")
    assert played.status != 0
    assert "nothing was done" in played.output
