# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""psql on the database of the demo that was built last, in either runtime.

    .venv/bin/python demo/psql.py [psql's options]

The password goes by the environment: an argument would show in the list of processes.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / ".demo"


def in_compose(project: Path, options: list[str]) -> None:
    """Become psql inside the stack's own container."""
    stack = json.loads((project / "stack.json").read_text())
    command = ["docker", "ps", "--quiet", f"--filter=label=com.docker.compose.project={stack['project']}",
               "--filter=label=com.docker.compose.service=postgres"]
    container = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if not container:
        sys.exit("The demo's stack is not running: make demo RUNTIME=compose")
    terminal = ["--tty"] if sys.stdin.isatty() else []
    os.execvp("docker", ["docker", "exec", "--interactive", *terminal, container, "psql", "-U", "recyclic", "recyclic",
                         *options])


def on_this_machine(options: list[str]) -> None:
    """Become psql from beside the demo's server."""
    status = subprocess.run([sys.executable, ROOT / "demo/server.py", "status", "--dir", DEMO / "server"],
                            stdout=subprocess.PIPE, check=False)
    if status.returncode:
        sys.exit("The demo has no running server: make demo")
    server = json.loads(status.stdout)
    os.environ["PGPASSWORD"] = (DEMO / "recyclic.password").read_text().strip()
    psql = os.path.join(server["bin_dir"], "psql")
    os.execv(psql, [psql, "-h", server["host"], "-p", str(server["port"]), "-U", "recyclic", "recyclic", *options])


if __name__ == "__main__":
    built = yaml.safe_load((DEMO / "demo.yml").read_text()) if (DEMO / "demo.yml").exists() else {}
    if built.get("rollback_runtime") == "compose":
        in_compose(Path(built["demo_project"]), sys.argv[1:])
    on_this_machine(sys.argv[1:])
