# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is refused by name, before anything changes, in a real project on a real engine."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stack
from stack import Stack

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from harness import clean_environment, controller, run_module

MIGRATION, PARENT = "k1l2m3n4o5p6", "g1h2i3j4k5l6"
OTHER_PATH = "rbtest-other-path:latest"


@pytest.fixture(scope="module")
def site(up: Any) -> Stack:
    """The chain history at the migration, as production runs it."""
    found: Stack = up("chain", "migration", "production")
    return found


def options(site: Stack, **compose: Any) -> dict[str, Any]:
    layout = {"directory": str(site.directory), "files": [site.compose_file.name], "project": site.project}
    return {"login_db": "recyclic", "runtime": "compose", "compose": {**layout, **compose}}


def seen(site: Stack) -> dict[str, Any]:
    """Every container with its start, and the whole database."""
    containers = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.ID}} {{.Names}} {{.State}}", "--filter",
         f"label=com.docker.compose.project={site.project}"], capture_output=True, text=True, check=True).stdout
    dump = subprocess.run(["docker", "exec", f"{site.project}-postgres", "pg_dump", "-U", "recyclic", "recyclic"],
                          capture_output=True, text=True, check=True).stdout
    return {"containers": sorted(containers.splitlines()),
            "dump": [line for line in dump.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]}


def refused(site: Stack, tmp_path: Path, environment: dict[str, str] | None = None, module: str = "run_open",
            **compose: Any) -> dict[str, Any]:
    """Run the first module of a run, or the plan, which has to refuse and to change nothing."""
    before, state = seen(site), tmp_path / "state"
    own = ({"state_dir": str(state), "playbook": "rollback", "controller": controller(), "goal": {}}
           if module == "run_open" else {"migration": MIGRATION, "application": ["api"]})
    answer = run_module(module, environment=environment, **options(site, **compose), **own)
    assert answer.get("failed") and answer["outcome"] == "refused", answer
    assert seen(site) == before
    assert not list(state.glob("runs/*")) and not list(state.glob("locks/*.json"))
    return answer


def programs(home: Path, docker: str | None = None, alone: str | None = None) -> dict[str, str]:
    """A PATH with a docker, and a stand-alone docker-compose, of the test's own; each a shell script."""
    home.mkdir()
    for name, body in (("docker", docker), ("docker-compose", alone)):
        if body:
            (home / name).write_text(f"#!/bin/sh\nREAL={shutil.which('docker')}\n{body}\n")
            (home / name).chmod(0o755)
    for name in ("env", "sh"):
        (home / name).symlink_to(shutil.which(name) or "")
    return {"PATH": str(home)}


# The client as it is without its plugin.
WITHOUT_PLUGIN = """if [ "$1" = compose ]; then
    echo "docker: 'compose' is not a docker command." >&2; exit 1
fi
exec "$REAL" "$@" """


def test_no_docker_program(site: Stack, tmp_path: Path) -> None:
    assert refused(site, tmp_path, programs(tmp_path / "bin"))["problem"] == "docker_missing"


def test_an_engine_that_is_down(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, {"DOCKER_HOST": f"unix://{tmp_path}/docker.sock"})
    assert answer["problem"] == "engine_down" and "systemctl start docker" in answer["msg"]


def test_compose_missing(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, programs(tmp_path / "bin", WITHOUT_PLUGIN))
    assert answer["problem"] == "compose_missing" and "docker-compose-plugin" in answer["msg"]


def test_only_the_first_version_of_compose(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, programs(tmp_path / "bin", WITHOUT_PLUGIN, "echo 1.29.2"))
    assert answer["problem"] == "compose_first_version"
    assert "1.29.2" in answer["msg"] and "docker-compose-plugin" in answer["msg"]


@pytest.mark.parametrize("role", ["database", "migrations"])
def test_a_service_under_a_wrong_name(site: Stack, tmp_path: Path, role: str) -> None:
    answer = refused(site, tmp_path, **{role: "postgresql"})
    assert answer["problem"] == "service_unknown"
    assert f"rollback_compose_{role}" in answer["msg"] and "api, api-migrations" in answer["msg"]


def test_a_project_that_is_not_running(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, project="rbtest-nobody")
    assert answer["problem"] == "project_not_running" and "up -d --no-deps postgres" in answer["msg"]
    listed = subprocess.run(["docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=rbtest-nobody"],
                            capture_output=True, text=True, check=True).stdout
    assert listed == ""


def test_a_directory_that_is_not_there(site: Stack, tmp_path: Path) -> None:
    assert refused(site, tmp_path, directory="/nowhere/at/all")["problem"] == "compose_directory_missing"


def test_an_env_file_that_is_not_there(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, env_files=["production.env"])
    assert answer["problem"] == "compose_file_missing"
    assert f"{site.directory}/production.env" in answer["msg"] and "rollback_compose_env_files" in answer["msg"]


def test_an_env_file_of_a_service_that_is_not_there(site: Stack, tmp_path: Path) -> None:
    """Compose itself says which."""
    (site.directory / "no-env.yml").write_text("services: {api: {env_file: [gone.env]}}\n")
    answer = refused(site, tmp_path, files=[site.compose_file.name, "no-env.yml"])
    assert answer["problem"] == "compose_config_broken" and "gone.env" in answer["msg"]


@pytest.fixture
def another(site: Stack, tmp_path: Path) -> Iterator[Stack]:
    """A project of its own with nothing but a database, which says that it is not well."""
    home = tmp_path / "ill"
    home.mkdir()
    shutil.copy(site.env_file, home)
    unwell = {"test": ["CMD", "false"], "interval": "1s", "retries": 1}
    services = {"postgres": {"image": "recyclic-demo-postgres:15", "env_file": [".env"], "healthcheck": unwell},
                "api-migrations": {"image": "recyclic-demo:chain", "env_file": [".env"]}}
    (home / "compose.yml").write_text(json.dumps({"services": services}))
    found = Stack(home, f"{site.project}-ill", "development", "chain", "parent")
    found.compose("up", "-d", "postgres")
    yield found
    stack.down(found)


def test_a_database_that_is_not_well_or_not_up(site: Stack, another: Stack, tmp_path: Path) -> None:
    deadline = time.monotonic() + 30
    while (another.container("postgres") or {})["State"]["Health"]["Status"] != "unhealthy":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    layout = {"directory": str(another.directory), "files": [], "project": another.project}
    answer = refused(site, tmp_path, **layout)
    assert answer["problem"] == "database_unhealthy" and f"{another.project}-postgres-1" in answer["msg"]

    another.compose("stop", "-t", "1", "postgres")
    answer = refused(site, tmp_path, **layout)
    assert answer["problem"] == "project_not_running" and "postgres" in answer["msg"]
    # Nothing started it: `compose run` would have.
    assert (another.container("postgres") or {})["State"]["Status"] == "exited"


def with_image(site: Stack, tag: str) -> list[str]:
    """The project's variables with another image for whatever is started from now on."""
    name = f"{tag.replace(':', '-')}.env"
    (site.directory / name).write_text(site.env_file.read_text()
                                       + "RECYCLIC_IMAGE={}\nRECYCLIC_TAG={}\n".format(*tag.split(":")))
    return [name]


def test_an_image_older_than_the_recorded_revision(site: Stack, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, module="plan_info", env_files=with_image(site, "recyclic-demo:chain-before"))
    assert answer["problem"] == "image_older"
    assert MIGRATION in answer["msg"] and PARENT in answer["msg"] and "recyclic-demo:chain-before" in answer["msg"]


@pytest.fixture
def other_path(tmp_path: Path) -> Iterator[str]:
    """An image with the same revisions, of which two stand in another order; its own downgrade would end with 0."""
    swap = r"""
import pathlib, re
found = {}
for path in pathlib.Path("versions").glob("*.py"):
    text = path.read_text()
    found[re.search(r'^revision\b[^"\']*["\']([^"\']+)', text, re.M).group(1)] = (path, text)
parents = {"g1h2i3j4k5l6": "e3f4g5h6i7j8", "f4g5h6i7j8k9": "g1h2i3j4k5l6", "k1l2m3n4o5p6": "f4g5h6i7j8k9"}
for name, parent in parents.items():
    path, text = found[name]
    path.write_text(re.sub(r'^(down_revision\b[^"\']*["\'])[^"\']+', r"\g<1>" + parent, text, count=1, flags=re.M))
"""
    home = tmp_path / "image"
    home.mkdir()
    (home / "swap.py").write_text(swap)
    (home / "Dockerfile").write_text(
        "FROM recyclic-demo:chain\nUSER root\nCOPY swap.py /tmp/\nRUN python3 /tmp/swap.py\nUSER app\n")
    subprocess.run(["docker", "build", "-q", "-t", OTHER_PATH, str(home)], check=True, capture_output=True,
                   env={**os.environ, "DOCKER_BUILDKIT": "0"})
    yield OTHER_PATH
    subprocess.run(["docker", "rmi", "--force", OTHER_PATH], check=True, capture_output=True)


def test_an_image_that_would_take_another_path(site: Stack, other_path: str, tmp_path: Path) -> None:
    answer = refused(site, tmp_path, module="plan_info", env_files=with_image(site, other_path))
    assert answer["problem"] == "image_other_path"
    assert all(revision in answer["facts"]["differences"] for revision in ("f4g5h6i7j8k9", PARENT, MIGRATION))
    assert answer["facts"]["image"] == OTHER_PATH and "recyclic-demo:chain" in answer["facts"]["other"]


def psql(site: Stack, statement: str) -> None:
    subprocess.run(["docker", "exec", f"{site.project}-postgres", "psql", "-v", "ON_ERROR_STOP=1", "-U", "recyclic",
                    "-c", statement, "recyclic"], check=True, capture_output=True)


def test_two_recorded_revisions_on_one_line(site: Stack, tmp_path: Path) -> None:
    psql(site, f"INSERT INTO alembic_version VALUES ('{PARENT}')")
    try:
        answer = refused(site, tmp_path, module="plan_info")
        assert answer["problem"] == "heads_overlap" and MIGRATION in answer["msg"] and PARENT in answer["msg"]
    finally:
        psql(site, f"DELETE FROM alembic_version WHERE version_num = '{PARENT}'")


def test_an_empty_version_table(site: Stack, tmp_path: Path) -> None:
    psql(site, "DELETE FROM alembic_version")
    try:
        assert refused(site, tmp_path, module="plan_info")["problem"] == "nothing_recorded"
    finally:
        psql(site, f"INSERT INTO alembic_version VALUES ('{MIGRATION}')")


def test_an_image_to_resume_on_that_is_not_here(site: Stack, tmp_path: Path) -> None:
    """Getting it would take its time while the application is stopped."""
    answer = run_module("plan_info", migration=MIGRATION, application=["api"],
                        resume_environment={"RECYCLIC_TAG": "never-built"}, **options(site))
    assert answer["problem"] == "image_missing" and "recyclic-demo:never-built" in answer["msg"]


def test_the_plan_says_what_the_images_are_made_for(site: Stack) -> None:
    planned = run_module("plan_info", migration=MIGRATION, application=["api"], **options(site))["plan"]
    assert {each["service"]: each["same_path"] for each in planned["images"]} == {"api-migrations": True, "api": True}
    assert planned["images"][0]["heads"] == ["m3npr1c3dr0p"]
    assert any("m3npr1c3dr0p" in warning and PARENT in warning for warning in planned["warnings"])
    fitting = run_module("plan_info", migration=MIGRATION, application=["api"],
                         resume_environment={"RECYCLIC_TAG": "chain-before"}, **options(site))["plan"]
    assert not any("m3npr1c3dr0p" in warning for warning in fitting["warnings"])


def test_a_refusal_of_the_playbook_leaves_its_report(site: Stack, tmp_path: Path) -> None:
    before = seen(site)
    variables = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "rollback_runtime": "compose",
        "rollback_compose_directory": str(site.directory), "rollback_compose_project": site.project,
        "rollback_compose_files": [site.compose_file.name], "rollback_compose_database": "mysql",
        "rollback_state_dir": str(tmp_path / "state"), "rollback_report_dir": str(tmp_path / "reports")}
    (tmp_path / "inventory.json").write_text(json.dumps({"rollback": {"hosts": {"site": variables}}}))
    done = subprocess.run([str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json",
                           str(ROOT / "playbooks" / "rollback.yml")], cwd=tmp_path, capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL, env=clean_environment())
    assert done.returncode != 0
    report = json.loads((tmp_path / "reports" / "latest" / "report.json").read_text())
    assert report["outcome"] == "refused" and "mysql" in report["failure"]
    assert seen(site) == before
