# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a dump does not carry, given from the live database to the one that is to take its place."""

from __future__ import annotations

import re
import typing as t
from contextlib import suppress

from ._database import DatabaseError, rows, value
from ._errors import Refusal

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# Stored as a list of names, each quoted where it needs it; as one string it would be one name.
_NAME_LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
               "temp_tablespaces", "unix_socket_directories")
_LIST_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^",][^,]*?))\s*(?:,|$)')
_SET_ROLE_SINCE = 160000

Grant = tuple[str, t.Optional[str], str, bool]


def dress_as(connection: t.Any, live: str, other: str) -> list[str]:
    """Give a database the live one's owner, grants, settings, connection limit, template and connection flags.

    ``connection`` is an autocommit maintenance session. All in one transaction; only what differs is touched. Returns,
    for each setting this role may not give, the statement and the server's words. Raises Refusal where owner, grants
    or security labels cannot be had: nothing is then given.
    """
    rows(connection, "BEGIN")
    try:
        _owner(connection, live, other)
        _grants(connection, live, other)
        _labels(connection, live, other)
        notes = _settings(connection, live, other)
        # Last: from here on somebody may come in.
        _attributes(connection, live, other)
        rows(connection, "COMMIT")
    except BaseException:
        with suppress(DatabaseError):
            rows(connection, "ROLLBACK")
        raise
    return notes


def cannot_dress(connection: t.Any, live: str) -> list[str]:
    """Return the roles this one would have to be able to become to give owner and grants to a new database."""
    owner = _owner_of(connection, live)
    needed = {owner, *(grant[0] for grant in _grants_of(connection, live))}
    return sorted(role for role in needed if not may_become(connection, role))


def may_become(connection: t.Any, role: str) -> bool:
    """Tell whether this session may take a role; since version 16 that is a right of its own."""
    right = "SET" if connection.server_version >= _SET_ROLE_SINCE else "MEMBER"
    return bool(value(connection, "SELECT pg_has_role(%s, %s)", (role, right)))


def _owner_of(connection: t.Any, name: str) -> str:
    return str(value(connection, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", (name,)))


def _owner(connection: t.Any, live: str, other: str) -> None:
    owner = _owner_of(connection, live)
    if _owner_of(connection, other) != owner:
        _must(connection, sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (other, owner))), other)


def _must(connection: t.Any, statement: t.Any, other: str) -> None:
    try:
        rows(connection, statement)
    except DatabaseError as error:
        raise Refusal("dress_impossible", name=other, statement=statement.as_string(connection),
                      error=str(error).strip()) from error


def _grants_of(connection: t.Any, name: str) -> set[Grant]:
    """Return a database's grants: grantor, grantee (None: everybody), privilege, whether it may be passed on."""
    found = rows(connection, """
        SELECT pg_get_userbyid(a.grantor), CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END,
               a.privilege_type, a.is_grantable
        FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
        WHERE d.datname = %s""", (name,))
    return set(found)


def _grants(connection: t.Any, live: str, other: str) -> None:
    wanted, present = _grants_of(connection, live), _grants_of(connection, other)
    if wanted == present:
        return
    owner = _owner_of(connection, other)
    ident = sql.Identifier(other)
    for grantor, grantee, privilege, _passed_on in sorted(present - wanted, key=str):
        _as(connection, owner, grantor, sql.SQL("REVOKE {} ON DATABASE {} FROM {} CASCADE").format(
            sql.SQL(privilege), ident, _grantee(grantee)), other)
    # Who got the right to grant from somebody grants after him.
    while True:
        missing = wanted - _grants_of(connection, other)
        before = len(missing)
        for grantor, grantee, privilege, passed_on in sorted(missing, key=str):
            may = grantor == owner or any(grant[1:] == (grantor, privilege, True)
                                          for grant in _grants_of(connection, other))
            if may:
                _as(connection, owner, grantor, sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                    sql.SQL(privilege), ident, _grantee(grantee),
                    sql.SQL(" WITH GRANT OPTION" if passed_on else "")), other)
        left = wanted - _grants_of(connection, other)
        if not left or len(left) == before:
            break
    if _grants_of(connection, other) != wanted:
        raise Refusal("dress_grants_differ", name=other, live=live)


def _grantee(name: str | None) -> t.Any:
    return sql.Identifier(name) if name else sql.SQL("PUBLIC")


def _as(connection: t.Any, owner: str, grantor: str, statement: t.Any, other: str) -> None:
    """Run a statement as the role whose grant it is: GRANTED BY knows the current role alone."""
    if grantor == owner:
        _must(connection, statement, other)
        return
    _must(connection, sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(grantor)), other)
    _must(connection, statement, other)
    rows(connection, "RESET ROLE")


def _attributes(connection: t.Any, live: str, other: str) -> None:
    wanted, present = (rows(connection, "SELECT datconnlimit, datistemplate, datallowconn FROM pg_database"
                                        " WHERE datname = %s", (name,))[0] for name in (live, other))
    if wanted != present:
        limit, template, allowed = wanted
        _must(connection, sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {} IS_TEMPLATE {} ALLOW_CONNECTIONS {}").format(
            sql.Identifier(other), *map(sql.Literal, (limit, template, allowed))), other)


def _labels(connection: t.Any, live: str, other: str) -> None:
    wanted, present = _labels_of(connection, live), _labels_of(connection, other)
    for provider in sorted({*wanted, *present}):
        if wanted.get(provider) != present.get(provider):
            _must(connection, sql.SQL("SECURITY LABEL FOR {} ON DATABASE {} IS {}").format(
                sql.Identifier(provider), sql.Identifier(other), sql.Literal(wanted.get(provider))), other)


def _labels_of(connection: t.Any, name: str) -> dict[str, str]:
    return dict(rows(connection, """
        SELECT l.provider, l.label FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid
        WHERE l.classoid = 'pg_database'::regclass AND d.datname = %s""", (name,)))


def _settings_of(connection: t.Any, name: str) -> dict[tuple[str | None, str], str]:
    """Return by role (None: everybody) and parameter what sessions on a database start with."""
    found = rows(connection, """
        SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END, c.setting
        FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase CROSS JOIN unnest(s.setconfig) c (setting)
        WHERE d.datname = %s""", (name,))
    return {(role, setting.partition("=")[0]): setting.partition("=")[2] for role, setting in found}


def _settings(connection: t.Any, live: str, other: str) -> list[str]:
    wanted, present = _settings_of(connection, live), _settings_of(connection, other)
    notes = []
    for role, parameter in sorted({*wanted, *present}, key=str):
        text = wanted.get((role, parameter))
        if text == present.get((role, parameter)):
            continue
        statement = setting_statement(other, role, parameter, text)
        rows(connection, "SAVEPOINT setting")
        try:
            rows(connection, statement)
        except DatabaseError as error:
            rows(connection, "ROLLBACK TO SAVEPOINT setting")
            notes.append(f"{statement.as_string(connection)}: {str(error).strip()}")
        rows(connection, "RELEASE SAVEPOINT setting")
    return notes


def setting_statement(database: str, role: str | None, parameter: str, text: str | None) -> t.Any:
    """Return the statement that gives a database a setting as the catalogue stores it; None takes it away."""
    ident = sql.Identifier(database)
    where = sql.SQL("ALTER DATABASE {}").format(ident) if role is None else (
        sql.SQL("ALTER ROLE {} IN DATABASE {}").format(sql.Identifier(role), ident))
    name = sql.SQL(".").join(map(sql.Identifier, parameter.split(".")))
    if text is None:
        return sql.SQL("{} RESET {}").format(where, name)
    parts = split_names(text) if parameter.lower() in _NAME_LISTS else [text]
    return sql.SQL("{} SET {} TO {}").format(where, name, sql.SQL(", ").join(map(sql.Literal, parts or [""])))


def split_names(text: str) -> list[str]:
    """Return the names in a stored list such as ``"$user", public``."""
    found, place = [], 0
    while place < len(text.rstrip()):
        item = _LIST_ITEM.match(text, place)
        if not item:
            return [text]
        quoted, plain = item.groups()
        found.append(quoted.replace('""', '"') if quoted is not None else plain)
        place = item.end()
    return found
