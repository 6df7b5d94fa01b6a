#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: alembic_info
short_description: Tell where a database stands in its Alembic history
version_added: 0.1.0
description:
  - Reads the recorded revisions by SQL and the revision graph by Alembic's own API inside the application's
    environment, whatever its C(env.py) prints.
  - On request, the ordered path Alembic would walk to a revision and the exact set of revisions that would be recorded
    afterwards.
  - Also reports where a connection made through C(env.py) arrives, and under which limits.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  direction:
    description:
      - Which way the path to O(to_revision) goes.
    type: str
    choices: [downgrade, upgrade]
    default: downgrade
  migration:
    description:
      - The full id of a migration whose parent is the destination where O(to_revision) is not given.
    type: str
  to_revision:
    description:
      - The full id of the destination.
    type: str
seealso:
  - module: recyclic.rollback.alembic_migrate
"""

EXAMPLES = r"""
- name: Where does the database stand?
  recyclic.rollback.alembic_info:
    login_db: recyclic
    login_user: recyclic
    login_password: "{{ vault_db_password }}"
    login_host: 127.0.0.1
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    alembic_environment:
      DATABASE_URL: "{{ vault_database_url }}"
    migration: k1l2m3n4o5p6
  register: alembic

- name: Show what undoing the migration would undo
  ansible.builtin.debug:
    var: alembic.path
"""

RETURN = r"""
recorded_heads:
  description: The revisions the database records, sorted. More than one on a branched history.
  type: list
  elements: str
  returned: success
  sample: [k1l2m3n4o5p6]
history_heads:
  description: The newest revisions the environment knows.
  type: list
  elements: str
  returned: success
unknown_heads:
  description: Recorded revisions the environment does not know; the database was built with other migrations.
  type: list
  elements: str
  returned: success
overlapping_heads:
  description: Two recorded revisions of which one stands on the other, if there are such; no healthy database has them.
  type: list
  elements: str
  returned: success
path:
  description:
    - The revisions Alembic would walk, in its order. V(none) where no destination was asked for or it cannot be
      reached.
  type: list
  elements: dict
  returned: success
  contains:
    revision:
      description: Full id.
      type: str
    message:
      description: First line of its docstring.
      type: str
    downgrade:
      description: What its source shows - V(implemented), V(empty?), V(raises) or V(unknown).
      type: str
  sample: [{revision: k1l2m3n4o5p6, message: copy level-1 labels, downgrade: implemented}]
predicted_heads:
  description: The recorded revisions as the path would leave them, sorted.
  type: list
  elements: str
  returned: success
applied:
  description: Whether O(migration) is applied, by the recorded revisions; V(none) where it is not given.
  type: bool
  returned: success
probe:
  description: What a connection made through C(env.py) reaches.
  type: dict
  returned: success
  sample: {system_identifier: "7434267543212345678", database: recyclic, version_table: alembic_version}
alembic_version:
  description: Alembic's version.
  type: str
  returned: success
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from, prefix_of
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits, session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from


def look(module, redact):
    params = module.params
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    with ground.target.open(session_name(run_id, "look")) as connection:
        sight = environment_from(params, ground.runtime, redact).look_from(
            connection, prefix_of(run_id), Limits(params["lock_timeout"], params["statement_timeout"]),
            params["direction"], params["migration"], params["to_revision"])
        recorded = sight.heads(connection)
    graph, path = sight.graph, sight.path
    after = graph.heads_after_downgrade if params["direction"] == "downgrade" else graph.heads_after_upgrade
    return {
        "changed": False,
        "recorded_heads": recorded,
        "history_heads": graph.heads(),
        "unknown_heads": [revision for revision in recorded if revision not in graph],
        "overlapping_heads": list(graph.overlapping(recorded) or ()),
        "path": None if path is None else [graph[revision].describe() for revision in path],
        "predicted_heads": recorded if path is None else sorted(after(recorded, path)),
        "probe": sight.probe,
        "applied": params["migration"] in graph.ancestors(*recorded) if params["migration"] else None,
        "alembic_version": sight.alembic,
    }


def main():
    run(look, {
        "direction": {"type": "str", "default": "downgrade", "choices": ["downgrade", "upgrade"]},
        "migration": {"type": "str"},
        "to_revision": {"type": "str"},
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
