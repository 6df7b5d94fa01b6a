# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Databases beside the live one: names, the comment, stored lists, and what df prints."""

from __future__ import annotations

import json

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._dress import split_names
from ansible_collections.recyclic.rollback.plugins.module_utils._ours import marked, name_for, own_comment, read_mark
from ansible_collections.recyclic.rollback.plugins.module_utils._room import Room, parse_df

RUN = "20260301T031500Z-a1b2c3"


@pytest.mark.parametrize("database", ["recyclic", "r" * 63, "é" * 31, "a \"quoted\" name", "日" * 21])
def test_a_name_says_what_of_and_which_run_in_63_bytes(database: str) -> None:
    name = name_for("safety", database, RUN)
    assert len(name.encode()) <= 63
    assert name.endswith(f"_safety_{RUN}")
    assert database.startswith(name[:-len(f"_safety_{RUN}")])
    assert name == name_for("safety", database, RUN) != name_for("kept", database, RUN)


def test_without_a_run_every_name_is_another() -> None:
    assert len({name_for("kept", "recyclic", None) for _number in range(20)}) == 20


def test_a_run_of_any_name_gives_a_name() -> None:
    name = name_for("kept", "recyclic", "a run/" + "x" * 80)
    assert len(name.encode()) <= 63 and "/" not in name


def test_the_live_databases_own_comment_survives_being_wrapped_twice() -> None:
    once = marked("kept", "live", "name", RUN, ["b", "a"], True, "its own")
    assert read_mark(once) is not None and read_mark(once)["heads"] == ["a", "b"]  # type: ignore[index]
    assert own_comment(once) == "its own"
    assert own_comment(marked("kept", "live", "name", RUN, None, True, own_comment(once))) == "its own"
    assert own_comment("not ours") == "not ours" and own_comment(None) is None


@pytest.mark.parametrize("comment", [
    None, "", "recyclic.rollback", "{}", "[]", "null", "7", '{"recyclic.rollback": 1}', '{"recyclic.rollback": {}}',
    json.dumps({"recyclic.rollback": {"kind": "other", "of": "live"}}),
    json.dumps({"recyclic.rollback": {"kind": "kept", "of": None}})])
def test_no_other_comment_makes_a_database_ours(comment: str | None) -> None:
    assert read_mark(comment) is None


@pytest.mark.parametrize(("stored", "names"), [
    ("public", ["public"]), ('"$user", public', ["$user", "public"]), ('""', [""]), ("", []),
    ('"With, comma", "a ""quote""", b', ["With, comma", 'a "quote"', "b"]), ("a,b", ["a", "b"]),
    ('"unended', ['"unended'])])
def test_a_stored_list_is_read_as_the_server_reads_it(stored: str, names: list[str]) -> None:
    assert split_names(stored) == names


def test_what_df_prints_is_read_whatever_the_device_is_called() -> None:
    head = "Filesystem     1024-blocks      Used Available Capacity Mounted on\n"
    room = Room("/data", 300 * 1024, 1000 * 1024)
    assert parse_df("/data", head + "/dev/sda1   1000  700  300   70% /data\n") == room
    assert parse_df("/data", head + "a share of\tours 1000 700 300 70% /a place\n") == room
    assert parse_df("/data", "df: /data: No such file or directory\n") is None
    assert parse_df("/data", head + "overlay - - - - /\n") is None
    assert parse_df("/data", "") is None
