# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A rollback played on a restored copy: timed, measured before and after, compared with what was announced."""

from __future__ import annotations

import os
import typing as t
from contextlib import ExitStack, contextmanager

from ._alembic import Environment
from ._catalogue import compare
from ._checks import check_spec, excused, judge, name_failed
from ._copy import Clock, Copy, Look
from ._database import DatabaseError, Limits, identity, session_name
from ._errors import Problem, Refusal
from ._evidence import Journal, now, write_json
from ._ground import Ground
from ._ladder import ROUTE_STEPS
from ._losses import Acceptances, Loss, settle_losses
from ._measured import Errand, Picture, as_announced, did_nothing, line_for, measured_losses, not_announced
from ._messages import say
from ._redact import Redactor, environment_secrets
from ._restored import mark_compared, require_same, restore
from ._revisions import Graph
from ._scratch import Scratch, Wish, scratch_server
from ._trial import first_line, upgrades
from ._watch import Step
from ._ways import RESTORE, Way, given_up, take

SHOWN_CHANGES = 8
# What would make a result as long as the database has tables.
_LONG = ("before", "after", "commands")


def rehearsal_spec() -> dict[str, t.Any]:
    """Return the options of the doc fragments C(rehearsal) and C(checks), but for those of a scratch server."""
    return {
        "state_dir": {"type": "path", "required": True},
        "concerned": {"type": "list", "elements": "str", "default": []},
        "migration_rows": {"type": "dict", "default": {}},
        "checks": {"type": "list", "elements": "dict", "default": [], "options": check_spec()},
        "accept": {"type": "list", "elements": "str", "default": []},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        "disk_reserve": {"type": "str", "default": "5%"},
        "timeout": {"type": "int", "default": 7200},
    }


def secrets_of(params: t.Mapping[str, t.Any]) -> tuple[set[str], set[str]]:
    """Return what is secret of the variables that lead to the scratch server, and what is not."""
    environment = {str(key): str(text) for key, text in (params["scratch_environment"] or {}).items()}
    secret = environment_secrets(environment)
    return secret, set(environment.values()) - secret


def new_record() -> dict[str, t.Any]:
    """Return what C(rehearsal.json) holds before anything is played."""
    return {"result": "fail", "at": now(), "isolation": None, "system_identifier": None,
            "production_identifier": None, "backup_id": None, "steps": [], "revisions": [], "longest_lock": None,
            "losses": [], "unannounced": [], "upgrade_again": None, "checks": [], "before": None, "after": None,
            "commands": []}


@contextmanager
def recorded(run_dir: str | None, name: str, record: dict[str, t.Any], language: str, redact: Redactor
             ) -> t.Iterator[None]:
    """Play a rehearsal as a step of the run, and keep in its directory what it showed, however it ends."""
    with Journal(run_dir).step("rehearsal") as step:
        try:
            yield
            record["result"] = "pass"
        except Problem as problem:
            record["problem"] = {"key": problem.key, "text": redact(say(language, problem.key, **problem.facts))}
            raise
        except DatabaseError as error:
            record["problem"] = {"key": "database_error", "text": redact(str(error).strip())}
            raise
        finally:
            record["finished_at"] = now()
            step.commands += record["commands"]
            if run_dir:
                write_json(os.path.join(run_dir, name), record)


def shown(record: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a record without what is as long as the database has tables."""
    return {key: held for key, held in record.items() if key not in _LONG}


def counters_of(steps: t.Mapping[str, t.Sequence[Step]]) -> dict[str, dict[str, dict[str, int]]]:
    """Add up, by revision and table, what was inserted, updated and deleted."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for revision, own in steps.items():
        for step in own:
            for table, counts in step.counters.items():
                total = found.setdefault(revision, {}).setdefault(table, {})
                for kind, number in counts.items():
                    total[kind] = total.get(kind, 0) + number
    return found


def durations(steps: t.Mapping[str, t.Sequence[Step]], path: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return by revision how long it took, in seconds, and which locks it held for how long."""
    found = []
    for revision in path:
        own = steps.get(revision, [])
        longest: dict[tuple[str, str], float] = {}
        for lock in (lock for step in own for lock in step.locks):
            place = (lock["table"], lock["mode"])
            longest[place] = max(longest.get(place, 0.0), round(float(lock["held_s"]), 3))
        found.append({"revision": revision, "seconds": round(sum(step.seconds for step in own), 3) if own else None,
                      "locks": [{"table": table, "mode": mode, "held_s": held}
                                for (table, mode), held in sorted(longest.items(), key=lambda each: -each[1])]})
    return found


def longest_lock(revisions: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any] | None:
    """Return the lock that was held longest, with its revision."""
    every = [{**lock, "revision": each["revision"]} for each in revisions for lock in each["locks"]]
    return max(every, key=lambda lock: lock["held_s"], default=None)


def upgrade_again(copy: Copy, graph: Graph, from_heads: t.Sequence[str], to_heads: t.Sequence[str], before: Picture
                  ) -> dict[str, t.Any]:
    """Upgrade back to the starting revisions: ``{ok, error, differs}``, the structure compared with the one before."""
    moved = copy.move(upgrades(graph, from_heads, to_heads))
    if moved.failure:
        return {"ok": False, "error": moved.failure["error"], "differs": []}
    heads = copy.heads()
    if heads != sorted(from_heads):
        return {"ok": False, "error": ", ".join(heads) or "-", "differs": []}
    return {"ok": True, "error": "", "differs": [
        f"{change.kind} {change.object}" for change in compare(before.catalogue, copy.catalogue())]}


def rehearse(ground: Ground, theirs: Environment, manifest: dict[str, t.Any], plan: t.Mapping[str, t.Any], wish: Wish,
             look: Look, tables: t.Collection[str], accepted: Acceptances, limits: Limits, timeout_s: float,
             language: str, redact: Redactor, record: dict[str, t.Any], copies: t.Sequence[str] = (),
             way: Way | None = None) -> list[str]:
    """Rehearse one route of a plan on a backup; return the commands. ``record`` is filled as ``rehearsal.json`` is.

    ``copies`` are other files that hold the manifest. Raises Refusal where the plan must not be carried out.
    """
    copy, way = None, way or Way()
    clock = Clock(record["steps"], of=7 if way.route == RESTORE else 6)
    path = {step["revision"]: step["message"] for step in plan["path"]}
    record["route"] = way.route
    try:
        with ExitStack() as stack:
            with clock.step("start"):
                scratch = enter_scratch(stack, ground, wish, redact, record)
            copy = Copy(scratch, scratch.environment(theirs), limits, wish.run_id, look)
            restore_copy(copy, manifest, clock, redact, timeout_s)
            evidence, before = compare_copy(copy, manifest, clock, language, copies)
            record["before"] = {"tables": evidence["tables"], "heads": evidence["heads"]}
            taken = take(way, copy, clock, plan["from_heads"], list(path), plan["to_heads"], plan["to_revision"],
                         language, redact)
            with clock.step("measure"):
                record["revisions"] = durations(taken.steps, list(path))
                record["longest_lock"] = longest_lock(record["revisions"])
                left = copy.evidence()
                record["after"] = {"tables": left["tables"], "heads": left["heads"]}
                after, counters = copy.picture(left, before), counters_of(taken.steps)
                checks = excused(look.checks, accepted.limits) if way.route == RESTORE else look.checks
                record["checks"] = judge(checks, left, "rolled_back", evidence, list(accepted.limits), language)
            with clock.step("upgrade") as upgrade:
                again = upgrade_again(copy, taken.graph, plan["from_heads"], plan["to_heads"], before)
                record["upgrade_again"] = again
            upgrade["result"] = "ok" if again["ok"] else "failed"
    finally:
        record["commands"] = [redact(line) for line in (copy.commands if copy else [])]
    announced = plan["routes"][way.route]["losses"]
    failure = [] if again["ok"] else [Loss("no-upgrade", because=first_line(again["error"]))]
    if way.route == RESTORE:
        losses = settle_losses([*given_up(before, after, tables, announced), *failure])
        nothing = False
    else:
        errand = Errand(path, plan["migration"], tables, look.filters)
        losses = settle_losses([*measured_losses(before, after, errand, counters), *as_announced(after, announced),
                                *failure])
        nothing = did_nothing(before, after, taken.touched, look.announced)
    record["losses"] = [loss.describe(language) for loss in losses]
    _conclude(losses, announced, plan, accepted, nothing, record, language)
    return list(record["commands"])


def enter_scratch(stack: ExitStack, ground: Ground, wish: Wish, redact: Redactor, record: dict[str, t.Any]) -> Scratch:
    """Start a scratch server that ends with the stack; note which it is, and what keeps it apart."""
    scratch = stack.enter_context(scratch_server(ground, wish, redact))
    with scratch.target.open(session_name(wish.run_id, "control")) as connection:
        record["system_identifier"] = identity(connection)["system_identifier"]
    record["isolation"] = "network" if ground.project else "override" if wish.isolation == "override" else "namespace"
    return scratch


def restore_copy(copy: Copy, manifest: t.Mapping[str, t.Any], clock: Clock, redact: Redactor, timeout_s: float) -> None:
    """Restore a backup, timed."""
    with clock.step("restore"):
        copy.commands.append(restore(copy.scratch, manifest, redact, timeout_s, copy.run_id))


def compare_copy(copy: Copy, manifest: dict[str, t.Any], clock: Clock, language: str, copies: t.Sequence[str] = ()
                 ) -> tuple[dict[str, t.Any], Picture]:
    """Compare what was restored with the manifest, timed, and measure it. Raises Refusal where they differ."""
    with clock.step("compare"):
        evidence = copy.evidence()
        require_same(manifest, evidence, language)
        mark_compared(manifest, *copies)
        return evidence, copy.picture(evidence)


def _conclude(losses: list[Loss], announced: t.Sequence[t.Mapping[str, t.Any]], plan: t.Mapping[str, t.Any],
              accepted: Acceptances, nothing: bool, record: dict[str, t.Any], language: str) -> None:
    unannounced = not_announced(losses, announced, accepted)
    record["unannounced"] = [loss.describe(language) for loss in unannounced]
    failed = name_failed(record["checks"], language)
    if unannounced:
        told = [f"{each['id']} ({each['text']})" for each in record["unannounced"]]
        also = say(language, "rehearsal_also_failed", failed="; ".join(failed)) if failed else ""
        raise Refusal("rehearsal_unannounced", losses="; ".join(told), line=line_for(losses, announced, accepted),
                      also=also)
    if nothing:
        raise Refusal("rehearsal_did_nothing", migration=plan["migration"], tables=", ".join(plan["changes"]))
    if failed:
        raise Refusal("rehearsal_not_done", migration=plan["migration"], failed="; ".join(failed))


def seconds_of(record: t.Mapping[str, t.Any]) -> float | None:
    """Return how long the rehearsed route itself took, in seconds; None where it did not come to its end."""
    return next((step["seconds"] for step in record["steps"] if step["name"] in ROUTE_STEPS), None)


def tell(record: t.Mapping[str, t.Any], language: str) -> list[str]:
    """Return the few lines an operator reads of a rehearsal that passed."""
    seconds = {step["name"]: step["seconds"] for step in record["steps"]}
    lines = [say(language, "rehearsal_told_restored", backup=record["backup_id"], seconds=seconds["restore"],
                 tables=len(record["before"]["tables"])),
             say(language, "rehearsal_told_downgrade", seconds=seconds_of(record), route=record["route"],
                 number=len(record["losses"]))]
    lock = record["longest_lock"]
    if lock:
        lines.append(say(language, "rehearsal_told_lock", table=lock["table"], mode=lock["mode"],
                         seconds=lock["held_s"], revision=lock["revision"]))
    again = record["upgrade_again"]
    if not again["ok"]:
        return [*lines, say(language, "rehearsal_told_no_upgrade", error=first_line(again["error"]))]
    lines.append(say(language, "rehearsal_told_upgrade", seconds=seconds["upgrade"]))
    if again["differs"]:
        some = [*again["differs"][:SHOWN_CHANGES], *(["..."] if len(again["differs"]) > SHOWN_CHANGES else [])]
        lines.append(say(language, "rehearsal_told_differs", differs=", ".join(some)))
    return lines
