# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan and rehearsal from end to end: what was announced is what is lost, and nothing goes that was not accepted."""
from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import TOP, make_project

from playbooks import FULL, Site

MakeSite = Callable[..., Site]
ROWS = {"rollback_migration_rows": {"categories": "name IN (SELECT label FROM dom_category)"}}
# What only the history tells, not the data: the schema the target should have, and the revisions on the way.
OF_THE_SCHEMA = ("not-restored:", "left-behind:")


def measurable(losses: list[dict[str, Any]]) -> dict[str, int | None]:
    return {loss["id"]: loss["rows"] for loss in losses if not loss["id"].startswith(OF_THE_SCHEMA)}


def test_a_plan_changes_nothing_and_is_there_to_be_read(make_site: MakeSite) -> None:
    site = make_site("chain", "head", **FULL, **ROWS, rollback_to_revision="9a2b3c4d5e6f", rollback_language="fr")
    before = site.database.dump()

    played = site.play("plan")

    assert (played.status, played.changed, played.report["outcome"]) == (0, 0, "planned"), played.output
    assert site.database.dump() == before
    plan = json.loads((site.home / "reports" / "latest" / "plan.json").read_text())
    [run] = (site.state / "runs").iterdir()
    assert plan == json.loads((run / "plan.json").read_text())
    assert plan["routes"]["alembic"]["verdict"] == "needs_acceptance"
    assert "la table categories disparaît, avec 17 lignes" in played.output
    assert "rollback_accept=drop-table:categories=17," in played.output
    # Neither the database's lock nor the place of the last run is taken by looking.
    assert not list((site.state / "locks").glob("*.json")) and not (site.state / "runs" / "latest").exists()
    assert not site.backups()


def test_with_every_loss_accepted_it_goes_through_as_announced(make_site: MakeSite) -> None:
    site = make_site("chain", "head", **FULL, **ROWS, rollback_to_revision="9a2b3c4d5e6f")
    before = site.database.dump()
    refused = site.play("rollback", rollback_accept="drop-table:categories=16")
    assert refused.report["outcome"] == "refused" and refused.changed == 0
    # Sixteen were accepted, and there are seventeen.
    assert "Not accepted yet: drop-table:categories, drop-table:settings" in refused.report["failure"]
    assert site.database.dump() == before
    plan = site.evidence("plan.json")
    announced = plan["routes"]["alembic"]["losses"]
    ids = [loss["id"] if loss["rows"] is None else f"{loss['id']}={loss['rows']}" for loss in announced]

    one_short = site.play("rollback", rollback_accept=[each for each in ids if "sale_items.weight" not in each])
    assert one_short.report["outcome"] == "refused"
    assert "Not accepted yet: drop-column:sale_items.weight. " in one_short.report["failure"]
    assert site.database.dump() == before

    played = site.play("rollback", rollback_accept=",".join(ids))

    assert played.status == 0, played.output
    assert played.report["outcome"] == "rolled_back"
    rehearsal = site.evidence("rehearsal.json")
    assert measurable(rehearsal["losses"]) == measurable(announced)
    assert played.report["losses"] == announced
    assert played.report["rehearsal"]["upgrade_again"]["ok"] is False
    assert site.database.heads() == {"9a2b3c4d5e6f"}
    assert site.database.value("SELECT to_regclass('categories')") is None
    assert site.database.count("dom_category") == 0
    # What the path does not touch holds what it held.
    assert site.database.count("sales") == 2000
    others = next(check for check in played.report["checks"] if check["id"] == "other-tables-unchanged")
    assert others["result"] == "pass" and "as foreseen: public.dom_category" in others["observed"]

    # What it was accepted to leave otherwise is no reason to call the record untrue.
    again = site.play("rollback", rollback_accept=",".join(ids))
    assert (again.status, again.changed, again.report["outcome"]) == (0, 0, "already_rolled_back"), again.output


HIDDEN = """
if op.get_bind().execute(sa.text("SELECT count(*) FROM things")).scalar_one() > 5:
    op.execute("DELETE FROM others WHERE id > 1")
op.execute("DELETE FROM things")
"""


def test_what_only_the_data_brings_out_is_found_by_the_rehearsal(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site("guide", None, **FULL)
    ini = make_project(tmp_path / "project", upgrade="""
op.execute("CREATE TABLE IF NOT EXISTS things (id int); CREATE TABLE IF NOT EXISTS others (id int)")
op.execute("INSERT INTO things VALUES (1)")""", downgrade=HIDDEN)
    site.database.alembic("upgrade", TOP, ini=ini)
    site.database.rows("INSERT INTO things SELECT generate_series(2, 9); INSERT INTO others VALUES (1), (2), (3)")
    before = site.database.dump()
    settings = {"rollback_alembic_config": str(ini), "rollback_migration": TOP, "rollback_migration_tables": ["things"],
                "rollback_checks": [{"id": "gone", "table": "things", "rows": 0}]}
    schema = ["left-behind:others", "left-behind:things"]

    refused = site.play("rollback", **settings, rollback_accept=schema)

    assert refused.report["outcome"] == "refused", refused.output
    assert "delete-rows:others" in refused.report["failure"]
    assert site.database.dump() == before
    assert not (site.run_dir / "before.json").exists(), "nothing was stopped or begun"
    # The backup has been restored all the same.
    assert refused.report["backup"]["restored_and_compared"] is True

    played = site.play("rollback", **settings, rollback_accept=[*schema, "delete-rows:others=2"])
    assert played.report["outcome"] == "rolled_back", played.output
    assert (site.database.count("things"), site.database.count("others")) == (0, 1)
