# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who runs this: asked of real Ansible processes."""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.lookup.controller import LookupModule, peers, space
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import owner_alive, process_mark

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars:
    told: "{{ lookup('recyclic.rollback.controller') }}"
  tasks:
    - name: Tell it as a task sees it
      ansible.builtin.copy:
        content: "{{ told | to_json }}"
        dest: "{{ playbook_dir }}/told.json"
        mode: "0600"
    - name: Stay until the file is gone
      ansible.builtin.wait_for:
        path: "{{ playbook_dir }}/told.json"
        state: absent
        sleep: 1
        timeout: 60
"""


def told() -> dict[str, Any]:
    (found,) = LookupModule().run([])
    return found


def test_this_process_is_known_by_pid_start_and_kernel() -> None:
    found = told()
    assert (found["pid"], found["mark"]) == (os.getpid(), process_mark(os.getpid()))
    assert (found["user"], found["host"]) == (getpass.getuser(), socket.gethostname())
    assert found["space"] == space() and "pid:[" in space()
    assert owner_alive(found, told()) is True


def test_a_python_program_beside_it_is_a_peer_and_a_dead_one_is_not(python: Callable[..., Any]) -> None:
    beside = python("import time; print('up'); time.sleep(60)")
    assert beside.stdout.readline() == "up\n"
    entry = [beside.pid, process_mark(beside.pid)]
    assert entry in peers(os.getpid())
    assert [os.getpid(), process_mark(os.getpid())] not in peers(os.getpid()), "it is not its own peer"
    beside.kill()
    beside.wait()
    assert entry not in peers(os.getpid())


def test_a_program_of_another_kind_is_no_peer(start: Callable[..., Any]) -> None:
    other = start("sleep", "60")
    assert other.pid not in [pid for pid, _mark in peers(os.getpid())]


def test_a_playbook_is_found_by_its_own_process_and_seen_alive_by_another(tmp_path: Path, start: Callable[..., Any],
                                                                          eventually: Callable[..., Any]) -> None:
    (tmp_path / "playbook.yml").write_text(PLAYBOOK)
    controller = start(sys.executable, "-m", "ansible.cli.playbook", "-i", "localhost,", "-c", "local", "-e",
                       f"ansible_python_interpreter={sys.executable}", str(tmp_path / "playbook.yml"))
    written = tmp_path / "told.json"
    assert eventually(lambda: written.exists() or controller.poll() is not None, 20)
    assert controller.poll() is None, controller.communicate()
    found = json.loads(written.read_text())
    assert (found["pid"], found["mark"]) == (controller.pid, process_mark(controller.pid)), "not the task's worker"
    assert owner_alive(found, told()) is True
    controller.kill()
    controller.wait()
    assert owner_alive(found, told()) is False
    written.unlink()
