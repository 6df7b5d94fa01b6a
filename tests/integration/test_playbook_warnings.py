# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator is warned of before anything changes: the guide's four warnings, with the database's own figures."""
from __future__ import annotations

import json
import os
import pty
import re
import select
from collections.abc import Callable
from pathlib import Path

from harness import clean_environment

from playbooks import FULL, Site

MakeSite = Callable[..., Site]


def warned(output: str) -> list[str]:
    """The warnings as the log has them."""
    found = re.search(r'"msg": (\[\s*"(?:BEFORE YOU CONFIRM|AVANT DE CONFIRMER).*?\n    \])', output, re.DOTALL)
    assert found, output
    lines: list[str] = json.loads(found.group(1))
    return lines


def answered(site: Site, answer: str) -> tuple[int, str]:
    """Play a rollback on a terminal of its own and type something where it asks; returns its status and the screen."""
    return answered_by(site.argv("rollback", rollback_confirm=""), site.home, answer, b"pour continuer")


def answered_by(argv: list[str], home: Path, answer: str, asked: bytes) -> tuple[int, str]:
    """The same of any command; it has asked once these words stand there."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(home)
        os.execve(argv[0], argv, clean_environment(ANSIBLE_NOCOLOR="1", TERM="xterm"))
    sent, waited = b"", 0
    while True:
        if not select.select([master], [], [], 2)[0]:
            waited += 1
            assert waited < 60, sent.decode()
            # What is typed before the question stands is thrown away, and once it is answered nothing more is typed.
            if asked in sent[-1000:]:
                os.write(master, answer.encode() + b"\r")
            continue
        waited = 0
        try:
            piece = os.read(master, 65536)
        except OSError:  # The other end was closed.
            piece = b""
        if not piece:
            break
        sent += piece
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sent.decode()


def test_the_four_warnings_have_the_databases_own_figures_in_the_log_of_a_confirmed_run(make_site: MakeSite) -> None:
    site = make_site("chain", "head", **FULL)
    database = site.database
    planned = site.play("plan")
    assert planned.report["outcome"] == "planned", planned.output
    accept = site.newest("plan.json")["missing"]
    rows, size = database.count("categories"), database.value("SELECT pg_database_size(current_database())")
    free = os.statvfs(site.home)

    played = site.play("rollback", rollback_accept=accept)

    lines = warned(played.output)
    text = " ".join(line.strip() for line in lines)
    assert played.status == 0, played.output
    assert len(lines) <= 20 and max(map(len, lines)) <= 80, lines
    assert f"database {database.name}, from m3npr1c3dr0p to g1h2i3j4k5l6" in text
    # What goes, what is lost besides, by the database's own count.
    plan = site.evidence("plan.json")
    losses = plan["routes"]["alembic"]["losses"]
    assert losses and rows > 0
    undone = len(plan["path"])
    assert f"{undone} revision(s) are undone by the route alembic; what goes: {rows} rows (categories)" in text
    lost = sum(loss["rows"] or 0 for loss in losses if not loss["id"].startswith("empty-"))
    assert re.search(rf"{len(losses)} loss\(es\), {lost} rows?[ :]", text), text
    assert f"Losses accepted ({len(losses)}):" in text and losses[0]["text"] in text
    assert "No service is stopped" in text and re.search(r"took [\d.]+ s on an empty copy", text)
    # The backup: what of, where, and how much room there is.
    told = re.search(r"whole database \(([\d.]+) MB\).*about ([\d.]+) [kM]B in (.*), ([\d.]+) ([GT])B free", text)
    assert told, text
    assert abs(float(told[1]) * 1e6 - size) < size * 0.1
    assert told[3] == str(site.state / "backups")
    there = free.f_bavail * free.f_frsize
    assert abs(float(told[4]) * {"G": 1e9, "T": 1e12}[told[5]] - there) < there * 0.2
    # Before anything was done.
    assert played.output.index("BEFORE YOU CONFIRM") < played.output.index("(5/12) BACKUP / SAUVEGARDE")


def test_on_a_terminal_they_stand_above_the_question_in_french_and_a_wrong_name_ends_it(make_site: MakeSite) -> None:
    site = make_site(rollback_language="fr")
    database = site.database
    rows = database.count("categories")

    status, shown = answered(site, "une autre")

    assert status != 0
    assert database.count("categories") == rows
    assert not site.backups()
    text = re.sub(r"\s+", " ", shown)
    for words in ("AVANT DE CONFIRMER", f"OPÉRATION DESTRUCTIVE : 1 révision(s) annulée(s) par la voie alembic ; "
                  f"disparaissent : {rows} lignes (categories)", "IRRÉVERSIBLE", "IMPACT MÉTIER", "SAUVEGARDE REQUISE",
                  f"Tapez le nom de la base ({database.name})"):
        assert words in text, shown
    assert text.index("SAUVEGARDE REQUISE") < text.index("Tapez le nom de la base")
    assert "BEFORE YOU CONFIRM" not in text

    status, shown = answered(site, database.name)

    assert status == 0, shown
    assert database.count("categories") == 0
