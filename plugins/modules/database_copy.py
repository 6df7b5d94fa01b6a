#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: database_copy
short_description: Copy a database beside itself, so that recovery is a rename
version_added: 0.1.0
description:
  - Copies the database on its own server, by its files, and compares the copy table by table with what was measured
    before. Only then it is marked as proved, and may take the database's place (M(recyclic.rollback.database_swap)).
  - The sessions on the database are ended when the copy begins, and new ones wait at the server's door until it is
    made.
  - The copy has the owner, grants and settings of the database, and bears a comment that says what it is.
  - A copy that was not finished, or is not the same, is dropped.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Says whether a copy would be made, and why not.
  diff_mode:
    support: N/A
    details:
      - Nothing of what is there is modified.
  idempotent:
    support: partial
    details:
      - With O(run_dir), a copy this run has proved is compared again and taken as it is. Otherwise another is made.
options:
  policy:
    description:
      - Whether to make a copy. V(auto) makes one where role, size and free space are known to allow it, and otherwise
        says why not.
      - V(always) refuses to go on without one. Free space that cannot be seen is then the operator's business.
    type: str
    choices: [auto, always, never]
    default: auto
  evidence:
    description:
      - A file that M(recyclic.rollback.table_count) wrote with every table in it. By default the database is measured
        now.
    type: path
  max_bytes:
    description:
      - Up to which size of the database a copy is made, in bytes. It stands for the time a copy takes.
    type: int
    default: 10737418240
  disk_reserve:
    description:
      - What has to stay free where the server keeps the database, as V(5%), V(2GiB) or bytes.
    type: str
    default: 5%
  timeout:
    description:
      - How long the copy may take, in seconds.
    type: int
    default: 3600
  fingerprint_max_bytes:
    description:
      - Tables up to this size are fingerprinted. Larger ones are only counted, and estimated from five times this size
        on.
    type: int
    default: 1073741824
  state_dir:
    description:
      - The state directory. While it holds an emergency stop of the Compose project, nothing is copied. By default
        nothing is looked up.
    type: path
notes:
  - The login role owns the database, or is a member of its owner, and has C(CREATEDB). It may enter C(postgres) or
    C(template1).
seealso:
  - module: recyclic.rollback.database_swap
  - module: recyclic.rollback.table_count
"""

EXAMPLES = r"""
- name: Copy the database before it is touched
  recyclic.rollback.database_copy:
    login_db: recyclic
    login_user: recyclic
    login_password: "{{ vault_db_password }}"
    login_host: 127.0.0.1
    evidence: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3/before.json
  register: safety
"""

RETURN = r"""
copy:
  description: The copy; V(none) where none was made.
  type: dict
  returned: success
  contains:
    name:
      description: The database's name.
      type: str
      sample: recyclic_safety_20260301T031500Z-a1b2c3
    seconds:
      description: How long it took, in seconds, without the comparison; V(0) where it was there already.
      type: float
    bytes:
      description: Its size in bytes.
      type: int
    proved:
      description: Whether it was compared and found the same.
      type: bool
reason:
  description: Why no copy was made; empty where one was.
  type: str
  returned: success
ended:
  description: How many sessions were ended.
  type: int
  returned: success
not_compared:
  description: Tables too large for a fingerprint; of these only the number of rows, or not even that, was compared.
  type: list
  elements: str
  returned: success
not_given:
  description: Settings this role may not give to a database, each as the statement and the server's answer.
  type: list
  elements: str
  returned: success
executed_commands:
  description: The statements that made it.
  type: list
  elements: str
  returned: success
problem:
  description: The name of what went wrong.
  type: str
  returned: failure
  sample: copy_no_room
"""

from dataclasses import replace

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import parse_reserve
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import take_evidence, told
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences, not_compared
from ansible_collections.recyclic.rollback.plugins.module_utils._database import value
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal, Unended
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, read_json, run_id_of
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._room import data_room
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._services import order_path, require_no_stop
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import (
    SAFETY,
    copy,
    drop,
    end_left,
    holding,
    list_ours,
    maintenance,
    mark,
    name_for,
    require_swappable,
    work_name,
)

NOTHING: dict[str, object] = {"changed": False, "copy": None, "reason": "", "ended": 0, "not_compared": [],
                              "not_given": [], "executed_commands": []}


def duplicate(module, redact):
    params, language = module.params, module.params["language"]
    if params["policy"] == "never":
        return {**NOTHING, "reason": say(language, "copy_never")}
    run_id, ground = run_id_of(params["run_dir"]), ground_from(params, redact)
    live = ground.target.database
    order = order_path(params["state_dir"], ground.project)

    def may_act():
        require_no_stop(order)
        require_held(params["run_dir"], params["run_token"])

    def without(problem):
        # What is still at work, and a run that may not act, are no reason to go on.
        if params["policy"] == "always" or isinstance(problem, Unended):
            raise problem
        return {**NOTHING, "reason": redact(say(language, problem.key, **problem.facts))}

    try:
        base = maintenance(ground.target)
    except Refusal as refusal:
        return without(refusal)
    with base.open(work_name(run_id, "beside") + ":hold") as hold:
        try:
            size = require_affordable(ground, hold, params)
        except Refusal as refusal:
            return without(refusal)
        if module.check_mode:
            foreseen = {"name": name_for(SAFETY, live, run_id), "seconds": 0.0, "bytes": size, "proved": False}
            return {**NOTHING, "changed": True, "copy": foreseen}
        ground.runtime.require_idle()
        may_act()
        with Journal(params["run_dir"]).step("safety_copy") as step, holding(hold, live):
            end_left(hold, run_id)
            baseline = baseline_of(ground.target, params, run_id)
            result = proved_before(hold, ground.target, params, run_id, baseline)
            if result is None:
                try:
                    result = make(hold, ground.target, params, run_id, baseline, may_act)
                except Refusal:
                    raise
                except Problem as problem:
                    result = without(problem)
            step.commands += map(redact, result["executed_commands"])
            step.facts.update({name: result[name] for name in ("copy", "reason", "ended", "not_given")})
    return result


def require_affordable(ground, hold, params):
    """The database's size in bytes. Refuses a copy this role could not make, or the server not hold."""
    live = ground.target.database
    require_swappable(hold, live)
    size = value(hold, "SELECT pg_database_size(%s)", (live,))
    if size > params["max_bytes"]:
        raise Refusal("copy_too_large", database=live, bytes=size, limit=params["max_bytes"])
    room = data_room(ground, hold)
    if room is None:
        # Whether the reserve can be read at all does not hang on that.
        parse_reserve(params["disk_reserve"], 0)
        if params["policy"] != "always":
            raise Refusal("copy_room_unknown", database=live)
        return size
    reserve = parse_reserve(params["disk_reserve"], room.total)
    if room.free - size < reserve:
        raise Refusal("copy_no_room", path=room.path, free=room.free, bytes=size, reserve=reserve)
    return size


def measure(target, name, params, run_id):
    """Every table of a database, as evidence has it; the session's name is one a later attempt would end."""
    there = replace(target, params={**target.params, "dbname": name})
    with there.open(work_name(run_id, "beside") + ":count", autocommit=False) as connection:
        return take_evidence(connection, [], params["fingerprint_max_bytes"], True, params["version_table"],
                             params["version_schema"])


def baseline_of(target, params, run_id):
    if not params["evidence"]:
        return measure(target, target.database, params, run_id)
    found = read_json(params["evidence"])
    if not (found and found.get("tables")):
        raise Refusal("baseline_missing", path=params["evidence"])
    return found


def compare(target, name, params, run_id, baseline):
    """What differs, in words; and the tables that were not read."""
    found = measure(target, name, params, run_id)
    changes = [told(entry, params["language"]) for entry in differences(baseline["tables"], found["tables"])]
    if sorted(found["heads"] or []) != sorted(baseline["heads"] or []):
        changes.append(f"{params['version_table']}: {', '.join(found['heads'] or []) or '-'}")
    return changes, not_compared(baseline["tables"], found["tables"])


def proved_before(hold, target, params, run_id, baseline):
    """This run's copy from before it was cut off, if it still is what was measured; one that is not is dropped."""
    for each in list_ours(hold, target.database):
        if run_id and (each.kind, each.run_id, each.proved, each.renamed) == (SAFETY, run_id, True, False):
            changes, unread = compare(target, each.name, params, run_id, baseline)
            if not changes:
                found = {"name": each.name, "seconds": 0.0, "bytes": each.bytes, "proved": True}
                return {**NOTHING, "copy": found, "not_compared": unread}
            drop(hold, each.name)
    return None


def make(hold, target, params, run_id, baseline, may_act):
    live = target.database
    copied = copy(target, live, run_id, params["timeout"], may_act, baseline["heads"])
    proved = False
    try:
        changes, unread = compare(target, copied.name, params, run_id, baseline)
        if changes:
            raise Problem("copy_differs", database=live, changes="; ".join(changes))
        mark(hold, copied.name, SAFETY, live, run_id, baseline["heads"], proved=True)
        proved = True
    finally:
        if not proved:
            end_left(hold, run_id)
            drop(hold, copied.name)
    return {**NOTHING, "changed": True, "ended": copied.ended, "not_compared": unread,
            "copy": {"name": copied.name, "seconds": copied.seconds, "bytes": copied.bytes, "proved": True},
            "not_given": list(copied.notes), "executed_commands": [f"{statement};" for statement in copied.statements]}


def main():
    run(duplicate, {
        "policy": {"type": "str", "default": "auto", "choices": ["auto", "always", "never"]},
        "evidence": {"type": "path"},
        "max_bytes": {"type": "int", "default": 10 << 30},
        "disk_reserve": {"type": "str", "default": "5%"},
        "timeout": {"type": "int", "default": 3600},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        "state_dir": {"type": "path"},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
