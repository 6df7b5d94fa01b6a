# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""seed the top-level dom categories"""
from __future__ import annotations

from steps.dom_categories import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "8f2b7a1d4e6b"
down_revision = "7c1a2f4b9c3a"
