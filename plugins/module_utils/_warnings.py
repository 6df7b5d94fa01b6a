# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What an operator reads before confirming: the guide's four warnings, with the figures of this very run."""

from __future__ import annotations

import os
import shutil
import textwrap
import typing as t
from dataclasses import dataclass

from ._backup import newest_good
from ._database import value
from ._evidence import StateDirectory
from ._messages import say
from ._progress_text import in_bytes
from ._run import last_report

WIDTH = 78
SHOWN = 4
# Of what the tables take, about what a backup takes where none was taken yet.
RATIO = 0.5


@dataclass(frozen=True)
class Around:
    """What surrounds a plan: sizes in bytes, the services that will be stopped, the seconds of the last outage here.

    ``standing`` is the path of a backup that stands for one taken now; empty where one is taken.
    """

    size: int
    dump: int
    free: int | None
    backups: str
    services: t.Sequence[str] = ()
    last_outage_s: float | None = None
    standing: str = ""


def look_around(connection: t.Any, database: str, state_dir: str | None, services: t.Sequence[str] = (),
                standing: str = "") -> Around:
    """Measure what the warnings tell; ``connection`` is a session on the database."""
    size = int(value(connection, "SELECT pg_database_size(current_database())"))
    if not state_dir:
        return Around(size, int(size * RATIO), None, "-", services, None, standing)
    state = StateDirectory(state_dir)
    newest = newest_good(state.backups, database)
    place = state.path
    while not os.path.exists(place):
        place = os.path.dirname(place)
    dump = sum(entry["bytes"] for entry in newest["files"]) if newest else int(size * RATIO)
    outage = (last_report(state, database) or {}).get("outage_s")
    return Around(size, dump, shutil.disk_usage(place).free, state.backups, services, outage, standing)


def before_rollback(planned: t.Mapping[str, t.Any], around: Around, language: str) -> list[str]:
    """Return the lines shown before a rollback is confirmed."""
    route = (planned["ladder"] or [planned["recommended"] or "alembic"])[0]
    chosen = planned["routes"].get(route) or {"losses": [], "backup": None}
    tables = [f"{_rows(rows, language)} ({table})" for table, rows in planned["purpose"].items() if rows is not None]
    gone = _some(tables, language) or say(language, "warn_no_rows")
    key = "warn_destructive_restore" if route == "restore" else "warn_destructive"
    first = say(language, key, route=route, rows=gone, number=len(planned["path"]), name=chosen.get("backup") or "-",
                database=planned["database"])
    return _four(planned, first, _lost(chosen["losses"], say(language, "warn_back_backup"), language), chosen,
                 [table for table, rows in planned["purpose"].items() if rows is not None], around, language)


def before_return(planned: t.Mapping[str, t.Any], counts: t.Mapping[str, tuple[int | None, int | None]],
                  counted: bool, around: Around, language: str) -> list[str]:
    """Return the lines shown before a backup or a kept database is put back.

    ``counts`` holds rows by table, now and there, where they differ; ``counted`` tells whether that is known.
    """
    name, chosen = planned["source"]["name"], planned["routes"]["restore"]
    if planned["tables"]:
        told = [f"{table} ({_rows(counts[table][0], language)})" if table in counts else table
                for table in planned["tables"]]
        first = say(language, "warn_destructive_tables", tables=_some(told, language), name=name)
        back = say(language, "warn_back_backup")
    else:
        told = [f"{table} {'-' if now is None else now} > {'-' if there is None else there}"
                for table, (now, there) in counts.items()]
        first = say(language, "warn_destructive_replace", name=name, database=planned["database"])
        first += say(language, "warn_rows_change", rows=_some(told, language)) if told else ""
        back = say(language, "warn_back_kept")
    second = _lost(chosen["losses"], back, language) if counted else say(language, "warn_later")
    return _four(planned, first, second, chosen, planned["tables"] or list(counts), around, language)


def before_remigration(planned: t.Mapping[str, t.Any], around: Around, language: str) -> list[str]:
    """Return the lines shown before a migration is applied again."""
    revisions = _some([step["revision"] for step in planned["path"]], language)
    first = say(language, "warn_destructive_again", number=len(planned["path"]), revisions=revisions,
                database=planned["database"])
    return _four(planned, first, say(language, "warn_again_back"), planned["routes"]["alembic"], [], around, language)


def question(lines: t.Sequence[str], database: str, language: str) -> str:
    """Return what is asked where a terminal is: the warnings, and what to type."""
    return "\n".join([*lines, "", say(language, "warn_question", database=database)])


def _four(planned: t.Mapping[str, t.Any], destructive: str, irreversible: str, chosen: t.Mapping[str, t.Any],
          tables: t.Sequence[str], around: Around, language: str) -> list[str]:
    heads = {key: ", ".join(planned[key] or []) or say(language, "none") for key in ("from_heads", "to_heads")}
    losses = [each["text"] for each in chosen["losses"]]
    lines = [say(language, "warn_title", database=planned["database"], **heads),
             say(language, "warn_1", text=destructive), say(language, "warn_2", text=irreversible),
             say(language, "warn_3", text=_impact(tables, chosen, around, language)),
             say(language, "warn_4", text=_backup(around, language))]
    if losses:
        lines.append(say(language, "warn_accepted", number=len(losses)))
        lines += [f"   - {text}" for text in losses[:SHOWN]]
        lines += [f"   - ... ({len(losses)})"] if len(losses) > SHOWN else []
    return [part for line in lines for part in textwrap.wrap(
        line, WIDTH, subsequent_indent="   " if line[:1] in "1234 " else "", break_long_words=False,
        break_on_hyphens=False)]


def _lost(losses: t.Sequence[t.Mapping[str, t.Any]], back: str, language: str) -> str:
    """Say how rows that went come back, and how much is lost besides."""
    counted = [loss for loss in losses if not loss["id"].startswith("empty-")]
    rows = sum(loss["rows"] or 0 for loss in counted)
    uncounted = any(not loss["exact"] for loss in counted)
    lost = say(language, "warn_lost", number=len(losses), rows=_rows(rows, language),
               more=say(language, "warn_uncounted") if uncounted else "") if losses else say(language, "warn_lost_none")
    return f"{back} {lost}"


def _impact(tables: t.Sequence[str], chosen: t.Mapping[str, t.Any], around: Around, language: str) -> str:
    told = [say(language, "warn_affected", tables=_some(tables, language))] if tables else []
    told.append(say(language, "warn_stopped", services=", ".join(around.services)) if around.services
                else say(language, "warn_none_stopped"))
    if chosen.get("estimate_s") is not None:
        told.append(say(language, "warn_time_rehearsal" if chosen.get("estimate_from") == "rehearsal"
                        else "warn_time_trial", seconds=chosen["estimate_s"]))
    else:
        told.append(say(language, "warn_time_unknown"))
    if around.last_outage_s:
        told.append(say(language, "warn_last_outage", seconds=around.last_outage_s))
    return " ".join(told)


def _backup(around: Around, language: str) -> str:
    if around.standing:
        return say(language, "warn_standing", path=around.standing)
    free = "?" if around.free is None else in_bytes(around.free, language)
    return say(language, "warn_taken", size=in_bytes(around.size, language), where=around.backups,
               dump=in_bytes(around.dump, language), free=free)


def _rows(number: int | None, language: str) -> str:
    if number is None:
        return "?"
    return say(language, "warn_row" if number == 1 else "warn_rows", number=number)


def _some(names: t.Sequence[str], language: str) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown + (say(language, "warn_more", number=len(names) - SHOWN) if len(names) > SHOWN else "")
