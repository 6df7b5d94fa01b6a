# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may go and what may not; a backup that stands for one taken now; copies elsewhere."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _keep, _offhost
from ansible_collections.recyclic.rollback.plugins.module_utils._backup import newest_good, sweep_incomplete
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import Journal, StateDirectory, write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._keep import (
    Decision,
    Rule,
    Seen,
    judge_backups,
    judge_databases,
    judge_runs,
    note_removed,
    require_free,
    seen_runs,
    set_aside,
    sweep_removed,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import MESSAGES
from ansible_collections.recyclic.rollback.plugins.module_utils._offhost import Place, copy_to, record, require_place
from ansible_collections.recyclic.rollback.plugins.module_utils._reuse import usable_backup
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import Ours

NOW = "2026-06-30T12:00:00.000Z"
SERVER, SLUG = "7000", "recyclic-0123456789ab"
STRICT = Rule(1, 1)


def day(number: int) -> str:
    """A moment so many days before NOW; 0 is a quarter of an hour ago."""
    return f"2026-06-{30 - number:02d}T11:45:00.000Z"


def backup(backups: Path, age: int, heads: tuple[str, ...] | None = ("b",), name: str = "", **more: Any
           ) -> dict[str, Any]:
    """A finished backup so many days old, with real files."""
    name = name or f"202606{30 - age:02d}T114500Z-{age:06x}-recyclic"
    place = backups / name
    place.mkdir(parents=True)
    scope = more.pop("scope", "database")
    content = f"the dump of {name}".encode()
    (place / f"{scope}.dump").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (place / "SHA256SUMS").write_text(f"{digest}  {scope}.dump\n")
    (place / "RESTORE.txt").write_text(f"set -eu\ncd {place}\nsha256sum --check SHA256SUMS\n")
    manifest = {"backup_id": name, "path": str(place), "database": "recyclic", "started_at": day(age),
                "finished_at": day(age), "heads": None if heads is None else list(heads), "verified": True,
                "restored_and_compared": False, "server": {"system_identifier": SERVER},
                "files": [{"name": f"{scope}.dump", "scope": scope, "tables": [], "bytes": len(content),
                           "sha256": digest}], **more}
    write_json(str(place / "backup.json"), manifest)
    return manifest


def seen(number: int, **more: Any) -> Seen:
    facts: dict[str, Any] = {"run_id": f"run-{number}", "path": f"/nowhere/run-{number}", "playbook": "rollback",
                             "at": day(number), "ended": True, "acted": False, "backup_id": None, **more}
    return Seen(**facts)


def decisions(found: list[Decision]) -> dict[str, str]:
    """``name: rule``, with a minus where it goes."""
    return {each.name: ("-" if each.goes else "") + each.why for each in found}


# The rule


@pytest.mark.parametrize(("rule", "newer", "age", "goes"), [
    (Rule(2, 5), 2, 6, True), (Rule(2, 5), 1, 6, False), (Rule(2, 5), 2, 4, False), (Rule(2, 5), 9, 4, False),
    (Rule(0, 5), 9, 29, False), (Rule(2, 0), 9, 29, False), (Rule(0, 0), 9, 29, False),
])
def test_only_what_exceeds_both_bounds_goes_and_zero_is_never(rule: Rule, newer: int, age: int, goes: bool) -> None:
    assert rule.over(newer, day(age), NOW) is goes


@pytest.mark.parametrize("at", ["", "yesterday", "None"])
def test_what_does_not_say_when_it_was_made_is_not_old(at: str) -> None:
    assert STRICT.over(9, at, NOW) is False


def test_every_reason_has_its_words(root: Path) -> None:
    tree = ast.parse((root / "plugins/module_utils/_keep.py").read_text())
    told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    reasons = {key[len("keep_why_"):] for key in MESSAGES if key.startswith("keep_why_")}
    assert reasons - told == {"not_removed"}  # That one is the module's.
    for key in reasons:
        facts = {"run_id": "r", "count": "2", "name": "n", "heads": "h", "error": "e", "was": "w"}
        for language in ("en", "fr"):
            assert Decision("run", "x", "", "", 0, True, key, facts).told(language)["reason"]


# Backups


def test_old_backups_beyond_the_count_go(tmp_path: Path) -> None:
    names = [backup(tmp_path, age)["backup_id"] for age in range(6)]
    found = decisions(judge_backups(str(tmp_path), "recyclic", SERVER, [], Rule(2, 3.5), NOW))
    assert found == dict(zip(names, ["newest", "within", "within", "within", "-over", "-over"]))
    assert set(decisions(judge_backups(str(tmp_path), "recyclic", SERVER, [], Rule(0, 1), NOW)).values()) == {
        "newest", "within"}


def test_the_newest_good_one_at_each_set_of_revisions_stays(tmp_path: Path) -> None:
    backup(tmp_path, 1)
    before = [backup(tmp_path, age, ("a",))["backup_id"] for age in (20, 21)]
    none = backup(tmp_path, 25, None)["backup_id"]
    branched = [backup(tmp_path, age, heads)["backup_id"] for age, heads in ((26, ("x", "y")), (27, ("y", "x")))]
    found = judge_backups(str(tmp_path), "recyclic", SERVER, [], STRICT, NOW)
    told = decisions(found)
    assert [told[name] for name in (*before, none, *branched)] == ["heads", "-over", "heads", "heads", "-over"]
    reasons = {each.name: each.told("en")["reason"] for each in found}
    assert reasons[branched[0]] == "the newest good backup at x, y"


@pytest.mark.parametrize("harm", [
    lambda place: (place / "database.dump").unlink(), lambda place: (place / "database.dump").write_bytes(b""),
], ids=["missing", "emptied"])
def test_a_damaged_backup_neither_counts_nor_stands_for_a_good_one(tmp_path: Path, harm: Callable[[Path], Any]) -> None:
    damaged = backup(tmp_path, 2)
    harm(Path(damaged["path"]))
    good = [backup(tmp_path, age)["backup_id"] for age in (10, 11, 12)]
    found = decisions(judge_backups(str(tmp_path), "recyclic", SERVER, [], Rule(2, 1), NOW))
    assert found == {damaged["backup_id"]: "within", good[0]: "newest", good[1]: "within", good[2]: "-over"}


def test_one_of_tables_alone_is_no_good_backup(tmp_path: Path) -> None:
    tables = [backup(tmp_path, age, scope="tables")["backup_id"] for age in (1, 11)]
    whole = backup(tmp_path, 10)["backup_id"]
    found = decisions(judge_backups(str(tmp_path), "recyclic", SERVER, [], STRICT, NOW))
    assert found == {tables[0]: "within", whole: "newest", tables[1]: "-over"}


def test_what_is_not_ours_or_anothers_is_never_judged(tmp_path: Path) -> None:
    backup(tmp_path, 1)
    mine = backup(tmp_path, 20)["backup_id"]
    (tmp_path / mine / "notes of the operator.txt").write_text("keep")
    (tmp_path / "dump.sql").write_text("the operator's own")
    (tmp_path / "no manifest").mkdir()
    shutil.copytree(tmp_path / mine, tmp_path / "a copy under another name")
    os.symlink(tmp_path / mine, tmp_path / "20260601T000000Z-000000-link")
    elsewhere = backup(tmp_path, 21, server={"system_identifier": "8000"})["backup_id"]
    other = backup(tmp_path, 22, database="other")["backup_id"]
    (tmp_path / ".incomplete-x").mkdir()
    found = decisions(judge_backups(str(tmp_path), "recyclic", SERVER, [], STRICT, NOW))
    assert found[mine] == "not_only_ours" and found[elsewhere] == "another_server"
    assert {found[name] for name in ("dump.sql", "no manifest", "a copy under another name",
                                     "20260601T000000Z-000000-link")} == {"foreign"}
    assert other not in found and ".incomplete-x" not in found


def test_a_backup_stays_with_the_run_that_rests_on_it(tmp_path: Path) -> None:
    backup(tmp_path, 1)
    acted, under_way, taken = (backup(tmp_path, age)["backup_id"] for age in (20, 21, 22))
    runs = [seen(1, acted=True, backup_id=acted), seen(2, ended=False, backup_id=under_way), seen(3, backup_id=taken)]
    found = judge_backups(str(tmp_path), "recyclic", SERVER, runs, STRICT, NOW)
    told = decisions(found)
    assert (told[acted], told[under_way], told[taken]) == ("its_run", "its_run", "-over")
    assert next(each for each in found if each.name == acted).told("fr")["reason"].startswith("le run run-1")


def test_a_moved_state_directory_is_judged_where_it_is(tmp_path: Path) -> None:
    for age in (1, 10, 11):
        backup(tmp_path / "old", age)
    (tmp_path / "old").rename(tmp_path / "new")
    found = judge_backups(str(tmp_path / "new"), "recyclic", SERVER, [], STRICT, NOW)
    assert [each.why for each in found] == ["newest", "over", "over"]
    assert {Path(each.path).parent for each in found} == {tmp_path / "new"}


def test_what_was_set_aside_is_no_backup_and_swept_after_a_cut(tmp_path: Path) -> None:
    manifest = backup(tmp_path, 1)
    decision = Decision("backup", manifest["backup_id"], manifest["path"], "", 0, True, "over")
    aside = set_aside(decision)
    assert newest_good(str(tmp_path), "recyclic") is None
    os.utime(aside, (0, 0))
    assert sweep_incomplete(str(tmp_path)) == [os.path.basename(aside)]
    assert list(tmp_path.iterdir()) == []


# Runs


@pytest.fixture
def state(tmp_path: Path) -> StateDirectory:
    found = StateDirectory(str(tmp_path / "state"))
    found.create()
    return found


def make_run(state: StateDirectory, name: str, reported: bool = True, acted: bool = False, **meta: Any) -> Path:
    place = Path(state.run_dir(name))
    place.mkdir()
    write_json(str(place / "run.json"), {"run_id": name, "lock": SLUG, "database": "recyclic", "playbook": "rollback",
                                         "started_at": day(1), **meta})
    with Journal(str(place)).step("alembic_downgrade" if acted else "backup", acts=acted):
        pass
    if reported:
        write_json(str(place / "report.json"), {"run_id": name, "backup": {"path": "/b"}})
    return place


def test_runs_are_seen_with_what_retention_needs(state: StateDirectory) -> None:
    make_run(state, "1")
    make_run(state, "2", acted=True)
    make_run(state, "3", reported=False)
    abandoned = make_run(state, "4", reported=False)
    Journal(str(abandoned)).write("abandoned", successor="5")
    make_run(state, "5", lock="", playbook="drill")
    write_json(str(abandoned / "backup.json"), {"backup_id": "the-backup"})
    make_run(state, "6", database="other")
    make_run(state, "7", lock="recyclic-another")
    os.rename(make_run(state, "8"), Path(state.runs) / "renamed")
    (Path(state.runs) / "a note.txt").write_text("the operator's")
    os.symlink("5", Path(state.runs) / "latest")
    os.symlink("1", Path(state.runs) / "a link")
    runs, foreign = seen_runs(state, "recyclic", SLUG)
    assert [(run.run_id, run.ended, run.acted, run.backup_id) for run in runs] == [
        ("5", True, False, None), ("4", True, False, "the-backup"), ("3", False, False, None), ("2", True, True, None),
        ("1", True, False, None)]
    assert decisions(foreign) == {"renamed": "foreign", "a note.txt": "foreign", "a link": "foreign"}


def test_old_runs_go_and_those_something_rests_on_stay() -> None:
    runs = [seen(3), seen(4, ended=False), seen(5), seen(6, acted=True), seen(7, acted=True), seen(8), seen(9)]
    found = judge_runs(runs, {"run-5"}, {"run-8"}, STRICT, NOW)
    assert decisions(found) == {"run-3": "within", "run-4": "unfinished", "run-5": "current", "run-6": "acted",
                                "run-7": "-over", "run-8": "its_database", "run-9": "-over"}


def test_a_run_set_aside_is_finished_by_the_next_retention(state: StateDirectory) -> None:
    place = make_run(state, "1")
    set_aside(Decision("run", "1", str(place), "", 0, True, "over"))
    assert seen_runs(state, "recyclic", SLUG) == ([], [])
    sweep_removed(state)
    assert os.listdir(state.runs) == []


def test_a_run_says_that_its_backup_is_gone(state: StateDirectory) -> None:
    place, other = make_run(state, "1"), make_run(state, "2")
    for run, held in ((place, "gone"), (other, "still there")):
        write_json(str(run / "backup.json"), {"backup_id": held})
        (run / "report.md").write_text("# Report\n")
    before = {path.name: path.read_bytes() for path in other.iterdir()}
    note_removed(seen_runs(state, "recyclic", SLUG)[0], "gone", "fr")
    assert json.loads((place / "backup.json").read_text())["removed_at"]
    assert json.loads((place / "report.json").read_text())["backup"]["removed_at"]
    assert "La sauvegarde gone a été enlevée" in (place / "report.md").read_text()
    assert Journal(str(place)).lines()[-1]["event"] == "backup_removed"
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before


def test_another_runs_lock_keeps_everything(state: StateDirectory) -> None:
    require_free(state, SLUG, None)
    write_json(state.lock_path(SLUG), {"run_id": "9", "owner": "Ada", "since": day(0), "token": "t"})
    require_free(state, SLUG, "9")
    for asking in (None, "8"):
        with pytest.raises(Refusal) as refused:
            require_free(state, SLUG, asking)
        assert refused.value.key == "keep_run_holds"


# Databases


def ours(number: int, kind: str = "kept", **more: Any) -> Ours:
    facts: dict[str, Any] = {"name": f"{kind}-{number}", "kind": kind, "of": "recyclic", "run_id": f"run-{number}",
                             "at": day(number), "heads": ["b"], "proved": False, "bytes": 100, "comment": None, **more}
    return Ours(**facts)


def test_replaced_databases_and_proved_copies_go_by_the_rule() -> None:
    found = [ours(1), ours(2, "safety", proved=True), ours(3), ours(4)]
    told = decisions(judge_databases(found, [seen(4)], Rule(2, 2.5), NOW))
    assert told == {"kept-1": "within", "safety-2": "within", "kept-3": "-over", "kept-4": "-over"}
    assert set(decisions(judge_databases(found, [], Rule(2, 0), NOW)).values()) == {"within"}


def test_what_was_only_on_its_way_goes_with_its_run() -> None:
    runs = [seen(0, ended=False), seen(1)]
    found = [ours(0, "beside"), ours(0, "safety"), ours(1, "beside", proved=True), ours(1, "safety"),
             ours(3, "beside", run_id=None), ours(20, "beside", run_id="of another node")]
    told = [("-" if each.goes else "") + each.why for each in judge_databases(found, runs, Rule(2, 14), NOW)]
    assert told == ["unfinished", "unfinished", "-leftover", "-leftover", "unknown_run", "-leftover_old"]


def test_a_database_in_use_or_renamed_stays() -> None:
    found = [ours(1), ours(5, connections=3), ours(6, marked_name="as it was"), ours(7, bytes=None)]
    judged = judge_databases(found, [], STRICT, NOW)
    assert decisions(judged) == {"kept-1": "within", "kept-5": "sessions", "kept-6": "renamed", "kept-7": "-over"}
    assert "3 sessions" in judged[1].told("en")["reason"] and judged[3].bytes == 0


def test_the_kept_database_of_an_unfinished_run_stays() -> None:
    found = [ours(1), ours(20)]
    assert decisions(judge_databases(found, [seen(20, ended=False)], STRICT, NOW))["kept-20"] == "unfinished"


# A backup that is there already


def usable(backups: Path, heads: tuple[str, ...] | None = ("b",), hours: float = 48, **more: Any) -> str | None:
    found = usable_backup(str(backups), "recyclic", SERVER, heads, hours * 3600, NOW, **more)
    return found and found["backup_id"]


def test_the_newest_proved_backup_within_the_age_is_used(tmp_path: Path) -> None:
    assert usable(tmp_path / "absent") is None
    backup(tmp_path, 0)  # Newer, and nobody has restored it.
    wished = backup(tmp_path, 1, restored_and_compared=True)
    backup(tmp_path, 2, restored_and_compared=True)
    assert usable(tmp_path, hours=24.5) == wished["backup_id"]
    assert usable(tmp_path, hours=24) is None


@pytest.mark.parametrize("facts", [
    {"restored_and_compared": False}, {"restored_and_compared": "yes"}, {"verified": False}, {"database": "other"},
    {"server": {"system_identifier": "8000"}}, {"server": {}}, {"heads": ["a"]}, {"heads": ["a", "b"]}, {"heads": []},
    {"heads": None}, {"scope": "tables"}, {"started_at": "2026-06-30T12:30:00.000Z"}, {"started_at": None},
], ids=str)
def test_any_other_backup_is_not(tmp_path: Path, facts: dict[str, Any]) -> None:
    sane: dict[str, Any] = {"restored_and_compared": True}
    backup(tmp_path / "sane", 0, **sane)
    assert usable(tmp_path / "sane")
    harmed = {**sane, **facts}
    backup(tmp_path / "harmed", 0, harmed.pop("heads", ("b",)), **harmed)
    assert usable(tmp_path / "harmed") is None


def test_a_damaged_one_is_not_used_and_an_older_whole_one_is(tmp_path: Path) -> None:
    newer = backup(tmp_path, 0, restored_and_compared=True)
    older = backup(tmp_path, 1, restored_and_compared=True)
    path = Path(newer["path"]) / "database.dump"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert usable(tmp_path) == older["backup_id"]
    assert usable(tmp_path, deep=False) == newer["backup_id"]
    path.unlink()
    assert usable(tmp_path, deep=False) == older["backup_id"]


def test_no_recorded_revision_matches_none_only(tmp_path: Path) -> None:
    backup(tmp_path, 0, None, restored_and_compared=True)
    assert usable(tmp_path, None) and usable(tmp_path, ()) is None and usable(tmp_path) is None


# Copies


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that counts as a mount point."""
    place = tmp_path / "share"
    place.mkdir()
    true = os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: path == str(place) or true(path))
    return place


def test_a_copy_is_whole_and_says_where_it_is(tmp_path: Path, mount: Path) -> None:
    manifest = backup(tmp_path / "backups", 1)
    place = Place(str(mount), "of/this host", same_device=True)
    at, copied = copy_to(manifest, place, "1M")
    final = mount / "of" / "this host" / manifest["backup_id"]
    assert (at, copied) == (str(final), True)
    assert sorted(os.listdir(final)) == ["RESTORE.txt", "SHA256SUMS", "backup.json", "database.dump"]
    assert (final / "database.dump").read_bytes() == (Path(manifest["path"]) / "database.dump").read_bytes()
    told = json.loads((final / "backup.json").read_text())
    assert (told["path"], told["copied_from"]) == (str(final), manifest["path"])
    assert f"\ncd '{final}'\n" in (final / "RESTORE.txt").read_text()
    assert {path.stat().st_mode & 0o777 for path in final.iterdir()} == {0o600}
    assert final.stat().st_mode & 0o777 == 0o700
    assert os.listdir(final.parent) == [final.name]
    assert copy_to(manifest, place, "1M") == (str(final), False)


def test_what_differs_there_is_told_and_left(tmp_path: Path, mount: Path) -> None:
    manifest = backup(tmp_path / "backups", 1)
    place = Place(str(mount), same_device=True)
    at, _copied = copy_to(manifest, place, "1M")
    (Path(at) / "database.dump").write_bytes(b"rot")
    with pytest.raises(Problem) as failed:
        copy_to(manifest, place, "1M")
    assert failed.value.key == "away_differs" and failed.value.facts["path"] == f"{at}/database.dump"
    assert (Path(at) / "database.dump").read_bytes() == b"rot"


def refused(place: Place, backups: Path) -> str:
    with pytest.raises(Refusal) as found:
        require_place(place, str(backups))
    return found.value.key


def test_a_place_that_would_fill_this_hosts_disk_is_refused(tmp_path: Path, mount: Path) -> None:
    backups = tmp_path / "not" / "there" / "yet"
    plain = tmp_path / "plain"
    plain.mkdir()
    assert refused(Place(str(tmp_path / "absent")), backups) == "away_place_absent"
    assert refused(Place(str(plain), same_device=True), backups) == "away_not_mounted"
    assert refused(Place(str(mount)), backups) == "away_same_device"
    assert refused(Place(str(mount), "../plain", same_device=True), backups) == "away_directory_outside"
    assert require_place(Place(str(plain), mounted=False, same_device=True), str(backups))
    assert require_place(Place(str(mount), same_device=True), str(backups))


@pytest.mark.parametrize(("reserve", "key"), [("100%", "disk_too_small"), ("wrong", "reserve_unreadable")])
def test_the_reserve_is_respected(tmp_path: Path, mount: Path, reserve: str, key: str) -> None:
    manifest = backup(tmp_path / "backups", 1)
    with pytest.raises(Refusal) as found:
        copy_to(manifest, Place(str(mount), same_device=True), reserve)
    assert found.value.key == key and list(mount.rglob("*")) == []


@pytest.mark.parametrize("harm", ["rot", "full", "cut"])
def test_a_copy_that_fails_leaves_nothing(tmp_path: Path, mount: Path, monkeypatch: pytest.MonkeyPatch, harm: str
                                          ) -> None:
    manifest = backup(tmp_path / "backups", 1)
    true = _offhost._copy_file
    disk = shutil.disk_usage(mount)

    def copy(source: str, to: str, kept: int) -> None:
        if harm == "full":
            monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk._replace(free=0))
        if harm == "cut" and to.endswith("database.dump"):
            raise OSError(5, "Input/output error", to)
        true(source, to, kept)
        if harm == "rot" and to.endswith("database.dump"):
            Path(to).write_bytes(b"rot")

    monkeypatch.setattr(_offhost, "_copy_file", copy)
    with pytest.raises(Problem) as failed:
        copy_to(manifest, Place(str(mount), same_device=True), "1M")
    assert failed.value.key == {"rot": "away_differs", "full": "away_disk_reserve", "cut": "away_failed"}[harm]
    assert list(mount.iterdir()) == []


def test_a_link_that_leads_off_the_share_is_refused(tmp_path: Path, mount: Path, monkeypatch: pytest.MonkeyPatch
                                                    ) -> None:
    manifest = backup(tmp_path / "backups", 1)
    monkeypatch.setattr(_offhost, "require_place", lambda _place, _backups: -1)
    with pytest.raises(Refusal) as found:
        copy_to(manifest, Place(str(mount), same_device=True), "1M")
    assert found.value.key == "away_not_mounted" and list(mount.iterdir()) == []


def test_proved_copies_are_noted_once_each(tmp_path: Path) -> None:
    manifest = backup(tmp_path / "backups", 1)
    own, foreign = tmp_path / "run.json", tmp_path / "other.json"
    write_json(str(own), {**manifest, "reused": True})
    write_json(str(foreign), {"backup_id": "another"})
    for _again in range(2):
        record(manifest, [{"to": "mount:/a", "at": "/a/x"}, {"to": "mount:/b", "at": "/b/x"}], str(own), str(foreign),
               str(tmp_path / "absent.json"))
    for path in (Path(manifest["path"]) / "backup.json", own):
        copies = json.loads(path.read_text())["copies"]
        assert [(each["to"], each["at"], each["verified"]) for each in copies] == [
            ("mount:/a", "/a/x", True), ("mount:/b", "/b/x", True)]
    assert json.loads(own.read_text())["reused"] is True
    assert json.loads(foreign.read_text()) == {"backup_id": "another"} and not (tmp_path / "absent.json").exists()
    assert _keep.size_of(str(tmp_path / "backups")) > 0
