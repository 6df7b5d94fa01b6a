# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A category may stand under another one."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("""
        ALTER TABLE categories
        ADD COLUMN parent_id uuid CONSTRAINT fk_categories_parent REFERENCES categories""")
    op.create_index("ix_categories_parent_id", "categories", ["parent_id"])


def downgrade() -> None:
    op.drop_index("ix_categories_parent_id", table_name="categories")
    op.drop_column("categories", "parent_id")
