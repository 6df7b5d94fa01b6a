#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: restore_plan
short_description: Say what a backup or a kept database would take with it, before it takes the live one's place
version_added: 0.1.0
description:
  - Read-only. Recognises what is meant, reads it whole where it is a file, measures it where it is a database, and
    counts by table what was written since. Revisions, tables and rows that would go have to be accepted by their ids.
  - With O(recount), looks again once a backup is loaded beside the live database and nothing writes any more; for a
    file without a manifest this is where its rows are known at all.
  - The application's Alembic environment is asked for its history. A broken one does not stop a restore; revisions are
    then told by their ids alone.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.alembic
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  purpose:
    description:
      - V(restore) puts a backup or a database back, V(undo) what the last run has kept.
    type: str
    choices: [restore, undo]
    default: restore
  source:
    description:
      - V(latest), the path of a backup or a dump, a backup's id, a run's id, or the name of a database that was kept.
        With O(purpose=undo) such a name, or empty for the one the last run kept.
    type: str
    default: ''
  goal:
    description:
      - What the run was opened for. A run before it with the same goal has done this already, if nothing was written
        since.
    type: dict
    default: {}
  tables:
    description:
      - Only these tables come back, into the database as it is.
    type: list
    elements: str
    default: []
  recount:
    description:
      - The database beside the live one that is about to take its place. Where not all it costs was accepted, it is
        dropped again if it is a backup that was loaded for this.
    type: str
    default: ''
  migration:
    description:
      - The migration whose own rows are no loss where it goes as well, and by which checks are chosen.
    type: str
    required: true
  concerned:
    description:
      - The migration's own tables.
    type: list
    elements: str
    default: []
  migration_rows:
    description:
      - As in M(recyclic.rollback.plan_info).
    type: dict
    default: {}
  accept:
    description:
      - The losses accepted, by the ids the plan prints; C(id=17) accepts no more than 17 rows.
    type: list
    elements: str
    default: []
  state_dir:
    description:
      - The state directory, where backups and runs are.
    type: path
    required: true
  application:
    description:
      - The services that are stopped meanwhile, for what the operator is warned of.
    type: list
    elements: str
    default: []
  fingerprint_max_bytes:
    description:
      - Tables of a database up to this size are fingerprinted.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: What would the newest backup take with it?
  recyclic.rollback.restore_plan:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    source: latest
    migration: k1l2m3n4o5p6
  register: planned
"""

RETURN = r"""
finishing:
  description:
    - Whether the run in O(run_dir) was cut off after it had replaced the database; what is left is to validate.
  type: bool
  returned: success
kept:
  description: With RV(finishing), the name the replaced database is kept under.
  type: str
  returned: success
lines:
  description: The plan in a few lines.
  type: list
  elements: str
  returned: success
refusal:
  description: Why it may not be done like this, and what to type; empty where it may.
  type: str
  returned: success
missing:
  description: The ids still to be accepted.
  type: list
  elements: str
  returned: success
warned:
  description: Before it is asked, what the operator is warned of, with the figures of this very run.
  type: list
  elements: str
  returned: success
prompt:
  description: The warnings, and the question an operator answers before anything changes.
  type: str
  returned: success
unconfirmed:
  description: What to say when it was not answered.
  type: str
  returned: success
plan:
  description: The plan; also C(plan.json) in O(run_dir) when that is given.
  type: dict
  returned: success
  contains:
    database:
      description: The database.
      type: str
    position:
      description: V(applied) where there is something to do, otherwise V(rolled_back).
      type: str
    from_heads:
      description: The recorded revisions.
      type: list
      elements: str
    to_heads:
      description: Those recorded there; empty for a file that was not loaded yet.
      type: list
      elements: str
    expectation:
      description: By which checks it is judged afterwards - V(rolled_back) or V(migrated).
      type: str
    source:
      description: What comes back - C(kind), C(name), C(heads), C(at), C(bytes), C(restored_and_compared).
      type: dict
    revisions:
      description: The revisions that go.
      type: list
      elements: str
    routes:
      description: The one route, V(restore), with C(verdict), C(losses), C(reasons) and C(backup).
      type: dict
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from
from ansible_collections.recyclic.rollback.plugins.module_utils._announce import Mission
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._beside import drop_beside
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    recorded_heads,
    rows,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    now,
    read_json,
    run_id_of,
    seconds_between,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances, ready_line
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._restore_plan import (
    SHOWN_TABLES,
    UNDO,
    Origin,
    already,
    applied_at,
    find_origin,
    measure_origin,
    read_history,
    swapped_in,
    toll,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._routes import acceptance
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import require_swappable
from ansible_collections.recyclic.rollback.plugins.module_utils._warnings import (
    before_return,
    look_around,
    question,
)

DONE = "rolled_back"
TO_DO = "applied"


def plan(module, redact):
    params, language = module.params, module.params["language"]
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    limits, state = Limits(params["lock_timeout"], params["statement_timeout"]), StateDirectory(params["state_dir"])
    live = ground.target.database
    known = read_json(os.path.join(params["run_dir"], "plan.json")) if params["run_dir"] else None
    with Journal(params["run_dir"]).step("recount" if params["recount"] else "plan"), ground.target.open(
            session_name(run_id, "plan"), limits) as connection:
        rows(connection, "SET default_transaction_read_only TO on")
        kept = swapped_in(connection, live, params["run_dir"], known)
        if kept:
            return answer(params, known, [say(language, "plan_finishing")], [], kept)
        history = read_history(environment_from(params, ground.runtime, redact), connection, run_id, limits,
                               params["version_table"], params["version_schema"], language)
        recorded = recorded_heads(connection, history.version_table, history.version_schema) or []
        before = nothing_to_do(params, ground, state, run_id, history, recorded)
        if before and not known:
            planned = described(params, history, recorded, recorded, DONE)
            told = say(language, "return_already", run_id=before["run_id"],
                       kept=before.get("kept_database") or before.get("safety_copy") or "-")
            keep(params, planned)
            return answer(params, planned, [told], [], None)
        # What latest meant when the run began; by now it is this run's own backup.
        wanted = known["source"]["name"] if known and known.get("source") else params["source"]
        origin = loaded_origin(known) if params["recount"] else None
        origin = origin or find_origin(ground, connection, state, wanted, params["purpose"], history.version_table)
        require_fitting(params, origin)
        if not params["tables"]:
            require_swappable(connection, live)
        held = None
        if origin.kind == "database" or params["recount"]:
            held = measure_origin(ground, params["recount"] or origin.name, run_id, params["fingerprint_max_bytes"],
                                  history)
            origin.tables, origin.heads = held["tables"], held["heads"] or []
        mission = Mission(params["migration"], tuple(params["concerned"]), params["migration_rows"])
        found = toll(connection, history, origin, recorded, mission, params["tables"], live)
        accepted = acceptances(params["accept"])
        missing = accepted.missing(found.losses)
        planned = described(params, history, recorded, recorded if params["tables"] else origin.heads or [], TO_DO)
        planned.update(
            source=origin.describe(), revisions=found.revisions,
            replacement=params["recount"] or (origin.name if origin.kind == "database" else None),
            routes={"restore": {
                "verdict": "needs_acceptance" if found.losses else "safe", "reasons": [],
                "losses": [loss.describe(language) for loss in found.losses], "estimate_s": None,
                "estimate_from": None, "changes": None, "backup": None if origin.kind == "database" else origin.name}},
            missing=[loss.id for loss in missing])
        if held and params["run_dir"] and not params["tables"]:
            memo = os.path.join(params["run_dir"], "restored.json")
            # What it was loaded for stays: a run that is taken up again need not load it twice.
            write_json(memo, {**(read_json(memo) or {}), **held})
        keep(params, planned)
        warned = before_return(planned, found.counts, origin.tables is not None or bool(params["tables"]), look_around(
            connection, live, params["state_dir"], params["application"]), language)
    if missing and params["recount"] and origin.kind != "database" and not module.check_mode:
        drop_beside(ground, run_id, params["recount"])
    return answer(params, planned, lines_of(params, planned, origin, found, missing, history), found.losses, None,
                  missing, warned)


def nothing_to_do(params, ground, state, run_id, history, recorded):
    """The report of the run that has done just this, if nothing has changed since; None where there is something."""
    if params["recount"]:
        return None
    return already(state, ground.target.database, params["purpose"], params["goal"], lambda: measure_origin(
        ground, ground.target.database, run_id, params["fingerprint_max_bytes"], history), recorded)


def loaded_origin(known):
    """The backup this run has loaded: it was read whole by then. None for a database, which is looked at again."""
    source = known["source"]
    return None if source["kind"] == "database" else Origin(
        source["kind"], source["name"], source["heads"], None, source["at"], source["bytes"],
        source["restored_and_compared"], source["of"])


def require_fitting(params, origin):
    if params["tables"] and origin.kind == "database":
        raise Refusal("return_tables_of_database", name=origin.name)
    if origin.only is not None and not params["tables"]:
        raise Refusal("return_only_some", name=origin.name, tables=",".join(origin.only))


def described(params, history, recorded, heads, position):
    """The plan as ``plan.json`` holds it, without what it costs."""
    migrated = applied_at(history.graph, params["migration"], heads)
    return {"database": params["login_db"], "migration": params["migration"], "purpose": params["purpose"],
            "position": position, "from_heads": sorted(recorded), "to_heads": sorted(heads), "to_revision": None,
            "path": [], "expectation": "migrated" if migrated else "rolled_back", "tables": params["tables"],
            "version_table": {"name": history.version_table, "schema": history.version_schema}, "source": None,
            "replacement": None, "ladder": ["restore"], "recommended": "restore", "changes": None, "routes": {},
            "accepted": params["accept"], "missing": [], "warnings": []}


def keep(params, planned):
    if params["run_dir"]:
        write_json(os.path.join(params["run_dir"], "plan.json"), planned)


def lines_of(params, planned, origin, found, missing, history):
    language = params["language"]
    nothing = say(language, "none")
    unknown = origin.heads is None and not params["tables"]
    lines = [say(language, "return_where", database=params["login_db"], name=origin.name,
                 kind=say(language, f"return_kind_{origin.kind}"),
                 from_heads=", ".join(planned["from_heads"]) or nothing,
                 to_heads=say(language, "return_not_loaded") if unknown else ", ".join(origin.heads or []) or nothing)]
    if origin.at:
        lines.append(say(language, "return_made", at=origin.at, bytes="?" if origin.bytes is None else origin.bytes,
                         hours=round(seconds_between(origin.at, now()) / 3600, 1),
                         proved=say(language, "yes" if origin.proved else "no")))
    else:
        lines.append(say(language, "return_size", bytes="?" if origin.bytes is None else origin.bytes))
    if params["tables"]:
        lines.append(say(language, "return_tables", tables=", ".join(params["tables"])))
    if history.why:
        lines.append(say(language, "return_no_history", why=history.why))
    if found.counts:
        lines += ["", say(language, "return_head"), *(
            say(language, "return_row", table=table, now="?" if now_there is None else now_there,
                there="-" if there is None else there)
            for table, (now_there, there) in list(found.counts.items())[:SHOWN_TABLES])]
        if len(found.counts) > SHOWN_TABLES:
            lines.append(say(language, "return_more", number=len(found.counts) - SHOWN_TABLES))
    if found.losses:
        lines += ["", say(language, "return_loses"), *(
            say(language, "plan_loss", **{key: loss.describe(language)[key] for key in ("id", "text")})
            for loss in found.losses)]
    elif origin.tables is not None:
        lines.append(say(language, "return_loses_nothing"))
    if origin.tables is None and not params["tables"]:
        lines.append(say(language, "return_counted_later"))
    if missing:
        lines += ["", say(language, "plan_accept", line=ready_line(found.losses))]
    return lines


def answer(params, planned, lines, losses, kept, missing=(), warned=()):
    language = params["language"]
    return {"changed": False, "plan": planned, "finishing": kept is not None, "finished_by": None, "kept": kept,
            "lines": lines, "missing": [loss.id for loss in missing],
            "refusal": acceptance(missing, ready_line(losses), language) if missing else "",
            "warned": list(warned), "prompt": question(warned, planned["database"], language),
            "unconfirmed": say(language, "unconfirmed", database=planned["database"])}


def main():
    run(plan, {
        "purpose": {"type": "str", "default": "restore", "choices": ["restore", UNDO]},
        "source": {"type": "str", "default": ""},
        "goal": {"type": "dict", "default": {}},
        "tables": {"type": "list", "elements": "str", "default": []},
        "recount": {"type": "str", "default": ""},
        "migration": {"type": "str", "required": True},
        "concerned": {"type": "list", "elements": "str", "default": []},
        "migration_rows": {"type": "dict", "default": {}},
        "accept": {"type": "list", "elements": "str", "default": []},
        "state_dir": {"type": "path", "required": True},
        "application": {"type": "list", "elements": "str", "default": []},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        **version_spec(),
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
