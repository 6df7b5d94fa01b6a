# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a check says of what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._checks import (
    Foreseen,
    check_spec,
    judge,
    judge_heads,
    judge_other_tables,
    passed,
    take_evidence,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal

ABSENT = {"present": False, "rows": None}


def check(**given: Any) -> dict[str, Any]:
    """A check as Ansible hands it to a module: every option of the spec is there."""
    options = {name: option.get("default") for name, option in check_spec().items()}
    return {**options, "id": "c", "table": "categories", **given}


def present(rows: int, fingerprint: str | None = None) -> dict[str, Any]:
    return {"present": True, "rows": rows, "exact": True, "fingerprint": fingerprint}


def judged(one: dict[str, Any], measured: dict[str, Any], baseline: dict[str, Any] | None = None,
           accepted: tuple[str, ...] = (), expectation: str = "rolled_back") -> list[dict[str, Any]]:
    before = None if baseline is None else {"checks": {"c": baseline}}
    return judge([one], {"checks": {"c": measured}}, expectation, before, accepted)


@pytest.mark.parametrize(("given", "measured", "result", "observed"), [
    ({"rows": 0}, present(0), "pass", "0 rows"),
    ({"rows": 0}, present(1), "fail", "1 rows"),
    ({"rows": 14}, present(13), "fail", "13 rows"),
    ({"min_rows": 1}, present(1), "pass", "1 rows"),
    ({"min_rows": 1}, present(0), "fail", "0 rows"),
    ({"max_rows": 5}, present(5), "pass", "5 rows"),
    ({"max_rows": 5}, present(6), "fail", "6 rows"),
    ({"min_rows": 2, "max_rows": 4}, present(3), "pass", "3 rows"),
    ({"min_rows": 2, "max_rows": 4}, present(5), "fail", "5 rows"),
    ({"max_rows": 0}, present(1), "fail", "1 rows"),
    ({}, present(0), "pass", "0 rows"),
    ({}, ABSENT, "fail", "absent"),
    ({"rows": 0}, ABSENT, "fail", "absent"),
    ({"rows": 0, "absent": "pass"}, ABSENT, "pass", "absent"),
    ({"rows": 0, "absent": "accepted"}, ABSENT, "fail", "absent"),
    ({"rows": 0, "severity": "warn"}, present(1), "warn", "1 rows"),
    ({"rows": 0, "severity": "warn"}, present(0), "pass", "0 rows"),
    ({"severity": "warn"}, ABSENT, "warn", "absent"),
])
def test_bounds_and_absence(given: dict[str, Any], measured: dict[str, Any], result: str, observed: str) -> None:
    (found,) = judged(check(**given), measured)
    assert (found["result"], found["observed"]) == (result, observed)
    assert found["severity"] == given.get("severity", "fail")


@pytest.mark.parametrize(("given", "expected"), [
    ({"rows": 0}, "0 rows"),
    ({"min_rows": 2, "max_rows": 4}, "at least 2 rows, at most 4 rows"),
    ({}, "present"),
])
def test_what_is_expected_is_said_in_words(given: dict[str, Any], expected: str) -> None:
    assert judged(check(**given), present(3))[0]["expected"] == expected
    assert judged(check(**given), ABSENT)[0]["expected"] == expected


@pytest.mark.parametrize(("accepted", "result"), [
    ((), "fail"),
    (("drop-table:other",), "fail"),
    (("drop-table:categories",), "pass"),
])
def test_an_absence_passes_only_when_exactly_it_was_accepted(accepted: tuple[str, ...], result: str) -> None:
    (found,) = judged(check(rows=0, absent="accepted"), ABSENT, accepted=accepted)
    assert found["result"] == result


@pytest.mark.parametrize(("given", "measured", "baseline", "result", "observed"), [
    ({}, present(14, "7"), present(14, "7"), "pass", "14 rows"),
    ({}, present(14, "8"), present(14, "7"), "fail", "14 rows, other content"),
    ({}, present(13, "8"), present(14, "7"), "fail", "13 rows"),
    ({}, present(0, "0"), present(14, "7"), "fail", "0 rows"),
    ({}, present(14, "7"), None, "skip", "14 rows"),
    ({}, present(14, "7"), ABSENT, "skip", "14 rows"),
    ({"rows": 14}, present(14, "7"), None, "pass", "14 rows"),
    ({"rows": 14}, present(13, "7"), None, "fail", "13 rows"),
    ({"rows": 14}, present(14, "8"), present(14, "7"), "fail", "14 rows, other content"),
    ({"rows": 13}, present(14, "7"), present(14, "7"), "fail", "14 rows"),
    ({"severity": "warn"}, present(14, "8"), present(14, "7"), "warn", "14 rows, other content"),
    ({}, ABSENT, present(14, "7"), "fail", "absent"),
])
def test_unchanged(given: dict[str, Any], measured: dict[str, Any], baseline: dict[str, Any] | None, result: str,
                   observed: str) -> None:
    (found,) = judged(check(unchanged=True, **given), measured, baseline)
    assert (found["result"], found["observed"]) == (result, observed)


def test_a_baseline_that_does_not_hold_the_check_is_nothing_to_compare_with() -> None:
    (found,) = judge([check(unchanged=True)], {"checks": {"c": present(14, "7")}}, "rolled_back", {"checks": {}}, ())
    assert found["result"] == "skip"


@pytest.mark.parametrize(("expectation", "asked", "applies"), [
    ("any", "rolled_back", True), ("any", "migrated", True), ("rolled_back", "rolled_back", True),
    ("rolled_back", "migrated", False), ("migrated", "migrated", True), ("migrated", "rolled_back", False),
])
def test_a_check_of_the_other_state_is_not_judged(expectation: str, asked: str, applies: bool) -> None:
    assert bool(judged(check(rows=0, expectation=expectation), present(9), expectation=asked)) is applies


@pytest.mark.parametrize(("heads", "expected", "result"), [
    (["b", "a"], ["a", "b"], "pass"),
    (["a"], ["a", "b"], "fail"),
    (["a", "b"], ["a"], "fail"),
    ([], [], "pass"),
    (None, ["a"], "fail"),
])
def test_recorded_revisions_are_judged_as_a_whole_set(heads: list[str] | None, expected: list[str], result: str
                                                      ) -> None:
    found = judge_heads({"heads": heads}, expected)
    assert found["result"] == result
    assert found["observed"] == (", ".join(sorted(heads or [])) or "none")


def test_other_tables_pass_when_each_holds_what_it_held() -> None:
    tables = {"public.users": present(3, "1"), "public.categories": present(14, "2")}
    after = {**tables, "public.categories": present(0, "0")}
    found = judge_other_tables({"tables": after}, {"tables": tables}, {"public.categories"})
    assert (found["result"], found["observed"]) == ("pass", "1 tables unchanged")


def test_another_table_that_changed_fails_and_is_named_with_its_rows() -> None:
    tables = {"public.users": present(3, "1"), "public.sites": present(2, "1"), "public.gone": present(5, "1")}
    after = {"public.users": present(2, "1"), "public.sites": present(2, "9"), "public.fresh": present(1, "1")}
    found = judge_other_tables({"tables": after}, {"tables": tables}, set())
    assert found["result"] == "fail"
    assert found["observed"] == ("public.fresh: new (1 rows); public.gone: gone (it held 5 rows); "
                                 "public.sites: other content in its 2 rows; public.users: 3 rows became 2")


def test_an_estimated_table_is_not_reported_as_unchanged() -> None:
    estimated = {**present(1000), "exact": False}
    tables = {"public.huge": estimated, "public.users": present(3, "1")}
    found = judge_other_tables({"tables": tables}, {"tables": tables}, set())
    assert found["observed"].startswith("1 tables unchanged") and "public.huge" in found["observed"]


def test_a_judgement_speaks_the_operators_language() -> None:
    (found,) = judge([check(rows=0)], {"checks": {"c": present(1)}}, "rolled_back", None, (), "fr")
    assert (found["expected"], found["observed"]) == ("0 lignes", "1 lignes")
    (found,) = judge([check()], {"checks": {"c": ABSENT}}, "rolled_back", None, (), "fr")
    assert (found["expected"], found["observed"]) == ("présente", "absente")
    assert judge_heads({"heads": []}, ["a"], "fr")["observed"] == "aucune"
    gone = judge_other_tables({"tables": {}}, {"tables": {"public.t": present(5)}}, set(), "fr")
    assert gone["observed"] == "public.t : disparue (elle avait 5 lignes)"


def test_only_an_outright_failure_is_one() -> None:
    assert passed([{"result": result} for result in ("pass", "warn", "skip")])
    assert not passed([{"result": "pass"}, {"result": "fail"}])
    assert passed([])


def test_two_checks_of_one_id_are_refused_before_anything_is_measured() -> None:
    with pytest.raises(Refusal) as refused:
        take_evidence(None, [check(id="a"), check(id="b"), check(id="a")], 0, False, "alembic_version", None)
    assert (refused.value.key, refused.value.facts) == ("checks_share_id", {"ids": "a"})


def held(rows: int, content: str = "", structure: str = "s1") -> dict[str, Any]:
    return {"rows": rows, "exact": True, "fingerprint": content or str(rows), "structure": structure, "bytes": 1,
            "place": ["public", "sites"]}


@pytest.mark.parametrize(("rehearsed", "before", "after", "explained"), [
    # (before, after) of the rehearsal, then the live table before and after.
    ((held(5), held(3)), held(5), held(3), True),
    ((held(5), held(3)), held(5), held(2), False),
    ((held(5), held(5, structure="s2")), held(5), held(5, structure="s2"), True),
    ((held(5), held(5, structure="s2")), held(5), held(5, structure="s3"), False),
    # Written to since the backup: the structure alone is known.
    ((held(5), held(5, "x", "s2")), held(6), held(6, "y", "s2"), True),
    ((held(5), held(3)), held(6), held(0), False),
    # What the rehearsal left as it was has no reason to differ.
    ((held(5), held(5)), held(5), held(5, "other"), False),
    ((held(5), held(5)), held(6), held(0), False),
    ((held(5), None), held(5), None, True),
    ((held(5), held(5)), held(5), None, False),
    ((None, held(0)), None, held(0), True),
])
def test_what_a_rehearsal_explains(rehearsed: tuple[Any, Any], before: Any, after: Any, explained: bool) -> None:
    old, new = ({"sites": each} if each else {} for each in rehearsed)
    foreseen = Foreseen(None, {"users": held(1), **old}, {"users": held(1), **new})
    tables = [{"tables": {"sites": each} if each else {}} for each in (before, after)]
    assert foreseen.explains("sites", *tables) is explained


@pytest.mark.parametrize(("announced", "explained"), [(None, False), ({}, False), ({"sites": ["rows"]}, True)])
def test_without_a_rehearsal_what_was_announced_is_all_there_is(announced: Any, explained: bool) -> None:
    tables = {"tables": {"public.sites": held(1)}}
    assert Foreseen(announced).explains("public.sites", tables, {"tables": {}}) is explained
