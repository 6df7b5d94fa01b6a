# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application's own check that the migration of the categories took place.

    DATABASE_URL=postgresql://... python demo/api/validate_migration.py

Prints how many categories there are and how many level-1 labels of dom_category are among them. Written for the
migration, it calls a right rollback a failure, as the real one does.
Exit status: 0 there are categories, 1 there is none, or no table.
"""
from __future__ import annotations

import os
import sys
from typing import Any

import psycopg2


def number(cursor: Any, query: str) -> int:
    """The one number a query gives."""
    cursor.execute(query)
    return int(cursor.fetchone()[0])


def main() -> int:
    """Returns the exit status."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            has_labels = number(cursor, "SELECT count(to_regclass('dom_category'))")
            count = labels = 0
            if number(cursor, "SELECT count(to_regclass('categories'))"):
                count = number(cursor, "SELECT count(*) FROM categories")
                if has_labels:
                    query = "SELECT count(*) FROM dom_category JOIN categories ON name = label WHERE level = 1"
                    labels = number(cursor, query)
    finally:
        connection.close()
    print(f"categories: {count}")
    print(f"level-1 labels of dom_category among them: {labels}" if has_labels else "dom_category: gone")
    if not count:
        print("no category found")
    return 0 if count else 1


if __name__ == "__main__":
    sys.exit(main())
