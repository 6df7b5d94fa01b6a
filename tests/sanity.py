"""Run ansible-test on this repository, from a bare clone and without Docker.

    .venv/bin/python tests/sanity.py sanity [arguments of ansible-test]
    .venv/bin/python tests/sanity.py units [arguments of ansible-test]

ansible-test insists on a directory named ansible_collections/NAMESPACE/NAME, so the files git knows of are
copied to one. It keeps the virtual environments of its linters under ~/.ansible/test: the first run installs
them, later ones do not.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

REPOSITORY = Path(__file__).resolve().parent.parent
COPY = REPOSITORY / ".cache" / "ansible-test" / "ansible_collections" / "recyclic" / "rollback"

# ansible-test downloads get-pip.py from a server of its own, which a closed network or a proxy may not reach.
# This does the same by what Python and pip are configured to use.
GET_PIP = """\
import subprocess, sys

# A process of its own: ensurepip turns pip's configuration off for the rest of its process.
subprocess.check_call([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *arguments]))
"""


def provide_get_pip() -> None:
    """Put the stand-in where ansible-test looks before it downloads, unless it has downloaded already."""
    python = SimpleNamespace(version="{}.{}".format(*sys.version_info))
    version = get_venv_packages(python)["pip"].replace(".", "_")
    script = Path(f"~/.ansible/test/cache/get_pip_{version}.py").expanduser()
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(GET_PIP)


def copy_collection() -> None:
    """Copy tracked and new files, and no ignored ones; links stay links."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(COPY, ignore_errors=True)
    for name in filter(None, listing.stdout.split("\0")):
        source, target = REPOSITORY / name, COPY / name
        if source.is_file() or source.is_symlink():  # a tracked file may have been deleted, or become a directory
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    # Without a repository of its own, the copy would be taken for an ignored directory of this one.
    subprocess.run(["git", "init", "--quiet"], cwd=COPY, check=True)


def environment() -> dict[str, str]:
    """This Python's programs first; then every Python that pyenv, if there is one, keeps behind its shims."""
    found = dict(os.environ)
    paths = [Path(sys.executable).parent]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip()
        paths += sorted(Path(root).glob("versions/*/bin"))
    found["PATH"] = os.pathsep.join([*map(str, paths), found.get("PATH", os.defpath)])
    # The only collections in sight are the copy and those of the ansible package.
    found.pop("ANSIBLE_COLLECTIONS_PATH", None)
    return found


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in ("sanity", "units"):
        print(__doc__, file=sys.stderr)
        return 2
    provide_get_pip()
    copy_collection()
    if arguments[0] == "units":
        arguments.append("--venv")  # pytest in an environment of its own, for each Python that is there
    command = ["ansible-test", *arguments, "--color", "yes" if sys.stdout.isatty() else "no"]
    started = time.monotonic()
    status = subprocess.call(command, cwd=COPY, env=environment(), stdin=subprocess.DEVNULL)
    result = "passed" if status == 0 else f"FAILED (status {status})"
    print(f"ansible-test {arguments[0]}: {result} in {time.monotonic() - started:.0f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
