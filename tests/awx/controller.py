# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stand-in for AWX's API, for the modules of awx.awx: not AWX, and no proof of how AWX itself behaves.

It keeps objects as AWX 24.6 does where the modules look: lists with filters, creation, change, removal, associations,
surveys, approvals, secrets shown as $encrypted$. It refuses what AWX refuses at load (a playbook that is not in the
project, a survey, message, rule or credential that is not well formed, a cycle in a workflow, a node's answer that its
template does not ask for, a name twice, a second credential of one type), and is stricter in one thing: a field it does
not know is refused, where AWX ignores it. After each write it notes what a launch of the workflow would run.

It does not run jobs, update projects or synchronise inventories (it says that it did), send messages, know permissions,
or fill in what AWX computes. What it lets pass, AWX may still refuse.
"""

from __future__ import annotations

import copy
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
from kinds import EDGES, KINDS, NODES, PROMPTS, UNIFIED

API = "/api/v2/"
TOKEN = "a token of the stand-in"
HIDDEN = "$encrypted$"
MESSAGES = ("started", "success", "error", "workflow_approval")
Thing = dict[str, Any]


class Refused(Exception):
    """What AWX answers with a status of 400, or the one given."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Controller:
    """The objects, and what may be done to them. `writes` counts what changed or tried to; `moments` holds, for each
    of them, what could run unapproved after it."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.things: dict[str, dict[int, Thing]] = {kind: {} for kind in KINDS}
        self.lists: dict[tuple[str, int, str], list[int]] = {}
        self.surveys: dict[int, Thing] = {}
        self.writes: list[str] = []
        self.moments: list[tuple[str, set[str], set[str]]] = []
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
                 "summary_fields": {}, "related": {"survey_spec": f"{url}survey_spec/", "update": f"{url}update/"}}
        if kind == NODES:
            shown |= {edge: list(self.lists.get((kind, thing["id"], edge), [])) for edge in EDGES}
        if kind == NODES and (number := thing["unified_job_template"]):
            found = self.runs(thing)
            shown["related"]["unified_job_template"] = f"{API}{found}/{number}/"
            shown["summary_fields"]["unified_job_template"] = {
                "id": number, "unified_job_type": "job" if found == "job_templates" else "workflow_approval"}
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
        if kind == "notification_templates" and old:
            thing["messages"] = {**dict.fromkeys(MESSAGES), **thing["messages"]}
        thing["id"] = number or next(self.ids)
        self.things[kind][thing["id"]] = thing
        return thing

    def delete(self, kind: str, number: int) -> None:
        """With what led to it; a node with its approval."""
        gone = self.things[kind].pop(number)
        if kind == NODES:
            self.things["workflow_approval_templates"].pop(gone["unified_job_template"], None)
        for (owner, one, name), ids in list(self.lists.items()):
            if (owner, one) == (kind, number):
                del self.lists[owner, one, name]
            elif KINDS[owner].lists[name] == kind and number in ids:
                ids.remove(number)

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

    # The workflow

    def runs(self, node: Thing) -> str:
        """What kind of template a node has."""
        return next((one for one in UNIFIED if node["unified_job_template"] in self.things[one]), "")

    def children(self, node: int, *edges: str) -> set[int]:
        return {child for edge in edges or EDGES for child in self.lists.get((NODES, node, edge), [])}

    def reached(self, node: int) -> set[int]:
        """Where a workflow can get to from a node, itself included."""
        found, todo = {node}, [node]
        while todo:
            new = self.children(todo.pop()) - found
            found |= new
            todo += new
        return found

    def unapproved(self) -> tuple[set[str], set[str]]:
        """Of a launch at this moment: the nodes with a job template that start at once, and all that might follow with
        nobody's consent. A node without a template counts as failed; an approval as denied."""
        nodes = self.things[NODES]
        roots = set(nodes) - {child for node in nodes for child in self.children(node)}
        seen, todo = set(roots), list(roots)
        while todo:
            node = todo.pop()
            job = self.runs(nodes[node]) == "job_templates"
            new = self.children(node, *(() if job else ("failure_nodes", "always_nodes"))) - seen
            seen |= new
            todo += new

        def jobs(some: set[int]) -> set[str]:
            return {nodes[one]["identifier"] for one in some if self.runs(nodes[one]) == "job_templates"}

        return jobs(roots), jobs(seen)

    def drawn(self) -> Thing:
        """The workflow's nodes: what each runs, where it leads, and what it answers by itself."""
        return {node["identifier"]: (
            self.get("unified_job_templates", node["unified_job_template"])["name"],
            {edge: self.linked(node["identifier"], edge) for edge in EDGES},
            {name: node[name] for name in PROMPTS if node[name] not in (None, {})})
            for node in self.things[NODES].values()}

    def linked(self, node: str, edge: str) -> set[str]:
        """The nodes a node leads to, by their identifiers."""
        children = self.children(self.named(NODES, node)["id"], edge)
        return {self.things[NODES][number]["identifier"] for number in children}

    # Requests

    def answer(self, method: str, path: str, query: dict[str, str], sent: Thing) -> tuple[int, Any]:
        if method == "GET":
            return self.act(method, path, query, sent)
        write = f"{method} {path} {json.dumps(sent)[:200]}"
        self.writes.append(write)
        done = self.act(method, path, query, sent)
        self.moments.append((write, *self.unapproved()))
        return done

    def act(self, method: str, path: str, query: dict[str, str], sent: Thing) -> tuple[int, Any]:
        parts = path.removeprefix(API).strip("/").split("/")
        kind, number, part = parts[0], int(parts[1]) if len(parts) > 1 else None, parts[2] if len(parts) > 2 else None
        if kind in ("inventory_updates", "project_updates"):
            return 200, {"id": number, "status": "successful", "finished": "2026-01-05T01:45:00Z", "failed": False,
                         "scm_revision": "0" * 40}
        if kind not in (*KINDS, "unified_job_templates"):
            raise Refused(f"there is no {path}", 404)
        if number is None:
            if method == "POST":
                return 201, self.shown(kind, self.save(kind, sent))
            return 200, page([self.shown(one, thing) for one, thing in self.find(kind, query)])
        self.get(kind, number)
        if part is None and method == "DELETE":
            self.delete(kind, number)
            return 204, None
        if part == "update" and kind in ("inventory_sources", "projects"):
            self.get(kind, number)["status"] = "successful"
            if kind == "projects":
                self.get(kind, number)["scm_revision"] = "0" * 40
            updates = {"inventory_sources": "inventory_updates", "projects": "project_updates"}[kind]
            return 202, {"id": number, "status": "pending", "url": f"{API}{updates}/{number}/"}
        if part is None:
            return 200, self.shown(kind, self.save(kind, sent, number) if method == "PATCH" else self.get(kind, number))
        if part == "survey_spec" and kind in ("job_templates", "workflow_job_templates"):
            if method == "POST":
                if reason := rules.survey(sent):
                    raise Refused(reason)
                self.surveys[number] = sent
            return 200, self.surveys.get(number, {})
        if part == "create_approval_template" and kind == NODES:
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
    # Before its first update has succeeded a project has none.
    updated = store.get("projects", thing["project"])["scm_revision"]
    if not updated or not (store.project / thing["playbook"]).is_file():
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


def _node(store: Controller, thing: Thing, _old: Thing | None) -> None:
    template = next((store.things[kind][number] for kind in UNIFIED for number in [thing["unified_job_template"]]
                     if number in store.things[kind]), None)
    if template is None:
        thing.update(copy.deepcopy(PROMPTS))
        return
    spec = store.surveys.get(template["id"], {"spec": []}) if template.get("survey_enabled") else {"spec": []}
    asked = {question["variable"]: question for question in spec["spec"]}
    for name, value in thing["extra_data"].items():
        if name not in asked and not template.get("ask_variables_on_launch"):
            raise Refused(f"{NODES}: variable {name} is not asked for")
        if name in asked and (wrong := rules.answers({"spec": [asked[name]]}, {name: value})):
            raise Refused(f"{NODES}: {wrong}")
    for name in PROMPTS:
        if (name != "extra_data" and thing[name] is not None and thing[name] != template.get(name)
                and not template.get(f"ask_{name.removeprefix('job_') if name.endswith('tags') else name}_on_launch")):
            raise Refused(f"{NODES}: {name} is not asked for")


CHECKS: dict[str, Callable[[Controller, Thing, Thing | None], None]] = {
    "job_templates": _playbook, "credential_types": _credential_type, "credentials": _credential, NODES: _node,
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
