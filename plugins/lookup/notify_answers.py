# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_answers
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Wait for jobs on the controller, all of them at once
description:
  - Waits until every job in a directory of results has ended, or until the time is up, and returns what tells whether
    a message was received. M(ansible.builtin.async_status) in a loop would take a task's time for each of them.
  - Of a result only that is read; addresses, headers and bodies stay where they are.
options:
  _terms:
    description: The directory of the results.
    type: list
    elements: str
    required: true
  jobs:
    description: Pairs of a message's id and its job's.
    type: list
    elements: list
    required: true
  seconds:
    description: How long to wait for all of them together.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: What came of them?
  ansible.builtin.set_fact:
    answers: "{{ query('recyclic.rollback.notify_answers', place, jobs=[[1, 'j1.2']], seconds=20) }}"
"""

RETURN = r"""
_raw:
  description: For each job C(item) as it was given, C(finished), C(status), C(sent), C(msg) and C(json).
  type: list
  elements: dict
"""

import json
import os
import time

from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """What jobs on the controller have left."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        deadline = time.monotonic() + self.get_option("seconds")
        while True:
            found = [answer(str(terms[0]), job) for job in self.get_option("jobs")]
            if all(each["finished"] for each in found) or time.monotonic() > deadline:
                return found
            time.sleep(0.2)


def answer(place, job):
    """What one job has left. Without a file it was never started."""
    path = os.path.join(place, os.path.basename(str(job[1])))
    result = {}
    try:
        with open(path, encoding="utf-8") as stream:
            result = json.load(stream)
    except (OSError, ValueError):
        # Written aside and renamed: there is one, whole, from the job's beginning on.
        result = {"msg": ""}
    told = result.get("json")
    return {"item": [job[0], str(job[1])], "finished": "started" not in result or bool(result.get("finished")),
            "status": result.get("status"), "sent": result.get("sent"), "msg": str(result.get("msg", "")),
            "json": {"description": str(told["description"])}
            if isinstance(told, dict) and told.get("description") else {}}
