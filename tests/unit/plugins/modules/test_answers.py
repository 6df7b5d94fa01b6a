# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How every module answers: as a program, with its options on standard input, and no server to be had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg2")

PREFIX = "ansible_collections.recyclic.rollback.plugins.modules."
NOBODY = {"login_db": "recyclic", "login_host": "127.0.0.1", "login_port": 1, "login_user": "app"}


def answer(environment: dict[str, str], module: str, **options: Any) -> tuple[dict[str, Any], str]:
    done = subprocess.run([sys.executable, "-m", PREFIX + module], text=True, capture_output=True, check=False,
                          input=json.dumps({"ANSIBLE_MODULE_ARGS": {**NOBODY, **options}}), env=environment)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.stdout


@pytest.mark.parametrize(("language", "begins"), [("en", "Nothing answers at"), ("fr", "Rien ne répond à")])
def test_a_refusal_is_a_failure_with_its_message_key_facts_and_outcome(collections_environment: dict[str, str],
                                                                       language: str, begins: str) -> None:
    found, _text = answer(collections_environment, "table_count", language=language)
    assert (found["failed"], found["problem"], found["outcome"]) == (True, "server_unreachable", "refused")
    assert found["msg"].startswith(begins)
    assert found["facts"]["place"] == "127.0.0.1:1"


def test_no_secret_is_in_an_answer_and_what_is_none_stays_readable(
        collections_environment: dict[str, str]) -> None:
    found, text = answer(
        collections_environment, "alembic_info", login_password="first-s3cret",
        connect_params={"password": "s3cond-one"}, alembic_config="/x.ini", migration="abc1",
        alembic_environment={"DATABASE_URL": "postgresql://u:th1rd-one@h/d", "API_TOKEN": "f0urth-one", "WORKERS": "1"})
    for secret in ("first-s3cret", "s3cond-one", "th1rd-one", "f0urth-one"):
        assert secret not in text
    assert found["facts"]["place"] == "127.0.0.1:1", "a value such as 1 of the environment is not masked everywhere"


def test_status_answers_although_the_server_does_not(collections_environment: dict[str, str], tmp_path: Path) -> None:
    found, _text = answer(collections_environment, "status_info", state_dir=str(tmp_path / "none"), controller={})
    assert not found.get("failed")
    assert found["server"].startswith("Nothing answers") and found["recorded_heads"] is None
    assert found["next"] == "The server does not answer: start it first."
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"
