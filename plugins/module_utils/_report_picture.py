# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The timeline of a run as a picture: a row for each phase, and across them the outage."""

from __future__ import annotations

import typing as t
from html import escape

from ._evidence import seconds_between
from ._messages import say
from ._report_words import moment, phase_named, result_named, seconds_told, step_named

_TOP, _ROW, _BOTTOM = 34, 38, 26
# A step of an instant is still to be seen.
_LEAST = 0.8
BAD = ("failed", "refused", "interrupted", "cut off", "under way")


def picture(report: t.Mapping[str, t.Any], language: str) -> str:
    """Return the timeline as SVG; empty where nothing was timed.

    Every length across is a share of the width, so that its text keeps its size on a phone.
    """
    phases = [phase for phase in report.get("phases") or [] if phase.get("started_at")]
    total = seconds_between(report["started_at"], report["finished_at"])
    if not phases or total <= 0:
        return ""
    start, height = report["started_at"], _TOP + _ROW * len(phases) + _BOTTOM

    def at(when: str) -> float:
        return min(max(seconds_between(start, when) / total * 100, 0.0), 100.0)

    parts = [f"<title id='timeline-title'>{escape(say(language, 'html_timeline'))}</title>",
             f"<desc id='timeline-text'>{escape(described(report, phases, language))}</desc>"]
    span = report.get("outage")
    if span:
        parts += _outage(at(span["from"]), at(span["until"]), height, say(
            language, "html_outage_mark", time=seconds_told(span["seconds"], language)))
    for number, phase in enumerate(phases):
        parts += _row(phase, _TOP + _ROW * number, at, total, language)
    parts += [f"<text class='soft' x='0' y='{height - 6}'>{moment(start)[11:19]}</text>",
              f"<text class='soft' x='100%' y='{height - 6}' text-anchor='end'>{moment(report['finished_at'])[11:]}"
              "</text>"]
    return (f"<svg role='img' aria-labelledby='timeline-title timeline-text' width='100%' height='{height}' "
            f"xmlns='http://www.w3.org/2000/svg'>{''.join(parts)}</svg>")


def described(report: t.Mapping[str, t.Any], phases: t.Sequence[t.Mapping[str, t.Any]], language: str) -> str:
    """Return in words what the picture shows."""
    told = [say(language, "html_phase_told", name=phase_named(language, phase),
                time=seconds_told(phase["duration_s"], language),
                result=result_named(language, phase["result"])) for phase in phases]
    span = report.get("outage")
    told.append(say(language, "html_outage_told", start=moment(span["from"])[11:19], end=moment(span["until"])[11:19],
                    time=seconds_told(span["seconds"], language)) if span else say(language, "html_no_outage"))
    return " ".join(told)


def _outage(left: float, right: float, height: int, label: str) -> list[str]:
    width, middle = max(right - left, _LEAST), (left + right) / 2
    x, anchor = (left, "start") if middle < 30 else (right, "end") if middle > 70 else (middle, "middle")
    foot = height - _BOTTOM
    return [f"<rect id='outage' class='outage' x='{left:.2f}%' y='20' width='{width:.2f}%' height='{foot - 20}'/>",
            f"<rect class='cap' x='{left:.2f}%' y='18' width='{width:.2f}%' height='3'/>",
            *(f"<line class='edge' x1='{x_at:.2f}%' x2='{x_at:.2f}%' y1='20' y2='{foot}'/>" for x_at in (
                left, left + width)),
            f"<text class='outage-label' x='{x:.2f}%' y='13' text-anchor='{anchor}'>{escape(label)}</text>"]


def _row(phase: t.Mapping[str, t.Any], top: int, at: t.Callable[[str], float], total: float, language: str
         ) -> list[str]:
    steps = phase["steps"] or [{**phase, "name": ""}]
    drawn = []
    for step in steps:
        width = max((step["duration_s"] or 0.0) / total * 100, _LEAST)
        left = min(at(step["started_at"]), 100 - width)
        failed = " failed" if step["result"] in BAD else ""
        hint = f"{step_named(language, step['name'])}: " if step["name"] else ""
        drawn.append(f"<rect class='bar{failed}' x='{left:.2f}%' y='{top + 20}' width='{width:.2f}%' height='9' rx='2'>"
                     f"<title>{escape(hint + seconds_told(step['duration_s'], language))}</title></rect>")
    bad = phase["result"] in BAD
    told = seconds_told(phase["duration_s"], language)
    if bad:
        told = f"✕ {result_named(language, phase['result'])}, {told}"
    elif any(step["result"] in BAD for step in steps):
        told = f"{say(language, 'html_second_try')}, {told}"
    return [f"<rect class='track' x='0' y='{top + 23}' width='100%' height='3'/>", *drawn,
            f"<text class='strong' x='0' y='{top + 13}'>{escape(phase_named(language, phase))}</text>",
            f"<text class='{'bad' if bad else 'soft'}' x='100%' y='{top + 13}' text-anchor='end'>{escape(told)}</text>"]
