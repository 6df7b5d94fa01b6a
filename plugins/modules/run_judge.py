#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: run_judge
short_description: Judge what a run that failed has left, before anything is started on it
version_added: 0.1.0
description:
  - Measures the database again and compares it with the evidence from before, while nothing writes to it. Unless
    O(keep) is off, the verdict is kept as C(verdict.json) in O(run_dir), where M(recyclic.rollback.service_state) and
    M(recyclic.rollback.run_close) read it.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  failure:
    description:
      - What failed - C(outcome) as the modules of this collection return it.
    type: dict
    required: true
  route:
    description:
      - The route that failed, for the journal.
    type: str
    choices: [alembic, manual, restore]
  keep:
    description:
      - Whether the verdict is kept. Not while another route may still be tried.
    type: bool
    default: true
  fingerprint_max_bytes:
    description:
      - See M(recyclic.rollback.table_count).
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: Judge what was left
  recyclic.rollback.run_judge:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    run_dir: "{{ run.run_dir }}"
    failure: "{{ ansible_failed_result }}"
"""

RETURN = r"""
verdict:
  description:
    - The outcome, what it rests on in words, how the data is (C(as_before), C(as_asked) or C(unknown)), and the
      recorded revisions where they were read.
  type: dict
  returned: success
"""

from dataclasses import asdict

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._database import DatabaseError, session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Unended
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._run import end_leftovers
from ansible_collections.recyclic.rollback.plugins.module_utils._verdict import judge, keep, measure


def give_verdict(module, redact):
    params, run_dir = module.params, module.params["run_dir"]
    if not run_dir:
        return {"changed": False, "verdict": None}
    journal = Journal(None if module.check_mode else run_dir)
    if journal.open_steps():
        end_what_was_killed(params, redact)
    with journal.step("judge") as step:
        verdict = judge(run_dir, str(params["failure"].get("outcome")), lambda: measure(
            run_dir, ground_from(params, redact).target, params["fingerprint_max_bytes"]), params["language"])
        step.facts.update(outcome=verdict.outcome, data=verdict.data)
        if params["route"]:
            step.facts.update(route=params["route"], failure=redact(str(params["failure"].get("msg", ""))))
        if params["keep"] and not module.check_mode:
            keep(run_dir, verdict)
    return {"changed": False, "verdict": asdict(verdict)}


def end_what_was_killed(params, redact):
    """Whatever killed a module has not ended its work on the server, and that may still commit."""
    run_dir = params["run_dir"]
    try:
        ground = ground_from(params, redact)
        with ground.target.open(session_name(run_id_of(run_dir), "judge")) as connection:
            end_leftovers(run_dir, connection, ground.runtime)
    except Unended:
        raise
    except (Problem, DatabaseError):
        # What cannot be reached cannot be measured either: the verdict says so.
        return


def main():
    run(give_verdict, {
        "failure": {"type": "dict", "required": True},
        "route": {"type": "str", "choices": ["alembic", "manual", "restore"]},
        "keep": {"type": "bool", "default": True},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
