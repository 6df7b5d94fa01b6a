# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_wanted
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Tell which channels an event is told to
description:
  - Returns the messages that an event is worth, without their text and without anything secret of their channels.
options:
  _input:
    description: The channels, as C(rollback_notify) holds them.
    type: list
    elements: dict
    required: true
  event:
    description: What happened - V(announced), V(prepared), V(problem), V(back), V(ended), V(drill) or V(test).
    type: str
    required: true
  language:
    description: The language of a channel that names none.
    type: str
    required: true
  number:
    description: How many messages there were before, for the ids.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Who is told that it begins?
  ansible.builtin.debug:
    msg: "{{ rollback_notify | recyclic.rollback.notify_wanted('announced', 'en') }}"
"""

RETURN = r"""
_value:
  description: Messages, each with C(id), C(channel), C(kind), C(audience), C(language), C(template), C(event),
    C(moment) and C(at).
  type: list
  elements: dict
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notify import wanted


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"notify_wanted": wanted}
