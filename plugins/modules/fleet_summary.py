#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: fleet_summary
short_description: Keep one summary over all sites
version_added: 0.2.0
description:
  - Runs on the controller. Writes C(fleet.json), C(fleet.md) and C(fleet.html) into a directory of the wave below
    O(report_dir), and points C(fleet/latest) to it. Each site writes as it goes on, so that the summary is right
    whenever the run is cut off; several may write at once.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: full
    details:
      - Evidence does not count as a change.
options:
  report_dir:
    description:
      - Where the controller keeps its reports.
    type: path
    required: true
  wave_id:
    description:
      - The name of the summary's directory.
    type: str
    required: true
  playbook:
    description:
      - What is done to the sites.
    type: str
    required: true
  operator:
    description:
      - Who asked for it.
    type: str
    default: ''
  sites:
    description:
      - All the sites, in the order in which they go.
    type: list
    elements: str
    required: true
  site:
    description:
      - The one of which something is known now.
    type: str
    required: true
  entry:
    description:
      - What is known of it - C(outcome), C(run_id), C(database), C(reason). Where O(report_dir) has the report of that
        run, the rest is read from there.
    type: dict
    required: true
  batch:
    description:
      - The sites that go together; once none of them is still to end, there are RV(lines).
    type: list
    elements: str
    default: []
  gone:
    description:
      - Sites that Ansible has given up; one that has not told how it ended is one that does not answer.
    type: list
    elements: str
    default: []
  language:
    description:
      - The language of what is written.
    type: str
    choices: [en, fr]
    default: en
"""

EXAMPLES = r"""
- name: Keep how this site ended
  recyclic.rollback.fleet_summary:
    report_dir: /srv/reports
    wave_id: 20260301T031500Z-1a2b
    playbook: rollback
    sites: [north, south]
    site: north
    entry:
      outcome: rolled_back
      run_id: 20260301T031502Z-a1b2c3
  delegate_to: localhost
  become: false
"""

RETURN = r"""
summary:
  description: The summary, as C(fleet.json) holds it.
  type: dict
  returned: success
lines:
  description: The summary for the terminal; none before the last site of O(batch) has ended,
      or the first was held back.
  type: list
  elements: str
  returned: success
path:
  description: The summary's page.
  type: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.recyclic.rollback.plugins.module_utils import _fleet
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import point, read_json, write_file
from ansible_collections.recyclic.rollback.plugins.module_utils._fleet_text import files, lines
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say


def summarize(params, check_mode):
    report_dir, language = params["report_dir"], params["language"]
    fleet = os.path.join(report_dir, "fleet")
    place = os.path.join(fleet, params["wave_id"])
    page = os.path.join(place, "fleet.html")
    site = known(report_dir, params["site"], params["entry"])
    run = {key: params[key] for key in ("wave_id", "playbook", "operator", "sites")}
    if check_mode:
        return {"changed": False, "summary": _fleet.merged(None, run, [site], params["gone"], language), "lines": [],
                "path": page}
    with _fleet.alone(place):
        summary = _fleet.merged(_fleet.read_summary(place), run, [site], params["gone"], language)
        # Also by one that is held back: the one that would have shown it may have been lost.
        shows = _fleet.ended(summary, params["batch"], params["gone"]) and summary["shown"] != summary["counts"]
        summary["shown"] = summary["counts"] if shows else summary["shown"]
        for name, content in {_fleet.SUMMARY: _fleet.as_json(summary), **files(summary, language, place)}.items():
            write_file(os.path.join(place, name), content)
    point(fleet, params["wave_id"])
    return {"changed": False, "summary": summary, "lines": lines(summary, language, page) if shows else [],
            "path": page}


def known(report_dir, site, entry):
    """What there is to be known of a site: what was given, and what its report on the controller has besides."""
    own = os.path.join(report_dir, entry["run_id"]) if entry.get("run_id") else ""
    report = read_json(os.path.join(own, "report.json")) if own else None
    page = os.path.join(own, "report.html")
    return _fleet.site_of(site, entry, report, page if own and os.path.exists(page) else "")


def main():
    module = AnsibleModule(argument_spec={
        "report_dir": {"type": "path", "required": True},
        "wave_id": {"type": "str", "required": True},
        "playbook": {"type": "str", "required": True},
        "operator": {"type": "str", "default": ""},
        "sites": {"type": "list", "elements": "str", "required": True},
        "site": {"type": "str", "required": True},
        "entry": {"type": "dict", "required": True},
        "batch": {"type": "list", "elements": "str", "default": []},
        "gone": {"type": "list", "elements": "str", "default": []},
        "language": {"type": "str", "default": "en", "choices": ["en", "fr"]},
    }, supports_check_mode=True)
    try:
        result = summarize(module.params, module.check_mode)
    except OSError as error:
        module.fail_json(msg=say(module.params["language"], "fleet_unwritten", path=module.params["report_dir"],
                                 error=str(error)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
