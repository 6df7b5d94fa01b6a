# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The migration itself: the old tree's top level becomes the new table's first rows, under new ids.

It reads rows, so `upgrade --sql` fails here; its downgrade is one plain DELETE, of the users' own rows too.
"""
from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Copy, unless there is nothing to copy or somebody has filled the table; RuntimeError on a bad count."""
    bind = op.get_bind()
    if not sa.inspect(bind).has_table("dom_category"):
        return
    query = sa.text("SELECT label FROM dom_category WHERE level = 1 ORDER BY slug")
    labels = list(bind.execute(query).scalars())
    if not labels or _count(bind):
        return
    for label in labels:
        row = {"id": uuid.uuid4(), "name": label}
        bind.execute(sa.text("INSERT INTO categories (id, name) VALUES (CAST(:id AS uuid), :name)"), row)
    if _count(bind) != len(labels):
        raise RuntimeError(f"{len(labels)} labels to copy, but categories holds {_count(bind)} rows")


def downgrade() -> None:
    op.execute("DELETE FROM categories")


def _count(bind: sa.engine.Connection) -> int:
    return int(bind.execute(sa.text("SELECT count(*) FROM categories")).scalar_one())
