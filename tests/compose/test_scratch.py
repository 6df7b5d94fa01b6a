# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A scratch server beside a real project: it answers as production does, production is out of reach, nothing stays."""
from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from composed import POSTGRES, compose_project, containers, inspect
from composed import docker as engine
from harness import BASE, TOP, clean_environment, make_project, tree, wait_for

from ansible_collections.recyclic.rollback.plugins.module_utils import _scratch_compose, _scratch_runtime
from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import Environment, environment_from
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import describe_database
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    end_backends,
    identity,
    rows,
    value,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import RUN_LABEL
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import Ground, ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import APPLICATION, Program
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch import (
    Scratch,
    Wish,
    fresh_database,
    scratch_server,
)

MIGRATION, PARENT = "k1l2m3n4o5p6", "g1h2i3j4k5l6"
NAME = "recyclic.rollback:test:alembic"
SILENT = ("login_host", "login_port", "login_unix_socket", "login_user", "login_password", "ssl_mode", "ca_cert",
          "ssl_cert", "ssl_key", "connect_params", "run_dir", "alembic_chdir", "alembic_environment")


@dataclass
class Site:
    """A project that runs, and how the modules are told of it."""

    directory: Path
    file: str
    project: str
    database: str = "recyclic"
    config: str = "/app/history/alembic.ini"

    def params(self, **more: Any) -> dict[str, Any]:
        compose = {"directory": str(self.directory), "files": [self.file], "project": self.project,
                   "env_files": [".env"], "profiles": [], "database": "postgres", "migrations": "api-migrations",
                   "keep_entrypoint": False, **more.pop("compose", {})}
        return {**dict.fromkeys(SILENT), "runtime": "compose", "compose": compose, "login_db": self.database,
                "alembic_config": self.config, "alembic_python": "python3", "alembic_timeout": 60, **more}

    def ground(self, **more: Any) -> tuple[Ground, Environment]:
        redact, params = Redactor(), self.params(**more)
        ground = ground_from(params, redact)
        return ground, environment_from(params, ground.runtime, redact)

    def container(self, service: str = "postgres") -> dict[str, Any]:
        [found] = containers(f"label=com.docker.compose.project={self.project}",
                             f"label=com.docker.compose.service={service}", "label=com.docker.compose.oneoff=False")
        return found

    def address(self, service: str = "postgres") -> str:
        [network] = self.container(service)["NetworkSettings"]["Networks"].values()
        return str(network["IPAddress"])

    def seen(self) -> dict[str, Any]:
        """All there is of the project: containers with their starts, networks and who is in them, volumes, rows."""
        mine = f"label=com.docker.compose.project={self.project}"
        networks = json.loads(engine("network", "inspect", *engine("network", "ls", "-q", "--filter", mine).split()))
        dump = engine("exec", self.container()["Id"], "pg_dump", "-U", "recyclic", self.database)
        return {
            "containers": sorted((each["Id"], each["State"]["Status"], each["State"]["StartedAt"],
                                  sorted(str(mount) for mount in each["Mounts"]))
                                 for each in containers(mine)),
            "networks": sorted((each["Id"], sorted(each["Containers"])) for each in networks),
            "volumes": sorted(engine("volume", "ls", "-q", "--filter", mine).split()),
            "files": tree(self.directory),
            "dump": [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]}


def like(ground: Ground) -> dict[str, Any]:
    with ground.target.open("the test") as connection:
        return {**identity(connection), **describe_database(connection)}


def identifier_of(scratch: Scratch) -> str:
    with scratch.target.open("the test") as connection:
        return str(identity(connection)["system_identifier"])


def of_run(run_id: str) -> list[dict[str, Any]]:
    return containers(f"label={RUN_LABEL}={run_id}")


def inside(scratch: Scratch, source: str, **environment: str) -> Any:
    """Run Python where the migrations run, and return what it prints, read as JSON."""
    done = scratch.runtime.run(Program(["python3", "-c", source], environment, place=APPLICATION, timeout_s=60))
    assert done.rc == 0, done.stderr
    return json.loads(done.stdout)


Rehearse = Callable[..., Any]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary directories are made meanwhile; nothing may be left in it."""
    home = Path(tempfile.mkdtemp(prefix="rbtest-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(home))
    yield home
    left = list(home.iterdir())
    shutil.rmtree(home)
    assert left == []


@pytest.fixture
def run_id() -> Iterator[str]:
    """The run a scratch server belongs to; nothing of it may be left."""
    mine = f"rbtest-{secrets.token_hex(4)}"
    yield mine
    left = of_run(mine)
    for each in left:
        engine("rm", "-f", "-v", each["Id"], check=False)
    assert [each["Name"] for each in left] == []


@pytest.fixture
def rehearse(place: Path, run_id: str) -> Rehearse:
    """``rehearse(ground, **wish)``: the context of a scratch server."""
    def start(ground: Ground, **wish: Any) -> Any:
        known = wish.pop("like", None) or like(ground)
        return scratch_server(ground, Wish(known, str(place), run_id=run_id, reserve="1M", **wish), Redactor())

    return start


def as_site(found: Stack) -> Site:
    return Site(found.directory, found.compose_file.name, found.project)


@pytest.fixture(scope="module")
def production(up: Any) -> Site:
    """The chain history at its head, as production runs it."""
    return as_site(up("chain", "head", "production"))


@pytest.fixture(scope="module")
def development(up: Any) -> Site:
    """The same with published ports."""
    return as_site(up("chain", "migration", "development"))


@dataclass
class Beside:
    """A project, what it is known by, and a scratch server beside it."""

    site: Site
    ground: Ground
    theirs: Environment
    scratch: Scratch
    run_id: str


@contextmanager
def scratch_beside(site: Site) -> Iterator[Beside]:
    """A server for several tests, beside a project of which nothing may change meanwhile."""
    before, run_id = site.seen(), f"rbtest-{secrets.token_hex(4)}"
    ground, theirs = site.ground()
    with scratch_server(ground, Wish(like(ground), "/tmp", run_id=run_id, reserve="1M"), Redactor()) as scratch:
        try:
            yield Beside(site, ground, theirs, scratch, run_id)
        finally:
            assert site.seen() == before
    assert site.seen() == before
    assert of_run(run_id) == [] and not Path(scratch.target.params["host"]).parent.exists()


@pytest.fixture(scope="module", params=["production", "development"])
def beside(request: pytest.FixtureRequest) -> Iterator[Beside]:
    """Beside the demo's stack, in both its shapes."""
    with scratch_beside(request.getfixturevalue(request.param)) as found:
        yield found


# What is there, and what is not

ARRIVE = """
import json, os, psycopg2, sys
found = {}
for host in os.environ["HOSTS"].split():
    connection = psycopg2.connect(host=host, dbname="recyclic", user="recyclic", password="any", connect_timeout=5)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        found[host] = cursor.fetchone()[0]
print(json.dumps(found))
"""
LOOK_AROUND = """
import json, os, socket
found = {"interfaces": os.listdir("/sys/class/net"), "reached": []}
for place in os.environ["PLACES"].split():
    host, port = place.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 3).close()
        found["reached"].append(place)
    except OSError:
        pass
print(json.dumps(found))
"""


def expected(scratch: Scratch) -> dict[str, str]:
    with scratch.target.open(NAME) as connection:
        return {"system_identifier": scratch.identifier, "database": scratch.target.database, "application_name": NAME,
                **{name: value(connection, "SELECT current_setting(%s)", (name,)) for name in Limits().settings()}}


def test_a_history_is_built_undone_and_built_again(beside: Beside) -> None:
    scratch = beside.scratch
    assert identifier_of(scratch) == scratch.identifier != like(beside.ground)["system_identifier"]
    fresh_database(scratch.target, scratch.like)
    moved = scratch.environment(beside.theirs).moves(
        NAME, Limits(), expected(scratch), [("upgrade", MIGRATION), ("downgrade", PARENT), ("upgrade", MIGRATION)])
    assert [move["ok"] for move in moved.moves] == [True] * 3, moved
    with scratch.target.open("the test") as connection:
        assert rows(connection, "SELECT version_num FROM alembic_version") == [(MIGRATION,)]
        # As the application's own user, who owns it there as well.
        assert value(connection, "SELECT tableowner FROM pg_tables WHERE tablename = 'categories'") == "recyclic"


def test_whatever_names_production_is_the_scratch_server_and_nothing_else_is_there(beside: Beside) -> None:
    site, scratch = beside.site, beside.scratch
    live = site.container()
    [(network, own)] = live["NetworkSettings"]["Networks"].items()
    hosts = {"postgres", live["Name"].lstrip("/"), live["Config"]["Hostname"], own["IPAddress"], "localhost",
             f"postgres.{network}", *own["Aliases"]}
    published = [bound[0]["HostPort"] for bound in live["NetworkSettings"]["Ports"].values() if bound]
    here = socket.gethostbyname(socket.gethostname())
    places = [f"{site.address('redis')}:6379", f"{own['Gateway']}:2375", f"{here}:22", "redis:6379", "api:8000",
              *(f"{host}:{port}" for port in published for host in (own["Gateway"], "127.0.0.1", "172.17.0.1", here))]
    assert len(published) == (site.file == "compose.yml")
    # From here, production is where it always was.
    for place in [(site.address("redis"), 6379), *(("127.0.0.1", int(port)) for port in published)]:
        socket.create_connection(place, 3).close()
    assert inside(scratch, ARRIVE, HOSTS=" ".join(hosts)) == dict.fromkeys(hosts, scratch.identifier)
    assert inside(scratch, LOOK_AROUND, PLACES=" ".join(places)) == {"interfaces": ["lo"], "reached": []}
    # Nor does anything come in: no port, no network, no volume, only the socket in a directory of ours.
    server = inspect(scratch.runtime.database.id)[0]
    assert server["HostConfig"]["NetworkMode"] == "none" and not server["NetworkSettings"]["Ports"]
    assert not set(volumes_of([server])) & set(volumes_of([live]))
    assert server["Image"] == live["Image"]
    assert os.stat(Path(scratch.target.params["host"]).parent).st_mode & 0o777 == 0o700


def test_a_host_that_only_the_operators_variables_name_is_the_scratch_server_too(beside: Beside) -> None:
    variables = {"DATABASE_URL": "postgresql://recyclic:p@ss/w:rd?@db.recyclic.example:5432,10.9.8.7/recyclic",
                 "PGHOST": "pooler"}
    hosts = ["db.recyclic.example", "10.9.8.7", "pooler"]
    assert inside(beside.scratch, ARRIVE, HOSTS=" ".join(hosts), **variables) == dict.fromkeys(
        hosts, beside.scratch.identifier)
    # Where its sessions come from, by which those left at work are found.
    assert beside.scratch.runtime.addresses == {"127.0.0.1", "10.9.8.7", beside.site.address()}


def test_a_backup_is_restored_by_the_servers_own_programs(beside: Beside, tmp_path: Path) -> None:
    ground, scratch = beside.ground, beside.scratch
    fresh_database(scratch.target, scratch.like)
    dump = tmp_path / "a dump"
    with ground.target.client_environment("the test", str(tmp_path)) as environment:
        done = ground.runtime.run(Program(["pg_dump", "--format=custom", ground.target.dsn()], environment,
                                          stdout=str(dump)))
    assert done.rc == 0, done.stderr
    with scratch.target.client_environment("the test", str(tmp_path)) as environment:
        program = Program(["pg_restore", "--exit-on-error", f"--dbname={scratch.target.dsn()}"], environment,
                          stdin_file=str(dump))
        assert scratch.runtime.run(program).rc == 0
    assert scratch.runtime.shown(program).startswith("docker exec --interactive ")
    counts = []
    for target in (ground.target, scratch.target):
        with target.open("the test") as connection:
            counts.append(value(connection, "SELECT count(*) FROM categories"))
    assert counts[0] == counts[1] > 0


# A project with all that must not be shared

SPECIAL_USER = 4321
MADE = "op.execute('CREATE TABLE made (id int)')"


@pytest.fixture(scope="module")
def special(docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Migrations with mounts of every kind; a server whose user its image does not know; its address in env.py."""
    base = tmp_path_factory.mktemp("special")
    history, plain, alive = base / "app", base / "a, plain directory", base / "alive"
    for directory in (plain, alive / "deep", base / "piped"):
        directory.mkdir(parents=True)
    (plain / "settings").write_text("of the application")
    (base / "secret").write_text("hush")
    os.mkfifo(base / "piped" / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(alive / "deep" / "s.sock"))
    listener.listen()
    (base / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nserver:x:{SPECIAL_USER}:{SPECIAL_USER}::/:/bin/sh\n")
    volume = f"rbtest-external-{secrets.token_hex(4)}"

    def bind(source: Path, target: str) -> dict[str, Any]:
        return {"type": "bind", "source": str(source), "target": target, "bind": {"create_host_path": False}}

    postgres = {
        "user": f"{SPECIAL_USER}:{SPECIAL_USER}", "shm_size": "100m",
        "command": "postgres -c fsync=off -c shared_preload_libraries=auto_explain -c max_locks_per_transaction=99",
        "environment": {"POSTGRES_USER": "${POSTGRES_USER}", "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}",
                        "POSTGRES_INITDB_ARGS": "--no-sync", "PGDATA": "/var/lib/postgresql/data/own"},
        "volumes": ["data:/var/lib/postgresql/data", bind(base / "passwd", "/etc/passwd")]}
    migrations = {
        "entrypoint": ["env", "FROM_THE_ENTRYPOINT=yes"], "working_dir": "/tmp", "group_add": ["4242"],
        "links": ["postgres:linked"], "ports": ["127.0.0.1::9"], "container_name": volume,
        "environment": {"DATABASE_URL": "postgresql://somebody:else@postgres/recyclic", "A_SECRET": "$$in the file"},
        "tmpfs": ["/temporary:size=1m"], "secrets": ["token"], "configs": [{"source": "config", "target": "/etc/its"}],
        "volumes": [bind(history, str(history)), bind(plain, "/plain"), bind(alive, "/alive"),
                    bind(alive / "deep" / "s.sock", "/the.sock"), bind(base / "piped", "/piped"),
                    bind(Path("/proc"), "/outer"), {"type": "volume", "source": "shared", "target": "/shared"}]}
    with listener, compose_project(base, "special", Path("/nowhere"), postgres=postgres) as mine:
        path = base / "compose.json"
        files = json.loads(path.read_text())
        files["services"]["api-migrations"].update(migrations)
        files["volumes"]["shared"] = {"external": True, "name": volume}
        files["secrets"] = {"token": {"file": str(base / "secret")}}
        files["configs"] = {"config": {"file": str(base / "secret")}}
        path.write_text(json.dumps(files))
        engine("volume", "create", volume)
        engine("run", "--rm", "-v", f"{volume}:/v", "--entrypoint", "touch", POSTGRES, "/v/of-production")
        url = f"postgresql://recyclic:wrong@{mine.host}:5432/recyclic"
        make_project(history, before=f'os.environ["DATABASE_URL"] = "{url}"', upgrade=MADE,
                     downgrade="op.execute('DROP TABLE made')")
        with psycopg2.connect(host=mine.host, user=mine.superuser, password=mine.password, dbname="recyclic") as one, \
                one.cursor() as cursor:
            cursor.execute("CREATE TABLE of_production AS SELECT 1 AS id")
        one.close()
        try:
            yield Site(base, "compose.json", mine.project, config=str(history / "alembic.ini"))
        finally:
            engine("volume", "rm", "-f", volume, check=False)
            # What is mounted where other tests run would be left out for these.
            (alive / "deep" / "s.sock").unlink()
            (base / "piped" / "pipe").unlink()


WORLD = """
import grp, json, os
def names(path):
    return sorted(os.listdir(path)) if os.path.isdir(path) else None
try:
    open("/plain/written", "w")
    writable = True
except OSError:
    writable = False
mounts = [line.split()[1] for line in open("/proc/mounts")]
print(json.dumps({
    "plain": names("/plain"), "writable": writable, "alive": names("/alive"), "socket": os.path.exists("/the.sock"),
    "piped": names("/piped"), "outer": names("/outer"), "shared": names("/shared"), "temporary": "/temporary" in mounts,
    "secrets": [open(path).read() for path in ("/run/secrets/token", "/etc/its")], "cwd": os.getcwd(),
    "user": os.getuid(), "group": 4242 in os.getgroups(), "variable": os.environ["A_SECRET"],
    "entrypoint": os.environ.get("FROM_THE_ENTRYPOINT"), "ours": os.environ.get("HOST_OF_OURS")}))
"""


@pytest.fixture(scope="module")
def beside_special(special: Site) -> Iterator[Beside]:
    """Beside that project."""
    with scratch_beside(special) as found:
        yield found


@pytest.mark.parametrize("keep", [False, True])
def test_files_are_shown_and_nothing_alive_is_shared(beside_special: Beside, keep: bool,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST_OF_OURS", "not theirs")
    project = beside_special.ground.project
    assert project
    monkeypatch.setattr(project, "layout", replace(project.layout, keep_entrypoint=keep))
    assert inside(beside_special.scratch, WORLD) == {
        "plain": ["settings"], "writable": False, "alive": None, "socket": False, "piped": None, "outer": None,
        "shared": None, "temporary": True, "secrets": ["hush", "hush"], "cwd": "/tmp", "user": 0, "group": True,
        "variable": "$in the file", "entrypoint": "yes" if keep else None, "ours": None}


def test_an_address_written_into_env_py_is_the_scratch_server(beside_special: Beside) -> None:
    scratch = beside_special.scratch
    moved = scratch.environment(beside_special.theirs).moves(NAME, Limits(), expected(scratch),
                                                             [("upgrade", TOP), ("downgrade", BASE)])
    assert [move["ok"] for move in moved.moves] == [True, True], moved
    assert moved.probe["system_identifier"] == scratch.identifier
    assert inside(scratch, ARRIVE, HOSTS="linked") == {"linked": scratch.identifier}


def test_the_server_is_like_the_live_one_where_that_matters(beside_special: Beside) -> None:
    with beside_special.scratch.target.open("the test") as connection:
        shown = {name: value(connection, f"SHOW {name}") for name in ("shared_preload_libraries",
                                                                      "max_locks_per_transaction", "fsync")}
    assert shown == {"shared_preload_libraries": "auto_explain", "max_locks_per_transaction": "99", "fsync": "off"}
    server = inspect(beside_special.scratch.runtime.database.id)[0]
    assert server["Config"]["User"] == f"{SPECIAL_USER}:{SPECIAL_USER}"
    assert server["HostConfig"]["ShmSize"] == 100 * 2**20


SLOW = """
connection = op.get_bind().engine.connect()
connection.exec_driver_sql("SET client_connection_check_interval TO 0; SET application_name TO 'the application'")
connection.exec_driver_sql("SELECT pg_sleep(600)")
"""


def test_a_migration_that_takes_too_long_is_ended_and_the_server_goes_on(beside_special: Beside) -> None:
    scratch = beside_special.scratch
    version = beside_special.site.directory / "app" / "versions" / f"{TOP}.py"
    before = version.read_text()
    version.write_text(before.replace(MADE, SLOW.strip().replace("\n", "\n    ")))
    try:
        theirs = replace(scratch.environment(beside_special.theirs), timeout_s=6)
        moved = theirs.moves(NAME, Limits(), expected(scratch), [("upgrade", TOP)])
    finally:
        version.write_text(before)
    assert (moved.ended_by, [move["ok"] for move in moved.moves]) == ("timeout", [False])
    assert [each["Id"] for each in of_run(beside_special.run_id)] == [scratch.runtime.database.id]
    with scratch.target.open("the test") as connection:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        assert value(connection, asleep) == 1
        # Also those that go by another name: they came from where only migrations come from.
        end_backends(connection, NAME, scratch.runtime.addresses)
        assert value(connection, asleep) == 0


# However it is left, nothing stays

HOLD = """
import json, sys
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import APPLICATION, Program, interruptible
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch import Wish, scratch_server
asked = json.load(sys.stdin)
wish = Wish(asked["like"], "/tmp", run_id=asked["run_id"], reserve="1M")
with interruptible():
    with scratch_server(ground_from(asked["params"], Redactor()), wish, Redactor()) as scratch:
        scratch.runtime.run(Program(["sleep", "600"], place=APPLICATION))
"""


def volumes_of(found: list[dict[str, Any]]) -> list[str]:
    return [mount["Name"] for each in found for mount in each["Mounts"] if mount["Type"] == "volume"]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_a_module_that_is_ended_leaves_nothing(production: Site, run_id: str, place: Path, signum: signal.Signals
                                               ) -> None:
    before = production.seen()
    asked = {"params": production.params(), "like": like(production.ground()[0])}
    moments = {f"{run_id}-starting": ("initdb", 1), f"{run_id}-at-work": ("sleep", 2)}
    modules, volumes = [], []
    for mine, (program, count) in moments.items():
        process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL, env=clean_environment(TMPDIR=str(place)))
        assert process.stdin
        process.stdin.write(json.dumps({**asked, "run_id": mine}))
        process.stdin.close()
        modules.append(process)
        volumes += volumes_of(wait_for(partial(at_work, mine, program, count), f"{program} at work"))
        os.kill(process.pid, signum)
    assert len(volumes) == 2, "the image has a volume of its own"
    for process, mine in zip(modules, moments):
        process.wait(60)
        if signum == signal.SIGTERM:
            assert of_run(mine) == []
    if signum == signal.SIGTERM:
        assert list(place.iterdir()) == []
    wait_for(lambda: not any(map(of_run, moments)) and not list(place.iterdir()), "the guardians' work", 30)
    assert set(engine("volume", "ls", "-q").split()).isdisjoint(volumes)
    assert production.seen() == before


def at_work(run_id: str, word: str, count: int) -> list[dict[str, Any]]:
    """The containers of a run once there are so many, and one was started with such a word."""
    found = of_run(run_id)
    return found if len(found) == count and any(word in str(each["Args"]) + each["Path"] for each in found) else []


def test_a_later_run_finds_what_a_reboot_has_left(production: Site, rehearse: Rehearse, run_id: str) -> None:
    ground, _theirs = production.ground()
    with rehearse(ground) as scratch:
        assert ground.runtime.end_left(run_id) == [scratch.runtime.database.name]


def test_an_exception_inside_leaves_nothing(production: Site, rehearse: Rehearse, run_id: str, place: Path) -> None:
    ground, _theirs = production.ground()
    volumes = []
    with pytest.raises(ZeroDivisionError), rehearse(ground):
        volumes = volumes_of(of_run(run_id))
        raise ZeroDivisionError
    assert volumes and set(engine("volume", "ls", "-q").split()).isdisjoint(volumes)
    assert of_run(run_id) == [] and list(place.iterdir()) == []


def test_what_the_module_cannot_end_itself_is_ended_for_it(production: Site, rehearse: Rehearse, run_id: str,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise OSError("no space left on device")

    ground, _theirs = production.ground()
    context = rehearse(ground)
    context.__enter__()
    monkeypatch.setattr(ground.runtime, "end_one_shots", fail)
    with pytest.raises(OSError, match="no space"):
        context.__exit__(None, None, None)
    wait_for(lambda: not of_run(run_id), "the guardian's work")


# Where there can be none


def refusal(context: Any) -> Refusal:
    began = time.monotonic()
    with pytest.raises(Refusal) as raised:
        context.__enter__()
    assert time.monotonic() - began < 20
    assert say("en", raised.value.key, **raised.value.facts)
    return raised.value


def test_images_that_are_not_here_are_named(production: Site, special: Site, rehearse: Rehearse) -> None:
    ground, _theirs = production.ground()
    gone = replace(ground.runtime.database, image="sha256:" + "0" * 64, image_name="recyclic-gone:1")
    other = replace(ground, runtime=type(ground.runtime)(ground.project, gone, None))
    refused = refusal(rehearse(other, like=like(ground)))
    assert (refused.key, refused.facts["image"]) == ("scratch_image_missing", "recyclic-gone:1")

    path = special.directory / "compose.json"
    before = path.read_text()
    path.write_text(before.replace("recyclic-demo:chain", "recyclic-nowhere:1"))
    try:
        ground, _theirs = special.ground()
        refused = refusal(rehearse(ground))
        assert (refused.key, refused.facts["image"]) == ("image_missing", "recyclic-nowhere:1")
    finally:
        path.write_text(before)


def test_a_container_without_a_server(production: Site, rehearse: Rehearse) -> None:
    ground, _theirs = production.ground()
    assert ground.project
    [other] = ground.project.of_service("redis")
    refused = refusal(rehearse(replace(ground, runtime=type(ground.runtime)(ground.project, other, None))))
    assert (refused.key, refused.facts["name"]) == ("scratch_server_unseen", f"{production.project}-redis")


def test_a_disk_that_is_too_small(production: Site, rehearse: Rehearse) -> None:
    refused = refusal(rehearse(production.ground()[0], needed_bytes=2**50))
    assert (refused.key, refused.facts["expected"]) == ("scratch_disk_too_small", 2**50)


def test_a_server_that_does_not_start_is_quoted(production: Site, rehearse: Rehearse,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_scratch_compose, "_OWN", (*_scratch_compose._OWN, "shared_preload_libraries=nowhere"))
    monkeypatch.setattr(_scratch_compose, "_KEPT", ("port",))
    refused = refusal(rehearse(production.ground()[0]))
    assert refused.key == "scratch_not_started" and 'file "nowhere"' in refused.facts["error"]


def test_production_itself_is_no_scratch_server(production: Site, rehearse: Rehearse,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    ground, _theirs = production.ground()
    monkeypatch.setattr(_scratch_compose, "_await", lambda *_arguments: like(ground)["system_identifier"])
    assert refusal(rehearse(ground)).key == "scratch_is_production"


def test_an_address_that_cannot_be_taken_is_named(production: Site, rehearse: Rehearse,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    powerless = tuple(word for word in _scratch_runtime._ANSWERER if word not in ("NET_ADMIN", "DAC_OVERRIDE"))
    powerless = tuple(word for word in powerless if word != "--cap-add")
    monkeypatch.setattr(_scratch_runtime, "_ANSWERER", powerless)
    variables = {"DATABASE_URL": "postgresql://recyclic:x@10.9.8.7/recyclic"}
    ground, theirs = production.ground(alembic_environment=variables)

    def look() -> None:
        with rehearse(ground) as scratch:
            # Nobody asks for production's own address here: the names are enough.
            assert inside(scratch, ARRIVE, HOSTS="postgres") == {"postgres": scratch.identifier}
            scratch.environment(theirs).look(NAME, Limits())

    with pytest.raises(Refusal) as raised:
        look()
    assert (raised.value.key, raised.value.facts["hosts"]) == ("scratch_cannot_answer", "10.9.8.7")
    assert "Operation not permitted" in raised.value.facts["error"]
