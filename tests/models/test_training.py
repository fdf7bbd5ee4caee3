from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from riskmodel.domain import Labels, Outcome
from riskmodel.errors import NotEnoughData
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS, train


def _relabelled(labels: Labels, outcome: pd.Series) -> Labels:
    return replace(labels, frame=labels.frame.assign(outcome=outcome.to_numpy()))


def _with_leavers(planted, count: int) -> Labels:
    """Exactly so many students left, each on both dates."""
    students = sorted(planted.labels.frame["student_id"].unique())[:count]
    gone = planted.labels.frame["student_id"].isin(students)
    return _relabelled(planted.labels, gone.map({True: Outcome.LEFT.value, False: Outcome.STAYED.value}))


def test_a_planted_signal_is_found_again_on_schools_that_were_held_out(planted, trained):
    found = trained.out_of_fold
    known = roc_auc_score(found["left"], planted.true_margin)
    assert roc_auc_score(found["left"], found["margin"]) > 0.5 + 0.8 * (known - 0.5)
    assert roc_auc_score(found["left"], found["logistic_margin"]) > 0.5 + 0.8 * (known - 0.5)


def test_cross_fitted_risks_mean_what_they_say(trained):
    found = trained.out_of_fold
    for risk in ("risk", "logistic_risk"):
        assert found[risk].mean() == pytest.approx(found["left"].mean(), rel=0.02)
    top = found.nlargest(300, "risk")
    assert top["risk"].mean() == pytest.approx(top["left"].mean(), abs=0.08)


def test_shuffled_outcomes_teach_nothing(planted):
    shuffled = planted.labels.frame["outcome"].sample(frac=1, random_state=3)
    found = train(planted.matrix, _relabelled(planted.labels, shuffled), seed=7, bag=1).out_of_fold
    assert roc_auc_score(found["left"], found["margin"]) == pytest.approx(0.5, abs=0.06)
    assert roc_auc_score(found["left"], found["logistic_margin"]) == pytest.approx(0.5, abs=0.06)


def test_the_same_seed_trains_the_same_texts_in_any_order_of_labels(planted, trained):
    shuffled = replace(planted.labels, frame=planted.labels.frame.sample(frac=1, random_state=1))
    again = train(planted.matrix, shuffled, seed=7)
    assert again.fitted.scorer.trees.text == trained.fitted.scorer.trees.text
    assert [member.trees.text for member in again.fitted.bag] == [
        member.trees.text for member in trained.fitted.bag
    ]
    assert again.fitted.calibrator == trained.fitted.calibrator
    assert again.fitted.similar == trained.fitted.similar


def test_the_bag_differs_from_the_model_and_from_itself(trained):
    texts = {trained.fitted.scorer.trees.text, *(member.trees.text for member in trained.fitted.bag)}
    assert len(texts) == 6


def test_only_known_outcomes_are_trained_on_and_the_rest_is_counted(planted):
    outcome = planted.labels.frame["outcome"].copy()
    outcome.iloc[:30] = Outcome.UNKNOWN.value
    outcome.iloc[30:50] = Outcome.UNACCOUNTED.value
    outcome.iloc[50:60] = Outcome.ALREADY_GONE.value
    labels = _relabelled(planted.labels, outcome)
    labels = replace(labels, frame=labels.frame.iloc[:-5])
    counts = train(planted.matrix, labels, seed=7, bag=1).counts
    assert (counts.unknown, counts.unaccounted, counts.already_gone, counts.unlabelled) == (30, 20, 10, 5)
    assert counts.rows == len(planted.matrix.frame) - 65


def test_a_leaver_on_two_dates_is_one_event(planted):
    counts = train(planted.matrix, _with_leavers(planted, 120), seed=7, bag=1).counts
    assert (counts.events, counts.event_rows) == (120, 240)


def test_under_the_minimum_of_events_there_are_no_probabilities(planted):
    few = train(planted.matrix, _with_leavers(planted, MINIMUM_TRAINING_EVENTS - 1), seed=7)
    assert not few.probabilities
    assert few.fitted is None
    assert list(few.out_of_fold) == ["as_of_date", "student_id", "left"]
    enough = train(planted.matrix, _with_leavers(planted, MINIMUM_TRAINING_EVENTS), seed=7, bag=1)
    assert enough.probabilities


def test_leavers_of_a_single_school_out_of_two_cannot_be_judged(planted):
    frame = planted.matrix.frame
    two = replace(
        planted.matrix, frame=frame.assign(school_id=np.where(frame["student_id"] < "s00300", "a", "b"))
    )
    with pytest.raises(NotEnoughData) as refused:
        train(two, _with_leavers(planted, 150), seed=7, bag=1)
    assert refused.value.code == "leavers_of_one_fold"


def test_where_no_outcome_is_known_nothing_is_fitted_and_no_base_risk_is_told(planted):
    unknown = planted.labels.frame["outcome"].map(lambda _: Outcome.UNKNOWN.value)
    trained = train(planted.matrix, _relabelled(planted.labels, unknown), seed=7)
    assert (trained.counts.rows, trained.counts.events) == (0, 0)
    assert trained.counts.unknown == len(planted.matrix.frame)
    assert trained.base_risk is None
    assert not trained.probabilities
    assert trained.as_of_dates == ()


def test_progress_is_told_to_its_end(planted):
    told: list[tuple[int, int]] = []
    train(
        planted.matrix, planted.labels, seed=7, bag=1, progress=lambda done, all_: told.append((done, all_))
    )
    assert told == [(done, 8) for done in range(1, 9)]


def test_the_matrix_is_left_as_it_was(planted):
    before = planted.matrix.frame.copy()
    train(planted.matrix, planted.labels, seed=7, bag=1)
    pd.testing.assert_frame_equal(planted.matrix.frame, before)


def test_audit_and_fact_columns_never_reach_the_model(trained):
    roles = {feature.name: feature.role for feature in trained.features}
    assert {roles[name] for name in trained.feature_names} == {"model"}
    assert "absence_days_28d" not in trained.fitted.scorer.names
