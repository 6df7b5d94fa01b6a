# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What receives messages in the tests: a mail server with STARTTLS and login, and an HTTP endpoint that may misbehave.

Everything that arrives is kept with the moment it arrived.
"""
from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "rollback@example.org", 's3cr3t: of the "mail" %'


def utc() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class Posted:
    """One request that reached the endpoint."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: datetime = field(default_factory=utc)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def signed_by(self, key: str) -> bool:
        """Whether a receiver that knows the key can tell that body and moment are the sender's."""
        stamp = self.headers.get("X-Rollback-Timestamp", "")
        told = hmac.new(key.encode(), stamp.encode() + b"." + self.body, hashlib.sha256).hexdigest()
        fresh = stamp.isdigit() and abs(self.at.timestamp() - int(stamp)) < 120
        return fresh and hmac.compare_digest(self.headers.get("X-Rollback-Signature", ""), f"sha256={told}")


class Endpoint:
    """Answers 200; below /refuse 500, and below /slow never."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self.leaving = threading.Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.posted.append(Posted(self.path, dict(self.headers.items()), body))
                if self.path.startswith("/slow"):
                    endpoint.leaving.wait(120)
                    return
                self.send_response(500 if self.path.startswith("/refuse") else 200)
                self.end_headers()
                self.wfile.write(b'{"ok": true}')

            def log_message(self, format: str, *arguments: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def at(self, path: str) -> list[Posted]:
        return [posted for posted in self.posted if posted.path.startswith(path)]


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.leaving.set()
        made.server.shutdown()
        made.server.server_close()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Mailbox:
    """The mail server, and what it was given."""

    port: int = 0
    ca: str = ""
    letters: list[Any] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

    def to(self, address: str) -> list[Any]:
        return [letter for letter in self.letters if address in letter["To"]]


class Handler:
    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mailbox.letters.append(letter)
        return "250 OK"


def certificate(place: Path, name: str) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself; returns the file that holds it and its key."""
    place.mkdir(exist_ok=True, parents=True)
    both = place / f"{name}.pem"
    key, cert = place / f"{name}.key", place / f"{name}.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    both.write_text(key.read_text() + cert.read_text())
    return both


@contextmanager
def mailbox(place: Path) -> Iterator[Mailbox]:
    made = Mailbox()
    both = certificate(place, "mail")
    made.ca = str(place / "mail.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        made.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=made.logins[-1] == (USER, PASSWORD), handled=False)

    class Secured(Controller):
        def factory(self) -> SMTP:
            return SMTP(self.handler, tls_context=context, require_starttls=True, authenticator=login,
                        auth_required=True, auth_require_tls=True)

    made.port = free_port()
    controller = Secured(Handler(made), hostname="127.0.0.1", port=made.port)
    controller.start()
    try:
        yield made
    finally:
        controller.stop()
