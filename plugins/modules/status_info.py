#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: status_info
short_description: Tell what is under way, what was cut off, and what to type next
version_added: 0.1.0
description:
  - Reads the lock, the journals and the server, and changes nothing. Works with the server down, and says so.
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
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import FAILED_NEEDS_HUMAN, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, owner_alive, read_json
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import REPORT, inspect_run


def status(module, redact):
    params, language = module.params, module.params["language"]
    state, database = StateDirectory(params["state_dir"]), params["login_db"]
    found: dict = {"changed": False, "run": None, "sessions": [], "recorded_heads": None, "server": "up"}
    # Without the server nobody can say whose lock it is but by the database's name.
    locks = [held for held in state.locks_held() if held["database"] == database]
    server = None
    try:
        with ground_from(params, redact).target.open(session_name(None, "status")) as connection:
            locks = [held for held in locks if held["slug"] == slug_of(connection)]
            server = identity(connection)["system_identifier"]
            found["sessions"] = backends(connection, APPLICATION)
            found["recorded_heads"] = recorded_heads(connection, params["version_table"], params["version_schema"])
    except Refusal as refusal:
        found["server"] = redact(say(language, refusal.key, **refusal.facts))
    found["run"] = run_under_way(state, locks[0], params["controller"]) if locks else None
    backup = newest_good(state.backups, database, server)
    found["backup"] = backup and {**{key: backup[key] for key in ("path", "finished_at", "heads")},
                                  "bytes": sum(entry["bytes"] for entry in backup["files"])}
    names = sorted(os.listdir(state.backups)) if os.path.isdir(state.backups) else []
    found["incomplete_backups"] = [name for name in names if name.startswith(INCOMPLETE)]
    found["last_outcome"] = last_outcome(state, database)
    found["next"] = advise(found, language)
    found["lines"] = describe(found, language)
    return found


def describe(found, language):
    """The same in a few lines, the most urgent first."""
    lines, held = [], found["run"]
    if held:
        alive = {True: "yes", False: "no", None: "unknown"}[held["alive"]]
        lines.append(say(language, "status_run", alive=say(language, alive),
                         **{key: held[key] for key in ("run_id", "playbook", "owner", "since")}))
        lines += [say(language, "status_step", step=step["step"], at=step["at"], pid=step["pid"],
                      alive=say(language, "yes" if step["alive"] else "no")) for step in held["steps"]]
    lines += [say(language, "status_session", **{key: row[key] for key in ("pid", "application", "state", "seconds")},
                  blocked_by=", ".join(map(str, row["blocked_by"])) or say(language, "none"))
              for row in found["sessions"]]
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
    """The newest report on this database."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        report = None if name == "latest" else read_json(os.path.join(state.runs, name, REPORT))
        if report and report["database"] == database:
            return {"run_id": report["run_id"], "outcome": report["outcome"], "finished_at": report["finished_at"],
                    "restore": (report["backup"] or {}).get("restore", "-")}
    return None


def advise(found, language):
    """The next command, by the most urgent of what was found."""
    if found["server"] != "up":
        return say(language, "next_server")
    if found["run"] and found["run"]["alive"] is False:
        return say(language, "next_cut_off", playbook=found["run"]["playbook"])
    if found["run"] and found["run"]["alive"] is None:
        return say(language, "next_unseen", run_id=found["run"]["run_id"])
    if found["run"] or found["sessions"]:
        return say(language, "next_wait")
    if found["last_outcome"] and found["last_outcome"]["outcome"] == FAILED_NEEDS_HUMAN:
        return say(language, "next_failed_needs_human", restore=found["last_outcome"]["restore"])
    return say(language, "next_nothing")


def main():
    run(status, {
        "state_dir": {"type": "path", "required": True},
        "controller": {"type": "dict", "required": True},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
