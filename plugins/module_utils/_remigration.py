# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A migration applied again on a restored copy, and undone again: timed, measured, judged."""

from __future__ import annotations

import typing as t
from contextlib import ExitStack

from ._alembic import Environment
from ._catalogue import compare
from ._checks import judge, name_failed
from ._copy import Clock, Copy, Look
from ._counts import differences
from ._database import Limits
from ._errors import Refusal
from ._ground import Ground
from ._losses import Acceptances, Loss, ready_line
from ._messages import say
from ._redact import Redactor
from ._rehearsal import SHOWN_CHANGES, compare_copy, enter_scratch, restore_copy
from ._revisions import Graph
from ._scratch import Wish
from ._trial import first_line


def rehearse_again(ground: Ground, theirs: Environment, manifest: dict[str, t.Any], plan: t.Mapping[str, t.Any],
                   wish: Wish, look: Look, accepted: Acceptances, limits: Limits, timeout_s: float, language: str,
                   redact: Redactor, record: dict[str, t.Any], copies: t.Sequence[str] = ()) -> None:
    """Try an upgrade on a backup. ``record`` is filled as ``rehearsal.json`` is; ``copies`` also hold the manifest.

    Raises Refusal where the migration must not be applied.
    """
    clock, copy, revision = Clock(record["steps"]), None, plan["to_revision"]
    record["route"] = "upgrade"
    try:
        with ExitStack() as stack:
            with clock.step("start"):
                scratch = enter_scratch(stack, ground, wish, redact, record)
            copy = Copy(scratch, scratch.environment(theirs), limits, wish.run_id, look)
            restore_copy(copy, manifest, clock, redact, timeout_s)
            evidence, before = compare_copy(copy, manifest, clock, language, copies)
            graph = copy.move([]).graph
            if sorted(evidence["heads"] or []) != sorted(plan["from_heads"]):
                with clock.step("go_back"):
                    _to_where_it_is(copy, manifest, graph, plan)
                evidence = copy.evidence()
                before = copy.picture(evidence)
            record["before"] = {"tables": evidence["tables"], "heads": evidence["heads"]}
            with clock.step("upgrade"):
                _upgrade(copy, plan)
            with clock.step("measure"):
                left = copy.evidence()
                record["after"] = {"tables": left["tables"], "heads": left["heads"]}
                record["checks"] = judge(look.checks, left, "migrated", evidence, list(accepted.limits), language)
            with clock.step("downgrade") as downgrade:
                error = _back(copy, graph, plan, language)
            downgrade["result"] = "failed" if error else "ok"
            record["way_back"] = {"ok": not error, "error": error, "differs": [] if error else [
                f"{change.kind} {change.object}" for change in compare(before.catalogue, copy.catalogue())] + [
                f"rows {entry['table']}" for entry in differences(evidence["tables"], copy.evidence()["tables"])
                if entry["how"] != "structure"]}
    finally:
        record["commands"] = [redact(line) for line in (copy.commands if copy else [])]
    failed = name_failed(record["checks"], language)
    if failed:
        raise Refusal("again_not_done", revision=revision, failed="; ".join(failed))
    loss = Loss("no-downgrade", because=first_line(error))
    if error:
        record["losses"] = [loss.describe(language)]
        if not accepted.covers(loss):
            raise Refusal("again_no_way_back", error=first_line(error), line=ready_line([loss]))


def _to_where_it_is(copy: Copy, manifest: t.Mapping[str, t.Any], graph: Graph, plan: t.Mapping[str, t.Any]) -> None:
    """Bring a copy of a backup from when the migration was applied to where the live database is."""
    target = _below(graph, plan)
    moved = copy.move([("downgrade", target)]) if target else None
    error = moved.failure["error"] if moved and moved.failure else ""
    if error or copy.heads() != sorted(plan["from_heads"]):
        raise Refusal("again_not_back", path=manifest["path"], heads=", ".join(manifest["heads"] or ["-"]),
                      error=first_line(error) or ", ".join(copy.heads()) or "-")


def _upgrade(copy: Copy, plan: t.Mapping[str, t.Any]) -> None:
    moved = copy.move([("upgrade", plan["to_revision"])])
    if moved.failure:
        raise Refusal("again_failed", revision=moved.failure.get("at") or plan["to_revision"],
                      error=moved.failure["error"])
    if copy.heads() != sorted(plan["to_heads"]):
        raise Refusal("again_heads", heads=", ".join(copy.heads()) or "-", predicted=", ".join(plan["to_heads"]))


def _back(copy: Copy, graph: Graph, plan: t.Mapping[str, t.Any], language: str) -> str:
    """Undo it again; return why that is not possible, empty where it is."""
    target = _below(graph, plan)
    if not target:
        return say(language, "again_merges", parents=", ".join(graph[plan["path"][0]["revision"]].down) or "-")
    moved = copy.move([("downgrade", target)])
    if moved.failure:
        return str(moved.failure["error"])
    heads = copy.heads()
    return "" if heads == sorted(plan["from_heads"]) else ", ".join(heads) or "-"


def _below(graph: Graph, plan: t.Mapping[str, t.Any]) -> str:
    """Return the revision that a downgrade of the whole path goes to; empty where several are."""
    parents = graph[plan["path"][0]["revision"]].down
    return parents[0] if len(parents) == 1 else ""


def tell_again(record: t.Mapping[str, t.Any], language: str) -> list[str]:
    """Return the few lines an operator reads of it."""
    seconds = {step["name"]: step["seconds"] for step in record["steps"]}
    lines = [say(language, "again_told", backup=record["backup_id"], restore=seconds["restore"],
                 upgrade=seconds["upgrade"], downgrade=seconds["downgrade"])]
    differs = (record.get("way_back") or {}).get("differs") or []
    if differs:
        shown = [*differs[:SHOWN_CHANGES], *(["..."] if len(differs) > SHOWN_CHANGES else [])]
        lines.append(say(language, "again_left", changes=", ".join(shown)))
    return lines
