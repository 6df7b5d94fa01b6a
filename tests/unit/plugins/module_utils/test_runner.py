# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Real programs: bounded, watched, and gone however they are left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _runner
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import ISOLATED, Finished, HostRuntime, Program

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
_UNSHARE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "true"]
needs_namespaces = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(_UNSHARE, capture_output=True, check=False).returncode != 0,
    reason="no namespaces here")


def sh(script: str, *arguments: str, **options: Any) -> Program:
    return Program(["/bin/sh", "-c", script, "sh", *arguments], **options)


def run(program: Program, watch: Callable[[], str | None] | None = None) -> Finished:
    return HostRuntime().run(program, watch)


def alive(pid: int) -> bool:
    """Tell whether a process still runs; one that nobody has waited for yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_runner, "GRACE_S", 0.4)


@pytest.fixture
def bounded() -> Iterator[None]:
    """Turn what would hang into a failure."""

    def hang(_signum: int, _frame: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(4)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_status_and_both_outputs_are_returned() -> None:
    done = run(sh("echo out; echo err >&2; exit 3"))
    assert (done.rc, done.stdout, done.stderr, done.ended_by) == (3, "out\n", "err\n", "")
    assert 0 < done.duration_s < 5


def test_a_program_reads_what_it_is_given_and_nothing_else() -> None:
    assert run(Program(["/bin/cat"], stdin="né".encode())).stdout == "né"
    assert run(Program(["/bin/cat"])).stdout == "", "without input, standard input is empty, not the operator's"


def test_a_program_that_does_not_read_its_input_is_no_error() -> None:
    assert run(Program(["/bin/sh", "-c", "exit 4"], stdin=b"x" * 1_000_000)).rc == 4


def test_the_time_limit_holds_while_a_program_does_not_read_its_input(bounded: None) -> None:
    done = run(sh("sleep 60", stdin=b"x" * 1_000_000, timeout_s=0.3))
    assert done.ended_by == "timeout"


def test_environment_is_added_and_directory_is_chosen(tmp_path: Path) -> None:
    done = run(sh('echo "$ADDED $HOME"; pwd', environment={"ADDED": "value"}, cwd=str(tmp_path)))
    assert done.stdout == f"value {os.environ.get('HOME', '')}\n{tmp_path}\n"


def test_output_that_is_no_text_is_returned_as_far_as_it_is() -> None:
    assert run(sh(r"printf 'a\377b'")).stdout == "a\ufffdb"


def test_of_a_long_output_the_end_is_kept() -> None:
    done = run(Program([sys.executable, "-c", "print('first'); print('x' * 1_000_000); print('last')"]))
    assert done.rc == 0
    assert len(done.stdout) == _runner.KEPT_BYTES
    assert done.stdout.endswith("x\nlast\n") and "first" not in done.stdout


def test_standard_output_goes_whole_to_a_private_file(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        done = run(Program([sys.executable, "-c", "print('x' * 1_000_000)"], stdout=str(tmp_path / "dump")))
    finally:
        os.umask(umask)
    assert (done.rc, done.stdout) == (0, "")
    assert (tmp_path / "dump").stat().st_size == 1_000_001
    assert stat.S_IMODE((tmp_path / "dump").stat().st_mode) == 0o600


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "dump").write_text("an earlier backup")
    with pytest.raises(FileExistsError):
        run(sh("echo new", stdout=str(tmp_path / "dump")))
    assert (tmp_path / "dump").read_text() == "an earlier backup"


@pytest.mark.parametrize("program", [
    Program(["/nonexistent/pg_dump", "--version"]), Program(["/etc/passwd"]),
    Program(["/bin/true"], cwd="/nonexistent"),
], ids=["missing", "not executable", "no such directory"])
def test_what_cannot_be_started_is_refused(program: Program) -> None:
    with pytest.raises(Refusal) as refused:
        run(program)
    assert refused.value.key == "program_cannot_start"
    assert refused.value.facts["command"] == program.line()


@pytest.mark.parametrize(("argv", "error"), [
    (["/nonexistent/pg_dump"], Refusal), (["/bin/echo", "a\0b"], ValueError),
], ids=["missing", "no argument can hold this"])
def test_what_cannot_be_started_leaves_signals_as_they_were(argv: list[str], error: type[Exception]) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    try:
        with pytest.raises(error):
            run(Program(argv))
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_client_program_is_found_where_it_is_said_to_be_or_refused(tmp_path: Path) -> None:
    (tmp_path / "pg_dump").write_text("#!/bin/sh\n")
    (tmp_path / "pg_dump").chmod(0o755)
    (tmp_path / "pg_restore").write_text("not executable")
    runtime = HostRuntime(str(tmp_path))
    assert runtime.client("pg_dump") == str(tmp_path / "pg_dump")
    assert HostRuntime().client("sh").endswith("/sh")
    for name in ("pg_restore", "psql"):
        with pytest.raises(Refusal) as refused:
            runtime.client(name)
        assert refused.value.facts == {"program": name, "where": str(tmp_path)}


@pytest.mark.parametrize(("program", "line"), [
    (Program(["pg_dump", "--dbname=host=h dbname=a b"]), "pg_dump '--dbname=host=h dbname=a b'"),
    (Program(["psql", "-c", "SELECT 'x'"], environment={"PGPASSWORD": "s3cret"}), "psql -c 'SELECT '\"'\"'x'\"'\"''"),
    (Program(["pg_dump"], stdout="/a b/dump"), "pg_dump > '/a b/dump'"),
])
def test_a_command_can_be_typed_again_and_shows_no_environment(program: Program, line: str) -> None:
    assert program.line() == line


FAMILY = 'sleep 60 & echo $! > "$1"; echo $$ >> "$1"; wait'


def family(path: Path) -> list[int]:
    text = path.read_text() if path.exists() else ""
    return [int(line) for line in text.split()] if text.count("\n") == 2 else []


@linux
def test_the_time_limit_ends_a_program_and_its_children(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    done = run(sh(FAMILY, str(tmp_path / "pids"), timeout_s=0.3))
    assert (done.ended_by, done.rc) == ("timeout", -signal.SIGTERM)
    assert done.duration_s < 3
    pids = family(tmp_path / "pids")
    assert len(pids) == 2 and eventually(lambda: not any(map(alive, pids)))


@linux
def test_the_reason_a_watcher_gives_ends_the_program(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    seen: list[float] = []

    def watch() -> str | None:
        seen.append(time.monotonic())
        return "disk_reserve" if len(seen) == 3 else None

    done = run(sh(FAMILY, str(tmp_path / "pids")), watch)
    assert (done.ended_by, len(seen)) == ("disk_reserve", 3)
    pids = family(tmp_path / "pids")
    assert len(pids) == 2 and eventually(lambda: not any(map(alive, pids)))


@linux
def test_a_watcher_that_fails_leaves_no_program_behind(tmp_path: Path, eventually: Callable[..., Any]) -> None:
    def watch() -> str | None:
        if family(tmp_path / "pids"):
            raise ConnectionError("the watching session is gone")
        return None

    with pytest.raises(ConnectionError):
        run(sh(FAMILY, str(tmp_path / "pids")), watch)
    assert eventually(lambda: not any(map(alive, family(tmp_path / "pids"))))


@linux
def test_a_child_left_in_the_background_does_not_outlive_its_program(tmp_path: Path, eventually: Callable[..., Any]
                                                                     ) -> None:
    done = run(sh('sleep 60 & echo $! > "$1"; echo $$ >> "$1"', str(tmp_path / "pids")))
    assert (done.rc, done.ended_by) == (0, "")
    assert eventually(lambda: not any(map(alive, family(tmp_path / "pids"))))


@pytest.mark.parametrize("script", ["trap '' TERM; sleep 60", "trap '' TERM; while :; do sleep 0.1; done"])
def test_a_program_that_ignores_a_polite_signal_is_killed(impatient: None, script: str) -> None:
    done = run(sh(script, timeout_s=0.3))
    assert (done.ended_by, done.rc) == ("timeout", -signal.SIGKILL)
    assert done.duration_s < 4


def test_a_program_that_ends_politely_is_given_the_time_to_do_so() -> None:
    done = run(sh("trap 'sleep 0.3; echo tidied; exit 7' TERM; echo up; while :; do sleep 0.05; done", timeout_s=0.3))
    assert (done.ended_by, done.rc, done.stdout) == ("timeout", 7, "up\ntidied\n")


RUNNING = """
import signal, sys
from ansible_collections.recyclic.rollback.plugins.module_utils import _runner
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Interrupted
_runner.GRACE_S = float(sys.argv[3])
try:
    with _runner.interruptible():
        print("up")
        _runner.HostRuntime().run(_runner.Program(["/bin/sh", "-c", sys.argv[1], "sh", sys.argv[2]]))
except Interrupted as stopped:
    print("interrupted by", stopped.signum)
# The work is being ended: another signal must not cut that short.
print("ignored", [signal.getsignal(one) == signal.SIG_IGN for one in (signal.SIGTERM, signal.SIGHUP)])
"""


@linux
def test_a_program_dies_with_a_parent_that_is_killed(tmp_path: Path, python: Callable[..., Any],
                                                     eventually: Callable[..., Any]) -> None:
    parent = python(RUNNING, 'echo $$ > "$1"; echo >> "$1"; exec sleep 60', str(tmp_path / "pid"), "5")
    (pid,) = eventually(lambda: family(tmp_path / "pid"))
    assert alive(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: not alive(pid))


@linux
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_program_first_and_is_then_told(tmp_path: Path, python: Callable[..., Any],
                                                          eventually: Callable[..., Any], signum: signal.Signals
                                                          ) -> None:
    parent = python(RUNNING, FAMILY, str(tmp_path / "pids"), "5")
    pids = eventually(lambda: family(tmp_path / "pids"))
    parent.send_signal(signum)
    out, err = parent.communicate(timeout=8)
    assert out == f"up\ninterrupted by {int(signum)}\nignored [True, True]\n", err
    assert eventually(lambda: not any(map(alive, pids)), 1.0)


# The program's first act is to have its parent stopped, so that the signal comes while it is still being started.
AT_ONCE = """
import sys
from ansible_collections.recyclic.rollback.plugins.module_utils import _runner
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Interrupted
for _ in range(20):
    try:
        with _runner.interruptible():
            _runner.HostRuntime().run(_runner.Program(["/bin/sh", "-c", sys.argv[1], "sh", sys.argv[2]], timeout_s=5))
    except Interrupted:
        print("interrupted")
"""


@linux
def test_a_signal_that_comes_while_a_program_is_started_ends_it_as_well(
        tmp_path: Path, python: Callable[..., Any], eventually: Callable[..., Any]) -> None:
    pids = tmp_path / "pids"
    parent = python(AT_ONCE, 'sleep 60 & echo $! >> "$1"; kill -TERM $PPID; wait', str(pids))
    out, err = parent.communicate(timeout=20)
    left = [int(line) for line in pids.read_text().split()]
    try:
        assert out.count("interrupted") == 20, err
        assert eventually(lambda: not any(map(alive, left)), 1.0)
    finally:
        for pid in filter(alive, left):
            os.kill(pid, signal.SIGKILL)


@linux
def test_a_second_signal_does_not_leave_an_obstinate_program_behind(tmp_path: Path, python: Callable[..., Any],
                                                                    eventually: Callable[..., Any]) -> None:
    # What it started is not bound to the parent's death, so only the end of the whole group ends it.
    script = "trap '' TERM; sleep 60 & echo $! > \"$1\"; echo $$ >> \"$1\"; while :; do sleep 0.1; done"
    parent = python(RUNNING, script, str(tmp_path / "pids"), "1.0")
    pids = eventually(lambda: family(tmp_path / "pids"))
    try:
        parent.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # it is now waiting for the program to end politely
        parent.send_signal(signal.SIGHUP)
        out, err = parent.communicate(timeout=8)
        assert "interrupted by" in out, err
        assert eventually(lambda: not any(map(alive, pids)), 1.0)
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


# An error in here is dropped, as some C libraries drop the errors of what they call.
DEAF = """
import os, signal, sys, time
from ansible_collections.recyclic.rollback.plugins.module_utils import _runner
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Interrupted
class Deaf:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
def work():
    deaf = Deaf()
    del deaf
    print("went on")
    exec(sys.argv[1])
try:
    with _runner.interruptible():
        work()
except Interrupted as stopped:
    print("interrupted by", stopped.signum)
print("clear", signal.getitimer(signal.ITIMER_REAL) == (0, 0), signal.getsignal(signal.SIGALRM) == signal.SIG_DFL)
"""
TIDYING = """
try:
    time.sleep(20)
finally:
    time.sleep(3 * _runner.REMIND_S)
    print("tidied")
"""
REPLACED = """
try:
    try:
        time.sleep(20)
    finally:
        raise OSError("what is left cannot be removed")
except OSError:
    time.sleep(3 * _runner.REMIND_S)
    print("told")
time.sleep(20)
"""


@pytest.mark.parametrize(("rest", "said"), [
    ("time.sleep(20)", ""), ("print('done')", "done\n"), (TIDYING, "tidied\n"), (REPLACED, "told\n")],
    ids=["long", "short", "tidying", "replaced"])
def test_an_interruption_that_was_lost_comes_again(python: Callable[..., Any], rest: str, said: str) -> None:
    out, err = python(DEAF, rest).communicate(timeout=10)
    assert "Exception ignored" in err, "nothing was lost"
    assert out == f"went on\n{said}interrupted by {int(signal.SIGTERM)}\nclear True True\n", err


CONNECT = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as client:
    print(json.dumps([client.connect_ex(path) == 0 for path in sys.argv[1:]]))
"""
GOING = """#!/bin/sh
rm -f "$3"
echo "mount: $3: mount point does not exist." >&2
exit 32
"""


@needs_namespaces
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_socket_that_is_gone_needs_no_cover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    gone = tmp_path / "it's gone"
    if when == "meanwhile":
        gone.touch()
        (tmp_path / "mount").write_text(GOING, encoding="utf-8")
        (tmp_path / "mount").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(_runner, "listening_sockets", lambda: [str(gone)])

    finished = run(sh("echo ran", place=ISOLATED))

    assert (finished.rc, finished.stdout, finished.stderr) == (0, "ran\n", "")
    assert not gone.exists()


@needs_namespaces
def test_sockets_after_one_that_is_gone_are_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/a socket"
        listener.bind(path)
        listener.listen()
        listed = _runner.listening_sockets()
        assert path in listed
        monkeypatch.setattr(_runner, "listening_sockets", lambda: [f"{directory}/gone", *listed])
        argv = [sys.executable, "-c", CONNECT, path]

        assert json.loads(run(Program(argv)).stdout) == [True]
        assert json.loads(run(Program(argv, place=ISOLATED)).stdout) == [False]


@needs_namespaces
def test_where_one_cannot_be_covered_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing covers a directory by a file. A server that starts again makes its socket anew.
    for path in (tmp_path, tmp_path / ".s.PGSQL.5432"):
        monkeypatch.setattr(_runner, "listening_sockets", lambda path=path: [str(path)])

        finished = run(sh("echo ran", place=ISOLATED))

        assert (finished.rc, finished.stdout) == (97, "")
        assert str(path) in finished.stderr

    monkeypatch.setattr(_runner, "listening_sockets", lambda: [str(tmp_path / "gone" / ".s.PGSQL.5432")])
    assert run(sh("echo ran", place=ISOLATED)).stdout == "ran\n"
