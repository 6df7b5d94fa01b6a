# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""categories"""
from __future__ import annotations

from steps.categories import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "b1c2d3e4f5a6"
down_revision = "9a2b3c4d5e6f"
