#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_info
short_description: Tell how a site stands by its own evidence
version_added: 0.2.0
description:
  - Reads on the managed node how the newest run that acted on the database has ended, and changes nothing. Neither the
    server nor Docker's engine is asked.
  - Where later runs changed nothing, because they were refused or found it rolled back already, the run that left it
    so is told of, with its route, outage and losses.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  state_dir:
    description:
      - The state directory.
    type: path
    required: true
  migration:
    description:
      - The revision that is to be undone. A run about another one does not tell how the site stands, unless it ended
        badly or was cut off. Empty for any.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: How does it stand?
  recyclic.rollback.fleet_info:
    login_db: recyclic
    state_dir: /var/lib/recyclic-rollback
    migration: k1l2m3n4o5p6
  register: found
"""

RETURN = r"""
entry:
  description:
    - What M(recyclic.rollback.fleet_summary) takes as a site's entry - C(outcome), C(run_id), C(database), C(route),
      C(losses), C(outage_s), C(reason) and C(next). The outcome is V(no_run) where no run has acted, V(no_report) where
      the newest one has left no report so far.
  type: dict
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory, read_json
from ansible_collections.recyclic.rollback.plugins.module_utils._fleet import ACTING, NO_REPORT, NO_RUN, site_of
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._report import GOOD
from ansible_collections.recyclic.rollback.plugins.module_utils._run import META, REPORT

ALREADY = "already_rolled_back"
REFUSED = "refused"


def look(module, redact):
    params = module.params
    return {"changed": False, "entry": {key: part for key, part in found(params, StateDirectory(
        params["state_dir"])).items() if key not in ("site", "good", "report")}}


def found(params, state):
    """How the newest run that acted on this database left it; names of runs sort by time."""
    language, database = params["language"], params["login_db"]
    idle: list = []
    for name in names(state):
        meta = None if name == "latest" else read_json(os.path.join(state.runs, name, META))
        if not meta or meta.get("playbook") not in ACTING or meta.get("database") != database:
            continue
        report = read_json(os.path.join(state.runs, name, REPORT))
        if elsewhere(meta, params["migration"]) and report and report["outcome"] in (*GOOD, REFUSED):
            continue
        if report and report["outcome"] in (ALREADY, REFUSED):
            idle.append(report)
        elif not tells(report, [each["outcome"] for each in idle]):
            break
        elif report:
            return site_of("", {}, report)
        else:
            return site_of("", {"outcome": NO_REPORT, "run_id": name, "database": database, "started_at":
                                meta.get("started_at"), "reason": say(language, "fleet_no_report", run_id=name)}, None)
    return site_of("", {} if idle else {"outcome": NO_RUN, "database": database}, idle[0] if idle else None)


def names(state):
    """The runs there are, the newest first. Raises Refusal where that may not be looked at: it is not none."""
    try:
        return sorted(os.listdir(state.runs), reverse=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Refusal("runs_unreadable", path=state.runs, error=error.strerror or str(error)) from error


def elsewhere(meta, migration):
    """Whether a run was about another migration. Where it ended badly, or not at all, there is something to see to."""
    goal = meta.get("goal") or {}
    return bool(migration) and goal.get("migration", migration) != migration


def tells(report, idle):
    """Whether a run that acted tells how the site stands, although later ones, the newest first, did nothing.

    Where the newest found the site rolled back, the run that did it tells. What was refused left things as they were:
    that is told of what was in order, for it is no answer to the refusal, and not of what was not.
    """
    if not idle:
        return True
    if idle[0] == ALREADY:
        return bool(report) and report["outcome"] == "rolled_back"
    return ALREADY not in idle and not (report and report["outcome"] in GOOD)


def main():
    run(look, {"state_dir": {"type": "path", "required": True}, "migration": {"type": "str", "default": ""}},
        supports_check_mode=True)


if __name__ == "__main__":
    main()
