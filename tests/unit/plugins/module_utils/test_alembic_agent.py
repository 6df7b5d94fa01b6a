# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the agent sees of an Alembic environment, and that it is heard through its noise."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _alembic_agent

MIGRATION = "k1l2m3n4o5p6"


def load(path: Path, source: str) -> ModuleType:
    path.write_text(textwrap.dedent(source))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("source", "kind"), [
    ("def downgrade():\n    print('x')", "implemented"),
    ("def downgrade() -> None:\n    '''Undo.'''\n    print('x')", "implemented"),
    ("def downgrade():\n    if True:\n        print('x')", "implemented"),
    ("def downgrade():\n    pass", "empty?"),
    ("def downgrade():\n    '''Nothing to undo.'''", "empty?"),
    ("def downgrade():\n    '''Nothing.'''\n    pass\n    ...", "empty?"),
    ("def downgrade():\n    return", "empty?"),
    ("def downgrade():\n    return None", "empty?"),
    ("def downgrade():\n    raise NotImplementedError", "raises"),
    ("def downgrade():\n    '''Never.'''\n    raise RuntimeError('irreversible')", "raises"),
    ("def upgrade():\n    pass", "unknown"),
    ("downgrade = None", "unknown"),
    ("downgrade = lambda: None", "unknown"),
    ("exec('def downgrade(): pass')", "unknown"),
    ("from os import getpid as downgrade", "unknown"),
    ("class Undo:\n    def downgrade(self):\n        print('x')\ndowngrade = Undo().downgrade", "implemented"),
])
def test_what_a_downgrade_is_can_be_read_from_its_source(tmp_path: Path, source: str, kind: str) -> None:
    assert _alembic_agent.downgrade_kind(load(tmp_path / "revision.py", source)) == kind


@pytest.mark.parametrize(("value", "found"), [(None, []), ("a", ["a"]), (("a", "b"), ["a", "b"]), ([], [])])
def test_none_one_or_several_names(value: Any, found: list[str]) -> None:
    assert _alembic_agent.names(value) == found


@pytest.mark.parametrize(("direction", "heads", "to", "path"), [
    ("downgrade", ["24b194c1b790", "f4g5h6i7j8k9"], "g1h2i3j4k5l6", ["24b194c1b790", MIGRATION]),
    ("downgrade", ["24b194c1b790", "f4g5h6i7j8k9"], None, ["24b194c1b790", MIGRATION]),
    ("downgrade", [MIGRATION], "g1h2i3j4k5l6", [MIGRATION]),
    ("upgrade", ["g1h2i3j4k5l6"], "24b194c1b790", [MIGRATION, "24b194c1b790"]),
    ("upgrade", ["9a2b3c4d5e6f"], "e3f4g5h6i7j8", ["d2e3f4g5h6i7", "e3f4g5h6i7j8"]),
    ("upgrade", [MIGRATION], MIGRATION, []),
    ("downgrade", [MIGRATION], "g1h2", None),  # a part of an id is never put to Alembic
    ("downgrade", [MIGRATION], "base", None),
    ("upgrade", [MIGRATION], "heads", None),
    ("downgrade", ["another history's"], "g1h2i3j4k5l6", None),
])
def test_the_path_is_the_one_alembic_walks(script: Callable[[str], Any], direction: str, heads: list[str],
                                           to: str | None, path: list[str] | None) -> None:
    request = {"direction": direction, "to": to, "migration": MIGRATION}
    assert _alembic_agent.path(script("branched"), request, heads) == path


def test_the_graph_names_parents_message_and_downgrade(script: Callable[[str], Any]) -> None:
    found = {entry["revision"]: entry for entry in _alembic_agent.graph(script("guide"))}
    assert found[MIGRATION]["down"] == ["9a2b3c4d5e6f"] and found["5d0e1f2a3b4c"]["down"] == []
    assert found[MIGRATION]["message"] and found[MIGRATION]["downgrade"] == "implemented"


def project(directory: Path, **revisions: str) -> Path:
    """An Alembic project; each revision is given as the text of its module."""
    (directory / "versions").mkdir()
    (directory / "env.py").write_text("print('DEBUG env.py: postgresql://u:s3cret@h/d')\n")
    for name, source in revisions.items():
        (directory / "versions" / f"{name}.py").write_text(
            f'"""the revision {name}"""\nrevision = "{name}"\n{source}\ndef upgrade():\n    pass\n')
    (directory / "alembic.ini").write_text(f"[alembic]\nscript_location = {directory}\n")
    return directory / "alembic.ini"


def ask(config: Path, *parts: str, **request: Any) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
    """Send the agent to an interpreter as text, as the collection does."""
    pytest.importorskip("alembic")
    asked = json.dumps({"config": str(config), "parts": list(parts), "begin": "<<1:", "end": ":1>>", **request})
    done = subprocess.run([sys.executable, "-"], input=Path(_alembic_agent.__file__).read_text(encoding="utf-8"),
                          env={**os.environ, _alembic_agent.REQUEST: asked}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.rpartition("<<1:")[2].partition(":1>>")[0]), done


def test_the_answer_is_heard_through_noise_and_a_closed_standard_output(tmp_path: Path) -> None:
    noisy = f"""
import os, sys
assert {_alembic_agent.REQUEST!r} not in os.environ, "the request is not left to the migrations"
print("<<1:not json:1>>")
sys.stdout.close()
down_revision = None"""
    answer, done = ask(project(tmp_path, r1=noisy), "graph")
    assert [entry["revision"] for entry in answer["graph"]] == ["r1"]
    assert "errors" not in answer and "not json" in done.stdout


def test_a_part_that_fails_leaves_the_others_standing(tmp_path: Path) -> None:
    config = project(tmp_path, r1="down_revision = None", r2='down_revision = "r1"')
    answer, done = ask(config, "probe", "graph")
    assert sorted(entry["revision"] for entry in answer["graph"]) == ["r1", "r2"]
    assert "never reached context.run_migrations()" in answer["errors"]["probe"]
    assert "RuntimeError" in done.stderr


@pytest.mark.parametrize("source", ["down_revision = 'missing'", "raise SystemExit(3)"])
def test_a_history_that_cannot_be_read_is_an_error_and_not_silence(tmp_path: Path, source: str) -> None:
    answer, _done = ask(project(tmp_path, r1=source), "graph")
    assert "graph" not in answer and answer["errors"]["graph"]


MOVING = {"config": "alembic.ini", "moves": [["upgrade", "r1"], ["upgrade", "r2"], ["downgrade", "r1"]],
          "expected": {"system_identifier": "7", "database": "d"}}


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Alembic's commands, of which `upgrade r2` fails; what was asked of them."""
    command = pytest.importorskip("alembic.command")
    asked: list[str] = []

    def act(name: str, config: Any, revision: str) -> None:
        asked.append(f"{name} {revision}")
        assert config.attributes == {}, "what env.py left in one is not met by the next"
        config.attributes["left"] = True
        if asked[-1] == "upgrade r2":
            raise SystemExit("enough")

    for name in ("upgrade", "downgrade"):
        monkeypatch.setattr(command, name, functools.partial(act, name))
    return asked


def test_moves_are_told_one_by_one_and_stop_at_the_first_that_fails(commands: list[str]) -> None:
    made: list[dict[str, Any]] = []
    told: list[int] = []
    seen = {"system_identifier": "7", "database": "d", "user": "u"}
    assert _alembic_agent.move(MOVING, seen, made, lambda: told.append(len(made))) is made
    assert [(entry["direction"], entry["revision"], entry["ok"], entry["error"]) for entry in made] == [
        ("upgrade", "r1", True, ""), ("upgrade", "r2", False, "SystemExit: enough")]
    assert told == [1, 2] and commands == ["upgrade r1", "upgrade r2"] and made[0]["seconds"] >= 0


@pytest.mark.parametrize(("seen", "wrong"), [
    ({"system_identifier": "8", "database": "d"}, ["system_identifier '8' (expected '7')"]),
    ({"database": "other"}, ["database 'other' (expected 'd')", "system_identifier None (expected '7')"]),
])
def test_nothing_is_moved_where_the_connection_is_another_one(commands: list[str], seen: dict[str, str],
                                                              wrong: list[str]) -> None:
    assert _alembic_agent.move(MOVING, seen, [], lambda: None) == {"mismatch": wrong}
    assert commands == []
