# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run that ended says of itself, from the evidence it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES, MESSAGES
from ansible_collections.recyclic.rollback.plugins.module_utils._report import GOOD, build, outage, steps_of
from ansible_collections.recyclic.rollback.plugins.module_utils._report_markdown import markdown
from ansible_collections.recyclic.rollback.plugins.module_utils._summary import summary
from ansible_collections.recyclic.rollback.plugins.module_utils._verdict import judge

RUN = "20260301T031500Z-a1b2c3"
MIGRATION, PARENT = "k1l2m3n4o5p6", "g1h2i3j4k5l6"
CONTRACT = {"run_id", "outcome", "route", "routes_tried", "database", "from_heads", "to_heads", "reason", "started_at",
            "finished_at", "duration_s", "outage_s", "steps", "backup", "rehearsal", "checks", "losses", "next_steps",
            "contacts", "notifications"}
BAD = ["refused", "failed_unchanged", "failed_needs_human", "not_valid"]
TABLES = {"public.users": {"rows": 3, "exact": True, "fingerprint": "1", "bytes": 8192},
          "public.categories": {"rows": 14, "exact": True, "fingerprint": "2", "bytes": 8192}}


def judged(*arguments: Any) -> tuple[str, str]:
    verdict = judge(*arguments)
    return verdict.outcome, verdict.rests_on


def evidence(heads: list[str], tables: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    return {"at": "2026-03-01T03:15:00.000Z", "heads": heads, "tables": TABLES if tables is None else tables,
            "checks": {}, **other}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run directory as it is when the backup has been taken and nothing was done yet."""
    directory = tmp_path / RUN
    directory.mkdir()
    write_json(str(directory / "run.json"), {
        "run_id": RUN, "playbook": "rollback", "database": "recyclic", "operator": "alice",
        "started_at": "2026-03-01T03:15:00.000Z"})
    write_json(str(directory / "plan.json"), {
        "database": "recyclic", "migration": MIGRATION, "from_heads": [MIGRATION], "to_heads": [PARENT]})
    write_json(str(directory / "backup.json"), {
        "path": "/state/backups/b1", "verified": True, "restored_and_compared": False,
        "files": [{"name": "tables.dump", "scope": "tables", "bytes": 5, "sha256": "t" * 64},
                  {"name": "database.dump", "scope": "database", "bytes": 1000, "sha256": "d" * 64}]})
    journal = Journal(str(directory))
    with journal.step("plan"):
        pass
    with journal.step("backup") as step:
        step.commands.append("pg_dump --format=custom")
    return directory


def act(run: Path, error: Exception | None = None, **facts: Any) -> None:
    """Measure, then act, as far as the error lets it."""
    journal = Journal(str(run))
    with journal.step("before"):
        write_json(str(run / "before.json"), evidence([MIGRATION]))
    try:
        with journal.step("alembic_downgrade", acts=True) as step:
            step.commands.append("alembic downgrade g1h2i3j4k5l6")
            step.facts.update(attempts=1, blockers=[], **facts)
            if error:
                raise error
    except type(error or ValueError):
        return
    with journal.step("after"):
        results = [{"id": "categories-empty", "expected": "0 rows", "observed": "0 rows", "result": "pass",
                    "severity": "fail"}, {"id": "a|b", "expected": "x", "observed": "y\nz", "result": "warn",
                                          "severity": "warn"}]
        write_json(str(run / "after.json"), evidence([PARENT], results=results))


def test_the_report_of_a_success(run: Path) -> None:
    act(run)
    report = build(str(run), "rolled_back", {"reason": "wrong labels", "contacts": {"dba": "bob"}}, "en")
    assert set(report) >= CONTRACT
    assert (report["run_id"], report["database"], report["operator"]) == (RUN, "recyclic", "alice")
    assert (report["outcome"], report["route"], report["migration"]) == ("rolled_back", "alembic", MIGRATION)
    assert (report["from_heads"], report["to_heads"], report["goal_heads"]) == ([MIGRATION], [PARENT], [PARENT])
    assert report["routes_tried"] == [
        {"route": "alembic", "result": "ok", "reason": "", "attempts": 1, "blockers": []}]
    assert [(step["name"], step["result"]) for step in report["steps"]] == [
        (name, "ok") for name in ("plan", "backup", "before", "alembic_downgrade", "after")]
    assert report["backup"] == {
        "path": "/state/backups/b1", "bytes": 1005, "sha256": "d" * 64, "verified": True,
        "restored_and_compared": False, "restore": "/state/backups/b1/RESTORE.txt"}
    assert [check["result"] for check in report["checks"]] == ["pass", "warn"]
    assert (report["reason"], report["contacts"]) == ("wrong labels", {"dba": "bob"})
    assert report["next_steps"] and report["duration_s"] > 0
    # What was not done is not seen by its absence.
    assert [MESSAGES[key][0] for key in ("html_not_asked", "html_none_stopped")] == report["notes"][:2]
    assert json.loads(json.dumps(report)) == report


def test_the_report_of_a_refusal(run: Path) -> None:
    with pytest.raises(Refusal), Journal(str(run)).step("preflight"):
        raise Refusal("disk_too_small")
    report = build(str(run), "refused", {"failure": "too little space"}, "en")
    assert (report["route"], report["routes_tried"], report["checks"]) == (None, [], [])
    assert report["to_heads"] == report["from_heads"] == [MIGRATION]
    assert (report["failure"], report["outage_s"]) == ("too little space", 0.0)
    assert report["steps"][-1]["result"] == "refused"


def test_the_report_of_a_failure(run: Path) -> None:
    blockers = [{"pid": 7}]
    act(run, Problem("lock_timeout"), heads_after=[MIGRATION])
    write_json(str(run / "before.json"), evidence([MIGRATION]))
    report = build(str(run), "failed_unchanged", {"failure": "locked", "rests_on": "2 tables are as before"}, "en")
    assert report["routes_tried"] == [
        {"route": "alembic", "result": "failed", "reason": "lock_timeout", "attempts": 1, "blockers": []}]
    assert (report["route"], report["to_heads"], report["outcome_rests_on"]) == (
        "alembic", [MIGRATION], "2 tables are as before")
    assert blockers and MESSAGES["next_failed_unchanged"][0] in report["next_steps"]


def test_the_report_of_a_run_that_was_taken_up_again(run: Path) -> None:
    journal = Journal(str(run))
    journal.write("begun", step="alembic_downgrade", acts=True, pid=1, mark="gone")
    journal.write("resumed", by="bob", cut_off=["alembic_downgrade"], ended=[])
    journal.write("ended", step="alembic_downgrade", result="cut off", duration_s=4.0, commands=[])
    act(run)
    report = build(str(run), "rolled_back", {}, "en")
    assert report["resumed_after"] == ["alembic_downgrade"]
    assert [line["result"] for line in report["routes_tried"]] == ["cut off", "ok"]
    assert [step["result"] for step in report["steps"] if step["name"] == "alembic_downgrade"] == ["cut off", "ok"]
    assert any("alembic_downgrade" in line for line in summary(report, "en"))


def test_a_run_refused_before_it_had_a_directory_reads_nothing_that_lies_about(tmp_path: Path,
                                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_json(str(tmp_path / "plan.json"), {"migration": "of another run", "from_heads": ["x"], "to_heads": ["y"]})
    write_json(str(tmp_path / "run.json"), {"run_id": "another run", "database": "other"})
    report = build("", "refused", {}, "en")
    assert set(report) >= CONTRACT
    assert report["run_id"] not in ("", "another run")
    assert (report["migration"], report["from_heads"], report["backup"]) == (None, [], None)


@pytest.mark.parametrize("outcome", [*GOOD, *BAD])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_has_its_words_and_a_next_step(run: Path, outcome: str, language: str) -> None:
    report = build(str(run), outcome, {}, language)
    lines = summary(report, language)
    assert f"({MESSAGES['outcome_' + outcome][LANGUAGES.index(language)]})" in lines[0] and "recyclic" in lines[0]
    assert len(report["next_steps"]) == 1 and report["next_steps"][0] in lines[-1]


def test_what_needs_a_human_names_the_data_from_before(run: Path) -> None:
    (step,) = build(str(run), "failed_needs_human", {}, "en")["next_steps"]
    assert "/state/backups/b1/RESTORE.txt" in step


def test_a_plan_with_nothing_to_do_names_no_playbook(run: Path) -> None:
    planned = json.loads((run / "plan.json").read_text())
    for position, wanted in (("applied", "next_planned"), ("rolled_back", "next_done")):
        write_json(str(run / "plan.json"), {**planned, "position": position})
        (step,) = build(str(run), "planned", {"playbook": "remigrate"}, "en")["next_steps"]
        assert step == MESSAGES[wanted][0].format(playbook="remigrate")


def test_the_operators_own_next_steps_take_the_place_of_ours(run: Path) -> None:
    steps = ["fix it", "try it"]
    assert build(str(run), "rolled_back", {"next_steps": steps}, "en")["next_steps"] == steps


def test_the_summary_is_short_and_says_what_counts(run: Path) -> None:
    act(run)
    report = {**build(str(run), "rolled_back", {}, "en"), "outage_s": 1.5, "duration_s": 9.0}
    lines = summary(report, "en")
    assert lines[0] == "Outcome: rolled_back (rolled back) - database recyclic"
    assert f"Route: alembic, from {MIGRATION} to {PARENT}" in lines
    assert "Outage: 1.5 s; whole run: 9.0 s" in lines
    assert "Checks: 1 passed, 0 failed, 1 other" in lines
    assert "  pass: categories-empty is 0 rows, expected 0 rows" in lines
    assert any("/state/backups/b1" in line and "1005" in line for line in lines)
    assert len(lines) <= 10


def test_of_many_checks_only_those_that_did_not_pass_are_named(run: Path) -> None:
    act(run)
    report = build(str(run), "rolled_back", {}, "en")
    report["checks"] = [{**report["checks"][0], "id": f"check-{number}"} for number in range(20)]
    report["checks"][7]["result"] = "fail"
    lines = summary(report, "en")
    assert [line for line in lines if "check-" in line] == ["  fail: check-7 is 0 rows, expected 0 rows"]
    assert "Checks: 19 passed, 1 failed, 0 other" in lines


def test_the_summary_of_a_failure_says_why_and_what_the_outcome_rests_on(run: Path) -> None:
    lines = summary(build(str(run), "failed_unchanged", {"failure": "locked", "rests_on": "2 tables"}, "en"), "en")
    assert "Why: locked" in lines and "Measured: 2 tables" in lines


@pytest.mark.parametrize(("language", "index"), [("en", 0), ("fr", 1)])
def test_the_report_for_people_has_its_sections_in_each_language(run: Path, language: str, index: int) -> None:
    act(run)
    told = {"reason": "wrong | labels", "contacts": {"dba": "bob", "project": "eve"}, "next_steps": ["fix it"]}
    text = markdown(build(str(run), "rolled_back", told, language), language)
    places = [text.index(f"## {MESSAGES[key][index]}\n" if key != "title" else "# ") for key in (
        "title", "head_reason", "head_procedure", "head_validation", "head_next", "head_contacts")]
    assert places == sorted(places) and places[0] == 0
    for key in ("label_problem", "label_impact", "label_decision", "label_operator", "label_ticket"):
        assert f"**{MESSAGES[key][index]}**" in text
    assert f"**{MESSAGES['label_impact'][index]}**{MESSAGES['colon'][index]} {MESSAGES['not_given'][index]}" in text
    assert MESSAGES["col_step"][index] in text and MESSAGES["col_check"][index] in text
    assert "\npg_dump --format=custom\n" in text and "\nalembic downgrade g1h2i3j4k5l6\n" in text
    assert "- fix it" in text and "- dba: bob" in text and "/state/backups/b1/RESTORE.txt" in text


def test_a_cell_with_a_pipe_or_a_line_end_stays_one_cell(run: Path) -> None:
    act(run)
    text = markdown(build(str(run), "rolled_back", {}, "en"), "en")
    assert "\na\\|b | x | y z | warn\n" in text


def test_a_report_of_nothing_is_still_one(tmp_path: Path) -> None:
    for language in LANGUAGES:
        text = markdown(build(str(tmp_path), "refused", {}, language), language)
        assert text.startswith("# ") and text.endswith("\n") and "None |" not in text


def never() -> dict[str, Any]:
    raise AssertionError("nothing has acted: there is nothing to measure")


@pytest.mark.parametrize(("claimed", "outcome"), [
    ("refused", "refused"), ("not_valid", "not_valid"), ("None", "failed_unchanged"),
    ("rolled_back", "failed_unchanged"),
])
def test_where_nothing_acted_nothing_was_changed(run: Path, claimed: str, outcome: str) -> None:
    assert judged(str(run), claimed, never) == (outcome, "nothing that changes data was started")
    assert judged("", claimed, never)[0] == outcome


def test_what_is_still_at_work_is_not_called_unchanged(run: Path) -> None:
    assert judged(str(run), "failed_needs_human", never)[0] == "failed_needs_human"
    assert judged("", "failed_needs_human", never)[0] == "failed_needs_human"


CHANGED = {**TABLES, "public.users": {**TABLES["public.users"], "rows": 2}}
EDITED = {**TABLES, "public.users": {**TABLES["public.users"], "fingerprint": "9"}}


@pytest.mark.parametrize(("after", "outcome", "said"), [
    (evidence([MIGRATION]), "failed_unchanged", "2 tables are as before"),
    (evidence([PARENT]), "failed_needs_human", PARENT),
    (evidence([]), "failed_needs_human", MIGRATION),
    (evidence([MIGRATION], CHANGED), "failed_needs_human", "public.users: 3 rows became 2"),
    (evidence([MIGRATION], EDITED), "failed_needs_human", "public.users"),
    (evidence([MIGRATION], {}), "failed_needs_human", "public.categories: gone (it held 14 rows)"),
])
@pytest.mark.parametrize("claimed", ["refused", "not_valid", "None"])
def test_where_something_acted_the_database_itself_is_asked(run: Path, after: dict[str, Any], outcome: str, said: str,
                                                            claimed: str) -> None:
    act(run, Problem("migration_failed"))
    found, rests_on = judged(str(run), claimed, lambda: after)
    assert found == outcome
    assert said in rests_on


def test_a_database_that_cannot_be_measured_is_not_called_unchanged(run: Path) -> None:
    act(run, Problem("migration_failed"))

    def unreachable() -> dict[str, Any]:
        raise Refusal("server_unreachable", place="db:5432", database="recyclic", error="connection refused")

    outcome, rests_on = judged(str(run), "refused", unreachable)
    assert outcome == "failed_needs_human"
    assert "connection refused" in rests_on, "why it could not be measured is told"


def test_without_evidence_from_before_nothing_is_called_unchanged(run: Path) -> None:
    act(run, Problem("migration_failed"))
    (run / "before.json").unlink()
    assert judged(str(run), "None", never)[0] == "failed_needs_human"


def test_an_estimated_table_is_not_counted_among_those_proved_as_before(run: Path) -> None:
    act(run, Problem("migration_failed"))
    tables = {**TABLES, "public.huge": {"rows": 10**9, "exact": False, "fingerprint": None, "bytes": 10**12}}
    write_json(str(run / "before.json"), evidence([MIGRATION], tables))
    outcome, rests_on = judged(str(run), "None", lambda: evidence([MIGRATION], tables))
    assert outcome == "failed_unchanged"
    assert "2 tables are as before" in rests_on and "public.huge" in rests_on


def test_what_an_outcome_rests_on_is_told_in_the_operators_language(run: Path) -> None:
    assert judged(str(run), "refused", never, "fr")[1] == MESSAGES["rests_on_nothing_begun"][1]
    act(run, Problem("migration_failed"))
    assert "lignes sont devenues 2" in judged(
        str(run), "None", lambda: evidence([MIGRATION], CHANGED), "fr")[1]


def line(event: str, step: str, second: int, **facts: Any) -> dict[str, Any]:
    return {"event": event, "step": step, "at": f"2026-03-01T03:15:{second:02d}.000Z", **facts}


ACTED = [line("begun", "before", 10), line("ended", "before", 11), line("begun", "alembic_downgrade", 12, acts=True),
         line("ended", "alembic_downgrade", 20)]


@pytest.mark.parametrize(("journal", "seconds"), [
    ([], 0.0),
    ([line("begun", "plan", 1), line("ended", "plan", 2)], 0.0),
    ([line("begun", "before", 10), line("ended", "before", 11)], 0.0),  # measured, and nothing done
    (ACTED, 10.0),
    ([*ACTED, line("begun", "after", 21), line("ended", "after", 25)], 15.0),
    ([line("begun", "backup", 1), line("ended", "backup", 9), *ACTED], 10.0),
    ([*ACTED, line("begun", "copy", 30), line("ended", "copy", 40)], 10.0),
])
def test_the_outage_lasts_from_the_last_look_before_to_the_last_step_that_matters(journal: list[dict[str, Any]],
                                                                                  seconds: float) -> None:
    assert outage(journal) == seconds


def test_the_outage_of_a_run_that_was_taken_up_again_began_before_the_cut() -> None:
    journal = [*ACTED[:3], {"event": "resumed", "at": "2026-03-01T03:15:30.000Z", "cut_off": ["alembic_downgrade"]},
               line("ended", "alembic_downgrade", 30), line("begun", "before", 31), line("ended", "before", 32),
               line("begun", "alembic_downgrade", 33, acts=True), line("ended", "alembic_downgrade", 40)]
    assert outage(journal) == 30.0


def test_a_step_under_way_is_shown_as_such() -> None:
    (step,) = steps_of([line("begun", "backup", 1)])
    assert (step["name"], step["result"], step["duration_s"]) == ("backup", "under way", None)


def test_an_end_without_a_beginning_does_not_keep_a_report_from_being_written() -> None:
    assert steps_of([line("ended", "backup", 1, duration_s=1.0, result="ok", commands=[])]) == []


def test_what_recovery_replaced_is_not_what_undo_wants(run: Path) -> None:
    journal = Journal(str(run))
    for step, facts in (("safety_copy", {"copy": {"name": "s"}}),
                        ("database_swap", {"replacement": "s", "kept": "damaged", "purpose": "recovery"})):
        with journal.step(step) as noted:
            noted.facts.update(facts)
    report = build(str(run), "failed_unchanged", {}, "en")
    assert (report["safety_copy"], report["kept_database"], report["set_aside"]) == (None, None, "damaged")
    # The next copy bears the name of the one that is the live database now.
    with journal.step("safety_copy") as noted:
        noted.facts["copy"] = {"name": "s"}
    assert build(str(run), "rolled_back", {}, "en")["safety_copy"] == "s"
    for replacement, kept, purpose in (("b", "k1", "restore"), ("k1", "not valid", "recovery")):
        with journal.step("database_swap", acts=True) as noted:
            noted.facts.update(replacement=replacement, kept=kept, purpose=purpose)
    report = build(str(run), "failed_unchanged", {}, "en")
    assert (report["safety_copy"], report["kept_database"], report["set_aside"]) == ("s", None, "not valid")
    assert any("not valid" in line for line in summary(report, "en"))
