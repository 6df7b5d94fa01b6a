# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sold items are weighed; those of before count as weighing nothing."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("ALTER TABLE sale_items ADD COLUMN weight numeric(8, 3)")
    op.execute("UPDATE sale_items SET weight = 0")
    op.execute("ALTER TABLE sale_items ALTER COLUMN weight SET NOT NULL")


def downgrade() -> None:
    op.drop_column("sale_items", "weight")
