# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The files a report consists of, and where they are written."""

from __future__ import annotations

import json
import os
import typing as t

from . import _drill_report, _summary
from ._evidence import write_file
from ._report_html import page
from ._report_markdown import markdown


def report_files(report: dict[str, t.Any], language: str) -> dict[str, str]:
    """Return a report's files by name."""
    text = _drill_report.markdown if report["playbook"] == "drill" else markdown
    return {"report.json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
            "report.md": text(report, language), "report.html": page(report, language)}


def keep(run_dir: str, files: t.Mapping[str, str]) -> None:
    """Write files into a run directory, each whole or not at all."""
    for name, content in files.items():
        write_file(os.path.join(run_dir, name), content)


def listed(files: t.Mapping[str, str]) -> list[dict[str, str]]:
    """Return files as a module hands them to the controller: ``[{name, content}]``."""
    return [{"name": name, "content": content} for name, content in files.items()]


def summed_up(report: dict[str, t.Any], language: str, report_dir: str) -> list[str]:
    """Return the lines that end a run on the terminal; they name the page below the controller's ``report_dir``."""
    place = f"{report_dir}/{report['run_id']}/report.html" if report_dir else ""
    return (_drill_report if report["playbook"] == "drill" else _summary).summary(report, language, place)
