# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What leads to a scratch server of the managed node, as far as no server is needed for it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _scratch_inside as inside
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Target
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import HostRuntime
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch import Wish, require_scratch
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch_host import server_programs
from ansible_collections.recyclic.rollback.plugins.module_utils._scratch_redirect import port_of, redirected

PRODUCTION = Target({"dbname": "d b", "user": "app", "host": "db.example.com", "port": 5433})
LIBPQS = {"PGHOST": "127.0.0.1", "PGHOSTADDR": "127.0.0.1", "PGPORT": "7000", "PGUSER": "app", "PGPASSWORD": "p/w",
          "PGSSLMODE": "prefer"}


def led(theirs: Mapping[str, str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    found = redirected(theirs, given or {}, PRODUCTION, 7000, "p/w")
    if not given:
        assert {name: found.pop(name) for name in LIBPQS} == {**LIBPQS, "PGUSER": theirs.get("PGUSER", "app")}
    return found


@pytest.mark.parametrize(("text", "url"), [
    ("postgresql://u:old@db.example.com:5433/x", "postgresql://u:p%2Fw@127.0.0.1:7000/x"),
    ("postgresql+asyncpg://u%40b:old@DB.example.com:5433/x?a=1", "postgresql+asyncpg://u%40b:p%2Fw@127.0.0.1:7000/x?a=1"),
    ("postgres://u@db.example.com:5433/x?sslmode=verify-full&sslrootcert=/c", "postgres://u:p%2Fw@127.0.0.1:7000/x"),
    ("postgresql://u:old@db.example.com/x", ""),  # another port
    ("postgresql://u:old@other.example.com:5433/x", ""),
    ("mysql://u:old@db.example.com:5433/x", ""),
    ("postgresql://u:old@db.example.com:port/x", ""),
    ("https://[", ""),
    ("db.example.com", ""),
    ("", ""),
])
def test_a_url_of_productions_becomes_the_scratch_servers(text: str, url: str) -> None:
    assert led({"DATABASE_URL": text, "DEBUG": "1"}) == ({"DATABASE_URL": url} if url else {})


def test_an_applications_own_user_of_libpq_is_kept() -> None:
    assert led({"PGUSER": "other"}) == {}


@pytest.mark.parametrize(("host", "text"), [("localhost", "postgresql://u@127.0.0.1/x"),
                                            ("127.0.0.1", "postgresql://u@localhost:5432/x")])
def test_this_machine_is_meant_whatever_it_is_called(host: str, text: str) -> None:
    found = redirected({"U": text}, {}, Target({"dbname": "x", "host": host}), 7000, "pw")
    assert found["U"] == "postgresql://u:pw@127.0.0.1:7000/x"


@pytest.mark.parametrize(("text", "filled"), [
    ("postgresql://SCRATCH_USER:SCRATCH_PASSWORD@SCRATCH_HOST:SCRATCH_PORT/SCRATCH_DATABASE?x=1",
     "postgresql://app:p%2Fw@127.0.0.1:7000/d%20b?x=1"),
    ("host=SCRATCH_HOST password=SCRATCH_PASSWORD dbname=SCRATCH_DATABASE", "host=127.0.0.1 password=p/w dbname=d b"),
    ("as it is", "as it is"),
])
def test_what_the_operator_gives_is_filled_in_and_nothing_added(text: str, filled: str) -> None:
    assert led({"DATABASE_URL": "postgresql://u@db.example.com:5433/x"}, {"URL": text}) == {"URL": filled}


@pytest.mark.parametrize(("port", "number"), [(None, 5432), (5433, 5433), ("6000", 6000), ("6001,6002", 6001)])
def test_the_port_is_productions(port: object, number: int) -> None:
    assert port_of(Target({"dbname": "d", "port": port})) == number


def test_a_server_with_productions_identifier_is_no_scratch_server() -> None:
    require_scratch("7", "8")
    with pytest.raises(Refusal) as refused:
        require_scratch("7", "7")
    assert refused.value.key == "scratch_is_production"


def programs(home: Path, version: str) -> str:
    home.mkdir()
    for name in ("initdb", "postgres"):
        (home / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (home / name).chmod(0o755)
    return str(home)


def wish(version: str, bin_dir: str = "") -> Wish:
    return Wish({"server_version": version}, "/nowhere", bin_dir=bin_dir)


@pytest.mark.parametrize("version", ["15.4", "15.18 (Debian 15.18-0+deb12u1)", "15beta1"])
def test_programs_of_the_servers_major_version_are_taken(tmp_path: Path, version: str) -> None:
    place = programs(tmp_path / "15", version)
    assert server_programs(HostRuntime(place), wish("15.4 (Ubuntu 15.4-1)")) == place
    other = programs(tmp_path / "16", "16.1")
    assert server_programs(HostRuntime(other), wish("15.2", place)) == place


def test_the_operators_programs_are_not_replaced_by_others(tmp_path: Path) -> None:
    place = programs(tmp_path / "99", "99.1")
    with pytest.raises(Refusal) as refused:
        server_programs(HostRuntime(place), wish("99.4", str(tmp_path)))
    assert refused.value.key == "scratch_programs_missing" and refused.value.facts["where"] == str(tmp_path)


def test_programs_of_another_version_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    place = programs(tmp_path / "98", "98.1")
    with pytest.raises(Refusal) as refused:
        server_programs(HostRuntime(place), wish("99.4"))
    assert (refused.value.key, refused.value.facts) == ("scratch_other_version", {
        "version": "99", "found": f"{place}: 98"})


def question(name: bytes, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label for label in name.split(b".")) + b"\0"
    return b"\x12\x34\x01\x00" + struct.pack("!HHHH", 1, 0, 0, 1) + labels + struct.pack("!HH", kind, 1) + b"\0\0)rest"


def test_every_name_is_this_machine() -> None:
    reply = inside.name_reply(question(b"db.example.com", 1))
    assert reply[:2] == b"\x12\x34" and struct.unpack("!HHHHH", reply[2:12]) == (0x8180, 1, 1, 0, 0)
    assert reply[12:32] == question(b"db.example.com", 1)[12:32] and reply[-4:] == bytes((127, 0, 0, 1))


def test_a_name_has_no_other_address() -> None:
    reply = inside.name_reply(question(b"db.example.com", 28))
    assert struct.unpack("!HHHHH", reply[2:12]) == (0x8180, 1, 0, 0, 0) and len(reply) == 32


@pytest.mark.parametrize("query", [b"", b"\x12\x34", b"\x12" * 16, b"\x12" * 40, question(b"a", 1)[:17]])
def test_what_is_no_question_gets_no_answer(query: bytes) -> None:
    assert inside.name_reply(query) == b""


@pytest.mark.parametrize(("names", "alone"), [
    ([".s.PGSQL.5432", ".s.PGSQL.5432.lock", "15-main.pid", "15-main.pg_stat_tmp"], True), ([], True),
    ([".s.PGSQL.5432", "notes.txt"], False),
])
def test_a_directory_of_sockets_alone_is_told_from_others(tmp_path: Path, names: list[str], alone: bool) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert inside.servers_alone(str(tmp_path)) is alone
    assert not inside.servers_alone(str(tmp_path / "missing"))


@pytest.mark.parametrize(("lines", "ready"), [
    ([str(number) for number in range(7)] + ["ready   "], True), (["1"] * 7 + ["starting"], False), (["1"] * 6, False),
])
def test_a_server_says_when_it_is_ready(tmp_path: Path, lines: list[str], ready: bool) -> None:
    assert not inside.is_ready(str(tmp_path))
    (tmp_path / "postmaster.pid").write_text("\n".join(lines) + "\n")
    assert inside.is_ready(str(tmp_path)) is ready


@pytest.mark.parametrize("shared", ["net", "mnt", "ipc"])
def test_nothing_is_changed_in_a_namespace_that_is_not_its_own(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = {"net": "net:[1]", "mnt": "mnt:[2]", "ipc": "ipc:[3]"}
    monkeypatch.setattr(inside, "own_namespaces", lambda: {**outside, shared: "here:[9]"})
    inside.require_apart(dict.fromkeys(outside, "another"))
    monkeypatch.setattr(inside, "make_every_address_ours", lambda: pytest.fail("the machine's own network was changed"))
    with pytest.raises(RuntimeError, match="of its own"):
        inside.require_apart({"net": "a", "mnt": "b", "ipc": "c", shared: "here:[9]"})
    with pytest.raises(RuntimeError, match="of its own"):
        inside.hold({"directory": "/nowhere", "account": None, "outside": {shared: "here:[9]"}})


def test_what_is_gone_when_it_is_to_be_covered_needs_no_cover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    servers = tmp_path / "servers"
    servers.mkdir()
    met: list[str] = []

    def bind(_source: str, target: str) -> None:
        met.append(target)
        if target == str(servers):
            servers.rmdir()
        raise FileNotFoundError(target)

    monkeypatch.setattr(inside, "bind", bind)
    whole, plain = str(servers), str(tmp_path / "plain")

    assert inside.cover({"port": 5432, "sockets": "/own", "answering": [whole],
                         "covered": [f"{whole}/.s.PGSQL.5432", plain]}) == []

    assert met == [whole, plain]

    # What is still there has to be covered, whatever it is that is missing.
    monkeypatch.setattr(inside, "bind", lambda source, _target: open(source, encoding="utf-8").close())
    servers.mkdir()
    with pytest.raises(FileNotFoundError):
        inside.cover({"port": 5432, "sockets": "/own", "answering": [whole], "covered": []})
