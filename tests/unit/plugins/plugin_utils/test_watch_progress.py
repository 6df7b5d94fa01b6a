# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's watch over a module: when it tells, and that nothing of it can harm the module."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.plugin_utils import _watch_progress as watched


def action(tmp_path: Path, **more: Any) -> Any:
    connection = SimpleNamespace(transport="local", become=None)
    task = SimpleNamespace(args={"run_dir": str(tmp_path), "language": "fr", **more}, async_val=0,
                           action="recyclic.rollback.pg_backup")
    return SimpleNamespace(_task=task, _connection=connection, _templar=SimpleNamespace(template=lambda given: given))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    lines: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(watched, "display", SimpleNamespace(
        columns=79, display=lambda text, **how: lines.append((text, how))))
    return lines


def test_nothing_is_told_of_what_is_short_and_something_soon_of_what_is_long(
        tmp_path: Path, shown: list[tuple[str, dict[str, Any]]]) -> None:
    (tmp_path / "progress.json").write_text(
        '{"step": "backup", "part": "check", "done": 5, "total": 10, "unit": "bytes", "seconds": 1}')
    with watched.watching(action(tmp_path), {"rollback_progress_s": 0.4}):
        time.sleep(0.2)
    assert not shown
    with watched.watching(action(tmp_path), {"rollback_progress_s": 0.2}):
        time.sleep(1.1)
    lines = [text for text, _how in shown]
    assert 4 <= len(lines) <= 6, lines
    assert lines[-1].startswith("SAUVEGARDE : relecture, 5 o sur 10 o (50 %), depuis 0:01"), lines
    before = len(shown)
    time.sleep(0.5)
    assert len(shown) == before


def test_a_look_that_fails_or_hangs_keeps_nobody_waiting_and_the_clock_is_still_told(
        tmp_path: Path, shown: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "PATIENCE_S", 0.1)

    def fails() -> dict[str, Any]:
        raise ConnectionError("gone")

    def hangs() -> dict[str, Any]:
        time.sleep(30)
        return {}

    for look in (fails, hangs):
        shown.clear()
        monkeypatch.setattr(watched, "reader", lambda *_given, look=look: look)
        began = time.monotonic()
        with watched.watching(action(tmp_path), {"rollback_progress_s": 0.1}):
            time.sleep(0.5)
        assert time.monotonic() - began < 2
        assert shown and all("toujours en cours" in text for text, _how in shown)


def test_what_the_module_raises_comes_through_and_a_watch_that_cannot_be_had_is_none(
        tmp_path: Path, shown: list[tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises(KeyError, match="its own"), watched.watching(action(tmp_path), {"rollback_progress_s": 1}):
        raise KeyError("its own")
    with watched.watching(SimpleNamespace(), {}):  # type: ignore[arg-type]
        pass
    assert not shown


@pytest.mark.parametrize(("more", "settings"), [
    ({}, {"rollback_progress_s": 0}), ({"run_dir": ""}, {}), ({"run_dir": None}, {})])
def test_where_there_is_nothing_to_tell(tmp_path: Path, more: dict[str, Any], settings: dict[str, Any]) -> None:
    assert watched.watch_for(action(tmp_path, **more), settings) is None


def test_output_that_programs_read_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched.C, "DEFAULT_STDOUT_CALLBACK", "ansible.posix.json", raising=False)
    assert watched.watch_for(action(tmp_path), {}) is None


@pytest.mark.parametrize(("terminal", "environment", "task_vars", "rewritten"), [
    (True, {"TERM": "xterm"}, {}, True), (False, {"TERM": "xterm"}, {}, False), (True, {"TERM": "dumb"}, {}, False),
    (True, {}, {}, False), (True, {"TERM": "xterm", "CI": "true"}, {}, False),
    (True, {"TERM": "xterm", "AWX_ISOLATED_DATA_DIR": "/x"}, {}, False),
    (True, {"TERM": "xterm"}, {"awx_job_id": 3}, False)])
def test_a_line_is_written_over_only_on_a_terminal_somebody_looks_at(
        monkeypatch: pytest.MonkeyPatch, terminal: bool, environment: dict[str, str], task_vars: dict[str, Any],
        rewritten: bool) -> None:
    monkeypatch.setattr(watched, "TERMINAL", terminal)
    for name in ("TERM", *watched.KEPT_OUTPUT):
        monkeypatch.delenv(name, raising=False)
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert watched.rewritable(task_vars) is rewritten


def test_what_becomes_another_user_is_not_the_modules_own() -> None:
    ran: list[str] = []

    class Connection:
        transport = "ssh"
        _shell = None
        become: Any = SimpleNamespace(build_become_command=lambda command, _shell: f"sudo {command}")

        def set_become_plugin(self, plugin: Any) -> None:
            self.become = plugin

        def exec_command(self, command: str, in_data: Any, sudoable: bool) -> tuple[int, bytes, bytes]:
            assert sudoable and in_data is None
            ran.append(command)
            return 0, b'Welcome!\n{"step": "backup"}', b""

    connection = Connection()
    theirs = connection.become
    assert watched.reader(connection, ["/state/the run"])() == {"step": "backup"}
    assert connection.become is theirs
    assert len(ran) == 1 and ran[0].startswith("sudo sh -c ")
