# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""awx.yml with the real modules of awx.awx, which check every task's options, against a stand-in for AWX.

The stand-in is not AWX (see controller.py). What is shown here is that the modules are given what they take, that
every object is made with what it refers to, that a second load changes nothing, and that what was changed by hand is
put right.
"""

from __future__ import annotations

import copy
import importlib.util
from typing import Any

import controller
import pytest
from loading import ROOT, SECRET, Loaded, recap

Objects = dict[str, Any]
# One worker's: it is loaded once.
pytestmark = pytest.mark.xdist_group("awx")


def test_everything_is_made(loaded: Loaded, objects: Objects) -> None:
    assert loaded.first.returncode == 0, loaded.first.stdout + loaded.first.stderr
    store = loaded.store
    assert {thing["playbook"] for thing in store.things["job_templates"].values()} == {
        f"playbooks/{row['playbook']}.yml" for row in objects["awx_objects_templates"]}
    plan = store.named("job_templates", "Recyclic - plan")
    assert plan["ask_limit_on_launch"] and plan["allow_simultaneous"] and not plan["ask_job_type_on_launch"]
    rollback = store.named("job_templates", "Recyclic - rollback")
    assert rollback["ask_job_type_on_launch"] and rollback["ask_diff_mode_on_launch"]
    assert not rollback["allow_simultaneous"]
    variables = [question["variable"] for question in store.surveys[rollback["id"]]["spec"]]
    assert variables[0] == "rollback_confirm" and "rollback_accept" in variables
    workflow = store.named("workflow_job_templates", "Recyclic - rollback workflow")
    assert store.surveys[workflow["id"]]["spec"][0]["required"], "the workflow cannot be launched unconfirmed"
    for row in objects["awx_objects_nodes"]:
        for edge in ("success", "failure", "always"):
            assert store.linked(row["node"], f"{edge}_nodes") == set(row.get(edge, [])), row["node"]
    assert store.linked("approve-plan", "success_nodes") == {"rollback"}
    approval = store.named("workflow_approval_templates", "Accord sur le plan / Approve the plan")
    assert approval["timeout"] == 14400 and "dba@example.org" in approval["description"]
    assert store.named("workflow_job_template_nodes", "approve-plan")["unified_job_template"] == approval["id"]
    told = {event: [store.get("notification_templates", one)["name"] for one in store.lists.get(
        ("job_templates", plan["id"], f"notification_templates_{event}"), [])] for event in ("success", "error")}
    assert told == {"success": ["Recyclic - team by mail", "Recyclic - team chat"],
                    "error": ["Recyclic - team by mail"]}
    assert {thing["rrule"] for thing in store.things["schedules"].values()} == {
        "DTSTART;TZID=Europe/Paris:20260105T014500 RRULE:FREQ=DAILY;INTERVAL=1",
        "DTSTART;TZID=Europe/Paris:20260105T031500 RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=SU"}
    kind = store.named("credential_types", "Recyclic - database")
    assert kind["injectors"]["extra_vars"]["vault_recyclic_database_url"] == "{{ database_url }}"
    assert all(field["secret"] for field in kind["inputs"]["fields"])
    assert store.named("credentials", "Recyclic - database")["inputs"]["api_token"] == SECRET
    assert len(store.lists["job_templates", plan["id"], "credentials"]) == 2


def test_loaded_again_it_changes_nothing_and_tells_no_secret(loaded: Loaded) -> None:
    before = loaded.store.snapshot()
    loaded.store.writes.clear()
    again = loaded.play("-vvv")
    assert again.returncode == 0 and recap(again)["changed"] == 0, again.stdout[-3000:]
    assert loaded.store.writes == [] and loaded.store.snapshot() == before
    assert SECRET not in loaded.first.stdout + again.stdout + loaded.first.stderr + again.stderr


def test_what_was_changed_by_hand_is_put_right_but_not_with_check(loaded: Loaded, objects: Objects) -> None:
    # Enough to see a change in: the rest takes a second each.
    few = {"awx_objects_schedules": [], "awx_objects_approvals": [],
           "awx_objects_templates": [row for row in objects["awx_objects_templates"] if row["playbook"] == "plan"],
           "awx_objects_nodes": [row for row in objects["awx_objects_nodes"] if row["node"] == "rollback"]}
    store = loaded.store
    plan, node = (store.named("job_templates", "Recyclic - plan"),
                  store.named("workflow_job_template_nodes", "rollback"))
    # A secret somebody filled in is theirs; it stays.
    store.named("credentials", "Recyclic - notifications")["inputs"] = {"smtp_password": "filled in by hand"}
    meant = store.snapshot()
    plan["allow_simultaneous"] = False
    store.surveys[plan["id"]] = copy.deepcopy(store.surveys[plan["id"]])
    store.surveys[plan["id"]]["spec"][0]["required"] = True
    store.lists["workflow_job_template_nodes", node["id"], "failure_nodes"].clear()
    store.lists["job_templates", plan["id"], "credentials"].pop()
    drifted = store.snapshot()
    store.writes.clear()
    tried = loaded.play("--check", **few)
    assert recap(tried)["changed"] == 2, tried.stdout[-3000:]
    assert store.writes == [] and store.snapshot() == drifted
    put_right = loaded.play(**few)
    assert put_right.returncode == 0 and recap(put_right)["changed"] == 2, put_right.stdout[-3000:]
    assert store.snapshot() == meant


def test_nothing_is_loaded_into_an_unknown_awx_or_without_its_collection(loaded: Loaded) -> None:
    nowhere = loaded.play(environment={"CONTROLLER_HOST": ""})
    assert nowhere.returncode != 0 and "CONTROLLER_HOST=" in nowhere.stdout
    # Only this collection and community.general are found.
    place = loaded.home / "only" / "ansible_collections"
    for name in ("recyclic/rollback", "community/general"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / "recyclic" / "rollback").symlink_to(ROOT)
    found = importlib.util.find_spec("ansible_collections.community.general")
    assert found and found.submodule_search_locations
    (place / "community" / "general").symlink_to(found.submodule_search_locations[0])
    without = loaded.play(environment={"ANSIBLE_COLLECTIONS_PATH": str(place.parent),
                                       "ANSIBLE_COLLECTIONS_SCAN_SYS_PATH": "false"})
    assert without.returncode != 0 and "ansible-galaxy collection install awx.awx" in without.stdout, without.stdout


def test_with_check_an_empty_awx_is_told_of_in_words(loaded: Loaded) -> None:
    empty = controller.Controller(ROOT)
    with controller.serve(empty) as address:
        played = Loaded(empty, address, loaded.home).play("--check")
    assert played.returncode == 0 and "n'existe pas encore" in played.stdout
    assert empty.writes == [] and empty.snapshot() == controller.Controller(ROOT).snapshot()


@pytest.mark.parametrize(("kind", "sent", "reason"), [
    ("job_templates", {"name": "x", "project": 999, "playbook": "playbooks/plan.yml"}, "there is no projects 999"),
    ("job_templates", {"name": "x", "project": "Recyclic - project", "playbook": "playbooks/tomorrow.yml"},
     "tomorrow.yml is not in the project"),
    ("job_templates", {"name": "x", "allow_simultaneous": "yes"}, "of another type"),
    ("job_templates", {"name": "x", "colour": "red"}, "unknown field colour"),
    ("credential_types", {"name": "x", "injectors": {"extra_vars": {"9x": ""}}}, "no name of a variable"),
    ("schedules", {"name": "x", "rrule": "FREQ=DAILY", "unified_job_template": "Recyclic - plan"}, "rrule"),
])
def test_the_stand_in_refuses_what_awx_refuses(loaded: Loaded, kind: str, sent: dict[str, Any], reason: str) -> None:
    for field, named in (("project", "projects"), ("unified_job_template", "job_templates")):
        if isinstance(sent.get(field), str):
            sent = {**sent, field: loaded.store.named(named, sent[field])["id"]}
    with pytest.raises(controller.Refused, match=reason):
        loaded.store.save(kind, sent)
