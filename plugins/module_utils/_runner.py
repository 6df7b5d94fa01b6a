# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How a program is run. Nothing above this module knows where.

A runtime turns a L(Program) into a L(Finished); streams go to disk, so memory stays flat whatever their size.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ._errors import Interrupted, Refusal

TICK_S = 0.2
GRACE_S = 5.0
# What is kept of a program's output: enough for a traceback, never a whole dump.
KEPT_BYTES = 256 * 1024

# What asks a process to stop.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


@dataclass
class Program:
    """A program to run: its arguments, what it reads and writes, and how long it may take.

    ``environment`` is added to the caller's. ``stdout`` names a file that receives standard output, created with
    mode 0600; otherwise the last ``kept_bytes`` are returned. ``timeout_s`` is in seconds.
    """

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stdin: bytes | None = None
    stdout: str | None = None
    cwd: str | None = None
    timeout_s: float | None = None
    kept_bytes: int = KEPT_BYTES

    def line(self) -> str:
        """Return the command as one could type it again; the environment, where secrets live, is not part of it."""
        return shlex.join(self.argv) + (f" > {shlex.quote(self.stdout)}" if self.stdout else "")


@dataclass
class Finished:
    """What a program left: status (negative: a signal), output, seconds, and why it was ended early, if it was."""

    rc: int
    stdout: str
    stderr: str
    duration_s: float
    ended_by: str = ""


class HostRuntime:
    """Programs of the managed node itself."""

    def __init__(self, bin_dir: str | None = None) -> None:
        self.bin_dir = bin_dir

    def client(self, name: str) -> str:
        """Return the path of a PostgreSQL client program. Raises Refusal where there is none."""
        path = shutil.which(name, path=self.bin_dir) if self.bin_dir else shutil.which(name)
        if not path:
            raise Refusal("client_program_missing", program=name, where=self.bin_dir or os.environ.get("PATH", ""))
        return path

    def run(self, program: Program, watch: t.Callable[[], str | None] | None = None) -> Finished:
        """Run a program to its end.

        ``watch`` is called every fifth of a second; the reason it returns ends the program, as the time limit does.
        However this function is left, by return or by exception, the program and its children are gone. Raises
        Refusal when the program cannot be started.
        """
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as feed, \
                _sink(program.stdout, out) as sink:
            feed.write(program.stdin or b"")
            feed.seek(0)
            # A signal waits until there is something that ends the program.
            unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                    program.argv, stdin=feed, stdout=sink, stderr=err, cwd=program.cwd,
                    env={**os.environ, **program.environment}, start_new_session=True,
                    preexec_fn=_prepare_child(os.getpid()))
            except BaseException as error:
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                if isinstance(error, OSError):
                    raise Refusal("program_cannot_start", command=program.line(), error=str(error)) from error
                raise
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
                ended_by = _wait(process, program, began, watch)
            finally:
                end_group(process)
            return Finished(process.returncode, _tail(out, program.kept_bytes), _tail(err, KEPT_BYTES),
                            time.monotonic() - began, ended_by)


def _wait(process: subprocess.Popen[bytes], program: Program, began: float,
          watch: t.Callable[[], str | None] | None) -> str:
    while True:
        try:
            process.wait(TICK_S)
            return ""
        except subprocess.TimeoutExpired:
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


def _prepare_child(parent: int) -> t.Callable[[], None]:
    """Let a child hear signals, and have it killed when its parent dies, even by one nobody can catch (Linux)."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        prctl = None

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if prctl:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # The parent died before the request was made.
                os._exit(127)

    return prepare


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
    """Turn the signals that ask a process to stop into an exception, so that work in progress is ended, not left."""

    def stop(signum: int, _frame: object) -> None:
        # One is enough: a second must not cut short the ending of the work.
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(signum)

    before = {signum: signal.signal(signum, stop) for signum in SIGNALS}
    try:
        yield
    except Interrupted:
        raise
    except BaseException:
        _restore(before)
        raise
    _restore(before)


def _restore(handlers: dict[signal.Signals, t.Any]) -> None:
    for signum, handler in handlers.items():
        signal.signal(signum, handler)
