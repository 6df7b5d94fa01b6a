# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo's stack in a directory of its own, with its database at a chosen point of a history.

    python demo/compose/stack.py up --dir DIR --history guide|chain|branched --at parent|migration|head
        [--file development|production] [--project NAME] [--fast]
    python demo/compose/stack.py status|seed|down --dir DIR

`up` builds it afresh each time: DIR gets the Compose file, an .env (0600) with random passwords and free ports, and
stack.json. engine.py makes what it needs: an engine and the images. `parent` is just below the migration, `head` has
what users did since as well; `seed` adds that to a database that was brought to its head in another way. --fast has
the server forget its data when the machine crashes. `down` removes the project's containers, networks and volumes, and
nothing of any other project; DIR keeps its files.

Both `up` and `status` print one JSON line, without passwords: those are in .env. Exit status: 0 done, 1 failed (reason
on stderr), 3 `status` of a stack that does not run, or `seed` where there is none.
"""
from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import engine

HERE = Path(__file__).resolve().parent
MIGRATION = "k1l2m3n4o5p6"
PARENTS = {"guide": ["9a2b3c4d5e6f"], "chain": ["g1h2i3j4k5l6"], "branched": ["g1h2i3j4k5l6", "f4g5h6i7j8k9"]}
NEWER = {"guide": [], "chain": ["m3npr1c3dr0p"], "branched": ["24b194c1b790"]}
POINTS = ("parent", "migration", "head")
FILES = {"development": "compose.yml", "production": "compose.production.yml"}
DATABASE = USER = "recyclic"
SPECIAL = """%@/:'"$#?&"""  # each means something to one of: shell, .env, Compose, URL, ini file, SQL, pgpass
FAST = {
    "POSTGRES_OPTIONS": "-c fsync=off -c synchronous_commit=off -c full_page_writes=off",
    "POSTGRES_INITDB_ARGS": "--no-sync",
}
NOT_RUNNING = 3
WAIT_S = 60


@dataclass(frozen=True)
class Stack:
    """A project directory and what it was built for."""

    directory: Path
    project: str
    file: str
    history: str
    at: str

    @property
    def compose_file(self) -> Path:
        return self.directory / FILES[self.file]

    @property
    def env_file(self) -> Path:
        return self.directory / ".env"

    def compose(
        self, *arguments: str, check: bool = True, variables: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run Compose on this project; `variables` win over .env.

        Raises RuntimeError with the end of its output when it fails.
        """
        program = engine.compose_command()
        if program is None:
            raise RuntimeError("Compose v2 is missing: run `python demo/compose/engine.py ensure`")
        files = ["-f", str(self.compose_file), "--env-file", str(self.env_file)]
        command = [*program, "--progress", "quiet", *files, "-p", self.project, *arguments]
        return _run(command, {**self.environment(), **(variables or {})}, check)

    def environment(self) -> dict[str, str]:
        """The caller's environment without what would win over .env."""
        ours = set(re.findall(r"\$\{(\w+)", self.compose_file.read_text())) | {"DEMO_API_COLUMNS"}
        return {key: value for key, value in os.environ.items() if key not in ours and not key.startswith("COMPOSE_")}

    def container(self, service: str) -> dict[str, Any] | None:
        """What the engine knows of a service's container, one-off containers left out."""
        wanted = {"project": self.project, "service": service, "oneoff": "False"}
        filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in wanted.items()]
        found = _run(["docker", "ps", "-aq", *filters]).stdout.split()
        if not found:
            return None
        known: dict[str, Any] = json.loads(_run(["docker", "inspect", found[0]]).stdout)[0]
        return known

    def address(self, service: str, port: int) -> tuple[str, int] | None:
        """Where a service listens as seen from this machine; None when it does not run."""
        container = self.container(service)
        if container is None or not container["State"]["Running"]:
            return None
        published = container["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        if published:
            return published[0]["HostIp"], int(published[0]["HostPort"])
        networks = container["NetworkSettings"]["Networks"].values()
        return next(((str(network["IPAddress"]), port) for network in networks if network["IPAddress"]), None)

    def heads(self) -> list[str] | None:
        """The revisions the database is at; None when it does not answer."""
        query = "SELECT version_num FROM alembic_version ORDER BY version_num"
        psql = ["psql", "-X", "-U", USER, "-d", DATABASE, "-Atc", query]
        done = self.compose("exec", "-T", "postgres", *psql, check=False)
        return done.stdout.split() if done.returncode == 0 else None


def up(directory: Path, history: str, at: str, file: str, project: str | None, fast: bool) -> Stack:
    """Build a stack afresh; whatever `directory` ran before is removed first.

    Raises RuntimeError when a step fails; what was started is then left for inspection, and `down` removes it.
    """
    images = [image.tag for image in (*engine.SERVERS, *engine.RELEASES[history])]
    if _run(["docker", "image", "inspect", *images], check=False).returncode != 0:
        raise RuntimeError("images are missing, or no engine answers: run `python demo/compose/engine.py ensure`, then "
                           f"`python demo/compose/engine.py build {history}`")
    old = load(directory)
    if old:
        down(old)
    directory.mkdir(parents=True, exist_ok=True)
    stack = Stack(directory, project or _project_name(directory), file, history, at)
    taken = _objects("container", stack.project)
    if taken:
        raise RuntimeError(f"there are containers of another stack named {stack.project}: choose a --project")
    for name in FILES.values():
        (directory / name).unlink(missing_ok=True)
    shutil.copyfile(HERE / FILES[file], stack.compose_file)
    _write_env(stack, fast)
    known = {key: str(value) for key, value in asdict(stack).items() if key != "directory"}
    (directory / "stack.json").write_text(json.dumps(known, indent=2) + "\n")

    stack.compose("up", "-d", "--wait", "postgres", "redis")
    stack.compose("run", "--rm", "--no-deps", "-T", "api-migrations", "sh", "-euc", _building(history, at))
    # As the application's deployment left it: the whole of it started at once, and migrated by its own one-shot
    # service. The real command goes to the newest head, which is not always where the database is wanted.
    variables = {}
    if at != "head" and not (at == "migration" and not NEWER[history]):
        revision = MIGRATION if at == "migration" else PARENTS[history][0]
        variables["RECYCLIC_MIGRATIONS_COMMAND"] = f"alembic upgrade {revision}"
    # With two heads the real command fails, and what waits for its success does not start.
    fails = history == "branched" and at == "head"
    stack.compose("up", "-d", variables=variables, check=not fails)
    migrations = stack.container("api-migrations")
    status = _run(["docker", "wait", migrations["Id"]]).stdout.strip() if migrations else "unknown"
    if status != ("255" if fails else "0"):
        raise RuntimeError(f"api-migrations ended with status {status}: see `docker compose logs api-migrations`")
    if fails:
        stack.compose("up", "-d", "--no-deps", "api")
    _wait_healthy(stack, "api")
    return stack


def seed(stack: Stack) -> None:
    """Fill in what users did since the migration."""
    stack.compose("run", "--rm", "--no-deps", "-T", "api-migrations", *_seeding(stack.history, "after"))


def down(stack: Stack) -> None:
    """Remove everything of the project, one-off containers included; its directory keeps its files."""
    if stack.compose_file.exists() and stack.env_file.exists():
        stack.compose("--profile", "tests", "down", "--volumes", "--remove-orphans", "-t", "2", check=False)
    # Also what Compose overlooks, or could not do because its files are broken.
    for kind, remove in (("container", ["rm", "-fv"]), ("volume", ["rm", "-f"]), ("network", ["rm"])):
        names = _objects(kind, stack.project)
        if names:
            _run(["docker", kind, *remove, *names])


def load(directory: Path) -> Stack | None:
    """The stack that `up` left in `directory`, running or not; None when there is none."""
    try:
        known = json.loads((directory / "stack.json").read_text())
    except FileNotFoundError:
        return None
    return Stack(directory=directory, **known)


def describe(stack: Stack) -> dict[str, Any]:
    """What callers need to reach a stack, without its passwords."""
    database = stack.address("postgres", 5432)
    api = stack.address("api", 8000)
    return {
        "project": stack.project,
        "directory": str(stack.directory),
        "files": [str(stack.compose_file)],
        "env_files": [str(stack.env_file)],
        "file": stack.file,
        "database": {"host": database[0], "port": database[1], "name": DATABASE} if database else None,
        "user": USER,
        "api": f"http://{api[0]}:{api[1]}" if api else None,
        "history": stack.history,
        "at": stack.at,
        "heads": stack.heads() if database else None,
    }


def _wait_healthy(stack: Stack, service: str) -> None:
    """Compose's own --wait would take the one-shot services, which have ended, for failures."""
    deadline = time.monotonic() + WAIT_S
    while True:
        container = stack.container(service)
        health = container["State"].get("Health", {}).get("Status") if container else None
        if health == "healthy":
            return
        if time.monotonic() > deadline:
            found = health or "not there"
            raise RuntimeError(f"{service} is {found} after {WAIT_S} s: see `docker compose logs {service}`")
        time.sleep(0.2)


def _building(history: str, at: str) -> str:
    """The shell commands, run in a container of the application, that bring an empty database to its point."""
    parents = [f"alembic upgrade {revision}" for revision in PARENTS[history]]
    commands = [*parents, " ".join(_seeding(history, "before"))]
    if at != "parent":
        commands.append(f"alembic upgrade {MIGRATION}")
    if at == "head":
        commands += [f"alembic upgrade {revision}" for revision in NEWER[history]]
        commands.append(" ".join(_seeding(history, "after")))
    return "\n".join(commands)


def _seeding(history: str, when: str) -> list[str]:
    return ["python3", "/app/seed.py", when, "--history", history]


def _write_env(stack: Stack, fast: bool) -> None:
    password = secrets.token_urlsafe(9) + SPECIAL + secrets.token_urlsafe(9)
    values = {
        "POSTGRES_USER": USER,
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": DATABASE,
        "DATABASE_URL": f"postgresql://{USER}:{quote(password, safe='')}@postgres:5432/{DATABASE}",
        "DEMO_API_TOKEN": secrets.token_urlsafe(18),
        "RECYCLIC_IMAGE": "recyclic-demo",
        "RECYCLIC_TAG": stack.history,
    }
    if stack.history == "chain" and stack.at != "head":
        # The application of that day read no column that came later.
        values["DEMO_API_COLUMNS"] = engine.COLUMNS
    if stack.file == "production":
        values["RECYCLIC_PREFIX"] = stack.project
    else:
        names = ("POSTGRES_PORT", "REDIS_PORT", "API_PORT")
        values.update((name, str(port)) for name, port in zip(names, _free_ports(len(names))))
    if fast:
        values.update(FAST)
    stack.env_file.unlink(missing_ok=True)
    with open(os.open(stack.env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.writelines(f"{name}={_literal(value)}\n" for name, value in values.items())


def _literal(value: str) -> str:
    """A value as .env takes it without interpreting anything."""
    return "'" + value.replace("'", "\\'") + "'"


def _free_ports(count: int) -> list[int]:
    """Ports free on 127.0.0.1, all different: each is held until the last is found."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for number in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _project_name(directory: Path) -> str:
    name = re.sub(r"[^a-z0-9_-]+", "-", directory.name.lower()).lstrip("_-")
    return name or "recyclic"


def _objects(kind: str, project: str) -> list[str]:
    """Containers, volumes or networks of a project, by Compose's labels."""
    everything = ["-a"] if kind == "container" else []
    return _run(
        ["docker", kind, "ls", "-q", *everything, f"--filter=label=com.docker.compose.project={project}"]
    ).stdout.split()


def _run(
    command: Iterable[str], environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    argv = list(command)
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if check and done.returncode != 0:
        # Not stdout: the migrations print the database's address on it, password included.
        tail = done.stderr.splitlines()[-20:]
        raise RuntimeError("\n".join([f"`{' '.join(argv)}` ended with status {done.returncode}:", *tail]))
    return done


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="The demo's stack in a directory of its own.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "status", "seed", "down"):
        command = commands.add_parser(name)
        command.add_argument("--dir", required=True, type=Path, help="the project's directory")
        if name == "up":
            command.add_argument("--history", required=True, choices=sorted(PARENTS))
            command.add_argument("--at", required=True, choices=POINTS)
            command.add_argument("--file", default="development", choices=sorted(FILES))
            command.add_argument("--project", help="Compose's name for it; default: the directory's")
            command.add_argument("--fast", action="store_true", help="no fsync: for tests")
    options = parser.parse_args()
    directory = options.dir.resolve()
    try:
        if options.command == "up":
            stack: Stack | None = up(
                directory, options.history, options.at, options.file, options.project, options.fast
            )
        else:
            stack = load(directory)
        if stack is None:
            print(f"{directory} holds no stack", file=sys.stderr)
            return 0 if options.command == "down" else NOT_RUNNING
        if options.command in ("seed", "down"):
            (seed if options.command == "seed" else down)(stack)
            return 0
        known = describe(stack)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(known))
    return 0 if known["database"] else NOT_RUNNING


if __name__ == "__main__":
    sys.exit(main())
