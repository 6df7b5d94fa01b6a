# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The evidence of a run: its directory, its journal, and the lock that makes it the only one on its database."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ._errors import Interrupted, Problem, Refusal
from ._progress import telling

JOURNAL = "journal.jsonl"


def now() -> str:
    """Return this moment, ISO 8601 in UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float:
    """Return the seconds between two moments written by now()."""
    moments = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end)]
    return round((moments[1] - moments[0]).total_seconds(), 3)


def new_run_id() -> str:
    """Return a run's name: sortable by time, unique on any machine."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def run_id_of(run_dir: str | None) -> str | None:
    """Return the run a run directory belongs to."""
    return os.path.basename(os.path.normpath(run_dir)) if run_dir else None


def fsync_directory(path: str) -> None:
    """Make the names in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: str, text: str) -> None:
    """Write a file whole or not at all: written aside, fsynced, renamed; mode 0600."""
    aside = f"{path}.{secrets.token_hex(4)}.new"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise
    fsync_directory(os.path.dirname(path) or ".")


def write_json(path: str, content: t.Any) -> None:
    """Write JSON as write_file does."""
    write_file(path, json.dumps(content, indent=2, sort_keys=False, default=str, ensure_ascii=False) + "\n")


def point(directory: str, name: str, link: str = "latest") -> None:
    """Point a link of a directory to one of its entries, in one step whoever else does the same."""
    aside = os.path.join(directory, f".{link}-{secrets.token_hex(4)}")
    os.symlink(name, aside)
    os.replace(aside, os.path.join(directory, link))
    fsync_directory(directory)


def read_json(path: str) -> t.Any:
    """Return a JSON file's content; None where there is no such file, or where a crash left it unreadable."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def private_directory(path: str) -> str:
    """Create a directory and its missing parents with mode 0700, and prove it can be written.

    One that is there already loses what others may do in it; one that is not ours to close, such as /tmp, is refused.
    Raises Refusal where it cannot be had.
    """
    umask = os.umask(0o077)
    try:
        os.makedirs(path, exist_ok=True)
        found = os.stat(path)
        if found.st_uid != os.geteuid() or found.st_mode & 0o002:
            raise Refusal("directory_not_ours", path=path)
        if found.st_mode & 0o077:
            os.chmod(path, 0o700)
        trial = os.path.join(path, f".trial-{secrets.token_hex(4)}")
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(trial)
    except OSError as error:
        raise Refusal("directory_not_writable", path=path, error=error.strerror or str(error)) from error
    finally:
        os.umask(umask)
    return path


def process_mark(pid: int) -> str:
    """Return what tells this process from a later one with the same pid (its start, in clock ticks); empty if gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


@dataclass
class Step:
    """What a step wants remembered when it ends."""

    commands: list[str] = field(default_factory=list)
    facts: dict[str, t.Any] = field(default_factory=dict)
    result: str = "ok"


class Journal:
    """The lines of a run: one when a step begins, one when it ends, each on disk before the work goes on.

    Without a run directory nothing is written: modules work outside a run as well.
    """

    def __init__(self, run_dir: str | None) -> None:
        self.path = os.path.join(run_dir, JOURNAL) if run_dir else None

    def write(self, event: str, **facts: t.Any) -> None:
        """Append one line and make it durable."""
        if self.path is None:
            return
        line = json.dumps({"at": now(), "event": event, **facts}, default=str, ensure_ascii=False)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(handle).st_size
            # A line that a crash cut short must not swallow this one.
            torn = size and os.pread(handle, 1, size - 1) != b"\n"
            data = (("\n" if torn else "") + line + "\n").encode()
            while data:
                data = data[os.write(handle, data):]
            os.fsync(handle)
        finally:
            os.close(handle)

    @contextmanager
    def step(self, name: str, acts: bool = False) -> t.Iterator[Step]:
        """Journal a step. ``acts`` marks one that may change the database."""
        step, began = Step(), time.monotonic()
        self.write("begun", step=name, acts=acts, pid=os.getpid(), mark=process_mark(os.getpid()))
        try:
            with telling(self.path and os.path.dirname(self.path), name):
                yield step
        except BaseException as error:
            step.result = "refused" if isinstance(error, Refusal) else "interrupted" if isinstance(
                error, Interrupted) else "failed"
            if isinstance(error, Problem):
                step.facts.setdefault("reason", error.key)
            raise
        finally:
            self.write("ended", step=name, result=step.result, duration_s=round(time.monotonic() - began, 3),
                       commands=step.commands, **step.facts)

    def lines(self) -> list[dict[str, t.Any]]:
        """Return the journal; a line a crash left half-written is passed over."""
        if self.path is None or not os.path.exists(self.path):
            return []
        found = []
        with open(self.path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def open_steps(self) -> list[dict[str, t.Any]]:
        """Return the begun lines that no ended line answers, with ``alive``: is their process still at work?"""
        waiting: dict[str, dict[str, t.Any]] = {}
        for line in self.lines():
            if line["event"] == "begun":
                waiting[line["step"]] = line
            elif line["event"] == "ended":
                waiting.pop(line["step"], None)
        return [{**line, "alive": bool(line["mark"]) and process_mark(line["pid"]) == line["mark"]}
                for line in waiting.values()]

    def acted(self) -> bool:
        """Tell whether a step that may change the database was ever begun."""
        return any(line["event"] == "begun" and line.get("acts") for line in self.lines())

    def measured(self, anew: bool = False) -> bool:
        """Tell whether the evidence called after was taken since anything acted; ``anew``: and since the last cut."""
        found = False
        for line in self.lines():
            if (line["event"] == "begun" and line.get("acts")) or (anew and line["event"] == "resumed"):
                found = False
            elif line["event"] == "ended" and line["step"] == "after" and line["result"] == "ok":
                found = True
        return found


class StateDirectory:
    """Backups, runs and locks of one managed node."""

    def __init__(self, path: str) -> None:
        path = os.path.abspath(path)
        self.path = path
        self.runs = os.path.join(path, "runs")
        self.backups = os.path.join(path, "backups")
        self.locks = os.path.join(path, "locks")

    def create(self) -> None:
        """Make the directories. Raises Refusal where that cannot be done."""
        for part in (self.path, self.runs, self.backups, self.locks):
            private_directory(part)

    def run_dir(self, run_id: str) -> str:
        return os.path.join(self.runs, run_id)

    def lock_path(self, slug: str) -> str:
        return os.path.join(self.locks, f"{slug}.json")

    @contextmanager
    def deciding(self, slug: str) -> t.Iterator[None]:
        """Serialise the few milliseconds in which two runs look at the same lock."""
        with open(os.open(os.path.join(self.locks, f"{slug}.deciding"), os.O_RDWR | os.O_CREAT, 0o600), "w",
                  encoding="utf-8") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def release(self, slug: str, run_id: str, token: str | None = None) -> bool:
        """Give the lock back, if it is still this run's, and this controller's where a token says which."""
        with self.deciding(slug):
            held = read_json(self.lock_path(slug))
            if held is None or held["run_id"] != run_id or (token and held.get("token") != token):
                return False
            os.unlink(self.lock_path(slug))
            fsync_directory(self.locks)
            return True

    def locks_held(self) -> list[dict[str, t.Any]]:
        """Return every lock, each with its ``slug``."""
        names = sorted(os.listdir(self.locks)) if os.path.isdir(self.locks) else []
        found = {name[:-5]: read_json(os.path.join(self.locks, name)) for name in names if name.endswith(".json")}
        return [{**held, "slug": slug} for slug, held in found.items() if held]


def owner_alive(owner: dict[str, t.Any], asking: dict[str, t.Any]) -> bool | None:
    """Tell whether the controller that holds a lock still runs, as far as the one that asks can know.

    A controller is ``{host, space, pid, mark, peers}``: ``space`` names its kernel and pid namespace, ``peers`` are the
    other Ansible processes there, as ``[pid, mark]``. None: it runs elsewhere, nobody here can know.
    """
    if not owner.get("space") or owner["space"] != asking.get("space"):
        return None
    return [owner["pid"], owner["mark"]] in [[asking["pid"], asking["mark"]], *asking.get("peers", [])]
