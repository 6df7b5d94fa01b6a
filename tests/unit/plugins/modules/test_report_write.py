# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's copy of a report: whole, private, the newest of its kind pointed to."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.recyclic.rollback.plugins.modules.report_write import write


def report(place: Path, name: str = "run-1", link: str = "latest", check: bool = False, **files: str) -> str:
    kept = [{"name": name.replace("_", "."), "content": content} for name, content in files.items()]
    umask = os.umask(0)
    try:
        done = write({"report_dir": str(place), "name": name, "files": kept, "link": link}, check)
    finally:
        assert os.umask(umask) == 0
    assert done["changed"] is False
    return str(done["path"])


def test_it_is_whole_private_and_pointed_to(tmp_path: Path) -> None:
    reports = tmp_path / "there" / "reports"
    path = Path(report(reports, report_json="{}\n", report_md="# Événement {{ no template }}\n"))
    assert path == reports / "run-1"
    assert {each.name: each.read_text() for each in path.iterdir()} == {
        "report.json": "{}\n", "report.md": "# Événement {{ no template }}\n"}
    modes = {stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()}
    assert modes == {0o600} and {stat.S_IMODE(each.stat().st_mode) for each in (path, reports)} == {0o700}
    assert os.readlink(reports / "latest") == "run-1"

    report(reports, "run-2", report_json="[]")
    report(reports, "run-3", link="", report_json="[]")
    assert os.readlink(reports / "latest") == "run-2"
    assert {each.name for each in reports.iterdir()} == {"run-1", "run-2", "run-3", "latest"}


def test_again_it_replaces_what_it_wrote_and_closes_what_was_open(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir(mode=0o755)
    (tmp_path / "run-1" / "metrics.prom").write_text("kept")
    report(tmp_path, report_json="1")
    report(tmp_path, report_json="2")
    assert (tmp_path / "run-1" / "report.json").read_text() == "2"
    assert (tmp_path / "run-1" / "metrics.prom").read_text() == "kept"
    assert stat.S_IMODE((tmp_path / "run-1").stat().st_mode) == 0o700


def test_several_sites_may_end_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write({"report_dir": str(tmp_path), "name": f"run-{number}", "link": "latest",
                                            "files": [{"name": "report.json", "content": "{}"}]}, False), range(40)))
    assert (tmp_path / "latest" / "report.json").read_text() == "{}"
    assert len([each for each in tmp_path.iterdir() if not each.is_symlink()]) == 40
    assert [each.name for each in tmp_path.iterdir() if each.is_symlink()] == ["latest"]


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert report(tmp_path / "reports", check=True, report_json="{}") == str(tmp_path / "reports" / "run-1")
    assert not (tmp_path / "reports").exists()


def test_where_it_cannot_be_written_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("in the way")
    with pytest.raises(OSError, match="reports"):
        report(tmp_path / "reports", report_json="{}")
