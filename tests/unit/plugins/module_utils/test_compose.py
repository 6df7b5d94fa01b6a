# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is decided about a Compose project from what its engine says."""
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils import _compose, _compose_runtime
from ansible_collections.recyclic.rollback.plugins.module_utils._compose import Layout, Project, address_of, layout_from
from ansible_collections.recyclic.rollback.plugins.module_utils._docker import Container, container_of
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import Finished


def entry(name: str = "shop-postgres-1", service: str = "postgres", state: dict[str, Any] | None = None,
          **network: Any) -> dict[str, Any]:
    """What the engine's inspection says of a container, as far as it is read."""
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": service,
              "com.docker.compose.oneoff": "False"}
    return {"Id": "c" * 64, "Name": f"/{name}", "Image": "sha256:1", "Created": "2026-03-01T00:00:00Z",
            "State": {"Status": "running", "ExitCode": 0, "StartedAt": "2026-03-01T00:00:01Z", "FinishedAt": "",
                      **(state or {})},
            "Config": {"Labels": labels, "Env": ["POSTGRES_PASSWORD=a=b", "EMPTY="], "Image": "postgres:15",
                       "Entrypoint": None, "Cmd": ["postgres"], "WorkingDir": "/"},
            "HostConfig": {"RestartPolicy": {"Name": "always"}, "NetworkMode": "shop_default"},
            "NetworkSettings": {"Ports": {}, "Networks": {"shop_default": {"IPAddress": "172.20.0.2"}}, **network}}


def container(**changes: Any) -> Container:
    return container_of(entry(**changes))


def project(services: dict[str, Any] | None = None) -> Project:
    found = Project(None, Layout("/srv/shop", project="shop"))  # type: ignore[arg-type]
    found.__dict__.update(config={"name": "shop", "services": services or {"postgres": {}, "api": {}}},
                          program=["docker", "compose"])
    return found


def test_a_container_is_read_as_it_is() -> None:
    found = container(state={"Health": {"Status": "healthy"}})
    assert (found.name, found.service, found.oneoff, found.restart_policy) == ("shop-postgres-1", "postgres", False,
                                                                               "always")
    assert found.environment == {"POSTGRES_PASSWORD": "a=b", "EMPTY": ""} and found.argv == ("postgres",)
    assert found.running and found.well
    assert "a=b" not in repr(found)


@pytest.mark.parametrize(("state", "well"), [
    ({}, True), ({"Health": {"Status": "none"}}, True), ({"Health": {"Status": "starting"}}, False),
    ({"Health": {"Status": "unhealthy"}}, False), ({"Status": "exited"}, False), ({"Status": "paused"}, False)])
def test_well_is_running_and_healthy_where_it_says_so(state: dict[str, Any], well: bool) -> None:
    assert container(state=state).well is well


@pytest.mark.parametrize(("published", "expected"), [
    ([], ("172.20.0.2", 5432)), ([{"HostIp": "0.0.0.0", "HostPort": "5433"}], ("127.0.0.1", 5433)),
    ([{"HostIp": "::", "HostPort": "5433"}], ("::1", 5433)),
    ([{"HostIp": "10.1.1.1", "HostPort": "1"}], ("10.1.1.1", 1)),
    (None, ("172.20.0.2", 5432))])
def test_a_published_port_comes_before_the_container_s_own_address(published: Any, expected: tuple[str, int]) -> None:
    assert address_of(container(Ports={"5432/tcp": published})) == expected


def test_a_container_in_the_host_s_network_is_on_the_host() -> None:
    found = entry(Networks={"host": {"IPAddress": ""}})
    found["HostConfig"]["NetworkMode"] = "host"
    assert address_of(container_of(found)) == ("127.0.0.1", 5432)
    with pytest.raises(Refusal) as refusal:
        address_of(container(Networks={"none": {"IPAddress": ""}}))
    assert refusal.value.key == "no_address"


def test_the_database_is_one_container_that_is_well() -> None:
    well = container()
    assert project().database([well]) is well
    others = [container(name="shop-api-1", service="api")]
    for among, key in (([], "project_not_running"), (others, "database_down"),
                       ([container(state={"Status": "exited"}), *others], "database_down"),
                       ([well, container(name="shop-postgres-2")], "database_scaled"),
                       ([container(state={"Health": {"Status": "starting"}})], "database_unhealthy")):
        with pytest.raises(Refusal) as refusal:
            project().database(among)
        assert refusal.value.key == key
    # One that is there is started, one that is not is made; neither with what it depends on.
    assert "start postgres" in _down([container(state={"Status": "exited"}), *others])
    assert "up -d --no-deps postgres" in _down(others)
    # One that is paused cannot be started, and one that keeps restarting is no better for it.
    assert _down([container(state={"Status": "paused"})]).endswith(" unpause postgres")
    assert _down([container(state={"Status": "restarting"})]) == "docker logs --tail 50 shop-postgres-1"


def _down(among: list[Container]) -> str:
    with pytest.raises(Refusal) as refusal:
        project().database(among)
    return str(refusal.value.facts["command"])


@pytest.mark.parametrize("policy", ["always", "build", "daily", "weekly", "every_12h", "missing", "never", None])
def test_an_image_that_would_not_stay_is_refused_by_name(policy: str | None) -> None:
    found = project({"api": {"image": "shop:1", "pull_policy": policy}})
    found.docker = SimpleNamespace(image=lambda reference: {"Id": reference})  # type: ignore[assignment]
    if policy in ("missing", "never", None):
        assert found.require_image("api") == {"Id": "shop:1"}
        return
    with pytest.raises(Refusal) as refusal:
        found.require_image("api")
    assert refusal.value.key == "image_would_change"
    assert refusal.value.facts == {"service": "api", "policy": policy, "image": "shop:1"}
    # A diagnosis only looks at it.
    assert found.local_image("api") == {"Id": "shop:1"}


@pytest.mark.parametrize("supported", [True, False])
def test_a_service_is_started_on_the_image_that_is_here(supported: bool) -> None:
    """By an option where Compose has it; otherwise files that would get another are refused."""
    said: list[tuple[str, ...]] = []

    def call(*words: str, **_options: Any) -> Finished:
        said.append(words)
        return Finished(0, "      --pull string   Pull image" if supported and "--help" in words else "", "", 0.1)

    found = project({"api": {"pull_policy": "always"}})
    found.call = call  # type: ignore[method-assign]
    found.configured = lambda *_rest: found.config  # type: ignore[method-assign]
    if supported:
        found.start("api")
        assert said[-1][-3:] == ("--pull", "never", "api") and "--quiet-pull" in said[-1]
    else:
        with pytest.raises(Refusal) as refusal:
            found.start("api")
        assert refusal.value.key == "image_would_change" and [words[1] for words in said] == ["--help"]


def test_a_service_the_files_do_not_have_is_named_with_those_they_have() -> None:
    with pytest.raises(Refusal) as refusal:
        project().service("pg", "rollback_compose_database")
    assert refusal.value.facts == {"service": "pg", "known": "api, postgres", "variable": "rollback_compose_database"}


def test_a_layout_is_refused_for_what_is_not_there(tmp_path: Path) -> None:
    options = {"directory": str(tmp_path), "files": [], "env_files": [], "project": "", "profiles": [], "database": "p",
               "migrations": "m", "keep_entrypoint": False}
    (tmp_path / "a.yml").touch()
    assert layout_from({**options, "files": ["a.yml"]}).files == (str(tmp_path / "a.yml"),)
    for changed, key in (({"files": ["b.yml"]}, "compose_file_missing"),
                         ({"env_files": ["b.env"]}, "compose_file_missing"),
                         ({"directory": str(tmp_path / "gone")}, "compose_directory_missing"),
                         ({"directory": ""}, "compose_directory_missing")):
        with pytest.raises(Refusal) as refusal:
            layout_from({**options, **changed})
        assert refusal.value.key == key
    with pytest.raises(Refusal):
        layout_from(None)


def test_a_project_is_said_by_options_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = project()
    found.layout = Layout("/srv/shop", ("/srv/shop/a.yml",), "shop", ("/srv/shop/.env",), ("web",))
    assert found.argv("ps") == ["docker", "compose", "--project-directory", "/srv/shop", "--file", "/srv/shop/a.yml",
                                "--project-name", "shop", "--env-file", "/srv/shop/.env", "--profile", "web", "ps"]
    monkeypatch.setenv("COMPOSE_FILE", "elsewhere.yml")
    assert _compose.unsteered(["docker"]) == ["env", "-u", "COMPOSE_FILE", "docker"]


def test_dollar_signs_are_read_as_they_were_meant() -> None:
    found = _compose._unescaped({"a": ["p$$w$$$$d", 1], "b": {"c": None}})
    assert found == {"a": ["p$w$$d", 1], "b": {"c": None}}


def test_variables_are_handed_over_by_name() -> None:
    """Each value would show in the list of processes; only what steers the client goes by value, and no secret."""
    options, handed = _compose_runtime.handed_over({"DATABASE_URL": "x", "PATH": "/bin", "DOCKER_TOKEN": "hush-hush"})
    assert options == ["--env", "DATABASE_URL", "--env", "PATH=/bin", "--env", "DOCKER_TOKEN"]
    assert handed == {"DATABASE_URL": "x", "DOCKER_TOKEN": "hush-hush"}
