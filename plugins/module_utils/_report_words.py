# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Figures and names of a report as people read them."""

from __future__ import annotations

import typing as t

from ._messages import MESSAGES, say


def step_named(language: str, name: str) -> str:
    """Return the words for a step of a journal, a rehearsal or a drill; its name where there are none."""
    known = f"html_step_{name}" in MESSAGES
    return say(language, f"html_step_{name}") if known else name.replace("_", " ")


def result_named(language: str, result: t.Any) -> str:
    """Return the word for how a step, a phase or a route ended."""
    word = str(result or "skipped").replace(" ", "_")
    return say(language, f"html_result_{word}") if f"html_result_{word}" in MESSAGES else str(result)


def route_named(language: str, route: t.Any) -> str:
    """Return the words for a route; a dash for none."""
    if not route:
        return "-"
    return say(language, f"html_route_{route}") if f"html_route_{route}" in MESSAGES else str(route)


def phase_named(language: str, phase: t.Mapping[str, t.Any]) -> str:
    """Return a phase's name, with its number where it has one."""
    name = say(language, f"html_phase_{phase['name']}") if f"html_phase_{phase['name']}" in MESSAGES else phase["name"]
    return f"{phase['number']}/12 {name}" if phase.get("number") else str(name)


def number_told(value: float, language: str, digits: int = 1) -> str:
    """Return a number with as many decimals as it needs, at most ``digits``."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"
    return text.replace(".", ",") if language == "fr" else text


def seconds_told(seconds: t.Any, language: str) -> str:
    """Return a duration: ``0.4 s``, ``3 min 5 s``, ``1 h 2 min``; a dash for none."""
    if not isinstance(seconds, (int, float)):
        return "-"
    if seconds < 60:
        return f"{number_told(seconds, language, 2 if seconds < 1 else 1)} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def bytes_told(count: t.Any, language: str) -> str:
    """Return a size: ``394.9 KiB``, in French ``394,9 Kio``."""
    if not isinstance(count, (int, float)):
        return "-"
    size, unit = float(count), 0
    while size >= 1024 and unit < 4:
        size, unit = size / 1024, unit + 1
    return f"{number_told(size, language)} {say(language, 'html_units').split()[unit]}"


def moment(when: t.Any) -> str:
    """Return a moment of the evidence to the second: ``2026-03-01 03:15:00 UTC``."""
    return f"{str(when)[:10]} {str(when)[11:19]} UTC" if when else "-"
