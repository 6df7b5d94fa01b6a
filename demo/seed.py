# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fill the demo's database with the same content every time.

    DATABASE_URL=postgresql://... python demo/seed.py before|after --history guide|chain|branched

The address may as well stand in a file that DATABASE_URL_FILE names.

`before` is run just below the migration (in branched: at both of g1h2i3j4k5l6 and f4g5h6i7j8k9) and writes
what the application held then. `after` is run once the migration has been applied, normally at the head, and
adds what users did since. Columns and tables that a history lacks at that point are left out. All happens in
one transaction, and a second run does nothing. Prints one JSON line: stage, history, changed, message, counts
(rows by table).
Exit status: 0 done or already there, 1 refused (reason on stderr).
"""
from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import uuid
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from psycopg2.sql import SQL, Identifier

Row = dict[str, Any]
Schema = dict[str, set[str]]

MIGRATION = "k1l2m3n4o5p6"
PARENTS = {
    "guide": {"9a2b3c4d5e6f"},
    "chain": {"g1h2i3j4k5l6"},
    "branched": {"g1h2i3j4k5l6", "f4g5h6i7j8k9"},
}
START = datetime(2025, 1, 6, 9, 0, tzinfo=timezone.utc)
SITES = {"Atelier du Port": "Nantes", "La Boucle": "Rennes", "Le Second Souffle": "Brest"}
SUBCATEGORIES = {
    "ameublement": ("Chaises", "Tables"),
    "livres": ("Romans", "Bandes dessinées"),
    "textile": ("Manteaux", "Linge"),
}
SETTINGS = {
    "currency": "EUR",
    "opening_hours": "09:00-18:00",
    "receipt_footer": "Merci !",
    "session_timeout_min": "480",
}
OWN_CATEGORIES = ("Instruments de musique", "Luminaires", "Jeux de société")
PARENT_OF_LAST = "Jeux et jouets"
SALES, ITEMS_PER_TWO_SALES = 2000, 5
TICKETS, LINES_PER_TICKET = 300, 5
LINES_SINCE = 60


def seed_before(cursor: Any, schema: Schema) -> None:
    """The application's content below the migration; the level-1 dom_category rows are already there."""
    rng = random.Random("recyclic before")
    users = [
        {
            "id": new_id(rng),
            "username": f"user{number:02}",
            "role": "admin" if number == 0 else "volunteer",
            "created_at": START,
            "hashed_pin": "sha256$" + hashlib.sha256(f"pin {number}".encode()).hexdigest(),
        }
        for number in range(12)
    ]
    sites = [{"id": new_id(rng), "name": name, "city": city} for name, city in SITES.items()]
    sessions: list[Row] = [
        {
            "id": new_id(rng),
            "site_id": site["id"],
            "operator_id": rng.choice(users)["id"],
            "opening_amount": 50,
            "opened_at": START + timedelta(days=day),
            "closed_at": START + timedelta(days=day, hours=8),
        }
        for day in range(30)
        for site in sites
    ]
    sales, items = [], []
    for number in range(SALES):
        session = rng.choice(sessions)
        sale = {
            "id": new_id(rng),
            "cash_session_id": session["id"],
            "payment_method": rng.choice(["cash", "card", "check"]),
            "created_at": session["opened_at"] + timedelta(minutes=rng.randrange(480)),
            "operator_id": session["operator_id"],
        }
        own = [new_item(rng, sale["id"]) for _count in range(ITEMS_PER_TWO_SALES // 2 + number % 2)]
        sales.append({**sale, "total_amount": sum(item["total_price"] for item in own)})
        items += own

    for table, rows in (("users", users), ("sites", sites), ("cash_sessions", sessions), ("sales", sales)):
        insert(cursor, schema, table, rows)
    insert(cursor, schema, "sale_items", items)
    settings = [{"id": new_id(rng), "key": key, "value": value} for key, value in SETTINGS.items()]
    insert(cursor, schema, "settings", settings)

    top = dict(fetch(cursor, "SELECT slug, id FROM dom_category WHERE level = 1 ORDER BY slug"))
    children = [
        {"id": new_id(rng), "parent_id": top[slug], "level": 2, "label": label, "slug": f"{slug}-{number}"}
        for slug, labels in SUBCATEGORIES.items()
        for number, label in enumerate(labels, 1)
    ]
    closure = [
        {"ancestor_id": ancestor, "descendant_id": child["id"], "depth": depth}
        for child in children
        for depth, ancestor in enumerate((child["id"], child["parent_id"]))
    ]
    insert(cursor, schema, "dom_category", children)
    insert(cursor, schema, "dom_category_closure", closure)

    tickets = [new_ticket(rng, START + timedelta(hours=2 * n), sites, users) for n in range(TICKETS)]
    lines = [
        new_line(rng, ticket, dom_category_id=rng.choice(list(top.values())))
        for ticket in tickets
        for _count in range(LINES_PER_TICKET)
    ]
    insert(cursor, schema, "ticket_depot", tickets)
    insert(cursor, schema, "ligne_depot", lines)


def seed_after(cursor: Any, schema: Schema) -> None:
    """What users did since: categories of their own, one of them below a migrated one, and new lines."""
    rng = random.Random("recyclic after")
    migrated = [id_ for (id_,) in fetch(cursor, "SELECT id FROM categories ORDER BY name")]
    parent = fetch(cursor, "SELECT id FROM categories WHERE name = %s", PARENT_OF_LAST)
    since = START + timedelta(days=60)
    always = {"parent_id": None, "price": 5, "created_at": since, "updated_at": since}
    own = [{"id": new_id(rng), "name": name, **always} for name in OWN_CATEGORIES]
    if parent:
        own[-1]["parent_id"] = parent[0][0]
    insert(cursor, schema, "categories", own)

    if "category_id" not in schema["ligne_depot"]:
        return
    users = [{"id": id_} for (id_,) in fetch(cursor, "SELECT id FROM users ORDER BY username")]
    sites = [{"id": id_} for (id_,) in fetch(cursor, "SELECT id FROM sites ORDER BY name")]
    ticket = new_ticket(rng, since, sites, users)
    old = [None]
    if "dom_category_id" in schema["ligne_depot"]:
        old = [id_ for (id_,) in fetch(cursor, "SELECT id FROM dom_category WHERE level = 1 ORDER BY slug")]
    targets = (migrated, [row["id"] for row in own])
    lines = [
        new_line(rng, ticket, dom_category_id=rng.choice(old), category_id=rng.choice(targets[number % 2]))
        for number in range(LINES_SINCE)
    ]
    insert(cursor, schema, "ticket_depot", [ticket])
    insert(cursor, schema, "ligne_depot", lines)


def new_item(rng: random.Random, sale_id: str) -> Row:
    """A sold item; prices in cents' precision, weight in kilograms."""
    quantity, cents = rng.randint(1, 3), rng.randrange(50, 4000, 50)
    return {
        "id": new_id(rng),
        "sale_id": sale_id,
        "label": rng.choice(["Chaise", "Lampe", "Livre", "Manteau", "Assiette", "Vélo"]),
        "quantity": quantity,
        "unit_price": cents / 100,
        "total_price": quantity * cents / 100,
        "weight": rng.randrange(100, 20000) / 1000,
    }


def new_ticket(rng: random.Random, opened: datetime, sites: list[Row], users: list[Row]) -> Row:
    return {
        "id": new_id(rng),
        "site_id": rng.choice(sites)["id"],
        "user_id": rng.choice(users)["id"],
        "opened_at": opened,
        "closed_at": opened + timedelta(minutes=20),
    }


def new_line(rng: random.Random, ticket: Row, **categories: Any) -> Row:
    return {
        "id": new_id(rng),
        "ticket_id": ticket["id"],
        "weight": rng.randrange(100, 30000) / 1000,
        "destination": rng.choice(["shop", "shop", "recycling", "waste"]),
        **categories,
    }


def new_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def insert(cursor: Any, schema: Schema, table: str, rows: list[Row]) -> None:
    """Insert rows, without the columns that the table lacks; nothing where the table itself is lacking."""
    columns = [name for name in rows[0] if name in schema.get(table, ())]
    if columns:
        into = SQL("INSERT INTO {} ({}) VALUES %s").format(
            Identifier(table), SQL(", ").join(map(Identifier, columns))
        )
        execute_values(cursor, into, [[row[name] for name in columns] for row in rows], page_size=1000)


def fetch(cursor: Any, query: str, *values: Any) -> list[tuple[Any, ...]]:
    cursor.execute(query, values)
    return list(cursor.fetchall())


def read_schema(cursor: Any) -> Schema:
    """Column names by table of the public schema."""
    schema: Schema = {}
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    for table, column in fetch(cursor, query):
        schema.setdefault(table, set()).add(column)
    return schema


def read_heads(cursor: Any) -> set[str]:
    return {head for (head,) in fetch(cursor, "SELECT version_num FROM alembic_version")}


def seed(cursor: Any, stage: str, history: str) -> str | None:
    """Do one stage; returns None, or why nothing was done.

    Raises RuntimeError at a point of the history where the stage makes no sense.
    """
    schema = read_schema(cursor)
    if stage == "before":
        if "users" in schema and fetch(cursor, "SELECT 1 FROM users LIMIT 1"):
            return "already seeded"
        heads = read_heads(cursor) if "alembic_version" in schema else set()
        if heads != PARENTS[history]:
            wanted, found = sorted(PARENTS[history]), sorted(heads)
            raise RuntimeError(f"{history} is seeded at {wanted}, and the database is at {found}")
        seed_before(cursor, schema)
        return None
    if "categories" not in schema or not fetch(cursor, "SELECT 1 FROM categories LIMIT 1"):
        raise RuntimeError(f"categories holds nothing: apply {MIGRATION} first")
    if fetch(cursor, "SELECT 1 FROM categories WHERE name = %s", OWN_CATEGORIES[0]):
        return "already seeded"
    seed_after(cursor, schema)
    return None


def count_rows(cursor: Any) -> dict[str, int]:
    """Rows of every table of the public schema but Alembic's own."""
    tables = sorted(set(read_schema(cursor)) - {"alembic_version"})
    counts = {}
    for table in tables:
        cursor.execute(SQL("SELECT count(*) FROM {}").format(Identifier(table)))
        counts[table] = cursor.fetchone()[0]
    return counts


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Fill the demo's database; DATABASE_URL says which.")
    parser.add_argument("stage", choices=["before", "after"])
    parser.add_argument("--history", required=True, choices=sorted(PARENTS))
    options = parser.parse_args()
    address = os.environ.get("DATABASE_URL_FILE")
    url = Path(address).read_text() if address else os.environ.get("DATABASE_URL")
    if not url:
        print("DATABASE_URL is not set", file=sys.stderr)
        return 1
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            reason = seed(cursor, options.stage, options.history)
            counts = count_rows(cursor)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        connection.close()
    done = {"stage": options.stage, "history": options.history, "changed": reason is None}
    print(json.dumps({**done, "message": reason or "seeded", "counts": counts}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
