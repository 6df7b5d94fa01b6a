# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Rendered SQL, read for what it takes away. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._sql_text import Reader, Unread, split

__all__ = ["Act", "acts", "read", "split"]

# What neither rows nor columns nor types are lost by: statements, actions of ALTER TABLE, and other kinds of objects.
_HARMLESS = ("abort", "analyze", "begin", "checkpoint", "cluster", "comment", "commit", "copy", "deallocate", "discard",
             "end", "fetch", "grant", "listen", "lock", "notify", "prepare", "refresh", "reindex", "release", "reset",
             "revoke", "rollback", "savepoint", "security", "set", "show", "start", "unlisten", "vacuum")
_HARMLESS_ACTIONS = ("add", "cluster", "disable", "enable", "force", "inherit", "no", "owner", "replica", "reset",
                     "validate")
_HARMLESS_OBJECTS = ("aggregate", "function", "index", "materialized", "operator", "policy", "procedure", "role",
                     "routine", "rule", "sequence", "statistics", "trigger", "view")
# What may stand before a parenthesis in a query that does nothing but look.
_CALLS = {"all", "and", "any", "as", "avg", "by", "cast", "coalesce", "count", "exists", "from", "greatest", "in",
          "least", "lower", "max", "min", "nextval", "not", "now", "on", "or", "over", "pg_advisory_lock",
          "pg_advisory_unlock", "pg_advisory_xact_lock", "pg_sleep", "select", "set_config", "setval", "sum", "then",
          "upper", "using", "values", "when", "where"}


@dataclass(frozen=True)
class Act:
    """What a statement does to one table.

    ``kind`` is delete, update, truncate, drop-table, drop-column, create-table, drop-type (then ``table`` names the
    type) or other: something that may take rows away in a way that is not read here. ``where`` is the condition as
    written, empty for every row. ``columns`` are those dropped, or set by an update. ``cascade`` is whether it goes on
    to what depends on it.
    """

    kind: str
    table: str
    where: str = ""
    columns: tuple[str, ...] = ()
    cascade: bool = False


def acts(sql_text: str) -> list[Act]:
    """Return all that the statements of a text do, in their order, one act for each table."""
    return [act for statement in split(sql_text) for act in _acts(statement)]


def read(statement: str) -> Act | None:
    """Return what one statement does, None where it takes nothing away.

    One that does several things is ``other`` here; acts() tells them apart.
    """
    found = acts(statement)
    if len(found) > 1:
        return Act("other", found[0].table)
    return found[0] if found else None


def _acts(statement: str) -> list[Act]:
    reader = Reader(statement)
    first = reader.word()
    try:
        if first in _READERS:
            return _READERS[first](reader)
    except Unread:
        return [Act("other", "")]
    return [] if first in _HARMLESS else [Act("other", "")]


def _delete(reader: Reader) -> list[Act]:
    reader.skip("from")
    table = reader.name()
    alias = reader.alias("using", "where", "returning")
    if reader.peek() == "using":
        return [Act("other", table)]
    where = reader.where()
    # The condition may use the other name.
    return [Act("other", table) if alias and where else Act("delete", table, where)]


def _update(reader: Reader) -> list[Act]:
    table = reader.name()
    alias = reader.alias("set")
    if not reader.skip("set"):
        raise Unread
    columns: list[str] = []
    fresh, before = True, ""
    for token in reader.top("where", "returning"):
        if token.kind == "word" and token.text.lower() == "from" and before != "distinct":
            return [Act("other", table)]
        if fresh and token.text == "(":
            inner = Reader(reader.statement[token.end:])
            columns += inner.names()
        elif fresh and token.kind in ("word", "quoted"):
            columns.append(Reader(token.text).identifier())
        fresh, before = token.text == ",", token.text.lower()
    where = reader.where()
    return [Act("other", table) if alias and where else Act("update", table, where, tuple(columns))]


def _truncate(reader: Reader) -> list[Act]:
    reader.skip("table")
    names = reader.names()
    cascade = "cascade" in reader.rest()
    return [Act("truncate", name, cascade=cascade) for name in names]


def _drop(reader: Reader) -> list[Act]:
    kind = reader.word()
    if kind in _HARMLESS_OBJECTS and "cascade" not in reader.rest():
        return []
    if kind not in ("table", "type", "domain"):
        raise Unread
    reader.skip("if", "exists")
    names = reader.names()
    cascade = "cascade" in reader.rest()
    return [Act("drop-table" if kind == "table" else "drop-type", name, cascade=cascade) for name in names]


def _alter(reader: Reader) -> list[Act]:
    kind = reader.word()
    if kind in _HARMLESS_OBJECTS:
        return []
    if kind == "type":
        reader.name()
        return [] if reader.skip("add", "value") or reader.skip("owner") else [Act("other", "")]
    if kind != "table":
        raise Unread
    reader.skip("if", "exists")
    table = reader.name()
    dropped: list[str] = []
    cascade, others = False, []
    while reader.place < len(reader.tokens):
        action = reader.word()
        if action == "drop" and reader.peek() != "constraint":
            reader.skip("column")
            reader.skip("if", "exists")
            dropped.append(reader.identifier())
            cascade |= reader.peek() == "cascade"
        elif action == "alter":
            reader.skip("column")
            column = reader.identifier()
            if reader.peek() == "type" or reader.skip("set", "data"):
                others.append(Act("other", table, columns=(column,)))
        elif action not in _HARMLESS_ACTIONS and (action, reader.peek()) not in (
                ("drop", "constraint"), ("rename", "constraint"), ("set", "("), ("set", "tablespace")):
            others.append(Act("other", table))
        for _token in reader.top(","):
            pass
        reader.skip(",")
    return ([Act("drop-column", table, columns=tuple(dropped), cascade=cascade)] if dropped else []) + others


def _create(reader: Reader) -> list[Act]:
    scope = {"global", "local", "temp", "temporary", "unlogged"}
    words = set()
    while reader.peek() in scope:
        words.add(reader.word())
    if not reader.skip("table") or words & {"temp", "temporary"}:
        return []
    reader.skip("if", "not", "exists")
    return [Act("create-table", reader.name())]


def _insert(reader: Reader) -> list[Act]:
    reader.skip("into")
    table = reader.name()
    words = [token.text.lower() for token in reader.top()]
    replaces = any(words[place:place + 2] == ["do", "update"] for place in range(len(words)))
    return [Act("other", table)] if replaces else []


def _select(reader: Reader) -> list[Act]:
    """A function that is not known may do anything, and WITH may hold statements."""
    called = [one.text.lower() for one, two in zip(reader.tokens, reader.tokens[1:])
              if two.text == "(" and one.kind in ("word", "quoted")]
    with_query = reader.tokens[0].text.lower() == "with"
    acting = {"into", *(("delete", "update", "merge", "insert") if with_query else ())}
    if reader.rest() & acting or set(called) - _CALLS:
        raise Unread
    return []


_READERS: dict[str, t.Callable[[Reader], list[Act]]] = {
    "delete": _delete, "update": _update, "truncate": _truncate, "drop": _drop, "alter": _alter, "create": _create,
    "insert": _insert, "select": _select, "with": _select, "values": _select}
