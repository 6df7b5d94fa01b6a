# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How far a long step is, in one line for an operator. Pure; what it is given was read from elsewhere, and may lie."""

from __future__ import annotations

import typing as t

from ._messages import MESSAGES, say
from ._progress import BYTES, SECONDS, TABLES

# Less of a part says nothing about the rest.
ENOUGH_S = 3.0
ENOUGH = 0.01
_UNITS = {"en": ("B", "kB", "MB", "GB", "TB"), "fr": ("o", "ko", "Mo", "Go", "To")}


def in_bytes(number: float, language: str) -> str:
    """Return a size an operator reads at once: ``812 kB``, ``1.3 GB``; a thousand of one is one of the next."""
    units = _UNITS.get(language, _UNITS["en"])
    place = 0
    while number >= 999.5 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    figure = f"{number:.1f}" if place and number < 9.95 else f"{number:.0f}"
    return f"{figure.replace('.', ',') if language == 'fr' else figure} {units[place]}"


def in_minutes(seconds: float) -> str:
    """Return a time as a clock has it: ``0:42``, ``1:02:07``."""
    whole = max(0, round(seconds))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def progress_line(seen: t.Mapping[str, t.Any] | None, task: str, elapsed_s: float, language: str,
                  width: int | None = None) -> str:
    """Return the line: ``seen`` is what ``progress.json`` holds, None where it could not be read.

    ``task`` names the module, ``elapsed_s`` is how long it has been at work, by the clock of who reads. Where it would
    be longer than ``width``, it does without the name of the part.
    """
    elapsed = say(language, "progress_elapsed", time=in_minutes(elapsed_s))
    step = str((seen or {}).get("step") or task)
    name = f"progress_step_{step}" if f"progress_step_{step}" in MESSAGES else f"progress_step_{task}"
    shown = say(language, name) if name in MESSAGES else step
    if not seen:
        return say(language, "progress_line", step=shown, rest=", ".join([say(language, "progress_at_work"), elapsed]))
    line = ""
    for named in (True, False):
        told = [*_where(seen, language, named), *_figures(seen, language)]
        line = say(language, "progress_line", step=shown, rest=", ".join([
            *(told or [say(language, "progress_at_work")]), elapsed, *_left(seen, language)]))
        if width is None or len(line) <= width:
            break
    return line


def _where(seen: t.Mapping[str, t.Any], language: str, named: bool) -> list[str]:
    parts = dict.fromkeys(str(name) for name in (seen.get("outer"), seen.get("part")) if name and named)
    part = ": ".join(_part(name, language) for name in parts)
    if seen.get("number"):
        return [say(language, "progress_numbered" if seen.get("of") else "progress_number", number=seen["number"],
                    of=seen.get("of"), part=f" ({part})" if part else "")]
    return [part] if part else []


def _part(name: str, language: str) -> str:
    return say(language, f"progress_part_{name}") if f"progress_part_{name}" in MESSAGES else name


def _figures(seen: t.Mapping[str, t.Any], language: str) -> list[str]:
    much, total, unit = seen.get("done") or 0, seen.get("total"), seen.get("unit")
    if unit == TABLES and total:
        return [say(language, "progress_tables", done=much, total=total, percent=_percent(seen))]
    if unit != BYTES or not (much or total):
        return [say(language, "progress_percent", percent=_percent(seen))] if unit == SECONDS and total else []
    if not total:
        return [in_bytes(much, language)]
    if not much:
        return [say(language, "progress_about", total=in_bytes(total, language))] if seen.get("about") else [
            in_bytes(total, language)]
    key = "progress_bytes_about" if seen.get("about") else "progress_bytes"
    return [say(language, key, done=in_bytes(much, language), total=in_bytes(max(total, much), language),
                percent=_percent(seen))]


def _percent(seen: t.Mapping[str, t.Any]) -> int:
    """Return how much is done; what is still at work is never said to be whole."""
    return min(99, int(100 * (seen.get("done") or 0) / (seen.get("total") or 1)))


def _left(seen: t.Mapping[str, t.Any], language: str) -> list[str]:
    much, total, seconds = seen.get("done") or 0, seen.get("total") or 0, seen.get("seconds") or 0
    # Tables are not alike: how long some took says nothing about the others.
    if seen.get("unit") == TABLES or seconds < ENOUGH_S or not ENOUGH < much / max(total, 1) < 1:
        return []
    return [say(language, "progress_left", time=in_minutes((total - much) * seconds / much))]
