# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alembic environment shared by the three histories. It needs DATABASE_URL, a libpq URL.

Like the application it stands for, it prints its settings, password included, on stdout: whoever runs it has
to keep that out of logs and reports.
"""
from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from alembic import context
from alembic.util import CommandError
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import NullPool

# Alembic up to 1.15 splits prepend_sys_path at blanks. This serves a clone in such a path for every command
# that runs this file; `heads`, `history` and `show` do not, and need Alembic 1.16 there.
sys.path.insert(0, str(Path(__file__).parent))

logging.basicConfig(format="%(levelname)-5.5s [%(name)s] %(message)s")
logging.getLogger("alembic").setLevel(logging.INFO)

config = context.config


def settings() -> URL:
    """Read the database's URL into Alembic's configuration and print what was found.

    Raises CommandError without DATABASE_URL.
    """
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise CommandError("DATABASE_URL is not set: give it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    # The driver is named because the default one is not the same in every SQLAlchemy.
    full = make_url(url).set(drivername="postgresql+psycopg2")
    # Printed as text, used as an object: SQLAlchemy 1.4 cannot read back every password it writes.
    config.set_main_option("sqlalchemy.url", full.render_as_string(hide_password=False).replace("%", "%%"))
    print("DEBUG env.py: settings of the migrations")
    print(f"DEBUG env.py: ENVIRONMENT={os.environ.get('ENVIRONMENT', 'demo')}")
    print(f"DEBUG env.py: DATABASE_URL={url}")
    print(f"DEBUG env.py: sqlalchemy.url={config.get_main_option('sqlalchemy.url')}", flush=True)
    return full


def run_offline(url: URL) -> None:
    """Render SQL instead of executing it."""
    context.configure(url=url, literal_binds=True, dialect_opts={"paramstyle": "named"})
    with context.begin_transaction():
        context.run_migrations()


def run_online(url: URL) -> None:
    """Execute in one transaction."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    run_offline(settings())
else:
    run_online(settings())
