# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Channels that are refused, what is sent to those that are not, and what is told of it."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.filter.hmac_sha256 import FilterModule
from ansible_collections.recyclic.rollback.plugins.lookup.notify_answers import answer
from ansible_collections.recyclic.rollback.plugins.module_utils._notified import rows, told
from ansible_collections.recyclic.rollback.plugins.module_utils._notify import outcomes, refusals, wanted
from ansible_collections.recyclic.rollback.plugins.module_utils._notify_request import BODIES, request, status

MAIL = {"name": "m", "kind": "mail", "to": "a@b.org", "from": "c@d.org", "host": "h"}
BOT = {"name": "t", "kind": "telegram", "token": "12:abc", "chat_id": 1}
HOOK = {"name": "w", "kind": "webhook", "url": "https://h/p4th-of-a-key", "secret": "s3cret"}
MESSAGE = {"id": 1, "channel": "w", "kind": "webhook", "audience": "team", "language": "en", "event": "ended",
           "moment": "after", "at": "2026-01-01T00:00:00Z", "subject": "A <subject>", "text": "é & ü", "run_id": "r",
           "playbook": "rollback", "about": {"outcome": "rolled_back"}}


def test_channels_as_documented_are_not_refused() -> None:
    assert refusals([MAIL, BOT, HOOK], "en") == []


@pytest.mark.parametrize(("channel", "words"), [
    ({"kind": "mail"}, ["number 1"]),
    ({**MAIL, "kind": "pigeon"}, ["m:", "kind", "mail, telegram, webhook"]),
    ({**MAIL, "host": ""}, ["m:", "needs host"]),
    ({**BOT, "tokn": "v4lue"}, ["t:", "no option tokn"]),
    ({**BOT, "chat_id": None}, ["t:", "needs chat_id"]),
    ({**HOOK, "format": "v4lue"}, ["w:", "format", "slack"]),
    ({**HOOK, "url": "file:///v4lue"}, ["w:", "url", "https://"]),
    ({**HOOK, "moments": ["v4lue"]}, ["w:", "moments", "before, during, after"]),
    ({**HOOK, "audience": "v4lue"}, ["w:", "audience", "team, users"]),
    ({**HOOK, "template": "v4lue.j2"}, ["w:", "template", "absolute"]),
    ({**MAIL, "username": "v4lue"}, ["m:", "username and password"]),
    ({**MAIL, "username": "u", "password": "v4lue", "secure": "never"}, ["m:", "in clear"]),
    ({**MAIL, "port": "v4lue"}, ["m:", "port"]),
    ({**MAIL, "to": ["v4lue"]}, ["m:", "to"]),
])
def test_a_channel_is_refused_by_its_name_and_without_its_values(channel: dict[str, Any], words: list[str]) -> None:
    found = refusals([channel], "en")
    assert len(found) == 1 and all(word in found[0] for word in words) and "v4lue" not in found[0], found


def test_names_are_unique_and_channels_a_list() -> None:
    assert "called m" in refusals([MAIL, MAIL], "en")[0]
    assert "rollback_notify" in refusals("text", "fr")[0]


def test_users_are_told_before_and_after_the_team_always_and_neither_gets_a_secret() -> None:
    channels = [HOOK, {**MAIL, "audience": "users"}, {**BOT, "moments": ["after"], "language": "fr"}]
    names = {event: [each["channel"] for each in wanted(channels, event, "en")]
             for event in ("announced", "prepared", "problem", "back", "ended", "drill", "test")}
    assert names == {"announced": ["w", "m"], "prepared": ["w"], "problem": ["w"], "back": ["w"],
                     "ended": ["w", "m", "t"], "drill": ["w", "t"], "test": ["w", "m", "t"]}
    found = wanted(channels, "ended", "en", 7)
    assert [each["id"] for each in found] == [8, 9, 10] and [each["language"] for each in found] == ["en", "en", "fr"]
    assert not any(secret in json.dumps(found) for secret in ("s3cret", "12:abc", "p4th"))


def test_the_signature_is_of_the_moment_and_the_very_bytes() -> None:
    sent = request(MESSAGE, HOOK, seconds=1700000000)
    expected = hmac.new(b"s3cret", b"1700000000." + sent["body"].encode(), hashlib.sha256).hexdigest()
    assert sent["headers"]["X-Rollback-Signature"] == f"sha256={expected}"
    assert sent["headers"]["X-Rollback-Timestamp"] == "1700000000"
    assert sent["body"].isascii() and json.loads(sent["body"])["text"] == MESSAGE["text"]
    assert "X-Rollback-Signature" not in request(MESSAGE, {**HOOK, "secret": ""})["headers"]


def test_the_filter_agrees_with_the_rfc() -> None:
    # RFC 4231, test case 2.
    assert FilterModule().filters()["hmac_sha256"]("what do ya want for nothing?", "Jefe") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")


def test_each_format_is_what_its_receiver_reads() -> None:
    bodies = {name: json.loads(json.dumps(body(MESSAGE))) for name, body in BODIES.items()}
    assert bodies["slack"] == {"text": "*A &lt;subject&gt;*\né &amp; ü"}
    assert bodies["mattermost"] == {"text": "#### A <subject>\né & ü"}
    card = bodies["teams"]["attachments"][0]
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert [block["text"] for block in card["content"]["body"]] == ["A <subject>", "é & ü"]
    assert bodies["statuspage"] == {"status": "resolved", "name": "A <subject>", "body": "é & ü", "incident": "r",
                                    "at": MESSAGE["at"]}
    assert bodies["json"]["details"] == {"outcome": "rolled_back"}
    assert BODIES["json"]({**MESSAGE, "audience": "users"})["details"] == {}


@pytest.mark.parametrize(("event", "about", "word"), [
    ("announced", {}, "maintenance"), ("prepared", {}, "maintenance"), ("back", {}, "maintenance"),
    ("back", {"failure": "x"}, "investigating"), ("problem", {"failure": "x"}, "investigating"),
    ("ended", {"outcome": "restored"}, "resolved"), ("ended", {"outcome": "failed_unchanged"}, "identified"),
    ("ended", {"outcome": "refused"}, "identified"), ("test", {}, "test"),
    ("ended", {"outcome": "rolled_back", "held": ["api"]}, "identified"),
])
def test_a_status_page_is_told_what_it_can_show(event: str, about: dict[str, Any], word: str) -> None:
    assert status({**MESSAGE, "event": event, "about": about}) == word


def test_telegram_and_mail_get_what_they_take() -> None:
    sent = request({**MESSAGE, "text": "x" * 9000}, BOT)
    assert sent["url"] == "https://api.telegram.org/bot12:abc/sendMessage"
    assert len(json.loads(sent["body"])["text"]) == 4096
    letter = request(MESSAGE, {**MAIL, "secure": "always"})
    assert (letter["port"], letter["to"], letter["thread"]) == (465, ["a@b.org"], "r")
    assert request(MESSAGE, MAIL)["secure"] == "starttls" and request(MESSAGE, MAIL)["port"] == 587


def ended(**result: Any) -> dict[str, Any]:
    return {"item": [1, "j1"], "finished": True, "status": None, "sent": None, "msg": "", "json": {}, **result}


@pytest.mark.parametrize(("found", "result", "reason"), [
    (ended(status=202), "sent", ""), (ended(sent=True), "sent", ""),
    (ended(status=500, msg="Status code was 500 and not [200]: HTTP Error 500"), "failed", "HTTP 500"),
    (ended(status=400, json={"description": "chat not found"}), "failed", "HTTP 400 chat not found"),
    (ended(status=-1, msg="Status code was -1 and not [200, 201]: Request failed: <urlopen error [Errno 111] refused>"),
     "failed", "<urlopen error [Errno 111] refused>"),
    (ended(msg="no way to https://h/p4th-of-a-key with s3cret"), "failed", "no way to ******** with ********"),
    (ended(finished=False), "unfinished", "no answer within 20 s"),
    (ended(msg="Timeout exceeded"), "unfinished", "no answer within 20 s"),
    (ended(status=-1, msg="Connection failure: The read operation timed out"), "unfinished", "no answer within 20 s"),
    (ended(), "failed", "the message could not be written or sent from the controller"),
])
def test_what_came_of_a_message(found: dict[str, Any], result: str, reason: str) -> None:
    [entry] = outcomes([MESSAGE], [found], [HOOK], "en", 20)
    assert (entry["result"], entry["reason"], entry["attempts"]) == (result, reason, 1)
    [again] = outcomes([MESSAGE], [ended(status=200)], [HOOK], "en", 20, [entry])
    assert (again["result"], again["reason"], again["attempts"]) == ("sent", "", 2)


def test_the_summary_is_one_line() -> None:
    entries = [{"channel": name, "audience": "team", "moment": "after", "result": result, "attempts": 1,
                "reason": "" if result == "sent" else "HTTP 500"}
               for name, result in (("a", "sent"), ("a", "sent"), ("b", "sent"), ("b", "failed"))]
    assert told({"notifications": entries}, "en") == [
        "Messages: a 2 sent; b 1 sent, 1 NOT received (HTTP 500)"]
    assert told({}, "en") == [] and rows({}, "en") == []
    assert rows({"notifications": entries}, "fr")[-1] == ("b", "équipe", "après", "échec", 1, "HTTP 500")


def test_of_a_job_only_what_tells_whether_it_was_received_is_read(tmp_path: Path) -> None:
    (tmp_path / "j1").write_text(json.dumps({"status": 500, "msg": "no", "url": "https://h/p4th", "json": {
        "description": "why"}, "invocation": {"module_args": {"body": "s3cret"}}}))
    (tmp_path / "j2").write_text(json.dumps({"started": True, "finished": False}))
    assert answer(str(tmp_path), [1, "j1"]) == ended(status=500, msg="no", json={"description": "why"})
    assert answer(str(tmp_path), [2, "j2"])["finished"] is False
    assert answer(str(tmp_path), [3, "-"])["finished"] is True


def test_both_languages_hold_the_same_templates(root: Path) -> None:
    place = root / "roles" / "notify" / "templates"
    english, french = ({str(path.relative_to(place / language)) for path in (place / language).rglob("*.j2")}
                       for language in ("en", "fr"))
    assert english == french
    events = {"announced", "prepared", "problem", "back", "ended", "test"}
    assert english == {f"{who}/{event}.j2" for who in ("team", "users") for event in events} | {"team/drill.j2"}
