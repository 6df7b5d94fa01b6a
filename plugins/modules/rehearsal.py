#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rehearsal
short_description: Play a planned rollback on a restored copy, and compare what it does with the plan
version_added: 0.2.0
description:
  - Restores a backup on a scratch server of its own, compares it with its manifest, takes O(route) there as the plan
    says, measures what that took, and upgrades back. The live database is not connected to.
  - Before anything is moved, a connection made through C(env.py) has to reach the scratch server, told by its system
    identifier; otherwise the module refuses.
  - What the route took and neither the plan announced nor O(accept) names makes the module refuse; so does one that
    fails, hangs, or leaves the tables otherwise than O(checks) demand.
  - The scratch server and its data are gone afterwards, however the module ends.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.checks
  - recyclic.rollback.rehearsal
  - recyclic.rollback.rehearsal.scratch
  - recyclic.rollback.rehearsal.by_hand
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Does nothing, since a run in check mode has taken no backup to rehearse on.
  diff_mode:
    support: N/A
    details:
      - Nothing that stays is changed.
  idempotent:
    support: full
options:
  plan:
    description:
      - The plan to rehearse; by default C(plan.json) in O(run_dir).
    type: path
  backup:
    description:
      - The manifest of the backup to rehearse on; by default C(backup.json) in O(run_dir). Once restored and compared,
        it says so.
    type: path
  migration:
    description:
      - The revision the plan undoes. A plan of another one is refused.
    type: str
    required: true
  to_revision:
    description:
      - Where the plan goes back to; empty for what the plan says.
    type: str
    default: ''
  route:
    description:
      - The route to rehearse - Alembic's own downgrade, the transaction by hand, or the restore of the plan's backup.
    type: str
    choices: [alembic, manual, restore]
    default: alembic
  record:
    description:
      - The name of the file in O(run_dir) that holds what it showed.
    type: str
    default: rehearsal.json
seealso:
  - module: recyclic.rollback.drill
  - module: recyclic.rollback.plan_info
"""

EXAMPLES = r"""
- name: Rehearse what this run has planned, on the backup it has taken
  recyclic.rollback.rehearsal:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    pg_bin_dir: /usr/lib/postgresql/15/bin
    run_dir: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3
    state_dir: /var/lib/recyclic-rollback
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    alembic_environment:
      DATABASE_URL: "{{ vault_database_url }}"
    migration: k1l2m3n4o5p6
    concerned: [categories]
"""

RETURN = r"""
rehearsal:
  description: What C(rehearsal.json) in O(run_dir) holds, without the measures of every table.
  type: dict
  returned: success, not in check mode
  contains:
    result:
      description: V(pass), or in the file V(fail).
      type: str
    isolation:
      description: How the scratch server was kept apart - V(namespace), V(override) or V(network).
      type: str
    system_identifier:
      description: The scratch server's.
      type: str
    production_identifier:
      description: That of the server the backup is of.
      type: str
    steps:
      description: Each with C(name), C(seconds) and C(result).
      type: list
      elements: dict
    revisions:
      description: For each revision undone, how long it took and which locks it held for how long.
      type: list
      elements: dict
    longest_lock:
      description: The lock that was held longest - C(table), C(mode), C(held_s), C(revision).
      type: dict
    losses:
      description: What was lost, measured - C(id), C(text), C(rows), C(exact).
      type: list
      elements: dict
    upgrade_again:
      description: Whether upgrading back works (C(ok), C(error)), and how the structure then differs (C(differs)).
      type: dict
    checks:
      description: The judgement of each check.
      type: list
      elements: dict
passed:
  description: Whether it passed; V(none) in check mode. Where it does not pass, the module fails.
  type: bool
  returned: success
lines:
  description: What an operator reads of it.
  type: list
  elements: str
  returned: success
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: rehearsal_unannounced
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, scratch_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import MANIFEST
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import unqualified
from ansible_collections.recyclic.rollback.plugins.module_utils._copy import Look
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    read_json,
    run_id_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances
from ansible_collections.recyclic.rollback.plugins.module_utils._manual_look import (
    Manual,
    by_hand_spec,
    removals_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._rehearsal import (
    new_record,
    recorded,
    rehearsal_spec,
    rehearse,
    secrets_of,
    shown,
    tell,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._restored import require_backup, wish_for
from ansible_collections.recyclic.rollback.plugins.module_utils._ways import Way


def play(module, redact):
    params, language = module.params, module.params["language"]
    if module.check_mode:
        return {"changed": False, "passed": None, "lines": []}
    record = new_record()
    with recorded(params["run_dir"], os.path.basename(params["record"]), record, language, redact):
        rehearse_planned(params, redact, record)
    return {"changed": False, "passed": True, "rehearsal": shown(record), "lines": tell(record, language)}


def rehearse_planned(params, redact, record):
    plan = require_plan(params)
    path = params["backup"] or os.path.join(params["run_dir"] or "", MANIFEST)
    manifest = require_backup(path, params["login_db"])
    if sorted(manifest["heads"] or []) != sorted(plan["from_heads"]):
        raise Refusal("rehearsal_backup_elsewhere", path=manifest["path"], heads=", ".join(manifest["heads"] or ["-"]),
                      from_heads=", ".join(plan["from_heads"]))
    record.update(backup_id=manifest["backup_id"], production_identifier=manifest["server"]["system_identifier"])
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    version = plan["version_table"]
    look = Look(version["name"], version["schema"], params["checks"], params["fingerprint_max_bytes"],
                {unqualified(table): condition for table, condition in (params["migration_rows"] or {}).items()},
                plan.get("changes"))
    rehearse(ground, environment_from(params, ground.runtime, redact), manifest, plan,
             wish_for(manifest, params, run_id), look, [unqualified(table) for table in params["concerned"]],
             acceptances(params["accept"]), Limits(params["lock_timeout"], params["statement_timeout"]),
             params["timeout"], params["language"], redact, record, [path], way_of(params, plan, ground))


def way_of(params, plan, ground):
    """The route, with what it needs. One the plan does not have is refused."""
    route = plan["routes"].get(params["route"])
    if not route or route.get("verdict") == "impossible":
        raise Refusal("rehearsal_no_route", path=params["plan"] or params["run_dir"], route=params["route"])
    version = plan["version_table"]
    manual = Manual(removals_from(params["remove"]), params["references"], tuple(plan["from_heads"]),
                    tuple(plan["to_heads"]), version["name"], version["schema"])
    backup = require_backup(os.path.join(route["backup"], MANIFEST), params["login_db"]
                            ) if params["route"] == "restore" else None
    return Way(params["route"], manual, backup, params["timeout"], ground.target.params.get("user", ""))


def require_plan(params):
    """The plan. One of another database, migration or goal, or with nothing to undo, is refused."""
    path = params["plan"] or os.path.join(params["run_dir"] or "", "plan.json")
    plan = read_json(path)
    if not (plan and plan["database"] == params["login_db"] and plan["migration"] == params["migration"]
            and params["to_revision"] in ("", plan["to_revision"]) and plan["path"]):
        raise Refusal("rehearsal_no_plan", path=path, database=params["login_db"])
    return plan


def main():
    run(play, {
        "plan": {"type": "path"},
        "backup": {"type": "path"},
        "migration": {"type": "str", "required": True},
        "to_revision": {"type": "str", "default": ""},
        "route": {"type": "str", "default": "alembic", "choices": ["alembic", "manual", "restore"]},
        "record": {"type": "str", "default": "rehearsal.json"},
        **by_hand_spec(),
        **rehearsal_spec(),
        **scratch_spec(),
    }, alembic=True, secrets=secrets_of, supports_check_mode=True)


if __name__ == "__main__":
    main()
