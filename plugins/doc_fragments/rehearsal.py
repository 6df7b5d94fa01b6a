# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Options of what is played on a scratch server."""

    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - The state directory. Backups are found there, and the scratch server's data lies there while it runs.
    type: path
    required: true
  concerned:
    description:
      - The migration's own tables, whose rows are there to be undone.
    type: list
    elements: str
    default: []
  migration_rows:
    description:
      - For tables of O(concerned), an SQL condition that finds the rows the migration made; without one, all rows are
        its own.
    type: dict
    default: {}
  accept:
    description:
      - Losses the operator accepted, by their ids, each with or without the most rows (C(delete-rows:categories=3)).
    type: list
    elements: str
    default: []
  fingerprint_max_bytes:
    description:
      - Tables up to this size are fingerprinted. Larger ones are only counted, and estimated from five times this size
        on.
    type: int
    default: 1073741824
  disk_reserve:
    description:
      - What must stay free where the scratch server's data lies - bytes, a size (V(2GiB)) or a percentage.
    type: str
    default: 5%
  timeout:
    description:
      - How long the restore may take, in seconds.
    type: int
    default: 7200
"""

    SCRATCH = r"""
options:
  isolation:
    description:
      - How production is kept out of reach with O(runtime=host). V(namespace), the same as V(auto), runs Alembic in
        namespaces of its own, where every address is the scratch server's. V(override) leads it there by its
        environment. With O(runtime=compose) the scratch server is a container without a network in any case.
    type: str
    choices: [auto, namespace, override]
    default: auto
  scratch_environment:
    description:
      - Variables that are added to O(alembic_environment) there. With O(isolation=override) they lead C(env.py) to the
        scratch server - C(SCRATCH_HOST), C(SCRATCH_PORT), C(SCRATCH_USER), C(SCRATCH_PASSWORD) and
        C(SCRATCH_DATABASE) are filled in, and without any the variables whose URL is the database's are rewritten.
      - Secrets are masked as those of O(alembic_environment) are.
    type: dict
    default: {}
  scratch_bin_dir:
    description:
      - With O(runtime=host), the directory of C(initdb) and C(postgres) of the server's major version. By default
        beside the client programs, or where the system installs them.
    type: path
"""

    BY_HAND = r"""
options:
  remove:
    description:
      - What the route by hand removes, see M(recyclic.rollback.manual_rollback).
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description:
          - The table.
        type: str
        required: true
      filter:
        description:
          - An SQL condition that finds the rows; by default all.
        type: str
        default: ''
      rows:
        description:
          - How many rows there have to be.
        type: int
  references:
    description:
      - By hand, what becomes of rows that refer to them, see M(recyclic.rollback.manual_rollback).
    type: dict
    default: {}
"""
