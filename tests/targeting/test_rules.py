from __future__ import annotations

import pandas as pd
import pytest

from riskmodel.records.contract import table
from riskmodel.targeting.rules import CODES, DAY_FACTS, NO, SCORE_FACTS, UNKNOWN, YES, rule


def ask(text: str, **columns: list[object]) -> list[int]:
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    return rule(text, DAY_FACTS).answers(frame).tolist()


def test_a_rule_answers_yes_and_no() -> None:
    assert ask("boards == false && distance_km >= 5.0", boards=[False, True], distance_km=[6.0, 6.0]) == [
        YES,
        NO,
    ]


def test_a_fact_that_is_not_known_is_never_read_as_a_no() -> None:
    assert ask('hardship != "none"', hardship=[None, float("nan"), "none"]) == [UNKNOWN, UNKNOWN, NO]


def test_a_missing_fact_does_not_matter_where_the_others_decide() -> None:
    text = 'hardship != "none" || disability != "none"'
    assert ask(text, hardship=["orphan", None, None], disability=[None, "sight", None]) == [YES, YES, UNKNOWN]
    assert ask('stage == "junior" && boards', stage=["primary"], boards=[None]) == [NO]


def test_lists_can_be_asked_whether_they_hold_something() -> None:
    assert ask('"boarding" in receiving', receiving=[["boarding", "nutrition"], [], None]) == [
        YES,
        NO,
        UNKNOWN,
    ]


def test_whole_numbers_that_a_frame_keeps_as_decimals_compare_as_numbers() -> None:
    assert ask("siblings >= 2", siblings=[1.0, 2.0, float("nan")]) == [NO, YES, UNKNOWN]


@pytest.mark.parametrize(
    "text",
    [
        "grade",
        "grade ==",
        "stage > 3",
        "risk > 0.5",
        '__import__("os").system("true")',
        'hardship == "povrty"',
        'hardship != "none" && stage == "juniour"',
        "1",
        "",
    ],
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        rule(text, DAY_FACTS)


def test_no_rule_can_reach_beyond_the_facts() -> None:
    for text in ("(1).__class__ == 1", "open('x') == 1", "[1].map(x, x) == [1] && exit()"):
        with pytest.raises(ValueError, match=r"."):
            rule(text, DAY_FACTS)


def test_codes_are_those_of_the_record_contract() -> None:
    for of, column in (("family", "carer"), ("family", "parents_away"), ("family", "hardship"),
                       ("family", "disability"), ("students", "household")):  # fmt: skip
        declared = next(each for each in table(of).columns if each.name == column)
        assert frozenset(declared.codes) == CODES[column]


def test_every_fact_with_codes_is_a_fact() -> None:
    assert set(CODES) <= set(DAY_FACTS) | set(SCORE_FACTS)
