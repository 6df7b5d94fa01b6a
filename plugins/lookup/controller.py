# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: controller
author:
  - the recyclic.rollback maintainers (@recyclic)
version_added: 0.1.0
short_description: Tell which Ansible process this is
description:
  - Returns what tells this C(ansible-playbook) from every other, and which others run beside it, so that a lock left
    by one that is gone can be told from a lock that is held.
  - Outside Linux only the host name and the process id are known; a lock is then never taken over unasked.
"""

EXAMPLES = r"""
- name: Who runs this?
  ansible.builtin.debug:
    msg: "{{ lookup('recyclic.rollback.controller') }}"
"""

RETURN = r"""
_raw:
  description: One dictionary.
  type: list
  elements: dict
  contains:
    user:
      description: Who runs it.
      type: str
    host:
      description: The controller's name.
      type: str
    space:
      description: Its kernel and pid namespace; empty where they cannot be known.
      type: str
    pid:
      description: The pid of C(ansible-playbook).
      type: int
    mark:
      description: When it started, in clock ticks since boot.
      type: str
    peers:
      description: Pid and mark of each other Python process there.
      type: list
      elements: list
"""

import getpass
import multiprocessing
import os
import socket

from ansible.plugins.lookup import LookupBase

from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import process_mark


class LookupModule(LookupBase):
    """The identity of the controller's process."""

    def run(self, terms, variables=None, **kwargs):
        # Tasks are templated in a forked worker; the playbook is its parent.
        parent = multiprocessing.parent_process()
        pid = (parent and parent.pid) or os.getpid()
        return [{"user": getpass.getuser(), "host": socket.gethostname(), "space": space(), "pid": pid,
                 "mark": process_mark(pid), "peers": peers(pid)}]


def space():
    """Pids are only comparable within one boot of one kernel and one pid namespace."""
    # Where other users' processes are hidden, one that cannot be seen may well be alive.
    if not process_mark(1):
        return ""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return f"{stream.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def peers(own):
    """An Ansible controller is a Python process: its memory map or command line says so even under another name."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if name.isdigit() and int(name) != own:
            try:
                with open(f"/proc/{name}/cmdline", "rb") as stream:
                    line = stream.read()
            except OSError:
                continue
            if b"python" in line or b"ansible" in line:
                found.append([int(name), process_mark(int(name))])
    return found
