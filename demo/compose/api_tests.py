# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The application's own functional tests, run by the service api-tests.

    API_URL=http://api:8000 DEMO_API_TOKEN=... python3 /app/api_tests.py

Exit status: 0 all passed, 1 not.
"""
from __future__ import annotations

import json
import os
import unittest
import urllib.error
import urllib.request

BASE = os.environ.get("API_URL", "http://api:8000")
CATEGORIES = "/api/v1/categories/"


def get(path: str, token: str | None = None) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, headers=headers), timeout=20) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Api(unittest.TestCase):
    def test_health(self) -> None:
        self.assertEqual(get("/health")[0], 200)

    def test_categories_are_not_public(self) -> None:
        self.assertEqual(get(CATEGORIES)[0], 401)

    def test_categories_are_a_list(self) -> None:
        status, body = get(CATEGORIES, os.environ["DEMO_API_TOKEN"])
        self.assertEqual(status, 200, body)
        self.assertIsInstance(json.loads(body), list)


if __name__ == "__main__":
    unittest.main(verbosity=2)
