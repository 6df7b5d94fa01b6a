# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long recovery takes, by swap and as a guide on paper has it: see README.md.

    python benchmarks/run.py [--sizes MEGABYTES ...]
"""
from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))

from server import Server, destroy, start

RESULT = ROOT / ".cache" / "benchmarks" / "recovery.json"
HEAD = "k1l2m3n4o5p6"
ROLE, DATABASE = "bench", "bench"
# Bytes of one row with its index, measured.
ROW_BYTES = 150


def clean(**more: str) -> dict[str, str]:
    """This environment without what would steer libpq or Ansible, and with the collection importable."""
    found = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "ANSIBLE_"))}
    return {**found, "PYTHONPATH": str(ROOT / "collections"), **more}


class Bench:
    """A database of one size, owned by a role that may only create databases."""

    def __init__(self, server: Server, home: Path) -> None:
        self.server, self.home, self.password = server, home, secrets.token_hex(12)
        self.execute("postgres", f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{self.password}'", superuser=True)

    def execute(self, database: str, *statements: str, superuser: bool = False) -> list[Any]:
        who = (self.server.superuser, self.server.password) if superuser else (ROLE, self.password)
        connection = psycopg2.connect(host=self.server.host, port=self.server.port, dbname=database, user=who[0],
                                      password=who[1])
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def fill(self, megabytes: int) -> None:
        rows = megabytes * 1_000_000 // ROW_BYTES
        self.execute("postgres", f"CREATE DATABASE {DATABASE} OWNER {ROLE}", superuser=True)
        self.execute(
            DATABASE, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
            f"INSERT INTO alembic_version VALUES ('{HEAD}')",
            "CREATE TABLE lines (id int, note text)",
            f"INSERT INTO lines SELECT i, repeat(md5(i::text), 3) FROM generate_series(1, {rows}) i",
            "ALTER TABLE lines ADD PRIMARY KEY (id)", "ANALYZE")

    def drop(self) -> None:
        query = f"SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = '{ROLE}'"
        for (name,) in self.execute("postgres", query, superuser=True):
            self.execute("postgres", f'DROP DATABASE "{name}" WITH (FORCE)', superuser=True)

    def module(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a module as Ansible does. Raises RuntimeError when it fails."""
        login = {"login_db": DATABASE, "login_user": ROLE, "login_password": self.password,
                 "login_host": self.server.host, "login_port": self.server.port}
        path = ROOT / "collections" / "ansible_collections" / "recyclic" / "rollback" / "plugins" / "modules"
        request = json.dumps({"ANSIBLE_MODULE_ARGS": {**login, **options}})
        done = subprocess.run([sys.executable, str(path / f"{name}.py")], input=request, capture_output=True, text=True,
                              env=clean(), check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return dict(json.loads(done.stdout))

    def program(self, *words: str, **streams: Any) -> None:
        subprocess.run([str(self.server.bin_dir / words[0]), *words[1:]], check=True, env=clean(
            PGHOST=self.server.host, PGPORT=str(self.server.port), PGUSER=ROLE, PGPASSWORD=self.password,
            PGDATABASE=DATABASE, PGOPTIONS="-c client_min_messages=warning"),
            **{"stdout": subprocess.DEVNULL, **streams})

    def measure(self, megabytes: int) -> dict[str, Any]:
        """Both ways back from the same ruin: seconds of each step."""
        self.fill(megabytes)
        size = self.execute("postgres", f"SELECT pg_database_size('{DATABASE}')")[0][0]
        dump = self.home / "dump.sql"
        with Clock() as dumped, open(dump, "wb") as stream:
            self.program("pg_dump", stdout=stream)
        # Free space is this machine's own business here.
        with Clock() as whole_copy:
            copied = self.module("database_copy", policy="always", disk_reserve="0", max_bytes=1 << 40)
        self.execute(DATABASE, "DELETE FROM lines WHERE id % 2 = 0")
        with Clock() as whole_swap:
            swapped = self.module("database_swap", replacement=copied["copy"]["name"], to_heads=[HEAD],
                                  purpose="recovery")
        with Clock() as guide, open(dump, "rb") as stream:
            self.program("psql", "-q", "-c", "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            self.program("psql", "-q", "-1", "-v", "ON_ERROR_STOP=1", stdin=stream)
        dump.unlink()
        self.drop()
        return {"bytes": size, "dump_s": dumped.seconds, "copy_s": copied["copy"]["seconds"],
                "copy_compared_s": whole_copy.seconds, "swap_s": swapped["seconds"],
                "swap_module_s": whole_swap.seconds, "guide_s": guide.seconds,
                "ratio": round(guide.seconds / whole_swap.seconds, 1)}


class Clock:
    """Seconds between entering and leaving."""

    seconds = 0.0

    def __enter__(self) -> Clock:
        self._began = time.monotonic()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.seconds = round(time.monotonic() - self._began, 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 1000], metavar="MEGABYTES")
    sizes = sorted(parser.parse_args().sizes)
    with tempfile.TemporaryDirectory() as directory:
        server = start(Path(directory) / "server")
        try:
            bench = Bench(server, Path(directory))
            found = [bench.measure(megabytes) for megabytes in sizes]
            version = server.version
        finally:
            destroy(Path(directory) / "server")
    grows = round(found[-1]["swap_module_s"] / found[0]["swap_module_s"], 2)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"postgresql": version, "sizes": found, "grows": grows}, indent=2) + "\n")
    print(f"PostgreSQL {version}, one machine, one run; seconds")
    print(f"{'size':>9} {'copy':>8} {'swap':>8} {'guide':>8} {'guide/swap':>11}")
    for each in found:
        print(f"{each['bytes'] / 1e6:>6.0f} MB {each['copy_s']:>8.2f} {each['swap_module_s']:>8.2f} "
              f"{each['guide_s']:>8.2f} {each['ratio']:>11.1f}")
    print(f"swap, largest / smallest: {grows}")
    print(f"result: {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
