# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Many sites on one machine: servers, databases, state directories, and the inventory that names them.

    python demo/fleet.py build --dir DIR --sites NUMBER [--servers NUMBER] [--history guide|chain|branched]
    python demo/fleet.py look|destroy --dir DIR
    python demo/fleet.py break|mend --dir DIR --site SITE

`build` makes everything afresh. Each site has a database, a role and a password of its own, at the migration, a state
directory, and a release of the migrations; a server of its own too, unless --servers says fewer, which the sites then
share in turn. The history is applied once; the sites get its dump, and each a row that no other has. DIR/inventory.yml
is what Ansible reads. `look` prints one JSON object: of each site its recorded heads, the rows of every table with a
hash of them, the databases its role owns, our sessions, the runs and the backups in its state directory.

`break` gives a site a release whose downgrade fails half way, with part of its work committed, and that only on the
site's own server: its rehearsal passes. `mend` gives it the right release.

Exit status: 0 done, 1 failed (reason on stderr).
"""
from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import server
import yaml
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Identifier, Literal
from seed import MIGRATION, PARENTS
from server import Server

DEMO = Path(__file__).resolve().parent
# Starting a server and filling a database each keep one processor busy.
WORKERS = os.cpu_count() or 2
MODEL = "model"
# Only what was made here is removed.
MARK = ".fleet"

HALF_WAY = '''

def downgrade() -> None:
    query = sa.text("SELECT system_identifier::text FROM pg_control_system()")
    if not op.get_context().as_sql and op.get_bind().execute(query).scalar_one() == "{identifier}":
        with op.get_context().autocommit_block():
            op.execute("DELETE FROM dom_category_closure")
        raise RuntimeError("half way")
    op.execute("DELETE FROM categories")
'''


def build(home: Path, sites: int, servers: int | None = None, history: str = "guide") -> Path:
    """Make a fleet in `home`, in place of the one that is there; returns its inventory."""
    destroy(home)
    names = [f"site-{number:02}" for number in range(1, sites + 1)]
    places = [home / f"server-{number:02}" for number in range(1, (servers or sites) + 1)]
    if home.exists() and any(home.iterdir()):
        raise SystemExit(f"{home} holds something else: name a directory that is empty or not there")
    (home / "sites").mkdir(parents=True)
    (home / MARK).touch()
    with ThreadPoolExecutor(WORKERS) as pool:
        started = list(pool.map(_start, places))
        dump = _model(started[0], home, history)
        given = [started[number % len(started)] for number in range(sites)]
        hosts = dict(zip(names, pool.map(lambda found: _site(*found, home, dump), zip(names, given))))
    _execute(started[0].url(), SQL("DROP DATABASE {}").format(Identifier(MODEL)))
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_pipelining": True,
        "rollback_login_host": server.HOST,
        "rollback_pg_bin_dir": str(started[0].bin_dir),
        "rollback_alembic_python": sys.executable,
        "rollback_alembic_config": f"{home}/sites/{{{{ inventory_hostname }}}}/release/{history}/alembic.ini",
        "rollback_state_dir": f"{home}/sites/{{{{ inventory_hostname }}}}/state",
        "rollback_report_dir": f"{home}/reports",
        "rollback_migration": MIGRATION,
        "rollback_migration_rows": {"categories": "name IN (SELECT label FROM dom_category)"},
        # This machine's disk is not what is tried here.
        "rollback_disk_reserve": "1M",
        "rollback_reason": "The application is slow since the migration of the categories.",
    }
    inventory = home / "inventory.yml"
    _write(inventory, yaml.safe_dump({"rollback": {"vars": common, "hosts": hosts}}, sort_keys=False))
    return inventory


def destroy(home: Path) -> None:
    """Stop the servers and remove everything `build` and the runs made in `home`."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(server.destroy, home.glob("server-*")))
    if (home / MARK).exists():
        shutil.rmtree(home)


def look(home: Path) -> dict[str, Any]:
    """What each site's database and state directory hold."""
    return {name: _look(home / "sites" / name, host) for name, host in _hosts(home).items()}


def break_site(home: Path, name: str) -> None:
    """Have the site's downgrade fail half way on its own server, and nowhere else."""
    host = _hosts(home)[name]
    query = "SELECT system_identifier::text FROM pg_control_system()"
    [(identifier,)] = _execute(host["rollback_alembic_environment"]["DATABASE_URL"], query)
    release = home / "sites" / name / "release"
    release.unlink()
    shutil.copytree(DEMO / "migrations", release, ignore=shutil.ignore_patterns("__pycache__"))
    with (release / "steps" / "copy_labels.py").open("a") as step:
        step.write(HALF_WAY.format(identifier=identifier))


def mend_site(home: Path, name: str) -> None:
    """Give the site the right release again."""
    release = home / "sites" / name / "release"
    if not release.is_symlink():
        shutil.rmtree(release)
        release.symlink_to(DEMO / "migrations")


def _start(place: Path) -> Server:
    started = server.start(place)
    # Nothing here has to survive a power cut.
    for setting in ("fsync", "full_page_writes"):
        _execute(started.url(), f"ALTER SYSTEM SET {setting} TO off")
    _execute(started.url(), "SELECT pg_reload_conf()")
    return started


def _model(on: Server, home: Path, history: str) -> Path:
    """Apply the history up to the migration once, as the application's team did; returns a dump of it."""
    _execute(on.url(), SQL("CREATE DATABASE {}").format(Identifier(MODEL)))
    address = {"DATABASE_URL": on.url(MODEL)}
    alembic = [sys.executable, "-m", "alembic", "-c", DEMO / "migrations" / history / "alembic.ini", "upgrade"]
    for revision in sorted(PARENTS[history]):
        _run([*alembic, revision], address)
    _run([sys.executable, DEMO / "seed.py", "before", "--history", history], address)
    _run([*alembic, MIGRATION], address)
    dump = home / "model.sql"
    _run([on.bin_dir / "pg_dump", "--no-owner", "--no-privileges", f"--file={dump}"], _libpq(on.url(MODEL)))
    return dump


def _site(name: str, on: Server, home: Path, dump: Path) -> dict[str, Any]:
    """Make one site; returns its own variables."""
    database = user = name.replace("site-", "recyclic_")
    password = secrets.token_urlsafe(18)
    statement = SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
    _execute(on.url(), statement.format(Identifier(user), Literal(password)))
    statement = SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 STRATEGY file_copy")
    _execute(on.url(), statement.format(*map(Identifier, (database, user))))
    url = f"postgresql://{user}:{password}@{on.host}:{on.port}/{database}"
    _run([on.bin_dir / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-1", "-f", dump], _libpq(url))
    _execute(url, SQL("INSERT INTO sites (name, city) VALUES ({}, {})").format(Literal(name), Literal(database)))
    place = home / "sites" / name
    place.mkdir()
    (place / "release").symlink_to(DEMO / "migrations")
    return {
        "rollback_database": database,
        "rollback_login_port": on.port,
        "rollback_login_user": user,
        "rollback_login_password": password,
        "rollback_alembic_environment": {"DATABASE_URL": url},
    }


def _hosts(home: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((home / "inventory.yml").read_text())["rollback"]["hosts"]
    return found


def _look(place: Path, host: dict[str, Any]) -> dict[str, Any]:
    url = host["rollback_alembic_environment"]["DATABASE_URL"]
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    held = SQL("SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text)) FROM {} t")
    return {
        "heads": [head for (head,) in _execute(url, "SELECT version_num FROM alembic_version ORDER BY 1")],
        "tables": {table: list(_execute(url, held.format(Identifier(table)))[0])
                   for (table,) in _execute(url, query)},
        "databases": [name for (name,) in _execute(
            url, "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = current_user ORDER BY 1")],
        "sessions": _execute(url, "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
                                  " AND application_name LIKE 'recyclic.rollback%'")[0][0],
        "runs": _names(place / "state" / "runs"),
        "backups": _names(place / "state" / "backups"),
    }


def _libpq(url: str) -> dict[str, str]:
    """The same as variables: an argument would show in the list of processes."""
    found = parse_dsn(url)
    return {"PGHOST": found["host"], "PGPORT": found["port"], "PGUSER": found["user"],
            "PGPASSWORD": found["password"], "PGDATABASE": found["dbname"]}


def _names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir() if not entry.is_symlink()) if directory.is_dir() else []


def _execute(url: str, statement: Any) -> list[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def _run(argv: list[Any], more: dict[str, str]) -> None:
    """Run a program without what would steer libpq from outside. Raises RuntimeError with what it wrote."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "DATABASE_URL"))}
    done = subprocess.run([str(word) for word in argv], env={**environment, **more}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(argv[0]).name} failed: {done.stdout.strip()}")


def _write(path: Path, text: str) -> None:
    """Write a file that holds passwords."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="The demo's fleet.")
    parser.add_argument("action", choices=["build", "look", "break", "mend", "destroy"])
    parser.add_argument("--dir", required=True, type=Path, help="where it keeps everything")
    parser.add_argument("--sites", type=int, default=8)
    parser.add_argument("--servers", type=int, help="fewer servers than sites")
    parser.add_argument("--history", choices=sorted(PARENTS), default="guide")
    parser.add_argument("--site", help="of break and mend")
    options = parser.parse_args()
    home = options.dir.resolve()
    if (options.action in ("break", "mend")) != bool(options.site):
        parser.error("break and mend need --site, the others have none")
    try:
        if options.action == "build":
            print(build(home, options.sites, options.servers, options.history))
        elif options.action == "look":
            print(json.dumps(look(home)))
        elif options.action == "destroy":
            destroy(home)
        else:
            {"break": break_site, "mend": mend_site}[options.action](home, options.site)
    except (RuntimeError, OSError, KeyError, psycopg2.Error) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
