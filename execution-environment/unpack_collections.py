# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Put the collections of requirements.yml into the image, out of the `ansible` package of constraints.txt.

Run while the image is built. One pinned package from the Python index holds them all, so that no Galaxy has to be
reached; of its half gigabyte only what is asked for is unpacked.
"""
from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

COLLECTIONS = Path("/usr/share/ansible/collections")


def install(wheel: Path, wanted: dict[str, str]) -> None:
    """Unpack the collections that are wanted; ends with a message where the package has another version of one."""
    with zipfile.ZipFile(wheel) as package:
        members = package.namelist()
        for name, version in wanted.items():
            place = f"ansible_collections/{name.replace('.', '/')}/"
            if f"{place}MANIFEST.json" not in members:
                sys.exit(f"{wheel.name} has no collection {name}: see requirements.yml")
            found = json.loads(package.read(f"{place}MANIFEST.json"))["collection_info"]["version"]
            if found != version:
                sys.exit(f"{wheel.name} has {name} {found}, and requirements.yml says {version}: write {found} there")
            package.extractall(COLLECTIONS, [member for member in members if member.startswith(place)])


def main() -> None:
    listed = yaml.safe_load(Path(__file__).with_name("requirements.yml").read_text())["collections"]
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--no-deps",
                        "--only-binary=:all:", "--dest", directory, "ansible"], check=True)  # fmt: skip
        install(next(Path(directory).glob("ansible-*.whl")), {each["name"]: each["version"] for each in listed})


if __name__ == "__main__":
    main()
