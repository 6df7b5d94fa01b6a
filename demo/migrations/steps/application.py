# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application's own tables: users, sites, cash sessions, sales and their items."""
from __future__ import annotations

from alembic import op


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            username varchar(60) NOT NULL UNIQUE,
            role varchar(20) NOT NULL DEFAULT 'volunteer',
            is_active boolean NOT NULL DEFAULT true,
            created_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE sites (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            name varchar(120) NOT NULL UNIQUE,
            city varchar(120) NOT NULL,
            is_active boolean NOT NULL DEFAULT true
        )""")
    op.execute("""
        CREATE TABLE cash_sessions (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            site_id uuid NOT NULL REFERENCES sites,
            operator_id uuid NOT NULL REFERENCES users,
            opening_amount numeric(10, 2) NOT NULL,
            opened_at timestamptz NOT NULL DEFAULT now(),
            closed_at timestamptz
        )""")
    op.execute("""
        CREATE TABLE sales (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            cash_session_id uuid NOT NULL REFERENCES cash_sessions,
            total_amount numeric(10, 2) NOT NULL,
            payment_method varchar(20) NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )""")
    op.execute("""
        CREATE TABLE sale_items (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            sale_id uuid NOT NULL REFERENCES sales,
            label varchar(120) NOT NULL,
            quantity integer NOT NULL,
            unit_price numeric(10, 2) NOT NULL,
            total_price numeric(10, 2) NOT NULL
        )""")


def downgrade() -> None:
    for table in ("sale_items", "sales", "cash_sessions", "sites", "users"):
        op.drop_table(table)
