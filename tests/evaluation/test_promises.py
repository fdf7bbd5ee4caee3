"""Scores as they were served, judged once it is known who left, beside what the card said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.domain import Band, Outcome, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.evaluation.promises import Kept, Promised, judge_served, served_rows
from riskmodel.figures import Interval

DAY = date(2025, 10, 1)
FACTS = TermFacts(
    region="demo", term="2025-2026-1", as_of_date=DAY, horizon_end=date(2026, 3, 30),
    valid_until=date(2026, 1, 1), model_version="m1", rule_version="r", wording_version="w",
    records_hash="00", data_complete_to=DAY, probabilities=True, features=(),
)  # fmt: skip


def served(*, off: float = 1.0, listed_at_random: bool = False) -> tuple[ScoredTerm, pd.DataFrame]:
    """Serve 4,000 students of 20 schools, who leave as their true risk says, `off` times that risk."""
    rng = np.random.default_rng(7)
    true = np.clip(rng.beta(0.6, 12, 4000), 0.001, 0.9)
    left = rng.random(4000) < true
    shown = rng.permutation(true) if listed_at_random else true
    line = np.quantile(shown, 0.98)
    students = tuple(
        ScoredStudent(
            student_id=f"s{number:05}", school_id=f"school-{number % 20}", stage=Stage.JUNIOR, grade=7,
            class_name="1", masked_name="", number_tail="", risk=float(shown[number] * off),
            band=Band.USUAL_CARE, listed=bool(shown[number] >= line),
        )
        for number in range(4000)
    )  # fmt: skip
    schools = tuple(School(f"school-{number}", "", "") for number in range(20))
    outcomes = pd.DataFrame(
        {
            "as_of_date": pd.Series([pd.Timestamp(DAY)] * 4000).astype("datetime64[s]"),
            "student_id": [student.student_id for student in students],
            "outcome": np.where(left, Outcome.LEFT.value, Outcome.STAYED.value),
        }
    )
    return ScoredTerm(FACTS, schools, students), outcomes


PROMISED = Promised(Interval(1.0, 0.9, 1.1), Interval(0.33, 0.2, 0.45), Interval(0.14, 0.1, 0.2))


def test_lists_by_cut_offs_of_groups_are_judged_as_they_went() -> None:
    term, outcomes = served()
    rows = served_rows([term], outcomes)
    first = np.where(np.arange(4000) < 80, 1.0, 0.0)
    found = judge_served(
        rows, term="t", model_version="m1", promised=PROMISED, share=0.02, seed=1, rank=first
    )
    assert found is not None
    left = (outcomes["outcome"] == "left").to_numpy()
    told = {held.figure: held.served.value for held in found.held}
    assert told["precision"] == left[:80].mean()
    assert told["recall"] == left[:80].sum() / left.sum()


def verdicts(promised: Promised = PROMISED, **how: object) -> dict[str, Kept]:
    term, outcomes = served(**how)  # type: ignore[arg-type]
    rows = served_rows([term], outcomes)
    judged = judge_served(rows, term=FACTS.term, model_version="m1", promised=promised, share=0.02, seed=1)
    assert judged is not None
    assert judged.dates == (DAY,)
    return {held.figure: held.kept for held in judged.held}


def test_promises_that_came_true_are_kept() -> None:
    assert set(verdicts().values()) == {Kept.KEPT}


def test_risks_that_were_too_high_break_their_promise_and_lists_may_still_keep_theirs() -> None:
    told = verdicts(off=2.0)
    assert told["observed_over_expected"] is Kept.BROKEN
    assert told["precision"] is Kept.KEPT


def test_lists_no_better_than_by_lot_break_theirs() -> None:
    told = verdicts(listed_at_random=True)
    assert told["precision"] is Kept.BROKEN
    assert told["recall"] is Kept.BROKEN


def test_what_was_not_promised_cannot_be_broken() -> None:
    assert set(verdicts(promised=Promised(), off=5.0).values()) == {Kept.NOT_PROMISED}


def test_lists_better_than_promised_keep_their_promise() -> None:
    low = replace(PROMISED, precision=Interval(0.05, 0.02, 0.08))
    assert verdicts(promised=low)["precision"] is Kept.KEPT


def test_of_few_leavers_nothing_is_said() -> None:
    term, outcomes = served()
    left = outcomes["outcome"] == Outcome.LEFT
    outcomes.loc[outcomes.index[left][15:], "outcome"] = Outcome.STAYED.value
    judged = judge_served(
        served_rows([term], outcomes), term="t", model_version="m", promised=PROMISED, share=0.02, seed=1
    )
    assert judged is not None
    assert {held.kept for held in judged.held} == {Kept.TOO_FEW}


def test_what_nobody_knows_yet_is_not_judged() -> None:
    term, outcomes = served()
    rows = served_rows([term], outcomes.assign(outcome=Outcome.UNKNOWN.value))
    assert rows.empty
    with pytest.raises(IndexError):
        rows.iloc[0]


def test_those_for_whom_something_was_done_are_told_apart_and_nothing_is_left_out_of_the_rest() -> None:
    term, outcomes = served()
    rows = served_rows([term], outcomes)
    helped = rows["listed"].to_numpy(dtype=bool)
    told = {"term": "t", "model_version": "m1", "promised": PROMISED, "share": 0.02, "seed": 1}
    plain = judge_served(rows, **told)  # type: ignore[arg-type]
    judged = judge_served(rows, helped=helped, **told)  # type: ignore[arg-type]
    assert plain is not None
    assert judged is not None
    assert judged.held == plain.held, "what is promised is judged on all"
    assert plain.by_help == ()
    with_help, without = judged.by_help
    assert (with_help.helped, without.helped) == (True, False)
    assert with_help.rows == helped.sum()
    assert with_help.rows + without.rows == len(rows)
    assert with_help.left == with_help.events == (rows["outcome"][helped] == "left").sum()
    assert (with_help.students, without.students) == (with_help.rows, without.rows), "of one date"
    assert with_help.expected == pytest.approx(rows["risk"][helped].sum())
    assert without.observed_over_expected is not None


def weekly(children: dict[str, str], *, weeks: int) -> pd.DataFrame:
    """Serve children so many weeks, each with the outcome that is told."""
    days = pd.date_range("2025-09-01", periods=weeks, freq="7D").astype("datetime64[s]")
    rows = [
        {"as_of_date": day, "student_id": child, "school_id": f"school-{number % 3}", "risk": 0.05,
         "listed": True, "outcome": outcome}
        for day in days
        for number, (child, outcome) in enumerate(children.items())
    ]  # fmt: skip
    return pd.DataFrame(rows)


def told_by_help(rows: pd.DataFrame, helped: str) -> dict[bool, tuple[int | None, int | None, bool]]:
    judged = judge_served(
        rows, term="t", model_version="m", promised=PROMISED, share=0.02, seed=1,
        helped=rows["student_id"].str.startswith(helped).to_numpy(),
    )  # fmt: skip
    assert judged is not None
    return {
        each.helped: (each.students, each.events, each.observed_over_expected is not None)
        for each in judged.by_help
    }


def test_a_child_that_was_scored_each_week_is_one_leaver_and_not_twenty() -> None:
    children = {f"a{number}": "left" for number in range(12)} | {f"b{number}": "left" for number in range(25)}
    assert told_by_help(weekly(children, weeks=5), "a") == {True: (12, 12, False), False: (25, 25, True)}


def test_what_became_of_a_few_who_were_helped_is_not_told_nor_to_be_had_from_the_others() -> None:
    children = {"a": "left"} | {f"b{number}": "left" for number in range(25)}
    assert told_by_help(weekly(children, weeks=20), "a") == {
        True: (None, None, False), False: (None, None, False),
    }  # fmt: skip
