# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo's stack, with a real engine."""
from __future__ import annotations

import json
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg2
import pytest

# conftest.py has made demo/compose importable.
import stack
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
PARENT = "g1h2i3j4k5l6"


@pytest.fixture(scope="module")
def guide(up: Any) -> Stack:
    found: Stack = up("guide", "migration")
    return found


@pytest.fixture(scope="module")
def production(up: Any) -> Stack:
    found: Stack = up("chain", "head", "production")
    return found


def env(one: Stack) -> dict[str, str]:
    """The project's variables as Compose reads them."""
    listed = json.loads(one.compose("config", "--format", "json").stdout)["services"]
    merged = {**listed["postgres"]["environment"], **listed["api"]["environment"]}
    return {key: str(value).replace("$$", "$") for key, value in merged.items()}


def query(one: Stack, sql: str, password: str | None = None) -> list[tuple[Any, ...]]:
    known, variables = stack.describe(one), env(one)
    database, given = known["database"], password or variables["POSTGRES_PASSWORD"]
    connection = psycopg2.connect(
        host=database["host"], port=database["port"], dbname=database["name"], user=known["user"], password=given,
        connect_timeout=5,
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())
    finally:
        connection.close()


def get(one: Stack, path: str, token: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(stack.describe(one)["api"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def categories(one: Stack) -> tuple[int, str]:
    return get(one, "/api/v1/categories/", env(one)["DEMO_API_TOKEN"])


def application(one: Stack, *command: str) -> subprocess.CompletedProcess[str]:
    return one.compose("run", "--rm", "--no-deps", "-T", "api-migrations", *command, check=False)


def use_tag(one: Stack, old: str, new: str) -> None:
    text = one.env_file.read_text()
    assert f"RECYCLIC_TAG='{old}'" in text
    one.env_file.write_text(text.replace(f"RECYCLIC_TAG='{old}'", f"RECYCLIC_TAG='{new}'"))


def test_the_guide_at_the_migration(guide: Stack) -> None:
    known = stack.describe(guide)
    assert (known["heads"], known["project"], known["history"]) == (["k1l2m3n4o5p6"], guide.project, "guide")
    assert query(guide, "SELECT count(*) FROM categories") == [(14,)]
    assert query(guide, "SELECT count(*) > 0 FROM sales") == [(True,)]
    status, body = categories(guide)
    assert (status, len(json.loads(body))) == (200, 14)
    assert "k1l2m3n4o5p6 (head)" in application(guide, "alembic", "current").stdout


def test_the_password_is_hostile_and_kept_private(guide: Stack) -> None:
    variables = env(guide)
    assert set("%@/'\"$#") <= set(variables["POSTGRES_PASSWORD"])
    assert unquote(urlsplit(variables["DATABASE_URL"]).password or "") == variables["POSTGRES_PASSWORD"]
    assert stat.S_IMODE(guide.env_file.stat().st_mode) == 0o600
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        query(guide, "SELECT 1", password="wrong")
    assert variables["POSTGRES_PASSWORD"] not in json.dumps(stack.describe(guide))


def test_variables_of_the_caller_do_not_win(guide: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    before = env(guide)
    for name in ("POSTGRES_PASSWORD", "DATABASE_URL", "COMPOSE_PROJECT_NAME"):
        monkeypatch.setenv(name, "elsewhere")
    assert env(guide) == before


def test_development_publishes_on_this_machine_only(guide: Stack) -> None:
    for service, port in (("postgres", 5432), ("redis", 6379), ("api", 8000)):
        container = guide.container(service)
        assert container is not None
        published = container["NetworkSettings"]["Ports"][f"{port}/tcp"]
        assert [binding["HostIp"] for binding in published] == ["127.0.0.1"]


def test_the_applications_own_checks(guide: Stack) -> None:
    tests = guide.compose("--profile", "tests", "run", "--rm", "--no-deps", "-T", "api-tests", check=False)
    assert tests.returncode == 0, tests.stderr
    validation = application(guide, "python3", "/app/api/validate_migration.py")
    assert validation.stdout.splitlines() == ["categories: 14", "level-1 labels of dom_category among them: 14"]
    assert validation.returncode == 0


def test_a_plain_up_undoes_a_rollback(guide: Stack) -> None:
    assert application(guide, "alembic", "downgrade", "9a2b3c4d5e6f").returncode == 0
    assert stack.describe(guide)["heads"] == ["9a2b3c4d5e6f"]
    validation = application(guide, "python3", "/app/api/validate_migration.py")
    assert (validation.returncode, validation.stdout.splitlines()[-1]) == (1, "no category found")
    assert categories(guide) == (200, "[]")

    guide.compose("up", "-d")
    deadline = time.monotonic() + 20
    while stack.describe(guide)["heads"] != ["k1l2m3n4o5p6"] and time.monotonic() < deadline:
        time.sleep(0.3)
    assert stack.describe(guide)["heads"] == ["k1l2m3n4o5p6"]


def test_a_stopped_server_ends_cleanly_and_keeps_its_data(guide: Stack) -> None:
    before = query(guide, "SELECT count(*) FROM users")
    guide.compose("stop", "postgres")
    stopped = guide.container("postgres")
    assert stopped is not None
    assert stopped["State"]["ExitCode"] == 0
    guide.compose("up", "-d", "--no-deps", "--wait", "postgres")
    assert query(guide, "SELECT count(*) FROM users") == before
    assert query(guide, "SHOW fsync") == [("off",)]


def test_production_has_fixed_names_and_publishes_nothing(production: Stack) -> None:
    for service in ("postgres", "redis", "api"):
        container = production.container(service)
        assert container is not None
        assert container["Name"] == f"/{production.project}-{service}"
        assert not any(container["NetworkSettings"]["Ports"].values())
        assert container["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    migrations = production.container("api-migrations")
    assert migrations is not None
    assert (migrations["State"]["Status"], migrations["State"]["ExitCode"]) == ("exited", 0)
    assert migrations["Config"]["Cmd"] == ["alembic", "upgrade", "head"]
    wanted = json.loads(production.compose("config", "--format", "json").stdout)["services"]["api"]["depends_on"]
    assert wanted["api-migrations"]["condition"] == "service_completed_successfully"


def test_the_api_needs_the_database_its_release_knows(production: Stack) -> None:
    assert stack.describe(production)["heads"] == ["m3npr1c3dr0p"]
    assert get(production, "/api/v1/categories/")[0] == 401
    status, body = categories(production)
    assert status == 200
    assert {"price", "max_price"} < set(json.loads(body)[0])
    assert "min_price" not in json.loads(body)[0]
    assert len(json.loads(body)) == 17, "the users' own included"

    assert application(production, "alembic", "downgrade", PARENT).returncode == 0
    assert categories(production)[0] == 500
    assert get(production, "/health")[0] == 200
    tests = production.compose("--profile", "tests", "run", "--rm", "--no-deps", "-T", "api-tests", check=False)
    assert tests.returncode != 0

    use_tag(production, "chain", "chain-before")
    production.compose("up", "-d", "--no-deps", "--wait", "api")
    assert categories(production) == (200, "[]")
    assert f"{PARENT} (head)" in application(production, "alembic", "current").stdout
    refused = application(production, "alembic", "upgrade", "k1l2m3n4o5p6")
    assert refused.returncode != 0, "that release knows nothing newer"
    use_tag(production, "chain-before", "chain")


def test_engine_is_quick_when_all_is_there_and_two_may_run_at_once(docker: None) -> None:
    engine = [sys.executable, str(ROOT / "demo" / "compose" / "engine.py")]
    began = time.monotonic()
    both = [subprocess.Popen([*engine, "ensure"], stdout=subprocess.PIPE, text=True) for each in range(2)]
    outputs = [process.communicate()[0].splitlines() for process in both]
    assert time.monotonic() - began < 5
    assert [output[-1] for output in outputs] == ["engine: ready"] * 2
    built = subprocess.run([*engine, "build"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(built) == 6
    assert all(line.endswith("up to date") for line in built)


def test_down_removes_its_own_project_and_no_other(guide: Stack, production: Stack) -> None:
    def left(one: Stack) -> dict[str, int]:
        filters = f"--filter=label=com.docker.compose.project={one.project}"
        kinds: dict[str, list[str]] = {"container": ["-a"], "volume": [], "network": []}
        return {
            kind: len(subprocess.check_output(["docker", kind, "ls", "-q", *more, filters], text=True).split())
            for kind, more in kinds.items()
        }

    before = left(production)
    assert before == left(guide) == {"container": 4, "volume": 1, "network": 1}
    # What a killed `compose run` leaves behind.
    guide.compose("run", "-d", "--no-deps", "api-migrations", "sleep", "600")
    assert left(guide)["container"] == 5

    program = [sys.executable, str(ROOT / "demo" / "compose" / "stack.py")]
    for _attempt in ("first", "again"):
        subprocess.run([*program, "down", "--dir", str(guide.directory)], check=True)
        assert left(guide) == {"container": 0, "volume": 0, "network": 0}
    assert left(production) == before
    assert categories(production)[0] in (200, 500)
    status = subprocess.run([*program, "status", "--dir", str(guide.directory)], capture_output=True, check=False)
    assert status.returncode == 3
