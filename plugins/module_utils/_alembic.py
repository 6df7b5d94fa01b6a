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
TRANSCRIPT_CHARACTERS = 20000


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
class Moved:
    """What one process of the environment saw and did.

    ``probe`` and ``path`` are as they were before the first move. ``moves`` are those tried, each with ``direction``,
    ``revision``, ``ok``, ``error`` and ``seconds``: only the last can have failed, and has where ``ended_by`` says what
    ended the process. ``rendered`` is as render() has it.
    """

    graph: Graph
    probe: dict[str, t.Any]
    path: list[str] | None
    moves: list[dict[str, t.Any]]
    rendered: dict[str, dict[str, str]]
    transcript: str
    ended_by: str = ""

    @property
    def failure(self) -> dict[str, t.Any] | None:
        """The move that failed, if one has."""
        return next((move for move in self.moves if not move["ok"]), None)


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
        # The last one that is whole: its end may have come while it was answering.
        answers = [text for text, ended, _rest in (
            piece.partition(end) for piece in done.stdout.split(begin)[1:]) if ended]
        if not answers:
            raise Refusal("alembic_broken", config=self.config, error=self.last_words(done), python=self.python)
        return json.loads(answers[-1]), done

    def _require_parts(self, answer: dict[str, t.Any], done: Finished) -> dict[str, str]:
        """Return the errors an answer names. Raises Refusal for those without which nothing else can be relied on."""
        errors = answer.get("errors", {})
        for part in ("setup", "graph", "probe"):
            if part in errors:
                raise Refusal("alembic_broken", config=self.config, python=self.python,
                              error=f"{self.redact(errors[part])}\n{self.redact(done.stderr.strip())[-1000:]}".strip())
        return errors

    def last_words(self, done: Finished) -> str:
        """Return the end of what a program said, without secrets; its time limit when that ended it."""
        return last_words(done, self.redact)

    def look(self, name: str, limits: Limits, direction: str = "downgrade", migration: str | None = None,
             to: str | None = None) -> Sight:
        """Return graph, path and probe in one process. Raises Refusal when the environment does not work."""
        answer, done = self.ask(["graph", "probe", "path"], limits, name, direction=direction, migration=migration,
                                to=to)
        error = self._require_parts(answer, done).get("path")
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
        return self._redacted(found)

    def moves(self, name: str, limits: Limits, expected: t.Mapping[str, str], moves: t.Sequence[tuple[str, str]],
              direction: str = "downgrade", migration: str | None = None, to: str | None = None,
              render: t.Sequence[str] = ()) -> Moved:
        """Make moves, each a direction and a full revision id, in one process; stop at the first that fails.

        ``expected`` is what the probe must have found, by its keys, before the first move. With ``migration`` or ``to``
        the path is answered too, and ``render`` are revisions whose SQL is rendered at the end. Raises Refusal, no move
        made, where the connection is not as expected or the environment does not work. The sessions of a process that
        was ended are the caller's to end.
        """
        parts = ["graph", "probe", *(["path"] if migration or to else []), "moves", *(["render"] if render else [])]
        answer, done = self.ask(parts, limits, name, expected=dict(expected), moves=[list(move) for move in moves],
                                direction=direction, migration=migration, to=to, path=list(render))
        errors = self._require_parts(answer, done)
        made = answer.get("moves", [])
        if "mismatch" in made:
            raise Refusal("rehearsal_elsewhere", differences="; ".join(made["mismatch"]))
        entries = [{**entry, "error": self.redact(entry["error"])[:1500]} for entry in made]
        if len(entries) < len(moves) and all(entry["ok"] for entry in entries):
            way, revision = moves[len(entries)]
            entries.append({"direction": way, "revision": revision, "ok": False,
                            "seconds": round(done.duration_s - sum(entry["seconds"] for entry in entries), 3),
                            "error": self.redact(errors.get("moves", "")) or self.last_words(done)})
        rendered = answer.get("render") or {revision: {"error": self.redact(errors.get("render", "")) or
                                                       self.last_words(done)} for revision in render}
        return Moved(graph_from(answer["graph"]), answer["probe"], answer.get("path"), entries,
                     self._redacted(rendered), self.redact(done.stderr.strip())[-TRANSCRIPT_CHARACTERS:], done.ended_by)

    def _redacted(self, rendered: t.Mapping[str, t.Mapping[str, str]]) -> dict[str, dict[str, str]]:
        return {revision: {key: self.redact(text) for key, text in entry.items()}
                for revision, entry in rendered.items()}

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
