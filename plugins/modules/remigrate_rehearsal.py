#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: remigrate_rehearsal
short_description: Try a migration on an isolated copy before it is applied again
version_added: 0.1.0
description:
  - Restores the backup of the run in O(run_dir), without one the newest good backup, on a scratch server, applies the
    migration there, judges the checks, and undoes it again to prove the way back. Everything is timed. Nothing of
    production can be reached from there.
  - It does so in check mode as well; the live database is not connected to.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.checks
  - recyclic.rollback.rehearsal
  - recyclic.rollback.rehearsal.scratch
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  plan:
    description:
      - The plan of M(recyclic.rollback.remigrate_plan).
    type: dict
    required: true
seealso:
  - module: recyclic.rollback.remigrate_plan
"""

EXAMPLES = r"""
- name: Try the corrected migration
  recyclic.rollback.remigrate_rehearsal:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    plan: "{{ planned.plan }}"
"""

RETURN = r"""
rehearsal:
  description:
    - What C(rehearsal.json) in O(run_dir) holds, without the measures of every table - C(result), C(steps) with their
      seconds, C(checks), and C(way_back) with C(ok), C(error) and how the copy then C(differs).
  type: dict
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
  sample: again_failed
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, scratch_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import MANIFEST, newest_good
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import unqualified
from ansible_collections.recyclic.rollback.plugins.module_utils._copy import Look
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    StateDirectory,
    run_id_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances
from ansible_collections.recyclic.rollback.plugins.module_utils._rehearsal import (
    new_record,
    recorded,
    rehearsal_spec,
    secrets_of,
    shown,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._remigration import rehearse_again, tell_again
from ansible_collections.recyclic.rollback.plugins.module_utils._restored import require_backup, wish_for


def play(module, redact):
    params, language = module.params, module.params["language"]
    record = new_record()
    with recorded(params["run_dir"], "rehearsal.json", record, language, redact):
        rehearse(params, redact, record)
    return {"changed": False, "rehearsal": shown(record), "lines": tell_again(record, language)}


def rehearse(params, redact, record):
    path, plan = backup_for(params), params["plan"]
    manifest = require_backup(path, params["login_db"])
    record.update(backup_id=manifest["backup_id"], production_identifier=manifest["server"]["system_identifier"])
    ground, version = ground_from(params, redact), plan["version_table"]
    look = Look(version["name"], version["schema"], params["checks"], params["fingerprint_max_bytes"],
                {unqualified(table): condition for table, condition in (params["migration_rows"] or {}).items()}, {})
    rehearse_again(ground, environment_from(params, ground.runtime, redact), manifest, plan,
                   wish_for(manifest, params, run_id_of(params["run_dir"])), look, acceptances(params["accept"]),
                   Limits(params["lock_timeout"], params["statement_timeout"]), params["timeout"], params["language"],
                   redact, record, [path])


def backup_for(params):
    """The manifest of this run's backup; without a run that of the newest, if it can be where the database is."""
    if params["run_dir"]:
        return os.path.join(params["run_dir"], MANIFEST)
    state = StateDirectory(params["state_dir"])
    found = newest_good(state.backups, params["login_db"], heads=sorted(params["plan"]["from_heads"])) or newest_good(
        state.backups, params["login_db"])
    if not found:
        raise Refusal("again_no_backup", database=params["login_db"])
    return os.path.join(found["path"], MANIFEST)


def main():
    run(play, {
        "plan": {"type": "dict", "required": True},
        **rehearsal_spec(),
        **scratch_spec(),
    }, alembic=True, secrets=secrets_of, supports_check_mode=True)


if __name__ == "__main__":
    main()
