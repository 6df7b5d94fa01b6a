# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The figures of a database, from what its runs and backups left in the state directory: no run wipes another's."""

from __future__ import annotations

import os
import typing as t
from contextlib import suppress
from datetime import datetime

from ._backup import MANIFEST, newest_good
from ._checks import unqualified
from ._drill_report import PASSED
from ._errors import FAILED_NEEDS_HUMAN, FAILED_UNCHANGED
from ._evidence import StateDirectory, read_json
from ._metrics import Sample
from ._report import GOOD, MOVED
from ._run import REPORT

ROLLED_BACK, MIGRATED = "rolled_back", "migrated"
Report = t.Mapping[str, t.Any]


def reports_of(state: StateDirectory, database: str, current: Report | None = None) -> list[Report]:
    """Return the reports on a database, newest first; ``current`` is the one that is being written."""
    found: list[Report] = [current] if current else []
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        report = None if name == "latest" else read_json(os.path.join(state.runs, name, REPORT))
        if isinstance(report, dict) and report.get("database") == database and not (
                current and report.get("run_id") == current["run_id"]):
            found.append(report)
    return found


def samples(state: StateDirectory, database: str, watched: t.Sequence[str], live: t.Mapping[str, t.Any],
            current: Report | None = None) -> list[Sample]:
    """Return every figure known of a database.

    ``watched`` are tables as they are configured. ``live`` is what a look at the server and the project showed, see
    ``_metrics_live.look``; a key that is missing was not seen.
    """
    every = reports_of(state, database, current)
    runs = [report for report in every if report.get("playbook") not in ("drill", "plan", None)
            and report.get("outcome") != "planned"]
    found = _Samples(database)
    _last(found, runs)
    _durations(found, runs)
    _state(found, state, runs, live)
    _validation(found, state, runs)
    _tables(found, state, runs, watched)
    _backups(found, state.backups)
    _drills(found, every)
    _beside(found, runs, live)
    return found.samples


class _Samples:
    """Collects figures of one database."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.samples: list[Sample] = []

    def add(self, name: str, value: t.Any, /, **labels: t.Any) -> None:
        """Note a figure; one that is None is not known and is left out."""
        if value is not None:
            texts = {key: str(text) for key, text in labels.items()}
            sample = Sample(name, float(value), {"database": self.database, **texts})
            # A figure that stands twice spoils the whole file; of two checks of one name the worse is told.
            there = [each for each in self.samples if each.name == name and each.labels == sample.labels]
            if any(each.value >= sample.value for each in there):
                return
            self.samples = [each for each in self.samples if each not in there] + [sample]


def seconds(moment: t.Any) -> float | None:
    """Return Unix time of a moment as now() writes it; None for anything else."""
    with suppress(ValueError):
        return datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp()
    return None


def _last(found: _Samples, runs: t.Sequence[Report]) -> None:
    for report in runs[:1]:
        found.add("last_outcome", 1, playbook=report["playbook"], outcome=report["outcome"],
                  route=report.get("route") or "")
        found.add("last_good", report["outcome"] in GOOD)
        found.add("last_run_timestamp_seconds", seconds(report.get("finished_at")))


def _durations(found: _Samples, runs: t.Sequence[Report]) -> None:
    """What a refused run did not get to stays as the last one left it."""
    seen = set()
    for report in runs:
        playbook = report["playbook"]
        if playbook in seen or report["outcome"] == "refused":
            continue
        seen.add(playbook)
        found.add("duration_seconds", report.get("duration_s"), playbook=playbook)
        if playbook not in ("backup", "validate"):
            found.add("outage_seconds", report.get("outage_s"), playbook=playbook)
        for phase in report.get("phases") or []:
            found.add("phase_duration_seconds", phase.get("duration_s"), playbook=playbook,
                      phase=phase.get("number") or "", name=phase.get("name") or "")


def position(state: StateDirectory, runs: t.Iterable[Report]) -> tuple[str, list[str]]:
    """Return where the last run that came to its end left a database, and the revisions it is to have recorded.

    ``("", [])`` before any. A database found well under an expectation is where that says, except that nothing is a
    rollback that was not rolled back.
    """
    for report in runs:
        outcome = report["outcome"]
        heads = report.get("goal_heads") or report.get("to_heads") or []
        if outcome in ("rolled_back", "already_rolled_back"):
            return ROLLED_BACK, heads
        # One whose application was not well afterwards is rolled back all the same.
        if outcome == FAILED_NEEDS_HUMAN and report["playbook"] == "rollback" and report.get("goal_heads") and (
                sorted(report.get("to_heads") or []) == sorted(report["goal_heads"])):
            return ROLLED_BACK, heads
        if outcome in MOVED or outcome == "validated":
            evidence = [_evidence(state, report, name) for name in ("plan.json", "after.json")]
            expected = next((each["expectation"] for each in evidence if each.get("expectation")), MIGRATED)
            if outcome == "remigrated" or expected == MIGRATED:
                return MIGRATED, heads
            if outcome != "validated":
                return ROLLED_BACK, heads
    return "", []


def last_failed(runs: t.Iterable[Report]) -> Report | None:
    """Return the failed run that nothing has put right since: neither one that moved the database nor a validation."""
    for report in runs:
        if report["outcome"] in (FAILED_UNCHANGED, FAILED_NEEDS_HUMAN) and report["playbook"] != "backup":
            return report
        if report["outcome"] in (*MOVED, "already_rolled_back", "validated"):
            return None
    return None


def _state(found: _Samples, state: StateDirectory, runs: t.Sequence[Report], live: t.Mapping[str, t.Any]) -> None:
    where, heads = position(state, runs)
    failed = last_failed(runs)
    found.add("in_force", where == ROLLED_BACK)
    found.add("failed", failed is not None, playbook=failed["playbook"] if failed else "",
              outcome=failed["outcome"] if failed else "")
    for revision in heads:
        found.add("expected_revision", 1, revision=revision, state=where)
    told: list[str] = next((report["to_heads"] for report in runs if report.get("to_heads")), [])
    for revision in live.get("heads", told) or []:
        found.add("recorded_revision", 1, revision=revision)


def _validation(found: _Samples, state: StateDirectory, runs: t.Sequence[Report]) -> None:
    checked = next((report for report in runs if report.get("checks")), None)
    if checked:
        results = [check["result"] for check in checked["checks"]]
        for result in ("pass", "fail", "warn", "skip"):
            found.add("checks", results.count(result), result=result)
        found.add("checks_failed", results.count("fail"))
        for check in checked["checks"]:
            found.add("check_failed", check["result"] in ("fail", "warn"), check=check["id"],
                      severity=check.get("severity", "fail"))
    functional = next(filter(None, (_evidence(state, report, "functional.json") for report in runs)), {})
    for check, measure in (functional.get("measures") or {}).items():
        for name, key in (("check_response_seconds", "ms"), ("check_baseline_response_seconds", "baseline_ms")):
            found.add(name, measure[key] / 1000 if measure.get(key) is not None else None, check=check)
        found.add("check_log_errors", measure.get("matched"), check=check)
    for service, used in (functional.get("memory") or {}).items():
        found.add("service_memory_bytes", used.get("after"), service=service)
        found.add("service_memory_before_bytes", used.get("before"), service=service)


def _tables(found: _Samples, state: StateDirectory, runs: t.Iterable[Report], watched: t.Sequence[str]) -> None:
    every = ((_evidence(state, report, name).get("tables") or {}) for report in runs
             for name in ("after.json", "before.json", MANIFEST))
    counted = next(filter(None, every), None)
    if counted is None:
        return
    for table in watched:
        # One that is given without its schema is looked for in all of them, as the search path does.
        there = counted.get(table) or next((one for name, one in sorted(counted.items()) if unqualified(name) == (
            unqualified(table)) or ("." not in table and name.endswith(f".{table}"))), None)
        found.add("table_present", there is not None, table=table)
        found.add("table_rows", there["rows"] if there else 0, table=table)


def _backups(found: _Samples, backups: str) -> None:
    newest = newest_good(backups, found.database)
    found.add("backup_timestamp_seconds", seconds(newest["finished_at"]) if newest else 0)
    if newest:
        found.add("backup_size_bytes", sum(entry["bytes"] for entry in newest["files"]))
        found.add("backup_restored_and_compared", bool(newest.get("restored_and_compared")))
    manifests = [read_json(os.path.join(backups, name, MANIFEST)) for name in (
        os.listdir(backups) if os.path.isdir(backups) else [])]
    moments = [seconds(manifest.get("compared_at")) for manifest in manifests
               if isinstance(manifest, dict) and manifest.get("database") == found.database]
    found.add("restore_verified_timestamp_seconds", max((moment for moment in moments if moment), default=0))


def _drills(found: _Samples, every: t.Iterable[Report]) -> None:
    drills = [report for report in every if report.get("playbook") == "drill"]
    passed = next((report for report in drills if report["outcome"] == PASSED), None)
    found.add("drill_passed_timestamp_seconds", seconds(passed["finished_at"]) if passed else 0)
    for report in drills[:1]:
        found.add("drill_last_outcome", 1, outcome=report["outcome"])


def _beside(found: _Samples, runs: t.Iterable[Report], live: t.Mapping[str, t.Any]) -> None:
    services = [report.get("services") or {} for report in runs]
    told: list[str] = next((each["left_stopped"] for each in services if any(each.values())), [])
    found.add("services_left_stopped", len(live.get("stopped", told)))
    kept = live.get("kept")
    if kept is not None:
        for kind in sorted({"kept", "safety", *(each["kind"] for each in kept)}):
            sizes = [each["bytes"] or 0 for each in kept if each["kind"] == kind]
            found.add("kept_databases", len(sizes), kind=kind)
            found.add("kept_databases_bytes", sum(sizes), kind=kind)


def _evidence(state: StateDirectory, report: Report, name: str) -> dict[str, t.Any]:
    return read_json(os.path.join(state.run_dir(str(report.get("run_id"))), name)) or {}
