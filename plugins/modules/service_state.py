#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_state
short_description: Stop services of a Compose project, and start them again without undoing a rollback
version_added: 0.1.0
description:
  - Stops or starts exactly the services it is given, never what they depend on, never the migrations service, and never
    touches a volume.
  - What would run a migration when it is started, by its command, its entrypoint or a script these name, is held back
    unless the revisions its image ends at are recorded already. It is then left stopped, and named with the way out.
  - Only with O(runtime=compose). With O(runtime=host) it does nothing where O(services) is empty, and refuses
    otherwise.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.alembic
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  services:
    description:
      - The services, in the order in which they are started. With O(state=restored) those of O(evidence) count.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(stopped) stops their containers, and writes O(evidence) first.
      - V(started) starts each and waits until it is healthy, or has run for two seconds where it has no health check,
        before the next.
      - V(restored) does that with what ran by O(evidence), on a database that records one of O(safe_heads), and looks
        at the recorded revisions again afterwards. Does nothing without O(evidence).
    type: str
    choices: [stopped, started, restored]
    required: true
  timeout:
    description:
      - How long one service may take to stop, or to be healthy, in seconds.
    type: int
    default: 60
  environment:
    description:
      - Variables that fill the Compose files in when services are started, such as an image's tag. A service whose
        definition they change gets a new container. Secrets are masked as those of O(alembic_environment).
      - They are made for a database that was rolled back, and left out on another - with O(state=restored) unless the
        last of O(safe_heads) is what is recorded, with O(state=started) unless what the last plan was to leave is.
    type: dict
    default: {}
  evidence:
    description:
      - The file that holds what ran before, as JSON with mode 0600. Where it is there already, what it says ran, ran.
    type: path
  safe_heads:
    description:
      - The sets of recorded revisions on which services may be started with O(state=restored). By default those that
        the plan in O(run_dir) starts from and ends at; where there is none either, any.
    type: list
    elements: list
    default: []
  emergency:
    description:
      - With O(state=stopped), stop at once - containers of the migrations service at work and their sessions too,
        whether the database answers or not, and whether the Compose files can be read or not. The record goes to
        O(state_dir).
    type: bool
    default: false
  state_dir:
    description:
      - The state directory. Its file C(stopped-PROJECT.json) says that an emergency stop of this project is in force.
        While it is there O(state=restored) starts nothing; O(state=started) removes it once all that ran before is up.
    type: path
  by:
    description:
      - Who stops, for the record.
    type: str
    default: ''
  why:
    description:
      - Why, for the record.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Stop what writes
  recyclic.rollback.service_state:
    login_db: recyclic
    runtime: compose
    compose: {directory: /srv/recyclic}
    services: [api]
    state: stopped
    evidence: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3/services.json

- name: Start what ran, on the release made for the revision that is recorded now
  recyclic.rollback.service_state:
    login_db: recyclic
    runtime: compose
    compose: {directory: /srv/recyclic}
    state: restored
    evidence: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3/services.json
    environment: {RECYCLIC_TAG: "1.4"}
    safe_heads: [[k1l2m3n4o5p6], [9a2b3c4d5e6f]]
"""

RETURN = r"""
services:
  description:
    - By service, its state C(before) and C(after) as the engine or its health check names it, V(-) without a container,
      and when stopped the C(memory_bytes) it used before.
  type: dict
  returned: success
  sample: {api: {before: healthy, after: exited, memory_bytes: 44040192}}
held:
  description:
    - What was left stopped because it would migrate - C(service), C(by) what, the C(heads) of its image, C(reason).
  type: list
  elements: dict
  returned: success
not_up:
  description: What ran before an emergency stop and is not up, so that the stop stays in force.
  type: list
  elements: str
  returned: with O(state=started)
sessions:
  description: Sessions of stopped containers that are still on the server; V(none) where it does not answer.
  type: list
  elements: dict
  returned: with O(state=stopped)
ended:
  description: Containers of the migrations service that were stopped, and pids of sessions that were ended.
  type: list
  elements: str
  returned: with O(state=stopped)
seconds:
  description: How long it took, in seconds.
  type: float
  returned: success
executed_commands:
  description: The commands as one could type them again.
  type: list
  elements: str
  returned: success
lines:
  description: What was done in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
"""

import time

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._database import end_backends, session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    private_directory,
    read_json,
    run_id_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from, project_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._resume import Resumption, goal_of, restore
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import (
    NOBODY,
    Services,
    addresses_of,
    lift_stop_order,
    order_path,
    seen_project,
    sessions_left,
    stop_order,
)


def settle(module, redact):
    params, began = module.params, time.monotonic()
    result: dict = {"changed": False, "services": {}, "held": [], "executed_commands": [], "lines": []}
    if params["runtime"] == "compose" or params["services"] or params["emergency"]:
        work = {"stopped": stop, "started": start, "restored": resume}[params["state"]]
        result.update(work(module, redact))
    if params["emergency"]:
        result["lines"].append(say(params["language"], "next_restart"))
    return {**result, "seconds": round(time.monotonic() - began, 3)}


def services_of(module, redact):
    find = seen_project if module.params["emergency"] else project_from
    project = find(module.params, redact)
    if project is None:
        raise Refusal("services_need_compose")
    return Services(project, module.check_mode)


def stop(module, redact):
    params = module.params
    names, emergency = params["services"], params["emergency"]
    services = services_of(module, redact)
    project = services.project
    require_held(params["run_dir"], params["run_token"])
    project.docker.require_engine()
    among = project.containers()
    late = None
    try:
        services.require(names, "rollback_quiesce", among)
    except Refusal as refusal:
        if not emergency:
            raise
        # Whoever stops everything learns of a wrong name afterwards, and nothing of files nobody needs for it.
        late = refusal if refusal.key == "service_unknown" else None
    at_work = project.migrations_at_work(among) if emergency else []
    mine = [each for name in names for each in project.of_service(name, among)]
    before = services.states(names, among)
    note = {"by": params["by"], "why": params["why"]} if emergency else {}
    place = params["evidence"]
    if emergency and not module.check_mode:
        place, unwritable = order_place(params["state_dir"], project)
        late = unwritable or late
    record = services.record(names, among, place, note, measured=not emergency)
    # What can be looked up before is, so that the outage begins with the stopping.
    ground = None if emergency or module.check_mode else reach(module, redact)
    journal = Journal(None if module.check_mode else params["run_dir"])
    with journal.step("quiesce") as step:
        try:
            left = among if module.check_mode else services.stop(
                [each for each in mine if each.running], params["timeout"], at_work)
        finally:
            step.commands += services.commands
        after = services.states(names, left)
        ground = reach(module, redact) if emergency and not module.check_mode else ground
        sessions, ended = look_at_server(params, ground, addresses_of(mine), addresses_of(at_work))
        told = {name: {"before": before[name],
                       "after": "exited" if module.check_mode and running(before[name]) else after[name],
                       "memory_bytes": record["services"][name]["memory_bytes"]} for name in names}
        step.facts["services"] = told
    if late:
        raise late
    return tell_stopped(module, services, told, at_work, ended, sessions)


def tell_stopped(module, services, told, at_work, ended, sessions):
    """The result of stopping."""
    language = module.params["language"]
    changed = [name for name, entry in told.items() if running(entry["before"])]
    lines = [(say(language, "service_stopped", service=name, before=entry["before"], memory=entry["memory_bytes"])
              if entry["memory_bytes"] else say(language, "service_stopped_unmeasured", service=name,
                                                before=entry["before"])) if name in changed
             else say(language, "service_not_running", service=name, status=entry["before"])
             for name, entry in told.items()]
    ended = [*(each.name for each in at_work), *(f"pid {pid}" for pid in ended)]
    lines += [say(language, "migration_ended_now", what=what) for what in ended]
    lines += [say(language, "session_left", pid=each["pid"], state=each["state"], seconds=each["seconds"])
              for each in sessions or []]
    return {"changed": bool(changed or ended), "services": told, "sessions": sessions, "ended": ended,
            "executed_commands": services.commands, "lines": lines, "diff": diff(told)}


def order_place(state_dir, project):
    """Where the record of an emergency stop goes; a directory that cannot be had must not keep it from stopping."""
    try:
        private_directory(state_dir)
    except Refusal as refusal:
        return None, refusal
    return order_path(state_dir, project), None


def running(state):
    return state not in ("-", "exited", "created", "dead", "removing")


def reach(module, redact):
    """The server, for a look at its sessions; stopping does not need it."""
    try:
        return ground_from(module.params, redact)
    except Refusal:
        return None


def look_at_server(params, ground, stopped, ended):
    """The sessions that stopped containers left, and those of a migration, ended; None where the server is down."""
    if ground is None:
        return None, []
    try:
        with ground.target.open(session_name(run_id_of(params["run_dir"]), "services")) as connection:
            pids = end_backends(connection, NOBODY, ended) if ended else []
            return sessions_left(connection, stopped), pids
    except Refusal:
        return None, []


def resumption(module, redact):
    environment = {str(key): str(text) for key, text in module.params["environment"].items()}
    services = services_of(module, redact)
    params = {**module.params, "stop_order": order_path(module.params["state_dir"], services.project)}
    return Resumption(params, services, redact, environment, made_for=goal_of(params))


def start(module, redact):
    params = module.params
    work = resumption(module, redact)
    work.services.project.docker.require_engine()
    work.services.require(params["services"], "rollback_start_order", work.services.project.containers())
    with Journal(None if module.check_mode else params["run_dir"]).step("start") as step:
        result = follow(work, params["services"], step, lambda: work.bring_up(params["services"], {}))
    missing = not_up(work)
    if missing:
        result["lines"].append(say(params["language"], "stop_order_stays", services=", ".join(missing)))
    lifted = not (work.held or missing or module.check_mode) and lift_stop_order(work.params["stop_order"])
    return {**result, "not_up": missing, "changed": result["changed"] or lifted}


def not_up(work):
    """What ran before an emergency stop and is not up; in check mode, what nobody would start."""
    order = stop_order(work.params["stop_order"]) or {"services": {}}
    ran = [name for name, kept in order["services"].items() if kept["running"]]
    project = work.services.project
    among = project.containers()
    up = {name for name in ran if project.of_service(name, among)
          and all(each.well for each in project.of_service(name, among))}
    return [name for name in ran if name not in up and not (work.services.check_mode and name in work.up)]


def resume(module, redact):
    params, language = module.params, module.params["language"]
    record = read_json(params["evidence"]) if params["evidence"] else None
    if not record:
        return {}
    work = resumption(module, redact)
    order = stop_order(work.params["stop_order"])
    names = list(record["services"])
    require_held(params["run_dir"], params["run_token"])
    with Journal(None if module.check_mode else params["run_dir"]).step("resume") as step:
        if order:
            reason = say(language, "resume_stop_order", at=order["at"], by=order.get("by") or "-",
                         why=order.get("why") or "-")
            step.facts.update(resumed=[], held=[], reason=reason)
            return {"lines": [reason], "held": [{"service": name, "reason": reason}
                                                for name, kept in record["services"].items() if kept["running"]]}
        return follow(work, names, step, lambda: restore(work, record))


def follow(work, names, step, act):
    """Do it, keep what was done even where it fails, and tell."""
    language = work.params["language"]
    before = work.services.states(names)
    try:
        act()
    finally:
        step.commands += work.services.commands
        step.facts.update(resumed=work.up, held=work.held)
    after = work.services.states(names)
    told = {name: {"before": before[name], "after": after[name]} for name in names}
    if work.services.check_mode:
        told.update({name: {"before": before[name], "after": "running"} for name in work.started})
    lines = [say(language, "service_started", service=name, status=told[name]["after"]) if name in work.started
             else say(language, "service_up_already", service=name, status=told[name]["after"]) for name in work.up]
    return {"changed": bool(work.started), "services": told, "held": work.held,
            "executed_commands": work.services.commands, "lines": [*lines, *(each["reason"] for each in work.held)],
            "diff": diff(told)}


def diff(told):
    """Ansible's diff: each service's state."""
    return {moment: "".join(f"{name}: {entry[moment]}\n" for name, entry in told.items())
            for moment in ("before", "after")}


def main():
    run(settle, {
        "services": {"type": "list", "elements": "str", "default": []},
        "state": {"type": "str", "required": True, "choices": ["stopped", "started", "restored"]},
        "timeout": {"type": "int", "default": 60},
        "environment": {"type": "dict", "default": {}, "no_log": True},
        "evidence": {"type": "path"},
        "safe_heads": {"type": "list", "elements": "list", "default": []},
        "emergency": {"type": "bool", "default": False},
        "state_dir": {"type": "path"},
        "by": {"type": "str", "default": ""},
        "why": {"type": "str", "default": ""},
        **version_spec(),
    }, alembic=True, supports_check_mode=True, required_if=[("emergency", True, ("state_dir",))])


if __name__ == "__main__":
    main()
