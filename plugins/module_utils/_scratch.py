# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A scratch server: where a history is tried and a backup restored, and from where nothing of production is reached.

It has a system identifier of its own, by which a connection made through the application's env.py is known to have
arrived there and nowhere else.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace

from ._alembic import Environment
from ._database import DatabaseError, Target, rows, value
from ._errors import Refusal
from ._evidence import run_id_of
from ._ground import Ground
from ._redact import Redactor
from ._runner import Runtime

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

SUPERUSER = "postgres"
# What a production in trouble is set to, and would keep the scratch server from being one.
_HINDERING = ("default_transaction_read_only", "transaction_read_only", "default_tablespace", "temp_tablespaces")
_LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")
_ATTRIBUTES = ("SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "REPLICATION", "BYPASSRLS")


@dataclass(frozen=True)
class Wish:
    """What a scratch server has to be like, and how it is to be isolated.

    ``like`` is what identity() and describe_database() say of the server it stands for, as a backup's manifest holds it
    under ``server``. ``directory`` is where its data may lie on the managed node, ``needed_bytes`` what will be put
    into it, ``reserve`` what must stay free there. ``environment`` leads Alembic there where a namespace cannot;
    ``variables`` are the application's own Alembic environment.
    """

    like: t.Mapping[str, t.Any]
    directory: str
    needed_bytes: int = 0
    reserve: str = "5%"
    isolation: str = "auto"
    bin_dir: str = ""
    environment: t.Mapping[str, str] = field(default_factory=dict)
    variables: t.Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None


@dataclass
class Scratch:
    """A running scratch server with an empty database of the same name as production's.

    ``target`` is a session's way in as superuser, on that database. Programs of ``runtime`` run against it: clients
    where they reach ``target``, Alembic where nothing else is reached. ``variables`` are added to Alembic's own there.
    """

    target: Target
    runtime: Runtime
    like: t.Mapping[str, t.Any]
    identifier: str
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Bare names mean here what they mean to the role that logs in to production.
        path = str(self.like.get("search_path") or "").replace("\\", "\\\\").replace(" ", "\\ ")
        if path:
            self.target = replace(self.target, params={**self.target.params, "options": f"-c search_path={path}"})

    def environment(self, theirs: Environment) -> Environment:
        """Return the application's Alembic environment, as it is run here."""
        return replace(theirs, runtime=self.runtime, variables={**theirs.variables, **self.variables}, commands=[])


def scratch_server(ground: Ground, wish: Wish, redact: Redactor) -> AbstractContextManager[Scratch]:
    """Return the context in which a scratch server runs; however it is left, nothing of the server remains.

    Raises Refusal where none can be had, naming what is missing.
    """
    if ground.project is None:
        from ._scratch_host import host_scratch

        return host_scratch(ground, wish, redact)
    from ._scratch_compose import compose_scratch

    return compose_scratch(ground, wish, redact)


def dress(target: Target, like: t.Mapping[str, t.Any]) -> list[str]:
    """Give a bare server the roles of the one it stands for, and an empty database like its own; see fresh_database.

    ``target`` is the superuser's. Passwords are not copied: the server trusts whoever reaches it.
    """
    with _maintenance(target) as connection:
        for role in like.get("roles") or []:
            name = sql.Identifier(role["name"])
            if not value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", (role["name"],)):
                rows(connection, sql.SQL("CREATE ROLE {}").format(name))
            words = [word if role.get(word.lower()) else f"NO{word}" for word in _ATTRIBUTES]
            # The superuser we are stays one.
            if role["name"] != target.params["user"]:
                rows(connection, sql.SQL("ALTER ROLE {} WITH " + " ".join(words)).format(name))
        for group, member in like.get("memberships") or []:
            rows(connection, sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(member)))
    return fresh_database(target, like)


def fresh_database(target: Target, like: t.Mapping[str, t.Any]) -> list[str]:
    """Drop the scratch database and make it anew, empty; return notes on what could not be made alike."""
    notes = []
    name = sql.Identifier(target.database)
    with _maintenance(target) as connection:
        rows(connection, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        owner = like["owner"] if value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", (like["owner"],)
                                       ) else target.params["user"]
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {}").format(
            name, sql.Identifier(owner), sql.Literal(like["encoding"]))
        try:
            rows(connection, sql.SQL("{} LC_COLLATE {} LC_CTYPE {}").format(
                create, sql.Literal(like["collate"]), sql.Literal(like["ctype"])) + _locale(like))
        except DatabaseError:
            # Sorting alone hangs on it: neither rows nor structure.
            notes.append(str(like["collate"]))
            rows(connection, sql.SQL("{} LC_COLLATE 'C' LC_CTYPE 'C'").format(create))
        whose = [(sql.SQL("DATABASE {}").format(name), setting) for setting in like.get("settings") or []]
        for role, here, setting in like.get("role_settings") or []:
            its = sql.SQL("ROLE {}").format(sql.Identifier(role))
            whose.append((sql.SQL("{} IN DATABASE {}").format(its, name) if here else its, setting))
        for who, setting in whose:
            key, _equals, text = setting.partition("=")
            if key in _HINDERING:
                continue
            try:
                if key in _LISTS:
                    # Its text names several; as a literal it would be one name.
                    value(connection, "SELECT set_config(%s, %s, false)", (key, text))
                    rows(connection, sql.SQL("ALTER {} SET {} FROM CURRENT").format(who, sql.Identifier(key)))
                    continue
                rows(connection, sql.SQL("ALTER {} SET {} TO {}").format(
                    who, sql.Identifier(*key.split(".")), sql.Literal(text)))
            except DatabaseError:
                notes.append(setting)
    return notes


def _locale(like: t.Mapping[str, t.Any]) -> t.Any:
    if like.get("provider") == "i":
        return sql.SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(sql.Literal(like["locale"]))
    if like.get("provider") == "b":
        return sql.SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(sql.Literal(like["locale"]))
    return sql.SQL("")


def _maintenance(target: Target) -> t.Any:
    """Return the context of a session on a database that is nobody's: production's may be called postgres."""
    other = replace(target, params={**target.params, "dbname": "template1"})
    return other.open("recyclic.rollback:scratch")


def require_scratch(found: str, production: str) -> None:
    """Raise Refusal when what should be a scratch server is the one it stands for."""
    if found == production:
        raise Refusal("scratch_is_production", identifier=found)


def wish_from(params: t.Mapping[str, t.Any]) -> t.Callable[[t.Mapping[str, t.Any], int], Wish]:
    """Return what makes a Wish, from a module's options, for a server to be like and the bytes to be put into it."""
    def wish(like: t.Mapping[str, t.Any], needed_bytes: int) -> Wish:
        directory = os.path.join(params["state_dir"], "scratch") if params.get("state_dir") else tempfile.gettempdir()
        environment = {str(key): str(text) for key, text in (params["scratch_environment"] or {}).items()}
        variables = {str(key): str(text) for key, text in (params["alembic_environment"] or {}).items()}
        return Wish(like, directory, needed_bytes, params.get("disk_reserve") or "5%", params["isolation"],
                    params["scratch_bin_dir"] or "", environment, variables, run_id_of(params["run_dir"]))

    return wish
