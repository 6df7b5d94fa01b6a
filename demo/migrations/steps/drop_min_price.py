# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lower bound of prices is given up; its downgrade brings the column back empty."""
from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    op.drop_column("categories", "min_price")


def downgrade() -> None:
    op.add_column("categories", sa.Column("min_price", sa.Numeric(10, 2)))
