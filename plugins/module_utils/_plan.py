# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What undoing a migration would mean, decided from the graph and the recorded revisions. Pure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._errors import Refusal
from ._revisions import Graph

APPLIED = "applied"
ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Goal:
    """Where a rollback goes: the revision to reach, the revisions it undoes in order, the heads it leaves.

    ``position`` is ``applied`` (there is something to undo) or ``rolled_back`` (by the version table, the migration is
    not applied).
    """

    to_revision: str
    position: str
    path: tuple[str, ...]
    to_heads: tuple[str, ...]


def target_of(graph: Graph, migration: str, to_revision: str | None) -> str:
    """Return the full id to go back to. Raises Refusal for one that does not exist or is not below the migration."""
    graph.require(migration, "rollback_migration")
    if not to_revision:
        parents = graph[migration].down
        if len(parents) != 1:
            key = "migration_merges" if parents else "migration_first"
            raise Refusal(key, migration=migration, parents=", ".join(parents))
        return parents[0]
    graph.require(to_revision, "rollback_to_revision")
    if to_revision == migration or to_revision not in graph.ancestors(migration):
        raise Refusal("target_not_ancestor", migration=migration, target=to_revision,
                      parents=", ".join(graph[migration].down) or "-")
    return to_revision


def goal(graph: Graph, recorded: t.Sequence[str], migration: str, to_revision: str | None,
         path: t.Sequence[str] | None, path_error: str | None = None) -> Goal:
    """Decide what the rollback is. ``path`` is what Alembic itself would walk.

    Raises Refusal for a state or a target that has no single, exact meaning.
    """
    if not recorded:
        raise Refusal("nothing_recorded", migration=migration, truth="")
    graph.require_sound(recorded)
    target = target_of(graph, migration, to_revision)
    if migration not in graph.ancestors(*recorded):
        return Goal(target, ROLLED_BACK, (), tuple(sorted(recorded)))
    if not path:
        raise Refusal("path_ambiguous", target=target, recorded=", ".join(recorded), error=path_error or "-")
    left = graph.heads_after_downgrade(recorded, path)
    # What Alembic would walk must undo the migration, and touch nothing that does not stand on the target.
    stray = [revision for revision in path if target not in graph.ancestors(revision) - {revision}]
    if migration not in path or stray or target not in graph.ancestors(*left) or graph.overlapping(sorted(left)):
        raise Refusal("path_ambiguous", target=target, recorded=", ".join(recorded), error=", ".join(stray) or "-")
    return Goal(target, APPLIED, tuple(path), tuple(sorted(left)))


def describe(database: str, migration: str, graph: Graph, recorded: t.Sequence[str], chosen: Goal,
             purpose: dict[str, int | None], probe: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the beginning of the plan as ``plan.json`` holds it: where from, where to, by which revisions."""
    return {
        "database": database,
        "migration": migration,
        "position": chosen.position,
        "to_revision": chosen.to_revision,
        "from_heads": sorted(recorded),
        "to_heads": list(chosen.to_heads),
        "path": [{**graph[revision].describe(), "in_scope": revision == migration} for revision in chosen.path],
        "purpose": purpose,
        "version_table": {"name": probe["version_table"], "schema": probe["version_table_schema"]},
    }
