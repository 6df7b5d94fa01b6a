# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The summary over all sites: what it keeps of each, what it says next, several writing at once, what it shows."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _fleet
from ansible_collections.recyclic.rollback.plugins.module_utils._fleet_text import lines, markdown, page
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES, MESSAGES
from ansible_collections.recyclic.rollback.plugins.module_utils._report import GOOD
from ansible_collections.recyclic.rollback.plugins.modules.fleet_summary import summarize

RUN = {"wave_id": "20260301T031500Z-1a2b", "playbook": "rollback", "operator": "alice",
       "sites": ["north", "south", "east"]}
SCRIPT = "<script>alert('x')</script>"


def ended(site: str, outcome: str = "rolled_back", **more: Any) -> dict[str, Any]:
    return _fleet.site_of(site, {}, {"outcome": outcome, "database": f"recyclic_{site}", "run_id": f"run-{site}",
                                     "route": "alembic", "outage_s": 4.2, "duration_s": 30.0, "losses": [],
                                     "next_steps": ["Look."], **more})


def test_before_the_first_has_begun_each_is_there_and_none_has_started() -> None:
    summary = _fleet.merged(None, RUN, [_fleet.site_of("north", {"outcome": "begun"}, None)], [], "en")
    assert [(site["site"], site["outcome"]) for site in summary["sites"]] == [
        ("north", "begun"), ("south", "not_started"), ("east", "not_started")]
    assert (summary["complete"], summary["good"]) == (False, False)


def test_what_is_known_stays_and_the_beginning_is_the_first_ones() -> None:
    first = _fleet.merged(None, RUN, [ended("north")], [], "en")
    first["started_at"] = "2026-03-01T03:15:00.000Z"
    second = _fleet.merged(first, RUN, [ended("south", "failed_unchanged", failure="half way")], [], "en")
    assert second["started_at"] == "2026-03-01T03:15:00.000Z"
    assert second["counts"] == {"rolled_back": 1, "failed_unchanged": 1, "not_started": 1}
    # What has ended has not begun again.
    third = _fleet.merged(second, RUN, [_fleet.site_of("north", {"outcome": "begun"}, None)], [], "en")
    assert third["sites"][0]["outcome"] == "rolled_back"


def test_one_that_is_gone_without_a_word_does_not_answer() -> None:
    known = _fleet.merged(None, RUN, [_fleet.site_of("north", {"outcome": "begun"}, None), ended("south")], [], "en")
    summary = _fleet.merged(known, RUN, [ended("south")], ["north", "south", "east"], "en")
    assert [site["outcome"] for site in summary["sites"]] == ["no_answer", "rolled_back", "no_answer"]
    assert "services may be stopped" in summary["sites"][0]["reason"]
    assert "status.yml --limit north" in summary["sites"][0]["next"]
    assert summary["complete"] and not summary["good"]


def test_a_batch_has_ended_when_none_of_its_own_is_still_to_end() -> None:
    summary = _fleet.merged(None, RUN, [ended("north"), _fleet.site_of("south", {"outcome": "begun"}, None)], [], "en")
    assert _fleet.ended(summary, ["north"], []) and not _fleet.ended(summary, ["north", "south"], [])
    # East waits for its turn, which does not come once another one is gone.
    assert not _fleet.ended(summary, ["north", "east"], []) and _fleet.ended(summary, ["north", "east"], ["west"])
    assert not _fleet.ended(summary, RUN["sites"], ["west"])
    # Where nothing stands behind a gate, it has begun and has not said so.
    assert not _fleet.ended({**summary, "playbook": "plan"}, ["north", "east"], ["west"])


@pytest.mark.parametrize(("playbook", "outcomes", "said"), [
    ("rollback", ["rolled_back", "rolled_back", "already_rolled_back"], "Nothing more to do."),
    ("rollback", ["rolled_back", "failed_unchanged", None], "See to south, then the same command again, with all the "
     "arguments it had: ansible-playbook rollback.yml -e rollback_confirm=north,south,east"),
    ("rollback", ["rolled_back", "failed_needs_human", None], "See to south; each site's own report says how."),
    ("rollback", ["rolled_back", None, None], "The rest follows by itself."),
    ("rollback", ["rolled_back", "begun", None], "services may be stopped: ansible-playbook status.yml --limit south"),
    # Repeated at a site that is done, a restore would put it back once more.
    ("restore", ["restored", "failed_unchanged", None], "only for the sites that are not done: --limit south,east"),
    ("plan", ["planned"] * 3, "ansible-playbook rollback.yml -e rollback_confirm=north,south,east"),
    ("backup", ["backed_up", "refused", "backed_up"], "only for the sites that are not done: --limit south"),
    # One site by itself is confirmed in another way than a wave.
    ("restore", ["restored", "failed_unchanged", "restored"], "not done: --limit south -e rollback_serial=1"),
    ("report", ["rolled_back", "refused", "failed_unchanged"], "See to south, east; each site's own report says how."),
    ("report", ["rolled_back", "no_answer", "no_report"],
     "See what is there: ansible-playbook status.yml --limit south,east"),
    ("report", ["no_run", "refused", "rolled_back"],
     "See to south; each site's own report says how. See what is there: ansible-playbook status.yml --limit north"),
])
def test_what_to_type_next(playbook: str, outcomes: list[str | None], said: str) -> None:
    sites = [ended(name, outcome) for name, outcome in zip(RUN["sites"], outcomes) if outcome]
    summary = _fleet.merged(None, {**RUN, "playbook": playbook}, sites, [], "en")
    assert said in summary["next"]


def given(home: Path, site: str, **entry: Any) -> dict[str, Any]:
    return {"report_dir": str(home), "language": "en", "batch": RUN["sites"], "gone": [], "site": site, "entry": entry,
            **RUN}


def test_many_write_at_once_and_none_is_lost(tmp_path: Path) -> None:
    sites = [f"site-{number}" for number in range(16)]
    for site in sites:
        (tmp_path / site).mkdir()
        (tmp_path / site / "report.json").write_text(json.dumps(ended(site)))
        (tmp_path / site / "report.html").write_text("a page")

    def write(site: str) -> list[str]:
        found: list[str] = summarize({**given(tmp_path, site, run_id=site), "sites": sites, "batch": sites},
                                     False)["lines"]
        return found

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(write, sites))

    place = tmp_path / "fleet" / "latest"
    summary = json.loads((place / "fleet.json").read_text())
    assert [site["outcome"] for site in summary["sites"]] == ["rolled_back"] * 16 and summary["complete"]
    assert summary["sites"][3]["report"] == str(tmp_path / "site-3" / "report.html")
    assert "href='../../site-3/report.html'" in (place / "fleet.html").read_text()
    assert sum(map(bool, told)) == 1, "the last one alone shows it"
    assert place.resolve().name == RUN["wave_id"] and place.resolve().stat().st_mode & 0o777 == 0o700
    assert {path.name for path in place.iterdir()} == {"fleet.json", "fleet.md", "fleet.html", ".lock"}
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}


def test_a_site_that_is_held_back_shows_what_nobody_was_left_to_show(tmp_path: Path) -> None:
    def told(site: str, outcome: str, *gone: str) -> list[str]:
        found: list[str] = summarize({**given(tmp_path, site, outcome=outcome), "batch": [site], "gone": gone},
                                     False)["lines"]
        return found

    assert told("north", "begun") == []
    lost = told("south", "not_started", "north")
    assert "services may be stopped" in "".join(lost) and "See to north" in lost[-1]
    assert told("east", "not_started", "north") == [], "once"
    assert json.loads((tmp_path / "fleet" / "latest" / "fleet.json").read_text())["counts"] == {
        "no_answer": 1, "not_started": 2}


def test_the_last_that_is_at_work_shows_it_though_others_were_left(tmp_path: Path) -> None:
    def told(site: str, outcome: str, *gone: str) -> list[str]:
        found: list[str] = summarize({**given(tmp_path, site, outcome=outcome), "gone": gone}, False)["lines"]
        return found

    assert told("north", "begun") == told("south", "begun") == []
    assert told("north", "failed_unchanged") == []
    assert told("east", "not_started", "north") == [], "south is still at work"
    assert "1 done, 1 not done, 1 not ended" in told("south", "rolled_back", "north")[0]


def test_what_has_no_report_tells_where_to_look(tmp_path: Path) -> None:
    for outcome in ("no_report", "no_answer", "no_run"):
        summary = summarize(given(tmp_path, "north", outcome=outcome), False)["summary"]
        assert summary["sites"][0]["next"] == "See what is there: ansible-playbook status.yml --limit north"


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert summarize(given(tmp_path, "north", outcome="begun"), True)["summary"]["sites"][0]["outcome"] == "begun"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_terminal_markdown_and_page_say_the_same_of_each_site(language: str) -> None:
    loss = {"id": "drop-table:labels=17", "rows": 17, "text": "17 rows"}
    summary = _fleet.merged(None, RUN, [
        ended("north", losses=[loss]), ended("south", "failed_needs_human", failure=f"{SCRIPT}\n" + "word " * 200)],
        [], language)
    shown, text, html = lines(summary, language, "/reports/fleet.html"), markdown(summary, language), page(
        summary, language)
    for told in ("\n".join(shown), text, html):
        for site in summary["sites"]:
            assert site["site"] in told and MESSAGES[f"fleet_is_{site['outcome']}"][LANGUAGES.index(language)] in told
        assert "17" in told and re.split("[:']", summary["next"], maxsplit=1)[0] in told
    assert shown[0].startswith("rollback") and shown[-2].endswith("/reports/fleet.html")
    assert max(map(len, shown)) < 260
    assert SCRIPT not in html and "&lt;script&gt;" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "width=device-width" in html and f"lang='{language}'" in html


def test_there_are_words_for_each_outcome() -> None:
    for outcome in (*GOOD, "refused", "failed_unchanged", "failed_needs_human", "not_valid", *_fleet.OPEN,
                    _fleet.NO_ANSWER, _fleet.NO_RUN, _fleet.NO_REPORT):
        assert f"fleet_is_{outcome}" in MESSAGES, outcome
