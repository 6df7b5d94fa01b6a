# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""drop categories.min_price"""
from __future__ import annotations

from steps.drop_min_price import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "m3npr1c3dr0p"
down_revision = "h2i3j4k5l6m7"
