# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A backup that is already there, used instead of taking one inside the incident."""

from __future__ import annotations

import os
import typing as t

from ._backup import MANIFEST, damage
from ._evidence import read_json, seconds_between


def usable_backup(backups: str, database: str, server_identifier: str, heads: t.Sequence[str] | None, max_age_s: float,
                  now: str, deep: bool = True) -> dict[str, t.Any] | None:
    """Return the manifest of the newest backup that stands for one taken now; None where there is none.

    It holds the whole of this server's database at the recorded revisions ``heads``, has been restored somewhere and
    compared, is no older than ``max_age_s`` seconds at ``now``, counted from its snapshot, and its files are as they
    were written: ``deep`` by their checksums, otherwise by their sizes.
    """
    names = [name for name in os.listdir(backups) if not name.startswith(".")] if os.path.isdir(backups) else []
    found = []
    for name in names:
        path = os.path.join(backups, name)
        manifest = read_json(os.path.join(path, MANIFEST))
        if isinstance(manifest, dict) and _stands_for(manifest, database, server_identifier, heads) and (
                0 <= _age_s(manifest, now) <= max_age_s):
            # The state directory may have been moved since.
            found.append({**manifest, "path": path})
    newest_first = sorted(found, key=lambda manifest: str(manifest["started_at"]), reverse=True)
    return next((manifest for manifest in newest_first if damage(manifest, deep) is None), None)


def _stands_for(manifest: dict[str, t.Any], database: str, server: str, heads: t.Sequence[str] | None) -> bool:
    recorded = manifest.get("heads")
    return (manifest.get("database") == database
            and manifest.get("server", {}).get("system_identifier") == server
            and (recorded is None) == (heads is None) and sorted(recorded or []) == sorted(heads or [])
            and manifest.get("verified") is True and manifest.get("restored_and_compared") is True
            and any(entry["scope"] == "database" for entry in manifest["files"]))


def _age_s(manifest: dict[str, t.Any], now: str) -> float:
    """Return its age; negative, as of one from the future, where it does not say."""
    try:
        return seconds_between(str(manifest.get("started_at")), now)
    except ValueError:
        return -1.0
