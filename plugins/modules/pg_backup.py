#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_backup
short_description: Take a backup that describes itself
version_added: 0.1.0
description:
  - Dumps a whole database, named tables, or both, with the server's own C(pg_dump), in one snapshot with the counts and
    fingerprints that describe it.
  - A backup is a directory with the dump, the manifest C(backup.json), C(SHA256SUMS) and C(RESTORE.txt), the shell
    commands that restore it. It gets its name only when it has been listed, read back whole, checksummed and fsynced.
  - A backup that fails, or would eat into the reserve of free disk, leaves nothing, and never touches an earlier one.
  - With O(max_age) one that is there already, whole, undamaged, proved by a restore and at the same recorded revisions,
    is used instead of taking another.
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
      - Checks the server, the client program, the directory and the free disk, and takes nothing.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - Each run takes a new backup, unless O(max_age) lets an existing one stand for it.
options:
  backups:
    description:
      - The directory that holds backups; created with mode 0700.
    type: path
    required: true
  whole:
    description:
      - Back up the whole database.
    type: bool
    default: true
  tables:
    description:
      - Tables that also get a file of their own.
    type: list
    elements: str
    default: []
  format:
    description:
      - V(custom) is compressed and read by C(pg_restore); V(plain) is SQL for C(psql).
    type: str
    choices: [custom, plain]
    default: custom
  disk_reserve:
    description:
      - What must stay free on the file system of O(backups) - bytes, a size such as V(2GiB), or a percentage such as
        V(5%).
    type: str
    default: 5%
  timeout:
    description:
      - How long one dump may take, in seconds.
    type: int
    default: 7200
  fingerprint_max_bytes:
    description:
      - Tables up to this size are fingerprinted in the manifest; see M(recyclic.rollback.table_count).
    type: int
    default: 1073741824
  max_age:
    description:
      - Use an existing whole backup of this server's database instead of taking one, if it is no older than this many
        hours, has been restored and compared, holds the revisions recorded now, and its files still have their
        checksums. V(0) always takes one.
      - What was written since such a backup is in no backup. Take a safety copy before acting.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Back up the database, and the categories on their own
  recyclic.rollback.pg_backup:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    backups: /var/lib/recyclic-rollback/backups
    tables: [categories]
  register: backup
"""

RETURN = r"""
backup:
  description:
    - The manifest, which also stands in the backup's directory.
  type: dict
  returned: success; in check mode only where one that is there would be used
  contains:
    path:
      description: The backup's directory.
      type: str
    files:
      description: For each file C(name), C(scope), C(tables), C(bytes) and C(sha256).
      type: list
      elements: dict
    heads:
      description: The revisions recorded in it.
      type: list
      elements: str
    tables:
      description: Rows, fingerprint and bytes of each table, in the dump's own snapshot.
      type: dict
    verified:
      description: The files were listed and read back whole.
      type: bool
    restored_and_compared:
      description: Whether it has been restored somewhere and compared with this manifest.
      type: bool
reused:
  description: Whether that is a backup that was there already, used instead of taking one; see O(max_age).
  type: bool
  returned: success
swept:
  description: What backups that were cut off had left, removed.
  type: list
  elements: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import (
    MANIFEST,
    Wanted,
    expected_bytes,
    require_client,
    require_space,
    sweep_incomplete,
    take,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    identity,
    recorded_heads,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    now,
    private_directory,
    run_id_of,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._reuse import usable_backup


def backup(module, redact):
    params = module.params
    wanted = Wanted(params["whole"], tuple(params["tables"]), params["format"], params["disk_reserve"],
                    params["timeout"], params["fingerprint_max_bytes"], params["version_table"],
                    params["version_schema"])
    ground, run_id = ground_from(params, redact), run_id_of(params["run_dir"])
    target, runtime = ground.target, ground.runtime
    if not 0 <= params["max_age"] < float("inf"):
        raise Refusal("keep_max_age", given=params["max_age"])
    existing = existing_backup(params, target, run_id, deep=not module.check_mode)
    if existing:
        if not module.check_mode:
            use(params, existing)
        return {"changed": False, "backup": existing, "reused": True, "swept": []}
    if module.check_mode:
        with target.open(session_name(run_id, "backup")) as session:
            require_client(runtime, session.server_version)
            require_space(params["backups"], wanted, expected_bytes(session, wanted))
        return {"changed": True, "reused": False, "swept": []}
    private_directory(params["backups"])
    swept = sweep_incomplete(params["backups"])
    with Journal(params["run_dir"]).step("backup") as step:
        manifest = take(target, runtime, params["backups"], wanted, run_id)
        step.commands += manifest["commands"]
        if params["run_dir"]:
            write_json(os.path.join(params["run_dir"], MANIFEST), manifest)
    return {"changed": True, "backup": manifest, "reused": False, "swept": swept}


def existing_backup(params, target, run_id, deep):
    """The backup that stands for one taken now; None where one has to be taken."""
    if not (params["max_age"] and params["whole"]):
        return None
    with target.open(session_name(run_id, "backup")) as session:
        server = identity(session)["system_identifier"]
        heads = recorded_heads(session, params["version_table"], params["version_schema"])
    return usable_backup(params["backups"], target.database, server, heads, params["max_age"] * 3600, now(), deep)


def use(params, manifest):
    with Journal(params["run_dir"]).step("backup") as step:
        step.facts["reused"] = manifest["backup_id"]
        if params["run_dir"]:
            write_json(os.path.join(params["run_dir"], MANIFEST), {**manifest, "reused": True})


def main():
    run(backup, {
        "backups": {"type": "path", "required": True},
        "whole": {"type": "bool", "default": True},
        "tables": {"type": "list", "elements": "str", "default": []},
        "format": {"type": "str", "default": "custom", "choices": ["custom", "plain"]},
        "disk_reserve": {"type": "str", "default": "5%"},
        "timeout": {"type": "int", "default": 7200},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        "max_age": {"type": "float", "default": 0},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
