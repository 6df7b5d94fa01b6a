# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_refusals
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Tell why channels cannot be used
description:
  - Returns a sentence for each thing that is wrong with C(rollback_notify), naming the channel and never a value of it.
options:
  _input:
    description: The channels, as C(rollback_notify) holds them.
    type: list
    elements: dict
    required: true
  language:
    description: The language of the sentences, V(en) or V(fr).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse channels that cannot be used
  ansible.builtin.assert:
    that: rollback_notify | recyclic.rollback.notify_refusals('en') | length == 0
"""

RETURN = r"""
_value:
  description: The sentences; none where all is well.
  type: list
  elements: str
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notify import refusals


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"notify_refusals": refusals}
