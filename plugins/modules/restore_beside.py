#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_beside
short_description: Load a backup into a new database beside the live one, and prove it
version_added: 0.1.0
description:
  - Takes a backup of this collection, or any plain, custom, tar or directory dump of C(pg_dump), also packed by gzip,
    bzip2 or xz, or with the line ends of a terminal. It is read whole before anything is done; what is empty, cut
    short, damaged, foreign, or from a newer server is refused, and so is a plain dump with commands for C(psql) itself.
  - The backup is loaded into a new database, in one transaction that the first error ends, and compared with its
    manifest table by table. One without a manifest is loaded, counted, fingerprinted and checked, under the acceptance
    V(unverified-backup).
  - The live database is not touched. When the module fails or is interrupted, the new database is dropped; what one
    that was killed left goes with the next call of the same run.
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
      - Reads the backup whole and looks for what would stop it on this server; nothing is loaded.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - Within a run, a database that was loaded from the same backup and proved is taken again.
options:
  backup:
    description:
      - V(latest) for the newest good backup of the whole database, the path of a backup's directory or of a file, a
        backup's id, or the id of a run that took one.
    type: str
    default: latest
  heads:
    description:
      - The revisions the backup has to record. Any other backup is refused. By default every backup will do.
    type: list
    elements: str
  accept:
    description:
      - What the operator accepted, by its id - V(unverified-backup) for a backup without a manifest,
        V(other-database:NAME) for one of another database.
    type: list
    elements: str
    default: []
  no_owner:
    description:
      - Leave owners and grants in the backup out; everything belongs to whoever restores. Not for plain dumps.
    type: bool
    default: false
  state_dir:
    description:
      - The state directory, where backups and runs are.
    type: path
    required: true
  timeout:
    description:
      - How long loading may take, in seconds.
    type: int
    default: 7200
  disk_reserve:
    description:
      - What must stay free on the server's disk, where it can be seen, and where files are unpacked - bytes, a size
        such as V(2GiB), or a percentage such as V(5%).
    type: str
    default: 5%
  fingerprint_max_bytes:
    description:
      - Tables up to this size are fingerprinted; see M(recyclic.rollback.table_count).
    type: int
    default: 1073741824
seealso:
  - module: recyclic.rollback.pg_backup
  - module: recyclic.rollback.table_restore
"""

EXAMPLES = r"""
- name: Load the newest backup beside the live database
  recyclic.rollback.restore_beside:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    heads: [9a2b3c4d5e6f]
  register: beside

- name: Load a dump somebody took by hand
  recyclic.rollback.restore_beside:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    backup: /srv/backup_avant_rollback.sql
    accept: [unverified-backup]
"""

RETURN = r"""
database:
  description: The new database's name.
  type: str
  returned: success, unless in check mode
source:
  description: The backup, and what it says of itself.
  type: dict
  returned: success
  contains:
    path:
      description: The file or directory that was read.
      type: str
    kind:
      description: V(custom), V(plain), V(tar) or V(directory).
      type: str
    packed:
      description: V(gzip), V(bzip2), V(xz) or empty.
      type: str
    heads:
      description: The revisions its manifest records; V(none) without a manifest.
      type: list
      elements: str
    manifest:
      description: The path of its manifest, or V(none).
      type: str
    server_version:
      description: The version of the server it was taken from.
      type: str
heads:
  description: The revisions recorded in what was loaded; V(none) where there is no version table.
  type: list
  elements: str
  returned: success, unless in check mode
tables:
  description: By C(schema.table), rows, fingerprint and size in bytes of what was loaded.
  type: dict
  returned: success, unless in check mode
compared:
  description: Whether it was compared with a manifest.
  type: bool
  returned: success, unless in check mode
notes:
  description: What could not be seen to, in words.
  type: list
  elements: str
  returned: success, unless in check mode
duration_s:
  description: How long it took, in seconds.
  type: float
  returned: success, unless in check mode
executed_commands:
  description: The commands as one could type them again; no password is in them.
  type: list
  elements: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._archive import find_source
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._beside import load, still_there
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    read_json,
    run_id_of,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._fit import How, require_loadable
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held

# What was loaded, as evidence to compare with, and what it was loaded for.
MEMO = "restored.json"


def restore(module, redact):
    params = module.params
    ground, run_id = ground_from(params, redact), run_id_of(params["run_dir"])
    how = How(params["version_table"], params["version_schema"], params["fingerprint_max_bytes"], params["heads"],
              params["no_owner"], language=params["language"])
    source = find_source(ground, params["state_dir"], params["backup"], version_table=params["version_table"])
    if source.tables is not None:
        raise Refusal("source_tables_only", path=source.path, tables=", ".join(source.tables))
    require_loadable(ground, source, params["accept"], how)
    result = {"changed": True, "source": source.describe(), "executed_commands": []}
    if module.check_mode:
        return result
    memo = os.path.join(params["run_dir"], MEMO) if params["run_dir"] else None
    known = read_json(memo) if memo else None
    if known and known.get("of") == asked(source, params) and still_there(ground, run_id, known["database"]):
        return {**{key: part for key, part in known.items() if key != "of"}, "changed": False}
    require_held(params["run_dir"], params["run_token"])
    with Journal(params["run_dir"]).step("restore_beside") as step:
        loaded = load(ground, source, run_id, params["timeout"], params["disk_reserve"], redact, params["accept"], how)
        step.commands += [redact(line) for line in loaded.commands]
        step.facts.update(database=loaded.name, source=source.path, compared=loaded.compared)
    result.update(database=loaded.name, heads=loaded.heads, tables=loaded.evidence["tables"], compared=loaded.compared,
                  notes=loaded.notes, duration_s=loaded.seconds, executed_commands=step.commands)
    if memo:
        write_json(memo, {"of": asked(source, params), **result})
    return result


def asked(source, params):
    """What has to be the same for a loaded database to be taken again."""
    found = os.stat(source.path)
    return [source.path, found.st_size, found.st_mtime_ns, params["no_owner"], params["fingerprint_max_bytes"]]


def main():
    run(restore, {
        "backup": {"type": "str", "default": "latest"},
        "heads": {"type": "list", "elements": "str"},
        "accept": {"type": "list", "elements": "str", "default": []},
        "no_owner": {"type": "bool", "default": False},
        "state_dir": {"type": "path", "required": True},
        "timeout": {"type": "int", "default": 7200},
        "disk_reserve": {"type": "str", "default": "5%"},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
