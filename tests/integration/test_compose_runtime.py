# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What there is only in Compose: one-shot containers, a database found by looking, and a project left as it was."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from composed import SPECIAL, STEP_LABEL, ComposeServer, compose_project, docker
from harness import (
    BASE,
    MIGRATION,
    TOP,
    Answer,
    Database,
    Databases,
    Started,
    alembic_args,
    clean_environment,
    common_args,
    controller,
    dead_controller,
    make_project,
    process_table,
    run_module,
    wait_for,
)

from playbooks import Site

Starts = Callable[..., Started]
MakeSite = Callable[..., Site]
PARENT = "g1h2i3j4k5l6"

pytestmark = pytest.mark.parametrize("runtime", ["compose"], indirect=True, scope="session")


@pytest.fixture
def chain(make_database: Callable[..., Database]) -> Database:
    """The history that is in the image, at the migration."""
    return make_database("chain", "migration")


def downgrade(database: Database, **options: Any) -> dict[str, Any]:
    return {**alembic_args(database), "direction": "downgrade", "revision": PARENT, **options}


def at_work(server: ComposeServer) -> list[dict[str, Any]]:
    return [each for each in server.one_shots() if each["State"]["Running"]]


def compose_run_client(server: ComposeServer) -> int:
    """The process whose end would leave a one-shot container behind: Compose's own."""
    found = [pid for pid, line, _environment in process_table()
             if server.project in line and "\0run\0" in line and "compose" in line]
    return found[-1]


# Alembic in a one-shot container


def test_check_and_diff_mode_render_what_is_in_the_image(chain: Database, server: ComposeServer) -> None:
    before, dump = server.belongings(), chain.dump()
    shown = run_module("alembic_migrate", check=True, diff=True, **downgrade(chain))
    assert (shown["changed"], shown["heads_after"], shown["attempts"]) == (True, [PARENT], 0)
    assert "DELETE FROM categories" in shown["sql"][MIGRATION]["sql"]
    assert chain.dump() == dump
    assert server.belongings() == before


def test_everything_else_of_the_project_stays_as_it_is(chain: Database, server: ComposeServer, state_dir: Path) -> None:
    before = server.belongings()
    run = run_module("run_open", **common_args(chain), state_dir=str(state_dir), playbook="rollback",
                     controller=controller())
    for name, arguments in (("alembic_info", alembic_args(chain)),
                            ("pg_backup", {**common_args(chain), "backups": str(state_dir / "backups"),
                                           "disk_reserve": "1M"}),
                            ("alembic_migrate", downgrade(chain))):
        assert run_module(name, **{**arguments, "run_dir": run["run_dir"]}).get("msg") is None
    assert chain.heads() == {PARENT}
    assert server.belongings() == before
    assert server.one_shots() == []


def test_a_command_that_is_shown_can_be_typed(chain: Database, server: ComposeServer) -> None:
    moved = run_module("alembic_migrate", **downgrade(chain))
    [command] = moved["executed_commands"]
    again = subprocess.run(["sh", "-c", command.replace(f"downgrade {PARENT}", "current")], text=True, cwd="/",
                           env=clean_environment(), capture_output=True, check=False)
    # Without the environment, which is not part of it, env.py says so; it was Alembic in the image that was reached.
    assert "DATABASE_URL is not set" in again.stdout + again.stderr
    assert server.one_shots() == []


def test_a_killed_client_ends_the_work_before_the_module_answers(chain: Database, server: ComposeServer,
                                                                 start_module: Starts) -> None:
    dump = chain.dump()
    with chain.locked("categories"):
        module = start_module("alembic_migrate", **downgrade(chain, lock_timeout=600000, retries=0))
        wait_for(chain.waiting, "the migration at the lock")
        os.kill(compose_run_client(server), signal.SIGKILL)
        answer = module.answer(60)
        assert server.one_shots() == []
        assert (chain.sessions(), chain.waiting()) == ([], [])
    assert answer["problem"] == "migration_failed"
    time.sleep(1)  # the lock is free: a migration left behind would go on now
    assert (chain.heads(), chain.dump()) == ({MIGRATION}, dump)


OWN_ENGINE = """
own = sa.create_engine(
    sa.engine.make_url(os.environ['DATABASE_URL']).set(drivername='postgresql+psycopg2'),
    isolation_level='AUTOCOMMIT', connect_args={'application_name': 'the application',
                                                'options': '-c client_connection_check_interval=0 -c lock_timeout=0'})
with own.connect() as connection:
    connection.exec_driver_sql('DELETE FROM things')
"""


@pytest.mark.parametrize("ended_by", ["signal", "time limit", "client killed"])
def test_an_engine_of_the_migrations_own_is_ended_by_its_address(
        empty: Database, server: ComposeServer, tmp_path: Path, start_module: Starts, ended_by: str) -> None:
    empty.rows("CREATE TABLE things AS SELECT generate_series(1, 3) AS id")
    empty.stamp(TOP)
    project = make_project(tmp_path / "app", downgrade=OWN_ENGINE)
    # One that comes from elsewhere under the same name is somebody else's.
    bystander = empty.connect(application_name="the application")
    with empty.locked("things"):
        module = start_module("alembic_migrate", **alembic_args(empty, project), direction="downgrade", revision=BASE,
                              retries=0, alembic_timeout=8 if ended_by == "time limit" else 900)
        wait_for(empty.waiting, "the second engine at the lock")
        [waiting] = empty.waiting()
        if ended_by == "signal":
            module.kill(signal.SIGTERM)
        elif ended_by == "client killed":
            os.kill(compose_run_client(server), signal.SIGKILL)
        answer = module.answer(60)
        assert waiting not in empty.waiting()
        assert [pid for pid, _name, _state in empty.sessions("the application")] == [bystander.get_backend_pid()]
    bystander.close()
    assert answer["problem"] == {"signal": "interrupted", "time limit": "migration_ended",
                                 "client killed": "migration_failed"}[ended_by]
    time.sleep(1)
    assert (empty.heads(), empty.count("things")) == ({TOP}, 3)


def test_an_interpreter_that_is_not_in_the_image_is_named(chain: Database, server: ComposeServer) -> None:
    refused = run_module("alembic_migrate", **downgrade(chain, alembic_python="/nowhere/python"))
    assert refused["outcome"] == "refused"
    assert "/nowhere/python" in refused["msg"]
    assert server.one_shots() == []


# Runs


def open_args(database: Database, state_dir: Path, **more: Any) -> dict[str, Any]:
    return {**common_args(database), "state_dir": str(state_dir), "playbook": "rollback", "operator": "Ada",
            "goal": {"migration": MIGRATION}, "controller": controller(), **more}


def leftover(server: ComposeServer, chain: Database, *labels: str) -> dict[str, Any]:
    """A one-shot container of the migrations service that waits for a lock, started by hand."""
    with chain.locked("categories"):
        process = subprocess.Popen(
            server.argv("run", "--rm", "--no-deps", "-T", *labels, "--env", "DATABASE_URL", "api-migrations",
                        "alembic", "downgrade", PARENT),
            env=clean_environment(DATABASE_URL=chain.url), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        wait_for(chain.waiting, "the migration at the lock")
        process.kill()
        process.wait()
        [container] = at_work(server)
        # Held still, so that it is at work whatever becomes of the lock.
        docker("pause", container["Id"])
    return container


def test_what_a_cut_run_left_is_found_ended_and_named(chain: Database, server: ComposeServer, state_dir: Path) -> None:
    run = run_module("run_open", **open_args(chain, state_dir, controller=dead_controller()))
    left = leftover(server, chain, "--label", f"recyclic.rollback.run={run['run_id']}", "--label", f"{STEP_LABEL}=x")

    again = run_module("run_open", **open_args(chain, state_dir))

    assert again["resumed"] is True, again
    name = left["Name"].lstrip("/")
    assert f"container {name}" in again["ended"]
    assert name in again["notice"]
    assert server.one_shots() == []
    wait_for(lambda: not chain.sessions(""), "the end of its session", 5)
    assert chain.heads() == {MIGRATION}


def test_somebody_elses_migration_is_refused_by_name_and_left_alone(
        chain: Database, server: ComposeServer, state_dir: Path) -> None:
    theirs = leftover(server, chain)
    for check in (True, False):
        refused = run_module("run_open", check=check, **open_args(chain, state_dir))
        assert (refused["problem"], refused["outcome"]) == ("migration_container_at_work", "refused")
        assert f"docker stop {theirs['Name'].lstrip('/')}" in refused["msg"]
    assert [each["Id"] for each in at_work(server)] == [theirs["Id"]]
    assert not list((state_dir / "locks").glob("*.json"))
    docker("rm", "--force", theirs["Id"])
    assert run_module("run_open", **open_args(chain, state_dir)).get("msg") is None


# A database found by looking


def count(database: Database, **options: Any) -> Answer:
    return run_module("table_count", **{**common_args(database), "everything": True, **options})


def test_who_the_container_was_made_for_is_found_there(chain: Database, server: ComposeServer) -> None:
    found = count(chain, login_user="", login_password="")
    assert found.get("msg") is None
    assert found["tables"]["public.categories"]["rows"] == chain.count("categories")
    assert server.password not in json.dumps(found)
    # Its password is that user's, and nobody else's.
    refused = count(chain, login_password="")
    assert (refused["problem"], refused["facts"]["user"]) == ("database_refuses", chain.user)


def test_an_address_that_is_given_is_the_one_used(chain: Database, server: ComposeServer) -> None:
    refused = count(chain, login_host="127.0.0.1", login_port=1)
    assert (refused["problem"], "127.0.0.1:1" in refused["msg"]) == ("server_unreachable", True)
    assert count(chain, login_host=server.host).get("msg") is None


def test_two_spellings_of_the_server_are_one_database(chain: Database, server: ComposeServer, state_dir: Path) -> None:
    assert run_module("run_open", **open_args(chain, state_dir)).get("msg") is None
    refused = run_module("run_open", **open_args(chain, state_dir, login_host=server.host))
    assert refused["problem"] == "run_in_progress"


STEERING = {"COMPOSE_FILE": "/nowhere/compose.yml", "COMPOSE_PROJECT_NAME": "another", "COMPOSE_PROFILES": "none",
            "COMPOSE_ENV_FILES": "/nowhere/.env", "COMPOSE_PATH_SEPARATOR": "c", "POSTGRES_USER": "another"}


def test_the_callers_environment_does_not_choose_the_project(chain: Database) -> None:
    moved = run_module("alembic_migrate", environment=STEERING, **downgrade(chain))
    assert moved.get("msg") is None
    assert chain.heads() == {PARENT}


def test_variables_of_the_migrations_do_not_steer_the_client(chain: Database) -> None:
    arguments = downgrade(chain)
    arguments["alembic_environment"].update(PATH="/usr/bin:/bin:/nowhere", HOME="/nowhere", DOCKER_HOST="tcp://nowhere",
                                            COMPOSE_FILE="/nowhere", LD_PRELOAD="", ENVIRONMENT="a $word 'quoted'")
    moved = run_module("alembic_migrate", **arguments)
    assert moved.get("msg") is None
    assert "ENVIRONMENT=a $word 'quoted'" in moved["transcript"]
    assert chain.heads() == {PARENT}


def test_a_stand_alone_compose_does_as_well(chain: Database, tmp_path: Path, server: ComposeServer) -> None:
    places = [Path(docker("info", "--format", "{{range .ClientInfo.Plugins}}{{if eq .Name \"compose\"}}{{.Path}}"
                                              "{{end}}{{end}}").strip())]
    (tmp_path / "bin").mkdir()
    shutil.copy2(places[0], tmp_path / "bin" / "docker-compose")
    hidden = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none"),
              "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    seen = subprocess.run(["docker", "compose", "version"], env={**os.environ, **hidden}, capture_output=True,
                          check=False)
    if seen.returncode == 0:
        pytest.skip("A STAND-ALONE COMPOSE IS NOT TESTED HERE: the plugin is installed for the whole machine")
    moved = run_module("alembic_migrate", environment=hidden, **downgrade(chain))
    assert moved.get("msg") is None
    assert chain.heads() == {PARENT}
    assert server.one_shots() == []


# Projects of their own


@pytest.fixture
def project(server: ComposeServer, tmp_path: Path, worker: str) -> Iterator[Callable[..., ComposeServer]]:
    """``project(...)``: another project beside the session's; as compose_project."""
    with contextlib.ExitStack() as stack:
        def make(**options: Any) -> ComposeServer:
            home = tmp_path / f"a project of its own {len(list(tmp_path.iterdir()))}"
            home.mkdir()
            return stack.enter_context(compose_project(home, worker, server.bin_dir, **options))

        yield make


def bare(server: ComposeServer) -> dict[str, Any]:
    """The least the options have to say."""
    return {"login_db": "postgres", "runtime": "compose", "compose": server.options()}


def identifier(server: ComposeServer) -> str:
    with psycopg2.connect(host=server.host, port=server.port, user=server.superuser, password=server.password,
                          dbname="postgres") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        return str(cursor.fetchone()[0])


def test_a_password_file_a_published_port_and_a_neighbour(
        project: Callable[..., ComposeServer], server: ComposeServer, tmp_path: Path, state_dir: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"from a file {SPECIAL}\n")
    neighbour = server.belongings()
    mine = project(user="an odd user", postgres={
        "environment": {"POSTGRES_USER": "${POSTGRES_USER}", "POSTGRES_PASSWORD_FILE": "/run/secrets/password",
                        "POSTGRES_INITDB_ARGS": "--no-sync"},
        "ports": ["127.0.0.1::5432"],
        "volumes": ["data:/var/lib/postgresql/data",
                    {"type": "bind", "source": str(secret), "target": "/run/secrets/password", "read_only": True}]})
    mine = replace(mine, password=secret.read_text().rstrip("\n"))

    # The published port is the way, and a password that is none of it is refused with that place.
    refused = run_module("table_count", **bare(mine), login_user="an odd user", login_password="wrong", everything=True)
    [bound] = mine.container()["NetworkSettings"]["Ports"]["5432/tcp"]
    assert (refused["problem"], f"127.0.0.1:{bound['HostPort']}" in refused["msg"]) == ("database_refuses", True)
    counted = run_module("table_count", **bare(mine), everything=True)
    assert counted.get("msg") is None
    backup = run_module("pg_backup", **bare(mine), backups=str(state_dir), disk_reserve="1M")["backup"]
    assert backup["server"]["system_identifier"] == identifier(mine) != identifier(server)
    assert mine.password not in json.dumps(backup)
    assert server.belongings() == neighbour


def test_a_stopped_database_is_refused_and_stays_stopped(project: Callable[..., ComposeServer], tmp_path: Path) -> None:
    mine = project()
    mine.compose("stop", "--timeout", "5", "postgres")
    before = mine.belongings()
    arguments = {**bare(mine), "alembic_config": "/app/history/alembic.ini", "direction": "upgrade",
                 "revision": "7c1a2f4b9c3a", "alembic_environment": {"DATABASE_URL": "postgresql://nobody@nowhere/x"}}
    for name, options in (("alembic_migrate", arguments), ("table_count", {**bare(mine), "everything": True}),
                          ("pg_backup", {**bare(mine), "backups": str(tmp_path / "backups")})):
        refused = run_module(name, **options)
        assert refused["problem"] in ("database_down", "project_not_running")
        assert refused["outcome"] == "refused"
        assert "postgres" in refused["msg"]
    assert mine.belongings() == before
    assert mine.container()["State"]["Status"] == "exited"
    assert mine.one_shots() == []


ENTRYPOINT = ["sh", "-c", 'export FROM_THE_ENTRYPOINT=yes; exec "$@"', "entrypoint"]
PRINTS = "print('entrypoint:', os.environ.get('FROM_THE_ENTRYPOINT'))"


def test_an_entrypoint_is_passed_only_where_it_is_wanted(
        project: Callable[..., ComposeServer], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    mine = project(migrations={"entrypoint": ENTRYPOINT}, mounts=[tmp_path_factory.getbasetemp()])
    own = Databases(mine).make("guide", None)
    own.stamp(TOP)
    arguments = alembic_args(own, make_project(tmp_path / "app", before=PRINTS))
    for keep, direction, revision in ((False, "downgrade", BASE), (True, "upgrade", TOP)):
        arguments["compose"]["keep_entrypoint"] = keep
        moved = run_module("alembic_migrate", **arguments, direction=direction, revision=revision)
        assert moved.get("msg") is None
        assert f"entrypoint: {'yes' if keep else 'None'}" in moved["transcript"]


# The whole job


def test_with_the_roles_own_defaults_the_application_is_back(
        chain: Database, server: ComposeServer, tmp_path: Path) -> None:
    mine = server.serve(chain.url)
    try:
        defaults = {"rollback_quiesce": None, "rollback_checks": None, "rollback_watch_s": 2}
        site = Site(replace(chain, server=mine), tmp_path, defaults)
        played = site.play("rollback")
        assert played.status == 0, played.output
        assert played.report["outcome"] == "rolled_back"
        assert chain.heads() == {PARENT}
        assert chain.count("categories") == 0
        assert mine.container("api")["State"]["Health"]["Status"] == "healthy"
        assert server.one_shots() == []
    finally:
        server.compose("rm", "--stop", "--force", "api")
