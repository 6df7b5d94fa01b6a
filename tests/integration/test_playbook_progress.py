# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a long step is, as an operator sees it: in a log, on a terminal, and when something of it fails."""
from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, clean_environment, wait_for

from playbooks import ANSIBLE, Site

MakeSite = Callable[..., Site]
LINE = re.compile(r"(BACKUP|SAUVEGARDE)( ?): (.*)")
# Passes a dump on in pieces, as a slow disk would.
SLOWLY = """#!{python}
import subprocess, sys, time
if "--version" in sys.argv:
    sys.exit(subprocess.call([{program!r}, *sys.argv[1:]]))
with subprocess.Popen([{program!r}, *sys.argv[1:]], stdout=subprocess.PIPE) as dump:
    for piece in iter(lambda: dump.stdout.read({piece}), b""):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        time.sleep(0.2)
sys.exit(dump.returncode)
"""


@pytest.fixture
def slow(make_site: MakeSite, tmp_path: Path) -> Site:
    """A site with some data, whose pg_dump takes about eight seconds for it."""
    site = make_site()
    database = site.database
    database.rows("CREATE TABLE ballast AS SELECT n, string_agg(md5(random()::text), '') AS text"
                  " FROM generate_series(1, 3000) n, generate_series(1, 32) GROUP BY n")
    real = Path(str(database.server.bin_dir))
    place = tmp_path / "slow"
    place.mkdir()
    for program in real.iterdir():
        if program.name != "pg_dump":
            (place / program.name).symlink_to(program)
    script = place / "pg_dump"
    script.write_text(SLOWLY.format(python=sys.executable, program=str(real / "pg_dump"), piece=1 << 16))
    script.chmod(0o755)
    site.settings["rollback_pg_bin_dir"] = str(place)
    return site


def lines_of(output: str) -> list[str]:
    return [found.group(3) for found in map(LINE.match, output.splitlines()) if found]


def done_in(line: str) -> float:
    found = re.search(r"([\d.]+) (kB|MB) of ~", line)
    assert found, line
    return float(found.group(1)) * {"kB": 1e3, "MB": 1e6}[found.group(2)]


def test_a_log_gets_a_line_now_and_then_with_bytes_that_grow(slow: Site) -> None:
    played = slow.play("backup", rollback_progress_s=1)

    assert played.status == 0, played.output
    lines = [line for line in lines_of(played.output) if "whole database" in line]
    assert len(lines) >= 3, played.output
    figures = [done_in(line) for line in lines if " of ~" in line]
    assert figures == sorted(figures) and figures[-1] > figures[0]
    assert any("left" in line for line in lines)
    assert all("elapsed" in line and len(line) < 100 for line in lines)
    assert "\r" not in played.output
    # A file for the moment: no evidence.
    assert not list((slow.state / "runs").glob("*/progress*"))


def on_a_terminal(site: Site, playbook: str, **settings: Any) -> tuple[int, str]:
    """Play on a pseudo-terminal; returns the status and every character it was sent."""
    master, slave = pty.openpty()
    environment = clean_environment(ANSIBLE_NOCOLOR="1", TERM="xterm", COLUMNS="100")
    environment.pop("CI", None)
    with subprocess.Popen(site.argv(playbook, **settings), cwd=site.home, stdin=slave, stdout=slave, stderr=slave,
                          start_new_session=True, env=environment) as process:
        os.close(slave)
        sent = b""
        while True:
            try:
                piece = os.read(master, 65536) if select.select([master], [], [], 180)[0] else b""
            except OSError:  # The other end was closed.
                piece = b""
            if not piece:
                break
            sent += piece
        os.close(master)
    return process.returncode, sent.decode()


def left_on_screen(line: str) -> str:
    """What a line of a terminal shows once everything sent to it was written over."""
    shown: list[str] = []
    for piece in line.rstrip("\r").split("\r"):
        shown[:len(piece)] = piece
    return "".join(shown).rstrip()


def test_a_terminal_shows_one_line_written_over_and_then_nothing_of_it_in_french(slow: Site) -> None:
    status, sent = on_a_terminal(slow, "backup", rollback_progress_s=1, rollback_language="fr")

    assert status == 0, sent
    told = re.findall(r"\r(SAUVEGARDE : base entière, [^\r]*)\r", sent)
    assert len(told) >= 3, sent
    assert any(re.search(r"[\d,]+ (ko|Mo) sur ~[\d,]+ Mo \(\d+ %\), depuis 0:\d\d, reste ~\d:\d\d", line)
               for line in told), told
    assert "elapsed" not in sent
    # No two of them on lines of their own, and what came next stands where they stood.
    assert not re.search(r"SAUVEGARDE : [^\r]*\n", sent)
    shown = [left_on_screen(line) for line in sent.split("\n")]
    assert not [line for line in shown if "depuis 0:" in line]
    assert [line for line in shown if line.startswith("changed: [site]")]


def test_where_awx_keeps_the_output_lines_follow_each_other_even_on_a_terminal(slow: Site) -> None:
    status, sent = on_a_terminal(slow, "backup", rollback_progress_s=2, awx_job_id=7)

    assert status == 0, sent
    assert 2 <= len(re.findall(r"BACKUP: [^\r]*\r\n", sent)) <= 12
    assert not re.search(r"\rBACKUP", sent)


ALONE = """
- hosts: rollback
  gather_facts: false
  module_defaults:
    group/recyclic.rollback.rollback:
      login_db: "{{ rollback_database }}"
      login_host: "{{ rollback_login_host }}"
      login_port: "{{ rollback_login_port }}"
      login_user: "{{ rollback_login_user }}"
      login_password: "{{ rollback_login_password }}"
      pg_bin_dir: "{{ rollback_pg_bin_dir }}"
      run_dir: "{{ place }}"
  tasks:
    - recyclic.rollback.pg_backup:
        backups: "{{ rollback_state_dir }}/backups"
        disk_reserve: 1M
      register: answer
      ignore_errors: true
    - ansible.builtin.copy: {content: "{{ answer | to_json }}", dest: "{{ place }}.json", mode: "0600"}
"""


def alone(site: Site, name: str, while_at_work: Callable[[Path], object] | None = None, **settings: Any
          ) -> tuple[dict[str, Any], str]:
    """Run pg_backup as a task of its own; returns its result, and what was printed."""
    place, play = site.home / name, site.home / "alone.yml"
    place.mkdir()
    play.write_text(ALONE)
    argv = [str(ANSIBLE), "-i", str(site.inventory()), str(play), "-e", json.dumps({"place": str(place), **settings})]
    with subprocess.Popen(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=clean_environment(ANSIBLE_NOCOLOR="1",
                                                ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"))) as process:
        if while_at_work:
            wait_for((place / "progress.json").exists, "the module says how far it is")
            while_at_work(place)
        output, _error = process.communicate(timeout=120)
    return json.loads(Path(f"{place}.json").read_text()), output


def kill(place: Path) -> None:
    os.kill(json.loads((place / "progress.json").read_text())["pid"], signal.SIGKILL)


def test_the_modules_answer_is_the_same_whether_it_is_watched_or_not(slow: Site) -> None:
    (watched, told), (unwatched, silent) = (alone(slow, name, rollback_progress_s=seconds)
                                            for name, seconds in (("watched", 1), ("unwatched", 0)))

    assert lines_of(told)
    assert not lines_of(silent)
    assert watched.keys() == unwatched.keys()
    assert watched["backup"].keys() == unwatched["backup"].keys()
    # Their size is what autovacuum may change in between.
    content = [{name: (each["rows"], each["fingerprint"]) for name, each in answer["backup"]["tables"].items()}
               for answer in (watched, unwatched)]
    assert content[0] == content[1]
    assert {**watched, "backup": 0} == {**unwatched, "backup": 0}


def test_a_module_that_is_killed_fails_as_it_does_unwatched_and_one_that_cannot_tell_goes_on(slow: Site) -> None:
    (watched, _told), (unwatched, _silent) = (alone(slow, name, kill, rollback_progress_s=seconds)
                                              for name, seconds in (("watched", 1), ("unwatched", 0)))

    assert watched["failed"]
    assert watched.keys() == unwatched.keys()
    assert watched["msg"] == unwatched["msg"]

    def spoil(place: Path) -> None:
        """Nothing can be written there any more, and nothing be read that makes sense."""
        (place / "progress.json.new").mkdir()
        (place / "progress.json").write_text("[1")

    answer, told = alone(slow, "spoilt", spoil, rollback_progress_s=1)

    assert answer["changed"] and answer["backup"]["verified"]
    assert any("still at work" in line for line in lines_of(told)), told
