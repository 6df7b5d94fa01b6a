# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

from __future__ import annotations

REFUSED = "refused"
FAILED_UNCHANGED = "failed_unchanged"
FAILED_NEEDS_HUMAN = "failed_needs_human"


class Problem(Exception):
    """Something the operator must be told, named by its key in the message catalogue.

    ``facts`` fills the message and is returned beside it. ``outcome`` is the outcome of a run that stops here;
    ``None`` leaves the judgement to whoever closes the run, which measures the database first.
    """

    outcome: str | None = None

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts


class Refusal(Problem):
    """Nothing was changed; the operator has to provide or correct something first."""

    outcome = REFUSED


class Unended(Problem):
    """Something of ours is still at work and does not end: nothing measured now can be relied on."""

    outcome = FAILED_NEEDS_HUMAN


class Interrupted(BaseException):
    """A signal asked this process to stop: raised in the main thread, so that every ``finally`` ends its work."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
