# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Copies of a backup off its host: to what the managed node has mounted, and to the controller; whole, or told."""
from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Answer, Database, clean_environment, common_args, files_with, run_module, tree
from psycopg2.sql import SQL, Identifier

from playbooks import Site

MakeSite = Callable[..., Site]
MEMORY = Path("/dev/shm")


@pytest.fixture
def share(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Other storage that is mounted, as rollback_copy_to names it, with a directory of the test's own in it."""
    if not os.path.ismount(MEMORY) or MEMORY.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system is mounted here")
    directory = f"test-{secrets.token_hex(6)}"
    yield {"mount": str(MEMORY), "directory": f"{directory}/of it"}
    shutil.rmtree(MEMORY / directory, ignore_errors=True)


def inside(share: dict[str, str]) -> Path:
    return Path(share["mount"]) / share["directory"]


def require_whole(copy: Path, backup: Path) -> None:
    """The copy is the backup, byte by byte, but for the texts that say where they are."""
    assert sorted(os.listdir(copy)) == sorted(os.listdir(backup))
    for entry in json.loads((copy / "backup.json").read_text())["files"]:
        assert hashlib.sha256((copy / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    assert subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=copy, check=False,
                          capture_output=True).returncode == 0
    assert {path.stat().st_mode & 0o777 for path in copy.iterdir()} == {0o600}
    assert copy.stat().st_mode & 0o777 == 0o700
    told = json.loads((copy / "backup.json").read_text())
    assert (told["path"], told["copied_from"]) == (str(copy), str(backup))
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


@pytest.fixture
def backup(database: Database, state_dir: Path) -> Path:
    taken = run_module("pg_backup", **common_args(database), backups=str(state_dir / "backups"), disk_reserve="1MiB",
                       tables=["users"])
    return Path(taken["backup"]["path"])


def copy(database: Database, backup: Path, *to: dict[str, Any], check: bool = False, **more: Any) -> Answer:
    return run_module("backup_copy", check, **{**common_args(database), "backups": str(backup.parent),
                                               "backup_id": backup.name, "to": list(to), "disk_reserve": "1MiB",
                                               **more})


# To what is mounted


def test_a_copy_on_a_share_is_whole_noted_and_made_once(database: Database, backup: Path, share: dict[str, str]
                                                        ) -> None:
    foretold = copy(database, backup, share, check=True)
    assert foretold["changed"] is True and not inside(share).exists()
    made = copy(database, backup, share)
    at = inside(share) / backup.name
    assert made["changed"] is True
    assert made["copies"] == [{"to": f"mount:{MEMORY}", "at": str(at), "verified": True, "error": ""}]
    require_whole(at, backup)
    [noted] = json.loads((backup / "backup.json").read_text())["copies"]
    assert (noted["to"], noted["at"], noted["verified"]) == (f"mount:{MEMORY}", str(at), True)
    before = tree(at)
    again = copy(database, backup, share)
    assert again["changed"] is False and again["copies"][0]["verified"] is True and tree(at) == before
    assert copy(database, backup, share, check=True)["changed"] is False
    assert len(json.loads((backup / "backup.json").read_text())["copies"]) == 1


def test_a_copy_restores_by_its_own_text(database: Database, backup: Path, share: dict[str, str], tmp_path: Path
                                         ) -> None:
    copy(database, backup, share)
    shutil.rmtree(backup)
    password = tmp_path / "pgpass"
    escaped = database.password.replace("\\", "\\\\").replace(":", "\\:")
    password.write_text(f"*:*:*:*:{escaped}\n")
    password.chmod(0o600)
    environment = clean_environment(PATH=f"{database.server.bin_dir}:{os.environ['PATH']}", PGPASSFILE=str(password))
    done = subprocess.run(["sh", str(inside(share) / backup.name / "RESTORE.txt")], capture_output=True, text=True,
                          check=False, cwd="/", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert database.dump(f"{database.name}_restored") == database.dump()
    database.rows(SQL("DROP DATABASE {}").format(Identifier(f"{database.name}_restored")))


@pytest.mark.parametrize(("entry", "reason"), [
    ({"mount": "{home}/absent"}, "no directory"), ({"mount": "{home}"}, "Nothing is mounted"),
    ({"mount": "{home}", "mounted": False}, "same file system"),
    ({"mount": "/dev/shm", "directory": "../tmp"}, "leads out of"),
])
@pytest.mark.parametrize("check", [False, True])
def test_a_place_that_is_not_ready_is_told_and_where_required_refused(
        database: Database, backup: Path, tmp_path: Path, share: dict[str, str], entry: dict[str, Any], reason: str,
        check: bool) -> None:
    home = tmp_path / "a plain directory"
    home.mkdir()
    entry = {**entry, "mount": entry["mount"].format(home=home)}
    before = tree(backup)
    warned = copy(database, backup, entry, check=check)
    # Newer versions of Ansible have more to say of a warning than its words.
    assert not warned.get("failed") and reason in str(warned["warnings"]), warned
    refused = copy(database, backup, {**entry, "required": True}, check=check)
    assert refused["outcome"] == "refused" and reason in refused["msg"], refused
    assert tree(backup) == before and tree(home) == {}


def test_one_place_that_fails_does_not_keep_the_others_from_theirs(database: Database, backup: Path, tmp_path: Path,
                                                                   share: dict[str, str]) -> None:
    absent = {"mount": str(tmp_path / "absent"), "required": True}
    refused = copy(database, backup, absent, share)
    assert refused["problem"] == "away_required_failed" and str(tmp_path / "absent") in refused["msg"]
    require_whole(inside(share) / backup.name, backup)
    assert len(json.loads((backup / "backup.json").read_text())["copies"]) == 1


def test_the_reserve_of_the_share_is_respected(database: Database, backup: Path, share: dict[str, str]) -> None:
    refused = copy(database, backup, {**share, "required": True}, disk_reserve="100%")
    assert refused["problem"] == "away_required_failed"
    assert list(inside(share).rglob("*")) == []


def test_a_damaged_backup_gets_no_copy(database: Database, backup: Path, share: dict[str, str]) -> None:
    path = backup / "database.dump"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused = copy(database, backup, {**share, "required": True})
    assert refused["problem"] == "away_required_failed" and list(inside(share).iterdir()) == []
    assert "copies" not in json.loads((backup / "backup.json").read_text())


@pytest.mark.parametrize("sums", [{}, {"database.dump": "0" * 64}])
def test_the_controllers_word_is_held_against_the_manifest(database: Database, backup: Path, sums: dict[str, str]
                                                           ) -> None:
    told = {"to": "/c", "at": "/c/x", "required": True, "copied": True, "sums": sums, "error": ""}
    refused = copy(database, backup, {"controller": "/c"}, fetched=[told])
    assert refused["problem"] == "away_required_failed" and "database.dump" in refused["msg"]
    assert "copies" not in json.loads((backup / "backup.json").read_text())


def test_no_backup_no_copy(database: Database, backup: Path, share: dict[str, str]) -> None:
    assert copy(database, backup, share, backup_id="absent")["problem"] == "away_no_backup"
    assert copy(database, backup, share, backup_id="../backups")["problem"] == "away_no_backup"


# A playbook


@pytest.mark.parametrize("become", [False, True], ids=["itself", "become"])
def test_the_backup_playbook_copies_to_a_share_and_to_the_controller(make_site: MakeSite, share: dict[str, str],
                                                                     become: bool) -> None:
    settings = {"ansible_become": True, "ansible_become_method": "su"} if become else {}
    site = make_site(**settings)
    home = site.home / "of the controller"
    played = site.play("backup", rollback_copy_to=[{**share, "required": True},
                                                   {"controller": str(home), "required": True}])
    assert played.status == 0 and played.report["outcome"] == "backed_up", played.output
    [name] = site.backups()
    backup = site.state / "backups" / name
    for at in (inside(share) / name, home / "site" / name):
        require_whole(at, backup)
    expected = [("mount:/dev/shm", str(inside(share) / name)), (f"controller:{home}", str(home / "site" / name))]
    for path in (backup / "backup.json", site.run_dir / "backup.json"):
        assert [(each["to"], each["at"]) for each in json.loads(path.read_text())["copies"]] == expected
    assert [step["name"] for step in played.report["steps"]] == ["backup", "backup_copy", "backup_copy"]
    assert files_with(site.database.spelled_password(), site.home / "of the controller", inside(share)) == []


def test_a_copy_that_fails_is_a_warning_unless_it_is_required(make_site: MakeSite) -> None:
    site = make_site()
    (site.home / "a file").write_text("in the way")
    entry = {"controller": str(site.home / "a file")}
    absent, good = {"mount": str(site.home / "absent")}, {"controller": str(site.home / "good")}
    warned = site.play("backup", rollback_copy_to=[entry, absent, good])
    assert warned.status == 0 and warned.report["outcome"] == "backed_up", warned.output
    told = "".join(line for line in warned.output.splitlines() if "TASK" not in line)
    assert told.count("No copy of the backup at") >= 2, warned.output
    assert str(site.home / "absent") in told and str(site.home / "a file") in told
    assert [each["to"] for each in site.evidence("backup.json")["copies"]] == [f"controller:{site.home / 'good'}"]
    refused = site.play("backup", rollback_copy_to=[{**entry, "required": True}])
    assert refused.status != 0 and refused.report["outcome"] == "refused", refused.output
    relative = site.play("backup", rollback_copy_to=[{"controller": "backups", "required": True}])
    assert relative.report["outcome"] == "refused" and "absolute path" in relative.output


def test_a_rollback_stops_before_it_acts_where_a_required_copy_fails(make_site: MakeSite) -> None:
    site = make_site()
    before = site.database.dump()
    played = site.play("rollback", rollback_copy_to=[{"mount": str(site.home / "absent"), "required": True}])
    assert played.status != 0 and played.report["outcome"] == "refused", played.output
    assert site.database.dump() == before
    assert "alembic_downgrade" not in [step["name"] for step in played.report["steps"]]


def test_a_copy_that_is_there_is_fetched_once(make_site: MakeSite) -> None:
    site = make_site()
    home = site.home / "of the controller"
    assert site.play("backup", rollback_copy_to=[{"controller": str(home)}]).status == 0
    manifest = site.evidence("backup.json")
    at = home / "site" / manifest["backup_id"]
    before = tree(at)
    path = Path(manifest["path"]) / "backup.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "restored_and_compared": True}))
    played = site.play("backup", rollback_backup_max_age=1, rollback_copy_to=[{"controller": str(home)}])
    assert played.status == 0 and played.changed == 0, played.output
    assert site.evidence("backup.json")["reused"] is True and len(site.backups()) == 1
    assert tree(at) == before and os.listdir(at.parent) == [at.name]
    # What went bad there is told, and left.
    (at / "database.dump").write_bytes(b"rot")
    rotten = site.play("backup", rollback_backup_max_age=1,
                       rollback_copy_to=[{"controller": str(home), "required": True}])
    assert rotten.report["outcome"] == "refused" and (at / "database.dump").read_bytes() == b"rot"
