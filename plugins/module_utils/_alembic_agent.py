# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Runs inside the application's own Alembic environment and reports what it sees there.

It is sent as text to the application's interpreter, so it imports nothing of this collection. The request comes as JSON
in the variable RECYCLIC_ROLLBACK_REQUEST, the answer goes as one line of JSON between two markers, because env.py
prints what it likes. Needs Alembic 1.12 or newer and Python 3.8 or newer.
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import os
import sys
import textwrap
import time
import traceback

REQUEST = "RECYCLIC_ROLLBACK_REQUEST"


def downgrade_kind(module):
    """Say from its source what a downgrade is: implemented, empty?, raises, or unknown."""
    try:
        function = ast.parse(textwrap.dedent(inspect.getsource(module.downgrade))).body[0]
    except (AttributeError, OSError, TypeError, SyntaxError, IndexError):
        return "unknown"
    if not isinstance(function, ast.FunctionDef):
        return "unknown"
    # A constant on a line of its own is a docstring or an ellipsis; a return without one gives None.
    acts = [node for node in function.body if not isinstance(node, ast.Pass)
            and not (isinstance(node, (ast.Expr, ast.Return)) and isinstance(node.value, (ast.Constant, type(None))))]
    if not acts:
        return "empty?"
    return "raises" if isinstance(acts[0], ast.Raise) else "implemented"


def names(value):
    """Alembic's way of saying none, one or several, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def graph(script):
    return [{
        "revision": revision.revision,
        "down": names(revision.down_revision),
        "depends_on": names(getattr(revision, "_resolved_dependencies", None) or revision.dependencies),
        "message": revision.doc or "",
        "downgrade": downgrade_kind(revision.module),
    } for revision in script.walk_revisions("base", "heads")]


def path(script, request, heads):
    """The revisions Alembic itself would walk, in its order; None where the question has no exact answer.

    Only full ids are put to Alembic: it would match partial ones. Without ``to``, a downgrade goes to the one parent of
    ``migration``.
    """
    known = {revision.revision: revision for revision in script.walk_revisions("base", "heads")}
    to = request.get("to")
    if not to and request.get("migration") in known:
        parents = names(known[request["migration"]].down_revision)
        to = parents[0] if len(parents) == 1 else None
    if to not in known or not set(heads) <= set(known):
        return None
    if request["direction"] == "downgrade":
        return [step.revision for step in script.iterate_revisions(tuple(heads), to, select_for_downgrade=True)]
    return [step.revision for step in script.iterate_revisions(to, tuple(heads), implicit_base=True)][::-1]


def probe(config, script):
    """What a connection made env.py's own way reaches, and under which limits. Runs no migration."""
    from alembic.runtime.environment import EnvironmentContext
    from sqlalchemy import text

    seen: dict = {}

    def look(heads, context):
        found = context.connection.execute(text(
            "SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text,"
            " current_setting('application_name'), current_setting('lock_timeout'),"
            " current_setting('statement_timeout'), current_setting('client_connection_check_interval'),"
            " current_user::text")).fetchone()
        keys = ("system_identifier", "database", "application_name", "lock_timeout", "statement_timeout",
                "client_connection_check_interval", "user")
        seen.update(zip(keys, found))
        seen["heads"] = sorted(heads)
        seen["version_table"] = context.version_table
        seen["version_table_schema"] = context.version_table_schema
        return []

    with EnvironmentContext(config, script, fn=look, dont_mutate=True):
        script.run_env()
    if not seen:
        raise RuntimeError("env.py ran no migrations: it never reached context.run_migrations()")
    return seen


def render(config, script, request):
    """The SQL of each revision on the path, rendered offline: ``{revision: {sql} or {error}}``."""
    from alembic import command

    found = {}
    for name in request["path"]:
        revision = script.get_revision(name)
        parents = names(revision.down_revision)
        config.output_buffer = io.StringIO()
        try:
            if request["direction"] == "downgrade":
                command.downgrade(config, f"{name}:{parents[0] if parents else 'base'}", sql=True)
            else:
                command.upgrade(config, f"{parents[0] if parents else 'base'}:{name}", sql=True)
            found[name] = {"sql": config.output_buffer.getvalue()}
        except (Exception, SystemExit) as error:  # whatever a migration raises is an answer, not our failure
            found[name] = {"error": f"{type(error).__name__}: {error}"}
    return found


def follow(script_class):
    """Have Alembic's walk along the revisions tell where it is: ``{revision}``, empty before the first.

    A transaction that is rolled back leaves no other trace of it.
    """
    at = {}

    def following(walk):
        def steps(self, *arguments):
            for step in walk(self, *arguments):
                at["revision"] = step.revision.revision
                yield step

        return steps

    for name in ("_upgrade_revs", "_downgrade_revs"):
        if hasattr(script_class, name):
            setattr(script_class, name, following(getattr(script_class, name)))
    return at


def move(request, seen, made, tell):
    """Make the moves in their order up to the first that fails; none at all where the connection is not as expected.

    ``made`` is filled as they are made, and ``tell`` called after each: what comes next may never return. One that
    failed says ``at`` which revision.
    """
    wrong = [f"{key} {seen.get(key)!r} (expected {wanted!r})" for key, wanted in sorted(request["expected"].items())
             if seen.get(key) != wanted]
    if wrong:
        return {"mismatch": wrong}
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    at = follow(ScriptDirectory)
    for direction, revision in request["moves"]:
        done = {"direction": direction, "revision": revision, "ok": True, "error": ""}
        at.clear()
        began = time.monotonic()
        try:
            # As a command line has it: nothing env.py wrote into a configuration meets it again.
            {"upgrade": command.upgrade, "downgrade": command.downgrade}[direction](Config(request["config"]), revision)
        except (Exception, SystemExit) as error:  # whatever a migration raises is an answer, not our failure
            done.update(ok=False, error=f"{type(error).__name__}: {error}", at=at.get("revision", ""))
            traceback.print_exc()
        made.append({**done, "seconds": round(time.monotonic() - began, 3)})
        tell()
        if not done["ok"]:
            break
    return made


def main():
    """Answer the request; a part that fails reports its error and leaves the others standing.

    With moves to make it answers several times, each time with all it knows by then.
    """
    request = json.loads(os.environ.pop(REQUEST))
    # env.py may replace or close sys.stdout: the answer has a descriptor of its own.
    answer_fd = os.dup(1)
    answer: dict = {"python": sys.version.split()[0]}

    def tell():
        data = f"\n{request['begin']}{json.dumps(answer, default=str)}{request['end']}\n".encode()
        while data:
            data = data[os.write(answer_fd, data):]

    def moves():
        answer["moves"] = []
        tell()
        return move(request, answer["probe"], answer["moves"], tell)

    failed = "setup"
    try:
        import alembic
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        answer["alembic"] = alembic.__version__
        # Alembic itself reads a missing file as an empty one.
        if not os.path.exists(request["config"]):
            raise FileNotFoundError(f"{request['config']} does not exist")
        config = Config(request["config"])
        script = ScriptDirectory.from_config(config)
        parts = {"graph": lambda: graph(script), "probe": lambda: probe(config, script),
                 "path": lambda: path(script, request, answer["probe"]["heads"]), "moves": moves,
                 "render": lambda: render(config, script, request)}
        for failed in request["parts"]:
            try:
                answer[failed] = parts[failed]()
                if failed == "moves" and "mismatch" in answer[failed]:
                    break  # Rendering runs the migrations' own code: not where nobody knows what it reaches.
            except (Exception, SystemExit) as error:
                answer.setdefault("errors", {})[failed] = f"{type(error).__name__}: {error}"
                traceback.print_exc()
    except (Exception, SystemExit) as error:
        answer.setdefault("errors", {})[failed] = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    tell()


if __name__ == "__main__":
    main()
