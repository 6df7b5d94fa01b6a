# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many sites on fewer servers, as the benchmark has them; Molecule's scenario fleet sees the rest."""
from __future__ import annotations

from pathlib import Path

import fleet
import psycopg2
import pytest
import server as demo_server


def test_sites_that_share_a_server_are_apart_and_leave_nothing(tmp_path: Path) -> None:
    home = tmp_path / "fleet"
    try:
        inventory = fleet.build(home, sites=3, servers=1)

        found = fleet.look(home)
        running = demo_server.status(home / "server-01")
        assert inventory.stat().st_mode & 0o777 == 0o600
        assert [(site["heads"], site["databases"], site["runs"]) for site in found.values()] == [
            (["k1l2m3n4o5p6"], [f"recyclic_{number}"], []) for number in ("01", "02", "03")]
        tables = [site["tables"] for site in found.values()]
        assert len({str(held.pop("sites")) for held in tables}) == 3
        assert tables[0] == tables[1] == tables[2]
        assert tables[0]["categories"][0] == 14
    finally:
        fleet.destroy(home)
    assert not home.exists()
    assert running is not None
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(running.url())


def test_a_directory_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    fleet.destroy(tmp_path)
    with pytest.raises(SystemExit, match="holds something else"):
        fleet.build(tmp_path, sites=1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["sites"]
