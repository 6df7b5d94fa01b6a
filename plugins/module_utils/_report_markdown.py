# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's report as Markdown, for people and for tickets."""

from __future__ import annotations

import typing as t

from ._messages import say
from ._summary import summary


def markdown(report: dict[str, t.Any], language: str) -> str:
    """Return the report for people: the guide's four sections, outcome first."""
    def line(key: str, label: str) -> str:
        return f"- **{say(language, label)}**{say(language, 'colon')} {report[key] or say(language, 'not_given')}"

    def table(columns: str, rows: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
        head = say(language, columns)
        body = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
        return ["", head, " | ".join(["---"] * len(head.split(" | "))), *body, ""]

    commands = [line for step in report["steps"] for line in step["commands"]]
    lines = [f"# {say(language, 'title', outcome=say(language, 'outcome_' + report['outcome']))}", "",
             *(f"- {line}" for line in summary(report, language)), "",
             f"Run `{report['run_id']}`, {report['started_at']} - {report['finished_at']}", "",
             f"## {say(language, 'head_reason')}", "", line("reason", "label_problem"), line("impact", "label_impact"),
             line("decision", "label_decision"), line("operator", "label_operator"), line("ticket", "label_ticket"), "",
             f"## {say(language, 'head_procedure')}",
             *table("col_step", [(step["name"], step["started_at"], step["duration_s"], step["result"])
                                 for step in report["steps"]])]
    if commands:
        lines += [f"{say(language, 'label_commands')}{say(language, 'colon')}", "", "```sh", *commands, "```", ""]
    if report["backup"]:
        lines += [say(language, "label_restore", path=f"`{report['backup']['restore']}`"), ""]
    if report["losses"]:
        lines += [f"## {say(language, 'head_losses')}",
                  *table("col_loss", [(loss["id"], loss["text"], "-" if loss["rows"] is None else loss["rows"])
                                      for loss in report["losses"]])]
    lines += [f"## {say(language, 'head_validation')}",
              *table("col_check", [(check["id"], check["expected"], check["observed"], check["result"])
                                   for check in report["checks"]]),
              f"## {say(language, 'head_next')}", "", *(f"- {step}" for step in report["next_steps"]), "",
              f"## {say(language, 'head_contacts')}", "",
              *(f"- {role}: {contact}" for role, contact in report["contacts"].items())]
    return "\n".join(lines).rstrip() + "\n"
