# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The page of a success, a refusal and a fallback, by real runs, looked at in a real browser.

What was seen is kept under tests/output/report: one picture of each, desktop and phone, light and dark.
"""
from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from harness import MIGRATION, PARENT, ROOT, Databases

from playbooks import FULL, Played, Site

sys.path.insert(0, str(ROOT / "tests"))
from browser import Page, browser, program

pytestmark = pytest.mark.xdist_group("browser")

OUTPUT = ROOT / "tests" / "output" / "report"
SCREENS = {"desktop": (1280, 900, False), "phone": (360, 740, True)}
SEEN = """(() => { const shown = element => { const box = element.getBoundingClientRect();
  return { top: box.top, bottom: box.bottom, width: box.width, height: box.height, text: element.innerText }; };
  return { across: document.scrollingElement.scrollWidth, down: document.scrollingElement.scrollHeight,
    banner: shown(document.querySelector('.banner .mark')), head: shown(document.querySelector('h1')),
    outage: document.getElementById('outage') && shown(document.getElementById('outage')),
    paper: getComputedStyle(document.body).backgroundColor, text: document.body.innerText,
    outside: document.querySelectorAll('[src],link,script,iframe,[href^="http"]').length,
    wide: [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > innerWidth + 1
      && !each.closest('thead') && !each.closest('.skip')).map(each => each.outerHTML.slice(0, 90)) }; })()"""


@pytest.fixture(scope="module")
def seen() -> Iterator[Page]:
    if program() is None:
        told = "4 TESTS OF THE REPORT'S PAGE CANNOT RUN, no Chromium: make browser"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)
    with browser() as page:
        yield page


def own_migrations(site: Site, place: Path) -> None:
    """A downgrade that works on every copy, and on the live database takes more than its own."""
    identifier = site.database.rows("SELECT system_identifier::text FROM pg_control_system()", superuser=True)[0][0]
    shutil.copytree(ROOT / "demo" / "migrations", place / "migrations")
    (place / "migrations" / "guide" / "versions" / "guide_06_copy_labels.py").write_text(
        '"""copy labels"""\nimport sqlalchemy as sa\nfrom alembic import op\nfrom steps.copy_labels import upgrade\n'
        f"revision, down_revision = '{MIGRATION}', '{PARENT['guide']}'\n\n\ndef downgrade():\n"
        "    op.execute('DELETE FROM categories')\n"
        "    found = op.get_bind().execute(sa.text('SELECT system_identifier::text FROM pg_control_system()'))\n"
        f"    if found.scalar_one() == {identifier!r}:\n"
        "        op.execute('DELETE FROM dom_category_closure')\n")
    site.settings["rollback_alembic_config"] = str(place / "migrations" / "guide" / "alembic.ini")


@pytest.fixture(scope="module")
def pages(seen: Page, host_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The three pages as the controller got them."""
    home = tmp_path_factory.mktemp("reports")
    told: dict[str, Any] = {
        "rollback_reason": "Labels <script>alert(1)</script> & co. were wrong", "rollback_ticket": "OPS-12",
        "rollback_contacts": {"Team": "team@recyclic.fr", "DBA": "[Contact]", "Manager": "+33 1 23 45 67 89"}}
    sites = {name: Site(host_databases.make(history, at), home / name, {**told, **settings})
             for name, history, at, settings in (
                 ("fallback", "guide", "migration", FULL), ("success", "guide", "migration", {}),
                 ("refusal", "chain", "head", {"rollback_language": "fr"}))}
    for site in sites.values():
        site.home.mkdir()
    own_migrations(sites["fallback"], home / "fallback")
    # The longest first, and never more at once than there are processors in a small machine.
    with ThreadPoolExecutor(2) as together:
        played: dict[str, Played] = dict(zip(sites, together.map(lambda site: site.play("rollback"), sites.values())))
    found = {}
    for name, outcome in (("success", "rolled_back"), ("refusal", "refused"), ("fallback", "rolled_back")):
        assert played[name].report.get("outcome") == outcome, played[name].output
        found[name] = sites[name].home / "reports" / "latest" / "report.html"
    assert [entry["result"] for entry in played["fallback"].report["routes_tried"]] == ["failed", "ok"]
    yield {name: path.resolve() for name, path in found.items()}
    for site in sites.values():
        host_databases.drop(site.database)


OUTCOMES = {"success": ("Success", "The migration is rolled back"),
            "fallback": ("Success", "The migration is rolled back"),
            "refusal": ("Non effectué, rien n'est perdu", "Refusé avant toute modification")}


@pytest.mark.parametrize("name", ["success", "refusal", "fallback"])
def test_a_page_is_seen_whole_on_every_screen(seen: Page, pages: dict[str, Path], name: str) -> None:
    backgrounds = set()
    for screen, (width, height, phone) in SCREENS.items():
        for scheme in ("light", "dark"):
            seen.open(pages[name], width, height, scheme, phone)
            found = seen.ask(SEEN)
            picture = seen.picture(OUTPUT / f"{name}-{screen}-{scheme}.png")
            assert picture.startswith(b"\x89PNG") and len(picture) > 20_000

            assert found["across"] <= width and found["wide"] == [], f"{screen}: it goes beyond the edge"
            assert (found["banner"]["text"], found["head"]["text"]) == OUTCOMES[name]
            assert 0 < found["banner"]["top"] < found["head"]["bottom"] < height / 2, "the outcome is seen first"
            assert seen.asked == [pages[name].as_uri()], "it asks nothing of any network"
            assert seen.complaints == []
            assert found["outside"] == 0
            assert "<script>alert(1)</script> & co." in found["text"], "what was given is text"
            assert not re.search(r"\bNone\b|\bhtml_|\{[a-z_]+\}", found["text"])
            backgrounds.add(found["paper"])
            if name == "refusal":
                assert found["outage"] is None and "rollback_accept=" in found["text"]
            else:
                assert found["outage"]["width"] > 2 and found["outage"]["height"] > 50
    assert len(backgrounds) == 2, "light and dark differ"


def test_on_paper_everything_is_there(seen: Page, pages: dict[str, Path]) -> None:
    seen.open(pages["fallback"], 1280, 900, "dark")
    assert seen.printed().startswith(b"%PDF-")
    seen.call("Emulation.setEmulatedMedia", media="print",
              features=[{"name": "prefers-color-scheme", "value": "dark"}])
    folded = "[...document.querySelectorAll('details pre')].map(each => each.getBoundingClientRect().height)"
    heights = seen.ask(folded)
    assert len(heights) >= 5 and all(height > 10 for height in heights), "what is folded on a screen"
    assert seen.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert seen.ask("getComputedStyle(document.querySelector('h1')).color") == "rgb(26, 34, 48)"
