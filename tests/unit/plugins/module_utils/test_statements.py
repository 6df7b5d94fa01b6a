# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rendered SQL: where a statement ends, and what it takes away."""

from __future__ import annotations

import time

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._statements import Act, acts, read, split

OTHER = Act("other", "")


@pytest.mark.parametrize(("text", "statements"), [
    ("", []),
    (" ;; ; ", []),
    ("-- nothing; at all\n/* nor; here */", []),
    ("BEGIN; DELETE FROM a;\n\nCOMMIT;", ["BEGIN", "DELETE FROM a", "COMMIT"]),
    ("DELETE FROM a", ["DELETE FROM a"]),
    ("-- Running downgrade b -> a\n\nDROP TABLE t;\n", ["DROP TABLE t"]),
    ("SELECT ';', 'it''s; so', E'it\\'s; so', \"a;\"\"b\"; SELECT 2",
     ["SELECT ';', 'it''s; so', E'it\\'s; so', \"a;\"\"b\"", "SELECT 2"]),
    ("SELECT 'C:\\'; SELECT 2", ["SELECT 'C:\\'", "SELECT 2"]),
    ("SELECT type'a\\'; SELECT 2", ["SELECT type'a\\'", "SELECT 2"]),  # ends a word, begins no string of its own
    ("DO $$ BEGIN DELETE FROM a; END $$; SELECT $x$ $$ ; $x$",
     ["DO $$ BEGIN DELETE FROM a; END $$", "SELECT $x$ $$ ; $x$"]),
    ("SELECT a$b$c; SELECT $1; SELECT $2", ["SELECT a$b$c", "SELECT $1", "SELECT $2"]),
    ("SELECT 1 /* one; /* two; */ three; */; SELECT '--;', 2 -- ;", ["SELECT 1", "SELECT '--;', 2"]),
    ("CREATE RULE r AS ON DELETE TO a DO (SELECT 1; SELECT 2); SELECT 3",
     ["CREATE RULE r AS ON DELETE TO a DO (SELECT 1; SELECT 2)", "SELECT 3"]),
    ("CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END; SELECT 3",
     ["CREATE OR REPLACE FUNCTION f() BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END", "SELECT 3"]),
    ("SELECT 'never closed; DELETE FROM a", ["SELECT 'never closed; DELETE FROM a"]),
    ("SELECT $$never closed; DELETE FROM a", ["SELECT $$never closed; DELETE FROM a"]),
    ("SELECT E'\\", ["SELECT E'\\"]),
    ("SELECT 1 /* never closed; DELETE FROM a", ["SELECT 1"]),
    ("SELECT 1); SELECT 2", ["SELECT 1)", "SELECT 2"]),
])
def test_where_a_statement_ends(text: str, statements: list[str]) -> None:
    assert split(text) == statements


@pytest.mark.parametrize(("statement", "act"), [
    ("DELETE FROM categories", Act("delete", "categories")),
    ("delete from only public.Categories *", Act("delete", "categories")),
    ('DELETE FROM "public"."Mixed ""Case"""', Act("delete", 'Mixed "Case"')),
    ("DELETE FROM stock.items WHERE a = 'x' -- those\n AND (b = 1 OR c IN (SELECT 1)) RETURNING id",
     Act("delete", "stock.items", "a = 'x'  \n AND (b = 1 OR c IN (SELECT 1))")),
    ("DELETE FROM db.public.items", Act("delete", "items")),
    ("DELETE FROM items AS i", Act("delete", "items")),
    ('DELETE FROM items "I" RETURNING *', Act("delete", "items")),
    ("DELETE FROM items i WHERE i.id = 1", Act("other", "items")),  # the condition does not stand alone
    ("DELETE FROM items USING others WHERE items.id = others.id", Act("other", "items")),
    ("DELETE FROM items i USING others", Act("other", "items")),
    ("DELETE FROM items WHERE CURRENT OF c", OTHER),
    ("UPDATE items SET name = 'x, y', \"Other\" = (SELECT max(a) FROM b), (c, d) = (1, 2) WHERE id > 3",
     Act("update", "items", "id > 3", ("name", "Other", "c", "d"))),
    ("UPDATE items SET a[1] = f(1, 2), b = a IS DISTINCT FROM c", Act("update", "items", "", ("a", "b"))),
    ("UPDATE items AS i SET a = 1", Act("update", "items", "", ("a",))),
    ("UPDATE items i SET a = 1 WHERE i.b = 2", Act("other", "items")),
    ("UPDATE items SET a = o.a FROM others o WHERE o.id = items.id", Act("other", "items")),
    ("UPDATE items", OTHER),
    ("TRUNCATE TABLE ONLY items RESTART IDENTITY", Act("truncate", "items")),
    ("TRUNCATE items CASCADE", Act("truncate", "items", cascade=True)),
    ("DROP TABLE IF EXISTS stock.items", Act("drop-table", "stock.items")),
    ("DROP TABLE items CASCADE", Act("drop-table", "items", cascade=True)),
    ("DROP TYPE mood", Act("drop-type", "mood")),
    ("DROP DOMAIN IF EXISTS weight CASCADE", Act("drop-type", "weight", cascade=True)),
    ("ALTER TABLE items DROP COLUMN a", Act("drop-column", "items", "", ("a",))),
    ('ALTER TABLE IF EXISTS ONLY public.items DROP COLUMN IF EXISTS a CASCADE, DROP "B c", ADD d numeric(1, 2),'
     ' DROP CONSTRAINT e, ALTER d SET DEFAULT 1', Act("drop-column", "items", "", ("a", "B c"), True)),
    ("ALTER TABLE items ALTER COLUMN a TYPE int USING a::int", Act("other", "items", columns=("a",))),
    ("ALTER TABLE items ALTER a SET DATA TYPE int", Act("other", "items", columns=("a",))),
    ("ALTER TABLE items DROP a, ALTER b TYPE text", Act("other", "items")),
    ("ALTER TABLE items RENAME TO things", Act("other", "items")),
    ("ALTER TABLE items SET SCHEMA elsewhere", Act("other", "items")),
    ("ALTER TABLE items DETACH PARTITION a", Act("other", "items")),
    ("ALTER TYPE mood RENAME TO moods", OTHER),
    ("CREATE UNLOGGED TABLE IF NOT EXISTS public.items (id int)", Act("create-table", "items")),
    ("CREATE TABLE items AS SELECT f()", Act("create-table", "items")),
    ("INSERT INTO items VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", Act("other", "items")),
    ("TRUNCATE a, b", Act("other", "a")),
    ("DROP TABLE a, b", Act("other", "a")),
    ("DELETE FROM a; DELETE FROM b", Act("other", "a")),
    ("DO $$ BEGIN DELETE FROM a; END $$", OTHER),
    ("CALL tidy()", OTHER),
    ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", OTHER),
    ("EXECUTE p", OTHER),
    ("SELECT tidy()", OTHER),
    ("SELECT * INTO a FROM b", OTHER),
    ("WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone", OTHER),
    ("DROP SCHEMA stock CASCADE", OTHER),
    ("DROP SEQUENCE numbers CASCADE", OTHER),
    ("DROP OWNED BY me", OTHER),
    ("DELETE FROM", OTHER),
    ("?", OTHER),
])
def test_what_a_statement_takes_away(statement: str, act: Act) -> None:
    assert read(statement) == act


@pytest.mark.parametrize("statement", [
    "", "-- nothing", "BEGIN", "COMMIT", "SET search_path TO a", "COMMENT ON TABLE a IS 'DELETE FROM a'",
    "CREATE INDEX ON a (b)", "CREATE TEMP TABLE t (id int)", "CREATE TYPE mood AS ENUM ('a')",
    "CREATE VIEW v AS SELECT 1", "DROP INDEX i", "DROP VIEW v", "DROP SEQUENCE s", "DROP TRIGGER t ON a",
    "DROP MATERIALIZED VIEW v",
    "ALTER TABLE a ADD COLUMN b int, ADD CONSTRAINT c CHECK (b > 0)", "ALTER TABLE a DROP CONSTRAINT c CASCADE",
    "ALTER TABLE a ALTER b DROP NOT NULL, ALTER COLUMN c DROP DEFAULT", "ALTER TABLE a RENAME CONSTRAINT b TO c",
    "ALTER TABLE a DISABLE TRIGGER USER", "ALTER TABLE a SET (fillfactor = 70)", "ALTER TYPE mood ADD VALUE 'b'",
    "ALTER INDEX a RENAME TO b", "ALTER SEQUENCE s RESTART", "INSERT INTO a VALUES ('do update')",
    "INSERT INTO a SELECT * FROM b ON CONFLICT DO NOTHING", "SELECT 1", "SELECT setval('s', 1)",
    "SELECT count(*) FROM a WHERE b IN (1, 2) FOR UPDATE", "WITH a AS (SELECT 1) SELECT * FROM a",
    "SELECT pg_catalog.set_config('search_path', '', false)",
])
def test_what_takes_nothing_away(statement: str) -> None:
    assert read(statement) is None


def test_a_text_is_read_to_its_end_and_every_table_of_a_statement() -> None:
    assert acts("""
        BEGIN;
        -- Running downgrade b -> a
        TRUNCATE a, stock.b CASCADE;
        DROP TABLE c, d;
        ALTER TABLE e DROP COLUMN x, DROP COLUMN y, ALTER COLUMN z TYPE text;
        UPDATE alembic_version SET version_num='a' WHERE alembic_version.version_num = 'b';
        COMMIT;""") == [
        Act("truncate", "a", cascade=True), Act("truncate", "stock.b", cascade=True), Act("drop-table", "c"),
        Act("drop-table", "d"), Act("drop-column", "e", "", ("x", "y")), Act("other", "e", columns=("z",)),
        Act("update", "alembic_version", "alembic_version.version_num = 'b'", ("version_num",))]


@pytest.mark.parametrize("text", [
    "SELECT '" + "x" * 500_000, "SELECT E'" + "\\" * 500_001, 'SELECT "' + 'x""' * 100_000, "/*" * 50_000,
    "$a" * 50_000, "(" * 50_000], ids=["string", "escapes", "quoted", "comments", "dollars", "parentheses"])
def test_a_hostile_text_takes_no_time(text: str) -> None:
    began = time.monotonic()
    acts(text)
    assert time.monotonic() - began < 5
