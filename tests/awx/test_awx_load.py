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
import yaml
from loading import ROOT, SECRET, Loaded, Loader, recap, templated

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
    assert {thing["playbook"].split("/")[-1][:-4] for thing in store.things["job_templates"].values()
            if thing["ask_job_slice_count_on_launch"]} == {
        row["playbook"] for row in objects["awx_objects_templates"] if row.get("sliced")}
    rollback = store.named("job_templates", "Recyclic - rollback")
    assert rollback["ask_job_type_on_launch"] and rollback["ask_diff_mode_on_launch"]
    assert not rollback["allow_simultaneous"]
    variables = [question["variable"] for question in store.surveys[rollback["id"]]["spec"]]
    assert variables[0] == "rollback_confirm" and "rollback_accept" in variables
    workflow = store.named("workflow_job_templates", "Recyclic - rollback workflow")
    confirm = store.surveys[workflow["id"]]["spec"][0]
    assert confirm["required"] and confirm["min"] == 1, "the workflow cannot be launched unconfirmed"
    assert store.drawn() == meant(objects)
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


def meant(objects: Objects) -> dict[str, Any]:
    """The workflow, as the role's data have it."""
    return {row["node"]: (row.get("name") or f"Recyclic - {row['playbook']}", {
        f"{edge}_nodes": set(row.get(edge, [])) for edge in ("success", "failure", "always")}, row.get("prompts", {}))
        for row in objects["awx_objects_nodes"] + objects["awx_objects_approvals"]}


# What nobody may start without having been asked.
ASKED = {"rollback", "emergency-stop"}


def test_a_load_that_is_cut_off_leaves_nothing_that_runs_unapproved(loaded: Loaded) -> None:
    """After each single write of the first load, as if it had been the last."""
    writes = [write for write, _roots, _unapproved in loaded.store.moments if "workflow_job_template_nodes" in write]
    assert len(writes) > 25, "each was looked at"
    assert [moment for moment in loaded.store.moments if moment[1] - {"plan"} or moment[2] & ASKED] == []


def test_loaded_again_it_changes_nothing_and_tells_no_secret(loaded: Loaded) -> None:
    # Somebody opened one in AWX's form and saved it as it was.
    notification = loaded.store.named("notification_templates", "Recyclic - team chat")
    loaded.store.save("notification_templates", {"description": ""}, notification["id"])
    before = loaded.store.snapshot()
    loaded.store.writes.clear()
    again = loaded.play("-vvv")
    assert again.returncode == 0 and recap(again)["changed"] == 0, again.stdout[-3000:]
    assert loaded.store.writes == [] and loaded.store.snapshot() == before
    assert SECRET not in loaded.first.stdout + again.stdout + loaded.first.stderr + again.stderr


def others(store: controller.Controller) -> Any:
    """All but the workflow's nodes, which are made anew with other numbers."""
    things, lists, surveys = store.snapshot()
    nodes = ("workflow_job_template_nodes", "workflow_approval_templates")
    return ({kind: found for kind, found in things.items() if kind not in nodes},
            {key: ids for key, ids in lists.items() if key[0] not in nodes}, surveys)


def test_what_was_changed_by_hand_is_put_right_but_not_with_check(loaded: Loaded, objects: Objects) -> None:
    # Enough to see a change in: the rest takes a second each.
    few = {"awx_objects_schedules": [],
           "awx_objects_templates": [row for row in objects["awx_objects_templates"] if row["playbook"] == "plan"]}
    store, kind = loaded.store, "workflow_job_template_nodes"
    plan, rollback = (store.named("job_templates", "Recyclic - plan"), store.named(kind, "rollback"))
    # A secret somebody filled in is theirs; it stays.
    store.named("credentials", "Recyclic - notifications")["inputs"] = {"smtp_password": "filled in by hand"}
    before = others(store)
    plan["allow_simultaneous"] = False
    store.surveys[plan["id"]] = copy.deepcopy(store.surveys[plan["id"]])
    store.surveys[plan["id"]]["spec"][0]["required"] = True
    store.lists["job_templates", plan["id"], "credentials"].pop()
    # A node of theirs stops everything at once, and goes on to the rollback; and one of ours lost its way out.
    stray = store.save(kind, {
        "identifier": "5f0c7a52-stray", "workflow_job_template": rollback["workflow_job_template"],
        "unified_job_template": store.named("job_templates", "Recyclic - emergency_stop")["id"]})
    store.associate(kind, stray["id"], "always_nodes", {"id": rollback["id"]})
    store.lists[kind, rollback["id"], "failure_nodes"].clear()
    rollback["job_type"] = "check"
    assert store.unapproved()[0] == {"plan", "5f0c7a52-stray"} and "rollback" in store.unapproved()[1]
    drifted = store.snapshot()
    store.writes.clear()
    tried = loaded.play("--check", **few)
    assert recap(tried)["changed"] == 2 and "would make them anew" in " ".join(tried.stdout.split()), tried.stdout
    assert store.writes == [] and store.snapshot() == drifted
    store.moments.clear()
    put_right = loaded.play(**few)
    assert put_right.returncode == 0 and recap(put_right)["changed"] == 5, put_right.stdout[-3000:]
    assert others(store) == before and store.drawn() == meant(objects)
    # Wherever this load is cut off, nothing starts by itself that did not do so before it.
    assert [roots for _write, roots, _all in store.moments if roots - {"plan", stray["identifier"]}] == []
    assert all(write.startswith("DELETE") for write, roots, unapproved in store.moments
               if kind in write and (stray["identifier"] in roots or unapproved & ASKED))


@pytest.mark.parametrize(("node", "answers"), [
    (None, {}), ("rollback", {"job_type": "check"}), ("rollback", {"limit": ""}), ("rollback", {"limit": "north"}),
    ("rollback", {"extra_data": {"rollback_accept": "drop-table:categories"}}), ("plan", {"job_slice_count": 4}),
    ("plan", {"job_slice_count": None}), ("report-failure", {"extra_data": {}}), ("report", {"verbosity": 3}),
    ("validate", {"all_parents_must_converge": True}), ("emergency-stop", {"job_type": "check"})], ids=str)
def test_a_node_that_answers_something_else_has_the_workflow_redrawn(
        loaded: Loaded, objects: Objects, node: str | None, answers: dict[str, Any]) -> None:
    found = [loaded.store.shown("workflow_job_template_nodes", thing)
             for thing in loaded.store.things["workflow_job_template_nodes"].values()]
    for each in found:
        each.update(copy.deepcopy(answers) if each["identifier"] == node else {})
    defaults = yaml.load((ROOT / "roles/awx_objects/defaults/main.yml").read_text(encoding="utf-8"), Loader)
    variables = {**defaults, **objects, "awx_objects_found": found}
    assert templated(objects["awx_objects_redrawn"], **variables) is bool(node)


def test_what_is_named_to_it_is_used_and_what_no_job_synchronises_it_does(loaded: Loaded, objects: Objects) -> None:
    """Everything an inventory may name beside the worked example's, in an AWX that has it."""
    store = controller.Controller(ROOT)
    for name in ("ssh", "vault", "git", "registry", "galaxy"):
        kind = store.save("credential_types", {"name": name})
        store.save("credentials", {"name": f"our {name}", "credential_type": kind["id"]})
    store.save("instance_groups", {"name": "near the sites"})
    with controller.serve(store) as address:
        settings = {
            "awx_objects_host": address, "awx_objects_token": controller.TOKEN, "awx_objects_validate_certs": False,
            "awx_objects_galaxy_credentials": ["our galaxy"], "awx_objects_instance_groups": ["near the sites"],
            "awx_objects_image_credential": "our registry", "awx_objects_project_credential": "our git",
            "awx_objects_machine_credential": "our ssh", "awx_objects_vault_credential": "our vault",
            "awx_objects_update_on_launch": False, "awx_objects_update_secrets": True, "awx_objects_schedules": [],
            "awx_objects_nodes": [], "awx_objects_approvals": [], "awx_objects_notifications": [
                {"name": "slack", "type": "slack", "tells": ["failures"],
                 "configuration": {"token": SECRET, "channels": ["#rollback"]}},
                {"name": "hook", "type": "webhook", "tells": ["approvals"],
                 "configuration": {"url": "https://hooks.example.org/"}}],
            "awx_objects_templates": [row for row in objects["awx_objects_templates"] if row["playbook"] == "plan"]}
        played = Loaded(store, address, loaded.home).play("-v", environment=NOWHERE, **settings)
        # The repository was down when they were to be synchronised.
        store.named("inventory_sources", "Recyclic - source")["status"] = "failed"
        store.named("projects", "Recyclic - project").update(status="failed", scm_revision="")
        store.writes.clear()
        again = Loaded(store, address, loaded.home).play(environment=NOWHERE, **{
            **settings, "awx_objects_update_secrets": False, "awx_objects_own_credentials": False,
            "awx_objects_templates": []})
    assert played.returncode == 0, played.stdout[-3000:]
    assert SECRET not in played.stdout and controller.TOKEN not in played.stdout

    def names(kind: str, owner: str, field: str) -> list[str]:
        ids = store.lists[kind, store.named(kind, owner)["id"], field]
        return [store.get(controller.KINDS[kind].lists[field], one)["name"] for one in ids]

    assert names("organizations", "Recyclic", "galaxy_credentials") == ["our galaxy"]
    assert names("job_templates", "Recyclic - plan", "instance_groups") == ["near the sites"]
    assert set(names("job_templates", "Recyclic - plan", "credentials")) == {
        "our ssh", "our vault", "Recyclic - database", "Recyclic - notifications"}
    assert names("job_templates", "Recyclic - plan", "notification_templates_error") == ["Recyclic - slack"]
    for kind, owner, name in (("projects", "project", "our git"),
                              ("execution_environments", "execution environment", "our registry")):
        credential = store.named(kind, f"Recyclic - {owner}")["credential"]
        assert store.get("credentials", credential)["name"] == name
    assert not store.named("inventory_sources", "Recyclic - source")["update_on_launch"]
    assert [write.split()[1].split("/")[3::2] for write in store.writes] == [
        ["projects", "update"], ["inventory_sources", "update"]] and recap(again)["changed"] == 2
    assert store.named("inventory_sources", "Recyclic - source")["status"] == "successful"
    assert store.named("projects", "Recyclic - project")["status"] == "successful"
    # Nobody is told of plans.
    assert "who approves has only a pointer" in " ".join(played.stdout.split())
    assert "has only a pointer" not in " ".join(loaded.first.stdout.split())


NOWHERE = {"CONTROLLER_HOST": "", "CONTROLLER_OAUTH_TOKEN": ""}


def test_secrets_that_are_not_whole_are_refused_before_anything_is_sent(loaded: Loaded) -> None:
    loaded.store.writes.clear()
    refused = loaded.play("-vvv", awx_objects_secrets={
        "databse": {}, "database": {"api_token": SECRET, "pasword": SECRET}, "notifications": SECRET})
    said = " ".join(refused.stdout.split())
    assert refused.returncode != 0 and "databse : inconnu / unknown." in said, refused.stdout[-3000:]
    assert "database : manque / missing: database_url, login_password ; inconnu / unknown: pasword." in said
    assert "notifications : pas un dictionnaire / no dictionary." in said
    assert loaded.store.writes == [] and SECRET not in refused.stdout + refused.stderr


def test_a_notification_that_lacks_something_is_refused_by_name_before_anything_is_sent(loaded: Loaded) -> None:
    loaded.store.writes.clear()
    refused = loaded.play("-vvv", awx_objects_notifications=[
        {"name": "chat", "type": "slack", "tells": ["plans"], "configuration": {"token": SECRET, "channels": "#x"}},
        {"name": "mail", "type": "email", "tells": ["plans"], "configuration": {"host": "", "password": SECRET,
                                                                                "recipients": ["team@example.org"]}},
        {"name": "hook", "type": "webhook", "tells": ["plans"], "configuration": {"url": "https://hooks.example.org"}}])
    said = " ".join(refused.stdout.split())
    assert refused.returncode != 0 and "mail : manque / missing: host, sender." in said, refused.stdout[-3000:]
    assert "chat : manque / missing: - ; une liste / a list: recipients, channels." in said and "hook :" not in said
    assert loaded.store.writes == [] and SECRET not in refused.stdout + refused.stderr


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
    ("workflow_job_template_nodes", {"identifier": "x", "unified_job_template": "Recyclic - rollback",
                                     "job_slice_count": 4}, "job_slice_count is not asked for"),
    ("workflow_job_template_nodes", {"identifier": "x", "unified_job_template": "Recyclic - report",
                                     "extra_data": {"report_after_failure": True}}, "of another type"),
    ("workflow_job_template_nodes", {"identifier": "x", "unified_job_template": "Recyclic - report",
                                     "extra_data": {"report_after": "true"}}, "report_after is not asked for"),
    ("credential_types", {"name": "x", "injectors": {"extra_vars": {"9x": ""}}}, "no name of a variable"),
    ("schedules", {"name": "x", "rrule": "FREQ=DAILY", "unified_job_template": "Recyclic - plan"}, "rrule"),
])
def test_the_stand_in_refuses_what_awx_refuses(loaded: Loaded, kind: str, sent: dict[str, Any], reason: str) -> None:
    if kind == "workflow_job_template_nodes":
        sent = {**sent, "workflow_job_template": loaded.store.named(
            "workflow_job_templates", "Recyclic - rollback workflow")["id"]}
    for field, named in (("project", "projects"), ("unified_job_template", "job_templates")):
        if isinstance(sent.get(field), str):
            sent = {**sent, field: loaded.store.named(named, sent[field])["id"]}
    with pytest.raises(controller.Refused, match=reason):
        loaded.store.save(kind, sent)
