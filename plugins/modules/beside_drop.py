#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: beside_drop
short_description: Drop what a run has loaded beside the live database and did not put in its place
version_added: 0.1.0
description:
  - A restore that is refused, or fails, after its backup was loaded leaves a database as large as the live one. This
    drops those that the run in O(run_dir) made for itself; it knows them by their comment. Nothing else is touched, no
    database that was ever live and no safety copy.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Drops nothing, and returns nothing; in check mode nothing was loaded.
  diff_mode:
    support: none
  idempotent:
    support: full
"""

EXAMPLES = r"""
- name: Leave nothing behind
  recyclic.rollback.beside_drop:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    run_dir: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3
"""

RETURN = r"""
dropped:
  description: The names of the databases.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._beside import drop_left
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import maintenance, work_name


def tidy(module, redact):
    params = module.params
    run_id = run_id_of(params["run_dir"])
    if module.check_mode or not run_id:
        return {"changed": False, "dropped": []}
    target = ground_from(params, redact).target
    require_held(params["run_dir"], params["run_token"])
    name = work_name(run_id, "undo")
    with Journal(params["run_dir"]).step("tidy") as step, maintenance(target).open(name) as control:
        dropped = drop_left(control, target.database, run_id)
        step.facts["dropped"] = dropped
    return {"changed": bool(dropped), "dropped": dropped}


def main():
    run(tidy, supports_check_mode=True)


if __name__ == "__main__":
    main()
