# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reception: the old category tree, tickets, and the lines weighed on them."""
from __future__ import annotations

from alembic import op


def create_category_tree() -> None:
    """The tree and its closure, both empty."""
    op.execute("""
        CREATE TABLE dom_category (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            parent_id uuid REFERENCES dom_category,
            level integer NOT NULL,
            label varchar(120) NOT NULL,
            slug varchar(120) NOT NULL UNIQUE,
            is_active boolean NOT NULL DEFAULT true
        )""")
    op.execute("""
        CREATE TABLE dom_category_closure (
            ancestor_id uuid NOT NULL REFERENCES dom_category,
            descendant_id uuid NOT NULL REFERENCES dom_category,
            depth integer NOT NULL,
            PRIMARY KEY (ancestor_id, descendant_id)
        )""")


def drop_category_tree() -> None:
    op.drop_table("dom_category_closure")
    op.drop_table("dom_category")


def upgrade() -> None:
    create_category_tree()
    op.execute("""
        CREATE TABLE ticket_depot (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            site_id uuid NOT NULL REFERENCES sites,
            user_id uuid NOT NULL REFERENCES users,
            opened_at timestamptz NOT NULL DEFAULT now(),
            closed_at timestamptz
        )""")
    op.execute("""
        CREATE TABLE ligne_depot (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            ticket_id uuid NOT NULL REFERENCES ticket_depot,
            weight numeric(8, 3) NOT NULL CHECK (weight > 0),
            dom_category_id uuid NOT NULL CONSTRAINT fk_ligne_depot_dom_category REFERENCES dom_category
        )""")


def downgrade() -> None:
    op.drop_table("ligne_depot")
    op.drop_table("ticket_depot")
    drop_category_tree()
