# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prices by category: the usual one and its bounds."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op

COLUMNS = ("price", "min_price", "max_price")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("categories", sa.Column(name, sa.Numeric(10, 2)))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("categories", name)
