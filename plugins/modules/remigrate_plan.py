#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: remigrate_plan
short_description: Say what applying a migration again would do
version_added: 0.1.0
description:
  - Read-only. Where the database stands, which revisions an upgrade would apply, and whether the images know them. A
    state or a destination without a single, exact meaning is refused.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.alembic
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  revision:
    description:
      - The full id to upgrade to.
    type: str
    required: true
  accept:
    description:
      - What the operator accepted, by its id.
    type: list
    elements: str
    default: []
  application:
    description:
      - As in M(recyclic.rollback.plan_info).
    type: list
    elements: str
    default: []
  resume_environment:
    description:
      - As in M(recyclic.rollback.plan_info).
    type: dict
    default: {}
  state_dir:
    description:
      - The state directory, for what the operator is warned of.
    type: path
  fingerprint_max_bytes:
    description:
      - See M(recyclic.rollback.table_count); used when a run that was cut off while it acted is taken up.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: What would applying the migration again do?
  recyclic.rollback.remigrate_plan:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    alembic_config: /srv/recyclic/api/alembic.ini
    alembic_python: /srv/recyclic/venv/bin/python
    revision: k1l2m3n4o5p6
  register: planned
"""

RETURN = r"""
finishing:
  description:
    - Whether the run in O(run_dir) was cut off after its upgrade had reached the goal; what is left is to validate.
  type: bool
  returned: success
lines:
  description: The plan in a few lines.
  type: list
  elements: str
  returned: success
refusal:
  description: Always empty; what stands in the way is refused at once.
  type: str
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
  description:
    - The plan, with C(database), C(migration), C(position) (V(applied) where there is something to do, otherwise
      V(rolled_back)), C(from_heads), C(to_heads), C(to_revision), C(path) in the order of the upgrade, C(images). Also
      C(plan.json) in O(run_dir) when that is given.
  type: dict
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import (
    environment_from,
    prefix_of,
    require_same_place,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import take_evidence, told
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits, session_name
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
from ansible_collections.recyclic.rollback.plugins.module_utils._migrate import predict
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import environment_secrets
from ansible_collections.recyclic.rollback.plugins.module_utils._warnings import (
    before_remigration,
    look_around,
    question,
)

DONE = "rolled_back"
TO_DO = "applied"


def plan(module, redact):
    params, language = module.params, module.params["language"]
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    target, limits = ground.target, Limits(params["lock_timeout"], params["statement_timeout"])
    revision = params["revision"]
    redact.learn(environment_secrets(params["resume_environment"]))
    with Journal(params["run_dir"]).step("plan"), target.open(session_name(run_id, "plan"), limits) as connection:
        environment = environment_from(params, ground.runtime, redact)
        sight = environment.look_from(connection, prefix_of(run_id), limits, "upgrade", to=revision)
        require_same_place(sight, connection, target, prefix_of(run_id))
        recorded = sight.heads(connection)
        require_known(ground, sight.graph, recorded)
        if not recorded:
            raise Refusal("nothing_recorded", migration=revision, truth="")
        move = predict(sight, recorded, "upgrade", revision)
        known = begun(params)
        if known and not move.path:
            return answer(params, {**known, "position": TO_DO}, [say(language, "plan_finishing")], True)
        if known and move.path:
            require_no_traces(params, target, sight)
        seen = examine(ground, environment, sight.graph, recorded, move.predicted, params["application"],
                       params["resume_environment"], language)
        planned = {"database": target.database, "migration": revision, "direction": "upgrade",
                   "position": TO_DO if move.path else DONE, "to_revision": revision, "from_heads": move.before,
                   "to_heads": move.predicted, "path": [sight.graph[name].describe() for name in move.path],
                   "version_table": {"name": sight.probe["version_table"],
                                     "schema": sight.probe["version_table_schema"]},
                   "routes": {"alembic": {"verdict": "safe", "reasons": [], "losses": [], "estimate_s": None,
                                          "estimate_from": None, "backup": None, "changes": None}},
                   "recommended": "alembic", "ladder": ["alembic"], "changes": None, "accepted": params["accept"],
                   "missing": [], "images": seen.images, "notes": seen.lines, "warnings": seen.warnings}
        if params["run_dir"]:
            write_json(os.path.join(params["run_dir"], "plan.json"), planned)
        warned = before_remigration(planned, look_around(
            connection, target.database, params["state_dir"], params["application"]), language) if move.path else []
    return answer(params, planned, lines_of(planned, language), False, warned)


def begun(params):
    """The plan this run was carrying out when it was cut off while it acted."""
    if not (params["run_dir"] and Journal(params["run_dir"]).acted()):
        return None
    return read_json(os.path.join(params["run_dir"], "plan.json"))


def require_no_traces(params, target, sight):
    """Refuse to go on after a cut in the middle of acting unless the database is as it was measured before."""
    before = read_json(os.path.join(params["run_dir"], "before.json"))
    if not before:
        raise Problem("cut_left_traces", changes=say(params["language"], "rests_on_no_evidence"))
    with target.open(session_name(run_id_of(params["run_dir"]), "plan"), autocommit=False) as connection:
        now = take_evidence(connection, [], params["fingerprint_max_bytes"], True, sight.probe["version_table"],
                            sight.probe["version_table_schema"])
    changed = differences(before["tables"], now["tables"])
    if changed:
        raise Problem("cut_left_traces", changes="; ".join(told(entry, params["language"]) for entry in changed))


def lines_of(planned, language):
    if not planned["path"]:
        return [say(language, "again_already", revision=planned["migration"])]
    return [say(language, "again_where", database=planned["database"], number=len(planned["path"]),
                **{key: ", ".join(planned[key]) or say(language, "none") for key in ("from_heads", "to_heads")}),
            *(say(language, "again_step", **{key: step[key] for key in ("revision", "message")})
              for step in planned["path"]), *planned["notes"], *planned["warnings"]]


def answer(params, planned, lines, finishing, warned=()):
    language = params["language"]
    return {"changed": False, "plan": planned, "finishing": finishing, "finished_by": None, "lines": lines,
            "refusal": "", "missing": [],
            "warned": list(warned), "prompt": question(warned, planned["database"], language),
            "unconfirmed": say(language, "unconfirmed", database=planned["database"])}


def main():
    run(plan, {
        "revision": {"type": "str", "required": True},
        "accept": {"type": "list", "elements": "str", "default": []},
        "application": {"type": "list", "elements": "str", "default": []},
        "resume_environment": {"type": "dict", "default": {}},
        "state_dir": {"type": "path"},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
