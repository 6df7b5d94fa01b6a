# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A service's log, as its containers wrote it: read line by line, redacted before anything reaches a disk."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import typing as t
from collections import deque
from dataclasses import asdict, dataclass, field

from ._docker import Docker
from ._redact import MASK, Redactor
from ._runner import end_group

CAP_BYTES = 20 * 1024 * 1024
LINE_BYTES = 32 * 1024
SHOWN_CHARACTERS = 300
LIMIT_S = 120.0

# What a line says of a cause, in the words of PostgreSQL (English and French) and of its Python driver.
SIGNS = {
    "undefined": re.compile(r"Undefined(Column|Table)|(column|relation) .* does not exist"
                            r"|la (colonne|relation) .* n'existe pas", re.IGNORECASE),
    "violated": re.compile(r"(NotNull|ForeignKey)Violation|violates (not-null|foreign key) constraint"
                           r"|viole la contrainte (NOT NULL|de clé étrangère)", re.IGNORECASE),
    "disk_full": re.compile(r"No space left on device|DiskFull", re.IGNORECASE),
    "out_of_memory": re.compile(r"out of memory|MemoryError|mémoire épuisée", re.IGNORECASE),
    "connections": re.compile(r"too many clients already|remaining connection slots|trop de clients", re.IGNORECASE),
}
_SQL_PASSWORD = re.compile(r"(\bpassword\s+)(E?'(?:[^']|'')*'|\$\$.*?\$\$)", re.IGNORECASE)


@dataclass
class Read:
    """What was read of a service: lines, counts by pattern, signs of causes, and what is missing from the files.

    ``capped``: older lines were let go. ``ended``: the time limit came first. ``failed``: the engine's own words.
    """

    containers: list[str] = field(default_factory=list)
    lines: int = 0
    matches: dict[str, int] = field(default_factory=dict)
    signs: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    capped: bool = False
    ended: bool = False
    failed: str = ""

    def describe(self) -> dict[str, t.Any]:
        return asdict(self)


class Newest:
    """A file that keeps the newest of what is written to it, at most so many bytes: it is written in two halves."""

    def __init__(self, path: str, cap: int = CAP_BYTES) -> None:
        self.path, self.older, self.half = path, f"{path}.older", cap // 2
        self.capped, self.size, self.stream = False, 0, _created(path)

    def write(self, text: str) -> None:
        data = text.encode(errors="replace")
        if self.size and self.size + len(data) > self.half:
            self.stream.close()
            self.capped = self.capped or os.path.exists(self.older)
            os.replace(self.path, self.older)
            self.size, self.stream = 0, _created(self.path)
        self.stream.write(data)
        self.size += len(data)

    def close(self) -> None:
        self.stream.close()
        if os.path.exists(self.older):
            with open(self.older, "ab") as whole, open(self.path, "rb") as rest:
                while chunk := rest.read(1 << 20):
                    whole.write(chunk)
            os.replace(self.older, self.path)


def _created(path: str) -> t.IO[bytes]:
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def clean(redact: Redactor, text: str) -> str:
    """Return a text without secrets, those of SQL statements included."""
    return _SQL_PASSWORD.sub(rf"\g<1>'{MASK}'", redact(text))


def lines_of(stream: t.IO[bytes], redact: Redactor) -> t.Iterator[str]:
    """Yield the redacted lines of a stream; what a line has beyond its limit is passed over.

    There a secret might have been cut in two and show its half, so what comes just before the limit goes too.
    """
    margin = max([1024, *map(len, redact.spellings)])
    while data := stream.readline(LINE_BYTES):
        whole = data.endswith(b"\n") or len(data) < LINE_BYTES
        text = clean(redact, data.decode(errors="replace"))
        yield text.rstrip("\r\n") if whole else f"{text[:-margin]} [...]"
        while not whole:
            data = stream.readline(LINE_BYTES)
            whole = data.endswith(b"\n") or len(data) < LINE_BYTES


def read_service(docker: Docker, containers: t.Iterable[tuple[str, str]], since: str, directory: str, service: str,
                 patterns: t.Mapping[str, re.Pattern[str]], limit_s: float = LIMIT_S) -> Read:
    """Read what a service's containers, given as ``(id, name)``, wrote since a moment into C(SERVICE.log).

    Lines that match a pattern also go to C(SERVICE.matches.log). Memory stays flat whatever the size.
    """
    found = Read(matches=dict.fromkeys(patterns, 0))
    # A secret of several lines shows one of them at a time.
    docker.redact.learn({line for secret in docker.redact.spellings for line in secret.splitlines() if len(line) >= 8})
    log = Newest(os.path.join(directory, f"{service}.log"))
    matching = Newest(os.path.join(directory, f"{service}.matches.log")) if patterns else None
    try:
        for ident, name in containers:
            found.containers.append(name)
            log.write(f"# {name}\n")
            with _Follower(["docker", "logs", "--timestamps", "--since", since, ident], limit_s) as follower:
                text = ""
                for text in lines_of(follower.stream, docker.redact):
                    log.write(f"{text}\n")
                    if _note(found, text, patterns) and matching:
                        matching.write(f"{text}\n")
            found.ended = found.ended or follower.timed_out
            if follower.status and not follower.timed_out:
                # What the client says of its failure comes last.
                found.failed = text[:SHOWN_CHARACTERS] or f"status {follower.status}"
    finally:
        for each in filter(None, (log, matching)):
            each.close()
    found.capped = log.capped
    return found


def _note(found: Read, text: str, patterns: t.Mapping[str, re.Pattern[str]]) -> bool:
    found.lines += 1
    matched = [name for name, pattern in patterns.items() if pattern.search(text)]
    for name in matched:
        found.matches[name] += 1
    for sign, pattern in SIGNS.items():
        if pattern.search(text):
            entry = found.signs.setdefault(sign, {"count": 0, "last": ""})
            entry["count"] += 1
            entry["last"] = text[:SHOWN_CHARACTERS]
    return bool(matched)


def last_lines(docker: Docker, ident: str, count: int = 10) -> list[str]:
    """Return the last lines a container wrote, both streams in the order of time."""
    try:
        with _Follower(["docker", "logs", "--timestamps", "--tail", str(count), ident], 20.0) as follower:
            return [text[:SHOWN_CHARACTERS] for text in deque(lines_of(follower.stream, docker.redact), maxlen=count)]
    except OSError:
        return []


class _Follower:
    """A program whose output, both streams, is read as it comes; it is gone when this is left."""

    def __init__(self, argv: list[str], limit_s: float) -> None:
        self.argv, self.status, self.timed_out = argv, 0, False
        self.timer = threading.Timer(limit_s, self._end)

    def __enter__(self) -> _Follower:
        self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.stream = t.cast("t.IO[bytes]", self.process.stdout)
        self.timer.start()
        return self

    def _end(self) -> None:
        self.timed_out = True
        self.process.kill()

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self.timer.cancel()
        if kind is None and not self.timed_out:
            self.process.wait()
        self.stream.close()
        end_group(self.process)
        self.status = self.process.returncode
