# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Losses: told once, accepted by id and up to a number of rows, and the line that accepts them."""

from __future__ import annotations

import json
import shlex

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._losses import (
    KINDS,
    Loss,
    acceptances,
    ready_line,
    settle_losses,
    table_of,
)


def ids(*losses: Loss) -> list[str]:
    return [loss.id for loss in settle_losses(losses)]


# Settling


def test_what_is_gone_for_good_is_read_first() -> None:
    kinds = ["revision", "empty-table", "change-rows", "delete-rows"]
    found = [Loss(kind, "x") for kind in kinds] + [Loss("drop-column", "x.y"), Loss("drop-table", "b"),
                                                   Loss("drop-table", "a")]
    assert ids(*found) == ["drop-table:a", "drop-table:b", "delete-rows:x", "drop-column:x.y", "change-rows:x",
                           "empty-table:x", "revision:x"]


@pytest.mark.parametrize(("found", "kept"), [
    ([Loss("delete-rows", "t", 3), Loss("delete-rows", "t", 5)], Loss("delete-rows", "t", 5)),
    ([Loss("delete-rows", "t", 5), Loss("delete-rows", "t", 3)], Loss("delete-rows", "t", 5)),
    ([Loss("delete-rows", "t", 5), Loss("delete-rows", "t", 9, False)], Loss("delete-rows", "t", 9, False)),
    # What could not be counted may be more than any number.
    ([Loss("delete-rows", "t", 5), Loss("delete-rows", "t", None, False)], Loss("delete-rows", "t", None, False)),
    ([Loss("delete-rows", "t", None, False), Loss("delete-rows", "t", 5)], Loss("delete-rows", "t", None, False)),
    ([Loss("no-upgrade", because="a"), Loss("no-upgrade", because="b")], Loss("no-upgrade", because="a")),
])
def test_one_loss_is_told_once_and_at_its_largest(found: list[Loss], kept: Loss) -> None:
    assert settle_losses(found) == [kept]


@pytest.mark.parametrize(("found", "kept"), [
    (["drop-table:t", "delete-rows:t", "change-rows:t", "drop-column:t.c", "change-column:t.c", "empty-column:t.d",
      "written-since:t", "drop-column:u.c"], ["drop-table:t", "drop-column:u.c"]),
    (["drop-column:t.c", "change-column:t.c", "not-restored:t.c", "delete-rows:t"],
     ["delete-rows:t", "drop-column:t.c"]),
    # The column items of stock, and the table items in the schema stock.
    (["drop-column:stock.items", "delete-rows:stock.items"], ["delete-rows:stock.items", "drop-column:stock.items"]),
    (["drop-table:stock.t", "drop-column:stock.t.c", "drop-column:t.c"], ["drop-table:stock.t", "drop-column:t.c"]),
    # Named like the table, and something else.
    (["drop-table:t", "revision:t", "unknown:t"], ["drop-table:t", "unknown:t", "revision:t"]),
])
def test_what_goes_with_a_table_or_a_column_is_not_told_twice(found: list[str], kept: list[str]) -> None:
    assert ids(*(Loss(*name.split(":")) for name in found)) == kept


@pytest.mark.parametrize(("loss", "table"), [
    (Loss("drop-column", "stock.t.c"), "stock.t"), (Loss("delete-rows", "stock.t"), "stock.t"),
    (Loss("revision", "abc"), ""), (Loss("unknown", "abc"), ""), (Loss("unrehearsed"), "")])
def test_the_table_a_loss_is_about(loss: Loss, table: str) -> None:
    assert table_of(loss) == table


# Accepting


@pytest.mark.parametrize(("given", "loss", "covered"), [
    ("drop-table:t", Loss("drop-table", "t", 10 ** 6), True),
    ("drop-table:t=17", Loss("drop-table", "t", 17), True),
    ("drop-table:t=17", Loss("drop-table", "t", 16), True),
    ("drop-table:t=17", Loss("drop-table", "t", 18), False),
    ("drop-table:t=0", Loss("drop-table", "t", 0), True),
    ("drop-table:t=0", Loss("drop-table", "t", 1), False),
    (" drop-table:t=17\n", Loss("drop-table", "t", 17), True),
    ("drop-table:t", Loss("delete-rows", "t", 1), False),
    ("drop-table:t", Loss("drop-table", "tt", 1), False),
    ("drop-table:T", Loss("drop-table", "t", 1), False),
    ("drop-table", Loss("drop-table", "t", 1), False),
    ("drop-table:t=many", Loss("drop-table", "t", 1), False),
    ("drop-table:t=²", Loss("drop-table", "t", 1), False),
    ("drop-table:t=", Loss("drop-table", "t", 1), False),
    ("drop-table:t=-1", Loss("drop-table", "t", 1), False),
    ("drop-table:a=b", Loss("drop-table", "a=b", 1), True),
    ("drop-table:a=b=3", Loss("drop-table", "a=b", 4), False),
    # Nothing to count, and not to be counted.
    ("drop-table:t=17", Loss("drop-table", "t", None), True),
    ("delete-rows:t=17", Loss("delete-rows", "t", None, False), False),
    ("delete-rows:t", Loss("delete-rows", "t", None, False), True),
    ("unrehearsed", Loss("unrehearsed"), True),
    ("", Loss("unrehearsed"), False),
])
def test_what_an_acceptance_covers(given: str, loss: Loss, covered: bool) -> None:
    accepted = acceptances([given])
    assert accepted.covers(loss) is covered
    assert accepted.missing([loss]) == ([] if covered else [loss])


def test_several_acceptances_and_only_those() -> None:
    accepted = acceptances(["drop-table:a=3", "", "revision:b1"])
    losses = [Loss("revision", "b1"), Loss("revision", "c1"), Loss("drop-table", "a", 4)]
    assert accepted.missing(losses) == losses[1:]


# The line to paste


@pytest.mark.parametrize("losses", [
    [Loss("drop-table", "sites", 3)],
    [Loss("drop-table", "sites", 3), Loss("drop-column", "stock.items.name", 10), Loss("revision", "b1"),
     Loss("unrehearsed")],
    [Loss("drop-table", "Mixed Case", 3), Loss("drop-table", 'it\'s "ours", really', 4), Loss("drop-table", "été", 0)],
    [Loss("delete-rows", "a,b", 1), Loss("delete-rows", "$(reboot)", 1), Loss("delete-rows", "a=b", 1)],
    [Loss("delete-rows", "back\\slash", 2), Loss("delete-rows", "two\nlines", 2)],
])
def test_what_the_line_says_survives_the_shell(losses: list[Loss]) -> None:
    """As a playbook receives it: what it names is accepted, and not a row more."""
    option, text = shlex.split(ready_line(losses))
    assert option == "-e"
    name, _equals, plain = text.partition("=")
    given = plain.split(",") if name == "rollback_accept" else json.loads(text)["rollback_accept"]
    accepted = acceptances(given)
    assert accepted.missing(losses) == []
    more = [Loss(loss.kind, loss.object, loss.rows + 1) for loss in losses if loss.rows is not None]
    assert accepted.missing(more) == more


def test_the_line_limits_only_what_was_counted() -> None:
    assert ready_line([Loss("drop-table", "a", 3), Loss("delete-rows", "b", 5, False), Loss("drop-column", "c.d", None),
                       Loss("empty-table", "e", 0), Loss("empty-column", "f.g", 7), Loss("inconsistent")]) == (
        "-e rollback_accept=drop-table:a=3,delete-rows:b,drop-column:c.d,empty-table:e,empty-column:f.g,inconsistent")


# The words


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_words_that_name_it(kind: str, language: str) -> None:
    loss = Loss(kind, "stock.items.name", 1234, because="the reason")
    told = loss.describe(language)
    assert told["id"] == loss.id and told["rows"] == 1234 and told["exact"] is True
    assert "stock.items.name" in told["text"] or loss.id == kind
    assert "{" not in told["text"]


def test_the_words_tell_a_number_from_a_guess() -> None:
    loss = Loss("drop-table", "items", 12)
    exact, about, unknown = (each.describe("en")["text"] for each in (
        loss, Loss("drop-table", "items", 12, False), Loss("drop-table", "items", None, False)))
    assert "12" in exact and "about" not in exact
    assert "about 12" in about
    assert "?" in unknown and "12" not in unknown
