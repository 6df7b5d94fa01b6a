# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What awx.yml would load fits the playbooks: names, surveys and their answers, injected variables, the workflow."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import rules
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from loading import ROOT, Loader, templated

PLAYBOOKS = ROOT / "playbooks"
# Not run on sites: the demo's own, what the others import, and what loads all this.
OTHERS = {"demo", "demo_compose", "hosts", "awx"}
Objects = dict[str, Any]


def read(path: str) -> Any:
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), Loader)


def specs() -> dict[str, Any]:
    """Every variable a role documents."""
    found: dict[str, Any] = {}
    for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"):
        for entry in read(str(path.relative_to(ROOT)))["argument_specs"].values():
            found |= entry.get("options") or {}
    return found


# The arguments that playbooks give a default themselves, and no role documents.
OF_PLAYBOOKS: dict[str, dict[str, Any]] = {
    "validate_expectation": {"type": "str", "choices": ["rolled_back", "migrated"], "default": "rolled_back"},
    "validate_baseline": {"type": "str", "default": ""},
    "restore_backup": {"type": "str", "default": "latest"},
    "restore_tables": {"type": "list", "elements": "str", "default": []},
    "restore_mode": {"type": "str", "choices": ["replace", "missing"], "default": "replace"},
    "restore_export": {"type": "bool", "default": False},
    "undo_database": {"type": "str", "default": ""},
    "undo_export": {"type": "bool", "default": False},
    "report_after_failure": {"type": "bool", "default": False},
    "remigrate_to": {"type": "str", "default": "{{ rollback_migration }}"}}


def options(variable: str) -> dict[str, Any]:
    """What a variable takes, as its documentation or the table has it."""
    return OF_PLAYBOOKS.get(variable) or specs()[variable]


def arguments(playbook: str) -> set[str]:
    """The variables a playbook takes that carry its own name."""
    text = (PLAYBOOKS / f"{playbook}.yml").read_text(encoding="utf-8")
    return set(re.findall(rf"\b{playbook}_\w+", text)) | {name for name in specs() if name.startswith(f"{playbook}_")}


def survey(objects: Objects, asks: list[str], **changed: Any) -> dict[str, Any]:
    questions = [{**objects["awx_objects_questions"][name], **changed} for name in asks]
    return {"name": "", "description": "", "spec": questions}


def asking(objects: Objects) -> dict[str, list[str]]:
    return {row["playbook"]: row["asks"] for row in objects["awx_objects_templates"]}


# Names and references


def broken(objects: Objects) -> list[str]:
    """Everything that names something that is not there, or is there twice."""
    found = []
    templates = [row["playbook"] for row in objects["awx_objects_templates"]]
    nodes = [row["node"] for row in objects["awx_objects_nodes"] + objects["awx_objects_approvals"]]
    for names in (templates, nodes, [row["key"] for row in objects["awx_objects_credential_types"]]):
        found += [f"twice: {name}" for name in set(names) if names.count(name) > 1]
    found += [f"no playbook {name}" for name in templates if not (PLAYBOOKS / f"{name}.yml").is_file()]
    found += [f"no template {row['playbook']}" for row in objects["awx_objects_nodes"]
              if row["playbook"] not in templates]
    made = [row["node"] for row in objects["awx_objects_approvals"]]
    for row in objects["awx_objects_nodes"]:
        made.append(row["node"])
        # The children are made first.
        found += [f"no node {child} for {row['node']}" for edge in ("success", "failure", "always")
                  for child in row.get(edge, []) if child not in made[:-1]]
    found += [f"no node {child} for {row['node']}" for row in objects["awx_objects_approvals"]
              for child in row["success"] if child not in nodes]
    asks = [*asking(objects).values(), objects["awx_objects_workflow"]["asks"]]
    found += [f"no question {name}" for names in asks for name in names if name not in objects["awx_objects_questions"]]
    for place in ("roles/awx_objects/defaults/main.yml", "inventories/awx/group_vars/all/main.yml"):
        found += [f"no template {row['playbook']}" for row in read(place)["awx_objects_schedules"]
                  if row["playbook"] not in templates]
    return found


def test_every_name_leads_to_something_that_is_there(objects: Objects) -> None:
    assert broken(objects) == []


BREAKS: dict[str, Callable[[Objects], Any]] = {
    "no template tomorrow": lambda objects: objects["awx_objects_nodes"][0].update(playbook="tomorrow"),
    "no playbook tomorrow": lambda objects: objects["awx_objects_templates"][0].update(playbook="tomorrow"),
    "no node tomorrow for rollback": lambda objects: objects["awx_objects_nodes"][-2].update(success=["tomorrow"]),
    "no question tomorrow": lambda objects: objects["awx_objects_workflow"]["asks"].append("tomorrow"),
    "twice: plan": lambda objects: objects["awx_objects_templates"].append(objects["awx_objects_templates"][0]),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_name_that_leads_nowhere_is_found(objects: Objects, what: str) -> None:
    changed = copy.deepcopy(objects)
    BREAKS[what](changed)
    assert what in broken(changed)


def test_every_playbook_that_is_run_on_sites_has_a_template(objects: Objects) -> None:
    there = {path.stem for path in PLAYBOOKS.glob("*.yml")} - OTHERS
    assert there - {row["playbook"] for row in objects["awx_objects_templates"]} == set()


# Surveys


def test_every_survey_is_one_that_awx_takes_in_both_languages_without_a_secret(objects: Objects) -> None:
    for asks in [*asking(objects).values(), objects["awx_objects_workflow"]["asks"]]:
        assert rules.survey(survey(objects, asks)) is None
    for name, question in objects["awx_objects_questions"].items():
        assert question["type"] != "password" and not re.search("password|token|secret", question["variable"]), name
        assert " / " in question["question_description"], name
        assert " / " in question["question_name"] or question["question_name"] in ("Format", "Ticket"), name


@pytest.mark.parametrize("change", [
    {"type": "date"}, {"type": "integer", "default": "3"}, {"required": "no"}, {"type": "multiplechoice"}, {"max": "8"},
    {"choices": "a", "default": "b", "type": "multiplechoice"}], ids=str)
def test_a_survey_of_another_type_is_refused(objects: Objects, change: dict[str, Any]) -> None:
    assert rules.survey(survey(objects, ["ticket"], **change))


# What an operator might answer, where any text will not do.
SAID = {"rollback_accept": "drop-table:categories=17\nwritten-since:categories", "rollback_serial": "1,5",
        "rollback_confirm": "recyclic-north\nrecyclic-south"}


def example(question: dict[str, Any]) -> list[Any]:
    if question["type"] == "multiplechoice":
        return rules.choices(question)
    return [SAID.get(question["variable"], "9a2b3c4d5e6f")]


def test_every_answer_is_of_the_type_and_the_choices_its_variable_has(objects: Objects) -> None:
    """Through what AWX checks, JSON, and Ansible's own validation of arguments."""
    for name, question in objects["awx_objects_questions"].items():
        variable, spec = question["variable"], {"spec": [question]}
        takes = {key: value for key, value in options(variable).items() if key != "description"}
        for answer in example(question):
            assert rules.answers(spec, {variable: answer}) == [], name
            given = json.loads(json.dumps(rules.passed_on(spec, {variable: answer})))
            result = ArgumentSpecValidator({variable: {**takes, "required": False}}).validate(given)
            assert result.error_messages == [], name
        if choices := takes.get("choices"):
            assert set(rules.choices(question)) == set(choices) - {""}, f"{name}: a choice is missing"
        if question.get("default"):
            assert question["default"] == str(takes["default"]).replace("False", "false"), name


def test_the_table_says_of_arguments_what_the_playbooks_say() -> None:
    for variable, takes in OF_PLAYBOOKS.items():
        place = f"playbooks/{variable.partition('_')[0]}.yml"
        own = {name: value for play in read(place) for name, value in (play.get("vars") or {}).items()}
        if variable in own:
            assert own[variable] == takes["default"], variable
        else:
            text = (ROOT / place).read_text(encoding="utf-8")
            assert f"{variable} | default('{takes['default']}', true)" in text, variable
    # The roles that are handed these know the same choices.
    for variable, handed in (("validate_expectation", "validation_expectation"), ("restore_mode", "restore_mode")):
        assert specs()[handed]["choices"] == OF_PLAYBOOKS[variable]["choices"]


def test_a_list_in_one_text_becomes_the_list_that_was_meant() -> None:
    shared = read("roles/rollback/vars/main/shared.yml")["rollback_accepted"]
    assert templated(shared, rollback_accept=SAID["rollback_accept"]) == [
        "drop-table:categories=17", "written-since:categories"]
    assert templated(shared, rollback_accept="") == []


# An empty text is harmless in these: it is their default, or the playbook takes it for one.
EMPTY = {"rollback_confirm", "rollback_to_revision", "rollback_accept", "rollback_take_over", "rollback_impact",
         "rollback_decision", "rollback_ticket", "validate_baseline", "restore_tables", "undo_database",
         "diagnose_since"}


def test_a_question_left_open_means_not_given_whether_it_comes_empty_or_not_at_all(objects: Objects) -> None:
    for question in objects["awx_objects_questions"].values():
        variable, spec = question["variable"], {"spec": [question]}
        if question["required"]:
            assert question["default"], f"{variable}: asked, with nothing to begin with"
            continue
        assert rules.passed_on(spec, {}) == {}, f"{variable}: absent stays absent"
        if variable in EMPTY:
            assert rules.answers(spec, {variable: ""}) == []
            # Lists have no default; that an empty text is none is shown above.
            assert options(variable).get("default", []) in ("", []), f"{variable}: another"
        else:
            # AWX itself refuses an empty one, also as a default somebody adds in its form.
            assert rules.answers(spec, {variable: ""}), variable
            assert rules.passed_on({"spec": [{**question, "default": ""}]}, {}) == {}


def test_every_question_is_a_variable_of_the_playbook_that_is_asked_it(objects: Objects) -> None:
    known = specs()
    for playbook, asks in asking(objects).items():
        for name in asks:
            variable = objects["awx_objects_questions"][name]["variable"]
            if variable.startswith("rollback_"):
                assert variable in known, f"{playbook}: {variable} would be refused"
            else:
                assert variable in arguments(playbook), f"{playbook}: {variable} would be refused"


def test_the_workflow_asks_only_what_every_playbook_of_it_knows(objects: Objects) -> None:
    variables = {objects["awx_objects_questions"][name]["variable"] for name in objects["awx_objects_workflow"]["asks"]}
    assert {variable for variable in variables if not variable.startswith("rollback_")} == set()
    assert {"rollback_confirm", "rollback_accept", "rollback_take_over"} <= variables


# Secrets


def test_what_the_inventories_take_from_a_vault_is_what_credentials_inject(objects: Objects) -> None:
    taken = {name for inventory in ("production", "staging") for name in re.findall(
        r"\bvault_\w+", (ROOT / "inventories" / inventory / "group_vars" / "rollback" / "main.yml").read_text("utf-8"))}
    injected = {field["variable"] for kind in objects["awx_objects_credential_types"] for field in kind["fields"]}
    assert taken <= injected
    assert all(name.startswith("vault_") for name in injected)


def test_the_example_of_a_vault_holds_what_the_inventory_for_awx_takes_from_it() -> None:
    place = ROOT / "inventories" / "awx" / "group_vars" / "all"
    taken = re.findall(r"\{\{ (vault_\w+) \}\}", (place / "main.yml").read_text(encoding="utf-8"))
    assert set(taken) == set(yaml.safe_load((place / "vault.yml.example").read_text(encoding="utf-8")))


# Messages

PLANNED = {"recyclic_rollback": {"sites": {
    "north": {"outcome": "planned", "plan": ["alembic safe", '"restore" 17 rows']}}}}


@pytest.mark.parametrize("kind", rules.NOTIFICATIONS)
def test_the_message_of_a_plan_holds_the_plan_for_who_approves(objects: Objects, kind: str) -> None:
    job = {**rules.JOB, "artifacts": PLANNED}
    sent = "".join(rules.render(text, {**rules.CONTEXT, "job": job}) for event, _part, text in rules.each_message(
        objects["awx_objects_messages"][kind]) if event == "success")
    said = json.loads(sent)["text"] if kind == "webhook" else sent
    assert all(words in said for words in ("north: planned", "alembic safe", '"restore" 17 rows', rules.CONTEXT["url"]))


@pytest.mark.parametrize("artifacts", [{}, "$hidden due to Ansible no_log flag$", {"recyclic_rollback": {}}], ids=str)
def test_a_message_is_sent_where_artifacts_were_lost(objects: Objects, artifacts: Any) -> None:
    for kind in rules.NOTIFICATIONS:
        for event, part, text in rules.each_message(objects["awx_objects_messages"][kind]):
            shown = rules.render(text, {**rules.CONTEXT, "job": {**rules.JOB, "artifacts": artifacts}})
            if event == "success" and (kind, part) != ("email", "message"):
                assert rules.CONTEXT["url"] in shown
            if (kind, event, part) == ("email", "success", "body"):
                assert "Le plan est dans la sortie du job. / The plan is in the job's output." in shown
            assert "\n" not in shown or kind != "email" or part == "body", "a subject is one line"


def test_a_chat_gets_no_more_than_it_takes_and_mail_gets_all(objects: Objects) -> None:
    lines = [*(f"{number:03} {'a word ' * 60}" for number in range(39)), "accept: " + "drop-table:categories=17," * 60]
    sites = {f"site-{number:02}{'.example.org' * 8}": {"outcome": "planned", "plan": lines} for number in range(60)}
    job = {**rules.JOB, "artifacts": {"recyclic_rollback": {"sites": sites}}}
    for kind in rules.NOTIFICATIONS:
        sent = max((rules.render(text, {**rules.CONTEXT, "job": job}) for event, _part, text in rules.each_message(
            objects["awx_objects_messages"][kind]) if event == "success"), key=len)
        if kind == "email":
            assert all(site in sent for site in sites) and sent.count(lines[-1]) == 60
        else:
            said = json.loads(sent)["text"] if kind == "webhook" else sent
            assert len(said) <= 16383 and said.count("accept: drop-table") == 5 and said.endswith("+ 55 sites"), kind
            assert said.count("[...]") == 5


def test_an_approval_uses_only_what_awx_gives_it(objects: Objects) -> None:
    names = ("approval_status", "approval_node_name", "workflow_url", "job_metadata")
    given = {name: rules.CONTEXT[name] for name in names}
    for kind in rules.NOTIFICATIONS:
        for event, _part, text in rules.each_message(objects["awx_objects_messages"][kind]):
            if event in rules.APPROVALS:
                shown = rules.render(text, given)
                assert given["approval_node_name"] in shown or given["workflow_url"] in shown


# The workflow


def walk(objects: Objects, ends: dict[str, str]) -> tuple[set[str], str]:
    """Which nodes run where some end otherwise than well, and how AWX calls the whole: failed where a failed node has
    neither a failure nor an always path."""
    nodes = {row["node"]: row for row in objects["awx_objects_nodes"] + objects["awx_objects_approvals"]}
    ran, todo, called = set(), ["plan"], "successful"
    while todo:
        node = todo.pop()
        if node in ran:
            continue
        ran.add(node)
        told = nodes[node].get("prompts", {}).get("extra_data", {}).get("report_after_failure")
        end = ends.get(node, "failed" if told == "true" else "successful")
        handlers = nodes[node].get("failure", []) + nodes[node].get("always", [])
        if end == "successful":
            todo += nodes[node].get("success", []) + nodes[node].get("always", [])
        else:
            todo += handlers
            called = called if handlers else "failed"
    return ran, called


def test_the_workflow_goes_from_plan_to_report(objects: Objects) -> None:
    assert walk(objects, {}) == ({"plan", "approve-plan", "rollback", "validate", "report"}, "successful")


FAILED = {
    "plan": {"plan", "report-failure"},
    "approve-plan": {"plan", "approve-plan"},
    "rollback": {"plan", "approve-plan", "rollback", "diagnose", "report-failure", "approve-stop", "emergency-stop"},
    "validate": {"plan", "approve-plan", "rollback", "validate", "diagnose", "report-failure", "approve-stop",
                 "emergency-stop"},
}


@pytest.mark.parametrize("failed", FAILED)
def test_what_fails_ends_in_a_report_and_in_red(objects: Objects, failed: str) -> None:
    assert walk(objects, {failed: "failed"}) == (FAILED[failed], "failed")


def test_nothing_is_stopped_at_once_unless_somebody_said_so(objects: Objects) -> None:
    parents = [row["node"] for row in objects["awx_objects_nodes"] + objects["awx_objects_approvals"]
               for edge in ("success", "failure", "always") if "emergency-stop" in row.get(edge, [])]
    assert parents == ["approve-stop"]
    ran, called = walk(objects, {"rollback": "failed", "approve-stop": "failed"})
    assert "emergency-stop" not in ran and "report-failure" in ran and called == "failed"


def test_no_approval_turns_a_failure_green(objects: Objects) -> None:
    """Whatever is answered; and nobody is asked about what has been decided."""
    assert [row["node"] for row in objects["awx_objects_approvals"]] == ["approve-plan", "approve-stop"]
    for failed in ("plan", "rollback", "validate"):
        for answers in ({}, {"approve-stop": "failed"}, {"diagnose": "failed"}, {"emergency-stop": "failed"}):
            assert walk(objects, {failed: "failed", **answers})[1] == "failed"


def test_a_node_whose_template_asks_for_slices_is_one_job_so_that_a_limit_can_be_given(objects: Objects) -> None:
    sliced = {row["playbook"] for row in objects["awx_objects_templates"] if row.get("sliced")}
    assert {row["node"]: row.get("prompts", {}).get("job_slice_count") for row in objects["awx_objects_nodes"]} == {
        row["node"]: 1 if row["playbook"] in sliced else None for row in objects["awx_objects_nodes"]}


@pytest.mark.parametrize("rule", [
    "FREQ=DAILY;INTERVAL=1", "DTSTART;TZID=Europe/Pairs:20260105T014500 RRULE:FREQ=DAILY;INTERVAL=1",
    "DTSTART:20260105T014500Z RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=XX",
    "DTSTART:20260105T014500Z RRULE:FREQ=MONTHLY;INTERVAL=1;BYDAY=1SU",
    "DTSTART:20260105T014500Z RRULE:FREQ=SECONDLY;INTERVAL=1", "DTSTART:20260105T014500Z RRULE:FREQ=DAILY"])
def test_a_rule_of_another_form_is_refused(rule: str) -> None:
    assert rules.recurrence(rule)
    weekly = "DTSTART;TZID=Europe/Paris:20260105T014500 RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=SA,SU"
    assert rules.recurrence(weekly) is None


def test_a_message_of_an_event_that_awx_does_not_know_is_refused(objects: Objects) -> None:
    fields = {"token": "x", "channels": ["#x"]}
    messages = objects["awx_objects_messages"]["slack"]
    assert rules.notification("slack", fields, messages) is None
    assert rules.notification("slack", fields, {**messages, "changed": {"message": "x"}})


def test_a_rollback_is_never_cut_into_slices_of_its_own_accord(objects: Objects) -> None:
    sliced = {row["playbook"] for row in objects["awx_objects_templates"] if row.get("sliced")}
    assert sliced & {"rollback", "restore", "undo", "remigrate", "report"} == set()
    alone = {row["playbook"] for row in objects["awx_objects_templates"] if row.get("alone")}
    assert {"rollback", "restore", "undo", "remigrate", "backup"} <= alone and "emergency_stop" not in alone
