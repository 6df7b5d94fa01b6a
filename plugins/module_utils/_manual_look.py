# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a rollback by hand would do, counted, and refused where it may not be. Read-only."""

from __future__ import annotations

import typing as t
from contextlib import suppress
from dataclasses import dataclass, field

from ._counts import qualified
from ._database import DatabaseError, rows, value
from ._errors import Refusal
from ._manual_references import (
    CASCADE,
    REFUSE,
    SET_NULL,
    Key,
    Place,
    Schema,
    decided,
    declaration,
    read_schema,
    referring,
    require_declared,
    shown,
    where,
    with_its_own,
)
from ._statements import split

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2 import sql

# Classes of errors that lie in what was asked, and not in the moment it was asked.
_ASKED = ("0A", "21", "22", "42")


@dataclass(frozen=True)
class Removal:
    """Rows that go: those of a table that a filter (SQL) finds, empty for all; ``rows`` is how many they have to be."""

    table: str
    filter: str = ""
    rows: int | None = None


def removal_spec() -> dict[str, t.Any]:
    """Return the options of one removal."""
    return {
        "table": {"type": "str", "required": True},
        "filter": {"type": "str", "default": ""},
        "rows": {"type": "int"},
    }


def by_hand_spec() -> dict[str, t.Any]:
    """Return the options of the doc fragment C(rehearsal.by_hand)."""
    return {
        "remove": {"type": "list", "elements": "dict", "default": [], "options": removal_spec()},
        "references": {"type": "dict", "default": {}},
    }


def removals_from(given: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Removal, ...]:
    """Return removals as these options give them."""
    return tuple(Removal(each["table"], each.get("filter") or "", each.get("rows")) for each in given)


@dataclass(frozen=True)
class Manual:
    """A rollback by hand. ``references`` maps a foreign key's name to refuse, set_null or cascade.

    ``before`` and ``after`` are the recorded revisions, as whole sets.
    """

    removals: tuple[Removal, ...]
    references: t.Mapping[str, str]
    before: tuple[str, ...]
    after: tuple[str, ...]
    version_table: str
    version_schema: str | None = None

    @property
    def version_name(self) -> str:
        return ".".join(filter(None, (self.version_schema, self.version_table)))


@dataclass
class Doomed:
    """A table that rows go from: those that ``condition`` finds (None: all), ``rows`` of them.

    ``truncate`` is whether it may be emptied at once: nothing would be passed over that a DELETE does.
    """

    table: int
    place: Place
    condition: t.Any
    rows: int = 0
    truncate: bool = False


@dataclass
class Sight:
    """What would be done, counted: ``doomed`` in the order of deletion, ``cleared`` as ``(key, condition, rows)``.

    ``references`` are ``{constraint, table, columns, to_table, rows, decision}``; ``triggers`` will fire, in words;
    ``locks`` are the tables to hold, with the right each takes.
    """

    doomed: list[Doomed] = field(default_factory=list)
    cleared: list[tuple[Key, t.Any, int]] = field(default_factory=list)
    references: list[dict[str, t.Any]] = field(default_factory=list)
    triggers: list[str] = field(default_factory=list)
    locks: dict[Place, str] = field(default_factory=dict)
    removed_from: dict[int, Removal] = field(default_factory=dict)

    @property
    def removed(self) -> dict[str, int]:
        """Return how many rows go, by table."""
        return {shown(each.place): each.rows for each in self.doomed}


def look(connection: t.Any, manual: Manual) -> Sight:
    """Count what a rollback by hand would do. Raises Refusal for what may not be, each as the transaction would.

    Only reads; does not look at the recorded revisions.
    """
    rows(connection, "SET LOCAL row_security TO off")  # Rather an error than the rows this role happens to see.
    found, schema = reach(connection, manual)
    concerned = [(key, doomed) for doomed in found.doomed for key in schema.into(doomed.table)]
    require_declared(manual.references, schema, {key for key, _doomed in concerned})
    _require_rights(connection, found.locks)
    for doomed in found.doomed:
        doomed.rows = count(connection, doomed.place, doomed.condition, found.removed_from.get(doomed.table))
        doomed.truncate = doomed.condition is None and _may_truncate(connection, schema, doomed)
        if doomed.table in found.removed_from:
            _require_expected(connection, doomed, found.removed_from[doomed.table])
    refused: list[tuple[Key, int]] = []
    for key, doomed in concerned:
        _refer(connection, manual, found, schema, key, doomed, refused)
    if refused:
        raise Refusal("manual_referenced", references="; ".join(f"{key}: {number}" for key, number in refused),
                      line=declaration((key.name, shown(key.child_place), not key.fixed) for key, _number in refused))
    found.doomed = _children_first(found.doomed, schema)
    found.triggers = _triggers(connection, schema, found)
    return found


def reach(connection: t.Any, manual: Manual) -> tuple[Sight, Schema]:
    """Find the tables that rows go from, by the conditions of these rows, and what has to be locked."""
    found, schema = Sight(), read_schema(connection)
    version = qualified(connection, manual.version_name)
    if version is None:
        raise Refusal("moved_since_plan", heads="-")
    found.locks[version] = "DELETE"
    places: dict[int, Place] = {}
    for removal in manual.removals:
        place = qualified(connection, removal.table)
        kind = rows(connection, "SELECT oid::bigint, relkind::text FROM pg_class WHERE oid = to_regclass(%s)",
                    (sql.Identifier(*place).as_string(connection),)) if place else []
        if place is None or kind[0][1] not in ("r", "p") or place == version:
            raise Refusal("manual_no_table", table=removal.table)
        if kind[0][0] in places:
            raise Refusal("manual_table_twice", table=removal.table)
        places[kind[0][0]] = place
        found.removed_from[kind[0][0]] = removal
    if not places:
        raise Refusal("manual_nothing_named")
    waiting = list(places)
    while waiting:
        for key in schema.into(waiting.pop(0)):
            decision = _decided(manual, key)
            if decision == CASCADE and key.child not in places:
                places[key.child] = key.child_place
                waiting.append(key.child)
            if decision == SET_NULL:
                found.locks.setdefault(key.child_place, "UPDATE")
    conditions: dict[int, t.Any] = {}
    for table, place in places.items():
        found.doomed.append(Doomed(table, place, _condition(table, places, manual, found, schema, conditions)))
        found.locks[place] = "DELETE"
    return found, schema


def filtered(removal: Removal) -> t.Any:
    """Return the condition of a removal's filter; None without one. Raises Refusal for more than a condition."""
    if not removal.filter:
        return None
    if len(split(removal.filter)) != 1:
        raise Refusal("manual_filter_several", table=removal.table, filter=removal.filter)
    # A comment at its end must not take the parenthesis with it.
    return sql.SQL("({}{})").format(sql.SQL(removal.filter), sql.SQL("\n" if "--" in removal.filter else ""))


def _decided(manual: Manual, key: Key) -> str:
    return decided(manual.references, key.name, shown(key.child_place))


def _condition(table: int, places: t.Mapping[int, Place], manual: Manual, found: Sight, schema: Schema,
               known: dict[int, t.Any], above: tuple[int, ...] = ()) -> t.Any:
    """Return the condition of the rows that go from a table: by its filter, and along the keys that cascade to it."""
    if table in known:
        return known[table]
    if table in above:
        raise Refusal("manual_circular", tables=", ".join(shown(places[each]) for each in (*above, table)))
    removal = found.removed_from.get(table)
    if removal and not removal.filter:
        known[table] = None
        return None
    parts = [filtered(removal)] if removal else []
    own = []
    for parent in places:
        for key in schema.into(parent):
            if key.child != table or _decided(manual, key) != CASCADE:
                continue
            if key.parent == table:
                own.append(key)
            else:
                condition = _condition(parent, places, manual, found, schema, known, (*above, table))
                parts.append(referring(key, _parent_place(key, parent, places[parent], schema), condition))
    if len(own) > 1:
        raise Refusal("manual_circular", tables=", ".join(key.name for key in own))
    known[table] = parts[0] if len(parts) == 1 else sql.SQL("({})").format(sql.SQL(" OR ").join(parts))
    if own:
        known[table] = with_its_own(own[0], known[table])
    return known[table]


def _parent_place(key: Key, doomed: int, place: Place, schema: Schema) -> Place:
    """Return where to look for the rows a key refers to: in the part it names, or in the table that loses them."""
    return place if key.parent in schema.above(doomed) else key.parent_place


def _refer(connection: t.Any, manual: Manual, found: Sight, schema: Schema, key: Key, doomed: Doomed,
           refused: list[tuple[Key, int]]) -> None:
    """Count the rows that refer, by one key, to rows that go, and keep what is done with them."""
    decision = _decided(manual, key)
    condition = referring(key, _parent_place(key, doomed.table, doomed.place, schema), doomed.condition)
    going = [each for each in found.doomed if each.table in schema.above(key.child)]
    if any(each.condition is None for each in going):
        return
    if decision != CASCADE:
        # What goes itself refers to nothing any more.
        condition = sql.SQL(" AND NOT ").join([condition, *(
            sql.SQL("coalesce({}, false)").format(each.condition) for each in going)])
    number = count(connection, key.child_place, condition)
    if number and decision == REFUSE:
        refused.append((key, number))
    if number and decision == SET_NULL:
        if key.fixed:
            raise Refusal("manual_not_null", constraint=key.name, table=shown(key.child_place), rows=number,
                          columns=", ".join(key.fixed))
        found.cleared.append((key, condition, number))
    found.references.append({"constraint": key.name, "table": shown(key.child_place), "columns": list(key.columns),
                             "to_table": shown(key.parent_place), "rows": number, "decision": decision})


def count(connection: t.Any, place: Place, condition: t.Any, removal: Removal | None = None) -> int:
    """Count the rows of a table that a condition finds. Raises Refusal for one the server does not understand."""
    try:
        return int(value(connection, sql.SQL("SELECT count(*) FROM {}{}").format(
            sql.Identifier(*place), where(condition))))
    except DatabaseError as error:
        if not str(getattr(error, "pgcode", None) or "").startswith(_ASKED):
            raise
        raise Refusal("manual_uncountable", table=shown(place), filter=removal.filter if removal else "-",
                      error=str(error).strip()) from error


def _require_expected(connection: t.Any, doomed: Doomed, removal: Removal) -> None:
    if removal.rows is not None and doomed.rows != removal.rows:
        raise Refusal("manual_rows_expected", table=shown(doomed.place), expected=removal.rows, rows=doomed.rows)
    every = count(connection, doomed.place, None) if removal.filter and not doomed.rows else 0
    if every and removal.rows is None:
        raise Refusal("manual_finds_nothing", table=shown(doomed.place), filter=removal.filter, rows=every)


def _require_rights(connection: t.Any, locks: t.Mapping[Place, str]) -> None:
    lacking = [f"{right} ON {shown(place)}" for place, right in sorted(locks.items())
               if not value(connection, "SELECT has_table_privilege(to_regclass(%s), %s)",
                            (sql.Identifier(*place).as_string(connection), right))]
    if lacking:
        raise Refusal("manual_may_not", role=value(connection, "SELECT current_user"), rights=", ".join(lacking))


def _may_truncate(connection: t.Any, schema: Schema, doomed: Doomed) -> bool:
    """Tell whether TRUNCATE does all that DELETE would: no other key, no trigger, no rule, no subscriber."""
    tables = sorted(schema.covered(doomed.table))
    if any(key.child != doomed.table or key.parent != doomed.table for key in schema.into(doomed.table)):
        return False
    return bool(value(connection, """
        SELECT has_table_privilege(%s::oid, 'TRUNCATE')
           AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = ANY(%s::oid[]) AND NOT tgisinternal
                           AND tgenabled <> 'D' AND tgtype & 40 <> 0)
           AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = ANY(%s::oid[]))
           AND NOT EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = ANY(%s::oid[]))
           AND NOT EXISTS (SELECT FROM pg_publication WHERE puballtables)""", (doomed.table, tables, tables, tables)))


def _children_first(doomed: list[Doomed], schema: Schema) -> list[Doomed]:
    """Return tables so that what refers goes before what it refers to, as far as they do not go in circles."""
    ordered: list[Doomed] = []
    begun: set[int] = set()

    def place(each: Doomed) -> None:
        if each.table in begun:
            return
        begun.add(each.table)
        children = {key.child for key in schema.into(each.table)}
        for other in doomed:
            if children & schema.covered(other.table):
                place(other)
        ordered.append(each)

    for each in doomed:
        place(each)
    return ordered


def _triggers(connection: t.Any, schema: Schema, found: Sight) -> list[str]:
    """Return the triggers of the user's that will fire: ``table: trigger``."""
    wanted = [(table, 8) for each in found.doomed if each.rows for table in schema.covered(each.table)]
    wanted += [(table, 16) for key, _condition, _rows in found.cleared for table in schema.covered(key.child)]
    names = rows(connection, """
        SELECT DISTINCT n.nspname, c.relname, g.tgname
        FROM unnest(%s::oid[], %s::int[]) w (tab, event) JOIN pg_trigger g ON g.tgrelid = w.tab
             JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & w.event <> 0 ORDER BY 1, 2, 3""",
                 ([table for table, _event in wanted], [event for _table, event in wanted]))
    return [f"{shown((schema_name, table))}: {trigger}" for schema_name, table, trigger in names]
