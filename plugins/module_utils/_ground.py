# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a module stands on: where the database is and where programs run, in either runtime."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._compose import POSTGRES_PORT, Project, address_of, layout_from
from ._compose_runtime import ComposeRuntime
from ._database import Target, target_from
from ._docker import Container, Docker
from ._errors import Refusal
from ._evidence import run_id_of
from ._redact import Redactor
from ._runner import HostRuntime, Runtime


@dataclass(frozen=True)
class Ground:
    """The database, where programs run, and the Compose project where there is one."""

    target: Target
    runtime: Runtime
    project: Project | None = None


def project_from(params: t.Mapping[str, t.Any], redact: Redactor) -> Project | None:
    """Return the Compose project of a module's options; None in runtime host. Nothing is looked at yet."""
    if params["runtime"] == "host":
        return None
    return Project(Docker(redact), layout_from(params["compose"]))


def ground_from(params: t.Mapping[str, t.Any], redact: Redactor) -> Ground:
    """Find what a module's options mean. Raises Refusal for whatever is missing, named, with what to type."""
    project = project_from(params, redact)
    if project is None:
        return Ground(target_from(params), HostRuntime(params["pg_bin_dir"]))
    project.docker.require_engine()
    database = project.database()
    project.service(project.layout.migrations, "rollback_compose_migrations")
    target = _target_of(params, project, database)
    redact.learn({target.password})
    return Ground(target, ComposeRuntime(project, database, run_id_of(params["run_dir"])), project)


def _target_of(params: t.Mapping[str, t.Any], project: Project, database: Container) -> Target:
    """Where the options are silent, the container says: user and password stand in its environment, for its image.

    Client programs run inside it, and reach the server the way a neighbour does.
    """
    known = dict(params)
    explicit = params["login_host"] or params["login_unix_socket"]
    if not explicit:
        known["login_host"], known["login_port"] = address_of(database)
    environment = database.environment
    its_user = environment.get("POSTGRES_USER") or "postgres"
    known["login_user"] = params["login_user"] or its_user
    if not params["login_password"] and known["login_user"] == its_user:
        path = environment.get("POSTGRES_PASSWORD_FILE")
        known["login_password"] = project.docker.text("exec", database.id, "cat", path).rstrip("\r\n") if path else (
            environment.get("POSTGRES_PASSWORD", ""))
    found = target_from(known)
    own = next(iter(database.addresses.values()), "127.0.0.1")
    inside = {"dbname": found.params["dbname"], "user": found.params["user"], "host": own,
              "port": int(environment.get("PGPORT", POSTGRES_PORT))}
    return Target(found.params, found.password, inside)


def require_compose(ground: Ground) -> Project:
    """Return the project. Raises Refusal in a runtime that has no services."""
    if ground.project is None:
        raise Refusal("services_need_compose")
    return ground.project
