# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for AWX's API, for the modules of awx.awx: not AWX, and no proof of how AWX itself behaves.

It keeps objects as AWX 24.6 does where the modules look: lists with filters, creation, change, associations, surveys,
approvals, secrets shown as $encrypted$. It refuses what AWX refuses at load (a playbook that is not in the project, a
survey, message, rule or credential that is not well formed, a cycle in a workflow, a name twice, a second credential of
one type), and is stricter in one thing: a field it does not know is refused, where AWX ignores it.

It does not run jobs, update projects, synchronise inventories, send messages, know permissions, or fill in what AWX
computes. What it lets pass, AWX may still refuse.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import rules

API = "/api/v2/"
TOKEN = "a token of the stand-in"
HIDDEN = "$encrypted$"
UNIFIED = ("job_templates", "workflow_job_templates", "projects", "workflow_approval_templates")
EDGES = ("success_nodes", "failure_nodes", "always_nodes")
TOLD = {f"notification_templates_{event}": "notification_templates" for event in ("started", "success", "error")}
GROUPS = {"instance_groups": "instance_groups"}
OWNED = {"organization": "organizations"}


class Refused(Exception):
    """What AWX answers with a status of 400, or the one given."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


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
         "scm_clean": False, "scm_update_on_launch": False, "scm_update_cache_timeout": 0, "scm_revision": "0" * 40},
        {**OWNED, "credential": "credentials", "default_environment": "execution_environments"}, TOLD,
        unique=("name", "organization")),
    "inventories": Kind({"name": "", "description": "", "kind": "", "host_filter": None, "variables": ""}, OWNED,
                        GROUPS, unique=("name", "organization"), required=("name", "organization")),
    "inventory_sources": Kind(
        {"name": "", "description": "", "source": "", "source_path": "", "overwrite": False, "overwrite_vars": False,
         "update_on_launch": False, "update_cache_timeout": 0},
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
        {"identifier": "", "extra_data": {}, "all_parents_must_converge": False},
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates"},
        dict.fromkeys(EDGES, "workflow_job_template_nodes"), unique=("identifier", "workflow_job_template"),
        required=("identifier", "workflow_job_template"), ignored=("type",)),
    "workflow_approval_templates": Kind({"name": "", "description": "", "timeout": 0}, unique=()),
    "schedules": Kind({"name": "", "description": "", "rrule": "", "enabled": True, "extra_data": {}},
                      {"unified_job_template": "unified_job_templates"}, unique=("name", "unified_job_template"),
                      required=("name", "rrule", "unified_job_template")),
}
Thing = dict[str, Any]


class Controller:
    """The objects, and what may be done to them. `writes` counts what changed or tried to."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.things: dict[str, dict[int, Thing]] = {kind: {} for kind in KINDS}
        self.lists: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Thing] = {}
        self.writes: list[str] = []
        self.ids = itertools.count(1)

    # Looking

    def snapshot(self) -> Any:
        return copy.deepcopy((self.things, {key: ids for key, ids in self.lists.items() if ids}, self.surveys))

    def named(self, kind: str, name: str) -> Thing:
        things = self.things[kind].values()
        return next(thing for thing in things if name in (thing.get("name"), thing.get("identifier")))

    def kinds(self, kind: str) -> tuple[str, ...]:
        return UNIFIED if kind == "unified_job_templates" else (kind,)

    def get(self, kind: str, number: int) -> Thing:
        for one in self.kinds(kind):
            if number in self.things.get(one, {}):
                return self.things[one][number]
        raise Refused(f"there is no {kind} {number}", 404)

    def shown(self, kind: str, thing: Thing) -> Thing:
        """As the API gives it: secrets hidden, with its address and those of what belongs to it."""
        url = f"{API}{kind}/{thing['id']}/"
        shown = {**copy.deepcopy(thing), "type": kind.removesuffix("s").replace("inventorie", "inventory"), "url": url,
                 "summary_fields": {}, "related": {"survey_spec": f"{url}survey_spec/"}}
        if kind == "workflow_job_template_nodes" and thing["unified_job_template"]:
            number = thing["unified_job_template"]
            found = next(one for one in UNIFIED if number in self.things[one])
            shown["related"]["unified_job_template"] = f"{API}{found}/{number}/"
        for field in ("inputs", "notification_configuration") if kind != "credential_types" else ():
            for key, value in shown.get(field, {}).items():
                if value and (field == "inputs" or key in rules.PASSWORDS):
                    shown[field][key] = HIDDEN
        return shown

    def find(self, kind: str, query: dict[str, str]) -> list[tuple[str, Thing]]:
        found = []
        for one in self.kinds(kind):
            for thing in self.things[one].values():
                plain = {key: value for key, value in query.items() if not key.startswith("or__")}
                either = [str(thing[key[4:]]) == value for key, value in query.items() if key.startswith("or__")]
                if set(plain) - set(thing) and one == kind:
                    raise Refused(f"{kind} has no field {sorted(set(plain) - set(thing))}")
                if all(str(thing.get(key)) == value for key, value in plain.items()) and (any(either) or not either):
                    found.append((one, thing))
        return found

    # Changing

    def save(self, kind: str, sent: Thing, number: int | None = None) -> Thing:
        """Create or change; nothing is kept of what is refused."""
        rule, old = KINDS[kind], self.things[kind].get(number or 0)
        sent = {key: value for key, value in sent.items() if key not in rule.ignored}
        thing = copy.deepcopy(old) if old else {**copy.deepcopy(rule.fields), **dict.fromkeys(rule.refers)}
        for key, value in sent.items():
            if key in rule.refers:
                if value is not None:
                    self.get(rule.refers[key], value)
            elif key not in rule.fields:
                raise Refused(f"{kind}: unknown field {key}")
            elif rule.fields[key] is not None and type(value) is not type(rule.fields[key]):
                raise Refused(f"{kind}: {key} is of another type: {value!r}")
        thing.update(copy.deepcopy(sent))
        if missing := [key for key in rule.required if thing.get(key) in (None, "")]:
            raise Refused(f"{kind}: {missing} missing")
        if kind == "job_templates":
            thing["organization"] = self.get("projects", thing["project"])["organization"]
        if any(all(other.get(key) == thing.get(key) for key in rule.unique) and other["id"] != number
               for other in self.things[kind].values()) and rule.unique:
            raise Refused(f"{kind}: {thing.get('name')} is there already")
        if kind in CHECKS:
            CHECKS[kind](self, thing, old)
        thing["id"] = number or next(self.ids)
        self.things[kind][thing["id"]] = thing
        return thing

    def associate(self, kind: str, number: int, name: str, sent: Thing) -> None:
        other, ids = KINDS[kind].lists[name], self.lists.setdefault((kind, number, name), [])
        if sent.get("disassociate"):
            ids.remove(sent["id"])
            return
        thing = self.get(other, sent["id"])
        types = [self.get(other, one).get("credential_type") for one in ids]
        if name == "credentials" and thing["credential_type"] in types:
            raise Refused("a second credential of this type")
        if name in EDGES:
            if thing["workflow_job_template"] != self.get(kind, number)["workflow_job_template"]:
                raise Refused("a node of another workflow")
            if any(sent["id"] in self.lists.get((kind, number, edge), []) for edge in EDGES if edge != name):
                raise Refused("the two nodes are linked in another way already")
            if number in self.reached(sent["id"]):
                raise Refused("a cycle")
        ids.append(sent["id"])

    def reached(self, node: int) -> set[int]:
        """Where a workflow can get to from a node, itself included."""
        found, todo = {node}, [node]
        while todo:
            one = todo.pop()
            for edge in EDGES:
                new = set(self.lists.get(("workflow_job_template_nodes", one, edge), [])) - found
                found |= new
                todo += new
        return found

    def linked(self, node: str, edge: str) -> set[str]:
        """The nodes a node leads to, by their identifiers."""
        kind = "workflow_job_template_nodes"
        ids = self.lists.get((kind, self.named(kind, node)["id"], edge), [])
        return {self.things[kind][number]["identifier"] for number in ids}

    # Requests

    def answer(self, method: str, path: str, query: dict[str, str], sent: Thing) -> tuple[int, Any]:
        parts = path.removeprefix(API).strip("/").split("/")
        kind, number, part = parts[0], int(parts[1]) if len(parts) > 1 else None, parts[2] if len(parts) > 2 else None
        if method != "GET":
            self.writes.append(f"{method} {path} {json.dumps(sent)[:200]}")
        if kind not in (*KINDS, "unified_job_templates"):
            raise Refused(f"there is no {path}", 404)
        if number is None:
            if method == "POST":
                return 201, self.shown(kind, self.save(kind, sent))
            return 200, page([self.shown(one, thing) for one, thing in self.find(kind, query)])
        self.get(kind, number)
        if part is None:
            return 200, self.shown(kind, self.save(kind, sent, number) if method == "PATCH" else self.get(kind, number))
        if part == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            if method == "POST":
                if reason := rules.survey(sent):
                    raise Refused(reason)
                self.surveys[number] = sent
            return 200, self.surveys.get(number, {})
        if part == "create_approval_template" and kind == "workflow_job_template_nodes":
            approval = self.save("workflow_approval_templates", sent)
            self.get(kind, number)["unified_job_template"] = approval["id"]
            return 201, self.shown("workflow_approval_templates", approval)
        if part not in KINDS[kind].lists:
            raise Refused(f"there is no {path}", 404)
        if method == "POST":
            self.associate(kind, number, part, sent)
            return 204, None
        other = KINDS[kind].lists[part]
        return 200, page([self.shown(other, self.get(other, one)) for one in self.lists.get((kind, number, part), [])])


def page(results: list[Thing]) -> Thing:
    return {"count": len(results), "next": None, "previous": None, "results": results}


def _playbook(store: Controller, thing: Thing, _old: Thing | None) -> None:
    if not (store.project / thing["playbook"]).is_file():
        raise Refused(f"job_templates: playbook {thing['playbook']} is not in the project")


def _credential_type(_store: Controller, thing: Thing, _old: Thing | None) -> None:
    fields = [field["id"] for field in thing["inputs"].get("fields", []) if {"id", "label", "type"} <= set(field)]
    if thing["kind"] not in ("cloud", "net") or len(set(fields)) != len(thing["inputs"].get("fields", [])):
        raise Refused("credential_types: kind cloud or net, each field with its own id, a label and a type")
    for name, text in thing["injectors"].get("extra_vars", {}).items():
        if not re.fullmatch(r"[a-zA-Z_]\w*", name):
            raise Refused(f"credential_types: {name} is no name of a variable")
        rules.render(text, dict.fromkeys(fields, "secret"))


def _credential(store: Controller, thing: Thing, old: Thing | None) -> None:
    kind = store.get("credential_types", thing["credential_type"])
    if unknown := set(thing["inputs"]) - {field["id"] for field in kind["inputs"].get("fields", [])}:
        raise Refused(f"credentials: the type has no field {sorted(unknown)}")
    for key, value in thing["inputs"].items():
        if value == HIDDEN and old:
            thing["inputs"][key] = old["inputs"][key]


def _notification(_store: Controller, thing: Thing, _old: Thing | None) -> None:
    if reason := rules.notification(thing["notification_type"], thing["notification_configuration"], thing["messages"]):
        raise Refused(reason)


def _schedule(_store: Controller, thing: Thing, _old: Thing | None) -> None:
    if reason := rules.recurrence(thing["rrule"]):
        raise Refused(reason)


CHECKS: dict[str, Callable[[Controller, Thing, Thing | None], None]] = {
    "job_templates": _playbook, "credential_types": _credential_type, "credentials": _credential,
    "notification_templates": _notification, "schedules": _schedule}


@contextmanager
def serve(store: Controller) -> Iterator[str]:
    """The address at which it answers."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: Any) -> None:
            """Keeps quiet."""

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            try:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    raise Refused("who is it?", 401)
                with lock:
                    status, body = store.answer(self.command, url.path, dict(parse_qsl(url.query)), sent)
            except Refused as refusal:
                reason = str(refusal)
                status, body = refusal.status, {"__all__": [reason], "error": reason, "detail": reason}
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for header, value in {"Content-Type": "application/json", "Content-Length": str(len(text)),
                                  "X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}.items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PATCH = do_DELETE = do_GET

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
