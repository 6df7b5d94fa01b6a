# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_lines
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Tell in one line which channels received their messages
description:
  - Returns one line with what each channel received and why it did not receive the rest; none without messages.
options:
  _input:
    description: A report, of which C(notifications) is read.
    type: dict
    required: true
  language:
    description: The language of the line, V(en) or V(fr).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Who was told?
  ansible.builtin.debug:
    msg: "{{ report | recyclic.rollback.notify_lines('en') }}"
"""

RETURN = r"""
_value:
  description: One line, or none.
  type: list
  elements: str
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notified import told


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"notify_lines": told}
