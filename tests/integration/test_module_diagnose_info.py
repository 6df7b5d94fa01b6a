# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A diagnosis where programs run on the host: no containers, and the database as it is."""
from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from harness import Answer, Database, alembic_args, run_module, wait_for


def diagnose(database: Database, home: Path, **more: Any) -> Answer:
    found = run_module("diagnose_info", **{
        **alembic_args(database), "state_dir": str(home / "state"), "tables": ["categories"],
        "migration": "k1l2m3n4o5p6", **more})
    assert found["changed"] is False and not found.get("failed"), found
    for path in Path(found["directory"]).rglob("*"):
        assert not path.is_file() or not any(each in path.read_text() for each in database.spelled_password())
    return found


def read(found: Answer, name: str) -> Any:
    return json.loads((Path(found["directory"]) / name).read_text())


def test_a_database_that_is_well_has_no_cause_and_says_what_is_not_told(database: Database, tmp_path: Path) -> None:
    before = database.dump()
    found = diagnose(database, tmp_path)
    assert found["causes"] == []
    assert list(found["unavailable"]) == ["project"] and "rollback_compose_directory" in found["unavailable"]["project"]
    assert read(found, "heads.json")["migrations"]["applied"] is True
    assert "rollback_compose_directory" in read(found, "containers.json")["unavailable"]
    assert database.dump() == before and database.sessions() == []


def test_who_holds_the_table_and_who_waits_are_named_without_waiting_oneself(database: Database, tmp_path: Path
                                                                             ) -> None:
    with closing(database.connect(application_name="cash desk")) as session, database.locked("categories") as holder:
        def wait() -> None:
            with suppress(psycopg2.Error):
                session.cursor().execute("SELECT count(*) FROM categories")

        thread = threading.Thread(target=wait)
        thread.start()
        waiter = session.get_backend_pid()
        wait_for(lambda: database.waiting() == [waiter], "the session waits")
        found = diagnose(database, tmp_path)
        assert [cause["id"] for cause in found["causes"]] == ["blocked"]
        text = found["causes"][0]["text"]
        assert f"pid {holder} " in text and "a forgotten console" in text and f"pid {waiter} " in text
        assert f"SELECT pg_terminate_backend({holder})" in found["causes"][0]["next"]
        assert read(found, "database.json")["tables"][0]["error"]
    thread.join(20)
    assert not thread.is_alive()


def test_what_cannot_be_right_is_a_cause(make_database: Callable[..., Database], tmp_path: Path) -> None:
    database = make_database("chain", "migration")
    database.rows("TRUNCATE categories CASCADE")
    database.stamp("k1l2m3n4o5p6", "g1h2i3j4k5l6")
    found = diagnose(database, tmp_path)
    assert [cause["id"] for cause in found["causes"]] == ["version_table", "data_missing"]


def test_with_the_server_down_it_says_so_and_tells_the_rest(database: Database, tmp_path: Path) -> None:
    found = diagnose(database, tmp_path, login_port=1, language="fr")
    assert [cause["id"] for cause in found["causes"]] == ["database_down"]
    assert {"database", "heads", "project"} == set(found["unavailable"])
    assert read(found, "disk.json")[0]["free_bytes"] > 0
    assert found["summary"].startswith("# Diagnostic de")


@pytest.mark.parametrize(("option", "problem"), [({"since": "yesterday"}, "since_invalid"),
                                                 ({"patterns": {"api": "("}}, "pattern_invalid")])
def test_what_cannot_be_understood_is_refused_before_anything_is_made(database: Database, tmp_path: Path,
                                                                      option: dict[str, Any], problem: str) -> None:
    found = run_module("diagnose_info", **alembic_args(database), state_dir=str(tmp_path / "state"), **option)
    assert found["failed"] and found["problem"] == problem
    assert not (tmp_path / "state").exists()
