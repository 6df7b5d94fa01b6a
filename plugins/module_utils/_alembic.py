# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Alembic, asked and run inside the application's own environment."""

from __future__ import annotations

import json
import os
import re
import secrets
import typing as t
from dataclasses import dataclass, field

from . import _alembic_agent
from ._database import Limits, Target, end_backends, recorded_heads, session_name, value
from ._errors import Problem, Refusal
from ._redact import Redactor, last_words
from ._revisions import Graph, Revision
from ._runner import APPLICATION, ISOLATED, Finished, Program, Runtime

# A history of ten thousand revisions is answered in about two MiB.
ANSWER_BYTES = 64 * 1024 * 1024


@dataclass
class Sight:
    """What the environment reported: the graph, the path it would walk, and where its own connections arrive."""

    alembic: str
    graph: Graph
    path: list[str] | None
    path_error: str | None
    probe: dict[str, t.Any]

    def heads(self, connection: t.Any) -> list[str]:
        """Return the recorded revisions, read by SQL from the table env.py names. Raises Refusal when they differ.

        Where Alembic and SQL disagree, they do not look at the same database.
        """
        found = self.heads_now(connection)
        if found != self.probe["heads"]:
            raise Refusal("heads_disagree", sql=", ".join(found) or "-", alembic=", ".join(self.probe["heads"]) or "-",
                          database=self.probe["database"])
        return found

    def heads_now(self, connection: t.Any) -> list[str]:
        """Return the recorded revisions as they are now."""
        return recorded_heads(connection, self.probe["version_table"], self.probe["version_table_schema"]) or []


@dataclass
class Environment:
    """The application's Alembic environment: configuration file, interpreter, directory, variables, time limit."""

    runtime: Runtime
    config: str
    python: str
    cwd: str | None
    variables: dict[str, str]
    timeout_s: float
    redact: Redactor
    commands: list[str] = field(default_factory=list)

    def _environment(self, name: str, limits: Limits) -> dict[str, str]:
        """libpq's variables carry the name and the limits into connections that env.py makes its own way."""
        theirs = self.variables.get("PGOPTIONS", "")
        return {**self.variables, "PGAPPNAME": name, "PGOPTIONS": f"{theirs} {limits.options()}".strip()}

    def ask(self, parts: list[str], limits: Limits, name: str, **request: t.Any) -> tuple[dict[str, t.Any], Finished]:
        """Run the agent in the environment and return its answer. Raises Refusal when it gives none."""
        return self.inquire(APPLICATION, parts, self._environment(name, limits), **request)

    def inquire(self, place: str, parts: list[str], environment: dict[str, str], **request: t.Any
                ) -> tuple[dict[str, t.Any], Finished]:
        """Run the agent at a place, with an environment, and return its answer. Raises Refusal when it gives none."""
        nonce = secrets.token_hex(8)
        begin, end = f"<<{nonce}:", f":{nonce}>>"
        asked = json.dumps({"config": self.config, "parts": parts, "begin": begin, "end": end, **request})
        # Read through the loader: Ansible ships module_utils inside a zip file. Its own loader gives bytes.
        source = _alembic_agent.__loader__.get_source(_alembic_agent.__name__)  # type: ignore[union-attr]
        script = source if isinstance(source, bytes) else source.encode()
        program = Program([self.python, "-"], {**environment, _alembic_agent.REQUEST: asked}, stdin=script,
                          cwd=self.cwd, timeout_s=self.timeout_s, kept_bytes=ANSWER_BYTES, place=place)
        done = self.runtime.run(program)
        _noise, found, rest = done.stdout.rpartition(begin)
        if not found:
            raise Refusal("alembic_broken", config=self.config, error=self.last_words(done), python=self.python)
        return json.loads(rest.partition(end)[0]), done

    def last_words(self, done: Finished) -> str:
        """Return the end of what a program said, without secrets; its time limit when that ended it."""
        return last_words(done, self.redact)

    def look(self, name: str, limits: Limits, direction: str = "downgrade", migration: str | None = None,
             to: str | None = None) -> Sight:
        """Return graph, path and probe in one process. Raises Refusal when the environment does not work."""
        answer, done = self.ask(["graph", "probe", "path"], limits, name, direction=direction, migration=migration,
                                to=to)
        errors = answer.get("errors", {})
        for part in ("setup", "graph", "probe"):
            if part in errors:
                raise Refusal("alembic_broken", config=self.config, python=self.python,
                              error=f"{self.redact(errors[part])}\n{self.redact(done.stderr.strip())[-1000:]}".strip())
        error = errors.get("path")
        return Sight(answer["alembic"], graph_from(answer["graph"]), answer.get("path"), error and self.redact(error),
                     answer["probe"])

    def look_from(self, connection: t.Any, name: str, *arguments: t.Any, **request: t.Any) -> Sight:
        """The same; and should it be ended on the way, no session of it is left on the server."""
        try:
            return self.look(name, *arguments, **request)
        finally:
            end_backends(connection, name, self.runtime.addresses)

    def render(self, path: list[str], direction: str) -> dict[str, dict[str, str]]:
        """Return the SQL of each revision: ``{revision: {sql} or {error}}``, rendered where nothing can be reached.

        Rendering runs the application's code, and a migration may open an engine of its own: it is cut off from every
        network and from every Unix socket that somebody listens on.
        """
        try:
            answer, done = self.inquire(ISOLATED, ["render"], dict(self.variables), direction=direction, path=path)
        except Refusal as refusal:
            reason = str(refusal.facts.get("error"))
            return {revision: {"error": reason} for revision in path}
        errors = answer.get("errors", {})
        broken = errors.get("setup") or errors.get("render")
        found = answer.get("render") or {revision: {"error": broken or self.last_words(done)} for revision in path}
        return {revision: {key: self.redact(text) for key, text in entry.items()} for revision, entry in found.items()}

    def move(self, direction: str, revision: str, name: str, limits: Limits,
             watch: t.Callable[[], str | None]) -> Finished:
        """Run ``alembic upgrade`` or ``downgrade`` to a full revision id."""
        program = Program([self.python, "-m", "alembic", "-c", self.config, direction, revision],
                          self._environment(name, limits), cwd=self.cwd, timeout_s=self.timeout_s, place=APPLICATION)
        self.commands.append(self.runtime.shown(program))
        return self.runtime.run(program, watch)


def environment_from(params: t.Mapping[str, t.Any], runtime: Runtime, redact: Redactor) -> Environment:
    """Build an Environment from a module's options."""
    variables = {str(key): str(text) for key, text in (params["alembic_environment"] or {}).items()}
    # A relative script_location is meant from where the configuration stands; an image has a directory of its own.
    beside = os.path.dirname(params["alembic_config"])
    there = beside if runtime.name == "host" and os.path.isdir(beside) else None
    return Environment(runtime, params["alembic_config"], params["alembic_python"], params["alembic_chdir"] or there,
                       variables, params["alembic_timeout"], redact)


def graph_from(entries: t.Iterable[dict[str, t.Any]]) -> Graph:
    """Build the graph the agent reported."""
    return Graph(Revision(entry["revision"], tuple(entry["down"]), entry["message"], tuple(entry["depends_on"]),
                          entry["downgrade"]) for entry in entries)


def renders_nothing(text: str, version_table: str) -> bool:
    """Tell whether rendered SQL holds no statement besides the transaction and the version row."""
    bookkeeping = re.compile(rf'(UPDATE|DELETE FROM|INSERT INTO) ("?[^" ]+"?\.)?"?{re.escape(version_table)}"? ')
    lines = [line.strip() for line in text.splitlines()]
    return all(not line or line.startswith("--") or line in ("BEGIN;", "COMMIT;") or bookkeeping.match(line)
               for line in lines)


def require_same_place(sight: Sight, control: t.Any, target: Target, name: str) -> None:
    """Refuse unless env.py's own connections reach the database we were told of, under our name and our limits.

    An application's URL or ``connect_args`` may override what the environment says; then its migration could neither be
    bounded nor found again.
    """
    expected = {
        "system_identifier": value(control, "SELECT system_identifier::text FROM pg_control_system()"),
        "database": target.database,
        "application_name": name,
        **{setting: value(control, "SELECT current_setting(%s)", (setting,)) for setting in Limits().settings()},
    }
    wrong = [f"{key} {sight.probe[key]!r} (expected {wanted!r})" for key, wanted in expected.items()
             if sight.probe[key] != wanted]
    if wrong:
        raise Refusal("probe_mismatch", differences="; ".join(wrong))
    # To end a session one has to be a member of its role, or of the role made for it; a superuser's, a superuser.
    may = value(control, "SELECT current_setting('is_superuser')::bool OR NOT r.rolsuper"
                         " AND (pg_has_role(r.oid, 'MEMBER') OR pg_has_role('pg_signal_backend', 'MEMBER'))"
                         " FROM pg_roles r WHERE r.rolname = %s", (sight.probe["user"],))
    if not may:
        raise Refusal("cannot_end_migration", user=sight.probe["user"])


def prefix_of(run_id: str | None) -> str:
    """Return the application_name under which a run's migrations are at work."""
    # Outside a run the process stands for it: two modules at once must not end each other's work.
    return session_name(run_id or str(os.getpid()), "alembic")


def partial_move(before: list[str], after: list[str]) -> Problem:
    """Return the problem of a migration that stopped half-way."""
    return Problem("moved_part_way", before=", ".join(before) or "-", after=", ".join(after) or "-")
