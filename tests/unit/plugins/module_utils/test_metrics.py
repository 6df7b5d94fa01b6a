# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Figures for Prometheus: how they are written, and that no run wipes what another showed."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.recyclic.rollback.plugins.module_utils import _metrics_live
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics import (
    HELP,
    PREFIX,
    Sample,
    file_name,
    put,
    render,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics_facts import samples

DATABASE = "recyclic"
EVIDENCE = {"plan", "after", "before", "functional"}
ROLE = Path(__file__).resolve().parents[4] / "roles" / "monitoring"


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(str(tmp_path / "state"))
    found.create()
    return found


class Runs:
    """Run directories, each a minute younger than the one before."""

    def __init__(self, state: StateDirectory) -> None:
        self.state, self.count = state, 0

    def add(self, playbook: str, outcome: str, database: str = DATABASE, **more: Any) -> dict[str, Any]:
        """Leave a report, and evidence for what is named like it."""
        self.count += 1
        run_id = f"20260301T00{self.count:02d}00Z-aaaaaa"
        os.makedirs(self.state.run_dir(run_id))
        report = {"run_id": run_id, "playbook": playbook, "outcome": outcome, "database": database,
                  "finished_at": f"2026-03-01T00:{self.count:02d}:30.500Z",
                  **{key: value for key, value in more.items() if key not in EVIDENCE}}
        write_json(os.path.join(self.state.run_dir(run_id), "report.json"), report)
        for name in EVIDENCE & set(more):
            write_json(os.path.join(self.state.run_dir(run_id), f"{name}.json"), more[name])
        return report


@pytest.fixture
def runs(state: StateDirectory) -> Runs:
    return Runs(state)


def shown(state: StateDirectory, current: dict[str, Any] | None = None, watched: tuple[str, ...] = ("categories",),
          **live: Any) -> dict[str, float]:
    """The figures by what is written before them, without the prefix and the database."""
    text = render(samples(state, DATABASE, watched, live, current))
    found = re.findall(r'^recyclic_rollback_(\w+)\{database="recyclic",?(.*)\} (\S+)$', text, re.MULTILINE)
    return {f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in found}


def rolled_back(runs: Runs, **more: Any) -> dict[str, Any]:
    return runs.add("rollback", "rolled_back", goal_heads=["9a2b"], to_heads=["9a2b"], **{
        "route": "alembic", "duration_s": 20, "outage_s": 4.5, **more})


def test_a_text_has_each_metric_described_once_and_labels_escaped() -> None:
    text = render([Sample("in_force", 1, {"database": 'a"b\\c\nd'}), Sample("last_outcome", 1, {"database": "x"}),
                   Sample("in_force", 0.5, {"database": "é"})])
    assert text.splitlines() == [
        f"# HELP {PREFIX}last_outcome {HELP['last_outcome']}", f"# TYPE {PREFIX}last_outcome gauge",
        f'{PREFIX}last_outcome{{database="x"}} 1',
        f"# HELP {PREFIX}in_force {HELP['in_force']}", f"# TYPE {PREFIX}in_force gauge",
        f'{PREFIX}in_force{{database="a\\"b\\\\c\\nd"}} 1', f'{PREFIX}in_force{{database="é"}} 0.5']
    assert text.endswith("\n")


def test_two_databases_never_share_a_file() -> None:
    names = ["recyclic", "re cyclic", "re_cyclic", "re/cyclic", "../etc", ".."]
    assert len({file_name(name) for name in names}) == len(names)
    assert all("/" not in file_name(name) and file_name(name).endswith(".prom") for name in names)
    assert file_name("recyclic") == "recyclic_rollback_recyclic.prom"


def test_a_file_is_whole_or_not_there_and_for_everybody_to_read(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert put(str(tmp_path), DATABASE, "one\n") == ""
    [path] = list(tmp_path.iterdir())
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("one\n", 0o644)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert put(str(tmp_path), DATABASE, "two\n") == "No space left on device"
    assert [each.read_text() for each in tmp_path.iterdir()] == ["one\n"]
    assert put(str(tmp_path / "absent"), DATABASE, "one\n") == "No such file or directory"


def test_nothing_was_ever_run(state: StateDirectory) -> None:
    assert shown(state) == {"in_force": 0, 'failed{playbook="",outcome=""}': 0, "backup_timestamp_seconds": 0,
                            "restore_verified_timestamp_seconds": 0, "drill_passed_timestamp_seconds": 0,
                            "services_left_stopped": 0}


def test_what_a_refused_run_does_not_know_stays(state: StateDirectory, runs: Runs) -> None:
    rolled_back(runs, checks=[{"id": "empty", "result": "pass", "severity": "fail"},
                              {"id": "memory", "result": "warn", "severity": "warn"}],
                phases=[{"number": 8, "name": "rollback", "duration_s": 2.5}],
                after={"tables": {"public.categories": {"rows": 0}, "public.sites": {"rows": 3}}})
    before = shown(state, kept=[{"name": "k", "kind": "kept", "bytes": 7}], watched=("categories", "sites", "gone"))
    refused = {"run_id": "20260302T000000Z-bbbbbb", "playbook": "undo", "outcome": "refused", "database": DATABASE,
               "finished_at": "2026-03-02T00:00:00.000Z", "duration_s": 1, "to_heads": ["9a2b"]}
    runs.add("rollback", "rolled_back", database="another", duration_s=99)
    runs.add("plan", "planned")

    after = shown(state, refused, kept=[{"name": "k", "kind": "kept", "bytes": 7}],
                  watched=("categories", "sites", "gone"))

    assert before['last_outcome{playbook="rollback",outcome="rolled_back",route="alembic"}'] == 1
    assert after['last_outcome{playbook="undo",outcome="refused",route=""}'] == 1
    assert (before["last_good"], after["last_good"]) == (1, 0)
    assert before["last_run_timestamp_seconds"] == 1772323290.5
    changed = ("last_", "written_")
    assert {key: text for key, text in after.items() if not key.startswith(changed)} == {
        key: text for key, text in before.items() if not key.startswith(changed)}
    assert after.items() >= {
        'duration_seconds{playbook="rollback"}': 20, 'outage_seconds{playbook="rollback"}': 4.5,
        'phase_duration_seconds{playbook="rollback",phase="8",name="rollback"}': 2.5, "in_force": 1,
        'expected_revision{revision="9a2b",state="rolled_back"}': 1, 'recorded_revision{revision="9a2b"}': 1,
        "checks_failed": 0, 'checks{result="warn"}': 1, 'check_failed{check="memory",severity="warn"}': 1,
        'table_rows{table="sites"}': 3, 'table_present{table="gone"}': 0, 'table_rows{table="gone"}': 0,
        'kept_databases{kind="kept"}': 1, 'kept_databases_bytes{kind="kept"}': 7, 'kept_databases{kind="safety"}': 0,
    }.items()


@pytest.mark.parametrize(("then", "in_force", "failed"), [
    ([], 1, 0),
    ([("rollback", "already_rolled_back", {"goal_heads": ["9a2b"]})], 1, 0),
    ([("backup", "backed_up", {})], 1, 0),
    ([("remigrate", "remigrated", {"plan": {}})], 0, 0),
    ([("undo", "undone", {"plan": {"expectation": "migrated"}})], 0, 0),
    ([("restore", "restored", {"plan": {"expectation": "rolled_back"}})], 1, 0),
    ([("remigrate", "failed_unchanged", {})], 1, 1),
    ([("remigrate", "failed_needs_human", {}), ("backup", "backed_up", {}), ("undo", "refused", {})], 1, 1),
    ([("remigrate", "failed_needs_human", {}), ("validate", "not_valid", {})], 1, 1),
    ([("undo", "failed_needs_human", {}), ("validate", "validated", {"after": {"expectation": "migrated"}})], 0, 0),
    ([("undo", "failed_unchanged", {}), ("validate", "validated", {"after": {"expectation": "rolled_back"}})], 1, 0),
    ([("backup", "failed_unchanged", {})], 1, 0),
])
def test_a_rollback_is_in_force_until_something_else_is(state: StateDirectory, runs: Runs, then: list[Any],
                                                        in_force: int, failed: int) -> None:
    rolled_back(runs)
    for playbook, outcome, more in then:
        runs.add(playbook, outcome, **{"to_heads": ["k1l2"], **more})
    found = shown(state)
    assert (found["in_force"], max(value for name, value in found.items() if name.startswith("failed"))) == (
        in_force, failed)
    state_now = "rolled_back" if in_force else "migrated"
    assert any(name.startswith("expected_revision") and f'state="{state_now}"' in name for name in found)


def test_a_rollback_whose_application_was_not_well_is_in_force(state: StateDirectory, runs: Runs) -> None:
    runs.add("rollback", "failed_needs_human", goal_heads=["9a2b"], to_heads=["9a2b"])
    assert shown(state)["in_force"] == 1
    runs.add("rollback", "failed_needs_human", goal_heads=["1111"], to_heads=["k1l2"])
    assert shown(state)["in_force"] == 1, "one that did not get there changes nothing"
    runs.add("validate", "validated", to_heads=["9a2b"], after={"expectation": "rolled_back"})
    found = shown(state)
    assert found["in_force"] == 1 and max(value for name, value in found.items() if name.startswith("failed")) == 0


def test_two_checks_of_one_name_are_one_figure_the_worse(state: StateDirectory, runs: Runs) -> None:
    checks = [{"id": "same", "result": result, "severity": "fail"} for result in ("pass", "fail", "pass")]
    rolled_back(runs, checks=checks)
    text = render(samples(state, DATABASE, [], {}))
    assert re.findall('check_failed{.*check="same".*} (.)', text) == ["1"]


def test_no_run_ends_otherwise_for_its_figures(state: StateDirectory, runs: Runs, monkeypatch: pytest.MonkeyPatch
                                               ) -> None:
    params = {"state_dir": state.path, "login_db": DATABASE, "watched": [], "metrics_dir": "", "runtime": "host"}
    report = rolled_back(runs)
    assert _metrics_live.figures(params, str, report, looking=False)[1] == ""
    older = os.path.join(state.runs, "20200101T000000Z-aaaaaa")
    os.mkdir(older)
    os.symlink("report.json", os.path.join(older, "report.json"))
    text, why = _metrics_live.figures(params, str, report, looking=False)
    assert text == "" and "OSError" in why

    def unforeseen(*_arguments: Any) -> None:
        raise KeyError("project")

    monkeypatch.setattr(_metrics_live, "look", unforeseen)
    assert _metrics_live.figures(params, str, report) == ("", "KeyError: 'project'")


def test_what_was_seen_before_a_run_does_not_contradict_its_report(state: StateDirectory, runs: Runs,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"state_dir": state.path, "login_db": DATABASE, "watched": [], "metrics_dir": "", "runtime": "host"}
    seen = {"heads": ["k1l2"], "kept": [], "stopped": ["api"]}
    monkeypatch.setattr(_metrics_live, "look", lambda *_arguments: seen)
    _metrics_live.text_of(params, str)
    monkeypatch.setattr(_metrics_live, "look", lambda *_arguments: {})
    text = _metrics_live.text_of(params, str, rolled_back(runs))
    assert 'recorded_revision{database="recyclic",revision="9a2b"} 1' in text and "k1l2" not in text
    assert 'services_left_stopped{database="recyclic"} 0' in text and 'kept_databases{' in text


def test_a_database_found_well_was_not_rolled_back_for_that(state: StateDirectory, runs: Runs) -> None:
    runs.add("validate", "validated", to_heads=["9a2b"], after={"expectation": "rolled_back"})
    assert shown(state)["in_force"] == 0


def test_what_the_server_shows_wins_over_what_a_run_left(state: StateDirectory, runs: Runs) -> None:
    rolled_back(runs, services={"stopped": ["api"], "resumed": [], "left_stopped": ["api"]})
    assert shown(state).items() >= {'recorded_revision{revision="9a2b"}': 1, "services_left_stopped": 1}.items()
    now = shown(state, heads=["k1l2", "x"], stopped=[])
    assert 'recorded_revision{revision="9a2b"}' not in now and now["services_left_stopped"] == 0
    assert now['recorded_revision{revision="k1l2"}'] == now['recorded_revision{revision="x"}'] == 1


def test_the_application_is_measured_in_seconds_lines_and_bytes(state: StateDirectory, runs: Runs) -> None:
    rolled_back(runs, functional={
        "measures": {"api": {"status": 200, "ms": 38.4, "baseline_ms": None}, "errors": {"matched": 2},
                     "tests": {"rc": 0}}, "memory": {"api": {"before": 100, "after": 250}}})
    runs.add("backup", "backed_up")
    assert shown(state).items() >= {
        'check_response_seconds{check="api"}': 0.0384, 'check_log_errors{check="errors"}': 2,
        'service_memory_bytes{service="api"}': 250, 'service_memory_before_bytes{service="api"}': 100}.items()


def test_backups_and_drills_are_told_by_when_they_were(state: StateDirectory, runs: Runs) -> None:
    for number, compared in ((1, "2026-03-01T05:00:00.000Z"), (2, None)):
        place = Path(state.backups) / f"b{number}"
        place.mkdir()
        (place / "database.dump").write_text("12345")
        write_json(str(place / "backup.json"), {
            "backup_id": place.name, "path": str(place), "database": DATABASE, "heads": ["k1l2"],
            "finished_at": f"2026-03-01T0{number}:00:00.000Z", "restored_and_compared": bool(compared),
            "compared_at": compared, "server": {},
            "files": [{"name": "database.dump", "scope": "database", "bytes": 5, "sha256": "-"}]})
    passed = runs.add("drill", "drill_passed")
    runs.add("drill", "drill_failed")
    found = shown(state)
    hour = 1772323200
    assert found.items() >= {
        "backup_timestamp_seconds": hour + 2 * 3600, "backup_size_bytes": 5, "backup_restored_and_compared": 0,
        "restore_verified_timestamp_seconds": hour + 5 * 3600, 'drill_last_outcome{outcome="drill_failed"}': 1,
        "drill_passed_timestamp_seconds": hour + 90.5}.items()
    assert passed["outcome"] == "drill_passed"
    assert not any(name.startswith("last_outcome") for name in found), "a drill does nothing to the database"


def test_what_does_not_answer_stays_as_it_was_seen(state: StateDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"state_dir": state.path, "login_db": DATABASE, "watched": [], "runtime": "host"}
    seen: dict[str, Any] = {"heads": ["k1l2"], "kept": [{"name": "k", "kind": "kept", "bytes": 7}], "stopped": []}
    monkeypatch.setattr(_metrics_live, "look", lambda *_arguments: seen)
    first = _metrics_live.text_of(params, str)

    def down(*_arguments: Any) -> None:
        raise Refusal("server_unreachable")

    monkeypatch.undo()
    monkeypatch.setattr(_metrics_live, "ground_from", down)
    second, drilled = (_metrics_live.text_of(params, str, looking=looking) for looking in (True, False))

    def untimed(text: str) -> list[str]:
        return [line for line in text.splitlines() if "written_timestamp" not in line]

    assert untimed(first) == untimed(second) == untimed(drilled)
    assert 'recorded_revision{database="recyclic",revision="k1l2"} 1' in second


def test_alerts_say_the_same_in_both_languages() -> None:
    english, french = (yaml.safe_load((ROLE / "files" / f"alerts_{language}.yml").read_text(encoding="utf-8"))
                       for language in ("en", "fr"))
    assert list(english) == list(french)
    for name, texts in english.items():
        for part in ("summary", "description"):
            facts = [sorted(re.findall(r"\$\w+(?:\.\w+)?(?: \| \w+)?", text[name][part])) for text in (english, french)]
            assert facts[0] == facts[1] and texts[part] != french[name][part], (name, part)
            commands = [sorted(re.findall(r"recyclic\.rollback\.\w+", text[name][part])) for text in (english, french)]
            assert commands[0] == commands[1], (name, part)
    template = (ROLE / "templates" / "rules.yml.j2").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\['(RecyclicRollback\w+)'", template)) == sorted(english)


def test_every_alert_and_metric_is_in_the_documentation() -> None:
    text = (ROLE.parents[1] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    alerts = yaml.safe_load((ROLE / "files" / "alerts_en.yml").read_text(encoding="utf-8"))
    assert [name for name in alerts if f"`{name}`" not in text] == []
    assert [name for name in HELP if f"`{name}" not in text] == []
    for guide in ("guide.md", "guide.fr.md"):
        told = (ROLE.parents[1] / "docs" / guide).read_text(encoding="utf-8")
        assert [name for name in alerts if f'id="alert-{name.lower()}"' not in told] == [], guide
    used = set(re.findall(r"\bp ~ '([a-z_]+)", (ROLE / "templates" / "rules.yml.j2").read_text(encoding="utf-8")))
    assert {name for name in used if not name.startswith("live_") and name.strip(string.digits) not in HELP} == set()
