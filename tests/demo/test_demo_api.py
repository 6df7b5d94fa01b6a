# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo's API, served by uvicorn."""
from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

API = Path(__file__).resolve().parents[2] / "demo" / "api"
TOKEN = "a token of the tests"


@contextmanager
def serve(log: Path, **variables: str) -> Iterator[str]:
    """Run uvicorn for the length of the block; gives the base URL."""
    with socket.socket() as listening, log.open("w") as output:
        # Listening from now on, the kernel holds early requests until uvicorn accepts them.
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port, fd = listening.getsockname()[1], listening.fileno()
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--app-dir", str(API), "--fd", str(fd), "main:app"],
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
            pass_fds=[fd],
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def get(url: str, token: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_categories(seeded: Callable[[str], Any], tmp_path: Path) -> None:
    db = seeded("chain")
    with serve(tmp_path / "log", DATABASE_URL=db.url, DEMO_API_TOKEN=TOKEN) as base:
        url = f"{base}/api/v1/categories/"
        assert get(f"{base}/health") == (200, '{"status":"healthy"}')
        assert [get(url)[0], get(url, "")[0], get(url, "wrong")[0]] == [401, 401, 401]
        assert get(url, TOKEN) == (200, "[]")

        db.alembic("upgrade", "k1l2m3n4o5p6")
        status, body = get(url, TOKEN)
        rows = json.loads(body)
        assert (status, len(rows)) == (200, 14)
        assert set(rows[0]) == {"id", "name", "is_active", "parent_id"}
        assert {row["name"] for row in rows} >= {"Électroménager"}

        db.alembic("downgrade", "b1c2d3e4f5a6")
        assert get(url, TOKEN)[0] == 500, "a column is missing"
        db.alembic("downgrade", "9a2b3c4d5e6f")
        assert get(url, TOKEN)[0] == 500, "the table is missing"
        assert get(f"{base}/health")[0] == 200
    assert db.url not in (tmp_path / "log").read_text()


def test_no_token_configured_lets_nobody_in(tmp_path: Path) -> None:
    with serve(tmp_path / "log", DATABASE_URL="postgresql://nowhere.invalid/x", DEMO_API_TOKEN="") as base:
        assert get(f"{base}/api/v1/categories/", "")[0] == 401
        assert get(f"{base}/health")[0] == 200


def test_columns_are_configurable(seeded: Callable[[str], Any], tmp_path: Path) -> None:
    db = seeded("guide")
    db.rows("INSERT INTO categories (name) VALUES ('Vélos')")
    variables = {"DATABASE_URL": db.url, "DEMO_API_TOKEN": TOKEN, "DEMO_API_COLUMNS": "name, is_active"}
    with serve(tmp_path / "log", **variables) as base:
        status, body = get(f"{base}/api/v1/categories/", TOKEN)
    assert (status, json.loads(body)) == (200, [{"name": "Vélos", "is_active": True}])
