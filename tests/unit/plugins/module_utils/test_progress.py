# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a long step is: what a module tells of itself, and the line made of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _progress
from ansible_collections.recyclic.rollback.plugins.module_utils._copy import Clock
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal
from ansible_collections.recyclic.rollback.plugins.module_utils._progress_text import (
    in_bytes,
    in_minutes,
    progress_line,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import HostRuntime, Program

MB = 1_000_000


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "EVERY_S", 0.0)


def told(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "progress.json").read_text())
    return found


def test_a_journalled_step_tells_of_its_parts_and_leaves_nothing(tmp_path: Path) -> None:
    clock = Clock([], of=6)
    with Journal(str(tmp_path)).step("rehearsal"):
        assert (told(tmp_path)["step"], told(tmp_path)["part"]) == ("rehearsal", None)
        with clock.step("start"):
            pass
        with clock.step("compare"), _progress.part("count"):
            _progress.done(3, 12, _progress.TABLES)
            seen = told(tmp_path)
    assert {key: seen[key] for key in ("outer", "part", "number", "of", "done", "total", "unit")} == {
        "outer": "compare", "part": "count", "number": 2, "of": 6, "done": 3, "total": 12, "unit": "tables"}
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_a_program_tells_how_much_it_has_read_and_written(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"x" * 3000)
    seen = []

    def watch() -> None:
        seen.append(told(tmp_path))

    with Journal(str(tmp_path)).step("backup"):
        with _progress.part("load"):
            HostRuntime().run(Program(["sh", "-c", "head -c 1000 >/dev/null; sleep 0.7"],
                                      stdin_file=str(tmp_path / "in")), watch)
        assert any(each["done"] and each["total"] == 3000 and not each["about"] for each in seen), seen
        seen.clear()
        with _progress.part("dump_database", 5000, True):
            HostRuntime().run(Program(["sh", "-c", "printf abc; sleep 0.7"], stdout=str(tmp_path / "out")), watch)
        assert [each for each in seen if (each["done"], each["total"], each["about"]) == (3, 5000, True)], seen


def test_what_cannot_be_told_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "progress.json.new").mkdir()
    with Journal(str(tmp_path)).step("backup"), _progress.part("check"):
        _progress.done(1, 2)
    with Journal(None).step("backup"), _progress.part("check"):
        _progress.done(1, 2)
    assert not (tmp_path / "progress.json").exists()


def test_another_thread_tells_nothing_of_a_step_that_is_not_its_own(tmp_path: Path) -> None:
    with Journal(str(tmp_path)).step("backup"), _progress.part("dump_database", 10, True):
        before = told(tmp_path)
        other = threading.Thread(target=lambda: _progress.done(7, 7, _progress.TABLES))
        other.start()
        other.join()
        assert told(tmp_path) == before


def test_a_step_that_fails_leaves_no_file_and_the_next_one_tells_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), Journal(str(tmp_path)).step("backup"), _progress.part("check"):
        raise ValueError("broken")
    assert not (tmp_path / "progress.json").exists()
    with Journal(str(tmp_path)).step("drill"):
        assert told(tmp_path)["step"] == "drill"


def seen_of(**more: Any) -> dict[str, Any]:
    return {"step": "backup", "part": "dump_database", "outer": None, "number": None, "of": None, "done": 0,
            "total": None, "about": False, "unit": "bytes", "seconds": 20.0, **more}


@pytest.mark.parametrize(("seen", "language", "line"), [
    (seen_of(done=30 * MB, total=120 * MB, about=True), "en",
     "BACKUP: whole database, 30 MB of ~120 MB (25 %), 0:42 elapsed, ~1:00 left"),
    (seen_of(done=1.5e9, total=3e9), "fr",
     "SAUVEGARDE : base entière, 1,5 Go sur 3,0 Go (50 %), depuis 0:42, reste ~0:20"),
    # A guess that was too small is never a hundred percent, and nothing is left to foresee.
    (seen_of(done=130 * MB, total=120 * MB, about=True), "en",
     "BACKUP: whole database, 130 MB of ~130 MB (99 %), 0:42 elapsed"),
    (seen_of(step="rehearsal", outer="compare", part="count", number=3, of=6, done=4, total=40, unit="tables"), "en",
     "REHEARSAL: step 3 of 6 (comparing with the backup: counting and comparing rows), table 4 of 40 (10 %), "
     "0:42 elapsed"),
    (seen_of(step="safety_copy", part="copy", total=8.1e9), "fr",
     "COPIE DE SÛRETÉ : copie sur place, 8,1 Go, depuis 0:42"),
    (None, "en", "BACKUP: still at work, 0:42 elapsed"),
    (None, "fr", "SAUVEGARDE : toujours en cours, depuis 0:42"),
    (seen_of(step="of another kind", part=None), "en", "BACKUP: still at work, 0:42 elapsed"),
])
def test_the_line(seen: dict[str, Any] | None, language: str, line: str) -> None:
    assert progress_line(seen, "pg_backup", 42.2, language) == line


def test_on_a_narrow_terminal_the_figures_stay() -> None:
    seen = seen_of(step="rehearsal", outer=None, part="restore", number=2, of=6, done=60 * MB, total=120 * MB)
    line = progress_line(seen, "rehearsal", 3725, "en", 79)
    assert line == "REHEARSAL: step 2 of 6, 60 MB of 120 MB (50 %), 1:02:05 elapsed, ~0:20 left"
    assert len(progress_line(seen, "rehearsal", 3725, "fr", 79)) <= 79


@pytest.mark.parametrize(("number", "english", "french"), [
    (0, "0 B", "0 o"), (999, "999 B", "999 o"), (999.7, "1.0 kB", "1,0 ko"), (81_234_567, "81 MB", "81 Mo"),
    (1.25e15, "1250 TB", "1250 To")])
def test_bytes(number: float, english: str, french: str) -> None:
    assert (in_bytes(number, "en"), in_bytes(number, "fr")) == (english, french)


def test_minutes() -> None:
    assert [in_minutes(seconds) for seconds in (-1, 0, 59.6, 3600)] == ["0:00", "0:00", "1:00", "1:00:00"]
