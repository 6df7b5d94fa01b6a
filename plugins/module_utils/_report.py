# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's end: the outcome as measured, the report built from its evidence, the summary for the terminal."""

from __future__ import annotations

import os
import typing as t

from ._counts import differences
from ._errors import FAILED_NEEDS_HUMAN, FAILED_UNCHANGED, REFUSED
from ._evidence import Journal, new_run_id, now, read_json, seconds_between
from ._messages import say
from ._run import META

NOT_VALID = "not_valid"
GOOD = ("rolled_back", "already_rolled_back", "planned", "backed_up", "validated")


def judge_failure(run_dir: str, claimed: str, measure: t.Callable[[], dict[str, t.Any]]) -> tuple[str, str]:
    """Return the outcome of a run that failed, and what that rests on.

    Where no step of ours began to act, nothing of ours can have changed the database. Otherwise ``measure`` reads it
    again and every table is compared with the evidence from before.
    """
    if not Journal(run_dir).acted():
        return (claimed if claimed in (REFUSED, NOT_VALID) else FAILED_UNCHANGED), "no step that acts was begun"
    before = read_json(os.path.join(run_dir, "before.json"))
    if before is None:
        return FAILED_NEEDS_HUMAN, "there is no evidence from before to compare with"
    try:
        after = measure()
    except Exception as error:  # pylint: disable=broad-except
        # Whatever keeps us from measuring, an unmeasured database is not called unchanged.
        return FAILED_NEEDS_HUMAN, f"the database could not be measured: {error}"
    if after["heads"] != before["heads"]:
        return FAILED_NEEDS_HUMAN, f"recorded revisions {before['heads']} became {after['heads']}"
    changed = differences(before["tables"], after["tables"])
    if changed:
        return FAILED_NEEDS_HUMAN, "; ".join(f"{entry['table']}: {entry['before']} -> {entry['after']} rows"
                                             for entry in changed)
    return FAILED_UNCHANGED, f"recorded revisions and {len(after['tables'])} tables are as before"


def steps_of(journal: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Pair the journal's lines: ``{name, started_at, duration_s, result, commands}``."""
    steps: list[dict[str, t.Any]] = []
    for line in journal:
        if line["event"] == "begun":
            steps.append({"name": line["step"], "started_at": line["at"], "duration_s": None, "result": "under way",
                          "commands": []})
        elif line["event"] == "ended":
            step = next(step for step in reversed(steps) if step["name"] == line["step"])
            step.update(duration_s=line["duration_s"], result=line["result"], commands=line["commands"])
    return steps


def outage(journal: t.Sequence[dict[str, t.Any]]) -> float:
    """Return the seconds from the evidence taken before acting to the end of the last step that measured or acted."""
    begun = [line["at"] for line in journal if line["event"] == "begun" and line["step"] == "before"]
    ended = [line["at"] for line in journal if line["event"] == "ended" and (
        line["step"] in ("before", "after") or line["step"].startswith("alembic_"))]
    acted = any(line.get("acts") for line in journal)
    return seconds_between(begun[-1], ended[-1]) if begun and ended and acted else 0.0


def build(run_dir: str, outcome: str, told: dict[str, t.Any], language: str) -> dict[str, t.Any]:
    """Return ``report.json``: everything the run directory tells, and what the operator told."""
    evidence = {name: read_json(os.path.join(run_dir, f"{name}.json")) or {} for name in
                ("plan", "before", "backup", "after")}
    meta = read_json(os.path.join(run_dir, META)) or {}
    journal = Journal(run_dir).lines()
    finished = now()
    plan, backup = evidence["plan"], evidence["backup"]
    tried = [line for line in journal if line["event"] == "ended" and line["step"] == "alembic_downgrade"]
    files = [entry for entry in backup.get("files", []) if entry["scope"] == "database"] or backup.get("files", [])
    restore = os.path.join(backup["path"], "RESTORE.txt") if backup else say(language, "none")
    after_heads = (evidence["after"] or evidence["before"]).get("heads", plan.get("from_heads", []))
    return {
        # A run refused before it had a directory still leaves a report on the controller.
        "run_id": meta.get("run_id") or new_run_id(),
        "playbook": meta.get("playbook"),
        "outcome": outcome,
        "outcome_rests_on": told.get("rests_on", ""),
        "route": "alembic" if outcome == "rolled_back" else None,
        "routes_tried": [{"route": "alembic", "result": line["result"], "reason": line.get("reason", ""),
                          "attempts": line.get("attempts"), "blockers": line.get("blockers", [])} for line in tried],
        "database": meta.get("database"),
        "migration": plan.get("migration"),
        "from_heads": plan.get("from_heads", evidence["before"].get("heads", [])),
        "to_heads": after_heads if outcome != "refused" else plan.get("from_heads", []),
        "goal_heads": plan.get("to_heads", []),
        "reason": told.get("reason", ""),
        "impact": told.get("impact", ""),
        "decision": told.get("decision", ""),
        "operator": meta.get("operator", ""),
        "ticket": told.get("ticket", ""),
        "failure": told.get("failure", ""),
        "started_at": meta.get("started_at", finished),
        "finished_at": finished,
        "duration_s": seconds_between(meta.get("started_at", finished), finished),
        "outage_s": outage(journal),
        "resumed_after": [name for line in journal if line["event"] == "resumed" for name in line["cut_off"]],
        "steps": steps_of(journal),
        "backup": {"path": backup["path"], "bytes": sum(entry["bytes"] for entry in files),
                   "sha256": files[0]["sha256"], "verified": backup["verified"],
                   "restored_and_compared": backup["restored_and_compared"], "restore": restore} if backup else None,
        "rehearsal": None,
        "checks": evidence["after"].get("results", []),
        "losses": [],
        "next_steps": told.get("next_steps") or [_next_step(outcome, restore, language)],
        "contacts": told.get("contacts", {}),
        "notifications": [],
    }


def _next_step(outcome: str, restore: str, language: str) -> str:
    key = {"refused": "next_refused", FAILED_UNCHANGED: "next_failed_unchanged",
           FAILED_NEEDS_HUMAN: "next_failed_needs_human", "not_valid": "next_refused",
           "rolled_back": "next_rolled_back"}.get(outcome, "next_done")
    return say(language, key, restore=restore)


def _heads(heads: t.Sequence[str] | None, language: str) -> str:
    return ", ".join(heads or []) or say(language, "none")


def summary(report: dict[str, t.Any], language: str) -> list[str]:
    """Return the few lines that end a run on the terminal."""
    results = [check["result"] for check in report["checks"]]
    lines = [say(language, "sum_outcome", outcome=report["outcome"], text=say(language, f"outcome_{report['outcome']}"),
                 database=report["database"])]
    if report["failure"]:
        lines.append(say(language, "sum_why", reason=report["failure"]))
    if report["resumed_after"]:
        lines.append(say(language, "sum_resumed", steps=", ".join(report["resumed_after"])))
    if report["playbook"] == "rollback":
        lines += [say(language, "sum_route", route=report["route"] or say(language, "none"),
                      from_heads=_heads(report["from_heads"], language), to_heads=_heads(report["to_heads"], language)),
                  say(language, "sum_outage", outage=report["outage_s"], duration=report["duration_s"])]
    if results:
        passed, failed = results.count("pass"), results.count("fail")
        lines.append(say(language, "sum_checks", passed=passed, failed=failed, other=len(results) - passed - failed))
    if report["backup"]:
        lines.append(say(language, "sum_backup", path=report["backup"]["path"], bytes=report["backup"]["bytes"]))
    return lines + [say(language, "sum_next", next=step) for step in report["next_steps"]]


def markdown(report: dict[str, t.Any], language: str) -> str:
    """Return the report for people: the guide's four sections, outcome first."""
    def told(key: str, label: str) -> str:
        return f"- **{say(language, label)}**: {report[key] or say(language, 'not_given')}"

    def table(columns: str, rows: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
        head = say(language, columns)
        body = [" | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
        return ["", head, " | ".join(["---"] * len(head.split(" | "))), *body, ""]

    commands = [line for step in report["steps"] for line in step["commands"]]
    lines = [f"# {say(language, 'title', outcome=say(language, 'outcome_' + report['outcome']))}", "",
             *(f"- {line}" for line in summary(report, language)), "",
             f"Run `{report['run_id']}`, {report['started_at']} - {report['finished_at']}", "",
             f"## {say(language, 'head_reason')}", "", told("reason", "label_problem"), told("impact", "label_impact"),
             told("decision", "label_decision"), told("operator", "label_operator"), told("ticket", "label_ticket"), "",
             f"## {say(language, 'head_procedure')}",
             *table("col_step", [(step["name"], step["started_at"], step["duration_s"], step["result"])
                                 for step in report["steps"]])]
    if commands:
        lines += [f"{say(language, 'label_commands')}:", "", "```sh", *commands, "```", ""]
    if report["backup"]:
        lines += [say(language, "label_restore", path=f"`{report['backup']['restore']}`"), ""]
    lines += [f"## {say(language, 'head_validation')}",
              *table("col_check", [(check["id"], check["expected"], check["observed"], check["result"])
                                   for check in report["checks"]]),
              f"## {say(language, 'head_next')}", "", *(f"- {step}" for step in report["next_steps"]), "",
              f"## {say(language, 'head_contacts')}", "",
              *(f"- {role}: {contact}" for role, contact in report["contacts"].items())]
    return "\n".join(lines).rstrip() + "\n"
