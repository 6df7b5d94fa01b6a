# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a text file of figures needs from the server and the project, and the writing of that file."""

from __future__ import annotations

import os
import time
import typing as t
from contextlib import suppress

from ._database import DatabaseError, recorded_heads, session_name
from ._errors import Problem
from ._evidence import StateDirectory, read_json, write_json
from ._ground import ground_from
from ._metrics import Sample, file_name, put, render
from ._metrics_facts import samples
from ._ours import list_ours
from ._redact import Redactor
from ._services import seen_project
from ._stopped import stopped_by_us

_SEEN = "seen"


def metrics_spec() -> dict[str, t.Any]:
    """Return the options by which a module writes the text file."""
    return {"metrics_dir": {"type": "str", "default": ""},
            "watched": {"type": "list", "elements": "str", "default": []}}


def look(params: t.Mapping[str, t.Any], redact: Redactor, state: StateDirectory) -> dict[str, t.Any]:
    """Return what can be seen now: ``{heads, kept: [{name, kind, bytes}], stopped: [service]}``.

    What cannot be seen is missing; nothing is raised for it.
    """
    found: dict[str, t.Any] = {}
    # A figure that cannot be had is no reason for a run to end otherwise.
    with suppress(Problem, DatabaseError), ground_from(params, redact).target.open(
            session_name(None, "metrics")) as connection:
        table, schema = version_table(state, params["login_db"])
        found["heads"] = recorded_heads(connection, table, schema) or []
        found["kept"] = [{"name": each.name, "kind": each.kind, "bytes": each.bytes}
                         for each in list_ours(connection, params["login_db"])]
    with suppress(Problem):
        project = seen_project(params, redact)
        if project is None:
            found["stopped"] = []
        else:
            project.docker.require_engine()
            among = project.containers()
            found["stopped"] = sorted({name for each in stopped_by_us(state, project, among)
                                       for name in each["services"]})
    return found


def version_table(state: StateDirectory, database: str) -> tuple[str, str | None]:
    """Return the name and schema of a database's version table, as the newest plan found it."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        plan = None if name == "latest" else read_json(os.path.join(state.run_dir(name), "plan.json"))
        if isinstance(plan, dict) and plan.get("database") == database and plan.get("version_table"):
            return plan["version_table"]["name"], plan["version_table"].get("schema")
    return "alembic_version", None


def text_of(params: t.Mapping[str, t.Any], redact: Redactor, current: t.Mapping[str, t.Any] | None = None,
            looking: bool = True) -> str:
    """Return the text file of a database; ``current`` is the report that is being written.

    Without ``looking`` nothing is connected to: what was seen last stands in for it, as it does where nothing answers.
    """
    state, database = StateDirectory(params["state_dir"]), params["login_db"]
    path = os.path.join(state.path, _SEEN, file_name(database) + ".json")
    before = read_json(path) or {}
    if looking and current:
        # What the report says is newer than what was seen before it.
        before = {key: part for key, part in before.items() if key == "kept"}
    seen = {**before, **(look(params, redact, state) if looking else {})}
    # A state directory that is not there yet is not made for this.
    if looking and os.path.isdir(state.path):
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            write_json(path, seen)
    found = samples(state, database, params["watched"], seen, current)
    return render([*found, Sample("written_timestamp_seconds", int(time.time()), {"database": database})])


def publish(params: t.Mapping[str, t.Any], text: str) -> str:
    """Write the text where node_exporter reads; returns why it cannot be, empty where it was or nobody asked."""
    return put(params["metrics_dir"], params["login_db"], text) if params["metrics_dir"] else ""


def figures(params: t.Mapping[str, t.Any], redact: Redactor, report: t.Mapping[str, t.Any], looking: bool = True
            ) -> tuple[str, str]:
    """Return the text, empty where it cannot be had, and why it or its file cannot; written where it is to be read.

    No run ends otherwise for its figures, whatever an older one has left to read them from.
    """
    try:
        text = text_of(params, redact, report, looking)
        return text, publish(params, text)
    except Exception as error:
        return "", redact(f"{type(error).__name__}: {error}")
