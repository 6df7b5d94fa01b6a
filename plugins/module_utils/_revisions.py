# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The revision graph, and what moving along it would leave recorded. Pure: no database, no Alembic."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ._errors import Refusal


@dataclass(frozen=True)
class Revision:
    """One revision. ``down`` are its parents, ``depends_on`` what it needs without descending from it.

    ``downgrade`` is what its source shows: implemented, empty?, raises or unknown.
    """

    revision: str
    down: tuple[str, ...]
    message: str = ""
    depends_on: tuple[str, ...] = ()
    downgrade: str = "unknown"

    def describe(self) -> dict[str, t.Any]:
        """Return what an operator wants to know of it."""
        return {"revision": self.revision, "message": self.message, "downgrade": self.downgrade}


class Graph:
    """A history of revisions, as Alembic's own API reported it."""

    def __init__(self, revisions: t.Iterable[Revision]) -> None:
        self.revisions = {revision.revision: revision for revision in revisions}

    def __contains__(self, revision: object) -> bool:
        return revision in self.revisions

    def __getitem__(self, revision: str) -> Revision:
        return self.revisions[revision]

    def ancestors(self, *revisions: str) -> set[str]:
        """Return these revisions and everything they stand on, dependencies included."""
        found: set[str] = set()
        waiting = [revision for revision in revisions if revision in self.revisions]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting += self[current].down + self[current].depends_on
        return found

    def heads(self) -> list[str]:
        """Return the revisions nothing descends from."""
        parents = {parent for revision in self.revisions.values() for parent in revision.down}
        return sorted(set(self.revisions) - parents)

    def require(self, revision: str, role: str) -> None:
        """Raise Refusal unless this is a full, known revision id; a partial one is answered with what it may mean."""
        if revision in self:
            return
        meant = sorted(known for known in self.revisions if revision and known.startswith(revision))
        if meant:
            raise Refusal("revision_partial", role=role, revision=revision, candidates=", ".join(meant))
        raise Refusal("revision_unknown", role=role, revision=revision, heads=", ".join(self.heads()) or "-")

    def require_sound(self, recorded: t.Sequence[str]) -> None:
        """Raise Refusal for recorded revisions that are unknown here, or of which one stands on another."""
        unknown = [revision for revision in recorded if revision not in self]
        if unknown:
            raise Refusal("recorded_unknown", revisions=", ".join(unknown), heads=", ".join(self.heads()) or "-")
        overlap = self.overlapping(recorded)
        if overlap:
            raise Refusal("heads_overlap", lower=overlap[0], upper=overlap[1], truth="")

    def overlapping(self, recorded: t.Sequence[str]) -> tuple[str, str] | None:
        """Return two recorded revisions of which one stands on the other: no healthy database records both."""
        for upper in recorded:
            below = self.ancestors(upper) - {upper}
            for lower in recorded:
                if lower in below:
                    return lower, upper
        return None

    def heads_after_downgrade(self, recorded: t.Iterable[str], path: t.Iterable[str]) -> set[str]:
        """Return the set of recorded revisions once every revision of ``path`` has been undone, in that order.

        Undoing a revision uncovers what it rested on, except what another recorded revision still stands on. Alembic
        keeps its version rows by this rule, and only where no other is recorded does it look for what the uncovered
        ones imply among themselves.
        """
        heads = set(recorded)
        for revision in path:
            heads.discard(revision)
            uncovered = self._rests_on(revision)
            standing = self.ancestors(*heads) if heads else set().union(
                *(self.ancestors(name) - {name} for name in uncovered))
            heads |= uncovered - standing
        return heads

    def _rests_on(self, revision: str) -> set[str]:
        """Return a revision's parents and those of its dependencies that none of its forebears declared before it."""
        declared: set[str] = set()
        waiting = list(self[revision].down)
        seen: set[str] = set()
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                declared |= set(self[current].depends_on)
                waiting += self[current].down
        return set(self[revision].down) | set(self[revision].depends_on) - declared

    def heads_after_upgrade(self, recorded: t.Iterable[str], path: t.Iterable[str]) -> set[str]:
        """Return the set of recorded revisions once every revision of ``path`` has been applied, in that order."""
        heads = set(recorded)
        for revision in path:
            heads -= self._rests_on(revision)
            heads.add(revision)
        return heads
