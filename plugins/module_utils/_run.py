# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A run's beginning: one at a time on a database, and after a cut the same run again."""

from __future__ import annotations

import os
import secrets
import signal
import time
import typing as t
from contextlib import suppress

from ._database import end_backends, lock_holder, session_name, slug_of
from ._errors import Refusal, Unended
from ._evidence import (
    Journal,
    StateDirectory,
    new_run_id,
    now,
    owner_alive,
    point,
    process_mark,
    read_json,
    seconds_between,
    write_json,
)
from ._ground import Ground
from ._ours import end_left
from ._runner import Runtime
from ._verdict import forget

META = "run.json"
REPORT = "report.json"
LEFTOVER_LIMIT_S = 20.0


def begin(state: StateDirectory, ground: Ground, connection: t.Any, meta: dict[str, t.Any],
          take_over: t.Collection[str] = ()
          ) -> dict[str, t.Any]:
    """Take the database's lock and return the run: ``{run_id, run_dir, resumed, cut_off, ended}``.

    A run whose controller is gone is taken over: what it left at work is ended, and if it wanted the same it is the one
    that goes on. ``take_over`` are runs whose controllers are known to be gone. Raises Refusal while another run is
    under way.
    """
    slug, token = slug_of(connection), secrets.token_hex(8)
    path = state.lock_path(slug)
    with state.deciding(slug):
        held = read_json(path)
        if held:
            _require_gone(held, meta["controller"], state, take_over)
        before = inspect_run(state.run_dir(held["run_id"])) if held else None
        # One that left its report came to its end, and only failed to give the lock back.
        cut_off = before if before and not before["reported"] else None
        again = bool(cut_off and _same_wish(cut_off["meta"], meta))
        if cut_off and cut_off["acted"] and not again and cut_off["run_id"] not in take_over:
            raise Refusal("unfinished_run", run_id=cut_off["run_id"], playbook=cut_off["meta"].get("playbook", "?"),
                          goal=cut_off["meta"].get("goal", {}))
        # What the run before left is no longer its own: ended here, before anything else looks at the database.
        ended = end_leftovers(state.run_dir(held["run_id"]), connection, ground.runtime) if held else []
        ground.runtime.require_idle()
        holder = lock_holder(connection)
        if holder:
            raise Refusal("another_run_acting", holder=holder)
        run_id = cut_off["run_id"] if cut_off and again else new_run_id()
        lock = {"run_id": run_id, "owner": meta["operator"], "controller": meta["controller"], "since": now(),
                "database": ground.target.database, "token": token}
        write_json(path, lock)
    run_dir = state.run_dir(run_id)
    os.makedirs(run_dir, mode=0o700, exist_ok=True)
    journal = Journal(run_dir)
    if again and cut_off:
        forget(run_dir)
        journal.write("resumed", by=meta["operator"], cut_off=cut_off["at"], ended=ended)
        # One that was asked to end has said so itself.
        for step in journal.open_steps():
            journal.write("ended", step=step["step"], result="cut off",
                          duration_s=seconds_between(step["at"], cut_off["last_sign"]), commands=[])
        meta = {**meta, "started_at": cut_off["meta"]["started_at"]}
    elif cut_off and os.path.isdir(state.run_dir(cut_off["run_id"])):
        Journal(state.run_dir(cut_off["run_id"])).write("abandoned", successor=run_id)
    write_json(os.path.join(run_dir, META), {"run_id": run_id, "lock": slug, **meta})
    point(state.runs, run_id)
    return {"run_id": run_id, "run_dir": run_dir, "token": token, "resumed": again,
            "cut_off": cut_off, "ended": ended}


def beside(state: StateDirectory, meta: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a run that changes nothing, and so may go on beside another: no lock, and ``latest`` is not its own."""
    run_id = new_run_id()
    run_dir = state.run_dir(run_id)
    os.makedirs(run_dir, mode=0o700, exist_ok=True)
    write_json(os.path.join(run_dir, META), {"run_id": run_id, "lock": "", **meta})
    return {"run_id": run_id, "run_dir": run_dir, "token": "", "resumed": False, "cut_off": None, "ended": []}


def require_held(run_dir: str | None, token: str | None) -> None:
    """Raise Refusal when this run's lock was taken over: somebody else goes on in its place."""
    if not (run_dir and token):
        return
    state = StateDirectory(os.path.dirname(os.path.dirname(os.path.abspath(run_dir))))
    held = read_json(state.lock_path((read_json(os.path.join(run_dir, META)) or {}).get("lock", "?")))
    if not held or held["token"] != token:
        raise Refusal("lock_lost", run_id=os.path.basename(run_dir))


def _require_gone(held: dict[str, t.Any], asking: dict[str, t.Any], state: StateDirectory,
                  take_over: t.Collection[str]) -> None:
    alive = owner_alive(held["controller"], asking)
    if alive is False or (alive is None and held["run_id"] in take_over):
        return
    facts = {"run_id": held["run_id"], "owner": held["owner"], "since": held["since"],
             "controller": f"{held['controller'].get('host')} pid {held['controller'].get('pid')}"}
    if alive:
        raise Refusal("run_in_progress", **facts)
    silent = seconds_between(last_sign(state.run_dir(held["run_id"])) or held["since"], now())
    raise Refusal("run_owner_unknown", silent_s=int(silent), **facts)


def _same_wish(old: dict[str, t.Any], new: dict[str, t.Any]) -> bool:
    return all(old.get(key) == new.get(key) for key in ("playbook", "database", "goal"))


def inspect_run(run_dir: str) -> dict[str, t.Any]:
    """Return what a run directory tells: ``{run_id, meta, open_steps, at, acted, reported, last_sign}``.

    ``at`` names the steps under way when it was last seen, or the last one that ended.
    """
    journal = Journal(run_dir)
    lines, open_steps = journal.lines(), journal.open_steps()
    ended = [line["step"] for line in lines if line["event"] == "ended"][-1:]
    return {"run_id": os.path.basename(run_dir), "meta": read_json(os.path.join(run_dir, META)) or {},
            "open_steps": open_steps, "at": [step["step"] for step in open_steps] or ended, "acted": journal.acted(),
            "reported": os.path.exists(os.path.join(run_dir, REPORT)) or any(
                line["event"] == "abandoned" for line in lines),
            "last_sign": last_sign(run_dir) or now()}


def last_report(state: StateDirectory, database: str) -> dict[str, t.Any] | None:
    """Return the newest report on what was done to a database; a drill acts on copies of it, a plan on nothing."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        report = None if name == "latest" else read_json(os.path.join(state.runs, name, REPORT))
        if report and report.get("database") == database and report.get("playbook") not in ("drill", "plan"):
            return t.cast("dict[str, t.Any]", report)
    return None


def last_goal(state: StateDirectory, database: str) -> list[str]:
    """Return the revisions the newest plan on a database was to leave recorded; none where there is no plan."""
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        place = state.run_dir(name)
        plan = None if name == "latest" else read_json(os.path.join(place, "plan.json"))
        # A plan alone leaves nothing recorded.
        if plan and plan.get("database") == database and (
                read_json(os.path.join(place, META)) or {}).get("playbook") != "plan":
            return sorted(plan["to_heads"])
    return []


def last_sign(run_dir: str) -> str | None:
    """Return when a run last wrote in its journal."""
    lines = Journal(run_dir).lines()
    return lines[-1]["at"] if lines else None


def end_leftovers(run_dir: str, connection: t.Any, runtime: Runtime) -> list[str]:
    """End the processes, containers and sessions a cut-off run left at work, and say which they were.

    The process is asked first: it ends its own work before it goes. Raises Unended when one does not end.
    """
    ended = []
    for step in Journal(run_dir).open_steps():
        if step["alive"]:
            _end_process(step, os.path.basename(run_dir))
            ended.append(f"{step['step']} (pid {step['pid']})")
    run_id = os.path.basename(run_dir)
    ended += [f"container {name}" for name in runtime.end_left(run_id)]
    ended += [f"session {pid}" for pid in end_backends(connection, session_name(run_id), runtime.addresses)]
    # Who renames or copies a database is in none of its own.
    ended += [f"session {pid}" for pid in end_left(connection, run_id)]
    return ended


def _end_process(step: dict[str, t.Any], run_id: str) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        # Its pid may have gone to another process since.
        if process_mark(step["pid"]) != step["mark"]:
            return
        with suppress(ProcessLookupError):
            os.kill(step["pid"], signum)
        deadline = time.monotonic() + LEFTOVER_LIMIT_S
        while time.monotonic() < deadline:
            if process_mark(step["pid"]) != step["mark"]:
                return
            time.sleep(0.1)
    raise Unended("steps_remain", run_id=run_id, pids=str(step["pid"]))
