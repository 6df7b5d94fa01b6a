# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""prices of categories"""
from __future__ import annotations

from steps.category_prices import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "h2i3j4k5l6m7"
down_revision = "8dfd79bd357d"
