# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import typing as t


def page(report: t.Mapping[str, t.Any], language: str) -> str:
    """Return the report as HTML."""
    return f"<!doctype html><title>{report['run_id']}</title>"
