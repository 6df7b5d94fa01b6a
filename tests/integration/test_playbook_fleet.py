# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many sites in one inventory: a canary, batches, what stops a wave, one confirmation, one summary over all of them."""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness import MIGRATION, NOWHERE, PARENT, ROOT, clean_environment, wait_for
from test_playbook_warnings import answered_by

from playbooks import ANSIBLE, PLAYBOOKS, Played, Site, kill_controller

# A downgrade that fails with its transaction undone: the data is as before.
RAISES = "op.execute('DELETE FROM categories')\n    raise RuntimeError('not at this site')"
WHOLE = "op.execute('DELETE FROM categories')"


@dataclass
class Fleet:
    """Sites in one inventory. What is set for one of them alone stands in its own settings."""

    home: Path
    sites: dict[str, Site]
    settings: dict[str, Any] = field(default_factory=dict)
    everywhere: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    def inventory(self, only: tuple[str, ...] = ()) -> Path:
        hosts = {}
        for name, site in self.sites.items():
            site.settings.setdefault("rollback_report_dir", str(self.reports))
            hosts[name] = json.loads(site.inventory().read_text())["rollback"]["hosts"]["site"]
            del hosts[name]["rollback_confirm"]
        path = self.home / "inventory.json"
        # What is no site has no say, not even where it cannot be connected to at all.
        path.write_text(json.dumps({
            "all": {"vars": self.everywhere},
            "elsewhere": {"hosts": {"a switch": {"ansible_connection": "no.such.plugin"},
                                    "stranger": {"ansible_connection": "local"}}},
            "rollback": {"hosts": {name: each for name, each in hosts.items() if not only or name in only},
                         "vars": self.settings}}))
        return path

    def argv(self, playbook: str, *arguments: str, only: tuple[str, ...] = (), **settings: Any) -> list[str]:
        return [str(ANSIBLE), "-i", str(self.inventory(only)), str(PLAYBOOKS / f"{playbook}.yml"), *arguments,
                *(["-e", json.dumps(settings)] if settings else [])]

    def play(self, playbook: str, *arguments: str, only: tuple[str, ...] = (), **settings: Any) -> Played:
        """Play it; the report is the summary it left, empty where it left none."""
        latest = self.reports / "fleet" / "latest"
        latest.unlink(missing_ok=True)
        done = subprocess.run(
            self.argv(playbook, *arguments, only=only, **settings), cwd=self.home, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=240, check=False,
            env=clean_environment(ANSIBLE_NOCOLOR="1", COLUMNS="200"))
        page = latest / "fleet.json"
        return Played(done.returncode, done.stdout, json.loads(page.read_text()) if page.exists() else {})

    def rolled_back(self) -> set[str]:
        return {name for name, site in self.sites.items() if not site.database.count("categories")}

    def begun(self) -> set[str]:
        """Sites that have a run directory."""
        return {name for name, site in self.sites.items() if (site.state / "runs").exists()}

    def break_downgrade(self, name: str, body: str = RAISES) -> None:
        """Give a site a release of the migrations of its own."""
        place = self.home / f"release of {name}"
        if not place.exists():
            shutil.copytree(ROOT / "demo" / "migrations", place)
        path = place / "guide" / "versions" / "guide_06_copy_labels.py"
        path.write_text('"""copy labels"""\nfrom alembic import op\nfrom steps.copy_labels import upgrade\n'
                        f"revision, down_revision = '{MIGRATION}', '{PARENT['guide']}'\n\n\n"
                        f"def downgrade():\n    {body}\n")
        self[name].settings["rollback_alembic_config"] = str(place / "guide" / "alembic.ini")


def outcomes(played: Played) -> dict[str, str]:
    assert played.report, played.output
    return {site["site"]: site["outcome"] for site in played.report["sites"]}


@pytest.fixture
def make_fleet(make_database: Callable[..., Any], tmp_path: Path) -> Callable[..., Fleet]:
    def make(*names: str, **settings: Any) -> Fleet:
        sites = {}
        for name in names:
            home = tmp_path / name
            home.mkdir()
            sites[name] = Site(make_database("guide", "migration"), home)
        return Fleet(tmp_path, sites, settings)

    return make


MakeFleet = Callable[..., Fleet]
THREE = ("north", "south", "east")
# What Ansible takes for localhost is a site like others.
FAR = "127.0.0.1"
ALL = ",".join((*THREE, FAR))


def test_a_batch_ends_what_it_began_and_what_comes_after_a_failure_is_untouched(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(*THREE, FAR, rollback_serial="3 5\n")
    fleet.break_downgrade("south")

    played = fleet.play("rollback", rollback_confirm=ALL)

    assert played.status != 0
    assert outcomes(played) == {"north": "rolled_back", "south": "failed_unchanged", "east": "rolled_back",
                                FAR: "not_started"}, played.output
    assert fleet.rolled_back() == {"north", "east"}
    assert fleet.begun() == set(THREE)
    assert not played.report["complete"] and not played.report["good"]
    assert "south" in played.report["next"] and f"rollback.yml -e rollback_confirm={ALL}" in played.report["next"]
    for name in THREE:
        found = next(site for site in played.report["sites"] if site["site"] == name)
        report = json.loads(Path(found["report"]).with_name("report.json").read_text())
        assert (report["database"], report["outcome"]) == (fleet[name].database.name, found["outcome"])
        assert report == fleet[name].evidence("report.json")
        assert found["outage_s"] == report["outage_s"]
    # Once, after the last of the batch.
    assert re.findall(r'"rollback: 4 site\(s\), (\d) done, (\d) not done, (\d) not ended', played.output) == [
        ("2", "1", "1")], played.output
    assert (fleet.reports / "fleet" / "latest").resolve().name == played.report["wave_id"]

    # Mended, the same command touches only the rest.
    kept = {name: fleet[name].backups() for name in ("north", "east")}
    fleet.break_downgrade("south", WHOLE)
    again = fleet.play("rollback", rollback_confirm=ALL)

    assert again.status == 0, again.output
    assert outcomes(again) == {"north": "already_rolled_back", "south": "rolled_back", "east": "already_rolled_back",
                               FAR: "rolled_back"}
    assert again.report["complete"] and again.report["good"]
    for name, backups in kept.items():
        assert re.search(rf"^{name} .*changed=0 ", again.output, flags=re.MULTILINE), again.output
        assert fleet[name].backups() == backups

    # From each site's own evidence: of the run that did it, also where the one after it found nothing to do.
    (fleet.reports / "fleet").rename(fleet.home / "the job before")
    told = fleet.play("report")
    assert told.status == 0 and told.changed == 0, told.output
    assert set(outcomes(told).values()) == {"rolled_back"}
    by = {"north": played, "south": again, "east": played, FAR: again}
    for site in told.report["sites"]:
        did = next(found for found in by[site["site"]].report["sites"] if found["site"] == site["site"])
        assert {key: site[key] for key in site if key != "report"} == {key: did[key] for key in did if key != "report"}


def test_a_canary_that_fails_is_the_only_one_touched(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south")
    fleet.break_downgrade("north")

    played = fleet.play("rollback", rollback_confirm=["north", "south"])

    assert played.status != 0
    assert outcomes(played) == {"north": "failed_unchanged", "south": "not_started"}, played.output
    assert fleet.begun() == {"north"} and fleet.rolled_back() == set()
    assert played.report["sites"][1]["run_id"] is None


def test_what_waits_for_its_turn_in_the_same_batch_is_left_alone_too(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(*THREE, rollback_serial="2,1")
    fleet.break_downgrade("north")

    played = fleet.play("rollback", "--forks", "1", rollback_confirm=list(THREE))

    assert played.status != 0
    assert outcomes(played) == {"north": "failed_unchanged", "south": "not_started", "east": "not_started"}
    assert fleet.begun() == {"north"} and fleet.rolled_back() == set()
    assert "See to north, then" in played.report["next"]
    assert played.output.count("rollback: 3 site(s), 0 done, 1 not done, 2 not ended") == 1
    assert "the wave ends after north." in played.output and "the wave ends after north, " not in played.output


def test_where_the_last_of_a_batch_is_left_the_summary_is_shown_all_the_same(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(*THREE, rollback_serial="3")
    fleet.break_downgrade("south")

    played = fleet.play("rollback", "--forks", "1", rollback_confirm=list(THREE))

    assert outcomes(played) == {"north": "rolled_back", "south": "failed_unchanged", "east": "not_started"}
    assert fleet.begun() == {"north", "south"}
    assert re.findall(r'"rollback: 3 site\(s\), (\d) done, (\d) not done, (\d) not ended', played.output) == [
        ("1", "1", "1")], played.output


def test_the_summary_is_right_after_a_lost_controller(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south")
    page = fleet.reports / "fleet" / "latest" / "fleet.json"
    lost = subprocess.Popen(fleet.argv("rollback", rollback_confirm="north,south"), cwd=fleet.home,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True, env=clean_environment())
    try:
        wait_for(page.exists, "the wave to begin")
        kill_controller(lost)
        summary = json.loads(page.read_text())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(lost.pid, signal.SIGKILL)

    assert {site["site"]: site["outcome"] for site in summary["sites"]} == {"north": "begun", "south": "not_started"}
    assert not summary["complete"] and "status.yml --limit north" in summary["next"]


def test_a_site_that_does_not_answer_stops_the_wave_and_hides_nobody(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south", "east", rollback_serial=[2, 5])
    fleet["south"].settings.update(ansible_connection="ssh", ansible_host=NOWHERE["login_host"],
                                   ansible_port=NOWHERE["login_port"], ansible_ssh_common_args="-o BatchMode=yes")

    played = fleet.play("rollback", rollback_confirm="north, south\neast")

    assert played.status != 0
    assert outcomes(played) == {"north": "rolled_back", "south": "no_answer", "east": "not_started"}, played.output
    assert fleet.begun() == {"north"}

    told = fleet.play("report")
    assert told.status == 0, told.output
    assert outcomes(told) == {"north": "rolled_back", "south": "no_answer", "east": "no_run"}
    assert told.report["sites"][1]["reason"]
    assert told.output.count('"report: 3 site(s)') == 1, told.output

    # A site without a run directory has no report that could say what was played.
    fleet["east"].settings.update(rollback_login_port=NOWHERE["login_port"])
    planned = fleet.play("plan")
    assert planned.status != 0 and planned.report["playbook"] == "plan", planned.output
    assert outcomes(planned)["east"] == "refused" and "rollback.yml" not in planned.report["next"]
    assert planned.output.count('"plan: 3 site(s)') == 1, planned.output

    # One whose module cannot run is told of with the reason, and the others as well.
    fleet["north"].settings.update(ansible_python_interpreter="/no/such/python")
    told = fleet.play("report")
    assert told.status == 0, told.output
    assert outcomes(told) == {"north": "no_answer", "south": "no_answer", "east": "no_run"}
    assert "/no/such/python" in told.report["sites"][0]["reason"]


def test_what_confirms_one_site_or_names_another_confirms_no_wave(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south")

    def refused(words: str, *arguments: str, **settings: Any) -> None:
        played = fleet.play("rollback", *arguments, **settings)
        assert played.status != 0 and words in played.output, played.output
        assert not fleet["north"].backups() and fleet["north"].database.count("categories") > 0

    # The canary's own database, nothing where nobody can be asked, all but the canary.
    refused("-e rollback_confirm=north,south", rollback_confirm=fleet["north"].database.name)
    refused("-e rollback_confirm=north,south", awx_job_id=1)
    refused("north is not confirmed", rollback_confirm="south")
    refused("names no host of the group", "--limit", "stranger", rollback_confirm="north,south")
    for wrong in (0, "1,some", "1 0"):
        refused("which are no sizes", rollback_serial=wrong, rollback_confirm="north,south")
    # The play does not read an inventory for its own hosts: it would have others than were looked at.
    fleet.everywhere["rollback_hosts"] = "north"
    refused("rollback_hosts is for the command line", rollback_confirm=fleet["north"].database.name)
    fleet.everywhere.clear()
    begun = fleet.begun()
    assert begun == {"north"}, "a canary that is refused stops the wave"

    # A slice sees one of them and has the wave's own words. A database's name is not among them.
    refused("south is not confirmed", only=("south",), rollback_serial="1,5", awx_job_id=1,
            rollback_confirm=fleet["south"].database.name)
    played = fleet.play("rollback", only=("south",), rollback_serial="1,5", awx_job_id=1,
                        rollback_confirm="north\nsouth")
    assert played.status == 0, played.output
    assert fleet.rolled_back() == {"south"} and outcomes(played) == {"south": "rolled_back"}

    # One alone is what it always was: its database's name, and no summary.
    refused(f"-e rollback_confirm={fleet['north'].database.name}", "--limit", "north", rollback_confirm="north")
    assert fleet.play("plan", "--limit", "north").report == {}


def test_on_a_terminal_a_wave_is_asked_once(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south", rollback_serial=1)

    status, shown = answered_by(fleet.argv("rollback"), fleet.home, "north,south", b"go on with all of them")

    assert status == 0, shown
    assert fleet.rolled_back() == set(fleet.sites)
    assert shown.count("Type the names of the 2 sites") == 1, shown
    assert re.search(r"BEFORE YOU CONFIRM(.|\n)*Type the names", shown)


def test_a_question_that_is_broken_off_confirms_no_site(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south", rollback_serial=2)

    status, shown = answered_by(fleet.argv("rollback"), fleet.home, "\x03a", b"go on with all of them")

    assert status != 0 and shown.count("is not confirmed") >= 2, shown
    assert fleet.rolled_back() == set()
    for site in fleet.sites.values():
        assert site.evidence("report.json")["outcome"] == "refused", shown
        assert not site.backups()


def test_plan_backup_and_drill_take_all_sites_at_once(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("north", "south")

    planned = fleet.play("plan")
    assert planned.status == 0, planned.output
    assert outcomes(planned) == {"north": "planned", "south": "planned"}
    assert "rollback.yml -e rollback_confirm=north,south" in planned.output

    for playbook in ("backup", "drill"):
        played = fleet.play(playbook)
        assert played.status == 0, played.output
    assert (fleet.reports / "latest-drill" / "report.json").exists()
    assert {len(site.backups()) for site in fleet.sites.values()} == {1}
    assert fleet.rolled_back() == set()
