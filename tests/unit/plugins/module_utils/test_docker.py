# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is made of an engine's answers: whole, partial, late and none."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _docker
from ansible_collections.recyclic.rollback.plugins.module_utils._compose import Layout, Project
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import Container, Docker
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Problem, Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._functional_services import log
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import Finished, Program

ONE, TWO = "1" * 64, "2" * 64
GONE = f"Error response from daemon: No such container: {TWO}"


def entry(ident: str, padding: int = 0) -> dict[str, Any]:
    return {"Id": ident, "Name": f"/{ident[0]}", "Image": "sha256:1", "Created": ident[0],
            "State": {"Status": "running", "ExitCode": 0, "StartedAt": "", "FinishedAt": ""},
            "Config": {"Labels": {"padding": "x" * padding}}, "HostConfig": {}, "NetworkSettings": {}}


class Host:
    """Answers each command of the engine's client in turn; the last answer is given again."""

    def __init__(self, **answers: list[Finished]) -> None:
        self.answers = {"version": [done('{"Version": "1"}')], **answers}
        self.asked: list[Program] = []

    def run(self, program: Program, _watch: object = None) -> Finished:
        self.asked.append(program)
        mine = self.answers[program.argv[1]]
        return mine.pop(0) if len(mine) > 1 else mine[0]


def done(stdout: str, rc: int = 0, stderr: str = "", ended_by: str = "") -> Finished:
    return Finished(rc, stdout, stderr, 0.1, ended_by)


def listed(*ids: str) -> Finished:
    return done("\n".join(ids))


def inspected(*ids: str, rc: int = 0, stderr: str = "") -> Finished:
    return done(json.dumps([entry(ident) for ident in ids]), rc, stderr)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_docker, "LOOK_AGAIN_S", 0)
    monkeypatch.setattr(_docker.shutil, "which", lambda _name: "/usr/bin/docker")


def docker(**answers: list[Finished]) -> Docker:
    return Docker(Redactor(["s3cret"]), Host(**answers))  # type: ignore[arg-type]


@pytest.mark.parametrize(("ps", "inspect", "found"), [
    ([listed()], [], ""), ([listed(TWO, ONE)], [inspected(ONE, TWO)], "12"),
    # One went in between: what was said of the other holds.
    ([listed(ONE, TWO), listed(ONE)], [inspected(ONE, rc=1, stderr=GONE)], "1"),
    ([listed(TWO), listed()], [done("[]", 1, GONE)], ""), ([listed(TWO), listed()], [done("", 1, GONE)], ""),
    # One was still on its way out: it is looked at again.
    ([listed(ONE, TWO), listed(ONE, TWO), listed(ONE)], [inspected(ONE, rc=1, stderr=GONE)], "1"),
    ([*[listed(ONE, TWO)] * 20, listed(ONE)], [inspected(ONE, rc=1, stderr=GONE)], "1"),
])
def test_containers_are_those_that_are_there(ps: list[Finished], inspect: list[Finished], found: str) -> None:
    assert "".join(each.name for each in docker(ps=ps, inspect=inspect).containers()) == found


@pytest.mark.parametrize("inspect", [
    done("", -15, "", "timeout"), done("[]", 1, "permission denied"), done("", 1, GONE), done('[{"Id": ', 0),
    inspected(ONE, rc=1, stderr=GONE)])
def test_containers_nothing_is_said_of_are_not_taken_for_gone(inspect: Finished) -> None:
    with pytest.raises(Problem) as problem:
        docker(ps=[listed(ONE, TWO)], inspect=[inspect]).containers()
    assert problem.value.key == "docker_failed" and "docker inspect" in str(problem.value.facts["command"])
    with pytest.raises(Refusal) as refusal:
        docker(ps=[listed(ONE, TWO)], inspect=[inspect], version=[done("", 1, "no engine")]).containers()
    assert refusal.value.key == "engine_down"


def test_an_image_nobody_answers_for_is_not_taken_for_missing() -> None:
    assert docker(image=[done("[]", 1, "No such image")]).image("shop:1") is None
    for answer in (done("", -15, "", "timeout"), done("[{", 0)):
        with pytest.raises(Problem) as problem:
            docker(image=[answer]).image("shop:1")
        assert problem.value.key == "docker_failed"


def test_answers_in_json_are_kept_whole() -> None:
    """A project of many containers is said in more than a program's last words."""
    engine = docker(inspect=[done("[]")], image=[done("[{}]")], stats=[done("")])
    engine.inspect([ONE])
    engine.image("shop:1")
    engine.call("stats")
    project = Project(engine, Layout("/srv/shop", project="shop"))
    project.__dict__["program"] = ["docker", "compose"]
    engine.host.answers["compose"] = [done('{"services": {}}')]  # type: ignore[attr-defined]
    assert project.configured() == {"services": {}}
    assert {program.kept_bytes for program in engine.host.asked} == {64 << 20}  # type: ignore[attr-defined]
    engine.host.answers["compose"] = [done('services": {}}')]  # type: ignore[attr-defined]
    with pytest.raises(Problem) as problem:
        project.configured()
    assert problem.value.key == "docker_failed"


def test_a_long_answer_of_a_real_program_is_read(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = tmp_path / "answer"
    answer.write_text(json.dumps([entry(ONE, 400_000), entry(TWO, 400_000)]))
    program = tmp_path / "docker"
    program.write_text(f'#!/bin/sh\ncase $1 in ps) echo {ONE} {TWO};; inspect) cat {answer};; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert [each.id for each in Docker(Redactor()).containers()] == [ONE, TWO]


# The log of a service


@pytest.fixture
def logging(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What the check of a log finds where ``docker logs`` is a script, and what it left on the disk."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    def find(script: str) -> dict[str, Any]:
        (tmp_path / "docker").write_text(
            f"#!/bin/sh\n{script}\nls {tmp_path}/tmp >{tmp_path}/left\nexit ${{status:-0}}\n")
        (tmp_path / "docker").chmod(0o755)
        engine = Docker(Redactor(["s3cret"]))
        project = Project(engine, Layout("/srv/shop", project="shop"))
        mine: Container = replace(_docker.container_of(entry(ONE)), service="postgres")
        check = {"id": "x", "log": {"service": mine.service, "pattern": "ERROR", "max": 0, "ignore": ["expected"]}}
        found = log(check, project, [mine], "2026-01-01T00:00:00Z", "en")
        assert (tmp_path / "left").read_text() == ""
        return asdict(found)

    return find


def test_a_log_is_counted_as_it_comes_and_nothing_of_it_is_left(logging: Callable[[str], dict[str, Any]]) -> None:
    found = logging("echo fine; echo ERROR: s3cret >&2; echo ERROR expected; echo fine")
    assert found["result"] == "fail" and "ERROR: ********" in found["observed"] and "s3cret" not in str(found)
    assert logging("echo fine")["result"] == "pass"
    unread = logging("echo 'no such container s3cret' >&2; status=1")
    assert unread["result"] == "fail" and "no such container ********" in unread["observed"]
