#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_info
short_description: Say what undoing a migration would do, before anything is done
version_added: 0.1.0
description:
  - From the live state, read-only and in seconds - where the database stands, which revisions each route (Alembic, by
    hand, from a backup) would undo, what it would take with it, counted, and what has to be accepted by name.
  - What the downgrades do is seen on a scratch server, where the history is built from nothing, undone and applied
    again. Nothing of production is reached from there, and nothing of it is left. The same shows whether the recorded
    revisions are true.
  - A state or a destination without a single, exact meaning is refused with the way out.
  - A migration that is already undone by the version table must be undone by the tables as well.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.checks
  - recyclic.rollback.rehearsal.scratch
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  migration:
    description:
      - The full id of the migration to undo.
    type: str
    required: true
  to_revision:
    description:
      - The full id of the revision to go back to; by default the migration's own parent.
    type: str
  concerned:
    description:
      - The migration's own tables. What it put there is what a rollback is there to remove.
    type: list
    elements: str
    default: []
  migration_rows:
    description:
      - For each of these tables an SQL condition that finds the rows the migration made. Other rows are then a loss.
        Without one, every row counts as the migration's.
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
      - The state directory, for the backups to restore from and for what was measured before. By default none is looked
        at.
    type: path
  strategy:
    description:
      - Which routes may be tried. With V(auto) all three, in the order alembic, manual, restore, as far as each is
        possible; the first has to be accepted with all it loses, another only joins with nothing left to accept.
    type: str
    choices: [auto, alembic, manual, restore]
    default: auto
  references:
    description:
      - What becomes of rows that refer to those the manual route removes, see M(recyclic.rollback.manual_rollback).
    type: dict
    default: {}
  trial:
    description:
      - Whether the history is tried on a scratch server. Without, only the rendered SQL is read.
    type: bool
    default: true
  application:
    description:
      - With O(runtime=compose), the services whose images are compared with that of the migrations, besides the
        containers the migrations service left.
    type: list
    elements: str
    default: []
  resume_environment:
    description:
      - With O(runtime=compose), the variables under which these services will be started again. Their images have to be
        on the managed node.
    type: dict
    default: {}
  standing_backup:
    description:
      - The path of a backup that stands for one taken now, for what the operator is warned of.
    type: str
    default: ''
  fingerprint_max_bytes:
    description:
      - See M(recyclic.rollback.table_count); used when a run that was cut off while it acted is taken up.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: What would undoing the migration do?
  recyclic.rollback.plan_info:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    migration: k1l2m3n4o5p6
    concerned: [categories]
    migration_rows:
      categories: name IN (SELECT label FROM dom_category)
    state_dir: /var/lib/recyclic-rollback
  register: planned
"""

RETURN = r"""
finishing:
  description:
    - Whether the run in O(run_dir) was cut off after its rollback had reached the goal; the plan is then the one it was
      carrying out, and what is left is to validate.
  type: bool
  returned: success
finished_by:
  description: The route that reached the goal, with RV(finishing).
  type: str
  returned: success
lines:
  description: The plan in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
refusal:
  description: Why a rollback may not go on with this plan, and what to type; empty where it may.
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
    migration:
      description: The migration to undo.
      type: str
    position:
      description: V(applied), or V(rolled_back) when there is nothing left to undo.
      type: str
    to_revision:
      description: The full id to go back to.
      type: str
    from_heads:
      description: The recorded revisions.
      type: list
      elements: str
    to_heads:
      description: The recorded revisions afterwards.
      type: list
      elements: str
    path:
      description:
        - The revisions undone, in order, each with C(revision), C(message), C(in_scope) and C(downgrade) -
          V(implemented), V(empty?) (it seems to do nothing, until a rehearsal has shown it), V(raises) or V(unknown).
      type: list
      elements: dict
    purpose:
      description: Rows in the migration's own tables, by table; V(none) for one that is absent.
      type: dict
    routes:
      description:
        - For V(alembic), V(manual) and V(restore) the C(verdict) (V(safe), V(needs_acceptance), V(impossible)), the
          C(reasons) in words, the C(losses), each with C(id), C(text), C(rows) (rows or values; V(none) where nothing
          is counted) and C(exact), and C(estimate_s) in seconds with C(estimate_from), V(rehearsal) or V(trial), the
          measure it comes from. Besides, the C(changes) of the manual route by table, and the path of the C(backup)
          the restore route restores.
      type: dict
    recommended:
      description: The route that loses least; V(none) when none is possible.
      type: str
    strategy:
      description: The strategy asked for.
      type: str
    ladder:
      description: The routes that will be tried, in order, each only where the one before it failed.
      type: list
      elements: str
    alternatives:
      description: Other ways, each with C(route), C(to_revision), the revisions it C(undoes), and C(text).
      type: list
      elements: dict
    blockers:
      description:
        - Sessions that hold locks on the tables at stake, each with C(pid), C(application), C(user), C(client),
          C(state), C(seconds), C(query) and C(tables).
      type: list
      elements: dict
    warnings:
      description: What the operator should know besides.
      type: list
      elements: str
    consistent:
      description: Whether the schema is that of the recorded revisions - V(yes), V(no) or V(unknown).
      type: str
    consistency:
      description:
        - What that rests on - C(differs), the C(true_heads) whose schema it is where one is, the C(candidates) where
          several have the same, C(drift) made by hand, and C(why) it is unknown.
      type: dict
    changes:
      description: By table, how it is going to differ; V(none) where nothing showed that.
      type: dict
    accepted:
      description: The ids that were accepted.
      type: list
      elements: str
    missing:
      description: The ids still to be accepted.
      type: list
      elements: str
    version_table:
      description: The C(name) and C(schema) of the version table, as C(env.py) has them.
      type: dict
    notes:
      description: What was found of the images, with O(runtime=compose).
      type: list
      elements: str
    size_bytes:
      description: What the tables take, in bytes.
      type: int
    free_bytes:
      description: What is free where O(state_dir) is, in bytes; V(none) without one.
      type: int
    backup:
      description: The newest good backup, with C(path), C(finished_at), C(heads) and C(restored_and_compared).
      type: dict
    images:
      description:
        - With O(runtime=compose), the migrations image and those of the containers it was compared with, each with
          C(service), C(image), C(id), the C(heads) it was made for and whether its path is the same (C(same_path)).
      type: list
      elements: dict
"""

import os
from dataclasses import asdict

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import (
    environment_from,
    prefix_of,
    require_same_place,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._announce import Mission
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, scratch_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import describe_database
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import (
    check_spec,
    judge,
    name_failed,
    take_evidence,
    told,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences, qualified
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    identity,
    rows,
    session_name,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    read_json,
    run_id_of,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._images import examine, require_known
from ansible_collections.recyclic.rollback.plugins.module_utils._ladder import acted_by
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import APPLIED, ROLLED_BACK, describe, goal
from ansible_collections.recyclic.rollback.plugins.module_utils._plan_text import plan_lines
from ansible_collections.recyclic.rollback.plugins.module_utils._planning import (
    Request,
    find,
    foreseen_by_last,
    true_heads,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import environment_secrets
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch import wish_from
from ansible_collections.recyclic.rollback.plugins.module_utils._stakes import Stakes
from ansible_collections.recyclic.rollback.plugins.module_utils._warnings import (
    before_rollback,
    look_around,
    question,
)


def lenient(check, concerned):
    """A check that can be judged now: without an earlier measure, and a table that went with a rollback may be gone."""
    return {**check, "unchanged": False, "absent": "pass" if check["table"] in concerned else check["absent"]}


def plan(module, redact):
    params, language = module.params, module.params["language"]
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target, limits = ground.target, Limits(params["lock_timeout"], params["statement_timeout"])
    with Journal(params["run_dir"]).step("plan") as step, target.open(
            session_name(run_id, "plan"), limits) as connection:
        rows(connection, "SET default_transaction_read_only TO on")
        environment = environment_from(params, ground.runtime, redact)
        sight = environment.look_from(connection, prefix_of(run_id), limits, "downgrade", params["migration"],
                                      params["to_revision"])
        require_same_place(sight, connection, target, prefix_of(run_id))
        recorded = sight.heads(connection)
        require_known(ground, sight.graph, recorded)
        like = {**identity(connection), **describe_database(connection)}
        stakes = Stakes(connection)
        request = Request(Mission(params["migration"], tuple(map(stakes.named, params["concerned"])),
                                  {stakes.named(table): rule for table, rule in params["migration_rows"].items()}),
                          acceptances(params["accept"]), limits, run_id, language, params["state_dir"],
                          params["trial"], foreseen_by_last(params["state_dir"], target.database, recorded),
                          params["strategy"], params["references"] or {}, wish_from(params))
        try:
            chosen = goal(sight.graph, recorded, params["migration"], params["to_revision"], sight.path,
                          sight.path_error)
        except Refusal as refusal:
            if refusal.key in ("heads_overlap", "nothing_recorded"):
                refusal.facts["truth"] = truth(ground, environment, sight, connection, like, request, redact, recorded)
            raise
        if chosen.position == APPLIED:
            require_no_traces(params, target, sight)
        purpose, absent = present(connection, stakes, params)
        planned = describe(target.database, params["migration"], sight.graph, recorded, chosen, purpose, sight.probe)
        redact.learn(environment_secrets(params["resume_environment"]))
        seen = examine(ground, environment, sight.graph, recorded, chosen.to_heads, params["application"],
                       params["resume_environment"], language)
        found = find(ground, environment, sight, chosen, recorded, connection, like, request, redact)
        planned.update(conclusions(found, params), images=seen.images, notes=seen.lines)
        planned["warnings"] = [*found.warnings, *seen.warnings, *left_out(found, params), *(
            say(language, "plan_absent", check=check, table=table) for check, table in absent)]
        sharpen(planned, found)
        step.facts["to_revision"] = chosen.to_revision
        begun = plan_begun(params["run_dir"]) if chosen.position == ROLLED_BACK else None
        if begun:
            return result({**begun, "position": ROLLED_BACK}, found, True, language,
                          acted_by(Journal(params["run_dir"]).lines()))
        if params["run_dir"]:
            write_json(os.path.join(params["run_dir"], "plan.json"), planned)
        if chosen.position == ROLLED_BACK and not found.refusal:
            found.refusal = contradiction(params, target, sight)
        warned = [] if chosen.position == ROLLED_BACK else before_rollback(planned, look_around(
            connection, target.database, params["state_dir"], params["application"], params["standing_backup"]),
            language)
    return result(planned, found, False, language, warned=warned)


def truth(ground, environment, sight, connection, like, request, redact, recorded):
    """Whose schema it is where the version table cannot be believed, and how to put that right; empty: not known."""
    heads = true_heads(ground, environment, sight, connection, like, request, redact)
    if not heads:
        return ""
    wrong = [revision for revision in recorded if revision not in heads]
    version = ".".join(filter(None, (sight.probe["version_table_schema"], sight.probe["version_table"])))
    way_out = f"alembic stamp --purge {' '.join(heads)}"
    if wrong and set(heads) < set(recorded):
        way_out = say(request.language, "overlap_delete", table=version,
                      revisions=", ".join(f"'{revision}'" for revision in wrong))
    return say(request.language, "overlap_true", heads=", ".join(heads), way_out=way_out)


def present(connection, stakes, params):
    """The rows of the migration's own tables, and the checks whose table is not there: ``(check, table)``."""
    counted = {table: stakes.rows_of(table) for table in params["concerned"]}
    purpose = {table: count[0] if count else None for table, count in counted.items()}
    absent = [(check["id"], check["table"]) for check in params["checks"]
              if check["expectation"] != "migrated" and qualified(connection, check["table"]) is None]
    return purpose, absent


def conclusions(found, params):
    """What was found, as ``plan.json`` keeps it."""
    language, consistent = params["language"], found.consistent
    return {
        "routes": {route.name: route.describe(language) for route in found.routes},
        "recommended": found.recommended,
        "strategy": params["strategy"],
        "ladder": list(found.ladder.routes),
        "alternatives": found.alternatives,
        "blockers": found.blockers,
        "consistent": consistent.verdict,
        "consistency": {"differs": [asdict(change) for change in consistent.differs],
                        "true_heads": list(consistent.true_heads),
                        "candidates": [list(heads) for heads in consistent.candidates],
                        "drift": [asdict(change) for change in consistent.drift], "why": consistent.why},
        "changes": found.announced.changes,
        "accepted": params["accept"],
        "missing": [loss.id for loss in found.missing],
        **found.facts,
    }


def left_out(found, params):
    """Why other possible routes of the strategy will not be tried."""
    return [say(params["language"], each.key, **each.facts) for each in found.ladder.left_out]


def sharpen(planned, found):
    """Say of each downgrade what the trial showed, where its source alone does not."""
    for step in planned["path"]:
        effect = found.announced.effects.get(step["revision"])
        if effect is False and step["downgrade"] in ("implemented", "unknown"):
            step["downgrade"] = "empty?"
        elif effect and step["downgrade"] in ("unknown", "empty?"):
            step["downgrade"] = "implemented"


def result(planned, found, finishing, language, finished_by=None, warned=()):
    """The result, with the lines an operator reads and the question that has to be answered."""
    if finishing:
        lines = [say(language, "plan_finishing")]
    elif planned["position"] == ROLLED_BACK:
        lines = [say(language, "plan_where", database=planned["database"],
                     **{key: ", ".join(planned[key]) for key in ("from_heads", "to_heads")}),
                 say(language, "plan_nothing", migration=planned["migration"]), *planned["warnings"]]
    else:
        lines = plan_lines(planned, found.routes, found.line, language)
    return {"changed": False, "plan": planned, "finishing": finishing, "finished_by": finished_by, "lines": lines,
            "refusal": "" if finishing else found.refusal, "missing": [loss.id for loss in found.missing],
            "warned": list(warned), "prompt": question(warned, planned["database"], language),
            "unconfirmed": say(language, "unconfirmed", database=planned["database"])}


def contradiction(params, target, sight):
    """Why a migration that is undone by the version table is not by the tables; empty where it is."""
    checks = [lenient(check, params["concerned"]) for check in params["checks"]]
    evidence = measured(params, target, sight, checks, 0, False)
    failed = name_failed(judge(checks, evidence, "rolled_back", None, [], params["language"]), params["language"])
    return say(params["language"], "version_contradicts", migration=params["migration"],
               checks="; ".join(failed)) if failed else ""


def require_no_traces(params, target, sight):
    """Refuse to go on after a cut in the middle of acting unless the database is as it was measured before."""
    run_dir = params["run_dir"]
    if not (run_dir and Journal(run_dir).acted()):
        return
    before = read_json(os.path.join(run_dir, "before.json"))
    if not before:
        raise Problem("cut_left_traces", changes=say(params["language"], "rests_on_no_evidence"))
    now = measured(params, target, sight, [], params["fingerprint_max_bytes"], True)
    changed = differences(before["tables"], now["tables"])
    if changed:
        raise Problem("cut_left_traces", changes="; ".join(told(entry, params["language"]) for entry in changed))


def measured(params, target, sight, checks, fingerprint_max_bytes, everything):
    """Evidence, in a snapshot of its own."""
    with target.open(session_name(run_id_of(params["run_dir"]), "plan"), autocommit=False) as connection:
        return take_evidence(connection, checks, fingerprint_max_bytes, everything, sight.probe["version_table"],
                             sight.probe["version_table_schema"])


def plan_begun(run_dir):
    """The plan this run was carrying out when it was cut off: the database has reached its goal since."""
    begun = read_json(os.path.join(run_dir, "plan.json")) if run_dir else None
    return begun if begun and begun["position"] == APPLIED and Journal(run_dir).acted() else None


def main():
    run(plan, {
        "migration": {"type": "str", "required": True},
        "to_revision": {"type": "str"},
        "checks": {"type": "list", "elements": "dict", "default": [], "options": check_spec()},
        "concerned": {"type": "list", "elements": "str", "default": []},
        "migration_rows": {"type": "dict", "default": {}},
        "accept": {"type": "list", "elements": "str", "default": []},
        "state_dir": {"type": "path"},
        "strategy": {"type": "str", "default": "auto", "choices": ["auto", "alembic", "manual", "restore"]},
        "references": {"type": "dict", "default": {}},
        "application": {"type": "list", "elements": "str", "default": []},
        "resume_environment": {"type": "dict", "default": {}},
        "standing_backup": {"type": "str", "default": ""},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        "trial": {"type": "bool", "default": True},
        **scratch_spec(),
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
