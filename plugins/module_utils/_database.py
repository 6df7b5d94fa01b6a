# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""SQL sessions: where the database is, how it is reached, who is at work in it and how their work is ended."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
import traceback
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ._errors import Refusal, Unended

try:
    import psycopg2
    import psycopg2.extensions
    from psycopg2 import sql
except ImportError:
    PSYCOPG2_ERROR: str | None = traceback.format_exc()
    DatabaseError: type[Exception] = OSError
else:
    PSYCOPG2_ERROR = None
    DatabaseError = psycopg2.Error

MINIMUM_SERVER = 140000  # client_connection_check_interval and pg_terminate_backend(pid, timeout)
APPLICATION = "recyclic.rollback"
CONNECT_TIMEOUT_S = 10
# The first half of the advisory lock's key; the second names what it guards. "rlbk" in ASCII.
LOCK_SPACE = 0x726C626B
LOCK_RUN = 1

Row = tuple[t.Any, ...]


@dataclass(frozen=True)
class Limits:
    """What bounds a session of ours, in milliseconds; 0 is no limit, as PostgreSQL has it."""

    lock_timeout_ms: int = 5000
    statement_timeout_ms: int = 0
    connection_check_ms: int = 500

    def settings(self) -> dict[str, str]:
        """Return the settings as the server names them."""
        return {
            "lock_timeout": str(self.lock_timeout_ms),
            "statement_timeout": str(self.statement_timeout_ms),
            "client_connection_check_interval": str(self.connection_check_ms),
        }

    def options(self) -> str:
        """Return them as libpq's ``options``."""
        return " ".join(f"-c {name}={value}" for name, value in self.settings().items())


@dataclass(frozen=True)
class Target:
    """Where the database is. ``params`` are libpq's own keywords; the password is kept apart from what is shown.

    ``inside`` are those of client programs that run elsewhere, in the server's own container.
    """

    params: dict[str, t.Any]
    password: str = field(default="", repr=False)
    inside: dict[str, t.Any] | None = None

    @property
    def database(self) -> str:
        return str(self.params["dbname"])

    @property
    def place(self) -> str:
        """The server as one would say it: host and port, or the socket's directory."""
        return f"{self.params.get('host') or 'the local socket'}:{self.params.get('port')}"

    def dsn(self) -> str:
        """Return a connection string for a command line: everything but the password."""
        return psycopg2.extensions.make_dsn(**(self.inside or self.params))

    def connect(self, name: str, limits: Limits | None = None, autocommit: bool = True) -> t.Any:
        """Open a session named C(name). Raises Refusal, with the server's own words, where there is none to be had."""
        extra: dict[str, t.Any] = {"connect_timeout": CONNECT_TIMEOUT_S, **self.params}
        if self.password:
            extra["password"] = self.password
        extra["application_name"] = name
        extra["options"] = f"{extra.get('options', '')} {(limits or Limits()).options()}".strip()
        try:
            connection = psycopg2.connect(**extra)
        except psycopg2.Error as error:
            key = "database_refuses" if self._answers() else "server_unreachable"
            raise Refusal(key, database=self.database, place=self.place, user=self.params.get("user", ""),
                          error=str(error).strip()) from error
        if connection.server_version < MINIMUM_SERVER:
            connection.close()
            raise Refusal("server_too_old", version=connection.server_version // 10000,
                          minimum=MINIMUM_SERVER // 10000)
        connection.autocommit = autocommit
        return connection

    @contextmanager
    def open(self, name: str, limits: Limits | None = None, autocommit: bool = True) -> t.Iterator[t.Any]:
        """Yield a session as connect() opens it, and close it."""
        connection = self.connect(name, limits, autocommit)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def surely(self, connection: t.Any, name: str) -> t.Iterator[t.Any]:
        """Yield this session if it still answers, otherwise a new one."""
        try:
            value(connection, "SELECT 1")
        except DatabaseError:
            with self.open(name) as another:
                yield another
        else:
            yield connection

    def _answers(self) -> bool:
        """Tell a server that is down from one that says no, whatever language it speaks."""
        host = str(self.params.get("host") or "")
        port = int(self.params.get("port") or 5432)
        try:
            if host.startswith("/"):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                    probe.settimeout(CONNECT_TIMEOUT_S)
                    probe.connect(f"{host}/.s.PGSQL.{port}")
            else:
                socket.create_connection((host or "localhost", port), CONNECT_TIMEOUT_S).close()
        except OSError:
            return False
        return True

    @contextmanager
    def client_environment(self, name: str, directory: str) -> t.Iterator[dict[str, str]]:
        """Yield a client program's environment: the password in a private file, never in an argument.

        The file lies in ``directory``, which somebody sweeps should this process be killed.
        """
        environment = {"PGAPPNAME": name, "PGOPTIONS": Limits().options(), "PGCLIENTENCODING": "UTF8",
                       "PGCONNECT_TIMEOUT": str(CONNECT_TIMEOUT_S)}
        if not self.password:
            yield environment
            return
        if self.inside:
            # No file of this host is seen there; a container's own environment holds the password already.
            yield {**environment, "PGPASSWORD": self.password}
            return
        handle, path = tempfile.mkstemp(suffix=".pgpass", dir=directory)  # 0600 by contract of mkstemp
        try:
            escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(f"*:*:*:*:{escaped}\n")
            yield {**environment, "PGPASSFILE": path}
        finally:
            os.unlink(path)


def target_from(params: t.Mapping[str, t.Any]) -> Target:
    """Build a Target from a module's connection options (the names of community.postgresql)."""
    known = {
        "dbname": params["login_db"],
        "user": params["login_user"] or "postgres",
        "host": params["login_unix_socket"] or params["login_host"],
        "port": params["login_port"],
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        **(params["connect_params"] or {}),
    }
    if "sslpassword" in known:
        raise Refusal("sslpassword_would_show")
    password = str(known.pop("password", "") or params["login_password"] or "")
    return Target({key: value for key, value in known.items() if value not in (None, "")}, password)


def rows(connection: t.Any, statement: t.Any, values: t.Sequence[t.Any] = ()) -> list[Row]:
    """Run one statement and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def value(connection: t.Any, statement: t.Any, values: t.Sequence[t.Any] = ()) -> t.Any:
    """Run one statement and return the first column of its first row, or None."""
    found = rows(connection, statement, values)
    return found[0][0] if found else None


def session_name(run_id: str | None, part: str = "") -> str:
    """Return the application_name of a session of ours, by which it is found again; 63 bytes at most."""
    return ":".join(word for word in (APPLICATION, run_id or "", part) if word)[:63]


def identity(connection: t.Any) -> dict[str, t.Any]:
    """Return which server and database a session really reached."""
    found = rows(connection, "SELECT system_identifier::text, current_database(), current_setting('server_version')"
                             " FROM pg_control_system()")[0]
    return {"system_identifier": found[0], "database": found[1], "server_version": found[2]}


def slug_of(connection: t.Any) -> str:
    """Return a file name that is this database's alone, however its server was spelled."""
    found = identity(connection)
    readable = "".join(char if char.isalnum() else "_" for char in found["database"])
    key = f"{found['system_identifier']}/{found['database']}"
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def recorded_heads(connection: t.Any, table: str = "alembic_version", schema: str | None = None) -> list[str] | None:
    """Return the recorded revisions, sorted; None where there is no version table."""
    name = sql.Identifier(schema, table) if schema else sql.Identifier(table)
    spelled = name.as_string(connection)
    if value(connection, "SELECT to_regclass(%s)", (spelled,)) is None:
        return None
    statement = sql.SQL("SELECT version_num FROM {}").format(name)
    # Sorted here: the database's collation has its own order.
    return sorted(row[0] for row in rows(connection, statement))


@contextmanager
def advisory_lock(connection: t.Any) -> t.Iterator[None]:
    """Hold, on a session of its own, the lock that says a run is acting on this database.

    Raises Refusal naming the session that holds it. The server frees it when the session ends, however it ends.
    """
    if not value(connection, "SELECT pg_try_advisory_lock(%s, %s)", (LOCK_SPACE, LOCK_RUN)):
        raise Refusal("another_run_acting", holder=lock_holder(connection) or "?")
    try:
        yield
    finally:
        # A session that was lost has lost the lock as well.
        with suppress(DatabaseError):
            value(connection, "SELECT pg_advisory_unlock(%s, %s)", (LOCK_SPACE, LOCK_RUN))


def lock_holder(connection: t.Any) -> str | None:
    """Return the application_name and pid of the session that holds the run's advisory lock, if one does."""
    found = rows(connection, """
        SELECT a.application_name || ' (pid ' || a.pid || ')' FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        """, (LOCK_SPACE, LOCK_RUN))
    return found[0][0] if found else None


def backends(connection: t.Any, prefix: str, addresses: t.Collection[str] = ()) -> list[dict[str, t.Any]]:
    """Return the sessions on this database, other than this one, whose application_name starts with a prefix.

    Also those that come from one of the addresses.
    """
    names = ("pid", "application", "user", "state", "query", "seconds", "blocked_by")
    found = rows(connection, """
        SELECT pid, application_name, usename, state, left(query, 200),
               round(extract(epoch FROM now() - coalesce(xact_start, backend_start)))::int, pg_blocking_pids(pid)
        FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND (starts_with(application_name, %s) OR host(client_addr) = ANY(%s))
        ORDER BY pid""", (prefix, list(addresses)))
    return [dict(zip(names, row)) for row in found]


def describe_sessions(connection: t.Any, pids: t.Iterable[int]) -> list[dict[str, t.Any]]:
    """Return who the sessions with these pids are, for the operator who has to talk to their owner."""
    names = ("pid", "application", "user", "client", "state", "seconds", "query")
    found = rows(connection, """
        SELECT pid, application_name, usename, host(client_addr), state,
               round(extract(epoch FROM now() - coalesce(xact_start, backend_start)))::int, left(query, 200)
        FROM pg_stat_activity WHERE pid = ANY(%s) ORDER BY pid""", (list(pids),))
    return [dict(zip(names, row)) for row in found]


def end_backends(connection: t.Any, prefix: str, addresses: t.Collection[str] = (), limit_s: float = 15.0
                 ) -> list[int]:
    """End every session whose application_name starts with a prefix, or that comes from an address, until none is left.

    Returns the pids that were ended. Raises Unended when one is still there after ``limit_s`` seconds.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + limit_s
    while True:
        at_work = backends(connection, prefix, addresses)
        if not at_work:
            return sorted(ended)
        if time.monotonic() > deadline:
            raise Unended("backends_remain", pids=", ".join(str(row["pid"]) for row in at_work))
        for row in at_work:
            value(connection, "SELECT pg_terminate_backend(%s, 1000)", (row["pid"],))
            ended.add(row["pid"])
