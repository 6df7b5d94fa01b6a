# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How a program is run. Nothing above the runtimes knows where.

A runtime turns a Program into a Finished; streams go to disk, so memory stays flat whatever their size. This one runs
programs on the managed node itself; that of Compose stands on it.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from . import _progress
from ._errors import Interrupted, Refusal

TICK_S = 0.2
GRACE_S = 5.0
# What is kept of a program's output: enough for a traceback, never a whole dump.
KEPT_BYTES = 256 * 1024

# Where a program belongs: beside PostgreSQL's clients, in the application's environment, or in a copy of that
# environment from which nothing can be reached.
CLIENT, APPLICATION, ISOLATED = "client", "application", "isolated"

# Each socket named first is covered by a file that is no socket, then the program takes this shell's place. A private
# network namespace alone would leave the server's Unix socket within reach. One that is gone since it was listed needs
# no cover: container engines make and remove theirs all the time. A PostgreSQL server that starts again will be back.
_COVER = """
n=$1; shift
while [ "$n" -gt 0 ]; do
    if ! said=$(mount --bind /dev/null "$1" 2>&1); then
        if [ -e "$1" ]; then echo "$said" >&2; exit 97; fi
        case $1 in */.s.PGSQL.*) if [ -e "${1%/*}" ]; then echo "$said" >&2; exit 97; fi;; esac
    fi
    shift; n=$((n-1))
done
exec "$@"
"""
_LISTENING = 0x10000  # __SO_ACCEPTCON in the flags of /proc/net/unix

# What asks a process to stop, and what reminds one that was asked.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
REMINDER, REMIND_S = signal.SIGALRM, 0.2
HELD = (*SIGNALS, REMINDER)
_PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """A program to run: its arguments, what it reads and writes, and how long it may take.

    ``environment`` is added to what the place has. ``stdin`` is content, or the name of a file given as ``stdin_file``.
    ``stdout`` names a file that receives standard output, created with mode 0600; otherwise the last ``kept_bytes``
    are returned. ``timeout_s`` is in seconds. ``place`` is one of the three above.
    """

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    stdin_file: str | None = None
    stdout: str | None = None
    cwd: str | None = None
    timeout_s: float | None = None
    kept_bytes: int = KEPT_BYTES
    place: str = CLIENT

    def line(self) -> str:
        """Return the command as one could type it again; the environment, where secrets live, is not part of it."""
        files = (("<", self.stdin_file), (">", self.stdout))
        return shlex.join(self.argv) + "".join(f" {sign} {shlex.quote(path)}" for sign, path in files if path)


@dataclass
class Finished:
    """What a program left: status (negative: a signal), output, seconds, and why it was ended early, if it was."""

    rc: int
    stdout: str
    stderr: str
    duration_s: float
    ended_by: str = ""


class Runtime(t.Protocol):
    """Where programs run.

    ``addresses`` are those from which a program that was ended early may have left sessions on the server.
    """

    name: str
    addresses: set[str]

    def client(self, name: str) -> str:
        """Return how a PostgreSQL client program is called. Raises Refusal where it can be seen that there is none."""

    def whereabouts(self) -> dict[str, t.Any]:
        """Return what a backup's manifest says of where client programs are."""

    def shown(self, program: Program) -> str:
        """Return the command as one could type it again on the managed node."""

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end; see HostRuntime."""

    def end_left(self, run_id: str) -> list[str]:
        """End what a run that was cut off left at work besides its processes, and say what it was."""

    def require_idle(self) -> None:
        """Raise Refusal when somebody else's migration is at work where this can be seen."""


class HostRuntime:
    """Programs of the managed node itself."""

    name = "host"

    def __init__(self, bin_dir: str | None = None) -> None:
        self.bin_dir = bin_dir
        self.addresses: set[str] = set()

    def client(self, name: str) -> str:
        """Return the path of a PostgreSQL client program. Raises Refusal where there is none."""
        path = shutil.which(name, path=self.bin_dir) if self.bin_dir else shutil.which(name)
        if not path:
            raise Refusal("client_program_missing", program=name, where=self.bin_dir or os.environ.get("PATH", ""))
        return path

    def whereabouts(self) -> dict[str, t.Any]:
        """Return the directory of pg_dump: older programs than those that wrote a dump cannot read it."""
        return {"bin_dir": os.path.dirname(self.client("pg_dump"))}

    def shown(self, program: Program) -> str:
        """Return the command as one could type it again."""
        return program.line()

    def end_left(self, _run_id: str) -> list[str]:
        """Nothing outlives the processes here."""
        return []

    def require_idle(self) -> None:
        """A migration somebody else started here is seen by nothing that could be relied on."""

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end.

        ``watch`` is called every fifth of a second; the reason it returns ends the program, as the time limit does.
        However this function is left, by return or by exception, the program and its children are gone. Raises
        Refusal when the program cannot be started.
        """
        began = time.monotonic()
        argv = [*isolation(), *program.argv] if program.place == ISOLATED else program.argv
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, _source(program) as feed, \
                _sink(program.stdout, out) as sink:
            # A signal waits until there is something that ends the program.
            unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
            try:
                process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                    argv, stdin=feed, stdout=sink, stderr=err, cwd=program.cwd,
                    env={**os.environ, **program.environment}, start_new_session=True,
                    preexec_fn=prepare_child(os.getpid()))
            except BaseException as error:
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                if isinstance(error, OSError):
                    raise Refusal("program_cannot_start", command=program.line(), error=str(error)) from error
                raise
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                ended_by = _wait(process, program, began, watch, lambda: _progress.moved(
                    feed if program.stdin_file else None, sink if program.stdout else None))
            finally:
                end_group(process)
            return Finished(process.returncode, _tail(out, program.kept_bytes), _tail(err, KEPT_BYTES),
                            time.monotonic() - began, ended_by)


def _wait(process: subprocess.Popen[bytes], program: Program, began: float,
          watch: t.Callable[[], str | None] | None, tell: t.Callable[[], None]) -> str:
    while True:
        try:
            process.wait(TICK_S)
            return ""
        except subprocess.TimeoutExpired:
            tell()
            reason = watch() if watch else None
            if reason is None and program.timeout_s is not None and time.monotonic() - began > program.timeout_s:
                reason = "timeout"
            if reason is not None:
                return reason


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it started: a polite signal, five seconds, then one that cannot be refused."""
    try:
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_S)
    finally:
        # Also when a second signal interrupts the wait.
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(group: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signum)


def prepare_child(parent: int, ending: int = signal.SIGKILL) -> t.Callable[[], None]:
    """Let a child hear signals, and have it ended when its parent dies, even by one nobody can catch (Linux)."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        prctl = None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
        if prctl:
            prctl(_PR_SET_PDEATHSIG, ending, 0, 0, 0)
            if os.getppid() != parent:  # The parent died before the request was made.
                os._exit(127)

    return prepare


def isolation() -> list[str]:
    """Return what to put before a command so that it reaches no network and no Unix socket somebody listens on."""
    sockets = listening_sockets()
    return ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount",
            "sh", "-c", _COVER, "sh", str(len(sockets)), *sockets]


def listening_sockets() -> list[str]:
    """Return the Unix sockets that have a name in the file system and somebody listening; none outside Linux."""
    try:
        with open("/proc/net/unix", encoding="utf-8", errors="replace") as stream:
            lines = [line.split(None, 7) for line in stream.readlines()[1:]]
    except OSError:
        return []
    found = {line[7].strip() for line in lines if len(line) == 8 and int(line[3], 16) & _LISTENING}
    return sorted(path for path in found if path.startswith("/") and os.path.exists(path))


@contextmanager
def _source(program: Program) -> t.Iterator[t.IO[bytes]]:
    if program.stdin_file:
        with open(program.stdin_file, "rb") as stream:
            yield stream
        return
    with tempfile.TemporaryFile() as feed:
        feed.write(program.stdin or b"")
        feed.seek(0)
        yield feed


@contextmanager
def _sink(path: str | None, default: t.IO[bytes]) -> t.Iterator[t.IO[bytes]]:
    if path is None:
        yield default
        return
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
        yield sink


def _tail(stream: t.IO[bytes], kept_bytes: int) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - kept_bytes))
    return stream.read().decode("utf-8", errors="replace")


@contextmanager
def interruptible() -> t.Iterator[None]:
    """Turn the signals that ask a process to stop into an exception, so that work in progress is ended, not left.

    The exception comes between any two instructions, and is lost where these belong to a C library that drops the
    errors of what it calls: psycopg2 does so when it decodes a notice. So it is raised again until it is under way, and
    at the latest when the work has come to its end.
    """
    heard: list[int] = []

    def stop(signum: int, _frame: object) -> None:
        # One is enough: a second must not cut short the ending of the work.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        heard.append(signum)
        signal.setitimer(signal.ITIMER_REAL, REMIND_S, REMIND_S)
        raise Interrupted(signum)

    def remind(_signum: int, _frame: object) -> None:
        if not _under_way(sys.exc_info()[1]):
            raise Interrupted(heard[0])

    before = {signum: signal.signal(signum, stop) for signum in SIGNALS}
    other = signal.signal(REMINDER, remind)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(REMINDER, other)
        if not heard:
            for signum, handler in before.items():
                signal.signal(signum, handler)
    if heard:
        raise Interrupted(heard[0])


def _under_way(error: BaseException | None) -> bool:
    """Tell whether an exception is an interruption, or came up while one was ending the work."""
    while error is not None and not isinstance(error, Interrupted):
        error = error.__context__
    return error is not None
