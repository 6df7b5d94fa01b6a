# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What a rollback would take with it, each loss under an id by which an operator accepts it. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
import typing as t
from dataclasses import dataclass

from ._messages import say

# In the order an operator reads them: what is gone for good first.
KINDS = ("drop-table", "delete-rows", "drop-column", "change-rows", "change-column", "written-since", "empty-table",
         "empty-column", "not-restored", "left-behind", "no-upgrade", "no-downgrade", "inconsistent", "unknown",
         "revision", "other-database", "unverified-backup", "unrehearsed")
# Ids that stand alone, without an object.
_ALONE = ("unrehearsed", "no-upgrade", "no-downgrade", "inconsistent", "unverified-backup")
# What need not be told of a column that goes. A table stock.items is none: it is not the column items of stock.
_OF_COLUMNS = ("change-column", "empty-column", "not-restored")


@dataclass(frozen=True)
class Loss:
    """One loss: what kind, of what (a table, ``table.column``, a revision), and how many rows or non-null values.

    ``rows`` is None where there is nothing to count, and with ``exact`` False where it could not be counted; a number
    with ``exact`` False is an estimate or an upper bound. ``because`` is what the words need besides.
    """

    kind: str
    object: str = ""
    rows: int | None = None
    exact: bool = True
    because: str = ""

    @property
    def id(self) -> str:
        return self.kind if self.kind in _ALONE else f"{self.kind}:{self.object}"

    @property
    def at_most(self) -> float:
        """How many rows it may be: no end of them where they could not be counted."""
        return self.rows if self.rows is not None else 0 if self.exact else math.inf

    def describe(self, language: str) -> dict[str, t.Any]:
        """Return it as ``plan.json`` holds it: ``{id, text, rows, exact}``."""
        # Without a filter that can still be applied, nobody can say which rows were the migration's.
        kind = "delete_rows_unfiltered" if self.kind == "delete-rows" and self.because else self.kind.replace("-", "_")
        text = say(language, "loss_" + kind, object=self.object, because=self.because,
                   rows="?" if self.rows is None else self.rows if self.exact else say(
                       language, "loss_about", rows=self.rows))
        return {"id": self.id, "text": text, "rows": self.rows, "exact": self.exact}


def settle_losses(found: t.Iterable[Loss]) -> list[Loss]:
    """Return losses once each, in reading order; what a dropped table or column takes with it is not told twice."""
    merged: dict[str, Loss] = {}
    for loss in found:
        known = merged.get(loss.id)
        if known is None or loss.at_most > known.at_most:
            merged[loss.id] = loss
    gone = {loss.object for loss in merged.values() if loss.kind == "drop-table"}
    columns = {loss.object for loss in merged.values() if loss.kind == "drop-column"}
    kept = [loss for loss in merged.values() if loss.kind in ("drop-table", "revision", "unknown")
            or not (loss.object in gone or table_of(loss) in gone
                    or (loss.kind in _OF_COLUMNS and loss.object in columns))]
    return sorted(kept, key=lambda loss: (KINDS.index(loss.kind), loss.object))


def table_of(loss: Loss) -> str:
    """Return the table a loss is about; empty where it is about none. Columns are ``table.column``."""
    if loss.kind in ("drop-column", "change-column", "empty-column"):
        return loss.object.rpartition(".")[0]
    return "" if loss.kind in ("revision", "unknown", "other-database", *_ALONE) else loss.object


def table_named(loss_id: str) -> str:
    """Return the table an id is about; empty where it is about none."""
    kind, _colon, name = loss_id.partition(":")
    return table_of(Loss(kind, name))


@dataclass(frozen=True)
class Acceptances:
    """What the operator accepted: ids, each with or without the most rows it is accepted for (``id=rows``)."""

    limits: dict[str, int | None]

    def covers(self, loss: Loss) -> bool:
        """Tell whether a loss is accepted, as large as it is or may be."""
        if loss.id not in self.limits:
            return False
        limit = self.limits[loss.id]
        return limit is None or loss.at_most <= limit

    def missing(self, losses: t.Iterable[Loss]) -> list[Loss]:
        """Return those that are not."""
        return [loss for loss in losses if not self.covers(loss)]


def acceptances(given: t.Iterable[str]) -> Acceptances:
    """Read ``rollback_accept``: ids as the plan prints them, ``drop-table:sites`` or ``drop-table:sites=3``."""
    limits: dict[str, int | None] = {}
    for word in given:
        name, equals, rows = word.strip().rpartition("=")
        if equals and rows.isdecimal():
            limits[name] = int(rows)
        elif word.strip():
            limits[word.strip()] = None
    return Acceptances(limits)


def ready_line(losses: t.Iterable[Loss]) -> str:
    """Return what an operator pastes after a playbook's name to accept these losses."""
    ids = [f"{loss.id}={loss.rows}" if loss.rows is not None and loss.exact and not loss.kind.startswith("empty-")
           else loss.id for loss in losses]
    # Without quotes, which some output shows escaped, wherever the names allow it.
    if all(re.fullmatch(r"[\w.:=-]+", each) for each in ids):
        return f"-e rollback_accept={','.join(ids)}"
    return f"-e {shlex.quote(json.dumps({'rollback_accept': ids}, ensure_ascii=False))}"
