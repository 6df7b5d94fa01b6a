# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""application tables"""
from __future__ import annotations

from steps.application import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "5d0e1f2a3b4c"
down_revision: str | None = None
