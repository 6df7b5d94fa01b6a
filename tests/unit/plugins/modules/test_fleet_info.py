# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a site's runs tells how it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import StateDirectory
from ansible_collections.recyclic.rollback.plugins.module_utils._run import META, REPORT
from ansible_collections.recyclic.rollback.plugins.modules.fleet_info import found

OTHER = ("rollback", "rolled_back", "another")


@pytest.mark.parametrize(("runs", "told"), [
    ([], ("no_run", None)),
    ([("plan", "planned", "recyclic"), OTHER], ("no_run", None)),
    ([("rollback", "rolled_back", "recyclic"), ("plan", "planned", "recyclic"), OTHER], ("rolled_back", "run-0")),
    # Those that found nothing to do point to the one that did it, as long as nothing came in between.
    ([("rollback", "rolled_back", "recyclic"), *[("rollback", "already_rolled_back", "recyclic")] * 2],
     ("rolled_back", "run-0")),
    ([("rollback", "rolled_back", "recyclic"), ("remigrate", "remigrated", "recyclic"),
      ("rollback", "already_rolled_back", "recyclic")], ("already_rolled_back", "run-2")),
    ([("rollback", None, "recyclic"), ("rollback", "already_rolled_back", "recyclic")],
     ("already_rolled_back", "run-1")),
    ([("rollback", "already_rolled_back", "recyclic")], ("already_rolled_back", "run-0")),
    ([("rollback", "rolled_back", "recyclic"), ("undo", None, "recyclic")], ("no_report", "run-1")),
    # What was refused left it as it was.
    ([("rollback", "failed_needs_human", "recyclic"), ("rollback", "refused", "recyclic")],
     ("failed_needs_human", "run-0")),
    ([("rollback", None, "recyclic"), ("rollback", "refused", "recyclic")], ("no_report", "run-0")),
    ([("rollback", "refused", "recyclic")] * 2, ("refused", "run-1")),
    # But what was in order before it is no answer to it.
    ([("rollback", "rolled_back", "recyclic"), ("rollback", "refused", "recyclic")], ("refused", "run-1")),
    ([("rollback", "failed_needs_human", "recyclic"), ("rollback", "already_rolled_back", "recyclic"),
      ("rollback", "refused", "recyclic")], ("refused", "run-2")),
    ([("rollback", "rolled_back", "recyclic"), ("rollback", "refused", "recyclic"),
      ("rollback", "already_rolled_back", "recyclic")], ("rolled_back", "run-0")),
])
def test_the_newest_run_that_acted_tells(
    tmp_path: Path, runs: list[tuple[str, str | None, str]], told: tuple[str, str | None]
) -> None:
    for number, (playbook, outcome, database) in enumerate(runs):
        place = tmp_path / "runs" / f"run-{number}"
        place.mkdir(parents=True)
        (place / META).write_text(json.dumps({"playbook": playbook, "database": database}))
        if outcome:
            (place / REPORT).write_text(json.dumps({"run_id": place.name, "outcome": outcome, "database": database}))

    site = found({"language": "en", "login_db": "recyclic", "migration": ""}, StateDirectory(str(tmp_path)))

    assert (site["outcome"], site["run_id"]) == told


@pytest.mark.parametrize(("goal", "outcome", "told"), [
    ("another", "rolled_back", "no_run"), ("another", "refused", "no_run"),
    ("k1l2m3n4o5p6", "rolled_back", "rolled_back"),
    # A restore has no migration to name.
    (None, "rolled_back", "rolled_back"),
    # Whatever it was about, somebody has to see to it.
    ("another", "failed_needs_human", "failed_needs_human"), ("another", None, "no_report"),
])
def test_what_was_about_another_migration_does_not_count_as_done(
    tmp_path: Path, goal: str | None, outcome: str | None, told: str
) -> None:
    place = tmp_path / "runs" / "run-0"
    place.mkdir(parents=True)
    (place / META).write_text(json.dumps({"playbook": "rollback", "database": "recyclic",
                                          "goal": {"migration": goal} if goal else {}}))
    if outcome:
        (place / REPORT).write_text(json.dumps({"run_id": "run-0", "outcome": outcome, "database": "recyclic"}))

    site = found({"language": "en", "login_db": "recyclic", "migration": "k1l2m3n4o5p6"},
                 StateDirectory(str(tmp_path)))

    assert site["outcome"] == told


def test_runs_that_may_not_be_looked_at_are_not_none(tmp_path: Path) -> None:
    # In the way of whoever looks, root or not.
    (tmp_path / "runs").write_text("no directory")
    with pytest.raises(Refusal) as refused:
        found({"language": "en", "login_db": "recyclic", "migration": ""}, StateDirectory(str(tmp_path)))
    assert refused.value.key == "runs_unreadable" and refused.value.facts["path"] == str(tmp_path / "runs")
