# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A real Prometheus with real exporters beside a test's database, asked over its API; and promtool's own tests."""
from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import ROOT, Database, clean_environment, wait_for

sys.path.insert(0, str(ROOT / "tests"))
import exporters

DAY_S = 86400
NAMES = ("Failed", "UnexpectedRevision", "CategoriesEmpty", "CategoriesNotEmpty", "ApiSlow", "DatabaseErrors",
         "MemoryHigh", "BackupTooOld", "DrillTooOld", "ServicesLeftStopped", "KeptDatabases")
SAMPLE = re.compile(r"^(\w+\{.*\}) (-?[\d.e+-]+)$")


def require_exporters(count: int) -> None:
    """CI must have the programs; elsewhere the tests that need them are skipped, loudly, without."""
    missing = exporters.missing()
    if missing:
        told = f"{count} TESTS CANNOT RUN, missing: {', '.join(missing)} (make exporters)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(told)


def program(name: str) -> str:
    """The path of one of them."""
    path = exporters.find(name)
    assert path, f"{name} is missing: make exporters"
    return path


def promtool(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run promtool, which has to succeed; returns what it says."""
    done = subprocess.run([program("promtool"), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def settings(home: Path, port: int | None = None, **more: Any) -> dict[str, Any]:
    """The variables of monitoring.yml that put everything below ``home``."""
    return {
        "rollback_metrics_dir": str(home / "textfile"), "monitoring_rules_file": str(home / "etc" / "rules.yml"),
        "monitoring_alertmanager_file": str(home / "etc" / "alertmanager.yml"),
        "monitoring_queries_file": str(home / "etc" / "queries.yml"), "monitoring_promtool": program("promtool"),
        "monitoring_amtool": program("amtool"), "monitoring_for": "0s",
        "monitoring_reload_url": f"http://127.0.0.1:{port}/-/reload" if port else "", **more}


def documented_role(database: Database, role: str, password: str) -> None:
    """Make the role of postgres_exporter by the very SQL the documentation shows, as the superuser."""
    text = (ROOT / "docs" / "monitoring.md").read_text()
    match = re.search(r"```sql\n(.*?)```", text, re.DOTALL)
    assert match, "docs/monitoring.md shows the role's SQL"
    names = {"DATABASE recyclic ": f'DATABASE "{database.name}" ', "recyclic_monitoring": role, "SECRET": password,
             "TO recyclic;": f'TO "{database.user}";'}
    statements = re.sub("|".join(names), lambda found: names[found[0]], match[1])
    database.rows(statements, superuser=True)


@dataclass
class Prometheus:
    """A running Prometheus; ``home`` holds what monitoring.yml put in place."""

    home: Path
    port: int
    exporter: int
    role: str = field(default="")

    def get(self, path: str, **query: str) -> Any:
        """The data of an answer of the API."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def alerts(self) -> dict[str, list[dict[str, Any]]]:
        """The firing alerts, without the prefix of their names, with labels and annotations."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self.get("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"].removeprefix("RecyclicRollback"), []).append(alert)
        return found

    def wait(self, firing: Sequence[str], silent: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
        """The firing alerts, once the first ones fire and the others do not."""
        def right() -> Any:
            found = self.alerts()
            return found if set(firing) <= set(found) and not set(silent) & set(found) else None

        try:
            alerts: dict[str, list[dict[str, Any]]] = wait_for(right, f"firing {firing}, silent {silent}")
        except AssertionError as error:
            raise AssertionError(f"{error}; firing now: {sorted(self.alerts())}") from None
        return alerts

    def values(self, query: str) -> dict[tuple[tuple[str, str], ...], float]:
        """What a query answers, by its labels without those of the scrape."""
        return {tuple(sorted((key, text) for key, text in each["metric"].items() if key not in (
            "instance", "job", "server"))): float(each["value"][1])
            for each in self.get("query", query=query)["result"]}

    def value(self, query: str) -> float | None:
        return next(iter(self.values(query).values()), None)

    def settle(self) -> None:
        """Wait until everything has been scraped and every rule evaluated twice more."""
        for query in ("up", "up"):
            began = max(each["value"][0] for each in self.get("query", query=query)["result"])
            evaluated = "min(prometheus_rule_group_last_evaluation_timestamp_seconds)"
            last = f"min(timestamp(up)) > {began} and on () {evaluated} > {began}"
            wait_for(lambda asked=last: self.get("query", query=asked)["result"], "another scrape")


@contextmanager
def prometheus(home: Path, port: int, database: Database, role: str, password: str) -> Iterator[Prometheus]:
    """Prometheus, node_exporter and postgres_exporter at work, every second."""
    node, postgres = free_port(), free_port()
    targets = {"prometheus": port, "node": node, "postgres": postgres}
    (home / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(home / "etc" / "rules.yml")],
        "scrape_configs": [{"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{at}"]}]}
                           for name, at in targets.items()]}))
    source = {"DATA_SOURCE_URI": f"{database.server.host}:{database.server.port}/{database.name}?sslmode=disable",
              "DATA_SOURCE_USER": role, "DATA_SOURCE_PASS": password}
    commands = {
        "node": [program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile",
                 f"--collector.textfile.directory={home / 'textfile'}", f"--web.listen-address=127.0.0.1:{node}"],
        "postgres": [program("prometheus-postgres-exporter"), "--disable-default-metrics", "--disable-settings-metrics",
                     "--no-collector.database", "--no-collector.bgwriter",
                     f"--extend.query-path={home / 'etc' / 'queries.yml'}",
                     f"--web.listen-address=127.0.0.1:{postgres}"],
        "prometheus": [program("prometheus"), f"--config.file={home / 'prometheus.yml'}",
                       f"--storage.tsdb.path={home / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
                       "--web.enable-lifecycle"]}
    with ExitStack() as ending:
        for name, command in commands.items():
            log = ending.enter_context((home / f"{name}.log").open("w"))
            process = subprocess.Popen(command, env=clean_environment(**(source if name == "postgres" else {})),
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            ending.callback(process.wait)
            ending.callback(process.kill)
        found = Prometheus(home, port, postgres, role)

        def up() -> bool:
            try:
                return len(found.get("query", query="up == 1")["result"]) == len(targets)
            except OSError:
                return False

        wait_for(up, "three targets up")
        yield found


# promtool's own tests


def series(text: str, changed: Mapping[str, float | None], now_s: int) -> dict[str, float]:
    """The series of a text file as a run left it, with time shifted so that it was written ``now_s`` after 1970.

    ``changed`` are series to set, to add, or with None to leave out, by their beginning.
    """
    found = {match[1]: float(match[2]) for match in map(SAMPLE.match, text.splitlines()) if match}
    written = next(value for name, value in found.items() if "written_timestamp" in name)
    for name, value in found.items():
        if "_timestamp_seconds{" in name and value:
            found[name] = value - written + now_s
    for start, value in changed.items():
        names = [name for name in found if name.startswith(start)] or [start]
        for name in names:
            if value is None:
                found.pop(name)
            else:
                found[name] = value
    return found


def scenario(text: str, expected: Mapping[str, int], changed: Mapping[str, float | None] | None = None,
             step: str = "1d", at: int = 100, step_s: int = DAY_S) -> dict[str, Any]:
    """A test of promtool: which alerts fire, and how many of each, ``at`` steps after 1970."""
    found = series(text, changed or {}, at * step_s if step == "1d" else 0)
    return {"interval": step,
            "input_series": [{"series": name, "values": f"{value!r}+0x{at + 10}"} for name, value in found.items()],
            "promql_expr_test": [{
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": f"{at}{step[-1]}",
                "exp_samples": [{"labels": f'{{alertname="RecyclicRollback{name}"}}', "value": count}
                                for name, count in expected.items()]}]}


def test_rules(home: Path, rules: Path, tests: Sequence[Mapping[str, Any]], step: str = "1d") -> str:
    """Have promtool play scenarios against rules."""
    path = home / f"promtool-{step}.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": step, "tests": list(tests)}))
    return promtool("test", "rules", path)


test_rules.__test__ = False  # type: ignore[attr-defined]
