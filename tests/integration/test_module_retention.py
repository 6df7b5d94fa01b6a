# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""retention: what is old and many enough goes, from the disk and from the server, and nothing else does.

Also pg_backup with max_age: a backup that is there already and stands for one taken now.
"""
from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from harness import MIGRATION, Answer, Database, another_controller, common_args, controller, run_module, tree
from psycopg2.sql import SQL, Identifier, Literal

from playbooks import Site

MakeSite = Callable[..., Site]
# The shortest rules that remove anything.
SHORT = {f"keep_{kind}{unit}": 1 for kind in ("backups", "databases", "runs") for unit in ("", "_days")}


def moment(days: float) -> str:
    """So many days ago, as the collection writes it."""
    then = datetime.now(timezone.utc) - timedelta(days=days)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rewrite(path: Path, **facts: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def back_up(database: Database, state_dir: Path, days: float = 0, **facts: Any) -> Path:
    """Take a backup, made out to be so many days old; returns its directory."""
    taken = run_module("pg_backup", **common_args(database), backups=str(state_dir / "backups"), disk_reserve="1MiB")
    place = Path(taken["backup"]["path"])
    rewrite(place / "backup.json", started_at=moment(days), finished_at=moment(days), **facts)
    return place


def open_run(database: Database, state_dir: Path, **more: Any) -> Answer:
    return run_module("run_open", **{**common_args(database), "state_dir": str(state_dir), "playbook": "backup",
                                     "controller": controller(), **more})


def past_run(database: Database, state_dir: Path, days: float, backup: Path | None = None, acted: bool = False) -> Path:
    """A run that ended so many days ago."""
    run = open_run(database, state_dir)
    place = Path(run["run_dir"])
    if backup:
        shutil.copy(backup / "backup.json", place / "backup.json")
    if acted:
        with (place / "journal.jsonl").open("a") as stream:
            for event in ("begun", "ended"):
                stream.write(json.dumps({"at": moment(days), "event": event, "step": "alembic_downgrade", "acts": True,
                                         "pid": 1, "mark": "", "result": "ok", "duration_s": 1, "commands": []}) + "\n")
    closed = run_module("run_close", **common_args(database), state_dir=str(state_dir), run_dir=str(place),
                        run_token=run["token"], outcome="backed_up")
    assert closed["outcome"] == "backed_up", closed
    rewrite(place / "run.json", started_at=moment(days))
    return place


def make_beside(database: Database, kind: str, days: float, run_id: str | None = None, proved: bool = True,
                comment: str | None = None) -> str:
    """A database of ours beside the live one, made out to be so many days old."""
    name = f"{database.name}_{kind}_{days}"
    database.rows(SQL("CREATE DATABASE {}").format(Identifier(name)))
    told = {"kind": kind, "of": database.name, "name": name, "run_id": run_id, "at": moment(days), "heads": ["x"],
            "comment": None, "proved": proved}
    text = json.dumps({"recyclic.rollback": told}) if comment is None else comment
    database.rows(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(text)))
    return name


def exists(database: Database, name: str) -> bool:
    return bool(database.rows(SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(Literal(name))))


def retain(database: Database, state_dir: Path, check: bool = False, diff: bool = False, **more: Any) -> Answer:
    return run_module("retention", check, diff, **{**common_args(database), "state_dir": str(state_dir), **SHORT,
                                                   **more})


def rules(found: list[dict[str, Any]]) -> dict[str, str]:
    return {each["name"]: each["rule"] for each in found}


@pytest.mark.both_runtimes
def test_what_is_old_and_many_enough_goes_and_check_mode_says_so_before(database: Database, state_dir: Path) -> None:
    oldest, older, newest = (back_up(database, state_dir, days) for days in (20, 10, 0.5))
    before = back_up(database, state_dir, 30, heads=["from before"])
    last = past_run(database, state_dir, 10, oldest)
    kept = [make_beside(database, "kept", days) for days in (5, 20)]
    live, files = database.dump(), tree(state_dir / "backups")

    foretold = retain(database, state_dir, check=True, diff=True)
    assert tree(state_dir / "backups") == files and all(exists(database, name) for name in kept)
    done = retain(database, state_dir, diff=True)

    assert foretold["changed"] is done["changed"] is True
    gone = {oldest.name: "over", older.name: "over", kept[1]: "over"}
    assert rules(foretold["removed"]) == rules(done["removed"]) == gone
    assert sorted(os.listdir(state_dir / "backups")) == sorted((before.name, newest.name))
    assert [exists(database, name) for name in kept] == [True, False]
    assert rules(done["kept"]) == {before.name: "heads", newest.name: "newest", last.name: "current", kept[0]: "within"}
    assert done["bytes_freed"] == foretold["bytes_freed"] == sum(each["bytes"] for each in done["removed"]) > 100000
    assert done["databases_bytes"] > 1000000 and any(kept[0] in line for line in done["lines"])
    assert done["diff"]["before"].count("\n") == 7 and oldest.name not in done["diff"]["after"]
    # The run that had taken it says that it is gone.
    assert json.loads((last / "report.json").read_text())["backup"]["removed_at"]
    assert json.loads((last / "backup.json").read_text())["removed_at"]
    assert oldest.name in (last / "report.md").read_text()
    assert database.dump() == live
    again = retain(database, state_dir)
    assert (again["changed"], again["removed"], again["bytes_freed"]) == (False, [], 0)


@pytest.mark.parametrize("zero", sorted(SHORT))
def test_zero_removes_nothing_of_the_kind(database: Database, state_dir: Path, zero: str) -> None:
    for days in (0, 10):
        back_up(database, state_dir, days)
        make_beside(database, "kept", days)
        past_run(database, state_dir, 10)
    past_run(database, state_dir, 0)
    every = {"backup", "database", "run"}
    gone = {each["kind"] for each in retain(database, state_dir, check=True, **{zero: 0})["removed"]}
    assert gone == every - {next(kind for kind in every if kind in zero)}


def test_a_bound_below_zero_is_refused(database: Database, state_dir: Path) -> None:
    refused = retain(database, state_dir, keep_runs=-1)
    assert (refused["problem"], refused["outcome"]) == ("keep_negative", "refused")
    assert "rollback_keep_runs" in refused["msg"]


def test_runs_go_but_for_those_something_rests_on(database: Database, state_dir: Path) -> None:
    used = back_up(database, state_dir, 40)
    back_up(database, state_dir, 0)
    acted = past_run(database, state_dir, 40, used, acted=True)
    idle = past_run(database, state_dir, 30)
    replaced = past_run(database, state_dir, 20)
    make_beside(database, "kept", 0, replaced.name)
    cut_off = past_run(database, state_dir, 15)
    (cut_off / "report.json").unlink()
    latest = past_run(database, state_dir, 10)
    done = retain(database, state_dir)
    assert rules(done["removed"]) == {idle.name: "over"} and not idle.exists()
    told = rules(done["kept"])
    assert [told[place.name] for place in (acted, replaced, cut_off, latest, used)] == [
        "acted", "its_database", "unfinished", "current", "its_run"]
    assert acted.name in next(each["reason"] for each in done["kept"] if each["name"] == used.name)


def test_what_is_not_ours_stays(database: Database, state_dir: Path) -> None:
    back_up(database, state_dir, 0)
    noted = back_up(database, state_dir, 20)
    (noted / "why we keep this.txt").write_text("the auditors asked")
    (state_dir / "backups" / "by hand.sql").write_text("SELECT 1")
    names = [make_beside(database, "kept", days, comment=text) for days, text in (
        (7, "the operator's"), (8, ""), (9, '{"recyclic.rollback": "?"}'))]
    done = retain(database, state_dir)
    assert done["removed"] == [] and rules(done["kept"])[noted.name] == "not_only_ours"
    assert rules(done["kept"])["by hand.sql"] == "foreign"
    assert all(exists(database, name) for name in names)


@pytest.mark.both_runtimes
def test_a_database_somebody_is_connected_to_is_told_and_stays(database: Database, state_dir: Path) -> None:
    make_beside(database, "kept", 1)
    name = make_beside(database, "kept", 20)
    other = database.connect(dbname=name)
    try:
        done = retain(database, state_dir)
    finally:
        other.close()
    assert done["removed"] == [] and rules(done["kept"])[name] == "sessions"
    assert exists(database, name) and any("pg_stat_activity" in line for line in done["lines"])


def test_left_over_databases_go_with_their_run(database: Database, state_dir: Path) -> None:
    ended = past_run(database, state_dir, 0).name
    at_work = open_run(database, state_dir)
    leftover = [make_beside(database, "beside", 0.1, ended), make_beside(database, "safety", 0.2, ended, proved=False)]
    staying = [make_beside(database, "beside", 0.3, at_work["run_id"]), make_beside(database, "safety", 0.4, ended),
               make_beside(database, "beside", 0.5, "of another node")]
    done = retain(database, state_dir, run_dir=at_work["run_dir"], run_token=at_work["token"])
    assert rules(done["removed"]) == dict.fromkeys(leftover, "leftover")
    assert [exists(database, name) for name in (*leftover, *staying)] == [False, False, True, True, True]
    steps = [json.loads(line) for line in (Path(at_work["run_dir"]) / "journal.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"], line.get("acts")) for line in steps] == [
        ("begun", "retention", False), ("ended", "retention", None)]
    assert steps[1]["removed"] == [f"database {name}" for name in leftover]


def test_while_another_acts_on_the_server_no_database_goes(database: Database, state_dir: Path) -> None:
    make_beside(database, "kept", 1)
    name = make_beside(database, "kept", 20)
    holder = database.connect(application_name="recyclic.rollback:elsewhere:swap")
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (0x726C626B, 1))
    try:
        done = retain(database, state_dir)
    finally:
        holder.close()
    assert done["changed"] is False and rules(done["kept"])[name] == "not_removed" and exists(database, name)
    assert any("elsewhere" in line for line in done["lines"])


def test_while_another_run_holds_the_database_nothing_goes(database: Database, state_dir: Path) -> None:
    for days in (0, 20):
        back_up(database, state_dir, days)
    before = tree(state_dir / "backups")
    with another_controller() as (theirs, _end):
        run = open_run(database, state_dir, controller=theirs)
        refused = retain(database, state_dir)
    assert (refused["problem"], refused["outcome"]) == ("keep_run_holds", "refused") and run["run_id"] in refused["msg"]
    lost = retain(database, state_dir, run_dir=run["run_dir"], run_token="not it")
    assert lost["problem"] == "lock_lost" and tree(state_dir / "backups") == before


def test_another_databases_things_are_not_looked_at(make_database: Callable[..., Database], state_dir: Path) -> None:
    one, other = (make_database("guide", "before") for _number in range(2))
    theirs = [back_up(other, state_dir, days) for days in (0, 20)]
    run = past_run(other, state_dir, 20)
    past_run(other, state_dir, 20)
    name = make_beside(other, "beside", 20)
    done = retain(one, state_dir)
    assert done["removed"] == [] and done["kept"] == []
    assert all(place.exists() for place in (*theirs, run)) and exists(other, name)


# In a playbook


def test_the_backup_playbook_tidies_up_before_its_report(make_site: MakeSite) -> None:
    site = make_site(rollback_keep_backups=1, rollback_keep_backups_days=1)
    for days in (20, 10):
        back_up(site.database, site.state, days)
    played = site.play("backup")
    assert played.status == 0 and played.report["outcome"] == "backed_up", played.output
    assert site.backups() == [site.evidence("backup.json")["backup_id"]]
    assert [step["name"] for step in played.report["steps"]] == ["backup", "retention"]
    assert site.play("backup", "--check").status == 0 and len(site.backups()) == 1


def test_what_cannot_be_tidied_up_spoils_no_run(make_site: MakeSite) -> None:
    site = make_site(rollback_keep_runs=-1)
    played = site.play("backup")
    assert played.status == 0 and played.report["outcome"] == "backed_up", played.output
    assert "rollback_keep_runs" in played.output and len(site.backups()) == 1


# A backup that is there already


def reuse(database: Database, state_dir: Path, check: bool = False, **more: Any) -> Answer:
    return run_module("pg_backup", check, **{**common_args(database), "backups": str(state_dir / "backups"),
                                             "disk_reserve": "1MiB", "max_age": 2.5, **more})


@pytest.mark.both_runtimes
def test_a_proved_backup_stands_for_one_taken_now(database: Database, state_dir: Path) -> None:
    place = back_up(database, state_dir, 2 / 24, restored_and_compared=True)
    before = tree(place)
    run = open_run(database, state_dir)
    foretold = reuse(database, state_dir, check=True)
    used = reuse(database, state_dir, run_dir=run["run_dir"])
    for answer in (foretold, used):
        assert (answer["changed"], answer["reused"], answer["backup"]["path"]) == (False, True, str(place))
    assert os.listdir(state_dir / "backups") == [place.name] and tree(place) == before
    held = json.loads((Path(run["run_dir"]) / "backup.json").read_text())
    assert held == {**json.loads((place / "backup.json").read_text()), "reused": True}
    lines = [json.loads(line) for line in (Path(run["run_dir"]) / "journal.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [("begun", "backup"), ("ended", "backup")]
    assert lines[1]["reused"] == place.name


@pytest.mark.parametrize("why", ["too old", "never restored", "damaged", "other revisions", "not asked for", "tables"])
def test_otherwise_one_is_taken(database: Database, state_dir: Path, why: str) -> None:
    place = back_up(database, state_dir, 3 / 24 if why == "too old" else 2 / 24,
                    restored_and_compared=why != "never restored")
    if why == "damaged":
        content = (place / "database.dump").read_bytes()
        (place / "database.dump").write_bytes(content[:-1] + b"?")
    if why == "other revisions":
        database.stamp("9a2b3c4d5e6f")
    more: dict[str, dict[str, Any]] = {"not asked for": {"max_age": 0}, "tables": {"whole": False, "tables": ["users"]}}
    taken = reuse(database, state_dir, **more.get(why, {}))
    assert (taken["changed"], taken["reused"]) == (True, False) and taken["backup"]["path"] != str(place)
    assert database.heads() == ({"9a2b3c4d5e6f"} if why == "other revisions" else {MIGRATION})


@pytest.mark.parametrize("given", [-1, "nan", "inf"])
def test_an_age_that_is_none_is_refused(database: Database, state_dir: Path, given: Any) -> None:
    refused = reuse(database, state_dir, max_age=given)
    assert (refused["problem"], refused["outcome"]) == ("keep_max_age", "refused")
