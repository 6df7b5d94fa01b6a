# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Users' hashed PINs, and the administrator's settings."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("ALTER TABLE users ADD COLUMN hashed_pin varchar(255)")
    op.execute("""
        CREATE TABLE settings (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            key varchar(60) NOT NULL UNIQUE,
            value text NOT NULL
        )""")


def downgrade() -> None:
    op.drop_table("settings")
    op.drop_column("users", "hashed_pin")
