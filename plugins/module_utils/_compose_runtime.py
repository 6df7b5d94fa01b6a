# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Programs run in a Compose project: PostgreSQL's clients in the database's container, Alembic in a one-shot one.

Ending a client of Docker ends nothing of what it started. So whatever ends a program early here ends the container, or
the process inside one, before anything else happens.
"""

from __future__ import annotations

import secrets
import time
import typing as t
from dataclasses import replace

from ._compose import Project, environment_of, unsteered
from ._docker import RUN_LABEL, STEP_LABEL, Container, guardian
from ._errors import Refusal, Unended
from ._redact import environment_secrets
from ._runner import APPLICATION, CLIENT, Finished, Program

END_LIMIT_S = 20.0
_MARK = "RECYCLIC_ROLLBACK_STEP"
# In a container: every process that carries this step's mark in its environment is killed.
_END_INSIDE = ('for p in /proc/[0-9]*; do if grep -qs "$0" "$p/environ"; then kill -9 "${p#/proc/}" 2>/dev/null; fi; '
               'done; exit 0')
# For a while: the container may still be being made.
END_LABELLED = ('for n in 1 2 3 4 5 6 7 8 9 10; do docker ps --all --quiet --filter "$1" | '
                'xargs -r docker rm --force --volumes; sleep 1; done')
# What a client of Docker reads itself: a service's variable of such a name must not steer it.
_CLIENTS_OWN = ("PATH", "HOME", "USER", "LANG", "TMPDIR")
_CLIENTS_PREFIXES = ("DOCKER_", "COMPOSE_", "LD_", "BUILDX_", "BUILDKIT_", "LC_", "XDG_", "HTTP_",
                     "HTTPS_", "NO_", "http")


class ComposeRuntime:
    """Where programs run in a Compose project; ``run_id`` labels the containers made for them."""

    name = "compose"

    def __init__(self, project: Project, database: Container, run_id: str | None) -> None:
        self.project = project
        self.docker = project.docker
        self.database = database
        self.run_id = run_id or ""
        self.addresses: set[str] = set()

    def client(self, name: str) -> str:
        """Client programs are found by name, in the database's container, where they are of the server's version."""
        return name

    def whereabouts(self) -> dict[str, t.Any]:
        """Return by which labels the database's container is found again."""
        return {"compose": {"project": self.project.name, "service": self.database.service}}

    def shown(self, program: Program) -> str:
        """Return the command as one could type it again on the managed node."""
        if program.place == CLIENT:
            words = ["docker", "exec", "--interactive", self.database.name, *program.argv]
        else:
            words = self.project.argv("run", "--rm", "--no-deps", "-T", self.project.layout.migrations, *program.argv)
        return Program(words, stdin_file=program.stdin_file, stdout=program.stdout).line()

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end; see HostRuntime. Its work, too, is over however this function is left."""
        if program.place == CLIENT:
            return self._run_inside(program, watch)
        if program.place == APPLICATION:
            return self.run_once(program, self.project.layout.migrations, watch)
        return self.run_isolated(program, self.project.layout.migrations)

    def end_left(self, run_id: str) -> list[str]:
        """Stop and remove the one-shot containers a cut-off run left at work, and return their names."""
        return self.end_one_shots(f"label={RUN_LABEL}={run_id}", looks=2)

    def require_idle(self) -> None:
        """Raise Refusal naming the containers of the migrations service at work: they may still move the database."""
        found = self.project.migrations_at_work()
        if found:
            names = ", ".join(each.name for each in found)
            raise Refusal("migration_container_at_work", names=names, since=found[0].started_at,
                          command=" ".join(["docker stop", *(each.name for each in found)]))

    def _run_inside(self, program: Program, watch: t.Callable[[], str | None] | None) -> Finished:
        token = secrets.token_hex(8)
        wanted, environment = handed_over({**program.environment, _MARK: token})
        argv = ["docker", "exec", "--interactive", *wanted, self.database.id, *program.argv]
        clean = False
        try:
            with guardian('docker exec "$1" sh -c "$2" "$3"', self.database.id, _END_INSIDE, token):
                done = self.docker.host.run(_moved(program, argv, environment), watch)
            clean = not done.ended_by and done.rc >= 0
            return done
        finally:
            if not clean:
                self.docker.call("exec", self.database.id, "sh", "-c", _END_INSIDE, token)

    def run_once(self, program: Program, service: str, watch: t.Callable[[], str | None] | None = None,
                 filled: t.Mapping[str, str] | None = None) -> Finished:
        """Run a program in a one-shot container of a service, and nothing that service depends on.

        Without arguments it is the service's own command. ``filled`` is what the files are filled in with besides;
        whoever gives that has seen to it that the image it means is here.
        """
        layout = self.project.layout
        if not filled:
            self.project.require_image(service)
        wanted, environment = handed_over(program.environment)
        entry, words = ([], program.argv) if layout.keep_entrypoint or not program.argv else (
            ["--entrypoint", program.argv[0]], program.argv[1:])

        def command(token: str, labels: list[str]) -> list[str]:
            return self.project.argv(
                "run", "--rm", "--no-deps", "-T", "--name", f"{self.project.name}-{service}-rollback-{token}",
                *labels, *(["--workdir", program.cwd] if program.cwd else []), *wanted, *entry, service, *words)

        return self._run_labelled(program, command, {**(filled or {}), **environment}, watch)

    def run_isolated(self, program: Program, service: str, image: str | None = None,
                     environment: dict[str, str] | None = None) -> Finished:
        """Run a program on an image without any network or volume, so that nothing can be reached from there.

        By default on the image and with the environment of a service.
        """
        known = environment_of(self.project.service(service)) if environment is None else environment
        wanted, handed = handed_over({**known, **program.environment})
        reference = image or str(self.project.require_image(service)["Id"])

        def command(_token: str, labels: list[str]) -> list[str]:
            return ["docker", "run", "--rm", "--interactive", "--pull", "never", "--network", "none", *labels, *wanted,
                    *(["--workdir", program.cwd] if program.cwd else []), "--entrypoint", program.argv[0], reference,
                    *program.argv[1:]]

        return self._run_labelled(program, command, handed, None)

    def _run_labelled(self, program: Program, command: t.Callable[[str, list[str]], list[str]],
                      environment: dict[str, str], watch: t.Callable[[], str | None] | None) -> Finished:
        """Run a program in a container of its own, which is gone when this is left, whatever became of its client."""
        token = secrets.token_hex(8)
        labels = ["--label", f"{RUN_LABEL}={self.run_id}", "--label", f"{STEP_LABEL}={token}"]
        clean = False
        try:
            with guardian(END_LABELLED, f"label={STEP_LABEL}={token}"):
                done = self.docker.host.run(_moved(program, command(token, labels), environment, self.project), watch)
            clean = not done.ended_by and done.rc >= 0
            return done
        finally:
            self.end_one_shots(f"label={STEP_LABEL}={token}", looks=1 if clean else 3)

    def end_one_shots(self, *filters: str, looks: int = 1) -> list[str]:
        """Stop and remove the containers that pass these filters, and return their names.

        A client that was killed may have one still being made: only so many empty ``looks`` in a row say that there is
        none. Their addresses are kept, so that what they left on the server is ended too. Raises Unended when one
        stays.
        """
        names: list[str] = []
        deadline = time.monotonic() + END_LIMIT_S
        empty = 0
        while empty < looks:
            found = self.docker.containers(*filters)
            if found and time.monotonic() > deadline:
                raise Unended("containers_remain", names=", ".join(each.name for each in found))
            self.addresses |= {address for each in found for address in each.addresses.values()}
            names += self.docker.remove(found)
            empty = 0 if found else empty + 1
            if empty < looks:
                time.sleep(0.2)
        return names


def _moved(program: Program, argv: list[str], environment: dict[str, str], project: Project | None = None) -> Program:
    """Return the program as a client of Docker runs it."""
    directory = project.layout.directory if project else None
    return replace(program, argv=unsteered(argv), environment=environment, cwd=directory, place=CLIENT)


def handed_over(environment: t.Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the options that hand variables over to a container, and the client's own environment for that.

    By name alone: a value given as an argument would show in the list of processes. Only what would steer the client
    itself goes by value, and no secret does.
    """
    options, handed = [], {}
    for name, text in environment.items():
        steers = name in _CLIENTS_OWN or name.startswith(_CLIENTS_PREFIXES)
        if steers and not environment_secrets({name: text}):
            options += ["--env", f"{name}={text}"]
        else:
            options += ["--env", name]
            handed[name] = text
    return options, handed
