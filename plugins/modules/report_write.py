#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: report_write
short_description: Keep a report's files on the controller
version_added: 0.2.0
description:
  - Runs on the controller. Writes the files that M(recyclic.rollback.run_close) and others return into a directory of
    their own below O(report_dir), each whole or not at all, and points a link there to it.
  - Directories are for their owner alone, as are the files.
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
      - Where the controller keeps its reports. Made where it is missing.
    type: path
    required: true
  name:
    description:
      - The name of the report's directory, such as the run's id.
    type: str
    required: true
  files:
    description:
      - What to write. Files of other names that are there already stay.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The file's name.
        type: str
        required: true
      content:
        description:
          - What it holds.
        type: str
        required: true
  link:
    description:
      - The name of the link to the newest report of its kind; empty for none.
    type: str
    default: ''
  language:
    description:
      - The language of messages.
    type: str
    choices: [en, fr]
    default: en
seealso:
  - module: recyclic.rollback.run_close
  - module: recyclic.rollback.fleet_summary
"""

EXAMPLES = r"""
- name: Copy the report to the controller
  recyclic.rollback.report_write:
    report_dir: "{{ rollback_report_dir }}"
    name: "{{ report_result.report.run_id }}"
    files: "{{ report_result.files }}"
    link: latest
  delegate_to: localhost
  become: false
"""

RETURN = r"""
path:
  description: The report's directory.
  type: str
  returned: success
"""

import os
from contextlib import suppress

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import point, write_file
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say


def write(params, check_mode):
    place = os.path.join(params["report_dir"], params["name"])
    if not check_mode:
        private(os.path.abspath(place))
        os.chmod(place, 0o700)
        for each in params["files"]:
            write_file(os.path.join(place, each["name"]), each["content"])
        if params["link"]:
            point(params["report_dir"], params["name"], params["link"])
    return {"changed": False, "path": place}


def private(directory):
    """Make a directory and its missing parents, each for its owner alone whatever the umask is."""
    if not os.path.isdir(directory):
        private(os.path.dirname(directory))
        with suppress(FileExistsError):  # Another site's report was here first.
            os.mkdir(directory, 0o700)


def main():
    module = AnsibleModule(argument_spec={
        "report_dir": {"type": "path", "required": True},
        "name": {"type": "str", "required": True},
        "files": {"type": "list", "elements": "dict", "required": True, "options": {
            "name": {"type": "str", "required": True},
            "content": {"type": "str", "required": True}}},
        "link": {"type": "str", "default": ""},
        "language": {"type": "str", "default": "en", "choices": ["en", "fr"]},
    }, supports_check_mode=True, no_log=True)  # Whole reports are nothing for a system's log.
    try:
        result = write(module.params, module.check_mode)
    except OSError as error:
        module.fail_json(msg=say(module.params["language"], "report_unwritten", path=module.params["report_dir"],
                                 error=str(error)))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
