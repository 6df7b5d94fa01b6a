# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alerts fire and clear as stated: a real Prometheus with real exporters watches real runs, and promtool tests the
rules with the figures those runs left."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import watching
import yaml
from harness import MIGRATION, PARENT

from playbooks import Played, Site

MakeSite = Callable[..., Site]
TARGET = PARENT["guide"]
GUIDE = "https://github.com/recyclic/ansible-rollback/blob/main/docs/"
# What a validation finds wrong after any rollback.
IMPOSSIBLE = {"id": "no-sites", "table": "sites", "rows": 0, "expectation": "rolled_back"}


@pytest.fixture(autouse=True)
def programs(request: pytest.FixtureRequest) -> None:
    """Prometheus and the rest are there, or these tests say that they cannot run."""
    watching.require_exporters(sum(item.path == request.path for item in request.session.items))


def install(site: Site, *arguments: str, **variables: Any) -> Played:
    played = site.play("monitoring", *arguments, **variables)
    assert played.status == 0, played.output
    return played


def run(site: Site, playbook: str, outcome: str, **variables: Any) -> str:
    """Play it and return the figures it left, the same in all three places."""
    played = site.play(playbook, **variables)
    assert played.report.get("outcome") == outcome, played.output
    text = (site.home / "reports" / "latest" / "metrics.prom").read_text()
    assert (site.run_dir / "metrics.prom").read_text() == text
    place = site.home / "textfile"
    [written] = list(place.iterdir())
    assert written.read_text() == text and written.stat().st_mode & 0o777 == 0o644
    watching.promtool("check", "metrics", stdin=text)
    assert site.database.password not in text and "password" not in text
    return text


def test_alerts_fire_and_clear_as_stated(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide", rollback_safety_copy="always")
    database, port = site.database, watching.free_port()
    site.settings.update(watching.settings(site.home, port, monitoring_reload_url=""))
    install(site)
    role = f"monitoring_{port}"
    watching.documented_role(database, role, "only-here")
    place = {"database": database.name}
    left: dict[str, str] = {}
    with watching.prometheus(site.home, port, database, role, "only-here") as seen:
        # Nothing was ever run, then a backup: no rollback.
        seen.settle()
        assert seen.alerts() == {}
        left["backup"] = run(site, "backup", "backed_up")
        seen.settle()
        assert set(seen.alerts()) == {"DrillTooOld"}, "a drill never passed"
        assert seen.value('recyclic_rollback_live_table_rows{table="categories"}') == database.count("categories")
        assert seen.value("recyclic_rollback:in_force") == 0

        left["rollback"] = run(site, "rollback", "rolled_back")

        firing = seen.wait(["CategoriesEmpty"], ["Failed", "UnexpectedRevision", "CategoriesNotEmpty"])
        [alert] = firing["CategoriesEmpty"]
        assert alert["labels"].items() >= {**place, "severity": "info", "table": "categories"}.items()
        assert alert["annotations"]["summary"] == f"categories of {database.name} is empty after the rollback"
        assert alert["annotations"]["runbook_url"] == f"{GUIDE}guide.md#alert-recyclicrollbackcategoriesempty"
        kept = seen.value("sum(recyclic_rollback_kept_databases_bytes)")
        assert kept and seen.value("recyclic_rollback:kept_bytes") == kept
        assert seen.value("recyclic_rollback_outage_seconds") == site.evidence("report.json")["outage_s"]

        database.stamp(MIGRATION)

        wrong = seen.wait(["UnexpectedRevision", "CategoriesEmpty"])["UnexpectedRevision"]
        assert {(each["labels"]["revision"], each["labels"]["found"], each["labels"]["severity"])
                for each in wrong} == {(MIGRATION, "recorded", "critical"), (TARGET, "missing", "critical")}
        database.rows("DELETE FROM alembic_version")
        seen.settle()
        assert [each["labels"]["found"] for each in seen.wait(["UnexpectedRevision"])["UnexpectedRevision"]] == [
            "missing"]
        database.stamp(TARGET)
        seen.wait(["CategoriesEmpty"], ["UnexpectedRevision"])

        # A rollback across the revision that made the table drops it: that is no error of the exporter's.
        database.rows("ALTER TABLE categories RENAME TO elsewhere")
        seen.settle()
        assert seen.value("recyclic_rollback_live_table_present") == 0
        assert seen.value("pg_exporter_last_scrape_error") == 0
        assert "CategoriesEmpty" in seen.alerts()
        database.rows("ALTER TABLE elsewhere RENAME TO categories")
        database.rows("INSERT INTO categories (id, name) VALUES (gen_random_uuid(), 'since')")
        seen.wait(["CategoriesNotEmpty"], ["CategoriesEmpty"])
        database.rows("DELETE FROM categories")

        left["remigrate"] = run(site, "remigrate", "remigrated")

        seen.settle()
        assert set(seen.wait([], ["CategoriesEmpty", "UnexpectedRevision", "Failed"])) == {"DrillTooOld"}

        left["failed"] = run(site, "rollback", "failed_unchanged", rollback_checks=[IMPOSSIBLE])

        [alert] = seen.wait(["Failed"], ["CategoriesEmpty", "UnexpectedRevision"])["Failed"]
        assert alert["labels"].items() >= {**place, "severity": "critical", "outcome": "failed_unchanged"}.items()
        assert alert["annotations"]["summary"].startswith("A rollback of")
        reload_at = f"http://127.0.0.1:{port}/-/reload"
        install(site, rollback_language="fr", monitoring_reload_url=reload_at)
        seen.settle()
        [alert] = seen.wait(["Failed"])["Failed"]
        assert alert["annotations"]["summary"] == f"Échec d'un rollback de {database.name} : failed_unchanged"
        assert alert["annotations"]["runbook_url"] == f"{GUIDE}guide.fr.md#alert-recyclicrollbackfailed"

        left["validate"] = run(site, "validate", "validated", validate_expectation="migrated")

        seen.settle()
        assert set(seen.wait([], ["Failed"])) == {"DrillTooOld"}
    play_with_promtool(site.home, left)


def play_with_promtool(home: Path, left: dict[str, str]) -> None:
    """The rules against the series the real runs left, as they are and with one thing wrong at a time."""
    rules = home / "etc" / "rules.yml"
    assert "20 rules found" in watching.promtool("check", "rules", rules)
    drill, empty = {"DrillTooOld": 1}, {"CategoriesEmpty": 1}
    ages = 100 * watching.DAY_S
    rolled = left["rollback"]
    name = next(line.split('"')[1] for line in rolled.splitlines() if "in_force{" in line)
    of = f'{{database="{name}"'
    watching.test_rules(home, rules, [
        watching.scenario(left["backup"], drill),
        watching.scenario(left["remigrate"], drill),
        watching.scenario(left["failed"], {**drill, "Failed": 1}),
        watching.scenario(left["validate"], drill),
        watching.scenario(rolled, {**drill, **empty}),
        watching.scenario(rolled, {**empty}, {"recyclic_rollback_drill_passed": ages - 34 * watching.DAY_S}),
        watching.scenario(rolled, {**drill, **empty, "BackupTooOld": 1},
                          {"recyclic_rollback_backup_timestamp": ages - 27 * 3600}),
        watching.scenario(rolled, {**drill, **empty}, {"recyclic_rollback_backup_timestamp": ages - 25 * 3600}),
        watching.scenario(rolled, {**drill, "CategoriesNotEmpty": 1}, {"recyclic_rollback_table_rows": 3}),
        watching.scenario(rolled, {**drill, **empty, "UnexpectedRevision": 2}, {
            "recyclic_rollback_recorded_revision": None, f'recyclic_rollback_recorded_revision{of},revision="x"}}': 1}),
        # A second head beside the right one.
        watching.scenario(rolled, {**drill, **empty, "UnexpectedRevision": 1}, {
            f'recyclic_rollback_recorded_revision{of},revision="x"}}': 1}),
        # What postgres_exporter sees now wins over what the run saw.
        watching.scenario(rolled, {**drill, **empty, "UnexpectedRevision": 2}, {
            f'recyclic_rollback_live_recorded_revisions{of},instance="p"}}': 1,
            f'recyclic_rollback_live_recorded_revision{of},instance="p",revision="x"}}': 1}),
        watching.scenario(rolled, {**drill, **empty, "ServicesLeftStopped": 1}, {
            "recyclic_rollback_services_left_stopped": 1}),
        watching.scenario(rolled, {**drill, **empty, "KeptDatabases": 1}, {
            f'recyclic_rollback_kept_databases_bytes{of},kind="safety"': 3e10}),
        watching.scenario(rolled, {**drill, **empty, "ApiSlow": 1, "DatabaseErrors": 1, "MemoryHigh": 1}, {
            f'recyclic_rollback_check_response_seconds{of},check="api"}}': 2.5,
            f'recyclic_rollback_check_log_errors{of},check="errors"}}': 1,
            f'recyclic_rollback_service_memory_bytes{of},service="api"}}': 3e8,
            f'recyclic_rollback_service_memory_before_bytes{of},service="api"}}': 1e8}),
        # Without a rollback in force none of those is anybody's business here.
        watching.scenario(left["remigrate"], drill, {
            f'recyclic_rollback_check_response_seconds{of},check="api"}}': 2.5,
            f'recyclic_rollback_check_log_errors{of},check="errors"}}': 1}),
    ])
    slow = home / "etc" / "slow.yml"
    slow.write_text(rules.read_text().replace("for: 0s", "for: 2m"))
    watching.test_rules(home, slow, [watching.scenario(rolled, {}, step="1m", at=1, step_s=60),
                                     watching.scenario(rolled, empty, step="1m", at=3, step_s=60)], step="1m")


def test_what_it_installs_is_valid_in_both_languages_and_stays_as_it_is(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide", at="before")
    receivers = {"critical": {"webhook_configs": [{"url": "http://127.0.0.1:9/critical?token=s3cret"}]}}
    site.settings.update(watching.settings(site.home, monitoring_receivers=receivers, monitoring_for="5m"))
    wanted = install(site, "--check", "--diff")
    assert wanted.changed > 0 and not (site.home / "etc").exists()
    assert "+      - alert: RecyclicRollbackFailed" in wanted.output and "s3cret" not in wanted.output

    etc = site.home / "etc"
    texts = {}
    for language in ("en", "fr"):
        assert install(site, rollback_language=language).changed > 0
        [group] = yaml.safe_load((etc / "rules.yml").read_text())["groups"]
        rules = [rule for rule in group["rules"] if "alert" in rule]
        assert sorted(rule["alert"].removeprefix("RecyclicRollback") for rule in rules) == sorted(watching.NAMES)
        assert {rule["for"] for rule in rules} == {"5m"}
        texts[language] = [rule["annotations"] for rule in rules]
        watching.promtool("check", "rules", etc / "rules.yml")
        checked = subprocess.run([watching.program("amtool"), "check-config", etc / "alertmanager.yml"],
                                 capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    assert install(site, rollback_language="fr").changed == 0
    assert not [one for one, other in zip(texts["en"], texts["fr"]) if one["summary"] == other["summary"]]
    assert (etc / "alertmanager.yml").stat().st_mode & 0o777 == 0o600
    routed = subprocess.run(
        [watching.program("amtool"), "config", "routes", "test", f"--config.file={etc / 'alertmanager.yml'}",
         "alertname=RecyclicRollbackFailed", "severity=critical", "database=recyclic"],
        capture_output=True, text=True, check=False)
    assert routed.stdout.strip() == "recyclic-rollback-critical", routed.stderr

    before = (etc / "rules.yml").read_text()
    broken = site.play("monitoring", monitoring_errors_live="rate(")
    assert broken.status != 0 and "failed to validate" in broken.output, broken.output
    assert (etc / "rules.yml").read_text() == before, "rules that are not valid are not put in place"


def test_figures_that_cannot_be_written_are_told_and_fail_nothing(make_site: MakeSite) -> None:
    site = make_site("guide")
    place = site.home / "no such directory"

    played = site.play("backup", rollback_metrics_dir=str(place))

    assert (played.status, played.report["outcome"]) == (0, "backed_up"), played.output
    assert any(str(place) in step and "No such file" in step for step in played.report["next_steps"])
    assert (site.run_dir / "metrics.prom").exists() and not place.exists()
    place.mkdir()
    shown = site.play("status", rollback_metrics_dir=str(place))
    assert shown.status == 0 and shown.changed == 0, shown.output
    [written] = list(place.iterdir())
    assert f"Metrics: {written}" in shown.output
    assert json.dumps(site.database.name) in written.read_text()
