# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""alembic_migrate: what is in the database afterwards, and what is still at work, however the movement ends."""
from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    BASE,
    HEADS,
    MIGRATION,
    TOP,
    Answer,
    Database,
    Started,
    alembic_args,
    make_project,
    run_module,
    wait_for,
)

Starts = Callable[..., Started]
# Long enough for Alembic to start on a slow machine, short enough to wait for.
IMPATIENT = {"lock_timeout": 400, "retries": 1, "retry_delay": 0}


def back(database: Database, revision: str, **options: Any) -> Answer:
    return run_module("alembic_migrate", **{**alembic_args(database), "direction": "downgrade", "revision": revision,
                                            **options})


def nothing_at_work(database: Database) -> None:
    assert database.one_shots() == []
    assert database.processes() == []
    assert database.sessions() == []


def things(database: Database) -> None:
    """A table the hostile projects' TOP stands for, with three rows."""
    database.rows("CREATE TABLE things (id int PRIMARY KEY, name text)")
    database.rows("INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, 3) i")
    database.stamp(TOP)


# Moving


@pytest.mark.both_runtimes("guide-9a2b")
@pytest.mark.parametrize(
    ("history", "to", "left"),
    [("guide", "9a2b3c4d5e6f", {"9a2b3c4d5e6f"}), ("chain", "g1h2i3j4k5l6", {"g1h2i3j4k5l6"}),
     ("branched", "g1h2i3j4k5l6", {"f4g5h6i7j8k9", "g1h2i3j4k5l6"}), ("branched", "9a2b3c4d5e6f", {"9a2b3c4d5e6f"})])
def test_down_again_and_up(make_database: Callable[..., Database], history: str, to: str, left: set[str]) -> None:
    database = make_database(history, "head")

    moved = back(database, to)
    assert moved.get("msg") is None

    assert database.heads() == left
    assert (moved["changed"], moved["attempts"]) == (True, 1)
    assert (set(moved["heads_before"]), set(moved["heads_after"])) == (HEADS[history], left)
    if to == "g1h2i3j4k5l6" or history == "guide":
        assert database.count("categories") == 0
    assert database.count("sales") == 2000
    assert len(moved["executed_commands"]) == 1
    assert moved["executed_commands"][0].endswith(f"downgrade {to}")
    assert "********" in moved["transcript"]  # env.py prints its URL
    nothing_at_work(database)

    dump = database.dump()
    again = back(database, to)
    assert (again["changed"], again["path"], again["attempts"], again["executed_commands"]) == (False, [], 0, [])
    assert set(again["heads_before"]) == set(again["heads_after"]) == left
    assert database.dump() == dump

    if history != "chain":  # whose own history goes up no more
        for head in sorted(HEADS[history]):
            up = run_module("alembic_migrate", **alembic_args(database), direction="upgrade", revision=head)
            assert up["changed"] is (head not in left)
        assert database.heads() == HEADS[history]
        assert database.count("categories") == 14
        up = run_module("alembic_migrate", **alembic_args(database), direction="upgrade", revision=head)
        assert up["changed"] is False


def test_upgrade_keeps_the_other_branch(make_database: Callable[..., Database]) -> None:
    database = make_database("branched", "before")
    moved = run_module("alembic_migrate", **alembic_args(database), direction="upgrade", revision="24b194c1b790")
    assert moved["path"] == [MIGRATION, "24b194c1b790"]
    assert database.heads() == set(moved["heads_after"]) == {"24b194c1b790", "f4g5h6i7j8k9"}


def test_from_nothing(empty: Database) -> None:
    moved = run_module("alembic_migrate", **alembic_args(empty), direction="upgrade", revision="7c1a2f4b9c3a")
    assert moved["heads_before"] == []
    assert empty.heads() == {"7c1a2f4b9c3a"}
    assert empty.count("dom_category") == 0


@pytest.mark.parametrize("check", [True, False])
def test_check_and_diff_mode(database: Database, check: bool) -> None:
    dump = database.dump()

    shown = back(database, "9a2b3c4d5e6f", check=check, diff=True)

    assert (shown["changed"], shown["path"]) == (True, [MIGRATION])
    assert (shown["heads_before"], shown["heads_after"]) == ([MIGRATION], ["9a2b3c4d5e6f"])
    assert "DELETE FROM categories" in shown["sql"][MIGRATION]["sql"]
    assert (shown["diff"]["before"], shown["diff"]["after"]) == (f"{MIGRATION}\n", "9a2b3c4d5e6f\n")
    assert "DELETE FROM categories" in shown["diff"]["prepared"]
    assert shown["attempts"] == (0 if check else 1)
    assert (database.dump() == dump) is check
    assert database.heads() == ({MIGRATION} if check else {"9a2b3c4d5e6f"})
    nothing_at_work(database)


def test_check_mode_on_every_history_changes_nothing(make_database: Callable[..., Database]) -> None:
    database = make_database("branched", "head")
    dump = database.dump()
    shown = back(database, "9a2b3c4d5e6f", check=True)
    assert set(shown["sql"]) == set(shown["path"])
    assert len(shown["path"]) == 7
    assert all(entry.get("sql") or entry.get("error") for entry in shown["sql"].values())
    assert "DROP TABLE categories" in shown["sql"]["b1c2d3e4f5a6"]["sql"]
    assert database.dump() == dump


def test_check_mode_where_nothing_is_to_do(make_database: Callable[..., Database]) -> None:
    database = make_database("guide", "before")
    shown = back(database, "9a2b3c4d5e6f", check=True, diff=True)
    assert (shown["changed"], shown["sql"]) == (False, {})
    assert shown["diff"]["before"] == shown["diff"]["after"] == "9a2b3c4d5e6f\n"


# Refused, with the dump unchanged


NOT_EXACT = [
    ("downgrade", "9a2b3c", "revision_partial"), ("downgrade", "9", "revision_partial"),
    ("downgrade", "head", "revision_unknown"), ("upgrade", "heads", "revision_unknown"),
    ("downgrade", "base", "revision_unknown"), ("downgrade", "-1", "revision_unknown"),
    ("upgrade", "+1", "revision_unknown"), ("downgrade", "0123456789ab", "revision_unknown"),
    ("downgrade", "", "revision_unknown"), ("downgrade", "9A2B3C4D5E6F", "revision_unknown"),
    ("downgrade", "--sql", "revision_unknown"), ("downgrade", "m3npr1c3dr0p", "not_above"),
]


def test_only_full_ids_on_the_right_side(make_database: Callable[..., Database]) -> None:
    database = make_database("chain", "migration")
    dump = database.dump()
    for direction, revision, problem in NOT_EXACT:
        refused = run_module("alembic_migrate", **alembic_args(database), direction=direction, revision=revision)
        assert (refused["problem"], refused["outcome"]) == (problem, "refused"), (direction, revision)
        assert revision in refused["msg"]
    assert database.dump() == dump
    nothing_at_work(database)


def test_upgrade_to_what_is_below_changes_nothing(database: Database) -> None:
    dump = database.dump()
    same = run_module("alembic_migrate", **alembic_args(database), direction="upgrade", revision="9a2b3c4d5e6f")
    assert same["changed"] is False
    assert same["heads_after"] == [MIGRATION]
    assert database.dump() == dump


@pytest.mark.both_runtimes("heads_overlap")
@pytest.mark.parametrize(
    ("rows", "problem"),
    [((MIGRATION, "9a2b3c4d5e6f"), "heads_overlap"), ((MIGRATION, "0ff1ce0ff1ce"), "recorded_unknown"),
     (("0ff1ce0ff1ce",), "recorded_unknown"), ((), "not_above")])
def test_version_rows_without_a_meaning(database: Database, rows: tuple[str, ...], problem: str) -> None:
    database.stamp(*rows)
    dump = database.dump()
    refused = back(database, "8f2b7a1d4e6b")
    assert (refused["problem"], refused["outcome"]) == (problem, "refused")
    assert all(row in refused["msg"] for row in rows)
    assert database.dump() == dump


@pytest.mark.both_runtimes("application_name")
@pytest.mark.parametrize(
    ("engine", "named"),
    [
        (", connect_args={'application_name': 'the application'}", "the application"),
        (", connect_args={'options': '-c lock_timeout=0'}", "lock_timeout"),
        (", connect_args={'options': '-c statement_timeout=1h'}", "statement_timeout"),
        (", connect_args={'options': '-c client_connection_check_interval=0'}", "client_connection_check_interval"),
        (", connect_args={'dbname': 'postgres'}", "postgres"),
    ],
    ids=["application_name", "lock_timeout", "statement_timeout", "check_interval", "database"],
)
def test_env_py_that_goes_its_own_way_is_refused(empty: Database, tmp_path: Path, engine: str, named: str) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="op.execute('DELETE FROM things')", engine=engine)
    if named == "postgres":
        empty.rows("CREATE TABLE IF NOT EXISTS alembic_version (version_num varchar(32) PRIMARY KEY)", True, "postgres")
        empty.rows(f"GRANT ALL ON alembic_version TO \"{empty.user}\"", True, "postgres")
        empty.rows(f"INSERT INTO alembic_version VALUES ('{TOP}')", True, "postgres")
    try:
        dump = empty.dump()
        refused = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
        assert (refused["problem"], refused["outcome"]) == ("probe_mismatch", "refused")
        assert named in refused["msg"]
        assert empty.dump() == dump
        nothing_at_work(empty)
    finally:
        empty.rows("DROP TABLE IF EXISTS alembic_version", True, "postgres")


def test_url_with_options_of_its_own_is_refused(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="op.execute('DELETE FROM things')")
    arguments = {**alembic_args(empty, project),
                 "alembic_environment": {"DATABASE_URL": empty.url + "?options=-c%20lock_timeout%3D0"}}
    dump = empty.dump()
    refused = run_module("alembic_migrate", **arguments, direction="downgrade", revision=BASE)
    assert refused["problem"] == "probe_mismatch"
    assert empty.dump() == dump


@pytest.mark.both_runtimes
def test_the_environments_own_pgoptions_are_kept(empty: Database, tmp_path: Path) -> None:
    things(empty)
    empty.rows("CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.things AS SELECT 1 AS id")
    project = make_project(tmp_path / "app", downgrade="op.execute('DELETE FROM things')")
    arguments = alembic_args(empty, project)
    arguments["alembic_environment"]["PGOPTIONS"] = "-c search_path=elsewhere,public"
    moved = run_module("alembic_migrate", **arguments, direction="downgrade", revision=BASE)
    assert moved["heads_after"] == [BASE]
    assert (empty.count("things"), empty.count("elsewhere.things")) == (3, 0)


@pytest.mark.both_runtimes
def test_while_a_run_holds_its_lock_nothing_moves(database: Database) -> None:
    from ansible_collections.recyclic.rollback.plugins.module_utils._database import LOCK_RUN, LOCK_SPACE

    dump = database.dump()
    holder = database.connect(application_name="recyclic.rollback:another-run:control")
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_SPACE, LOCK_RUN))
    pid = holder.get_backend_pid()
    try:
        refused = back(database, "9a2b3c4d5e6f")
    finally:
        holder.close()
    assert (refused["problem"], refused["outcome"]) == ("another_run_acting", "refused")
    assert f"recyclic.rollback:another-run:control (pid {pid})" in refused["msg"]
    assert database.dump() == dump

    assert back(database, "9a2b3c4d5e6f")["changed"] is True


@pytest.mark.both_runtimes
def test_two_at_once_one_moves_the_other_is_refused(database: Database, start_module: Starts) -> None:
    arguments = {**alembic_args(database), "direction": "downgrade", "revision": "9a2b3c4d5e6f", "lock_timeout": 60000}
    with database.locked("categories"):
        first = start_module("alembic_migrate", **arguments)
        wait_for(database.waiting, "the first module's migration at the lock")
        second = run_module("alembic_migrate", **arguments)
        assert second["problem"] == "another_run_acting"
    assert first.answer()["changed"] is True
    assert database.heads() == {"9a2b3c4d5e6f"}
    nothing_at_work(database)


# Locks


@pytest.mark.both_runtimes
def test_a_lock_never_had_names_who_holds_it(database: Database) -> None:
    dump = database.dump()
    with database.locked("categories") as pid:
        refused = back(database, "9a2b3c4d5e6f", **IMPATIENT)
        nothing_at_work(database)
    assert (refused["problem"], refused["facts"]["attempts"]) == ("lock_timeout", 2)
    assert f"pid {pid}" in refused["msg"]
    assert "a forgotten console" in refused["msg"]
    assert "idle in transaction" in refused["msg"]
    assert refused["outcome"] is None  # judged by measuring, not by this module
    assert database.dump() == dump


def test_a_lock_held_by_another_role_names_it_too(database: Database) -> None:
    holder = database.connect(superuser=True, application_name="the administrator")
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE categories IN ACCESS EXCLUSIVE MODE")
    try:
        refused = back(database, "9a2b3c4d5e6f", **{**IMPATIENT, "retries": 0})
        pid = holder.get_backend_pid()
    finally:
        holder.close()
    assert refused["problem"] == "lock_timeout"
    assert f"pid {pid}" in refused["msg"]
    assert "the administrator" in refused["msg"]
    # The server hides from us what other roles do: that is no reason to print Python's word for it.
    assert "None" not in refused["msg"]


@pytest.mark.both_runtimes
def test_a_lock_freed_between_two_attempts(database: Database, start_module: Starts) -> None:
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", lock_timeout=300, retries=50, retry_delay=0)
        wait_for(database.waiting, "the first attempt at the lock")
        wait_for(lambda: not database.waiting(), "the end of the first attempt")
    moved = module.answer()
    assert moved["attempts"] >= 2
    assert database.heads() == {"9a2b3c4d5e6f"}
    assert database.count("categories") == 0
    nothing_at_work(database)


# Ended early


SLEEPS = """
op.execute('DELETE FROM things')
op.execute('SELECT pg_sleep(600)')
"""


@pytest.mark.both_runtimes
def test_time_limit_ends_the_work_on_the_server(empty: Database, tmp_path: Path) -> None:
    things(empty)
    sleeps = make_project(tmp_path / "app", downgrade=SLEEPS)
    dump = empty.dump()

    ended = run_module("alembic_migrate", **alembic_args(empty, sleeps), direction="downgrade", revision=BASE,
                       alembic_timeout=5)

    nothing_at_work(empty)
    assert ended["problem"] == "migration_ended"
    assert ended["facts"]["limit"] > 0
    assert empty.heads() == {TOP}
    assert empty.dump() == dump


def test_statement_timeout_fails_with_its_words(empty: Database, tmp_path: Path) -> None:
    things(empty)
    sleeps = make_project(tmp_path / "app", downgrade=SLEEPS)
    failed = run_module("alembic_migrate", **alembic_args(empty, sleeps), direction="downgrade", revision=BASE,
                        statement_timeout=500)
    assert failed["problem"] == "migration_failed"
    assert "statement timeout" in failed["msg"]
    assert empty.count("things") == 3


@pytest.mark.both_runtimes
def test_a_migration_that_will_not_die_politely(empty: Database, tmp_path: Path) -> None:
    things(empty)
    stubborn = make_project(tmp_path / "app", downgrade="""
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
op.execute('DELETE FROM things')
while True:
    time.sleep(0.1)
    op.execute('SELECT 1')
""")
    ended = run_module("alembic_migrate", **alembic_args(empty, stubborn), direction="downgrade", revision=BASE,
                       alembic_timeout=4)
    nothing_at_work(empty)
    assert ended["problem"] == "migration_ended"
    assert (empty.heads(), empty.count("things")) == ({TOP}, 3)


def test_a_child_of_the_migration_is_ended_with_it(empty: Database, tmp_path: Path) -> None:
    things(empty)
    forks = make_project(tmp_path / "app", downgrade="""
import subprocess
subprocess.Popen(['sleep', '600'])
op.execute('SELECT pg_sleep(600)')
""")
    run_module("alembic_migrate", **alembic_args(empty, forks), direction="downgrade", revision=BASE, alembic_timeout=4)
    nothing_at_work(empty)


@pytest.mark.both_runtimes("15")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_work_and_is_answered(database: Database, start_module: Starts, signum: int) -> None:
    dump = database.dump()
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", lock_timeout=600000)
        wait_for(database.waiting, "the migration at the lock")
        module.kill(signum)
        answer = module.answer(30)
        nothing_at_work(database)
    assert (answer["problem"], answer["facts"]["signal"]) == ("interrupted", signum)
    assert database.dump() == dump


@pytest.mark.both_runtimes
def test_more_signals_do_not_cut_the_ending_short(database: Database, start_module: Starts) -> None:
    dump = database.dump()
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", lock_timeout=600000)
        wait_for(database.waiting, "the migration at the lock")
        # As it is when a connection breaks and a time limit strikes besides.
        signals = itertools.cycle([signal.SIGTERM, signal.SIGHUP])
        while module.process.poll() is None:
            module.kill(next(signals))
            time.sleep(0.01)
        answer = module.answer(30)
        nothing_at_work(database)
    assert answer["problem"] == "interrupted"
    assert database.dump() == dump


@pytest.mark.both_runtimes
def test_killed_at_the_lock_nothing_is_left_and_nothing_follows(database: Database, start_module: Starts) -> None:
    dump = database.dump()
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", lock_timeout=600000)
        wait_for(database.waiting, "the migration at the lock")
        assert database.processes()
        module.kill(signal.SIGKILL)
        wait_for(lambda: not database.processes(), "the end of Alembic", 10)
        wait_for(lambda: not database.sessions(), "the end of its session", 10)
    # The lock is free now: the guide's migration would go on here.
    time.sleep(1)
    assert database.heads() == {MIGRATION}
    assert database.dump() == dump


@pytest.mark.both_runtimes
def test_killed_in_a_long_statement(empty: Database, tmp_path: Path, start_module: Starts) -> None:
    things(empty)
    sleeps = make_project(tmp_path / "app", downgrade="""
with context.get_context().autocommit_block():
    op.execute("DELETE FROM things WHERE id = 1 AND pg_sleep(600) IS NOT NULL")
""")
    module = start_module("alembic_migrate", **alembic_args(empty, sleeps), direction="downgrade", revision=BASE)
    asleep = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    wait_for(lambda: empty.rows(asleep), "the long statement")
    module.kill(signal.SIGKILL)
    wait_for(lambda: not empty.processes() and not empty.sessions(), "the end of the work", 10)
    assert (empty.heads(), empty.count("things")) == ({TOP}, 3)


@pytest.mark.both_runtimes
def test_losing_the_control_session_ends_the_migration(database: Database, start_module: Starts) -> None:
    dump = database.dump()
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", lock_timeout=600000)
        wait_for(database.waiting, "the migration at the lock")
        control = [pid for pid, name, _state in database.sessions() if "control" in name]
        database.rows(f"SELECT pg_terminate_backend({control[0]})")
        answer = module.answer(60)
        wait_for(lambda: not database.processes() and not database.sessions(), "the end of the work", 10)
    assert answer["failed"] is True
    assert answer["problem"]
    time.sleep(1)
    assert database.dump() == dump


# Migrations that are not what they should be


@pytest.mark.both_runtimes
def test_a_downgrade_that_raises_half_way(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="op.execute('DELETE FROM things')\n"
                                                       "raise RuntimeError('no more: ' + os.environ['DATABASE_URL'])")
    dump = empty.dump()
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "migration_failed"
    assert failed["outcome"] is None
    assert "no more" in failed["msg"]
    assert failed["facts"]["heads"] == TOP
    assert empty.dump() == dump
    nothing_at_work(empty)


@pytest.mark.both_runtimes
def test_status_0_is_not_believed(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="op.execute('DELETE FROM things')\nos._exit(0)")
    dump = empty.dump()
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "heads_not_predicted"
    assert TOP in failed["msg"]
    assert empty.dump() == dump


def test_a_downgrade_that_does_nothing_is_right_by_its_heads(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="pass")
    moved = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert (moved["changed"], moved["heads_after"]) == (True, [BASE])
    assert (empty.heads(), empty.count("things")) == ({BASE}, 3)


@pytest.mark.both_runtimes
def test_part_committed_then_failed(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="""
with context.get_context().autocommit_block():
    op.execute('DELETE FROM things WHERE id = 1')
raise RuntimeError('half-way')
""")
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "migration_failed"
    assert "half-way" in failed["msg"]
    # By the heads nothing moved, and yet a row is gone: whoever closes the run has to measure.
    assert failed["outcome"] is None
    assert (empty.heads(), empty.count("things")) == ({TOP}, 2)


ON_THE_COMMAND_LINE = """
if getattr(context.config.cmd_opts, "revision", None) and not context.is_offline_mode():
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.exec_driver_sql("{statement}")
    {then}
"""


def test_env_py_that_records_another_revision(empty: Database, tmp_path: Path) -> None:
    things(empty)
    statement = f"UPDATE alembic_version SET version_num = '{TOP}x'"
    project = make_project(tmp_path / "app", after=ON_THE_COMMAND_LINE.format(statement=statement, then=""))
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "heads_not_predicted"
    assert f"{TOP}x" in failed["msg"]
    assert BASE in failed["msg"]
    assert failed["outcome"] is None
    assert empty.heads() == {f"{TOP}x"}


@pytest.mark.both_runtimes
def test_the_goal_reached_and_then_a_failure(empty: Database, tmp_path: Path) -> None:
    things(empty)
    then = "raise RuntimeError('after all was done')"
    project = make_project(tmp_path / "app", after=ON_THE_COMMAND_LINE.format(statement="SELECT 1", then=then))
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "moved_but_failed"
    assert "after all was done" in failed["msg"]
    assert empty.heads() == {BASE}


@pytest.mark.both_runtimes
def test_stopped_between_two_revisions(empty: Database, tmp_path: Path) -> None:
    things(empty)
    above = '''"""above"""
from alembic import op
revision = "abcabcabcabc"
down_revision = "{}"
def upgrade(): pass
def downgrade(): op.execute("DELETE FROM things")
'''
    project = make_project(tmp_path / "app", downgrade="raise RuntimeError('the second one')",
                           configure=", transaction_per_migration=True",
                           versions={"above.py": above.format(TOP)})
    empty.stamp("abcabcabcabc")
    failed = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert failed["problem"] == "moved_part_way"
    assert (failed["facts"]["before"], failed["facts"]["after"]) == ("abcabcabcabc", TOP)
    assert (empty.heads(), empty.count("things")) == ({TOP}, 0)


# Rendering is not reading


OWN_ENGINE = """
engine = sa.create_engine(sa.engine.make_url(os.environ['DATABASE_URL']).set(drivername='postgresql+psycopg2'))
with engine.begin() as connection:
    connection.exec_driver_sql('DELETE FROM things')
op.execute('SELECT 1')
"""


def test_rendering_cannot_reach_the_database(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade=OWN_ENGINE)
    dump = empty.dump()

    shown = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE,
                       check=True, diff=True)

    assert empty.dump() == dump
    assert empty.count("things") == 3
    assert "OperationalError" in shown["sql"][TOP]["error"]
    assert "-- not known: " in shown["diff"]["prepared"]
    assert "OperationalError" in shown["diff"]["prepared"]
    # And where it may, it does: what was kept from it is real.
    run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert empty.count("things") == 0


def test_rendering_cannot_reach_a_listening_socket(empty: Database, tmp_path: Path) -> None:
    things(empty)
    reached: list[bytes] = []
    address = tmp_path / "server"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(address))
        listener.listen()
        listener.settimeout(0.1)
        project = make_project(tmp_path / "app", downgrade=f"""
import socket
with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
    client.connect({str(address)!r})
    client.sendall(b'DELETE')
op.execute('SELECT 1')
""")
        shown = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE,
                           check=True)
        with contextlib.suppress(TimeoutError):
            reached.append(listener.accept()[0].recv(10))
    assert reached == []
    assert "Error" in shown["sql"][TOP]["error"]


@pytest.mark.parametrize(
    ("downgrade", "shown_text"),
    [
        ("if context.is_offline_mode():\n    return\nop.execute('DELETE FROM things')", "renders as nothing"),
        ("pass", "renders as nothing"),
        ("rows = op.get_bind().exec_driver_sql('SELECT id FROM things').fetchall()\n"
         "op.execute(f'DELETE FROM things WHERE id > {len(rows)}')", "not known: "),
        ("raise RuntimeError('cannot be undone')", "cannot be undone"),
        ("import sys\nsys.exit('out of here')", "out of here"),
        ("os._exit(0)", "not known: "),
        ("op.execute('DELETE FROM things')", "DELETE FROM things"),
    ],
    ids=["offline-nothing", "empty", "reads-rows", "raises", "exits", "exits-hard", "plain"],
)
def test_the_diff_says_what_could_be_rendered(
    empty: Database, tmp_path: Path, downgrade: str, shown_text: str
) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade=downgrade)
    dump = empty.dump()
    shown = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE,
                       check=True, diff=True)
    assert shown_text in shown["diff"]["prepared"]
    assert ("renders as nothing" in shown["diff"]["prepared"]) is (shown_text == "renders as nothing")
    assert empty.dump() == dump


def test_a_statement_that_names_something_like_the_version_table(empty: Database, tmp_path: Path) -> None:
    things(empty)
    empty.rows(f"CREATE TABLE version (version_num text); INSERT INTO version VALUES ('{TOP}')")
    project = make_project(tmp_path / "app", downgrade="op.execute('DROP TABLE conversions')",
                           configure=", version_table='version'")
    shown = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE,
                       check=True, diff=True)
    assert "DROP TABLE conversions" in shown["diff"]["prepared"]


# Evidence


@pytest.mark.both_runtimes
def test_the_journal_tells_the_movement(database: Database, tmp_path: Path) -> None:
    run_dir = tmp_path / "20260101T000000Z-abcdef"
    run_dir.mkdir()
    with database.locked("categories") as pid:
        back(database, "9a2b3c4d5e6f", run_dir=str(run_dir), **IMPATIENT)
    back(database, "9a2b3c4d5e6f", run_dir=str(run_dir))

    lines = [json.loads(line) for line in (run_dir / "journal.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [("begun", "alembic_downgrade"),
                                                                 ("ended", "alembic_downgrade")] * 2
    failed, done = lines[1], lines[3]
    assert lines[0]["acts"] is True
    assert (failed["result"], failed["reason"], failed["attempts"]) == ("failed", "lock_timeout", 2)
    assert [blocker["pid"] for blocker in failed["blockers"]] == [pid]
    assert failed["heads_after"] == [MIGRATION]
    assert (done["result"], done["heads_after"], len(done["commands"])) == ("ok", ["9a2b3c4d5e6f"], 1)
    assert "********" in done["transcript"]
    assert (run_dir / "journal.jsonl").stat().st_mode & 0o777 == 0o600


def test_sessions_bear_the_runs_name(database: Database, tmp_path: Path, start_module: Starts) -> None:
    run_dir = tmp_path / "20260101T000000Z-abcdef"
    run_dir.mkdir()
    with database.locked("categories"):
        module = start_module("alembic_migrate", **alembic_args(database), direction="downgrade",
                              revision="9a2b3c4d5e6f", run_dir=str(run_dir), lock_timeout=60000)
        wait_for(database.waiting, "the migration at the lock")
        names = {name for _pid, name, _state in database.sessions()}
    module.answer()
    assert names == {f"recyclic.rollback:{run_dir.name}:{part}" for part in ("alembic", "control")}


def test_output_without_end_does_not_fill_memory(empty: Database, tmp_path: Path) -> None:
    things(empty)
    project = make_project(tmp_path / "app", downgrade="for number in range(200000):\n    print('x' * 50, number)\n"
                                                       "op.execute('DELETE FROM things')")
    moved = run_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE)
    assert empty.count("things") == 0
    assert len(moved.stdout) < 1_000_000
    assert "199999" in moved["transcript"]


def test_other_sessions_are_left_alone(database: Database) -> None:
    bystander = database.connect(application_name="recyclic.rollbacker")  # not ours, by one letter
    try:
        assert back(database, "9a2b3c4d5e6f")["changed"] is True
        with bystander.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        bystander.close()
