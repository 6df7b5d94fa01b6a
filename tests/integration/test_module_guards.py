# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Guards around acting: who holds the database, who may stop what, and where evidence may lie."""
from __future__ import annotations

import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import (
    Answer,
    Database,
    alembic_args,
    another_controller,
    clean_environment,
    common_args,
    controller,
    dead_controller,
    run_module,
)

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal

PARENT = "9a2b3c4d5e6f"


def begin(database: Database, state_dir: Path, who: dict[str, Any], playbook: str = "rollback", **options: Any
          ) -> Answer:
    return run_module("run_open", **{**common_args(database), "state_dir": str(state_dir), "playbook": playbook,
                                     "goal": {"migration": "k1l2m3n4o5p6"}, "operator": "alice", "controller": who,
                                     **options})


def downgrade(database: Database, **options: Any) -> Answer:
    return run_module("alembic_migrate", **{**alembic_args(database), "direction": "downgrade", "revision": PARENT,
                                            **options})


@pytest.mark.both_runtimes
def test_a_database_moved_since_the_plan_is_left_alone(database: Database) -> None:
    before = database.dump()
    refused = downgrade(database, expected_heads=["24b194c1b790"])
    assert (refused["problem"], refused["outcome"]) == ("moved_since_plan", "refused")
    assert database.dump() == before
    assert downgrade(database, expected_heads=["k1l2m3n4o5p6"])["changed"]


@pytest.mark.both_runtimes
def test_a_controller_whose_run_was_taken_over_acts_no_more(database: Database, state_dir: Path) -> None:
    lost = begin(database, state_dir, dead_controller())
    taken = begin(database, state_dir, controller())
    assert taken["resumed"] and taken["run_id"] == lost["run_id"] and taken["token"] != lost["token"]

    refused = downgrade(database, run_dir=lost["run_dir"], run_token=lost["token"])
    assert (refused["problem"], refused["outcome"]) == ("lock_lost", "refused")
    assert database.heads() == {"k1l2m3n4o5p6"}
    close = {"state_dir": str(state_dir), "run_dir": lost["run_dir"], "outcome": "rolled_back"}
    run_module("run_close", **common_args(database), **close, run_token=lost["token"])
    assert list((state_dir / "locks").glob("*.json")), "the lock is another controller's"
    assert downgrade(database, run_dir=taken["run_dir"], run_token=taken["token"])["changed"]
    run_module("run_close", **common_args(database), **close, run_token=taken["token"])
    assert not list((state_dir / "locks").glob("*.json"))


def test_a_run_cut_off_while_it_acted_is_finished_before_anything_else(database: Database, state_dir: Path) -> None:
    cut = begin(database, state_dir, dead_controller())
    Journal(cut["run_dir"]).write("begun", step="alembic_downgrade", acts=True, pid=0, mark="")
    for wish in ({"playbook": "backup"}, {"goal": {"migration": "another"}}):
        refused = begin(database, state_dir, controller(), **wish)
        assert (refused["problem"], refused["outcome"]) == ("unfinished_run", "refused")
        assert cut["run_id"] in refused["msg"] and "rollback.yml" in refused["msg"]
    left = begin(database, state_dir, controller(), "backup", take_over=cut["run_id"])
    assert left["run_id"] != cut["run_id"]


def test_the_same_run_may_go_on_after_it_was_cut_off_while_it_acted(database: Database, state_dir: Path) -> None:
    cut = begin(database, state_dir, dead_controller())
    Journal(cut["run_dir"]).write("begun", step="alembic_downgrade", acts=True, pid=0, mark="")
    again = begin(database, state_dir, controller())
    assert again["resumed"] and again["run_id"] == cut["run_id"]
    assert again["cut_off"]["at"] == ["alembic_downgrade"]


def test_one_database_has_one_lock_however_its_server_is_spelled(database: Database, state_dir: Path) -> None:
    with another_controller() as (other, _end):
        assert begin(database, state_dir, other)["run_id"]
        refused = begin(database, state_dir, controller(), login_host="localhost")
    assert refused["problem"] == "run_in_progress"


@pytest.mark.both_runtimes
def test_a_migration_that_could_not_be_ended_is_not_begun(database: Database, databases: Any) -> None:
    ops = Database(database.server, database.name, f"ops of {database.name}", "only-watches", database.history)
    databases.role(ops.user, ops.password)
    try:
        database.rows(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{ops.user}"')
        login = {**alembic_args(database), "login_user": ops.user, "login_password": ops.password}
        refused = run_module("alembic_migrate", **login, direction="downgrade", revision=PARENT)
        assert (refused["problem"], refused["facts"]["user"]) == ("cannot_end_migration", database.user)
        assert database.heads() == {"k1l2m3n4o5p6"}
        database.rows(f'GRANT "{database.user}" TO "{ops.user}"', superuser=True)
        assert run_module("alembic_migrate", **login, direction="downgrade", revision=PARENT)["changed"]
    finally:
        database.rows(f'DROP OWNED BY "{ops.user}"; DROP ROLE "{ops.user}"', superuser=True)


def test_a_directory_everybody_writes_to_is_neither_used_nor_closed(database: Database, tmp_path: Path) -> None:
    place = tmp_path / "everybody's"
    place.mkdir()
    place.chmod(0o777)
    refused = begin(database, place, controller())
    assert (refused["problem"], refused["outcome"]) == ("directory_not_ours", "refused")
    assert stat.S_IMODE(place.stat().st_mode) == 0o777 and not list(place.iterdir())


def test_a_key_phrase_that_would_show_on_a_command_line_is_refused(database: Database) -> None:
    arguments = {**common_args(database), "connect_params": {"sslpassword": "a phrase of its own"}}
    refused = run_module("table_count", **arguments)
    assert refused["problem"] == "sslpassword_would_show"
    assert "a phrase of its own" not in refused.stdout


@pytest.mark.parametrize("schema", ["public", "the app"])
def test_concerned_tables_are_found_on_the_search_path(
        make_database: Callable[..., Database], tmp_path: Path, schema: str) -> None:
    database = make_database("guide", "migration")
    if schema != "public":
        database.rows(f'ALTER SCHEMA public RENAME TO "{schema}"', superuser=True)
        database.rows(f'ALTER ROLE "{database.user}" SET search_path = "{schema}"', superuser=True)
    before = str(tmp_path / "before.json")
    run_module("table_count", **common_args(database), everything=True, evidence=before)
    database.rows("DELETE FROM categories; UPDATE alembic_version SET version_num = 'x'")
    concerned = run_module("table_count", **common_args(database), baseline=before, concerned=["categories"])
    assert concerned["passed"], concerned["results"]
    database.rows("DROP TABLE categories CASCADE")
    gone = run_module("table_count", **common_args(database), baseline=before, concerned=["categories"])
    assert gone["passed"], gone["results"]
    assert not run_module("table_count", **common_args(database), baseline=before)["passed"]


# psycopg2 hands notices to whatever stands for its list, and drops the errors of that.
DEAF = """
import os, signal, sys
import psycopg2
from ansible_collections.recyclic.rollback.plugins.module_utils._database import rows
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Interrupted
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import interruptible

class Notices:
    def append(self, notice):
        os.kill(os.getpid(), signal.SIGTERM)
        len(notice)

connection = psycopg2.connect(os.environ["DATABASE_URL"])
connection.autocommit = True
connection.notices = Notices()
try:
    with interruptible():
        rows(connection, "DROP TABLE IF EXISTS nothing_of_the_kind")
        print("went on")
        for second in range(100):
            rows(connection, "SELECT pg_sleep(0.1)")
except Interrupted as stopped:
    print("interrupted by", stopped.signum)
"""


def test_an_interruption_that_psycopg2_drops_comes_again(database: Database) -> None:
    done = subprocess.run([sys.executable, "-c", DEAF], env=clean_environment(DATABASE_URL=database.url), text=True,
                          capture_output=True, timeout=60, check=False)
    assert done.stdout == f"went on\ninterrupted by {int(signal.SIGTERM)}\n", done.stdout + done.stderr
