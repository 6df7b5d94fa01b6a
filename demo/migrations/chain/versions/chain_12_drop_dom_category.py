# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""drop dom_category"""
from __future__ import annotations

from steps.drop_dom_category import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "8dfd79bd357d"
down_revision = "24b194c1b790"
