# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""How an application's Alembic is led to a scratch server that no namespace hides: by its variables. Pure."""

from __future__ import annotations

import re
import typing as t
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ._database import Target
from ._scratch import SUPERUSER

LOOPBACK = "127.0.0.1"
_PORT = 5432


def port_of(target: Target) -> int:
    """Return the port of a server; libpq takes several, and the first is meant."""
    return int(str(target.params.get("port") or _PORT).partition(",")[0])


def redirected(theirs: t.Mapping[str, str], given: t.Mapping[str, str], production: Target, port: int, password: str
               ) -> dict[str, str]:
    """Return the variables that lead Alembic to a server on the loopback; nobody but the server tells whether they do.

    They are those ``given``, with SCRATCH_HOST and its like replaced; without any, the application's own whose URL is
    production's, and libpq's.
    """
    user = theirs.get("PGUSER") or str(production.params.get("user") or SUPERUSER)
    words = {"SCRATCH_HOST": LOOPBACK, "SCRATCH_PORT": str(port), "SCRATCH_USER": user, "SCRATCH_PASSWORD": password,
             "SCRATCH_DATABASE": production.database}
    if given:
        return {name: re.sub("|".join(words), lambda word, text=text: (  # type: ignore[misc]
            quote(words[word.group()], safe="") if "://" in text else words[word.group()]), text)
            for name, text in given.items()}
    found = {name: _elsewhere(text, production, port, password) for name, text in theirs.items()}
    return {**{name: text for name, text in found.items() if text}, "PGHOST": LOOPBACK, "PGHOSTADDR": LOOPBACK,
            "PGPORT": str(port), "PGUSER": user, "PGPASSWORD": password, "PGSSLMODE": "prefer"}


def _elsewhere(text: str, production: Target, port: int, password: str) -> str:
    """Return a URL of production's host and port as one of the scratch server; empty for any other text."""
    try:
        url = urlsplit(text)
        place = _alike(url.hostname or ""), url.port or _PORT
    except ValueError:
        return ""
    if not url.scheme.startswith("postgres") or place != (_alike(str(production.params.get("host") or "")),
                                                          port_of(production)):
        return ""
    user = url.netloc.rpartition("@")[0].partition(":")[0]
    options = [(name, value) for name, value in parse_qsl(url.query) if not name.startswith("ssl")]
    return urlunsplit(url._replace(netloc=f"{user}:{quote(password, safe='')}@{LOOPBACK}:{port}",
                                   query=urlencode(options)))


def _alike(host: str) -> str:
    return LOOPBACK if host.lower() in ("localhost", "::1") else host.lower()
