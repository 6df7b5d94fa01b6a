# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The database's password: in no output, no file and no command line, while every module does its work.

What modules print is looked through by harness.Started.answer for every module of every test.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness import (
    BASE,
    MIGRATION,
    TOP,
    Answer,
    Database,
    Watch,
    alembic_args,
    common_args,
    controller,
    files_with,
    make_project,
    run_module,
    start_module,
)


@pytest.mark.both_runtimes
def test_a_whole_run(database: Database, state_dir: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    node = {"TMPDIR": str(scratch)}
    secrets = database.spelled_password()

    with Watch(secrets, environments=not database.composed) as watch:
        run = run_module("run_open", environment=node, **common_args(database), state_dir=str(state_dir),
                         playbook="rollback", controller=controller())
        place = Path(run["run_dir"])
        ours: dict[str, Any] = {**common_args(database), "run_dir": str(place)}
        theirs: dict[str, Any] = {**alembic_args(database), "run_dir": str(place)}
        answers = [
            run,
            run_module("alembic_info", environment=node, **theirs, migration=MIGRATION),
            run_module("plan_info", environment=node, **theirs, migration=MIGRATION, concerned=["categories"]),
            run_module("pg_backup", environment=node, **ours, backups=str(state_dir / "backups"), disk_reserve="1MiB",
                       tables=["categories"]),
            run_module("pg_backup", environment=node, **ours, backups=str(state_dir / "backups"), disk_reserve="1MiB",
                       format="plain"),
            run_module("table_count", environment=node, **ours, everything=True, evidence=str(place / "before.json")),
            run_module("alembic_migrate", environment=node, check=True, diff=True, **theirs, direction="downgrade",
                       revision="9a2b3c4d5e6f"),
            run_module("alembic_migrate", environment=node, diff=True, **theirs, direction="downgrade",
                       revision="9a2b3c4d5e6f"),
            run_module("table_count", environment=node, **ours, everything=True, evidence=str(place / "after.json")),
            run_module("status_info", environment=node, **common_args(database), state_dir=str(state_dir),
                       controller=controller()),
            run_module("run_close", environment=node, **ours, state_dir=str(state_dir), outcome="rolled_back"),
        ]

    assert not any(answer.get("failed") for answer in answers)
    assert database.heads() == {"9a2b3c4d5e6f"}
    # The watch has seen the programs it is there for.
    assert any("pg_dump" in program for program in watch.seen)
    assert any("alembic" in program for program in watch.seen)
    assert watch.shown == set()
    assert files_with(secrets, state_dir) == []
    assert list(scratch.iterdir()) == []


@pytest.mark.both_runtimes
def test_failures_show_no_more(database: Database, empty: Database, state_dir: Path, tmp_path: Path) -> None:
    secrets = empty.spelled_password()
    run_dir = tmp_path / "20260101T000000Z-abcdef"
    run_dir.mkdir()
    empty.stamp(TOP)
    project = make_project(tmp_path / "app", downgrade="raise RuntimeError(os.environ['DATABASE_URL'] + ' ' + "
                                                       "os.environ['DATABASE_URL'].replace('%', '%%'))",
                           before="import sys\npassword = make_url(os.environ['DATABASE_URL']).password\n"
                                  "for out in (sys.stdout, sys.stderr):\n"
                                  "    print(os.environ['DATABASE_URL'], password, repr(password), file=out)")
    with Watch(secrets) as watch:
        args = {**alembic_args(empty, project), "run_dir": str(run_dir)}
        failed = run_module("alembic_migrate", **args, direction="downgrade", revision=BASE)
        shown = run_module("alembic_migrate", check=True, diff=True, **args, direction="downgrade", revision=BASE)
        wrong = run_module("pg_backup", **{**common_args(empty), "login_user": database.user}, backups=str(state_dir),
                           run_dir=str(run_dir))
    assert failed["problem"] == "migration_failed"
    # Where SQL is rendered in Compose, the test's own project is not mounted.
    assert ("FileNotFoundError" if empty.composed else "RuntimeError") in shown["sql"][TOP]["error"]
    assert wrong["problem"] == "database_refuses"
    assert watch.shown == set()
    assert files_with(secrets, run_dir, state_dir) == []
    journal = (run_dir / "journal.jsonl").read_text()
    assert "********" in journal


@pytest.mark.parametrize("password", ["a", "1", "no", "pw", "%25", "************"])
def test_short_passwords_do_not_eat_the_answer(database: Database, password: str) -> None:
    database.rows(f"ALTER ROLE \"{database.user}\" PASSWORD '{password}'")
    short = Database(database.server, database.name, database.user, password, database.history)
    module = start_module("table_count", **common_args(short), checks=[{"id": "one", "table": "users", "rows": 12}])
    module.secrets = set()  # so short that it stands in any text
    answer: Answer = module.answer()
    assert not answer.get("failed"), answer
    assert answer["passed"] is True


def test_other_values_of_the_environment_are_not_masked(database: Database, tmp_path: Path) -> None:
    args = alembic_args(database)
    args["alembic_environment"].update(ENVIRONMENT="guide", WORKERS="1", SMTP_PASSWORD="the-mail-password")
    moved = run_module("alembic_migrate", **args, direction="downgrade", revision="9a2b3c4d5e6f")
    assert moved["heads_after"] == ["9a2b3c4d5e6f"]
    assert moved["path"] == [MIGRATION]
    assert "guide" in moved["executed_commands"][0]
    assert "ENVIRONMENT=guide" in moved["transcript"]


def test_a_secret_value_that_env_py_prints_is_masked(empty: Database, tmp_path: Path) -> None:
    empty.stamp(TOP)
    project = make_project(tmp_path / "app", before="print(dict(os.environ)['SMTP_PASSWORD'], os.environ['API_KEY'])")
    args = alembic_args(empty, project)
    args["alembic_environment"].update(SMTP_PASSWORD="the-mail-password", API_KEY="the api key")
    moved = run_module("alembic_migrate", **args, direction="downgrade", revision=BASE)
    assert "the-mail-password" not in moved.stdout
    assert "the api key" not in moved.stdout
    assert json.dumps(moved["transcript"]).count("********") >= 2
