# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import typing as t
from html import escape

from ._errors import FAILED_NEEDS_HUMAN
from ._evidence import seconds_between
from ._messages import say
from ._report_blocks import code, contact, facts, folded, last_word, listed, mark, sentence, table, text
from ._report_picture import picture
from ._report_procedure import acceptance, procedure
from ._report_style import style
from ._report_words import bytes_told, moment, phase_named, result_named, route_named, seconds_told

Report = t.Mapping[str, t.Any]
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_KIND = {"refused": "warn", "failed_unchanged": "warn", FAILED_NEEDS_HUMAN: "bad", "not_valid": "bad",
         "drill_failed": "bad", "planned": "info"}
_CHECK = {"pass": "good", "fail": "bad", "warn": "warn", "skip": "none"}
_MARK_OF = {"ok": "good", "pass": "good", "sent": "good", "skip": "none", "skipped": "none"}


def page(report: Report, language: str) -> str:
    """Return the report as HTML."""
    title = say(language, "html_title", outcome=say(language, f"html_head_{report['outcome']}"),
                database=report.get("database") or "-")
    parts = [_banner(report, language), _figures(report, language), _timeline(report, language),
             _section("reason", say(language, "head_reason"), _reason(report, language)),
             _section("procedure", say(language, "head_procedure"), procedure(report, language)),
             _section("validation", say(language, "head_validation"), _validation(report, language)),
             _section("next", say(language, "head_next"), _next(report, language)),
             _section("contacts", say(language, "head_contacts"), _contacts(report, language))]
    return (f"<!doctype html>\n<html lang='{'fr' if language == 'fr' else 'en'}'>\n<head>\n<meta charset='utf-8'>\n"
            f"<meta http-equiv='Content-Security-Policy' content=\"{_POLICY}\">\n"
            "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
            "<meta name='color-scheme' content='light dark'>\n<meta name='format-detection' content='telephone=no'>\n"
            f"<title>{escape(title)}</title>\n<style>{style()}</style>\n</head>\n<body>\n"
            f"<a class='skip' href='#next'>{escape(say(language, 'html_skip'))}</a>\n<div class='wrap'>\n<main>\n"
            + "\n".join(part for part in parts if part)
            + f"\n</main>\n<footer>{_footer(report, language)}</footer>\n</div>\n</body>\n</html>\n")


def _section(name: str, heading: str, inside: str) -> str:
    return (f"<section id='{name}' aria-labelledby='{name}-head'><h2 id='{name}-head'>{escape(heading)}</h2>{inside}"
            "</section>") if inside else ""


def _banner(report: Report, language: str) -> str:
    outcome, kind = report["outcome"], _KIND.get(report["outcome"], "good")
    steps = report.get("next_steps") or []
    kicker = say(language, "html_kicker_drill" if report.get("playbook") == "drill" else "html_kicker",
                 database=report.get("database") or "-")
    parts = [f"<p class='where'><span>{escape(kicker)}</span><span>{moment(report.get('finished_at'))}</span></p>",
             f"<header class='banner {kind}'>", mark(kind, say(language, f"html_word_{kind}")),
             f"<h1>{escape(say(language, f'html_head_{outcome}'))}</h1>",
             f"<p class='means'>{escape(_means(report, language))}</p>"]
    tried = [route_named(language, entry["route"]) for entry in report.get("routes_tried") or []]
    if len(tried) > 1 and kind == "good":
        parts.append(f"<p>{escape(say(language, 'html_fell_back', first=', '.join(tried[:-1]), last=tried[-1]))}</p>")
    if report.get("losses") and outcome not in ("planned", "refused"):
        parts.append(f"<p>{escape(say(language, 'html_with_losses', number=len(report['losses'])))}</p>")
    if report.get("failure"):
        parts.append(f"<div class='why'><span class='label'>{escape(say(language, 'html_why'))}</span>"
                     f"{_why(_without_line(report, language), language)}</div>")
    rests_on = report.get("outcome_rests_on")
    if rests_on and rests_on != report.get("failure"):
        parts.append(f"<p class='soft'>{escape(say(language, 'sum_measured', rests_on=rests_on))}</p>")
    if steps:
        told = f"<p>{sentence(steps[0])}</p>" if len(steps) == 1 else listed(map(sentence, steps), "ol")
        parts.append(f"<div class='todo'><span class='label'>{escape(say(language, 'html_now'))}</span>{told}"
                     f"{acceptance(report, language)}</div>")
    return "".join([*parts, "</header>"])


def _means(report: Report, language: str) -> str:
    unwell = report["outcome"] == FAILED_NEEDS_HUMAN and report.get("to_heads") == report.get("goal_heads") and any(
        step["name"] == "functional" and step["result"] != "ok" for step in report.get("steps") or [])
    if unwell:
        return say(language, "html_means_not_functional")
    if report["outcome"] == "refused" and report.get("playbook") != "rollback":
        return say(language, "html_means_refused_other")
    return say(language, f"html_means_{report['outcome']}")


def _without_line(report: Report, language: str) -> str:
    """Why it failed, without a long line that stands ready to be pasted below."""
    line = (report.get("plan") or {}).get("accept_line")
    return str(report["failure"]).replace(line, say(language, "html_below")) if line else str(report["failure"])


def _why(failure: str, language: str) -> str:
    """A message of one line as it is; of what a program printed the last line, and all of it folded."""
    short = last_word(failure)
    if short == failure.strip():
        return f"<p>{sentence(short)}</p>"
    return f"<p>{sentence(short)}</p>" + folded(
        escape(say(language, "html_all_of_it")), f"<pre>{escape(failure.strip())}</pre>")


def _figures(report: Report, language: str) -> str:
    heads = [", ".join(report.get(key) or []) or say(language, "none") for key in ("from_heads", "to_heads")]
    results = [check["result"] for check in report.get("checks") or []]
    found = []
    if report.get("playbook") not in ("drill", "plan", "backup", "validate"):
        outage = report.get("outage_s")
        found.append((say(language, "html_outage"), escape(seconds_told(outage, language)) if outage
                      else escape(say(language, "html_no_outage_short")), ""))
    found.append((say(language, "html_duration"), escape(seconds_told(report.get("duration_s"), language)), ""))
    if report.get("route"):
        found.append((say(language, "html_route"), escape(route_named(language, report["route"])), ""))
    if results:
        found.append((say(language, "html_checks"), escape(say(
            language, "html_checks_told", passed=results.count("pass"), total=len(results))), ""))
    found.append((say(language, "html_revisions"), code(heads[0]) if heads[0] == heads[1] else
                  f"{code(heads[0])} &rarr; {code(heads[1])}", " class='wide'"))
    return "<dl class='figures'>" + "".join(
        f"<div{wide}><dt>{escape(name)}</dt><dd>{told}</dd></div>" for name, told, wide in found) + "</dl>"


def _timeline(report: Report, language: str) -> str:
    drawn = picture(report, language)
    if not drawn:
        return ""
    start = report["started_at"]
    rows = [(escape(phase_named(language, phase)),
             escape("+" + seconds_told(max(0.0, seconds_between(start, phase["started_at"])), language)),
             escape(seconds_told(phase["duration_s"], language)),
             mark(_MARK_OF.get(str(phase["result"]), "bad"), result_named(language, phase["result"])))
            for phase in report["phases"]]
    columns = say(language, "html_cols_phases").split(" | ")
    caption = say(language, "html_timeline_caption", start=moment(start), time=seconds_told(
        report.get("duration_s"), language))
    return _section("timeline", say(language, "html_timeline"), (
        f"<p class='soft'>{escape(say(language, 'html_timeline_note'))}</p><div class='picture'>{drawn}</div>"
        f"<details><summary>{escape(say(language, 'html_as_table'))}</summary>{table(caption, columns, rows, (1, 2))}"
        "</details>"))


def _reason(report: Report, language: str) -> str:
    missing = f"<span class='soft'>{escape(say(language, 'not_given'))}</span>"
    known = [(say(language, "label_problem"), report.get("reason")),
             (say(language, "label_impact"), report.get("impact")),
             (say(language, "label_decision"), report.get("decision")),
             (say(language, "label_operator"), report.get("operator")),
             (say(language, "label_ticket"), report.get("ticket"))]
    # A drill has no incident behind it that somebody could have described.
    told = [(name, escape(str(given)) if given else missing) for name, given in known
            if given or report.get("playbook") != "drill"]
    return facts([*told, *([(say(language, "html_migration"), code(report["migration"]))]
                           if report.get("migration") else [])])


def _validation(report: Report, language: str) -> str:
    checks = report.get("checks") or []
    parts = []
    if checks:
        before = any(check.get("before") for check in checks)
        columns = say(language, "html_cols_checks" if before else "col_check").split(" | ")
        rows = [(escape(check["id"]), *([text(check.get("before"))] if before else []), text(check.get("expected")),
                 text(check.get("observed")),
                 mark(_CHECK.get(check["result"], "none"), say(language, f"result_{check['result']}")))
                for check in checks]
        parts.append(table(say(language, "html_checks_caption"), columns, rows))
    else:
        parts.append(f"<p>{escape(say(language, 'html_no_checks'))}</p>")
    changed = report.get("tables_changed") or []
    if changed:
        columns = say(language, "html_cols_tables").split(" | ")
        parts += [f"<h3>{escape(say(language, 'html_tables'))}</h3>",
                  table(say(language, "html_tables_caption"), columns, [
                      (escape(each["table"]), text(each["before"]), text(each["after"])) for each in changed], (1, 2))]
    return "".join(parts) + _memory(report, language)


def _memory(report: Report, language: str) -> str:
    told = [(str(name), escape(" → ".join(bytes_told(used.get(key), language) for key in ("before", "after"))))
            for name, used in (report.get("memory") or {}).items()]
    return f"<h3>{escape(say(language, 'html_memory'))}</h3>{facts(told)}" if told else ""


def _next(report: Report, language: str) -> str:
    steps = report.get("next_steps") or []
    parts = [listed(map(sentence, steps), "ol" if len(steps) > 1 else "ul")] if steps else []
    places = [say(language, f"sum_{key}", name=report[key]) for key in ("safety_copy", "kept_database", "set_aside")
              if report.get(key)]
    places += [say(language, "sum_exported", text=each) for each in report.get("exported") or []]
    if places:
        parts += [f"<h3>{escape(say(language, 'html_kept'))}</h3>", listed(map(sentence, places))]
    return "".join(parts) + "".join(f"<p>{sentence(note)}</p>" for note in report.get("notes") or [])


def _contacts(report: Report, language: str) -> str:
    if "contacts" not in report:
        return ""
    vacant, warning = report.get("placeholders") or [], " " + mark("warn", say(language, "html_placeholder"))
    pairs = [(str(role), contact(given) + (warning if role in vacant else ""))
             for role, given in (report.get("contacts") or {}).items()]
    return facts(pairs) if pairs else f"<p class='soft'>{escape(say(language, 'html_no_contacts'))}</p>"


def _footer(report: Report, language: str) -> str:
    return escape(say(language, "html_footer", run=report.get("run_id") or "-", start=moment(report.get("started_at")),
                      end=moment(report.get("finished_at"))))
