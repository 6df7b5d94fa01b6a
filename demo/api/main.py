# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The demo's API: one route that needs no database and one that needs `categories` whole.

    DATABASE_URL=postgresql://... DEMO_API_TOKEN=... uvicorn --app-dir demo/api main:app

DEMO_API_COLUMNS names the columns this build of the application reads, separated by commas. Errors of the
database are left to the framework, which answers 500: that is what the real application does.
"""
from __future__ import annotations

import os
import secrets
from typing import Any

import psycopg2
from fastapi import FastAPI, HTTPException, Request
from psycopg2.extras import RealDictCursor
from psycopg2.sql import SQL, Identifier

DEFAULT_COLUMNS = "id,name,is_active,parent_id"
CONNECT_TIMEOUT_S = 5

app = FastAPI(title="demo")


def known_columns() -> list[str]:
    """What is set wins over what the image was built for; Compose hands an empty variable over where none is set."""
    named = os.environ.get("DEMO_API_COLUMNS") or os.environ.get("DEMO_API_BUILT_FOR") or DEFAULT_COLUMNS
    return [name.strip() for name in named.split(",")]


@app.get("/health")
def health() -> dict[str, str]:
    """Healthy as long as the process answers; it knows nothing of the database."""
    return {"status": "healthy"}


@app.get("/api/v1/categories/")
def categories(request: Request) -> list[dict[str, Any]]:
    """All categories by name; 401 without the right bearer token."""
    token = os.environ.get("DEMO_API_TOKEN", "")
    given = request.headers.get("authorization", "")
    if not token or not secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "a valid bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
    columns = known_columns()
    query = SQL("SELECT {} FROM categories ORDER BY name").format(SQL(", ").join(map(Identifier, columns)))
    connection = psycopg2.connect(os.environ["DATABASE_URL"], connect_timeout=CONNECT_TIMEOUT_S)
    try:
        with connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(query)
            return [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()
