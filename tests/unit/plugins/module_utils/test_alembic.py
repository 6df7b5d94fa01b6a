# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alembic's environment as the collection asks it, and what of the machine it can reach."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _alembic_agent
from ansible_collections.recyclic.rollback.plugins.module_utils._alembic import (
    Environment,
    Moved,
    environment_from,
    partial_move,
    prefix_of,
    renders_nothing,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._database import Limits
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._redact import Redactor
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import (
    Finished,
    HostRuntime,
    Program,
    listening_sockets,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    """A Unix socket that somebody listens on, at a short path: the kernel allows no long one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory, socket.socket(socket.AF_UNIX) as server:
        path = Path(directory) / "a b.sock"
        server.bind(str(path))
        server.listen()
        yield path


@linux
def test_a_unix_socket_that_somebody_listens_on_is_seen(listening: Path) -> None:
    assert str(listening) in listening_sockets()


@linux
def test_a_socket_nobody_listens_on_or_whose_name_is_gone_is_not(listening: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        other = listening.with_name("other.sock")
        bound.bind(str(other))
        assert str(other) not in listening_sockets()
    listening.unlink()
    assert str(listening) not in listening_sockets()


@linux
def test_a_socket_without_a_name_in_the_file_system_is_not_listed() -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0recyclic-rollback-abstract")
        server.listen()
        assert all(path.startswith("/") for path in listening_sockets())


@pytest.mark.parametrize(("text", "nothing"), [
    ("", True),
    ("BEGIN;\n\n-- Running downgrade b -> a\n\nUPDATE alembic_version SET version_num='a' WHERE"
     " alembic_version.version_num = 'b';\n\nCOMMIT;\n", True),
    ("-- Running downgrade a ->\n\nDELETE FROM alembic_version WHERE alembic_version.version_num = 'a';\n", True),
    ("BEGIN;\n\nDROP TABLE categories;\n\nUPDATE alembic_version SET version_num='a';\n\nCOMMIT;\n", False),
    ("BEGIN;\n\n  DELETE FROM categories;\n\nCOMMIT;", False),
    ("UPDATE app.alembic_version SET version_num='a';", True),
])
def test_rendered_sql_that_does_nothing_is_recognised(text: str, nothing: bool) -> None:
    assert renders_nothing(text, "alembic_version") is nothing


def test_a_statement_that_only_mentions_the_version_table_is_not_nothing() -> None:
    text = "UPDATE settings SET value = (SELECT version_num FROM alembic_version);"
    assert not renders_nothing(text, "alembic_version")


def environment(config: Path, python: str = sys.executable, secrets: tuple[str, ...] = (), **variables: str
                ) -> Environment:
    return Environment(HostRuntime(), str(config), python, None, variables, 30, Redactor(secrets))


def test_an_environment_that_does_not_work_is_refused_with_its_own_words(tmp_path: Path) -> None:
    pytest.importorskip("alembic")
    with pytest.raises(Refusal) as refused:
        environment(tmp_path / "nowhere.ini").look("name", Limits())
    assert refused.value.key == "alembic_broken"
    assert "nowhere.ini does not exist" in str(refused.value.facts["error"])


def test_an_interpreter_that_gives_no_answer_is_refused_without_its_secrets(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no such thing: s3cret' >&2\nexit 1\n")
    python.chmod(0o755)
    with pytest.raises(Refusal) as refused:
        environment(tmp_path / "x.ini", str(python), ("s3cret",)).look("name", Limits())
    assert refused.value.key == "alembic_broken"
    assert refused.value.facts["error"] == "no such thing: ********"


@pytest.mark.parametrize(("done", "said"), [
    (Finished(1, "out\n", "err\n", 1.0), "err"), (Finished(1, "out\n", " \n", 1.0), "out"),
    (Finished(3, "", "", 1.0), "status 3"), (Finished(-15, "", "half", 1.0, "timeout"), "[timeout] half"),
    (Finished(1, "", "x" * 5000, 1.0), "x" * 1500), (Finished(1, "", "is s3cret", 1.0), "is ********"),
])
def test_last_words_are_short_and_hold_no_secret(tmp_path: Path, done: Finished, said: str) -> None:
    assert environment(tmp_path / "x.ini", secrets=("s3cret",)).last_words(done) == said


def test_limits_and_name_travel_beside_the_applications_own_options(tmp_path: Path) -> None:
    found = environment(tmp_path / "x.ini", PGOPTIONS="-c search_path=app", ENVIRONMENT="test")._environment(
        "recyclic.rollback:r1:alembic", Limits(100, 200, 300))
    assert found == {"ENVIRONMENT": "test", "PGAPPNAME": "recyclic.rollback:r1:alembic",
                     "PGOPTIONS": "-c search_path=app -c lock_timeout=100 -c statement_timeout=200"
                                  " -c client_connection_check_interval=300"}


def test_an_environment_is_built_from_a_modules_options() -> None:
    params = {"alembic_config": "/a.ini", "alembic_python": "py", "alembic_chdir": "", "alembic_timeout": 5,
              "alembic_environment": {"DEBUG": True, "N": 1}}
    found = environment_from(params, HostRuntime(), Redactor())
    assert (found.config, found.python, found.cwd, found.timeout_s) == ("/a.ini", "py", "/", 5)
    assert found.variables == {"DEBUG": "True", "N": "1"}
    assert environment_from({**params, "alembic_environment": None}, HostRuntime(), Redactor()).variables == {}


ENV = """
from alembic import context
if context.is_offline_mode():
    context.configure(url="postgresql://", literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
"""
# A migration that opens a connection of its own, offline or not.
REACHING = """
import socket
from alembic import op
revision, down_revision = "r2", "r1"
def upgrade(): pass
def downgrade():
    op.execute("DELETE FROM categories")
    for family, address in ((socket.AF_UNIX, {unix!r}), (socket.AF_INET, ("127.0.0.1", {port}))):
        with socket.socket(family) as client:
            client.settimeout(2)
            if client.connect_ex(address) == 0:
                raise RuntimeError("reached " + str(address))
"""


@pytest.fixture
def rendering(tmp_path: Path, listening: Path) -> Iterator[Environment]:
    """An environment whose downgrade tries to reach a Unix socket and a port that are really there."""
    pytest.importorskip("alembic")
    separate = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "true"]
    try:
        allowed = subprocess.run(separate, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        pytest.skip("this kernel gives no namespaces of its own")
    with socket.create_server(("127.0.0.1", 0)) as server:
        (tmp_path / "versions").mkdir()
        (tmp_path / "env.py").write_text(ENV)
        (tmp_path / "versions" / "r1.py").write_text(
            'revision, down_revision = "r1", None\ndef upgrade(): pass\ndef downgrade(): pass\n')
        (tmp_path / "versions" / "r2.py").write_text(
            REACHING.format(unix=str(listening), port=server.getsockname()[1]))
        (tmp_path / "alembic.ini").write_text(f"[alembic]\nscript_location = {tmp_path}\n")
        yield environment(tmp_path / "alembic.ini")


@linux
def test_rendering_reaches_neither_a_port_nor_a_unix_socket(rendering: Environment) -> None:
    found = rendering.render(["r2", "r1"], "downgrade")
    assert "DELETE FROM categories" in found["r2"].get("sql", ""), found["r2"].get("error")
    assert not renders_nothing(found["r2"]["sql"], "alembic_version")
    assert renders_nothing(found["r1"]["sql"], "alembic_version")


@linux
def test_what_cannot_be_rendered_says_why_for_each_revision(rendering: Environment) -> None:
    rendering.config += ".missing"
    found = rendering.render(["r2", "r1"], "downgrade")
    assert sorted(found) == ["r1", "r2"] and all("error" in entry for entry in found.values())


def test_a_migration_is_found_again_by_its_runs_name() -> None:
    assert prefix_of("20260301T031500Z-a1b2c3") == "recyclic.rollback:20260301T031500Z-a1b2c3:alembic"
    assert prefix_of(None) == f"recyclic.rollback:{os.getpid()}:alembic"


@pytest.mark.parametrize(("before", "after", "facts"), [
    (["b", "x"], ["a", "x"], {"before": "b, x", "after": "a, x"}), (["b"], [], {"before": "b", "after": "-"}),
])
def test_a_movement_that_stopped_half_way_says_from_where_to_where(before: list[str], after: list[str],
                                                                   facts: dict[str, Any]) -> None:
    problem = partial_move(before, after)
    assert (problem.key, problem.facts, problem.outcome) == ("moved_part_way", facts, None)


class Answering(HostRuntime):
    """Answers as an agent would that was ended, or not, after so many answers; remembers what it was asked."""

    def __init__(self, answers: list[dict[str, Any]], rest: str = "", ended_by: str = "", rc: int = 0) -> None:
        super().__init__()
        self.answers, self.rest, self.ended_by, self.rc = answers, rest, ended_by, rc
        self.asked: dict[str, Any] = {}

    def run(self, program: Program, _watch: object = None) -> Finished:
        self.asked = json.loads(program.environment[_alembic_agent.REQUEST])
        begin, end = self.asked["begin"], self.asked["end"]
        said = "".join(f"noise\n{begin}{json.dumps(answer)}{end}\n" for answer in self.answers)
        return Finished(self.rc, said + self.rest.replace("<", begin), "a traceback with s3cret", 9.0, self.ended_by)


SEEN = {"alembic": "1.18", "graph": [], "probe": {"heads": []}}
FIRST = {"direction": "upgrade", "revision": "r1", "ok": True, "error": "", "seconds": 1.5}
SECOND = {"direction": "downgrade", "revision": "r0", "ok": False, "error": "Error: is s3cret", "seconds": 2.0}


def moved(tmp_path: Path, runtime: HostRuntime, **request: Any) -> Moved:
    asked = environment(tmp_path / "x.ini", secrets=("s3cret",))
    asked.runtime = runtime
    return asked.moves("name", Limits(), {"database": "d"}, [("upgrade", "r1"), ("downgrade", "r0"), ("upgrade", "r1")],
                       **request)


def test_moves_are_returned_as_far_as_they_went(tmp_path: Path) -> None:
    runtime = Answering([{**SEEN, "moves": []}, {**SEEN, "moves": [FIRST, SECOND]}])
    found = moved(tmp_path, runtime)
    assert found.moves == [FIRST, {**SECOND, "error": "Error: is ********"}] and found.failure == found.moves[-1]
    assert (found.path, found.rendered, found.ended_by) == (None, {}, "")
    assert found.transcript == "a traceback with ********"
    assert runtime.asked["parts"] == ["graph", "probe", "moves"]
    assert runtime.asked["moves"] == [["upgrade", "r1"], ["downgrade", "r0"], ["upgrade", "r1"]]


@pytest.mark.parametrize(("runtime", "error", "ended_by"), [
    (Answering([{**SEEN, "moves": [FIRST]}], '<{"half": ', "timeout", -9), "[timeout] a traceback with ********",
     "timeout"),
    (Answering([{**SEEN, "moves": [FIRST]}], rc=-11), "a traceback with ********", ""),
    (Answering([{**SEEN, "moves": [FIRST], "errors": {"moves": "ImportError: s3cret"}}]), "ImportError: ********", ""),
])
def test_a_process_that_did_not_come_to_an_end_failed_in_the_next_move(tmp_path: Path, runtime: Answering, error: str,
                                                                       ended_by: str) -> None:
    found = moved(tmp_path, runtime)
    assert found.moves == [FIRST, {"direction": "downgrade", "revision": "r0", "ok": False, "seconds": 7.5,
                                   "error": error}]
    assert found.ended_by == ended_by


def test_path_and_rendered_sql_are_asked_for_where_they_are_wanted(tmp_path: Path) -> None:
    answer = {**SEEN, "path": ["r1"], "moves": [FIRST, FIRST, FIRST], "render": {"r1": {"sql": "PASSWORD 's3cret'"}}}
    runtime = Answering([answer])
    found = moved(tmp_path, runtime, migration="r1", render=["r1"])
    assert runtime.asked["parts"] == ["graph", "probe", "path", "moves", "render"]
    assert runtime.asked["path"] == ["r1"] and runtime.asked["expected"] == {"database": "d"}
    assert (found.path, found.rendered, found.failure) == (["r1"], {"r1": {"sql": "PASSWORD '********'"}}, None)


def test_what_was_not_rendered_any_more_says_why(tmp_path: Path) -> None:
    found = moved(tmp_path, Answering([{**SEEN, "moves": [FIRST]}], ended_by="timeout"), render=["r1"])
    assert found.rendered == {"r1": {"error": "[timeout] a traceback with ********"}}


@pytest.mark.parametrize(("answer", "key", "said"), [
    ({**SEEN, "moves": {"mismatch": ["a", "b"]}}, "rehearsal_elsewhere", "a; b"),
    ({"errors": {"setup": "x is s3cret"}}, "alembic_broken", "x is ********"),
    ({"graph": [], "errors": {"probe": "RuntimeError: y"}}, "alembic_broken", "RuntimeError: y"),
])
def test_without_a_sound_environment_at_the_right_place_nothing_was_moved(
        tmp_path: Path, answer: dict[str, Any], key: str, said: str) -> None:
    with pytest.raises(Refusal) as refused:
        moved(tmp_path, Answering([answer]))
    assert refused.value.key == key and said in str(refused.value.facts)
