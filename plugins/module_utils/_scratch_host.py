# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A scratch server among the programs of the managed node.

It stands in namespaces of its own, where every address and every name is the server's: Alembic, run in there, keeps its
connection strings, and whatever they say is not production. Where the kernel gives no namespaces, and only if the
operator says so, the server stands beside production and Alembic is led to it by its environment.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import sys
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import replace

from . import _scratch_inside
from ._database import Target, rows, session_name, value
from ._errors import Refusal
from ._ground import Ground
from ._redact import Redactor
from ._runner import CLIENT, Finished, HostRuntime, Program, listening_sockets
from ._scratch import SUPERUSER, Scratch, Wish, dress, require_scratch
from ._scratch_place import Place, directories, running, wait_until
from ._scratch_redirect import LOOPBACK, port_of, redirected

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/run/postgresql", "/tmp")


class ScratchRuntime(HostRuntime):
    """Programs of the managed node; clients run where they are, all others by way of ``entrance``, if there is one.

    What fills the disk is ended.
    """

    def __init__(self, place: Place, entrance: t.Sequence[str] = ()) -> None:
        super().__init__(place.bin_dir)
        self.place = place
        self.entrance = entrance

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end; see HostRuntime."""
        if self.entrance and program.place != CLIENT:
            program = replace(program, argv=[*self.entrance, *program.argv], place=CLIENT)
        return super().run(program, lambda: self.place.short() or (watch() if watch else None))


@contextmanager
def host_scratch(ground: Ground, wish: Wish, redact: Redactor) -> t.Iterator[Scratch]:
    """Run a scratch server on the managed node; however this is left, nothing of it remains.

    Raises Refusal naming what is missing: programs of the server's version, room, or what would isolate it.
    """
    bin_dir = server_programs(ground.runtime, wish)
    override = wish.isolation == "override"
    port = _free_port() if override else port_of(ground.target)
    with directories(wish) as (home, sockets, reserve):
        place = Place(home, sockets, bin_dir, port, reserve, wish.like)
        target = Target({"dbname": ground.target.database, "user": SUPERUSER, "host": sockets, "port": port})
        maintenance = replace(target, params={**target.params, "dbname": "template1"})
        password = secrets.token_urlsafe(24) if override else ""
        redact.learn({password})
        with _beside(place, password, redact) if override else _apart(place, ground, redact) as runtime:
            with maintenance.open(session_name(wish.run_id, "scratch")) as connection:
                identifier = value(connection, "SELECT system_identifier::text FROM pg_control_system()")
                require_scratch(identifier, wish.like["system_identifier"])
                dress(target, wish.like)
                if override:
                    _give_passwords(connection, password)
            variables = (redirected(wish.variables, wish.environment, ground.target, port, password) if override
                         else dict(wish.environment))
            yield Scratch(target, runtime, wish.like, identifier, variables)


def server_programs(runtime: t.Any, wish: Wish) -> str:
    """Return the directory of initdb and postgres of the server's major version. Raises Refusal where there is none."""
    major = _major(str(wish.like["server_version"]))
    beside = shutil.which("pg_dump")
    places = [wish.bin_dir] if wish.bin_dir else [place for place in (
        runtime.bin_dir, beside and os.path.dirname(os.path.realpath(beside)), f"/usr/lib/postgresql/{major}/bin",
        f"/usr/pgsql-{major}/bin") if place]
    found = {}
    for place in places:
        if all(os.access(os.path.join(place, name), os.X_OK) for name in ("initdb", "postgres")):
            done = HostRuntime().run(Program([os.path.join(place, "postgres"), "--version"], timeout_s=30))
            found[place] = _major(done.stdout.partition(")")[2])
            if found[place] == major:
                return place
    if found:
        raise Refusal("scratch_other_version", version=major,
                      found=", ".join(f"{place}: {version or '?'}" for place, version in found.items()))
    raise Refusal("scratch_programs_missing", version=major, where=", ".join(places))


def _major(version: str) -> str:
    found = re.match(r"\s*(\d+)", version)
    return found.group(1) if found else ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def _apart(place: Place, ground: Ground, redact: Redactor) -> t.Iterator[ScratchRuntime]:
    """Run the server in namespaces of its own, at production's own port, and yield what runs programs there."""
    host = str(ground.target.params.get("host") or "")
    request = {**place.request("*", ["--auth=trust"], ["host all all all trust"]), "covered": listening_sockets(),
               "answering": [*([host] if host.startswith("/") else []), *_SOCKET_DIRECTORIES],
               "openssl": shutil.which("openssl"), "outside": _scratch_inside.own_namespaces()}
    # Children of the first process in there are ended with it, and it with the program that made it.
    outer = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "--ipc",
             "--pid", "--fork", "--kill-child"]
    try:
        with running(place, outer, "hold", request, signal.SIGKILL) as process:
            if not wait_until(process, lambda: place.reached("ready")):
                said = place.log(redact)
                if place.reached("isolated"):
                    raise Refusal("scratch_does_not_start", where=place.bin_dir, error=said)
                raise Refusal("scratch_not_isolated", error=said.rpartition("\n")[2])
            with open(place.file("pid"), encoding="ascii") as stream:
                holder = stream.read()
            yield ScratchRuntime(place, [sys.executable, "-I", place.file("inside.py"), "enter", holder,
                                         str(os.geteuid()), str(os.getegid())])
    except FileNotFoundError as error:
        if error.filename != outer[0]:
            raise
        raise Refusal("scratch_not_isolated", error=str(error)) from error


@contextmanager
def _beside(place: Place, password: str, redact: Redactor) -> t.Iterator[ScratchRuntime]:
    """Run the server beside production, on a port of the loopback; yield what runs programs, which reach everything."""
    kept = place.file("password")
    with open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
        stream.write(password)
    request = place.request(LOOPBACK, ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={kept}"], [])
    if os.geteuid():
        request["account"] = None
    # At this signal the server ends at once and takes its shared memory with it.
    with running(place, [], "serve", request, signal.SIGQUIT) as process:
        if not wait_until(process, lambda: _scratch_inside.is_ready(place.file("data"))):
            raise Refusal("scratch_does_not_start", where=place.bin_dir, error=place.log(redact))
        yield ScratchRuntime(place)


def _give_passwords(connection: t.Any, password: str) -> None:
    for (name,) in rows(connection, "SELECT rolname FROM pg_roles WHERE rolcanlogin"):
        rows(connection, sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
