import numpy as np
import pandas as pd

from riskmodel.domain import Band, FeatureMatrix
from riskmodel.models.rules import absence_rule, constant, rule_bands

NAMES = (
    "absence_share_28d", "absence_share_56d", "unexcused_absence_share_28d", "unexcused_absence_share_56d",
)  # fmt: skip


def _matrix(*rows: tuple[float, float, float, float]) -> FeatureMatrix:
    return FeatureMatrix(pd.DataFrame(rows, columns=list(NAMES)), ())


NO = float("nan")


def test_an_unexcused_day_counts_twice():
    excused, unexcused = absence_rule(_matrix((0.1, 0.1, 0, 0), (0.1, 0.1, 0.1, 0.1)))
    assert (excused, unexcused) == (0.1, 0.2)


def test_two_months_speak_where_the_last_four_weeks_were_not_reported():
    assert absence_rule(_matrix((NO, 0.3, NO, NO))).tolist() == [0.3]


def test_nothing_reported_ranks_below_no_absence_and_is_never_banded():
    score = absence_rule(_matrix((NO, NO, NO, NO), (0, 0, 0, 0)))
    assert score[0] < score[1]
    assert rule_bands(score) == [Band.NOT_ENOUGH_INFORMATION, Band.USUAL_CARE]


def test_a_tenth_and_a_fifth_of_school_missed_make_the_bands():
    assert rule_bands(np.array([0.0999, 0.1, 0.1999, 0.2])) == [
        Band.USUAL_CARE, Band.CHECK_IN, Band.CHECK_IN, Band.REACH_OUT,
    ]  # fmt: skip


def test_the_constant_ranks_nobody():
    assert constant(_matrix((0, 0, 0, 0), (1, 1, 1, 1))).tolist() == [0, 0]
