# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the three histories do, losses included."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

MIGRATION = "k1l2m3n4o5p6"
PARENT = {"guide": "9a2b3c4d5e6f", "chain": "g1h2i3j4k5l6", "branched": "g1h2i3j4k5l6"}
OTHER_HEADS: dict[str, set[str]] = {"guide": set(), "chain": set(), "branched": {"f4g5h6i7j8k9"}}
HEADS = {"guide": {MIGRATION}, "chain": {"m3npr1c3dr0p"}, "branched": {"24b194c1b790", "f4g5h6i7j8k9"}}

Seeded = Callable[[str], Any]


@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_there_and_back_to_the_parent_restores_everything(seeded: Seeded, history: str) -> None:
    db = seeded(history)
    before = db.content()
    assert db.count("dom_category WHERE level = 1") == 14
    assert db.count("dom_category WHERE level = 2") == 6
    assert (db.count("sales"), db.count("sale_items"), db.count("ligne_depot")) == (2000, 5000, 1500)

    db.alembic("upgrade", MIGRATION)
    assert db.heads() == {MIGRATION} | OTHER_HEADS[history]
    names = {name for (name,) in db.rows("SELECT name FROM categories")}
    assert names == {label for (label,) in db.rows("SELECT label FROM dom_category WHERE level = 1")}
    assert db.rows("SELECT id FROM categories INTERSECT SELECT id FROM dom_category") == []

    db.alembic("downgrade", PARENT[history])
    assert db.content() == before


@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_seeding_after_the_head(seeded: Seeded, history: str) -> None:
    db = seeded(history)
    again = db.seed("before")
    assert again["changed"] is False and again["message"] == "already seeded"

    db.alembic("upgrade", "heads")
    assert db.heads() == HEADS[history]
    assert db.seed("after")["changed"] is True
    content = db.content()
    assert db.seed("after")["changed"] is False
    assert db.content() == content

    assert db.count("categories") == 17
    assert db.count("categories WHERE parent_id IS NOT NULL") == 1
    if history != "guide":
        lines = "ligne_depot l JOIN categories c ON c.id = l.category_id"
        own = "('Instruments de musique', 'Luminaires', 'Jeux de société')"
        assert db.count(f"{lines} WHERE c.name IN {own}") == 30
        assert db.count(f"{lines} WHERE c.name NOT IN {own}") == 1500 + 30


def test_the_migrations_downgrade_deletes_the_users_own_rows_too(seeded: Seeded) -> None:
    db = seeded("guide")
    db.alembic("upgrade", "head")
    db.seed("after")
    db.alembic("downgrade", PARENT["guide"])
    assert db.count("categories") == 0


def test_seeding_at_the_wrong_point_is_refused(create: Callable[..., Any]) -> None:
    db = create("chain")
    db.seed("before", status=1)
    db.seed("after", status=1)
    assert db.tables() == set()


def test_the_migration_does_nothing_where_there_is_something_already(seeded: Seeded) -> None:
    db = seeded("guide")
    db.rows("INSERT INTO categories (name) VALUES ('first come')")
    db.alembic("upgrade", MIGRATION)
    assert db.rows("SELECT name FROM categories") == [("first come",)]


@pytest.mark.parametrize("history", ["guide", "chain"])
def test_the_migrations_downgrade_renders_as_one_delete(seeded: Seeded, history: str) -> None:
    db = seeded(history)
    output = db.alembic("downgrade", f"{MIGRATION}:{PARENT[history]}", "--sql")
    statements = [line for line in output.splitlines() if line.startswith(("DELETE", "DROP", "ALTER"))]
    assert statements == ["DELETE FROM categories;"]


def test_going_to_9a2b_in_chain_loses_other_peoples_work(seeded: Seeded) -> None:
    db = seeded("chain")
    db.alembic("upgrade", MIGRATION)
    db.alembic("downgrade", "9a2b3c4d5e6f")
    assert not {"categories", "settings"} & db.tables()
    assert "weight" not in db.columns("sale_items")
    assert "hashed_pin" not in db.columns("users")
    assert "operator_id" not in db.columns("sales")

    db.alembic("upgrade", MIGRATION)
    assert db.count("categories") == 14
    assert db.count("sale_items WHERE weight <> 0") == 0
    assert db.count("users WHERE hashed_pin IS NOT NULL") == 0
    assert db.count("settings") == 0


def test_from_chains_head_the_old_tree_comes_back_empty_and_the_way_up_is_closed(seeded: Seeded) -> None:
    db = seeded("chain")
    db.alembic("upgrade", "head")
    assert "dom_category" not in db.tables()
    assert db.columns("categories") >= {"price", "max_price"} and "min_price" not in db.columns("categories")
    db.seed("after")
    db.alembic("downgrade", "g1h2i3j4k5l6")
    assert (db.count("dom_category"), db.count("dom_category_closure"), db.count("categories")) == (0, 0, 0)
    assert not {"dom_category_id", "category_id"} & db.columns("ligne_depot")
    assert "UndefinedColumn" in db.alembic("upgrade", "head", status=1)


def test_going_to_9a2b_in_branched_unwinds_both_branches(seeded: Seeded) -> None:
    db = seeded("branched")
    db.alembic("upgrade", "heads")
    assert db.alembic("heads").split()[::2] == ["24b194c1b790", "f4g5h6i7j8k9"]
    db.alembic("upgrade", "head", status=255)
    db.alembic("downgrade", "g1h2i3j4k5l6")
    assert db.heads() == {"g1h2i3j4k5l6", "f4g5h6i7j8k9"}
    db.alembic("downgrade", "9a2b3c4d5e6f")
    assert db.heads() == {"9a2b3c4d5e6f"}
    assert "categories" not in db.tables()


@pytest.mark.parametrize("history", ["guide", "chain", "branched"])
def test_down_to_nothing_leaves_nothing(create: Callable[..., Any], history: str) -> None:
    db = create(history)
    db.alembic("upgrade", "heads")
    db.alembic("downgrade", "base")
    assert db.tables() == {"alembic_version"}
    assert db.rows("SELECT typname FROM pg_type WHERE typname = 'destination'") == []


def test_env_prints_the_password_and_takes_percent_signs(seeded: Seeded) -> None:
    db = seeded("guide")
    db.rows("CREATE ROLE odd LOGIN SUPERUSER PASSWORD 'a%b@c'")
    odd = "postgresql://odd:a%25b%40c@" + db.url.partition("@")[2]
    output = replace(db, url=odd).alembic("current")
    assert f"DATABASE_URL={odd}" in output
    assert PARENT["guide"] in output


def test_without_a_url_the_error_says_so(create: Callable[..., Any]) -> None:
    db = replace(create("guide"), url="")
    assert "FAILED: DATABASE_URL is not set" in db.alembic("current", status=255)


def test_a_path_with_blanks_and_any_working_directory(create: Callable[..., Any], tmp_path: Path) -> None:
    db = create("guide")
    moved = tmp_path / "a clone" / "migrations"
    shutil.copytree(db.ini.parents[1], moved, ignore=shutil.ignore_patterns("__pycache__"))
    replace(db, ini=moved / "guide" / "alembic.ini").alembic("upgrade", "head")
    assert db.heads() == {MIGRATION}


def test_alembic_finds_nothing_to_warn_about(create: Callable[..., Any]) -> None:
    db = create("chain")
    python = os.environ.get("DEMO_PYTHON", sys.executable)
    argv = [python, "-W", "error", "-m", "alembic", "-c", str(db.ini), "history"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 14
