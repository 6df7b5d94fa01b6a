# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What operators read of a report's page, in English and French."""

from __future__ import annotations

MESSAGES: dict[str, tuple[str, str]] = {
}
