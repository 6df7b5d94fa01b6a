# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Services of a Compose project, stopped and started: exactly those that are named, and nothing they depend on."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
import typing as t
from dataclasses import dataclass, field, replace

from ._compose import Project, environment_of
from ._database import APPLICATION, backends
from ._docker import PROJECT_LABEL, SERVICE_LABEL, Container
from ._errors import Problem, Refusal
from ._evidence import now, read_json, write_json
from ._ground import project_from
from ._redact import Redactor, environment_secrets

EVIDENCE = "services.json"
WORKING_DIR_LABEL = "com.docker.compose.project.working_dir"
# Nothing asks a container without a health check how it is: having run this long is what it can show.
STEADY_S = 2.0
# Started more often than this, a container that its restart policy brings back is not coming up.
STARTS = 4
POLL_S = 0.3
LOG_LINES = 20
_SIZE = re.compile(r"([\d.]+)\s*([kKMGTP]?)(i?)B")


def size_in_bytes(text: str) -> int | None:
    """Return what the engine's ``12.5MiB / 7.6GiB`` says is in use, in bytes; None where it does not say."""
    found = _SIZE.match(text.strip())
    if not found:
        return None
    power = " KMGTP".index(found.group(2).upper() or " ")
    return round(float(found.group(1)) * (1024 if found.group(3) else 1000) ** power)


def state_of(containers: t.Sequence[Container]) -> str:
    """Return how a service is in one word, that of the container that is worst off; ``-`` where it has none."""
    words = [each.health if each.running and each.health else each.status for each in containers if not each.well]
    return words[0] if words else containers[0].health or containers[0].status if containers else "-"


def left_as_stopped(record: t.Mapping[str, t.Any] | None, among: t.Sequence[Container]) -> list[str]:
    """Return the services of a record that ran, and that nobody started since they were stopped."""
    starts = {each.id: each.started_at for each in among if not each.running}
    return [name for name, kept in ((record or {}).get("services") or {}).items() if kept["running"] and any(
        starts.get(each["id"]) == each["started_at"] for each in kept["containers"])]


@dataclass
class Services:
    """The services of a project, and what was typed for them."""

    project: Project
    check_mode: bool = False
    commands: list[str] = field(default_factory=list)

    def require(self, names: t.Sequence[str], variable: str, among: t.Sequence[Container]) -> None:
        """Raise Refusal for a name that is no service. One that has a container needs no file to prove it."""
        for name in names:
            if not self.project.of_service(name, among):
                self.project.service(name, variable)

    def states(self, names: t.Sequence[str], among: t.Sequence[Container] | None = None) -> dict[str, str]:
        """Return how each service is, in one word."""
        every = self.project.containers() if among is None else among
        return {name: state_of(self.project.of_service(name, every)) for name in names}

    # Stopping

    def record(self, names: t.Sequence[str], among: t.Sequence[Container], path: str | None, note: dict[str, t.Any],
               measured: bool) -> dict[str, t.Any]:
        """Return what ran, and put it on disk before anything stops.

        Where a run that was cut off left a record, what it says ran, ran. Memory is ``measured`` where there are the
        two seconds for it.
        """
        before = (read_json(path) if path else None) or {}
        earlier = before.get("services") or {}
        memory = self.memory(among) if measured else {}
        found = {"at": now(), "project": self.project.name, **note, "services": {
            name: _entry(self.project.of_service(name, among), memory, earlier.get(name, {})) for name in names},
            "memory_bytes": {**by_service(memory, among), **(before.get("memory_bytes") or {})}}
        if path and not self.check_mode:
            write_json(path, found)
        return found

    def stop(self, chosen: t.Sequence[Container], timeout_s: int, migrations: t.Sequence[Container] = ()
             ) -> list[Container]:
        """Stop these containers, and those of a migration; return the project's as they are then.

        Raises Problem when one does not stop.
        """
        # A migration at work says nothing of a signal: it gets no time to.
        self._stop(migrations, 1)
        self._stop(chosen, timeout_s)
        wanted = {each.id for each in (*chosen, *migrations)}
        after = self.project.containers()
        running = " ".join(each.name for each in after if each.id in wanted and each.running)
        if running:
            raise Problem("service_not_stopped", names=running, command=f"docker kill {running}")
        return after

    def _stop(self, containers: t.Sequence[Container], timeout_s: int) -> None:
        if not containers:
            return
        words = ["stop", "--time", str(timeout_s)]
        self.commands.append(" ".join(["docker", *words, *(each.name for each in containers)]))
        # One that went of itself in between is no failure; what still runs is measured afterwards.
        self.project.docker.call(*words, *(each.id for each in containers), timeout_s=timeout_s + 60)

    def memory(self, among: t.Sequence[Container]) -> dict[str, int]:
        """Return the bytes each running container of the project uses, by its id."""
        ids = [each.id for each in among if each.status == "running"]
        if not ids:
            return {}
        done = self.project.docker.call("stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids)
        found: dict[str, int] = {}
        for line in done.stdout.splitlines() if done.rc == 0 else []:
            entry = json.loads(line)
            used = size_in_bytes(entry["MemUsage"])
            if used is not None:
                found[entry["ID"]] = used
        return found

    # Starting

    def chosen(self, name: str, only: t.Collection[str] = ()) -> list[Container]:
        """Return a service's containers; of several, those that ``only`` names by id where it names any."""
        mine = self.project.of_service(name)
        return [each for each in mine if each.id in only] or mine

    def made_anew(self, name: str, chosen: t.Sequence[Container], environment: dict[str, str]) -> bool:
        """Tell whether starting a service makes its container anew: there is none, or ``environment`` changes it."""
        if not chosen or not environment:
            return not chosen
        plain = self.project.service(name)
        wanted = self.project.configured(environment)["services"][name]
        if _besides(plain) != _besides(wanted):
            return True  # Compose knows what of it the container has already.
        image = self.project.docker.image(self.project.image_in(wanted, name)) or {}
        given = environment_of(wanted)
        return wanted != plain and not all(
            each.image == image.get("Id") and given.items() <= each.environment.items() for each in chosen)

    def definition(self, name: str, environment: dict[str, str]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
        """Return what a service will be started from: its definition, and its image as the engine knows it.

        Raises Refusal for an image that is not here: starting would get it.
        """
        found = self.project.configured(environment)["services"][name]
        self.project.docker.redact.learn(environment_secrets(environment_of(found)))
        reference = self.project.image_in(found, name)
        image = self.project.docker.image(reference)
        if image is None:
            raise Refusal("image_missing", image=reference, service=name, pull=f"docker pull {reference}",
                          command=self.line(environment, "build", name))
        return found, image

    def line(self, environment: dict[str, str], *words: str) -> str:
        """Return a command of Compose as it is typed, with what fills the files in before it."""
        given = [f"{key}={shlex.quote(text)}" for key, text in environment.items()]
        return self.project.docker.redact(" ".join([*given, self.project.shown(*words)]))

    def start(self, name: str, chosen: t.Sequence[Container], anew: bool, environment: dict[str, str],
              timeout_s: float, later: t.Sequence[str] = ()) -> bool:
        """Start one service, nothing else, and wait until it is well; return whether that took anything.

        An existing container is started as it is, unless it is to be made ``anew``. Raises Problem, with its last
        lines, for one that does not come up; ``later`` are those that then are not started either.
        """
        stopped = [each for each in chosen if not each.running]
        before = [[each.id, each.started_at] for each in chosen]
        if self.check_mode or (not anew and not stopped and all(each.well for each in chosen)):
            return bool(anew or stopped)
        deadline = time.monotonic() + timeout_s
        if anew:
            self.commands.append(self.line(environment, "up", "--detach", "--no-deps", name))
            self.project.start(name, environment, timeout_s)
        elif stopped:
            self.commands.append(" ".join(["docker start", *(each.name for each in stopped)]))
            done = self.project.docker.call("start", *(each.id for each in stopped), timeout_s=timeout_s)
            if done.rc != 0 or done.ended_by:
                raise Problem("service_not_started", service=name, error=self.project.docker.last_words(done))
        self._wait(name, None if anew else {each.id for each in chosen}, deadline, later)
        ids = {each.id for each in chosen}
        return [[each.id, each.started_at] for each in self.chosen(name, ids)] != before

    def _wait(self, name: str, ids: set[str] | None, deadline: float, later: t.Sequence[str]) -> None:
        starts: list[str] = []
        seen, since = 0, time.monotonic()
        while True:
            labels = (f"label={PROJECT_LABEL}={self.project.name}", f"label={SERVICE_LABEL}={name}")
            found = self.project.of_service(name, self.project.docker.containers(*labels))
            mine = [each for each in found if ids is None or each.id in ids]
            if [each.started_at for each in mine] != starts:
                starts, seen, since = [each.started_at for each in mine], seen + 1, time.monotonic()
            steady = all(each.health for each in mine) or time.monotonic() - since >= STEADY_S
            if mine and steady and all(each.well for each in mine):
                return
            gone = [each for each in mine if not each.running]
            if not mine or gone or seen > STARTS or time.monotonic() > deadline:
                raise self._not_up(name, (gone or [each for each in mine if not each.well] or mine)[:1], later)
            time.sleep(POLL_S)

    def _not_up(self, name: str, containers: t.Sequence[Container], later: t.Sequence[str]) -> Problem:
        if not containers:
            return Problem("service_not_started", service=name, error="-")
        one = containers[0]
        done = self.project.docker.call("logs", "--tail", str(LOG_LINES), one.id)
        said = (done.stdout + done.stderr).strip().splitlines()[-LOG_LINES:]
        return Problem("service_not_up", service=name, name=one.name, status=one.status, health=one.health or "-",
                       exit_code=one.exit_code, log=self.project.docker.redact("\n".join(said)) or "-",
                       later=", ".join(later) or "-")


def _besides(definition: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return what of a definition is not compared with the container itself."""
    return {key: each for key, each in definition.items() if key not in ("image", "environment")}


def by_service(memory: t.Mapping[str, int], among: t.Iterable[Container]) -> dict[str, int]:
    """Return the bytes each service uses, all its containers together."""
    found: dict[str, int] = {}
    for each in among:
        if each.id in memory and not each.oneoff:
            found[each.service] = found.get(each.service, 0) + memory[each.id]
    return found


def _entry(containers: t.Sequence[Container], memory: dict[str, int], earlier: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the record of a service; what an earlier one says ran, ran, and used that much."""
    was = {each["id"]: each for each in earlier.get("containers", [])}
    listed = [{"id": each.id, "name": each.name, "image": each.image, "image_name": each.image_name,
               "started_at": each.started_at, "running": each.running or was.get(each.id, {}).get("running", False),
               "memory_bytes": memory.get(each.id, was.get(each.id, {}).get("memory_bytes"))} for each in containers]
    used = [each["memory_bytes"] for each in listed if each["memory_bytes"] is not None]
    return {"running": any(each["running"] for each in listed) or earlier.get("running", False),
            "memory_bytes": sum(used) if used else None, "containers": listed}


def sessions_left(connection: t.Any, addresses: t.Collection[str], limit_s: float = 5.0) -> list[dict[str, t.Any]]:
    """Return the sessions from these addresses that are still on the server after a moment's patience."""
    deadline = time.monotonic() + limit_s
    while True:
        found = backends(connection, NOBODY, addresses) if addresses else []
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(POLL_S)


# A session's name that none has: only the address is to tell.
NOBODY = f"{APPLICATION}:nobody's name"


def addresses_of(containers: t.Iterable[Container]) -> set[str]:
    """Return the addresses from which these containers reach the server."""
    return {address for each in containers for address in each.addresses.values()}


def project_name_of(project: Project) -> str:
    """Return a project's name: where its files cannot be read, as the containers made from its directory say."""
    try:
        return project.name
    except Refusal:
        home = os.path.realpath(project.layout.directory)
        names = {each.labels.get(PROJECT_LABEL, "") for each in project.docker.containers(f"label={WORKING_DIR_LABEL}")
                 if os.path.realpath(each.labels[WORKING_DIR_LABEL]) == home}
        if len(names) != 1:
            raise
        return names.pop()


def seen_project(params: t.Mapping[str, t.Any], redact: Redactor) -> Project | None:
    """Return the project of a module's options to look at or to stop: for neither its files have to be whole."""
    try:
        project = project_from(params, redact)
    except Refusal as refusal:
        given = params["compose"]
        there = {kind: [path for path in given[kind] if os.path.isfile(os.path.join(given["directory"], path))]
                 for kind in ("files", "env_files")} if refusal.key == "compose_file_missing" else {}
        # Without any of its files, what Compose finds there is another project.
        if not there or (given["files"] and not there["files"] and not given["project"]):
            raise
        project = project_from({**params, "compose": {**given, **there}}, redact)
    if project:
        project.layout = replace(project.layout, project=project_name_of(project))
    return project


def order_path(state_dir: str | None, project: Project | None) -> str | None:
    """Return where the record of an emergency stop of a project is."""
    return os.path.join(state_dir, f"stopped-{project.name}.json") if state_dir and project else None


def require_no_stop(path: str | None) -> None:
    """Raise Refusal while an emergency stop is in force."""
    order = stop_order(path)
    if order:
        raise Refusal("migrate_stop_order", at=order["at"], by=order.get("by") or "-", why=order.get("why") or "-")


def stop_order(path: str | None) -> dict[str, t.Any] | None:
    """Return the emergency stop that is in force: who, when and why."""
    return t.cast("dict[str, t.Any] | None", read_json(path)) if path else None


def lift_stop_order(path: str | None) -> bool:
    """Take an emergency stop back; return whether there was one."""
    if not path or not os.path.exists(path):
        return False
    os.unlink(path)
    return True
