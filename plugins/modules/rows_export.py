#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: rows_export
short_description: Write the rows a replaced database has and the restored one has not as CSV
version_added: 0.1.0
description:
  - For each table with a primary key, the rows of O(from_database) that are not in the live database, or are there with
    another content, in a file C(SCHEMA.TABLE.csv) that C(COPY ... CSV HEADER) reads. A table the live database does not
    have is written whole.
  - Rows are streamed; memory stays flat. Files have mode 0600 and hold what the database held.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  from_database:
    description:
      - The database that was replaced, on the same server.
    type: str
    required: true
  before:
    description:
      - Evidence of it. With O(held), only tables that differ between the two are looked at.
    type: path
  held:
    description:
      - Evidence of what was restored.
    type: path
  directory:
    description:
      - Where the files go, on the managed node. Made with mode 0700.
    type: path
    required: true
  disk_reserve:
    description:
      - What must stay free there - bytes, a size (V(2GiB)) or a percentage.
    type: str
    default: 5%
"""

EXAMPLES = r"""
- name: Keep what users wrote since the backup
  recyclic.rollback.rows_export:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    from_database: recyclic_kept_20260301T031500Z-a1b2c3
    directory: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3/export
"""

RETURN = r"""
tables:
  description: What was written - C(table), C(rows) and the C(path) of the file, V(none) without a row.
  type: list
  elements: dict
  returned: success
lines:
  description: The same in words, and which tables were left out.
  type: list
  elements: str
  returned: success
"""

import shutil

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import parse_reserve
from ansible_collections.recyclic.rollback.plugins.module_utils._beside import aimed
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import all_tables, differences
from ansible_collections.recyclic.rollback.plugins.module_utils._database import rows, session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    private_directory,
    read_json,
    run_id_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._export import export
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say


def write(module, redact):
    params, language = module.params, module.params["language"]
    if module.check_mode:
        return {"changed": False, "tables": [], "lines": []}
    target, name = ground_from(params, redact).target, session_name(run_id_of(params["run_dir"]), "export")
    directory = private_directory(params["directory"])
    reserve = parse_reserve(params["disk_reserve"], shutil.disk_usage(directory).total)
    with Journal(params["run_dir"]).step("export") as step, \
            aimed(target, params["from_database"]).open(name, autocommit=False) as source, \
            target.open(name, autocommit=False) as other:
        for connection in (source, other):
            rows(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found = [export(source, other, place, directory, reserve) for place in wanted(params, source)]
        lines = told(found, language)
        step.facts["exported"] = lines
    return {"changed": False, "tables": [each.describe() for each in found if not each.why], "lines": lines}


def wanted(params, source):
    """The tables that may hold such rows, as (schema, name)."""
    places = [(schema, table) for schema, table, _size in all_tables(source)]
    before, held = ((read_json(params[name]) or {}).get("tables") if params[name] else None
                    for name in ("before", "held"))
    if before is None or held is None:
        return places
    differing = {entry["table"] for entry in differences(before, held)}
    unread = {table for table, measured in before.items() if not measured["fingerprint"]}
    return [place for place in places if ".".join(place) in differing | unread]


def told(found, language):
    """Each table in words; one without such a row is not worth any."""
    return [say(language, each.why.key, **each.why.facts) if each.why
            else say(language, "export_written", table=each.table, rows=each.rows, path=each.path)
            for each in found if each.why or each.rows]


def main():
    run(write, {
        "from_database": {"type": "str", "required": True},
        "before": {"type": "path"},
        "held": {"type": "path"},
        "directory": {"type": "path", "required": True},
        "disk_reserve": {"type": "str", "default": "5%"},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
