# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a report's page says of how it was done: the plan, the routes, the rehearsal, the backup, the commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import typing as t
from html import escape

from . import _notified
from ._ladder import ROUTE_STEPS
from ._messages import say
from ._report_blocks import code, facts, folded, last_word, listed, mark, sentence, shell, table, text, told_only
from ._report_markdown import REAL
from ._report_words import bytes_told, result_named, route_named, seconds_told, step_named

Report = t.Mapping[str, t.Any]
_VERDICT = {"safe": "good", "needs_acceptance": "warn", "impossible": "none"}


def procedure(report: Report, language: str) -> str:
    """Return the inside of the section."""
    drill = report.get("playbook") == "drill"
    return "".join(part for part in (
        _plan(report, language), _routes(report, language),
        _drill(report, language) if drill else _rehearsal(report, language), _losses(report, language),
        _backup(report, language), _services(report, language), _notifications(report, language),
        _commands(report, language)) if part)


def _head(text_of: str) -> str:
    return f"<h3>{escape(text_of)}</h3>"


def _plan(report: Report, language: str) -> str:
    plan = report.get("plan") or {}
    if not plan.get("routes") or report["outcome"] not in ("planned", "refused"):
        return ""
    columns = say(language, "html_cols_plan").split(" | ")
    rows = [(escape(route_named(language, name)),
             mark(_VERDICT.get(route["verdict"], "none"), say(language, f"plan_verdict_{route['verdict']}")),
             listed(escape(each) for each in route["reasons"]) if route.get("reasons")
             else listed(f"{escape(loss['text'])} <span class='soft small'>{code(loss['id'])}</span>"
                         for loss in route["losses"]) if route.get("losses") else escape(say(language, "html_nothing")),
             escape(seconds_told(route.get("estimate_s"), language))) for name, route in plan["routes"].items()]
    parts = [_head(say(language, "html_plan")), table(say(language, "html_plan_caption"), columns, rows)]
    if plan.get("recommended"):
        best = route_named(language, plan["recommended"])
        parts.append(f"<p>{escape(say(language, 'html_recommended', route=best))}</p>")
    parts += [f"<p>{sentence(each['text'])}</p>" for each in plan.get("alternatives") or []]
    parts += [f"<p>{sentence(each)}</p>" for each in plan.get("warnings") or []]
    path = [(code(step["revision"]), text(step.get("message")),
             say(language, f"plan_downgrade_{step['downgrade'].rstrip('?')}"))
            for step in plan.get("path") or [] if step.get("downgrade")]
    if path:
        parts.append(table(say(language, "html_path"), say(language, "html_cols_path").split(" | "), path))
    return "".join(parts)


def acceptance(report: Report, language: str) -> str:
    """Return the command that accepts what the first route would lose; empty where nothing is left to accept."""
    line = (report.get("plan") or {}).get("accept_line")
    if not line or report["outcome"] not in ("planned", "refused"):
        return ""
    playbook = "rollback" if report.get("playbook") in ("plan", None) else str(report["playbook"])
    return (f"<p>{escape(say(language, 'html_accept'))}</p><pre><code>ansible-playbook {escape(playbook)}.yml "
            f"{escape(line)}</code></pre>")


def _routes(report: Report, language: str) -> str:
    tried = report.get("routes_tried") or []
    if not tried:
        return ""
    columns = say(language, "html_cols_routes").split(" | ")
    rows = [(escape(route_named(language, entry["route"])),
             mark("good" if entry["result"] == "ok" else "bad", result_named(language, entry["result"])),
             _reason(entry, language)) for entry in tried]
    return _head(say(language, "html_routes")) + table(say(language, "html_routes_caption"), columns, rows)


def _reason(entry: Report, language: str) -> str:
    reason = str(entry.get("reason") or "")
    if not reason:
        return "-"
    # The key of a problem is no sentence; the failure told above is.
    return sentence(last_word(reason)) if " " in reason else escape(say(language, "html_reason_above"))


def _rehearsal(report: Report, language: str) -> str:
    found = report.get("rehearsal")
    if not found:
        return ""
    head = _head(say(language, "html_rehearsal"))
    if found.get("result") == "skipped" and report["outcome"] in ("planned", "refused"):
        return ""
    if found.get("result") == "skipped":
        return f"{head}<p>{escape(say(language, 'sum_unrehearsed'))}</p>"
    real = {step["name"]: step["duration_s"] for step in report.get("steps") or []}
    columns = say(language, "html_cols_rehearsal").split(" | ")
    rows = [(escape(step_named(language, step["name"])), escape(seconds_told(step.get("seconds"), language)),
             escape(seconds_told(real.get(REAL.get(step["name"], "")), language)),
             mark("good" if step["result"] == "ok" else "bad", result_named(language, step["result"])))
            for step in found.get("steps") or []]
    steps = {step["name"] for step in found.get("steps") or []}
    note = say(language, "html_rehearsal_includes") if steps & set(ROUTE_STEPS) else ""
    again = found.get("upgrade_again")
    told = [(say(language, "html_lock"), _lock(found, language)),
            *([(say(language, "html_again"), _again(again, language))] if again else [])]
    return (head + table(say(language, "html_rehearsal_caption"), columns, rows, (1, 2)) + facts(told)
            + (f"<p class='soft small'>{escape(note)}</p>" if note else ""))


def _lock(found: Report, language: str) -> str:
    lock = found.get("longest_lock")
    return escape(say(language, "html_lock_told", time=seconds_told(lock["held_s"], language), table=lock["table"])
                  if lock else say(language, "html_no_lock"))


def _again(again: Report, language: str) -> str:
    if again.get("ok") and not again.get("differs"):
        return mark("good", say(language, "html_again_ok"))
    return mark("warn", say(language, "html_again_not")) + " " + escape(
        str(again.get("error") or ", ".join(again.get("differs") or [])))


def _drill(report: Report, language: str) -> str:
    columns = say(language, "html_cols_drill").split(" | ")
    rows = [(escape(say(language, f"drill_{step['name']}")), escape(seconds_told(step["duration_s"], language)),
             escape(say(language, "drill_guide", least=step["guide_minutes"][0], most=step["guide_minutes"][1])
                    if step.get("guide_minutes") else "-"),
             mark({"pass": "good", "fail": "bad"}.get(step["result"], "none"),
                  say(language, f"result_{step['result']}")))
            for step in report.get("steps") or []]
    again = report.get("upgrade_again")
    told = [(say(language, "html_lock"), _lock(report, language)),
            *([(say(language, "html_again"), _again(again, language))] if again else [])]
    last = report.get("last_passed")
    passed = say(language, "drill_last_passed", run_id=last["run_id"], hours=round(last["age_s"] / 3600, 1)
                 ) if last else say(language, "drill_never_passed")
    return (_head(say(language, "html_drill")) + table(say(language, "html_drill_caption"), columns, rows, (1,))
            + facts(told) + f"<p>{escape(passed)}</p>")


def _losses(report: Report, language: str) -> str:
    losses = report.get("losses") or []
    if not losses or report["outcome"] in ("planned", "refused"):
        return ""
    columns = say(language, "html_cols_losses").split(" | ")
    return _head(say(language, "html_losses")) + table(say(language, "html_losses_caption"), columns, [
        (escape(loss["text"]), text(loss.get("rows")), code(loss["id"])) for loss in losses], (1,))


def _backup(report: Report, language: str) -> str:
    backup = report.get("backup")
    if not backup:
        return ""
    proved = [mark("good", say(language, "html_proved")) if backup.get("restored_and_compared") else
              mark("good", say(language, "html_read_back")) if backup.get("verified") else
              mark("warn", say(language, "html_unproved"))]
    pairs = [(say(language, "html_where"), code(backup["path"]))]
    if backup.get("bytes") is not None:
        pairs.append((say(language, "html_size"), escape(bytes_told(backup["bytes"], language))))
    if backup.get("sha256"):
        pairs.append(("SHA-256", code(backup["sha256"])))
    pairs.append((say(language, "html_state"), " ".join(proved)))
    restore = backup.get("restore") or os.path.join(backup["path"], "RESTORE.txt")
    return (_head(say(language, "html_backup")) + facts(pairs)
            + f"<p>{escape(say(language, 'html_restore'))}</p><pre><code>"
            + escape(f"ansible-playbook restore.yml -e {_given('restore_backup', backup['path'])}\n"
                     f"# {say(language, 'html_restore_by_hand')}\ncat {shlex.quote(restore)}") + "</code></pre>")


def _given(name: str, path: str) -> str:
    """A variable as it is typed after -e, whatever its characters."""
    return f"{name}={path}" if re.fullmatch(r"[\w./:@+-]+", path) else shlex.quote(
        json.dumps({name: path}, ensure_ascii=False))


def _services(report: Report, language: str) -> str:
    services = report.get("services") or {}
    if not any(services.get(key) for key in ("stopped", "resumed", "held", "left_stopped")):
        return ""
    pairs = [(name, escape(", ".join(services.get(key) or []) or say(language, "html_no_service"))) for name, key in (
        (say(language, "html_stopped"), "stopped"), (say(language, "html_resumed"), "resumed"))]
    left = services.get("left_stopped") or []
    pairs.append((say(language, "html_left"), mark("warn", ", ".join(left)) if left
                  else mark("good", say(language, "html_no_service"))))
    return _head(say(language, "html_services")) + facts(pairs) + (
        listed(sentence(each["reason"]) for each in services["held"]) if services.get("held") else "")


def _notifications(report: Report, language: str) -> str:
    rows = _notified.rows(report, language)
    if not rows:
        return ""
    results = [entry["result"] == "sent" for entry in report["notifications"]]
    columns = [each[:1].upper() + each[1:] for each in say(language, "notify_columns").split(" | ")]
    cells = [[mark("good" if sent else "bad", str(cell)) if at == 3 else text(cell) for at, cell in enumerate(row)]
             for row, sent in zip(rows, results)]
    return _head(say(language, "notify_head")) + table(say(language, "html_messages_caption"), columns, cells)


def _commands(report: Report, language: str) -> str:
    parts = []
    for step in report.get("steps") or []:
        commands = step.get("commands") or []
        if commands:
            drill = report.get("playbook") == "drill"
            name = say(language, "html_drill_all") if drill else step_named(language, step["name"])
            copied = drill or step["name"] == "rehearsal"
            aside = say(language, "html_on_copy") if copied else ""
            typed = told_only(commands) if copied else shell(commands, report.get("database"))
            parts.append(folded(
                f"{escape(name[:1].upper() + name[1:])} <span class='soft'>{escape(aside)} ({len(commands)})</span>",
                f"<pre><code>{escape(typed)}</code></pre>"))
    if not parts:
        return ""
    return _head(say(language, "label_commands")) + (
        f"<p class='soft'>{escape(say(language, 'html_commands_note'))}</p>") + "".join(parts)
