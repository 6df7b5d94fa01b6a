# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""parent of categories"""
from __future__ import annotations

from steps.category_parent import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "g1h2i3j4k5l6"
down_revision = "f4g5h6i7j8k9"
