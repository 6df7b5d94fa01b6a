# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Channels and messages: which channels may be used, who is told what and when, and what came of it.

Runs on the controller alone. A channel's token, password, secret and address never leave it but for the receiver.
"""

from __future__ import annotations

import os
import re
import typing as t
from urllib.parse import urlsplit

from ._evidence import now
from ._messages import LANGUAGES, say
from ._redact import Redactor

Channel = t.Mapping[str, t.Any]
NEEDS = {"mail": ("to", "from", "host"), "telegram": ("token", "chat_id"), "webhook": ("url",)}
MAY = {"mail": ("port", "secure", "username", "password", "ca"), "telegram": ("api", "ca"),
       "webhook": ("secret", "format", "headers", "ca")}
VARIABLE, KIND, TOLD_AT = "rollback_notify", "kind", "moments"
COMMON = ("name", KIND, "audience", TOLD_AT, "language", "template")
CHOICES = {"audience": ("team", "users"), "secure": ("never", "starttls", "always"), "language": tuple(LANGUAGES),
           "format": ("json", "slack", "mattermost", "teams", "statuspage")}
MOMENTS = {"team": ("before", "during", "after"), "users": ("before", "after")}
# What is told, and at which of the guide's three moments. A test goes to every channel.
EVENTS = {"announced": "before", "prepared": "during", "problem": "during", "back": "during", "ended": "after",
          "drill": "after", "test": "test"}
TEAM_ONLY = ("drill",)
ACCEPTED = (200, 201, 202, 204)
KEPT_CHARACTERS = 300
_STATUS_OF_URI = re.compile(r"^Status code was -?\d+ and not \[[^]]*\]:\s*(?:Request failed:\s*)?")


def refusals(channels: t.Any, language: str) -> list[str]:
    """Return why these channels cannot be used, one sentence each, without a value of any."""
    if not isinstance(channels, (list, tuple)):
        return [say(language, "notify_shape", name="-", option=VARIABLE)]
    found, names = [], set()
    for number, channel in enumerate(channels, 1):
        name = channel.get("name") if isinstance(channel, dict) else None
        if not isinstance(name, str) or not name.strip():
            found.append(say(language, "notify_nameless", number=number))
            continue
        if name in names:
            found.append(say(language, "notify_twice", name=name))
        names.add(name)
        found += _refusals_of(channel, name, language)
    return found


def _refusals_of(channel: Channel, name: str, language: str) -> list[str]:
    kind = channel.get("kind")
    if kind not in NEEDS:
        return [say(language, "notify_choice", name=name, option=KIND, choices=", ".join(NEEDS))]
    found = []
    unknown = sorted(set(map(str, channel)) - {*COMMON, *NEEDS[kind], *MAY[kind]})
    if unknown:
        found.append(say(language, "notify_unknown", name=name, kind=kind, options=", ".join(unknown)))
    missing = [option for option in NEEDS[kind] if channel.get(option) in (None, "", [])]
    if missing:
        found.append(say(language, "notify_missing", name=name, kind=kind, options=", ".join(missing)))
    found += [say(language, "notify_choice", name=name, option=option, choices=", ".join(choices))
              for option, choices in CHOICES.items() if option in channel and channel[option] not in choices]
    moments = channel.get("moments", [])
    if not isinstance(moments, (list, tuple)) or set(map(str, moments)) - set(MOMENTS["team"]):
        found.append(say(language, "notify_choice", name=name, option=TOLD_AT, choices=", ".join(MOMENTS["team"])))
    found += [say(language, "notify_shape", name=name, option=option) for option in _misshapen(channel)]
    found += [say(language, "notify_address", name=name, option=option) for option in ("url", "api")
              if channel.get(option) and not _is_address(str(channel[option]))]
    if bool(channel.get("username")) != bool(channel.get("password")):
        found.append(say(language, "notify_login", name=name))
    elif channel.get("password") and channel.get("secure") == "never":
        found.append(say(language, "notify_clear", name=name))
    return found + [say(language, "notify_template", name=name, option=option) for option in ("template", "ca")
                    if channel.get(option) and not (os.path.isabs(str(channel[option]))
                                                    and os.path.isfile(str(channel[option])))]


def _misshapen(channel: Channel) -> t.Iterator[str]:
    """Yield the options whose value is of another type than they take."""
    if not all(isinstance(each, str) and "@" in each for each in listed(channel.get("to") or [])):
        yield "to"
    if not str(channel.get("port", 25)).isdigit() or not 0 < int(str(channel.get("port", 25))) < 65536:
        yield "port"
    if not isinstance(channel.get("headers", {}), dict):
        yield "headers"
    for option in ("from", "host", "username", "password", "token", "secret", "url", "api", "template", "ca"):
        if option in channel and not isinstance(channel[option], str):
            yield option
    if isinstance(channel.get("chat_id"), (dict, list, bool)):
        yield "chat_id"


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def listed(value: t.Any) -> list[t.Any]:
    """Return several as a list, given as one or as text with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def channel_of(name: str, channels: t.Iterable[Channel]) -> Channel:
    """Return a channel by its name."""
    return next(channel for channel in channels if channel["name"] == name)


def wanted(channels: t.Iterable[Channel], event: str, language: str, number: int = 0) -> list[dict[str, t.Any]]:
    """Return the messages an event is worth, still without their text and without anything secret of the channel.

    Each is ``{id, channel, kind, audience, language, template, event, moment, at}``; ``number`` is how many there are.
    """
    found: list[dict[str, t.Any]] = []
    for channel in channels:
        audience, moment = str(channel.get("audience", "team")), EVENTS[event]
        moments = listed(channel.get("moments") or MOMENTS[audience])
        if (event == "test" or moment in moments) and not (audience == "users" and event in TEAM_ONLY):
            found.append({"id": number + len(found) + 1, "channel": str(channel["name"]), "kind": str(channel["kind"]),
                          "audience": audience, "language": str(channel.get("language") or language),
                          "template": str(channel.get("template") or ""), "event": event, "moment": moment,
                          "at": now()})
    return found


def secrets_of(channels: t.Iterable[Channel]) -> set[str]:
    """Return what must never be shown of the channels: also an address, whose path is a key at Slack or Teams."""
    found: set[str] = set()
    for channel in channels:
        found |= {str(channel[option]) for option in ("token", "password", "secret", "url") if channel.get(option)}
        found |= {str(value) for value in (channel.get("headers") or {}).values()}
        parts = urlsplit(str(channel.get("url") or ""))
        found |= {part for part in (parts.path, f"{parts.path}?{parts.query}", parts.query, parts.password or "")
                  if len(part) > 3}
    return {secret for secret in found if len(secret) > 3}


def outcomes(messages: t.Sequence[t.Mapping[str, t.Any]], polled: t.Sequence[t.Mapping[str, t.Any]],
             channels: t.Sequence[Channel], language: str, seconds: int, before: t.Sequence[t.Mapping[str, t.Any]] = ()
             ) -> list[dict[str, t.Any]]:
    """Return what came of each message: ``{id, channel, kind, audience, event, moment, result, attempts, reason, at}``.

    ``polled`` are the answers of the lookup, whose item is ``[id, job]``; ``before`` is what this returned of the
    attempts before. ``result`` is ``sent``, ``failed``, or ``unfinished`` where nobody answered within the time limit.
    """
    redact = Redactor(secrets_of(channels))
    known = {entry["id"]: dict(entry) for entry in before}
    answers = {answer["item"][0]: answer for answer in polled}
    for message in messages:
        entry = known.setdefault(message["id"], {
            **{key: message[key] for key in ("id", "channel", "kind", "audience", "event", "moment", "at")},
            "result": "failed", "attempts": 0, "reason": say(language, "notify_not_launched")})
        if message["id"] in answers:
            result, reason = _judged(answers[message["id"]], language, seconds)
            entry.update(result=result, reason=redact(reason)[:KEPT_CHARACTERS], attempts=entry["attempts"] + 1)
    return [known[key] for key in sorted(known)]


def _judged(answer: t.Mapping[str, t.Any], language: str, seconds: int) -> tuple[str, str]:
    status, text = answer.get("status"), str(answer.get("msg") or "")
    if answer.get("sent") is True or status in ACCEPTED:
        return "sent", ""
    if not answer.get("finished") or text == "Timeout exceeded":
        return "unfinished", say(language, "notify_no_answer", seconds=seconds)
    if isinstance(status, int) and status > 0:
        told = answer.get("json")
        return "failed", " ".join([f"HTTP {status}", *(
            [str(told["description"])] if isinstance(told, dict) and told.get("description") else [])])
    text = " ".join(_STATUS_OF_URI.sub("", text).split())
    if "timed out" in text:
        return "unfinished", say(language, "notify_no_answer", seconds=seconds)
    return "failed", text or say(language, "notify_not_launched")
