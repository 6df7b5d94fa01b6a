# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's report as Markdown, for people and for tickets: what the page says, in the same order."""

from __future__ import annotations

import typing as t

from ._messages import say
from ._notified import rows
from ._report_blocks import shell, told_only
from ._report_words import moment, phase_named, result_named, route_named, seconds_told, step_named
from ._summary import summary

# A rehearsal's steps, and what is the same on the live database.
REAL = {"downgrade": "alembic_downgrade", "manual": "manual_rollback", "load": "restore_beside",
        "swap": "database_swap", "upgrade": "alembic_upgrade", "measure": "after"}
Report = t.Mapping[str, t.Any]


def markdown(report: dict[str, t.Any], language: str) -> str:
    """Return the report for people, in the guide's four sections, outcome first."""
    def line(key: str, label: str) -> str:
        return f"- **{say(language, label)}**{say(language, 'colon')} {report[key] or say(language, 'not_given')}"

    lines = [f"# {say(language, 'title', outcome=say(language, 'outcome_' + report['outcome']))}", "",
             *(f"- {line}" for line in summary(report, language, whole=True)), "",
             say(language, "html_footer", run=f"`{report['run_id']}`", start=moment(report["started_at"]),
                 end=moment(report["finished_at"])), "",
             f"## {say(language, 'head_reason')}", "", line("reason", "label_problem"), line("impact", "label_impact"),
             line("decision", "label_decision"), line("operator", "label_operator"), line("ticket", "label_ticket"), "",
             f"## {say(language, 'head_procedure')}", *_phases(report, language),
             *table(say(language, "col_step"), [
                 (step_named(language, step["name"]), moment(step["started_at"]),
                  seconds_told(step["duration_s"], language), result_named(language, step["result"]))
                 for step in report["steps"]]),
             *_plan(report, language), *_routes(report, language), *_rehearsal(report, language),
             *_commands(report, language)]
    if report["backup"]:
        lines += [say(language, "label_restore", path=f"`{report['backup']['restore']}`"), ""]
    if report["losses"]:
        lines += [f"## {say(language, 'head_losses')}",
                  *table(say(language, "col_loss"), [(loss["id"], loss["text"], dash(loss["rows"]))
                                                     for loss in report["losses"]])]
    lines += [f"## {say(language, 'head_validation')}", *_checks(report, language),
              *([f"## {say(language, 'notify_head')}", *table(say(language, "notify_columns"), rows(report, language))]
                if report.get("notifications") else []),
              f"## {say(language, 'head_next')}", "", *(f"- {step}" for step in report["next_steps"]),
              *(f"- {note}" for note in report.get("notes") or []), "",
              f"## {say(language, 'head_contacts')}", "",
              *(f"- {role}: {contact}" + (f" ({say(language, 'html_placeholder')})"
                                          if role in (report.get("placeholders") or []) else "")
                for role, contact in report["contacts"].items())]
    return "\n".join(lines).rstrip() + "\n"


def table(columns: str, cells: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
    """Return the lines of a table; ``columns`` are names with bars between them."""
    body = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in cells]
    return ["", columns, " | ".join(["---"] * len(columns.split(" | "))), *body, ""]


def dash(value: t.Any) -> t.Any:
    return "-" if value in (None, "") else value


def _titled(head: str, columns: str, cells: t.Sequence[t.Sequence[t.Any]]) -> list[str]:
    return [f"### {head}", *table(columns, cells)] if cells else []


def _phases(report: Report, language: str) -> list[str]:
    outage = report.get("outage")
    told = say(language, "html_outage_told", start=moment(outage["from"])[11:19], end=moment(outage["until"])[11:19],
               time=seconds_told(outage["seconds"], language)) if outage else say(language, "html_no_outage")
    columns = say(language, "html_cols_phases")
    return ["", *_titled(say(language, "html_timeline"), columns, [
        (phase_named(language, phase), moment(phase["started_at"])[11:19], seconds_told(phase["duration_s"], language),
         result_named(language, phase["result"])) for phase in report.get("phases") or []]), told, ""]


def _plan(report: Report, language: str) -> list[str]:
    plan = report.get("plan") or {}
    if report["outcome"] not in ("planned", "refused") or not plan.get("routes"):
        return []
    columns = say(language, "html_cols_plan")
    found = _titled(say(language, "html_plan"), columns, [
        (route_named(language, name), say(language, f"plan_verdict_{route['verdict']}"),
         "; ".join(route["reasons"] or [f"{loss['text']} ({loss['id']})" for loss in route["losses"]])
         or say(language, "html_nothing"), seconds_told(route["estimate_s"], language))
        for name, route in plan["routes"].items()])
    if plan["accept_line"]:
        found += [say(language, "html_accept"), "", "```sh", f"ansible-playbook rollback.yml {plan['accept_line']}",
                  "```", ""]
    return found


def _routes(report: Report, language: str) -> list[str]:
    columns = say(language, "html_cols_routes")
    return _titled(say(language, "html_routes"), columns, [
        (route_named(language, entry["route"]), result_named(language, entry["result"]), dash(entry["reason"]))
        for entry in report["routes_tried"]])


def _rehearsal(report: Report, language: str) -> list[str]:
    found = report.get("rehearsal") or {}
    real = {step["name"]: step["duration_s"] for step in report["steps"]}
    columns = say(language, "html_cols_rehearsal")
    return _titled(say(language, "html_rehearsal"), columns, [
        (step_named(language, step["name"]), seconds_told(step["seconds"], language),
         seconds_told(real.get(REAL.get(step["name"], "")), language), result_named(language, step["result"]))
        for step in found.get("steps") or []])


def _commands(report: Report, language: str) -> list[str]:
    typed = []
    for step in report["steps"]:
        if step["commands"] and step["name"] == "rehearsal":
            typed.append(f"# {step_named(language, step['name'])}, {say(language, 'html_on_copy')}\n"
                         f"{told_only(step['commands'])}")
        elif step["commands"]:
            typed.append(f"# {step_named(language, step['name'])}\n{shell(step['commands'], report['database'])}")
    return [f"{say(language, 'label_commands')}{say(language, 'colon')}", "", "```sh", *typed, "```", ""
            ] if typed else []


def _checks(report: Report, language: str) -> list[str]:
    checks = report["checks"]
    if not checks:
        return ["", say(language, "html_no_checks"), ""]
    if not any(check.get("before") for check in checks):
        return table(say(language, "col_check"), [
            (check["id"], check["expected"], check["observed"], say(language, f"result_{check['result']}"))
            for check in checks])
    columns = say(language, "html_cols_checks")
    return table(columns, [
        (check["id"], dash(check.get("before")), check["expected"], check["observed"],
         say(language, f"result_{check['result']}")) for check in checks])
