# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the integration tests share: real databases, real module processes, what is left of either.

DEMO_PYTHON may name another interpreter for Alembic, one with another version of it.
"""
from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psycopg2
from psycopg2.sql import SQL, Identifier, Literal

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

from composed import IMAGES_OWN, ComposeServer, remove_one_shots
from server import Server

MODULES = ROOT / "collections" / "ansible_collections" / "recyclic" / "rollback" / "plugins" / "modules"
MIGRATION = "k1l2m3n4o5p6"
PARENT = {"guide": "9a2b3c4d5e6f", "chain": "g1h2i3j4k5l6", "branched": "g1h2i3j4k5l6"}
HEADS = {"guide": {MIGRATION}, "chain": {"m3npr1c3dr0p"}, "branched": {"24b194c1b790", "f4g5h6i7j8k9"}}
ALEMBIC_PYTHON = os.environ.get("DEMO_PYTHON", sys.executable)
APPLICATION = "recyclic.rollback"
# Nobody listens there; named as a host, so that no address is looked for.
NOWHERE = {"login_host": "127.0.0.1", "login_port": 1}
# The longest a test waits for what should come at once: machines that run tests are slow and shared.
PATIENCE_S = 60.0

_numbers = itertools.count(1)


def ini_of(history: str) -> Path:
    """The configuration of one of the demo's histories."""
    return ROOT / "demo" / "migrations" / history / "alembic.ini"


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would steer libpq or Ansible, and with the collection importable."""
    found = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "ANSIBLE_", "DATABASE_URL"))}
    return {**found, "PYTHONPATH": str(ROOT / "collections"), **more}


def wait_for(condition: Callable[[], Any], what: str, limit_s: float = PATIENCE_S) -> Any:
    """Return what the condition returns as soon as that is true; fails, naming it, when it never is."""
    deadline = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {limit_s} s in vain: {what}"
        time.sleep(0.05)


# Databases


@dataclass(frozen=True)
class Database:
    """A database of its own, owned by a role of its own."""

    server: Server | ComposeServer = field(repr=False)
    name: str
    user: str
    password: str = field(repr=False)
    history: str = "guide"

    @property
    def url(self) -> str:
        return self.url_of(self.name)

    def url_of(self, name: str) -> str:
        """The libpq URL of any database of the same role, each part percent-encoded."""
        user, password, database = (quote(text, safe="") for text in (self.user, self.password, name))
        return f"postgresql://{user}:{password}@{self.server.host}:{self.server.port}/{database}"

    @property
    def composed(self) -> bool:
        """Whether the server is a service of a Compose project."""
        return isinstance(self.server, ComposeServer)

    @property
    def ini(self) -> Path:
        return ini_of(self.history)

    def connect(self, superuser: bool = False, **options: Any) -> Any:
        """A session of the database's owner, or of the superuser; close it yourself."""
        who = (self.server.superuser, self.server.password) if superuser else (self.user, self.password)
        return psycopg2.connect(**{"host": self.server.host, "port": self.server.port, "dbname": self.name,
                                   "user": who[0], "password": who[1], "application_name": "the test", **options})

    def rows(self, statement: Any, superuser: bool = False, name: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements in autocommit mode; returns the rows of the last one."""
        connection = self.connect(superuser, **({"dbname": name} if name else {}))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def value(self, statement: Any, superuser: bool = False, name: str | None = None) -> Any:
        return self.rows(statement, superuser, name)[0][0]

    def count(self, table: str) -> int:
        return int(self.value(f"SELECT count(*) FROM {table}"))

    def heads(self) -> set[str]:
        return {head for (head,) in self.rows("SELECT version_num FROM alembic_version")}

    def stamp(self, *heads: str) -> None:
        """Record revisions, without Alembic."""
        self.rows("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)")
        self.rows("DELETE FROM alembic_version")
        for head in heads:
            self.rows(SQL("INSERT INTO alembic_version VALUES ({})").format(Literal(head)))

    def dump(self, name: str | None = None) -> str:
        """Everything in the database as SQL; the same text exactly when nothing has changed."""
        done = subprocess.run(
            [self.server.bin_dir / "pg_dump"],
            env=clean_environment(PGDATABASE=name or self.name, PGHOST=self.server.host, PGPORT=str(self.server.port),
                                  PGUSER=self.server.superuser, PGPASSWORD=self.server.password),
            capture_output=True, text=True, check=True)
        lines = [line for line in done.stdout.splitlines() if line and not line.startswith(("--", "\\restrict",
                                                                                           "\\unrestrict"))]
        return "\n".join(lines)

    def sessions(self, prefix: str = APPLICATION) -> list[tuple[int, str, str]]:
        """Pid, application name and state of the sessions whose application name starts so."""
        query = SQL("SELECT pid, application_name, state FROM pg_stat_activity WHERE datname = {} AND"
                    " starts_with(application_name, {}) ORDER BY pid").format(Literal(self.name), Literal(prefix))
        return self.rows(query, superuser=True, name="postgres")  # type: ignore[return-value]

    def waiting(self) -> list[int]:
        """The pids of sessions here that wait for a lock."""
        query = SQL("SELECT pid FROM pg_stat_activity WHERE datname = {} AND wait_event_type = 'Lock'")
        return [pid for (pid,) in self.rows(query.format(Literal(self.name)), superuser=True, name="postgres")]

    @contextmanager
    def locked(self, table: str) -> Iterator[int]:
        """Another session stands idle in a transaction that holds the table; yields its pid."""
        holder = self.connect(application_name="a forgotten console")
        try:
            with holder.cursor() as cursor:
                cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield holder.get_backend_pid()
        finally:
            holder.close()

    def alembic(self, *arguments: str, ini: Path | None = None) -> str:
        """Alembic's own command line, which has to succeed."""
        done = subprocess.run([ALEMBIC_PYTHON, "-m", "alembic", "-c", str(ini or self.ini), *arguments],
                              env=clean_environment(DATABASE_URL=self.url), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def processes(self) -> list[int]:
        """Processes that work on this database from outside the server: Alembic and PostgreSQL's clients."""
        found = []
        for pid, line, environment in process_table():
            if not line.startswith("postgres:") and pid != os.getpid() and any(
                    name in text for name in (self.name, quote(self.name, safe="")) for text in (line, environment)):
                found.append(pid)
        return found

    def one_shots(self) -> list[str]:
        """One-shot containers left at work on this database; removed, so that the next test meets none."""
        return remove_one_shots(self.server, self.name)

    def spelled_password(self) -> set[str]:
        return spellings(self.password)


def process_table() -> Iterator[tuple[int, str, str]]:
    """Pid, command line and environment of every process that can be seen and is no zombie."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = Path(f"/proc/{entry}/cmdline").read_bytes()
                environment = Path(f"/proc/{entry}/environ").read_bytes()
            except OSError:
                continue
            yield int(entry), line.decode(errors="replace"), environment.decode(errors="replace")


def spellings(secret: str) -> set[str]:
    """The ways in which a program may write a secret down."""
    encoded = quote(secret, safe="")
    plain = {secret, quote(secret), encoded, quote_plus(secret), repr(secret)[1:-1], secret.replace("'", "''"),
             secret.replace("\\", "\\\\").replace(":", "\\:"), encoded.replace("%", "%%")}
    return plain | {json.dumps(text)[1:-1] for text in plain}


class Databases:
    """Makes databases at some point of a history: each point is built once, by Alembic and the seed, then copied."""

    def __init__(self, server: Server | ComposeServer) -> None:
        self.server = server
        self.templates: dict[tuple[str, str], str] = {}

    def superuser(self, statement: Any) -> None:
        connection = psycopg2.connect(host=self.server.host, port=self.server.port, dbname="postgres",
                                      user=self.server.superuser, password=self.server.password)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    def role(self, user: str, password: str) -> None:
        statement = SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
        self.superuser(statement.format(Identifier(user), Literal(password)))

    def make(self, history: str = "guide", at: str | None = "migration", options: str = "", name: str | None = None
             ) -> Database:
        """A fresh database, empty where ``at`` is None, otherwise at a point of the history; see ``build``."""
        mark = f"{next(_numbers)}-{secrets.token_hex(3)}"
        # Signs that mean something to URLs, to libpq, to SQL, to shells, to .pgpass and to Alembic's configuration.
        password = f"p%40@/:'\\\"$ {{{secrets.token_hex(6)}}}?&=#+;"
        database = Database(self.server, name or f"Recyclic-{mark}", f"App-{mark}", password, history)
        template = self.template(history, at) if at else "template0"
        self.role(database.user, password)
        statement = SQL("CREATE DATABASE {} OWNER {} TEMPLATE {} " + options)
        self.superuser(statement.format(*map(Identifier, (database.name, database.user, template))))
        if at:
            database.rows(SQL("REASSIGN OWNED BY template TO {}").format(Identifier(database.user)), superuser=True)
        return database

    def template(self, history: str, at: str) -> str:
        if (history, at) not in self.templates:
            if not self.templates:
                self.role("template", "template")
            name = f"template_{history}_{at}"
            database = Database(self.server, name, "template", "template", history)
            self.superuser(SQL("CREATE DATABASE {} OWNER template TEMPLATE template0").format(Identifier(name)))
            build(database, at)
            # So that what is reassigned in a copy is not this database.
            self.superuser(SQL("ALTER DATABASE {} OWNER TO {}").format(*map(Identifier, (name, self.server.superuser))))
            self.templates[history, at] = name
        return self.templates[history, at]

    def drop(self, database: Database) -> None:
        """Drop the role's databases, those a restore has made included."""
        query = SQL("SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = {}").format(Literal(database.user))
        for (name,) in database.rows(query, superuser=True, name="postgres"):
            with contextlib.suppress(psycopg2.Error):
                self.superuser(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def build(database: Database, at: str) -> None:
    """``before`` the migration, at the ``migration`` with what users did since, or at the ``head`` likewise."""
    database.alembic("upgrade", PARENT[database.history])
    if database.history == "branched":
        database.alembic("upgrade", "f4g5h6i7j8k9")
    seed(database, "before")
    if at != "before":
        database.alembic("upgrade", MIGRATION if at == "migration" else "heads")
        seed(database, "after")


def seed(database: Database, stage: str) -> None:
    subprocess.run([sys.executable, ROOT / "demo" / "seed.py", stage, "--history", database.history],
                   env=clean_environment(DATABASE_URL=database.url), check=True, capture_output=True)


# Modules


class Answer(dict[str, Any]):
    """A module's result, failed or not, with all it printed."""

    stdout = ""
    stderr = ""
    rc = 0


class Started:
    """A module at work, in a process of its own."""

    def __init__(self, name: str, arguments: Mapping[str, Any], check: bool = False, diff: bool = False,
                 environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.secrets = _secrets(arguments)
        request = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}}
        self.process = subprocess.Popen(
            [sys.executable, str(MODULES / f"{name}.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd="/", env=clean_environment(**(environment or {})))
        self.pid = self.process.pid
        assert self.process.stdin is not None
        # No argument and no file: what is written here shows nowhere.
        self.process.stdin.write(json.dumps(request, default=str))
        self.process.stdin.close()
        self.process.stdin = None

    def answer(self, limit_s: float = 120) -> Answer:
        """Wait for the module's end. Fails for one that says nothing in JSON, or says a password."""
        try:
            stdout, stderr = self.process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(f"{self.name} had not answered after {limit_s} s\n{stdout}\n{stderr}") from None
        said = [text for text in self.secrets if text in stdout or text in stderr]
        assert not said, f"{self.name} printed a password"
        try:
            answer = Answer(json.loads(stdout))
        except ValueError:
            raise AssertionError(f"{self.name} (status {self.process.returncode}) answered no JSON\n{stdout}\n{stderr}"
                                 ) from None
        answer.stdout, answer.stderr, answer.rc = stdout, stderr, self.process.returncode
        assert bool(answer.get("failed")) == (answer.rc != 0), answer
        return answer

    def kill(self, signum: int = signal.SIGKILL) -> None:
        os.kill(self.pid, signum)

    def end(self) -> None:
        """Leave no process behind, whatever the test came to."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def _secrets(arguments: Mapping[str, Any]) -> set[str]:
    parameters, environment = arguments.get("connect_params") or {}, arguments.get("alembic_environment") or {}
    found = {str(arguments.get("login_password") or ""), str(parameters.get("password") or "")}
    match = re.match(r"\w+://[^:]*:([^@]*)@", str(environment.get("DATABASE_URL", "")))
    if match:
        found.add(match.group(1))
    return set().union(*(spellings(secret) for secret in found if secret))


def start_module(name: str, check: bool = False, diff: bool = False, environment: Mapping[str, str] | None = None,
                 **arguments: Any) -> Started:
    """Start the real module file as Ansible does: a process of its own, its options as JSON on standard input."""
    return Started(name, arguments, check, diff, environment)


def run_module(name: str, check: bool = False, diff: bool = False, environment: Mapping[str, str] | None = None,
               **arguments: Any) -> Answer:
    """Run a module to its end; see Started.answer."""
    return start_module(name, check, diff, environment, **arguments).answer()


def common_args(database: Database) -> dict[str, Any]:
    """The options by which every module finds the database and PostgreSQL's client programs."""
    login = {"login_db": database.name, "login_user": database.user, "login_password": database.password}
    if isinstance(database.server, ComposeServer):
        # Neither host nor port: the modules have to find them.
        return {**login, "runtime": "compose", "compose": database.server.options()}
    return {**login, "login_host": database.server.host, "login_port": database.server.port,
            "pg_bin_dir": str(database.server.bin_dir)}


def alembic_args(database: Database, history: str | Path | None = None) -> dict[str, Any]:
    """The same, and those by which the Alembic modules find a history: one of the demo's, or a configuration file."""
    ini = str(history) if isinstance(history, Path) else config_of(database, history)
    python = "python3" if database.composed else ALEMBIC_PYTHON
    return {**common_args(database), "alembic_config": ini, "alembic_python": python,
            "alembic_environment": {"DATABASE_URL": database.url}}


def config_of(database: Database, history: str | None = None) -> str:
    """The configuration of a history where Alembic runs: in Compose the image has one of its own, the others are here.

    Only with its own can SQL be rendered there, where nothing is mounted.
    """
    name = history or database.history
    return IMAGES_OWN if database.composed and name == "chain" else str(ini_of(name))


# Alembic projects of the tests' own

ENV_PY = '''
import os
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

{before}
url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, dialect_opts={{"paramstyle": "named"}}{configure})
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url, poolclass=NullPool{engine}).connect() as connection:
        context.configure(connection=connection{configure})
        with context.begin_transaction():
            context.run_migrations()
{after}
'''

VERSION_PY = '''"""{message}"""
import os
import time
import sqlalchemy as sa
from alembic import context, op

revision = {revision!r}
down_revision = {down!r}


def upgrade():
{upgrade}


def downgrade():
{downgrade}
'''

BASE, TOP = "b0a5eb0a5eb0", "70907090709a"


def make_project(
    home: Path, downgrade: str = "pass", upgrade: str = "pass", env: str | None = None, before: str = "",
    engine: str = "", configure: str = "", after: str = "", versions: Mapping[str, str] | None = None
) -> Path:
    """Write an Alembic project with two revisions, BASE and TOP, and return its configuration file.

    ``downgrade`` and ``upgrade`` are TOP's bodies. ``before``, ``engine``, ``configure`` and ``after`` go into env.py;
    ``env`` replaces it. ``versions`` are further files.
    """
    def indented(text: str) -> str:
        return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())

    (home / "versions").mkdir(parents=True)
    (home / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s\npath_separator = os\n")
    (home / "env.py").write_text(env if env is not None else ENV_PY.format(before=before, engine=engine,
                                                                           configure=configure, after=after))
    bodies = {BASE: (None, "pass", "pass"), TOP: (BASE, upgrade, downgrade)}
    for revision, (down, up, back) in bodies.items():
        (home / "versions" / f"{revision}.py").write_text(VERSION_PY.format(
            message=f"revision {revision}", revision=revision, down=down, upgrade=indented(up),
            downgrade=indented(back)))
    for name, text in (versions or {}).items():
        (home / "versions" / name).write_text(text)
    return home / "alembic.ini"


# Client programs that misbehave


def make_programs(home: Path, server: Server, pg_dump: str) -> str:
    """A directory of client programs in which pg_dump is a shell script; $REAL is the real one. Returns its path."""
    home.mkdir(parents=True)
    for name in ("pg_dump", "pg_restore", "psql", "createdb"):
        body = pg_dump if name == "pg_dump" else 'exec "$REAL" "$@"'
        (home / name).write_text(f"#!/bin/sh\nREAL='{server.bin_dir / name}'\n{body}\n")
        (home / name).chmod(0o755)
    return str(home)


# Controllers


def controller(pid: int | None = None) -> dict[str, Any]:
    """What the lookup recyclic.rollback.controller says of a process; by default this one."""
    from ansible_collections.recyclic.rollback.plugins.lookup.controller import peers, space
    from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import process_mark

    pid = pid or os.getpid()
    return {"user": "operator", "host": socket.gethostname(), "space": space(), "pid": pid, "mark": process_mark(pid),
            "peers": peers(pid)}


@contextmanager
def another_controller() -> Iterator[tuple[dict[str, Any], Callable[[], None]]]:
    """A second controller that is alive, and what ends it."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)

    def end() -> None:
        if process.stdin and not process.stdin.closed:
            process.stdin.close()
        process.wait()

    # Until the interpreter has taken the place of its parent's copy, its command line is not its own.
    wait_for(lambda: b"sys.stdin.read" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), "the other controller")
    try:
        yield controller(process.pid), end
    finally:
        end()


def dead_controller() -> dict[str, Any]:
    """One that has ended since it was looked at."""
    with another_controller() as (identity, _end):
        return identity


# Secrets


class Watch:
    """Looks at every process until it is left, and remembers where a secret showed.

    ``environments`` is whether a client program's environment counts too; in a container, it is where it belongs.
    """

    def __init__(self, secrets: set[str], environments: bool = True) -> None:
        self.secrets = secrets
        self.environments = environments
        self.seen: set[str] = set()
        self.shown: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        own = os.getpid()
        while not self._done.is_set():
            for pid, line, environment in process_table():
                words = line.split("\0")
                program = " ".join(Path(word).name for word in words[:3])
                self.seen.add(program)
                if pid != own and any(secret in line for secret in self.secrets):
                    self.shown.add(f"command line of {program}")
                # Alembic's environment is where the application expects its URL; a client program's is not.
                if self.environments and "pg_" in program and any(secret in environment for secret in self.secrets):
                    self.shown.add(f"environment of {program}")
            self._done.wait(0.03)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()


def files_with(secrets: set[str], *places: Path) -> list[str]:
    """The files below some places that contain a secret. Ansible's own, of another test, may go meanwhile."""
    found = []
    for place in places:
        for directory, _directories, names in os.walk(place):
            for path in (Path(directory, name) for name in names):
                try:
                    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
                except FileNotFoundError:
                    continue
                if any(secret.encode() in content for secret in secrets):
                    found.append(str(path))
    return found


def tree(place: Path) -> dict[str, bytes | str | None]:
    """Every path below a place, with the content of its files: equal exactly when nothing there has changed."""
    return {str(path.relative_to(place)): os.readlink(path) if path.is_symlink() else path.read_bytes()
            if path.is_file() else None for path in sorted(place.rglob("*"))}
