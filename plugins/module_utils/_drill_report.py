# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The report of a drill: each step's time beside the guide's estimate, and how long ago the last one passed."""

from __future__ import annotations

import os
import typing as t

from ._evidence import StateDirectory, now, read_json, seconds_between
from ._messages import say
from ._notified import told

PASSED, FAILED = "drill_passed", "drill_failed"
# What a drill calls its steps, and the steps of a rehearsal each is made of.
STEPS = {"restore": ("start", "restore", "compare"), "migrate": ("migrate",), "roll_back": ("downgrade",),
         "validate": ("measure",), "remigrate": ("upgrade",), "by_hand": ("manual",),
         "restore_back": ("load", "swap")}
# The guide's own estimates, in minutes: by Alembic, then data corrected and migrated again, then a backup restored.
GUIDE_MINUTES = {"roll_back": (2, 3), "remigrate": (10, 15), "restore": (5, 10), "restore_back": (5, 10)}


def steps_of(record: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return a drill's steps: ``{name, started_at, duration_s, result, guide_minutes, commands}``.

    ``result`` is ``pass``, ``fail``, or ``skip`` for what was not come to.
    """
    found = []
    for name, parts in STEPS.items():
        played = [step for step in record["steps"] if step["name"] in parts]
        if not played and name == "migrate":
            continue
        result = "skip" if not played else "pass" if all(step["result"] == "ok" for step in played) else "fail"
        found.append({"name": name, "started_at": played[0]["started_at"] if played else None,
                      "duration_s": round(sum(step["seconds"] for step in played), 3) if played else None,
                      "result": result, "guide_minutes": list(GUIDE_MINUTES.get(name, ())) or None, "commands": []})
    return found


def last_passed(state: StateDirectory, database: str) -> dict[str, t.Any] | None:
    """Return the newest report of a drill on a database that passed."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        report = None if name == "latest" else read_json(os.path.join(state.run_dir(name), "report.json"))
        if report and (report.get("playbook"), report.get("outcome"), report.get("database")) == (
                "drill", PASSED, database):
            return t.cast("dict[str, t.Any]", report)
    return None


def report_of(meta: t.Mapping[str, t.Any], manifest: t.Mapping[str, t.Any], record: t.Mapping[str, t.Any],
              previous: t.Mapping[str, t.Any] | None, failure: str, language: str) -> dict[str, t.Any]:
    """Return a drill's ``report.json``."""
    finished = now()
    steps = steps_of(record)
    steps[0]["commands"] = record["commands"]
    return {
        **meta, "outcome": FAILED if failure else PASSED, "failure": failure,
        "to_revision": record.get("to_revision"), "from_heads": record.get("from_heads") or manifest["heads"] or [],
        "to_heads": record.get("to_heads") or [], "path": record.get("path") or [],
        "finished_at": finished, "duration_s": seconds_between(meta["started_at"], finished), "steps": steps,
        "backup": {"backup_id": manifest["backup_id"], "path": manifest["path"],
                   "finished_at": manifest["finished_at"],
                   "age_s": seconds_between(manifest["finished_at"], meta["started_at"]),
                   "restored_and_compared": any(step["name"] == "compare" and step["result"] == "ok"
                                                for step in record["steps"])},
        "last_passed": previous and {"run_id": previous["run_id"], "finished_at": previous["finished_at"],
                                     "age_s": seconds_between(previous["finished_at"], meta["started_at"])},
        **{key: record[key] for key in ("isolation", "system_identifier", "production_identifier", "revisions",
                                        "longest_lock", "losses", "upgrade_again", "checks")},
        "next_steps": [say(language, "drill_next_failed" if failure else "next_done")],
    }


def summary(report: t.Mapping[str, t.Any], language: str, place: str = "") -> list[str]:
    """Return the lines that end a drill on the terminal; ``place`` is where the report will be."""
    lines = [say(language, "sum_outcome", outcome=report["outcome"], text=say(language, f"outcome_{report['outcome']}"),
                 database=report["database"])]
    if report["failure"]:
        lines.append(say(language, "sum_why", reason=report["failure"]))
    lines.append(say(language, "drill_backup", path=report["backup"]["path"], hours=_hours(report["backup"])))
    for step in report["steps"]:
        lines.append(say(language, "drill_step", name=say(language, f"drill_{step['name']}"),
                         result=say(language, f"result_{step['result']}"), seconds=_or_dash(step["duration_s"]),
                         guide=_guide(step, language)))
    again = report["upgrade_again"]
    if again and again["differs"]:
        lines.append(say(language, "rehearsal_told_differs", differs=", ".join(again["differs"])))
    last = report["last_passed"]
    lines.append(say(language, "drill_last_passed", run_id=last["run_id"], hours=_hours(last)) if last
                 else say(language, "drill_never_passed"))
    lines += told(report, language)
    if place:
        lines.append(say(language, "sum_report", path=place))
    return lines + [say(language, "sum_next", next=step) for step in report["next_steps"]]


def markdown(report: t.Mapping[str, t.Any], language: str) -> str:
    """Return the report for people."""
    commands = [line for step in report["steps"] for line in step["commands"]]
    lines = [f"# {say(language, 'drill_title', outcome=say(language, 'outcome_' + report['outcome']))}", "",
             *(f"- {line}" for line in summary(report, language)), "",
             f"Run `{report['run_id']}`, {report['started_at']} - {report['finished_at']}", "",
             f"## {say(language, 'head_procedure')}",
             *_table(say(language, "drill_columns"), [
                 (say(language, f"drill_{step['name']}"), _or_dash(step["duration_s"]), _guide(step, language),
                  say(language, f"result_{step['result']}")) for step in report["steps"]])]
    if commands:
        lines += [f"{say(language, 'label_commands')}{say(language, 'colon')}", "", "```sh", *commands, "```", ""]
    lines += [f"## {say(language, 'head_validation')}",
              *_table(say(language, "col_check"), [
                  (check["id"], check["expected"], check["observed"], say(language, f"result_{check['result']}"))
                  for check in report["checks"]]),
              *(f"- {loss['id']}: {loss['text']}" for loss in report["losses"])]
    return "\n".join(lines).rstrip() + "\n"


def _hours(what: t.Mapping[str, t.Any]) -> float:
    return round(what["age_s"] / 3600, 1)


def _or_dash(seconds: float | None) -> str:
    return "-" if seconds is None else str(seconds)


def _guide(step: t.Mapping[str, t.Any], language: str) -> str:
    minutes = step["guide_minutes"]
    return say(language, "drill_guide", least=minutes[0], most=minutes[1]) if minutes else "-"


def _table(columns: str, cells: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
    body = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in cells]
    return ["", columns, " | ".join(["---"] * len(columns.split(" | "))), *body, ""]
