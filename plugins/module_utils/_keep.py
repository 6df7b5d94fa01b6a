# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Retention: which backups, run directories and databases of ours may go, why the others stay, and their removal."""

from __future__ import annotations

import os
import shutil
import typing as t
from dataclasses import dataclass, field, replace

from ._backup import INCOMPLETE, MANIFEST, damage
from ._errors import Refusal
from ._evidence import Journal, StateDirectory, fsync_directory, now, read_json, seconds_between, write_file, write_json
from ._messages import say
from ._run import META, REPORT, inspect_run
from ._swap import KEPT, SAFETY, Ours

REMOVED = ".removed-"
# What a backup's directory holds besides the files its manifest names.
_OWN_FILES = frozenset({MANIFEST, "SHA256SUMS", "RESTORE.txt"})
_DAY_S = 86400.0
_TOLD = ("backup_id", "database", "files", "finished_at", "server")


@dataclass(frozen=True)
class Rule:
    """Something goes only when as many newer ones are there as ``count`` says *and* it is older than ``days``.

    0 for either: nothing of the kind ever goes.
    """

    count: int
    days: float

    def over(self, newer: int, at: str, moment: str) -> bool:
        """Tell whether both bounds are exceeded by something made ``at``, that so many newer ones follow."""
        return bool(self.count and self.days) and newer >= self.count and self.old(at, moment)

    def old(self, at: str, moment: str) -> bool:
        """Tell whether something made ``at`` is older than the days; never where they are 0."""
        try:
            return bool(self.days) and seconds_between(at, moment) > self.days * _DAY_S
        except ValueError:
            return False


@dataclass(frozen=True)
class Decision:
    """What becomes of one thing: ``why`` ends the key of a message that ``facts`` fill. Sizes are in bytes."""

    kind: str
    name: str
    path: str
    at: str
    bytes: int
    goes: bool
    why: str
    facts: dict[str, t.Any] = field(default_factory=dict)

    def told(self, language: str) -> dict[str, t.Any]:
        """Return it as a result has it."""
        return {"kind": self.kind, "name": self.name, "path": self.path, "at": self.at, "bytes": self.bytes,
                "rule": self.why, "reason": say(language, f"keep_why_{self.why}", **self.facts)}

    def stays(self, why: str, **facts: t.Any) -> Decision:
        """Return it kept after all."""
        return replace(self, goes=False, why=why, facts=facts)


@dataclass(frozen=True)
class Seen:
    """A run directory of this database, as far as retention goes."""

    run_id: str
    path: str
    playbook: str
    at: str
    ended: bool
    acted: bool
    backup_id: str | None


def size_of(path: str) -> int:
    """Return the bytes of the files below a directory, symbolic links not followed."""
    total = 0
    for place, _directories, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:
                continue
    return total


def seen_runs(state: StateDirectory, database: str, slug: str) -> tuple[list[Seen], list[Decision]]:
    """Return the runs of a database, newest first, and what else lies among them that nobody may touch.

    ``slug`` tells this server's database from one of the same name elsewhere. Runs of other databases are in neither.
    """
    runs, foreign = [], []
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        path = state.run_dir(name)
        if name == "latest" or name.startswith("."):
            continue
        meta = None if os.path.islink(path) else read_json(os.path.join(path, META))
        if not isinstance(meta, dict) or meta.get("run_id") != name:
            foreign.append(Decision("run", name, path, "", 0, False, "foreign"))
        elif meta.get("database") == database and meta.get("lock") in ("", None, slug):
            found = inspect_run(path)
            backup = read_json(os.path.join(path, MANIFEST)) or {}
            runs.append(Seen(name, path, str(meta.get("playbook", "")), str(meta.get("started_at") or ""),
                             found["reported"], found["acted"], backup.get("backup_id")))
    return runs, foreign


def judge_databases(found: t.Sequence[Ours], runs: t.Sequence[Seen], rule: Rule, moment: str) -> list[Decision]:
    """Decide on databases of ours beside the live one, newest first.

    Kept databases and proved safety copies, from which a rollback can be undone, go by the rule. One that was only on
    its way is left over once its run has ended; where nobody here knows that run, once it is older than the days.
    """
    known, decided, newer = {run.run_id: run for run in runs}, [], 0
    for each in found:
        run = known.get(each.run_id or "")
        goes, why = True, "over"
        facts = {"run_id": each.run_id or "-"}
        if run and not run.ended:
            goes, why = False, "unfinished"
        elif each.renamed:
            goes, why, facts = False, "renamed", {"was": each.marked_name}
        elif each.kind == KEPT or (each.kind == SAFETY and each.proved):
            if not rule.over(newer, each.at, moment):
                goes, why = False, "within"
            newer += 1
        elif run:
            why = "leftover"
        elif rule.old(each.at, moment):
            why = "leftover_old"
        else:
            goes, why = False, "unknown_run"
        if goes and each.connections:
            goes, why, facts = False, "sessions", {"count": str(each.connections), "name": each.name}
        decided.append(Decision("database", each.name, "", each.at, each.bytes or 0, goes, why, facts))
    return decided


def judge_runs(runs: t.Sequence[Seen], current: t.Collection[str], wanted: t.Collection[str], rule: Rule, moment: str
               ) -> list[Decision]:
    """Decide on run directories. ``current`` are this run, ``latest`` and those that hold a lock.

    ``wanted`` are those whose kept database stays. The newest that acted stays: undoing rests on its evidence.
    """
    decided, acted = [], False
    for newer, run in enumerate(runs):
        goes, why = False, "within"
        if run.run_id in current:
            why = "current"
        elif not run.ended:
            why = "unfinished"
        elif run.acted and not acted:
            why = "acted"
        elif run.run_id in wanted:
            why = "its_database"
        elif rule.over(newer, run.at, moment):
            goes, why = True, "over"
        acted = acted or run.acted
        decided.append(Decision("run", run.run_id, run.path, run.at, size_of(run.path), goes, why))
    return decided


def judge_backups(backups: str, database: str, server: str, runs: t.Sequence[Seen], rule: Rule, moment: str
                  ) -> list[Decision]:
    """Decide on the backups of a database, newest first. ``runs`` are those that stay.

    The newest good one at each set of recorded revisions stays whatever the rule says: one from before a migration is
    what makes its restore possible. So does one that a run that acted, or has not ended, points to.
    """
    mine, decided = [], []
    for name in sorted(os.listdir(backups)) if os.path.isdir(backups) else []:
        path = os.path.join(backups, name)
        if name.startswith("."):
            continue  # What was cut off is swept by the next backup.
        manifest = None if os.path.islink(path) else read_json(os.path.join(path, MANIFEST))
        if not isinstance(manifest, dict) or any(key not in manifest for key in _TOLD) or manifest["backup_id"] != name:
            decided.append(Decision("backup", name, path, "", 0, False, "foreign"))
        elif manifest["database"] == database:
            # The state directory may have been moved since.
            mine.append({**manifest, "path": path})
    pointing = {run.backup_id: run.run_id for run in reversed(runs) if run.acted or not run.ended}
    good, seen_heads = 0, set()
    for manifest in sorted(mine, key=lambda manifest: str(manifest["finished_at"]), reverse=True):
        name, path, at = manifest["backup_id"], manifest["path"], str(manifest["finished_at"])
        whole = any(entry["scope"] == "database" for entry in manifest["files"]) and damage(manifest) is None
        heads = tuple(sorted(manifest.get("heads") or []))
        goes, why, facts = False, "within", {}
        if manifest["server"].get("system_identifier") != server:
            # Another server's are not judged, and are no backup of this one.
            whole, why = False, "another_server"
        elif whole and heads not in seen_heads:
            why, facts = "newest" if not good else "heads", {"heads": ", ".join(heads) or "-"}
        elif set(os.listdir(path)) - {entry["name"] for entry in manifest["files"]} - _OWN_FILES:
            why = "not_only_ours"
        elif name in pointing:
            why, facts = "its_run", {"run_id": pointing[name]}
        elif rule.over(good, at, moment):
            goes, why = True, "over"
        if whole:
            good += 1
            seen_heads.add(heads)
        decided.append(Decision("backup", name, path, at, size_of(path), goes, why, facts))
    return decided


def set_aside(decision: Decision) -> str:
    """Give what goes a name by which nobody takes it for whole any more, and return its path.

    What is cut off after this is swept like a backup that was cut off.
    """
    parent, name = os.path.split(decision.path)
    aside = os.path.join(parent, (INCOMPLETE if decision.kind == "backup" else REMOVED) + name)
    os.rename(decision.path, aside)
    fsync_directory(parent)
    return aside


def sweep_removed(state: StateDirectory) -> None:
    """Finish what a retention that was cut off had begun to remove."""
    for name in os.listdir(state.runs) if os.path.isdir(state.runs) else []:
        if name.startswith(REMOVED):
            shutil.rmtree(os.path.join(state.runs, name), ignore_errors=True)


def note_removed(runs: t.Sequence[Seen], backup_id: str, language: str) -> None:
    """Have the runs that point to a backup say that it is gone."""
    moment = now()
    for run in runs:
        if run.backup_id != backup_id:
            continue
        manifest = read_json(os.path.join(run.path, MANIFEST))
        write_json(os.path.join(run.path, MANIFEST), {**manifest, "removed_at": moment})
        report = read_json(os.path.join(run.path, REPORT))
        if isinstance(report, dict) and isinstance(report.get("backup"), dict):
            write_json(os.path.join(run.path, REPORT), {**report, "backup": {**report["backup"], "removed_at": moment}})
        text = os.path.join(run.path, "report.md")
        if os.path.exists(text):
            with open(text, encoding="utf-8") as stream:
                before = stream.read()
            write_file(text, f"{before.rstrip()}\n\n{say(language, 'keep_noted', backup=backup_id, at=moment)}\n")
        Journal(run.path).write("backup_removed", backup=backup_id)


def require_free(state: StateDirectory, slug: str, run_id: str | None) -> None:
    """Raise Refusal while another run holds this database's lock, alive or cut off: it may rest on what would go."""
    held = read_json(state.lock_path(slug))
    if held and held["run_id"] != run_id:
        raise Refusal("keep_run_holds", run_id=held["run_id"], owner=held.get("owner") or "?", since=held["since"])
