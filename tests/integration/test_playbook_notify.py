# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is told what and when, as the receivers have it; a channel that is down, slow or refuses changes nothing."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from harness import MIGRATION, files_with, run_module, wait_for
from receivers import PASSWORD, USER, Endpoint, Mailbox, Posted, endpoint, free_port, mailbox

from playbooks import Site

MakeSite = Callable[..., Site]
# One looks like JSON, which Jinja may take for a mapping.
KEY, TOKEN, PATH_KEY, BEARER = '{"k3y": "of"}', "4242:t0ken-of-the-bot", "T00/B00/k3yInThePath", "b34rer-of-all"
SECRETS = {KEY, TOKEN, PATH_KEY, BEARER, PASSWORD}


@pytest.fixture
def web() -> Iterator[Endpoint]:
    with endpoint() as made:
        yield made


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[Mailbox]:
    with mailbox(tmp_path / "mail") as made:
        yield made


def hook(web: Endpoint, name: str = "hook", **options: Any) -> dict[str, Any]:
    return {"name": name, "kind": "webhook", "url": f"{web.url}/{name}", "secret": KEY, **options}


def letters(mail: Mailbox, name: str, to: str, **options: Any) -> dict[str, Any]:
    return {"name": name, "kind": "mail", "to": [to], "from": "Rollback <rollback@example.org>", "host": "127.0.0.1",
            "port": mail.port, "username": USER, "password": PASSWORD, "ca": mail.ca, **options}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def events(found: list[Posted]) -> list[str]:
    return [posted.json["event"] for posted in sorted(found, key=lambda posted: posted.at)]


class Watch(threading.Thread):
    """Looks at the command lines of all processes until told to stop; keeps those that show a secret."""

    def __init__(self, secrets: set[str]) -> None:
        super().__init__(daemon=True)
        self.secrets, self.looks, self.over = secrets, 0, threading.Event()
        self.shown: set[bytes] = set()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.looks += 1
            for name in filter(str.isdigit, os.listdir("/proc")):
                for file in ("cmdline", "environ"):
                    try:
                        content = Path("/proc", name, file).read_bytes()
                    except OSError:
                        continue
                    if any(secret.encode() in content for secret in self.secrets):
                        self.shown.add(content[:300])


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch(SECRETS)
    made.start()
    yield made
    made.over.set()


def test_everyone_is_told_and_a_channel_that_fails_changes_nothing(
        make_site: MakeSite, web: Endpoint, mail: Mailbox, watch: Watch, tmp_path: Path) -> None:
    quiet = make_site(rollback_plan_trial=True).play("rollback")
    assert quiet.status == 0 and quiet.report["notifications"] == [], quiet.output

    site = make_site("branched", "migration", rollback_plan_trial=True, rollback_contacts={"dba": "Ana, 555-0100"},
                     rollback_notify_timeout=3, rollback_notify_retries=1)
    edges = ["before", "after"]
    always = ["before", "during", "after"]
    site.settings["rollback_notify"] = [
        hook(web), hook(web, "users", audience="users", moments=always, language="fr"),
        hook(web, "status", format="statuspage", moments=always, headers={"Authorization": f"Bearer {BEARER}"}),
        hook(web, "slack", format="slack", url=f"{web.url}/slack/{PATH_KEY}", moments=["after"]),
        {"name": "bot", "kind": "telegram", "token": TOKEN, "chat_id": -1001, "api": web.url, "moments": ["before"]},
        letters(mail, "mail to the team", "team@example.org", language="fr"),
        letters(mail, "mail to users", "all@example.org", audience="users"),
        hook(web, "down", url=f"http://127.0.0.1:{free_port()}/{PATH_KEY}", moments=edges),
        hook(web, "refuse", url=f"{web.url}/refuse/{PATH_KEY}"), hook(web, "slow", moments=["before"]),
        letters(mail, "no login", "team@example.org", username="stranger", moments=["after"]),
        letters(mail, "no such mailbox", "nobody@example.org", moments=["after"])]
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    played = site.finish(site.start("rollback", "-vvv", environment={"TMPDIR": str(temporary)}), limit_s=480)

    assert played.status == 0, played.output[-6000:]
    report, run_id = played.report, played.report["run_id"]
    assert report["outcome"] == "rolled_back" and site.database.count("categories") == 0

    # The outage is what it is without channels. Nothing is waited for in it: what began before it arrives in it at
    # most, and what failed is sent again only afterwards.
    until = moment(next(line["at"] for line in reversed(site.journal()) if line["event"] == "ended"
                        and line["step"] == "after"))
    assert all(posted.json["event"] in ("announced", "prepared") for posted in web.at("/hook") if posted.at <= until)
    refused = web.at("/refuse")
    assert events(refused)[:4] == ["announced", "prepared", "back", "ended"] and len(refused) == 8
    assert all(posted.at > until for posted in refused[2:])
    # Had one of the channels that fail been waited for, it would be longer by that channel's time limit.
    assert report["outage_s"] < quiet.report["outage_s"] + 3, (report["outage_s"], quiet.report["outage_s"])

    # What was received is what the run knew, signed, in order.
    team = web.at("/hook")
    assert events(team) == ["announced", "prepared", "back", "ended"]
    assert all(posted.signed_by(KEY) and not posted.signed_by("another") for posted in web.posted
               if not posted.path.startswith("/bot"))
    bodies = {posted.json["event"]: posted.json for posted in team}
    assert {body["run_id"] for body in bodies.values()} == {run_id}
    ended = bodies["ended"]["details"]
    assert {key: ended[key] for key in ("outcome", "outage_s", "from_heads", "to_heads", "next_steps", "route")} == {
        key: report[key] for key in ("outcome", "outage_s", "from_heads", "to_heads", "next_steps", "route")}
    assert ended["losses"] == report["losses"] and report["losses"]
    assert all(loss["id"] in bodies["announced"]["text"] for loss in report["losses"])
    assert MIGRATION in bodies["announced"]["text"] and site.database.name in bodies["announced"]["title"]
    assert "Ana, 555-0100" in bodies["announced"]["text"]
    planned = site.evidence("plan.json")["routes"][report["route"]]["estimate_s"]
    assert planned and f"{planned} s of work on the database" in bodies["announced"]["text"]
    assert f"{report['backup']['bytes']} bytes" in bodies["prepared"]["text"]
    assert "Rehearsal on a copy: skipped, as accepted." in bodies["prepared"]["text"]
    assert f"Outage: {report['outage_s']} s" in bodies["ended"]["text"]
    assert f"{site.home}/reports/{run_id}/report.md" in bodies["ended"]["text"]
    assert [posted.json["status"] for posted in web.at("/status")] == [
        "maintenance", "maintenance", "maintenance", "resolved"]
    assert web.at("/status")[0].headers["Authorization"] == f"Bearer {BEARER}"
    assert web.at("/slack")[0].json.keys() == {"text"} and "rolled_back" in web.at("/slack")[0].json["text"]
    [bot] = web.at("/bot")
    assert bot.path == f"/bot{TOKEN}/sendMessage" and bot.json["chat_id"] == -1001 and MIGRATION in bot.json["text"]

    # Users read what they need, in their language, and no figure of ours.
    users = [posted.json for posted in web.at("/users")]
    assert [each["event"] for each in users] == ["announced", "prepared", "back", "ended"]
    assert "maintenance" in users[0]["text"] and "a été retirée" in users[-1]["text"]
    assert all(not each["details"] and MIGRATION not in each["text"] and site.database.name not in str(each)
               for each in users)
    subjects = [letter["Subject"] for letter in mail.to("team@example.org")]
    assert len(subjects) == 4 and "annoncé" in subjects[0] and "terminé et validé" in subjects[2], subjects
    assert all(letter["References"] == f"<{run_id}@recyclic.rollback>" for letter in mail.to("team@example.org"))
    last = mail.to("team@example.org")[-1].get_content()
    assert f"Interruption : {report['outage_s']} s" in last and report["backup"]["path"] in last
    assert [letter["Subject"] for letter in mail.to("all@example.org")] == ["Maintenance begins", "Maintenance is over"]

    # The report says who was not reached, why, and how often it was tried.
    told = {name: [each for each in report["notifications"] if each["channel"] == name]
            for name in {each["channel"] for each in report["notifications"]}}
    for name, result, attempts, reason in (
            ("hook", "sent", 1, ""), ("mail to the team", "sent", 1, ""), ("down", "failed", 2, "Connection refused"),
            ("refuse", "failed", 2, "HTTP 500"), ("slow", "unfinished", 2, "no answer within 3 s"),
            ("no login", "failed", 2, "535"), ("no such mailbox", "failed", 2, "550")):
        assert {(each["result"], each["attempts"]) for each in told[name]} == {(result, attempts)}, told[name]
        assert all(reason in each["reason"] for each in told[name]), told[name]
    assert [each["moment"] for each in told["hook"]] == ["before", "during", "during", "after"]
    assert "refuse 0 sent, 4 NOT received (HTTP 500)" in played.output
    assert report == site.evidence("report.json")
    for place in (site.run_dir, site.home / "reports" / run_id):
        assert "HTTP 500" in (place / "report.md").read_text()

    # Nothing secret was shown or left.
    assert [secret for secret in SECRETS if secret in played.output] == []
    assert files_with(SECRETS, site.state, site.home / "reports", temporary) == []
    # What still waits for an answer that does not come is ended by its own time limit, and its files go with it.
    wait_for(lambda: not files_with(SECRETS, Path.home() / ".ansible_async", Path.home() / ".ansible" / "tmp"),
             "nothing secret to be left where Ansible works")
    assert [entry.name for entry in temporary.iterdir() if entry.name.endswith(".notify")] == []
    watch.over.set()
    watch.join()
    assert watch.looks > 20 and not watch.shown


def test_a_problem_is_told_at_once_and_what_was_measured_afterwards(make_site: MakeSite, web: Endpoint) -> None:
    site = make_site("guide", rollback_language="fr")
    site.settings["rollback_notify"] = [
        hook(web), hook(web, "users", audience="users"),
        hook(web, "status", format="statuspage", moments=["before", "during", "after"])]
    holder = site.database.connect()
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE categories IN SHARE MODE")
    try:
        played = site.play("rollback")
    finally:
        holder.close()

    assert played.status != 0 and played.report["outcome"] == "failed_unchanged", played.output
    # No service was stopped, so that none comes back.
    assert events(web.at("/hook")) == ["announced", "prepared", "problem", "ended"]
    problem, ended = (posted.json for posted in web.at("/hook")[2:])
    assert "PROBLÈME" in problem["title"] and played.report["failure"] in problem["text"]
    assert ended["details"]["outcome"] == "failed_unchanged"
    assert played.report["outcome_rests_on"] in ended["text"]
    assert web.at("/hook")[2].at < moment(played.report["finished_at"])
    assert [posted.json["status"] for posted in web.at("/status")] == [
        "maintenance", "maintenance", "investigating", "identified"]
    assert "fonctionne comme avant" in web.at("/users")[-1].json["text"]
    assert [each["result"] for each in played.report["notifications"]] == ["sent"] * 10


def test_nothing_is_told_of_what_does_not_begin(make_site: MakeSite, web: Endpoint) -> None:
    site = make_site("guide")
    site.settings["rollback_notify"] = [hook(web), {**hook(web, "bad"), "sekret": "b34rer-of-all", "url": ""}]
    refused = site.play("rollback")
    assert refused.status != 0 and "Channel bad: a channel of kind webhook" in refused.output
    assert "sekret" in refused.output and "b34rer" not in refused.output and KEY not in refused.output
    assert not site.state.exists()

    site.settings["rollback_notify"] = [hook(web)]
    assert site.play("plan").status == 0
    assert site.play("rollback", "--check").status == 0
    assert site.play("rollback", rollback_confirm="another").status != 0
    assert web.posted == []

    # A drill is told of where it fails, and to the team alone.
    site.settings["rollback_notify"] = [hook(web), hook(web, "users", audience="users")]
    assert site.play("drill").status != 0
    assert events(web.posted) == ["drill"] and web.posted[0].path == "/hook"
    assert web.posted[0].json["details"]["failure"] in web.posted[0].json["text"]
    web.posted.clear()

    # The other ways are told as well, before and after; what is already done is not.
    site.settings["rollback_notify"] = [hook(web, moments=["before", "after"])]
    first = site.play("rollback")
    assert first.status == 0 and events(web.posted) == ["announced", "ended"], first.output
    web.posted.clear()
    assert site.play("rollback").report["outcome"] == "already_rolled_back"
    assert web.posted == []
    again = site.play("remigrate")
    assert again.report["outcome"] == "remigrated", again.output
    assert [(posted.json["playbook"], posted.json["event"]) for posted in web.posted] == [
        ("remigrate", "announced"), ("remigrate", "ended")]


def test_the_channels_are_tried_and_each_that_fails_is_named(
        make_site: MakeSite, web: Endpoint, mail: Mailbox, tmp_path: Path) -> None:
    own = tmp_path / "own.j2"
    own.write_text("Mine, {{ notify_about.host }}\nEvent {{ notify_message.event }}\n")
    site = make_site("guide", rollback_notify_timeout=3, rollback_notify_retries=0, rollback_alembic_environment={})
    site.settings["rollback_notify"] = [
        hook(web, template=str(own)), hook(web, "after", moments=["after"], format="teams"),
        letters(mail, "letters", "team@example.org")]
    played = site.play("notify")
    assert played.status == 0, played.output
    assert web.at("/hook")[0].json["title"] == "Mine, site" and web.at("/hook")[0].json["text"] == "Event test"
    card = web.at("/after")[0].json["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard" and "test message" in card["body"][0]["text"]
    assert len(mail.to("team@example.org")) == 1
    assert not site.state.exists()

    # A server that cannot prove who it is gets no password.
    asked = len(mail.logins)
    site.settings["rollback_notify"] = [
        hook(web), hook(web, "refuse"), {**letters(mail, "letters", "team@example.org"), "ca": ""}]
    played = site.play("notify")
    assert played.status != 0
    assert "refuse 0 sent, 1 NOT received (HTTP 500)" in played.output, played.output[-5000:]
    assert "letters 0 sent, 1 NOT received" in played.output and "certificate verify failed" in played.output
    assert len(mail.logins) == asked


def test_a_mail_server_without_login_is_named_as_that() -> None:
    port = free_port()
    controller = Controller(Sink(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        refused = run_module("notify_mail", host="127.0.0.1", port=port, secure="never", username=USER,
                             password=PASSWORD, sender="a@example.org", to=["b@example.org"], subject="s", body="b")
        plain = run_module("notify_mail", host="127.0.0.1", port=port, sender="a@example.org", to=["b@example.org"],
                           subject="s", body="b")
    finally:
        controller.stop()
    assert refused["failed"] and "AUTH" in refused["msg"] and "STARTTLS" not in refused["msg"]
    assert plain["failed"] and "STARTTLS" in plain["msg"]
