# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scratch servers on the managed node: production's place is taken there, production is out of reach, nothing stays."""
from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from harness import ALEMBIC_PYTHON, BASE, ROOT, TOP, Database, clean_environment, make_project, wait_for

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import Environment
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import describe_database
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    Target,
    end_backends,
    identity,
    recorded_heads,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import Ground
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import (
    APPLICATION,
    CLIENT,
    Finished,
    HostRuntime,
    Program,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch import Scratch, Wish, scratch_server
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch_place import PREFIX

NAME = "recyclic.rollback:test:alembic"
DEBIANS = Path("/usr/lib/postgresql/15/bin")
# The identifier that answers for each libpq string; or, for each address, whether something answers.
WHO = """
import json, psycopg2, sys
found = {}
for text in sys.argv[1:]:
    try:
        with psycopg2.connect(text, connect_timeout=5) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
            found[text] = cursor.fetchone()[0]
    except psycopg2.Error as error:
        found[text] = str(error).strip()
print(json.dumps(found))
"""
REACH = """
import json, socket, sys
found = []
for text in sys.argv[1:]:
    host, _colon, port = text.rpartition(":")
    with socket.socket(socket.AF_INET if host else socket.AF_UNIX) as client:
        client.settimeout(3)
        if client.connect_ex((host, int(port)) if host else port) == 0:
            found.append(text)
print(json.dumps(found))
"""


def namespaces() -> bool:
    """Whether this machine gives namespaces; CI has to."""
    outer = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "true"]
    try:
        return subprocess.run(outer, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


needs_namespaces = pytest.mark.skipif(not namespaces(), reason="no namespaces here")
either_way = pytest.mark.parametrize("isolation", [pytest.param("auto", marks=needs_namespaces), "override"])


@dataclass
class Bench:
    """A production database, and where scratch servers for it may lie."""

    database: Database
    home: Path
    like: dict[str, Any]

    @property
    def target(self) -> Target:
        server = self.database.server
        return Target({"dbname": self.database.name, "user": self.database.user, "host": server.host,
                       "port": server.port}, self.database.password)

    @property
    def runtime(self) -> HostRuntime:
        return HostRuntime(str(self.database.server.bin_dir))

    def scratch(self, target: Target | None = None, **wishes: Any) -> AbstractContextManager[Scratch]:
        wish = Wish(**{"like": self.like, "directory": str(self.home / "scratch"),
                       "variables": {"DATABASE_URL": self.database.url}, **wishes})
        return scratch_server(Ground(target or self.target, self.runtime), wish, Redactor())

    def refused(self, **wishes: Any) -> Refusal:
        with pytest.raises(Refusal) as refused, self.scratch(**wishes):
            raise AssertionError("a scratch server was given")
        assert say("fr", refused.value.key, **refused.value.facts)
        assert self.left() == []
        return refused.value

    def alembic(self, ini: Path | None = None, timeout_s: float = 60, **variables: str) -> Environment:
        return Environment(self.runtime, str(ini or self.database.ini), ALEMBIC_PYTHON, None,
                           variables or {"DATABASE_URL": self.database.url}, timeout_s, Redactor())

    def left(self) -> list[str]:
        """What is left of scratch servers: files, processes, mounts."""
        found = [os.path.join(place, name) for place, inner, names in os.walk(self.home) for name in inner + names]
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    said = Path(f"/proc/{entry}/cmdline").read_text() + os.readlink(f"/proc/{entry}/cwd")
                except OSError:
                    continue
                if str(self.home) in said and int(entry) != os.getpid():
                    found.append(f"process {entry}: {said}")
        return found + [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if PREFIX in line]


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> Bench:
    return bench_of(database, tmp_path)


def bench_of(database: Database, tmp_path: Path) -> Bench:
    home = tmp_path / "node"
    home.mkdir()
    with database.connect() as connection:
        like = {**identity(connection), **describe_database(connection)}
    connection.close()
    return Bench(database, home, like)


def expected(scratch: Scratch) -> dict[str, str]:
    return {"system_identifier": scratch.identifier, "database": scratch.target.database, "application_name": NAME}


def inside(scratch: Scratch, script: str, *arguments: str, **variables: str) -> Any:
    """Run a script where the scratch server's Alembic runs, and return what it printed, read as JSON."""
    done = run_inside(scratch, script, *arguments, **variables)
    assert done.rc == 0, done.stderr
    return json.loads(done.stdout)


def run_inside(scratch: Scratch, script: str, *arguments: str, **variables: str) -> Finished:
    return scratch.runtime.run(Program([ALEMBIC_PYTHON, "-c", script, *arguments], variables, timeout_s=60,
                                       place=APPLICATION))


def seen(scratch: Scratch, statement: str) -> list[tuple[Any, ...]]:
    with scratch.target.open("the test") as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@contextmanager
def listener(family: int, address: Any) -> Iterator[list[Any]]:
    """Somebody listens there; yields what connected."""
    met: list[Any] = []
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()

        def accept() -> None:
            while True:
                try:
                    client, _address = server.accept()
                except OSError:
                    return
                met.append(client)
                client.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield met
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A directory with a short path: the kernel allows no long one for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        yield Path(directory)


# What it is like


@either_way
def test_it_is_another_server_dressed_like_productions(bench: Bench, isolation: str) -> None:
    user = bench.database.user
    for statement in (f'CREATE ROLE "{user}-readers" NOINHERIT', f'CREATE ROLE "{user}-dba" SUPERUSER LOGIN',
                      f'GRANT "{user}-readers" TO "{user}-dba"',
                      f'ALTER DATABASE "{bench.database.name}" SET search_path TO "$user", public, "an, other"',
                      f'ALTER DATABASE "{bench.database.name}" SET work_mem TO \'5MB\'',
                      f'ALTER DATABASE "{bench.database.name}" SET app.setting TO \'a, b\''):
        bench.database.rows(statement, superuser=True)
    with bench.database.connect(superuser=True) as connection:
        bench.like.update(describe_database(connection))
    connection.close()
    try:
        with bench.scratch(isolation=isolation) as scratch:
            with scratch.target.open("the test") as connection:
                found, described = identity(connection), describe_database(connection)
            assert found["system_identifier"] == scratch.identifier != bench.like["system_identifier"]
            assert {**found, "system_identifier": ""} == {
                **{key: bench.like[key] for key in found}, "system_identifier": ""}
            if isolation == "override":
                described["parameters"]["port"] = bench.like["parameters"]["port"]
            assert described == {key: bench.like[key] for key in described}
            assert seen(scratch, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == [(0,)]
    finally:
        for role in ("readers", "dba"):
            bench.database.rows(f'DROP ROLE "{user}-{role}"', superuser=True)
    assert bench.left() == []


def test_it_holds_as_many_locks_and_loads_the_same_libraries(bench: Bench) -> None:
    bench.like["parameters"] = {**bench.like["parameters"], "max_locks_per_transaction": "77",
                                "max_prepared_transactions": "3", "port": "1"}
    with bench.scratch(isolation="override") as scratch:
        assert seen(scratch, "SELECT current_setting('max_locks_per_transaction'),"
                             " current_setting('max_prepared_transactions')") == [("77", "3")]
    bench.like["parameters"]["shared_preload_libraries"] = "no_such_library"
    refusal = bench.refused(isolation="override")
    assert refusal.key == "scratch_does_not_start" and "no_such_library" in refusal.facts["error"]


def test_a_database_called_postgres_is_made_as_well(bench: Bench) -> None:
    target = replace(bench.target, params={**bench.target.params, "dbname": "postgres"})
    with bench.scratch(target, isolation="override") as scratch:
        [(owner,)] = seen(scratch, "SELECT datdba::regrole::text FROM pg_database WHERE datname = current_database()")
        assert (scratch.target.database, owner.strip('"')) == ("postgres", bench.database.user)


# What is reached from there


@needs_namespaces
def test_whatever_address_is_meant_the_scratch_server_answers(bench: Bench) -> None:
    with bench.scratch() as scratch:
        port, user, name = bench.database.server.port, bench.database.user, bench.database.name
        rest = f"port={port} user={user} dbname={name}"
        texts = [bench.database.url, *(f"host={host} {rest}" for host in (
            "127.0.0.1", "localhost", "10.20.30.40", "192.0.2.7", "db.example.com", "postgres"))]
        assert inside(scratch, WHO, *texts) == dict.fromkeys(texts, scratch.identifier)


@needs_namespaces
def test_nothing_else_of_this_machine_is_reached(bench: Bench, sockets: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (sockets / "shared").mkdir()
    (sockets / "shared" / "a file").touch()
    places = {f":{sockets}/plain": (socket.AF_UNIX, f"{sockets}/plain"),
              f":{sockets}/shared/.s.PGSQL.1": (socket.AF_UNIX, f"{sockets}/shared/.s.PGSQL.1"),
              f"127.0.0.1:{port}": (socket.AF_INET, ("127.0.0.1", port))}
    before = bench.database.dump()
    with listener(*places[f":{sockets}/plain"]) as one, listener(*places[f":{sockets}/shared/.s.PGSQL.1"]) as two, \
            listener(*places[f"127.0.0.1:{port}"]) as three, bench.scratch() as scratch:
        asked = [*places, "192.0.2.7:443"]
        assert inside(scratch, REACH, *asked) == []
        assert one == two == three == []
        here = subprocess.run([sys.executable, "-c", REACH, *places], capture_output=True, text=True, check=True)
        assert json.loads(here.stdout) == [*places], "from out here they are"
    assert bench.database.dump() == before


@needs_namespaces
@pytest.mark.parametrize("alone", [True, False])
def test_productions_own_unix_socket_is_the_scratch_servers_there(bench: Bench, sockets: Path, alone: bool) -> None:
    port = bench.database.server.port
    if not alone:
        (sockets / "a file").touch()
    target = replace(bench.target, params={**bench.target.params, "host": str(sockets)})
    text = f"host={sockets} port={port} user={bench.database.user} dbname={bench.database.name}"
    with listener(socket.AF_UNIX, f"{sockets}/.s.PGSQL.{port}") as met, \
            listener(socket.AF_UNIX, f"{sockets}/.s.PGSQL.6432") as pooler, bench.scratch(target) as scratch:
        assert inside(scratch, WHO, text) == {text: scratch.identifier}
        assert inside(scratch, REACH, f":{sockets}/.s.PGSQL.6432") == []
        assert met == pooler == []
        if alone:
            # Production starts again, and makes its socket anew.
            os.unlink(sockets / f".s.PGSQL.{port}")
            with listener(socket.AF_UNIX, f"{sockets}/.s.PGSQL.{port}") as again:
                assert inside(scratch, WHO, text) == {text: scratch.identifier}
            assert again == []
    assert "a file" in os.listdir(sockets) or alone


@needs_namespaces
def test_programs_keep_directory_variables_account_and_files(bench: Bench, tmp_path: Path) -> None:
    script = "import json, os; print(json.dumps([os.getcwd(), os.environ['A'], os.getuid(), os.listdir('.')]))"
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x").touch()
    with bench.scratch() as scratch:
        done = scratch.runtime.run(Program([ALEMBIC_PYTHON, "-c", script], {"A": "b"}, cwd=str(tmp_path / "here"),
                                           place=APPLICATION))
        assert json.loads(done.stdout) == [str(tmp_path / "here"), "b", os.getuid(), ["x"]]
        assert run_inside(scratch, "raise SystemExit(7)").rc == 7
        assert run_inside(scratch, "import os; os.kill(os.getpid(), 9)").rc == -9
        missing = scratch.runtime.run(Program(["/nowhere/python"], place=APPLICATION))
        assert (missing.rc, "/nowhere/python" in missing.stderr) == (127, True)


@needs_namespaces
def test_client_programs_reach_it_from_outside(bench: Bench) -> None:
    with bench.scratch() as scratch:
        argv = [scratch.runtime.client("psql"), "-XAt", f"--dbname={scratch.target.dsn()}",
                "--command=SELECT system_identifier FROM pg_control_system()"]
        assert scratch.runtime.run(Program(argv, place=CLIENT)).stdout.strip() == scratch.identifier


@needs_namespaces
@pytest.mark.skipif(not (DEBIANS / "initdb").exists() or not shutil.which("openssl"), reason="no server with TLS here")
def test_an_application_that_insists_on_tls_gets_it(bench: Bench) -> None:
    like = {**bench.like, "server_version": "15.4 (Debian 15.4-1)"}
    text = f"{bench.database.url}?sslmode=require"
    with bench.scratch(like=like, bin_dir=str(DEBIANS)) as scratch:
        assert inside(scratch, WHO, text) == {text: scratch.identifier}


# Migrations there


HARD_CODED = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
url = make_url({url!r}).set(drivername="postgresql+psycopg2")
with create_engine(url).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
OWN_ENGINE = """
engine = sa.create_engine(sa.engine.make_url({url!r}).set(drivername="postgresql+psycopg2"))
with engine.begin() as connection:
    connection.execute(sa.text("INSERT INTO witness VALUES (2)"))
"""


@needs_namespaces
def test_productions_url_in_env_py_and_in_a_migration_means_the_scratch_server(empty: Database, tmp_path: Path
                                                                               ) -> None:
    bench = bench_of(empty, tmp_path)
    ini = make_project(tmp_path / "project", env=HARD_CODED.format(url=empty.url),
                       upgrade='op.execute("CREATE TABLE witness (n int)")\nop.execute("COMMIT")\nop.execute("BEGIN")',
                       downgrade=OWN_ENGINE.format(url=empty.url))
    empty.stamp(TOP)
    empty.rows("CREATE TABLE witness (n int)")
    before = empty.dump()
    with bench.scratch() as scratch:
        moved = scratch.environment(bench.alembic(ini)).moves(
            NAME, Limits(), expected(scratch), [("upgrade", TOP), ("downgrade", BASE), ("upgrade", TOP)], migration=TOP)
        assert [(move["direction"], move["ok"]) for move in moved.moves] == [
            ("upgrade", True), ("downgrade", True), ("upgrade", False)], moved.transcript
        assert "DuplicateTable" in moved.moves[-1]["error"] and moved.failure == moved.moves[-1]
        assert (moved.probe["heads"], moved.ended_by) == ([], "")
        assert seen(scratch, "SELECT n FROM witness") == [(2,)]
        with scratch.target.open("the test") as connection:
            assert recorded_heads(connection) == [BASE]
    assert empty.dump() == before
    assert bench.left() == []


@either_way
def test_a_history_is_built_and_rendered_there(bench: Bench, isolation: str) -> None:
    before = bench.database.dump()
    with bench.scratch(isolation=isolation) as scratch:
        moved = scratch.environment(bench.alembic()).moves(
            NAME, Limits(), expected(scratch), [("upgrade", "k1l2m3n4o5p6"), ("downgrade", "9a2b3c4d5e6f")],
            render=["k1l2m3n4o5p6"])
        assert moved.failure is None and len(moved.moves) == 2, moved.transcript
        assert moved.probe["user"] == bench.database.user
        assert "DELETE FROM categories" in moved.rendered["k1l2m3n4o5p6"]["sql"]
        assert moved.path is None and "k1l2m3n4o5p6" in moved.graph
    assert bench.database.dump() == before
    assert bench.left() == []


@either_way
def test_a_migration_that_hangs_is_ended_with_the_time_limit(empty: Database, tmp_path: Path, isolation: str) -> None:
    bench = bench_of(empty, tmp_path)
    ini = make_project(tmp_path / "project", downgrade='import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
                                                       'op.execute("SELECT pg_sleep(600)")')
    with bench.scratch(isolation=isolation) as scratch:
        moved = scratch.environment(bench.alembic(ini, timeout_s=4)).moves(
            NAME, Limits(), expected(scratch), [("upgrade", TOP), ("downgrade", BASE), ("upgrade", TOP)])
        assert [(move["revision"], move["ok"]) for move in moved.moves] == [(TOP, True), (BASE, False)]
        assert (moved.ended_by, moved.moves[-1]["error"][:9]) == ("timeout", "[timeout]")
        assert not [line for line in bench.left() if "alembic" in line]
        with scratch.target.open("the test") as connection:
            end_backends(connection, NAME)
            assert recorded_heads(connection) == [TOP]
    assert bench.left() == []


@either_way
def test_a_connection_that_arrives_elsewhere_moves_nothing(bench: Bench, isolation: str) -> None:
    before = bench.database.dump()
    with bench.scratch(isolation=isolation) as scratch, pytest.raises(Refusal) as refused:
        scratch.environment(bench.alembic()).moves(NAME, Limits(), {**expected(scratch), "system_identifier": "1"},
                                                   [("upgrade", "k1l2m3n4o5p6")])
    assert refused.value.key == "rehearsal_elsewhere" and scratch.identifier in refused.value.facts["differences"]
    assert bench.database.dump() == before


# Led there by variables


@pytest.mark.parametrize("given", [
    {}, {"DATABASE_URL": "postgresql://SCRATCH_USER:SCRATCH_PASSWORD@SCRATCH_HOST:SCRATCH_PORT/SCRATCH_DATABASE"},
])
def test_override_leads_the_application_there_as_its_own_role(bench: Bench, given: Mapping[str, str]) -> None:
    with bench.scratch(isolation="override", environment=given) as scratch:
        found = scratch.variables["DATABASE_URL"]
        assert bench.database.password not in str(scratch.variables.values()) and found != bench.database.url
        probe = scratch.environment(bench.alembic()).moves(NAME, Limits(), expected(scratch), []).probe
        assert probe["user"] == bench.database.user
        # Whoever else is on this machine does not get in.
        stranger = f"host=127.0.0.1 port={scratch.target.params['port']} user=postgres dbname=postgres password=guess"
        assert "password authentication failed" in inside(scratch, WHO, stranger)[stranger]


def test_an_override_that_leads_to_production_is_refused_before_any_move(bench: Bench) -> None:
    before = bench.database.dump()
    with bench.scratch(isolation="override", environment={"DATABASE_URL": bench.database.url}) as scratch, \
            pytest.raises(Refusal) as refused:
        scratch.environment(bench.alembic()).moves(NAME, Limits(), expected(scratch), [("downgrade", "9a2b3c4d5e6f")])
    assert refused.value.key == "rehearsal_elsewhere"
    assert bench.like["system_identifier"] in refused.value.facts["differences"]
    assert bench.database.dump() == before
    assert bench.left() == []


# What is missing


@needs_namespaces
def test_programs_of_another_version_are_refused(bench: Bench) -> None:
    refusal = bench.refused(like={**bench.like, "server_version": "9.6.24"}, bin_dir=str(bench.runtime.bin_dir))
    major = bench.like["server_version"].partition(".")[0]
    assert (refusal.key, refusal.facts["version"]) == ("scratch_other_version", "9")
    assert f": {major}" in refusal.facts["found"]


def test_missing_programs_are_refused_with_where_they_were_looked_for(bench: Bench, tmp_path: Path) -> None:
    refusal = bench.refused(bin_dir=str(tmp_path))
    assert (refusal.key, refusal.facts["where"]) == ("scratch_programs_missing", str(tmp_path))


def programs(home: Path, bench: Bench, initdb: str) -> str:
    """A directory of server programs in which initdb is a shell script."""
    home.mkdir()
    (home / "postgres").symlink_to(bench.database.server.bin_dir / "postgres")
    (home / "initdb").write_text(f"#!/bin/sh\n{initdb}\n")
    (home / "initdb").chmod(0o755)
    return str(home)


@either_way
def test_a_server_that_does_not_start_is_refused_with_its_last_words(bench: Bench, tmp_path: Path, isolation: str
                                                                     ) -> None:
    broken = programs(tmp_path / "bin", bench, "echo 'initdb: no such luck'; exit 3")
    refusal = bench.refused(bin_dir=broken, isolation=isolation)
    assert (refusal.key, refusal.facts["error"]) == ("scratch_does_not_start", "initdb: no such luck")


@pytest.mark.parametrize("unshare", ["echo 'unshare: Operation not permitted' >&2; exit 1", None])
def test_without_namespaces_it_is_refused_and_nothing_weaker_taken_instead(
        bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unshare: str | None) -> None:
    path = tmp_path / "path"
    path.mkdir()
    for name in ("sh", "rm", "sleep"):
        (path / name).symlink_to(str(shutil.which(name)))
    if unshare:
        (path / "unshare").write_text(f"#!/bin/sh\n{unshare}\n")
        (path / "unshare").chmod(0o755)
    monkeypatch.setenv("PATH", str(path))
    refusal = bench.refused()
    assert refusal.key == "scratch_not_isolated"
    assert refusal.facts["error"].endswith("Operation not permitted" if unshare else "'unshare'")
    told = say("en", refusal.key, **refusal.facts)
    assert "rollback_rehearsal_isolation=override" in told and "unrehearsed" in told


def test_no_room_is_refused(bench: Bench) -> None:
    refusal = bench.refused(reserve="100%")
    assert refusal.key == "scratch_disk_too_small" and refusal.facts["path"] == str(bench.home / "scratch")


@either_way
def test_what_fills_the_disk_is_ended(empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolation: str
                                      ) -> None:
    bench = bench_of(empty, tmp_path)
    ini = make_project(tmp_path / "project", downgrade='op.execute("SELECT pg_sleep(600)")')
    with bench.scratch(isolation=isolation) as scratch:
        alembic = scratch.environment(bench.alembic(ini))
        assert alembic.moves(NAME, Limits(), expected(scratch), [("upgrade", TOP)]).failure is None
        full = shutil.disk_usage(bench.home)._replace(free=1)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: full)
        with pytest.raises(Refusal) as refused:
            alembic.moves(NAME, Limits(), expected(scratch), [("downgrade", BASE)])
        monkeypatch.undo()
    assert refused.value.facts["error"].startswith("[disk_reserve]")


# What remains


@either_way
def test_after_an_exception_nothing_remains(bench: Bench, isolation: str) -> None:
    with pytest.raises(ZeroDivisionError), bench.scratch(isolation=isolation):
        assert bench.left()
        raise ZeroDivisionError
    assert bench.left() == []


HELD = """
import json, sys, time
M = "ansible_collections.recyclic.rollback.plugins.module_utils."
from importlib import import_module
database, errors, ground, redact, runner, scratch = (import_module(M + name) for name in (
    "_database", "_errors", "_ground", "_redact", "_runner", "_scratch"))
asked = json.loads(sys.stdin.read())
target = database.Target(asked["target"])
wish = scratch.Wish(**asked["wish"])
with runner.interruptible():
    try:
        with scratch.scratch_server(ground.Ground(target, runner.HostRuntime(asked["bin_dir"])), wish,
                                    redact.Redactor()) as server:
            print(json.dumps({"identifier": server.identifier}), flush=True)
            program = runner.Program([asked["python"], "-c", asked["script"], *asked["arguments"]],
                                     place=runner.APPLICATION)
            print(server.runtime.run(program).stdout, flush=True)
    except errors.Interrupted:
        print("interrupted", flush=True)
    except errors.Problem as problem:
        print(problem.key, problem.facts)
"""


def held(bench: Bench, isolation: str, script: str, *arguments: str, prefix: tuple[str, ...] = (),
         python: str = sys.executable, bin_dir: str = "", environment: Mapping[str, str] | None = None,
         directory: str = "") -> subprocess.Popen[str]:
    """A process of its own that has a scratch server and runs a script in there."""
    process = subprocess.Popen([*prefix, python, "-c", HELD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env=clean_environment(**(environment or {})), cwd="/")
    assert process.stdin
    json.dump({"target": bench.target.params, "bin_dir": bin_dir or str(bench.runtime.bin_dir), "python": python,
               "script": script, "arguments": arguments, "wish": {
                   "like": bench.like, "directory": directory or str(bench.home / "scratch"), "isolation": isolation}},
              process.stdin)
    process.stdin.close()
    return process


@either_way
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("moment", ["starting", "at work"])
def test_a_module_that_is_ended_leaves_nothing(bench: Bench, isolation: str, signum: signal.Signals, moment: str
                                               ) -> None:
    process = held(bench, isolation, "import time; time.sleep(600)")
    try:
        assert process.stdout
        if moment == "at work":
            assert json.loads(process.stdout.readline())["identifier"]
            wait_for(lambda: any("time.sleep(600)" in line for line in bench.left()) or isolation == "override", "it")
        else:
            wait_for(lambda: list(bench.home.glob(f"scratch/{PREFIX}*/data")), "the server's directory")
        process.send_signal(signum)
        said = process.stdout.read()
    finally:
        process.kill()
        process.wait()
    assert (signum == signal.SIGKILL) != ("interrupted" in said)
    # The directory that was missing is not the guardian's to remove.
    wait_for(lambda: bench.left() in ([], [str(bench.home / "scratch")]), f"nothing left, not {bench.left()}", 20)
    assert signum == signal.SIGKILL or bench.left() == []
    assert not list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*-{process.pid}*"))


def test_what_a_power_cut_left_is_swept_and_a_server_at_work_is_not(bench: Bench) -> None:
    scratch = bench.home / "scratch"
    dead, alive, young = (scratch / f"{PREFIX}{name}" for name in ("dead", "alive", "young"))
    other = scratch / "somebody's"
    for path in (dead / "data", alive, young, other):
        path.mkdir(parents=True)
    mark = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    (dead / "owner.json").write_text(json.dumps({"pid": os.getpid(), "mark": "1"}))
    (alive / "owner.json").write_text(json.dumps({"pid": os.getpid(), "mark": mark}))
    with bench.scratch(isolation="override"):
        assert not dead.exists()
    assert sorted(path.name for path in scratch.iterdir()) == sorted(path.name for path in (alive, young, other))


def interpreter_for(account: pwd.struct_passwd, drop: Callable[..., tuple[str, ...]]) -> str | None:
    """An interpreter that an account can run, with what the collection imports; none where there is no such."""
    packages = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    for python in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([*drop(account), python, "-c", "import psycopg2, sys; print(sys.version_info[:2])"],
                              env={"PYTHONPATH": packages, "PATH": os.defpath}, capture_output=True, text=True,
                              check=False, cwd="/")
        if done.returncode == 0:
            return python
    return None


@needs_namespaces
def test_it_works_without_any_privilege(bench: Bench, sockets: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("the other tests had no privilege either")
    account = pwd.getpwnam("nobody")

    def drop(who: pwd.struct_passwd) -> tuple[str, ...]:
        # The shell has given up what setpriv still holds.
        return ("setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups",
                "sh", "-c", 'exec "$@"', "sh")

    python = interpreter_for(account, drop)
    bin_dir = next((path for path in (bench.database.server.bin_dir, DEBIANS) if subprocess.run(
        [*drop(account), str(path / "initdb"), "--version"], capture_output=True, check=False).returncode == 0), None)
    if not python or not bin_dir:
        pytest.skip("that account can run neither interpreter nor server here")
    version = subprocess.run([str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=True)
    bench.like["server_version"] = version.stdout.split()[2]
    os.chmod(sockets, 0o755)
    (sockets / "of its own").mkdir()
    os.chown(sockets / "of its own", account.pw_uid, account.pw_gid)
    packages = os.pathsep.join([str(ROOT / "collections"),
                                *(path for path in sys.path if path.endswith("site-packages"))])
    with listener(socket.AF_UNIX, f"{sockets}/plain") as met:
        os.chmod(sockets / "plain", 0o777)
        script = f"import sys, os; sys.argv[1:] = {[bench.database.url]!r}\n{WHO}\nsys.argv[1:] = " \
                 f"{[f':{sockets}/plain']!r}\n{REACH}\nprint(os.getuid())"
        process = held(bench, "auto", script, prefix=drop(account), python=python, bin_dir=str(bin_dir),
                       directory=str(sockets / "of its own"),
                       environment={"PYTHONPATH": packages, "HOME": "/", "TMPDIR": "/tmp"})
        assert process.stdout
        said = process.stdout.read().split("\n")
        process.wait()
    identifier = json.loads(said[0])["identifier"]
    assert json.loads(said[1]) == {bench.database.url: identifier}
    assert (json.loads(said[2]), said[3]) == ([], str(account.pw_uid))
    assert met == [] and os.listdir(sockets / "of its own") == []
