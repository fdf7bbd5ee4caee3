import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.comparison import Ranked, compare

STUDENTS = 4000


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    true = 1.5 * generator.standard_normal(STUDENTS) - 3
    return pd.DataFrame({
        "as_of_date": pd.Timestamp("2025-10-27").as_unit("s"),
        "student_id": [f"s{number}" for number in range(STUDENTS)],
        "school_id": [f"k{number % 40}" for number in range(STUDENTS)],
        "outcome": np.where(generator.random(STUDENTS) < 1 / (1 + np.exp(-true)), "left", "stayed"),
        "true": true,
    })  # fmt: skip


def ranked(margin: np.ndarray, **families: np.ndarray) -> Ranked:
    return Ranked(margin, 1 / (1 + np.exp(-margin)), families or {"attendance": margin})


def compared(rows: pd.DataFrame, ours: Ranked, theirs: Ranked):
    return compare(rows, ours, theirs, version="before", share=0.05, seed=1, resamples=100)


def test_a_model_beside_itself_differs_in_nothing(rows):
    one = ranked(rows["true"].to_numpy())
    found = compared(rows, one, one)
    assert found.champion == "before"
    assert found.evaluation.paired_auc_difference["champion"].value == 0
    assert (found.recall_less.value, found.recall_less.low, found.recall_less.high) == (0, 0, 0)
    assert (found.entered.rows, found.dropped.rows, found.both) == (0, 0, 200)


def test_a_better_challenger_finds_more_on_the_same_rows_and_who_moved_is_counted(rows):
    true = rows["true"].to_numpy()
    worse = true + 2 * np.random.default_rng(2).standard_normal(STUDENTS)
    found = compared(rows, ranked(true), ranked(worse))
    assert found.evaluation.paired_auc_difference["champion"].low > 0
    assert found.recall_less.low > 0
    assert found.entered.rows == found.dropped.rows == 200 - found.both
    assert found.entered.left > found.dropped.left


def test_why_somebody_enters_is_the_family_that_rose_most_over_its_mean(rows):
    true = rows["true"].to_numpy()
    lifted = np.where(np.arange(STUDENTS) < 150, 8.0, 0.0)
    before = ranked(true, attendance=true, study=np.zeros(STUDENTS))
    # The mean of study rises for everybody by 100, which is no reason for anybody.
    after = ranked(true + lifted, attendance=true + lifted, study=np.full(STUDENTS, 100.0))
    found = compared(rows, after, before)
    assert set(found.entered.families) == {"attendance"}
    assert found.entered.families["attendance"] == found.entered.rows
