# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image holds what its files say, at their versions, and runs as whoever AWX lets it run."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import ansible_builder
import pytest
import yaml
from bindep.depends import Depends

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "execution-environment"
# What is unpacked, and what serves while the image is built.
NOT_INSTALLED = {"ansible", "bindep", "distro", "Parsley", "pbr", "setuptools"}


def pins() -> dict[str, str]:
    """Package and version, of every line of the constraints."""
    lines = [line for line in (FILES / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("==") for line in lines)


def test_every_python_package_is_a_pin(container):
    frozen = dict(line.split("==") for line in container.run("python3", "-m", "pip", "freeze").splitlines())
    assert frozen == {name: version for name, version in pins().items() if name not in NOT_INSTALLED}
    assert container.run("python3", "-m", "pip", "check") == "No broken requirements found.\n"


def test_what_serves_the_build_alone_is_pinned_as_well():
    """No finished image shows these: a pin that gets lost is missed by nothing else."""
    assert pins().keys() >= NOT_INSTALLED


def test_the_definition_names_the_pins():
    definition = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]
    named = [definition[key]["package_pip"] for key in ("ansible_core", "ansible_runner")]
    assert named == [f"{name}=={pins()[name]}" for name in ("ansible-core", "ansible-runner")]


def test_every_collection_is_a_pin(container):
    listed = json.loads(container.run("ansible-galaxy", "collection", "list", "--format=json"))
    ours = listed["/usr/share/ansible/collections/ansible_collections"]
    found = {name: told["version"] for name, told in ours.items()}
    pinned = yaml.safe_load((FILES / "requirements.yml").read_text())["collections"]
    assert found == {each["name"]: each["version"] for each in pinned}


@pytest.mark.parametrize("version, told", [("4.8.4", "write 4.8.5 there"), (None, "has no collection")])
def test_a_collection_of_another_version_ends_the_build(tmp_path, version, told):
    """The guard of unpack_collections.py, on a package made for it; nothing is unpacked."""
    with zipfile.ZipFile(tmp_path / "ansible.whl", "w") as package:
        place = "ansible_collections/community/" + ("docker" if version else "other")
        package.writestr(f"{place}/MANIFEST.json", '{"collection_info": {"version": "4.8.5"}}')
    program = (f"import pathlib, sys; sys.path.append({str(FILES)!r}); import unpack_collections as unpack\n"
               f"unpack.COLLECTIONS = pathlib.Path('unpacked')\n"
               f"unpack.install(pathlib.Path('ansible.whl'), {{'community.docker': {version!r}}})")
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and told in done.stderr
    assert not (tmp_path / "unpacked").exists()


@pytest.fixture(scope="module")
def packages() -> dict[str, set[str]]:
    """What bindep.txt asks for, by kind of package."""
    depends = Depends((ROOT / "bindep.txt").read_text(), "bindep.txt")
    return {kind: {name for name, *_rest in depends.active_rules([f"platform:{kind}"])} for kind in ("dpkg", "rpm")}


def test_every_system_package_is_there(container, packages):
    assert packages == {"dpkg": {"openssh-client", "git", "ca-certificates"},
                        "rpm": {"openssh-clients", "git-core", "ca-certificates"}}
    shown = container.run("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *packages["dpkg"])
    assert set(shown.splitlines()) == {f"{name} installed" for name in packages["dpkg"]}
    # What AWX hands a key to, and what Ansible logs in with.
    container.run("sh", "-c", "ssh -V && ssh-agent ssh-add -l; test $? = 1 && git --version && dumb-init --version")
    # What webhooks, mail and AWX are checked against.
    trusted = container.run("python3", "-c", "import ssl; print(len(ssl.create_default_context().get_ca_certs()))")
    assert int(trusted) > 0


def test_what_the_base_came_with_is_brought_up_to_date_as_well(container, tmp_path):
    """What the build's package manager has apt do. In a container: it empties apt's lists in the end."""
    (tmp_path / "apt-get").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "apt-get").chmod(0o755)
    told = container.run("sh", "/apt", "install", "-y", "git", options=(
        "--user=0", f"-v={FILES}/apt:/apt:ro", f"-v={tmp_path}/apt-get:/usr/local/sbin/apt-get:ro"))
    assert told.splitlines() == ["-q update", "-q -y upgrade", "-q -y --no-install-recommends install -y git", "clean"]


def test_what_a_builder_reads_from_the_collection(container, project):
    """Another's execution environment that contains the collection: ansible-builder's own look at it."""
    introspect = Path(ansible_builder.__file__).parent / "_target_scripts" / "introspect.py"
    told = yaml.safe_load(container.run(
        "python3", "/introspect.py", "introspect", "/collections",
        options=(f"-v={introspect}:/introspect.py:ro",
                 f"-v={project}:/collections/ansible_collections/recyclic/rollback:ro")))  # fmt: skip
    assert told["python"] == ["psycopg2-binary>=2.9.5,<3  # from collection recyclic.rollback"]
    assert {line.split()[0] for line in told["system"]} == {"openssh-client", "openssh-clients", "git", "git-core",
                                                            "ca-certificates"}


def test_no_published_file_is_of_the_image(tarball):
    """The image is built from a clone; the collection says what it needs in a file of its own."""
    with tarfile.open(tarball) as archive:
        names = {name.partition("/")[0] for name in archive.getnames()}
        assert "meta/execution-environment.yml" in archive.getnames()
    assert not {"execution-environment", "execution-environment.yml"} & names
    assert {"bindep.txt", "requirements.txt", "requirements.yml"} <= names


@pytest.mark.parametrize("user", ["1000", "123456"])
def test_it_runs_as_whoever_it_is_started_as(container, user):
    told = container.run("sh", "-c", "id -u && id -g && echo $HOME && touch ~/ours && ansible localhost -m ping",
                         options=(f"--user={user}",) if user != "1000" else ())
    assert told.splitlines()[:3] == [user, "0", "/runner"] and '"ping": "pong"' in told


def test_a_clone_explains_itself(container, project):
    shown = container.run("ansible-doc", "--json", "recyclic.rollback.plan_info", options=(
        f"-v={project}:/runner/project:ro", "--workdir=/runner/project", "--network=none",
        "--env=ANSIBLE_COLLECTIONS_PATH=/runner/project/collections:/usr/share/ansible/collections"))
    assert json.loads(shown)["recyclic.rollback.plan_info"]["doc"]["collection"] == "recyclic.rollback"


def test_a_second_build_has_nothing_to_do(container):
    told = subprocess.run([sys.executable, FILES / "build.py"], capture_output=True, text=True, check=True).stdout
    release = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    assert told.splitlines() == [f"recyclic-rollback-ee:{tag}: up to date" for tag in (release, "latest")]


def builder(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=FILES, check=False,
                          env={**os.environ, **environment})


def test_pip_is_told_in_the_build_what_it_is_told_here(tmp_path):
    (tmp_path / "ca.pem").touch()
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://overruled/simple\nno-index = false\nfind-links = /here\n"
        f"extra-index-url =\n  file:///here\n  https://more/simple\ncert = {tmp_path}/ca.pem\n")
    ours = dict.fromkeys(("PIP_CERT", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "PIP_PROXY"), "")
    ask = "import build, json; print(json.dumps(build.pip_settings()))"
    told = builder("-c", ask, PIP_CONFIG_FILE=f"{tmp_path}/pip.conf", **{**ours, "PIP_INDEX_URL": "https://index/simple"})
    found = json.loads(told.stdout)
    assert found == {"index-url": "https://index/simple", "extra-index-url": "https://more/simple",
                     "cert": f"{tmp_path}/ca.pem"}


@pytest.mark.parametrize("setting, told", [
    ({"PIP_INDEX_URL": "https://me:secret@index/simple"}, "pip's index-url holds a password"),
    ({"PATH": "/nowhere"}, "no container engine for the execution environment"),
])
def test_what_cannot_be_built_says_why(setting, told):
    done = builder("build.py", **setting)
    assert done.returncode == 3 and done.stderr.startswith(told) and "secret" not in done.stderr
