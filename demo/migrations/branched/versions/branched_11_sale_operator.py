# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""operator of sales"""
from __future__ import annotations

from steps.sale_operator import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]

revision = "f4g5h6i7j8k9"
down_revision = "e3f4g5h6i7j8"
