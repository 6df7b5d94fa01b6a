# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a reception line goes: an enum; lines of before count as sold in the shop."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("CREATE TYPE destination AS ENUM ('shop', 'recycling', 'waste')")
    op.execute("ALTER TABLE ligne_depot ADD COLUMN destination destination NOT NULL DEFAULT 'shop'")
    op.execute("ALTER TABLE ligne_depot ALTER COLUMN destination DROP DEFAULT")


def downgrade() -> None:
    op.drop_column("ligne_depot", "destination")
    op.execute("DROP TYPE destination")
