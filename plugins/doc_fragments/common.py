# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Options every module of the collection takes, named as community.postgresql names them."""

    DOCUMENTATION = r"""
options:
  login_db:
    description:
      - The database.
    type: str
    required: true
    aliases: [db]
  login_user:
    description:
      - The role to connect as. It must own the application's tables, or at least read them all.
    type: str
    default: postgres
  login_password:
    description:
      - Its password. Handed to client programs in a private file, never as an argument or a variable.
    type: str
    default: ''
  login_host:
    description:
      - Where the server listens. Empty for the local socket.
    type: str
    default: ''
  login_unix_socket:
    description:
      - The directory of the server's Unix socket; wins over O(login_host).
    type: str
    default: ''
  login_port:
    description:
      - The server's port.
    type: int
    default: 5432
  ssl_mode:
    description:
      - How far TLS is required, as libpq's C(sslmode) has it.
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - The file of the authorities that may sign the server's certificate.
    type: str
  ssl_cert:
    description:
      - The client's certificate.
    type: path
  ssl_key:
    description:
      - The client certificate's key.
    type: path
  connect_params:
    description:
      - Further connection keywords of libpq; they win over the others.
    type: dict
    default: {}
  runtime:
    description:
      - Where programs run. V(host) is the managed node itself, and the only one so far.
    type: str
    default: host
  pg_bin_dir:
    description:
      - The directory of C(pg_dump) and C(pg_restore), no older than the server. By default they are found on C(PATH).
    type: path
  run_dir:
    description:
      - The run directory whose journal records what the module does. Without it nothing is journalled.
    type: path
  run_token:
    description:
      - What M(recyclic.rollback.run_open) returned as token. A run whose lock was taken over since acts no more.
    type: str
    default: ''
  language:
    description:
      - The language of messages to the operator.
    type: str
    choices: [en, fr]
    default: en
requirements:
  - Python >= 3.9 on the managed node
  - psycopg2 >= 2.8 there
  - PostgreSQL >= 14
"""

    VERSION = r"""
options:
  version_table:
    description:
      - Alembic's version table.
    type: str
    default: alembic_version
  version_schema:
    description:
      - Its schema, where it is not on the search path.
    type: str
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and predict the result without changing anything.
  diff_mode:
    description: Returns what was or would be changed, in diff mode.
  idempotent:
    description: Run again with the same options, nothing having changed in between, it reports no change.
  action_group:
    description: Use C(group/recyclic.rollback.rollback) in C(module_defaults) to give the shared options once.
    support: full
    membership:
      - recyclic.rollback.rollback
"""

    # For modules that only measure.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Nothing in the database is ever modified; evidence files are written in check mode only where they are asked
        for.
  diff_mode:
    support: N/A
    details:
      - Nothing in the database is ever modified.
  idempotent:
    support: full
"""
