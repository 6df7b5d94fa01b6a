#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: drill
short_description: Try backup, rollback, validation and remigration on an isolated copy
version_added: 0.2.0
description:
  - Restores the newest good backup on a scratch server of its own, compares it with its manifest, rolls back there,
    validates, and upgrades again; each step is timed beside the guide's estimate.
  - Where nothing but the migration's rows has to be undone, the route by hand follows, which has to leave what
    Alembic's left; where there is a backup from before the migration, the restore of it does.
  - The live database is not connected to, and nothing of it is locked; it may be rolled back meanwhile.
  - Writes a run directory with a report of its own. A drill that does not pass does not fail the module; see RV(good).
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
      - Names the backup, and starts nothing.
  diff_mode:
    support: N/A
    details:
      - Nothing that stays is changed.
  idempotent:
    support: full
options:
  migration:
    description:
      - The revision to undo. A backup from before it is upgraded to it first.
    type: str
    required: true
  to_revision:
    description:
      - Where to go back to; empty for the migration's own parent.
    type: str
    default: ''
  operator:
    description:
      - Who drills, for the report.
    type: str
    default: ''
  report_dir:
    description:
      - Where the report's files will be copied to, for the summary.
    type: str
    default: ''
  metrics_dir:
    description:
      - The directory node_exporter's textfile collector reads, see M(recyclic.rollback.metrics_write); empty for none.
        Where it cannot be written, the report's next steps say so.
    type: str
    default: ''
  watched:
    description:
      - The tables whose rows C(metrics.prom) has.
    type: list
    elements: str
    default: []
seealso:
  - module: recyclic.rollback.rehearsal
"""

EXAMPLES = r"""
- name: Try the whole procedure on the newest backup
  recyclic.rollback.drill:
    login_db: recyclic
    pg_bin_dir: /usr/lib/postgresql/15/bin
    state_dir: /var/lib/recyclic-rollback
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    alembic_environment:
      DATABASE_URL: "{{ vault_database_url }}"
    migration: k1l2m3n4o5p6
    concerned: [categories]
"""

RETURN = r"""
outcome:
  description: V(drill_passed) or V(drill_failed); V(none) in check mode.
  type: str
  returned: success
good:
  description: Whether it passed, or nothing was started.
  type: bool
  returned: success
report:
  description: What C(report.json) holds.
  type: dict
  returned: success
summary:
  description: The lines that end a drill on the terminal.
  type: list
  elements: str
  returned: success
files:
  description: The report's files, to be copied to the controller - C(name) and C(content).
  type: list
  elements: dict
  returned: success
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: drill_no_backup
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, scratch_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import MANIFEST, newest_good
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import unqualified
from ansible_collections.recyclic.rollback.plugins.module_utils._copy import Look
from ansible_collections.recyclic.rollback.plugins.module_utils._database import DatabaseError, Limits
from ansible_collections.recyclic.rollback.plugins.module_utils._drill import Exercise, drill
from ansible_collections.recyclic.rollback.plugins.module_utils._drill_report import (
    PASSED,
    last_passed,
    report_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    now,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances
from ansible_collections.recyclic.rollback.plugins.module_utils._manual_look import (
    Manual,
    by_hand_spec,
    removals_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics import FILE as METRICS
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics_live import figures, metrics_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._rehearsal import (
    new_record,
    rehearsal_spec,
    secrets_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._report_files import (
    keep,
    listed,
    report_files,
    summed_up,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._restored import require_backup, wish_for
from ansible_collections.recyclic.rollback.plugins.module_utils._run import beside


def play(module, redact):
    params, language = module.params, module.params["language"]
    state = StateDirectory(params["state_dir"])
    newest = newest_good(state.backups, params["login_db"])
    if newest is None:
        raise Refusal("drill_no_backup", database=params["login_db"], path=state.backups)
    if module.check_mode:
        return {"changed": False, "outcome": None, "good": True, "report": {}, "files": [],
                "summary": [say(language, "drill_would", path=newest["path"])]}
    ground = ground_from(params, redact)
    state.create()
    previous = last_passed(state, params["login_db"])
    meta = {"playbook": "drill", "database": params["login_db"], "migration": params["migration"],
            "operator": params["operator"], "started_at": now()}
    opened = beside(state, meta)
    meta["run_id"] = opened["run_id"]
    record = {**new_record(), "backup_id": newest["backup_id"],
              "production_identifier": newest["server"]["system_identifier"]}
    failure = ""
    with Journal(opened["run_dir"]).step("drill") as step:
        try:
            drill_on(newest, ground, params, redact, opened["run_id"], record)
            record["result"] = "pass"
        except Problem as problem:
            failure, step.result = redact(say(language, problem.key, **problem.facts)), "failed"
            step.facts["reason"] = problem.key
        except DatabaseError as error:
            failure, step.result = redact(say(language, "database_error", error=str(error).strip())), "failed"
        finally:
            step.commands += record["commands"]
            write_json(os.path.join(opened["run_dir"], "rehearsal.json"), record)
    report = report_of(meta, newest, record, previous, failure, language)
    # A drill connects to no live database.
    watched, unwritten = figures(params, redact, report, looking=False)
    if unwritten:
        report["next_steps"].append(say(language, "metrics_not_written",
                                        path=params["metrics_dir"] or opened["run_dir"], error=unwritten))
    files = {**report_files(report, language), **({METRICS: watched} if watched else {})}
    keep(opened["run_dir"], files)
    return {"changed": False, "outcome": report["outcome"], "good": report["outcome"] == PASSED, "report": report,
            "summary": summed_up(report, language, params["report_dir"]),
            "files": listed(files)}


def drill_on(newest, ground, params, redact, run_id, record):
    """Drill on a backup whose files are, to the last byte, as they were written."""
    manifest = require_backup(os.path.join(newest["path"], MANIFEST), params["login_db"])
    look = Look("alembic_version", None, params["checks"], params["fingerprint_max_bytes"],
                {unqualified(table): condition for table, condition in (params["migration_rows"] or {}).items()})
    exercise = Exercise(params["migration"], params["to_revision"], list(map(unqualified, params["concerned"])),
                        acceptances(params["accept"]), by_hand_for(params), restorable(params),
                        ground.target.params.get("user", ""))
    drill(ground, environment_from(params, ground.runtime, redact), manifest, exercise,
          wish_for(manifest, params, run_id), look, Limits(params["lock_timeout"], params["statement_timeout"]),
          params["timeout"], params["language"], redact, record)


def by_hand_for(params):
    """What makes the transaction by hand, once the recorded revisions are known."""
    return lambda before, after, look: Manual(
        removals_from(params["remove"]), params["references"], tuple(before), tuple(after), look.version_table,
        look.version_schema)


def restorable(params):
    """What finds the backup a rollback could be restored from."""
    backups = StateDirectory(params["state_dir"]).backups
    return lambda heads: newest_good(backups, params["login_db"], heads=sorted(heads))


def main():
    run(play, {
        "migration": {"type": "str", "required": True},
        "to_revision": {"type": "str", "default": ""},
        "operator": {"type": "str", "default": ""},
        "report_dir": {"type": "str", "default": ""},
        **metrics_spec(),
        **by_hand_spec(),
        **rehearsal_spec(),
        **scratch_spec(),
    }, alembic=True, secrets=secrets_of, supports_check_mode=True)


if __name__ == "__main__":
    main()
