# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What every module of the collection shares: its options, its start and its end."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._compose import compose_spec
from ._database import PSYCOPG2_ERROR, DatabaseError
from ._errors import Interrupted, Problem
from ._messages import say
from ._redact import Redactor, environment_secrets, url_passwords
from ._runner import interruptible


def common_spec() -> dict[str, t.Any]:
    """Return the options of the doc fragment C(recyclic.rollback.common)."""
    return {
        "login_db": {"type": "str", "required": True, "aliases": ["db"]},
        "login_user": {"type": "str", "default": ""},
        "login_password": {"type": "str", "default": "", "no_log": True},
        "login_host": {"type": "str", "default": ""},
        "login_unix_socket": {"type": "str", "default": ""},
        "login_port": {"type": "int", "default": 5432},
        "ssl_mode": {"type": "str", "default": "prefer",
                     "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"]},
        "ca_cert": {"type": "str"},
        "ssl_cert": {"type": "path"},
        "ssl_key": {"type": "path", "no_log": False},
        "connect_params": {"type": "dict", "default": {}, "no_log": True},
        "runtime": {"type": "str", "default": "host", "choices": ["host", "compose"]},
        "compose": {"type": "dict", "options": compose_spec()},
        "pg_bin_dir": {"type": "path"},
        "run_dir": {"type": "path"},
        "run_token": {"type": "str", "default": "", "no_log": False},
        "language": {"type": "str", "default": "en", "choices": ["en", "fr"]},
    }


def version_spec() -> dict[str, t.Any]:
    """Return the options of the doc fragment C(recyclic.rollback.common.version)."""
    return {
        "version_table": {"type": "str", "default": "alembic_version"},
        "version_schema": {"type": "str"},
    }


def scratch_spec() -> dict[str, t.Any]:
    """Return the options by which a scratch server is had."""
    return {
        "isolation": {"type": "str", "default": "auto", "choices": ["auto", "namespace", "override"]},
        "scratch_environment": {"type": "dict", "default": {}, "no_log": True},
        "scratch_bin_dir": {"type": "path"},
    }


def alembic_spec() -> dict[str, t.Any]:
    """Return the options of the doc fragment C(recyclic.rollback.alembic)."""
    return {
        "alembic_config": {"type": "path", "default": "alembic.ini"},
        "alembic_python": {"type": "path", "default": "python3"},
        "alembic_chdir": {"type": "path"},
        "alembic_environment": {"type": "dict", "default": {}, "no_log": True},
        "alembic_timeout": {"type": "int", "default": 900},
        "lock_timeout": {"type": "int", "default": 5000},
        "statement_timeout": {"type": "int", "default": 0},
    }


def run(work: t.Callable[[AnsibleModule, Redactor], dict[str, t.Any]], own: dict[str, t.Any] | None = None,
        alembic: bool = False, secrets: t.Callable[[dict[str, t.Any]], tuple[set[str], set[str]]] | None = None,
        **options: t.Any) -> None:
    """Run a module: ``work`` takes the module and a redactor, and returns the result.

    ``secrets`` tells apart what is secret and what is not in options of the module's own that are declared secret.

    A Problem becomes a failure with its message in the operator's language, its key, its facts and its outcome. A
    signal ends the work first, then the module, which still answers.
    """
    module = AnsibleModule(argument_spec={**common_spec(), **(alembic_spec() if alembic else {}), **(own or {})},
                           **options)
    if PSYCOPG2_ERROR:
        module.fail_json(msg=missing_required_lib("psycopg2"), exception=PSYCOPG2_ERROR)
    public = {module.params["login_db"], module.params["login_user"]}
    redact = Redactor(_keep_secrets(module, *(secrets(module.params) if secrets else ())), public)
    try:
        with interruptible():
            result = _work(work, module, redact)
    except Problem as problem:
        facts = {key: redact(text) if isinstance(text, str) else text for key, text in problem.facts.items()}
        module.fail_json(msg=say(module.params["language"], problem.key, **facts), problem=problem.key, facts=facts,
                         outcome=problem.outcome)
    except DatabaseError as error:
        told = redact(str(error).strip())
        module.fail_json(msg=say(module.params["language"], "database_error", error=told), problem="database_error",
                         facts={"error": told}, outcome=None)
    except Interrupted as stopped:
        module.fail_json(msg=say(module.params["language"], "interrupted", signal=stopped.signum),
                         problem="interrupted", facts={"signal": stopped.signum}, outcome=None)
    module.exit_json(**result)


def _work(work: t.Callable[[AnsibleModule, Redactor], dict[str, t.Any]], module: AnsibleModule, redact: Redactor
          ) -> dict[str, t.Any]:
    """Do it; however that ends, Ansible masks what was learnt on the way."""
    try:
        return work(module, redact)
    finally:
        module.no_log_values = module.no_log_values | set(redact.spellings)


def _keep_secrets(module: AnsibleModule, own: t.Collection[str] = (), own_plain: t.Collection[str] = ()) -> set[str]:
    """Return the secrets among the options, and have Ansible mask exactly these.

    An environment is declared secret as a whole, so that no log shows it; but masking each of its values in every
    result would turn each ``1`` of a report into asterisks.
    """
    environment = {str(key): str(text) for option in ("alembic_environment", "environment")
                   for key, text in (module.params.get(option) or {}).items()}
    found = environment_secrets(environment) | url_passwords(str(module.params["connect_params"]))
    found |= {str(text) for key, text in module.params["connect_params"].items() if "password" in key}
    plain = {*environment.values(), *map(str, module.params["connect_params"].values())} - found
    found |= {*own, module.params["login_password"]}
    secrets = {text for text in set(module.no_log_values) - plain - {*own_plain} | found if text}
    module.no_log_values = secrets
    return secrets
