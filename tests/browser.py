# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A headless Chromium for the tests that look at a page.

    python tests/browser.py ensure

`ensure` leaves alone what is there. What is missing it installs where it may: as root on Debian or a relative of it.
Exit status: 0 ready, 1 failed, 3 it is missing and only its owner can install it (reason on stderr).
"""
from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
NOT_POSSIBLE = 3
START_S = 30
ANSWER_S = 30
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
         "--remote-debugging-port=0", "--remote-allow-origins=*")


def program() -> str | None:
    """The browser's path; None where there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def ensure() -> int:
    """Make a browser available and print what it is."""
    if program() is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            print("no Chromium: install it (Debian: apt-get install chromium)", file=sys.stderr)
            return NOT_POSSIBLE
        print("browser: installing chromium", flush=True)
        command = ["apt-get", "install", "-y", "--no-install-recommends", "chromium"]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        # Lists may be missing or too old; they are fetched only where the first attempt says so.
        if subprocess.run(command, capture_output=True, env=environment, check=False).returncode != 0:
            subprocess.run(["apt-get", "update"], capture_output=True, env=environment, check=False)
            done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
            if done.returncode != 0:
                print(f"chromium could not be installed:\n{done.stderr[-2000:]}", file=sys.stderr)
                return 1
    found = program()
    if found is None:
        print("chromium was installed and is not there", file=sys.stderr)
        return 1
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"browser: {told}", flush=True)
    return 0


@dataclass
class Page:
    """One page, driven by the browser's own protocol; everything it asked for and complained of is kept."""

    socket: Any
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    number: int = 0

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            told = json.loads(self.socket.recv())
            if told.get("id") == self.number:
                assert "error" not in told, f"{method}: {told['error']}"
                return dict(told["result"])
            self._note(told)

    def _note(self, told: dict[str, Any]) -> None:
        method, params = told.get("method", ""), told.get("params", {})
        self.events.append(method)
        if method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown" or (
                method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert")):
            self.complaints.append(json.dumps(params)[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])

    def open(self, path: Path, width: int, height: int, scheme: str, phone: bool = False) -> None:
        """Show a file as a screen of that size would, and wait until it is laid out."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", media="",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.asked.clear()
        self.complaints.clear()
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        deadline = time.monotonic() + ANSWER_S
        while "Page.loadEventFired" not in self.events:
            assert time.monotonic() < deadline, "the page was not loaded"
            self._note(json.loads(self.socket.recv()))

    def ask(self, script: str) -> Any:
        """Return what an expression says of the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> bytes:
        """Take the whole page, however long, and keep it as PNG."""
        shown = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(shown)
        return shown

    def printed(self) -> bytes:
        """The page as PDF."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def browser() -> Iterator[Page]:
    """A browser of its own, with an empty profile, ended afterwards."""
    import websocket

    with tempfile.TemporaryDirectory(prefix="browser.", ignore_cleanup_errors=True) as home:
        process = subprocess.Popen([program() or NAMES[0], *FLAGS, f"--user-data-dir={home}", "about:blank"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            port = Path(home) / "DevToolsActivePort"
            deadline = time.monotonic() + START_S
            while not (port.exists() and port.read_text().strip()):
                assert process.poll() is None and time.monotonic() < deadline, "Chromium did not start"
                time.sleep(0.05)
            address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(address, timeout=ANSWER_S) as listed:
                pages = [each for each in json.load(listed) if each["type"] == "page"]
            socket = websocket.create_connection(pages[0]["webSocketDebuggerUrl"], timeout=ANSWER_S,
                                                 http_no_proxy=["127.0.0.1"])
            try:
                yield Page(socket)
            finally:
                socket.close()
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    if sys.argv[1:] != ["ensure"]:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    sys.exit(ensure())
