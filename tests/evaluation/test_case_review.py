import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.case_review import CaseKind, agreement, choose_cases


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    students = 400
    return pd.DataFrame({
        "as_of_date": pd.Timestamp("2025-10-27").as_unit("s"),
        "student_id": [f"s{number:03}" for number in range(students)],
        "school_id": "k",
        "outcome": ["left" if number % 10 == 0 else "stayed" for number in range(students)],
    })  # fmt: skip


SCORE = -np.arange(400.0)


def positions(cases: pd.DataFrame, kind: CaseKind) -> list[int]:
    return sorted(cases["position"][cases["kind"] == kind.value])


def test_twenty_cases_of_four_kinds_are_drawn_each_for_its_reason(rows):
    cases = choose_cases(rows, SCORE, share=0.1)
    assert list(cases["case"]) == list(range(1, 21))
    assert positions(cases, CaseKind.TOP) == [0, 1, 2, 3, 4]
    assert positions(cases, CaseKind.NEAR_THE_LINE) == [38, 39, 40, 41, 42]
    # The missed who looked safest, and the false alarms of whom the model was surest.
    assert positions(cases, CaseKind.MISSED) == [350, 360, 370, 380, 390]
    assert positions(cases, CaseKind.FALSE_ALARM) == [5, 6, 7, 8, 9]


def test_of_two_dates_those_near_the_line_of_their_own_list_are_drawn(rows):
    later = rows.assign(
        as_of_date=pd.Timestamp("2025-11-24").as_unit("s"), student_id="t" + rows["student_id"].str[1:]
    )
    both = pd.concat([rows, later], ignore_index=True)
    # Near the end of a term few leave any more: every risk is lower, and the list is as long.
    cases = choose_cases(both, np.concatenate([SCORE, SCORE - 1000]), share=0.1, each=6)
    assert positions(cases, CaseKind.NEAR_THE_LINE) == [39, 40, 41, 439, 440, 441]


def test_of_whom_too_little_is_known_no_case_is_drawn_and_the_line_is_that_of_the_others(rows):
    known = np.arange(len(rows)) >= 30
    drawn = choose_cases(rows.assign(enough_known=known), SCORE, share=0.1, each=5)
    assert positions(drawn, CaseKind.TOP) == [30, 31, 32, 33, 34]
    assert positions(drawn, CaseKind.NEAR_THE_LINE) == [68, 69, 70, 71, 72]
    assert known[drawn["position"]].all()


def test_the_order_of_the_cases_does_not_tell_their_kind_and_is_the_same_again(rows):
    cases = choose_cases(rows, SCORE, share=0.1, seed=3)
    assert list(cases["kind"]) != sorted(cases["kind"])
    assert cases.equals(choose_cases(rows, SCORE, share=0.1, seed=3))


def test_nobody_is_drawn_twice_though_on_several_dates(rows):
    again = pd.concat([rows, rows.assign(as_of_date=pd.Timestamp("2025-11-24").as_unit("s"))])
    again = again.reset_index(drop=True)
    cases = choose_cases(again, np.concatenate([SCORE, SCORE]), share=0.1)
    assert again["student_id"][cases["position"]].is_unique


def test_where_nobody_was_missed_there_are_fewer_cases(rows):
    cases = choose_cases(rows.assign(outcome="stayed"), SCORE, share=0.1)
    assert positions(cases, CaseKind.MISSED) == []
    assert len(cases) == 15


def test_agreement_counts_what_both_answered_and_corrects_for_chance():
    first = pd.Series(["visit", "visit", "wait", "wait", None])
    second = pd.Series(["visit", "wait", "wait", "wait", "visit"])
    found = agreement(first, second)
    assert (found.cases, found.same) == (4, 0.75)
    assert found.kappa == pytest.approx(0.5)
    assert agreement(first[:0], second[:0]).same is None
    assert agreement(pd.Series(["a", "a"]), pd.Series(["a", "a"])).kappa is None
