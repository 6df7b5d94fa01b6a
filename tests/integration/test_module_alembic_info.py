# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""alembic_info: where a database stands, whatever the application's env.py does."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness import (
    BASE,
    HEADS,
    MIGRATION,
    NOWHERE,
    PARENT,
    TOP,
    Database,
    alembic_args,
    make_project,
    run_module,
    wait_for,
)


@pytest.mark.both_runtimes("chain-None")
@pytest.mark.parametrize(
    ("history", "to", "path", "left"),
    [
        ("guide", None, [MIGRATION], {"9a2b3c4d5e6f"}),
        ("chain", None, ["m3npr1c3dr0p", "h2i3j4k5l6m7", "8dfd79bd357d", "24b194c1b790", MIGRATION], {"g1h2i3j4k5l6"}),
        ("chain", "24b194c1b790", ["m3npr1c3dr0p", "h2i3j4k5l6m7", "8dfd79bd357d"], {"24b194c1b790"}),
        ("branched", "g1h2i3j4k5l6", ["24b194c1b790", MIGRATION], {"f4g5h6i7j8k9", "g1h2i3j4k5l6"}),
        ("branched", "9a2b3c4d5e6f", None, {"9a2b3c4d5e6f"}),
    ],
)
def test_path_and_heads_are_those_alembic_then_makes(
    make_database: Callable[..., Database], history: str, to: str | None, path: list[str] | None, left: set[str]
) -> None:
    database = make_database(history, "head")
    before = database.dump()

    found = run_module("alembic_info", **alembic_args(database), migration=MIGRATION, to_revision=to)

    assert set(found["recorded_heads"]) == HEADS[history]
    assert found["recorded_heads"] == sorted(found["recorded_heads"])
    assert set(found["history_heads"]) == HEADS[history]
    assert found["unknown_heads"] == found["overlapping_heads"] == []
    assert found["applied"] is True
    assert set(found["predicted_heads"]) == left
    walked = [step["revision"] for step in found["path"]]
    if path is None:  # Both branches, in an order that is Alembic's own affair.
        assert sorted(walked) == sorted(["24b194c1b790", MIGRATION, "g1h2i3j4k5l6", "b1c2d3e4f5a6", "f4g5h6i7j8k9",
                                         "e3f4g5h6i7j8", "d2e3f4g5h6i7"])
    else:
        assert walked == path
    assert all(step["downgrade"] == "implemented" and step["message"] for step in found["path"])
    assert database.dump() == before

    database.alembic("downgrade", to or PARENT[history])
    assert database.heads() == set(found["predicted_heads"])


def test_the_way_up_and_a_migration_not_applied(make_database: Callable[..., Database]) -> None:
    database = make_database("chain", "before")

    found = run_module("alembic_info", **alembic_args(database), direction="upgrade", migration=MIGRATION,
                       to_revision="8dfd79bd357d")

    assert found["applied"] is False
    assert [step["revision"] for step in found["path"]] == [MIGRATION, "24b194c1b790", "8dfd79bd357d"]
    assert found["predicted_heads"] == ["8dfd79bd357d"]
    database.alembic("upgrade", "8dfd79bd357d")
    assert database.heads() == {"8dfd79bd357d"}


@pytest.mark.both_runtimes
def test_probe_is_of_the_connection_env_py_makes(database: Database) -> None:
    found = run_module("alembic_info", **alembic_args(database), lock_timeout=1234)["probe"]

    identifier = database.value("SELECT system_identifier::text FROM pg_control_system()", superuser=True)
    assert found["system_identifier"] == identifier
    assert (found["database"], found["user"]) == (database.name, database.user)
    assert found["lock_timeout"] == "1234ms"
    assert found["client_connection_check_interval"] == "500ms"
    assert found["application_name"].startswith("recyclic.rollback")
    assert (found["version_table"], found["version_table_schema"]) == ("alembic_version", None)


LOOKS_LIKE_AN_ANSWER = '''
import atexit, json, os, sys
print(json.dumps({"graph": [], "probe": {"heads": ["f00"]}, "alembic": "0"}))
print("<<0123456789abcdef:" + json.dumps({"graph": [], "probe": {"heads": []}}) + ":0123456789abcdef>>")
print("{" * 2000, "\\x00\\x1b[31m \\u2028 no new line at the end", end="")
os.write(1, b"\\xff\\xfe{}")
os.write(2, os.environ["DATABASE_URL"].encode())
atexit.register(lambda: print("<<", "x" * 5000, "}"))
'''


@pytest.mark.both_runtimes("prints-answers", "closes-descriptors")
@pytest.mark.parametrize(
    "before",
    [
        LOOKS_LIKE_AN_ANSWER,
        "import io, sys\nsys.stdout = io.StringIO()",
        "import sys\nsys.stdout = open('/dev/null', 'w')\nsys.stderr = sys.stdout",
        "import sys\nsys.stdout.close()",
        "import os, sys\nsys.stdout.close()\nos.closerange(0, 2)",
        "import sys\nsys.stdin.read()",
    ],
    ids=["prints-answers", "replaces-stdout", "silences-both", "closes-stdout", "closes-descriptors", "reads-stdin"],
)
def test_env_py_cannot_spoil_the_answer(empty: Database, tmp_path: Path, before: str) -> None:
    empty.stamp(TOP)
    project = make_project(tmp_path / "app", before=before)

    found = run_module("alembic_info", **alembic_args(empty, project), migration=TOP)

    assert (found["recorded_heads"], found["history_heads"], found["predicted_heads"]) == ([TOP], [TOP], [BASE])
    assert [step["revision"] for step in found["path"]] == [TOP]


BROKEN = {
    "raises": ("raise RuntimeError('no way to ' + os.environ['DATABASE_URL'])", "RuntimeError: no way to ********"),
    "exits": ("import sys\nprint(os.environ['DATABASE_URL'])\nsys.exit(3)", "SystemExit: 3"),
    "exits-with-words": ("import sys\nsys.exit(os.environ['DATABASE_URL'])", "SystemExit: ********"),
    "exits-hard": ("print(os.environ['DATABASE_URL'], flush=True)\nos._exit(4)", "********"),
    "dies": ("import signal\nos.kill(os.getpid(), signal.SIGKILL)", "status -9"),
    "import-fails": ("import the_models_of_the_application", "ModuleNotFoundError"),
    "syntax": ("def (", "SyntaxError"),
    "interrupts": ("raise KeyboardInterrupt(os.environ['DATABASE_URL'])", "KeyboardInterrupt"),
}


@pytest.mark.both_runtimes("raises")
@pytest.mark.parametrize("case", BROKEN)
def test_broken_env_py_is_refused_clearly(empty: Database, tmp_path: Path, case: str) -> None:
    before, said = BROKEN[case]
    empty.stamp(TOP)
    project = make_project(tmp_path / "app", before=before)
    dump = empty.dump()

    refused = run_module("alembic_info", **alembic_args(empty, project))  # fails by itself where a password shows

    assert (refused["problem"], refused["outcome"]) == ("alembic_broken", "refused")
    assert said in refused["msg"]
    assert str(project) in refused["msg"]
    assert empty.dump() == dump


def test_env_py_that_never_migrates_is_refused(empty: Database, tmp_path: Path) -> None:
    project = make_project(tmp_path / "app", env="print('nothing to see')\n")
    refused = run_module("alembic_info", **alembic_args(empty, project))
    assert refused["problem"] == "alembic_broken"
    assert "run_migrations" in refused["msg"]


@pytest.mark.both_runtimes
def test_env_py_that_hangs_is_ended_in_time(empty: Database, tmp_path: Path) -> None:
    project = make_project(tmp_path / "app", before="import time\ntime.sleep(600)")
    refused = run_module("alembic_info", **alembic_args(empty, project), alembic_timeout=3)
    assert refused["problem"] == "alembic_broken"
    assert "timeout" in refused["msg"]
    assert empty.one_shots() == []
    assert empty.processes() == []
    wait_for(lambda: not empty.sessions(), "the end of the sessions")


@pytest.mark.parametrize(("option", "program"), [("alembic_config", "/nowhere/alembic.ini"),
                                                 ("alembic_python", "/nowhere/python"),
                                                 ("alembic_chdir", "/nowhere")])
def test_an_environment_that_is_not_there_is_refused(empty: Database, option: str, program: str) -> None:
    refused = run_module("alembic_info", **{**alembic_args(empty), option: program})
    assert refused["problem"] == ("alembic_broken" if option == "alembic_config" else "program_cannot_start")
    assert refused["outcome"] == "refused"
    assert "/nowhere" in refused["msg"]


def test_an_interpreter_without_alembic_is_refused(empty: Database, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {Path("/proc/self/exe").resolve()} -S -E "$@"\n')
    bare.chmod(0o755)
    refused = run_module("alembic_info", **{**alembic_args(empty), "alembic_python": str(bare)})
    assert refused["problem"] == "alembic_broken"
    assert "No module named" in refused["msg"]


@pytest.mark.both_runtimes("Odd schema")
@pytest.mark.parametrize("schema", ["meta", "Odd schema", None])
def test_version_table_of_another_name_and_schema(empty: Database, tmp_path: Path, schema: str | None) -> None:
    table = 'Schema "versions"'
    place = f'"{schema}".' if schema else ""
    if schema:
        empty.rows(f'CREATE SCHEMA "{schema}"')
    empty.rows(f'CREATE TABLE {place}"Schema ""versions""" (version_num text PRIMARY KEY)')
    empty.rows(f'INSERT INTO {place}"Schema ""versions""" VALUES (\'{TOP}\')')
    empty.stamp("a1d2e3c4o5y6")  # what a reader of the usual name would fall for
    project = make_project(tmp_path / "app", configure=f", version_table={table!r}, version_table_schema={schema!r}")

    found = run_module("alembic_info", **alembic_args(empty, project), migration=TOP)

    assert found["recorded_heads"] == [TOP]
    assert (found["probe"]["version_table"], found["probe"]["version_table_schema"]) == (table, schema)
    assert found["predicted_heads"] == [BASE]


def test_unknown_recorded_revision_is_reported(database: Database) -> None:
    database.stamp("0ff1ce0ff1ce", "9a2b3c4d5e6f")
    found = run_module("alembic_info", **alembic_args(database), migration=MIGRATION)
    assert found["recorded_heads"] == ["0ff1ce0ff1ce", "9a2b3c4d5e6f"]
    assert found["unknown_heads"] == ["0ff1ce0ff1ce"]
    assert found["path"] is None
    assert found["predicted_heads"] == found["recorded_heads"]
    assert found["applied"] is False


def test_overlapping_rows_are_reported(database: Database) -> None:
    database.stamp(MIGRATION, "9a2b3c4d5e6f")
    found = run_module("alembic_info", **alembic_args(database))
    assert found["overlapping_heads"] == ["9a2b3c4d5e6f", MIGRATION]


def test_a_database_without_a_version_table(empty: Database) -> None:
    found = run_module("alembic_info", **alembic_args(empty), direction="upgrade", to_revision="5d0e1f2a3b4c")
    assert found["recorded_heads"] == []
    assert [step["revision"] for step in found["path"]] == ["5d0e1f2a3b4c"]
    assert empty.dump() == empty.dump()
    assert "alembic_version" not in empty.dump()


def test_env_py_of_another_database_is_refused(make_database: Callable[..., Database]) -> None:
    ours, theirs = make_database("guide", "migration"), make_database("guide", "before")
    arguments = {**alembic_args(ours), "alembic_environment": {"DATABASE_URL": theirs.url}}
    refused = run_module("alembic_info", **arguments)
    assert refused["problem"] == "heads_disagree"
    assert MIGRATION in refused["msg"]
    assert "9a2b3c4d5e6f" in refused["msg"]
    assert theirs.name in refused["msg"]


DOWNGRADES = '''"""a revision of its own kind"""
revision = "{0}"
down_revision = "{1}"
def upgrade(): pass
{2}
'''


def test_what_a_downgrade_is_by_its_source(empty: Database, tmp_path: Path) -> None:
    bodies = {"a1": "def downgrade(): pass", "a2": "def downgrade():\n    '''Nothing.'''",
              "a3": "def downgrade():\n    '''No.'''\n    raise NotImplementedError('no')",
              "a4": "downgrade = lambda: None", "a5": "from os import getpid as downgrade",
              "a6": "def downgrade():\n    from alembic import op\n    op.execute('SELECT 1')"}
    names, versions, down = {}, {}, TOP
    for number, body in bodies.items():
        revision = number * 6
        versions[f"{number}.py"] = DOWNGRADES.format(revision, down, body)
        names[number], down = revision, revision
    empty.stamp(down)
    project = make_project(tmp_path / "app", versions=versions)

    found = run_module("alembic_info", **alembic_args(empty, project), to_revision=BASE)

    kinds = {step["revision"]: step["downgrade"] for step in found["path"]}
    assert {number: kinds[revision] for number, revision in names.items()} == {
        "a1": "empty?", "a2": "empty?", "a3": "raises", "a4": "unknown", "a5": "unknown", "a6": "implemented"}


@pytest.mark.both_runtimes
def test_wrong_password_and_no_server_are_told_apart(database: Database) -> None:
    wrong = run_module("alembic_info", **{**alembic_args(database), "login_password": "wrong-password"})
    assert (wrong["problem"], wrong["outcome"]) == ("database_refuses", "refused")
    nobody = run_module("alembic_info", **{**alembic_args(database), **NOWHERE})
    assert (nobody["problem"], nobody["outcome"]) == ("server_unreachable", "refused")


def test_messages_in_french(database: Database) -> None:
    refused = run_module("alembic_info", **{**alembic_args(database), "login_port": 1, "language": "fr"})
    assert refused["msg"].startswith("Rien ne répond")
