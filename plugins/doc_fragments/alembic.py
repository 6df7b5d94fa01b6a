# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """Options that say how the application's Alembic environment is entered."""

    DOCUMENTATION = r"""
options:
  alembic_config:
    description:
      - The application's C(alembic.ini); with O(runtime=compose) inside the image of the migrations service, relative
        to its working directory.
    type: path
    default: alembic.ini
  alembic_python:
    description:
      - The interpreter of the application's environment, the one that can import Alembic and the models.
    type: path
    default: python3
  alembic_chdir:
    description:
      - The directory Alembic is run in; by default that of O(alembic_config), with O(runtime=compose) the image's own.
    type: path
  alembic_environment:
    description:
      - Variables the application's C(env.py) needs, such as C(DATABASE_URL).
      - Values under a telling name (password, secret, token, key, ...) and passwords inside URLs are masked wherever
        they would appear.
    type: dict
    default: {}
  alembic_timeout:
    description:
      - How long one Alembic command may take, in seconds. Then it is ended, with its session on the server.
    type: int
    default: 900
  lock_timeout:
    description:
      - How long a statement of the migration may wait for a lock, in milliseconds; V(0) waits for ever.
    type: int
    default: 5000
  statement_timeout:
    description:
      - How long a statement of the migration may take, in milliseconds; V(0) is no limit.
    type: int
    default: 0
notes:
  - Supports Alembic 1.12 and newer.
  - The limits reach the migration through libpq's C(PGOPTIONS) and C(PGAPPNAME). Before anything is changed, a
    connection made through C(env.py) itself proves that they arrive, and on which server.
"""
