# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The new table of categories, with its hierarchy from the start."""
from __future__ import annotations

from steps import categories, category_parent


def upgrade() -> None:
    categories.upgrade()
    category_parent.upgrade()


def downgrade() -> None:
    categories.downgrade()
