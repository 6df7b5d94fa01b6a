# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A backup put into a scratch server, and proved to hold what its manifest says."""

from __future__ import annotations

import os
import tempfile
import typing as t
from contextlib import suppress

from ._backup import MANIFEST, damage
from ._checks import told
from ._counts import differences
from ._database import DatabaseError, rows, session_name
from ._errors import Refusal
from ._evidence import now, read_json, write_json
from ._redact import Redactor, last_words
from ._runner import Program
from ._scratch import Scratch, Wish, require_scratch

# Indexes are not in a manifest's sizes.
_INDEXES = 1.3
SHOWN_DIFFERENCES = 8


def whole_of(manifest: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Return the entry of a manifest's file that holds the whole database."""
    return next((entry for entry in manifest["files"] if entry["scope"] == "database"), None)


def require_backup(path: str, database: str) -> dict[str, t.Any]:
    """Return the manifest at a path. Raises Refusal unless it is a whole backup of the database, as it was written."""
    manifest = t.cast("dict[str, t.Any] | None", read_json(path))
    if not manifest or manifest.get("database") != database or not whole_of(manifest):
        raise Refusal("rehearsal_no_backup", path=path, database=database)
    damaged = damage(manifest, deep=True)
    if damaged:
        raise Refusal("rehearsal_backup_damaged", damage=damaged)
    return manifest


def wish_for(manifest: t.Mapping[str, t.Any], params: t.Mapping[str, t.Any], run_id: str | None) -> Wish:
    """Return what the scratch server for a backup has to be, by a module's options."""
    size = int(sum(measured["bytes"] for measured in manifest["tables"].values()) * _INDEXES)
    own, theirs = ({str(key): str(text) for key, text in (params[name] or {}).items()}
                   for name in ("scratch_environment", "alembic_environment"))
    return Wish(manifest["server"], os.path.join(params["state_dir"], "scratch"), size, params["disk_reserve"],
                params["isolation"], params["scratch_bin_dir"] or "", environment=own, variables=theirs, run_id=run_id)


def restore(scratch: Scratch, manifest: t.Mapping[str, t.Any], redact: Redactor, timeout_s: float, run_id: str | None
            ) -> str:
    """Put the backup into the scratch server's empty database, whole or not at all; return the command.

    ``timeout_s`` is in seconds. Raises Refusal with the client's last words.
    """
    require_scratch(scratch.identifier, manifest["server"]["system_identifier"])
    entry = t.cast("dict[str, t.Any]", whole_of(manifest))
    path = os.path.join(manifest["path"], entry["name"])
    name = session_name(run_id, "restore")
    with scratch.target.client_environment(name, tempfile.gettempdir()) as environment:
        program = Program(_argv(scratch, manifest["format"]), environment, stdin_file=path, timeout_s=timeout_s)
        done = scratch.runtime.run(program)
    if done.rc != 0 or done.ended_by:
        raise Refusal("rehearsal_not_restored", path=path, error=last_words(done, redact))
    # A dump carries no statistics; without them a migration would not take the time it takes.
    with suppress(DatabaseError), scratch.target.open(name) as connection:
        rows(connection, "ANALYZE")
    return scratch.runtime.shown(program)


def _argv(scratch: Scratch, kind: str) -> list[str]:
    if kind == "custom":
        # The scratch server has no tablespaces but its own.
        return [scratch.runtime.client("pg_restore"), "--no-password", "--exit-on-error", "--single-transaction",
                "--no-tablespaces", f"--dbname={scratch.target.dsn()}"]
    return [scratch.runtime.client("psql"), "--no-password", "--no-psqlrc", "--quiet", "--output=/dev/null",
            "--set=ON_ERROR_STOP=1", "--single-transaction", f"--dbname={scratch.target.dsn()}"]


def require_same(manifest: t.Mapping[str, t.Any], evidence: t.Mapping[str, t.Any], language: str) -> None:
    """Raise Refusal unless what was restored is what the manifest tells, table by table and in its revisions."""
    found = [told(entry, language) for entry in differences(manifest["tables"], evidence["tables"])]
    if (manifest["heads"] or []) != (evidence["heads"] or []):
        found.insert(0, f"{', '.join(manifest['heads'] or ['-'])} / {', '.join(evidence['heads'] or ['-'])}")
    if found:
        rest = ["..."] if len(found) > SHOWN_DIFFERENCES else []
        raise Refusal("rehearsal_backup_differs", path=manifest["path"],
                      differences="; ".join([*found[:SHOWN_DIFFERENCES], *rest]))


def mark_compared(manifest: dict[str, t.Any], *others: str) -> None:
    """Note in a backup's own manifest, and in other copies of it, that it was restored and compared."""
    for path in (os.path.join(manifest["path"], MANIFEST), *others):
        held = read_json(path)
        if held and held["backup_id"] == manifest["backup_id"]:
            write_json(path, {**held, "restored_and_compared": True, "compared_at": now()})
