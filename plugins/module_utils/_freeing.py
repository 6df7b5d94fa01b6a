# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Work that needs databases nobody is connected to, done while their sessions are being ended."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

from ._database import DatabaseError, Limits, Target, rows, value
from ._errors import Problem
from ._ours import MAY_END, in_words, sessions_on

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

FREE_LIMIT_S = 30.0
TICK_S = 0.05
# The database is in use; a lock was not had; deadlock.
_AGAIN = ("55006", "55P03", "40P01")
STATEMENT_TIMEOUT = "57014"
_LINGER_MS = 10000

T = t.TypeVar("T")


class Freeing:
    """Does what needs databases without sessions, while it ends theirs from this thread; signals arrive here."""

    def __init__(self, base: Target, ender: t.Any, live: str, oids: set[int], name: str, limits: Limits,
                 may_act: t.Callable[[], None]) -> None:
        self.base, self.ender, self.live, self.oids, self.name = base, ender, live, oids, name
        self.limits, self.may_act = limits, may_act
        self.ended: set[int] = set()
        self.statements: list[str] = []

    def do(self, work: t.Callable[[t.Any], list[str]], autocommit: bool) -> list[str]:
        """Do it in a session of its own, as often as it takes. Raises Problem when the databases do not come free."""
        deadline = time.monotonic() + FREE_LIMIT_S
        while True:
            self.may_act()
            try:
                return self._attempt(work, autocommit, deadline)
            except DatabaseError as error:
                code = getattr(error, "pgcode", None)
                if code not in _AGAIN and (autocommit or code != STATEMENT_TIMEOUT):
                    raise
                if time.monotonic() > deadline:
                    left = in_words(sessions_on(self.ender, self.oids))
                    raise Problem("swap_not_free", database=self.live, limit=FREE_LIMIT_S, sessions=left,
                                  error=str(error).strip()) from error

    def _attempt(self, work: t.Callable[[t.Any], list[str]], autocommit: bool, deadline: float) -> list[str]:
        within = self.limits.statement_timeout_ms or max(1, int((deadline - time.monotonic()) * 1000))
        limits = replace(self.limits, statement_timeout_ms=within)
        session = self.base.connect(self.name + ":act", limits, autocommit)
        with _closing(session, self.ender), ThreadPoolExecutor(1) as pool, _cut_short(session, self.ender):
            self.statements = self._while_ending(pool.submit(work, session))
            if not autocommit:
                self._while_ending(pool.submit(session.commit))
            return self.statements

    def _while_ending(self, future: Future[T]) -> T:
        while not future.done():
            self.ended |= end_sessions(self.ender, self.oids)
            time.sleep(TICK_S)
        return future.result()


@contextmanager
def _cut_short(session: t.Any, ender: t.Any) -> t.Iterator[None]:
    """Do not wait for work nobody wants any more: the pool, which is left next, waits for its thread."""
    pid = session.get_backend_pid()
    try:
        yield
    except BaseException:
        with suppress(DatabaseError):
            session.cancel()
        # A cancellation that comes between two statements does nothing.
        with suppress(DatabaseError):
            value(ender, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s", (pid,))
        raise


@contextmanager
def _closing(session: t.Any, ender: t.Any) -> t.Iterator[None]:
    """See to it that the session is gone from the server, with its locks and what it had begun."""
    pid = session.get_backend_pid()
    try:
        yield
    finally:
        session.close()
        with suppress(DatabaseError):
            value(ender, "SELECT pg_terminate_backend(%s, %s) FROM pg_stat_activity WHERE pid = %s",
                  (pid, _LINGER_MS, pid))


def end_sessions(connection: t.Any, oids: t.Collection[int]) -> set[int]:
    """Ask every session on some databases that this role may end to end, and return their pids."""
    statement = sql.SQL("""
        SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid
        WHERE a.datid = ANY(%s::bigint[]) AND a.pid <> pg_backend_pid() AND {}""").format(sql.SQL(MAY_END))
    found = rows(connection, statement, (list(oids),))
    return {row[0] for row in found}
