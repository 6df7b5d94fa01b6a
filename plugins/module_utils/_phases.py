# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's steps as the phases an operator knows, and its outage."""

from __future__ import annotations

import typing as t

from ._evidence import seconds_between

# The phases of rollback.yml, by number; other playbooks have the same phases without one.
NUMBERS = {"preflight": 1, "plan": 2, "backup": 5, "rehearsal": 6, "quiesce": 7, "rollback": 8, "validation": 9,
           "resume": 10, "functional": 11, "report": 12}
_OF_STEP = {"plan": "plan", "recount": "plan", "backup": "backup", "backup_copy": "backup", "rehearsal": "rehearsal",
            "restore_beside": "rehearsal", "quiesce": "quiesce", "before": "quiesce", "safety_copy": "quiesce",
            "alembic_downgrade": "rollback", "alembic_upgrade": "rollback", "manual_rollback": "rollback",
            "database_swap": "rollback", "table_restore": "rollback", "after": "validation", "judge": "validation",
            "resume": "resume", "start": "resume", "functional": "functional"}
# What is called differently where it is not a rollback that acts.
_ACTS = {"restore": "restoration", "undo": "restoration", "remigrate": "migration"}
# Steps that prepare; once a step has acted, they are part of putting right what it did.
_PREPARE = ("restore_beside", "safety_copy", "backup", "recount")


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


def phases_of(journal: t.Sequence[dict[str, t.Any]], playbook: str | None, started_at: str) -> list[dict[str, t.Any]]:
    """Return ``[{number, name, started_at, duration_s, result, steps}]``, in the order they were first come to.

    ``number`` is None outside rollback.yml. A phase that was come to twice, for a second route say, is one entry:
    ``duration_s`` is the time its steps took together, ``result`` that of the last of them which decided.
    """
    found: dict[str, dict[str, t.Any]] = {}
    acted = {"yet": False}
    begun = [line for line in journal if line["event"] == "begun"]
    if begun and started_at:
        found["preflight"] = {**_empty("preflight", playbook, started_at), "result": "ok",
                              "duration_s": max(0.0, seconds_between(started_at, begun[0]["at"]))}
    failed = [line.get("passed") is False for line in journal if line["event"] == "ended" and line["step"] == "after"]
    for step, line in zip(steps_of(journal), begun):
        name = _phase(step["name"], playbook, acted["yet"])
        acted["yet"] = acted["yet"] or bool(line.get("acts"))
        phase = found.setdefault(name, _empty(name, playbook, step["started_at"]))
        told = {key: step[key] for key in ("name", "started_at", "duration_s", "result")}
        if step["name"] == "after" and step["result"] == "ok" and failed and failed.pop(0):
            told["result"] = "failed"
        phase["steps"].append(told)
        phase["duration_s"] = round(phase["duration_s"] + (told["duration_s"] or 0.0), 3)
        if step["name"] != "judge" or phase["result"] is None:
            phase["result"] = told["result"]
    return list(found.values())


def _empty(name: str, playbook: str | None, started_at: str) -> dict[str, t.Any]:
    return {"number": NUMBERS.get(name) if playbook == "rollback" else None, "name": name, "started_at": started_at,
            "duration_s": 0.0, "result": None, "steps": []}


def _phase(step: str, playbook: str | None, acted: bool) -> str:
    name = "rollback" if acted and step in _PREPARE else _OF_STEP.get(step, "report")
    # Where nothing acted there is nothing to judge but how it ended.
    name = "report" if step == "judge" and not acted else name
    return _ACTS.get(playbook or "", name) if name == "rollback" else name


def outage_of(journal: t.Sequence[dict[str, t.Any]]) -> dict[str, t.Any] | None:
    """Return ``{from, until, seconds}``: the evidence before the first act to the last step that acted or measured.

    A run that was cut off while it acted and taken up later had its outage all the while. Where services were stopped,
    it is from then until they were back. None where nothing acted.
    """
    stopping = next((line["at"] for line in journal if line["event"] == "begun" and line["step"] == "quiesce"), None)
    back = [line["at"] for line in journal if line["event"] == "ended" and line["step"] == "resume"]
    if stopping and back:
        return _span(stopping, back[-1])
    acting = next((number for number, line in enumerate(journal) if line.get("acts")), 0)
    acts = {line["step"] for line in journal if line.get("acts")}
    begun = [line["at"] for line in journal[:acting] if line["event"] == "begun" and line["step"] == "before"]
    ended = [line["at"] for line in journal if line["event"] == "ended" and (
        line["step"] in ("before", "after") or line["step"] in acts)]
    return _span(begun[-1], ended[-1]) if begun and ended else None


def _span(start: str, end: str) -> dict[str, t.Any]:
    return {"from": start, "until": end, "seconds": seconds_between(start, end)}
