# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""rehearsal: a real backup restored on a real scratch server, rolled back there; production is never moved."""
from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness import (
    BASE,
    HEADS,
    MIGRATION,
    PARENT,
    TOP,
    Answer,
    Database,
    alembic_args,
    common_args,
    make_project,
    run_module,
)

MakeDatabase = Callable[..., Database]
CHECKS = [
    {"id": "categories-empty", "table": "categories", "rows": 0, "absent": "accepted", "expectation": "rolled_back"},
    {"id": "dom-category-level-1", "table": "dom_category", "filter": "level = 1", "unchanged": True},
]


class Run:
    """A run directory with the plan and the backup of a database, on which rehearsals are played."""

    def __init__(self, database: Database, state: Path, project: Path | None = None,
                 version: Mapping[str, str] | None = None, **plan: Any) -> None:
        self.database, self.state, self.project = database, state, project
        self.dir = state / "runs" / "20260101T000000Z-abcdef"
        self.dir.mkdir(parents=True)
        self.plan = {
            "database": database.name, "migration": MIGRATION, "to_revision": PARENT[database.history],
            "from_heads": [MIGRATION], "to_heads": [PARENT[database.history]], "changes": {"categories": ["rows"]},
            "path": [{"revision": MIGRATION, "message": "copy labels", "in_scope": True, "downgrade": "implemented"}],
            "version_table": {"name": "alembic_version", "schema": None},
            "routes": {"alembic": {"verdict": "safe", "losses": []}}, **plan}
        (self.dir / "plan.json").write_text(json.dumps(self.plan))
        taken = run_module("pg_backup", **common_args(database), backups=str(state / "backups"), disk_reserve="1M",
                           run_dir=str(self.dir), **(version or {}))
        assert taken.get("changed"), taken
        self.backup = Path(taken["backup"]["path"])

    def options(self, **more: Any) -> dict[str, Any]:
        return {**alembic_args(self.database, self.project), "run_dir": str(self.dir), "state_dir": str(self.state),
                "migration": self.plan["migration"], "concerned": ["categories"], "checks": CHECKS,
                "disk_reserve": "1M", "lock_timeout": 500, "alembic_timeout": 60, **more}

    def rehearse(self, **more: Any) -> Answer:
        return run_module("rehearsal", **self.options(**more))

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.dir / "rehearsal.json").read_text())
        return found

    def journal(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.dir / "journal.jsonl").read_text().splitlines()]

    def leftovers(self) -> list[str]:
        """What of a scratch server is still there, besides an empty directory."""
        place = self.state / "scratch"
        return sorted(entry.name for entry in place.iterdir()) if place.is_dir() else []


def own_history(make_database: MakeDatabase, tmp_path: Path, downgrade: str, changes: Mapping[str, list[str]] | None,
                **project: str) -> Run:
    """A run on the guide's tables whose migration is a revision with this downgrade."""
    database = make_database("guide", "migration")
    database.stamp(TOP)
    ini = make_project(tmp_path / "project", downgrade=downgrade, **project)
    return Run(database, tmp_path / "state", ini, migration=TOP, to_revision=BASE, from_heads=[TOP], to_heads=[BASE],
               changes=changes, path=[{"revision": TOP, "message": "top"}])


def losses(entries: list[dict[str, Any]]) -> dict[str, int | None]:
    return {entry["id"]: entry["rows"] for entry in entries}


@pytest.mark.both_runtimes
def test_a_rollback_that_does_what_was_planned_passes(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("guide", "migration")
    run = Run(database, state_dir)
    before = database.dump()

    answer = run.rehearse()

    assert answer["passed"] is True and answer["changed"] is False, answer
    assert database.dump() == before
    assert not database.sessions() and not run.leftovers()
    record = run.record
    assert record["result"] == "pass" and record["losses"] == [] and record["unannounced"] == []
    assert record["isolation"] == ("network" if database.composed else "namespace")
    assert record["system_identifier"] != record["production_identifier"]
    assert [(step["name"], step["result"]) for step in record["steps"]] == [
        (name, "ok") for name in ("start", "restore", "compare", "downgrade", "measure", "upgrade")]
    assert {check["id"]: check["result"] for check in record["checks"]} == {
        "categories-empty": "pass", "dom-category-level-1": "pass"}
    assert record["upgrade_again"] == {"ok": True, "error": "", "differs": []}
    [revision] = record["revisions"]
    assert revision["revision"] == MIGRATION and revision["seconds"] >= 0
    assert record["before"]["tables"]["public.categories"]["rows"] == database.count("categories")
    assert record["after"]["tables"]["public.categories"]["rows"] == 0
    assert record["after"]["heads"] == ["9a2b3c4d5e6f"]
    assert sorted(record["after"]["tables"]) == sorted(record["before"]["tables"]), "nothing of the watch's own"
    for path in (run.backup / "backup.json", run.dir / "backup.json"):
        assert json.loads(path.read_text())["restored_and_compared"] is True
    [_begun, ended] = [line for line in run.journal() if line["step"] == "rehearsal"]
    assert ended["result"] == "ok" and len(ended["commands"]) == 3
    assert any("restored" in line for line in answer["lines"])


@pytest.mark.both_runtimes("chain-head-9a2b3c4d5e6f")
@pytest.mark.parametrize(("history", "at", "to"), [pytest.param(*each, id="-".join(each)) for each in (
    # The guide's own target is the parent there.
    ("guide", "migration", "parent"), ("chain", "migration", "parent"), ("chain", "migration", "9a2b3c4d5e6f"),
    ("chain", "head", "parent"), ("chain", "head", "9a2b3c4d5e6f"), ("branched", "head", "parent"),
    ("branched", "head", "9a2b3c4d5e6f"))])
def test_what_is_measured_is_what_was_planned(make_database: MakeDatabase, state_dir: Path, history: str, at: str,
                                              to: str) -> None:
    database = make_database(history, at)
    run = Run(database, state_dir)
    before = database.dump()
    filters = {"migration_rows": {"categories": "name IN (SELECT label FROM public.dom_category)"}}
    wanted = {**alembic_args(database), "run_dir": str(run.dir), "migration": MIGRATION, "concerned": ["categories"],
              **filters}
    planned = run_module("plan_info", **wanted, to_revision="" if to == "parent" else to)
    assert not planned.get("failed"), planned
    announced = losses(planned["plan"]["routes"]["alembic"]["losses"])
    checks = [{**CHECKS[0], "absent": "pass"}]

    answer = run.rehearse(**filters, checks=checks, accept=list(announced))

    assert answer.get("passed") is True, answer
    assert losses(run.record["losses"]) == announced
    assert [each["revision"] for each in run.record["revisions"]] == [
        each["revision"] for each in planned["plan"]["path"]]
    assert run.record["after"]["heads"] == planned["plan"]["to_heads"]
    assert run.record["upgrade_again"]["ok"] is ("no-upgrade" not in announced)
    assert database.dump() == before


def test_what_nobody_announced_is_named_and_accepted_by_id(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("branched", "head")
    run = Run(database, state_dir, from_heads=sorted(HEADS["branched"]), to_heads=["f4g5h6i7j8k9", "g1h2i3j4k5l6"],
              changes=None, path=[{"revision": each, "message": each} for each in ("24b194c1b790", MIGRATION)])
    measured = {"revision:24b194c1b790": None,
                "drop-column:ligne_depot.category_id": database.value("SELECT count(category_id) FROM ligne_depot")}

    answer = run.rehearse()

    assert answer["problem"] == "rehearsal_unannounced", answer
    assert losses(run.record["losses"]) == losses(run.record["unannounced"]) == measured
    assert all(key in answer["msg"] for key in measured) and "rollback_accept" in answer["msg"]
    lock = run.record["longest_lock"]
    assert lock["mode"] == "AccessExclusive" and lock["held_s"] > 0 and lock["revision"] in ("24b194c1b790", MIGRATION)
    assert run.rehearse(accept=list(measured))["passed"] is True
    assert run.record["unannounced"] == [] and losses(run.record["losses"]) == measured


def test_an_unusual_downgrade_is_rehearsed_as_it_is(make_database: MakeDatabase, tmp_path: Path) -> None:
    """One that leaves its transaction, builds an index beside others, reads rows, and opens an engine of its own."""
    database = make_database("guide", "migration")
    database.rows(f"""
        CREATE SCHEMA meta; CREATE TABLE meta.revisions (version_num varchar(32) PRIMARY KEY);
        INSERT INTO meta.revisions VALUES ('{TOP}'); DROP TABLE alembic_version""")
    ini = make_project(tmp_path / "project", downgrade="""
with op.get_context().autocommit_block():
    op.execute("CREATE INDEX CONCURRENTLY ix_sites_city ON sites (city)")
assert op.get_bind().execute(sa.text("SELECT count(*) FROM categories")).scalar_one() == 17
engine = sa.create_engine(sa.engine.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))
with engine.begin() as connection:
    connection.execute(sa.text("DELETE FROM categories"))
""", configure=", version_table='revisions', version_table_schema='meta'")
    version = {"name": "revisions", "schema": "meta"}
    run = Run(database, tmp_path / "state", ini, {"version_table": "revisions", "version_schema": "meta"},
              migration=TOP, to_revision=BASE, from_heads=[TOP], to_heads=[BASE],
              path=[{"revision": TOP, "message": "top"}],
              changes={"categories": ["rows"], "sites": ["new-index"]}, version_table=version)

    answer = run.rehearse()

    assert answer.get("passed") is True, answer
    assert run.record["losses"] == [] and run.record["after"]["heads"] == [BASE]
    assert run.record["upgrade_again"] == {"ok": True, "error": "", "differs": ["new-index sites.ix_sites_city"]}
    assert any("ix_sites_city" in line for line in answer["lines"])


def test_more_than_was_announced_or_accepted_is_refused(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Two tables are emptied, one of which the plan knew of with fewer rows; each limit counts."""
    run = own_history(make_database, tmp_path, "op.execute('DELETE FROM categories; DELETE FROM ligne_depot')",
                      {"categories": ["rows"], "ligne_depot": ["rows"]})
    lines = run.database.count("ligne_depot")
    before = run.database.dump()

    def announce(rows: int) -> None:
        plan = {**run.plan, "routes": {"alembic": {"losses": [
            {"id": "delete-rows:ligne_depot", "text": "", "rows": rows, "exact": True}]}}}
        (run.dir / "plan.json").write_text(json.dumps(plan))

    announce(lines - 1)
    answer = run.rehearse(checks=[])
    assert answer["problem"] == "rehearsal_unannounced", answer
    assert f"delete-rows:ligne_depot={lines}" in answer["msg"]
    assert run.record["result"] == "fail" and run.record["problem"]["key"] == "rehearsal_unannounced"
    answer = run.rehearse(checks=[], accept=[f"delete-rows:ligne_depot={lines - 1}"])
    assert answer["problem"] == "rehearsal_unannounced", answer
    announce(lines)
    assert run.rehearse(checks=[])["passed"] is True
    assert run.database.dump() == before


@pytest.mark.both_runtimes("does_nothing", "elsewhere")
@pytest.mark.parametrize(("downgrade", "problem", "said"), [
    pytest.param("pass", "rehearsal_did_nothing", "categories", id="does_nothing"),
    pytest.param("raise RuntimeError('not this way')", "rehearsal_failed", "RuntimeError: not this way", id="raises"),
    pytest.param("op.execute('UPDATE dom_category SET level = 2 WHERE level = 1; DELETE FROM categories')",
                 "rehearsal_unannounced", "change-rows:dom_category=14", id="changes_more"),
    pytest.param("op.execute('DELETE FROM categories WHERE length(name) > 8')",
                 "rehearsal_not_done", "categories-empty", id="not_whole"),
    # The second connection waits for the first, which waits for it.
    pytest.param("""
engine = sa.create_engine(sa.engine.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))
op.execute("LOCK TABLE categories IN ACCESS EXCLUSIVE MODE")
with engine.begin() as connection:
    connection.execute(sa.text("DELETE FROM categories"))
""", "rehearsal_ended", "4 s", id="waits_for_itself"),
    pytest.param("context.get_bind().execute(sa.text(\"UPDATE alembic_version SET version_num = 'elsewhere'\"))",
                 "rehearsal_failed", "70907090709a", id="elsewhere"),
])
def test_a_downgrade_that_would_go_wrong_is_refused_and_production_left_alone(
        make_database: MakeDatabase, tmp_path: Path, downgrade: str, problem: str, said: str) -> None:
    run = own_history(make_database, tmp_path, downgrade, {"categories": ["rows"]})
    before = run.database.dump()
    limits = {"lock_timeout": 0, "alembic_timeout": 4} if problem == "rehearsal_ended" else {}

    answer = run.rehearse(**limits)

    assert answer["problem"] == problem and answer["outcome"] == "refused", answer
    assert said in answer["msg"]
    assert run.record["result"] == "fail" and run.record["problem"]["key"] == problem
    assert run.database.dump() == before
    assert not run.database.sessions() and not run.leftovers()


def test_an_upgrade_that_no_longer_works_is_a_loss(make_database: MakeDatabase, tmp_path: Path) -> None:
    run = own_history(make_database, tmp_path, "op.execute('DELETE FROM categories')", {"categories": ["rows"]},
                      upgrade="raise RuntimeError('only once')")

    answer = run.rehearse()

    assert answer["problem"] == "rehearsal_unannounced" and "only once" in answer["msg"], answer
    assert [step["result"] for step in run.record["steps"]][-1] == "failed"
    answer = run.rehearse(accept=["no-upgrade"])
    assert answer["passed"] is True and any("only once" in line for line in answer["lines"])


def test_rows_that_are_not_the_migrations_are_told_apart(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("guide", "migration")
    run = Run(database, state_dir)

    answer = run.rehearse(migration_rows={"categories": "name IN (SELECT label FROM public.dom_category)"})

    assert answer["problem"] == "rehearsal_unannounced", answer
    assert losses(run.record["losses"]) == {"delete-rows:categories": 3}


def test_content_is_compared_where_columns_went(make_database: MakeDatabase, tmp_path: Path) -> None:
    """One column is dropped, as announced; the values of another change places, which no count shows."""
    run = own_history(make_database, tmp_path, """
op.execute("ALTER TABLE sale_items DROP COLUMN quantity")
op.execute("ALTER TABLE users ADD COLUMN nick text")
engine = sa.create_engine(sa.engine.make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2"))
with engine.begin() as connection:
    # Names change places: neither a count of this session's nor one of the values shows it.
    connection.execute(sa.text("ALTER TABLE sites ADD COLUMN nick text"))
    connection.execute(sa.text("ALTER TABLE sites DROP CONSTRAINT sites_name_key"))
    connection.execute(sa.text("UPDATE sites SET name = CASE name WHEN 'La Boucle' THEN 'Atelier du Port'"
                               " WHEN 'Atelier du Port' THEN 'Le Second Souffle' ELSE 'La Boucle' END"))
""", {"sale_items": ["drop-column"], "users": ["new-column", "rows"], "sites": ["new-column"]})

    answer = run.rehearse(checks=[])

    assert answer["problem"] == "rehearsal_unannounced", answer
    assert losses(run.record["losses"]) == {
        "drop-column:sale_items.quantity": run.database.count("sale_items"), "change-rows:sites": 3,
        "empty-column:users.nick": run.database.count("users"), "empty-column:sites.nick": 3}


def test_an_environment_that_leads_to_production_is_refused(make_database: MakeDatabase, state_dir: Path) -> None:
    """What the operator names for the scratch server is production: a wrong override is found before anything moves."""
    database = make_database("guide", "migration")
    run = Run(database, state_dir)
    before = database.dump()

    answer = run.rehearse(isolation="override", scratch_environment={"DATABASE_URL": database.url})

    assert answer["problem"] == "rehearsal_elsewhere" and "system_identifier" in answer["msg"], answer
    assert database.dump() == before and database.heads() == {MIGRATION}
    assert not database.sessions() and not run.leftovers()
    assert run.rehearse(isolation="override")["passed"] is True
    assert run.record["isolation"] == "override"


@pytest.mark.both_runtimes("fixed")
@pytest.mark.parametrize("where", ["fixed"])
def test_an_address_written_down_in_env_py_is_the_scratch_servers_there(
        make_database: MakeDatabase, tmp_path: Path, where: str) -> None:
    database = make_database("guide", "migration")
    database.stamp(TOP)
    ini = make_project(tmp_path / "project", downgrade="op.execute('DELETE FROM categories')",
                       before=f"os.environ['DATABASE_URL'] = {database.url!r}")
    run = Run(database, tmp_path / "state", ini, migration=TOP, to_revision=BASE, from_heads=[TOP], to_heads=[BASE],
              path=[{"revision": TOP, "message": "top"}])
    before = database.dump()

    answer = run.rehearse()

    # Found by a name or an address it answers to, or not at all; never production.
    assert answer.get("passed") is True or answer["problem"] in ("rehearsal_elsewhere", "alembic_broken"), answer
    assert database.dump() == before and database.heads() == {TOP}


def test_a_backup_that_is_not_what_it_says_is_refused(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("guide", "migration")
    run = Run(database, state_dir)
    manifest = json.loads((run.dir / "backup.json").read_text())

    def tell(**other: Any) -> None:
        (run.dir / "backup.json").write_text(json.dumps({**manifest, **other}))

    tables = json.loads(json.dumps(manifest["tables"]))
    tables["public.sites"]["fingerprint"] = "1"
    tell(tables=tables)
    answer = run.rehearse()
    assert answer["problem"] == "rehearsal_backup_differs" and "public.sites" in answer["msg"], answer
    assert [(step["name"], step["result"]) for step in run.record["steps"]][-1] == ("compare", "failed")
    assert json.loads((run.backup / "backup.json").read_text())["restored_and_compared"] is False

    tell(heads=["elsewhere"])
    assert run.rehearse()["problem"] == "rehearsal_backup_elsewhere"
    tell(database="another")
    assert run.rehearse()["problem"] == "rehearsal_no_backup"

    tell()
    dump = run.backup / "database.dump"
    kept = dump.read_bytes()
    dump.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    answer = run.rehearse()
    assert answer["problem"] == "rehearsal_backup_damaged" and "sha256" in answer["msg"], answer
    assert run.record["steps"] == []

    # Whole by its checksum, and yet nothing that could be restored.
    shutil.copy(Path(__file__), dump)
    text = dump.read_bytes()
    [entry] = [each for each in manifest["files"] if each["scope"] == "database"]
    tell(files=[{**entry, "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}])
    answer = run.rehearse()
    assert answer["problem"] == "rehearsal_not_restored" and "pg_restore" in answer["msg"], answer
    assert not run.leftovers()


def test_a_plain_dump_is_rehearsed_and_check_mode_does_nothing(make_database: MakeDatabase, state_dir: Path) -> None:
    database = make_database("guide", "migration")
    run = Run(database, state_dir)
    answer = run_module("rehearsal", check=True, **run.options())
    assert answer["changed"] is False and answer["passed"] is None and not (run.dir / "rehearsal.json").exists()
    taken = run_module("pg_backup", **common_args(database), backups=str(state_dir / "backups"), disk_reserve="1M",
                       run_dir=str(run.dir), format="plain")
    assert taken.get("changed"), taken

    answer = run.rehearse(language="fr")

    assert answer["passed"] is True, answer
    assert any("restaurée" in line for line in answer["lines"])
