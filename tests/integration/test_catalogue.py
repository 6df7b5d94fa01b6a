# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database's catalogue, read by whoever may connect, and the same whoever reads it."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import pytest
from harness import Database

from ansible_collections.recyclic.rollback.plugins.module_utils._catalogue import (
    SPELLING,
    Change,
    compare,
    read_catalogue,
)

SCHEMA = """
    CREATE TYPE mood AS ENUM ('low', 'high');
    CREATE SCHEMA "Old Stock";
    CREATE DOMAIN "Old Stock".weight AS numeric(10, 2) NOT NULL CHECK (value > 0);
    CREATE TYPE "Old Stock".place AS (shelf int, mood mood);
    CREATE TABLE items (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label varchar(20) NOT NULL DEFAULT 'x' UNIQUE,
        added date DEFAULT '2024-02-01', mood mood DEFAULT 'low', double int GENERATED ALWAYS AS (other * 2) STORED,
        other int CHECK (other > 1), number serial);
    CREATE INDEX items_lower ON items (lower(label)) WHERE other > 5;
    CREATE TABLE parts (id int, day date, UNIQUE (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE parts_2024 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE "Old Stock"."Mixed Case" (
        id int PRIMARY KEY, "Weight" "Old Stock".weight, item int REFERENCES items ON DELETE CASCADE, part int,
        day date, CONSTRAINT of_part FOREIGN KEY (part, day) REFERENCES parts (id, day));
    CREATE SEQUENCE free_numbers;
    CREATE VIEW labels AS SELECT id FROM items;
    CREATE SCHEMA recyclic_rollback CREATE TABLE ours (id int);"""


@pytest.fixture
def stocked(empty: Database) -> Database:
    empty.rows(SCHEMA)
    return empty


@contextmanager
def session(database: Database, *settings: str, **options: Any) -> Iterator[Any]:
    with closing(database.connect(options=" ".join(f"-c {setting}" for setting in settings), **options)) as connection:
        connection.autocommit = True
        yield connection


def read(database: Database, *settings: str) -> dict[str, Any]:
    with session(database, *settings) as connection:
        return read_catalogue(connection)


def column(kind: str, not_null: bool = False, default: str | None = None) -> dict[str, Any]:
    return {"type": kind, "not_null": not_null, "default": default}


def test_what_is_in_it(stocked: Database) -> None:
    found = read(stocked)
    tables = found["tables"]
    assert set(tables) == {"items", "parts", "parts_2024", "Old Stock.Mixed Case"}
    assert tables["items"]["columns"] == {
        "id": column("integer", True, "GENERATED ALWAYS AS IDENTITY"),
        "label": column("character varying(20)", True, "'x'::character varying"),
        "added": column("date", False, "'2024-02-01'::date"), "mood": column("mood", False, "'low'::public.mood"),
        "double": column("integer", False, "GENERATED ALWAYS AS ((other * 2)) STORED"), "other": column("integer"),
        "number": column("integer", True, "nextval('public.items_number_seq'::regclass)")}
    # NOT NULL is the column's, whatever the server calls it; a constraint's index is the constraint's.
    assert tables["items"]["constraints"] == {
        "items_pkey": "PRIMARY KEY (id)", "items_label_key": "UNIQUE (label)",
        "items_other_check": "CHECK ((other > 1))"}
    assert tables["items"]["indexes"] == {
        "items_lower": "CREATE INDEX items_lower ON public.items USING btree (lower((label)::text)) WHERE (other > 5)"}
    assert isinstance(tables["items"]["filenode"], int) and tables["items"]["filenode"] > 0
    assert tables["parts"]["filenode"] == 0 and tables["parts_2024"]["constraints"] == {}
    assert tables["Old Stock.Mixed Case"]["columns"]["Weight"]["type"] == '"Old Stock".weight'
    assert found["types"] == {
        "mood": ["low", "high"], "Old Stock.place": ["shelf integer", "mood public.mood"],
        "Old Stock.weight": ["numeric(10,2)", "NOT NULL", "CHECK ((VALUE > (0)::numeric))"]}
    assert found["sequences"] == ["free_numbers"]
    assert found["foreign_keys"] == [
        {"name": "Mixed Case_item_fkey", "table": "Old Stock.Mixed Case", "columns": ["item"], "to_table": "items",
         "on_delete": "c"},
        {"name": "of_part", "table": "Old Stock.Mixed Case", "columns": ["part", "day"], "to_table": "parts",
         "on_delete": "a"}]


def test_an_empty_database_has_an_empty_one(empty: Database) -> None:
    assert read(empty) == {"tables": {}, "types": {}, "sequences": [], "foreign_keys": []}


def test_what_belongs_to_an_extension_is_not_in_it(empty: Database) -> None:
    empty.rows("CREATE TABLE theirs (id serial)")
    empty.rows("CREATE TYPE also_theirs AS ENUM ()")
    for kind, name in (("TABLE", "theirs"), ("TYPE", "also_theirs"), ("SEQUENCE", "theirs_id_seq")):
        empty.rows(f"ALTER EXTENSION plpgsql ADD {kind} {name}", superuser=True)
    assert read(empty) == {"tables": {}, "types": {}, "sequences": [], "foreign_keys": []}


def test_it_is_the_same_whoever_reads_it(stocked: Database) -> None:
    strange = ("search_path=items,public", "DateStyle=German", "IntervalStyle=sql_standard", "TimeZone=Asia/Tokyo",
               "quote_all_identifiers=on", "default_transaction_read_only=on")
    assert read(stocked, *strange) == read(stocked)
    stocked.rows("CREATE ROLE reader LOGIN PASSWORD 'reader'", superuser=True)
    try:
        with session(stocked, "default_transaction_read_only=on", user="reader", password="reader") as connection:
            assert read_catalogue(connection) == read(stocked)
    finally:
        stocked.rows("DROP ROLE reader", superuser=True)


def test_a_session_is_left_as_it_was(stocked: Database) -> None:
    def settings(connection: Any) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, current_setting(name) FROM unnest(%s) name", (list(SPELLING),))
            return list(cursor.fetchall())

    with session(stocked, "DateStyle=German", "search_path=items,public") as connection:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMPORARY TABLE items (id int)")
        before = settings(connection)
        assert read_catalogue(connection) == read(stocked)
        assert settings(connection) == before
        connection.autocommit = False
        read_catalogue(connection)
        assert settings(connection) == before
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE relation >= 16384 AND pid = pg_backend_pid()")
            assert cursor.fetchone() == (0,)
        connection.rollback()
        assert settings(connection) == before


def test_names_of_the_database_are_not_taken_for_the_servers(stocked: Database) -> None:
    """Nobody runs code of the database's owner by reading its catalogue."""
    stocked.rows(f'ALTER SCHEMA public OWNER TO "{stocked.user}"', superuser=True)
    stocked.rows("CREATE FUNCTION public.format_type(oid, int) RETURNS text LANGUAGE plpgsql AS "
                 "'BEGIN RAISE EXCEPTION ''trapped''; END'")
    assert read(stocked, "search_path=public,pg_catalog")["tables"]["items"]["columns"]["other"]["type"] == "integer"


def test_a_held_table_is_not_waited_for_longer_than_asked(stocked: Database) -> None:
    with stocked.locked("parts"):
        assert "parts" in read(stocked, "lock_timeout=300")["tables"]
    with stocked.locked("items"), pytest.raises(psycopg2.errors.LockNotAvailable):
        read(stocked, "lock_timeout=300")


def test_what_statements_change(stocked: Database) -> None:
    before = read(stocked)
    stocked.rows("""
        DROP TABLE parts CASCADE; CREATE TABLE anew (id int);
        ALTER TABLE items DROP COLUMN mood, ALTER COLUMN label TYPE text, ALTER COLUMN label DROP NOT NULL,
            ADD COLUMN note text, DROP COLUMN double, ALTER COLUMN added SET NOT NULL;
        ALTER TYPE mood ADD VALUE 'middle' BEFORE 'high'; DROP DOMAIN "Old Stock".weight CASCADE;
        ALTER SEQUENCE free_numbers RENAME TO numbers""")
    assert compare(before, read(stocked)) == [
        Change("drop-column", "Old Stock.Mixed Case.Weight", '"Old Stock".weight'),
        Change("drop-constraint", "Old Stock.Mixed Case.of_part",
               "FOREIGN KEY (part, day) REFERENCES public.parts(id, day)"),
        Change("new-table", "anew"),
        Change("change-column", "items.added", "null -> not null"),
        Change("drop-column", "items.double", "integer"),
        Change("change-column", "items.label", "character varying(20) -> text"),
        Change("change-column", "items.label", "not null -> null"),
        Change("drop-column", "items.mood", "mood"),
        Change("new-column", "items.note", "text"),
        Change("drop-index", "items.items_lower", before["tables"]["items"]["indexes"]["items_lower"]),
        Change("new-index", "items.items_lower",
               "CREATE INDEX items_lower ON public.items USING btree (lower(label)) WHERE (other > 5)"),
        Change("drop-table", "parts"), Change("drop-table", "parts_2024"),
        Change("drop-type", "Old Stock.weight", "numeric(10,2), NOT NULL, CHECK ((VALUE > (0)::numeric))"),
        Change("change-type", "mood", "low, high -> low, middle, high"),
        Change("drop-sequence", "free_numbers"), Change("new-sequence", "numbers")]
