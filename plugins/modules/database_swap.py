#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_swap
short_description: Put another database in the live one's place
version_added: 0.1.0
description:
  - Renames the live database away and another one to its name, in one transaction. Killed anywhere, it is as before.
  - While it waits, the sessions on both databases are ended; new ones wait at the server's door. An application that
    reconnects all the time cannot make it fail.
  - The database that takes the place is given the live one's owner, grants, settings, connection limit and comment
    first.
  - The replaced database is kept beside it under a name of its own and bears a comment that says what it is.
  - Afterwards the name is looked up again in a new session, and the recorded revisions are read.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Everything that can be known beforehand is checked; nothing is renamed, given or ended.
  diff_mode:
    support: full
    details:
      - Shows the recorded revisions under the live name before and after.
  idempotent:
    support: full
    details:
      - A replacement that has the live name already is no change.
options:
  replacement:
    description:
      - The database that takes the live one's place. It bears this collection's comment; a copy that was not compared
        with what it was made of is refused.
    type: str
    required: true
  expected_heads:
    description:
      - The revisions a plan saw recorded in the live database. Where others are by now, nothing is done.
    type: list
    elements: str
  to_heads:
    description:
      - The revisions the replacement has to record.
    type: list
    elements: str
    required: true
  purpose:
    description:
      - What it is done for, as the journal says it.
    type: str
    choices: [restore, recovery, undo]
    default: restore
  state_dir:
    description:
      - The state directory. While it holds an emergency stop of the Compose project, nothing is replaced. By default
        nothing is looked up.
    type: path
notes:
  - The login role owns the database, or is a member of its owner, and has C(CREATEDB). It may enter C(postgres) or
    C(template1).
  - Sessions of other roles are ended by a superuser, or a member of these roles or of C(pg_signal_backend).
seealso:
  - module: recyclic.rollback.database_copy
"""

EXAMPLES = r"""
- name: Put this run's copy back
  recyclic.rollback.database_swap:
    login_db: recyclic
    login_user: recyclic
    login_password: "{{ vault_db_password }}"
    login_host: 127.0.0.1
    replacement: recyclic_safety_20260301T031500Z-a1b2c3
    to_heads: [k1l2m3n4o5p6]
    purpose: recovery
"""

RETURN = r"""
kept:
  description: The name under which the replaced database is kept.
  type: str
  returned: success
  sample: recyclic_kept_20260301T031500Z-a1b2c3
seconds:
  description: How long it took, in seconds; V(0) where it was done already.
  type: float
  returned: success
ended:
  description: How many sessions were ended.
  type: int
  returned: success
heads_before:
  description: The revisions recorded under the live name before, sorted.
  type: list
  elements: str
  returned: success
heads_after:
  description: The same after; in check mode those predicted.
  type: list
  elements: str
  returned: success
not_given:
  description: Settings this role may not give to a database, each as the statement and the server's answer.
  type: list
  elements: str
  returned: success
executed_commands:
  description: The statements of the transaction.
  type: list
  elements: str
  returned: success
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: swap_not_free
"""

from dataclasses import replace

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    recorded_heads,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import order_path, require_no_stop
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import (
    KEPT,
    SAFETY,
    end_left,
    holding,
    list_ours,
    maintenance,
    name_for,
    oid_of,
    require_swappable,
    swap,
    work_name,
)


def exchange(module, redact):
    params = module.params
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target, limits = ground.target, Limits()
    live, replacement, wanted = target.database, params["replacement"], sorted(params["to_heads"])
    order = order_path(params["state_dir"], ground.project)

    def heads_of(name):
        there = replace(target, params={**target.params, "dbname": name})
        with there.open(session_name(run_id, "control"), limits) as control:
            return sorted(recorded_heads(control, params["version_table"], params["version_schema"]) or [])

    def may_act():
        require_no_stop(order)
        require_held(params["run_dir"], params["run_token"])

    with maintenance(target).open(work_name(run_id, "beside") + ":hold", limits) as hold:
        if not module.check_mode:
            end_left(hold, run_id)
        kept = kept_by(hold, live, replacement)
        before = heads_of(live)
        result = {"changed": kept is None, "kept": kept or name_for(KEPT, live, run_id), "seconds": 0.0, "ended": 0,
                  "heads_before": before, "heads_after": wanted, "not_given": [], "executed_commands": []}
        if module._diff:
            result["diff"] = diff(before, wanted)
        if kept is not None:
            return {**result, "heads_after": measured(before, wanted, live, replacement, kept)}
        require_one_of_ours(hold, live, replacement)
        if params["expected_heads"] is not None and before != sorted(params["expected_heads"]):
            raise Refusal("moved_since_plan", heads=", ".join(before) or "-")
        found = heads_of(replacement)
        if found != wanted:
            raise Refusal("swap_heads_before", name=replacement, heads=", ".join(found) or "-",
                          wanted=", ".join(wanted) or "-")
        require_swappable(hold, live)
        if module.check_mode:
            return result
        # Somebody else's may have begun since the run did.
        ground.runtime.require_idle()
        with holding(hold, live):
            may_act()
            with Journal(params["run_dir"]).step("database_swap", acts=True) as step:
                step.facts.update(replacement=replacement, purpose=params["purpose"], heads_before=before)
                swapped = swap(target, live, replacement, run_id, limits, may_act, before)
                step.facts.update(kept=swapped.kept, ended=swapped.ended, not_given=list(swapped.notes))
                step.commands += [redact(f"{statement};") for statement in swapped.statements]
                after = measured(heads_of(live), wanted, live, replacement, swapped.kept)
                step.facts["heads_after"] = after
    return {**result, "kept": swapped.kept, "seconds": swapped.seconds, "ended": swapped.ended, "heads_after": after,
            "not_given": list(swapped.notes), "executed_commands": step.commands}


def kept_by(connection, live, replacement):
    """The name under which the database is kept that this replacement has replaced; None where it has not."""
    there = oid_of(connection, live)
    done = [each.name for each in list_ours(connection, live) if each.kind == KEPT
            and each.replacement == {"name": replacement, "oid": there}]
    return done[0] if done and oid_of(connection, replacement) is None else None


def require_one_of_ours(connection, live, replacement):
    """No other database may get the live name, however well it was meant."""
    if oid_of(connection, replacement) is None:
        raise Refusal("swap_database_absent", name=replacement)
    found = next((each for each in list_ours(connection) if each.name == replacement), None)
    if found is None:
        raise Refusal("beside_not_ours", name=replacement)
    if found.of != live:
        raise Refusal("beside_of_another", name=replacement, of=found.of, database=live)
    if found.kind == SAFETY and not found.proved:
        raise Refusal("beside_unproved", name=replacement)


def measured(heads, wanted, live, replacement, kept):
    if heads != wanted:
        raise Problem("swap_heads_after", database=live, replacement=replacement, kept=kept,
                      heads=", ".join(heads) or "-", wanted=", ".join(wanted) or "-")
    return heads


def diff(before, after):
    """Ansible's diff: the revisions recorded under the live name."""
    return {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n",
            "before_header": "recorded revisions", "after_header": "recorded revisions"}


def main():
    run(exchange, {
        "replacement": {"type": "str", "required": True},
        "expected_heads": {"type": "list", "elements": "str"},
        "to_heads": {"type": "list", "elements": "str", "required": True},
        "purpose": {"type": "str", "default": "restore", "choices": ["restore", "recovery", "undo"]},
        "state_dir": {"type": "path"},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
