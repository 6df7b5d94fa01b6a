# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long one controller takes for many sites, and how much memory: see README.md.

    python benchmarks/fleet.py [--sites NUMBER ...] [--forks NUMBER] [--serial BATCHES] [--row NUMBER]
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))

import fleet

RESULT = ROOT / ".cache" / "benchmarks" / "fleet.json"
# Sites beyond that share servers: what is measured is the controller, not how many servers one machine can start.
SERVERS = 5
SAMPLE_S = 0.25
MEGABYTE = 1 << 20


class Controller:
    """An ansible-playbook at work, with the most memory that it and its forks held at any one moment.

    What its forks start in turn, the modules, is work of the managed nodes, though these are the same machine here.
    """

    def __init__(self, argv: list[str], log: Path) -> None:
        self.argv, self.log = argv, log
        self.peak = {"rss": 0, "pss": 0, "parent_rss": 0, "processes": 0}

    def run(self) -> float:
        """Run it to its end; returns the seconds. Raises RuntimeError when it fails."""
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "ANSIBLE_"))}
        began = time.monotonic()
        with self.log.open("w") as out:
            process = subprocess.Popen(self.argv, cwd=self.log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       env={**environment, "ANSIBLE_NOCOLOR": "1"}, start_new_session=True)
            while process.poll() is None:
                self._sample(process.pid)
                time.sleep(SAMPLE_S)
        seconds = time.monotonic() - began
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(self.argv)}:\n{self.log.read_text()[-4000:]}")
        return round(seconds, 1)

    def _sample(self, parent: int) -> None:
        line = _read(parent, "cmdline")
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _read(pid, "cmdline") == line]
        held = [(pid, _held(pid)) for pid in found if line]
        now = {"rss": sum(each["Rss"] for _pid, each in held), "pss": sum(each["Pss"] for _pid, each in held),
               "parent_rss": dict(held).get(parent, {"Rss": 0})["Rss"], "processes": len(held)}
        self.peak = {name: max(most, now[name]) for name, most in self.peak.items()}

    def memory(self) -> dict[str, Any]:
        """Megabytes. `pss` counts a page that forks share once; `rss` once for each of them."""
        megabytes = {f"{name}_mb": round(self.peak[name] / MEGABYTE) for name in ("rss", "pss", "parent_rss")}
        return {**megabytes, "processes": self.peak["processes"]}


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended
        return b""


def _held(pid: int) -> dict[str, int]:
    """Bytes a process holds, by the kernel's names."""
    held = {"Rss": 0, "Pss": 0}
    for line in _read(pid, "smaps_rollup").decode().splitlines():
        name, _colon, rest = line.partition(":")
        if name in held:
            held[name] = int(rest.split()[0]) * 1024
    return held


class Fleet:
    """Sites of its own, at the migration, and the playbooks run on them."""

    def __init__(self, home: Path, sites: int, forks: int, serial: str) -> None:
        self.home, self.forks, self.serial = home / f"fleet-{sites}", forks, serial
        self.inventory = fleet.build(self.home, sites, min(sites, SERVERS))
        self.sites = sorted(fleet.look(self.home))

    def play(self, playbook: str, limit: str = "all") -> dict[str, Any]:
        """Seconds and memory of a playbook. Raises RuntimeError when it fails."""
        variables = json.dumps({"rollback_confirm": self.sites, "rollback_serial": self.serial})
        controller = Controller(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self.inventory), "--forks",
             str(self.forks), "--limit", limit, "-e", variables, str(ROOT / "playbooks" / f"{playbook}.yml")],
            self.home / f"{playbook}.log")
        return {"seconds": controller.run(), **controller.memory()}

    def rolled_back(self) -> int:
        """How many sites' databases say so."""
        return sum(found["tables"]["categories"][0] == 0 for found in fleet.look(self.home).values())


def in_a_row(home: Path, count: int, forks: int) -> list[dict[str, Any]]:
    """The same by as many runs of one site each, one after the other."""
    made = Fleet(home, count, forks, "1")
    try:
        return [made.play("rollback", site) for site in made.sites]
    finally:
        fleet.destroy(made.home)


def wave(home: Path, count: int, forks: int, serial: str) -> dict[str, Any]:
    """Plan and roll back a fleet of that many sites."""
    made = Fleet(home, count, forks, serial)
    try:
        found = {"sites": count, "plan": made.play("plan"), "rollback": made.play("rollback")}
        if made.rolled_back() != count:
            raise RuntimeError(f"{made.rolled_back()} of {count} sites are rolled back: {made.home}/rollback.log")
        return found
    finally:
        fleet.destroy(made.home)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, nargs="+", default=[1, 10, 50], metavar="NUMBER")
    parser.add_argument("--forks", type=int, default=5, help="of ansible-playbook")
    parser.add_argument("--serial", default="1,5", help="rollback_serial")
    parser.add_argument("--row", type=int, default=3, help="how many runs of one site, one after the other")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        # Servers of root's run under another account, which has to enter it.
        os.chmod(directory, 0o755)
        home = Path(directory)
        row = in_a_row(home, options.row, options.forks)
        alone = statistics.median(each["seconds"] for each in row)
        found = [wave(home, sites, options.forks, options.serial) for sites in sorted(options.sites)]
    for each in found:
        each["ratio"] = round(each["sites"] * alone / each["rollback"]["seconds"], 2)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({
        "ansible_core": version("ansible-core"), "processors": os.cpu_count(), "forks": options.forks,
        "serial": options.serial, "alone_s": alone, "in_a_row": row, "fleets": found}, indent=2) + "\n")
    print(f"{os.cpu_count()} processors for controller and sites together; forks {options.forks}, rollback_serial "
          f"{options.serial}\none site by itself: {alone:.1f} s, the median of {len(row)} runs in a row")
    print(f"{'sites':>5} {'plan':>9} {'rollback':>9} {'a site':>8} {'in a row/wave':>14} {'memory':>8} {'parent':>8}")
    for each in found:
        seconds = each["rollback"]["seconds"]
        print(f"{each['sites']:>5} {each['plan']['seconds']:>7.1f} s {seconds:>7.1f} s "
              f"{seconds / each['sites']:>6.1f} s {each['ratio']:>14.2f} {each['rollback']['pss_mb']:>5} MB "
              f"{each['rollback']['parent_rss_mb']:>5} MB")
    print(f"result: {RESULT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
