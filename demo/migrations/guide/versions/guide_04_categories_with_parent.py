# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""categories with their hierarchy"""
from __future__ import annotations

from steps.categories_with_parent import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "a0c1d2e3f4b5"
down_revision = "8f2b7a1d4e6b"
