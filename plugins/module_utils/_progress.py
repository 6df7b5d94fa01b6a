# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How far a long step is: told in a small file of the run directory while it is at work, gone when it has ended.

The controller reads it (plugin_utils/_watch_progress). Nothing of a step depends on it: what cannot be written is not.
"""

from __future__ import annotations

import json
import os
import threading
import time
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

NAME = "progress.json"
EVERY_S = 0.5
BYTES, TABLES, SECONDS = "bytes", "tables", "seconds"


@dataclass
class _Part:
    """A part of a step that is at work: its number among the others, how much is done of how much.

    ``total`` None is unknown; ``about`` marks one that is a guess. ``began`` is on the monotonic clock.
    """

    name: str
    number: int | None = None
    of: int | None = None
    total: float | None = None
    about: bool = False
    done: float = 0
    unit: str = BYTES
    began: float = field(default_factory=time.monotonic)


@dataclass
class _Work:
    """What this process is at. Only the thread that began it tells of it."""

    path: str = ""
    thread: int = 0
    parts: list[_Part] = field(default_factory=list)
    told_at: float = 0.0


_work = _Work()


@contextmanager
def telling(run_dir: str | None, step: str) -> t.Iterator[None]:
    """Tell how far a step is. Within another, it is a part of that one; without a run directory nothing is told."""
    if _work.path or not run_dir:
        with part(step):
            yield
        return
    _work.path, _work.thread, _work.parts = os.path.join(run_dir, NAME), threading.get_ident(), [_Part(step)]
    _write()
    try:
        yield
    finally:
        for path in (_work.path, _aside()):
            with suppress(OSError):
                os.unlink(path)
        _work.path, _work.parts = "", []


@contextmanager
def part(name: str, total: float | None = None, about: bool = False, number: int | None = None, of: int | None = None,
         unit: str = BYTES) -> t.Iterator[None]:
    """Mark a part of the step at work. ``about`` says that the total is a guess; ``number`` counts from one."""
    if not _ours():
        yield
        return
    _work.parts.append(_Part(name, number, of, total, about, 0, unit))
    _write()
    try:
        yield
    finally:
        _work.parts.pop()


def done(much: float, total: float | None = None, unit: str = BYTES) -> None:
    """Say how much of the part at work is done; a total given here is exact."""
    if not _ours():
        return
    current = _work.parts[-1]
    current.done, current.unit = much, unit
    if total is not None:
        current.total, current.about = total, False
    if time.monotonic() - _work.told_at >= EVERY_S:
        _write()


def moved(source: t.IO[bytes] | None, sink: t.IO[bytes] | None) -> None:
    """Say how much a program has read of its file, or else written to its own, where anybody wants to know.

    A program shares the position in the file it was given with whoever opened it.
    """
    if not _ours():
        return
    with suppress(OSError, ValueError):
        if source is not None:
            done(os.lseek(source.fileno(), 0, os.SEEK_CUR), os.fstat(source.fileno()).st_size)
        elif sink is not None:
            done(os.fstat(sink.fileno()).st_size)


def at_work() -> bool:
    """Tell whether anybody wants to know, for what costs something to find out."""
    return _ours() and time.monotonic() - _work.told_at >= EVERY_S


def _ours() -> bool:
    return bool(_work.path) and threading.get_ident() == _work.thread


def _aside() -> str:
    return _work.path + ".new"


def _write() -> None:
    """Replace the file as a whole; it is no evidence, so that nothing waits for the disk."""
    _work.told_at = time.monotonic()
    step, current = _work.parts[0], _work.parts[-1]
    numbered = next((each for each in reversed(_work.parts) if each.number), None)
    content = {"step": step.name, "part": current.name if current is not step else None,
               "outer": numbered.name if numbered and numbered is not current else None,
               "number": numbered.number if numbered else None, "of": numbered.of if numbered else None,
               "done": current.done, "total": current.total, "about": current.about, "unit": current.unit,
               "seconds": round(_work.told_at - current.began, 3), "pid": os.getpid()}
    with suppress(OSError):
        handle = os.open(_aside(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with open(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
        os.replace(_aside(), _work.path)
