# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""RESTORE.txt: followed in a shell as it stands, it names exactly what it means."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._database import Target
from ansible_collections.recyclic.rollback.plugins.module_utils._restore_text import restore_text

pytest.importorskip("psycopg2")


def manifest_of(tmp_path: Path, database: str, kind: str = "custom", **other: Any) -> dict[str, Any]:
    suffix = {"custom": "dump", "plain": "sql"}[kind]
    server = {"server_version": "16.4", "owner": "o'wner x", "encoding": "UTF8", "collate": "C", "ctype": "C",
              "acl": None, "settings": ['search_path="$user", public', "application_name=it's here", "a.b="]}
    (tmp_path / f"database.{suffix}").write_bytes(b"the dump")
    return {"backup_id": "b1", "path": str(tmp_path), "database": database, "finished_at": "2026-03-01T03:15:00.000Z",
            "heads": ["k1l2m3n4o5p6"], "format": kind, "server": server,
            "files": [{"name": f"database.{suffix}", "scope": "database", "tables": []}],
            "tables": {"public.categories": {"rows": 14, "exact": True},
                       'public.odd "name': {"rows": 1000, "exact": False}}, **other}


# Stands where a client program stands on PATH, and writes down what it was given.
RECORDER = """#!/bin/sh
case " $* " in *" -At "*|" ps "*) echo 14;; esac
{ printf '%s\\0' "${0##*/}" "$@"; [ "$1" = --check ] || cat; printf '\\0\\0\\n'; } >> "$RECORD"
"""


def follow(tmp_path: Path, text: str, docker: bool = False) -> list[list[str]]:
    """Run RESTORE.txt as it stands, in a shell; returns each command with its arguments and, last, its input."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "sha256sum") if docker else ("createdb", "pg_restore", "psql", "sha256sum"):
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    (tmp_path / "RESTORE.txt").write_text(text)
    record = tmp_path / "record"
    done = subprocess.run(["/bin/sh", str(tmp_path / "RESTORE.txt")], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, cwd="/",
                          env={"PATH": f"{programs}:/usr/bin:/bin", "RECORD": str(record), "SWAP": "yes"})
    assert (done.returncode, done.stderr) == (0, "")
    return [entry.split("\0") for entry in record.read_text().split("\0\0\n")[:-1]]


WEIRD = ["recyclic", "re cyclic", "re'cy''clic", 're"cyclic', "$HOME", "$(touch pwned)", "a;b", "back\\slash",
         "réçyclic", "a%b", "a\nb", "a*b", "#x", "~", "-x", "a=b"]


@pytest.mark.parametrize("database", WEIRD)
def test_the_words_for_the_day_of_need_name_the_database_exactly(tmp_path: Path, database: str) -> None:
    text = restore_text(Target({"dbname": database, "host": "/tmp/a b", "port": 5433, "user": "it's me"}),
                        manifest_of(tmp_path, database))
    ran = follow(tmp_path, text)
    beside = f"{database}_restored"
    assert [command[0] for command in ran] == ["sha256sum", "createdb", "pg_restore", "psql", "psql", "psql", "psql",
                                               "psql", "psql"]
    create, load = ran[1], ran[2]
    assert create[-2] == beside and "--owner=o'wner x" in create
    assert "--exit-on-error" in load and "--single-transaction" in load and load[-1] == "the dump"
    quoted = '"' + beside.replace('"', '""') + '"'
    assert ran[3][-2] == f'--command=ALTER DATABASE {quoted} SET search_path TO "$user", public'
    assert ran[4][-2] == f"--command=ALTER DATABASE {quoted} SET application_name TO 'it''s here'"
    assert ran[6][-2] == '--command=SELECT count(*) FROM "public"."categories"'
    assert ran[7][-2] == '--command=SELECT count(*) FROM "public"."odd ""name"'
    swap = ran[-1][-1]
    live, literal = '"' + database.replace('"', '""') + '"', database.replace("'", "''")
    assert f"WHERE datname = '{literal}';" in swap
    assert f"ALTER DATABASE {quoted} RENAME TO {live};\nCOMMIT;" in swap
    assert swap.index("BEGIN;") < swap.index(f"ALTER DATABASE {live} RENAME TO") < swap.index("COMMIT;")
    assert not (Path("/") / "pwned").exists()


@pytest.mark.parametrize("database", ["a=b", "postgresql://elsewhere/x"])
def test_a_name_that_reads_like_a_connection_string_is_not_taken_for_one(tmp_path: Path, database: str) -> None:
    """libpq's programs take a database's name for a whole connection string when it has an equals sign or a scheme."""
    psycopg2 = pytest.importorskip("psycopg2.extensions")
    ran = follow(tmp_path, restore_text(Target({"dbname": database}), manifest_of(tmp_path, database)))
    (named,) = [word.partition("=")[2] for word in ran[2] if word.startswith("--dbname=")]
    assert psycopg2.parse_dsn(named) == {"dbname": f"{database}_restored"}


def test_a_name_that_reads_like_an_option_is_not_taken_for_one(tmp_path: Path) -> None:
    create = follow(tmp_path, restore_text(Target({"dbname": "-x"}), manifest_of(tmp_path, "-x")))[1]
    assert create[-3:-1] == ["--", "-x_restored"]


@pytest.mark.parametrize("database", ["x" * 50, "x" * 60, "x" * 63, "é" * 31])
def test_the_names_beside_a_long_one_are_not_cut_to_the_same(tmp_path: Path, database: str) -> None:
    """The server cuts a name after 63 bytes."""
    ran = follow(tmp_path, restore_text(Target({"dbname": database}), manifest_of(tmp_path, database)))
    beside = ran[1][-2]
    kept = ran[-1][-1].partition(f'ALTER DATABASE "{database}" RENAME TO "')[2].partition('"')[0]
    cut = {name.encode()[:63] for name in (database, beside, kept)}
    assert len(cut) == 3, f"{beside} and {kept} become {sorted(cut)}"


def test_the_words_say_where_the_server_is_and_never_the_password(tmp_path: Path) -> None:
    target = Target({"dbname": "recyclic", "host": "db", "port": 5433, "user": "app", "sslmode": "verify-full",
                     "sslrootcert": "/etc/ca.pem"}, "s3cret")
    lines = restore_text(target, manifest_of(tmp_path, "recyclic")).splitlines()
    for line in ("export PGHOST=db", "export PGPORT=5433", "export PGUSER=app", "export PGSSLMODE=verify-full",
                 "export PGSSLROOTCERT=/etc/ca.pem", f"cd {tmp_path}"):
        assert line in lines
    assert "s3cret" not in "\n".join(lines)


def test_the_words_hold_the_counts_to_compare_with(tmp_path: Path) -> None:
    text = restore_text(Target({"dbname": "recyclic"}), manifest_of(tmp_path, "recyclic"))
    assert '" 14 public.categories\n' in text
    assert '  # public.odd "name: about 1000\n' in text
    assert "k1l2m3n4o5p6" in text


def test_nothing_is_swapped_on_a_difference_or_unasked(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, "recyclic")
    asked = follow(tmp_path, restore_text(Target({"dbname": "recyclic"}), manifest))
    assert "RENAME TO" in asked[-1][-1]
    text = tmp_path / "RESTORE.txt"
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "RECORD": str(tmp_path / "again")}
    unasked = subprocess.run(["/bin/sh", str(text)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env=environment, check=False)
    assert unasked.returncode == 0 and "SWAP=yes" in unasked.stderr
    assert "RENAME" not in (tmp_path / "again").read_text()
    text.write_text(text.read_text().replace('" 14 public.categories', '" 15 public.categories'))
    differs = subprocess.run(["/bin/sh", str(text)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             env={**environment, "SWAP": "yes"}, check=False)
    assert differs.returncode == 1
    assert "public.categories: 14 rows, the backup holds 15" in differs.stderr
    assert "RENAME" not in (tmp_path / "again").read_text()


def test_a_plain_dump_is_loaded_in_one_transaction_that_stops_at_the_first_error(tmp_path: Path) -> None:
    ran = follow(tmp_path, restore_text(Target({"dbname": "recyclic"}), manifest_of(tmp_path, "recyclic", "plain")))
    assert ran[2][0] == "psql"
    assert ran[2][-1] == "the dump"
    for option in ("--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction"):
        assert option in ran[2]


def test_a_backup_of_single_tables_does_not_replace_the_database(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path, "recyclic", files=[{"name": "tables.dump", "scope": "tables", "tables": ["a.b"]}])
    text = restore_text(Target({"dbname": "recyclic"}), manifest)
    assert "RENAME" not in text and "tables.dump" in text
    assert [command[0] for command in follow(tmp_path, text)] == ["sha256sum"]


def test_the_words_stop_at_the_first_thing_that_fails(tmp_path: Path) -> None:
    text = restore_text(Target({"dbname": "recyclic"}), manifest_of(tmp_path, "recyclic"))
    (tmp_path / "RESTORE.txt").write_text(text)
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  database.dump\n")
    done = subprocess.run(["/bin/sh", str(tmp_path / "RESTORE.txt")], capture_output=True, text=True, check=False,
                          env={"PATH": "/usr/bin:/bin"})
    assert done.returncode != 0
    assert "database.dump: FAILED" in done.stdout and "createdb" not in done.stderr


def test_in_a_compose_project_the_programs_are_those_of_the_database_s_container(tmp_path: Path) -> None:
    """Its address is another after a restart, so the container is found anew and asked from inside."""
    manifest = manifest_of(tmp_path, "recyclic", compose={"project": "a shop", "service": "postgres"})
    target = Target({"dbname": "recyclic", "host": "172.30.0.2", "port": 5432, "user": "app"}, "s3cret")
    text = restore_text(target, manifest)
    assert "172.30.0.2" not in text and "s3cret" not in text
    ran = follow(tmp_path, text, docker=True)
    assert ran[0] == ["docker", "ps", "--quiet", "--filter", "label=com.docker.compose.project=a shop", "--filter",
                      "label=com.docker.compose.service=postgres", "--filter",
                      "label=com.docker.compose.oneoff=False", ""]
    inside = [command for command in ran if command[:2] == ["docker", "exec"]]
    assert all(command[2:8] == ["--interactive", "--env", "PGUSER", "--env", "PGPASSWORD", "14"] for command in inside)
    assert [command[8] for command in inside] == ["createdb", "pg_restore", *["psql"] * 6]
    assert inside[1][-1] == "the dump" and "COMMIT;" in inside[-1][-1]
