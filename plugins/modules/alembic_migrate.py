#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: alembic_migrate
short_description: Move a database to a revision, bounded, watched and measured
version_added: 0.1.0
description:
  - Runs C(alembic upgrade) or C(alembic downgrade) to a full revision id, and judges by the set of recorded revisions
    before and after, never by the exit status alone.
  - Before anything changes, a connection made through C(env.py) has to reach the database the options name, under this
    module's name and limits; otherwise the module refuses.
  - A lock that is not had in time is asked for again, then the sessions in its way are named.
  - However the module ends (success, failure, time limit, signal), no session of the migration is left on the server.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Returns the path, the predicted revisions and the SQL, rendered where no network and no socket can be reached.
  diff_mode:
    support: full
    details:
      - Shows the recorded revisions before and after, and the SQL of each revision or why it cannot be rendered.
  idempotent:
    support: full
options:
  revision:
    description:
      - The full id to move to. Partial ids, V(head), V(base) and relative ids are refused.
    type: str
    required: true
  direction:
    description:
      - Which way to go. A revision on the other side is refused, so that a downgrade never upgrades.
    type: str
    choices: [downgrade, upgrade]
    required: true
  expected_heads:
    description:
      - The revisions a plan saw recorded. Where others are by now, nothing is done.
    type: list
    elements: str
  retries:
    description:
      - How many times to ask again after a lock was not had in time.
    type: int
    default: 3
  retry_delay:
    description:
      - How long to wait before asking again, in seconds.
    type: int
    default: 2
  state_dir:
    description:
      - The state directory. While it holds an emergency stop of the Compose project, nothing is moved; it is looked up
        before and during every attempt. By default nothing is looked up.
    type: path
seealso:
  - module: recyclic.rollback.alembic_info
"""

EXAMPLES = r"""
- name: Undo the migration of the categories
  recyclic.rollback.alembic_migrate:
    login_db: recyclic
    login_user: recyclic
    login_password: "{{ vault_db_password }}"
    login_host: 127.0.0.1
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    alembic_environment:
      DATABASE_URL: "{{ vault_database_url }}"
    direction: downgrade
    revision: 9a2b3c4d5e6f
"""

RETURN = r"""
heads_before:
  description: The recorded revisions before, sorted.
  type: list
  elements: str
  returned: success
  sample: [k1l2m3n4o5p6]
heads_after:
  description: The recorded revisions after, sorted; in check mode those predicted.
  type: list
  elements: str
  returned: success
  sample: [9a2b3c4d5e6f]
path:
  description: The full ids undone or applied, in order.
  type: list
  elements: str
  returned: success
sql:
  description: For each revision of the path, C(sql) or C(error), in check and diff mode.
  type: dict
  returned: in check mode or diff mode
attempts:
  description: How many times Alembic was run.
  type: int
  returned: success
duration_s:
  description: How long the movement took, in seconds.
  type: float
  returned: success
executed_commands:
  description: The commands as one could type them again; the environment is not part of them.
  type: list
  elements: str
  returned: success
transcript:
  description: The end of what Alembic and C(env.py) printed, secrets masked.
  type: str
  returned: when something was run
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: lock_timeout
"""

from contextlib import ExitStack

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import (
    environment_from,
    prefix_of,
    renders_nothing,
    require_same_place,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    advisory_lock,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._migrate import perform, predict
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import order_path, require_no_stop


def migrate(module, redact):
    params = module.params
    direction, revision = params["direction"], params["revision"]
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target, environment = ground.target, environment_from(params, ground.runtime, redact)
    limits = Limits(params["lock_timeout"], params["statement_timeout"])
    with target.open(session_name(run_id, "control"), limits) as control:
        sight = environment.look_from(control, prefix_of(run_id), limits, direction, to=revision)
        move = predict(sight, sight.heads(control), direction, revision)
        if params["expected_heads"] is not None and move.before != sorted(params["expected_heads"]):
            raise Refusal("moved_since_plan", heads=", ".join(move.before) or "-")
        result = {"changed": bool(move.path), "heads_before": move.before, "heads_after": move.predicted,
                  "path": move.path, "attempts": 0, "duration_s": 0.0, "executed_commands": []}
        if module.check_mode or module._diff:
            result["sql"] = environment.render(move.path, direction) if move.path else {}
            result["diff"] = diff(move, result["sql"], sight.probe["version_table"])
        if not move.path:
            return result
        require_same_place(sight, control, target, prefix_of(run_id))
        if module.check_mode:
            return result
        order = order_path(params["state_dir"], ground.project)

        def may_act():
            require_no_stop(order)
            require_held(params["run_dir"], params["run_token"])

        with advisory_lock(control), ExitStack() as journalled:
            # Somebody else's may have begun since the run did.
            ground.runtime.require_idle()
            may_act()
            step = journalled.enter_context(Journal(params["run_dir"]).step(f"alembic_{direction}", acts=True))
            step.facts["revision"] = revision
            try:
                perform(move, environment, target, control, sight, limits, run_id, params["retries"],
                        params["retry_delay"], may_act)
            finally:
                step.commands += [redact(line) for line in environment.commands]
                step.facts.update(transcript=move.transcript, heads_before=move.before, heads_after=move.after,
                                  attempts=move.attempts, blockers=move.blockers)
    return {**result, "attempts": move.attempts, "duration_s": move.duration_s, "heads_after": move.after,
            "executed_commands": step.commands, "transcript": move.transcript}


def diff(move, rendered, version_table):
    """Ansible's diff: the recorded revisions, then what each revision of the path would execute."""
    parts = []
    for revision in move.path:
        entry = rendered.get(revision, {})
        text = entry.get("sql") or f"-- not known: {entry.get('error', 'not rendered')}"
        if "sql" in entry and renders_nothing(entry["sql"], version_table):
            text = "-- renders as nothing: what it does, if anything, only a run can show"
        parts.append(f"-- {move.direction} {revision}\n{text.strip()}\n")
    return {"before": "\n".join(move.before) + "\n", "after": "\n".join(move.predicted) + "\n",
            "before_header": "recorded revisions", "after_header": "recorded revisions", "prepared": "\n".join(parts)}


def main():
    run(migrate, {
        "revision": {"type": "str", "required": True},
        "direction": {"type": "str", "required": True, "choices": ["downgrade", "upgrade"]},
        "expected_heads": {"type": "list", "elements": "str"},
        "retries": {"type": "int", "default": 3},
        "retry_delay": {"type": "int", "default": 2},
        "state_dir": {"type": "path"},
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
