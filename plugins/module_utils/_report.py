# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's end: the outcome as measured, the report built from its evidence, the summary for the terminal."""

from __future__ import annotations

import os
import typing as t

from ._errors import FAILED_NEEDS_HUMAN, FAILED_UNCHANGED
from ._evidence import Journal, new_run_id, now, read_json, seconds_between
from ._ladder import ROUTE_STEPS, tried
from ._messages import say
from ._run import META
from ._verdict import validated

# The summary fits one screen: with more checks than this, only those that did not pass are named.
SHOWN_CHECKS = 8
# Those of a database that was moved to where it was wanted.
MOVED = ("rolled_back", "restored", "undone", "remigrated")
GOOD = (*MOVED, "already_rolled_back", "planned", "backed_up", "validated")


def steps_of(journal: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Pair the journal's lines: ``{name, started_at, duration_s, result, commands}``."""
    steps: list[dict[str, t.Any]] = []
    for line in journal:
        if line["event"] == "begun":
            steps.append({"name": line["step"], "started_at": line["at"], "duration_s": None, "result": "under way",
                          "commands": []})
        elif line["event"] == "ended":
            nothing: dict[str, t.Any] = {}
            step = next((step for step in reversed(steps) if step["name"] == line["step"]), nothing)
            step.update(duration_s=line["duration_s"], result=line["result"], commands=line["commands"])
    return steps


def outage(journal: t.Sequence[dict[str, t.Any]]) -> float:
    """Return the seconds from the evidence before the first act to the end of the last step that acted or measured.

    A run that was cut off while it acted and taken up later had its outage all the while. Where services were stopped,
    it is from then until they were back.
    """
    stopping = next((line["at"] for line in journal if line["event"] == "begun" and line["step"] == "quiesce"), None)
    back = [line["at"] for line in journal if line["event"] == "ended" and line["step"] == "resume"]
    if stopping and back:
        return seconds_between(stopping, back[-1])
    acting = next((number for number, line in enumerate(journal) if line.get("acts")), 0)
    acts = {line["step"] for line in journal if line.get("acts")}
    begun = [line["at"] for line in journal[:acting] if line["event"] == "begun" and line["step"] == "before"]
    ended = [line["at"] for line in journal if line["event"] == "ended" and (
        line["step"] in ("before", "after") or line["step"] in acts)]
    return seconds_between(begun[-1], ended[-1]) if begun and ended else 0.0


def services_of(record: dict[str, t.Any], journal: t.Iterable[dict[str, t.Any]]) -> dict[str, list[t.Any]]:
    """Return what became of the services: stopped, resumed, held back, and left stopped, by us or before."""
    last = [line for line in journal if line["event"] == "ended" and line["step"] == "resume"][-1:]
    resumed = [name for line in last for name in line.get("resumed", [])]
    known = record.get("services") or {}
    return {"stopped": [name for name, kept in known.items() if kept["running"]], "resumed": resumed,
            "held": [each for line in last for each in line.get("held", [])],
            "left_stopped": [name for name in known if name not in resumed]}


def build(run_dir: str, outcome: str, given: dict[str, t.Any], language: str) -> dict[str, t.Any]:
    """Return ``report.json``: everything the run directory tells, and what the operator gave."""
    def read(name: str) -> dict[str, t.Any]:
        return (run_dir and read_json(os.path.join(run_dir, name))) or {}

    evidence = {name: read(f"{name}.json") for name in (
        "plan", "before", "backup", "after", "functional", "services", "rehearsal")}
    meta = read(META)
    journal = Journal(run_dir).lines()
    finished = now()
    plan, backup = evidence["plan"], evidence["backup"]
    routes = tried(journal)
    route = routes[-1]["route"] if routes else (plan.get("ladder") or [None])[0]
    rehearsal = read(f"rehearsal-{route}.json") or evidence["rehearsal"]
    files = [entry for entry in backup.get("files", []) if entry["scope"] == "database"] or backup.get("files", [])
    restore = os.path.join(backup["path"], "RESTORE.txt") if backup else say(language, "none")
    services = services_of(evidence["services"], journal)
    left = [each["reason"] for each in services["held"]]
    if services["left_stopped"]:
        left.append(say(language, "next_left_stopped", services=", ".join(services["left_stopped"])))
    left += _migrates_again(plan, outcome, language)
    known_heads = (evidence["after"] or evidence["before"]).get("heads", plan.get("from_heads", []))
    after_heads = given.get("measured_heads") or known_heads
    return {
        # A run refused before it had a directory still leaves a report on the controller.
        "run_id": meta.get("run_id") or new_run_id(),
        "playbook": meta.get("playbook"),
        "outcome": outcome,
        "outcome_rests_on": given.get("rests_on", ""),
        "route": routes[-1]["route"] if routes else None,
        **_kept(journal),
        "exported": [text for line in journal if line["event"] == "ended" for text in line.get("exported", [])],
        "routes_tried": routes,
        "database": meta.get("database"),
        "migration": plan.get("migration"),
        "from_heads": plan.get("from_heads", evidence["before"].get("heads", [])),
        "to_heads": after_heads if outcome != "refused" else plan.get("from_heads", []),
        "goal_heads": plan.get("to_heads", []),
        "reason": given.get("reason", ""),
        "impact": given.get("impact", ""),
        "decision": given.get("decision", ""),
        "operator": meta.get("operator", ""),
        "ticket": given.get("ticket", ""),
        "failure": given.get("failure", ""),
        "started_at": meta.get("started_at", finished),
        "finished_at": finished,
        "duration_s": seconds_between(meta.get("started_at", finished), finished),
        "outage_s": outage(journal),
        "resumed_after": [name for line in journal if line["event"] == "resumed" for name in line["cut_off"]],
        "steps": steps_of(journal),
        "services": services,
        "memory": evidence["functional"].get("memory", {}),
        "backup": {"path": backup["path"], "bytes": sum(entry["bytes"] for entry in backup["files"]),
                   "sha256": files[0]["sha256"], "verified": backup["verified"],
                   "restored_and_compared": backup["restored_and_compared"], "restore": restore} if backup else None,
        "rehearsal": _rehearsal(rehearsal, plan),
        "checks": evidence["after"].get("results", []) + evidence["functional"].get("results", []),
        "losses": _losses(plan, rehearsal, route) if outcome in (
            "rolled_back", "restored", "undone", "planned", FAILED_NEEDS_HUMAN) else [],
        "next_steps": [*left, *(given.get("next_steps") or [
            say(language, "next_not_functional") if outcome == FAILED_NEEDS_HUMAN
            and validated(run_dir, given.get("measured_heads")) else _next_step(
                outcome, restore, language, given.get("playbook") or "rollback")])],
        "contacts": given.get("contacts", {}),
        "notifications": [],
    }


def _losses(plan: dict[str, t.Any], rehearsal: dict[str, t.Any], route: str | None) -> list[dict[str, t.Any]]:
    """Return what was announced, with what a rehearsal showed besides and was accepted by name."""
    announced = plan.get("routes", {}).get(route or "alembic", {}).get("losses", [])
    known = {loss["id"] for loss in announced}
    shown = rehearsal.get("losses", []) if rehearsal.get("result") == "pass" else []
    return [*announced, *(loss for loss in shown if loss["id"] not in known)]


def _kept(journal: t.Sequence[dict[str, t.Any]]) -> dict[str, str | None]:
    """Return the databases that stand beside the live one: the copy of it as it was before, what was replaced.

    ``set_aside`` is what a route that failed had left, and recovery took the place of: nobody wants that back unasked.
    """
    found: dict[str, list[str]] = {"safety_copy": [], "kept_database": [], "set_aside": []}
    for line in journal:
        if line["event"] != "ended":
            continue
        if line["step"] == "safety_copy" and line.get("copy"):
            found["safety_copy"].append(line["copy"]["name"])
        elif line["step"] == "database_swap" and line.get("kept"):
            # What was put back is the live database now; its name may be another copy's later on.
            found = {kind: [name for name in names if name != line["replacement"]] for kind, names in found.items()}
            found["set_aside" if line.get("purpose") == "recovery" else "kept_database"].append(line["kept"])
    return {kind: names[-1] if names else None for kind, names in found.items()}


def _rehearsal(found: dict[str, t.Any], plan: dict[str, t.Any]) -> dict[str, t.Any] | None:
    """Return what the rehearsal showed, without the tables it measured; None where nothing was to be rehearsed."""
    if found:
        return {key: part for key, part in found.items() if key not in ("before", "after")}
    skipped = "unrehearsed" in plan.get("accepted", []) and plan.get("position") == "applied"
    return {"result": "skipped", "accepted": "unrehearsed"} if skipped else None


def _migrates_again(plan: dict[str, t.Any], outcome: str, language: str) -> list[str]:
    """Warn of what the project's files, as they are, would do to a database that was rolled back."""
    ahead = [each for each in plan.get("images", [])[:1] if not set(each["heads"]) <= set(plan["to_heads"])]
    if outcome not in ("rolled_back", "already_rolled_back"):
        return []
    return [say(language, "next_up_migrates", service=each["service"], heads=", ".join(each["heads"]),
                to_heads=", ".join(plan["to_heads"])) for each in ahead]


def _next_step(outcome: str, restore: str, language: str, playbook: str) -> str:
    key = {"refused": "next_refused", FAILED_UNCHANGED: "next_failed_unchanged",
           FAILED_NEEDS_HUMAN: "next_failed_needs_human", "not_valid": "next_refused",
           "rolled_back": "next_rolled_back", "planned": "next_planned"}.get(outcome, "next_done")
    return say(language, key, restore=restore, playbook=playbook)


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
