# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What diff mode shows of a movement."""

from __future__ import annotations

from ansible_collections.recyclic.rollback.plugins.module_utils._migrate import Move
from ansible_collections.recyclic.rollback.plugins.modules import alembic_migrate

MOVE = Move("downgrade", "a1", ["d1"], ["a1"], ["d1", "c1", "b1"])


def test_the_diff_shows_the_revisions_and_what_each_would_execute() -> None:
    rendered = {"d1": {"sql": "DROP TABLE x;\n"},
                "c1": {"sql": "-- Running\nUPDATE alembic_version SET version_num='b1';"},
                "b1": {"error": "it reads rows"}}
    diff = alembic_migrate.diff(MOVE, rendered, "alembic_version")
    assert (diff["before"], diff["after"]) == ("d1\n", "a1\n")
    first, second, third = diff["prepared"].split("-- downgrade ")[1:]
    assert "DROP TABLE x;" in first
    assert "renders as nothing" in second and "UPDATE" not in second
    assert "not known: it reads rows" in third


def test_a_revision_that_was_not_rendered_is_not_shown_as_doing_nothing() -> None:
    assert alembic_migrate.diff(MOVE, {}, "alembic_version")["prepared"].count("not known: not rendered") == 3
