# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""manual_rollback: one transaction, whole or not at all; what refers to the rows, and a record that does not lie."""
from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    Answer,
    Database,
    Started,
    alembic_args,
    common_args,
    run_module,
    wait_for,
)
from psycopg2.sql import SQL, Identifier

from ansible_collections.recyclic.rollback.plugins.module_utils import _manual_perform as performing
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    advisory_lock,
    recorded_heads,
    target_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal
from ansible_collections.recyclic.rollback.plugins.module_utils._manual import Manual, Removal, transact

MakeDatabase = Callable[..., Database]
TO = "9a2b3c4d5e6f"
IMPATIENT = {"lock_timeout": 400, "retries": 1, "retry_delay": 0}
LINES_KEY = "ligne_depot_category_id_fkey"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    made = tmp_path / "state" / "runs" / "20260101T000000Z-a1b2c3"
    made.mkdir(parents=True)
    return made


def planned(run_dir: Path, before: list[str], after: list[str], verdict: str = "safe", reasons: tuple[str, ...] = (),
            tables: tuple[str, ...] = ("categories",)) -> None:
    """The parts of a plan that the module rests on."""
    (run_dir / "plan.json").write_text(json.dumps({
        "from_heads": before, "to_heads": after, "purpose": dict.fromkeys(tables, 17),
        "routes": {"manual": {"verdict": verdict, "reasons": list(reasons), "losses": []}}}))


def arguments(database: Database, run_dir: Path, **options: Any) -> dict[str, Any]:
    return {**common_args(database), "run_dir": str(run_dir), "remove": [{"table": "categories"}],
            "expected_heads": [MIGRATION], "to_heads": [TO], **options}


def undo(database: Database, run_dir: Path, check: bool = False, diff: bool = False, **options: Any) -> Answer:
    return run_module("manual_rollback", check, diff, **arguments(database, run_dir, **options))


def refer(database: Database, name: str = "category_id", action: str = "", null: str = "") -> int:
    """Reception lines that refer to categories, as 24b194c1b790 has it; returns how many."""
    database.rows(f"ALTER TABLE ligne_depot ADD COLUMN {name} uuid {null} REFERENCES categories {action}")
    database.rows(f"UPDATE ligne_depot l SET {name} = c.id FROM categories c JOIN dom_category d ON d.label = c.name"
                  " WHERE d.id = l.dom_category_id")
    return int(database.value(f"SELECT count({name}) FROM ligne_depot"))


def refused(database: Database, run_dir: Path, key: str, **options: Any) -> Answer:
    """Refused the same in check mode and for real, with nothing touched and no step begun."""
    dump = database.dump()
    for check in (True, False):
        answer = undo(database, run_dir, check=check, **options)
        assert (answer.get("problem"), answer.get("outcome")) == (key, "refused"), answer
    assert database.dump() == dump
    assert not Journal(str(run_dir)).acted()
    assert database.sessions() == []
    return answer


# The guide's second option, as it should have been


@pytest.mark.both_runtimes
def test_all_rows_go_and_the_record_is_set_together(database: Database, run_dir: Path) -> None:
    plan = run_module("plan_info", **alembic_args(database), migration=MIGRATION, concerned=["categories"],
                      run_dir=str(run_dir))
    assert plan["plan"]["routes"]["manual"]["verdict"] in ("safe", "needs_acceptance"), plan
    dump = database.dump()
    shown = undo(database, run_dir, check=True, diff=True)
    assert (shown["changed"], shown["removed"], shown["executed_commands"]) == (True, {"categories": 17}, [])
    assert shown["diff"]["before"] == f"{MIGRATION}\ncategories: 17 rows to remove\n"
    assert shown["diff"]["after"] == f"{TO}\ncategories: 0 rows to remove\n"
    assert 'TRUNCATE "public"."categories";' in shown["diff"]["prepared"]
    assert database.dump() == dump

    answer = undo(database, run_dir)

    assert answer.get("msg") is None
    assert (answer["changed"], answer["removed"], answer["attempts"]) == (True, {"categories": 17}, 1)
    assert (answer["heads_before"], answer["heads_after"]) == ([MIGRATION], [TO])
    assert (database.count("categories"), database.heads()) == (0, {TO})
    assert database.count("dom_category") > 0
    assert database.sessions() == []
    again = undo(database, run_dir)
    assert (again["changed"], again["removed"], again["left"], again["executed_commands"]) == (False, {}, {}, [])
    steps = [line for line in Journal(str(run_dir)).lines() if line["step"] == "manual_rollback"]
    assert [(line["event"], line.get("result")) for line in steps] == [("begun", None), ("ended", "ok")]
    assert steps[1]["commands"] == answer["executed_commands"]
    # The history goes on from there.
    database.alembic("upgrade", "head")
    assert (database.count("categories"), database.heads()) == (14, {MIGRATION})


def test_the_commands_can_be_typed(make_database: MakeDatabase, run_dir: Path) -> None:
    first, second = make_database("guide", "migration"), make_database("guide", "migration")
    planned(run_dir, [MIGRATION], [TO])
    for database in (first, second):
        refer(database)
    commands = undo(first, run_dir, references={LINES_KEY: "set_null"})["executed_commands"]
    assert (commands[0], commands[-1]) == ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;", "COMMIT;")
    connection = second.connect()
    connection.autocommit = True
    with connection.cursor() as cursor:
        for command in commands:
            cursor.execute(command)
    connection.close()
    # Where autovacuum was meanwhile, rows that were changed lie elsewhere.
    dumps = second.dump().replace(second.user, first.user), first.dump()
    assert sorted(dumps[0].splitlines()) == sorted(dumps[1].splitlines())
    assert not [command for command in commands if not command.endswith(";") or "\n" in command]


def test_somebody_who_only_looks_is_not_waited_for(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    looker = database.connect()
    try:
        with looker.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM categories")
        answer = undo(database, run_dir, **IMPATIENT)
    finally:
        looker.close()
    assert (answer["attempts"], answer["removed"]) == (1, {"categories": 17})
    assert any(command.startswith("DELETE FROM") and "categories" in command for command in answer["executed_commands"])


@pytest.mark.parametrize(("history", "before", "after"), [
    ("branched", ["24b194c1b790", "f4g5h6i7j8k9"], ["f4g5h6i7j8k9", "g1h2i3j4k5l6"]),
    ("guide", [MIGRATION, "an0therbranc"], [TO, "an0therbranc"]), ("guide", [MIGRATION], []),
    ("guide", [MIGRATION], [TO, "b0th", "h3re"])])
def test_revisions_are_set_as_a_set(make_database: MakeDatabase, run_dir: Path, history: str, before: list[str],
                                    after: list[str]) -> None:
    database = make_database(history, "head" if history == "branched" else "migration")
    database.stamp(*before)
    planned(run_dir, before, after)
    references = {LINES_KEY: "set_null"} if history == "branched" else {}
    if references:
        names = database.rows("SELECT conname FROM pg_constraint WHERE confrelid = 'categories'::regclass AND"
                              " conrelid = 'ligne_depot'::regclass")
        references = {names[0][0]: "set_null"}
    answer = undo(database, run_dir, expected_heads=before[::-1], to_heads=after[::-1], references=references)
    assert answer.get("msg") is None
    assert (database.heads(), answer["heads_after"]) == (set(after), sorted(after))
    assert database.count("categories") == 0


@pytest.mark.parametrize("recorded", [[MIGRATION, "f4g5h6i7j8k9"], ["24b194c1b790"], []])
def test_other_recorded_revisions_are_refused(database: Database, run_dir: Path, recorded: list[str]) -> None:
    database.stamp(*recorded)
    planned(run_dir, [MIGRATION], [TO])
    refused(database, run_dir, "moved_since_plan")


# A record that would lie


def test_without_a_plan_nothing_is_done(database: Database, run_dir: Path) -> None:
    assert "ansible-playbook rollback.yml" in refused(database, run_dir, "manual_needs_plan")["msg"]
    (run_dir / "plan.json").write_text("{")
    refused(database, run_dir, "manual_needs_plan")
    planned(run_dir, [MIGRATION], [TO])
    plan = json.loads((run_dir / "plan.json").read_text())
    del plan["routes"]["manual"]
    (run_dir / "plan.json").write_text(json.dumps(plan))
    refused(database, run_dir, "manual_needs_plan")


def test_what_the_plan_does_not_bear_is_refused(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO], "impossible", ("because of this", "and of that"))
    assert "because of this; and of that" in refused(database, run_dir, "manual_would_lie")["msg"]
    planned(run_dir, [MIGRATION], ["g1h2i3j4k5l6"])
    refused(database, run_dir, "manual_not_planned")
    planned(run_dir, ["an0therbranc"], [TO])
    refused(database, run_dir, "moved_since_plan")
    planned(run_dir, [MIGRATION], [TO])
    refused(database, run_dir, "manual_not_the_plans", remove=[{"table": "categories"}, {"table": "users"}])
    refused(database, run_dir, "manual_not_the_plans", remove=[])
    planned(run_dir, [MIGRATION], [TO], tables=("categories", "users"))
    refused(database, run_dir, "manual_not_the_plans")


def test_the_true_revision_is_named(make_database: MakeDatabase, run_dir: Path) -> None:
    database = make_database("chain", "migration")
    plan = run_module("plan_info", **alembic_args(database), migration=MIGRATION, concerned=["categories"],
                      to_revision=TO, run_dir=str(run_dir))["plan"]
    [_crosses, true] = plan["routes"]["manual"]["reasons"]
    assert true == "after removing the rows by hand the true revision would be g1h2i3j4k5l6"
    answer = refused(database, run_dir, "manual_would_lie")
    assert "the true revision would be g1h2i3j4k5l6" in answer["msg"]


def test_what_the_plan_was_told_of_references_is_what_is_done(database: Database, run_dir: Path) -> None:
    database.rows("CREATE TABLE labels (id int, category uuid REFERENCES categories ON DELETE CASCADE)")
    database.rows("INSERT INTO labels SELECT 1, id FROM categories")

    def route(**references: str) -> Any:
        return run_module("plan_info", **alembic_args(database), migration=MIGRATION, concerned=["categories"],
                          references=references, run_dir=str(run_dir))["plan"]["routes"]["manual"]

    left_open = route()
    assert left_open["verdict"] == "impossible"
    assert '"labels_category_fkey": "set_null"' in left_open["reasons"][0]
    refused(database, run_dir, "manual_would_lie")
    assert route(labels_fkey="cascade")["verdict"] == "impossible"
    declared = route(labels_category_fkey="set_null")
    assert (declared["verdict"], [loss["id"] for loss in declared["losses"]]) == (
        "needs_acceptance", ["change-rows:labels"])
    assert declared["losses"][0]["rows"] == 17
    answer = undo(database, run_dir, references={"labels_category_fkey": "set_null"})
    assert answer.get("msg") is None
    assert (database.value("SELECT count(*) - count(category) FROM labels"), database.heads()) == (17, {TO})


# Which rows


@pytest.mark.parametrize(("key", "remove"), [
    ("manual_rows_expected", {"rows": 14}),
    ("manual_rows_expected", {"filter": "name = 'Luminaires'", "rows": 2}),
    ("manual_finds_nothing", {"filter": "name = 'nobody''s'"}),
    ("manual_uncountable", {"filter": "nam = 'x'"}),
    ("manual_uncountable", {"filter": "1 = 1;"}),
    ("manual_filter_several", {"filter": "true); DELETE FROM sites; SELECT (true"}),
    ("manual_no_table", {"table": "categorie"}),
])
def test_rows_that_are_not_meant(database: Database, run_dir: Path, key: str, remove: dict[str, Any]) -> None:
    planned(run_dir, [MIGRATION], [TO], tables=(remove.get("table", "categories"),))
    refused(database, run_dir, key, remove=[{"table": "categories", **remove}])


def test_a_filter_only_looks_where_nothing_is_to_do(database: Database, run_dir: Path) -> None:
    database.stamp(TO)
    planned(run_dir, [MIGRATION], [TO])
    refused(database, run_dir, "manual_filter_several",
            remove=[{"table": "categories", "filter": "true); DELETE FROM sites; SELECT (true"}])
    # A function that writes is stopped by the server.
    database.rows("CREATE FUNCTION writes() RETURNS bool LANGUAGE sql AS $$ DELETE FROM categories; SELECT true $$")
    answer = undo(database, run_dir, remove=[{"table": "categories", "filter": "writes()"}])
    assert "read-only" in answer["msg"] and database.count("categories") == 17
    answer = undo(database, run_dir)
    assert (answer["changed"], answer["left"]) == (False, {"categories": 17})


def test_a_filter_leaves_the_rest(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    wanted = "name IN (SELECT label FROM dom_category) AND name NOT LIKE '100%' -- the migration's"
    database.rows("UPDATE categories SET parent_id = NULL")
    answer = undo(database, run_dir, remove=[{"table": "categories", "filter": wanted, "rows": 14}])
    assert answer.get("msg") is None
    assert (answer["removed"], database.count("categories"), database.heads()) == ({"categories": 14}, 3, {TO})


def test_rows_within_their_own_table(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    [(key,)] = database.rows("SELECT conname FROM pg_constraint WHERE conrelid = confrelid AND"
                             " conrelid = 'categories'::regclass")
    # Two generations below a row of the migration's.
    database.rows("INSERT INTO categories (id, name, parent_id) SELECT gen_random_uuid(), 'grandchild', id"
                  " FROM categories WHERE parent_id IS NOT NULL LIMIT 1")
    wanted = [{"table": "categories", "filter": "name IN (SELECT label FROM dom_category)"}]
    assert f"{key}: categories (parent_id) -> categories: 1" in refused(
        database, run_dir, "manual_referenced", remove=wanted)["msg"]
    answer = undo(database, run_dir, remove=wanted, references={key: "cascade"})
    assert answer.get("msg") is None
    assert answer["removed"] == {"categories": 16}
    assert database.count("categories") == 2


def test_a_policy_that_hides_rows_is_an_error(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    database.rows("CREATE POLICY few ON categories USING (name <> 'Luminaires')")
    database.rows("ALTER TABLE categories ENABLE ROW LEVEL SECURITY")
    database.rows("ALTER TABLE categories FORCE ROW LEVEL SECURITY")
    assert "row-level security" in refused(database, run_dir, "manual_uncountable")["msg"]


def test_rights_that_lack_are_named(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    database.rows(SQL("REVOKE DELETE ON categories FROM {}").format(Identifier(database.user)))
    assert "DELETE ON categories" in refused(database, run_dir, "manual_may_not")["msg"]


# What refers to them


@pytest.mark.both_runtimes
@pytest.mark.parametrize("action", ["", "ON DELETE RESTRICT", "ON DELETE CASCADE", "ON DELETE SET NULL",
                                    "DEFERRABLE INITIALLY DEFERRED"])
def test_references_stop_it_until_they_are_declared(make_database: MakeDatabase, run_dir: Path, action: str) -> None:
    database = make_database("guide", "migration")
    lines, number = database.count("ligne_depot"), refer(database, action=action)
    planned(run_dir, [MIGRATION], [TO])
    answer = refused(database, run_dir, "manual_referenced")
    assert f"{LINES_KEY}: ligne_depot (category_id) -> categories: {number}" in answer["msg"]
    line = f"""-e '{{"rollback_manual_references": {{"{LINES_KEY}": "set_null"}}}}'"""
    assert line in answer["msg"]
    refused(database, run_dir, "manual_referenced", references={LINES_KEY: "refuse"})

    done = undo(database, run_dir, references={LINES_KEY: "set_null"})

    assert done.get("msg") is None
    [reference] = [each for each in done["references"] if each["constraint"] == LINES_KEY]
    assert (reference["rows"], reference["decision"], reference["table"]) == (number, "set_null", "ligne_depot")
    assert (database.count("categories"), database.count("ligne_depot"), database.heads()) == (0, lines, {TO})
    assert database.value("SELECT count(category_id) FROM ligne_depot") == 0


def test_cascade_goes_as_far_as_it_was_declared(database: Database, run_dir: Path) -> None:
    lines, number = database.count("ligne_depot"), refer(database)
    database.rows("CREATE SCHEMA \"Other\"")
    database.rows("ALTER TABLE ligne_depot ADD UNIQUE (id, category_id)")
    database.rows("CREATE TABLE \"Other\".\"weigh ing\" (line int, cat uuid, note text) PARTITION BY LIST (note)")
    database.rows("ALTER TABLE \"Other\".\"weigh ing\" ALTER line TYPE"
                  f" {database.value('SELECT pg_typeof(id)::text FROM ligne_depot LIMIT 1')} USING NULL")
    database.rows("CREATE TABLE \"Other\".w1 PARTITION OF \"Other\".\"weigh ing\" DEFAULT")
    database.rows("ALTER TABLE \"Other\".\"weigh ing\" ADD CONSTRAINT pair FOREIGN KEY (line, cat)"
                  " REFERENCES ligne_depot (id, category_id)")
    database.rows("INSERT INTO \"Other\".\"weigh ing\" SELECT id, category_id, 'a' FROM ligne_depot"
                  " WHERE category_id IS NOT NULL LIMIT 5")
    database.rows("INSERT INTO \"Other\".\"weigh ing\" VALUES (NULL, NULL, 'free')")
    planned(run_dir, [MIGRATION], [TO])
    answer = refused(database, run_dir, "manual_referenced", references={LINES_KEY: "cascade"})
    assert "pair: Other.weigh ing (line, cat) -> ligne_depot: 5" in answer["msg"]

    done = undo(database, run_dir, references={LINES_KEY: "cascade", "Other.weigh ing.pair": "cascade"})

    assert done.get("msg") is None
    assert done["removed"] == {"Other.weigh ing": 5, "ligne_depot": number, "categories": 17}
    assert (database.count("ligne_depot"), database.count("\"Other\".\"weigh ing\"")) == (lines - number, 1)
    assert (database.count("categories"), database.heads()) == (0, {TO})


def test_declarations_that_mean_nothing_are_refused(database: Database, run_dir: Path) -> None:
    number = refer(database)
    planned(run_dir, [MIGRATION], [TO])
    answer = refused(database, run_dir, "manual_reference_unknown", references={"ligne_depot_categorie_fk": "cascade"})
    assert LINES_KEY in answer["msg"]
    refused(database, run_dir, "manual_decision_unknown", references={LINES_KEY: "delete"})
    database.rows("CREATE TABLE labels (category uuid NOT NULL)")
    database.rows(f"ALTER TABLE labels ADD CONSTRAINT {LINES_KEY} FOREIGN KEY (category) REFERENCES categories")
    database.rows("INSERT INTO labels SELECT id FROM categories")
    answer = refused(database, run_dir, "manual_reference_ambiguous", references={LINES_KEY: "cascade"})
    assert f"labels.{LINES_KEY}" in answer["msg"] and f"ligne_depot.{LINES_KEY}" in answer["msg"]
    both = {f"ligne_depot.{LINES_KEY}": "set_null", f"labels.{LINES_KEY}": "set_null"}
    answer = refused(database, run_dir, "manual_not_null", references=both)
    assert (answer["facts"]["columns"], answer["facts"]["rows"]) == ("category", 17)
    assert f'"labels.{LINES_KEY}": "cascade"' in refused(database, run_dir, "manual_referenced")["msg"]

    done = undo(database, run_dir, references={**both, f"labels.{LINES_KEY}": "cascade"})
    assert done["removed"] == {"labels": 17, "categories": 17}
    assert (database.count("labels"), {each["rows"] for each in done["references"]}) == (0, {17, number})


def test_tables_that_refer_to_each_other(database: Database, run_dir: Path) -> None:
    database.rows("CREATE TABLE labels (id int PRIMARY KEY, category uuid REFERENCES categories)")
    database.rows("INSERT INTO labels SELECT row_number() OVER (), id FROM categories")
    database.rows("ALTER TABLE categories ADD label int")
    database.rows("ALTER TABLE categories ADD CONSTRAINT back FOREIGN KEY (label) REFERENCES labels DEFERRABLE")
    database.rows("UPDATE categories SET label = 1 WHERE name = 'Luminaires'")
    planned(run_dir, [MIGRATION], [TO], tables=("categories",))
    some = [{"table": "categories", "filter": "name <> 'Luminaires'"}]
    database.rows("UPDATE categories SET parent_id = NULL")
    refused(database, run_dir, "manual_circular", remove=some,
            references={"labels_category_fkey": "cascade", "back": "cascade"})
    planned(run_dir, [MIGRATION], [TO], tables=("categories", "labels"))
    answer = undo(database, run_dir, remove=[{"table": "categories"}, {"table": "labels"}])
    assert answer["removed"] == {"categories": 17, "labels": 17}
    assert (database.count("categories"), database.count("labels")) == (0, 0)


def test_partitions_and_triggers(database: Database, run_dir: Path) -> None:
    database.rows("CREATE TABLE tags (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    database.rows("CREATE TABLE tags_1 PARTITION OF tags FOR VALUES FROM (0) TO (10)")
    database.rows("CREATE TABLE tags_2 PARTITION OF tags FOR VALUES FROM (10) TO (20)")
    database.rows("INSERT INTO tags SELECT generate_series(5, 14)")
    database.rows("CREATE TABLE uses (tag int REFERENCES tags, part int REFERENCES tags_1)")
    database.rows("INSERT INTO uses VALUES (5, 6), (11, NULL), (NULL, 7), (NULL, NULL)")
    database.rows("CREATE TABLE log (line text)")
    database.rows("CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN INSERT INTO log VALUES (TG_OP); RETURN coalesce(OLD, NEW); END $$")
    database.rows("CREATE TRIGGER noted BEFORE DELETE ON tags FOR EACH ROW EXECUTE FUNCTION note()")
    planned(run_dir, [MIGRATION], [TO], tables=("tags",))
    remove = [{"table": "tags", "filter": "id < 11"}]
    answer = refused(database, run_dir, "manual_referenced", remove=remove)
    assert "uses_part_fkey: uses (part) -> tags_1: 2" in answer["msg"]
    assert "uses_tag_fkey: uses (tag) -> tags: 1" in answer["msg"]
    done = undo(database, run_dir, remove=remove, references={"uses_part_fkey": "set_null", "uses_tag_fkey": "cascade"})
    assert done.get("msg") is None
    assert done["removed"] == {"uses": 1, "tags": 6}
    assert set(done["triggers"]) == {"tags: noted", "tags_1: noted", "tags_2: noted"}
    assert sorted(map(str, database.rows("SELECT * FROM uses"))) == ["(11, None)", "(None, None)", "(None, None)"]
    assert database.count("log") == 6


def test_a_trigger_that_keeps_rows_undoes_all_of_it(database: Database, run_dir: Path) -> None:
    database.rows("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN IF OLD.name = 'Luminaires' THEN RETURN NULL; END IF; RETURN OLD; END $$")
    database.rows("CREATE TRIGGER kept BEFORE DELETE ON categories FOR EACH ROW EXECUTE FUNCTION keep()")
    planned(run_dir, [MIGRATION], [TO])
    dump = database.dump()
    answer = undo(database, run_dir)
    assert (answer["problem"], answer["facts"]["counted"], answer["facts"]["met"]) == ("manual_count_differs", 17, 16)
    assert "rolled back" in answer["msg"]
    assert database.dump() == dump
    assert Journal(str(run_dir)).lines()[-1]["result"] == "failed"


def test_an_error_of_the_servers_undoes_all_of_it(database: Database, run_dir: Path) -> None:
    database.rows("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not with me'; END $$")
    database.rows("CREATE CONSTRAINT TRIGGER last AFTER INSERT ON alembic_version DEFERRABLE INITIALLY DEFERRED"
                  " FOR EACH ROW EXECUTE FUNCTION no()")
    planned(run_dir, [MIGRATION], [TO])
    dump = database.dump()
    answer = undo(database, run_dir)
    assert (answer["problem"], answer["facts"]["heads"]) == ("manual_failed", MIGRATION)
    assert "not with me" in answer["msg"] and "rolled back whole" in answer["msg"]
    assert database.dump() == dump


# Others at work, and ends that come early


@pytest.mark.parametrize("table", ["categories", "alembic_version", "ligne_depot"])
def test_a_lock_held_by_another_is_named(database: Database, run_dir: Path, table: str) -> None:
    refer(database)
    planned(run_dir, [MIGRATION], [TO])
    dump = database.dump()
    holder = database.connect(application_name="a forgotten console")
    try:
        with holder.cursor() as cursor:
            # Nobody is kept from looking: only the transaction waits.
            cursor.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        answer = undo(database, run_dir, references={LINES_KEY: "set_null"}, **IMPATIENT)
        assert (answer["problem"], answer["facts"]["attempts"]) == ("manual_locked", 2)
        assert f"pid {holder.get_backend_pid()} (a forgotten console, idle in transaction" in answer["msg"]
    finally:
        holder.close()
    assert database.dump() == dump
    assert database.sessions() == []
    # Even a look waits for one who holds the table alone.
    with database.locked("categories") as pid:
        answer = undo(database, run_dir, references={LINES_KEY: "set_null"}, **IMPATIENT)
        assert answer["problem"] == "manual_locked" and f"pid {pid}" in answer["msg"]
    assert database.dump() == dump


def test_a_lock_that_is_let_go_is_had(database: Database, run_dir: Path, start_module: Callable[..., Started]) -> None:
    planned(run_dir, [MIGRATION], [TO])
    with database.locked("categories"):
        module = start_module("manual_rollback", **arguments(database, run_dir, lock_timeout=300, retries=200,
                                                             retry_delay=0))
        wait_for(database.waiting, "the module")
        time.sleep(1)
    answer = module.answer()
    assert answer.get("msg") is None
    assert database.heads() == {TO}


def hold_last(database: Database) -> Any:
    """A session that lets everything be done but the last statement."""
    holder = database.connect(application_name="a forgotten console")
    database.rows("CREATE TABLE gate (id int)")
    database.rows("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN PERFORM 1 FROM gate; RETURN NEW; END $$")
    database.rows("CREATE TRIGGER last AFTER INSERT ON alembic_version FOR EACH ROW EXECUTE FUNCTION wait()")
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE gate IN ACCESS EXCLUSIVE MODE")
    return holder


@pytest.mark.both_runtimes
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle(make_database: MakeDatabase, run_dir: Path, start_module: Callable[..., Started],
                              signum: signal.Signals) -> None:
    database = make_database("guide", "migration")
    planned(run_dir, [MIGRATION], [TO])
    holder = hold_last(database)
    dump = None
    try:
        module = start_module("manual_rollback", **arguments(database, run_dir, lock_timeout=0))
        wait_for(database.waiting, "the last statement")
        os.kill(module.pid, signum)
        if signum == signal.SIGTERM:
            assert module.answer()["problem"] == "interrupted"
            assert database.sessions() == []
        # A client that is gone is missed by the server itself.
        wait_for(lambda: not database.sessions(), "the end of the session")
    finally:
        holder.close()
    assert dump is None
    assert (database.count("categories"), database.heads()) == (17, {MIGRATION})
    database.rows("DROP TRIGGER last ON alembic_version")
    again = undo(database, run_dir)
    assert (again["changed"], database.heads(), database.count("categories")) == (True, {TO}, 0)


def test_two_at_once(database: Database, run_dir: Path, start_module: Callable[..., Started]) -> None:
    planned(run_dir, [MIGRATION], [TO])
    holder = hold_last(database)
    try:
        first = start_module("manual_rollback", **arguments(database, run_dir, lock_timeout=0))
        wait_for(database.waiting, "the last statement")
        second = undo(database, run_dir, **IMPATIENT)
        assert (second["problem"], second["outcome"]) == ("another_run_acting", "refused")
        assert "recyclic.rollback:" in second["msg"]
    finally:
        holder.close()
    assert first.answer()["changed"]
    assert (database.count("categories"), database.heads()) == (0, {TO})


def test_another_run_that_acts_is_not_joined(database: Database, run_dir: Path) -> None:
    planned(run_dir, [MIGRATION], [TO])
    connection = database.connect(application_name="recyclic.rollback:another")
    connection.autocommit = True
    try:
        with advisory_lock(connection):
            answer = undo(database, run_dir)
    finally:
        connection.close()
    assert answer["problem"] == "another_run_acting"
    assert (database.count("categories"), database.heads()) == (17, {MIGRATION})


# The answer to a COMMIT


def by_hand(database: Database) -> tuple[Any, Manual]:
    target = target_from({"login_db": database.name, "login_user": database.user, "login_password": database.password,
                          "login_host": database.server.host, "login_unix_socket": "",
                          "login_port": database.server.port, "ssl_mode": None, "ca_cert": None, "ssl_cert": None,
                          "ssl_key": None, "connect_params": {}})
    return target, Manual((Removal("categories"),), {}, (MIGRATION,), (TO,), "alembic_version")


def lose(database: Database, connection: Any, committed: bool) -> None:
    if committed:
        connection.commit()
    # The session that watches as well.
    database.rows("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
                  " AND pid <> pg_backend_pid()", superuser=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_without_an_answer_is_looked_up(database: Database, monkeypatch: pytest.MonkeyPatch, committed: bool
                                                 ) -> None:
    target, manual = by_hand(database)
    monkeypatch.setattr(performing, "commit", lambda connection: lose(database, connection, committed))
    with target.open("the control") as control:
        arranged = (target, control, manual, Limits(), "a run", performing.Patience(0, 0), lambda: None,
                    performing.Attempts())
        if committed:
            done = performing.carry_out(*arranged)
            assert (done.removed, done.statements[-1]) == ({"categories": 17}, "COMMIT")
        else:
            with pytest.raises(Problem) as caught:
                performing.carry_out(*arranged)
            assert (caught.value.key, caught.value.facts["heads"]) == ("manual_failed", MIGRATION)
    assert database.heads() == ({TO} if committed else {MIGRATION})
    assert database.count("categories") == (0 if committed else 17)


def test_rows_that_come_back_at_once_are_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    target, manual = by_hand(database)

    def and_back(connection: Any) -> None:
        connection.commit()
        database.rows("INSERT INTO categories (id, name) VALUES (gen_random_uuid(), 'again')")

    monkeypatch.setattr(performing, "commit", and_back)
    with target.open("the control") as control, pytest.raises(Problem) as caught:
        performing.carry_out(target, control, manual, Limits(), "a run", performing.Patience(0, 0), lambda: None,
                             performing.Attempts())
    assert (caught.value.key, caught.value.facts["rows"]) == ("manual_not_as_left", "categories: 1")


def test_what_forbids_acting_is_asked_again_before_the_commit(database: Database) -> None:
    target, manual = by_hand(database)
    asked: list[int] = []

    def may_act() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Refusal("lock_lost", run_id="r")

    with target.open("the control") as control, pytest.raises(Refusal):
        performing.carry_out(target, control, manual, Limits(), "a run", performing.Patience(0, 0), may_act,
                             performing.Attempts())
    assert (database.count("categories"), database.heads()) == (17, {MIGRATION})


def test_the_transaction_leaves_its_commit_to_the_caller(database: Database) -> None:
    _target, manual = by_hand(database)
    connection = database.connect(superuser=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(SQL("SET SESSION AUTHORIZATION {}").format(Identifier(database.user)))
        done = transact(connection, manual)
        assert (done.removed, recorded_heads(connection)) == ({"categories": 17}, [TO])
        assert database.heads() == {MIGRATION}
        connection.rollback()
    finally:
        connection.close()
    assert (database.count("categories"), database.heads()) == (17, {MIGRATION})
