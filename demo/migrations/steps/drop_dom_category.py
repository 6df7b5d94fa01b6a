# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The old tree goes; its downgrade brings the two tables back empty, and not the lines' column."""
from __future__ import annotations

from alembic import op

from steps.reception import create_category_tree, drop_category_tree


def upgrade() -> None:
    op.drop_constraint("fk_ligne_depot_dom_category", "ligne_depot", type_="foreignkey")
    drop_category_tree()
    op.drop_column("ligne_depot", "dom_category_id")


def downgrade() -> None:
    create_category_tree()
