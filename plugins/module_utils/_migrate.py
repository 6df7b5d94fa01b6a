# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Moving a database along its history, bounded, watched and measured."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ._alembic import Environment, Sight, partial_move, prefix_of
from ._database import Limits, Target, backends, describe_sessions, end_backends, session_name
from ._errors import Problem, Refusal
from ._runner import Finished


@dataclass
class Move:
    """One movement: where from, where to, by which revisions, and what came of it."""

    direction: str
    revision: str
    before: list[str]
    predicted: list[str]
    path: list[str]
    after: list[str] = field(default_factory=list)
    attempts: int = 0
    blockers: list[dict[str, t.Any]] = field(default_factory=list)
    transcript: str = ""
    duration_s: float = 0.0


def predict(sight: Sight, recorded: list[str], direction: str, revision: str) -> Move:
    """Return the movement Alembic would make, with the heads it must leave. Raises Refusal where it has no meaning."""
    graph = sight.graph
    graph.require(revision, "revision")
    graph.require_sound(recorded)
    applied = graph.ancestors(*recorded)
    there = revision in recorded if direction == "downgrade" else revision in applied
    if there:
        return Move(direction, revision, recorded, recorded, [])
    if direction == "downgrade" and revision not in applied:
        raise Refusal("not_above", revision=revision, recorded=", ".join(recorded) or "-",
                      direction=direction)
    if not sight.path:
        raise Refusal("path_ambiguous", target=revision, recorded=", ".join(recorded) or "-",
                      error=sight.path_error or "-")
    heads = graph.heads_after_downgrade if direction == "downgrade" else graph.heads_after_upgrade
    return Move(direction, revision, recorded, sorted(heads(recorded, sight.path)), sight.path)


def perform(move: Move, environment: Environment, target: Target, control: t.Any, sight: Sight, limits: Limits,
            run_id: str | None, retries: int, retry_delay_s: float, may_act: t.Callable[[], None]) -> None:
    """Make the movement, and prove it by the set of recorded revisions.

    ``control`` is a session of its own: it watches who blocks the migration and ends what is left of it, whatever ended
    the program. ``may_act`` raises where nothing may be moved any more: it is asked before each attempt and during it.
    Raises Problem with the state as measured.
    """
    name = prefix_of(run_id)
    began = time.monotonic()

    def watch() -> str | None:
        pids = {pid for row in backends(control, name) for pid in row["blocked_by"]}
        if pids:
            move.blockers = describe_sessions(control, pids)
        try:
            may_act()
        except Problem:
            return "forbidden"
        return None

    while True:
        may_act()
        if sight.heads_now(control) != move.before:
            raise Problem("moved_since_plan", heads=", ".join(sight.heads_now(control)) or "-")
        move.attempts += 1
        move.blockers = []
        try:
            done = environment.move(move.direction, move.revision, name, limits, watch)
        finally:
            # A client that is gone has not ended its work: the server may still be at it, and may still commit.
            with target.surely(control, session_name(run_id, "control")) as session:
                end_backends(session, name, environment.runtime.addresses)
        move.transcript = environment.redact(done.stdout + done.stderr)
        move.after = sight.heads_now(control)
        move.duration_s = round(time.monotonic() - began, 3)
        if move.after == move.predicted and done.rc == 0 and not done.ended_by:
            return
        if move.after == move.before:
            # Where that is why it failed, that is what is said.
            may_act()
        if not (_gave_up_waiting(done, move) and move.attempts <= retries):
            raise _what_went_wrong(done, move, environment)
        time.sleep(retry_delay_s)


def _gave_up_waiting(done: Finished, move: Move) -> bool:
    """Tell a lock that was never had. Driver and server name it without translation: the class, or the SQLSTATE."""
    said = done.stdout + done.stderr
    return move.after == move.before and done.rc != 0 and ("LockNotAvailable" in said or "55P03" in said)


def _what_went_wrong(done: Finished, move: Move, environment: Environment) -> Problem:
    facts = {"direction": move.direction, "revision": move.revision, "heads": ", ".join(move.before) or "-"}
    if move.after == move.before:
        if _gave_up_waiting(done, move):
            blockers = "; ".join(name_session(row) for row in move.blockers)
            return Problem("lock_timeout", attempts=move.attempts, blockers=blockers or "?")
        if done.ended_by:
            return Problem("migration_ended", limit=environment.timeout_s, **facts)
        if done.rc != 0:
            return Problem("migration_failed", error=environment.last_words(done), **facts)
    elif move.after != move.predicted:
        if done.rc != 0 or done.ended_by:
            return partial_move(move.before, move.after)
    elif done.rc != 0 or done.ended_by:
        # The goal was reached and committed before the program failed or was ended.
        return Problem("moved_but_failed", after=", ".join(move.after), error=environment.last_words(done), **facts)
    return Problem("heads_not_predicted", after=", ".join(move.after) or "-",
                   predicted=", ".join(move.predicted) or "-", **facts)


def name_session(row: dict[str, t.Any]) -> str:
    """Say who a session is; of other roles' sessions the server may show no more than the pid."""
    known = [str(part) for part in (row["application"] or row["user"], row["state"] and f"{row['state']} for "
                                    f"{row['seconds']} s") if part]
    query = f": {row['query']}" if row["query"] else ""
    return f"pid {row['pid']} ({', '.join(known)}{query})" if known or query else f"pid {row['pid']}"
