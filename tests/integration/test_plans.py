# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan says of each history and target: the three routes, what they take, and that nothing is touched."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness import (
    MIGRATION,
    PARENT,
    TOP,
    VERSION_PY,
    Answer,
    Database,
    alembic_args,
    common_args,
    make_project,
    run_module,
)
from psycopg2.sql import SQL, Identifier

MakeDatabase = Callable[..., Database]
GUIDE_TARGET = "9a2b3c4d5e6f"
ROWS = {"categories": "name IN (SELECT label FROM dom_category)"}


def plan_of(database: Database, history: str | Path | None = None, **more: Any) -> Answer:
    arguments = {"migration": MIGRATION, "concerned": ["categories"], "migration_rows": ROWS, **more}
    answer = run_module("plan_info", **alembic_args(database, history), **arguments)
    assert not answer.get("failed"), answer["msg"]
    return answer


def losses(answer: Answer, route: str = "alembic") -> dict[str, int | None]:
    """Rows or values by the id of a loss."""
    return {loss["id"]: loss["rows"] for loss in answer["plan"]["routes"][route]["losses"]}


def verdicts(answer: Answer) -> dict[str, str]:
    return {name: route["verdict"] for name, route in answer["plan"]["routes"].items()}


ABOVE = {"revision:24b194c1b790": None, "revision:8dfd79bd357d": None, "revision:h2i3j4k5l6m7": None,
         "revision:m3npr1c3dr0p": None}
BELOW = {"revision:g1h2i3j4k5l6": None, "revision:f4g5h6i7j8k9": None, "revision:e3f4g5h6i7j8": None,
         "revision:d2e3f4g5h6i7": None, "revision:b1c2d3e4f5a6": None}
BELOW_TAKES = {"drop-table:categories": 17, "drop-table:settings": 4, "drop-column:sale_items.weight": 5000,
               "drop-column:sales.operator_id": 2000, "drop-column:users.hashed_pin": 12}
HEAD_TAKES = {"drop-column:ligne_depot.category_id": 1560, "empty-table:dom_category": 0, "no-upgrade": None,
              "empty-table:dom_category_closure": 0, "not-restored:ligne_depot.dom_category_id": None}
# History, point, target: the heads afterwards, the length of the path, what Alembic's route takes.
PLANS: list[tuple[str, str, str | None, list[str], int, dict[str, int | None]]] = [
    ("guide", "migration", None, [GUIDE_TARGET], 1, {"delete-rows:categories": 3}),
    ("guide", "migration", GUIDE_TARGET, [GUIDE_TARGET], 1, {"delete-rows:categories": 3}),
    ("chain", "migration", None, ["g1h2i3j4k5l6"], 1, {"delete-rows:categories": 3}),
    ("chain", "migration", GUIDE_TARGET, [GUIDE_TARGET], 6, {**BELOW, **BELOW_TAKES}),
    # Nothing tells the migration's rows from the users' any more: dom_category went with 8dfd79bd357d.
    ("chain", "head", None, ["g1h2i3j4k5l6"], 5,
     {**ABOVE, **HEAD_TAKES, "delete-rows:categories": 17, "drop-column:categories.price": 3,
      "drop-column:categories.max_price": 0}),
    ("chain", "head", GUIDE_TARGET, [GUIDE_TARGET], 10, {**ABOVE, **BELOW, **HEAD_TAKES, **BELOW_TAKES}),
    ("branched", "head", None, ["f4g5h6i7j8k9", "g1h2i3j4k5l6"], 2,
     {"revision:24b194c1b790": None, "drop-column:ligne_depot.category_id": 1560, "delete-rows:categories": 3}),
    ("branched", "head", GUIDE_TARGET, [GUIDE_TARGET], 7,
     {**BELOW, **BELOW_TAKES, "revision:24b194c1b790": None, "drop-column:ligne_depot.category_id": 1560}),
]


@pytest.mark.both_runtimes("chain-head-to-9a2b")
@pytest.mark.parametrize(("history", "at", "to", "heads", "length", "takes"), [
    pytest.param(*case, id=f"{case[0]}-{case[1]}-to-{case[2] or 'parent'}") for case in PLANS])
def test_each_history_and_target(make_database: MakeDatabase, runtime: str, history: str, at: str, to: str | None,
                                 heads: list[str], length: int, takes: dict[str, int | None]) -> None:
    database = make_database(history, at)
    before = database.dump()

    answer = plan_of(database, to_revision=to)

    plan = answer["plan"]
    assert (plan["to_heads"], len(plan["path"])) == (heads, length)
    assert [step["revision"] for step in plan["path"] if step["in_scope"]] == [MIGRATION]
    assert {step["downgrade"] for step in plan["path"]} == {"implemented"}
    assert losses(answer) == takes
    assert all(loss["exact"] for loss in plan["routes"]["alembic"]["losses"])
    alone = length == 1
    assert verdicts(answer) == {"alembic": "needs_acceptance", "restore": "impossible",
                                "manual": "needs_acceptance" if alone else "impossible"}
    if alone:
        assert losses(answer, "manual") == {"delete-rows:categories": 3}
    assert (plan["consistent"], plan["recommended"], plan["blockers"]) == ("yes", "alembic", [])
    assert answer["missing"] == plan["missing"] == [loss["id"] for loss in plan["routes"]["alembic"]["losses"]]
    # The way that loses less is named where there is one.
    parents = [each["to_revision"] for each in plan["alternatives"] if each["to_revision"]]
    assert parents == ([PARENT[history]] if to and not alone else [])
    assert database.dump() == before
    assert not database.sessions()


@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_undoing_exactly_the_migration_is_safe(make_database: MakeDatabase, history: str) -> None:
    database = make_database(history, "migration")
    # What users did since goes first: then every row is the migration's own.
    database.rows("DELETE FROM categories WHERE name NOT IN (SELECT label FROM dom_category)")
    answer = plan_of(database)
    assert (answer["plan"]["recommended"], answer["refusal"], answer["missing"]) == ("alembic", "", [])
    assert verdicts(answer)["alembic"] == verdicts(answer)["manual"] == "safe"
    assert answer["plan"]["purpose"] == {"categories": 14}
    assert answer["plan"]["changes"] == {"categories": ["rows"]}


def test_without_a_filter_every_row_of_its_tables_is_the_migrations(make_database: MakeDatabase) -> None:
    answer = plan_of(make_database("guide", "migration"), migration_rows={})
    assert (verdicts(answer)["alembic"], losses(answer)) == ("safe", {})


def test_what_is_accepted_is_no_longer_missing_and_a_limit_holds(make_database: MakeDatabase) -> None:
    database = make_database("branched", "head")
    ids = ["delete-rows:categories=3", "drop-column:ligne_depot.category_id=1559", "revision:24b194c1b790"]
    answer = plan_of(database, accept=ids)
    # One value more than was accepted.
    assert answer["missing"] == ["drop-column:ligne_depot.category_id"]
    line = next(text for text in answer["lines"] if "rollback_accept" in text).split("rollback_accept=")[1]
    # The line to paste holds what was accepted before as well.
    assert set(line.split(",")) == {ids[0], ids[2], "drop-column:ligne_depot.category_id=1560"}
    again = plan_of(database, accept=line.split(","))
    assert (again["missing"], again["refusal"]) == ([], "")


def test_the_route_of_a_backup_counts_what_was_written_since(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("guide", "before")
    backup = run_module("pg_backup", **common_args(database), backups=str(state_dir / "backups"), disk_reserve="1M")
    database.alembic("upgrade", MIGRATION)
    fresh = plan_of(database, state_dir=str(state_dir))
    assert (verdicts(fresh)["restore"], losses(fresh, "restore")) == ("safe", {})
    assert backup["backup"]["path"] in fresh["plan"]["routes"]["restore"]["reasons"][0]

    database.rows("INSERT INTO categories (id, name) VALUES (gen_random_uuid(), 'mine'), (gen_random_uuid(), 'too')")
    database.rows("UPDATE sites SET city = 'Lorient' WHERE name = 'La Boucle'")
    database.rows("DELETE FROM sale_items WHERE quantity = 3")
    gone = 5000 - database.count("sale_items")
    later = plan_of(database, state_dir=str(state_dir))
    assert verdicts(later)["restore"] == "needs_acceptance"
    assert losses(later, "restore") == {"written-since:categories": 2, "written-since:sale_items": gone,
                                        "written-since:sites": None}
    assert (later["plan"]["recommended"], later["refusal"] == "") == ("alembic", False)


def test_inbound_references_stop_a_rollback_by_hand(make_database: MakeDatabase) -> None:
    database = make_database("guide", "migration")
    database.rows("CREATE TABLE labels (id int, category uuid REFERENCES categories)")
    database.rows("INSERT INTO labels SELECT 1, id FROM categories")
    answer = plan_of(database)
    assert verdicts(answer)["manual"] == "impossible"
    assert "17 rows of labels (category) refer to categories" in answer["plan"]["routes"]["manual"]["reasons"][0]
    # What was made by hand is told, and contradicts nothing.
    assert answer["plan"]["consistent"] == "yes"
    assert [change["object"] for change in answer["plan"]["consistency"]["drift"]] == ["labels"]


def test_a_version_row_that_lies_is_found_and_named(make_database: MakeDatabase) -> None:
    # As the paper guide's second option leaves it.
    database = make_database("chain", "migration")
    database.rows("DELETE FROM categories")
    database.stamp(GUIDE_TARGET)
    answer = plan_of(database)
    plan = answer["plan"]
    assert (plan["position"], plan["consistent"], plan["consistency"]["true_heads"]) == ("rolled_back", "no", [])
    # The migration moves rows only: by the schema it may be there or not.
    assert plan["consistency"]["candidates"] == [["g1h2i3j4k5l6"], [MIGRATION]]
    assert {"new-table categories", "new-column sale_items.weight"} <= {
        f"{change['kind']} {change['object']}" for change in plan["consistency"]["differs"]}
    assert "g1h2i3j4k5l6 / k1l2m3n4o5p6" in answer["refusal"] and "alembic stamp --purge" in answer["refusal"]


def test_the_one_revision_whose_schema_it_is_is_named(make_database: MakeDatabase) -> None:
    database = make_database("chain", "head")
    database.stamp("24b194c1b790")
    answer = plan_of(database)
    assert answer["plan"]["consistency"]["true_heads"] == ["m3npr1c3dr0p"]
    assert "alembic stamp --purge m3npr1c3dr0p" in answer["refusal"]


def test_of_two_rows_on_one_line_the_true_one_is_named(make_database: MakeDatabase) -> None:
    database = make_database("chain", "head")
    database.stamp(MIGRATION, "m3npr1c3dr0p")
    answer = run_module("plan_info", **alembic_args(database), migration=MIGRATION)
    assert answer["problem"] == "heads_overlap"
    assert "The schema is that of m3npr1c3dr0p" in answer["msg"]
    assert f"DELETE FROM alembic_version WHERE version_num IN ('{MIGRATION}')" in answer["msg"]


def test_a_lying_row_above_has_to_be_accepted(make_database: MakeDatabase) -> None:
    database = make_database("chain", "migration")
    database.rows("ALTER TABLE sale_items DROP COLUMN weight")
    answer = plan_of(database)
    assert "inconsistent" in answer["missing"] and "drop-column sale_items.weight" in answer["refusal"]
    accepted = plan_of(database, accept=["inconsistent", "delete-rows:categories"])
    assert accepted["refusal"] == ""


def test_a_role_that_may_only_select_on_a_read_only_server(make_database: MakeDatabase) -> None:
    database = make_database("branched", "head")
    database.rows("CREATE ROLE looker LOGIN PASSWORD 'see nothing else'", superuser=True)
    try:
        database.rows("GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker", superuser=True)
        database.rows("ALTER ROLE looker SET default_transaction_read_only TO on", superuser=True)
        looker = replace(database, user="looker", password="see nothing else")
        answer = plan_of(looker)
        assert verdicts(answer)["alembic"] == "needs_acceptance"
        assert losses(answer)["drop-column:ligne_depot.category_id"] == 1560
    finally:
        database.rows("DROP OWNED BY looker", superuser=True)
        database.rows("DROP ROLE looker", superuser=True)


def test_a_thousand_tables_in_seconds_and_no_lock_for_longer_than_a_look(make_database: MakeDatabase) -> None:
    database = make_database("chain", "migration")
    columns = ", ".join(f"c{number} text DEFAULT 'x'" for number in range(10))
    database.rows("".join(f"CREATE TABLE extra_{number} (id int PRIMARY KEY, {columns});" for number in range(1000)))
    held: dict[tuple[int, str], list[float]] = {}
    query = """SELECT a.pid, a.query FROM pg_stat_activity a JOIN pg_locks l USING (pid)
               JOIN pg_class c ON c.oid = l.relation AND c.relkind = 'r' AND c.oid >= 16384
               WHERE starts_with(a.application_name, 'recyclic.rollback') AND l.granted AND l.locktype = 'relation'"""
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for pid, text in database.rows(query, superuser=True):
                held.setdefault((pid, text), []).append(time.monotonic())
            done.wait(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    began = time.monotonic()
    try:
        answer = plan_of(database, to_revision=GUIDE_TARGET)
    finally:
        seconds = time.monotonic() - began
        done.set()
        watcher.join()
    assert losses(answer)["drop-table:categories"] == 17
    # Generous: machines that run tests are slow and shared. Alone it takes about five.
    assert seconds < 60
    longest = max((moments[-1] - moments[0] for moments in held.values()), default=0.0)
    assert longest < 5


def test_who_stands_in_the_way_is_named(make_database: MakeDatabase) -> None:
    database = make_database("guide", "migration")
    holder = database.connect(application_name="a forgotten console")
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM categories")
        answer = plan_of(database)
        [blocker] = answer["plan"]["blockers"]
        assert (blocker["pid"], blocker["application"], blocker["tables"]) == (
            holder.get_backend_pid(), "a forgotten console", ["categories"])
        assert any(str(blocker["pid"]) in line for line in answer["lines"])
    finally:
        holder.close()


def test_a_table_that_another_session_holds_alone_is_named(make_database: MakeDatabase) -> None:
    database = make_database("chain", "migration")
    # Its definition can then not be looked at.
    database.rows("ALTER TABLE sites ADD CHECK (length(city) > 1)")
    with database.locked("sites") as pid:
        answer = run_module("plan_info", **alembic_args(database), migration=MIGRATION, lock_timeout=500)
    assert (answer["problem"], answer["outcome"]) == ("plan_blocked", "refused")
    assert f"pid {pid} (a forgotten console): sites" in answer["msg"]


LAST = "1a571a571a57"
OWN_ENGINE = """
engine = sa.create_engine(sa.engine.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))
with engine.begin() as connection:
    connection.execute(sa.text("DELETE FROM things"))
"""
# A downgrade, then: what the plan calls it, Alembic's verdict, its losses, the rows it is known to change.
DOWNGRADES: dict[str, tuple[str, str, str, dict[str, int | None], list[str]]] = {
    "plain": ('op.execute("DELETE FROM things")', "implemented", "safe", {}, ["things"]),
    "empty": ("pass", "empty?", "impossible", {}, []),
    "does nothing": ('op.execute("SELECT 1")', "empty?", "impossible", {}, []),
    "returns early offline": ('if context.is_offline_mode():\n    return\nop.execute("DELETE FROM things")',
                              "implemented", "safe", {}, ["things"]),
    "an engine of its own": (OWN_ENGINE, "implemented", "safe", {}, ["things"]),
    "raises": ('raise NotImplementedError("one way")', "raises", "impossible", {}, []),
    "an autocommit block": ('with op.get_context().autocommit_block():\n    op.execute("DELETE FROM things")',
                            "implemented", "safe", {}, ["things"]),
    "reads rows": ('for (id,) in op.get_bind().execute(sa.text("SELECT id FROM things")).fetchall():\n'
                   '    op.get_bind().execute(sa.text(f"DELETE FROM things WHERE id = {id}"))',
                   "implemented", "safe", {}, ["things"]),
    "deletes more": ('op.execute("DELETE FROM things")\nop.execute("DELETE FROM others WHERE id > 1")',
                     "implemented", "needs_acceptance", {"delete-rows:others": 2}, ["others", "things"]),
    "overwrites": ('op.execute("DELETE FROM things")\nop.execute("UPDATE others SET id = 0 - id WHERE id = 3")',
                   "implemented", "needs_acceptance", {"change-rows:others": 1}, ["others", "things"]),
    "clears references first": (
        'op.execute("UPDATE links SET thing = NULL")\nop.execute("DELETE FROM targets")', "implemented",
        "needs_acceptance", {"change-rows:links": 2, "delete-rows:targets": 1}, ["links", "targets"]),
    "drops the reference first": (
        'op.drop_column("links", "thing")\nop.execute("DELETE FROM targets")', "implemented", "needs_acceptance",
        {"drop-column:links.thing": 2, "delete-rows:targets": 1},
        ["links", "targets"]),
    # On the scratch server it fails, with the rows the history makes; with the live ones the rehearsal tells.
    "is stopped by references": ('op.execute("DELETE FROM targets")', "implemented", "needs_acceptance",
                                 {"delete-rows:targets": 1}, ["targets"]),
    "several deletes": ('op.execute("DELETE FROM others WHERE id = 1")\nop.execute("DELETE FROM others WHERE id = 2")',
                        "implemented", "needs_acceptance", {"delete-rows:others": 2}, ["others"]),
    "a view": ('op.execute("DROP VIEW shown")', "implemented", "safe", {}, []),
    "a default": ('op.alter_column("others", "id", server_default="7")\nop.execute("DELETE FROM things")',
                  "implemented", "safe", {}, ["others", "things"]),
    "cascades": ('op.execute("DELETE FROM things")\nop.execute("DELETE FROM parents")',
                 "implemented", "needs_acceptance",
                 {"delete-rows:children": 4, "delete-rows:parents": 2, "delete-rows:grandchildren": 2},
                 ["children", "grandchildren", "parents", "things"]),
}
TABLES = ("CREATE TABLE things (id int); CREATE TABLE others (id int); INSERT INTO others VALUES (1), (2), (3);"
          " CREATE TABLE parents (id int PRIMARY KEY); INSERT INTO parents VALUES (1), (2);"
          " CREATE TABLE children (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE);"
          " INSERT INTO children VALUES (1, 1), (2, 1), (3, 2), (4, 2);"
          " CREATE TABLE grandchildren (child int REFERENCES children ON DELETE CASCADE);"
          " INSERT INTO grandchildren VALUES (1), (4);"
          " CREATE TABLE targets (id int PRIMARY KEY); INSERT INTO targets VALUES (1);"
          " CREATE TABLE links (thing int REFERENCES targets); INSERT INTO links VALUES (1), (1);"
          " CREATE VIEW shown AS SELECT id FROM others")


def project(home: Path, downgrade: str) -> Path:
    """An Alembic project whose last revision fills things, and takes that back as it is told to."""
    def indented(text: str) -> str:
        return "\n".join(f"    {line}" for line in text.strip("\n").splitlines())

    upgrade = 'op.execute("INSERT INTO things SELECT generate_series(1, 5)")'
    last = VERSION_PY.format(message="fill things", revision=LAST, down=TOP, upgrade=indented(upgrade),
                             downgrade=indented(downgrade))
    return make_project(home, upgrade=f"op.execute({TABLES!r})", versions={"last.py": last})


@pytest.mark.parametrize(("downgrade", "kind", "verdict", "takes", "changed"), DOWNGRADES.values(),
                         ids=list(DOWNGRADES))
def test_what_a_downgrade_really_does_is_seen_and_nothing_is_touched(
        empty: Database, tmp_path: Path, downgrade: str, kind: str, verdict: str, takes: dict[str, int | None],
        changed: list[str]) -> None:
    ini = project(tmp_path / "project", downgrade)
    empty.alembic("upgrade", LAST, ini=ini)
    before = empty.dump()
    answer = plan_of(empty, ini, migration=LAST, concerned=["things"], migration_rows={})
    plan = answer["plan"]
    assert [step["downgrade"] for step in plan["path"]] == [kind]
    assert (verdicts(answer)["alembic"], losses(answer)) == (verdict, takes)
    if verdict != "impossible":
        assert sorted(plan["changes"]) == changed
    assert empty.dump() == before
    assert not empty.processes()


@pytest.mark.parametrize(("downgrade", "verdict", "takes"), [
    ('op.execute("DELETE FROM things")', "safe", {}),
    ('op.execute("DELETE FROM others WHERE id > 1")', "needs_acceptance", {"delete-rows:others": 2}),
    ("op.drop_table('others')", "needs_acceptance", {"drop-table:others": 3}),
    (OWN_ENGINE, "needs_acceptance", {f"unknown:{LAST}": None}),
])
def test_without_a_trial_the_rendered_sql_is_read(empty: Database, tmp_path: Path, downgrade: str, verdict: str,
                                                  takes: dict[str, int | None]) -> None:
    ini = project(tmp_path / "project", downgrade)
    empty.alembic("upgrade", LAST, ini=ini)
    before = empty.dump()
    answer = plan_of(empty, ini, migration=LAST, concerned=["things"], migration_rows={}, trial=False)
    assert (verdicts(answer)["alembic"], losses(answer)) == (verdict, takes)
    assert answer["plan"]["consistent"] == "unknown"
    # What is not known has to be accepted only where it is not rehearsed either.
    unrehearsed = plan_of(empty, ini, migration=LAST, concerned=["things"], migration_rows={}, trial=False,
                          accept=["unrehearsed"])
    assert unrehearsed["missing"] == list(takes)
    assert empty.dump() == before


def test_a_history_that_cannot_be_built_from_nothing_is_said_to_be_so(empty: Database, tmp_path: Path) -> None:
    # The first tables of many an application were made before it had migrations.
    empty.rows("CREATE TABLE legacy (id int)")
    ini = make_project(tmp_path / "project", upgrade='op.execute("ALTER TABLE legacy ADD COLUMN name text")',
                       downgrade='op.execute("ALTER TABLE legacy DROP COLUMN name")')
    empty.alembic("upgrade", TOP, ini=ini)
    empty.rows("INSERT INTO legacy VALUES (1, 'one'), (2, NULL)")
    answer = plan_of(empty, ini, migration=TOP, concerned=[], migration_rows={})
    assert answer["plan"]["consistent"] == "unknown"
    assert "cannot be built from nothing" in answer["plan"]["consistency"]["why"]
    assert "legacy" in answer["plan"]["consistency"]["why"]
    assert losses(answer) == {"drop-column:legacy.name": 1}


def test_what_a_role_is_set_to_holds_on_the_scratch_server_too(make_database: MakeDatabase) -> None:
    database = make_database("guide", None)
    database.rows("CREATE SCHEMA app")
    database.rows(SQL("ALTER ROLE {} IN DATABASE {} SET search_path TO app, public").format(
        Identifier(database.user), Identifier(database.name)), superuser=True)
    database.alembic("upgrade", MIGRATION)
    assert database.value("SELECT count(*) FROM app.categories") == 14
    answer = plan_of(database, concerned=["app.categories"], migration_rows={})
    assert (answer["plan"]["consistent"], answer["plan"]["consistency"]["drift"]) == ("yes", [])
    assert (verdicts(answer)["alembic"], answer["plan"]["purpose"]) == ("safe", {"app.categories": 14})


def test_the_users_rows_are_a_loss_when_the_migrations_own_table_is_dropped(empty: Database, tmp_path: Path) -> None:
    ini = make_project(tmp_path / "project", upgrade='op.execute("CREATE TABLE mine AS SELECT 1 AS id")',
                       downgrade='op.drop_table("mine")')
    empty.alembic("upgrade", TOP, ini=ini)
    arguments = {"migration": TOP, "concerned": ["public.mine"], "migration_rows": {"mine": "id = 1"}}
    assert losses(plan_of(empty, ini, **arguments)) == {}
    empty.rows("INSERT INTO mine SELECT generate_series(2, 100)")
    assert losses(plan_of(empty, ini, **arguments)) == {"drop-table:mine": 99}


def test_under_override_a_plan_runs_no_migration_wherever_it_would_lead(empty: Database, tmp_path: Path) -> None:
    ini = project(tmp_path / "project", OWN_ENGINE)
    empty.alembic("upgrade", LAST, ini=ini)
    before = empty.dump()
    answer = plan_of(empty, ini, migration=LAST, concerned=["things"], migration_rows={}, isolation="override",
                     scratch_environment={"DATABASE_URL": empty.url})
    assert empty.dump() == before
    assert losses(answer) == {f"unknown:{LAST}": None}
    assert "override" in answer["plan"]["consistency"]["why"]


def test_two_revisions_of_one_schema_are_both_named(make_database: MakeDatabase) -> None:
    # The migration moves rows only: the schema cannot tell it from its parent.
    database = make_database("chain", "migration")
    database.stamp(MIGRATION, PARENT["chain"])
    answer = run_module("plan_info", **alembic_args(database), migration=MIGRATION)
    assert answer["problem"] == "heads_overlap"
    assert "DELETE FROM" not in answer["msg"] and "stamp" not in answer["msg"]


def test_a_database_that_is_set_read_only_is_planned_for(make_database: MakeDatabase) -> None:
    database = make_database("guide", "migration")
    database.rows(SQL("ALTER DATABASE {} SET default_transaction_read_only TO on").format(Identifier(database.name)),
                  superuser=True)
    assert plan_of(database)["plan"]["consistent"] == "yes"
