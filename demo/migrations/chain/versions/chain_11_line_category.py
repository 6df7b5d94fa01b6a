# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""category of reception lines"""
from __future__ import annotations

from steps.line_category import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "24b194c1b790"
down_revision = "k1l2m3n4o5p6"
