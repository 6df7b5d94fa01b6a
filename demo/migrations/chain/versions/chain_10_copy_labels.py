# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""copy dom_category labels into categories"""
from __future__ import annotations

from steps.copy_labels import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "k1l2m3n4o5p6"
down_revision = "g1h2i3j4k5l6"
