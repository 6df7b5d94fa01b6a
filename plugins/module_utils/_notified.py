# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a report says of the messages: a line for the terminal, rows for a table."""

from __future__ import annotations

import typing as t

from ._messages import say


def told(report: t.Mapping[str, t.Any], language: str) -> list[str]:
    """Return one line on what each channel was sent; none where there were no messages."""
    parts: list[str] = []
    entries = report.get("notifications") or []
    for name in dict.fromkeys(entry["channel"] for entry in entries):
        results = [entry for entry in entries if entry["channel"] == name]
        lost = [entry for entry in results if entry["result"] != "sent"]
        sent = len(results) - len(lost)
        parts.append(say(language, "notify_sum_failed", name=name, sent=sent, failed=len(lost),
                         reason=lost[-1]["reason"]) if lost
                     else say(language, "notify_sum_sent", name=name, sent=sent))
    return [say(language, "notify_sum", told="; ".join(parts))] if parts else []


def rows(report: t.Mapping[str, t.Any], language: str) -> list[tuple[t.Any, ...]]:
    """Return the messages as rows under ``notify_columns``."""
    return [(entry["channel"], say(language, f"notify_{entry['audience']}"),
             say(language, f"notify_{entry['moment']}"), say(language, f"notify_result_{entry['result']}"),
             entry["attempts"], entry["reason"] or "-") for entry in report.get("notifications") or []]
