# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus, its exporters and Alertmanager, for the tests of metrics and alerts.

    python tests/exporters.py ensure

Programs on PATH are taken as they are. Those that are missing are unpacked from Debian's packages below .cache, on
Debian or a relative of it: nothing is installed, so no daemon of theirs starts and no account is made. Root may fetch
apt's lists for it.

Exit status: 0 ready, 1 failed, 3 something is missing that only its owner can install (reasons on stderr).
"""
from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "exporters"
NOT_POSSIBLE = 3
PACKAGES = {
    "prometheus": ("prometheus", "promtool"),
    "prometheus-alertmanager": ("prometheus-alertmanager", "amtool"),
    "prometheus-node-exporter": ("prometheus-node-exporter",),
    "prometheus-postgres-exporter": ("prometheus-postgres-exporter",),
}
PROGRAMS = tuple(program for programs in PACKAGES.values() for program in programs)


class NotPossible(Exception):
    """Something is missing that cannot be had from here; the message says what to do."""


def find(program: str) -> str | None:
    """Where a program is; None where it is missing."""
    return shutil.which(program) or shutil.which(str(CACHE / "root" / "usr" / "bin" / program))


def missing() -> list[str]:
    """The programs that are not there."""
    return [program for program in PROGRAMS if find(program) is None]


def ensure() -> None:
    """Have every program, and print their versions.

    Raises NotPossible when somebody else has to install them, RuntimeError when a step failed.
    """
    with _locked():
        wanted = [package for package, programs in PACKAGES.items() if set(programs) & set(missing())]
        if wanted:
            _unpack(wanted)
        if missing():
            raise RuntimeError(f"Debian's packages {', '.join(wanted)} have no {', '.join(missing())}")
    for program in PROGRAMS:
        print(f"{program}: {version(program)}", flush=True)


def version(program: str) -> str:
    """What a program says of itself: `2.42.0`; `none` where it does not run."""
    path = find(program)
    done = path and subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"version (\d[\w.]*)", done.stdout + done.stderr) if done else None
    return match.group(1) if match else "none"


def _unpack(packages: list[str]) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise NotPossible(f"{', '.join(missing())} not found: install Prometheus, Alertmanager, node_exporter and "
                          "postgres_exporter, under these names on PATH")
    home = CACHE / "packages"
    home.mkdir(parents=True, exist_ok=True)
    print(f"exporters: unpacking {', '.join(packages)}", file=sys.stderr, flush=True)
    # Another account is to download, and may not be able to enter the repository.
    download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", *packages]
    if not _run(download, home):
        if os.geteuid() != 0:
            raise NotPossible(f"apt does not find {', '.join(packages)}: apt-get update, as root")
        _run(["apt-get", "update"], home)
        if not _run(download, home):
            raise RuntimeError(f"`{' '.join(download)}` failed")
    for package in packages:
        newest = max(home.glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
        if not _run(["dpkg", "-x", str(newest), str(CACHE / "root")], home):
            raise RuntimeError(f"{newest} could not be unpacked")
        newest.unlink()


def _run(command: list[str], home: Path) -> bool:
    done = subprocess.run(command, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr.strip(), file=sys.stderr, flush=True)
    return done.returncode == 0


@contextmanager
def _locked() -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line; returns the exit status."""
    if sys.argv[1:] != ["ensure"]:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        ensure()
    except NotPossible as error:
        print(error, file=sys.stderr)
        return NOT_POSSIBLE
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
