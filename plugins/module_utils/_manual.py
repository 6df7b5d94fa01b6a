# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A rollback by hand, in one transaction: rows removed, what refers to them dealt with, the recorded revisions set."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._counts import qualified
from ._database import DatabaseError, recorded_heads, rows, value
from ._errors import Problem, Refusal
from ._manual_look import Manual, Removal, Sight, count, look, reach, removal_spec, removals_from
from ._manual_references import Place, identifiers, shown, where

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

__all__ = ["Done", "Manual", "Removal", "Sight", "look", "removal_spec", "removals_from", "statements_of", "transact"]

# What a table is locked in: others may look, nobody may write, nor refer to a row of it.
LOCK_MODE = "EXCLUSIVE"
# A foreign key that comes while locks are taken is one more look; one that comes each time is somebody else's work.
LOOKS = 5


@dataclass
class Done:
    """What was done. ``removed`` are rows by table, ``references`` and ``triggers`` as in Sight."""

    removed: dict[str, int]
    references: list[dict[str, t.Any]]
    statements: list[str]
    triggers: list[str] = field(default_factory=list)


def statements_of(connection: t.Any, manual: Manual, found: Sight) -> list[tuple[t.Any, int | None]]:
    """Return the statements that change rows, each with the number of rows it has to meet."""
    made: list[tuple[t.Any, int | None]] = [
        (sql.SQL("UPDATE {} SET {}{}").format(
            sql.Identifier(*key.child_place),
            sql.SQL(", ").join(sql.SQL("{} = NULL").format(sql.Identifier(name)) for name in key.cleared),
            where(condition)), number) for key, condition, number in found.cleared]
    made += [(sql.SQL("TRUNCATE {}").format(sql.Identifier(*each.place)), None) if each.truncate else
             (sql.SQL("DELETE FROM {}{}").format(sql.Identifier(*each.place), where(each.condition)), each.rows)
             for each in found.doomed if each.rows]
    version = sql.Identifier(*t.cast("Place", qualified(connection, manual.version_name)))
    gone, new = (sorted(set(one) - set(other)) for one, other in ((manual.before, manual.after),
                                                                  (manual.after, manual.before)))
    if gone:
        made.append((sql.SQL("DELETE FROM {} WHERE {} IN {}").format(
            version, sql.Identifier("version_num"), _literals(gone)), len(gone)))
    if new:
        made.append((sql.SQL("INSERT INTO {} {} VALUES {}").format(
            version, identifiers(["version_num"]), sql.SQL(", ").join(_literals([each]) for each in new)), len(new)))
    return made


def _literals(texts: t.Sequence[str]) -> t.Any:
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, texts)))


def transact(connection: t.Any, manual: Manual) -> Done:
    """Do all of it, and prove it, on a session that is not in autocommit mode; the COMMIT is left to the caller.

    Raises Refusal as look() does, Problem for what did not come out as counted. Whoever catches either rolls back.
    """
    said = ["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"]
    rows(connection, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")

    def do(statement: t.Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            said.append(statement if isinstance(statement, str) else statement.as_string(connection))
            return int(cursor.rowcount)

    do(sql.SQL("SET LOCAL lock_timeout TO {}").format(sql.Literal(value(connection, "SHOW lock_timeout"))))
    do("SET LOCAL row_security TO off")
    held: set[Place] = set()
    for _look in range(LOOKS):
        wanted = set(reach(connection, manual)[0].locks)
        if wanted <= held:
            break
        do(sql.SQL("LOCK TABLE {} IN {} MODE").format(
            sql.SQL(", ").join(sql.Identifier(*place) for place in sorted(wanted - held)), sql.SQL(LOCK_MODE)))
        held |= wanted
    else:
        raise Refusal("manual_schema_moves")
    recorded = recorded_heads(connection, manual.version_table, manual.version_schema)
    if recorded != sorted(manual.before):
        raise Refusal("moved_since_plan", heads=", ".join(recorded or []) or "-")
    found = look(connection, manual)
    _hold_alone(connection, found)
    # A key that may wait for the end is not in the way of tables that refer to each other.
    do("SET CONSTRAINTS ALL DEFERRED")
    for statement, number in statements_of(connection, manual, found):
        met = do(statement)
        if number is not None and met != number:
            raise Problem("manual_count_differs", statement=said[-1], counted=number, met=met)
    do("SET CONSTRAINTS ALL IMMEDIATE")
    left = {shown(each.place): number for each in found.doomed if each.table in found.removed_from
            for number in [count(connection, each.place, each.condition)] if number}
    if left:
        raise Problem("manual_rows_left", rows=", ".join(f"{table}: {number}" for table, number in left.items()))
    recorded = recorded_heads(connection, manual.version_table, manual.version_schema)
    if recorded != sorted(manual.after):
        raise Problem("manual_heads_differ", heads=", ".join(recorded or []) or "-", wanted=", ".join(manual.after))
    return Done(found.removed, found.references, said, found.triggers)


def _hold_alone(connection: t.Any, found: Sight) -> None:
    """Take what TRUNCATE needs without waiting: while others look at a table, DELETE does the same in more time."""
    for each in found.doomed:
        if not (each.truncate and each.rows):
            continue
        rows(connection, "SAVEPOINT alone")
        try:
            rows(connection, sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE NOWAIT").format(
                sql.Identifier(*each.place)))
        except DatabaseError as error:
            if getattr(error, "pgcode", None) != "55P03":
                raise
            each.truncate = False
            rows(connection, "ROLLBACK TO SAVEPOINT alone")
        else:
            rows(connection, "RELEASE SAVEPOINT alone")
