# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A diagnosis of a real stack: well, then with one thing wrong at a time. Each test leaves it well again."""
from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "collections/ansible_collections/recyclic/rollback/plugins/modules/diagnose_info.py"
Up = Callable[..., Stack]


def settings(stack: Stack) -> dict[str, str]:
    pairs = (line.partition("=")[::2] for line in stack.env_file.read_text().splitlines())
    return {name: text[1:-1].replace("\\'", "'") for name, text in pairs}


class Patient:
    """A stack, and what looks at it."""

    def __init__(self, stack: Stack, home: Path) -> None:
        self.stack, self.home = stack, home
        self.password = settings(stack)["POSTGRES_PASSWORD"]
        self.secrets = {self.password, quote(self.password, safe=""), settings(stack)["DEMO_API_TOKEN"]}
        self.address = stack.address("postgres", 5432)
        self.since = "1h"

    def diagnose(self, environment: dict[str, str] | None = None, files: tuple[Path, ...] = (), **options: Any
                 ) -> dict[str, Any]:
        """Run the module; nothing it prints or writes may hold a secret."""
        stack = self.stack
        arguments = {
            "login_db": "recyclic", "runtime": "compose", "state_dir": str(self.home / "state"), "since": self.since,
            "compose": {"directory": str(stack.directory), "project": stack.project, "env_files": [".env"],
                        "files": [str(stack.compose_file), *map(str, files)]},
            "tables": ["categories"], "migration": "k1l2m3n4o5p6", **options}
        done = subprocess.run(
            [sys.executable, str(MODULE)], input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}), text=True,
            capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "collections"), **(environment or {})})
        assert done.returncode == 0, done.stdout + done.stderr
        assert not any(secret in done.stdout + done.stderr for secret in self.secrets)
        self.require_clean()
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["changed"] is False
        return found

    def require_clean(self) -> None:
        for path in (self.home / "state").rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            assert mode == (0o700 if path.is_dir() else 0o600), path
            if path.is_file():
                text = path.read_text()
                assert not any(secret in text for secret in self.secrets), path

    def connect(self, name: str) -> Any:
        assert self.address
        return psycopg2.connect(host=self.address[0], port=self.address[1], dbname="recyclic", user="recyclic",
                                password=self.password, application_name=name)

    def say(self, service: str, text: str) -> None:
        """Have a service's main process write a line; ``$NAME`` stands for a variable of its environment."""
        self.stack.compose("exec", "-T", service, "sh", "-c", f'echo "{text}" > /proc/1/fd/1')

    def ask(self) -> int:
        """Ask the API for the categories; returns the HTTP status."""
        address = self.stack.address("api", 8000)
        assert address
        request = urllib.request.Request(f"http://{address[0]}:{address[1]}/api/v1/categories/", headers={
            "Authorization": f"Bearer {settings(self.stack)['DEMO_API_TOKEN']}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def read(found: dict[str, Any], name: str) -> Any:
    text = (Path(found["directory"]) / name).read_text()
    return json.loads(text) if name.endswith(".json") else text


def ids(found: dict[str, Any]) -> list[str]:
    return [cause["id"] for cause in found["causes"]]


@pytest.fixture(scope="module")
def patient(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Patient:
    return Patient(up("guide", "migration"), tmp_path_factory.mktemp("diagnose"))


@pytest.fixture(scope="module")
def first(patient: Patient) -> dict[str, Any]:
    """The diagnosis of the stack while it is well, its password in its log."""
    for number in range(3):
        patient.say("api", f"a Migration {number} says $DATABASE_URL")
    patient.stack.compose("exec", "-T", "-e", f"X={patient.password}", "api", "sh", "-c",
                          'echo "migration: bare $X" > /proc/1/fd/1')
    return patient.diagnose()


@pytest.fixture(autouse=True)
def from_now_on(patient: Patient, first: dict[str, Any]) -> None:
    """Each test reads what was logged since it began."""
    patient.since = datetime.now(timezone.utc).isoformat()


def test_a_stack_that_is_well_has_no_cause_and_its_secrets_stay_in_it(first: dict[str, Any]) -> None:
    found = first
    assert found["causes"] == [] and found["unavailable"] == {}
    assert found["counts"]["api"] == {"migration": 4}
    kept = read(found, "logs/api.matches.log").splitlines()
    assert len(kept) == 4 and all("********" in line for line in kept)
    assert "migration: bare ********" in read(found, "logs/api.log")
    assert found["counts"]["api-migrations"]["migration"] == len(read(found, "logs/api-migrations.matches.log"
                                                                      ).splitlines()) > 0
    assert set(found["files"]) >= {"summary.md", "database.json", "containers.json", "disk.json", "heads.json",
                                   "logs/api.log", "logs/postgres.log", "logs/redis.log"}
    told = read(found, "heads.json")
    assert told["recorded"] == told["migrations"]["heads"] == told["applications"]["api"]["heads"] == ["k1l2m3n4o5p6"]
    assert {each["service"]: each["status"] for each in read(found, "containers.json")} == {
        "postgres": "running", "redis": "running", "api": "running", "api-migrations": "exited"}
    assert all(each["free_bytes"] > 0 for each in read(found, "disk.json"))
    assert read(found, "database.json")["max_connections"] == 100


def test_a_second_diagnosis_makes_a_second_directory_with_what_it_was_asked_for(
        patient: Patient, first: dict[str, Any]) -> None:
    before = {path: path.read_bytes() for path in Path(first["directory"]).rglob("*") if path.is_file()}
    patient.say("api", "ERROR 42 of mine")
    second = patient.diagnose(services=["api", "nobody", "api-tests"], patterns={"api": ["ERROR \\d+"]})
    assert first["directory"] != second["directory"]
    assert [name for name in second["files"] if name.startswith("logs/")] == ["logs/api.log", "logs/api.matches.log"]
    assert second["counts"] == {"api": {"ERROR \\d+": 1}}
    assert "nobody" in second["unavailable"]["logs/nobody.log"] and "logs/api-tests.log" not in second["unavailable"]
    assert before == {path: path.read_bytes() for path in Path(first["directory"]).rglob("*") if path.is_file()}


@contextmanager
def waiting(patient: Patient) -> Iterator[tuple[Any, int]]:
    """A session idle in a transaction that holds categories, and another that waits for it."""
    holder, waiter = patient.connect("a forgotten console"), patient.connect("the cash desk")
    pid = waiter.get_backend_pid()

    def wait() -> None:
        with suppress(psycopg2.Error):
            waiter.cursor().execute("SELECT count(*) FROM categories")

    thread = threading.Thread(target=wait)
    try:
        holder.cursor().execute("LOCK TABLE categories IN ACCESS EXCLUSIVE MODE")
        thread.start()
        with closing(patient.connect("the test")) as watcher, watcher.cursor() as cursor:
            for _attempt in range(100):
                cursor.execute("SELECT cardinality(pg_blocking_pids(%s))", (pid,))
                if cursor.fetchone() == (1,):
                    break
                time.sleep(0.05)
        yield holder, pid
    finally:
        holder.close()
        thread.join(20)
        waiter.close()


def test_who_waits_for_whom_is_named_with_the_command_that_ends_it(patient: Patient) -> None:
    with waiting(patient) as (holder, waiter):
        pid = holder.get_backend_pid()
        found = patient.diagnose(services=["redis"])
        assert ids(found) == ["blocked"]
        text, command = found["causes"][0]["text"], found["causes"][0]["next"]
        for word in (f"pid {pid} ", "a forgotten console", "idle in transaction", "categories (AccessExclusiveLock)",
                     f"pid {waiter} ", "the cash desk"):
            assert word in text
        assert f"SELECT pg_terminate_backend({pid})" in command
        told = read(found, "database.json")
        assert [(row["pid"], row["blocked_by"]) for row in told["blocked"]] == [(waiter, [pid])]
        assert told["blocking"][0]["waiting"] == [waiter]
        # What is to be typed does what it says.
        subprocess.run(command[command.index("docker exec"):], shell=True, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)
        with pytest.raises(psycopg2.Error):
            holder.cursor().execute("SELECT 1")


def test_an_api_newer_than_its_database_is_told_with_the_way_out(patient: Patient) -> None:
    newer = {"RECYCLIC_TAG": "chain", "DEMO_API_COLUMNS": "id,name,is_active,parent_id,price"}
    patient.stack.compose("up", "-d", "--no-deps", "--wait", "api", variables=newer)
    try:
        assert patient.ask() == 500
        found = patient.diagnose(services=["api"])
        assert ids(found) == ["compatibility"]
        cause = found["causes"][0]
        assert "m3npr1c3dr0p" in cause["text"] and "k1l2m3n4o5p6" in cause["text"] and "price" in cause["text"]
        assert "rollback_resume_environment" in cause["next"] and "restart.yml" in cause["next"]
        told = read(found, "heads.json")
        assert told["applications"]["api"]["stand"] == "ahead" and told["migrations"]["stand"] == "same"
    finally:
        patient.stack.compose("up", "-d", "--no-deps", "--wait", "api")


def test_missing_data_and_a_version_table_that_cannot_be_right_are_told(patient: Patient) -> None:
    session = patient.connect("the test")
    try:
        # A row of a revision below the recorded one, and a table without its rows; undone at the end.
        with session, session.cursor() as cursor:
            cursor.execute("INSERT INTO alembic_version VALUES ('9a2b3c4d5e6f');"
                           "ALTER TABLE categories RENAME TO categories_kept")
        found = patient.diagnose(services=["redis"])
        assert ids(found) == ["version_table", "data_missing"]
        assert all("rollback.yml --check" in cause["next"] for cause in found["causes"])
    finally:
        with session, session.cursor() as cursor:
            cursor.execute("DELETE FROM alembic_version WHERE version_num = '9a2b3c4d5e6f';"
                           "ALTER TABLE categories_kept RENAME TO categories")
        session.close()


def test_a_service_that_exited_is_named_with_its_last_lines(patient: Patient) -> None:
    override = patient.stack.directory / "broken.yml"
    script = 'echo "the wheel came off at $$DATABASE_URL" >&2; exit 3'
    override.write_text(json.dumps({"services": {"api": {"command": ["sh", "-c", script]}}}))
    try:
        patient.stack.compose("-f", str(override), "up", "-d", "--no-deps", "api")
        container = patient.stack.container("api")
        assert container
        subprocess.run(["docker", "wait", container["Id"]], check=True, stdout=subprocess.DEVNULL)
        found = patient.diagnose(files=(override,))
        assert ids(found) == ["service_down"]
        assert "status 3" in found["causes"][0]["text"] and "the wheel came off at" in found["causes"][0]["text"]
        assert f"docker logs --tail 50 {container['Name'].lstrip('/')}" in found["causes"][0]["next"]
    finally:
        patient.stack.compose("up", "-d", "--no-deps", "--wait", "api")


def test_a_stopped_database_is_said_and_the_rest_is_still_told(patient: Patient) -> None:
    patient.stack.compose("stop", "-t", "2", "postgres")
    try:
        found = patient.diagnose(language="fr", services=["redis", "postgres"])
        assert ids(found) == ["database_down", "service_down"]
        assert f"start {'postgres'}" in found["causes"][0]["next"]
        assert "La base ne répond pas" in found["causes"][0]["text"]
        summary = read(found, "summary.md")
        assert summary == found["summary"] and summary.startswith("# Diagnostic de recyclic depuis")
        assert "## Journaux" in summary and "## Conteneurs" in summary
        assert "unavailable" in read(found, "database.json")
        told = read(found, "heads.json")
        assert told["recorded"] is None and told["migrations"]["heads"] == ["k1l2m3n4o5p6"]
        assert "# " in read(found, "logs/redis.log") and "shutting down" in read(found, "logs/postgres.log")
        assert patient.stack.container("postgres")["State"]["Running"] is False  # type: ignore[index]
    finally:
        patient.stack.compose("up", "-d", "--no-deps", "--wait", "postgres")


def test_without_an_engine_the_database_is_still_told_where_it_was_named(patient: Patient) -> None:
    address = patient.stack.address("postgres", 5432)
    assert address
    found = patient.diagnose({"DOCKER_HOST": "unix:///nonexistent/docker.sock"}, login_host=address[0],
                             login_port=address[1], login_user="recyclic", login_password=patient.password)
    assert ids(found) == ["engine_down"]
    assert read(found, "database.json")["recorded_heads"] == ["k1l2m3n4o5p6"]
    assert {"containers", "heads"} <= set(found["unavailable"]) and "database" not in found["unavailable"]


def test_the_playbook_tells_and_leaves_its_summary_on_the_controller(patient: Patient) -> None:
    stack, home = patient.stack, patient.home
    variables = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "rollback_runtime": "compose",
        "rollback_compose_directory": str(stack.directory), "rollback_compose_files": [str(stack.compose_file)],
        "rollback_compose_env_files": [".env"], "rollback_compose_project": stack.project,
        "rollback_state_dir": str(home / "state"), "rollback_report_dir": str(home / "reports"),
        "rollback_language": "fr"}
    inventory = home / "inventory.json"
    inventory.write_text(json.dumps({"rollback": {"hosts": {"site": variables}}}))
    with closing(patient.connect("the test")) as session, pytest.raises(psycopg2.Error):
        session.cursor().execute("SELECT 1/0")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(inventory),
         str(ROOT / "playbooks" / "diagnose.yml"), "-e", f"diagnose_since={patient.since}", "-e",
         '{"diagnose_services": ["postgres"]}'],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout and "Diagnostic de recyclic depuis" in done.stdout
    assert not re.search(r"changed=[1-9]", done.stdout)
    copies = list((home / "reports").glob("diagnose-*/summary.md"))
    assert len(copies) == 1 and stat.S_IMODE(copies[0].stat().st_mode) == 0o600
    kept = home / "state" / "diagnoses" / copies[0].parent.name.split("-")[1] / "summary.md"
    assert copies[0].read_text() == kept.read_text()
    assert "division by zero" in (kept.parent / "logs" / "postgres.matches.log").read_text()
    assert not (home / "state" / "locks").exists()
    patient.require_clean()
