#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose_info
short_description: Gather what tells why the application is slow, wrong or down
version_added: 0.1.0
description:
  - Reads the logs of the project's services, the database's sessions and tables, the containers, the disks and the
    revisions, and names probable causes with the next command to type. Changes nothing and takes no lock.
  - Writes what it read into a new directory, C(diagnoses/) and the moment, in O(state_dir). Secrets are masked before
    anything is written.
  - Works with the database or the engine down. What cannot be told is said with the reason, and the rest goes on.
    With O(runtime=host) there are containers and logs only where O(compose) names a project.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.common.attributes
  - recyclic.rollback.common.info
  - recyclic.rollback.alembic
attributes:
  check_mode:
    support: full
    details:
      - The diagnosis is written in check mode as well; it is all the module makes.
options:
  state_dir:
    description:
      - The state directory. The diagnosis is written below it, with mode 0700 and files 0600, and never over another.
    type: path
    required: true
  since:
    description:
      - Since when logs are read - a moment in ISO 8601, UTC unless it says otherwise, or an age such as V(30m), V(2h)
        or V(1d). By default since the last run on this database began, or for an hour where there was none.
    type: str
    default: ''
  services:
    description:
      - The services whose logs are read. Empty for all of the project.
    type: list
    elements: str
    default: []
  patterns:
    description:
      - By service, the regular expressions, case-insensitive, whose matching lines are counted and kept apart. Empty
        for V(migration) in the application's and the migrations service, and V(error) in the database's.
    type: dict
    default: {}
  applications:
    description:
      - The services of the application, which should run.
    type: list
    elements: str
    default: [api]
  tables:
    description:
      - The migration's own tables.
    type: list
    elements: str
    default: []
  migration:
    description:
      - The migration's revision. Where it is applied its tables must hold rows.
    type: str
    default: ''
  longest:
    description:
      - How many of the longest running queries are kept.
    type: int
    default: 10
"""

EXAMPLES = r"""
- name: Why is the application slow?
  recyclic.rollback.diagnose_info:
    login_db: recyclic
    runtime: compose
    compose:
      directory: /srv/recyclic
    state_dir: /var/lib/recyclic-rollback
    since: 30m
    tables: [categories]
    migration: k1l2m3n4o5p6
  register: diagnosis
"""

RETURN = r"""
directory:
  description:
    - Where everything was written - C(summary.md), C(logs/), C(database.json), C(containers.json), C(disk.json),
      C(heads.json).
  type: str
  returned: success
files:
  description: The files in it, by their paths from there.
  type: list
  elements: str
  returned: success
since:
  description: Since when logs were read.
  type: str
  returned: success
causes:
  description: The probable causes, most urgent first - C(id), C(text) and the C(next) command.
  type: list
  elements: dict
  returned: success
counts:
  description: By service, how many log lines match each pattern.
  type: dict
  returned: success
unavailable:
  description: By part, why it could not be told.
  type: dict
  returned: success
lines:
  description: The causes and what could not be told, in a few lines, in the operator's language.
  type: list
  elements: str
  returned: success
summary:
  description: The content of C(summary.md).
  type: str
  returned: success
"""

import os
import re
import time
import typing as t
from datetime import datetime, timezone

from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import environment_from, prefix_of
from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._causes import Scene, causes
from ansible_collections.recyclic.rollback.plugins.module_utils._compose import Project, layout_from
from ansible_collections.recyclic.rollback.plugins.module_utils._compose_runtime import ComposeRuntime
from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    DatabaseError,
    Limits,
    session_name,
    target_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose import (
    container_facts,
    database_facts,
    disk_facts,
    history_facts,
    image_facts,
    moment,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose_logs import clean, read_service
from ansible_collections.recyclic.rollback.plugins.module_utils._diagnose_summary import lines, markdown
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import Container, Docker
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    StateDirectory,
    private_directory,
    write_file,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import Ground, ground_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import last_report
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import HostRuntime, Program

# What a diagnosis asks of a server in trouble is bounded, in milliseconds.
LIMITS = Limits(lock_timeout_ms=1000, statement_timeout_ms=10000)


class Diagnosis:
    """One look at everything; a part that cannot be had leaves its reason and keeps nothing else back."""

    def __init__(self, params, redact):
        self.params, self.redact, self.language = params, redact, params["language"]
        self.state = StateDirectory(params["state_dir"])
        self.since = moment(params["since"], self.state, params["login_db"])
        self.patterns = compiled(params["patterns"])
        self.project: Project | None = None
        self.ground: Ground | None = None
        self.connection: t.Any = None
        self.every: list[Container] = []
        self.scene = Scene(self.language, self.sql, self.shown, params["applications"],
                           last_run=last_report(self.state, params["login_db"]))
        self.directory = ""

    def part(self, name, work, *arguments):
        """Do one part and return what it gives; None, and the reason kept, where it cannot."""
        try:
            return work(*arguments)
        except Problem as problem:
            why = {"key": problem.key, "text": say(self.language, problem.key, **problem.facts),
                   "command": str(problem.facts.get("command", ""))}
        except (DatabaseError, OSError, ValueError, LookupError) as error:
            # Of an answer that is not as expected, the text alone may be no more than a key.
            said = str(error).strip() if isinstance(error, (DatabaseError, OSError)) else repr(error)
            why = {"key": "part_not_read", "text": say(self.language, "part_not_read", error=said), "command": ""}
        self.scene.unavailable[name] = {key: self.redact(text) for key, text in why.items()}
        return None

    def find_project(self):
        """The project; with runtime host too where one is named."""
        options = self.params["compose"]
        if self.params["runtime"] == "host" and not (options and options["directory"]):
            raise Refusal("no_project")
        project = Project(Docker(self.redact), layout_from(options))
        self.scene.database_service, self.scene.migrations_service = project.layout.database, project.layout.migrations
        return project

    def look(self):
        """Read every part, and write each where it belongs."""
        scene, params = self.scene, self.params
        self.project = self.part("project", self.find_project)
        if self.project:
            # Its secrets have to be known before anything is written.
            self.part("compose.config", lambda: self.project.config)
            self.every = self.part("containers", self.project.containers) or []
        self.ground = self.part("database", ground_from, params, self.redact)
        self.directory = new_directory(self.state)
        if self.ground or params["login_host"] or params["login_unix_socket"]:
            # Said explicitly, the server may be reached even where the engine cannot be asked.
            scene.unavailable.pop("database", None)
            self.connection = self.part("database", self.connect)
        try:
            if self.connection:
                scene.database = self.masked(self.part(
                    "database", database_facts, self.connection, params["tables"], params["longest"],
                    (params["version_table"], params["version_schema"]), self.redact) or {})
            scene.heads = self.masked(self.part("heads", self.heads) or {})
        finally:
            if self.connection:
                self.connection.close()
        if self.project and "containers" not in scene.unavailable:
            scene.containers = self.masked(self.part("containers", container_facts, self.project, self.every))
            self.part("logs", self.read_logs, self.project)
        database = next((each for each in self.every if each.service == scene.database_service and not each.oneoff),
                        None)
        scene.disk = self.part("disk", disk_facts, self.project, self.state.path, database) or []
        for name in ("database", "containers", "disk", "heads"):
            why = scene.unavailable.get(name) or scene.unavailable.get("project") or {"text": "-"}
            told = getattr(scene, name) or {"unavailable": why["text"]}
            self.part(f"{name}.json", write_json, os.path.join(self.directory, f"{name}.json"), told)

    def connect(self):
        """A session, bounded."""
        target = self.ground.target if self.ground else target_from(self.params)
        return target.connect(session_name(None, "diagnose"), LIMITS)

    def heads(self):
        """What is recorded, against what the images, or the host's environment, hold."""
        params = self.params
        recorded = self.scene.database.get("recorded_heads")
        if params["runtime"] == "host":
            if not self.connection:
                raise Refusal("heads_need_database")
            environment = environment_from(params, HostRuntime(params["pg_bin_dir"]), self.redact)
            sight = environment.look_from(self.connection, prefix_of(None), LIMITS)
            return {"recorded": recorded, "applications": {}, "migrations": history_facts(
                sight.graph, params["alembic_config"], recorded, params["migration"])}
        if not self.project:
            return {"recorded": recorded, "applications": {}, "migrations": {}}
        # On an image alone; the database's container, which may be down, has no part in it.
        runtime = ComposeRuntime(self.project, t.cast(Container, None), None)
        return image_facts(runtime, self.every, recorded, params["applications"], params["migration"],
                           params["alembic_config"], params["alembic_python"])

    def read_logs(self, project):
        """The log of every service that was asked for and has a container."""
        directory = os.path.join(self.directory, "logs")
        os.mkdir(directory, 0o700)
        patterns = self.patterns or compiled({
            **dict.fromkeys([*self.params["applications"], self.scene.migrations_service], "migration"),
            self.scene.database_service: "error"})
        present = {each.service for each in self.every}
        for service in self.params["services"] or sorted(present):
            if service not in present:
                # Refused for a name nobody knows; one that was never started has written nothing.
                self.part(f"logs/{service}.log", project.service, service, "diagnose_services")
                continue
            mine = [(each.id, each.name) for each in self.every if each.service == service]
            found = self.part(f"logs/{service}.log", read_service, project.docker, mine, self.since, directory,
                              service, patterns.get(service, {}))
            if found:
                self.scene.logs[service] = found.describe()

    def masked(self, found):
        """The same without secrets, whoever wrote them there."""
        if isinstance(found, dict):
            return {key: self.masked(each) for key, each in found.items()}
        if isinstance(found, (list, tuple)):
            return [self.masked(each) for each in found]
        return clean(self.redact, found) if isinstance(found, str) else found

    def sql(self, statement):
        """The command that runs a statement, as an operator types it."""
        if not self.ground:
            return f"psql -d {self.params['login_db']} -c '{statement}'"
        target, runtime = self.ground.target, self.ground.runtime
        place = (["--username", target.params["user"], "--dbname", target.database] if target.inside
                 else ["--dbname", target.dsn()])
        return runtime.shown(Program(["psql", *place, "--command", statement]))

    def shown(self, *words):
        """The same of a command of Compose; also where Compose itself is not there."""
        try:
            return t.cast(Project, self.project).shown(*words)
        except Problem:
            return " ".join(["docker compose", *words])


def compiled(patterns):
    """The patterns by service, ready to search. Raises Refusal naming one that is no regular expression."""
    found: dict[str, dict[str, re.Pattern[str]]] = {}
    for service, given in patterns.items():
        for pattern in given if isinstance(given, list) else [given]:
            try:
                found.setdefault(service, {})[str(pattern)] = re.compile(str(pattern), re.IGNORECASE)
            except re.error as error:
                raise Refusal("pattern_invalid", pattern=str(pattern), error=str(error)) from error
    return found


def new_directory(state):
    """A directory of this diagnosis alone, named by the moment."""
    parent = private_directory(os.path.join(state.path, "diagnoses"))
    while True:
        path = os.path.join(parent, f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}Z")
        try:
            os.mkdir(path, 0o700)
            return path
        except FileExistsError:
            time.sleep(0.2)


def diagnose(module, redact):
    params = module.params
    diagnosis = Diagnosis(params, redact)
    diagnosis.look()
    scene, directory = diagnosis.scene, diagnosis.directory
    found = diagnosis.masked(causes(scene))
    told = diagnosis.masked(lines(scene, found, params["login_db"], diagnosis.since, directory))
    summary = diagnosis.masked(markdown(scene, told))
    diagnosis.part("summary.md", write_file, os.path.join(directory, "summary.md"), summary)
    files = [os.path.relpath(os.path.join(place, name), directory)
             for place, _names, names in os.walk(directory) for name in names]
    return {"changed": False, "directory": directory, "files": sorted(files), "since": diagnosis.since,
            "causes": found, "lines": told, "summary": summary,
            "counts": {service: log["matches"] for service, log in scene.logs.items()},
            "unavailable": {part: why["text"] for part, why in scene.unavailable.items()}}


def main():
    run(diagnose, {
        "state_dir": {"type": "path", "required": True},
        "since": {"type": "str", "default": ""},
        "services": {"type": "list", "elements": "str", "default": []},
        "patterns": {"type": "dict", "default": {}},
        "applications": {"type": "list", "elements": "str", "default": ["api"]},
        "tables": {"type": "list", "elements": "str", "default": []},
        "migration": {"type": "str", "default": ""},
        "longest": {"type": "int", "default": 10},
        **version_spec(),
    }, alembic=True, supports_check_mode=True)


if __name__ == "__main__":
    main()
