# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""What is sent to one channel: the letter, or the exact bytes that are posted and signed."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import typing as t
from urllib.parse import quote

from ._notify import Channel, listed

SIGNATURE, TIMESTAMP = "X-Rollback-Signature", "X-Rollback-Timestamp"
TELEGRAM, TELEGRAM_CHARACTERS = "https://api.telegram.org", 4096
PORTS = {"never": 25, "starttls": 587, "always": 465}
# An outcome after which everything is as it was asked for.
WELL = ("rolled_back", "restored", "undone", "remigrated", "already_rolled_back")


def signature(text: str, key: str) -> str:
    """Return the HMAC-SHA256 of a text, in hexadecimal."""
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def request(message: t.Mapping[str, t.Any], channel: Channel, seconds: int | None = None) -> dict[str, t.Any]:
    """Return what a channel is sent: ``{url, headers, body, ca}``, or for mail the options of ``notify_mail``.

    ``seconds`` is when, since 1970; a message that is sent again is signed again.
    """
    if channel["kind"] == "mail":
        return _letter(message, channel)
    headers = {"Content-Type": "application/json"}
    if channel["kind"] == "telegram":
        token = quote(str(channel["token"]), safe=":")
        text = f"{message['subject']}\n\n{message['text']}".strip()[:TELEGRAM_CHARACTERS]
        return {"url": f"{str(channel.get('api') or TELEGRAM).rstrip('/')}/bot{token}/sendMessage", "headers": headers,
                "body": written({"chat_id": channel["chat_id"], "text": text}), "ca": channel.get("ca", "")}
    body = written(BODIES[str(channel.get("format", "json"))](message))
    headers.update({str(name): str(value) for name, value in (channel.get("headers") or {}).items()})
    if channel.get("secret"):
        moment = str(int(time.time()) if seconds is None else seconds)
        headers.update({TIMESTAMP: moment, SIGNATURE: f"sha256={signature(f'{moment}.{body}', channel['secret'])}"})
    return {"url": str(channel["url"]), "headers": headers, "body": body, "ca": channel.get("ca", "")}


def written(body: t.Mapping[str, t.Any]) -> str:
    """Return a body as JSON in plain ASCII: the bytes are the same however they are encoded on the way."""
    return json.dumps(body, ensure_ascii=True, sort_keys=True, default=str)


def _letter(message: t.Mapping[str, t.Any], channel: Channel) -> dict[str, t.Any]:
    secure = str(channel.get("secure") or "starttls")
    return {"host": channel["host"], "port": int(channel.get("port") or PORTS[secure]), "secure": secure,
            "username": channel.get("username", ""), "password": channel.get("password", ""),
            "sender": channel["from"], "to": listed(channel["to"]), "subject": message["subject"],
            "body": message["text"], "ca": channel.get("ca", ""), "thread": message.get("run_id", "")}


def status(message: t.Mapping[str, t.Any]) -> str:
    """Return the word for a status page."""
    event, about = message["event"], message.get("about") or {}
    if event in ("announced", "prepared", "test"):
        return "test" if event == "test" else "maintenance"
    if event in ("problem", "back"):
        return "investigating" if about.get("failure") else "maintenance"
    return "resolved" if about.get("outcome") in WELL and not about.get("held") else "identified"


def _json(message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Our own body. Users read words; what stands in ``details`` is the team's."""
    keys = ("id", "event", "moment", "audience", "language", "at", "run_id", "playbook")
    return {"version": 1, **{key: message.get(key, "") for key in keys}, "status": status(message),
            "title": message["subject"], "text": message["text"],
            "details": dict(message.get("about") or {}) if message["audience"] == "team" else {}}


def _slack(message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    def plain(text: str) -> str:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": f"*{plain(message['subject'])}*\n{plain(message['text'])}"}


def _mattermost(message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"text": f"#### {message['subject']}\n{message['text']}"}


def _teams(message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    card = {"type": "AdaptiveCard", "version": "1.4", "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "body": [{"type": "TextBlock", "text": message["subject"], "weight": "Bolder", "size": "Medium",
                      "wrap": True},
                     {"type": "TextBlock", "text": message["text"].replace("\n", "\n\n"), "wrap": True}]}
    return {"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}]}


def _statuspage(message: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {"status": status(message), "name": message["subject"], "body": message["text"], "at": message["at"],
            "incident": message.get("run_id", "")}


BODIES: dict[str, t.Callable[[t.Mapping[str, t.Any]], dict[str, t.Any]]] = {
    "json": _json, "slack": _slack, "mattermost": _mattermost, "teams": _teams, "statuspage": _statuspage}
