#!/usr/bin/python
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: functional_check
short_description: Ask the application itself whether it is well
version_added: 0.2.0
description:
  - Asks HTTP addresses until all of them are well, reads logs and memory, runs the application's own tests, and judges
    each. A check that fails does not fail the module; see RV(passed).
  - What it found is written to C(functional.json) in O(run_dir), what a command printed to C(command-ID.log) there,
    mode 0600, without secrets, at most 1 MiB.
author:
  - the recyclic.rollback maintainers (@recyclic)
extends_documentation_fragment:
  - recyclic.rollback.common
  - recyclic.rollback.common.version
  - recyclic.rollback.common.attributes
attributes:
  check_mode:
    support: partial
    details:
      - HTTP requests other than GET and HEAD, and commands, are skipped; nothing is written.
  diff_mode:
    support: N/A
    details:
      - Nothing is changed but by the commands that are run.
  idempotent:
    support: full
    details:
      - Evidence does not count as a change. What a command does is its own affair.
options:
  checks:
    description:
      - What to ask. Each check has exactly one of C(http), C(log), C(memory) and C(command). Services exist only with
        O(runtime=compose); without it, all but C(http) with a C(url) are skipped. So is what is asked of a service that
        was not running when the run of O(run_dir) came to stop it, and still is not; commands are run all the same.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The check's name in results and reports.
        type: str
        required: true
      expectation:
        description: The state the check belongs to.
        type: str
        choices: [any, rolled_back, migrated]
        default: any
      severity:
        description: Whether a failure is one, or only a warning.
        type: str
        choices: [fail, warn]
        default: fail
      http:
        description:
          - A request. It is repeated, see O(watch_s), and each ends after 10 seconds. Redirects are followed on the
            same host and port only.
          - An answer of 401 or 403 where no header was given is a warning - it asks for credentials.
        type: dict
        suboptions:
          url:
            description: The address. Either this or C(service).
            type: str
          service:
            description: The service to ask, at its container's published port or own address.
            type: str
          port:
            description: The service's port inside its container.
            type: int
            default: 8000
          path:
            description: The path asked of the service.
            type: str
            default: /
          method:
            description: The method.
            type: str
            default: GET
          headers:
            description: Headers besides O(http_headers); they win. As secret as those.
            type: dict
            default: {}
          status:
            description: The statuses that are right.
            type: list
            elements: int
            default: [200]
          body:
            description: A regular expression that must be found in the first MiB of the answer.
            type: str
          max_ms:
            description: How long the answer may take, in milliseconds; the median of the last three is judged.
            type: int
          max_ratio:
            description:
              - How many times as long as in the baseline the answer may take. Less than 200 milliseconds is never too
                long. Without a baseline the time is reported and not judged by it.
            type: float
            default: 3.0
      log:
        description: Lines of a service's containers since O(since).
        type: dict
        suboptions:
          service:
            description: The service.
            type: str
            required: true
          pattern:
            description: A regular expression for the lines to count.
            type: str
            default: '\b(ERROR|FATAL|PANIC)\b'
          ignore:
            description:
              - Regular expressions for lines not to count. What a rollback itself causes is never counted - sessions
                ended by an administrator's command or by a lost client, statements cancelled by a lock timeout or at a
                user's request, and databases being accessed by other users.
            type: list
            elements: str
            default: []
          max:
            description: How many such lines are right.
            type: int
            default: 0
      memory:
        description: What a service's containers use of memory.
        type: dict
        suboptions:
          service:
            description: The service.
            type: str
            required: true
          max_ratio:
            description: How many times as much as when this run stopped it. Not judged where this run did not.
            type: float
            default: 2.0
          max_bytes:
            description: The most it may use, in bytes.
            type: int
      command:
        description:
          - A command run once in a new container of a service, without what that depends on. It fails, whatever its
            severity, if the recorded revisions change meanwhile.
        type: dict
        suboptions:
          service:
            description: The service.
            type: str
            required: true
          argv:
            description: The command. By default the service's own.
            type: list
            elements: str
            default: []
          environment:
            description: Variables it is given besides. Values under a telling name are masked everywhere.
            type: dict
            default: {}
          rc:
            description: The statuses that are right.
            type: list
            elements: int
            default: [0]
          stdout:
            description: A regular expression that must be found in what it prints.
            type: str
          timeout:
            description: How long it may take, in seconds. Then it is ended.
            type: int
            default: 600
  expectation:
    description:
      - The state the database is in. Checks of the other state are left out.
    type: str
    choices: [rolled_back, migrated]
    default: rolled_back
  measure:
    description:
      - Whether to measure. Otherwise the checks are only read, and refused where they could not be measured - before
        anything depends on them.
    type: bool
    default: true
  http_headers:
    description:
      - Headers of every request, such as C(Authorization). Their values are masked everywhere.
    type: dict
    default: {}
  watch_s:
    description:
      - How long to wait, in seconds, until all HTTP checks are well in three rounds in a row. Other checks are measured
        once, after that.
    type: int
    default: 60
  since:
    description:
      - The moment from which logs are read, ISO 8601; by default the start of the run of O(run_dir). Without either,
        logs are skipped.
    type: str
    default: ''
  state_dir:
    description:
      - The state directory, where baselines are kept. Without it there are none.
    type: path
  record_baseline:
    description:
      - Keep the response times as the baseline, if all passed. Refused in a run of another playbook than
        C(validate.yml) - what is measured during an incident is no yardstick.
    type: bool
    default: false
  resume_environment:
    description:
      - Variables that fill the Compose files in, as they did when the services were started again.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Is the application well?
  recyclic.rollback.functional_check:
    login_db: recyclic
    runtime: compose
    compose:
      directory: /srv/recyclic
    checks:
      - id: api-categories
        http:
          service: api
          path: /api/v1/categories/
          max_ms: 1000
      - id: api-tests
        command:
          service: api-tests
      # The application's own script expects categories.
      - id: no-category
        expectation: rolled_back
        command:
          service: api-migrations
          argv: [python3, /app/api/validate_migration.py]
          rc: [1]
          stdout: no category found
    http_headers:
      Authorization: "Bearer {{ vault_api_token }}"
  register: functional
"""

RETURN = r"""
results:
  description: The judgement of each check that applies.
  type: list
  elements: dict
  returned: success
  contains:
    id:
      description: The check.
      type: str
    expected:
      description: What was expected, in words.
      type: str
    observed:
      description: What was found, in words.
      type: str
    result:
      description: V(pass), V(fail), V(warn) or V(skip).
      type: str
    severity:
      description: V(fail) or V(warn).
      type: str
passed:
  description: Whether no check failed.
  type: bool
  returned: success
measures:
  description: By check id, what was measured - milliseconds, lines, bytes, a command's status, seconds and output file.
  type: dict
  returned: success
watched_s:
  description: How long the HTTP checks were watched, in seconds.
  type: float
  returned: success
baseline:
  description: The file the baseline was written to; empty where it was not.
  type: str
  returned: success
told:
  description: What to say to the operator when one failed.
  type: str
  returned: success
"""

import os

from ansible_collections.recyclic.rollback.plugins.module_utils._arguments import run, version_spec
from ansible_collections.recyclic.rollback.plugins.module_utils._checks import name_failed, passed
from ansible_collections.recyclic.rollback.plugins.module_utils._database import recorded_heads, session_name, slug_of
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import (
    Journal,
    now,
    read_json,
    run_id_of,
    write_json,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._functional import (
    Finding,
    as_result,
    baseline_of,
    baseline_path,
    functional_spec,
    kind_of,
    record_baseline,
    require_sound,
    secrets_of,
    service_of,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._functional_http import watch_checks
from ansible_collections.recyclic.rollback.plugins.module_utils._functional_services import (
    Asked,
    at_rest,
    measure,
    memory_used,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._ground import ground_from, project_from
from ansible_collections.recyclic.rollback.plugins.module_utils._messages import say
from ansible_collections.recyclic.rollback.plugins.module_utils._run import META


def functional(module, redact):
    params, language = module.params, module.params["language"]
    checks = [check for check in params["checks"] if check["expectation"] in ("any", params["expectation"])]
    filled = {str(name): str(text) for name, text in params["resume_environment"].items()}
    if not params["measure"]:
        require_sound(params["checks"], project_from(params, redact), filled)
        return answer([], {}, 0.0, "", language)
    run_dir = params["run_dir"]
    meta = (read_json(os.path.join(run_dir, META)) if run_dir else None) or {}
    if params["record_baseline"] and meta.get("playbook", "validate") != "validate":
        raise Refusal("baseline_only_by_validate", playbook=meta["playbook"])
    with Journal(run_dir).step("functional") as step:
        ground = ground_from(params, redact)
        require_sound(params["checks"], ground.project, filled)
        run_id = run_id_of(run_dir)

        def heads():
            with ground.target.open(session_name(run_id, "functional")) as connection:
                return recorded_heads(connection, params["version_table"], params["version_schema"])

        path = ""
        if params["state_dir"]:
            path = baseline_path(params["state_dir"], meta.get("lock") or slug(ground.target, run_id))
        resting = at_rest(ground.project, run_dir)
        found = {check["id"]: Finding(kind_of(check), say(language, "check_at_rest", service=service_of(check)), "skip")
                 for check in checks if service_of(check) in resting}
        left = [check for check in checks if check["id"] not in found]
        watched, watched_s = watch_checks(
            [check for check in left if check["http"]], ground.project, params["http_headers"],
            lambda check: baseline_of(path, check), params["watch_s"], module.check_mode, language, redact)
        memory = memory_used(ground.project, run_dir)
        asked = Asked(ground, run_dir, params["since"] or meta.get("started_at", ""), filled, heads, module.check_mode,
                      language, step.commands, memory)
        found = {**found, **watched, **measure([check for check in left if not check["http"]], asked)}
        results = [as_result(check, found[check["id"]]) for check in checks]
        recorded = params["record_baseline"] and passed(results) and not module.check_mode and path
        if recorded:
            record_baseline(path, checks, found)
        measures = {check["id"]: found[check["id"]].measure for check in checks}
        told = answer(results, measures, watched_s, path if recorded else "", language)
        step.facts["passed"] = told["passed"]
        if run_dir and not module.check_mode:
            write_json(os.path.join(run_dir, "functional.json"), {
                "at": now(), "expectation": params["expectation"], "memory": memory,
                **{key: told[key] for key in ("passed", "watched_s", "results", "measures")}})
    return told


def slug(target, run_id):
    with target.open(session_name(run_id, "functional")) as connection:
        return slug_of(connection)


def answer(results, measures, watched_s, baseline, language):
    return {"changed": False, "results": results, "passed": passed(results), "measures": measures,
            "watched_s": watched_s, "baseline": baseline,
            "told": say(language, "not_functional", failed="; ".join(name_failed(results, language)))}


def main():
    run(functional, {
        "checks": {"type": "list", "elements": "dict", "default": [], "options": functional_spec()},
        "expectation": {"type": "str", "default": "rolled_back", "choices": ["rolled_back", "migrated"]},
        "measure": {"type": "bool", "default": True},
        "http_headers": {"type": "dict", "default": {}, "no_log": True},
        "watch_s": {"type": "int", "default": 60},
        "since": {"type": "str", "default": ""},
        "state_dir": {"type": "path"},
        "record_baseline": {"type": "bool", "default": False},
        "resume_environment": {"type": "dict", "default": {}, "no_log": True},
        **version_spec(),
    }, secrets=secrets_of, supports_check_mode=True)


if __name__ == "__main__":
    main()
