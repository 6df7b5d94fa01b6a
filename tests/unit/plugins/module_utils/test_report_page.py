# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The report's page: what it says of each outcome, that it needs nothing else, and that everybody can read it."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES, MESSAGES
from ansible_collections.recyclic.rollback.plugins.module_utils._phases import outage_of, phases_of
from ansible_collections.recyclic.rollback.plugins.module_utils._report_blocks import (
    contact,
    last_word,
    sentence,
    shell,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._report_facts import (
    changed_tables,
    contact_notes,
    placeholders,
    plan_shown,
    with_before,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._report_html import page
from ansible_collections.recyclic.rollback.plugins.module_utils._report_markdown import markdown
from ansible_collections.recyclic.rollback.plugins.module_utils._report_style import DARK, LIGHT, PAIRS, style
from ansible_collections.recyclic.rollback.plugins.module_utils._report_words import bytes_told, seconds_told

OUTCOMES = ["rolled_back", "already_rolled_back", "refused", "failed_unchanged", "failed_needs_human", "planned",
            "backed_up", "restored", "undone", "remigrated", "validated", "not_valid"]
SCRIPT = "<script>alert('x')</script>"


def at(second: int) -> str:
    return f"2026-03-01T03:{15 + second // 60}:{second % 60:02d}.000Z"


def journal(*steps: tuple[str, int, int, dict[str, Any]]) -> list[dict[str, Any]]:
    lines = []
    for name, begun, ended, facts in steps:
        lines += [{"event": "begun", "step": name, "at": at(begun), "acts": facts.pop("acts", False)},
                  {"event": "ended", "step": name, "at": at(ended), "duration_s": float(ended - begun), "commands": [],
                   "result": facts.pop("result", "ok"), **facts}]
    return lines


def fallen_back() -> list[dict[str, Any]]:
    return journal(
        ("plan", 4, 8, {}), ("backup", 10, 12, {}), ("rehearsal", 13, 18, {}), ("before", 20, 21, {"passed": False}),
        ("safety_copy", 21, 22, {}), ("alembic_downgrade", 24, 26, {"acts": True}),
        ("after", 27, 28, {"passed": False}),
        ("judge", 29, 30, {}), ("database_swap", 31, 32, {"acts": True}), ("judge", 33, 34, {}),
        ("safety_copy", 34, 35, {}), ("manual_rollback", 36, 37, {"acts": True}), ("after", 38, 40, {"passed": True}))


ROUTE = {"verdict": "needs_acceptance", "reasons": [], "estimate_s": 0.1, "estimate_from": "trial", "losses": [
    {"id": "drop-table:sites", "text": f"table {SCRIPT} goes", "rows": 3, "exact": True}]}


def report(outcome: str, **other: Any) -> dict[str, Any]:
    lines = fallen_back()
    return {
        "run_id": "20260301T031500Z-a1b2c3", "playbook": "rollback", "outcome": outcome, "outcome_rests_on": "",
        "route": "manual", "database": f"db{SCRIPT}", "migration": "k1l2", "from_heads": ["k1l2"], "to_heads": ["g1h2"],
        "goal_heads": ["g1h2"], "reason": SCRIPT, "impact": "", "decision": "", "operator": "alice", "ticket": "",
        "failure": SCRIPT if outcome.startswith(("fail", "ref", "not")) else "", "started_at": at(0),
        "finished_at": at(60), "duration_s": 60.0, "outage_s": 20.0, "outage": outage_of(lines),
        "phases": phases_of(lines, "rollback", at(0)), "resumed_after": [], "exported": [SCRIPT],
        "safety_copy": SCRIPT, "kept_database": None, "set_aside": None,
        "routes_tried": [{"route": "alembic", "result": "failed", "reason": SCRIPT + " broke"},
                         {"route": "manual", "result": "ok", "reason": ""}],
        "steps": [{"name": "backup", "started_at": at(10), "duration_s": 2.0, "result": "ok",
                   "commands": [f"pg_dump '{SCRIPT}'", "BEGIN", "DELETE FROM \"a<b\"", "COMMIT"]},
                  {"name": "manual_rollback", "started_at": at(36), "duration_s": 1.0, "result": "ok", "commands": []}],
        "services": {"stopped": ["api"], "resumed": [], "held": [{"reason": SCRIPT}], "left_stopped": [SCRIPT]},
        "memory": {"api": {"before": 1 << 29, "after": 1 << 30}},
        "backup": {"path": f"/b/{SCRIPT}", "bytes": 4096, "sha256": "d" * 64, "verified": True,
                   "restored_and_compared": True, "restore": f"/b/{SCRIPT}/RESTORE.txt"},
        "rehearsal": {"result": "pass", "steps": [{"name": "manual", "seconds": 1.5, "result": "ok"}],
                      "longest_lock": {"table": SCRIPT, "held_s": 0.1},
                      "upgrade_again": {"ok": False, "error": SCRIPT, "differs": []}},
        "checks": [{"id": SCRIPT, "before": "17 rows", "expected": SCRIPT, "observed": SCRIPT, "result": kind,
                    "severity": "fail"} for kind in ("pass", "fail", "warn", "skip")],
        "tables_changed": [{"table": f"public.{SCRIPT}", "before": 17, "after": None}],
        "plan": plan_shown({"routes": {"alembic": ROUTE, "restore": {
            "verdict": "impossible", "reasons": [SCRIPT], "losses": [], "estimate_s": None}}, "ladder": ["alembic"],
            "recommended": "alembic", "missing": ["drop-table:sites"], "path": [
                {"revision": "k1l2", "message": SCRIPT, "downgrade": "empty?"}]}),
        "losses": ROUTE["losses"], "next_steps": [f"{SCRIPT} then ansible-playbook status.yml"],
        "contacts": {"DBA": f"dba@recyclic.fr {SCRIPT}", "Boss": "[Contact]"}, "placeholders": ["Boss"],
        "notes": [SCRIPT],
        "notifications": [{"channel": SCRIPT, "kind": "mail", "audience": "team", "moment": "after", "result": "failed",
                           "attempts": 3, "reason": SCRIPT, "at": at(50)}], **other}


def drill() -> dict[str, Any]:
    return {"run_id": "r", "playbook": "drill", "outcome": "drill_failed", "failure": SCRIPT, "database": "db",
            "migration": "k1l2", "operator": "alice", "started_at": at(0), "finished_at": at(9), "duration_s": 9.0,
            "from_heads": ["k1l2"], "to_heads": [], "steps": [
                {"name": "restore", "started_at": at(0), "duration_s": 4.0, "result": "pass", "guide_minutes": [5, 10],
                 "commands": ["pg_restore"]},
                {"name": "roll_back", "started_at": None, "duration_s": None, "result": "skip", "guide_minutes": None,
                 "commands": []}],
            "backup": {"path": "/b", "age_s": 3.0, "restored_and_compared": True}, "last_passed": None,
            "longest_lock": None, "losses": [], "upgrade_again": None, "checks": [], "next_steps": [SCRIPT]}


class Reader(HTMLParser):
    """What a reader's programs make of a page: its tags, headings, text, and whether all is closed."""

    EMPTY = ("meta", "path", "rect", "line", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.headings: list[int] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag, f"{tag} closes what is not open: {self.open[-3:]}"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


EVERY = [*(report(outcome) for outcome in OUTCOMES), drill(), {**drill(), "outcome": "drill_passed", "failure": ""},
         report("planned", playbook="plan", phases=[], outage=None, backup=None, rehearsal=None, checks=[], losses=[],
                contacts={}, placeholders=[], steps=[], services={}, tables_changed=[], routes_tried=[], route=None),
         report("rolled_back", rehearsal={"result": "skipped", "accepted": "unrehearsed"}, plan={}, notifications=[])]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("told", EVERY, ids=lambda each: f"{each['playbook']}-{each['outcome']}")
def test_a_page_is_whole_and_holds_nothing_that_runs_or_is_fetched(told: dict[str, Any], language: str) -> None:
    before = copy.deepcopy(told)
    text = page(told, language)
    read = Reader(text)
    assert told == before and read.open == []
    assert "<script" not in text and SCRIPT in "".join(read.words), "what was given is text"
    assert not read.named("link") and not read.named("img") and not read.named("iframe") and not read.named("script")
    assert not [attributes for _tag, attributes in read.tags for name in attributes
                if name in ("src", "srcset", "style") or name.startswith("on")]
    assert all(str(each["href"]).startswith(("#", "mailto:", "tel:")) for each in read.named("a"))
    assert "url(" not in text and "@import" not in text
    policy = [each["content"] for each in read.named("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("told", EVERY, ids=lambda each: f"{each['playbook']}-{each['outcome']}")
def test_a_page_can_be_read_by_everybody(told: dict[str, Any], language: str) -> None:
    read = Reader(page(told, language))
    assert read.named("html")[0]["lang"] == language
    assert read.headings[0] == 1 and read.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(read.headings, read.headings[1:])), "no level is left out"
    tables = len(read.named("table"))
    assert len(read.named("caption")) == tables
    assert all(each.get("scope") in ("col", "row") for each in read.named("th"))
    names = [attributes["id"] for _tag, attributes in read.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for picture in read.named("svg"):
        assert picture.get("aria-hidden") == "true" or set(str(picture["aria-labelledby"]).split()) <= set(names)
    words = " ".join(read.words)
    assert not re.search(r"\bNone\b|\bNaN\b|\bhtml_\w+|\bfailed_\w+|\brolled_back\b|\bneeds_acceptance\b", words)
    assert not re.search(r"[{}]", words.replace(SCRIPT, "").replace('{"restore_backup"', "").replace('"}', ""))


@pytest.mark.parametrize(("language", "index"), [("en", 0), ("fr", 1)])
def test_the_outcome_stands_first_then_the_guides_four_sections(language: str, index: int) -> None:
    text = page(report("rolled_back"), language)
    keys = ["html_head_rolled_back", "html_now", "html_outage", "head_reason", "head_procedure", "head_validation",
            "head_next", "head_contacts"]
    body = text[text.index("<body>"):]
    places = [body.index(f">{MESSAGES[key][index].replace(chr(39), '&#x27;')}<") for key in keys]
    assert places == sorted(places)
    for key in ("html_routes", "html_rehearsal", "html_losses", "html_backup", "html_services", "label_commands"):
        assert f"<h3>{MESSAGES[key][index]}</h3>" in text
    assert MESSAGES["html_fell_back"][index].split("(")[0] in text
    other = MESSAGES["html_head_rolled_back"][1 - index]
    assert other not in text


def test_a_refusal_shows_the_line_to_paste_and_a_plan_its_routes() -> None:
    text = page(report("refused"), "en")
    assert "ansible-playbook rollback.yml -e rollback_accept=drop-table:sites=3</code>" in text
    assert "impossible" in text and "needs acceptance" in text
    accepted = report("refused")
    accepted["plan"]["accept_line"] = ""
    assert "rollback_accept=" not in page(accepted, "en")


def test_an_application_that_is_unwell_is_not_told_as_data_in_doubt() -> None:
    told = report("failed_needs_human")
    assert MESSAGES["html_means_failed_needs_human"][0] in page(told, "en")
    told["steps"].append({"name": "functional", "result": "failed", "started_at": at(50), "duration_s": 1.0,
                          "commands": []})
    assert "the application does not answer as it should" in page(told, "en")


def test_the_outage_is_drawn_where_it_was() -> None:
    read = Reader(page(report("rolled_back"), "en"))
    (mark,) = [each for each in read.named("rect") if each.get("id") == "outage"]
    assert (mark["x"], mark["width"]) == ("33.33%", "33.33%"), "from 20 s to 40 s of 60 s"
    failed = [each for each in read.named("rect") if "failed" in str(each.get("class"))]
    assert len(failed) == 1, "the measure that found the first route's result wrong"
    assert not [each for each in Reader(page(report("refused", outage=None), "en")).named("rect")
                if each.get("id") == "outage"]


def test_the_phases_of_a_rollback_are_numbered_and_told_once() -> None:
    found = phases_of(fallen_back(), "rollback", at(0))
    assert [(phase["number"], phase["name"], phase["duration_s"], phase["result"]) for phase in found] == [
        (1, "preflight", 4.0, "ok"), (2, "plan", 4.0, "ok"), (5, "backup", 2.0, "ok"), (6, "rehearsal", 5.0, "ok"),
        (7, "quiesce", 2.0, "ok"), (8, "rollback", 5.0, "ok"), (9, "validation", 5.0, "ok")]
    assert [step["result"] for step in found[-1]["steps"]] == ["failed", "ok", "ok", "ok"]
    assert {phase["number"] for phase in phases_of(fallen_back(), "restore", at(0))} == {None}
    assert "restoration" in [phase["name"] for phase in phases_of(fallen_back(), "undo", at(0))]
    assert phases_of([], "rollback", at(0)) == [] and outage_of([]) is None


def test_a_phase_that_failed_says_so_and_a_refusal_validates_nothing() -> None:
    lines = journal(("plan", 1, 2, {"result": "refused"}), ("judge", 3, 4, {}), ("tidy", 5, 6, {}))
    assert [(phase["name"], phase["result"]) for phase in phases_of(lines, "rollback", at(0))] == [
        ("preflight", "ok"), ("plan", "refused"), ("report", "ok")]
    (_preflight, last) = phases_of(lines[:1], "rollback", at(0))
    assert (last["result"], last["duration_s"]) == ("under way", 0.0)


def luminance(colour: str) -> float:
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_what_is_written_stands_out_from_what_it_is_written_on(colours: dict[str, str]) -> None:
    for front, back in PAIRS:
        light, dark = sorted((luminance(colours[front]), luminance(colours[back])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{front} on {back}"


def test_every_colour_is_one_of_both_schemes() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", style())) == LIGHT.keys()
    assert "@media print" in style() and "prefers-color-scheme:dark" in style()


@pytest.mark.parametrize(("given", "vacant"), [
    ("[Contact]", True), ("", True), (None, True), ("<name>", True), ("dba@example.org", True),
    ("DBA <dba@mail.example.com>", True), ("x@nowhere.invalid", True), ("TODO", True), ("à compléter", True),
    ("dba@recyclic.fr", False), ("+33 1 23 45 67 89", False), ("Alice [on call]", False), (["a@b.fr"], False),
    ("dba@example-shop.fr", False),
])
def test_a_contact_nobody_filled_in_is_told(given: Any, vacant: bool) -> None:
    assert placeholders({"DBA": given}) == (["DBA"] if vacant else [])
    assert any("DBA" in note for note in contact_notes({"DBA": given}, "fr")) is vacant


def test_no_contacts_at_all_are_told_and_placeholders_marked() -> None:
    assert contact_notes({}, "en") == [MESSAGES["html_no_contacts"][0]] == contact_notes(None, "en")
    assert f"{MESSAGES['html_placeholder'][0]}</span>" in page(report("rolled_back"), "en")


def test_contacts_are_links_that_can_be_tapped() -> None:
    assert contact("Bob, bob@a.fr, +33 1 23 45 67 89") == (
        "Bob, <a href='mailto:bob@a.fr'>bob@a.fr</a>, <a href='tel:+33123456789'>+33 1 23 45 67 89</a>")
    assert contact("https://a.fr/<x>") == "https://a.fr/&lt;x&gt;" and contact(None) == "-"


def test_commands_are_such_as_can_be_typed() -> None:
    assert shell(["pg_dump > 'a b'", "BEGIN", "DELETE FROM t;", "COMMIT", "alembic current"], "my db").splitlines() == [
        "pg_dump > 'a b'", "psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname='my db' <<'SQL'", "BEGIN;",
        "DELETE FROM t;", "COMMIT;", "SQL", "alembic current"]
    assert "--dbname=postgres" in shell(["BEGIN", 'ALTER DATABASE "a" RENAME TO "b"', "COMMIT"], "a")


def test_what_ran_on_a_copy_does_nothing_where_it_is_pasted() -> None:
    played = report("rolled_back", steps=[{"name": "rehearsal", "started_at": at(13), "duration_s": 1.0, "result": "ok",
                                           "commands": ["BEGIN", "DELETE FROM categories;", "initdb\n  --locale=C"]}])
    for told in (page(played, "en"), markdown(played, "en")):
        assert "# DELETE FROM categories;\n# initdb\n#   --locale=C" in told and "psql --" not in told
        assert "to be read, not typed" in told


def test_of_what_a_program_printed_the_last_line_says_what_was_wrong() -> None:
    assert last_word("It failed (x). It said: ript/base.py\n  File\nRuntimeError: no\n") == (
        "It failed (x). It said: RuntimeError: no")
    assert last_word("one line") == "one line"
    assert sentence("Look: ansible-playbook status.yml. Then -e a=b") == (
        "Look: <code>ansible-playbook status.yml</code>. Then <code>-e a=b</code>")


def test_values_from_before_stand_beside_each_check() -> None:
    before = {"heads": ["k1l2"], "checks": {"a": {"present": True, "rows": 17}, "b": {"present": False, "rows": None}}}
    checks = [{"id": name} for name in ("a", "b", "recorded-revisions", "http")]
    assert [each["before"] for each in with_before(checks, before, "en")] == ["17 rows", "absent", "k1l2", None]
    tables = {"same": {"rows": 1, "fingerprint": "1"}, "less": {"rows": 2, "fingerprint": "2"}, "gone": {"rows": 3}}
    after = {"same": {"rows": 1, "fingerprint": "1"}, "less": {"rows": 0, "fingerprint": "0"}}
    assert changed_tables({"tables": tables}, {"tables": after}) == [
        {"table": "gone", "before": 3, "after": None}, {"table": "less", "before": 2, "after": 0}]
    assert changed_tables({}, {"tables": after}) == []


def test_figures_are_written_as_each_language_does() -> None:
    assert [seconds_told(each, "en") for each in (0, 0.046, 21.887, 185, 3720, None)] == [
        "0 s", "0.05 s", "21.9 s", "3 min 5 s", "1 h 2 min", "-"]
    assert seconds_told(21.887, "fr") == "21,9 s"
    assert (bytes_told(404462, "en"), bytes_told(404462, "fr"), bytes_told(5, "fr")) == ("395 KiB", "395 Kio", "5 o")
