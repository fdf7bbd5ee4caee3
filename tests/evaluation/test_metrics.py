from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.metrics import evaluate, knowable_share, share_of_knowable
from riskmodel.evaluation.probabilities import calibration_line
from riskmodel.evaluation.ranking import Pooled, places


def judge(frame, score, risk=None, *, shares=(0.1,), resamples=0):
    return evaluate(
        {"model": (score, risk)}, frame, seed=1, training_rows=0, training_events=0, resamples=resamples,
        shares=shares,
    )  # fmt: skip


def the_list(frame, score, share=0.1):
    return judge(frame, score, shares=(share,)).models[0].at_capacity[0]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 3)), min_size=4, max_size=40))
def test_auc_and_average_precision_under_weights_are_those_of_scikit_learn(rows):
    score, left, weight = (np.array(column) for column in zip(*rows, strict=True))
    if not (weight @ left and weight @ ~left):
        return
    figures = Pooled.of(score.astype(float), left, np.arange(len(rows))).figures(weight.astype(float))
    assert figures["auc"] == pytest.approx(roc_auc_score(left, score, sample_weight=weight))
    assert figures["average_precision"] == pytest.approx(
        average_precision_score(left, score, sample_weight=weight)
    )


def test_probabilities_are_judged_as_scikit_learn_does(county):
    frame, risk = county
    left = (frame["outcome"] == "left").to_numpy()
    off = 1 / (1 + np.exp(-(0.6 * logit(risk) - 1.0)))
    figures = judge(frame, off, off).models[0]

    line = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(off).reshape(-1, 1), left)
    assert figures.calibration_slope.value == pytest.approx(line.coef_[0, 0], rel=1e-4)
    assert figures.calibration_intercept.value == pytest.approx(line.intercept_[0], rel=1e-3)
    assert figures.brier.value == pytest.approx(brier_score_loss(left, off))
    assert figures.observed_over_expected.value == pytest.approx(left.sum() / off.sum())


def test_a_calibration_line_is_found_from_risks_that_are_far_off():
    rng = np.random.default_rng(0)
    true = rng.normal(size=4000) * 2
    left = (rng.random(4000) < 1 / (1 + np.exp(-true))).astype(float)
    intercept, slope = calibration_line(true / 3 - 9, leavers=left, rows=np.ones(4000))
    assert (intercept, slope) == (pytest.approx(27, abs=3), pytest.approx(3, abs=0.3))


def test_no_calibration_line_where_risks_part_leavers_from_stayers_or_say_nothing():
    left = np.array([0.0, 0.0, 1.0, 1.0])
    parted = np.array([-2.0, -1.0, 1.0, 2.0])
    assert np.isnan(calibration_line(parted, leavers=left, rows=np.ones(4))).all()
    assert np.isnan(calibration_line(np.zeros(4), leavers=left, rows=np.ones(4))).all()
    assert np.isnan(calibration_line(parted, leavers=np.zeros(4), rows=np.ones(4))).all()


def test_a_leaver_on_several_dates_is_one_event(cohort_of):
    both = pd.concat(
        [
            cohort_of({"a": "left", "b": "left", "c": "stayed", "d": "stayed"}, "2025-10-20"),
            cohort_of({"a": "left", "b": "stayed", "c": "stayed", "d": "stayed"}, "2025-11-17"),
        ]
    )
    evaluation = judge(both, [4, 1, 2, 3, 4, 1, 2, 3], shares=(0.25,))
    assert (evaluation.rows, evaluation.students) == (8, 4)
    assert (evaluation.events, evaluation.left_rows) == (2, 3)
    assert evaluation.test_dates == (date(2025, 10, 20), date(2025, 11, 17))
    [at] = evaluation.models[0].at_capacity
    assert (at.listed, at.listed_left, at.found) == (2, 2, 1)
    assert (at.precision.value, at.recall.value) == (1.0, 0.5)
    assert at.lift.value == pytest.approx(1 / (3 / 8))


def test_each_date_has_a_list_of_its_own_cohort(cohort_of):
    small = cohort_of({"a": "left", "b": "stayed"}, "2025-10-20")
    large = cohort_of({f"s{n}": "stayed" for n in range(8)} | {"z": "left", "y": "left"}, "2025-11-17")
    both = pd.concat([small, large])
    # All of the large cohort score higher: one list for both dates would leave out the small one.
    at = the_list(both, [1, 0, *range(10, 20)], share=0.2)
    assert (at.listed, at.listed_left, at.found) == (3, 3, 3)


def test_the_ceiling_is_what_the_best_list_of_this_length_could_reach(cohort_of):
    ten = {"a": "left"} | {f"s{n}": "stayed" for n in range(9)}
    assert the_list(cohort_of(ten), range(10), share=0.5).precision_ceiling == pytest.approx(1 / 5)
    assert the_list(cohort_of(ten), range(10), share=0.1).precision_ceiling == 1.0
    twice = pd.concat([cohort_of(ten, "2025-10-20"), cohort_of({**ten, "s1": "left"}, "2025-11-17")])
    assert the_list(twice, [*range(10)] * 2, share=0.2).precision_ceiling == pytest.approx((1 + 2) / 4)


def test_already_gone_and_unaccounted_take_places_but_are_never_found(cohort_of):
    frame = cohort_of({"a": "already_gone", "b": "unaccounted", "c": "left", "d": "stayed"})
    evaluation = judge(frame, [4, 3, 2, 1], shares=(0.5, 0.75))
    half, most = evaluation.models[0].at_capacity
    assert (half.listed, half.listed_left, half.found, half.listed_not_judged) == (2, 0, 0, 2)
    assert (most.listed, most.listed_left, most.found, most.listed_not_judged) == (3, 1, 1, 2)
    assert (evaluation.rows, evaluation.already_gone, evaluation.unaccounted) == (2, 1, 1)
    assert evaluation.base_rate == 1 / 4
    assert evaluation.models[0].auc.value == 1.0


def test_unknown_outcomes_are_counted_and_take_no_part(cohort_of):
    known = cohort_of({"a": "left", "b": "stayed", "c": "unknown"}, "2025-10-20")
    not_yet = cohort_of({"a": "unknown", "b": "unknown", "c": "already_gone"}, "2025-11-17")
    evaluation = judge(pd.concat([known, not_yet]), [2, 1, 3, 3, 2, 1], shares=(0.3,))
    assert evaluation.test_dates == (date(2025, 10, 20),)
    assert (evaluation.unknown, evaluation.already_gone, evaluation.rows) == (3, 0, 2)
    assert evaluation.models[0].at_capacity[0].found == 1


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ({"a": "stayed", "b": "unaccounted"}, "nobody_left"),
        ({"a": "left", "b": "unknown"}, "nobody_stayed"),
        ({"a": "unknown", "b": "unknown"}, "no_known_outcomes"),
    ],
)
def test_outcomes_that_carry_no_figures_are_refused_with_what_to_do(cohort_of, outcomes, code):
    with pytest.raises(NotEnoughData) as refused:
        judge(cohort_of(outcomes), [1, 2])
    assert refused.value.code == code


def test_an_outcome_that_is_no_outcome_is_a_mistake_of_the_caller(cohort_of):
    with pytest.raises(ValueError, match="outcome"):
        judge(cohort_of({"a": "left", "b": "stayed", "c": "gone"}), [1, 2, 3])


def test_scores_of_another_length_or_missing_risks_are_a_mistake_of_the_caller(cohort_of):
    frame = cohort_of({"a": "left", "b": "stayed"})
    with pytest.raises(ValueError, match="one score"):
        judge(frame, [1, 2, 3])
    with pytest.raises(ValueError, match="probability"):
        judge(frame, [1, 2], [0.2, np.nan])


def test_the_order_of_rows_and_equal_scores_never_matter(county):
    frame, risk = county
    score = np.round(np.log(risk))
    shuffled = np.random.default_rng(5).permutation(len(frame))
    ours = judge(frame, score, risk, shares=(0.01, 0.1), resamples=20)
    theirs = judge(frame.iloc[shuffled], score[shuffled], risk[shuffled], shares=(0.01, 0.1), resamples=20)
    assert ours.models[0].at_capacity == theirs.models[0].at_capacity
    assert ours.models[0].auc == theirs.models[0].auc


def test_a_missing_score_ranks_last(cohort_of):
    frame = cohort_of({"a": "stayed", "b": "left", "c": "stayed"})
    assert judge(frame, [np.nan, -5, -6]).models[0].auc.value == 1.0
    assert the_list(frame, [np.nan, -5, -6], share=0.4).found == 1


def test_places_are_the_share_rounded_up():
    cohorts = np.array([100.0, 101.0, 7.0])
    assert places(0.07, cohorts).tolist() == [7, 8, 1]


def test_bootstraps_resample_students_not_rows(county):
    frame, risk = county
    once, once_risk = frame.iloc[:3000], risk[:3000]
    dates = pd.date_range("2025-01-01", periods=4)
    copies = pd.concat([once.assign(as_of_date=day) for day in dates], ignore_index=True)
    one = judge(once, once_risk, resamples=200).models[0].auc
    four = judge(copies, np.tile(once_risk, 4), resamples=200).models[0].auc
    assert four.value == pytest.approx(one.value)
    # Four copies of a student tell nothing new: rows as units would halve the interval.
    assert four.high - four.low == pytest.approx(one.high - one.low)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    held = 0
    for world in range(60):
        rng = np.random.default_rng(world)
        left = rng.random(500) < 0.2
        score = rng.normal(size=500) + left
        frame = pd.DataFrame(
            {
                "student_id": [f"s{n}" for n in range(500)],
                "as_of_date": pd.Timestamp("2025-10-20"),
                "outcome": np.where(left, "left", "stayed"),
            }
        )
        auc = judge(frame, score, resamples=200).models[0].auc
        held += auc.low <= 0.76025 <= auc.high  # Phi(1 / sqrt 2)
    assert 50 <= held <= 60


def test_the_same_seed_gives_the_same_figures_and_another_seed_other_intervals(county):
    frame, risk = county
    first, again, other = (
        evaluate({"m": (risk, risk)}, frame, seed=seed, training_rows=0, training_events=0, resamples=20)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first.models[0].auc.value == other.models[0].auc.value
    assert first.models[0].auc.low != other.models[0].auc.low


def test_models_are_compared_on_the_same_samples(judged):
    first, second, rule = judged.models
    assert set(judged.paired_auc_difference) == {"logistic", "absence_rule"}
    difference = judged.paired_auc_difference["logistic"]
    assert difference.value == pytest.approx(first.auc.value - second.auc.value)
    # Paired samples tell apart what the two intervals side by side would not.
    assert difference.low > 0
    assert difference.high - difference.low < second.auc.high - second.auc.low
    assert rule.brier is None
    assert rule.calibration_slope is None


def test_a_score_that_says_nothing_has_no_slope_and_half_an_auc(cohort_of):
    frame = cohort_of({f"s{n}": "left" if n < 4 else "stayed" for n in range(20)})
    constant = judge(frame, [0] * 20, [0.2] * 20, resamples=20).models[0]
    assert constant.auc.value == 0.5
    assert constant.calibration_slope is None
    assert constant.observed_over_expected.value == pytest.approx(1.0)


def test_the_share_of_the_knowable_is_one_for_the_truth_and_less_for_a_worse_score(county):
    frame, risk = county
    left = frame["outcome"] == "left"
    noisy = np.log(risk) + np.random.default_rng(0).normal(size=len(risk))
    told = {"labels": left, "students": frame["student_id"], "seed": 1, "resamples": 100}
    truth = knowable_share(risk, risk, **told)
    assert (truth.value, truth.low, truth.high) == (1.0, 1.0, 1.0)
    worse = knowable_share(noisy, risk, **told)
    assert worse.low < worse.value < worse.high < 1
    assert share_of_knowable(0.65, 0.8) == pytest.approx(0.5)
    assert np.isnan(share_of_knowable(0.6, 0.5))


def town(seed: int, schools: int = 40, each: int = 60) -> pd.DataFrame:
    """Draw schools that differ: children of one leave together. The risk knows the mean of all schools."""
    rng = np.random.default_rng(seed)
    of_school = 1 / (1 + np.exp(3.0 - rng.normal(0, 1.0, schools)))
    left = rng.random(schools * each) < np.repeat(of_school, each)
    return pd.DataFrame({
        "student_id": [f"s{number}" for number in range(left.size)],
        "school_id": np.repeat([f"school-{number}" for number in range(schools)], each),
        "as_of_date": pd.Timestamp("2025-10-01"),
        "outcome": np.where(left, "left", "stayed"),
    })  # fmt: skip


def test_where_schools_differ_intervals_draw_schools_and_hold_the_truth_as_often_as_they_say():
    truth = (1 / (1 + np.exp(3.0 - np.random.default_rng(0).normal(0, 1.0, 100_000)))).mean()
    held = {"schools": 0, "students": 0}
    for seed in range(40):
        frame = town(seed)
        risk = np.full(len(frame), truth) + np.random.default_rng(seed).normal(0, 1e-6, len(frame))
        for unit, rows in (("schools", frame), ("students", frame.drop(columns="school_id"))):
            judged = judge(rows, risk, risk, resamples=100)
            assert judged.resampled == unit
            over = judged.models[0].observed_over_expected
            held[unit] += over.low <= 1 <= over.high
    assert held["schools"] >= 36
    assert held["students"] <= 33


def test_of_few_schools_students_are_drawn():
    frame = town(1, schools=19)
    assert judge(frame, np.arange(len(frame), dtype=float), resamples=2).resampled == "students"
