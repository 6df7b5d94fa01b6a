# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""destination of reception lines"""
from __future__ import annotations

from steps.destination import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "9a2b3c4d5e6f"
down_revision = "8f2b7a1d4e6b"
