#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_info
short_description: Say what undoing a migration would do, before anything is done
version_added: 0.1.0
description:
  - From the live state, read-only - where the database stands, which revisions would be undone and which would be
    recorded afterwards, and whether that is exactly the migration asked for.
  - A state or a destination without a single, exact meaning is refused with the way out.
  - A migration that is already undone by the version table must be undone by the tables as well.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.checks
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
  register: planned
"""

RETURN = r"""
finishing:
  description:
    - Whether the run in O(run_dir) was cut off after its rollback had reached the goal; the plan is then the one it was
      carrying out, and what is left is to validate.
  type: bool
  returned: success
lines:
  description: The plan in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
prompt:
  description: The question an operator answers before anything changes.
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
      description: The revisions undone, in order, each with C(revision), C(message), C(in_scope) and C(downgrade).
      type: list
      elements: dict
    purpose:
      description: Rows in the migration's own tables, by table; V(none) for one that is absent.
      type: dict
    routes:
      description: By route C(verdict), C(reasons), C(losses) and C(estimate_s).
      type: dict
    images:
      description:
        - With O(runtime=compose), the migrations image and those of the containers it was compared with, each with
          C(service), C(image), C(id), the C(heads) it was made for and whether its path is the same (C(same_path)).
      type: list
      elements: dict
    recommended:
      description: The route to take; V(none) when there is none.
      type: str
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import (
    environment_from,
    prefix_of,
    require_same_place,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import (
    check_spec,
    judge,
    name_failed,
    take_evidence,
    told,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
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
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._plan import (
    APPLIED,
    ROLLED_BACK,
    crossing,
    describe,
    goal,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import environment_secrets


def lenient(check, concerned):
    """A check that can be judged now: without an earlier measure, and a table that went with a rollback may be gone."""
    return {**check, "unchanged": False, "absent": "pass" if check["table"] in concerned else check["absent"]}


def plan(module, redact):
    params = module.params
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target = ground.target
    limits = Limits(params["lock_timeout"], params["statement_timeout"])
    with Journal(params["run_dir"]).step("plan") as step, target.open(
            session_name(run_id, "plan"), limits, autocommit=False) as connection:
        environment = environment_from(params, ground.runtime, redact)
        sight = environment.look_from(connection, prefix_of(run_id), limits, "downgrade", params["migration"],
                                      params["to_revision"])
        require_same_place(sight, connection, target, prefix_of(run_id))
        recorded = sight.heads(connection)
        connection.rollback()
        require_known(ground, sight.graph, recorded)
        chosen = goal(sight.graph, recorded, params["migration"], params["to_revision"], sight.path, sight.path_error)
        concerned = [{"id": f"table:{name}", "table": name, "filter": None, "unchanged": False}
                     for name in params["concerned"]]
        if chosen.position == APPLIED:
            require_no_traces(connection, params, sight)
        checks = [lenient(check, params["concerned"]) for check in params["checks"]]
        evidence = take_evidence(connection, [*checks, *concerned], 0, False,
                                 sight.probe["version_table"], sight.probe["version_table_schema"])
        purpose = {name: evidence["checks"][f"table:{name}"]["rows"] for name in params["concerned"]}
        absent = [(check["id"], check["table"]) for check in params["checks"]
                  if not evidence["checks"][check["id"]]["present"] and check["expectation"] != "migrated"]
        planned = describe(target.database, params["migration"], sight.graph, recorded, chosen, purpose, sight.probe)
        redact.learn(environment_secrets(params["resume_environment"]))
        seen = examine(ground, environment, sight.graph, recorded, chosen.to_heads, params["application"],
                       params["resume_environment"], params["language"])
        planned.update(images=seen.images, notes=seen.lines)
        planned["warnings"] = seen.warnings + [
            say(params["language"], "plan_absent", check=check, table=table) for check, table in absent]
        step.facts["to_revision"] = chosen.to_revision
        begun = plan_begun(params["run_dir"]) if chosen.position == ROLLED_BACK else None
        if begun:
            return result({**begun, "position": ROLLED_BACK}, True, params["language"])
        if params["run_dir"]:
            write_json(os.path.join(params["run_dir"], "plan.json"), planned)
        if chosen.position == ROLLED_BACK:
            judged = judge(checks, evidence, "rolled_back", None, [], params["language"])
            failed = name_failed(judged, params["language"])
            if failed:
                raise Refusal("version_contradicts", migration=params["migration"], checks="; ".join(failed))
        require_only(sight.graph, chosen, params["migration"], params["language"])
    return result(planned, False, params["language"])


def result(planned, finishing, language):
    """The result, with the lines an operator reads and the question that has to be answered."""
    heads = {key: ", ".join(planned[key]) for key in ("from_heads", "to_heads")}
    lines = [say(language, "plan_where", database=planned["database"], **heads)]
    if finishing:
        lines = [say(language, "plan_finishing")]
    elif planned["position"] == ROLLED_BACK:
        lines = [say(language, "plan_nothing", migration=planned["migration"])]
    else:
        lines += [say(language, "plan_step", **{key: step[key] for key in ("revision", "message", "downgrade")})
                  for step in planned["path"]]
        lines += [say(language, "plan_purpose", table=table, rows=rows)
                  for table, rows in planned["purpose"].items() if rows is not None]
        lines += [*planned.get("notes", []), *planned.get("warnings", [])]
    return {"changed": False, "plan": planned, "finishing": finishing, "lines": lines,
            "prompt": say(language, "confirm_prompt", database=planned["database"]),
            "unconfirmed": say(language, "unconfirmed", database=planned["database"])}


def require_no_traces(connection, params, sight):
    """Refuse to go on after a cut in the middle of acting unless the database is as it was measured before."""
    run_dir = params["run_dir"]
    if not (run_dir and Journal(run_dir).acted()):
        return
    before = read_json(os.path.join(run_dir, "before.json"))
    if not before:
        raise Problem("cut_left_traces", changes=say(params["language"], "rests_on_no_evidence"))
    now = take_evidence(connection, [], params["fingerprint_max_bytes"], True, sight.probe["version_table"],
                        sight.probe["version_table_schema"])
    changed = differences(before["tables"], now["tables"])
    if changed:
        raise Problem("cut_left_traces", changes="; ".join(told(entry, params["language"]) for entry in changed))


def plan_begun(run_dir):
    """The plan this run was carrying out when it was cut off: the database has reached its goal since."""
    begun = read_json(os.path.join(run_dir, "plan.json")) if run_dir else None
    return begun if begun and begun["position"] == APPLIED and Journal(run_dir).acted() else None


def require_only(graph, chosen, migration, language):
    """Refuse a path that undoes more than the migration, and name the way that does not."""
    crossed = crossing(chosen, migration)
    if not crossed:
        return
    above = set(crossed) - graph.ancestors(migration)
    way_out = say(language, "way_out_newer" if above else "way_out_parent", parent=", ".join(graph[migration].down))
    named = "; ".join(f"{revision} ({graph[revision].message})" for revision in crossed)
    raise Refusal("path_crosses", target=chosen.to_revision, crossed=named, migration=migration, way_out=way_out)


def main():
    run(plan, {
        "migration": {"type": "str", "required": True},
        "to_revision": {"type": "str"},
        "checks": {"type": "list", "elements": "dict", "default": [], "options": check_spec()},
        "concerned": {"type": "list", "elements": "str", "default": []},
        "application": {"type": "list", "elements": "str", "default": []},
        "resume_environment": {"type": "dict", "default": {}},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
