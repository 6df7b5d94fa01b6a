# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The Docker engine of the managed node, through its own client; only JSON and ids are read from what that prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field

from ._errors import Problem, Refusal
from ._redact import Redactor, last_words
from ._runner import Finished, HostRuntime, Program

CALL_LIMIT_S = 60.0
# JSON of which no part may be missing: a container takes some ten thousand bytes, and a project may have many.
ANSWER_BYTES = 64 * 1024 * 1024
# A container that is being removed is listed until its files are gone; a busy machine takes seconds for that.
LOOKS, LOOK_AGAIN_S = 25, 0.2
# Labels by which containers of ours are found again, whoever started them.
RUN_LABEL, STEP_LABEL = "recyclic.rollback.run", "recyclic.rollback.step"
PROJECT_LABEL, SERVICE_LABEL = "com.docker.compose.project", "com.docker.compose.service"
ONEOFF_LABEL = "com.docker.compose.oneoff"
_ID = re.compile(r"(sha256:)?[0-9a-f]{12,64}")


@dataclass(frozen=True)
class Container:
    """What the engine knows of a container; ``image`` is the id it was made from, ``health`` empty without a check."""

    id: str
    name: str
    service: str
    oneoff: bool
    image: str
    image_name: str
    status: str
    health: str
    exit_code: int
    created_at: str
    started_at: str
    finished_at: str
    restart_policy: str
    host_network: bool
    argv: tuple[str, ...]
    working_dir: str
    labels: dict[str, str] = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    addresses: dict[str, str] = field(repr=False)
    published: dict[str, list[tuple[str, str]]] = field(repr=False)
    mounts: tuple[dict[str, t.Any], ...] = field(repr=False, default=())

    @property
    def running(self) -> bool:
        return self.status in ("running", "restarting", "paused")

    @property
    def well(self) -> bool:
        """Running, and healthy where it says anything of its health."""
        return self.status == "running" and self.health in ("", "healthy")

    def describe(self) -> dict[str, t.Any]:
        """Return what an operator is shown."""
        return {"service": self.service, "name": self.name, "id": self.id[:12], "status": self.status,
                "health": self.health, "exit_code": self.exit_code, "image": self.image_name,
                "started_at": self.started_at, "oneoff": self.oneoff}


def container_of(entry: dict[str, t.Any]) -> Container:
    """Build a Container from the engine's inspection."""
    state, config, network, host = entry["State"], entry["Config"], entry["NetworkSettings"], entry["HostConfig"]
    labels = config.get("Labels") or {}
    environment = dict(line.partition("=")[::2] for line in config.get("Env") or [])
    published = {port: [(bound["HostIp"], bound["HostPort"]) for bound in bindings or []]
                 for port, bindings in (network.get("Ports") or {}).items()}
    return Container(
        id=entry["Id"], name=entry["Name"].lstrip("/"), service=labels.get(SERVICE_LABEL, ""),
        oneoff=labels.get(ONEOFF_LABEL, "False") == "True", image=entry["Image"], image_name=config.get("Image", ""),
        status=state["Status"], health=(state.get("Health") or {}).get("Status", "").replace("none", ""),
        exit_code=state["ExitCode"], created_at=entry["Created"], started_at=state["StartedAt"],
        finished_at=state["FinishedAt"],
        restart_policy=(host.get("RestartPolicy") or {}).get("Name", ""),
        host_network=host.get("NetworkMode") == "host",
        argv=(*(config.get("Entrypoint") or []), *(config.get("Cmd") or [])),
        working_dir=config.get("WorkingDir", ""), labels=labels, environment=environment,
        addresses={name: found["IPAddress"] for name, found in (network.get("Networks") or {}).items()
                   if found.get("IPAddress")},
        published=published, mounts=tuple(entry.get("Mounts") or ()))


@contextmanager
def guardian(script: str, *arguments: str, ending: t.Callable[[], object] | None = None) -> t.Iterator[None]:
    """Have a shell script run should this process die in here without a chance to do anything itself.

    The guardian, in a session of its own, reads from a pipe of which only this process holds the other end: a word says
    that all is well, the end of the pipe that it is not. ``ending`` is called at the end; where it fails, the script is
    run as well.
    """
    read, write = os.pipe()
    process = subprocess.Popen(["sh", "-c", f"read -r word && exit 0; {script}", "sh", *arguments], stdin=read,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(read)
    try:
        yield
    finally:
        try:
            if ending:
                ending()
            os.write(write, b"well\n")
        except BaseException:
            os.close(write)
            raise
        os.close(write)
        process.wait()


class Docker:
    """Calls of the engine's client. Raises Refusal without client or engine, Problem where a call fails."""

    def __init__(self, redact: Redactor, host: HostRuntime | None = None) -> None:
        self.redact = redact
        self.host = host or HostRuntime()
        if not shutil.which("docker"):
            raise Refusal("docker_missing")

    def call(self, *argv: str, watch: t.Callable[[], str | None] | None = None, **options: t.Any) -> Finished:
        """Run ``docker ARGV`` and return how it ended; ``options`` are those of Program."""
        options = {"timeout_s": CALL_LIMIT_S, "kept_bytes": ANSWER_BYTES, **options}
        return self.host.run(Program(["docker", *argv], **options), watch)

    def text(self, *argv: str, **options: t.Any) -> str:
        """Run ``docker ARGV``, which has to succeed, and return what it printed."""
        done = self.call(*argv, **options)
        if done.rc != 0 or done.ended_by:
            raise self.failed(done, *argv)
        return done.stdout

    def failed(self, done: Finished, *argv: str, error: object = "") -> Problem:
        """Return the problem of a ``docker ARGV`` that failed. Raises Refusal where it is the engine's own."""
        self.require_engine()
        command = self.redact(" ".join(["docker", *argv]))
        return Problem("docker_failed", command=command, error=self.redact(str(error)) or self.last_words(done))

    def read(self, done: Finished, *argv: str, default: str = "") -> t.Any:
        """Return the JSON that ``docker ARGV`` printed. Raises Problem for anything else."""
        try:
            return json.loads(done.stdout.strip() or default)
        except ValueError as error:
            raise self.failed(done, *argv, error=error) from error

    def last_words(self, done: Finished) -> str:
        """Return the end of what a program said, without secrets; its time limit when that ended it."""
        return last_words(done, self.redact)

    def require_engine(self) -> None:
        """Raise Refusal when no engine answers, with the client's own words: it is down, or it is not ours to use."""
        done = self.call("version", "--format", "{{json .Server}}", timeout_s=20)
        if done.rc != 0 or not done.stdout.strip().startswith("{"):
            raise Refusal("engine_down", error=self.last_words(done))

    def containers(self, *filters: str) -> list[Container]:
        """Return the containers that pass every filter (``label=...``, ``id=...``), running or not, oldest first."""
        ids = self._ids(filters)
        for look in range(LOOKS):
            done, entries = self._inspect(ids)
            missing = set(ids) - {entry["Id"] for entry in entries}
            there = self._ids(filters) if missing else ids
            if not missing & set(there):
                break
            # On its way out, perhaps: then it is gone in a moment.
            if look == LOOKS - 1:
                raise self.failed(done, "inspect", *sorted(missing & set(there)))
            ids = there
            time.sleep(LOOK_AGAIN_S)
        return sorted(map(container_of, entries), key=lambda container: container.created_at)

    def _ids(self, filters: t.Sequence[str]) -> list[str]:
        arguments = [word for each in filters for word in ("--filter", each)]
        printed = self.text("ps", "--all", "--quiet", "--no-trunc", *arguments)
        return [line for line in printed.split() if _ID.fullmatch(line)]

    def inspect(self, ids: t.Sequence[str]) -> list[dict[str, t.Any]]:
        """Return the engine's inspection of those of the containers that are still there."""
        return self._inspect(ids)[1]

    def _inspect(self, ids: t.Sequence[str]) -> tuple[Finished, list[dict[str, t.Any]]]:
        if not ids:
            return Finished(0, "", "", 0.0), []
        argv = ("inspect", "--type", "container", *ids)
        done = self.call(*argv)
        if done.ended_by:
            raise self.failed(done, *argv)
        return done, self.read(done, *argv, default="[]")

    def image(self, reference: str) -> dict[str, t.Any] | None:
        """Return the engine's inspection of a local image; None where there is none of that name."""
        argv = ("image", "inspect", reference)
        done = self.call(*argv)
        if done.ended_by:
            raise self.failed(done, *argv)
        if done.rc != 0:
            self.require_engine()
            return None
        return t.cast("dict[str, t.Any]", self.read(done, *argv)[0])

    def remove(self, containers: t.Iterable[Container]) -> list[str]:
        """Stop and remove containers of ours at once; return their names. One that is already gone is no failure."""
        names = []
        for container in containers:
            self.call("rm", "--force", "--volumes", container.id)
            names.append(container.name)
        return names
