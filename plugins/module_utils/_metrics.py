# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Figures as a text file that Prometheus's node_exporter reads: what they are called, how they are written, where."""

from __future__ import annotations

import os
import re
import secrets
import typing as t
import zlib

from ._evidence import fsync_directory

PREFIX = "recyclic_rollback_"
FILE = "metrics.prom"
# Other programs read it: node_exporter runs under an account of its own.
MODE = 0o644
# What each is. Files of several databases meet in one exporter, so these texts have one language: it refuses a metric
# that is described in two ways. Times are Unix time; 0 stands for never.
HELP = {
    "last_outcome": "1 for how the last run on the database ended; plans and drills apart",
    "last_good": "Whether that is what was asked for",
    "last_run_timestamp_seconds": "When the last run ended",
    "duration_seconds": "How long the last run of a playbook took that was not refused",
    "outage_seconds": "How long services or writes were held back meanwhile",
    "phase_duration_seconds": "How long each phase of it took",
    "in_force": "Whether the database is rolled back, and neither undone nor migrated again since",
    "failed": "Whether the last run meant to move the database failed, and nothing came right since",
    "recorded_revision": "1 for each revision recorded when this was written",
    "expected_revision": "1 for each revision the last run that moved the database left recorded",
    "checks": "How many checks of the last validation had a result",
    "checks_failed": "How many checks of the last validation failed",
    "check_failed": "Whether a check of the last validation failed",
    "check_response_seconds": "Response time an HTTP check measured, the median of its last requests",
    "check_baseline_response_seconds": "The same before the run stopped anything",
    "check_log_errors": "Lines a log check found",
    "service_memory_bytes": "Memory a service used at the end of the last functional validation",
    "service_memory_before_bytes": "Memory it used before the run stopped anything",
    "table_present": "Whether a watched table was there at the end of the last run that counted",
    "table_rows": "Rows of a watched table at the end of the last run that counted; 0 without the table",
    "backup_timestamp_seconds": "When the newest good whole backup was finished",
    "backup_size_bytes": "Bytes of that backup",
    "backup_restored_and_compared": "Whether that backup was restored on a copy and compared",
    "restore_verified_timestamp_seconds": "When a backup was last restored on a copy and found the same",
    "drill_passed_timestamp_seconds": "When a drill last passed",
    "drill_last_outcome": "1 for how the last drill ended",
    "services_left_stopped": "Services this collection stopped and nobody has started since",
    "kept_databases": "Databases of this collection beside the live one",
    "kept_databases_bytes": "Their size, as far as the role that looks may know it",
    "written_timestamp_seconds": "When this was written",
}


class Sample(t.NamedTuple):
    """One figure; ``name`` is a key of HELP, ``labels`` are in the order they are written."""

    name: str
    value: float
    labels: dict[str, str]


def render(samples: t.Iterable[Sample]) -> str:
    """Return the text: each metric once, in the order of HELP, described before its figures."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.name, []).append(sample)
    lines = []
    for name, text in HELP.items():
        if name in found:
            lines += [f"# HELP {PREFIX}{name} {_escape(text, quoted=False)}", f"# TYPE {PREFIX}{name} gauge"]
            lines += [_line(sample) for sample in found[name]]
    return "\n".join(lines) + "\n"


def _line(sample: Sample) -> str:
    labels = ",".join(f'{key}="{_escape(text)}"' for key, text in sample.labels.items())
    number = float(sample.value)
    return f"{PREFIX}{sample.name}{{{labels}}} {int(number) if number.is_integer() else repr(number)}"


def _escape(text: str, quoted: bool = True) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quoted else text


def file_name(database: str) -> str:
    """Return a database's file; two databases never share one."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", database)
    mark = "" if plain == database else f"-{zlib.crc32(database.encode()):08x}"
    return f"{PREFIX}{plain}{mark}.prom"


def put(directory: str, database: str, text: str) -> str:
    """Write the file whole or not at all, for everybody to read; returns why it cannot be, empty where it was."""
    path = os.path.join(directory, file_name(database))
    aside = f"{path}.{secrets.token_hex(4)}.new"
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), MODE)
            os.fsync(stream.fileno())
        os.replace(aside, path)
        fsync_directory(directory)
    except OSError as error:
        if os.path.lexists(aside):
            os.unlink(aside)
        return error.strerror or str(error)
    return ""
