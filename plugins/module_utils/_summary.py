# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The lines that end a run on the terminal."""

from __future__ import annotations

import typing as t

from ._ladder import ROUTE_STEPS
from ._messages import say
from ._report import MOVED

# The summary fits one screen: with more checks than this, only those that did not pass are named.
SHOWN_CHECKS = 8


def _heads(heads: t.Sequence[str] | None, language: str) -> str:
    return ", ".join(heads or []) or say(language, "none")


def summary(report: dict[str, t.Any], language: str, place: str = "") -> list[str]:
    """Return the few lines that end a run on the terminal; ``place`` is where the report will be."""
    results = [check["result"] for check in report["checks"]]
    shown = [check for check in report["checks"] if len(results) <= SHOWN_CHECKS or check["result"] != "pass"]
    lines = [say(language, "sum_outcome", outcome=report["outcome"], text=say(language, f"outcome_{report['outcome']}"),
                 database=report["database"])]
    if report["failure"]:
        lines += [say(language, "sum_why", reason=report["failure"]),
                  say(language, "sum_measured", rests_on=report["outcome_rests_on"])]
    if report["resumed_after"]:
        lines.append(say(language, "sum_resumed", steps=", ".join(report["resumed_after"])))
    lines += [say(language, "sum_tried", route=entry["route"], reason=entry["reason"] or entry["result"])
              for entry in report["routes_tried"] if entry["result"] != "ok" and len(report["routes_tried"]) > 1]
    for key in ("safety_copy", "kept_database", "set_aside"):
        if report.get(key):
            lines.append(say(language, f"sum_{key}", name=report[key]))
    if report["playbook"] == "rollback":
        lines += [say(language, "sum_route", route=report["route"] or say(language, "none"),
                      from_heads=_heads(report["from_heads"], language), to_heads=_heads(report["to_heads"], language)),
                  say(language, "sum_outage", outage=report["outage_s"], duration=report["duration_s"])]
    elif report["outcome"] in MOVED:
        lines += [say(language, "sum_moved", from_heads=_heads(report["from_heads"], language),
                      to_heads=_heads(report["to_heads"], language)),
                  say(language, "sum_outage", outage=report["outage_s"], duration=report["duration_s"])]
    lines += [say(language, "sum_exported", text=text) for text in report.get("exported", [])]
    services = report.get("services") or {}
    if services.get("stopped") or services.get("left_stopped"):
        lines.append(say(language, "sum_services", **{
            key: ", ".join(services[name]) or "-"
            for key, name in (("stopped", "stopped"), ("resumed", "resumed"), ("left", "left_stopped"))}))
    if results:
        passed, failed = results.count("pass"), results.count("fail")
        lines.append(say(language, "sum_checks", passed=passed, failed=failed, other=len(results) - passed - failed))
        lines += [say(language, "sum_check", id=check["id"], observed=check["observed"], expected=check["expected"],
                      result=say(language, f"result_{check['result']}")) for check in shown]
    if report["backup"]:
        key = "sum_backup_proved" if report["backup"]["restored_and_compared"] else "sum_backup"
        lines.append(say(language, key, path=report["backup"]["path"], bytes=report["backup"]["bytes"]))
    lines += _rehearsal_lines(report.get("rehearsal"), language)
    if report["losses"] and report["outcome"] != "planned":
        lines += [say(language, "sum_losses"), *(say(language, "sum_loss", id=loss["id"], text=loss["text"])
                                                 for loss in report["losses"])]
    if place:
        lines.append(say(language, "sum_report", path=place))
    return lines + [say(language, "sum_next", next=step) for step in report["next_steps"]]


def _rehearsal_lines(rehearsal: dict[str, t.Any] | None, language: str) -> list[str]:
    if not rehearsal:
        return []
    if rehearsal["result"] == "skipped":
        return [say(language, "sum_unrehearsed")]
    seconds = next((step["seconds"] for step in rehearsal["steps"] if step["name"] in ROUTE_STEPS), "-")
    lock = rehearsal.get("longest_lock") or {}
    return [say(language, "sum_rehearsal", result=say(language, f"result_{rehearsal['result']}"), seconds=seconds,
                lock=f"{lock['held_s']} s ({lock['table']})" if lock else "-")]
