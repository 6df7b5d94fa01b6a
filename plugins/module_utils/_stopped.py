# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What this collection stopped and nobody has started since."""

from __future__ import annotations

import os
import typing as t

from ._compose import Project
from ._docker import Container
from ._evidence import StateDirectory, read_json
from ._services import EVIDENCE, left_as_stopped, order_path, stop_order


def stopped_by_us(state: StateDirectory, project: Project, among: t.Sequence[Container]) -> list[dict[str, t.Any]]:
    """Return what an emergency stop, or the last run that stopped any of the project, stopped and nobody started since.

    Each is ``{services, run_id}``, and of an emergency stop, which has no run, ``by``, ``at`` and ``why``.
    """
    order = stop_order(order_path(state.path, project))
    found: list[dict[str, t.Any]] = [{"run_id": None, "services": left_as_stopped(order, among), **{
        key: order.get(key) or "-" for key in ("by", "at", "why")}}] if order else []
    for name in sorted(os.listdir(state.runs), reverse=True) if os.path.isdir(state.runs) else []:
        record = None if name == "latest" else read_json(os.path.join(state.runs, name, EVIDENCE))
        if record and record.get("project") == project.name:
            left = left_as_stopped(record, among)
            return [*found, {"run_id": name, "services": left}] if left else found
    return found
