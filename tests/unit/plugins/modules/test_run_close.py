# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator says of a run, in an inventory or in a survey."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.modules.run_close import answers

NOTHING: dict[str, Any] = {"reason": "", "impact": "", "decision": "", "ticket": "", "next_steps": []}


@pytest.mark.parametrize(("told", "meant"), [
    ({}, {}),
    ({"reason": None, "ticket": None, "next_steps": None}, {}),
    ({"reason": "slow", "ticket": 4711}, {"reason": "slow", "ticket": "4711"}),
    ({"next_steps": ["call Bob", " wait "]}, {"next_steps": ["call Bob", "wait"]}),
    ({"next_steps": "call Bob, then wait\r\n\r\nwrite it up\n"},
     {"next_steps": ["call Bob, then wait", "write it up"]}),
    ({"contacts": {"dba": "Bob"}}, {"contacts": {"dba": "Bob"}}),
])
def test_what_was_not_answered_is_empty_and_lines_are_steps(told: dict[str, Any], meant: dict[str, Any]) -> None:
    assert answers(told) == {**NOTHING, **meant}
