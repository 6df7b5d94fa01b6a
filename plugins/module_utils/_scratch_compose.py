# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A scratch server beside a Compose project: a container of the live database's image, without any network.

Sessions of ours come through a Unix socket in a private directory. Of the project it shares nothing but images: no
network, volume, port or name.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from ._backup import PARAMETERS, parse_reserve
from ._compose import POSTGRES_PORT, Project, environment_of
from ._compose_runtime import END_LABELLED, ComposeRuntime
from ._database import Target, identity, session_name
from ._docker import RUN_LABEL, STEP_LABEL, Container, Docker, guardian
from ._errors import Refusal
from ._ground import Ground
from ._redact import Redactor, last_words
from ._scratch import SUPERUSER, Scratch, Wish, dress, require_scratch
from ._scratch_runtime import LOOPBACK, ScratchRuntime, hosts_of, is_address, linked_in

START_LIMIT_S = 60.0
# Where the server's container has its socket. A socket's whole path has 107 bytes at most.
_SOCKETS, _LONGEST_DIRECTORY = "/recyclic-rollback", 60
_KEPT = PARAMETERS
_OWN = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "listen_addresses=*", "ssl=off",
        f"unix_socket_directories={_SOCKETS}", "unix_socket_permissions=0777", "logging_collector=off",
        "log_destination=stderr")
_FIND = ('for p in /proc/[0-9]*; do case "$(cat "$p/comm" 2>/dev/null)" in postgres|postmaster) "$@" "$p/$0" && exit;; '
         'esac; done; exit 1')
_SERVE = """data=/tmp/recyclic-rollback
"$0/initdb" -D $data -U "$1" --auth=trust --no-sync --no-locale --encoding=UTF8 >/dev/null || exit
echo 'host all all all trust' >> $data/pg_hba.conf
shift
exec "$0/postgres" -D $data "$@"
"""


@dataclass(frozen=True)
class _Live:
    """The live server, as far as the scratch server has to be like it: user and group, programs, settings, hosts."""

    container: Container
    owner: str
    bin_dir: str
    settings: dict[str, str]
    shared_memory: int
    hosts: frozenset[str]


@contextmanager
def compose_scratch(ground: Ground, wish: Wish, redact: Redactor) -> t.Iterator[Scratch]:
    """Yield a scratch server beside a Compose project; see scratch_server.

    A network of its own is always to be had here, so nothing is asked of ``wish.isolation`` and ``wish.environment``,
    and the data lies in the container, not in ``wish.directory``.
    """
    production = t.cast(ComposeRuntime, ground.runtime)
    docker, project = production.docker, production.project
    project.require_image(project.layout.migrations)
    short = _require_disk(docker, wish)
    live = _look_at(production, wish)
    token = secrets.token_hex(8)
    mine, name = f"label={STEP_LABEL}={token}", f"{project.name}-scratch-{token}"
    hosts = live.hosts | _hosts_in(project, wish)
    made = False

    def end() -> None:
        # A client that was ended may have left it being made.
        production.end_one_shots(mine, looks=1 if made else 10)

    with _directory() as home, guardian(f'{END_LABELLED}; rm -rf "$2"', mine, home, ending=end):
        sockets = _furnish(home, live)
        labels = [f"{RUN_LABEL}={wish.run_id or ''}", f"{STEP_LABEL}={token}"]
        done = docker.call(*_server_argv(live, home, name, labels, hosts))
        if done.rc or done.ended_by:
            raise Refusal("scratch_not_started", image=live.container.image_name, error=last_words(done, redact))
        made = True
        params = {"dbname": wish.like["database"], "user": SUPERUSER, "host": sockets,
                  "port": int(live.settings["port"])}
        target = Target(params, inside={**params, "host": _SOCKETS})
        identifier = _await(docker, target, live, mine, redact)
        require_scratch(identifier, str(wish.like["system_identifier"]))
        dress(target, wish.like)
        [server] = docker.containers(mine)
        yield Scratch(target, ScratchRuntime(project, server, wish.run_id, hosts, short), wish.like, identifier,
                      dict(wish.environment))


def _require_disk(docker: Docker, wish: Wish) -> t.Callable[[], bool]:
    """Return what tells whether the reserve is being eaten, where the engine's own directory can be seen.

    Raises Refusal when what is wanted would eat into it.
    """
    argv = ("info", "--format", "{{json .DockerRootDir}}")
    root = str(docker.read(docker.call(*argv), *argv) or "")
    if not os.path.isdir(root):
        return lambda: False
    disk = shutil.disk_usage(root)
    reserve = parse_reserve(wish.reserve, disk.total)
    if disk.free - wish.needed_bytes < reserve:
        raise Refusal("scratch_disk_too_small", path=root, free=disk.free, expected=wish.needed_bytes, reserve=reserve)
    return lambda: shutil.disk_usage(root).free < reserve


def _look_at(production: ComposeRuntime, wish: Wish) -> _Live:
    """Look at the live server. Raises Refusal where its image is gone, or none is seen at work in its container."""
    container, docker = production.database, production.docker
    if docker.image(container.image) is None:
        raise Refusal("scratch_image_missing", image=container.image_name, id=container.image, name=container.name)
    owner = _of_server(docker, container, [], ".", "stat", "-c", "%u:%g")
    # Nobody but that user is told what it runs.
    program = _of_server(docker, container, ["--user", owner], "exe", "readlink")
    # As a backup's manifest has them: the live server may have no session to spare.
    known = {"port": str(container.environment.get("PGPORT") or POSTGRES_PORT),
             **{name: text for name, text in (wish.like.get("parameters") or {}).items() if name in _KEPT}}
    [entry] = docker.inspect([container.id])
    networks = (entry["NetworkSettings"].get("Networks") or {})
    names = {container.service, container.name, entry["Config"].get("Hostname") or container.name}
    names |= {alias for each in networks.values() for alias in each.get("Aliases") or []}
    # The engine's own resolver knows them with their network's name as well.
    names |= {f"{each}.{network}" for each in names for network in networks}
    return _Live(container, owner, os.path.dirname(program), known, entry["HostConfig"]["ShmSize"],
                 frozenset(names) | frozenset(container.addresses.values()))


def _of_server(docker: Docker, container: Container, options: list[str], entry: str, *command: str) -> str:
    """Return what a command says of an entry in /proc of the server's first process; see _FIND."""
    done = docker.call("exec", *options, container.id, "sh", "-c", _FIND, entry, *command)
    if done.rc or done.ended_by or not done.stdout.strip():
        raise Refusal("scratch_server_unseen", name=container.name, error=docker.last_words(done))
    return done.stdout.strip()


def _hosts_in(project: Project, wish: Wish) -> set[str]:
    """Return the hosts the migrations' definition and Alembic's variables speak of."""
    definition = project.service(project.layout.migrations)
    return linked_in(definition) | hosts_of({**environment_of(definition), **wish.variables})


def _directory() -> tempfile.TemporaryDirectory[str]:
    base = tempfile.gettempdir()
    usable = len(base) <= _LONGEST_DIRECTORY and ":" not in base
    return tempfile.TemporaryDirectory(prefix="recyclic-rollback-", dir=base if usable else "/tmp")


def _furnish(home: str, live: _Live) -> str:
    """Put into a private directory what the container is shown; return the directory of the server's socket."""
    sockets = os.path.join(home, "sockets")
    os.mkdir(sockets)
    # Ours and without the sticky bit: what the server leaves there can be removed, whoever it belongs to.
    os.chmod(sockets, 0o777)
    # A server may run as a user its image does not know, and initdb asks for that user's name.
    user, _colon, group = live.owner.partition(":")
    with open(os.path.join(home, "passwd"), "w", encoding="ascii") as stream:
        stream.write(f"root:x:0:0:root:/root:/bin/sh\npostgres:x:{user}:{group}:postgres:/tmp:/bin/sh\n")
    os.chmod(stream.name, 0o644)
    return sockets


def _server_argv(live: _Live, home: str, name: str, labels: list[str], hosts: t.Iterable[str]) -> list[str]:
    """Return the arguments of the engine's client that start the server."""
    settings = [*_OWN, *(f"{key}={text}" for key, text in sorted(live.settings.items()))]
    options = ["--detach", "--pull", "never", "--network", "none", "--name", name, "--user", live.owner,
               "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--no-healthcheck",
               # Should memory run short, it is not production's that is taken.
               "--oom-score-adj", "500", "--log-driver", "json-file", "--log-opt", "max-size=1m",
               "--volume", f"{home}/sockets:{_SOCKETS}:z", "--volume", f"{home}/passwd:/etc/passwd:ro,z"]
    if live.shared_memory:
        options += ["--shm-size", str(live.shared_memory)]
    options += [word for each in labels for word in ("--label", each)]
    options += [word for host in sorted(hosts) if not is_address(host) for word in ("--add-host", f"{host}:{LOOPBACK}")]
    return ["run", *options, "--entrypoint", "sh", live.container.image, "-c", _SERVE, live.bin_dir, SUPERUSER,
            *(word for each in settings for word in ("-c", each))]


def _await(docker: Docker, target: Target, live: _Live, mine: str, redact: Redactor) -> str:
    """Return the server's identifier as soon as it answers. Raises Refusal, with its own words, where it does not."""
    deadline = time.monotonic() + START_LIMIT_S
    own = replace(target, params={**target.params, "dbname": "postgres"})
    while True:
        # Asked first: one that ends in between is seen the next time.
        running = any(each.running for each in docker.containers(mine))
        with suppress(Refusal), own.open(session_name(None, "scratch")) as connection:
            return str(identity(connection)["system_identifier"])
        if not running or time.monotonic() > deadline:
            said = docker.call("logs", "--tail", "20", *(each.id for each in docker.containers(mine)))
            raise Refusal("scratch_not_started", image=live.container.image_name, error=last_words(said, redact))
        time.sleep(0.1)
