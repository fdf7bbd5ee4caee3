"""Schools that call leavers transfers; `make relabelling` takes 40 counties through the records."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from riskmodel.reconcile.registers import judge_transfers

HONEST = [(f"a{number}", 10, 0, 2, 0) for number in range(40)]
AT_THE_BORDER = [(f"b{number}", 6, 0, 40, 3) for number in range(6)]


def told(*schools: tuple[str, int, int, int, int]) -> list[str]:
    judged = judge_transfers([*HONEST, *AT_THE_BORDER, *schools])
    return [one.school_id for one in judged if one.is_told]


def test_a_school_whose_transfers_arrive_nowhere_is_told_of_and_those_at_the_border_are_not() -> None:
    assert told(("c", 14, 5, 2, 0)) == ["c"], "to schools of the county that know nothing of the child"
    assert told(("c", 10, 0, 12, 9)) == ["c"], "and nobody said where"
    assert told(("c", 10, 3, 12, 4)) == ["c"], "and both"
    assert told(("c", 6, 1, 45, 4)) == [], "as any other school near the border"
    assert told(("c", 3, 3, 0, 0)) == [], "too few to say so of a school"


def test_a_school_is_held_against_the_others_and_not_against_itself() -> None:
    assert [one.is_told for one in judge_transfers([("a", 40, 30, 0, 0), ("b", 40, 0, 0, 0)])] == [
        True,
        False,
    ]
    assert [one.is_told for one in judge_transfers([("only", 8, 8, 0, 0)])] == [False]


@pytest.mark.slow
def test_in_taken_in_records_the_relabelling_school_is_found_and_no_honest_one_is_told_of(
    script: Callable[[str], ModuleType],
) -> None:
    found = script("relabelling").Found()
    found.add(1, schools=25, planted=True)
    assert (found.found, found.false, found.honest) == (1, 0, 24)
    assert found.transfers > 150
