#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: retention
short_description: Remove backups, run directories and kept databases that are old and many enough
version_added: 0.1.0
description:
  - Looks at one database's backups, run directories and kept databases. Something goes only when as many newer ones of
    its kind are there as its count says and it is older than its days; V(0) for either removes nothing of the kind.
  - Never goes the newest good backup at each set of recorded revisions, a backup that a run which acted or has not
    ended points to, a run that has not ended, holds a lock, is the latest or the newest that acted, a database with
    sessions connected, and anything that does not bear this collection's own mark.
  - Databases that were only on their way (restored beside the live one, safety copies never proved) go as soon as their
    run has ended.
  - A backup that goes is noted in the runs that took it. Copies elsewhere are never touched.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Lists what would go, and removes nothing.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state_dir:
    description:
      - The state directory.
    type: path
    required: true
  keep_backups:
    description:
      - How many good backups of the database stay, however old; V(0) removes none.
    type: int
    default: 10
  keep_backups_days:
    description:
      - For how many days every backup stays; V(0) removes none.
    type: int
    default: 90
  keep_databases:
    description:
      - How many replaced databases and proved safety copies stay, however old; V(0) removes none.
    type: int
    default: 2
  keep_databases_days:
    description:
      - For how many days each of them stays; V(0) removes none.
    type: int
    default: 14
  keep_runs:
    description:
      - How many run directories stay, however old; V(0) removes none.
    type: int
    default: 50
  keep_runs_days:
    description:
      - For how many days each of them stays; V(0) removes none.
    type: int
    default: 365
"""

EXAMPLES = r"""
- name: See what is old and many enough to go
  recyclic.rollback.retention:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
  check_mode: true
  register: retention
"""

RETURN = r"""
removed:
  description:
    - What was removed, or would be in check mode - C(kind) (V(backup), V(run) or V(database)), C(name), C(path), C(at),
      C(bytes), C(rule), and the C(reason) in words.
  type: list
  elements: dict
  returned: success
kept:
  description: The same of what stays.
  type: list
  elements: dict
  returned: success
bytes_freed:
  description: What that freed, or would free, in bytes.
  type: int
  returned: success
databases_bytes:
  description: What the databases that stay take on the server's disk, in bytes.
  type: int
  returned: success
lines:
  description: The same in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
"""

import os
import shutil
from contextlib import suppress

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    DatabaseError,
    identity,
    session_name,
    slug_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    now,
    run_id_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._keep import (
    Rule,
    judge_backups,
    judge_databases,
    judge_runs,
    note_removed,
    require_free,
    seen_runs,
    set_aside,
    sweep_removed,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import require_held
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import drop, holding, list_ours, maintenance

KEEPS = ("backups", "databases", "runs")


def retain(module, redact):
    params, language = module.params, module.params["language"]
    rules = {kind: rule_of(params, kind) for kind in KEEPS}
    state, run_id = StateDirectory(params["state_dir"]), run_id_of(params["run_dir"])
    target = ground_from(params, redact).target
    with target.open(session_name(run_id, "retention")) as connection:
        server, slug = identity(connection)["system_identifier"], slug_of(connection)
        ours = list_ours(connection, target.database)
    require_held(params["run_dir"], params["run_token"])
    require_free(state, slug, run_id)
    runs, foreign = seen_runs(state, target.database, slug)
    moment = now()
    databases = judge_databases(ours, runs, rules["databases"], moment)
    staying = {each.run_id or "" for each, decision in zip(ours, databases) if not decision.goes}
    decided_runs = judge_runs(runs, current_runs(state, run_id), staying, rules["runs"], moment)
    left = [each for each, decision in zip(runs, decided_runs) if not decision.goes]
    backups = judge_backups(state.backups, target.database, server, left, rules["backups"], moment)
    decided = [*databases, *decided_runs, *foreign, *backups]
    if not module.check_mode:
        remover = Remover(params, target, state, slug, run_id, left)
        decided = remover.remove(decided)
    gone = [decision for decision in decided if decision.goes]
    kept = [decision for decision in decided if not decision.goes]
    result = {
        "changed": bool(gone), "removed": [decision.told(language) for decision in gone],
        "kept": [decision.told(language) for decision in kept],
        "bytes_freed": sum(decision.bytes for decision in gone),
        "databases_bytes": sum(decision.bytes for decision in kept if decision.kind == "database"),
        "lines": lines(gone, kept, module.check_mode, language)}
    if module._diff:
        result["diff"] = {"before": listing(decided), "after": listing(kept)}
    return result


class Remover:
    """Removes what was decided on; what cannot be removed is kept, with why."""

    def __init__(self, params, target, state, slug, run_id, runs):
        self.params, self.target, self.state, self.slug = params, target, state, slug
        self.run_id, self.runs = run_id, runs

    def remove(self, decided):
        sweep_removed(self.state)
        if not any(decision.goes for decision in decided):
            return decided
        self.state.create()
        with Journal(self.params["run_dir"]).step("retention") as step:
            databases = [decision for decision in decided if decision.kind == "database"]
            files = [decision for decision in decided if decision.kind != "database"]
            done = [*self.databases(databases), *self.files(files)]
            step.facts["removed"] = [f"{decision.kind} {decision.name}" for decision in done if decision.goes]
        return done

    def databases(self, decided):
        if not any(decision.goes for decision in decided):
            return decided
        done, name = [], session_name(self.run_id, "retention")
        try:
            with maintenance(self.target).open(name) as connection, holding(connection, self.target.database):
                for decision in decided:
                    done.append(self.database(connection, decision))
        except (Problem, DatabaseError) as error:
            told = say(self.params["language"], error.key, **error.facts) if isinstance(error, Problem) else str(error)
            done += [decision.stays("not_removed", error=told.strip()) if decision.goes else decision
                     for decision in decided[len(done):]]
        return done

    def database(self, connection, decision):
        if not decision.goes:
            return decision
        try:
            drop(connection, decision.name)
        except Refusal as error:
            return decision.stays("not_removed", error=say(self.params["language"], error.key, **error.facts))
        except DatabaseError as error:  # Somebody has connected since.
            return decision.stays("not_removed", error=str(error).strip())
        return decision

    def files(self, decided):
        """Take the names away while no run can begin; the rest may take its time."""
        aside, done = {}, []
        with self.state.deciding(self.slug):
            require_held(self.params["run_dir"], self.params["run_token"])
            require_free(self.state, self.slug, self.run_id)
            for decision in decided:
                try:
                    if decision.goes:
                        aside[decision.path] = set_aside(decision)
                    done.append(decision)
                except OSError as error:
                    done.append(decision.stays("not_removed", error=error.strerror or str(error)))
        for decision in done:
            if decision.kind == "backup" and decision.goes:
                note_removed(self.runs, decision.name, self.params["language"])
        for path in aside.values():
            # A backup of another database may be sweeping the same; what is left, the next one sweeps.
            shutil.rmtree(path, ignore_errors=True)
        return done


def rule_of(params, kind):
    for name in (f"keep_{kind}", f"keep_{kind}_days"):
        if params[name] < 0:
            raise Refusal("keep_negative", name=f"rollback_{name}", given=params[name])
    return Rule(params[f"keep_{kind}"], params[f"keep_{kind}_days"])


def current_runs(state, run_id):
    """This run, the one ``latest`` points to, and those that hold a lock."""
    found = {held["run_id"] for held in state.locks_held()} | {run_id}
    with suppress(OSError):
        found.add(run_id_of(os.readlink(os.path.join(state.runs, "latest"))))
    return found - {None}


def listing(decided):
    return "".join(f"{decision.kind} {decision.name} ({decision.bytes})\n" for decision in decided)


def lines(gone, kept, check_mode, language):
    """What the operator has to know: what went, what eats the server's disk, what would not go."""
    def told(key, decision):
        return say(language, key, kind=say(language, f"keep_kind_{decision.kind}"), name=decision.name,
                   bytes=decision.bytes, reason=decision.told(language)["reason"])

    found = [told("keep_line_would" if check_mode else "keep_line_gone", decision) for decision in gone]
    for decision in kept:
        if decision.why in ("not_removed", "sessions"):
            found.append(told("keep_line_stuck", decision))
        elif decision.kind == "database":
            found.append(told("keep_line_database", decision))
    freed = sum(decision.bytes for decision in gone)
    return [say(language, "keep_sum_would" if check_mode else "keep_sum", count=len(gone), bytes=freed), *found]


def main():
    run(retain, {
        "state_dir": {"type": "path", "required": True},
        "keep_backups": {"type": "int", "default": 10},
        "keep_backups_days": {"type": "int", "default": 90},
        "keep_databases": {"type": "int", "default": 2},
        "keep_databases_days": {"type": "int", "default": 14},
        "keep_runs": {"type": "int", "default": 50},
        "keep_runs_days": {"type": "int", "default": 365},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
