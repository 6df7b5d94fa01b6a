# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Migrations watched at work: what each did, and that none of them notices."""
from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from harness import BASE, HEADS, MIGRATION, TOP, VERSION_PY, Database, ini_of, make_project

from ansible_collections.recyclic.rollback.plugins.module_utils._catalogue import Change, compare, read_catalogue
from ansible_collections.recyclic.rollback.plugins.module_utils._revisions import Graph, Revision
from ansible_collections.recyclic.rollback.plugins.module_utils._watch import Step, by_revision, install, read_steps

Makes = Callable[..., Database]
INTO_VERSIONS = "UPDATE alembic_version SET version_num = 'next'"


@contextmanager
def transaction(connection: Any) -> Iterator[Any]:
    """A cursor in one transaction, which is committed."""
    with connection.cursor() as cursor:
        yield cursor
    connection.commit()


def watch(database: Database, statements: bool = True, table: str = "alembic_version", schema: str | None = None
          ) -> dict[str, Any]:
    """Begin to watch; returns the catalogue of that moment."""
    with closing(database.connect(superuser=True)) as connection:
        connection.autocommit = True
        install(connection, table, schema, statements)
        return read_catalogue(connection)


def steps_of(database: Database, after: int = 0) -> list[Step]:
    with closing(database.connect(superuser=True)) as connection:
        connection.autocommit = True
        return read_steps(connection, after)


def graph_of(history: str) -> Graph:
    """The history as its files tell it."""
    found = []
    for path in (ini_of(history).parent / "versions").glob("*.py"):
        text = path.read_text()
        names = dict(re.findall(r'^((?:down_)?revision)\b.* = (?:"(\w+)"|None)$', text, re.MULTILINE))
        found.append(Revision(names["revision"], (names["down_revision"],) if names["down_revision"] else ()))
    return Graph(found)


def alembic_path(said: str) -> list[str]:
    """The revisions Alembic said it undid, in its order."""
    return re.findall(r"Running downgrade (\w+) ->", said)


def changes(steps: dict[str, list[Step]], before: dict[str, Any]) -> dict[str, list[Change]]:
    """What each revision changed, from what the one before had left."""
    found = {}
    for revision, taken in steps.items():
        found[revision] = compare(before, taken[-1].catalogue)
        before = taken[-1].catalogue
    return found


def run(database: Database, *statements: str, ends: str = INTO_VERSIONS) -> None:
    """Run statements and the record of it as one transaction of the database's owner."""
    with closing(database.connect()) as connection, transaction(connection) as cursor:
        for statement in (*statements, ends):
            if statement:
                cursor.execute(statement)


@pytest.fixture
def things(empty: Database) -> Database:
    """A recorded revision and a table with three rows."""
    empty.rows("CREATE TABLE things (id int PRIMARY KEY, name text)")
    empty.rows("INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, 3) i")
    empty.stamp("first")
    return empty


# Real histories


@pytest.mark.parametrize("statements", [True, False], ids=["statements", "steps-alone"])
@pytest.mark.parametrize("to", ["g1h2i3j4k5l6", "9a2b3c4d5e6f"])
@pytest.mark.parametrize("history", ["chain", "branched"])
def test_every_revision_of_a_downgrade_is_seen(make_database: Makes, history: str, to: str, statements: bool) -> None:
    database, graph = make_database(history, "head"), graph_of(history)
    categories = database.count("categories")
    before = watch(database, statements)
    path = alembic_path(database.alembic("downgrade", to))
    taken = steps_of(database)

    found = by_revision(taken, HEADS[history], path, graph)

    assert list(found) == path and MIGRATION in path
    assert sum(map(len, found.values())) == len(taken)
    for number, revision in enumerate(path):
        assert set(found[revision][-1].heads) == graph.heads_after_downgrade(HEADS[history], path[:number + 1])
    made = changes(found, before)
    assert made[MIGRATION] == []
    assert found[MIGRATION][-1].counters == {"categories": {"inserted": 0, "updated": 0, "deleted": categories}}
    assert found[MIGRATION][-1].touched == ({"categories": ["delete"]} if statements else {})
    assert made["24b194c1b790"] == [
        Change("drop-column", "ligne_depot.category_id", "uuid"),
        Change("drop-constraint", "ligne_depot.fk_ligne_depot_category",
               "FOREIGN KEY (category_id) REFERENCES public.categories(id)")]
    if to == "9a2b3c4d5e6f":
        assert made["b1c2d3e4f5a6"] == [Change("drop-table", "categories")]
        lock = next(each for each in found["b1c2d3e4f5a6"][-1].locks if each["table"] == "categories")
        assert lock["mode"] == "AccessExclusive" and lock["held_s"] > 0
    # Waiting for these rows is not waiting for the table.
    if path[0] == MIGRATION:
        assert found[MIGRATION][-1].locks == []
    assert {"g1h2i3j4k5l6", "9a2b3c4d5e6f"} & set(taken[-1].heads)
    assert compare(before, taken[-1].catalogue) == compare(before, _now(database))


def _now(database: Database) -> dict[str, Any]:
    with closing(database.connect()) as connection:
        connection.autocommit = True
        return read_catalogue(connection)


def test_a_history_built_from_nothing_is_seen_from_its_first_revision(make_database: Makes) -> None:
    empty = make_database("chain", None)
    watch(empty)
    began = time.time()
    empty.alembic("upgrade", "9a2b3c4d5e6f")
    taken = steps_of(empty)
    assert [step.heads for step in taken] == [["5d0e1f2a3b4c"], ["7c1a2f4b9c3a"], ["8f2b7a1d4e6b"], ["9a2b3c4d5e6f"]]
    assert all(step.seconds > 0 and began < step.at < time.time() for step in taken)
    assert taken[2].touched["dom_category"] == ["insert"]
    assert taken[2].counters["dom_category"]["inserted"] == empty.count("dom_category WHERE level = 1") > 0
    assert taken[0].locks == []  # the tables are its own: nobody else can wait for them
    owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'alembic_version'"
    assert empty.value(owner) == empty.user

    # Later steps alone, and by whom what.
    last = taken[-1].n
    empty.alembic("downgrade", "8f2b7a1d4e6b")
    assert [step.heads for step in steps_of(empty, last)] == [["8f2b7a1d4e6b"]]


def test_watching_again_begins_anew(things: Database) -> None:
    watch(things)
    run(things, "DELETE FROM things")
    watch(things, statements=False)
    assert steps_of(things) == []
    run(things, "INSERT INTO things VALUES (9)", ends="UPDATE alembic_version SET version_num = 'later'")
    assert [(step.heads, step.touched) for step in steps_of(things)] == [(["later"], {})]
    assert things.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 1


# Statements


HARMLESS: dict[str, tuple[list[str], dict[str, list[str]]]] = {
    "delete": (["DELETE FROM things WHERE id = 1"], {"things": ["delete"]}),
    "delete-nothing": (["DELETE FROM things WHERE false"], {"things": ["delete"]}),
    "altered-after-writing": (
        ["UPDATE things SET name = 'x'", "ALTER TABLE things ADD COLUMN more int DEFAULT 5",
         "INSERT INTO things VALUES (7)", "ALTER TABLE things ALTER COLUMN id TYPE bigint"],
        {"things": ["insert", "update"]}),
    "dropped-after-writing": (["DELETE FROM things", "DROP TABLE things"], {"things": ["delete"]}),
    "truncated-after-writing": (["INSERT INTO things VALUES (7)", "TRUNCATE things"],
                                {"things": ["insert", "truncate"]}),
    "made-and-filled": (
        ["CREATE TABLE new (id int)", "INSERT INTO new VALUES (1)", "ALTER TABLE new ADD PRIMARY KEY (id)"],
        {"new": ["insert"]}),
    "made-from-a-query": (
        ["CREATE TABLE new AS SELECT * FROM things", "DELETE FROM new", "SELECT * INTO newer FROM things",
         "UPDATE newer SET name = ''"], {"new": ["delete", "insert"], "newer": ["insert", "update"]}),
    "made-with-its-schema": (
        ['CREATE SCHEMA "Old Stock" CREATE TABLE "Mixed Case" (id int)',
         'INSERT INTO "Old Stock"."Mixed Case" VALUES (1)'],
        {"Old Stock.Mixed Case": ["insert"]}),
    "like-another": (["CREATE TABLE new (LIKE things INCLUDING ALL)", "INSERT INTO new SELECT * FROM things"],
                     {"new": ["insert"]}),
    "temporary": (["CREATE TEMPORARY TABLE t AS SELECT * FROM things", "DELETE FROM t", "DROP TABLE t"], {}),
    "renamed": (["UPDATE things SET name = ''", "ALTER TABLE things RENAME TO items", "DELETE FROM items"],
                {"items": ["delete", "update"], "things": ["update"]}),
    "partitions": (
        ["CREATE TABLE parts (id int NOT NULL, name text) PARTITION BY RANGE (id)",
         "CREATE TABLE one PARTITION OF parts FOR VALUES FROM (100) TO (200)", "INSERT INTO parts VALUES (150, '')",
         "UPDATE things SET name = ''", "ALTER TABLE parts ATTACH PARTITION things FOR VALUES FROM (0) TO (100)",
         "DELETE FROM parts", "ALTER TABLE parts DETACH PARTITION things", "DELETE FROM things"],
        {"one": ["delete", "insert"], "parts": ["delete", "insert"], "things": ["delete", "update"]}),
    "type": (
        ["CREATE TYPE mood AS ENUM ('a', 'b')", "ALTER TABLE things ADD COLUMN mood mood DEFAULT 'a'",
         "ALTER TABLE things DROP COLUMN mood", "DROP TYPE mood"], {}),
    "cascade": (
        ["CREATE TABLE child (id int REFERENCES things ON DELETE CASCADE)", "INSERT INTO child VALUES (1), (2)",
         "DELETE FROM things WHERE id = 2"], {"child": ["delete", "insert"], "things": ["delete"]}),
    "its-triggers-disabled": (
        ["ALTER TABLE things DISABLE TRIGGER USER", "DELETE FROM things", "ALTER TABLE things ENABLE TRIGGER USER"],
        {"things": ["delete"]}),
    "deferred": (
        ["CREATE TABLE child (id int REFERENCES things DEFERRABLE INITIALLY DEFERRED)", "INSERT INTO child VALUES (1)",
         "SET CONSTRAINTS ALL IMMEDIATE", "ALTER TABLE child ADD COLUMN more int"], {"child": ["insert"]}),
    "in-a-block": (
        ["DO $$ BEGIN DELETE FROM things; ALTER TABLE things ADD COLUMN more int; DROP TABLE things; END $$"],
        {"things": ["delete"]}),
    "taken-back": (
        ["SAVEPOINT here", "TRUNCATE things", "ROLLBACK TO here", "SELECT 1"], {}),
    "with-query": (
        ["WITH gone AS (DELETE FROM things RETURNING *) SELECT count(*) FROM gone"], {"things": ["delete"]}),
}


@pytest.mark.parametrize("case", HARMLESS)
def test_statements_are_seen_and_succeed(things: Database, case: str) -> None:
    statements, touched = HARMLESS[case]
    watch(things)
    run(things, *statements)
    step, = steps_of(things)
    assert step.touched == touched
    assert step.heads == ["next"]
    assert compare(step.catalogue, _now(things)) == []


def test_a_session_that_fires_no_triggers_is_seen_all_the_same(things: Database) -> None:
    watch(things)
    with closing(things.connect(superuser=True)) as connection, transaction(connection) as cursor:
        cursor.execute("SET session_replication_role TO replica")
        for statement in ("DELETE FROM things", "CREATE TABLE new (id int)", "INSERT INTO new VALUES (1)",
                          INTO_VERSIONS):
            cursor.execute(statement)
    step, = steps_of(things)
    assert step.touched == {"new": ["insert"], "things": ["delete"]}


def test_what_failed_without_the_watch_fails_with_it_and_leaves_no_step(things: Database) -> None:
    watch(things)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        run(things, "DELETE FROM things", INTO_VERSIONS, "DROP TABLE nothing")
    assert steps_of(things) == []
    assert things.count("things") == 3


def test_a_schema_that_takes_its_own_tables_along(things: Database) -> None:
    things.rows("CREATE SCHEMA records")
    things.rows("ALTER TABLE alembic_version SET SCHEMA records")
    things.rows(f'ALTER SCHEMA public OWNER TO "{things.user}"', superuser=True)
    watch(things, schema="records")
    run(things, "DELETE FROM things", "DROP SCHEMA public CASCADE", "CREATE SCHEMA public",
        "CREATE TABLE public.anew (id int)", "INSERT INTO public.anew VALUES (1)",
        ends="UPDATE records.alembic_version SET version_num = 'next'")
    step, = steps_of(things)
    assert step.touched == {"anew": ["insert"], "things": ["delete"]}
    assert set(step.catalogue["tables"]) == {"anew", "records.alembic_version"}


def test_the_watch_that_cannot_record_lets_the_migration_pass(things: Database) -> None:
    watch(things)
    things.rows("DROP TABLE recyclic_rollback.touches, recyclic_rollback.steps CASCADE", superuser=True)
    things.rows("DROP FUNCTION recyclic_rollback.attach(oid)", superuser=True)
    run(things, "DELETE FROM things", "CREATE TABLE new (id int)")
    assert things.count("things") == 0 and things.count("new") == 0


def test_another_session_that_holds_a_table_does_not_stop_the_migration(things: Database) -> None:
    things.rows("CREATE TABLE held (id int CHECK (id > 0))")  # which takes a look at the table to be spelled
    watch(things)
    with things.locked("held"):
        run(things, "DELETE FROM things")
    assert steps_of(things) == []
    assert things.heads() == {"next"}


# Locks and counters


def test_locks_bear_the_name_others_know_the_table_by(things: Database) -> None:
    things.rows("CREATE TABLE others (id int)")
    watch(things, statements=False)
    run(things, "CREATE INDEX ON others (id)", INTO_VERSIONS, "SELECT pg_sleep(0.3)",
        "ALTER TABLE things RENAME TO items", "CREATE TABLE things (id int)", "DROP TABLE others",
        ends="DELETE FROM alembic_version")
    first, last = steps_of(things)
    assert [(lock["table"], lock["mode"]) for lock in first.locks] == [("others", "Share")]
    assert [(lock["table"], lock["mode"]) for lock in last.locks] == [
        ("others", "AccessExclusive"), ("things", "AccessExclusive")]
    # Until the last step of the transaction, and from no earlier than the step before they were taken.
    assert first.locks[0]["held_s"] >= 0.3
    assert 0.3 <= last.locks[0]["held_s"] <= last.seconds + 0.001 < first.locks[0]["held_s"] + 1
    assert last.heads == []


def test_rows_are_counted_step_by_step(things: Database) -> None:
    watch(things, statements=False)
    with closing(things.connect()) as connection:
        # One session in several transactions: what it has not reported yet is counted once.
        for revision, statements in enumerate([
                ["DELETE FROM things WHERE id = 1"],
                ["DELETE FROM things WHERE id = 2", "INSERT INTO things VALUES (4)"],
                ["UPDATE things SET name = ''"], []]):
            with connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                cursor.execute(f"UPDATE alembic_version SET version_num = '{revision}'")
                # Again in the same transaction.
                cursor.execute("INSERT INTO things VALUES (%s)", (100 + revision,))
                cursor.execute("INSERT INTO alembic_version VALUES ('more')")
                cursor.execute("DELETE FROM alembic_version WHERE version_num = 'more'")
            if revision == 2:
                time.sleep(1.5)  # and now it has reported
    assert [step.counters.get("things") for step in steps_of(things)] == [
        {"inserted": 0, "updated": 0, "deleted": 1}, {"inserted": 1, "updated": 0, "deleted": 0}, None,
        {"inserted": 1, "updated": 0, "deleted": 1}, {"inserted": 1, "updated": 0, "deleted": 0}, None,
        {"inserted": 0, "updated": 4, "deleted": 0}, {"inserted": 1, "updated": 0, "deleted": 0}, None,
        None, {"inserted": 1, "updated": 0, "deleted": 0}, None]


# What env.py and revisions do with their sessions


DOWNGRADES = {
    "plain": ("op.execute('DELETE FROM things')", ""),
    "per-migration": ("op.execute('DELETE FROM things')", ", transaction_per_migration=True"),
    "autocommit": ("with op.get_context().autocommit_block():\n    op.execute('DELETE FROM things')", ""),
    "autocommit-per-migration": (
        "with op.get_context().autocommit_block():\n    op.execute('DELETE FROM things')",
        ", transaction_per_migration=True"),
    "serializable": (
        "engine = sa.create_engine(op.get_bind().engine.url, isolation_level='SERIALIZABLE')\n"
        "with engine.begin() as other:\n    other.execute(sa.text('DELETE FROM things'))", ""),
    "second-engine": (
        "engine = sa.create_engine(op.get_bind().engine.url)\nwith engine.begin() as other:\n"
        "    other.execute(sa.text('DELETE FROM things'))", ""),
}


@pytest.mark.parametrize("case", DOWNGRADES)
def test_however_a_downgrade_opens_its_sessions(things: Database, tmp_path: Path, case: str) -> None:
    body, configure = DOWNGRADES[case]
    middle = VERSION_PY.format(message="in the middle", revision="in_the_middle", down=BASE, upgrade="    pass",
                               downgrade="    op.execute('ALTER TABLE things ADD COLUMN more int')")
    top = VERSION_PY.format(message="at the top", revision="at_the_top", down="in_the_middle", upgrade="    pass",
                            downgrade="\n".join(f"    {line}" for line in body.splitlines()))
    ini = make_project(tmp_path / "project", configure=configure, versions={"middle.py": middle, "top.py": top})
    (tmp_path / "project" / "versions" / f"{TOP}.py").unlink()
    things.stamp("at_the_top")
    before = watch(things)
    said = things.alembic("downgrade", BASE, ini=ini)
    assert things.count("things") == 0, said
    path = ["at_the_top", "in_the_middle"]
    graph = Graph([Revision(BASE, ()), Revision("in_the_middle", (BASE,)), Revision("at_the_top", ("in_the_middle",))])
    found = by_revision(steps_of(things), ["at_the_top"], path, graph)
    assert [[step.heads for step in found[revision]] for revision in path] == [[["in_the_middle"]], [[BASE]]]
    assert found["at_the_top"][0].touched == {"things": ["delete"]}
    assert found["in_the_middle"][0].touched == {}
    assert changes(found, before) == {
        "at_the_top": [], "in_the_middle": [Change("new-column", "things.more", "integer")]}
    assert [lock["table"] for lock in found["in_the_middle"][0].locks] == ["things"]


def test_a_version_table_of_another_name_made_by_another_role(empty: Database, tmp_path: Path) -> None:
    """As its env.py makes it, in a schema that does not exist yet; the role may do nothing else."""
    ini = make_project(
        tmp_path / "project", configure=', version_table="Our Versions", version_table_schema="it\'s"',
        env=None, after="", upgrade="op.execute('CREATE TABLE things (id int)')")
    watch(empty, table="Our Versions", schema="it's")
    empty.rows('CREATE SCHEMA "it\'s"')
    empty.rows("CREATE TABLE \"Our Versions\" (version_num text)")
    empty.rows("INSERT INTO \"Our Versions\" VALUES ('of somebody else')")
    empty.alembic("upgrade", "head", ini=ini)
    taken = steps_of(empty)
    assert [step.heads for step in taken] == [[BASE], [TOP]]
    assert taken[0].touched == {"Our Versions": ["insert"]}
    assert empty.value("SELECT tableowner FROM pg_tables WHERE schemaname = 'it''s'") == empty.user


@pytest.fixture
def thousand(empty: Database) -> Iterator[Database]:
    """A thousand tables of ten columns."""
    for part in range(5):
        empty.rows(f"""DO $$ BEGIN FOR i IN {part * 200 + 1}..{part * 200 + 200} LOOP EXECUTE format(
            'CREATE TABLE t%s (id serial PRIMARY KEY, a text NOT NULL DEFAULT ''x'', b int REFERENCES t%s, c date,'
            ' d numeric(10, 2) CHECK (d > 0), e varchar(20), f uuid, g jsonb, h bool DEFAULT false, k int)',
            i, greatest(i - 1, 1)); EXECUTE format('CREATE INDEX ON t%s (lower(a))', i); END LOOP; END $$""")
    empty.stamp("first")
    yield empty


def test_a_thousand_tables(thousand: Database) -> None:
    catalogue = watch(thousand)
    assert len(catalogue["tables"]) == 1001 and len(catalogue["foreign_keys"]) == 1000
    times = []
    for _attempt in range(3):
        began = time.monotonic()
        _now(thousand)
        times.append(time.monotonic() - began)
    run(thousand, "DELETE FROM t1")
    step, = steps_of(thousand)
    assert step.touched["t1"] == ["delete"]
    # Half a second where nothing else runs; with a query for each table, many times that.
    assert min(times) < 1
