# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application asked whether it is well, with a real engine: one stack, from the migration to after its rollback."""
from __future__ import annotations

import json
import os
import re
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg2
import pytest

# conftest.py has made demo/compose importable.
import stack
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "collections/ansible_collections/recyclic/rollback/plugins/modules/functional_check.py"
MIGRATION, PARENT = "k1l2m3n4o5p6", "g1h2i3j4k5l6"
CATEGORIES = {"service": "api", "path": "/api/v1/categories/"}
SCRIPT = {"service": "api-migrations", "argv": ["python3", "/app/api/validate_migration.py"]}
EXPECTED = [
    {"id": "api-health", "http": {"service": "api", "path": "/health"}},
    {"id": "api-categories", "http": {**CATEGORIES, "body": r"^\["}},
    {"id": "categories-gone", "http": {**CATEGORIES, "body": r"^\[\]$"}, "expectation": "rolled_back"},
    {"id": "database-errors", "log": {"service": "postgres"}},
    {"id": "api-memory", "memory": {"service": "api"}},
    {"id": "api-tests", "command": {"service": "api-tests"}},
    {"id": "script", "command": SCRIPT, "expectation": "migrated"},
    {"id": "script-after", "command": {**SCRIPT, "rc": [1], "stdout": "no category found"},
     "expectation": "rolled_back"},
]


class Application:
    """A stack, its secrets, and this module and these playbooks on it."""

    def __init__(self, one: Stack, home: Path) -> None:
        self.stack, self.home = one, home
        listed = json.loads(one.compose("config", "--format", "json").stdout)["services"]
        self.token = str(listed["api"]["environment"]["DEMO_API_TOKEN"])
        self.password = str(listed["postgres"]["environment"]["POSTGRES_PASSWORD"]).replace("$$", "$")
        self.headers = {"Authorization": f"Bearer {self.token}"}
        self.state = home / "state"

    def module(self, *checks: dict[str, Any], check_mode: bool = False, **options: Any) -> dict[str, Any]:
        compose = {"directory": str(self.stack.directory), "files": ["compose.yml"], "env_files": [".env"],
                   "project": self.stack.project}
        arguments = {"login_db": "recyclic", "runtime": "compose", "compose": compose, "checks": checks, "watch_s": 0,
                     **options, "_ansible_check_mode": check_mode}
        done = subprocess.run(
            [sys.executable, str(MODULE)], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), capture_output=True,
            text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT / "collections")})
        said = json.dumps(arguments["checks"]) if "http_headers" not in arguments else ""
        assert self.token in said or self.token not in done.stdout + done.stderr
        assert self.password not in done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def one(self, kind: str, asked: dict[str, Any], **options: Any) -> dict[str, Any]:
        """Measure one check, and return its result with its measure."""
        answer = self.module({"id": "one", kind: asked}, **options)
        assert not answer.get("failed"), answer
        [result] = answer["results"]
        return {**result, "measure": answer["measures"]["one"]}

    def query(self, sql: str) -> Any:
        known = stack.describe(self.stack)["database"]
        connection = psycopg2.connect(host=known["host"], port=known["port"], dbname=known["name"], user="recyclic",
                                      password=self.password, connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def heads(self) -> list[str]:
        return [head for (head,) in self.query("SELECT version_num FROM alembic_version")]

    def alembic(self, *words: str) -> None:
        self.stack.compose("run", "--rm", "--no-deps", "-T", "api-migrations", "alembic", *words)

    def serve(self, columns: str) -> None:
        """Start the application as a release that reads these columns."""
        self.stack.compose("up", "-d", "--no-deps", "--wait", "api", variables={"DEMO_API_COLUMNS": columns})

    def run_dir(self, playbook: str, **files: Any) -> Path:
        """A run's directory as it is when this phase begins."""
        path = self.state / "runs" / f"20260101T000000Z-{secrets.token_hex(3)}"
        path.mkdir(parents=True)
        meta = {"playbook": playbook, "lock": "slug", "started_at": "2026-01-01T00:00:00.000Z"}
        for name, content in {"run": meta, **files}.items():
            (path / f"{name}.json").write_text(json.dumps(content))
        return path

    def play(self, playbook: str, *words: str, **settings: Any) -> tuple[str, dict[str, Any]]:
        """Run a playbook; return all it printed, and its report."""
        reports = self.home / "reports"
        latest = reports / "latest"
        if latest.is_symlink():
            latest.unlink()
        variables = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_pipelining": True,
            "rollback_runtime": "compose", "rollback_database": "recyclic", "rollback_confirm": "recyclic",
            "rollback_compose_directory": str(self.stack.directory), "rollback_compose_files": ["compose.yml"],
            "rollback_compose_env_files": [".env"], "rollback_compose_project": self.stack.project,
            "rollback_state_dir": str(self.state), "rollback_report_dir": str(reports), "rollback_disk_reserve": "1M",
            "rollback_http_headers": self.headers, "rollback_watch_s": 4,
            "rollback_checks": [{"id": "categories-empty", "table": "categories", "rows": 0,
                                 "expectation": "rolled_back"}, *EXPECTED], **settings}
        inventory = self.home / "inventory.json"
        inventory.write_text(json.dumps({"rollback": {"hosts": {"site": variables}}}))
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory),
             str(ROOT / "playbooks" / f"{playbook}.yml"), *words], cwd=self.home, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, env={**os.environ, "ANSIBLE_NOCOLOR": "1",
                                                        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")})
        output = done.stdout + done.stderr
        assert latest.exists(), output
        report: dict[str, Any] = json.loads((latest / "report.json").read_text())
        return output, {**report, "status": done.returncode}

    def files_with_secrets(self) -> list[str]:
        """The files of the runs and reports that hold the token or the password."""
        found = []
        for place in (self.state, self.home / "reports"):
            for path in place.rglob("*"):
                text = path.read_bytes() if path.is_file() else b""
                found += [str(path)] if self.token.encode() in text or self.password.encode() in text else []
        return found


@pytest.fixture(scope="module")
def app(up: Any, tmp_path_factory: pytest.TempPathFactory) -> Application:
    return Application(up("chain", "migration"), tmp_path_factory.mktemp("functional"))


@pytest.fixture
def slow() -> Iterator[tuple[str, Callable[[float], None]]]:
    """The address of a server, and how to have its answers take so many seconds."""
    delay = [0.0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(delay[0])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", lambda seconds: delay.__setitem__(0, seconds)
    finally:
        server.shutdown()
        server.server_close()


# At the migration


def test_it_asks_for_credentials_and_is_right_with_them(app: Application) -> None:
    without = app.one("http", CATEGORIES)
    assert without["result"] == "warn"
    assert "rollback_http_headers" in without["observed"]
    answer = app.module({"id": "with", "http": {**CATEGORIES, "body": "parent_id"}},
                        {"id": "wrong", "http": {**CATEGORIES, "headers": {"Authorization": "Bearer nobodys"}}},
                        http_headers=app.headers)
    assert {each["id"]: each["result"] for each in answer["results"]} == {"with": "pass", "wrong": "fail"}
    assert answer["measures"]["wrong"]["status"] == 401


def test_slow_answers_are_judged_by_a_limit_and_by_a_baseline(app: Application, slow: Any) -> None:
    url, take = slow
    take(0.12)
    known = {"state_dir": str(app.state), "run_dir": str(app.run_dir("validate")), "record_baseline": True,
             "runtime": "host"}
    first = app.module({"id": "one", "http": {"url": url}}, {"id": "limit", "severity": "warn", "http": {
        "url": url, "max_ms": 100}}, **known)
    assert [each["result"] for each in first["results"]] == ["pass", "warn"]
    path = app.state / "baselines" / "slug.json"
    kept = path.read_text()
    assert (first["baseline"], list(json.loads(kept)["checks"])) == (str(path), ["one"])
    take(1.2)
    late = app.module({"id": "one", "http": {"url": url}}, **known)
    assert (late["passed"], late["baseline"]) == (False, "")
    assert late["measures"]["one"]["baseline_ms"] == first["measures"]["one"]["ms"]
    assert path.read_text() == kept, "one that does not pass leaves the baseline as it was"
    known["record_baseline"] = False
    assert app.module({"id": "one", "http": {"url": url, "max_ratio": 60.0}}, **known)["passed"]


def test_a_rollback_records_no_baseline(app: Application, slow: Any) -> None:
    run = app.run_dir("rollback")
    refused = app.module({"id": "one", "http": {"url": slow[0]}}, record_baseline=True, state_dir=str(app.home / "own"),
                         run_dir=str(run), runtime="host")
    assert (refused["failed"], refused["problem"]) == (True, "baseline_only_by_validate")
    assert not (app.home / "own").exists()


def test_errors_of_the_database_are_found_and_our_own_are_not(app: Application) -> None:
    since = app.query("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MSZ')")[0][0]
    for sql in ("SET lock_timeout = 1; LOCK TABLE users", "SELECT pg_terminate_backend(pg_backend_pid())"):
        with pytest.raises(psycopg2.Error):
            if "LOCK" in sql:
                holder = psycopg2.connect(host="127.0.0.1", port=stack.describe(app.stack)["database"]["port"],
                                          dbname="recyclic", user="recyclic", password=app.password)
                holder.cursor().execute("LOCK TABLE users")
            app.query(sql)
    holder.close()
    ours = app.one("log", {"service": "postgres"}, since=since)
    assert (ours["result"], ours["measure"]["matched"]) == ("pass", 0)
    assert ours["measure"]["ignored"] >= 2

    for _each in range(4):
        with pytest.raises(psycopg2.Error):
            app.query(f"SELECT no_such_column -- {app.password}")
    answer = app.module({"id": "all", "log": {"service": "postgres"}},
                        {"id": "four", "log": {"service": "postgres", "max": 4}},
                        {"id": "ignored", "log": {"service": "postgres", "ignore": ["no_such_"]}}, since=since)
    assert [each["result"] for each in answer["results"]] == ["fail", "pass", "pass"]
    assert (answer["measures"]["all"]["matched"], len(answer["measures"]["all"]["quoted"])) == (4, 3)
    assert "no_such_column" in answer["results"][0]["observed"]
    assert app.one("log", {"service": "postgres"})["result"] == "skip", "nobody says since when"


def test_memory_is_compared_with_what_it_was_when_stopped(app: Application) -> None:
    asked = {"service": "api"}
    now = app.module({"id": "one", "memory": asked}, {"id": "small", "memory": {**asked, "max_bytes": 1 << 20}})
    assert [each["result"] for each in now["results"]] == ["pass", "fail"]
    used = now["measures"]["one"]["bytes"]
    assert used > 1 << 20
    run = app.run_dir("rollback", services={
        "services": {"api": {"running": True}}, "memory_bytes": {"api": used // 4, "redis": 1}})
    after = app.module({"id": "grown", "memory": asked}, {"id": "allowed", "memory": {**asked, "max_ratio": 8.0}},
                       run_dir=str(run))
    assert [each["result"] for each in after["results"]] == ["fail", "pass"]
    assert after["measures"]["grown"]["bytes_before"] == used // 4
    # Of every container, those nobody asked for included.
    kept = json.loads((run / "functional.json").read_text())["memory"]
    assert kept["redis"]["before"] == 1 and kept["redis"]["after"] > 1 and kept["postgres"]["after"] > 1


def test_what_cannot_be_measured_is_refused_by_name_before_anything_is(app: Application) -> None:
    unknown = app.module({"id": "one", "memory": {"service": "nobody"}}, measure=False)
    assert (unknown["problem"], unknown["facts"]["service"]) == ("service_unknown", "nobody")
    image = app.module({"id": "one", "command": SCRIPT}, measure=False,
                       resume_environment={"RECYCLIC_TAG": "never-built"})
    assert image["problem"] == "image_missing"
    assert app.module({"id": "one"}, measure=False)["problem"] == "check_kinds"
    both = {"http": CATEGORIES, "command": SCRIPT}
    assert app.module({"id": "one", **both}, measure=False)["problem"] == "check_kinds"
    assert app.module(*EXPECTED, measure=False)["results"] == []


def test_without_compose_only_addresses_are_asked(app: Application, slow: Any) -> None:
    answer = app.module({"id": "url", "http": {"url": slow[0]}}, *EXPECTED, runtime="host")
    results = {each["id"]: each["result"] for each in answer["results"]}
    assert results.pop("url") == "pass"
    assert set(results.values()) == {"skip"}


def test_an_api_that_becomes_well_passes(app: Application) -> None:
    container = app.stack.container("api")
    assert container is not None
    subprocess.run(["docker", "stop", "-t", "1", container["Id"]], check=True, stdout=subprocess.DEVNULL)
    down = app.one("http", {"service": "api", "path": "/health"}, language="fr")
    assert (down["result"], down["observed"]) == ("fail", "le service api ne tourne pas")
    run = app.run_dir("rollback", services={"services": {"api": {"running": False, "memory_bytes": None}}})
    rested = app.one("http", {"service": "api", "path": "/health"}, run_dir=str(run))
    assert rested["result"] == "skip", "it was not running before either"
    assert "restart.yml" in rested["observed"]
    later = threading.Timer(3, lambda: subprocess.run(["docker", "start", container["Id"]], check=True))
    later.start()
    try:
        found = app.one("http", {"service": "api", "path": "/health"}, watch_s=60)
    finally:
        later.join()
    assert found["result"] == "pass"
    assert found["measure"]["well_after_s"] >= 3


def test_check_mode_only_reads(app: Application) -> None:
    checks = [{"id": "get", "http": {"service": "api", "path": "/health"}},
              {"id": "post", "http": {"service": "api", "method": "POST"}}, {"id": "command", "command": SCRIPT}]
    run = app.run_dir("validate")
    answer = app.module(*checks, check_mode=True, run_dir=str(run), state_dir=str(app.state), record_baseline=True)
    assert [each["result"] for each in answer["results"]] == ["pass", "skip", "skip"]
    assert not (run / "functional.json").exists()
    assert not answer["baseline"]


def test_validate_says_well_records_a_baseline_and_no_token(app: Application) -> None:
    output, report = app.play("validate", "-vvv", "-e", "validate_expectation=migrated")
    assert (report["outcome"], report["status"]) == ("validated", 0), output
    results = {each["id"]: each["result"] for each in report["checks"]}
    assert results.items() >= {"api-categories": "pass", "api-tests": "pass", "script": "pass"}.items()
    assert not {"script-after", "categories-gone"} & set(results)
    [baseline] = [path for path in (app.state / "baselines").glob("*.json") if path.name != "slug.json"]
    assert set(json.loads(baseline.read_text())["checks"]) == {"api-health", "api-categories"}
    assert app.token not in output
    assert app.password not in output
    assert app.files_with_secrets() == []


# Rolled back


def test_a_rollback_ends_with_the_application_asked(app: Application) -> None:
    baselines = {path: path.read_text() for path in (app.state / "baselines").glob("*.json")}
    output, report = app.play("rollback", "-vvv")
    assert (report["outcome"], report["status"]) == ("rolled_back", 0), output
    results = {each["id"]: each for each in report["checks"]}
    assert {name for name, each in results.items() if each["result"] == "fail"} == set()
    for name in ("categories-empty", "categories-gone", "api-tests", "script-after"):
        assert results[name]["result"] == "pass"
    assert [step["result"] for step in report["steps"] if step["name"] == "functional"] == ["ok"]
    assert "api-tests" in json.dumps([step["commands"] for step in report["steps"]])
    run = (app.state / "runs" / "latest").resolve()
    kept = run / "command-api-tests.log"
    assert "Ran 3 tests" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "no category found" in (run / "command-script-after.log").read_text()
    assert {path: path.read_text() for path in baselines} == baselines
    assert app.token not in output
    assert app.password not in output
    assert app.files_with_secrets() == []
    assert app.heads() == [PARENT]


def test_newer_code_fails_though_it_calls_itself_healthy(app: Application) -> None:
    app.serve("id,name,price")
    answer = app.module(*EXPECTED[:2], *(each for each in EXPECTED if each["id"] == "api-tests"),
                        http_headers=app.headers, run_dir=str(app.run_dir("validate")), language="fr")
    assert not answer["passed"]
    assert {each["id"]: each["result"] for each in answer["results"]} == {
        "api-health": "pass", "api-categories": "fail", "api-tests": "fail"}
    assert answer["measures"]["api-categories"]["status"] == 500
    log = answer["measures"]["api-tests"]["log"]
    assert "FAILED" in Path(log).read_text()
    assert log in answer["told"]
    assert "L'application ne va pas bien" in answer["told"]


def test_a_command_that_moves_the_database_fails_whatever_its_severity(app: Application) -> None:
    app.alembic("downgrade", PARENT)
    answer = app.module({"id": "one", "severity": "warn", "command": {
        "service": "api-migrations", "argv": ["alembic", "upgrade", MIGRATION]}})
    [result] = answer["results"]
    assert (result["result"], answer["passed"]) == ("fail", False)
    assert re.search(f"from {PARENT} to {MIGRATION}", result["observed"])
    assert app.heads() == [MIGRATION]


def test_a_command_that_takes_too_long_is_ended_with_its_container(app: Application) -> None:
    found = app.one("command", {"service": "api-migrations", "argv": ["sleep", "300"], "timeout": 2})
    assert (found["result"], found["measure"]["ended_by"]) == ("fail", "timeout")
    names = subprocess.check_output(["docker", "ps", "-a", "--format", "{{.Names}}"], text=True)
    assert f"{app.stack.project}-api-migrations-rollback" not in names


def test_an_application_that_is_not_well_needs_a_human_and_keeps_its_data(app: Application) -> None:
    app.alembic("upgrade", MIGRATION)
    app.serve("id,name,price")
    output, report = app.play("rollback")
    assert report["status"] != 0
    assert report["outcome"] == "failed_needs_human", output
    assert "rolled back and validated" in report["outcome_rests_on"]
    assert "users may have written since" in report["outcome_rests_on"]
    [step] = report["next_steps"]
    assert "diagnose.yml" in step
    assert "rollback_resume_environment" in step
    results = {each["id"]: each["result"] for each in report["checks"]}
    assert results.items() >= {"categories-empty": "pass", "api-health": "pass", "api-categories": "fail"}.items()
    assert "status 500" in report["failure"]
    assert app.heads() == [PARENT]


def test_a_slip_in_a_check_refuses_before_anything_is_done(app: Application) -> None:
    app.alembic("upgrade", MIGRATION)
    _output, report = app.play("rollback", rollback_checks=[{"id": "slip", "memory": {"service": "nobody"}}])
    assert report["outcome"] == "refused"
    assert "nobody" in report["failure"]
    assert app.heads() == [MIGRATION]


def test_validate_fails_where_the_application_does(app: Application) -> None:
    app.alembic("upgrade", MIGRATION)
    app.serve("id,name,price")
    _output, report = app.play("validate", "-e", "validate_expectation=migrated")
    assert (report["outcome"], report["status"] != 0) == ("not_valid", True)
    assert "api-categories" in report["failure"]
