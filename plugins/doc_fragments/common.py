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
      - The role to connect as. It must own the application's tables, or at least read them all. Empty stands for
        V(postgres), or with O(runtime=compose) for what the database's container was given as C(POSTGRES_USER).
    type: str
    default: ''
  login_password:
    description:
      - Its password. Handed to client programs in a private file, or with O(runtime=compose) in a variable inside the
        database's container; never as an argument. Empty there stands for the container's own C(POSTGRES_PASSWORD) or
        C(POSTGRES_PASSWORD_FILE).
    type: str
    default: ''
  login_host:
    description:
      - Where the server listens. Empty for the local socket, or with O(runtime=compose) for the published port or the
        address of the database's container.
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
      - Where programs run. V(host) is the managed node itself. With V(compose) PostgreSQL's client programs run in the
        database's container and Alembic in one-shot containers of the migrations service, on the managed node's engine.
    type: str
    choices: [host, compose]
    default: host
  compose:
    description:
      - The Compose project, with O(runtime=compose).
    type: dict
    suboptions:
      directory:
        description:
          - The project's directory on the managed node; relative paths start there.
        type: path
        required: true
      files:
        description:
          - The Compose files, in order. Empty for what Compose finds in the directory.
        type: list
        elements: str
        default: []
      project:
        description:
          - The project's name. Empty for the one Compose derives.
        type: str
        default: ''
      env_files:
        description:
          - Files of variables that fill the Compose files in. Empty for C(.env).
        type: list
        elements: str
        default: []
      profiles:
        description:
          - Profiles that are active.
        type: list
        elements: str
        default: []
      database:
        description:
          - The service of the database.
        type: str
        default: postgres
      migrations:
        description:
          - The one-shot service whose image holds the migrations.
        type: str
        default: api-migrations
      keep_entrypoint:
        description:
          - Whether one-shot runs go through the image's entrypoint. By default they do not, because one that migrates
            would undo a rollback; set this only where it prepares the environment and does nothing else.
        type: bool
        default: false
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
