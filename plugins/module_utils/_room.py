# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The free space where the server keeps its data, where that can be seen from here."""

from __future__ import annotations

import os
import shutil
import struct
import typing as t
from contextlib import suppress
from dataclasses import dataclass

from ._compose_runtime import ComposeRuntime
from ._database import identity, rows, value
from ._ground import Ground
from ._runner import CLIENT, Program

_START_TOLERANCE_S = 3.0
_DEFAULT_DATA = "/var/lib/postgresql/data"


@dataclass(frozen=True)
class Room:
    """A file system: its free and total bytes."""

    path: str
    free: int
    total: int


def data_room(ground: Ground, connection: t.Any) -> Room | None:
    """Return the file system of the live database's files; None where it cannot be seen, or is not surely that one.

    ``connection`` is a maintenance session; the live database may lie in a tablespace of its own.
    """
    statement = "SELECT nullif(pg_tablespace_location(d.dattablespace), '') FROM pg_database d WHERE d.datname = %s"
    place = value(connection, statement, (ground.target.database,))
    if isinstance(ground.runtime, ComposeRuntime):
        runtime = ground.runtime
        where = place or runtime.database.environment.get("PGDATA", _DEFAULT_DATA)
        done = runtime.run(Program(["df", "-P", "-k", where], timeout_s=30, place=CLIENT))
        return parse_df(where, done.stdout) if done.rc == 0 else None
    directory = _data_directory(connection)
    if directory is None:
        return None
    with suppress(OSError):
        found = shutil.disk_usage(place or directory)
        return Room(place or directory, found.free, found.total)
    return None


def parse_df(path: str, printed: str) -> Room | None:
    """Read the portable form of df: its second line holds kibibytes in all, used and available."""
    lines = printed.splitlines()
    fields = lines[-1].split() if len(lines) > 1 else []
    # A device's name may hold blanks; what follows it may not.
    numbers = [index for index, word in enumerate(fields) if word.endswith("%")]
    if not numbers or numbers[0] < 3:
        return None
    total, available = fields[numbers[0] - 3], fields[numbers[0] - 1]
    return Room(path, int(available) * 1024, int(total) * 1024) if total.isdigit() and available.isdigit() else None


def _data_directory(connection: t.Any) -> str | None:
    """Return the data directory of this very server, if it is on this machine.

    A directory of the same name may be another server's: either its control file holds the server's identifier, or it
    belongs to a process that started when the server did.
    """
    system = int(identity(connection)["system_identifier"])
    started, told = rows(connection, """
        SELECT extract(epoch FROM pg_postmaster_start_time())::float,
               CASE WHEN pg_has_role('pg_read_all_settings', 'USAGE') THEN current_setting('data_directory', true) END
        """)[0]
    servers = dict(_postmasters())
    for directory in [*([told] if told else []), *servers]:
        identifier = _identifier(directory)
        if identifier == system or (identifier is None
                                    and abs(servers.get(directory, 0.0) - started) < _START_TOLERANCE_S):
            return t.cast("str", directory)
    return None


def _identifier(directory: str) -> int | None:
    """Return the system identifier in a data directory's control file; None where it cannot be read."""
    with suppress(OSError, struct.error), open(os.path.join(directory, "global", "pg_control"), "rb") as stream:
        return int(struct.unpack("=Q", stream.read(8))[0])
    return None


def _postmasters() -> t.Iterator[tuple[str, float]]:
    """Return the data directory each server's process here was started with, and when (seconds of the epoch)."""
    try:
        with open("/proc/stat", encoding="utf-8") as stream:
            booted = next(int(line.split()[1]) for line in stream if line.startswith("btime "))
        pids = [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except (OSError, StopIteration):
        return
    for pid in pids:
        with suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="surrogateescape") as stream:
                words = stream.read().split("\0")
            if os.path.basename(words[0]) not in ("postgres", "postmaster"):
                continue
            # A working directory only the process's own user, or root, may read.
            directory = words[words.index("-D") + 1] if "-D" in words else os.readlink(f"/proc/{pid}/cwd")
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
                ticks = int(stream.read().rpartition(")")[2].split()[19])
            # One in a container names a directory of its own, not this machine's.
            if os.path.isabs(directory) and os.stat(directory).st_uid == os.stat(f"/proc/{pid}").st_uid:
                yield directory, booted + ticks / os.sysconf("SC_CLK_TCK")
