# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Migrations watched at work on a scratch database, from inside the server: a step each time revisions are recorded.

Triggers do it, so that nothing depends on how env.py opens its transactions and sessions. None of them ever fails:
what cannot be recorded is missing, and the migration goes on.
"""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._catalogue import CATALOGUE_SQL, SPELLING, Catalogue
from ._database import rows
from ._revisions import Graph

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

SCHEMA = "recyclic_rollback"

# Those that make others wait, the strongest first.
MODES = ("AccessExclusive", "Exclusive", "ShareRowExclusive", "Share")
_BATCH = 500  # tables a transaction: each holds a lock, of which a server has some thousands
_COUNTERS = ("inserted", "updated", "deleted")
_OPERATIONS = dict(zip(_COUNTERS, ("insert", "update", "delete")))

_NAME = "CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname"
_TABLES = """pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')
    AND c.relpersistence <> 't' AND NOT starts_with(n.nspname, 'pg_')
    AND n.nspname NOT IN ('information_schema', 'recyclic_rollback')"""

# Every function has an empty search_path, its owner's rights, and a lock_timeout below the server's deadlock_timeout.
_INSTALL = """
    DROP SCHEMA IF EXISTS recyclic_rollback CASCADE;
    CREATE SCHEMA recyclic_rollback;
    CREATE SEQUENCE recyclic_rollback.numbers;
    CREATE TABLE recyclic_rollback.steps (
        n bigint PRIMARY KEY DEFAULT nextval('recyclic_rollback.numbers'), at timestamptz NOT NULL, done timestamptz,
        started timestamptz NOT NULL, xact text, session int, recorded oid, heads text[], catalogue jsonb,
        locks jsonb, counters jsonb, names jsonb);
    CREATE TABLE recyclic_rollback.touches (
        n bigint DEFAULT nextval('recyclic_rollback.numbers'), name text NOT NULL, operation text NOT NULL);

    CREATE FUNCTION recyclic_rollback.catalogue() RETURNS jsonb LANGUAGE sql {own} AS $body${catalogue}$body$;

    CREATE FUNCTION recyclic_rollback.record(recorded oid, heads text[]) RETURNS void LANGUAGE plpgsql {own} AS $body$
    DECLARE
        began CONSTANT timestamptz := clock_timestamp();
        seen CONSTANT jsonb := recyclic_rollback.catalogue();
    BEGIN
        INSERT INTO recyclic_rollback.steps (at, done, started, xact, session, recorded, heads, catalogue, locks,
                                             counters, names)
        SELECT began, clock_timestamp(), now(), pg_current_xact_id()::text,
            pg_backend_pid(), recorded, heads, seen,
            (SELECT jsonb_object_agg(held.relation, held.modes) FROM (
                SELECT l.relation, jsonb_agg(DISTINCT l.mode) AS modes FROM pg_locks l
                WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
                  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                GROUP BY 1) held),
            (SELECT jsonb_object_agg(s.relid, jsonb_build_array(s.n_tup_ins, s.n_tup_upd, s.n_tup_del))
             FROM pg_stat_xact_user_tables s WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0),
            (SELECT jsonb_object_agg(c.oid, {name}) FROM {tables});
    END $body$;

    CREATE FUNCTION recyclic_rollback.step() RETURNS trigger LANGUAGE plpgsql {own} AS $body$
    DECLARE
        found_heads text[];
    BEGIN
        EXECUTE format('SELECT array_agg(version_num::text) FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME)
            INTO found_heads;
        PERFORM recyclic_rollback.record(TG_RELID, coalesce(found_heads, ARRAY[]::text[]));
        RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END $body$;

    CREATE FUNCTION recyclic_rollback.touch() RETURNS trigger LANGUAGE plpgsql {own} AS $body$
    BEGIN
        INSERT INTO recyclic_rollback.touches (name, operation) VALUES (
            CASE TG_TABLE_SCHEMA WHEN 'public' THEN '' ELSE TG_TABLE_SCHEMA || '.' END || TG_TABLE_NAME, lower(TG_OP));
        RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
        RETURN NULL;
    END $body$;

    CREATE FUNCTION recyclic_rollback.attach(wanted oid) RETURNS void LANGUAGE plpgsql {own} AS $body$
    DECLARE
        place record;
        handler text;
    BEGIN
        FOR place IN SELECT n.nspname, c.relname FROM {tables} AND c.oid = wanted LOOP
            IF place.relname = {version_table} AND place.nspname = coalesce({version_schema}, place.nspname) THEN
                handler := 'step';
            ELSIF {statements} THEN
                handler := 'touch';
            ELSE
                CONTINUE;
            END IF;
            EXECUTE format('CREATE OR REPLACE TRIGGER zz_recyclic_rollback AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE'
                           ' ON %I.%I FOR EACH STATEMENT EXECUTE FUNCTION recyclic_rollback.%I()',
                           place.nspname, place.relname, handler);
            EXECUTE format('ALTER TABLE %I.%I ENABLE ALWAYS TRIGGER zz_recyclic_rollback',
                           place.nspname, place.relname);
        END LOOP;
    END $body$;

    CREATE FUNCTION recyclic_rollback.attach_new() RETURNS event_trigger LANGUAGE plpgsql {own} AS $body$
    BEGIN
        PERFORM recyclic_rollback.attach(made.objid) FROM pg_event_trigger_ddl_commands() made
        WHERE made.classid = 'pg_class'::regclass AND made.object_type = 'table' AND NOT made.in_extension;
    EXCEPTION WHEN OTHERS THEN
        RETURN;
    END $body$;

    SELECT recyclic_rollback.record(NULL, NULL)"""
# Last: it makes every later CREATE TABLE a watched one.
_FUTURE = """
    CREATE EVENT TRIGGER zz_recyclic_rollback ON ddl_command_end
        WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA')
        EXECUTE FUNCTION recyclic_rollback.attach_new();
    ALTER EVENT TRIGGER zz_recyclic_rollback ENABLE ALWAYS"""


@dataclass
class Step:
    """The database as it was when a migration had just recorded where it is.

    ``n`` grows from step to step. ``heads`` are the recorded revisions, sorted. ``at`` is in seconds since 1970;
    ``seconds`` since the step before in the same transaction, or since that began. ``catalogue`` is read_catalogue()'s.

    ``touched`` gives by table what statements did since the step before, in whichever session: insert, update, delete,
    truncate, whether or not there was a row to do it to. ``counters`` gives by table the rows ``{inserted, updated,
    deleted}`` of this session. Neither has the version table.

    ``locks`` are those that make others wait, on tables that were there before the transaction, under the name they had
    for others: ``{table, mode, held_s}``, the strongest mode each, from its step's beginning to the transaction's last
    step.
    """

    heads: list[str]
    at: float
    seconds: float
    catalogue: Catalogue
    touched: dict[str, list[str]] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    locks: list[dict[str, t.Any]] = field(default_factory=list)
    n: int = 0


@dataclass
class _Record:
    """A row of steps, as the server holds it; tables by their oid."""

    n: int
    at: float
    done: float
    started: float
    xact: str | None
    session: int
    recorded: str | None
    heads: list[str] | None
    catalogue: Catalogue
    locks: dict[str, list[str]]
    counters: dict[str, list[int]]
    names: dict[str, str]


def install(connection: t.Any, version_table: str, version_schema: str | None, statements: bool) -> None:
    """Watch this database from now on, as its superuser and in autocommit; what was recorded before is dropped.

    The version table may be there or be made later, by whom Alembic runs as: in ``version_schema``, or in any schema
    where that is None. ``statements`` also records what is done to every other table, present and future.
    """
    own = sql.SQL("SECURITY DEFINER SET lock_timeout TO '500ms' " + " ".join(
        f"SET {name} TO '{text}'" for name, text in SPELLING.items()))
    rows(connection, sql.SQL(_INSTALL).format(
        own=own, catalogue=sql.SQL(CATALOGUE_SQL), name=sql.SQL(_NAME), tables=sql.SQL(_TABLES),
        version_table=sql.Literal(version_table), version_schema=sql.Literal(version_schema),
        statements=sql.Literal(statements)))
    found = rows(connection, sql.SQL("SELECT c.oid::bigint FROM {}").format(sql.SQL(_TABLES)))
    tables = [oid for (oid,) in found]
    for start in range(0, len(tables), _BATCH):
        rows(connection, "SELECT recyclic_rollback.attach(one::oid) FROM unnest(%s) one",
             (tables[start:start + _BATCH],))
    rows(connection, _FUTURE)


def read_steps(connection: t.Any, after: int = 0) -> list[Step]:
    """Return the steps recorded so far whose ``n`` is greater, in their order. What was rolled back has left none."""
    records = [_Record(*row) for row in rows(connection, """
        SELECT n, extract(epoch FROM at)::float8, extract(epoch FROM done)::float8, extract(epoch FROM started)::float8,
               xact, session, recorded::text, heads, CASE WHEN n > %s THEN catalogue END, coalesce(locks, '{}'),
               coalesce(counters, '{}'), coalesce(names, '{}')
        FROM recyclic_rollback.steps ORDER BY n""", (after,))]
    touches: dict[int, dict[str, set[str]]] = {}
    for number, name, operation in rows(connection, """
            SELECT DISTINCT s.n, o.name, o.operation FROM recyclic_rollback.touches o
            CROSS JOIN LATERAL (SELECT min(n) AS n FROM recyclic_rollback.steps WHERE n > o.n) s WHERE s.n > %s""",
                                        (after,)):
        touches.setdefault(number, {}).setdefault(name, set()).add(operation)
    watched = bool(rows(connection, "SELECT 1 FROM pg_trigger WHERE tgfoid = 'recyclic_rollback.touch()'::regprocedure"
                                    " LIMIT 1"))
    found = []
    for index, record in enumerate(records):
        if record.heads is None or record.n <= after:
            continue
        earlier = records[:index]
        counters = _counted(record, earlier)
        touched = touches.get(record.n, {})
        if watched:
            # A statement of a table whose triggers a migration has disabled.
            for name, counted in counters.items():
                touched.setdefault(name, set()).update(_OPERATIONS[key] for key, number in counted.items() if number)
        found.append(Step(
            n=record.n, heads=sorted(record.heads), at=record.at, seconds=record.at - _since(record, earlier),
            catalogue=record.catalogue, touched={name: sorted(done) for name, done in sorted(touched.items())},
            counters=counters, locks=_locks(record, records)))
    return found


def by_revision(steps: t.Iterable[Step], from_heads: t.Iterable[str], path: t.Sequence[str], graph: Graph
                ) -> dict[str, list[Step]]:
    """Assign the steps of a downgrade, which begins at ``from_heads``, to the revisions of its path, all of them keys.

    A revision has several steps where Alembic, or the revision itself, wrote the version table several times; the last
    of them is what it leaves. One that was not undone has none.
    """
    found: dict[str, list[Step]] = {revision: [] for revision in path}
    heads = set(from_heads)
    waiting = list(path)
    for step in steps:
        if not waiting:
            break
        found[waiting[0]].append(step)
        left = graph.heads_after_downgrade(heads, waiting[:1])
        if set(step.heads) == left:
            heads = left
            del waiting[0]
    return found


def _since(record: _Record, earlier: t.Sequence[_Record]) -> float:
    """Return when the work that a record ends may have begun: the step before it in its transaction, or that itself."""
    return next((one.done for one in reversed(earlier) if one.xact == record.xact), record.started)


def _counted(record: _Record, earlier: t.Sequence[_Record]) -> dict[str, dict[str, int]]:
    """Return the rows counted since the step before.

    The server's counters of a transaction begin with whatever its session has not reported yet of those before it.
    That is so exactly when those of the version table, written once before this moment, have grown.
    """
    last = next((one for one in reversed(earlier) if one.session == record.session), None)
    base: dict[str, list[int]] = {}
    if last is not None and (last.xact == record.xact or sum(record.counters.get(record.recorded or "", ())) > sum(
            last.counters.get(last.recorded or "", ()))):
        base = last.counters
    found: dict[str, dict[str, int]] = {}
    for oid, counted in record.counters.items():
        name = record.names.get(oid)
        # TRUNCATE takes back what was counted before it.
        numbers = [max(0, now - before) for now, before in zip(counted, base.get(oid, (0, 0, 0)))]
        if name and oid != record.recorded and any(numbers):
            found[name] = dict(zip(_COUNTERS, numbers))
    return found


def _locks(record: _Record, records: t.Sequence[_Record]) -> list[dict[str, t.Any]]:
    first = next(index for index, one in enumerate(records) if one.xact == record.xact)
    together = [one for one in records if one.xact == record.xact]
    before = records[first - 1].names if first else {}
    found = []
    for oid in record.locks:
        mode = _strongest(record.locks[oid])
        if mode is None or oid not in before or oid == record.recorded:
            continue
        taken = next(one for one in together if _strongest(one.locks.get(oid, ())) == mode)
        since = _since(taken, records[:records.index(taken)])
        found.append({"table": before[oid], "mode": mode, "held_s": together[-1].at - since})
    return sorted(found, key=lambda lock: lock["table"])


def _strongest(held: t.Collection[str]) -> str | None:
    return next((mode for mode in MODES if f"{mode}Lock" in held), None)
