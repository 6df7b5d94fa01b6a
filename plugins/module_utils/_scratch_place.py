# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Where a scratch server of the managed node lies and runs; of neither anything remains, however that ends."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from . import _scratch_inside
from ._backup import PARAMETERS, YOUNG_S, parse_reserve
from ._docker import guardian
from ._errors import Problem, Refusal
from ._evidence import private_directory, process_mark, read_json, write_json
from ._redact import Redactor
from ._runner import HELD, prepare_child
from ._scratch import SUPERUSER, Wish

START_LIMIT_S, END_LIMIT_S, TICK_S = 60.0, 10.0, 0.01
PREFIX = "recyclic-scratch-"
# What an empty server of today takes, with the log it writes ahead of what is put into it.
EMPTY_BYTES, LOG_BYTES = 64 * 2**20, 256 * 2**20
# A socket's path may have 107 bytes.
_LONGEST_DIRECTORY = 70
# As long as something is left: the server may still be writing.
_REMOVE = 'for n in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$@"; [ -e "$1" ] || [ -e "$2" ] || exit 0; sleep 0.5; done'
_SETTINGS = {
    "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "wal_level": "minimal",
    "max_wal_senders": "0", "max_wal_size": "256MB", "huge_pages": "off",
    # Of a server that is killed nothing remains outside its directory.
    "dynamic_shared_memory_type": "mmap",
}


@dataclass(frozen=True)
class Place:
    """Where a scratch server is: its directory, that of its socket, its programs, its port.

    ``reserve`` is what must stay free, in bytes; ``like`` is the server it stands for.
    """

    home: str
    sockets: str
    bin_dir: str
    port: int
    reserve: int
    like: t.Mapping[str, t.Any]

    def file(self, name: str) -> str:
        """Return the path of a file of the server's."""
        return os.path.join(self.home, name)

    def reached(self, name: str) -> bool:
        """Tell whether the program inside says that it came so far."""
        return os.path.exists(self.file(name))

    def short(self) -> str | None:
        """Say so when too little room is left here for anybody: a reason to end what fills it."""
        return "disk_reserve" if shutil.disk_usage(self.home).free < self.reserve else None

    def log(self, redact: Redactor, characters: int = 1000) -> str:
        """Return the end of what the server said."""
        with open(self.file("server.log"), encoding="utf-8", errors="replace") as stream:
            return redact(stream.read().strip())[-characters:]

    def request(self, listen: str, initdb: t.Sequence[str], hba: t.Sequence[str]) -> dict[str, t.Any]:
        """Return what the program inside is asked for; see there."""
        theirs = self.like.get("parameters") or {}
        settings = {**{name: theirs[name] for name in PARAMETERS if name in theirs}, **_SETTINGS, "port": self.port,
                    "listen_addresses": listen, "unix_socket_directories": self.sockets}
        data = self.file("data")
        return {
            "directory": self.home, "sockets": self.sockets, "port": self.port, "account": server_account(), "hba": hba,
            "initdb": [os.path.join(self.bin_dir, "initdb"), "-D", data, "-U", SUPERUSER, "--no-sync",
                       "--encoding=UTF8", "--locale=C", *initdb],
            "postgres": [os.path.join(self.bin_dir, "postgres"), "-D", data,
                         *(word for name, text in settings.items() for word in ("-c", f"{name}={text}"))]}


def server_account() -> list[int]:
    """Return the account, by name alone, under which PostgreSQL runs: it refuses root, and one without a name."""
    own, group = os.geteuid(), os.getegid()
    if own:
        with suppress(KeyError):
            pwd.getpwuid(own)
            return [own, group]
    named = [entry for entry in pwd.getpwall() if entry.pw_uid]
    chosen = next((entry for entry in named if entry.pw_name == "nobody"), named[0] if named else None)
    return [chosen.pw_uid, chosen.pw_gid] if chosen else [65534, 65534]


@contextmanager
def directories(wish: Wish) -> t.Iterator[tuple[str, str, int]]:
    """Yield a directory for the server and a short one for its socket, both gone afterwards, whatever happens.

    The third is what must stay free there, in bytes. Raises Refusal where that is not to be had.
    """
    directory = os.path.abspath(wish.directory)
    missing = [directory]
    while not os.path.isdir(missing[-1]):
        missing.append(os.path.dirname(missing[-1]))
    token = PREFIX + secrets.token_hex(6)
    usual = tempfile.gettempdir()
    home = os.path.join(directory, token)
    sockets = os.path.join(usual if len(os.fsencode(usual)) < _LONGEST_DIRECTORY else "/tmp", f"{token}-socket")
    try:
        if len(missing) > 1:
            private_directory(directory)
        sweep(directory)
        reserve = _require_room(directory, wish)
        with guardian(_REMOVE, home, sockets):
            try:
                for path in (home, sockets):
                    os.mkdir(path, mode=0o700)
                write_json(os.path.join(home, "owner.json"), {"pid": os.getpid(), "mark": process_mark(os.getpid())})
                yield home, sockets, reserve
            finally:
                _remove(home, sockets)
    finally:
        for path in missing[:-1]:
            with suppress(OSError):  # Another's is in it by now.
                os.rmdir(path)


def _remove(*paths: str) -> None:
    deadline = time.monotonic() + END_LIMIT_S
    for path in paths:
        while os.path.lexists(path):
            try:
                shutil.rmtree(path)
            except OSError as error:  # The last of the server's processes may still be writing.
                if time.monotonic() > deadline:
                    raise Problem("scratch_left", path=path, error=error.strerror or str(error)) from error
                time.sleep(TICK_S)


def sweep(directory: str) -> list[str]:
    """Remove what scratch servers left here whose module died with everything else, and return the names."""
    swept = []
    for entry in os.scandir(directory):
        if not entry.name.startswith(PREFIX):
            continue
        with suppress(FileNotFoundError):  # Its module is removing it.
            found = entry.stat(follow_symlinks=False)
            # Elsewhere than in a directory of ours, anybody may have made one of such a name.
            if found.st_uid != os.geteuid() or not entry.is_dir(follow_symlinks=False):
                continue
            owner = read_json(os.path.join(entry.path, "owner.json"))
            at_work = owner and owner["mark"] and process_mark(owner["pid"]) == owner["mark"]
            if at_work or (not owner and time.time() - found.st_mtime < YOUNG_S):
                continue
            shutil.rmtree(entry.path)
            swept.append(entry.name)
    return swept


def _require_room(directory: str, wish: Wish) -> int:
    """Return the reserve in bytes. Raises Refusal when the server would eat into it."""
    disk = shutil.disk_usage(directory)
    reserve = parse_reserve(wish.reserve, disk.total)
    expected = EMPTY_BYTES + wish.needed_bytes + min(LOG_BYTES, wish.needed_bytes)
    if disk.free - expected < reserve:
        raise Refusal("scratch_disk_too_small", path=directory, free=disk.free, expected=expected, reserve=reserve)
    return reserve


@contextmanager
def running(place: Place, outer: list[str], act: str, request: dict[str, t.Any], ending: signal.Signals
            ) -> t.Iterator[subprocess.Popen[bytes]]:
    """Run the program inside; it is ended when this is left, and when this process dies."""
    # Read through the loader: Ansible ships module_utils inside a zip file. Its own loader gives bytes.
    source = _scratch_inside.__loader__.get_source(_scratch_inside.__name__)  # type: ignore[union-attr]
    with open(place.file("inside.py"), "wb") as script:
        script.write(source if isinstance(source, bytes) else source.encode())
    with open(place.file("request.json"), "w", encoding="utf-8") as asked:
        json.dump(request, asked)
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
    argv = [*outer, sys.executable, "-I", place.file("inside.py"), act, place.file("request.json")]
    with open(place.file("server.log"), "wb") as log:
        # A signal waits until there is something that ends the program.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                env={**environment, "LC_ALL": "C"}, preexec_fn=prepare_child(os.getpid(), ending))
        except BaseException:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        yield process
    finally:
        _end(process, place, ending)


def wait_until(process: subprocess.Popen[bytes], ready: t.Callable[[], bool]) -> bool:
    """Wait for a server to be ready; tell whether it is, or has ended, or takes too long."""
    deadline = time.monotonic() + START_LIMIT_S
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(TICK_S)
    return True


def _end(process: subprocess.Popen[bytes], place: Place, ending: signal.Signals) -> None:
    with suppress(ProcessLookupError, FileNotFoundError, subprocess.TimeoutExpired):
        if process.poll() is None and ending == signal.SIGKILL:
            # Whoever waits for the first process of a namespace has waited for all of them.
            with open(place.file("pid"), encoding="ascii") as stream:
                os.kill(int(stream.read()), signal.SIGKILL)
        elif process.poll() is None:
            process.send_signal(ending)
        process.wait(END_LIMIT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
