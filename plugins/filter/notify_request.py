# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: notify_request
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Write what one channel is sent
description:
  - Returns the address, headers and exact body to post, signed where the channel has a secret, or the options of
    M(recyclic.rollback.notify_mail). The result holds secrets, so the task that uses it needs C(no_log).
options:
  _input:
    description: The message, with C(subject) and C(text).
    type: dict
    required: true
  channels:
    description: The channels, as C(rollback_notify) holds them.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Post a message
  ansible.builtin.uri:
    url: "{{ post.url }}"
    method: POST
    headers: "{{ post.headers }}"
    body: "{{ post.body | string }}"
  vars:
    post: "{{ message | recyclic.rollback.notify_request(rollback_notify) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: C(url), C(headers), C(body) and C(ca); for mail C(host), C(port), C(secure), C(username), C(password),
    C(sender), C(to), C(subject), C(body), C(ca) and C(thread).
  type: dict
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notify import channel_of
from ansible_collections.recyclic.rollback.plugins.module_utils._notify_request import request


def requested(message, channels):
    return request(message, channel_of(message["channel"], channels))


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"notify_request": requested}
