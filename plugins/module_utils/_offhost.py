# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Copies of backups in other places: whole and read back, or not there at all."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ._backup import INCOMPLETE, MANIFEST, parse_reserve
from ._errors import Problem, Refusal
from ._evidence import fsync_directory, now, read_json, write_file, write_json

SUMS = "SHA256SUMS"
RESTORE = "RESTORE.txt"
_BLOCK = 1 << 22
_LOOK_EVERY = 16  # Blocks between two looks at the free disk: each may be a question over the network.


@dataclass(frozen=True)
class Place:
    """A directory the managed node has mounted. ``directory`` is below the mount point; ``mounted``: it must be one."""

    path: str
    directory: str = ""
    mounted: bool = True
    same_device: bool = False

    @property
    def root(self) -> str:
        return os.path.join(os.path.realpath(self.path), self.directory.strip("/"))


def require_place(place: Place, backups: str) -> int:
    """Return the device number of the place. Raises Refusal where a copy would only fill this host's own disk.

    ``backups`` is where the backups are, or will be.
    """
    path = os.path.realpath(place.path)
    if not os.path.isdir(path):
        raise Refusal("away_place_absent", path=place.path)
    if ".." in place.directory.split("/"):
        raise Refusal("away_directory_outside", path=place.path, directory=place.directory)
    if place.mounted and not os.path.ismount(path):
        raise Refusal("away_not_mounted", path=place.path)
    own = os.path.abspath(backups)
    while not os.path.exists(own):
        own = os.path.dirname(own)
    device = os.stat(path).st_dev
    if device == os.stat(own).st_dev and not place.same_device:
        raise Refusal("away_same_device", path=place.path, backups=backups)
    return device


def require_room(where: str, needed: int, reserve: str) -> int:
    """Return the reserve in bytes. Raises Refusal where the needed bytes would eat into it."""
    disk = shutil.disk_usage(where)
    kept = parse_reserve(reserve, disk.total)
    if disk.free - needed < kept:
        raise Refusal("disk_too_small", path=where, free=disk.free, expected=needed, reserve=kept)
    return kept


def digest_of(path: str) -> str:
    """Return the sha256 of a file as it stands on its disk, not in this host's memory, as far as the kernel obeys."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        with suppress(OSError):
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for block in iter(lambda: stream.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def sums_in(place: str) -> dict[str, str]:
    """Return the checksums a backup's directory tells, by file name."""
    with open(os.path.join(place, SUMS), encoding="utf-8") as stream:
        pairs = [line.rstrip("\n").split("  ", 1) for line in stream if line.strip()]
    return {name: digest for digest, name in pairs}


def unlike(place: str, sums: t.Mapping[str, str]) -> str:
    """Read a copy back and return which of its files is not what the checksums say; empty where all are."""
    for name, digest in sums.items():
        path = os.path.join(place, name)
        if not os.path.isfile(path) or digest_of(path) != digest:
            return path
    return ""


@contextmanager
def making(root: str, backup_id: str) -> t.Iterator[str]:
    """Yield a directory under another name; it gets its own, on disk, when all went well, and is gone otherwise."""
    os.makedirs(root, mode=0o700, exist_ok=True)
    aside = os.path.join(root, INCOMPLETE + backup_id)
    shutil.rmtree(aside, ignore_errors=True)
    os.mkdir(aside, mode=0o700)
    try:
        yield aside
        fsync_directory(aside)
        os.rename(aside, os.path.join(root, backup_id))
        fsync_directory(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def settle_in(aside: str, final: str) -> None:
    """Have the texts of a copy say where it is, so that it restores from there."""
    manifest = read_json(os.path.join(aside, MANIFEST))
    origin = manifest["path"]
    write_json(os.path.join(aside, MANIFEST), {**manifest, "path": final, "copied_from": origin})
    with open(os.path.join(aside, RESTORE), encoding="utf-8") as stream:
        lines = stream.read().split("\n")
    there = f"cd {shlex.quote(origin)}"
    write_file(os.path.join(aside, RESTORE),
               "\n".join(f"cd {shlex.quote(final)}" if line == there else line for line in lines))


def copy_to(manifest: t.Mapping[str, t.Any], place: Place, reserve: str) -> tuple[str, bool]:
    """Copy a backup to a place and read it back; return where it is, and whether it had to be copied.

    Raises Refusal or Problem, leaving nothing that could be taken for a backup; nothing there is ever overwritten.
    """
    device = require_place(place, manifest["path"])
    sums = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    final = os.path.join(place.root, manifest["backup_id"])
    try:
        if os.path.lexists(final):
            return require_like(final, sums), False
        os.makedirs(place.root, mode=0o700, exist_ok=True)
        kept = require_room(place.root, sum(entry["bytes"] for entry in manifest["files"]), reserve)
        with making(place.root, manifest["backup_id"]) as aside:
            # Mounts come and go, and a link leads elsewhere.
            if os.stat(aside).st_dev != device:
                raise Refusal("away_not_mounted", path=place.path)
            for name in (MANIFEST, SUMS, RESTORE, *sums):
                _copy_file(os.path.join(manifest["path"], name), os.path.join(aside, name), kept)
            settle_in(aside, final)
            require_like(aside, sums)
    except OSError as error:
        raise Problem("away_failed", path=str(error.filename or final), error=error.strerror or str(error)) from error
    return final, True


def require_like(place: str, sums: t.Mapping[str, str]) -> str:
    """Return the place. Raises Problem unless, read back, it holds what the checksums say."""
    wrong = unlike(place, sums)
    if wrong:
        raise Problem("away_differs", path=wrong)
    return place


def _copy_file(source: str, to: str, kept: int) -> None:
    with open(source, "rb") as reader, open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writer:
        for number, block in enumerate(iter(lambda: reader.read(_BLOCK), b"")):
            if number % _LOOK_EVERY == 0 and shutil.disk_usage(os.path.dirname(to)).free < kept:
                raise Problem("away_disk_reserve", path=to, reserve=kept)
            writer.write(block)
        writer.flush()
        os.fsync(writer.fileno())


def record(manifest: t.Mapping[str, t.Any], copies: t.Sequence[t.Mapping[str, t.Any]], *others: str) -> None:
    """Note proved copies in a backup's own manifest, and in other copies of it. ``copies`` are ``{to, at}``."""
    moment = now()
    proved = [{"to": each["to"], "at": each["at"], "verified": True, "verified_at": moment} for each in copies]
    if not proved:
        return
    for path in (os.path.join(manifest["path"], MANIFEST), *others):
        held = read_json(path)
        if held and held["backup_id"] == manifest["backup_id"]:
            earlier = [each for each in held.get("copies", [])
                       if all((each["to"], each["at"]) != (other["to"], other["at"]) for other in proved)]
            write_json(path, {**held, "copies": [*earlier, *proved]})
