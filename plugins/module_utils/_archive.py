# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a file is that somebody calls a backup: ours or anybody's pg_dump, read whole before anything is touched."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shlex
import shutil
import tarfile
import tempfile
import typing as t
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ._backup import INCOMPLETE, MANIFEST, damage, newest_good, parse_reserve
from ._errors import Refusal
from ._evidence import StateDirectory, read_json
from ._ground import Ground
from ._redact import Redactor, last_words
from ._runner import Finished, Program
from ._script import TRAILER, Told, scan

CUSTOM, PLAIN, TAR, DIRECTORY = "custom", "plain", "tar", "directory"
LATEST = "latest"
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd",
           b"\x04\x22\x4d\x18": "lz4"}
_OPENERS: dict[str, t.Callable[..., t.Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_TOOLS = {"gzip": "gzip -dc", "bzip2": "bzip2 -dc", "xz": "xz -dc"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 20
# Where the client programs are inside a container, a directory has to be brought in first. What one that was killed
# left there goes with the next.
_UNPACKED = ('d=/tmp/recyclic-rollback-"$1"; rm -rf "$d"; trap \'rm -rf "$d"\' EXIT; trap "exit 143" HUP INT TERM; '
             'mkdir -m 700 "$d" && tar -xf - -C "$d" || exit 98; shift; "$@" "$d"')


@dataclass(frozen=True)
class Source:
    """A backup: its file or directory, how it is written, and what it says of itself.

    ``manifest`` is None for one that is not ours. ``packed`` is gzip, bzip2, xz or empty. ``tables`` are those it holds
    where it does not hold the whole database, None where it does. ``told`` is what reading it told.
    """

    path: str
    kind: str
    manifest: dict[str, t.Any] | None = None
    packed: str = ""
    crlf: bool = False
    tables: tuple[str, ...] | None = None
    server_version: str | None = None
    told: Told | None = None

    @property
    def heads(self) -> list[str] | None:
        """The recorded revisions, sorted, as its manifest has them; None where it has no manifest."""
        return sorted(self.manifest["heads"] or []) if self.manifest else None

    def describe(self) -> dict[str, t.Any]:
        """Return it for a result."""
        return {"path": self.path, "kind": self.kind, "packed": self.packed, "heads": self.heads,
                "manifest": os.path.join(self.manifest["path"], MANIFEST) if self.manifest else None,
                "tables": None if self.tables is None else list(self.tables), "server_version": self.server_version}


def find_source(ground: Ground, state_dir: str, wanted: str, room: str | None = None,
                version_table: str = "alembic_version") -> Source:
    """Return the backup that is meant: ``latest``, the path of a directory or file, a backup's id, or a run's.

    Raises Refusal where there is none, and as recognise() does.
    """
    state = StateDirectory(state_dir)
    if wanted == LATEST:
        manifest = newest_good(state.backups, ground.target.database)
        if not manifest:
            raise Refusal("source_no_latest", database=ground.target.database, directory=state.backups)
        return recognise(ground, manifest["path"], room, version_table)
    named = os.path.basename(wanted) == wanted
    run = read_json(os.path.join(state.run_dir(wanted), MANIFEST)) if named else None
    places = [os.path.join(state.backups, wanted), *([run["path"]] if run else [])] if named else []
    # A path that leads somewhere goes before a name.
    for place in ([wanted] if os.path.isabs(wanted) or not named else []) + places:
        if os.path.exists(place):
            return recognise(ground, place, room, version_table)
    raise Refusal("source_absent", wanted=wanted, directory=state.backups)


def recognise(ground: Ground, path: str, room: str | None = None, version_table: str = "alembic_version") -> Source:
    """Say what a file or directory is, having read all of it. Raises Refusal unless it is a backup that is whole.

    ``room`` is a directory in which what has to be unpacked lies for a while; by default that of temporary files.
    """
    path = os.path.abspath(path)
    if not os.path.exists(path):
        raise Refusal("source_absent", wanted=path, directory=os.path.dirname(path))
    if path.endswith(".incomplete") or any(part.startswith(INCOMPLETE) for part in path.split(os.sep)):
        raise Refusal("source_incomplete", path=path)
    try:
        ours = _ours(path)
        source = ours or _kind(path)
        told = _read(ground, source, room, deep=not ours)
    except (OSError, tarfile.TarError) as error:
        raise Refusal("source_unreadable", path=path, error=str(error)) from error
    tables = source.tables
    if not ours and not told.tables:
        raise Refusal("source_no_tables", path=path)
    if not ours and not told.rows:
        raise Refusal("source_no_rows", path=path)
    if not ours and version_table not in [name.rpartition(".")[2] for name in told.tables]:
        tables = tuple(told.tables)
    return replace(source, told=told, tables=tables, server_version=source.server_version or told.version)


def _ours(path: str) -> Source | None:
    """Return what a manifest says of a directory, or of a file beside it, once its files are proved to be those."""
    inside = os.path.isdir(path)
    place = path if inside else os.path.dirname(path)
    manifest = read_json(os.path.join(place, MANIFEST))
    if not isinstance(manifest, dict) or not manifest.get("files"):
        return None
    # It may have been copied here from elsewhere.
    manifest = {**manifest, "path": place}
    found = [entry for entry in manifest["files"] if inside or entry["name"] == os.path.basename(path)]
    if not found:
        return None
    damaged = damage(manifest, deep=True)
    if damaged:
        raise Refusal("source_damaged", path=path, damage=damaged)
    entry = next((each for each in found if each["scope"] == "database"), found[0])
    return Source(os.path.join(place, entry["name"]), manifest["format"], manifest,
                  tables=None if entry["scope"] == "database" else tuple(entry["tables"]),
                  server_version=manifest["server"]["server_version"])


def _kind(path: str) -> Source:
    """Return what the beginning of a file tells."""
    if os.path.isdir(path):
        if os.path.exists(os.path.join(path, "toc.dat")):
            return Source(path, DIRECTORY)
        raise Refusal("source_foreign", path=path)
    if not os.path.isfile(path):
        raise Refusal("source_foreign", path=path)
    if not os.path.getsize(path):
        raise Refusal("source_empty", path=path)
    with open(path, "rb") as stream:
        head = stream.read(512)
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), "")
    if packed and packed not in _OPENERS:
        raise Refusal("source_packed", path=path, packed=packed,
                      command=f"{packed} -d {shlex.quote(path)} {shlex.quote(os.path.splitext(path)[0])}"
                      if packed == "lz4" else f"{packed} -d {shlex.quote(path)}")
    if packed:
        with _unpacking(path, packed) as stream:
            head = stream.read(512)
        if not head:
            raise Refusal("source_empty", path=path)
    if head.startswith(_UTF16):
        raise Refusal("source_utf16", path=path, command=f"iconv -f UTF-16 -t UTF-8 {shlex.quote(path)}")
    if head.startswith(b"PGDMP"):
        return Source(path, CUSTOM, packed=packed)
    if head[257:262] == b"ustar" and head.startswith(b"toc.dat\0"):
        return Source(path, TAR, packed=packed)
    return Source(path, PLAIN, packed=packed, crlf=head.partition(b"\n")[0].endswith(b"\r"))


@contextmanager
def _unpacking(path: str, packed: str) -> t.Iterator[t.IO[bytes]]:
    try:
        with (_OPENERS[packed] if packed else open)(path, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise Refusal("source_truncated", path=path, error=str(error)) from error
    except OSError as error:
        if not packed or error.errno is not None:
            raise
        raise Refusal("source_truncated", path=path, error=str(error)) from error


@contextmanager
def script_lines(source: Source) -> t.Iterator[t.Iterator[bytes]]:
    """Yield a plain dump's lines, unpacked, each ended by a line feed alone: a CR before it is the terminal's."""
    with _unpacking(source.path, source.packed) as stream:
        straight = (line[:-2] + b"\n" if line.endswith(b"\r\n") else line for line in stream)
        yield straight if source.crlf else iter(stream)


def _read(ground: Ground, source: Source, room: str | None, deep: bool) -> Told:
    if source.kind == PLAIN:
        with script_lines(source) as lines:
            told = scan(lines, source.path)
        if not told.dump:
            raise Refusal("source_foreign", path=source.path)
        if not told.complete:
            raise Refusal("source_truncated", path=source.path, error=TRAILER.decode().strip())
        return told
    if source.kind == TAR:
        _require_whole_tar(source)
    with fed(ground, source, room) as program, tempfile.TemporaryDirectory() as place:
        listing, schema = (os.path.join(place, name) for name in ("list", "schema.sql"))
        restore = ground.runtime.client("pg_restore")
        _require_read(ground, source, program([restore, "--list"], listing))
        _require_read(ground, source, program([restore, "--file=-", "--schema-only"], schema))
        if deep:
            # The table of contents proves nothing about the data behind it: writing it to nowhere reads every block.
            _require_read(ground, source, program([restore, "--file=/dev/null"], None))
        try:
            with open(schema, "rb") as stream:
                told = scan(stream, source.path)
        except Refusal as refusal:
            # What pg_restore makes of an archive that was torn is no dump.
            said = ", ".join(str(fact) for name, fact in refusal.facts.items() if name != "path")
            raise Refusal("source_truncated", path=source.path, error=said) from refusal
        with open(listing, "rb") as stream:
            told.rows = any(b" TABLE DATA " in line for line in stream)
    return told


def _require_whole_tar(source: Source) -> None:
    """Raise Refusal for a tar that is cut: pg_restore would look for its end for ever."""
    try:
        with _unpacking(source.path, source.packed) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            end = [member.offset for member in archive] and archive.offset
        with _unpacking(source.path, source.packed) as stream:
            stream.seek(end or 0)
            whole = stream.read(2 * tarfile.BLOCKSIZE) == bytes(2 * tarfile.BLOCKSIZE)
    except tarfile.TarError as error:
        raise Refusal("source_truncated", path=source.path, error=str(error)) from error
    if not whole:
        raise Refusal("source_truncated", path=source.path, error=TAR)


def _require_read(ground: Ground, source: Source, program: Program) -> None:
    done: Finished = ground.runtime.run(program)
    if done.rc in (126, 127):
        raise Refusal("client_program_missing", program=program.argv[0], where=ground.runtime.name)
    if done.rc or done.ended_by:
        said = last_words(done, Redactor())
        raise Refusal("source_newer" if "unsupported version" in said else "source_truncated", path=source.path,
                      error=said)


@contextmanager
def fed(ground: Ground, source: Source, room: str | None, lines: t.Iterator[bytes] | None = None, reserve: str = "0"
        ) -> t.Iterator[t.Callable[[list[str], str | None], Program]]:
    """Yield what makes a client program that reads the backup, from its arguments and where its output goes.

    What has to be made on the way (a packed file unpacked, a dump's ``lines`` changed, a directory for a container)
    lies in a file without a name, of which a process that is killed leaves nothing. Raises Refusal when that would eat
    into the reserve of free disk.
    """
    if source.kind == DIRECTORY and ground.runtime.name == "host":
        yield lambda argv, stdout: Program([*argv, source.path], stdout=stdout)
        return
    if source.kind != DIRECTORY and not source.packed and lines is None:
        yield lambda argv, stdout: Program(argv, stdin_file=source.path, stdout=stdout)
        return
    where = room or tempfile.gettempdir()
    with tempfile.TemporaryFile(dir=where) as aside:
        if source.kind == DIRECTORY:
            _require_room(where, source, reserve, sum(entry.stat().st_size for entry in os.scandir(source.path)))
            with tarfile.open(fileobj=aside, mode="w") as archive:
                for entry in os.scandir(source.path):
                    archive.add(entry.path, entry.name)
        elif lines is not None:
            _fill(aside, lines, where, source, reserve)
        else:
            with _unpacking(source.path, source.packed) as stream:
                _fill(aside, iter(lambda: stream.read(_BLOCK), b""), where, source, reserve)
        aside.flush()
        # Opened again by each program, from its beginning.
        path = f"/proc/{os.getpid()}/fd/{aside.fileno()}"
        wrapped = ["sh", "-c", _UNPACKED, "sh", f"{zlib.crc32(ground.target.database.encode()):08x}"]
        yield lambda argv, stdout: Program([*(wrapped if source.kind == DIRECTORY else []), *argv], stdin_file=path,
                                           stdout=stdout)


def _fill(aside: t.IO[bytes], blocks: t.Iterator[bytes], where: str, source: Source, reserve: str) -> None:
    written = 0
    for block in blocks:
        if written // _BLOCK != (written + len(block)) // _BLOCK:
            _require_room(where, source, reserve, 0)
        written += aside.write(block)


def _require_room(where: str, source: Source, reserve: str, expected: int) -> None:
    disk = shutil.disk_usage(where)
    if disk.free - expected < parse_reserve(reserve, disk.total):
        raise Refusal("source_no_room", path=source.path, directory=where, free=disk.free)


def typed(source: Source, command: str) -> str:
    """Return a client's command as one could type it, whatever the file has to go through before."""
    path = shlex.quote(source.path)
    if source.kind == DIRECTORY:
        return f"{command} {path}"
    steps = [f"{_TOOLS[source.packed]} {path}"] if source.packed else []
    if source.crlf:
        steps.append(r"sed 's/\r$//'" + ("" if steps else f" {path}"))
    return " | ".join([*steps, command]) if steps else f"{command} < {path}"
