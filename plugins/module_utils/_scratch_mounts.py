# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What of the managed node's files a container of a rehearsal is shown, without a way to anything at work there."""

from __future__ import annotations

import csv
import io
import os
import re
import stat
import typing as t

# Beyond that many nobody looks further, and nothing of it is shown.
ENTRIES = 200_000
_ALIVE = ("/proc", "/sys", "/dev")


def mounts_of(config: t.Mapping[str, t.Any], definition: t.Mapping[str, t.Any]) -> list[str]:
    """Return the options of ``docker run`` that show a service its files, read-only, and give it temporary ones anew.

    ``config`` is the whole of the Compose files, ``definition`` the service's part. Volumes are not shared: to write
    into one is to write into production. Nor is a directory through which anything at work could be reached.
    """
    volumes = definition.get("volumes") or []
    shown = [(each["source"], each["target"]) for each in volumes if each.get("type") == "bind"]
    for kind, place in (("secrets", "/run/secrets"), ("configs", "/")):
        for used in definition.get(kind) or []:
            path = ((config.get(kind) or {}).get(used["source"]) or {}).get("file")
            if path:
                shown.append((path, os.path.join(place, used.get("target") or used["source"])))
    temporary = definition.get("tmpfs") or []
    temporary = [temporary] if isinstance(temporary, str) else list(temporary)
    temporary += [each["target"] for each in volumes if each.get("type") == "tmpfs"]
    mounts = [word for source, target in shown if holds_only_files(source)
              for word in ("--mount", _fields("type=bind", f"source={source}", f"target={target}", "readonly"))]
    return mounts + [word for each in temporary for word in ("--tmpfs", each)]


def holds_only_files(source: str) -> bool:
    """Tell whether a path, and all below it, is nothing but files and directories of one mount.

    A read-only mount keeps nobody from connecting to a socket or from writing into a pipe, and what is mounted below
    may stay writable. False as well for what cannot be read, or is too large to be looked through.
    """
    real = os.path.realpath(source)
    if any(f"{real}/".startswith(f"{place}/") for place in _ALIVE):
        return False
    if any(point.startswith(f"{real.rstrip('/')}/") for point in _mount_points()):
        return False
    seen, waiting = 0, [real]
    try:
        mode = os.stat(real).st_mode
        if not stat.S_ISDIR(mode):
            return stat.S_ISREG(mode)
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    seen += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif not (entry.is_symlink() or entry.is_file(follow_symlinks=False)):
                        return False
                    if seen > ENTRIES:
                        return False
    except OSError:
        return False
    return True


def _mount_points() -> list[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        points = [line.split(" ")[4] for line in stream]
    return [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), point) for point in points]


def _fields(*fields: str) -> str:
    """Return the fields as the client reads them: CSV, for a path may hold a comma."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
