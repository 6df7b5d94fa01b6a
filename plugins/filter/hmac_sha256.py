# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: hmac_sha256
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Sign a text with a shared secret
description:
  - Returns the HMAC-SHA256 (RFC 2104) of a text, in lower-case hexadecimal. ansible-core has no filter for it.
  - Text and key are taken as UTF-8.
options:
  _input:
    description: The text.
    type: str
    required: true
  key:
    description: The shared secret.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A header that proves who sent a body
  ansible.builtin.set_fact:
    signature: "sha256={{ (timestamp ~ '.' ~ body) | recyclic.rollback.hmac_sha256(webhook_secret) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The signature.
  type: str
  sample: f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8
"""

from ansible_collections.recyclic.rollback.plugins.module_utils._notify_request import signature


class FilterModule:
    """The filter, under its name."""

    def filters(self):
        return {"hmac_sha256": signature}
