# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Whether a backup can be taken in by this server, for this database: looked at before anything is done."""

from __future__ import annotations

import os
import re
import time
import typing as t
from dataclasses import dataclass

from ._archive import DIRECTORY, PLAIN, Source
from ._backup import parse_reserve
from ._database import rows, value
from ._errors import Refusal
from ._ground import Ground
from ._losses import acceptances
from ._messages import say
from ._runner import Program
from ._swap import maintenance, work_name

UNVERIFIED = "unverified-backup"
# Indexes are in no dump, and a table is larger than its text.
_GROWTH = {"custom": 1.3, "plain": 1.5}
_LOOK_S = 5.0


@dataclass(frozen=True)
class How:
    """How a backup is taken in, besides what load() is told.

    ``heads`` are the only revisions it may record. ``no_owner`` leaves owners and grants to whoever restores. ``room``
    is where files lie for a while.
    """

    version_table: str = "alembic_version"
    version_schema: str | None = None
    fingerprint_max_bytes: int = 1 << 30
    heads: t.Sequence[str] | None = None
    no_owner: bool = False
    room: str | None = None
    language: str = "en"


def require_loadable(ground: Ground, source: Source, accept: t.Collection[str], how: How) -> None:
    """Raise Refusal for what makes a backup unfit for this database and server; nothing is touched."""
    manifest, live = source.manifest, ground.target.database
    if how.heads is not None and source.heads is not None and source.heads != sorted(how.heads):
        raise other_heads(source, source.heads, how)
    accepted = acceptances(accept).limits
    if manifest is None and UNVERIFIED not in accepted:
        raise Refusal("source_unverified", path=source.path, id=UNVERIFIED)
    other = f"other-database:{manifest['database']}" if manifest and manifest["database"] != live else ""
    if other and other not in accepted:
        raise Refusal("source_of_another", path=source.path, of=manifest["database"] if manifest else "", database=live,
                      id=other)
    base = maintenance(ground.target)
    with base.open(work_name(None, "preflight")) as control:
        server = control.server_version // 10000
        version = int((re.match(r"\d+", source.server_version or "") or ["0"])[0])
        if version > server:
            raise Refusal("source_newer", path=source.path, error=f"PostgreSQL {version} > {server}")
        _require_roles(control, source, how)
        _require_extensions(control, source)


def _require_roles(control: t.Any, source: Source, how: How) -> None:
    told_of = source.told
    if told_of is None or (how.no_owner and source.kind != PLAIN):
        return
    known = {row[0] for row in rows(control, "SELECT rolname FROM pg_roles")}
    named = told_of.owners | told_of.grantees
    if how.no_owner and named - known:
        raise Refusal("source_plain_owners", path=source.path, roles=", ".join(sorted(named - known)))
    if named - known:
        raise Refusal("source_roles", path=source.path, roles=", ".join(sorted(named - known)))
    foreign = [row[0] for row in rows(control, """
        SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) AND rolname <> 'pg_database_owner'
        AND NOT pg_has_role(oid, 'MEMBER') ORDER BY 1""",
                                      (sorted(told_of.owners),))]
    if foreign:
        raise Refusal("source_not_member", path=source.path, roles=", ".join(foreign),
                      user=value(control, "SELECT current_user"))


def _require_extensions(control: t.Any, source: Source) -> None:
    wanted = sorted(source.told.extensions if source.told else ())
    known = {row[0] for row in rows(control, "SELECT name FROM pg_available_extensions")}
    missing = [name for name in wanted if name not in known]
    if missing:
        raise Refusal("source_extensions", path=source.path, extensions=", ".join(missing))
    if value(control, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return
    # Every new database has it already.
    forbidden = [row[0] for row in rows(control, """
        SELECT a.name FROM pg_available_extensions a JOIN pg_available_extension_versions v
               ON v.name = a.name AND v.version = a.default_version
        WHERE a.name = ANY(%s) AND a.name <> 'plpgsql' AND v.superuser AND NOT v.trusted ORDER BY 1""", (wanted,))]
    if forbidden:
        raise Refusal("source_extensions_superuser", path=source.path, extensions=", ".join(forbidden),
                      user=value(control, "SELECT current_user"))


def other_heads(source: Source, heads: t.Sequence[str], how: How) -> Refusal:
    return Refusal("source_heads", path=source.path, heads=", ".join(heads) or "-",
                   wanted=", ".join(sorted(how.heads or [])) or "-")


class Room:
    """The server's disk, as far as it can be seen: from where the client programs run, and only by those who may."""

    def __init__(self, ground: Ground, control: t.Any, source: Source, reserve: str, language: str) -> None:
        self.runtime, self.reserve, self.notes = ground.runtime, reserve, list[str]()
        self.directory = value(control, "SELECT setting FROM pg_settings WHERE name = 'data_directory'") or ""
        self._looked = 0.0
        host = str(ground.target.params.get("host") or "")
        if ground.project is None and not (host.startswith("/") or host in ("", "localhost", "::1")
                                           or host.startswith("127.")):
            self.directory = ""
        seen = self._free()
        if seen is None:
            self.directory = ""
            self.notes.append(say(language, "beside_disk_unseen"))
            return
        free, total = seen
        expected = _expected(source, value(control, "SELECT pg_database_size(%s)", (ground.target.database,)))
        self.bytes = parse_reserve(reserve, total)
        if free - expected < self.bytes:
            raise Refusal("beside_disk_small", path=source.path, directory=self.directory, free=free, expected=expected,
                          reserve=self.bytes)

    def _free(self) -> tuple[int, int] | None:
        if not self.directory:
            return None
        done = self.runtime.run(Program(["df", "-Pk", self.directory], timeout_s=30))
        found = re.search(r"\s(\d+)\s+\d+\s+(\d+)\s+\d+%", done.stdout) if not done.rc else None
        return (int(found[2]) * 1024, int(found[1]) * 1024) if found else None

    def short(self) -> bool:
        """Tell, every few seconds, whether the reserve is being eaten into."""
        if not self.directory or time.monotonic() - self._looked < _LOOK_S:
            return False
        self._looked = time.monotonic()
        seen = self._free()
        return seen is not None and seen[0] < self.bytes


def _expected(source: Source, live: int | None) -> int:
    """Return a cautious guess of what the new database will take, in bytes."""
    if source.manifest:
        return int(sum(table["bytes"] for table in source.manifest["tables"].values()) * _GROWTH["custom"])
    if source.kind == PLAIN and not source.packed:
        return int(os.path.getsize(source.path) * _GROWTH["plain"])
    size = sum(entry.stat().st_size for entry in os.scandir(source.path)) if source.kind == DIRECTORY else (
        os.path.getsize(source.path))
    return max(int(size * _GROWTH["custom"]), live or 0)
