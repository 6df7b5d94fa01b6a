# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who made a sale."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("ALTER TABLE sales ADD COLUMN operator_id uuid CONSTRAINT fk_sales_operator REFERENCES users")


def downgrade() -> None:
    op.drop_column("sales", "operator_id")
