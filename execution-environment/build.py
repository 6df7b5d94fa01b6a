# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build the execution environment's image, unless the one that is there was built from the same files.

    python execution-environment/build.py [--no-cache] [--tag NAME ...]

`ansible-builder build` does the same where the base image can be pulled and the Python index is reached as it is. This
one also works where neither holds: the base is made of Debian's packages where no registry answers, and what pip is
told here (index, proxy, certificates) is put into a copy of the base, so that it is told in the build as well.

Exit status: 0 ready, 1 failed, 3 something is missing that only its owner can install (reasons on stderr).
"""
from __future__ import annotations

import argparse
import ast
import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "execution-environment"
DEFINITION = ROOT / "execution-environment.yml"
IMAGE = "recyclic-rollback-ee"
SOURCE_LABEL = "recyclic.rollback.source"
NOT_POSSIBLE = 3
# A machine without a registry may drop what is sent to one.
PULL_S = 60
# What pip may be told about the way to its packages. Paths of this machine mean nothing in the build.
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
CERTIFICATES = "/etc/ssl/pip-ca-bundle.pem"


class NotPossible(Exception):
    """Something is missing that cannot be installed from here; the message says what to do."""


def main() -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Build the execution environment's image.")
    parser.add_argument("--no-cache", action="store_true",
                        help="build every layer again, on the newest base where it can be pulled")
    parser.add_argument("--tag", action="append", help=f"name of the image; default {IMAGE}, by version and latest")
    options = parser.parse_args()
    release = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    try:
        with locked():
            build(options.tag or [f"{IMAGE}:{release}", f"{IMAGE}:latest"], options.no_cache)
    except NotPossible as error:
        print(error, file=sys.stderr)
        return NOT_POSSIBLE
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build(tags: list[str], no_cache: bool) -> None:
    """Build the image, or name the one that is there."""
    engine = container_engine()
    base = base_image(engine, no_cache)
    settings = pip_settings()
    source = hashlib.sha256(repr((identity(engine, base), settings, version("ansible-builder"), inputs())).encode())
    label = f'{{{{index .Config.Labels "{SOURCE_LABEL}"}}}}'
    if not no_cache and all(output(engine, "image", "inspect", "--format", label, tag) == source.hexdigest()
                            for tag in tags):  # fmt: skip
        print("\n".join(f"{tag}: up to date" for tag in tags))
        return
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="context.", dir=CACHE) as context:
        if settings:
            base = prepared(engine, base, settings, Path(context) / "base", no_cache)
        command = [str(Path(sys.executable).with_name("ansible-builder")), "build", f"--file={DEFINITION}",
                   f"--context={context}/build", f"--container-runtime={engine}", f"--build-arg=EE_BASE_IMAGE={base}",
                   f"--extra-build-cli-args=--force-rm --label={SOURCE_LABEL}={source.hexdigest()}",
                   *(f"--tag={tag}" for tag in tags), *(["--no-cache"] if no_cache else [])]  # fmt: skip
        run(command, engine)
    print("\n".join(f"{tag}: built in {time.monotonic() - began:.0f} s" for tag in tags))


def container_engine() -> str:
    """Docker where it answers, else Podman."""
    for engine in ("docker", "podman"):
        if output(engine, "info") is not None:
            return engine
    # As root on Debian an engine can be had. That Compose may be missing then is nothing to an image.
    ensured("no container engine for the execution environment", lambda: output("docker", "info") is not None)
    return "docker"


def base_image(engine: str, newest: bool) -> str:
    """The definition's base, made available; `newest` is what the registry has, where one answers."""
    base: str = yaml.safe_load(DEFINITION.read_text())["images"]["base_image"]["name"]
    if not newest and identity(engine, base) is not None:
        return base
    failed = pull(engine, base)
    if identity(engine, base) is None:
        if engine != "docker":
            raise NotPossible(f"no {base} to build on: {failed}")
        # Makes it of Debian's packages.
        ensured(f"no {base} to build on: {failed}", lambda: identity(engine, base) is not None)
    return base


def pull(engine: str, image: str) -> str:
    """Pull an image; returns why it failed, if it did."""
    try:
        done = subprocess.run([engine, "pull", image], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PULL_S, check=False)  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"`{engine} pull {image}` took more than {PULL_S} s"
    return done.stderr.strip() if done.returncode != 0 else ""


def ensured(missing: str, there: Callable[[], bool]) -> None:
    """Have the demo's engine.py install and make what it can; whether that was enough, `there` tells."""
    made = subprocess.run([sys.executable, ROOT / "demo/compose/engine.py", "ensure"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    if not there():
        kind = NotPossible if made.returncode == NOT_POSSIBLE else RuntimeError
        raise kind(f"{missing}: {made.stderr.strip()}")


def prepared(engine: str, base: str, settings: dict[str, str], context: Path, no_cache: bool) -> str:
    """A copy of the base in which pip is told what it is told here."""
    context.mkdir()
    lines = [f"COPY {name} {place}" for name, place in (("pip.conf", "/etc/pip.conf"), ("ca.pem", CERTIFICATES))]
    certificates = settings.get("cert")
    (context / "ca.pem").write_bytes(Path(certificates).read_bytes() if certificates else b"")
    told = {**settings, **({"cert": CERTIFICATES} if certificates else {})}
    (context / "pip.conf").write_text("[global]\n" + "".join(f"{name} = {text}\n" for name, text in told.items()))
    (context / "Dockerfile").write_text("\n".join([f"FROM {base}", *lines]) + "\n")
    tag = f"{IMAGE}-base:latest"
    run([engine, "build", *(["--no-cache"] if no_cache else []), "--tag", tag, str(context)], engine)
    return tag


def pip_settings() -> dict[str, str]:
    """What pip is told here about the way to its packages; environment variables come last, as they win."""
    found: dict[str, str] = {}
    listed = output(sys.executable, "-m", "pip", "config", "list") or ""
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):
        key, text = line.split("=", 1)
        if ast.literal_eval(text):
            found[key.rpartition(".")[2]] = str(ast.literal_eval(text))
    kept = {name: " ".join(word for word in found[name].split() if not word.startswith(("file:", "/")))
            for name in PIP_SETTINGS if name in found}  # fmt: skip
    for name, text in kept.items():
        if "@" in text:
            raise NotPossible(f"pip's {name} holds a password, which the image would keep: build on a base that knows "
                              "the way by itself (ansible-builder build --build-arg EE_BASE_IMAGE=NAME)")
    if Path(found.get("cert", "")).is_file():
        kept["cert"] = found["cert"]
    return {name: text for name, text in kept.items() if text}


def inputs() -> list[tuple[str, bytes]]:
    """The files the image is made of."""
    files = [DEFINITION, ROOT / "bindep.txt", ROOT / "requirements.txt"]
    files += (path for path in (ROOT / "execution-environment").iterdir() if path.is_file())
    return [(path.name, path.read_bytes()) for path in sorted(files)]


def identity(engine: str, image: str) -> str | None:
    """The image's number; None where it is not there."""
    return output(engine, "image", "inspect", "--format", "{{.Id}}", image)


def output(*command: str) -> str | None:
    """What a program prints; None when it fails or does not exist."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def run(command: list[str], engine: str) -> None:
    environment = dict(os.environ)
    if engine == "docker" and output("docker", "buildx", "version") is None:
        environment["DOCKER_BUILDKIT"] = "0"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment, cwd=ROOT, check=False)  # fmt: skip
    (CACHE / "build.log").write_text(done.stdout)
    if done.returncode != 0:
        tail = done.stdout.splitlines()[-30:]
        raise RuntimeError("\n".join([f"`{command[0]}` ended with status {done.returncode}:", *tail]))


@contextmanager
def locked() -> Iterator[None]:
    """One at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
