#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: manual_rollback
short_description: Undo a migration by hand, in one transaction
version_added: 0.2.0
description:
  - Removes the rows of a migration's tables, deals with what refers to them as declared, and sets the recorded
    revisions, as a whole set, in one transaction. Whatever fails, all of it is rolled back.
  - Every foreign key into these rows is found in the catalogue, and every row it touches is counted beforehand. One
    that was not declared stops it, also one that the database itself would follow (C(ON DELETE CASCADE)).
  - Only done within a run whose plan found that the recorded revisions would then be true.
  - Triggers of the tables fire as they do for any C(DELETE) and C(UPDATE); see RV(triggers).
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
      - Everything is counted and refused as for real, in a snapshot that cannot write.
  diff_mode:
    support: full
    details:
      - Shows the recorded revisions and the rows of each table before and after, and the SQL.
  idempotent:
    support: full
options:
  remove:
    description:
      - The rows that go. They have to be those of the tables that the plan announced, each named once.
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description:
          - The table, with its schema where it is not on the search path.
        type: str
        required: true
      filter:
        description:
          - An SQL condition that finds them; every row of the table where it is empty.
        type: str
        default: ""
      rows:
        description:
          - How many they have to be. Where it is not given, a filter that finds none of a table's rows is refused.
        type: int
  references:
    description:
      - What becomes of rows that refer to them, by the foreign key's name, or C(table.name) where two bear the same.
        V(refuse) stops it, which is also what happens to those that are not named; V(set_null) clears the reference;
        V(cascade) removes them too, and deals with what refers to them by the same rules.
    type: dict
    default: {}
  expected_heads:
    description:
      - The revisions that must be recorded before, as a whole set.
    type: list
    elements: str
    required: true
  to_heads:
    description:
      - The revisions to record, as a whole set. They have to be the plan's.
    type: list
    elements: str
    required: true
  lock_timeout:
    description:
      - How long a statement may wait for a lock, in milliseconds; V(0) waits for ever.
    type: int
    default: 5000
  statement_timeout:
    description:
      - How long a statement may take, in milliseconds; V(0) is no limit.
    type: int
    default: 0
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
      - The state directory. While it holds an emergency stop of the Compose project, nothing is done. By default
        nothing is looked up.
    type: path
seealso:
  - module: recyclic.rollback.alembic_migrate
"""

EXAMPLES = r"""
- name: Undo the migration of the categories by hand
  recyclic.rollback.manual_rollback:
    login_db: recyclic
    login_user: recyclic
    login_password: "{{ vault_db_password }}"
    login_host: 127.0.0.1
    run_dir: /var/lib/recyclic-rollback/runs/20260101T120000Z-a1b2c3
    remove:
      - table: categories
    references:
      ligne_depot_category_id_fkey: set_null
    expected_heads: [k1l2m3n4o5p6]
    to_heads: [g1h2i3j4k5l6]
"""

RETURN = r"""
heads_before:
  description: The recorded revisions before, sorted.
  type: list
  elements: str
  returned: success
  sample: [k1l2m3n4o5p6]
heads_after:
  description: The recorded revisions after, sorted; in check mode those it would record.
  type: list
  elements: str
  returned: success
  sample: [g1h2i3j4k5l6]
removed:
  description: The number of rows removed, by table; in check mode those it would remove.
  type: dict
  returned: success
  sample: {categories: 17}
references:
  description: The foreign keys into the tables that rows went from.
  type: list
  elements: dict
  returned: success
  contains:
    constraint:
      description: Its name.
      type: str
    table:
      description: The table that refers.
      type: str
    columns:
      description: Its columns.
      type: list
      elements: str
    to_table:
      description: The table it refers to.
      type: str
    rows:
      description: The number of rows that referred to rows that went.
      type: int
    decision:
      description: What became of them, V(refuse) where there were none to decide about.
      type: str
triggers:
  description: The triggers that fired, or would fire, each after its table.
  type: list
  elements: str
  returned: success
left:
  description: The number of rows that O(remove) still finds, by table, where the revisions were recorded already.
  type: dict
  returned: success
statements:
  description: The SQL that changes rows.
  type: list
  elements: str
  returned: in check mode or diff mode
attempts:
  description: How many times the tables were asked for.
  type: int
  returned: success
duration_s:
  description: How long it took, in seconds.
  type: float
  returned: success
executed_commands:
  description: The SQL of the whole transaction, as one could type it in psql.
  type: list
  elements: str
  returned: success
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: manual_referenced
"""

import os
from contextlib import ExitStack

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import qualified
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    lock_holder,
    recorded_heads,
    rows,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, read_json, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._manual import (
    Manual,
    removal_spec,
    removals_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._manual_perform import (
    Attempts,
    Patience,
    carry_out,
    preview,
    rows_left,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import order_path, require_no_stop


def undo(module, redact):
    params = module.params
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target, limits = ground.target, Limits(params["lock_timeout"], params["statement_timeout"])
    manual = Manual(removals_from(params["remove"]), params["references"], tuple(sorted(params["expected_heads"])),
                    tuple(sorted(params["to_heads"])), params["version_table"], params["version_schema"])
    planned = plan_of(params["run_dir"], manual)
    with target.open(session_name(run_id, "control"), limits) as control:
        # Filters are the operator's own SQL; here they only look.
        rows(control, "SET default_transaction_read_only TO on")
        heads = recorded_heads(control, manual.version_table, manual.version_schema) or []
        result = {"changed": False, "heads_before": heads, "heads_after": heads, "removed": {}, "references": [],
                  "triggers": [], "left": {}, "attempts": 0, "duration_s": 0.0, "executed_commands": []}
        if heads == list(manual.after):
            # What is found now came after, or was left: the checks tell.
            return {**result, "left": rows_left(control, manual)}
        if heads != list(manual.before):
            raise Refusal("moved_since_plan", heads=", ".join(heads) or "-")
        require_true(planned, manual, control, params["run_dir"])
        holder = lock_holder(control)
        if holder:
            raise Refusal("another_run_acting", holder=holder)
        patience = Patience(params["retries"], params["retry_delay"])
        found, statements = preview(target, control, manual, limits, run_id, patience)
        result.update(changed=True, heads_after=list(manual.after), removed=found.removed, references=found.references,
                      triggers=found.triggers)
        if module.check_mode or module._diff:
            result.update(statements=statements, diff=diff(manual, found, statements))
        if module.check_mode:
            return result
        order = order_path(params["state_dir"], ground.project)

        def may_act():
            # Somebody else's migration may have begun since the run did.
            ground.runtime.require_idle()
            require_no_stop(order)
            require_held(params["run_dir"], params["run_token"])

        tried = Attempts()
        with ExitStack() as journalled:
            may_act()
            step = journalled.enter_context(Journal(params["run_dir"]).step("manual_rollback", acts=True))
            try:
                done = carry_out(target, control, manual, limits, run_id, patience, may_act, tried)
                step.commands += [redact(f"{statement};") for statement in done.statements]
                step.facts.update(removed=done.removed, references=done.references, triggers=done.triggers,
                                  heads_after=list(manual.after))
            finally:
                step.facts.update(heads_before=heads, attempts=tried.number, blockers=tried.blockers)
    return {**result, "removed": done.removed, "references": done.references, "triggers": done.triggers,
            "attempts": tried.number, "duration_s": tried.duration_s, "executed_commands": step.commands}


def plan_of(run_dir, manual):
    """The plan of the run. Refuses where there is none, or one that leads elsewhere."""
    path = os.path.join(run_dir, "plan.json") if run_dir else "plan.json"
    planned = read_json(path) if run_dir else None
    if not planned:
        raise Refusal("manual_needs_plan", path=path)
    if sorted(planned["to_heads"]) != list(manual.after):
        raise Refusal("manual_not_planned", planned=", ".join(planned["to_heads"]) or "-",
                      wanted=", ".join(manual.after) or "-")
    return planned


def require_true(planned, manual, connection, run_dir):
    """Refuse what would leave a record that is not true, or take rows that the plan did not weigh."""
    if sorted(planned["from_heads"]) != list(manual.before):
        raise Refusal("moved_since_plan", heads=", ".join(manual.before) or "-")
    route = planned.get("routes", {}).get("manual")
    if not route:
        raise Refusal("manual_needs_plan", path=os.path.join(run_dir, "plan.json"))
    if route["verdict"] == "impossible":
        raise Refusal("manual_would_lie", heads=", ".join(manual.after) or "-", reasons="; ".join(route["reasons"]))
    purpose, named = planned.get("purpose") or {}, [removal.table for removal in manual.removals]
    if {qualified(connection, table) for table in purpose} != {qualified(connection, table) for table in named}:
        raise Refusal("manual_not_the_plans", planned=", ".join(purpose) or "-", named=", ".join(named) or "-")


def diff(manual, found, statements):
    """Ansible's diff: the recorded revisions and the rows that go of each table, then the SQL."""
    before = [*manual.before, *(f"{table}: {number} rows to remove" for table, number in found.removed.items())]
    after = [*manual.after, *(f"{table}: 0 rows to remove" for table in found.removed)]
    for each in found.references:
        if each["rows"] and each["decision"] == "set_null":
            line = f"{each['table']} ({', '.join(each['columns'])})"
            before.append(f"{line}: {each['rows']} references")
            after.append(f"{line}: 0 references")
    return {"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n",
            "before_header": "recorded revisions and rows", "after_header": "recorded revisions and rows",
            "prepared": "".join(f"{statement};\n" for statement in statements)}


def main():
    run(undo, {
        "remove": {"type": "list", "elements": "dict", "required": True, "options": removal_spec()},
        "references": {"type": "dict", "default": {}},
        "expected_heads": {"type": "list", "elements": "str", "required": True},
        "to_heads": {"type": "list", "elements": "str", "required": True},
        "lock_timeout": {"type": "int", "default": 5000},
        "statement_timeout": {"type": "int", "default": 0},
        "retries": {"type": "int", "default": 3},
        "retry_delay": {"type": "int", "default": 2},
        "state_dir": {"type": "path"},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
