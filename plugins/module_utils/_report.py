# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's report, built from its evidence."""

from __future__ import annotations

import os
import typing as t

from ._errors import FAILED_NEEDS_HUMAN, FAILED_UNCHANGED
from ._evidence import Journal, new_run_id, now, read_json, seconds_between
from ._ladder import tried
from ._messages import say
from ._phases import outage_of, phases_of, steps_of
from ._report_facts import changed_tables, contact_notes, placeholders, plan_shown, quiet_notes, with_before
from ._run import META
from ._verdict import validated

# Those of a database that was moved to where it was wanted.
MOVED = ("rolled_back", "restored", "undone", "remigrated")
GOOD = (*MOVED, "already_rolled_back", "planned", "backed_up", "validated")


def outage(journal: t.Sequence[dict[str, t.Any]]) -> float:
    """Return the seconds of a journal's outage, see outage_of; 0 where there was none."""
    span = outage_of(journal)
    return span["seconds"] if span else 0.0


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
    contacts = given.get("contacts") or {}
    vacant, notes = placeholders(contacts), contact_notes(contacts, language)
    known_heads = (evidence["after"] or evidence["before"]).get("heads", plan.get("from_heads", []))
    after_heads = given.get("measured_heads") or known_heads
    return {
        # A run refused before it had a directory still leaves a report on the controller.
        "run_id": meta.get("run_id") or new_run_id(),
        "playbook": meta.get("playbook"),
        "language": language,
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
        "outage": outage_of(journal),
        "phases": phases_of(journal, meta.get("playbook"), meta.get("started_at", "")),
        "resumed_after": [name for line in journal if line["event"] == "resumed" for name in line["cut_off"]],
        "steps": steps_of(journal),
        "services": services,
        "memory": evidence["functional"].get("memory", {}),
        "backup": {"path": backup["path"], "bytes": sum(entry["bytes"] for entry in backup["files"]),
                   "sha256": files[0]["sha256"], "verified": backup["verified"],
                   "restored_and_compared": backup["restored_and_compared"], "restore": restore} if backup else None,
        "rehearsal": _rehearsal(rehearsal, plan),
        "checks": with_before(evidence["after"].get("results", []) + evidence["functional"].get("results", []),
                              evidence["before"], language),
        "tables_changed": changed_tables(evidence["before"], evidence["after"]),
        "plan": plan_shown(plan),
        "losses": _losses(plan, rehearsal, route) if outcome in (
            "rolled_back", "restored", "undone", "planned", FAILED_NEEDS_HUMAN) else [],
        "next_steps": [*left, *(given.get("next_steps") or [
            say(language, "next_not_functional") if outcome == FAILED_NEEDS_HUMAN
            and validated(run_dir, given.get("measured_heads")) else _next_step(
                outcome, restore, language, given.get("playbook") or "rollback",
                plan.get("position") == "rolled_back")]), *(notes if vacant else [])],
        "contacts": contacts,
        "placeholders": vacant,
        "notes": [*(quiet_notes(evidence, services, language) if outcome in MOVED else []), *([] if vacant else notes)],
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


def _next_step(outcome: str, restore: str, language: str, playbook: str, done: bool) -> str:
    """Return what to do next; ``done`` where the plan found nothing to do."""
    if outcome == "planned" and done:
        return say(language, "next_done")
    key = {"refused": "next_refused", FAILED_UNCHANGED: "next_failed_unchanged",
           FAILED_NEEDS_HUMAN: "next_failed_needs_human", "not_valid": "next_refused",
           "rolled_back": "next_rolled_back", "planned": "next_planned"}.get(outcome, "next_done")
    return say(language, key, restore=restore, playbook=playbook)
