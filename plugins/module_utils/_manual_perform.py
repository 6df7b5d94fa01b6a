# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A rollback by hand carried out: attempts, who is in the way, a COMMIT whose answer was lost, the state afterwards."""

from __future__ import annotations

import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass, field

from ._counts import qualified
from ._database import (
    DatabaseError,
    Limits,
    Target,
    advisory_lock,
    backends,
    describe_sessions,
    end_backends,
    recorded_heads,
    rows,
    session_name,
    value,
)
from ._errors import Problem, Refusal
from ._manual import Done, Manual, Sight, look, statements_of, transact
from ._manual_look import count, filtered
from ._migrate import name_session

LOCKED, DEADLOCK = "55P03", "40P01"
# A server that starts again after a crash needs a while before it tells what became of a transaction.
RETURN_LIMIT_S = 60.0
_LOOK_S = 0.2

T = t.TypeVar("T")


@dataclass
class Attempts:
    """What came of asking for locks: how often, and who was in the way the last time."""

    number: int = 0
    blockers: list[dict[str, t.Any]] = field(default_factory=list)
    duration_s: float = 0.0


@dataclass(frozen=True)
class Patience:
    """How often a lock is asked for again, and the seconds in between."""

    retries: int
    delay_s: float


class _Lost(Exception):
    """The answer to a COMMIT did not come; ``number`` is the transaction's."""

    def __init__(self, number: str, done: Done) -> None:
        super().__init__(number)
        self.number = number
        self.done = done


def preview(target: Target, control: t.Any, manual: Manual, limits: Limits, run_id: str | None, patience: Patience
            ) -> tuple[Sight, list[str]]:
    """Count what would be done, and return it with its statements; in a snapshot that cannot write."""
    name = session_name(run_id, "manual look")

    def once() -> tuple[Sight, list[str]]:
        with target.open(name, limits, autocommit=False) as connection:
            # The session as well: a filter that ends the transaction must not find itself able to write.
            rows(connection, "SET default_transaction_read_only TO on")
            connection.commit()
            rows(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            found = look(connection, manual)
            return found, [statement.as_string(connection)
                           for statement, _number in statements_of(connection, manual, found)]

    return _attended(once, target, control, name, run_id, manual, patience, Attempts())


def carry_out(target: Target, control: t.Any, manual: Manual, limits: Limits, run_id: str | None, patience: Patience,
              may_act: t.Callable[[], None], tried: Attempts) -> Done:
    """Do it in one transaction on one session, and measure afterwards on another.

    ``may_act`` raises where nothing may be done any more: it is asked before each attempt and before the COMMIT.
    Raises Problem or Refusal; then everything was rolled back, but for what the words say.
    """
    name, began = session_name(run_id, "manual"), time.monotonic()

    def once() -> Done:
        with target.open(name, limits, autocommit=False) as connection, advisory_lock(connection):
            connection.commit()  # The lock is the session's; the transaction begins with its own settings.
            may_act()
            done = transact(connection, manual)
            may_act()
            number = str(value(connection, "SELECT pg_current_xact_id()"))
            try:
                commit(connection)
            except DatabaseError as error:
                raise _Lost(number, done) from error
            done.statements.append("COMMIT")
            return done

    try:
        done = _attended(once, target, control, name, run_id, manual, patience, tried)
    except _Lost as lost:
        done = _settle(target, control, name, manual, lost)
    finally:
        tried.duration_s = round(time.monotonic() - began, 3)
    _measure(target, run_id, manual)
    return done


def commit(connection: t.Any) -> None:
    """Commit. A server that is lost meanwhile may have done it."""
    connection.commit()


def _attended(work: t.Callable[[], T], target: Target, control: t.Any, name: str, run_id: str | None, manual: Manual,
              patience: Patience, tried: Attempts) -> T:
    """Do work whose session bears ``name`` until it gets its locks; whatever ends this ends that session."""
    while True:
        tried.number += 1
        tried.blockers = []
        try:
            return _watched(work, target, control, name, run_id, tried)
        except DatabaseError as error:
            code = getattr(error, "pgcode", None)
            if code not in (LOCKED, DEADLOCK):
                raise _rolled_back(target, control, run_id, manual, error) from error
            if tried.number > patience.retries:
                blockers = "; ".join(map(name_session, tried.blockers))
                raise Problem("manual_locked", attempts=tried.number, blockers=blockers or "?") from error
        time.sleep(patience.delay_s)


def _watched(work: t.Callable[[], T], target: Target, control: t.Any, name: str, run_id: str | None, tried: Attempts
             ) -> T:
    """Do it in a thread: a session that waits for the server hears no signal."""
    with ThreadPoolExecutor(1) as pool:
        future: Future[T] = pool.submit(work)
        try:
            while True:
                try:
                    return future.result(_LOOK_S)
                except NotYet:
                    if future.done():
                        raise
                # What became of the work is its own session's to tell, also where this one was lost.
                with suppress(DatabaseError):
                    pids = {pid for row in backends(control, name) for pid in row["blocked_by"]}
                    if pids:
                        tried.blockers = describe_sessions(control, pids)
        finally:
            # Also one that was only connecting.
            while not future.done():
                with suppress(DatabaseError, Refusal), target.surely(
                        control, session_name(run_id, "control")) as session:
                    end_backends(session, name)


def _rolled_back(target: Target, control: t.Any, run_id: str | None, manual: Manual, error: Exception) -> Problem:
    """Return what to say of a transaction that was never committed: without its session, the server undoes it."""
    name = session_name(run_id, "control")
    heads = _answered(target, control, name, lambda session: recorded_heads(
        session, manual.version_table, manual.version_schema))
    return Problem("manual_failed", error=str(error).strip(), heads=", ".join(heads or []) or "-")


def _settle(target: Target, control: t.Any, name: str, manual: Manual, lost: _Lost) -> Done:
    """Find out from the server whether a transaction was committed whose COMMIT was not answered."""

    def ask(session: t.Any) -> tuple[str, list[str]]:
        end_backends(session, name)
        status = value(session, "SELECT pg_xact_status(%s::text::xid8)", (lost.number,))
        return str(status), recorded_heads(session, manual.version_table, manual.version_schema) or []

    status, heads = _answered(target, control, name, ask)
    if status == "committed":
        lost.done.statements.append("COMMIT")
        return lost.done
    raise Problem("manual_failed", error=str(lost.__cause__).strip(), heads=", ".join(heads) or "-")


def _answered(target: Target, control: t.Any, name: str, ask: t.Callable[[t.Any], T]) -> T:
    """Ask on this session, or on a new one as soon as the server answers. Raises Problem where it does not."""
    deadline = time.monotonic() + RETURN_LIMIT_S
    while True:
        try:
            with target.surely(control, name) as session:
                return ask(session)
        except (DatabaseError, Refusal) as error:
            if time.monotonic() > deadline:
                raise Problem("manual_server_gone", error=_words(error), seconds=int(RETURN_LIMIT_S)) from error
            time.sleep(1)


def rows_left(connection: t.Any, manual: Manual) -> dict[str, int]:
    """Return how many rows are still found that a rollback by hand removes, by table; none of tables without."""
    found = {}
    for removal in manual.removals:
        place = qualified(connection, removal.table)
        number = count(connection, place, filtered(removal), removal) if place else 0
        if number:
            found[removal.table] = number
    return found


def _measure(target: Target, run_id: str | None, manual: Manual) -> None:
    """Prove, on a session that knows nothing of the transaction, that the database is as it was left."""
    try:
        with target.open(session_name(run_id, "measure"), autocommit=False) as connection:
            rows(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            rows(connection, "SET LOCAL row_security TO off")
            heads = recorded_heads(connection, manual.version_table, manual.version_schema) or []
            left = rows_left(connection, manual)
    except (DatabaseError, Refusal) as error:
        raise Problem("manual_not_measured", error=_words(error)) from error
    if heads != sorted(manual.after) or left:
        raise Problem("manual_not_as_left", heads=", ".join(heads) or "-", wanted=", ".join(manual.after) or "-",
                      rows=", ".join(f"{table}: {number}" for table, number in left.items()) or "-")


def _words(error: Exception) -> str:
    """Return what the server said, of a refusal that carries it as well."""
    return str(error.facts.get("error", error.key) if isinstance(error, Refusal) else error).strip()
