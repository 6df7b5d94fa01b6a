# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Docker engine with Compose v2, and the images of the demo's stack.

    python demo/compose/engine.py ensure
    python demo/compose/engine.py build [guide|chain|branched ...]

`ensure` leaves alone what is there and prints one line for each thing with its version. What is missing it
installs and starts where it may: as root on Debian or a relative of it. The base image is built from Debian's
packages where no registry answers. `build` then makes the images that are missing or out of date.

Exit status: 0 ready, 1 failed, 3 something is missing that only its owner can install (reasons on stderr).
"""
from __future__ import annotations

import argparse
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

DEMO = Path(__file__).resolve().parents[1]
CACHE = DEMO.parent / ".cache" / "engine"
BASE = "debian:bookworm-slim"
BASE_SUITE, COMPOSE_SUITE = "bookworm", "trixie"  # the first release whose docker-compose is v2
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
START_S = 60
PULL_S = 60
NOT_POSSIBLE = 3
SOURCE_LABEL = "recyclic.demo.source"

# Files and directories of demo/; of directories, what Python and Alembic read.
APPLICATION = ("api", "migrations", "seed.py", "compose/api_tests.py")
COLUMNS = "id,name,is_active,parent_id"


class NotPossible(Exception):
    """Something is missing that cannot be installed from here; the message says what to do."""


@dataclass(frozen=True)
class Image:
    """An image of the stack: its Dockerfile in this directory, what that copies, and the arguments it is built with."""

    tag: str
    dockerfile: str
    sources: tuple[str, ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()


def application(tag: str, history: str, columns: str = COLUMNS, until: str = "") -> Image:
    """A release of the application; `columns` are those of categories it reads, `until` its newest revision."""
    given = {"HISTORY": history, "API_COLUMNS": columns, "UNTIL": until}
    return Image(f"recyclic-demo:{tag}", "application.Dockerfile", APPLICATION, tuple(given.items()))


SERVERS = (
    Image("recyclic-demo-postgres:15", "postgres.Dockerfile", ("compose/postgres-entrypoint.sh",)),
    Image("recyclic-demo-redis:7", "redis.Dockerfile"),
)
# Each release reads the columns that its own newest revision leaves.
RELEASES = {
    "guide": (application("guide", "guide"),),
    "chain": (
        application("chain", "chain", columns=f"{COLUMNS},price,max_price"),
        application("chain-before", "chain", until="g1h2i3j4k5l6"),
    ),
    "branched": (application("branched", "branched"),),
}


def ensure() -> None:
    """Make the engine, Compose and the base image available, and print what they are.

    Raises NotPossible when something has to be installed by somebody else, RuntimeError when a step failed.
    """
    if not all(_versions()):
        if os.geteuid() != 0:
            _ensure_engine()  # says what is missing, where nothing may even be written
        with _locked():
            _ensure_engine()
            _ensure_compose()
            _ensure_base()
    for what, found in zip(("docker", "compose", BASE), _versions()):
        print(f"{what}: {found}")
    print("engine: ready", flush=True)


def build(histories: list[str]) -> None:
    """Build what is missing or out of date of the servers' images and those of `histories`.

    Raises RuntimeError with the end of the builder's output when one fails.
    """
    wanted = [*SERVERS, *(image for history in histories for image in RELEASES[history])]
    with _locked("build"):
        # Images have no tie to the files they were made of, so each is labelled with what went into it.
        base = _output("docker", "image", "inspect", "--format", "{{.Id}}", BASE)
        environment = dict(os.environ)
        if _output("docker", "buildx", "version") is None:
            environment["DOCKER_BUILDKIT"] = "0"
        for image in wanted:
            context = _context(image)
            source = hashlib.sha256(repr((base, image)).encode() + context).hexdigest()[:16]
            label = f'{{{{index .Config.Labels "{SOURCE_LABEL}"}}}}'
            if _output("docker", "image", "inspect", "--format", label, image.tag) == source:
                print(f"{image.tag}: up to date", flush=True)
                continue
            began = time.monotonic()
            options = [f"--build-arg={name}={value}" for name, value in image.arguments]
            done = subprocess.run(
                ["docker", "build", "-t", image.tag, "-f", f"compose/{image.dockerfile}",
                 f"--build-arg=BASE={BASE}", f"--label={SOURCE_LABEL}={source}", *options, "-"],
                input=context, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                tail = done.stdout.decode(errors="replace").splitlines()[-30:]
                raise RuntimeError("\n".join([f"{image.tag} could not be built:", *tail]))
            print(f"{image.tag}: built in {time.monotonic() - began:.0f} s", flush=True)


def compose_command() -> list[str] | None:
    """How Compose v2 is called here: as the engine's plugin, or by itself; None where there is none."""
    for command in (["docker", "compose"], ["docker-compose"]):
        version = _output(*command, "version", "--short")
        if version and version.lstrip("v").split(".")[0] not in ("0", "1"):
            return command
    return None


def _versions() -> tuple[str | None, str | None, str | None]:
    """The engine's version, Compose's and the base image's number; None for what is not there."""
    return _engine(), _compose(), _output("docker", "image", "inspect", "--format", "{{.Id}}", BASE)


def _engine() -> str | None:
    return _output("docker", "info", "--format", "{{.ServerVersion}}") or None


def _compose() -> str | None:
    command = compose_command()
    return _output(*command, "version", "--short") if command else None


def _ensure_engine() -> None:
    if _engine():
        return
    if os.environ.get("DOCKER_HOST"):
        raise NotPossible("no Docker engine answers at DOCKER_HOST: start it, or unset DOCKER_HOST")
    if shutil.which("docker") is None or shutil.which("dockerd") is None:
        _root("no Docker engine answers: start Docker, or install it (Debian: apt-get install docker.io), and let "
              "this account use it (group docker)")
        _say("installing docker.io")
        install("docker.io")
    _root("no Docker engine answers: start it (systemctl start docker), and let this account use it (group docker)")
    _forget_dead_daemon()
    log = CACHE / "dockerd.log"
    _say(f"starting dockerd, whose log is {log}")
    with log.open("a") as output:
        daemon = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True
        )
    deadline = time.monotonic() + START_S
    while not _engine():
        if daemon.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").splitlines()[-20:]
            raise RuntimeError("\n".join([f"dockerd did not start within {START_S} s; {log} ends with:", *tail]))
        time.sleep(0.2)


def _forget_dead_daemon() -> None:
    """A daemon that was killed leaves a process number that may be another's by now: a new one would not start."""
    for name in ("docker.pid", "docker/containerd/containerd.pid"):
        path = Path("/var/run") / name
        try:
            command = Path(f"/proc/{int(path.read_text())}/comm").read_text().strip()
        except (OSError, ValueError):
            command = ""
        if command not in ("dockerd", "containerd"):
            path.unlink(missing_ok=True)


def _ensure_compose() -> None:
    if _compose():
        return
    missing = "Compose v2 is missing: install it (docker-compose-v2, docker-compose-plugin or your system's name)"
    if shutil.which("apt-get") is None:
        raise NotPossible(missing)
    if os.geteuid() == 0:
        for name in ("docker-compose-v2", "docker-compose-plugin"):
            known = _output("apt-cache", "policy", name) or ""
            if "Candidate:" in known and "Candidate: (none)" not in known:
                _say(f"installing {name}")
                install(name)
                if _compose():
                    return
    if not KEYRING.exists():
        raise NotPossible(missing)
    _say(f"taking Compose from Debian {COMPOSE_SUITE}")
    program = _download(COMPOSE_SUITE, "docker-compose") / "usr/libexec/docker/cli-plugins/docker-compose"
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    shutil.copy2(program, plugins / "docker-compose.new")
    (plugins / "docker-compose.new").replace(plugins / "docker-compose")
    if not _compose():
        raise RuntimeError(f"the Compose of Debian {COMPOSE_SUITE} does not run here")


def _ensure_base() -> None:
    if _output("docker", "image", "inspect", BASE) is not None:
        return
    try:
        subprocess.run(["docker", "pull", "--quiet", BASE], capture_output=True, timeout=PULL_S, check=True)
        return
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        _say(f"{BASE} cannot be pulled, so it is built from Debian's packages")
    _root(f"{BASE} cannot be pulled, and only root can build it here: docker pull {BASE}")
    if shutil.which("debootstrap") is None:
        install("debootstrap")
    with tempfile.TemporaryDirectory(prefix="base.", dir=CACHE) as directory:
        root = Path(directory) / "root"
        _run("debootstrap", "--variant=minbase", BASE_SUITE, str(root), _mirror())
        for left in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
            left.unlink()
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
            change = 'CMD ["bash"]'
            command = ["docker", "import", "--change", change, "-", BASE]
            imported = subprocess.run(command, stdin=packed.stdout, capture_output=True, check=False)
        if imported.returncode != 0 or packed.returncode != 0:
            raise RuntimeError(f"{BASE} could not be imported: {imported.stderr.decode(errors='replace').strip()}")


def _root(otherwise: str) -> None:
    """Go on only as root on a Debian-like machine."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotPossible(otherwise)


def install(*packages: str) -> None:
    """Install packages of Debian, as root."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    # Lists may be missing or too old; they are fetched only where the first attempt says so.
    if subprocess.run(command, capture_output=True, env=environment, check=False).returncode != 0:
        _run("apt-get", "update")
        _run(*command, environment=environment)


def _mirror() -> str:
    """The address apt itself takes Debian's packages from."""
    for attempt in range(2):
        listed = _output("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)") or ""
        for line in listed.splitlines():
            site, release, component = [*line.split(), "", "", ""][:3]
            if release in (_codename(), "stable", "testing", "sid") and component == "main":
                return site
        if attempt == 0 and os.geteuid() == 0:
            _run("apt-get", "update")
    raise NotPossible("apt knows no source of Debian's packages: add one, then apt-get update")


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return BASE_SUITE


def _download(suite: str, package: str) -> Path:
    """Unpack a package of another release of Debian, with lists and cache of its own; returns where."""
    home = CACHE / suite
    for name in ("lists/partial", "cache/archives/partial", "package"):
        (home / name).mkdir(parents=True, exist_ok=True)
    source = home / "sources.list"
    source.write_text(f"deb [signed-by={KEYRING}] {_mirror()} {suite} main\n")
    own = {
        "Dir::Etc::sourcelist": source,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::Lists": home / "lists",
        "Dir::Cache": home / "cache",
        "APT::Sandbox::User": "root",  # its own account may not be able to enter the repository
        "Acquire::Languages": "none",
    }
    options = [f"-o{name}={value}" for name, value in own.items()]
    _run("apt-get", *options, "update")
    _run("apt-get", *options, "download", package, directory=home / "package")
    newest = max((home / "package").glob(f"{package}_*.deb"), key=lambda path: path.stat().st_mtime)
    _run("dpkg", "-x", str(newest), str(home / "root"))
    return home / "root"


def _context(image: Image) -> bytes:
    """The files an image is made of, as a tar archive that is the same whenever they are."""
    paths = {DEMO / "compose" / image.dockerfile}
    for name in image.sources:
        source = DEMO / name
        paths.update([*source.rglob("*.py"), *source.rglob("*.ini")] if source.is_dir() else [source])
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(paths):
            data = path.read_bytes()
            member = tarfile.TarInfo(str(path.relative_to(DEMO)))
            member.size = len(data)
            member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _output(*command: str) -> str | None:
    """What a program prints; None when it fails or does not exist."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _run(*command: str, environment: dict[str, str] | None = None, directory: Path | None = None) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, cwd=directory, check=False
    )
    if done.returncode != 0:
        tail = (done.stdout + done.stderr).splitlines()[-20:]
        raise RuntimeError("\n".join([f"`{' '.join(command)}` ended with status {done.returncode}:", *tail]))


def _say(text: str) -> None:
    print(f"engine: {text}", file=sys.stderr, flush=True)


@contextmanager
def _locked(name: str = "ensure") -> Iterator[None]:
    """One at a time; on the whole machine for root, who alone installs and starts."""
    CACHE.mkdir(parents=True, exist_ok=True)
    shared = Path("/run/lock")
    directory = shared if os.geteuid() == 0 and shared.is_dir() else CACHE
    with (directory / f"recyclic-engine-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="The Docker engine and the images of the demo's stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ensure", help="make the engine, Compose and the base image available")
    building = commands.add_parser("build", help="build the images that are missing or out of date")
    building.add_argument("histories", nargs="*", metavar="HISTORY", help=f"{', '.join(RELEASES)}; default all")
    options = parser.parse_args()
    try:
        if options.command == "ensure":
            ensure()
        else:
            unknown = sorted(set(options.histories) - set(RELEASES))
            if unknown:
                parser.error(f"unknown history: {', '.join(unknown)} (known: {', '.join(RELEASES)})")
            build(options.histories or list(RELEASES))
    except NotPossible as error:
        print(error, file=sys.stderr)
        return NOT_POSSIBLE
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
