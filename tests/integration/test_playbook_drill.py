# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""drill.yml: the whole procedure on a copy, beside a live database that it never connects to."""
from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from composed import ComposeServer, containers
from harness import MIGRATION, Database, Started, alembic_args, common_args, process_table, run_module, wait_for
from psycopg2.sql import SQL, Identifier

from playbooks import Played, Site

MakeSite = Callable[..., Site]
STEPS = ["restore", "roll_back", "validate", "remigrate", "by_hand", "restore_back"]


def back_up(site: Site) -> dict[str, Any]:
    taken = run_module("pg_backup", **common_args(site.database), backups=str(site.state / "backups"),
                       disk_reserve="1M")
    assert taken.get("changed"), taken
    manifest: dict[str, Any] = taken["backup"]
    return manifest


@contextmanager
def unreachable(database: Database) -> Iterator[None]:
    """Nobody gets a session on the live database meanwhile; whoever needs one fails."""
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    database.rows(allow.format(Identifier(database.name), SQL("false")), superuser=True, name="postgres")
    try:
        yield
    finally:
        database.rows(allow.format(Identifier(database.name), SQL("true")), superuser=True, name="postgres")


def drill(site: Site, **settings: Any) -> Played:
    """Play a drill; its report is not the one `latest` points to."""
    latest = site.home / "reports" / "latest-drill"
    if latest.is_symlink():
        latest.unlink()
    played = site.play("drill", **settings)
    assert not (site.home / "reports" / "latest").exists()
    if latest.exists():
        played.report = json.loads((latest / "report.json").read_text())
    return played


def results(report: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["result"] for step in report["steps"]}


def leftovers(site: Site) -> list[str]:
    place = site.state / "scratch"
    return [entry.name for entry in place.iterdir()] if place.is_dir() else []


@pytest.mark.both_runtimes
def test_a_drill_passes_beside_a_database_it_never_connects_to(make_site: MakeSite) -> None:
    site = make_site()
    backup = back_up(site)
    before = site.database.dump()

    with unreachable(site.database):
        played = drill(site)

    assert played.status == 0, played.output
    assert played.changed == 0
    report = played.report
    assert (report["outcome"], report["playbook"], report["last_passed"]) == ("drill_passed", "drill", None)
    # There is no backup from before the migration.
    assert results(report) == {**dict.fromkeys(STEPS, "pass"), "restore_back": "skip"}
    assert {step["name"]: step["guide_minutes"] for step in report["steps"]} == {
        "restore": [5, 10], "roll_back": [2, 3], "validate": None, "remigrate": [10, 15], "by_hand": None,
        "restore_back": [5, 10]}
    assert all(step["duration_s"] >= 0 for step in report["steps"] if step["result"] != "skip")
    assert report["backup"]["backup_id"] == backup["backup_id"] and report["backup"]["age_s"] > 0
    assert {check["id"]: check["result"] for check in report["checks"]} == {
        "categories-empty": "pass", "dom-category-level-1": "pass", "recorded-revisions": "pass",
        "other-tables-unchanged": "pass", "losses": "pass"}
    assert site.database.dump() == before and not leftovers(site)
    run_dir = site.state / "runs" / report["run_id"]
    assert json.loads((run_dir / "report.json").read_text()) == report
    figures = (site.home / "reports" / "latest-drill" / "metrics.prom").read_text()
    assert re.search(r"^recyclic_rollback_drill_passed_timestamp_seconds\{.*\} 1\d{9}", figures, re.MULTILINE)
    assert (run_dir / "metrics.prom").read_text() == figures
    assert not (site.state / "runs" / "latest").exists(), "a drill is no run that the others speak of"
    assert not list((site.state / "locks").glob("*.json"))
    manifest = json.loads((Path(backup["path"]) / "backup.json").read_text())
    assert manifest["restored_and_compared"] is True


def test_a_drill_that_fails_says_where_and_how_long_ago_one_passed(make_site: MakeSite) -> None:
    site = make_site(rollback_language="fr")
    # From before the migration: it is applied to the copy first.
    site.database.alembic("downgrade", "9a2b3c4d5e6f")
    back_up(site)
    first = drill(site)
    assert first.status == 0, first.output
    assert results(first.report) == {**dict.fromkeys(STEPS, "pass"), "migrate": "pass"}
    check = {"id": "sites-empty", "table": "sites", "rows": 0, "expectation": "rolled_back"}

    second = drill(site, rollback_checks=[check])

    assert second.status != 0
    assert second.report["outcome"] == "drill_failed" and "sites-empty" in second.report["failure"]
    assert results(second.report) == {**dict.fromkeys(STEPS, "pass"), "migrate": "pass", "validate": "fail"}
    assert second.report["last_passed"]["run_id"] == first.report["run_id"]
    assert 0 < second.report["last_passed"]["age_s"] < 600
    assert "Dernier exercice réussi" in second.output and "exercice échoué" in second.output
    assert "Dernier exercice réussi" in (site.state / "runs" / second.report["run_id"] / "report.md").read_text()

    third = drill(site, rollback_to_revision="000000000000")
    assert third.status != 0 and "000000000000" in third.report["failure"]
    assert results(third.report) == {**dict.fromkeys(STEPS, "skip"), "restore": "pass"}


def test_a_drill_without_a_backup_says_how_to_take_one(make_site: MakeSite) -> None:
    site = make_site()
    played = drill(site)
    assert played.status != 0 and "ansible-playbook backup.yml" in played.output
    assert not (site.state / "runs").exists()


def test_losses_nobody_accepted_fail_a_drill(make_site: MakeSite) -> None:
    """From the head of the chain more goes than the migration; named and accepted, the drill passes."""
    site = make_site("chain", "head")
    back_up(site)
    checks = [{"id": "categories-empty", "table": "categories", "rows": 0, "expectation": "rolled_back"}]

    played = drill(site, rollback_checks=checks)

    assert played.status != 0
    [judged] = [check for check in played.report["checks"] if check["id"] == "losses"]
    assert judged["result"] == "fail" and "drop-column:ligne_depot.category_id" in judged["observed"]
    ids = [loss["id"] for loss in played.report["losses"]]
    again = drill(site, rollback_checks=checks, rollback_accept=ids)
    assert results(again.report)["validate"] == "pass", again.output


@pytest.mark.both_runtimes("9")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_drill_cut_off_leaves_nothing_at_work(
        make_site: MakeSite, start_module: Callable[..., Started], signum: int) -> None:
    site = make_site()
    back_up(site)
    started = start_module("drill", **alembic_args(site.database), state_dir=str(site.state), migration=MIGRATION,
                           concerned=["categories"], disk_reserve="1M")
    runs = site.state / "runs"
    wait_for(lambda: scratch_at_work(site), "the scratch server")
    assert len(list(runs.iterdir())) == 1

    os.kill(started.pid, signum)

    if signum == signal.SIGTERM:
        assert started.answer()["problem"] == "interrupted"
    else:
        started.process.wait()
    wait_for(lambda: not scratch_at_work(site), "nothing at work any more")
    assert site.database.heads() == {MIGRATION}


def scratch_at_work(site: Site) -> list[Any]:
    """Containers or processes of a scratch server for this database's project or state directory."""
    server = site.database.server
    if isinstance(server, ComposeServer):
        return [each["Name"] for each in containers("label=recyclic.rollback.step")
                if each["Name"].startswith(f"/{server.project}-scratch")]
    # Its socket stands in a directory of its own, its data in the state directory.
    return [pid for pid, line, _environment in process_table()
            if line.startswith(str(server.bin_dir / "postgres")) and str(site.state) in line]
