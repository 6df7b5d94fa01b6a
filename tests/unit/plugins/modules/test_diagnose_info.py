# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A part of a diagnosis that fails keeps nothing else back."""
from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.modules.diagnose_info import Diagnosis


@pytest.mark.parametrize(("work", "said"), [
    (lambda: json.loads("{'s3cret"), "JSONDecodeError"), (lambda: int("s3cret"), "********"),
    (lambda: {"a": 1}["MemUsage"], "KeyError('MemUsage')"),
    (lambda: os.listdir("/nowhere/s3cret"), "/nowhere/********")])
def test_an_answer_that_is_not_as_expected_is_one_part_less(work: Callable[[], Any], said: str) -> None:
    diagnosis: Any = Diagnosis.__new__(Diagnosis)
    diagnosis.language, diagnosis.redact = "en", Redactor(["s3cret"])
    diagnosis.scene = SimpleNamespace(unavailable={})
    assert diagnosis.part("containers", work) is None
    assert diagnosis.part("disk", lambda: "read") == "read"
    assert list(diagnosis.scene.unavailable) == ["containers"]
    text = diagnosis.scene.unavailable["containers"]["text"]
    assert said in text and "s3cret" not in text
