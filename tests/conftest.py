# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for every test, whichever worker runs it."""
from __future__ import annotations

import stat
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_alive_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """No socket or pipe outlives its test: mounts below which one lies would be left out of the tests that follow."""
    home = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for path in home.rglob("*") if home else ():
        if stat.S_IFMT(path.lstat().st_mode) in (stat.S_IFSOCK, stat.S_IFIFO):
            path.unlink()
