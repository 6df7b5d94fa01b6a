#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: run_open
short_description: Begin a run, or take up the one that was cut off
version_added: 0.1.0
description:
  - Proves that the server answers and the state directory can be written, makes this the only run on its database, and
    gives it a directory for its evidence.
  - A run whose controller is gone is taken over. What it left at work, processes and sessions on the server, is ended
    first. If it wanted the same, this is that run again, with the same directory.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Proves the same without taking the lock or writing anything; RV(run_dir) is then empty.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Evidence does not count as a change.
options:
  state_dir:
    description:
      - Holds backups, runs and locks, on the managed node. Created with mode 0700.
    type: path
    required: true
  playbook:
    description:
      - What the run does. A run that was cut off is taken up only by the same.
    type: str
    required: true
  goal:
    description:
      - What is wanted. A run that was cut off is taken up only for the same.
    type: dict
    default: {}
  exclusive:
    description:
      - Whether it has to be the only run on its database. One that changes nothing need not be; it takes no lock, ends
        nothing, and C(latest) does not point to it.
    type: bool
    default: true
  operator:
    description:
      - Who asked for it.
    type: str
    default: ''
  controller:
    description:
      - The identity of the controller, from the lookup P(recyclic.rollback.controller#lookup).
    type: dict
    required: true
  take_over:
    description:
      - The ids of runs whose controllers are known to be gone but cannot be seen from this one. Of several sites each
        finds its own among them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Begin
  recyclic.rollback.run_open:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    playbook: rollback
    goal: {migration: k1l2m3n4o5p6}
    operator: "{{ lookup('ansible.builtin.env', 'USER') }}"
    controller: "{{ lookup('recyclic.rollback.controller') }}"
  register: run
"""

RETURN = r"""
run_id:
  description: The run's name, sortable by time.
  type: str
  returned: success
token:
  description: Proves, as O(run_token) of other modules, that the run still holds the database's lock.
  type: str
  returned: success
run_dir:
  description: The run's directory on the managed node; empty in check mode.
  type: str
  returned: success
resumed:
  description: Whether this is a run that was cut off, taken up again.
  type: bool
  returned: success
cut_off:
  description: The run that was cut off, the steps that were under way, and whether it had begun to act on the database.
  type: dict
  returned: success
notice:
  description: What the operator is to know of the run before; empty when it ended properly.
  type: str
  returned: success
ended:
  description: What it had left at work, ended now.
  type: list
  elements: str
  returned: success
"""

import errno
import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._database import session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, now
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import begin, beside


def begin_run(module, redact):
    params = module.params
    ground = ground_from(params, redact)
    state, target = StateDirectory(params["state_dir"]), ground.target
    with target.open(session_name(None, "open")) as connection:
        if module.check_mode:
            require_writable(params["state_dir"])
            ground.runtime.require_idle()
            return {"changed": False, "run_id": "", "run_dir": "", "token": "", "resumed": False, "cut_off": None,
                    "ended": [], "notice": ""}
        state.create()
        meta = {"playbook": params["playbook"], "database": target.database, "goal": params["goal"],
                "operator": params["operator"], "controller": params["controller"], "started_at": now()}
        begun = (begin(state, ground, connection, meta, " ".join(params["take_over"]).split())
                 if params["exclusive"] else beside(state, meta))
    return {"changed": False, **begun, "notice": notice(begun, params["language"])}


def notice(begun, language):
    """What the operator is told of the run before; empty when it ended properly."""
    cut_off = begun["cut_off"]
    if not cut_off:
        return ""
    nothing = say(language, "none")
    return say(language, "notice_resumed" if begun["resumed"] else "notice_cut_off", run_id=cut_off["run_id"],
               steps=", ".join(cut_off["at"]) or nothing,
               ended=", ".join(begun["ended"]) or nothing)


def require_writable(path):
    """In check mode nothing is written, so the permissions have to do."""
    path = os.path.abspath(path)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    if not (os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)):
        raise Refusal("directory_not_writable", path=path, error=os.strerror(errno.EACCES))


def main():
    run(begin_run, {
        "state_dir": {"type": "path", "required": True},
        "playbook": {"type": "str", "required": True},
        "goal": {"type": "dict", "default": {}},
        "exclusive": {"type": "bool", "default": True},
        "operator": {"type": "str", "default": ""},
        "controller": {"type": "dict", "required": True},
        "take_over": {"type": "list", "elements": "str", "default": []},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
