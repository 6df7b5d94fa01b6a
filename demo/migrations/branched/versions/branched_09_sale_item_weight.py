# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""weight of sale items"""
from __future__ import annotations

from steps.sale_item_weight import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "d2e3f4g5h6i7"
down_revision = "9a2b3c4d5e6f"
