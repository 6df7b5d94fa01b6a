# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""reception schema"""
from __future__ import annotations

from steps.reception import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "7c1a2f4b9c3a"
down_revision = "5d0e1f2a3b4c"
