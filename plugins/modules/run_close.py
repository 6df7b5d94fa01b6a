#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: run_close
short_description: End a run with its report
version_added: 0.1.0
description:
  - Judges how a run ended, writes C(report.json), C(report.md), C(report.html) and C(metrics.prom) from the evidence in
    its directory, and gives the database's lock back.
  - A failure is called V(failed_unchanged) only when every table and the recorded revisions have been measured again
    and are as before, or no step that acts was ever begun. M(recyclic.rollback.run_judge) does that before services are
    started again; its verdict stands unless the recorded revisions have moved since.
  - A rollback is called V(rolled_back) only when a measurement of this run followed it and passed, and the recorded
    revisions, read once more, are those that were validated. Otherwise it is judged as a run that failed. The same
    holds for V(restored), V(undone) and V(remigrated).
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Without O(run_dir) there is nothing to end; a report is returned and not written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Evidence does not count as a change.
options:
  state_dir:
    description:
      - The state directory the run was opened in.
    type: path
    required: true
  outcome:
    description:
      - How the run ended, where it did not fail.
    type: str
    choices: [rolled_back, already_rolled_back, planned, backed_up, validated, restored, undone, remigrated]
  failure:
    description:
      - What failed - C(msg), and C(outcome) and C(problem) as the modules of this collection return them.
    type: dict
  told:
    description:
      - What the operator has to say - C(reason), C(impact), C(decision), C(ticket), C(contacts), and C(next_steps), a
        list or a text of as many lines.
    type: dict
    default: {}
  report_dir:
    description:
      - Where the controller will keep its copy, for the summary to name it.
    type: str
    default: ''
  metrics_dir:
    description:
      - The directory node_exporter's textfile collector reads, see M(recyclic.rollback.metrics_write); empty for none.
        Where it cannot be written, the report's next steps say so.
    type: str
    default: ''
  watched:
    description:
      - The tables whose rows C(metrics.prom) has.
    type: list
    elements: str
    default: []
  fingerprint_max_bytes:
    description:
      - See M(recyclic.rollback.table_count); used when a failure has to be judged.
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: End the run
  recyclic.rollback.run_close:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    state_dir: /var/lib/recyclic-rollback
    run_dir: "{{ run.run_dir }}"
    outcome: rolled_back
"""

RETURN = r"""
report:
  description: The report, as C(report.json) holds it.
  type: dict
  returned: success
outcome:
  description: How the run ended.
  type: str
  returned: success
  sample: rolled_back
good:
  description: Whether that is what was asked for.
  type: bool
  returned: success
summary:
  description: The lines that end a run on the terminal.
  type: list
  elements: str
  returned: success
files:
  description: The report's files, to be copied to the controller - C(name) and C(content).
  type: list
  elements: dict
  returned: success
"""

import json
import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import passed
from ansible_collections.recyclic.rollback.plugins.module_utils._database import DatabaseError
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import FAILED_NEEDS_HUMAN, Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    StateDirectory,
    read_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics import FILE as METRICS
from ansible_collections.recyclic.rollback.plugins.module_utils._metrics_live import figures, metrics_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._report import GOOD, MOVED, build
from ansible_collections.recyclic.rollback.plugins.module_utils._report_files import (
    keep,
    listed,
    report_files,
    summed_up,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._run import META
from ansible_collections.recyclic.rollback.plugins.module_utils._verdict import (
    Verdict,
    heads_now,
    judge,
    measure,
    read_verdict,
    still,
)


def close(module, redact):
    params = module.params
    run_dir, language = params["run_dir"], params["language"]
    told = answers(params["told"])
    outcome, failure = params["outcome"], params["failure"]
    moved = outcome in MOVED and run_dir
    unproved = unproven(params) if moved else ""
    if unproved:
        failure = {"msg": unproved}
    if failure:
        told["failure"] = redact(str(failure.get("msg", "")))
        verdict = final_verdict(params, redact, str(failure.get("outcome")))
        outcome, told["rests_on"], told["measured_heads"] = verdict.outcome, verdict.rests_on, verdict.heads
    elif moved:
        undone = look_once_more(params, redact)
        if undone:
            outcome, told["failure"], told["rests_on"] = FAILED_NEEDS_HUMAN, redact(undone), redact(undone)
    report = build(run_dir or "", outcome, told, language)
    report["database"] = params["login_db"]
    # A check has nothing to tell whoever watches.
    watched, unwritten = ("", "") if module.check_mode else figures(params, redact, report)
    if unwritten:
        report["next_steps"].append(say(language, "metrics_not_written", path=params["metrics_dir"] or run_dir,
                                        error=unwritten))
    files = {**report_files(report, language), **({METRICS: watched} if watched else {})}
    planned = read_json(os.path.join(run_dir, "plan.json")) if run_dir and report["playbook"] == "plan" else None
    if run_dir:
        keep(run_dir, files)
        lock = (read_json(os.path.join(run_dir, META)) or {}).get("lock", "")
        StateDirectory(params["state_dir"]).release(lock, report["run_id"], params["run_token"])
    if planned:
        files["plan.json"] = json.dumps(planned, indent=2, ensure_ascii=False) + "\n"
    return {"changed": False, "report": report, "outcome": outcome, "good": outcome in GOOD,
            "summary": summed_up(report, language, params["report_dir"]),
            "files": listed(files)}


def answers(told):
    """What the operator said. In a survey an answer that nobody gave is null, a number is one, and a list is lines."""
    steps = told.get("next_steps") or []
    steps = steps.splitlines() if isinstance(steps, str) else steps
    texts = {key: str("" if told.get(key) is None else told[key]) for key in ("reason", "impact", "decision", "ticket")}
    return {**told, **texts, "next_steps": [str(step).strip() for step in steps if str(step).strip()]}


def final_verdict(params, redact, claimed):
    """The verdict given while nothing wrote, if there is one and no recorded revision has moved since; else one now."""
    run_dir, language = params["run_dir"] or "", params["language"]
    kept = read_verdict(run_dir)
    if kept and (claimed != FAILED_NEEDS_HUMAN or kept["outcome"] == FAILED_NEEDS_HUMAN):
        try:
            return still(Verdict(**kept), heads_now(run_dir, ground_from(params, redact).target), language)
        except (Problem, DatabaseError):
            return Verdict(**kept)
    return judge(run_dir, claimed, lambda: measure(run_dir, ground_from(params, redact).target,
                                                   params["fingerprint_max_bytes"]), language)


def unproven(params):
    """Why what is called a success is none: there was something to do, and no measurement that passed followed it.

    Where a task fails that runs once for a whole batch, Ansible leads the other hosts past their rescue to a report of
    success.
    """
    run_dir, language, journal = params["run_dir"], params["language"], Journal(params["run_dir"])
    planned = read_json(os.path.join(run_dir, "plan.json")) or {}
    if planned.get("position") == "rolled_back" and not journal.acted():
        return ""
    after = read_json(os.path.join(run_dir, "after.json")) if journal.measured(anew=True) else None
    if after is None:
        return say(language, "success_not_measured", outcome=params["outcome"])
    return "" if passed(after.get("results", [])) else say(language, "success_not_passed", outcome=params["outcome"])


def look_once_more(params, redact):
    """Why a rollback that was validated is none any more, now that everything runs again; empty where it is."""
    run_dir, language = params["run_dir"], params["language"]
    after = read_json(os.path.join(run_dir, "after.json"))
    if not after:  # There was nothing to do.
        return ""
    try:
        heads = heads_now(run_dir, ground_from(params, redact).target)
    except (Problem, DatabaseError) as error:
        reason = say(language, error.key, **error.facts) if isinstance(error, Problem) else str(error).strip()
        return say(language, "rests_on_no_measure", error=reason)
    if heads == after["heads"]:
        return ""
    return say(language, "rests_on_heads", before=", ".join(after["heads"]), after=", ".join(heads) or "-")


def main():
    run(close, {
        "state_dir": {"type": "path", "required": True},
        "outcome": {"type": "str",
                    "choices": ["rolled_back", "already_rolled_back", "planned", "backed_up", "validated", "restored",
                                "undone", "remigrated"]},
        "failure": {"type": "dict"},
        "told": {"type": "dict", "default": {}},
        "report_dir": {"type": "str", "default": ""},
        **metrics_spec(),
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
    }, required_one_of=[("outcome", "failure")], mutually_exclusive=[("outcome", "failure")], supports_check_mode=True)


if __name__ == "__main__":
    main()
