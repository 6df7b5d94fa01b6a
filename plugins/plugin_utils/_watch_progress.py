# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The controller's part of a long step: while the module runs, as without this, a line says how far it is.

The module is run by Ansible's own action, in the thread it always runs in. Two more threads look and tell; whatever
befalls them, the module does not notice.
"""

from __future__ import annotations

import copy
import json
import os
import shlex
import sys
import threading
import time
import typing as t
from contextlib import contextmanager, suppress

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.plugins.action.normal import ActionModule as NormalAction
from ansible.utils.display import Display

from ansible_collections.recyclic.rollback.plugins.module_utils._progress import NAME
from ansible_collections.recyclic.rollback.plugins.module_utils._progress_text import progress_line

INTERVAL_S = 10.0
LOOK_S = 2.0
# What is older says nothing about now.
STALE_S = 15.0
# Until the threads have ended; one that hangs is left alone.
PATIENCE_S = 2.0
# Loaded before Ansible forks: its workers have no terminal any more.
TERMINAL = bool(sys.stdout and sys.stdout.isatty())
# Each shows lines as they come, on what only looks like a terminal.
KEPT_OUTPUT = ("AWX_ISOLATED_DATA_DIR", "RUNNER_OMIT_EVENTS", "JOB_ID", "CI")

display = Display()


class ProgressAction(NormalAction):
    """Runs the module as Ansible runs any, and says meanwhile how far it is."""

    def run(self, tmp=None, task_vars=None):
        with watching(self, task_vars or {}):
            return super().run(tmp, task_vars)


class Watch:
    """Looks and tells until it is stopped. ``look`` returns what the module wrote; ``tell`` shows a line."""

    def __init__(self, interval_s: float, rewrite: bool, look: t.Callable[[], dict[str, t.Any] | None],
                 line: t.Callable[[dict[str, t.Any] | None, float], str], tell: t.Callable[[str], None],
                 clear: t.Callable[[], None]) -> None:
        self.interval_s, self.rewrite, self.look = interval_s, rewrite, look
        self.line, self.tell, self.clear = line, tell, clear
        self.began = time.monotonic()
        self.seen: tuple[float, dict[str, t.Any] | None] = (self.began, None)
        self.over = threading.Event()
        self.shown = False
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.keep_looking, self.keep_telling)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.over.set()
        # Whoever only looks may be waiting for another host; nobody waits for that.
        self.threads[-1].join(PATIENCE_S)
        if self.rewrite and self.shown:
            self.clear()

    def keep_looking(self) -> None:
        """Never in time's way: looking may take long, or fail."""
        # Just before something is told; nothing is looked at for a module that ends before.
        wait = self.interval_s / 2 - min(0.5, self.interval_s / 4)
        while not self.over.wait(wait):
            with suppress(Exception):
                self.seen = (time.monotonic(), self.look())
            wait = min(LOOK_S, self.interval_s / 2) if self.rewrite else self.interval_s / 2

    def keep_telling(self) -> None:
        step = min(LOOK_S, self.interval_s) if self.rewrite else self.interval_s
        due = self.began + (self.interval_s / 2 if self.rewrite else self.interval_s)
        while not self.over.wait(max(0.0, due - time.monotonic())):
            at, seen = self.seen
            now = time.monotonic()
            with suppress(Exception):
                self.tell(self.line(seen if now - at <= STALE_S + self.interval_s else None, now - self.began))
                self.shown = True
            due = max(due + step, now)


@contextmanager
def watching(action: ActionBase, task_vars: dict[str, t.Any]) -> t.Iterator[None]:
    """Watch an action's module while the block runs; where that cannot be, the block runs all the same."""
    watch = None
    with suppress(Exception):
        watch = watch_for(action, task_vars)
    if watch is not None:
        with suppress(Exception):
            watch.start()
    try:
        yield
    finally:
        if watch is not None:
            with suppress(Exception):
                watch.stop()


def watch_for(action: ActionBase, task_vars: dict[str, t.Any]) -> Watch | None:
    """Return what watches an action; None where nothing is to be told, or nobody reads it as text."""
    args, task = action._task.args, action._task
    interval = float(action._templar.template(task_vars.get("rollback_progress_s", INTERVAL_S)))
    pattern = where_told(args)
    if interval <= 0 or not pattern or task.async_val or "json" in C.DEFAULT_STDOUT_CALLBACK:
        return None
    rewrite = rewritable(task_vars)
    name, language = task.action.rpartition(".")[2], str(args.get("language") or "en")
    hosts = task_vars.get("ansible_play_hosts") or []
    prefix = f"[{task_vars.get('inventory_hostname')}] " if len(hosts) > 1 else ""
    width = max(20, display.columns - 1)

    def line(seen: dict[str, t.Any] | None, elapsed_s: float) -> str:
        return prefix + progress_line(seen, name, elapsed_s, language, width - len(prefix) if rewrite else None)

    def tell(text: str) -> None:
        if rewrite:
            # What others print next begins where this line does.
            display.display(f"\r{text[:width].ljust(width)}\r", newline=False, screen_only=True)
        else:
            display.display(text)

    def clear() -> None:
        display.display(f"\r{' ' * width}\r", newline=False, screen_only=True)

    return Watch(interval, rewrite, reader(action._connection, pattern), line, tell, clear)


def rewritable(task_vars: t.Mapping[str, t.Any]) -> bool:
    """Tell whether a line can be written over: on a terminal somebody looks at, and nowhere a record is made."""
    return (TERMINAL and os.environ.get("TERM", "dumb") != "dumb"
            and not any(os.environ.get(name) for name in KEPT_OUTPUT)
            and not any(name in task_vars for name in ("awx_job_id", "tower_job_id")))


def where_told(args: t.Mapping[str, t.Any]) -> list[str]:
    """Return the directory whose file tells, or whose newest subdirectory's does; empty where there is none."""
    if args.get("run_dir"):
        return [str(args["run_dir"])]
    return [str(args["state_dir"]), "runs"] if args.get("state_dir") else []


def reader(connection: t.Any, pattern: t.Sequence[str]) -> t.Callable[[], dict[str, t.Any] | None]:
    """Return what reads the file: directly where that is this host and this user, else by a connection of its own."""
    if connection.transport == "local" and not connection.become:
        return lambda: _directly(pattern)
    # Connections and what becomes another user keep what they are at: the module's must not be disturbed.
    other = copy.copy(connection)
    if connection.become:
        other.set_become_plugin(copy.copy(connection.become))
    place = shlex.quote(os.path.join(*pattern))
    file = f"{place}/{NAME}" if len(pattern) == 1 else f"$(ls -d {place}/[0-9]*/{NAME} | tail -n 1)"
    script = f"cat {file} 2>/dev/null"

    def look() -> dict[str, t.Any] | None:
        command = f"sh -c {shlex.quote(script)}"
        if other.become:
            command = other.become.build_become_command(command, other._shell)
        _status, out, _err = other.exec_command(command, in_data=None, sudoable=bool(other.become))
        text = out.decode("utf-8", "replace")
        # Whoever logs in may be greeted first.
        return _content(text[text.find("{"):])

    return look


def _directly(pattern: t.Sequence[str]) -> dict[str, t.Any] | None:
    place = os.path.join(*pattern)
    if len(pattern) > 1:
        runs = sorted(name for name in os.listdir(place) if os.path.isfile(os.path.join(place, name, NAME))
                      and name[:1].isdigit())
        place = os.path.join(place, runs[-1])
    with open(os.path.join(place, NAME), encoding="utf-8") as stream:
        return _content(stream.read())


def _content(text: str) -> dict[str, t.Any] | None:
    found = json.loads(text)
    return found if isinstance(found, dict) else None
