# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a diagnosis tells people: the causes on the first screen, then what was counted."""

from __future__ import annotations

import typing as t

from ._causes import MIB, Cause, Scene
from ._messages import say


def lines(scene: Scene, found: t.Sequence[Cause], database: str, since: str, directory: str) -> list[str]:
    """Return what is printed on the terminal: the causes, what could not be told, where the rest is."""
    language = scene.language
    told = [say(language, "diagnosis_title", database=database, since=since, count=len(found))]
    for number, each in enumerate(found, 1):
        told += [f"{number}. [{each['id']}] {each['text']}", f"   {say(language, 'diagnosis_next', next=each['next'])}"]
    if not found:
        told.append(say(language, "diagnosis_no_cause"))
    told += [say(language, "diagnosis_untold", part=part, reason=why["text"])
             for part, why in scene.unavailable.items()]
    return [*told, *notes(scene), say(language, "diagnosis_where", directory=directory)]


def notes(scene: Scene) -> list[str]:
    """Return what the kept logs lack."""
    told = []
    for service, log in scene.logs.items():
        if log["capped"]:
            told.append(say(scene.language, "diagnosis_capped", service=service))
        if log["ended"]:
            told.append(say(scene.language, "diagnosis_ended", service=service, lines=log["lines"]))
        if log["failed"]:
            told.append(say(scene.language, "diagnosis_log_failed", service=service, error=log["failed"]))
    return told


def _table(language: str, head: str, columns: str, rows: t.Iterable[t.Sequence[t.Any]]) -> list[str]:
    body = [" | ".join("-" if cell in (None, "") else str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
            for row in rows]
    return ["", f"## {head}", "", columns, " | ".join(["---"] * len(columns.split(" | "))), *body] if body else []


def _mib(size: int | None) -> str | None:
    return None if size is None else f"{size / MIB:.0f}"


def markdown(scene: Scene, told: t.Sequence[str]) -> str:
    """Return the summary: what the terminal shows, then the tables."""
    language, database, heads = scene.language, scene.database, scene.heads
    images = [(scene.migrations_service, scene.migrations()), *(heads.get("applications") or {}).items()]
    text = [f"# {told[0]}", ""]
    for line in told[1:]:
        text += [line, ""] if line.startswith(" ") or not line[:1].isdigit() else [line]
    text += _table(language, say(language, "head_logs"), say(language, "col_logs"), [
        (service, log["lines"], ", ".join(f"{name}: {count}" for name, count in log["matches"].items()),
         ", ".join(f"{name}: {each['count']}" for name, each in log["signs"].items()))
        for service, log in scene.logs.items()])
    text += _table(language, say(language, "head_containers"), say(language, "col_containers"), [
        (each["service"], each["name"], each["status"], each["health"], each["exit_code"], each["restarts"],
         _mib(each["memory_bytes"]), _mib(each["memory_limit_bytes"]), each["image"])
        for each in scene.containers or []])
    text += _table(language, say(language, "head_heads"), say(language, "col_heads"), [
        (name, each.get("image"), ", ".join(each.get("heads") or []), ", ".join(heads.get("recorded") or []),
         say(language, f"stand_{each['stand']}")) for name, each in images if each])
    text += _table(language, say(language, "head_sessions"), say(language, "col_sessions"), [
        (row["pid"], row["user"], row["application"], row["state"], row["transaction_s"],
         ", ".join(map(str, row["blocked_by"])), ", ".join(row["locks"]), f"`{row['query'][:80]}`")
        for row in {row["pid"]: row for part in ("blocked", "idle_in_transaction", "longest")
                    for row in database.get(part, [])}.values()])
    text += _table(language, say(language, "head_tables"), say(language, "col_tables"), [
        (each["table"], say(language, {True: "yes", False: "no", None: "unknown"}[each["present"]]),
         each.get("live_rows"), each.get("dead_rows"), each.get("last_analyze"), each.get("last_vacuum"))
        for each in database.get("tables", [])])
    text += _table(language, say(language, "head_sizes"), say(language, "col_sizes"), [
        *((say(language, f"size_{each['place']}"), each["path"], _mib(each["free_bytes"]), _mib(each["total_bytes"]))
          for each in scene.disk),
        *([(say(language, "size_of_database"), None, None, _mib(database["size_bytes"]))] if database else [])])
    if database:
        text += ["", say(language, "diagnosis_connections", used=database["connections"],
                         most=database["max_connections"])]
    return "\n".join(text).rstrip() + "\n"
