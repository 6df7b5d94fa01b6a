# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The lines that end a run on the terminal."""

from __future__ import annotations

import typing as t

from ._ladder import ROUTE_STEPS
from ._messages import say
from ._notified import told
from ._report import MOVED

# It fits a screen of 24 rows with what Ansible prints around it.
ROWS = 20
# Of the 80 columns, those that are left beside its indentation, quotes and comma.
COLUMNS = 69
# From which step on a line may go, the last first; what MUST is there whatever comes.
MUST, HELPS, NICE = 0, 1, 2
# Of more checks than this, only those that did not pass are named.
SHOWN_CHECKS = 8


def _heads(heads: t.Sequence[str] | None, language: str) -> str:
    return ", ".join(heads or []) or say(language, "none")


def summary(report: dict[str, t.Any], language: str, place: str = "", whole: bool = False) -> list[str]:
    """Return the few lines that end a run on the terminal; ``place`` is where the report will be.

    The outcome stands first and what to do next last; what does not fit one screen is left
    to the report, unless the ``whole`` is wanted.
    """
    first = say(language, "sum_outcome", outcome=report["outcome"], text=say(language, f"outcome_{report['outcome']}"),
                database=report["database"])
    body = [(MUST, first), *_what(report, language), *_checks(report["checks"], language)]
    if report["backup"]:
        key = "sum_backup_proved" if report["backup"]["restored_and_compared"] else "sum_backup"
        body.append((HELPS, say(language, key, path=report["backup"]["path"], bytes=report["backup"]["bytes"])))
    body += [(NICE, line) for line in _rehearsal_lines(report.get("rehearsal"), language)]
    if report["losses"] and report["outcome"] != "planned":
        body += [(HELPS, say(language, "sum_losses", number=len(report["losses"]))), *(
            (NICE, say(language, "sum_loss", id=loss["id"], text=loss["text"])) for loss in report["losses"])]
    body += [(HELPS, line) for line in told(report, language)]
    end = [say(language, "sum_report", path=place)] if place else []
    end += [say(language, "sum_next", next=step) for step in report["next_steps"]]
    if whole:
        return [*(line for _rank, line in body), *end]
    return [*_fitting(body, ROWS - sum(map(_height, end)), language), *end]


def _fitting(body: list[tuple[int, str]], rows: int, language: str) -> list[str]:
    """Return the lines, without the last of those that may go as long as they would take more rows."""
    kept = list(body)
    for rank in (NICE, HELPS):
        while sum(_height(line) for _rank, line in kept) + (len(kept) < len(body)) > rows:
            last = next((place for place in reversed(range(len(kept))) if kept[place][0] == rank), None)
            if last is None:
                break
            del kept[last]
    gone = len(body) - len(kept)
    return [line for _rank, line in kept] + ([say(language, "sum_more", number=gone)] if gone else [])


def _height(line: str) -> int:
    return max(1, -(-len(line) // COLUMNS))


def _what(report: dict[str, t.Any], language: str) -> list[tuple[int, str]]:
    """Say what happened: why it failed, what was tried, which way was gone, what it cost, what stands where."""
    lines = []
    if report["failure"]:
        lines += [(MUST, say(language, "sum_why", reason=report["failure"])),
                  (MUST, say(language, "sum_measured", rests_on=report["outcome_rests_on"]))]
    if report["resumed_after"]:
        lines.append((HELPS, say(language, "sum_resumed", steps=", ".join(report["resumed_after"]))))
    lines += [(HELPS, say(language, "sum_tried", route=entry["route"], reason=entry["reason"] or entry["result"]))
              for entry in report["routes_tried"] if entry["result"] != "ok" and len(report["routes_tried"]) > 1]
    moved = report["playbook"] == "rollback", report["outcome"] in MOVED
    if any(moved):
        heads = {key: _heads(report[key], language) for key in ("from_heads", "to_heads")}
        lines += [(MUST, say(language, "sum_route", route=report["route"] or say(language, "none"), **heads)
                   if moved[0] else say(language, "sum_moved", **heads)),
                  (MUST, say(language, "sum_outage", outage=report["outage_s"], duration=report["duration_s"]))]
    lines += [(HELPS, say(language, f"sum_{key}", name=report[key]))
              for key in ("safety_copy", "kept_database", "set_aside") if report.get(key)]
    lines += [(NICE, say(language, "sum_exported", text=text)) for text in report.get("exported", [])]
    services = report.get("services") or {}
    if services.get("stopped") or services.get("left_stopped"):
        lines.append((MUST, say(language, "sum_services", **{
            key: ", ".join(services[name]) or "-"
            for key, name in (("stopped", "stopped"), ("resumed", "resumed"), ("left", "left_stopped"))})))
    return lines


def _checks(checks: t.Sequence[t.Mapping[str, t.Any]], language: str) -> list[tuple[int, str]]:
    """Count the checks and name them; first those that did not pass."""
    if not checks:
        return []
    results = [check["result"] for check in checks]
    passed, failed = results.count("pass"), results.count("fail")
    ranks = {"fail": MUST, "warn": HELPS}
    shown = [check for check in checks if len(checks) <= SHOWN_CHECKS or check["result"] != "pass"]
    named = sorted(shown, key=lambda check: ranks.get(check["result"], NICE))
    return [(MUST, say(language, "sum_checks", passed=passed, failed=failed,
                       other=len(results) - passed - failed)), *(
        (ranks.get(check["result"], NICE), say(
            language, "sum_check", id=check["id"], observed=check["observed"], expected=check["expected"],
            result=say(language, f"result_{check['result']}"))) for check in named)]


def _rehearsal_lines(rehearsal: dict[str, t.Any] | None, language: str) -> list[str]:
    if not rehearsal:
        return []
    if rehearsal["result"] == "skipped":
        return [say(language, "sum_unrehearsed")]
    seconds = next((step["seconds"] for step in rehearsal["steps"] if step["name"] in ROUTE_STEPS), "-")
    lock = rehearsal.get("longest_lock") or {}
    return [say(language, "sum_rehearsal", result=say(language, f"result_{rehearsal['result']}"), seconds=seconds,
                lock=f"{lock['held_s']} s ({lock['table']})" if lock else "-")]
