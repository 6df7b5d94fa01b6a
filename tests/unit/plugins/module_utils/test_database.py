# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a database is said to be, without a server: names, limits, and the password's way to client programs."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._database import (
    Limits,
    Target,
    session_name,
    target_from,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal

PARAMS: dict[str, Any] = {
    "login_db": "recyclic", "login_user": "app", "login_password": "s3cret", "login_host": "", "login_unix_socket": "",
    "login_port": 5432, "ssl_mode": "prefer", "ca_cert": None, "ssl_cert": None, "ssl_key": None, "connect_params": {}}


@pytest.mark.parametrize(("given", "expected"), [
    ({}, {"dbname": "recyclic", "user": "app", "port": 5432, "sslmode": "prefer"}),
    ({"login_host": "db"}, {"host": "db"}),
    ({"login_host": "db", "login_unix_socket": "/run/pg"}, {"host": "/run/pg"}),
    ({"ca_cert": "/ca.pem", "ssl_mode": "verify-full"}, {"sslrootcert": "/ca.pem", "sslmode": "verify-full"}),
    ({"connect_params": {"port": 6000, "connect_timeout": 3}}, {"port": 6000, "connect_timeout": 3}),
    ({"connect_params": None}, {"dbname": "recyclic"}),
])
def test_a_target_holds_libpqs_keywords_and_no_empty_ones(given: dict[str, Any], expected: dict[str, Any]) -> None:
    target = target_from({**PARAMS, **given})
    assert expected.items() <= target.params.items()
    assert "" not in target.params.values() and None not in target.params.values()


@pytest.mark.parametrize(("given", "password"), [
    ({}, "s3cret"), ({"connect_params": {"password": "0ther"}}, "0ther"), ({"login_password": ""}, ""),
])
def test_the_password_is_kept_apart_from_what_is_shown(given: dict[str, Any], password: str) -> None:
    target = target_from({**PARAMS, **given})
    assert target.password == password and "password" not in target.params
    assert not password or password not in repr(target)


def test_a_connection_string_for_a_command_line_holds_no_password() -> None:
    extensions = pytest.importorskip("psycopg2.extensions")
    dsn = target_from({**PARAMS, "login_db": "a b='c", "login_host": "db"}).dsn()
    assert "s3cret" not in dsn
    assert extensions.parse_dsn(dsn)["dbname"] == "a b='c"


@pytest.mark.parametrize(("run_id", "part", "name"), [
    ("20260301T031500Z-a1b2c3", "alembic", "recyclic.rollback:20260301T031500Z-a1b2c3:alembic"),
    ("20260301T031500Z-a1b2c3", "", "recyclic.rollback:20260301T031500Z-a1b2c3"),
    (None, "open", "recyclic.rollback:open"), (None, "", "recyclic.rollback"),
])
def test_a_session_bears_its_run_in_its_name(run_id: str | None, part: str, name: str) -> None:
    assert session_name(run_id, part) == name


def test_a_sessions_name_is_not_longer_than_the_server_keeps() -> None:
    assert len(session_name("x" * 80, "alembic")) == 63


def test_limits_are_named_as_the_server_names_them() -> None:
    assert Limits(100, 200, 300).options() == ("-c lock_timeout=100 -c statement_timeout=200"
                                               " -c client_connection_check_interval=300")
    assert Limits().settings() == {"lock_timeout": "5000", "statement_timeout": "0",
                                   "client_connection_check_interval": "500"}


def test_the_password_reaches_a_client_program_by_a_private_file_that_goes_away(tmp_path: Path) -> None:
    with Target({"dbname": "x"}, r"a:b\c").client_environment("name", str(tmp_path)) as environment:
        path = Path(environment["PGPASSFILE"])
        # Where it is swept with the rest should this process be killed.
        assert path.parent == tmp_path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == "*:*:*:*:a\\:b\\\\c\n"
        assert environment["PGAPPNAME"] == "name" and "lock_timeout=5000" in environment["PGOPTIONS"]
        assert all(r"a:b\c" not in value for value in environment.values())
    assert not path.exists()


def test_the_file_goes_away_when_the_program_fails(tmp_path: Path) -> None:
    target = Target({"dbname": "x"}, "s3cret")
    with pytest.raises(ValueError), target.client_environment("name", str(tmp_path)) as environment:
        path = Path(environment["PGPASSFILE"])
        raise ValueError
    assert not path.exists()


def test_without_a_password_no_file_is_named(tmp_path: Path) -> None:
    with Target({"dbname": "x"}).client_environment("name", str(tmp_path)) as environment:
        assert "PGPASSFILE" not in environment


def test_a_server_that_is_not_there_is_told_from_one_that_says_no() -> None:
    pytest.importorskip("psycopg2")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Refusal) as refused:
        Target({"dbname": "recyclic", "host": "127.0.0.1", "port": port, "user": "app"}, "s3cret").connect("name")
    assert refused.value.key == "server_unreachable"
    assert refused.value.facts["place"] == f"127.0.0.1:{port}"
    assert "s3cret" not in str(refused.value.facts)


def test_a_unix_socket_nobody_listens_on_is_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    with pytest.raises(Refusal) as refused:
        Target({"dbname": "recyclic", "host": str(tmp_path), "port": 5432, "user": "app"}).connect("name")
    assert refused.value.key == "server_unreachable"
    assert os.listdir(tmp_path) == []
