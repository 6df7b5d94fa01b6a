# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The main job from end to end: what it does to the database, what it leaves, and that it is done once."""
from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import HEADS, PARENT, ROOT, clean_environment, files_with, make_project

from playbooks import FULL, Site

MakeSite = Callable[..., Site]


def without(dump: str, *words: str) -> list[str]:
    """A dump's lines outside the data of these tables."""
    found, skipping = [], False
    for line in dump.splitlines():
        skipping = skipping or any(line.startswith(f"COPY public.{word} ") for word in words)
        if not skipping:
            found.append(line)
        skipping = skipping and line != "\\."
    return found


@pytest.mark.both_runtimes
def test_the_guides_history_is_rolled_back_and_the_report_tells_it(make_site: MakeSite) -> None:
    site = make_site(**FULL)
    database = site.database
    level_1 = database.rows("SELECT * FROM dom_category WHERE level = 1 ORDER BY id")
    before = database.dump()

    played = site.play("rollback", rollback_reason="slow since the migration", rollback_ticket="OPS-1")

    assert played.status == 0, played.output
    assert database.count("categories") == 0
    assert database.rows("SELECT * FROM dom_category WHERE level = 1 ORDER BY id") == level_1
    assert len(level_1) == 14
    assert database.heads() == {"9a2b3c4d5e6f"}
    assert without(database.dump(), "categories", "alembic_version") == without(before, "categories", "alembic_version")
    assert not database.sessions()
    report = played.report
    assert report["outcome"] == "rolled_back" and report["route"] == "alembic"
    assert (report["from_heads"], report["to_heads"]) == (["k1l2m3n4o5p6"], ["9a2b3c4d5e6f"])
    assert report["database"] == database.name and report["reason"] == "slow since the migration"
    assert {check["id"]: check["result"] for check in report["checks"]} == {
        "categories-empty": "pass", "dom-category-level-1": "pass", "recorded-revisions": "pass",
        "other-tables-unchanged": "pass"}
    assert [step["name"] for step in report["steps"]] == [
        # Alembic's route and the one by hand.
        "plan", "backup", "rehearsal", "rehearsal", "before", "safety_copy", "alembic_downgrade", "after"]
    assert 0 < report["outage_s"] < report["duration_s"]
    assert report["backup"]["verified"] is True and report["backup"]["restored_and_compared"] is True
    assert (report["rehearsal"]["result"], report["rehearsal"]["upgrade_again"]["ok"]) == ("pass", True)
    assert report["rehearsal"]["system_identifier"] != report["rehearsal"]["production_identifier"]
    assert any("alembic" in line and "downgrade 9a2b3c4d5e6f" in line
               for step in report["steps"] for line in step["commands"])
    assert report == site.evidence("report.json")
    assert {entry.name for entry in site.run_dir.iterdir()} == {
        "run.json", "plan.json", "before.json", "backup.json", "rehearsal.json", "rehearsal-manual.json",
        "journal.jsonl", "after.json", "report.json", "report.md", "report.html", "metrics.prom"}
    assert "OPS-1" in (site.run_dir / "report.md").read_text()


def test_a_second_run_changes_nothing_and_says_so(make_site: MakeSite) -> None:
    site = make_site()
    assert site.play("rollback").changed == 2  # the backup and the downgrade
    before, backups = site.database.dump(), site.backups()

    played = site.play("rollback")

    assert played.status == 0, played.output
    assert (played.changed, played.report["outcome"]) == (0, "already_rolled_back")
    assert site.database.dump() == before
    assert site.backups() == backups


@pytest.mark.parametrize("history", ["chain", "branched"])
def test_only_the_migration_is_undone(make_site: MakeSite, history: str) -> None:
    site = make_site(history)
    before = site.database.dump()

    played = site.play("rollback")

    assert played.status == 0, played.output
    # A head on another branch is left exactly as it is.
    assert site.database.heads() == {PARENT[history]} | (HEADS[history] - {"24b194c1b790", "m3npr1c3dr0p"})
    assert site.database.count("categories") == 0
    concerned = ("categories", "alembic_version")
    assert without(site.database.dump(), *concerned) == without(before, *concerned)


def test_check_mode_changes_nothing_and_shows_the_sql(make_site: MakeSite) -> None:
    site = make_site("chain")
    before = site.database.dump()

    played = site.play("rollback", "--check", "--diff", rollback_confirm="")

    assert played.status == 0, played.output
    assert site.database.dump() == before
    assert "DELETE FROM categories" in played.output
    assert "-k1l2m3n4o5p6" in played.output and "+g1h2i3j4k5l6" in played.output
    assert not site.state.exists()


def test_check_mode_renders_a_migration_with_an_engine_of_its_own_without_harm(
        make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    # Rendered as SQL, this one deletes for real: it does not ask Alembic for its connection.
    ini = make_project(tmp_path / "project", downgrade=f"""
engine = sa.create_engine(sa.engine.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))
with engine.begin() as connection:
    connection.execute(sa.text("DELETE FROM {'categories'}"))
""")
    site.database.stamp("70907090709a")
    before = site.database.dump()

    played = site.play("rollback", "--check", "--diff", rollback_alembic_config=str(ini),
                       rollback_migration="70907090709a")

    assert played.status == 0, played.output
    assert site.database.dump() == before
    assert "-- not known: OperationalError" in played.output


def test_a_rollback_that_harms_another_table_is_found_and_put_back(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    # Unread by a rendering, and not rehearsed: only the comparison afterwards can find it.
    ini = make_project(tmp_path / "project", downgrade="""
for _one in op.get_bind().execute(sa.text("SELECT 1")).fetchall():
    op.execute("DELETE FROM categories; DELETE FROM ligne_depot")""")
    site.database.stamp("70907090709a")
    before = site.database.dump()

    played = site.play("rollback", rollback_alembic_config=str(ini), rollback_migration="70907090709a")

    assert played.status != 0
    assert played.report["outcome"] == "failed_unchanged"
    assert site.database.dump() == before
    results = {check["id"]: check for check in played.report["checks"]}
    assert results["other-tables-unchanged"]["result"] == "fail"
    assert "public.ligne_depot: 1500 rows became 0" in results["other-tables-unchanged"]["observed"]
    assert played.report["set_aside"]


def test_a_lock_that_is_never_had_leaves_the_data_proved_as_before(make_site: MakeSite) -> None:
    site = make_site("guide")
    before = site.database.dump()
    # Weak enough to let the backup and the counts pass, strong enough to stop the DELETE.
    holder = site.database.connect()
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE categories IN SHARE MODE")
    try:
        played = site.play("rollback")
    finally:
        holder.close()

    assert played.status != 0
    assert played.report["outcome"] == "failed_unchanged"
    assert played.report["outcome_rests_on"].startswith("recorded revisions and")
    assert "in transaction" in played.report["failure"]
    assert site.database.dump() == before
    assert not site.database.sessions()


def test_validate_tells_a_database_that_is_right_from_one_that_is_not(make_site: MakeSite) -> None:
    site = make_site("chain")

    assert site.play("validate", validate_expectation="migrated").report["outcome"] == "validated"
    wrong = site.play("validate")
    assert (wrong.status != 0, wrong.report["outcome"], wrong.changed) == (True, "not_valid", 0)
    site.play("rollback")
    assert site.play("validate").report["outcome"] == "validated"
    assert site.play("validate", validate_expectation="migrated").report["outcome"] == "not_valid"


def test_a_backup_of_its_own_is_found_by_status(make_site: MakeSite) -> None:
    site = make_site("guide")

    played = site.play("backup")

    assert played.report["outcome"] == "backed_up"
    manifest = site.evidence("backup.json")
    assert [entry["scope"] for entry in manifest["files"]] == ["database", "tables"]
    told = site.play("status")
    assert told.status == 0 and manifest["path"] in told.output and told.changed == 0


def test_no_password_is_printed_written_or_listed(make_site: MakeSite) -> None:
    site = make_site("guide", **FULL)
    secrets = site.database.spelled_password()

    played = site.play("rollback", "-vvv", "--diff")

    assert played.status == 0, played.output
    # env.py printed it: its other words are in the transcript, the password is not.
    transcript = next(line["transcript"] for line in site.journal() if "transcript" in line)
    assert "DEBUG env.py" in transcript
    assert not [secret for secret in secrets if secret in played.output]
    assert not files_with(secrets, site.state, site.home / "reports")


def test_operators_read_french(make_site: MakeSite) -> None:
    site = make_site("guide")

    played = site.play("rollback", rollback_language="fr")

    assert "Base" in played.output or "La base" in played.output
    assert "Résultat : rolled_back (migration annulée)" in played.output
    assert (site.run_dir / "report.md").read_text().startswith("# Rapport de rollback : migration annulée")


def test_the_databases_name_is_asked_on_a_terminal(make_site: MakeSite) -> None:
    site = make_site("guide", rollback_confirm="")
    for answer, status in (("something else", 2), (site.database.name, 0)):
        parent, child = pty.openpty()
        process = subprocess.Popen(site.argv("rollback"), cwd=site.home, stdin=child, stdout=child, stderr=child,
                                   env=clean_environment(ANSIBLE_NOCOLOR="1"), start_new_session=True,
                                   preexec_fn=lambda: _take_terminal(0))
        os.close(child)
        said = b""
        while b"to go on" not in said:
            said += os.read(parent, 4096)
        time.sleep(1)  # What was typed before the question stands is thrown away.
        os.write(parent, answer.encode() + b"\r")
        try:
            while chunk := os.read(parent, 4096):
                said += chunk
        except OSError:
            pass  # a terminal whose last user is gone
        os.close(parent)
        assert process.wait() == status, said.decode(errors="replace")
        assert (site.database.count("categories") == 0) is (status == 0)


def _take_terminal(descriptor: int) -> None:
    import fcntl
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def test_a_clone_and_the_installed_collection_run_by_their_full_name(make_site: MakeSite, tmp_path: Path) -> None:
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    environment = clean_environment(HOME=str(tmp_path / "home"), ANSIBLE_COLLECTIONS_PATH=str(tmp_path / "installed"))
    environment.pop("PYTHONPATH")
    # What git knows of, and nothing that was built or left here.
    clone = tmp_path / "clone"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True,
                            check=True).stdout
    subprocess.run(["tar", "--null", "-T", "-", "-cf", str(tmp_path / "clone.tar")], cwd=ROOT, input=listed, check=True)
    clone.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "clone.tar"), "-C", str(clone)], check=True)
    subprocess.run([galaxy, "collection", "build", str(clone), "--output-path", str(tmp_path)], env=environment,
                   check=True, capture_output=True)
    tarball = next(tmp_path.glob("recyclic-rollback-*.tar.gz"))
    subprocess.run([galaxy, "collection", "install", str(tarball), "-p", str(tmp_path / "installed"), "--no-deps",
                    "--offline"], env=environment, check=True, capture_output=True)

    for history, collections in (("guide", tmp_path / "installed"), ("chain", clone / "collections")):
        site = make_site(history)
        done = subprocess.run(site.argv("recyclic.rollback.rollback"), cwd=tmp_path, capture_output=True, text=True,
                              env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(collections)}, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        assert site.database.heads() == {PARENT[history]}
    assert not list((tmp_path / "installed/ansible_collections/recyclic/rollback").glob(".*"))


def test_the_shared_role_refuses_to_be_run_by_itself(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide")
    play = [{"hosts": "rollback", "gather_facts": False, "roles": ["recyclic.rollback.rollback"]}]
    (tmp_path / "alone.yml").write_text(json.dumps(play))

    done = subprocess.run([*site.argv("rollback")[:3], str(tmp_path / "alone.yml")], capture_output=True, text=True,
                          env=clean_environment(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections")), check=False)

    assert done.returncode != 0
    assert "only holds the variables the others share" in done.stdout
