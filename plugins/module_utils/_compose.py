# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A Compose project: what its files say, which containers it has, where its database is."""

from __future__ import annotations

import os
import re
import shutil
import typing as t
from dataclasses import dataclass
from functools import cached_property

from ._docker import ANSWER_BYTES, PROJECT_LABEL, Container, Docker
from ._errors import Problem, Refusal
from ._redact import environment_secrets
from ._runner import Finished, Program

POSTGRES_PORT = 5432
# Every other pull_policy would get or build an image that is here already.
_KEEPING = ("missing", "if_not_present", "never")
# What would steer Compose from the environment of whoever runs us: the project is said by options alone.
_STEERING = ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "COMPOSE_ENV_FILES", "COMPOSE_PATH_SEPARATOR")


@dataclass(frozen=True)
class Layout:
    """Where a project is and what its services are called, as the operator says it. Empty: as Compose finds it."""

    directory: str
    files: tuple[str, ...] = ()
    project: str = ""
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    database: str = "postgres"
    migrations: str = "api-migrations"
    keep_entrypoint: bool = False


def compose_spec() -> dict[str, t.Any]:
    """Return the suboptions of the option C(compose)."""
    return {
        "directory": {"type": "path", "required": True},
        "files": {"type": "list", "elements": "str", "default": []},
        "project": {"type": "str", "default": ""},
        "env_files": {"type": "list", "elements": "str", "default": []},
        "profiles": {"type": "list", "elements": "str", "default": []},
        "database": {"type": "str", "default": "postgres"},
        "migrations": {"type": "str", "default": "api-migrations"},
        "keep_entrypoint": {"type": "bool", "default": False},
    }


def layout_from(options: t.Mapping[str, t.Any] | None) -> Layout:
    """Build a Layout from a module's option. Raises Refusal for a directory or file that is not there."""
    if not (options and options["directory"]):
        raise Refusal("compose_directory_missing", directory="-")
    directory = os.path.abspath(options["directory"])
    if not os.path.isdir(directory):
        raise Refusal("compose_directory_missing", directory=directory)
    paths = {}
    for kind in ("files", "env_files"):
        paths[kind] = tuple(os.path.join(directory, path) for path in options[kind])
        for path in paths[kind]:
            if not os.path.isfile(path):
                raise Refusal("compose_file_missing", path=path, variable=f"rollback_compose_{kind}")
    return Layout(directory, paths["files"], options["project"], paths["env_files"], tuple(options["profiles"]),
                  options["database"], options["migrations"], options["keep_entrypoint"])


class Project:
    """One Compose project on the managed node's engine."""

    def __init__(self, docker: Docker, layout: Layout) -> None:
        self.docker = docker
        self.layout = layout

    @cached_property
    def program(self) -> list[str]:
        """How Compose is called: the client's plugin, or a stand-alone program of version 2.

        Raises Refusal where there is none, or only the first version, which cannot do what is needed here.
        """
        plugin = self.docker.call("compose", "version", "--short").stdout.strip()
        if re.fullmatch(r"v?([2-9]|\d\d+)\..*", plugin):
            return ["docker", "compose"]
        alone = shutil.which("docker-compose")
        version = ""
        if alone:
            version = self.docker.host.run(Program([alone, "version", "--short"], timeout_s=30)).stdout.strip()
        if re.fullmatch(r"v?([2-9]|\d\d+)\..*", version):
            return [str(alone)]
        if version:
            raise Refusal("compose_first_version", version=version, program=str(alone))
        raise Refusal("compose_missing")

    def argv(self, *words: str, profiles: t.Sequence[str] | None = None) -> list[str]:
        """Return the command line that says ``words`` to Compose about this project."""
        layout = self.layout
        chosen = layout.profiles if profiles is None else profiles
        return [*self.program, "--project-directory", layout.directory,
                *(word for path in layout.files for word in ("--file", path)),
                *(["--project-name", layout.project] if layout.project else []),
                *(word for path in layout.env_files for word in ("--env-file", path)),
                *(word for profile in chosen for word in ("--profile", profile)), *words]

    def call(self, *words: str, profiles: t.Sequence[str] | None = None, environment: dict[str, str] | None = None,
             watch: t.Callable[[], str | None] | None = None, **options: t.Any) -> Finished:
        """Run a command of Compose and return how it ended; ``options`` are those of Program."""
        program = Program(unsteered(self.argv(*words, profiles=profiles)), environment or {}, cwd=self.layout.directory,
                          **options)
        return self.docker.host.run(program, watch)

    def configured(self, environment: dict[str, str] | None = None) -> dict[str, t.Any]:
        """Return what the files mean, every profile included, as Compose itself merges and fills them in.

        ``environment`` is what they are filled in with besides their own. Raises Refusal with Compose's own words.
        """
        done = self.call("config", "--format", "json", profiles=["*"], environment=environment, timeout_s=60,
                         kept_bytes=ANSWER_BYTES)
        if done.rc != 0 or done.ended_by:
            raise Refusal("compose_config_broken", directory=self.layout.directory, error=self.docker.last_words(done))
        return t.cast("dict[str, t.Any]", _unescaped(self.docker.read(done, "compose", "config")))

    @cached_property
    def config(self) -> dict[str, t.Any]:
        """The same, once, with its secrets known to whatever is printed."""
        found = self.configured()
        for service in (found.get("services") or {}).values():
            self.docker.redact.learn(environment_secrets(environment_of(service)))
        return found

    @property
    def name(self) -> str:
        return self.layout.project or str(self.config["name"])

    def service(self, name: str, variable: str = "") -> dict[str, t.Any]:
        """Return a service's definition. Raises Refusal for a name the files do not have."""
        services = self.config.get("services") or {}
        if name not in services:
            raise Refusal("service_unknown", service=name, known=", ".join(sorted(services)) or "-",
                          variable=variable or "rollback_compose_*")
        return t.cast("dict[str, t.Any]", services[name])

    def containers(self) -> list[Container]:
        """Return the project's containers, one-shot ones included, running or not, oldest first."""
        found = self.docker.containers(f"label={PROJECT_LABEL}={self.name}")
        for container in found:
            self.docker.redact.learn(environment_secrets(container.environment))
        return found

    def of_service(self, name: str, among: t.Sequence[Container] | None = None) -> list[Container]:
        """Return the containers that are a service, not those started once on its model."""
        every = self.containers() if among is None else among
        return [container for container in every if container.service == name and not container.oneoff]

    def image_of(self, service: str) -> str:
        """Return the reference of the image a service is started from, as Compose names what it builds itself."""
        return self.image_in(self.service(service), service)

    def image_in(self, definition: t.Mapping[str, t.Any], service: str) -> str:
        """Return the same for a definition that is filled in otherwise."""
        return str(definition.get("image") or f"{self.name}-{service}")

    @cached_property
    def starts_unpulled(self) -> bool:
        """Whether this Compose can be told to start services on the images that are here, whatever the files say."""
        return "--pull " in self.call("up", "--help", timeout_s=30).stdout

    def require_kept(self, service: str, definition: t.Mapping[str, t.Any]) -> None:
        """Raise Refusal for a definition by which Compose would get another image than the one that is here."""
        policy = str(definition.get("pull_policy") or _KEEPING[0])
        if policy not in _KEEPING:
            raise Refusal("image_would_change", service=service, policy=policy,
                          image=self.image_in(definition, service))

    def require_image(self, service: str) -> dict[str, t.Any]:
        """Return the inspection of the image a service is run once on.

        Raises Refusal where it is not here, or would not stay: a run would get one, and cannot be told not to.
        """
        self.require_kept(service, self.service(service))
        return self.local_image(service)

    def local_image(self, service: str) -> dict[str, t.Any]:
        """Return the inspection of a service's image. Raises Refusal where it is not here."""
        reference = self.image_of(service)
        found = self.docker.image(reference)
        if found is None:
            raise Refusal("image_missing", image=reference, service=service, command=self.shown("build", service),
                          pull=self.shown("pull", service))
        return found

    def database(self, among: t.Sequence[Container] | None = None) -> Container:
        """Return the database's running, healthy container. Raises Refusal where there is none."""
        name = self.layout.database
        self.service(name, "rollback_compose_database")
        every = self.containers() if among is None else among
        if not any(container.running for container in every):
            raise Refusal("project_not_running", project=self.name, command=self.shown("up", "-d", "--no-deps", name))
        mine = self.of_service(name, every)
        running = [container for container in mine if container.status == "running"]
        if len(running) > 1:
            raise Refusal("database_scaled", service=name, names=", ".join(each.name for each in running))
        if not running:
            raise Refusal("database_down", service=name, status=mine[0].status if mine else "-",
                          command=self._remedy(name, mine))
        if not running[0].well:
            raise Refusal("database_unhealthy", service=name, health=running[0].health,
                          command=f"docker logs --tail 50 {running[0].name}")
        return running[0]

    def _remedy(self, name: str, mine: t.Sequence[Container]) -> str:
        """Return what to type where none of a service's containers is running."""
        if not mine:
            return self.shown("up", "-d", "--no-deps", name)
        if mine[0].status == "restarting":
            return f"docker logs --tail 50 {mine[0].name}"
        return self.shown("unpause" if mine[0].status == "paused" else "start", name)

    def migrations_at_work(self, among: t.Sequence[Container] | None = None) -> list[Container]:
        """Return the containers of the migrations service, one-shot or not, that are running."""
        every = self.containers() if among is None else among
        return [container for container in every if container.service == self.layout.migrations and container.running]

    def shown(self, *words: str) -> str:
        """Return a command of Compose as an operator types it."""
        return Program(self.argv(*words)).line()

    def start(self, service: str, environment: dict[str, str] | None = None, timeout_s: float = 120.0) -> None:
        """Start one service and nothing else; where ``environment`` changes it, its container is made anew."""
        unpulled = ["--pull", "never"] if self.starts_unpulled else []
        if not unpulled:
            self.require_kept(service, self.configured(environment)["services"][service])
        done = self.call("up", "--detach", "--no-deps", "--no-build", "--quiet-pull", *unpulled, service,
                         environment=environment, timeout_s=timeout_s)
        if done.rc != 0 or done.ended_by:
            raise Problem("service_not_started", service=service, error=self.docker.last_words(done))


def unsteered(argv: list[str]) -> list[str]:
    """Return a command line that takes no project from the environment of whoever runs us."""
    unset = [word for name in _STEERING if name in os.environ for word in ("-u", name)]
    return ["env", *unset, *argv] if unset else argv


def environment_of(service: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return a service's merged environment; a name without a value is handed over from nowhere."""
    return {name: str(text) for name, text in (service.get("environment") or {}).items() if text is not None}


def address_of(container: Container, port: int = POSTGRES_PORT) -> tuple[str, int]:
    """Return where a container's port is reached from the managed node: published, otherwise its own address.

    Raises Refusal where it has neither.
    """
    for host, bound in container.published.get(f"{port}/tcp", []):
        if bound:
            return ("127.0.0.1" if host in ("", "0.0.0.0") else "::1" if host == "::" else host), int(bound)
    own = next(iter(container.addresses.values()), "")
    if own:
        return own, port
    if container.host_network:
        return "127.0.0.1", port
    raise Refusal("no_address", service=container.service, name=container.name)


def _unescaped(found: t.Any) -> t.Any:
    """Undo the doubling of dollar signs that Compose prints so that its output could be read in again."""
    if isinstance(found, dict):
        return {key: _unescaped(each) for key, each in found.items()}
    if isinstance(found, list):
        return [_unescaped(each) for each in found]
    return found.replace("$$", "$") if isinstance(found, str) else found
