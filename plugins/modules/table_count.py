#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: table_count
short_description: Count and fingerprint tables, and judge them
version_added: 0.1.0
description:
  - Measures a list of checks, and on request every table of the database, in one read-only snapshot.
  - A fingerprint says whether two moments hold the same rows. It does not depend on the order of rows and columns and
    survives a dump, a restore and a change of PostgreSQL's version.
  - Judges each check against its expectation and an earlier measure. A check that fails does not fail the module; see
    RV(passed).
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.checks
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
options:
  expectation:
    description:
      - The state the database should be in. Checks of the other state are measured and not judged.
    type: str
    choices: [rolled_back, migrated]
    default: rolled_back
  expected_heads:
    description:
      - The revisions that must be recorded, as a whole set. Not judged where it is not given.
    type: list
    elements: str
  everything:
    description:
      - Measure every table of the database as well.
    type: bool
    default: false
  concerned:
    description:
      - Tables that may differ from O(baseline). The version table always may.
    type: list
    elements: str
    default: []
  baseline:
    description:
      - A file this module wrote to O(evidence) earlier.
    type: path
  held:
    description:
      - Evidence, or a backup's manifest, that every table has to equal, where that is not O(baseline). After a restore
        it is what was restored; then O(concerned), O(announced) and O(rehearsal) excuse nothing.
    type: path
  evidence:
    description:
      - Where to write what was measured, as JSON with mode 0600.
    type: path
  accept:
    description:
      - Losses the operator accepted, by their ids.
    type: list
    elements: str
    default: []
  announced:
    description:
      - How a plan announced each table to differ, as C(changes) of its C(plan.json). These tables have to be what the
        rehearsal made of them, or, where there was none, may differ.
    type: dict
  rehearsal:
    description:
      - The C(rehearsal.json) of this rollback. Where there is no such file, nothing was rehearsed.
    type: path
  fingerprint_max_bytes:
    description:
      - Tables up to this size are fingerprinted when O(everything) is measured. Larger ones are only counted, and
        estimated from five times this size on, marked C(exact=false).
    type: int
    default: 1073741824
"""

EXAMPLES = r"""
- name: Is the migration undone?
  recyclic.rollback.table_count:
    login_db: recyclic
    login_user: recyclic
    login_host: 127.0.0.1
    checks:
      - id: categories-empty
        table: categories
        rows: 0
      - id: dom-category-level-1
        table: dom_category
        filter: level = 1
        unchanged: true
    baseline: /var/lib/recyclic-rollback/runs/20260301T031500Z-a1b2c3/before.json
  register: counted

- name: Stop unless it is
  ansible.builtin.assert:
    that: counted.passed
"""

RETURN = r"""
counts:
  description: The number of rows by check id; V(none) for a table that is absent.
  type: dict
  returned: success
  sample: {categories-empty: 0, dom-category-level-1: 14}
measures:
  description: By check id, whether the table is present, its rows and, for unchanged checks, its fingerprint.
  type: dict
  returned: success
tables:
  description: By C(schema.table), rows, whether exact, fingerprint, and size in bytes.
  type: dict
  returned: when O(everything=true)
heads:
  description: The recorded revisions; V(none) where there is no version table.
  type: list
  elements: str
  returned: success
results:
  description: The judgement of each check that applies.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The check.
      type: str
    expected:
      description: What was expected, in words.
      type: str
    observed:
      description: What was found, in words.
      type: str
    result:
      description: V(pass), V(fail), V(warn) or V(skip).
      type: str
    severity:
      description: V(fail) or V(warn).
      type: str
passed:
  description: Whether no check failed.
  type: bool
  returned: success
concerned_changed:
  description: How the tables of O(concerned) differ from O(baseline), in words.
  type: list
  elements: str
  returned: success
differing:
  description: The tables that differ from O(baseline) in any way, as C(schema.name).
  type: list
  elements: str
  returned: success
differing_told:
  description: What to say when they do and a backup is about to take the place of them all.
  type: str
  returned: success
written:
  description: What to say when they do though nothing was to write to them.
  type: str
  returned: success
moved:
  description: What to say when the recorded revisions are no longer those of the plan.
  type: str
  returned: success
told:
  description: What to say to the operator when one did.
  type: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import (
    Foreseen,
    check_spec,
    excused,
    judge,
    judge_heads,
    judge_other_tables,
    name_failed,
    passed,
    places,
    take_evidence,
    told,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._counts import differences
from ansible_collections.recyclic.rollback.plugins.module_utils._database import session_name
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    read_json,
    run_id_of,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._losses import acceptances, table_named
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say


def count(module, redact):
    params, language = module.params, module.params["language"]
    baseline = read_json(params["baseline"]) if params["baseline"] else None
    if params["baseline"] and baseline is None:
        raise Refusal("baseline_missing", path=params["baseline"])
    held = read_json(params["held"]) if params["held"] else None
    if params["held"] and held is None:
        raise Refusal("baseline_missing", path=params["held"])
    run_id = run_id_of(params["run_dir"])
    everything = params["everything"] or bool(held) or bool(baseline and baseline["tables"])
    # In the journal a measure bears its evidence's name: before, after.
    name = os.path.splitext(os.path.basename(params["evidence"] or "measure"))[0]
    with Journal(params["run_dir"]).step(name) as step, ground_from(params, redact).target.open(
            session_name(run_id, "count"), autocommit=False) as connection:
        concerned = set()
        rehearsed = passed_rehearsal(params["rehearsal"])
        version = ".".join(filter(None, (params["version_schema"], params["version_table"])))
        known = (baseline or {}).get("tables", {})
        for table in [*params["concerned"], version]:
            concerned |= places(connection, table, known)
        # What a rehearsal showed to be lost is at stake as well, though no plan announced it.
        at_stake = concerned.union(*(places(connection, table, known) for table in lost(rehearsed)))
        connection.rollback()
        found = take_evidence(connection, params["checks"], params["fingerprint_max_bytes"], everything,
                              params["version_table"], params["version_schema"])
        accepted = acceptances(params["accept"])
        checks = excused(params["checks"], accepted.limits) if held else params["checks"]
        results = judge(checks, found, params["expectation"], baseline, list(accepted.limits), language)
        if params["expected_heads"] is not None:
            results.append(judge_heads(found, params["expected_heads"], language))
        written, since = [], []
        if held:
            results.append(judge_other_tables(found, held, (), language))
        elif baseline and baseline["tables"]:
            results.append(judge_other_tables(found, baseline, concerned, language,
                                              foreseen(params["announced"], rehearsed)))
        if baseline and baseline["tables"]:
            since = differences(baseline["tables"], found["tables"])
            written = [told(entry, language) for entry in since if entry["table"] in at_stake]
        if params["evidence"]:
            write_json(params["evidence"], {**found, "expectation": params["expectation"], "results": results})
        step.facts["passed"] = passed(results)
    return {
        "changed": False,
        "counts": {name: measured["rows"] for name, measured in found["checks"].items()},
        "measures": found["checks"],
        "tables": found["tables"],
        "heads": found["heads"],
        "results": results,
        "passed": passed(results),
        "told": say(language, "not_valid", failed="; ".join(name_failed(results, language))),
        "concerned_changed": written,
        "written": say(language, "written_since_backup", changes="; ".join(written)),
        "differing": sorted(entry["table"] for entry in since),
        "differing_told": say(language, "written_since_backup_restore",
                              changes="; ".join(told(entry, language) for entry in since)),
        "moved": say(language, "moved_since_plan", heads=", ".join(found["heads"] or [])),
    }


def passed_rehearsal(path):
    """A rehearsal that passed; empty where there is none, or one that was cut off or refused."""
    found = read_json(path) if path else None
    return found if found and found.get("result") == "pass" else {}


def lost(rehearsed):
    """The tables of what a rehearsal took with it: announced, or accepted by name."""
    return {table_named(loss["id"]) for loss in rehearsed.get("losses", [])} - {""}


def foreseen(announced, rehearsed):
    """What a plan announced and a rehearsal showed; None where neither is given."""
    if announced is None and not rehearsed:
        return None
    surveys = [(rehearsed.get(key) or {}).get("tables", {}) for key in ("before", "after")]
    return Foreseen(announced if announced is None else {**announced, **dict.fromkeys(lost(rehearsed))}, *surveys)


def main():
    run(count, {
        "checks": {"type": "list", "elements": "dict", "default": [], "options": check_spec()},
        "expectation": {"type": "str", "default": "rolled_back", "choices": ["rolled_back", "migrated"]},
        "expected_heads": {"type": "list", "elements": "str"},
        "everything": {"type": "bool", "default": False},
        "concerned": {"type": "list", "elements": "str", "default": []},
        "baseline": {"type": "path"},
        "held": {"type": "path"},
        "evidence": {"type": "path"},
        "accept": {"type": "list", "elements": "str", "default": []},
        "announced": {"type": "dict"},
        "rehearsal": {"type": "path"},
        "fingerprint_max_bytes": {"type": "int", "default": 1 << 30},
        **version_spec(),
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
