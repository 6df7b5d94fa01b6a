# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_outcomes
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Tell what came of messages
description:
  - Returns, for each message, whether it was received and why not, without anything secret of its channel.
options:
  _input:
    description: The messages.
    type: list
    elements: dict
    required: true
  polled:
    description: What the lookup P(recyclic.rollback.notify_answers#lookup) returned.
    type: list
    elements: dict
    required: true
  channels:
    description: The channels, as C(rollback_notify) holds them.
    type: list
    elements: dict
    required: true
  language:
    description: The language of the reasons, V(en) or V(fr).
    type: str
    required: true
  seconds:
    description: The time limit of one message.
    type: int
    required: true
  before:
    description: What this filter returned of the attempts before.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: What came of them?
  ansible.builtin.debug:
    msg: "{{ messages | recyclic.rollback.notify_outcomes(answers, rollback_notify, 'en', 20) }}"
"""

RETURN = r"""
_value:
  description: For each message C(id), C(channel), C(kind), C(audience), C(event), C(moment), C(at), C(result)
    (V(sent), V(failed) or V(unfinished)), C(attempts) and C(reason).
  type: list
  elements: dict
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notify import outcomes


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"notify_outcomes": outcomes}
