#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: run_notified
short_description: Write into a run's report who was told
version_added: 0.1.0
description:
  - Adds C(notifications) to the report of a run that has ended, and writes its files again.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - The report is returned and not written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Evidence does not count as a change.
options:
  notifications:
    description:
      - What came of each message, as the filter P(recyclic.rollback.notify_outcomes#filter) returns it.
    type: list
    elements: dict
    required: true
  report_dir:
    description:
      - Where the controller will keep its copy, for the summary to name it.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Who was told?
  recyclic.rollback.run_notified:
    login_db: recyclic
    run_dir: "{{ run.run_dir }}"
    notifications: "{{ told }}"
"""

RETURN = r"""
report:
  description: The report, as C(report.json) now holds it.
  type: dict
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

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import read_json
from ansible_collections.recyclic.rollback.plugins.module_utils._report_files import (
    keep,
    listed,
    report_files,
    summed_up,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._run import REPORT


def write(module, redact):
    params = module.params
    run_dir, language = params["run_dir"] or "", params["language"]
    report = read_json(os.path.join(run_dir, REPORT))
    if not report:
        raise Problem("notify_no_report", path=os.path.join(run_dir, REPORT))
    report["notifications"] = [{key: part for key, part in entry.items() if key != "id"}
                               for entry in params["notifications"]]
    files = report_files(report, language)
    if not module.check_mode:
        keep(run_dir, files)
    return {"changed": False, "report": report, "summary": summed_up(report, language, params["report_dir"]),
            "files": listed(files)}


def main():
    run(write, {
        "notifications": {"type": "list", "elements": "dict", "required": True},
        "report_dir": {"type": "str", "default": ""},
    }, supports_check_mode=True)


if __name__ == "__main__":
    main()
