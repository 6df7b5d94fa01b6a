#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: status_info
short_description: Tell what is under way, what was cut off, and what to type next
version_added: 0.1.0
description:
  - Reads the lock, the journals, the server and the Compose project's containers, and changes nothing. Works with the
    server or Docker's engine down, and says so.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  state_dir:
    description:
      - The state directory.
    type: path
    required: true
  controller:
    description:
      - The identity of the controller, from the lookup P(recyclic.rollback.controller#lookup).
    type: dict
    required: true
  services:
    description:
      - The services of the Compose project that should be up.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What is going on?
  recyclic.rollback.status_info:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    controller: "{{ lookup('recyclic.rollback.controller') }}"
  register: status
"""

RETURN = r"""
run:
  description:
    - The run that holds the database's lock - C(run_id), C(playbook), C(owner), C(since), whether its controller is
      C(alive) (V(none) where nobody here can know), and the C(steps) under way with C(alive) for each process.
      V(none) when the database is free.
  type: dict
  returned: success
sessions:
  description: Sessions of this collection on the server - pid, application name, state, seconds, who blocks them.
  type: list
  elements: dict
  returned: success
recorded_heads:
  description: The recorded revisions; V(none) when the server does not answer or there is no version table.
  type: list
  elements: str
  returned: success
server:
  description: C(up), or what keeps the server from answering.
  type: str
  returned: success
backup:
  description: The newest whole backup whose files are all there - C(path), C(finished_at), C(heads), C(bytes).
  type: dict
  returned: success
incomplete_backups:
  description: What backups that were cut off left behind.
  type: list
  elements: str
  returned: success
last_outcome:
  description: The outcome of the last run that has a report, and its run_id.
  type: dict
  returned: success
engine:
  description: C(up), or what keeps the project's containers from being seen; V(none) with O(runtime=host).
  type: str
  returned: success
files:
  description: What keeps the project's Compose files from being read; V(none) where they can be.
  type: str
  returned: success
down:
  description: Those of O(services) that do not run.
  type: list
  elements: str
  returned: success
unwell:
  description: Those of O(services) that run and are not healthy, or not yet.
  type: list
  elements: str
  returned: success
services:
  description:
    - The project's services and those of O(services) - C(service), C(name), C(status), C(health), C(image), C(since).
  type: list
  elements: dict
  returned: success
migrations:
  description: Containers of the migrations service at work - C(name), C(since), C(command) to stop it.
  type: list
  elements: dict
  returned: success
stopped:
  description:
    - What was stopped by this collection and not started since - C(services), and the C(run_id) that stopped them or
      C(by), C(at) and C(why) of an emergency stop.
  type: list
  elements: dict
  returned: success
lines:
  description: The same in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
next:
  description: What to do next.
  type: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import INCOMPLETE, newest_good
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    APPLICATION,
    backends,
    identity,
    recorded_heads,
    session_name,
    slug_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import RUN_LABEL
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import FAILED_NEEDS_HUMAN, Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, owner_alive
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import inspect_run, last_report
from ansible_collections.recyclic.rollback.plugins.module_utils._services import seen_project
from ansible_collections.recyclic.rollback.plugins.module_utils._stopped import stopped_by_us


def status(module, redact):
    params, language = module.params, module.params["language"]
    state, database = StateDirectory(params["state_dir"]), params["login_db"]
    found: dict = {"changed": False, "run": None, "sessions": [], "recorded_heads": None, "server": "up", "files": None,
                   **look_at_project(params, redact, state)}
    # Without the server nobody can say whose lock it is but by the database's name.
    locks = [held for held in state.locks_held() if held["database"] == database]
    server = None
    try:
        with ground_from(params, redact).target.open(session_name(None, "status")) as connection:
            locks = [held for held in locks if held["slug"] == slug_of(connection)]
            server = identity(connection)["system_identifier"]
            found["sessions"] = backends(connection, APPLICATION)
            found["recorded_heads"] = recorded_heads(connection, params["version_table"], params["version_schema"])
    except Problem as problem:
        found["server"] = redact(say(language, problem.key, **problem.facts))
        found["files"] = found["server"] if problem.key in ("compose_config_broken", "compose_file_missing") else None
    found["run"] = run_under_way(state, locks[0], params["controller"]) if locks else None
    backup = newest_good(state.backups, database, server)
    found["backup"] = backup and {**{key: backup[key] for key in ("path", "finished_at", "heads")},
                                  "bytes": sum(entry["bytes"] for entry in backup["files"])}
    names = sorted(os.listdir(state.backups)) if os.path.isdir(state.backups) else []
    found["incomplete_backups"] = [name for name in names if name.startswith(INCOMPLETE)]
    found["last_outcome"] = last_outcome(state, database)
    found["down"] = [each["service"] for each in found["services"]
                     if each["service"] in params["services"] and each["status"] != "running"]
    found["unwell"] = [each["service"] for each in found["services"]
                       if each["service"] in params["services"] and each["health"] not in ("", "healthy")]
    found["next"] = advise(found, language)
    found["lines"] = describe(found, language)
    return found


def look_at_project(params, redact, state):
    """The project's containers, as far as they can be seen."""
    seen: dict = {"engine": None, "services": [], "migrations": [], "stopped": []}
    try:
        project = seen_project(params, redact)
        if project is None:
            return seen
        project.docker.require_engine()
        among = project.containers()
    except Problem as problem:
        return {**seen, "engine": redact(say(params["language"], problem.key, **problem.facts))}
    mine = [each for each in among if not each.oneoff and each.service != project.layout.migrations]
    seen["services"] = [{"service": each.service, "name": each.name, "status": each.status,
                         "health": each.health if each.running else "", "image": each.image_name,
                         "since": each.started_at if each.running else each.finished_at}
                        for each in mine]
    absent = [name for name in params["services"] if name not in {each.service for each in mine}]
    seen["services"] += [{"service": name, "name": None, "status": "-", "health": "", "image": None, "since": None}
                         for name in absent]
    seen["migrations"] = [{"name": each.name, "since": each.started_at, "command": f"docker stop {each.name}",
                           "run_id": each.labels.get(RUN_LABEL)}
                          for each in project.migrations_at_work(among)]
    return {**seen, "engine": "up", "stopped": stopped_by_us(state, project, among)}


def describe(found, language):
    """The same in a few lines, the most urgent first."""
    lines, held = [say(language, "status_migration", **each) for each in found["migrations"]], found["run"]
    if held:
        alive = {True: "yes", False: "no", None: "unknown"}[held["alive"]]
        lines.append(say(language, "status_run", alive=say(language, alive),
                         **{key: held[key] for key in ("run_id", "playbook", "owner", "since")}))
        lines += [say(language, "status_step", step=step["step"], at=step["at"], pid=step["pid"],
                      alive=say(language, "yes" if step["alive"] else "no")) for step in held["steps"]]
    lines += [say(language, "status_session", **{key: row[key] for key in ("pid", "application", "state", "seconds")},
                  blocked_by=", ".join(map(str, row["blocked_by"])) or say(language, "none"))
              for row in found["sessions"]]
    for each in found["stopped"]:
        services = ", ".join(each["services"]) or "-"
        lines.append(say(language, "status_stopped_by_run" if each["run_id"] else "status_stop_order",
                         **{**each, "services": services}))
    lines += [say(language, "status_service" if each["name"] else "status_service_absent", **{
        **each, "status": ", ".join(filter(None, (each["status"], each["health"])))}) for each in found["services"]]
    if found["engine"] not in (None, "up", found["server"]):
        lines.append(found["engine"])
    heads = ", ".join(found["recorded_heads"] or []) or say(language, "none")
    lines.append(say(language, "status_heads", heads=heads) if found["server"] == "up" else found["server"])
    backup, last = found["backup"], found["last_outcome"]
    lines.append(say(language, "status_backup", **{**backup, "heads": ", ".join(backup["heads"] or [])})
                 if backup else say(language, "status_no_backup"))
    lines += [say(language, "status_incomplete", name=name) for name in found["incomplete_backups"]]
    if last:
        lines.append(say(language, "status_last", **last))
    return [*lines, say(language, "sum_next", next=found["next"])]


def run_under_way(state, held, controller):
    """The run that holds the lock, and whether anything of it still moves."""
    told = inspect_run(state.run_dir(held["run_id"]))
    return {"run_id": held["run_id"], "playbook": told["meta"].get("playbook", "rollback"), "owner": held["owner"],
            "since": held["since"], "alive": owner_alive(held["controller"], controller), "last_sign":
            told["last_sign"], "acted": told["acted"],
            "steps": [{"step": step["step"], "at": step["at"], "pid": step["pid"], "alive": step["alive"]}
                      for step in told["open_steps"]]}


def last_outcome(state, database):
    """How the newest run on this database ended."""
    report = last_report(state, database)
    return report and {**{key: report[key] for key in ("run_id", "outcome", "finished_at")},
                       "restore": (report["backup"] or {}).get("restore", "-")}


def advise(found, language):
    """The next command, by the most urgent of what was found."""
    mine = found["run"]["run_id"] if found["run"] else None
    unwell = found["unwell"] and say(language, "next_unwell", services=", ".join(dict.fromkeys(found["unwell"])))
    if any(each["run_id"] is None or each["run_id"] != mine for each in found["migrations"]):
        return say(language, "next_migration_at_work")
    if found["files"] or found["engine"] not in (None, "up"):
        return say(language, "next_engine", error=found["files"] or found["engine"])
    if found["server"] != "up":
        # Of a project, the database is one of the services that are started in order.
        return say(language, "next_restart") if found["down"] else unwell or say(language, "next_server")
    if found["run"] and found["run"]["alive"] is False:
        return say(language, "next_cut_off", playbook=found["run"]["playbook"])
    if found["run"] and found["run"]["alive"] is None:
        return say(language, "next_unseen", run_id=found["run"]["run_id"])
    if found["run"] or found["sessions"]:
        return say(language, "next_wait")
    if found["last_outcome"] and found["last_outcome"]["outcome"] == FAILED_NEEDS_HUMAN:
        return say(language, "next_failed_needs_human", restore=found["last_outcome"]["restore"])
    if found["down"] or found["stopped"]:
        return say(language, "next_restart")
    return unwell or say(language, "next_nothing")


def main():
    run(status, {
        "state_dir": {"type": "path", "required": True},
        "controller": {"type": "dict", "required": True},
        "services": {"type": "list", "elements": "str", "default": []},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
