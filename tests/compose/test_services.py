# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services stopped and started on a real engine: nothing else is touched, and no rollback is undone by it."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest

# conftest.py has made demo/compose importable.
import stack
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness import clean_environment, controller, wait_for

MIGRATION, PARENT = "k1l2m3n4o5p6", "g1h2i3j4k5l6"
MODULES = "ansible_collections.recyclic.rollback.plugins.modules."
ANSIBLE = Path(sys.executable).with_name("ansible-playbook")
# What the tests add to the stack, each started by one of them.
OVERRIDE = """
x-image: &image {image: "recyclic-demo:${RECYCLIC_TAG:-chain}"}
services:
  leaves:
    <<: *image
    environment: {DATABASE_URL: "${DATABASE_URL}"}
    command: [sh, -c, 'echo "leaving $$DATABASE_URL"; exit 3']
  loops: {<<: *image, restart: always, command: [sh, -c, "echo again; exit 1"]}
  sleeps: {<<: *image, init: true, command: [sleep, "600"]}
  migrates:
    <<: *image
    init: true
    environment: &url {DATABASE_URL: "${DATABASE_URL}", TO: "${RECYCLIC_TO:-k1l2m3n4o5p6}"}
    entrypoint: [/srv/entry]
    command: [sleep, "600"]
    volumes: ["./entry:/srv/entry:ro", "./prepare.sh:/srv/prepare.sh:ro"]
    healthcheck: &done {test: [CMD, test, -f, /tmp/done], interval: 1s}
  hides:
    <<: *image
    init: true
    environment: *url
    command: [sh, -c, 'a=alembic; rm -f /tmp/done; $$a "up""grade" $$TO && touch /tmp/done && exec sleep 600']
    healthcheck: *done
  api-migrations: {restart: always, command: [sh, -c, "sleep 1"]}
"""
ENTRY = '#!/bin/sh\nset -e\nrm -f /tmp/done\nsh /srv/prepare.sh\ntouch /tmp/done\nexec "$@"\n'
PREPARE = "cd /app/history && alembic upgrade $TO\n"


class Site:
    """A stack, this module and these playbooks on it."""

    def __init__(self, one: Stack, home: Path) -> None:
        self.stack, self.home, self.state = one, home, home / "state"
        self.order = self.state / f"stopped-{one.project}.json"
        (one.directory / "override.yml").write_text(OVERRIDE)
        for name, text in (("entry", ENTRY), ("prepare.sh", PREPARE)):
            (one.directory / name).write_text(text)
            (one.directory / name).chmod(0o755)
        listed = json.loads(one.compose("config", "--format", "json").stdout)["services"]
        self.password = str(listed["postgres"]["environment"]["POSTGRES_PASSWORD"]).replace("$$", "$")
        self.token = str(listed["api"]["environment"]["DEMO_API_TOKEN"])

    def module(self, state: str, *services: str, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.ask("service_state", state=state, services=services, _ansible_check_mode=check,
                        **{"timeout": 40, **options})

    def ask(self, module: str, process: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        """Run a module and return its answer; ``process`` is added to its environment."""
        layout = {"directory": str(self.stack.directory), "files": ["compose.yml", "override.yml"],
                  "project": self.stack.project}
        arguments = {"login_db": "recyclic", "runtime": "compose", "compose": layout, **options}
        done = subprocess.run([sys.executable, "-m", MODULES + module], text=True, capture_output=True, check=False,
                              input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
                              env=clean_environment(**(process or {})))
        assert done.stdout and self.password not in done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def status(self, process: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        return self.ask("status_info", process, controller=controller(), services=["postgres", "redis", "api"],
                        **{"state_dir": str(self.state), **options})

    def migrate(self, revision: str) -> dict[str, Any]:
        return self.ask("alembic_migrate", direction="downgrade", revision=revision, state_dir=str(self.state))

    def compose(self, *words: str) -> None:
        self.stack.compose("-f", str(self.stack.directory / "override.yml"), *words)

    def containers(self) -> dict[str, dict[str, Any]]:
        """By name: id, when it was started, and its status."""
        ids = subprocess.check_output(["docker", "ps", "-aq", "--no-trunc", "--filter",
                                       f"label=com.docker.compose.project={self.stack.project}"], text=True).split()
        found = json.loads(subprocess.check_output(["docker", "inspect", *ids]))
        return {one["Name"].removeprefix(f"/{self.stack.project}-").removesuffix("-1"): {
            "id": one["Id"], "started": one["State"]["StartedAt"], "status": one["State"]["Status"],
            "image": one["Config"]["Image"]} for one in found}

    def volumes(self) -> list[str]:
        return subprocess.check_output(["docker", "volume", "ls", "-q", "--filter",
                                        f"label=com.docker.compose.project={self.stack.project}"], text=True).split()

    def heads(self) -> list[str] | None:
        return self.stack.heads()

    def move(self, *words: str) -> None:
        """Move the database by hand, as an operator would."""
        self.stack.compose("run", "--rm", "--no-deps", "-T", "api-migrations", "alembic", *words)

    def connect(self) -> Any:
        known = stack.describe(self.stack)["database"]
        return psycopg2.connect(host=known["host"], port=known["port"], dbname="recyclic", user="recyclic",
                                password=self.password)

    def get(self, path: str) -> int:
        request = urllib.request.Request(stack.describe(self.stack)["api"] + path,
                                         headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def start_playbook(self, name: str, **settings: Any) -> subprocess.Popen[str]:
        variables = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_pipelining": True,
            "rollback_runtime": "compose", "rollback_compose_directory": str(self.stack.directory),
            "rollback_compose_files": ["compose.yml"], "rollback_compose_project": self.stack.project,
            "rollback_state_dir": str(self.state), "rollback_report_dir": str(self.home / "reports"),
            "rollback_confirm": "recyclic", "rollback_disk_reserve": "1M", "rollback_watch_s": 0, **settings}
        inventory = self.home / "inventory.json"
        inventory.write_text(json.dumps({"rollback": {"hosts": {"site": variables}}}))
        return subprocess.Popen(
            [ANSIBLE, "-i", inventory, ROOT / "playbooks" / f"{name}.yml"], cwd=self.home, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=clean_environment(ANSIBLE_NOCOLOR="1", COLUMNS="200"))

    def play(self, name: str, **settings: Any) -> tuple[int, str]:
        process = self.start_playbook(name, **settings)
        output, _error = process.communicate(timeout=240)
        assert self.password not in output
        return process.returncode, output


@pytest.fixture(scope="module")
def site(up: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The chain history at the migration. Each test leaves it as it found it."""
    return Site(up("chain", "migration"), tmp_path_factory.mktemp("services"))


@pytest.fixture(autouse=True)
def as_found(site: Site) -> Iterator[None]:
    yield
    extra = [one["id"] for name, one in site.containers().items()
             if name not in ("postgres", "redis", "api", "api-migrations")]
    if extra:
        subprocess.run(["docker", "rm", "--force", *extra], check=True, capture_output=True)
    wanted = [one["id"] for name, one in site.containers().items() if name in ("postgres", "redis", "api")]
    subprocess.run(["docker", "start", *wanted], check=True, capture_output=True)
    site.order.unlink(missing_ok=True)


@contextmanager
def untouched(site: Site, *but: str) -> Iterator[None]:
    """Every other container is the same one, started when it was; so is every volume."""
    def others() -> dict[str, dict[str, Any]]:
        return {name: one for name, one in site.containers().items() if name not in but}

    before, volumes = others(), site.volumes()
    yield
    assert (others(), site.volumes()) == (before, volumes)


@pytest.fixture
def evidence(tmp_path: Path) -> str:
    return str(tmp_path / "services.json")


def kept(path: str) -> Any:
    return json.loads(Path(path).read_text())["services"]


def test_stopping_and_starting_touch_nothing_else(site: Site, evidence: str) -> None:
    api = site.containers()["api"]
    with untouched(site, "api"):
        predicted = site.module("stopped", "api", evidence=evidence, check=True)
        assert predicted["changed"] and predicted["services"]["api"]["after"] == "exited"
        assert site.containers()["api"] == api and not os.path.exists(evidence)

        stopped = site.module("stopped", "api", evidence=evidence)
        assert stopped["changed"] and stopped["sessions"] == []
        assert stopped["diff"]["after"] == "api: exited\n"
        assert site.containers()["api"] == {**api, "status": "exited"}
        assert kept(evidence)["api"]["running"] and kept(evidence)["api"]["memory_bytes"] > 1_000_000
        assert kept(evidence)["api"]["containers"][0]["id"] == api["id"]
        assert os.stat(evidence).st_mode & 0o777 == 0o600
        # A run that was cut off here and is taken up stops them again: what ran before the first cut is what ran.
        again = site.module("stopped", "api", evidence=evidence)
        assert not again["changed"] and kept(evidence)["api"]["running"]

        safe = [[MIGRATION], [PARENT]]
        assert site.module("restored", evidence=evidence, safe_heads=safe, check=True)["changed"]
        restored = site.module("restored", evidence=evidence, safe_heads=safe)
        assert restored["changed"] and restored["services"]["api"] == {"before": "exited", "after": "healthy"}
        assert restored["executed_commands"] == [f"docker start {site.stack.project}-api-1"]
        assert site.containers()["api"]["id"] == api["id"] and site.get("/health") == 200
        assert not site.module("restored", evidence=evidence, safe_heads=safe)["changed"]


def test_what_did_not_run_before_is_not_started(site: Site, evidence: str) -> None:
    site.stack.compose("stop", "api")
    site.module("stopped", "api", evidence=evidence)
    assert not site.module("restored", evidence=evidence)["changed"]
    assert site.containers()["api"]["status"] == "exited"


def test_names_and_runtimes_that_have_no_such_service(site: Site, evidence: str) -> None:
    with untouched(site):
        refused = site.module("stopped", "api", "worker", evidence=evidence)
    assert refused["problem"] == "service_unknown" and "worker" in refused["msg"]
    assert site.ask("service_state", state="stopped", services=["api"], runtime="host")["problem"] == (
        "services_need_compose")
    assert not site.ask("service_state", state="stopped", runtime="host")["changed"]
    emergency = site.ask("service_state", state="stopped", runtime="host", emergency=True, state_dir=str(site.state))
    assert emergency["problem"] == "services_need_compose" and "nothing was stopped" in emergency["msg"]


def test_nothing_is_started_on_a_database_neither_as_before_nor_as_asked(site: Site, evidence: str) -> None:
    site.module("stopped", "api", evidence=evidence)
    failed = site.module("restored", evidence=evidence, safe_heads=[["aaaa"], ["bbbb"]])
    assert failed["problem"] == "resume_heads_unsafe" and "restart.yml" in failed["msg"] and MIGRATION in failed["msg"]
    assert site.containers()["api"]["status"] == "exited"


def test_one_that_does_not_come_up_shows_its_last_lines_and_ends_the_order(site: Site) -> None:
    began = time.monotonic()
    with untouched(site, "leaves"):
        failed = site.module("started", "leaves", "sleeps", timeout=120)
    assert failed["problem"] == "service_not_up"
    assert failed["facts"]["exit_code"] == 3 and failed["facts"]["log"] == "leaving ********"
    assert failed["facts"]["later"] == "sleeps" and "sleeps" not in site.containers()
    # Its restart policy brings it back again and again: it runs whenever one looks.
    looping = site.module("started", "loops", "sleeps", timeout=120)
    assert looping["problem"] == "service_not_up" and "again" in looping["facts"]["log"]
    assert time.monotonic() - began < 100, "nobody waited for the time limit"
    assert site.module("started", "sleeps")["services"]["sleeps"] == {"before": "-", "after": "running"}
    assert not site.module("started", "sleeps")["changed"]


def test_what_would_undo_the_rollback_is_held_back(site: Site, evidence: str) -> None:
    safe = [[MIGRATION], [PARENT]]
    site.compose("up", "-d", "--no-deps", "--wait", "migrates")
    site.module("stopped", "migrates", "api", evidence=evidence)
    site.move("downgrade", PARENT)
    try:
        held = site.module("restored", evidence=evidence, safe_heads=safe)
        assert [each["service"] for each in held["held"]] == ["migrates"], held
        assert held["held"][0]["by"] == "/srv/prepare.sh" and held["held"][0]["heads"] == ["m3npr1c3dr0p"]
        assert "rollback_resume_environment" in held["held"][0]["reason"] and PARENT in held["held"][0]["reason"]
        assert (site.containers()["migrates"]["status"], site.containers()["api"]["status"]) == ("exited", "running")
        by_name = site.module("started", "api", "migrates")
        assert [each["service"] for each in by_name["held"]] == ["migrates"] and not by_name["changed"]
        subprocess.run(["docker", "rm", site.containers()["migrates"]["id"]], check=True, capture_output=True)
        anew = site.module("started", "migrates")
        assert [each["by"] for each in anew["held"]] == ["/srv/prepare.sh"], "read from what is mounted in it"
        assert "migrates" not in site.containers() and site.heads() == [PARENT]

        # On the release made for what is recorded there is nothing left to migrate.
        release = {"RECYCLIC_TAG": "chain-before", "RECYCLIC_TO": "head"}
        with untouched(site, "migrates", "api"):
            resumed = site.module("restored", evidence=evidence, safe_heads=safe, environment=release)
        assert resumed["held"] == [] and resumed["services"]["migrates"]["after"] == "healthy", resumed
        assert {site.containers()[name]["image"] for name in ("api", "migrates")} == {"recyclic-demo:chain-before"}
        assert (site.get("/api/v1/categories/"), site.heads()) == (200, [PARENT])
        assert not site.module("restored", evidence=evidence, environment=release)["changed"]
    finally:
        site.move("upgrade", MIGRATION)


def test_a_rollback_undone_by_what_was_started_is_noticed(site: Site, evidence: str) -> None:
    site.compose("up", "-d", "--no-deps", "--wait", "hides")
    site.module("stopped", "hides", evidence=evidence)
    site.move("downgrade", PARENT)
    failed = site.module("restored", evidence=evidence, safe_heads=[[MIGRATION], [PARENT]])
    assert failed["problem"] == "rollback_undone", failed
    assert (failed["facts"]["before"], failed["facts"]["after"]) == (PARENT, MIGRATION)
    assert failed["facts"]["candidates"] == "hides" and "emergency_stop.yml" in failed["msg"]
    assert site.heads() == [MIGRATION]


def test_nothing_is_migrated_while_a_migrations_container_comes_back_by_itself(site: Site) -> None:
    site.compose("up", "-d", "--no-deps", "api-migrations")
    try:
        refused = site.migrate(PARENT)
    finally:
        subprocess.run(["docker", "stop", site.containers()["api-migrations"]["id"]], check=True, capture_output=True)
    assert refused["problem"] == "migration_container_at_work" and "docker stop" in refused["msg"], refused
    assert site.heads() == [MIGRATION]
    # Its own one-shot containers are none of somebody else's.
    assert site.migrate(PARENT)["heads_after"] == [PARENT]
    site.move("upgrade", MIGRATION)


def test_a_look_that_is_killed_leaves_no_container(site: Site) -> None:
    def left() -> str:
        return subprocess.check_output(["docker", "ps", "-aq", "--filter", "label=recyclic.rollback.run=look"],
                                       text=True)

    utils = MODULES.replace("modules", "module_utils")
    script = (f"import time\nfrom {utils}_docker import Docker\nfrom {utils}_redact import Redactor\n"
              f"from {utils}_undo_guard import holder_of\n"
              "with holder_of(Docker(Redactor()), 'recyclic-demo:chain', []):\n    time.sleep(60)\n")
    process = subprocess.Popen([sys.executable, "-c", script], env=clean_environment())
    try:
        wait_for(left, "the container is made")
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not left(), "the container is gone")


def test_emergency_stop_ends_a_migration_and_nothing_starts_before_restart(site: Site, evidence: str) -> None:
    site.module("stopped", "api", evidence=evidence)
    site.module("restored", evidence=evidence)
    blocker = site.connect()
    blocker.cursor().execute("LOCK TABLE categories")
    migration = subprocess.Popen(
        ["docker", "compose", "-f", site.stack.compose_file, "--env-file", site.stack.env_file, "-p",
         site.stack.project, "run", "--rm", "--no-deps", "-T", "api-migrations", "alembic", "downgrade", PARENT],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=site.stack.environment())
    watcher = site.connect()
    watcher.autocommit = True

    def waiting() -> int:
        with watcher.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                           "AND datname = current_database()")
            return int(cursor.fetchone()[0])

    try:
        wait_for(waiting, "the migration waits for the lock")
        seen = site.status()
        assert "emergency_stop.yml" in seen["next"] and len(seen["migrations"]) == 1
        assert seen["migrations"][0]["command"] in "\n".join(seen["lines"])
        quiet = ["api", *(name for name in site.containers() if "run" in name)]
        with untouched(site, *quiet):
            status, output = site.play("emergency_stop", rollback_reason="it is slow", rollback_operator="alice")
        assert status == 0, output
        assert waiting() == 0 and migration.wait(timeout=20) != 0
    finally:
        blocker.close()
        migration.kill()
    assert site.heads() == [MIGRATION]
    found = site.containers()
    assert found["api"]["status"] == "exited" and not [name for name in found if "-run-" in name]
    order = json.loads(site.order.read_text())
    assert (order["by"], order["why"]) == ("alice", "it is slow") and order["services"]["api"]["running"]
    assert order["project"] == site.stack.project
    assert "restart.yml" in output and "Ended at once, a migration at work" in output

    # The run that was under way comes to its end, and leaves them stopped.
    refused = site.migrate(PARENT)
    assert refused["problem"] == "migrate_stop_order" and "alice" in refused["msg"] and site.heads() == [MIGRATION]
    left = site.module("restored", evidence=evidence, state_dir=str(site.state))
    assert not left["changed"] and "alice" in left["lines"][0] and "restart.yml" in left["lines"][0]
    seen = site.status()
    assert seen["stopped"][0]["services"] == ["api"] and "restart.yml" in seen["next"]

    site.stack.compose("stop", "postgres", "redis")
    down = site.status()
    assert down["server"] != "up" and "restart.yml" in down["next"], down["next"]
    with untouched(site, "postgres", "redis", "api"):
        part = site.module("started", "postgres", "redis", state_dir=str(site.state))
        assert part["not_up"] == ["api"] and "rollback_start_order" in part["lines"][-1] and site.order.exists()
        # What is stopped around a rollback is started with the others, though nobody put it in the order.
        status, output = site.play("restart", rollback_start_order=["postgres", "redis"])
    assert status == 0, output
    starts = {name: one["started"] for name, one in site.containers().items()}
    assert starts["postgres"] < starts["redis"] < starts["api"]
    assert site.get("/health") == 200 and not site.order.exists()
    assert site.status()["stopped"] == [] and site.status()["down"] == []


def test_emergency_stop_with_the_database_down(site: Site, tmp_path: Path) -> None:
    site.stack.compose("stop", "postgres")
    with untouched(site, "api"):
        # Where its record cannot be written, it stops all the same, and says so.
        failed = site.module("stopped", "api", emergency=True, state_dir="/tmp")
        assert failed["problem"] == "directory_not_ours" and site.containers()["api"]["status"] == "exited"
        subprocess.run(["docker", "start", site.containers()["api"]["id"]], check=True, capture_output=True)
        # Hardly begun, it does not hear yet that it is asked to stop. Its project is known without its files.
        broken = site.stack.directory / "broken.yml"
        broken.write_text("services: [")
        unnamed = {"directory": str(site.stack.directory), "files": ["compose.yml", "broken.yml"]}
        stopped = site.module("stopped", "api", "worker", timeout=3, emergency=True, compose=unnamed,
                              state_dir=str(tmp_path / "state"))
    assert stopped["services"]["api"]["after"] == "exited" and stopped["sessions"] is None
    assert (tmp_path / "state" / site.order.name).exists()
    seen = site.status(compose=unnamed, state_dir=str(tmp_path / "state"))
    broken.unlink()
    assert seen["stopped"][0]["services"] == ["api"] and {"postgres", "api"} <= set(seen["down"])
    assert "Compose cannot read" in seen["next"] and seen["files"] in seen["next"]
    gone = site.status(compose=unnamed)
    assert gone["engine"] == "up" and "api" in gone["down"] and "broken.yml" in gone["next"]


def test_status_with_a_stopped_service_and_with_a_broken_engine(site: Site, tmp_path: Path) -> None:
    site.stack.compose("stop", "api")
    began = time.monotonic()
    status, output = site.play("status")
    assert status == 0 and "Service api: exited" in output and "restart.yml" in output
    assert time.monotonic() - began < 30
    told = site.status({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})
    assert not told.get("failed") and "systemctl start docker" in told["engine"] and told["services"] == []
    assert told["recorded_heads"] is None and "systemctl start docker" in told["next"]
    elsewhere = site.status(compose={"directory": str(site.stack.directory), "files": ["compose.yml"],
                                     "project": "rbtest-nobodys"})
    assert "No container of project" in elsewhere["server"] and "restart.yml" in elsewhere["next"]


def test_a_run_cut_between_quiesce_and_resume_ends_with_its_services_up(site: Site) -> None:
    def journal() -> list[dict[str, Any]]:
        path = site.state / "runs" / "latest" / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    process = site.start_playbook("rollback")
    try:
        wait_for(lambda: any((line["event"], line["step"]) == ("ended", "quiesce") for line in journal()),
                 "the services are stopped", 120)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert site.containers()["api"]["status"] == "exited"
    assert site.status()["stopped"][0]["services"] == ["api"]
    with untouched(site, "api"):
        status, output = site.play("rollback")
    report = json.loads((site.home / "reports" / "latest" / "report.json").read_text())
    assert status == 0, output
    assert (report["outcome"], site.heads()) == ("rolled_back", [PARENT])
    assert report["services"] == {"stopped": ["api"], "resumed": ["api"], "held": [], "left_stopped": []}
    assert site.get("/health") == 200
    names = [step["name"] for step in report["steps"]]
    assert names.index("alembic_downgrade") < names.index("resume") and names.count("quiesce") == 2
    commands = [line for step in report["steps"] for line in step["commands"]]
    assert any(line.startswith("docker stop") for line in commands)
    assert any(line.startswith("docker start") for line in commands)
    first = next(step for step in report["steps"] if step["name"] == "quiesce")
    assert report["started_at"] < first["started_at"] and report["outage_s"] > sum(
        step["duration_s"] for step in report["steps"] if step["name"] in ("before", "alembic_downgrade", "resume"))
