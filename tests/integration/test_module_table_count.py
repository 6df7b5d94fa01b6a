# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""table_count: what it says of a table is true, and the same wherever and however it is asked."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    NOWHERE,
    Answer,
    Database,
    Started,
    clean_environment,
    common_args,
    run_module,
    wait_for,
)
from psycopg2.sql import SQL, Identifier


def count(database: Database, *checks: dict[str, Any], **options: Any) -> Answer:
    return run_module("table_count", **{**common_args(database), "checks": list(checks), **options})


def survey(database: Database, **options: Any) -> dict[str, Any]:
    found = count(database, everything=True, **options)
    assert not found.get("failed"), found
    tables: dict[str, Any] = found["tables"]
    return tables


def fingerprints(tables: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {name: (measured["rows"], measured["fingerprint"]) for name, measured in tables.items()}


def result(found: Answer, check: str) -> str:
    return str(next(entry["result"] for entry in found["results"] if entry["id"] == check))


KINDS = """
CREATE TYPE mood AS ENUM ('bad', 'good');
CREATE TYPE pair AS (a int, b text);
CREATE TABLE kinds (
    id int PRIMARY KEY, f4 real, f8 double precision, b bytea, j json, jb jsonb, tz timestamptz, ts timestamp,
    iv interval, ints int[], texts text[], d date, t time with time zone, n numeric, u uuid, m mood, p pair,
    r tstzrange, o regclass, x inet, "Mixed Case" text, money_like numeric(12, 2));
INSERT INTO kinds VALUES
    (1, 0.1, 1 / 3.0::float8, '\\xdeadbeef00', '{"b": 1,   "a": 2}', '{"b": 1, "a": 2}', '2026-03-29 02:30+01',
     '2026-03-29 02:30', '1 year 2 mons -3 days 04:05:06.7', '{1,NULL,3}', '{"a b","c\\"d","",NULL,"NULL"}',
     '2026-12-31', '04:05:06+02', 1.10, '11111111-2222-3333-4444-555555555555', 'good', ROW(1, 'x, "y"'),
     '[2026-01-01 00:00+00,2026-02-01 00:00+00)', 'pg_class', '10.0.0.1/8', 'é ü 漢 ''quoted''', 12.50),
    (2, 'NaN', '-Infinity', '', 'null', '[]', 'infinity', '-infinity', '0', '{}', '{}', 'infinity', '00:00+00', 'NaN',
     NULL, 'bad', ROW(NULL, ''), 'empty', 'kinds', '::1', '', 0),
    (3, 1e-30, 0.1 + 0.2, repeat('\\000', 10)::bytea, '{}', '{"x": [1.10, 1e5]}', '1900-01-01 00:00+00', NULL,
     '-00:00:01', '{{1,2},{3,4}}', NULL, '0044-03-15 BC', NULL, 123456789012345678901234567890.123, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL),
    (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
     NULL, E'line\\nbreak\\ttab\\\\', NULL);
"""


# Counts and what they mean


@pytest.mark.both_runtimes
def test_counts_equal_the_truth_with_and_without_a_filter(database: Database) -> None:
    checks = {
        "all": ("dom_category", None), "level-1": ("public.dom_category", "level = 1"),
        "percent": ("dom_category", "label LIKE 'L%' AND 7 % 2 = 1"), "two": ("users", "true OR false"),
        "subquery": ("ligne_depot", "dom_category_id IN (SELECT id FROM public.dom_category WHERE level = 1)"),
        "comment": ("users", "role = 'admin' -- the chief\n"), "empty-text": ("sites", ""), "none": ("sites", "false"),
    }
    found = count(database, *({"id": name, "table": table, "filter": where} for name, (table, where) in checks.items()))
    assert found["counts"] == {name: database.count(f"{table} WHERE {where or 'true'}")
                               for name, (table, where) in checks.items()}
    assert (found["changed"], found["heads"], found["tables"], found["passed"]) == (False, [MIGRATION], {}, True)


def test_each_expectation_passes_and_fails(database: Database) -> None:
    right = {"rows": 2000, "min_rows": 2000, "max_rows": 2000}
    wrong = {"rows": 1999, "min_rows": 2001, "max_rows": 1999}
    found = count(database, *({"id": f"right-{key}", "table": "sales", key: bound} for key, bound in right.items()),
                  *({"id": f"wrong-{key}", "table": "sales", key: bound} for key, bound in wrong.items()),
                  {"id": "zero", "table": "sales", "rows": 0}, {"id": "none", "table": "sales", "max_rows": 0},
                  {"id": "mild", "table": "sales", "rows": 1, "severity": "warn"},
                  {"id": "other-state", "table": "sales", "rows": 1, "expectation": "migrated"})
    results = {entry["id"]: entry["result"] for entry in found["results"]}
    assert results == {**{f"right-{key}": "pass" for key in right}, **{f"wrong-{key}": "fail" for key in wrong},
                       "zero": "fail", "none": "fail", "mild": "warn"}
    assert found["passed"] is False
    assert "failed" not in found
    assert "zero is 2000 rows, expected 0 rows" in found["told"]
    assert found["counts"]["other-state"] == 2000  # measured all the same

    found = count(database, {"id": "mild", "table": "sales", "rows": 1, "severity": "warn"}, expectation="migrated")
    assert found["passed"] is True


def test_absent_tables(database: Database) -> None:
    table = {"table": "settings_of_old"}
    checks = [{"id": "fail", **table}, {"id": "pass", **table, "absent": "pass", "rows": 0},
              {"id": "accepted", **table, "absent": "accepted"}, {"id": "schema", "table": "nowhere.settings"},
              {"id": "filtered", **table, "filter": "level = 1"}]
    found = count(database, *checks)
    assert found["counts"] == {"fail": None, "pass": None, "accepted": None, "schema": None, "filtered": None}
    assert {entry["id"]: entry["result"] for entry in found["results"]} == {
        "fail": "fail", "pass": "pass", "accepted": "fail", "schema": "fail", "filtered": "fail"}
    assert result(count(database, *checks, accept=["drop-table:settings_of_old"]), "accepted") == "pass"


def test_recorded_revisions_are_judged_as_a_set(make_database: Callable[..., Database]) -> None:
    database = make_database("branched", "head")
    both = ["f4g5h6i7j8k9", "24b194c1b790"]
    assert result(count(database, expected_heads=both), "recorded-revisions") == "pass"
    for wrong in (both[:1], [*both, MIGRATION], []):
        found = count(database, expected_heads=wrong)
        assert result(found, "recorded-revisions") == "fail"
        assert found["passed"] is False


def test_a_database_without_a_version_table(empty: Database) -> None:
    found = count(empty, everything=True, expected_heads=[])
    assert (found["heads"], found["tables"]) == (None, {})
    assert result(found, "recorded-revisions") == "pass"


# Fingerprints


@pytest.fixture
def kinds(empty: Database) -> Database:
    empty.rows(KINDS)
    return empty


def test_equal_after_dump_and_restore(kinds: Database, make_database: Callable[..., Database], tmp_path: Path) -> None:
    kinds.rows("CREATE TABLE big AS SELECT i, md5(i::text) AS text FROM generate_series(1, 5000) i")
    other = make_database("guide", None)
    dump = tmp_path / "dump"
    for program, *arguments in (("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={kinds.url}"),
                                ("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={other.url}", str(dump))):
        subprocess.run([kinds.server.bin_dir / program, *arguments], check=True, env=clean_environment())
    found = fingerprints(survey(kinds))
    assert found["public.kinds"][0] == 4
    assert fingerprints(survey(other)) == found


def test_equal_whatever_the_order_of_rows_and_columns(kinds: Database) -> None:
    before = fingerprints(survey(kinds))
    kinds.rows("""
        ALTER TABLE kinds ADD COLUMN again text; UPDATE kinds SET again = "Mixed Case";
        ALTER TABLE kinds DROP COLUMN "Mixed Case"; ALTER TABLE kinds RENAME COLUMN again TO "Mixed Case";
        CREATE TABLE copy AS SELECT * FROM kinds; TRUNCATE kinds; INSERT INTO kinds SELECT * FROM copy ORDER BY id DESC;
        DROP TABLE copy""")
    assert fingerprints(survey(kinds)) == before


CHANGES = [
    "f8 = 0.33333333333333337", "b = '\\xdeadbeef01'", "j = '{\"b\": 1, \"a\": 2}'", "jb = '{\"b\": 1}'",
    "tz = tz + interval '1 microsecond'", "iv = iv + interval '1 microsecond'", "ints = '{1,0,3}'",
    "texts = '{\"a b\",\"c\\\"d\",\"\",NULL,NULL}'", "n = 1.1", "m = 'bad'", "p = NULL", "\"Mixed Case\" = 'é ü 漢'",
    "d = d + 1", "u = NULL", "ts = NULL", "id = 5", "f4 = 0.10000001", "r = NULL", "o = 'pg_type'", "x = NULL"]


def test_one_changed_value_shows(kinds: Database) -> None:
    for number, change in enumerate(CHANGES):
        kinds.rows(f"CREATE TABLE copy_{number} AS SELECT * FROM kinds; UPDATE copy_{number} SET {change} WHERE id = 1")
    kinds.rows("CREATE TABLE same AS SELECT * FROM kinds ORDER BY id DESC")
    tables = survey(kinds)
    assert {measured["rows"] for measured in tables.values()} == {4}
    assert tables["public.same"]["fingerprint"] == tables["public.kinds"]["fingerprint"]
    seen = {tables[f"public.copy_{number}"]["fingerprint"]: change for number, change in enumerate(CHANGES)}
    assert tables["public.kinds"]["fingerprint"] not in seen, seen.get(tables["public.kinds"]["fingerprint"])
    assert len(seen) == len(CHANGES)


def test_two_swapped_values_and_a_row_twice_show(empty: Database) -> None:
    empty.rows("CREATE TABLE pairs (a text, b text); INSERT INTO pairs VALUES ('x', 'y'), ('1', '2')")
    seen = [survey(empty)["public.pairs"]["fingerprint"]]
    for statement in ("UPDATE pairs SET a = b, b = a WHERE a = 'x'", "UPDATE pairs SET a = '1', b = '2'",
                      "UPDATE pairs SET b = NULL", "UPDATE pairs SET b = ''", "UPDATE pairs SET b = 'NULL'",
                      "UPDATE pairs SET a = '1,', b = ''", "DELETE FROM pairs"):
        empty.rows(statement)
        seen.append(survey(empty)["public.pairs"]["fingerprint"])
    assert len(set(seen)) == len(seen)


SETTINGS = {"TimeZone": "Asia/Kolkata", "DateStyle": "SQL, DMY", "IntervalStyle": "iso_8601", "bytea_output": "escape",
            "extra_float_digits": "-15", "search_path": "nowhere", "xmlbinary": "hex", "row_security": "off",
            "default_transaction_isolation": "serializable", "client_encoding": "LATIN9",
            "default_transaction_read_only": "on"}


@pytest.mark.parametrize("settings", [SETTINGS, {"quote_all_identifiers": "on"}], ids=["many", "quoting"])
@pytest.mark.parametrize("what", ["ROLE", "DATABASE"])
def test_stable_under_other_session_settings(kinds: Database, what: str, settings: dict[str, str]) -> None:
    before = fingerprints(survey(kinds))
    name = kinds.user if what == "ROLE" else kinds.name
    for setting, text in settings.items():
        quoted = text if setting == "DateStyle" else repr(text)
        kinds.rows(f'ALTER {what} "{name}" SET {setting} TO {quoted}', superuser=True)
    shown = {setting: kinds.value(f"SELECT current_setting('{setting}')") for setting in settings}
    # The driver sets these two itself.
    assert all(shown[setting] == text for setting, text in settings.items() if setting not in (
        "DateStyle", "client_encoding"))
    assert fingerprints(survey(kinds)) == before


ODD = ['say "hi"', "a.b.c", "with space", "UPPER", "table", "été 漢字", "it's", "100%", "%s", "per%%cent",
       "back\\slash", "semi;colon", "new\nline", "-- comment", "$dollar$", "x" * 63]


def test_tables_and_columns_with_odd_names(empty: Database) -> None:
    for number, name in enumerate(ODD):
        empty.rows(SQL("CREATE TABLE {0} ({0} int); INSERT INTO {0} SELECT generate_series(0, {1})").format(
            Identifier(name), SQL(str(number))))
    empty.rows('CREATE SCHEMA "My.Schema"; CREATE TABLE "My.Schema"."My.Table" ("a%b" text)')

    tables = survey(empty)

    assert {name: measured["rows"] for name, measured in tables.items()} == {
        **{f"public.{name}": number + 1 for number, name in enumerate(ODD)}, "My.Schema.My.Table": 0}
    assert all(measured["fingerprint"] is not None for measured in tables.values())


def test_checks_of_tables_with_odd_names(empty: Database) -> None:
    names = [name for name in ODD if "." not in name]
    for name in names:
        empty.rows(SQL("CREATE TABLE {0} ({0} int); INSERT INTO {0} VALUES (1), (2)").format(Identifier(name)))
    bare = [{"id": name, "table": name, "unchanged": True} for name in names]
    full = [{"id": f"public {name}", "table": f"public.{name}", "filter": "1 % 2 = 1"} for name in names]
    assert count(empty, *bare, *full)["counts"] == {check["id"]: 2 for check in bare + full}


@pytest.mark.parametrize(("limit", "exact", "fingerprinted"), [(10**9, True, True), (200_000, True, False),
                                                               (20_000, False, False), (0, False, False)])
def test_large_tables_are_counted_then_estimated(empty: Database, limit: int, exact: bool, fingerprinted: bool) -> None:
    empty.rows("CREATE TABLE large AS SELECT i, md5(i::text) AS text FROM generate_series(1, 7000) i;"
               "CREATE TABLE hollow (i int)")
    # A visibility map would otherwise come and change the size at a moment of autovacuum's choosing.
    empty.rows("VACUUM ANALYZE large")
    size = empty.value("SELECT pg_table_size('large')")
    assert 200_000 < size < 1_000_000

    tables = survey(empty, fingerprint_max_bytes=limit)

    large, hollow = tables["public.large"], tables["public.hollow"]
    assert (large["exact"], large["fingerprint"] is not None, large["bytes"]) == (exact, fingerprinted, size)
    assert large["rows"] == 7000  # fresh statistics
    assert (hollow["rows"], hollow["exact"]) == (0, True)


def test_an_estimate_is_not_called_a_count(empty: Database) -> None:
    empty.rows("CREATE TABLE large AS SELECT generate_series(1, 7000) i; ANALYZE large; DELETE FROM large WHERE i > 10")
    assert survey(empty, fingerprint_max_bytes=0)["public.large"]["exact"] is False
    checked = count(empty, {"id": "large", "table": "large", "rows": 10}, fingerprint_max_bytes=0)
    assert checked["counts"] == {"large": 10}  # a check is always exact
    assert checked["passed"] is True


# Compared with an earlier moment


@pytest.mark.both_runtimes
def test_differences_from_the_baseline(database: Database, tmp_path: Path) -> None:
    evidence = tmp_path / "before.json"
    count(database, {"id": "level-1", "table": "dom_category", "filter": "level = 1", "unchanged": True},
          {"id": "users", "table": "users", "unchanged": True}, everything=True, evidence=str(evidence))
    written = json.loads(evidence.read_text())
    assert written["tables"]["public.sales"]["rows"] == 2000
    assert written["heads"] == [MIGRATION]
    assert evidence.stat().st_mode & 0o777 == 0o600
    checks = [{"id": "level-1", "table": "dom_category", "filter": "level = 1", "unchanged": True},
              {"id": "users", "table": "users", "unchanged": True}, {"id": "new", "table": "sites", "unchanged": True}]

    same = count(database, *checks, baseline=str(evidence))
    assert {entry["id"]: entry["result"] for entry in same["results"]} == {
        "level-1": "pass", "users": "pass", "new": "skip", "other-tables-unchanged": "pass"}

    database.rows("""
        UPDATE users SET username = 'somebody' WHERE username = 'user03';
        UPDATE dom_category SET label = 'renamed' WHERE level = 2;
        DELETE FROM sale_items WHERE id = (SELECT id FROM sale_items LIMIT 1);
        DELETE FROM categories;
        CREATE TABLE newcomer (); ALTER TABLE ligne_depot RENAME TO lignes""")
    found = count(database, *checks, baseline=str(evidence), concerned=["categories"])
    results = {entry["id"]: (entry["result"], entry["observed"]) for entry in found["results"]}
    assert results["level-1"][0] == "pass"  # only other levels were renamed
    assert results["users"] == ("fail", "12 rows, other content")
    judged, observed = results["other-tables-unchanged"]
    assert judged == "fail"
    assert sorted(observed.split("; ")) == [
        "public.dom_category: other content in its 20 rows", "public.ligne_depot: gone (it held 1500 rows)",
        "public.lignes: new (1500 rows)", "public.newcomer: new (0 rows)",
        "public.sale_items: 5000 rows became 4999", "public.users: other content in its 12 rows"]
    assert found["passed"] is False


def test_a_baseline_that_is_not_there_is_refused(database: Database, tmp_path: Path) -> None:
    half = tmp_path / "half.json"
    half.write_text('{"tables": {"public.users"')
    for path in (tmp_path / "nowhere.json", half):
        refused = count(database, baseline=str(path))
        assert (refused["problem"], refused["outcome"]) == ("baseline_missing", "refused")
        assert str(path) in refused["msg"]


def test_all_checks_see_one_moment(database: Database, start_module: Callable[..., Started]) -> None:
    # While the module waits for one table, another session commits: what it counts later is of the same snapshot.
    checks = [{"id": "first", "table": "sites"}, {"id": "second", "table": "users"}, {"id": "third", "table": "sites"}]
    with database.locked("users"):
        module = start_module("table_count", **common_args(database), checks=checks)
        wait_for(database.waiting, "the module at the lock")
        database.rows("DELETE FROM ligne_depot; DELETE FROM ticket_depot; DELETE FROM sale_items; DELETE FROM sales;"
                      "DELETE FROM cash_sessions; DELETE FROM sites")
    assert module.answer()["counts"] == {"first": 3, "second": 12, "third": 3}
    assert database.count("sites") == 0


# Refused, and harmless


def test_a_filter_the_server_does_not_understand(database: Database) -> None:
    dump = database.dump()
    for where in ("level = ", "no_such_column = 1", "level = 1; DROP TABLE users", "1", "level = 1)", "level / 0 = 1",
                  "%s", "(", "pg_sleep('x')"):
        refused = count(database, {"id": "odd", "table": "dom_category", "filter": where})
        assert (refused["problem"], refused["outcome"]) == ("count_failed", "refused"), where
        assert where in refused["msg"]
        assert "dom_category" in refused["msg"]
    assert database.dump() == dump


@pytest.mark.parametrize(
    "where",
    ["public.forget(id)", "nextval('public.counter') > 0", "lo_create(0) > 0",
     "true); COMMIT; DELETE FROM public.sale_items; --",
     "true); ROLLBACK; BEGIN; DELETE FROM public.sale_items; COMMIT; SELECT (1",
     "true); COMMIT; SELECT public.forget_all() --"],
    ids=["function", "sequence", "large-object", "commit-delete", "own-transaction", "commit-function"])
def test_a_filter_cannot_write(database: Database, where: str) -> None:
    database.rows("""
        CREATE SEQUENCE counter;
        CREATE FUNCTION forget(anything anyelement) RETURNS boolean LANGUAGE plpgsql AS
            $$BEGIN DELETE FROM public.sale_items; RETURN true; END$$;
        CREATE FUNCTION forget_all() RETURNS bigint LANGUAGE sql AS
            $$DELETE FROM public.sale_items; SELECT 1::bigint$$""")
    dump = database.dump()
    refused = count(database, {"id": "odd", "table": "users", "filter": where})
    assert database.dump() == dump
    assert refused["problem"] == "count_failed"


def test_two_checks_of_one_name_are_refused(database: Database) -> None:
    refused = count(database, {"id": "twice", "table": "users"}, {"id": "once", "table": "users"},
                    {"id": "twice", "table": "sites"})
    assert (refused["problem"], refused["outcome"]) == ("checks_share_id", "refused")
    assert "twice" in refused["msg"]


def test_a_role_that_can_only_read(database: Database, databases: Any) -> None:
    reader = Database(database.server, database.name, f"reader of {database.name}", "only-reads-%40", database.history)
    databases.role(reader.user, reader.password)
    try:
        database.rows(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{reader.user}"')
        assert fingerprints(survey(reader)) == fingerprints(survey(database))
        database.rows(f'REVOKE SELECT ON users FROM "{reader.user}"')
        refused = count(reader, everything=True)
        assert (refused["problem"], refused["facts"]["table"]) == ("table_unreadable", "public.users")
        assert "permission denied" in refused["msg"]
    finally:
        database.rows(f'DROP OWNED BY "{reader.user}"', superuser=True)
        databases.superuser(SQL("DROP ROLE {}").format(Identifier(reader.user)))


def test_rows_hidden_by_a_policy_are_not_passed_over(database: Database) -> None:
    database.rows("""ALTER TABLE sites ENABLE ROW LEVEL SECURITY; ALTER TABLE sites FORCE ROW LEVEL SECURITY;
                     CREATE POLICY part ON sites USING (city = 'Brest')""")
    found = count(database, {"id": "sites", "table": "sites", "max_rows": 1})
    assert found.get("problem") == "table_unreadable", found["counts"]  # three rows are there


def test_a_locked_table_does_not_hang_the_module(database: Database) -> None:
    with database.locked("users"):
        refused = count(database, {"id": "users", "table": "users"})
    assert refused["problem"] == "table_unreadable"
    assert "lock timeout" in refused["msg"]


@pytest.mark.both_runtimes
def test_wrong_password_and_no_server_are_told_apart(database: Database) -> None:
    wrong = run_module("table_count", **{**common_args(database), "login_password": "wrong-password"})
    assert (wrong["problem"], wrong["outcome"]) == ("database_refuses", "refused")
    nobody = run_module("table_count", **{**common_args(database), **NOWHERE})
    assert (nobody["problem"], nobody["outcome"]) == ("server_unreachable", "refused")
