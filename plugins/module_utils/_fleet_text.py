# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The summary over all sites as people read it: on the terminal, as Markdown, as a page."""

from __future__ import annotations

import os
import re
from html import escape

from ._fleet import NO_ANSWER, NO_REPORT, NO_RUN, OPEN, Site, Summary, ended_badly
from ._messages import say
from ._report_blocks import code, mark, sentence, table, text
from ._report_markdown import dash
from ._report_markdown import table as bars
from ._report_style import style
from ._report_words import moment, route_named, seconds_told
from ._summary import COLUMNS

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_KIND = {"failed_needs_human": "bad", "not_valid": "bad", "not_started": "none", "begun": "info", "planned": "info",
         NO_REPORT: "bad", NO_ANSWER: "bad", NO_RUN: "none"}
_COMMAND = re.compile(r"ansible-playbook [\w.-]+\.yml(?: (?:-e|--limit) \S+)?")
# A reason on the terminal is its beginning; the whole stands in the summary's files and in the site's own report.
REASON = 3 * COLUMNS


def kind_of(site: Site) -> str:
    return _KIND.get(site["outcome"], "good" if site["good"] else "warn")


def rows_of(summary: Summary, language: str) -> list[tuple[str, str, str, str, str]]:
    """Return a row per site: its name, outcome, route, outage and losses."""
    return [(site["site"], say(language, f"fleet_is_{site['outcome']}"), route_named(language, site["route"]),
             seconds_told(site["outage_s"], language) if site["outage_s"] else "-", losses_told(site, language))
            for site in summary["sites"]]


def losses_told(site: Site, language: str) -> str:
    losses = site["losses"]
    counted = [loss["rows"] for loss in losses if loss["rows"] is not None]
    if not counted:
        return str(len(losses) or "-")
    return say(language, "fleet_losses", number=len(losses), rows=sum(counted))


def columns(language: str) -> list[str]:
    return say(language, "fleet_columns").split(" | ")


def lines(summary: Summary, language: str, place: str = "") -> list[str]:
    """Return the summary for the terminal; ``place`` is the page's path."""
    rows = [tuple(columns(language)), *rows_of(summary, language)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    table_lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    told = [_short(say(language, "fleet_why", site=site["site"], reason=site["reason"] or site["next"]))
            for site in summary["sites"] if ended_badly(site) and (site["reason"] or site["next"])]
    return [heading(summary, language), *table_lines, *told,
            *([say(language, "sum_report", path=place)] if place else []),
            say(language, "sum_next", next=summary["next"])]


def heading(summary: Summary, language: str) -> str:
    good, left = (sum(1 for site in summary["sites"] if wanted(site)) for wanted in (
        lambda site: site["good"], lambda site: site["outcome"] in OPEN))
    total = len(summary["sites"])
    return say(language, "fleet_heading", playbook=summary["playbook"], total=total, good=good, left=left,
               bad=total - good - left)


def _short(told: str) -> str:
    """A reason in one line: of a traceback its first line and its last, which says what it was."""
    parts = [part for part in told.splitlines() if part.strip()]
    told = " ".join(" ".join(parts if len(parts) < 4 else [parts[0], "...", parts[-1]]).split())
    return told if len(told) <= REASON else f"{told[:REASON - 3]}..."


def markdown(summary: Summary, language: str) -> str:
    """Return the summary as Markdown."""
    parts = [f"# {heading(summary, language)}", "", _footer(summary, language),
             *bars(say(language, "fleet_columns"), rows_of(summary, language))]
    for site in summary["sites"]:
        facts = [site["reason"], *(f"{loss['id']}: {dash(loss['rows'])}" for loss in site["losses"]), site["next"],
                 f"`{site['report']}`" if site["report"] else ""]
        if any(facts):
            parts += [f"## {site['site']} ({dash(site['database'])})", "", *(f"- {fact}" for fact in facts if fact), ""]
    parts += [f"## {say(language, 'head_next')}", "", summary["next"]]
    return "\n".join(parts).rstrip() + "\n"


def page(summary: Summary, language: str, here: str = "") -> str:
    """Return the summary as one page that needs nothing else; ``here`` is its directory, for links to the reports."""
    kind = "good" if summary["good"] else "bad" if any(map(ended_badly, summary["sites"])) else "info"
    told = [(f"<b>{escape(row[0])}</b>", mark(kind_of(site), row[1]), *(escape(cell) for cell in row[2:]))
            for site, row in zip(summary["sites"], rows_of(summary, language))]
    head = escape(heading(summary, language))
    return (f"<!doctype html>\n<html lang='{language}'>\n<head>\n<meta charset='utf-8'>\n"
            f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">\n"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
            "<meta name='color-scheme' content='light dark'>\n<meta name='format-detection' content='telephone=no'>\n"
            f"<title>{head}</title>\n<style>{style()}</style>\n</head>\n<body>\n<div class='wrap'>\n<main>\n"
            f"<header class='banner {kind}'>{mark(kind, say(language, f'html_word_{kind}'))}<h1>{head}</h1>"
            f"<div class='todo'><span class='label'>{escape(say(language, 'html_now'))}</span>"
            f"<p>{_typed(summary['next'])}</p></div></header>\n"
            f"<section id='sites'>{table(say(language, 'fleet_caption'), columns(language), told)}</section>\n"
            + "\n".join(_about(site, language, here) for site in summary["sites"])
            + f"\n</main>\n<footer>{escape(_footer(summary, language))}</footer>\n</div>\n</body>\n</html>\n")


def _typed(told: str) -> str:
    """What is typed for a wave, all its names included, set apart."""
    command = _COMMAND.search(told)
    return escape(told).replace(escape(command.group()), code(command.group())) if command else escape(told)


def _about(site: Site, language: str, here: str) -> str:
    """What is to be said of one site; nothing where nothing happened there."""
    facts = [f"<p>{sentence(fact)}</p>" for fact in (_short(site["reason"]), site["next"]) if fact]
    if site["losses"]:
        facts.append("<ul>" + "".join(f"<li>{code(loss['id'])} {text(loss['rows'])}</li>" for loss in site["losses"])
                     + "</ul>")
    if site["report"]:
        target = os.path.relpath(site["report"], here) if here else site["report"]
        facts.append(f"<p><a href='{escape(target, quote=True)}'>{escape(say(language, 'fleet_report'))}</a></p>")
    if not facts:
        return ""
    return f"<section><h2>{escape(site['site'])} ({text(site['database'])})</h2>{''.join(facts)}</section>"


def _footer(summary: Summary, language: str) -> str:
    return say(language, "html_footer", run=summary["wave_id"], start=moment(summary["started_at"]),
               end=moment(summary["updated_at"]))


def files(summary: Summary, language: str, here: str = "") -> dict[str, str]:
    """Return the summary's texts by file name."""
    return {"fleet.md": markdown(summary, language), "fleet.html": page(summary, language, here)}
