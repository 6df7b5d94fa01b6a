# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""table_restore: named tables become what a backup holds, all of them in one transaction, or nothing changes."""
from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Answer, Database, Started, run_module, wait_for
from psycopg2.sql import SQL, Identifier
from test_module_restore import UNVERIFIED, backup, databases, left_nothing, options, plain

RUN = "20260301T031500Z-a1b2c3"
# A parent and its child with every kind of column, a trigger that would spoil what it sees, a sequence, and two more.
TABLES = """
    CREATE TYPE mood AS ENUM ('good', 'bad');
    CREATE TABLE parent (id int PRIMARY KEY, name text UNIQUE NOT NULL, upper_id int REFERENCES parent (id));
    CREATE TABLE child (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent_id int NOT NULL REFERENCES parent (id),
        number int GENERATED ALWAYS AS IDENTITY, doubled int GENERATED ALWAYS AS (parent_id * 2) STORED,
        body json, raw bytea, at timestamptz, share float8, felt mood);
    COMMENT ON CONSTRAINT child_parent_id_fkey ON child IS 'kept';
    CREATE TABLE list (word text, seen serial);
    CREATE TABLE other (id int PRIMARY KEY, parent_id int REFERENCES parent (id) ON DELETE CASCADE);
    INSERT INTO parent VALUES (1, 'one', NULL), (2, 'two', 1), (3, 'three', 2);
    INSERT INTO child (parent_id, body, raw, at, share, felt)
        SELECT 1 + g % 3, '{"a": 1}', '\\x0d0a5c00', '2026-03-01 03:15:00.123456+01', g / 3.0, 'bad'
        FROM generate_series(1, 30) g;
    INSERT INTO list (word) VALUES ('a'), ('a'), (E'tab\\t and \\\\.');
    INSERT INTO other VALUES (1, 1);
    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'spoilt'; RETURN NEW; END $$;
    CREATE TRIGGER spoils BEFORE INSERT OR UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION spoil();
    CREATE TRIGGER asleep BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION spoil();
    ALTER TABLE parent ENABLE ALWAYS TRIGGER spoils, DISABLE TRIGGER asleep;
"""
# The same names under other keys, lines led over to them, and the rest of what happens to rows.
SINCE = """
    ALTER TABLE parent DISABLE TRIGGER spoils;
    INSERT INTO parent VALUES (20, 'new', 1);
    UPDATE child SET parent_id = 20 WHERE parent_id = 2;
    UPDATE parent SET upper_id = 20 WHERE id = 3;
    DELETE FROM parent WHERE id = 2;
    UPDATE parent SET name = 'two' WHERE id = 20;
    DELETE FROM child WHERE id % 5 = 0;
    UPDATE child SET body = '{"a":1}', share = 0.1 WHERE id = 1;
    INSERT INTO child (parent_id) VALUES (20), (1);
    DELETE FROM list WHERE word = 'a';
    ALTER TABLE parent ENABLE ALWAYS TRIGGER spoils;
"""


def restore(database: Database, state_dir: Path, *tables: str, **more: Any) -> Answer:
    return run_module("table_restore", **options(database, state_dir, tables=list(tables), **more))


def content(database: Database, table: str, name: str | None = None) -> list[tuple[Any, ...]]:
    return database.rows(SQL("SELECT t::text FROM {} t ORDER BY 1").format(Identifier(table)), name=name)


@pytest.fixture
def kept(database: Database, state_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The tables with a backup of them; what they held."""
    database.rows(TABLES)
    backup(database, state_dir)
    return {table: content(database, table) for table in ("parent", "child", "list", "other")}


def schema(database: Database) -> list[str]:
    """The dump without rows and sequences' values."""
    return [line for line in database.dump().splitlines() if line.startswith(("CREATE", "ALTER", "    ADD", "COMMENT"))]


@pytest.mark.both_runtimes
def test_tables_become_what_the_backup_holds(database: Database, state_dir: Path,
                                             kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows(SINCE)
    shape, users = schema(database), content(database, "users")

    answer = restore(database, state_dir, "child", "public.parent", "list")

    assert answer.get("changed") is True, answer
    assert {table: content(database, table) for table in kept} == kept
    assert schema(database) == shape
    assert content(database, "users") == users
    told = {each["table"]: each for each in answer["tables"]}
    # Of the parents one was deleted and one is gone, and one leads elsewhere.
    assert [told["public.parent"][key] for key in ("rows_before", "rows_after", "inserted", "updated", "deleted")] == [
        3, 3, 1, 1, 1]
    assert [told["public.child"][key] for key in ("rows_before", "rows_after", "inserted", "deleted")] == [
        26, 30, 6, 2]
    assert [told["public.list"][key] for key in ("rows_before", "rows_after", "inserted", "deleted")] == [1, 3, 3, 1]
    assert databases(database) == set()
    # The sequences go on behind what was there.
    assert database.value("INSERT INTO child (parent_id) VALUES (1) RETURNING id") > 32
    again = restore(database, state_dir, "parent", "list")
    assert again.get("changed") is False, again


def test_the_sequence_of_a_column_never_goes_back_or_stays_behind(database: Database, state_dir: Path,
                                                                  kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("TRUNCATE list RESTART IDENTITY")

    assert restore(database, state_dir, "list").get("changed") is True

    assert database.value("INSERT INTO list VALUES ('b') RETURNING seen") == 4


def test_only_what_is_missing(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM child WHERE id <= 10; UPDATE child SET share = 7 WHERE id = 11;"
                  " INSERT INTO child (parent_id) VALUES (1)")

    answer = restore(database, state_dir, "child", mode="missing")

    [told] = answer["tables"]
    assert [told[key] for key in ("rows_before", "rows_after", "inserted", "updated", "deleted")] == [21, 31, 10, 0, 0]
    assert database.value("SELECT share FROM child WHERE id = 11") == 7
    assert restore(database, state_dir, "child", mode="missing").get("changed") is False


def test_missing_parents_come_before_their_children(database: Database, state_dir: Path,
                                                    kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM child; DELETE FROM parent WHERE id > 1")

    assert restore(database, state_dir, "child", "parent", mode="missing").get("changed") is True

    assert {table: content(database, table) for table in kept} == kept


@pytest.mark.both_runtimes
def test_rows_of_other_tables_that_refer_to_what_would_go(database: Database, state_dir: Path,
                                                          kept: dict[str, list[tuple[Any, ...]]]) -> None:
    """The reference would cascade: rows of a table nobody named would go without a word."""
    database.rows("ALTER TABLE parent DISABLE TRIGGER spoils; INSERT INTO parent VALUES (9, 'nine');"
                  " ALTER TABLE parent ENABLE ALWAYS TRIGGER spoils; INSERT INTO other VALUES (2, 9), (3, 9)")
    before = database.dump()

    answer = restore(database, state_dir, "parent")

    assert (answer["problem"], answer["outcome"]) == ("rows_referenced", "refused"), answer
    assert (answer["facts"]["constraint"], answer["facts"]["rows"]) == ("other_parent_id_fkey", 2)
    left_nothing(database, before)


def test_rows_whose_parents_are_not_there(database: Database, state_dir: Path,
                                          kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM child WHERE parent_id = 3; DELETE FROM parent WHERE id = 3")
    before = database.dump()

    for mode in ("replace", "missing"):
        answer = restore(database, state_dir, "child", mode=mode)
        assert answer["problem"] == "rows_without_parent", answer
        assert (answer["facts"]["constraint"], answer["facts"]["rows"]) == ("child_parent_id_fkey", 10)
    left_nothing(database, before)


def test_a_missing_row_whose_name_is_taken(database: Database, state_dir: Path,
                                           kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows(SINCE)
    before = database.dump()

    answer = restore(database, state_dir, "parent", mode="missing")

    assert answer["problem"] == "rows_stopped" and answer["facts"]["constraint"] == "parent_name_key"
    left_nothing(database, before)


@pytest.mark.parametrize(("change", "table", "more", "key", "word"), [
    ("ALTER TABLE list ADD COLUMN extra int", "list", {}, "rows_structure", "extra"),
    ("ALTER TABLE list DROP COLUMN seen", "list", {}, "rows_structure", "seen"),
    ("ALTER TABLE list ALTER COLUMN word TYPE varchar(99)", "list", {}, "rows_structure", "character varying(99)"),
    ("CREATE TABLE young (id int)", "young", {}, "rows_not_in_backup", "young"),
    ("SELECT 1", "nothing_such", {}, "table_absent", "nothing_such"),
    ("SELECT 1", "alembic_version", {}, "rows_version_table", "alembic_version"),
    ("SELECT 1", "list", {"mode": "missing"}, "rows_no_key", "list"),
])
def test_what_cannot_be_restored(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]],
                                 change: str, table: str, more: dict[str, Any], key: str, word: str) -> None:
    database.rows(change)
    before = database.dump()

    answer = restore(database, state_dir, table, **more)

    assert (answer["problem"], answer["outcome"]) == (key, "refused"), answer
    assert word in answer["msg"]
    left_nothing(database, before)


def test_a_rule_that_keeps_rows_away_is_noticed(database: Database, state_dir: Path,
                                                kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM list; CREATE RULE away AS ON INSERT TO list DO INSTEAD NOTHING")
    before = database.dump()

    answer = restore(database, state_dir, "list")

    assert answer["problem"] == "rows_not_same", answer
    left_nothing(database, before)


def test_a_table_somebody_uses(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM list")
    before = database.dump()
    holder = database.connect(application_name="a forgotten console")
    try:
        with holder.cursor() as cursor:
            cursor.execute("INSERT INTO list VALUES ('mine', 9)")
        answer = restore(database, state_dir, "list", lock_timeout=500)
    finally:
        holder.close()

    assert answer["problem"] == "rows_locked" and "a forgotten console" in answer["msg"], answer
    left_nothing(database, before)


def test_check_mode_loads_nothing(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM list")
    before = database.dump()

    answer = run_module("table_restore", check=True, **options(database, state_dir, tables=["list"]))

    assert answer["changed"] is True
    left_nothing(database, before)


@pytest.mark.parametrize("runtime", ["compose"], indirect=True, scope="session")
def test_the_emergency_stop_is_obeyed(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]
                                      ) -> None:
    database.rows("DELETE FROM list")
    before = database.dump()
    order = state_dir / f"stopped-{database.server.project}.json"
    order.write_text(json.dumps({"at": "2026-03-01T03:15:00.000Z", "by": "operator", "why": "the test"}))

    assert restore(database, state_dir, "list")["problem"] == "migrate_stop_order"

    left_nothing(database, before)


def test_a_table_of_another_owner(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM list")
    database.rows(SQL("ALTER TABLE list OWNER TO postgres; GRANT SELECT ON list TO {}").format(
        Identifier(database.user)), superuser=True)
    before = database.dump()

    answer = restore(database, state_dir, "list")

    assert (answer["problem"], answer["outcome"]) == ("rows_refused", "refused"), answer
    left_nothing(database, before)


def test_what_somebody_looks_at_stays_and_is_told(database: Database, state_dir: Path,
                                                  kept: dict[str, list[tuple[Any, ...]]],
                                                  start_module: Callable[..., Started]) -> None:
    """The rows are in place by then: that is no failure."""
    database.rows("DELETE FROM list")
    arguments = options(database, state_dir, tables=["list"], lock_timeout=60000)
    holder = database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE list IN ROW EXCLUSIVE MODE")
        started = start_module("table_restore", **arguments)
        wait_for(database.waiting, "the module to wait for the table")
        [name] = databases(database)
        onlooker = database.connect(dbname=name, application_name="an onlooker")
        try:
            holder.rollback()
            answer = started.answer()
        finally:
            onlooker.close()
    finally:
        holder.close()

    assert answer.get("changed") is True, answer
    assert name in answer["notes"][-1]
    assert content(database, "list") == kept["list"]


def test_diff_mode_shows_the_rows(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]]) -> None:
    database.rows("DELETE FROM list")
    answer = run_module("table_restore", diff=True, **options(database, state_dir, tables=["list"]))
    assert answer["diff"] == {"before": "public.list: 0\n", "after": "public.list: 3 (+3 ~0 -0)\n"}


# Dumps of one table


@pytest.mark.both_runtimes("plain")
@pytest.mark.parametrize("words", [(), ("-Fc",), ("--clean",), ("--inserts",)],
                         ids=["plain", "custom", "clean", "inserts"])
def test_a_dump_of_the_table_alone(database: Database, state_dir: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    """As the paper guide has one take it: backup_categories.sql."""
    path = tmp_path / "backup_categories.sql"
    path.write_bytes(plain(database, "-t", "categories", *words))
    then, others = content(database, "categories"), content(database, "users")
    database.rows("DELETE FROM categories WHERE id IN (SELECT id FROM categories c WHERE NOT EXISTS"
                  " (SELECT FROM categories k WHERE k.parent_id = c.id) LIMIT 3)")
    assert content(database, "categories") != then

    answer = restore(database, state_dir, "categories", backup=str(path), **UNVERIFIED)

    assert answer.get("changed") is True, answer
    assert content(database, "categories") == then
    assert content(database, "users") == others
    assert databases(database) == set()


def test_a_dump_of_one_table_that_needs_what_it_has_not(database: Database, state_dir: Path, tmp_path: Path,
                                                        kept: dict[str, list[tuple[Any, ...]]]) -> None:
    path = tmp_path / "child.sql"
    path.write_bytes(plain(database, "-t", "child"))
    before = database.dump()

    answer = restore(database, state_dir, "child", backup=str(path), **UNVERIFIED)

    assert answer["problem"] == "beside_not_self_contained" and "mood" in answer["msg"], answer
    assert restore(database, state_dir, "list", backup=str(path), **UNVERIFIED)["problem"] == "rows_not_in_backup"
    left_nothing(database, before)


def test_tables_of_a_backup_of_ours_without_the_whole(database: Database, state_dir: Path) -> None:
    database.rows(TABLES)
    manifest = backup(database, state_dir, whole=False, tables=["list"])
    then = content(database, "list")
    database.rows("DELETE FROM list")

    answer = restore(database, state_dir, "list", backup=manifest["path"])

    assert (answer.get("changed"), answer.get("compared")) == (True, True), answer
    assert content(database, "list") == then


# Cut off


@pytest.mark.both_runtimes
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL], ids=["term", "kill"])
def test_cut_off_while_it_waits(database: Database, state_dir: Path, kept: dict[str, list[tuple[Any, ...]]],
                                start_module: Callable[..., Started], signum: int) -> None:
    database.rows("DELETE FROM list")
    before = database.dump()
    run_dir = state_dir / "runs" / RUN
    run_dir.mkdir(parents=True)
    arguments = options(database, state_dir, tables=["list"], run_dir=str(run_dir), lock_timeout=60000)
    holder = database.connect()
    try:
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE list IN ROW EXCLUSIVE MODE")
        started = start_module("table_restore", **arguments)
        wait_for(database.waiting, "the module to wait for the table")
        started.kill(signum)
        if signum == signal.SIGTERM:
            # Held back by the server until its next look at the client.
            holder.rollback()
            assert started.answer()["problem"] == "interrupted"
        else:
            started.process.wait()
            wait_for(lambda: not database.sessions(), "its sessions to end")
            holder.rollback()
    finally:
        holder.close()
    assert database.dump() == before
    if signum == signal.SIGKILL:
        assert databases(database) != set()
        assert run_module("table_restore", **arguments).get("changed") is True
        assert content(database, "list") == kept["list"]
    assert databases(database) == set()
