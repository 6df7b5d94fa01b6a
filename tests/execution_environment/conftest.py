# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The execution environment's image, and a managed node that it reaches over SSH: this machine, with the demo on it."""
from __future__ import annotations

import getpass
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "demo"), str(ROOT / "demo" / "compose")]

import engine
import server

BUILD = ROOT / "execution-environment" / "build.py"
IMAGE = "recyclic-rollback-ee:latest"
SSHD = "/usr/sbin/sshd"
START_S = 20


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One image, one node: one worker runs them all."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.xdist_group("execution_environment"))


def cannot(reason: str) -> None:
    """CI must have what is missing; elsewhere the tests are skipped without."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"NO TEST OF THE EXECUTION ENVIRONMENT: {reason}")


def ansible(program: str, *arguments: str, cwd: Path | None = None, **environment: str) -> str:
    """Run a program of Ansible on this machine; returns what it printed, after checking its status."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "ANSIBLE_", "DATABASE_URL"))}
    done = subprocess.run([str(Path(sys.executable).with_name(program)), *arguments], capture_output=True, text=True,
                          cwd=cwd, env={**kept, **environment}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Container:
    """Runs programs in the image. Whatever is started carries the label, by which it is removed in the end."""

    label: str

    def start(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["docker", "run", "--rm", f"--label={self.label}", *options, IMAGE, *command],
                              capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    def run(self, *command: str, options: tuple[str, ...] = ()) -> str:
        done = self.start(*command, options=options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def container() -> Iterator[Container]:
    """The image, built where it is missing or out of date."""
    built = subprocess.run([sys.executable, BUILD], capture_output=True, text=True, check=False)
    if built.returncode == 3:
        cannot(built.stderr.strip())
    assert built.returncode == 0, built.stderr
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode != 0:
        cannot("it was built with Podman, and these tests speak to Docker")
    ours = Container(f"recyclic.rollback.test={secrets.token_hex(8)}")
    try:
        yield ours
    finally:
        listed = ["docker", "ps", "--all", "--quiet", f"--filter=label={ours.label}"]
        left = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
        if left:
            subprocess.run(["docker", "rm", "--force", *left], capture_output=True, check=True)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone as AWX has it: what git knows, as it is now, and nothing that is installed or was built here."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    clone = tmp_path_factory.mktemp("a clone") / "project"
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.rstrip("\0").split("\0"):
        if (ROOT / name).is_symlink() or (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    return clone


@pytest.fixture(scope="session")
def tarball(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it is published."""
    place = tmp_path_factory.mktemp("the tarball")
    ansible("ansible-galaxy", "collection", "build", "--output-path", str(place), cwd=project)
    return next(place.glob("recyclic-rollback-*.tar.gz"))


@dataclass(frozen=True)
class Node:
    """A managed node: an SSH server of the test's own on this machine, where `user` may log in by `key`."""

    port: int
    user: str
    key: Path

    @property
    def variables(self) -> dict[str, Any]:
        return {"ansible_host": "127.0.0.1", "ansible_port": self.port, "ansible_user": self.user,
                "ansible_python_interpreter": sys.executable, "ansible_pipelining": True}


def install_sshd() -> None:
    """Have the program; the server that Debian's package starts by itself is kept from it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None or Path("/run/systemd/system").exists():
        cannot("no SSH server: install it (Debian: apt-get install openssh-server)")
    policy = Path("/usr/sbin/policy-rc.d")
    ours = not policy.exists()
    if ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        engine.install("openssh-server")
    finally:
        if ours:
            policy.unlink()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    if not Path(SSHD).exists():
        install_sshd()
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    home = tmp_path_factory.mktemp("the node")
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"ListenAddress": "127.0.0.1", "Port": port, "HostKey": f'"{home}/host"', "PidFile": "none",
                "AuthorizedKeysFile": f'"{home}/user.pub"', "StrictModes": "no", "UsePAM": "no",
                "PermitRootLogin": "prohibit-password", "PasswordAuthentication": "no",
                "KbdInteractiveAuthentication": "no", "Subsystem": "sftp internal-sftp"}
    (home / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    with (home / "log").open("w") as log:
        daemon = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "sshd_config")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
            assert daemon.poll() is None and time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.1)
        yield Node(port, getpass.getuser(), home / "user")
    finally:
        daemon.terminate()
        daemon.wait()


@dataclass(frozen=True)
class Demo:
    """The demo's database on the node, where its migration has been applied."""

    home: Path
    url: str = field(repr=False)
    password: str = field(repr=False)

    def state(self) -> tuple[int, set[str]]:
        """How many categories it has, and the revisions it says it is at."""
        connection = psycopg2.connect(self.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT (SELECT count(*) FROM categories), array_agg(version_num) FROM alembic_version")
                count, revisions = cursor.fetchone()
                return count, set(revisions)
        finally:
            connection.close()

    @property
    def server(self) -> server.Server:
        running = server.status(self.home / "server")
        assert running is not None
        return running

    def superuser(self, statement: str) -> None:
        connection = psycopg2.connect(self.server.url())
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        finally:
            connection.close()

    @property
    def settings(self) -> dict[str, Any]:
        """What an operator writes into an inventory, all but what is secret."""
        running = self.server
        return {"rollback_database": "recyclic", "rollback_login_host": running.host,
                "rollback_login_port": running.port, "rollback_login_user": "recyclic",
                "rollback_pg_bin_dir": str(running.bin_dir), "rollback_migration": "k1l2m3n4o5p6",
                "rollback_alembic_config": str(ROOT / "demo" / "migrations" / "guide" / "alembic.ini"),
                "rollback_alembic_python": sys.executable, "rollback_state_dir": str(self.home / "state"),
                "rollback_migration_rows": {"categories": "name IN (SELECT label FROM dom_category)"}}

    @property
    def secrets(self) -> dict[str, Any]:
        """What comes from a credential."""
        return {"rollback_login_password": self.password, "rollback_alembic_environment": {"DATABASE_URL": self.url}}


@pytest.fixture(scope="session")
def built_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo's state, built by its own playbook, and a copy of its database."""
    home = tmp_path_factory.mktemp("the demo")
    try:
        ansible("ansible-playbook", "-i", str(ROOT / "inventories" / "demo"), str(ROOT / "playbooks" / "demo.yml"),
                "-e", json.dumps({"demo_history": "guide"}), RECYCLIC_DEMO_DIR=str(home))
        demo = Demo(home, (home / "database.url").read_text(), (home / "recyclic.password").read_text())
        demo.superuser("CREATE DATABASE as_built TEMPLATE recyclic")
        yield demo
    finally:
        server.destroy(home / "server")


@pytest.fixture
def demo(built_demo: Demo) -> Demo:
    """The demo as it was built, whatever the test before has made of it."""
    built_demo.superuser("DROP DATABASE recyclic WITH (FORCE)")
    built_demo.superuser("CREATE DATABASE recyclic TEMPLATE as_built OWNER recyclic")
    shutil.rmtree(built_demo.home / "state" / "runs", ignore_errors=True)
    return built_demo
