# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is known of services without an engine: records, states, and what would undo a rollback."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _report, _services, _undo_guard
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import Container, container_of
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._evidence import write_json
from ansible_collections.recyclic.rollback.plugins.module_utils._resume import planned_heads
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import Finished
from ansible_collections.recyclic.rollback.plugins.module_utils._undo_guard import (
    MOST_FILES,
    Look,
    migrates,
    named_files,
    named_in,
)


def container(status: str = "running", health: str = "", name: str = "one", started: str = "t1") -> Container:
    state: dict[str, Any] = {"Status": status, "ExitCode": 0, "StartedAt": started, "FinishedAt": "t2"}
    if health:
        state["Health"] = {"Status": health}
    return container_of({
        "Id": f"id-{name}", "Name": f"/{name}", "Image": "sha256:1", "Created": "t0", "State": state,
        "Config": {"Labels": {"com.docker.compose.service": "api"}, "Image": "app:1"}, "NetworkSettings": {},
        "HostConfig": {}})


@pytest.mark.parametrize(("text", "size"), [
    ("34.12MiB / 7.6GiB", 35777413), ("0B / 0B", 0), ("980KiB / 1GiB", 1003520), ("1.5GiB / 2GiB", 1610612736),
    ("12.3kB / 1MB", 12300), ("-- / --", None), ("", None),
])
def test_memory_is_read_in_bytes(text: str, size: int | None) -> None:
    assert _services.size_in_bytes(text) == size


@pytest.mark.parametrize(("containers", "word"), [
    ([], "-"), ([container()], "running"), ([container(health="healthy")], "healthy"),
    ([container(health="starting")], "starting"), ([container("exited", health="unhealthy")], "exited"),
    ([container(), container("restarting", name="two")], "restarting"),
])
def test_a_service_is_as_well_as_its_worst_container(containers: list[Container], word: str) -> None:
    assert _services.state_of(containers) == word


def test_what_ran_before_the_first_cut_is_what_ran() -> None:
    first = _services._entry([container()], {"id-one": 7}, {})
    again = _services._entry([container("exited")], {}, first)
    assert (again["running"], again["memory_bytes"], again["containers"][0]["running"]) == (True, 7, True)
    two = _services._entry([container("exited"), container(name="two")], {"id-two": 5}, first)
    assert [each["running"] for each in two["containers"]] == [True, True]
    assert _services._entry([container("exited")], {}, {})["running"] is False
    assert _services._entry([], {}, first)["running"] is True, "its container was removed since"


def test_a_service_is_left_as_stopped_until_somebody_starts_it() -> None:
    record = {"services": {"api": _services._entry([container()], {}, {})}}
    assert _services.left_as_stopped(record, [container("exited")]) == ["api"]
    assert _services.left_as_stopped(record, [container("exited", started="later")]) == []
    assert _services.left_as_stopped(record, [container()]) == []
    assert _services.left_as_stopped(record, []) == []
    assert _services.left_as_stopped(None, [container("exited")]) == []
    idle = {"services": {"api": _services._entry([container("exited")], {}, {})}}
    assert _services.left_as_stopped(idle, [container("exited")]) == [], "it did not run before"


def test_a_stop_order_is_in_force_until_it_is_lifted(tmp_path: Path) -> None:
    path = str(tmp_path / "stopped.json")
    assert _services.stop_order(path) is None and not _services.lift_stop_order(path)
    write_json(path, {"by": "alice"})
    assert _services.stop_order(path) == {"by": "alice"}
    assert _services.lift_stop_order(path) and _services.stop_order(path) is None
    assert _services.stop_order(None) is None


def test_a_stop_order_is_one_projects(tmp_path: Path) -> None:
    mine: Any = SimpleNamespace(name="one")
    theirs: Any = SimpleNamespace(name="other")
    one, other = _services.order_path(str(tmp_path), mine), _services.order_path(str(tmp_path), theirs)
    assert one == str(tmp_path / "stopped-one.json") != other
    assert _services.order_path(None, mine) is _services.order_path(str(tmp_path), None) is None
    write_json(str(one), {"by": "alice", "at": "2026-03-01T03:00:00.000Z", "why": ""})
    _services.require_no_stop(other)
    with pytest.raises(Refusal) as refused:
        _services.require_no_stop(one)
    assert refused.value.key == "migrate_stop_order" and refused.value.facts["by"] == "alice"


class Broken:
    """A project whose files cannot be read, made from a directory, among other containers of the engine."""

    def __init__(self, directory: Path, *made: tuple[str, Path]) -> None:
        self.layout = SimpleNamespace(directory=str(directory))
        labels = [{"com.docker.compose.project": name, _services.WORKING_DIR_LABEL: str(place)} for name, place in made]
        self.docker = SimpleNamespace(containers=lambda _label: [SimpleNamespace(labels=each) for each in labels])

    @property
    def name(self) -> str:
        raise Refusal("compose_config_broken", directory="-", error="-")


def test_a_project_whose_files_are_broken_is_known_by_its_containers(tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    (tmp_path / "srv").mkdir()
    linked.symlink_to(tmp_path / "srv")
    project: Any = Broken(linked, ("mine", tmp_path / "srv"), ("mine", linked), ("theirs", tmp_path))
    assert _services.project_name_of(project) == "mine"
    for made in ([], [("one", linked), ("two", linked)]):
        unknown: Any = Broken(linked, *made)
        with pytest.raises(Refusal) as refused:
            _services.project_name_of(unknown)
        assert refused.value.key == "compose_config_broken"


@pytest.mark.parametrize("text", [
    "alembic upgrade head", "python -m alembic -c a.ini upgrade head", 'subprocess.run(["alembic", "upgrade", "head"])',
    "cd /app && alembic \\\n  -x a=b \\\n  upgrade head",
    "from alembic import command\ncommand.upgrade(config, 'head')",
    "flask db upgrade", 'call(["flask", "db", "upgrade"])', "/venv/bin/alembic upgrade k1l2m3n4o5p6",
    "run([\n    'alembic',\n    'upgrade',\n    'head',\n])",
    'run([\n  "/venv/bin/alembic", "-c",  # this one, not that\n\n  # the path\n  "a.ini",\n  "upgrade", "head"])',
    "run((sys.executable, '-m', 'alembic',\n     'upgrade', 'head'))",
    "from alembic import command as alembic_command\nalembic_command.upgrade(config, 'head')",
    "alembic.command.upgrade (config, 'head')",
])
def test_what_migrates_is_recognised(text: str) -> None:
    assert migrates(text)


@pytest.mark.parametrize("text", [
    "", "uvicorn main:app", "alembic current", "# alembic upgrade head\nexec uvicorn", "pip install --upgrade alembic",
    "alembic current; apt-get upgrade", "alembic check\nnpm upgrade",
    "run([\n  'alembic',\n  'current',\n])\nrun([\n  'npm',\n  'upgrade',\n])",
    "run(('alembic',\n  'current'))\nrun(('npm',\n  'upgrade'))",
    "PACKAGES = [\n  'alembic',\n  'uvicorn',\n]\nif wanted == 'upgrade':\n  pass",
    "alembic_command.current(config)", "subcommand.upgrade(now)", "apt.upgrade()",
    "'alembic'," + " a," * 5000,
])
def test_what_does_not_migrate_is_not_taken_for_it(text: str) -> None:
    assert not migrates(text)


def look(ended_by: str = "") -> Look:
    """A look into a container, at a pace that may be too slow."""
    host: Any = SimpleNamespace(run=lambda _program: Finished(0, "", "", 1.0, ended_by))
    docker: Any = SimpleNamespace(host=host)
    return Look(docker, "id")


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_undo_guard, "_text_in", lambda _path: "exec uvicorn main:app")


@pytest.mark.usefixtures("archive")
def test_what_could_not_be_looked_into_may_migrate() -> None:
    assert look().what_migrates(["/entry"], "/app") == ""
    assert look("timeout").what_migrates(["/entry"], "/app") == "/entry ?"
    many = [f"/scripts/{number}.sh" for number in range(MOST_FILES + 1)]
    assert look().what_migrates(many[:-1], "/app") == ""
    assert look().what_migrates(many, "/app") == f"{many[-1]} ?"
    assert look("timeout").what_migrates(["alembic", "upgrade", "head"], "/app") == "alembic upgrade head"


def test_the_files_a_command_line_names() -> None:
    assert named_files(["/entry", "uvicorn", "main:app"], "/app") == ["/entry"]
    assert named_files(["sh", "-c", "./run.sh && exec python3 -m tools.serve"], "/app") == [
        "/app/run.sh", "/app/tools/serve.py", "/app/tools/serve/__main__.py"]
    assert "/usr/local/bin/start" in named_files(["start"], "/app")
    assert "/usr/local/bin/start" in named_files(["sh", "-c", "start now"], "/app")
    assert "/usr/local/bin/entry.sh" in named_files(["tini", "--", "entry.sh"], "/app")
    assert named_files(["/bin/sh", "-c", "/usr/bin/env"], "/") == [], "a shell is no script"
    assert named_files(["curl", "http://host/path"], "/")[-1].endswith("/curl"), "an address is no path"
    assert named_files(["sh", "-c", "echo 'half"], "/") is not None


def test_the_scripts_a_script_names() -> None:
    text = "#!/bin/sh\nset -e\n. /etc/profile.sh\n# old.sh\nsh ./prepare.sh\n exec /srv/start --now\npython -m a.b\n"
    assert named_in(text, "/app") == ["/etc/profile.sh", "/app/prepare.sh", "/srv/start", "/app/a/b.py"]


def test_the_revisions_a_plan_goes_from_and_to_are_the_safe_ones(tmp_path: Path) -> None:
    assert planned_heads(None) == planned_heads(str(tmp_path)) == []
    write_json(str(tmp_path / "plan.json"), {"from_heads": ["b"], "to_heads": ["a"]})
    assert planned_heads(str(tmp_path)) == [["b"], ["a"]]


def line(event: str, step: str, at: int, **facts: Any) -> dict[str, Any]:
    return {"event": event, "step": step, "at": f"2026-03-01T03:00:{at:02d}.000Z", **facts}


def test_the_outage_is_from_quiesce_to_resume_over_every_cut() -> None:
    acted = [line("begun", "before", 5), line("begun", "alembic_downgrade", 6, acts=True),
             line("ended", "alembic_downgrade", 8), line("ended", "after", 9)]
    assert _report.outage(acted) == 4.0, "where no service was stopped"
    whole = [line("begun", "quiesce", 3), line("ended", "quiesce", 4), *acted, line("begun", "resume", 10),
             line("ended", "resume", 12)]
    assert _report.outage(whole) == 9.0
    assert _report.outage([line("begun", "quiesce", 1), *whole]) == 11.0


def test_the_report_says_what_became_of_each_service() -> None:
    record = {"services": {"api": {"running": True}, "worker": {"running": True}, "cron": {"running": False}}}
    held = [{"service": "worker", "reason": "it would migrate"}]
    told = _report.services_of(record, [line("ended", "resume", 1, resumed=[], held=[]),
                                        line("ended", "resume", 2, resumed=["api"], held=held)])
    assert told == {"stopped": ["api", "worker"], "resumed": ["api"], "held": held, "left_stopped": ["worker", "cron"]}
    assert _report.services_of({}, []) == {"stopped": [], "resumed": [], "held": [], "left_stopped": []}
