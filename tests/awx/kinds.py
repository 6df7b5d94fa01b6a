# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of objects the stand-in keeps: their fields, what they refer to, and their lists."""

from __future__ import annotations

import dataclasses
from typing import Any

NODES = "workflow_job_template_nodes"
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "workflow_approval_templates")
EDGES = ("success_nodes", "failure_nodes", "always_nodes")
# What a node may answer by itself, where its template asks for it. Nothing, until somebody does.
PROMPTS: dict[str, Any] = {"extra_data": {}, **dict.fromkeys((
    "inventory", "scm_branch", "job_type", "job_tags", "skip_tags", "limit", "diff_mode", "verbosity",
    "execution_environment", "forks", "job_slice_count", "timeout"))}
TOLD = {f"notification_templates_{event}": "notification_templates" for event in ("started", "success", "error")}
GROUPS = {"instance_groups": "instance_groups"}
OWNED = {"organization": "organizations"}


@dataclasses.dataclass
class Kind:
    """One resource: its fields with their defaults (which tell their types), what they refer to, its lists."""

    fields: dict[str, Any]
    refers: dict[str, str] = dataclasses.field(default_factory=dict)
    lists: dict[str, str] = dataclasses.field(default_factory=dict)
    unique: tuple[str, ...] = ("name",)
    required: tuple[str, ...] = ("name",)
    # Sent by the modules, and not theirs to set.
    ignored: tuple[str, ...] = ()


def asks(*names: str) -> dict[str, bool]:
    return {f"ask_{name}_on_launch": False for name in names}


KINDS = {
    "organizations": Kind({"name": "", "description": "", "max_hosts": 0},
                          {"default_environment": "execution_environments"},
                          {"galaxy_credentials": "credentials", **GROUPS, **TOLD}),
    "instance_groups": Kind({"name": ""}),
    "credential_types": Kind({"name": "", "description": "", "kind": "cloud", "inputs": {}, "injectors": {},
                              "managed": False}),
    "credentials": Kind({"name": "", "description": "", "inputs": {}}, {**OWNED, "credential_type": "credential_types"},
                        unique=("name", "organization", "credential_type"), required=("name", "credential_type")),
    "execution_environments": Kind({"name": "", "description": "", "image": "", "pull": ""},
                                   {**OWNED, "credential": "credentials"}, required=("name", "image")),
    "projects": Kind(
        {"name": "", "description": "", "scm_type": "", "scm_url": "", "scm_branch": "", "scm_refspec": "",
         "scm_clean": False, "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "scm_revision": "0" * 40,
         "status": "successful"},
        {**OWNED, "credential": "credentials", "default_environment": "execution_environments"}, TOLD,
        unique=("name", "organization")),
    "inventories": Kind({"name": "", "description": "", "kind": "", "host_filter": None, "variables": ""}, OWNED,
                        GROUPS, unique=("name", "organization"), required=("name", "organization")),
    "inventory_sources": Kind(
        {"name": "", "description": "", "source": "", "source_path": "", "overwrite": False, "overwrite_vars": False,
         "update_on_launch": False, "update_cache_timeout": 0, "status": "never updated"},
        {"inventory": "inventories", "source_project": "projects", "execution_environment": "execution_environments"},
        TOLD, unique=("name", "inventory"), required=("name", "inventory", "source")),
    "notification_templates": Kind(
        {"name": "", "description": "", "notification_type": "", "notification_configuration": {}, "messages": {}},
        OWNED, unique=("name", "organization"), required=("name", "organization", "notification_type")),
    "job_templates": Kind(
        {"name": "", "description": "", "job_type": "run", "playbook": "", "forks": 0, "limit": "", "extra_vars": "---",
         "allow_simultaneous": False, "job_slice_count": 1, "survey_enabled": False, "become_enabled": False,
         **asks("limit", "verbosity", "job_type", "diff_mode", "job_slice_count", "variables")},
        {"inventory": "inventories", "project": "projects", "execution_environment": "execution_environments"},
        {"credentials": "credentials", **GROUPS, **TOLD}, required=("name", "project", "playbook"),
        unique=("name", "organization"), ignored=("organization",)),
    "workflow_job_templates": Kind(
        {"name": "", "description": "", "extra_vars": "---", "allow_simultaneous": False, "survey_enabled": False,
         "limit": None, **asks("limit", "variables")},
        {**OWNED, "inventory": "inventories"},
        {**TOLD, "notification_templates_approvals": "notification_templates"}, unique=("name", "organization")),
    "workflow_job_template_nodes": Kind(
        {"identifier": "", **PROMPTS, "all_parents_must_converge": False},
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates"},
        dict.fromkeys(EDGES, "workflow_job_template_nodes"), unique=("identifier", "workflow_job_template"),
        required=("identifier", "workflow_job_template"), ignored=("type",)),
    "workflow_approval_templates": Kind({"name": "", "description": "", "timeout": 0}, unique=()),
    "schedules": Kind({"name": "", "description": "", "rrule": "", "enabled": True, "extra_data": {}},
                      {"unified_job_template": "unified_job_templates"}, unique=("name", "unified_job_template"),
                      required=("name", "rrule", "unified_job_template")),
}
