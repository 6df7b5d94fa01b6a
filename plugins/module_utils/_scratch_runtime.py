# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Programs run on a scratch server beside a Compose project: whatever they call the database, it is that server."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import replace

from ._compose import Project, environment_of
from ._compose_runtime import ComposeRuntime, handed_over
from ._docker import Container
from ._errors import Refusal
from ._runner import CLIENT, Finished, Program
from ._scratch_mounts import mounts_of

LOOPBACK = "127.0.0.1"
_ANSWER_LIMIT_S = 60.0
# Puts addresses on the loopback (SIOCSIFADDR, SIOCSIFNETMASK), and names into the file of hosts its neighbours share.
# It runs on the application's image, the only one known to hold an interpreter.
_ANSWER = """import fcntl, socket, struct, sys
with open("/etc/hosts", "a") as hosts:
    hosts.writelines("127.0.0.1 %s\\n" % name for name in sys.argv[2].split())
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number, address in enumerate(sys.argv[3].split(), int(sys.argv[1])):
    for request, text in ((0x8916, address), (0x891c, "255.255.255.255")):
        name = b"lo:%d" % number
        fcntl.ioctl(probe, request, struct.pack("16sH2x4s8x", name, socket.AF_INET, socket.inet_aton(text)))
"""
# Its programs may be open to the application's user alone.
_ANSWERER = ("--user", "0", "--workdir", "/", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "--cap-add",
             "DAC_OVERRIDE")
# As people write them, passwords hold signs like @ and / too: the last @ of the word is the one that counts.
_URL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?:\S*@)?([^\s/?#]*)", re.IGNORECASE)
_KEYWORD = re.compile(r"\bhost(?:addr)?\s*=\s*'?([^\s'&]+)", re.IGNORECASE)
_VARIABLE = re.compile(r"(.*_)?(PG)?HOST(NAME|ADDR)?", re.IGNORECASE)
_HOST = re.compile(r"\w([\w.-]*\w)?", re.ASCII)


class ScratchRuntime(ComposeRuntime):
    """Clients run in the scratch server's container, Alembic in one-shot ones that reach that server and nothing else.

    ``addresses`` are those from which Alembic's sessions come; ours have none, being made through a socket. ``short``
    tells whether the disk's reserve is being eaten.
    """

    def __init__(self, project: Project, server: Container, run_id: str | None, hosts: t.Iterable[str],
                 short: t.Callable[[], bool] = lambda: False) -> None:
        super().__init__(project, server, run_id)
        self.short = short
        self.names = {host for host in hosts if not is_address(host)}
        self.unanswered = set(hosts) - self.names
        self.addresses = {LOOPBACK}

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end, or until the engine's disk is short: production's own may be the same."""
        return super().run(program, lambda: "disk_reserve" if self.short() else watch() if watch else None)

    def shown(self, program: Program) -> str:
        """Return the command as a report shows it; its container is gone by then."""
        if program.place == CLIENT:
            return super().shown(program)
        image = self.project.image_of(self.project.layout.migrations)
        beside = ["docker", "run", "--rm", "--network", f"container:{self.database.name}", image]
        return replace(program, argv=[*beside, *program.argv]).line()

    def run_once(self, program: Program, service: str, watch: t.Callable[[], str | None] | None = None,
                 filled: t.Mapping[str, str] | None = None) -> Finished:
        """Run a program as in a one-shot container of a service, for which the scratch server is the database."""
        definition = self.project.service(service)
        image = str(self.project.require_image(service)["Id"])
        environment = {**environment_of(definition), **program.environment, **(filled or {})}
        self._answer_to(environment, program.argv[0], image)
        wanted, handed = handed_over(environment)
        entry, words = program.argv[:1], program.argv[1:]
        if self.project.layout.keep_entrypoint:
            own = definition.get("entrypoint")
            entry, words = ([], program.argv) if own is None else (own[:1] or [""], [*own[1:], *program.argv])
        user, place = definition.get("user"), program.cwd or definition.get("working_dir")
        options = [*(["--entrypoint", *entry] if entry else []), *(["--workdir", place] if place else []),
                   *(["--user", str(user)] if user else []),
                   *(word for group in definition.get("group_add") or [] for word in ("--group-add", str(group))),
                   *mounts_of(self.project.config, definition)]

        def command(token: str, labels: list[str]) -> list[str]:
            return [*self._beside(labels), "--interactive", "--name", f"{self.project.name}-scratch-{token}", *wanted,
                    *options, image, *words]

        return self._run_labelled(program, command, handed, watch)

    def _beside(self, labels: list[str]) -> list[str]:
        return ["docker", "run", "--rm", "--pull", "never", "--network", f"container:{self.database.id}", *labels]

    def _answer_to(self, environment: t.Mapping[str, str], python: str, image: str) -> None:
        """Let the scratch server answer to each host by which this environment, too, knows its database.

        Raises Refusal where it cannot be made to.
        """
        wanted = hosts_of(environment) - self.names - self.addresses
        hosts = wanted | self.unanswered
        if not hosts:
            return
        addresses = {host for host in hosts if is_address(host)}
        names = hosts - addresses
        argv = ["-I", "-c", _ANSWER, str(len(self.addresses)), " ".join(sorted(names)), " ".join(sorted(addresses))]

        def command(_token: str, labels: list[str]) -> list[str]:
            return [*self._beside(labels), *_ANSWERER, "--entrypoint", python, image, *argv]

        done = self._run_labelled(Program([python, *argv], timeout_s=_ANSWER_LIMIT_S), command, {}, None)
        # Where there is no such interpreter, the program itself is the one to say so. What nobody asks for may fail.
        if done.rc not in (0, 126, 127) and wanted:
            raise Refusal("scratch_cannot_answer", hosts=", ".join(sorted(wanted)), error=self.docker.last_words(done))
        self.unanswered = set()
        self.names |= names
        self.addresses |= addresses


def hosts_of(environment: t.Mapping[str, str]) -> set[str]:
    """Return the names and IPv4 addresses of database servers in an environment, but those every host has itself."""
    words: list[str] = []
    for name, text in environment.items():
        words += _URL.findall(text) + _KEYWORD.findall(text)
        if _VARIABLE.fullmatch(name):
            words.append(text.strip())
    found = {re.sub(r":\d*$", "", host) for word in words for host in word.split(",")}
    return {host for host in found if _HOST.fullmatch(host) and host != "localhost" and not _everywhere(host)}


def linked_in(definition: t.Mapping[str, t.Any]) -> set[str]:
    """Return the names a service's own definition gives to other hosts."""
    links = [str(link).rpartition(":")[2] for link in definition.get("links") or []]
    extra = definition.get("extra_hosts") or []
    return {*links, *(re.split("[:=]", str(each))[0] for each in extra)}


def is_address(host: str) -> bool:
    """Tell an IPv4 address from a name."""
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _everywhere(host: str) -> bool:
    if not is_address(host):
        return False
    address = ipaddress.IPv4Address(host)
    return address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved
