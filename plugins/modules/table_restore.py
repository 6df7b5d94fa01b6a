#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: table_restore
short_description: Make named tables what a backup holds
version_added: 0.1.0
description:
  - The backup is loaded into a new database beside the live one, as M(recyclic.rollback.restore_beside) does. The rows
    of the named tables are streamed into temporary tables, then put in place in one transaction, which is compared with
    the backup before it is committed. The new database is dropped afterwards.
  - Triggers of users do not fire. A foreign key of, or to, a table that is not named stops the whole, named with its
    rows; nothing is changed then.
  - Sequences of the tables' columns go on behind the highest value; one that was ahead stays there.
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
      - Reads the backup whole and looks for what would stop it; nothing is loaded.
  diff_mode:
    support: full
    details:
      - Shows each table's rows before and after.
  idempotent:
    support: full
options:
  tables:
    description:
      - The tables, with or without their schema. The version table is none of them.
    type: list
    elements: str
    required: true
  mode:
    description:
      - V(replace) deletes, updates and inserts until the table is what the backup holds; a table without a primary key
        is replaced whole.
      - V(missing) only inserts the rows whose primary key is not there.
    type: str
    choices: [replace, missing]
    default: replace
  backup:
    description:
      - As in M(recyclic.rollback.restore_beside). One that holds only these tables will do as well.
    type: str
    default: latest
  accept:
    description:
      - As in M(recyclic.rollback.restore_beside).
    type: list
    elements: str
    default: []
  no_owner:
    description:
      - As in M(recyclic.rollback.restore_beside).
    type: bool
    default: false
  lock_timeout:
    description:
      - How long to wait for the tables' locks, in milliseconds.
    type: int
    default: 5000
  state_dir:
    description:
      - The state directory, where backups and runs are. While it holds an emergency stop of the Compose project,
        nothing is changed.
    type: path
    required: true
  timeout:
    description:
      - How long loading may take, in seconds.
    type: int
    default: 7200
  disk_reserve:
    description:
      - As in M(recyclic.rollback.restore_beside).
    type: str
    default: 5%
  fingerprint_max_bytes:
    description:
      - Tables up to this size are compared with the backup's manifest after loading. The named tables are compared
        before the transaction is committed, whatever their size.
    type: int
    default: 1073741824
seealso:
  - module: recyclic.rollback.restore_beside
"""

EXAMPLES = r"""
- name: Make the categories what the newest backup holds
  recyclic.rollback.table_restore:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    tables: [categories]

- name: Bring back the categories that are missing, from a dump of this table alone
  recyclic.rollback.table_restore:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    tables: [categories]
    mode: missing
    backup: /srv/backup_categories.sql
    accept: [unverified-backup]
"""

RETURN = r"""
tables:
  description: What became of each table.
  type: list
  elements: dict
  returned: success, unless in check mode
  contains:
    table:
      description: Its name, with its schema.
      type: str
    rows_before:
      description: How many rows it had.
      type: int
    rows_after:
      description: How many it has.
      type: int
    inserted:
      description: How many rows were inserted.
      type: int
    updated:
      description: How many rows were changed.
      type: int
    deleted:
      description: How many rows were deleted.
      type: int
    changed:
      description: Whether any was.
      type: bool
source:
  description: The backup; see M(recyclic.rollback.restore_beside).
  type: dict
  returned: success
compared:
  description: Whether the backup was compared with a manifest.
  type: bool
  returned: success, unless in check mode
notes:
  description: What could not be seen to, in words.
  type: list
  elements: str
  returned: success, unless in check mode
duration_s:
  description: How long the transaction took, in seconds.
  type: float
  returned: success, unless in check mode
executed_commands:
  description: The commands that loaded the backup, as one could type them again.
  type: list
  elements: str
  returned: success
"""

import time

from ansible_collections.recyclic.rollback.plugins.module_utils._archive import find_source
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._beside import aimed, drop_beside, load
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import qualified
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits, advisory_lock, session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._fit import How, require_loadable
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._rows import put
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import order_path, require_no_stop
from ansible_collections.recyclic.rollback.plugins.module_utils._staging import stage, tables_of
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import work_name


def restore(module, redact):
    params = module.params
    ground, run_id = ground_from(params, redact), run_id_of(params["run_dir"])
    target, order = ground.target, order_path(params["state_dir"], ground.project)
    how = How(params["version_table"], params["version_schema"], params["fingerprint_max_bytes"], None,
              params["no_owner"], language=params["language"])

    def may_act():
        require_no_stop(order)
        require_held(params["run_dir"], params["run_token"])

    with target.open(session_name(run_id, "control")) as control:
        names = places(control, params)
        source = find_source(ground, params["state_dir"], params["backup"], version_table=params["version_table"])
        lacking = [name for name in names if source.tables is not None and name not in source.tables]
        if lacking:
            raise Refusal("rows_not_in_backup", table=", ".join(lacking))
        require_loadable(ground, source, params["accept"], how)
        result = {"changed": True, "source": source.describe(), "executed_commands": []}
        if module.check_mode:
            return result
        may_act()
        with advisory_lock(control):
            ground.runtime.require_idle()
            with Journal(params["run_dir"]).step("restore_beside") as step:
                loaded = load(ground, source, run_id, params["timeout"], params["disk_reserve"], redact,
                              params["accept"], how)
                step.commands += [redact(line) for line in loaded.commands]
                step.facts.update(database=loaded.name, source=source.path, compared=loaded.compared)
            try:
                moved, seconds = move(params, ground, run_id, loaded, names, may_act)
            finally:
                left = drop_beside(ground, run_id, loaded.name, params["language"])
    commands = [redact(line) for line in loaded.commands]
    found = [each.describe() for each in moved]
    result.update(changed=any(each.changed for each in moved), tables=found, compared=loaded.compared,
                  duration_s=seconds, executed_commands=commands, notes=loaded.notes + left)
    if module._diff:
        result["diff"] = {"before": "".join(f"{each['table']}: {each['rows_before']}\n" for each in found),
                          "after": "".join(f"{each['table']}: {each['rows_after']} (+{each['inserted']}"
                                           f" ~{each['updated']} -{each['deleted']})\n" for each in found)}
    return result


def places(control, params):
    """Where the named tables are, each once."""
    found, version = [], qualified(control, ".".join(
        part for part in (params["version_schema"], params["version_table"]) if part))
    for table in params["tables"]:
        place = qualified(control, table)
        if place is None:
            raise Refusal("table_absent", table=table, database=params["login_db"])
        if place == version:
            raise Refusal("rows_version_table", table=table)
        found.append(".".join(place))
    return list(dict.fromkeys(found))


def move(params, ground, run_id, loaded, names, may_act):
    """Bring the rows over; returns what became of each table, and the seconds the transaction took."""
    limits = Limits(params["lock_timeout"])
    with ground.target.open(session_name(run_id, "table_restore"), limits, autocommit=False) as live, \
            aimed(ground.target, loaded.name).open(work_name(run_id, "load"), autocommit=False) as beside:
        tables = tables_of(live, beside, names, params["mode"])
        stage(live, beside, tables)
        may_act()
        with Journal(params["run_dir"]).step("table_restore", acts=True) as step:
            began = time.monotonic()
            moved = put(live, beside, tables, params["mode"], may_act)
            step.facts.update(database=loaded.name, tables=[each.describe() for each in moved])
        return moved, round(time.monotonic() - began, 3)


def main():
    run(restore, {
        "tables": {"type": "list", "elements": "str", "required": True},
        "mode": {"type": "str", "default": "replace", "choices": ["replace", "missing"]},
        "backup": {"type": "str", "default": "latest"},
        "accept": {"type": "list", "elements": "str", "default": []},
        "no_owner": {"type": "bool", "default": False},
        "lock_timeout": {"type": "int", "default": 5000},
        "state_dir": {"type": "path", "required": True},
        "timeout": {"type": "int", "default": 7200},
        "disk_reserve": {"type": "str", "default": "5%"},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
