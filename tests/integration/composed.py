# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tests' server as a service of a Compose project, beside the service whose image holds Alembic.

Directories are mounted under the paths they have here, so a test's Alembic project has one name in both runtimes.
"""
from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENGINE = ROOT / "demo" / "compose" / "engine.py"
POSTGRES, APPLICATION = "recyclic-demo-postgres:15", "recyclic-demo:chain"
# The history in that image, where nothing has to be mounted.
IMAGES_OWN = "/app/history/alembic.ini"
# Each sign means something to one of: shell, .env, Compose, URL, ini file, SQL, pgpass.
SPECIAL = """%@/:'"$#?&"""
PROJECT_LABEL, ONEOFF_LABEL = "com.docker.compose.project", "com.docker.compose.oneoff"
STEP_LABEL = "recyclic.rollback.step"


def why_no_engine() -> str:
    """Make an engine and the images available; what stands in the way where that cannot be done."""
    for words in (["ensure"], ["build", "chain"]):
        done = subprocess.run([sys.executable, str(ENGINE), *words], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            return done.stderr.strip() or f"engine.py {words[0]} ended with status {done.returncode}"
    return ""


def docker(*words: str, check: bool = True) -> str:
    """What a command of the engine's client printed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout


def inspect(*ids: str) -> list[dict[str, Any]]:
    """What the engine knows of containers; nothing of one that has gone."""
    return list(json.loads(docker("inspect", "--type", "container", *ids, check=False) or "[]")) if ids else []


def containers(*filters: str) -> list[dict[str, Any]]:
    """The containers that pass the filters, running or not."""
    return inspect(*docker("ps", "--all", "--quiet", *(f"--filter={each}" for each in filters)).split())


def _literal(text: str) -> str:
    """A value as .env takes it without interpreting anything."""
    return "'" + text.replace("'", "\\'") + "'"


def service_files(mounts: Iterable[Path], postgres: Mapping[str, Any] | None = None,
                  migrations: Mapping[str, Any] | None = None) -> str:
    """A Compose file (JSON is YAML): the server, Alembic's service, and the application for who wants it."""
    environment = {"POSTGRES_USER": "${POSTGRES_USER}", "POSTGRES_PASSWORD": "${POSTGRES_PASSWORD}",
                   "POSTGRES_INITDB_ARGS": "--no-sync"}
    # Temporary directories are open to their owner alone, who is root wherever Docker needs it.
    application = {"image": APPLICATION, "user": "root"}
    volumes = [{"type": "bind", "source": str(path).replace("$", "$$"), "target": str(path).replace("$", "$$"),
                "read_only": True} for path in mounts]
    api = {**application, "environment": {"DATABASE_URL": "${API_DATABASE_URL:-}"}, "healthcheck": {
        "test": ["CMD", "curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8000/health"], "interval": "1s"}}
    services = {
        "postgres": {"image": POSTGRES, "environment": environment, "volumes": ["data:/var/lib/postgresql/data"],
                     "command": "postgres -c fsync=off -c full_page_writes=off -c synchronous_commit=off",
                     **(postgres or {})},
        "api-migrations": {**application, "command": "alembic upgrade head", "volumes": volumes, **(migrations or {})},
        "api": api,
    }
    return json.dumps({"services": services, "volumes": {"data": {}}}, indent=1)


@dataclass(frozen=True)
class ComposeServer:
    """A server in a container, seen from here as any other; ``bin_dir`` are client programs of the machine's own."""

    directory: Path
    project: str
    superuser: str
    password: str = field(repr=False)
    bin_dir: Path
    host: str = ""
    port: int = 5432
    env_files: tuple[str, ...] = (".env",)

    def options(self) -> dict[str, Any]:
        """The modules' option ``compose``."""
        return {"directory": str(self.directory), "files": ["compose.json"], "project": self.project,
                "env_files": list(self.env_files), "database": "postgres", "migrations": "api-migrations"}

    def argv(self, *words: str) -> list[str]:
        return ["docker", "compose", "--project-directory", str(self.directory), "--file",
                str(self.directory / "compose.json"), "--project-name", self.project,
                *(word for name in self.env_files for word in ("--env-file", str(self.directory / name))), *words]

    def compose(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def container(self, service: str = "postgres") -> dict[str, Any]:
        """The engine's inspection of a service's container."""
        [found] = containers(f"label={PROJECT_LABEL}={self.project}", f"label={ONEOFF_LABEL}=False",
                             f"label=com.docker.compose.service={service}")
        return found

    def one_shots(self) -> list[dict[str, Any]]:
        """One-shot containers of the project, running or not, whoever started them."""
        return containers(f"label={PROJECT_LABEL}={self.project}", f"label={ONEOFF_LABEL}=True")

    def belongings(self) -> dict[str, list[str]]:
        """What no module may touch: containers that are services with their starts, networks, volumes."""
        mine = f"label={PROJECT_LABEL}={self.project}"
        services = containers(mine, f"label={ONEOFF_LABEL}=False")
        return {"containers": sorted(f"{each['Id']} {each['State']['Status']} {each['State']['StartedAt']}"
                                     for each in services),
                **{kind: sorted(docker(kind, "ls", "--quiet", f"--filter={mine}").split())
                   for kind in ("network", "volume")}}

    def write_env(self, name: str = ".env", **values: str) -> None:
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text("".join(f"{key}={_literal(text)}\n" for key, text in values.items()))

    def started(self) -> ComposeServer:
        """Start the database, and return this with its address, as seen from here and from its neighbours."""
        self.compose("up", "--detach", "--wait", "postgres")
        [network] = self.container()["NetworkSettings"]["Networks"].values()
        return replace(self, host=network["IPAddress"])

    def serve(self, url: str) -> ComposeServer:
        """Start the application on a database, and return the project as the files of that database have it."""
        name = f"api-{secrets.token_hex(3)}.env"
        self.write_env(name, API_DATABASE_URL=url)
        mine = replace(self, env_files=(*self.env_files, name))
        mine.compose("up", "--detach", "--wait", "--no-deps", "api")
        return mine

    def destroy(self) -> None:
        """Remove everything of the project, and nothing else."""
        mine = f"--filter=label={PROJECT_LABEL}={self.project}"
        for kind, every, remove in (("container", ["--all"], ["rm", "--force", "--volumes"]),
                                    ("volume", [], ["rm", "--force"]), ("network", [], ["rm"])):
            found = docker(kind, "ls", "--quiet", *every, mine).split()
            if found:
                docker(kind, *remove, *found, check=False)


@contextmanager
def compose_project(home: Path, worker: str, bin_dir: Path, mounts: Iterable[Path] = (), user: str = "recyclic",
                    postgres: Mapping[str, Any] | None = None, migrations: Mapping[str, Any] | None = None
                    ) -> Iterator[ComposeServer]:
    """A project of its own with its database running; gone with its volumes afterwards."""
    server = ComposeServer(home, f"rbtest-it-{worker}-{secrets.token_hex(4)}", user,
                           secrets.token_urlsafe(9) + SPECIAL + secrets.token_urlsafe(9), bin_dir)
    (home / "compose.json").write_text(service_files(mounts, postgres, migrations))
    server.write_env(POSTGRES_USER=user, POSTGRES_PASSWORD=server.password)
    try:
        yield server.started()
    finally:
        server.destroy()


def remove_one_shots(server: Any, name: str) -> list[str]:
    """Remove the one-shot containers left at work on a database, and return what they were.

    Those of the server's project, and those isolated ones that were told of the database.
    """
    if not isinstance(server, ComposeServer):
        return []
    every = server.one_shots() + [each for each in containers(f"label={STEP_LABEL}") if name in json.dumps(each)]
    # What is just going is not at work.
    left = {each["Id"]: each for each in every if each["State"]["Status"] != "removing"}.values()
    for each in left:
        docker("rm", "--force", "--volumes", each["Id"], check=False)
    return [f"{each['Name']} {each['State']['Status']} {each['Config']['Cmd']}" for each in left]
