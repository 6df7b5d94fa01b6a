# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reception lines point at the new categories, matched by label: a renamed category leaves NULL."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("""
        ALTER TABLE ligne_depot
        ADD COLUMN category_id uuid CONSTRAINT fk_ligne_depot_category REFERENCES categories""")
    op.execute("""
        UPDATE ligne_depot SET category_id = categories.id
        FROM dom_category JOIN categories ON categories.name = dom_category.label
        WHERE ligne_depot.dom_category_id = dom_category.id""")


def downgrade() -> None:
    op.drop_column("ligne_depot", "category_id")
