# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PINs of users, settings table"""
from __future__ import annotations

from steps.pins_and_settings import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "e3f4g5h6i7j8"
down_revision = "d2e3f4g5h6i7"
