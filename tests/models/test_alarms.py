"""Each alarm rings for a planted leak, names the column, and is quiet on honest data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from riskmodel.domain import FeatureInfo, FeatureMatrix, Labels
from riskmodel.errors import LeakSuspected
from riskmodel.features import ALL_FEATURES
from riskmodel.models.alarms import check_declarations, check_leaks


def left_of(planted) -> np.ndarray:
    return (planted.labels.frame["outcome"] == "left").to_numpy()


def with_column(planted, values, *, name="distance_km", **declared) -> FeatureMatrix:
    """Put values in the place of a feature, declared otherwise if said."""
    features = tuple(
        FeatureInfo(**{"name": name, "unit": "count", "family": "home", "source": "family"} | declared)
        if feature.name == name
        else feature
        for feature in planted.matrix.features
    )
    return FeatureMatrix(planted.matrix.frame.assign(**{name: values}), features)


def some_of(planted, rows: int) -> tuple[FeatureMatrix, Labels]:
    """The first rows, and their labels."""
    frame, labels = planted.matrix.frame.head(rows), planted.labels
    return FeatureMatrix(frame, planted.matrix.features), Labels(
        labels.frame.head(rows), labels.label_date, labels.rule_version
    )


def rung(matrix: FeatureMatrix, labels: Labels) -> LeakSuspected:
    with pytest.raises(LeakSuspected) as stopped:
        check_leaks(matrix, labels)
    return stopped.value


def test_honest_data_ring_no_alarm(planted, other_term):
    check_leaks(planted.matrix, planted.labels)
    check_leaks(other_term.matrix, other_term.labels)


def test_no_declared_feature_comes_from_our_own_doings():
    check_declarations([feature for feature in ALL_FEATURES if feature.role == "model"])


@pytest.mark.parametrize("source", ["ledger_events", "population", "published_lists"])
def test_a_feature_of_our_own_ledger_or_lists_is_named_whatever_it_tells(planted, source):
    noise = np.random.default_rng(0).random(len(planted.matrix.frame))
    error = rung(with_column(planted, noise, source=source), planted.labels)
    assert error.code == "leak_own_records"
    assert "distance_km" in error.text("zh")


@pytest.mark.parametrize("name", ["times_listed_365d", "days_since_visited", "running_spell_exit_reason"])
def test_a_name_that_tells_of_our_doings_or_of_the_leaving_is_refused(name):
    told = FeatureInfo(name=name, unit="count", family="mobility", source="enrolments")
    with pytest.raises(LeakSuspected, match=name):
        check_declarations([told])


def test_a_column_of_our_own_may_stand_in_the_matrix_where_no_model_uses_it(planted):
    noise = np.random.default_rng(0).random(len(planted.matrix.frame))
    check_leaks(with_column(planted, noise, source="ledger_events", role="audit"), planted.labels)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_single_column_that_tells_who_leaves_is_named_either_way_round(planted, sign):
    chance = np.random.default_rng(1)
    values = sign * (left_of(planted) * 2.2 + chance.normal(0, 1, len(planted.matrix.frame)))
    error = rung(with_column(planted, values), planted.labels)
    assert error.code == "leak_single_column"
    for language in ("zh", "en"):
        assert "distance_km" in error.text(language)
        assert "0.90" in error.text(language)
    assert "absence_share_28d" not in error.text("en")


def test_a_good_column_below_the_limit_rings_no_alarm(planted):
    chance = np.random.default_rng(1)
    values = left_of(planted) * 1.6 + chance.normal(0, 1, len(planted.matrix.frame))  # AUC about 0.87
    check_leaks(with_column(planted, values), planted.labels)


def test_with_few_leavers_the_low_end_of_the_interval_counts(planted):
    chance = np.random.default_rng(3)
    values = left_of(planted) * 2.2 + chance.normal(0, 1, len(planted.matrix.frame))
    matrix = with_column(planted, values)
    _, labels = some_of(planted, 60)
    assert 1 <= (labels.frame["outcome"] == "left").sum() < 15
    check_leaks(FeatureMatrix(matrix.frame.head(60), matrix.features), labels)
    assert rung(matrix, planted.labels).code == "leak_single_column"


def test_a_column_that_is_missing_for_leavers_is_named(planted):
    chance = np.random.default_rng(2)
    emptied = np.where(left_of(planted), chance.random(len(left_of(planted))) < 0.8, False)
    gone = emptied | (chance.random(len(emptied)) < 0.25)
    values = np.where(gone, np.nan, planted.matrix.frame["distance_km"])
    error = rung(with_column(planted, values), planted.labels)
    assert error.code == "leak_missing"
    assert "distance_km" in error.text("en")


def test_columns_that_together_lack_for_leavers_are_named(planted):
    chance = np.random.default_rng(4)
    frame = planted.matrix.frame.copy()
    left = left_of(planted)
    names = ["distance_km", "parents_away", "months_at_school", "years_over_grade_age", "siblings"]
    used = [name for name in names if name in frame]
    for name in used:
        frame.loc[chance.random(len(frame)) < np.where(left, 0.45, 0.12), name] = np.nan
    error = rung(FeatureMatrix(frame, planted.matrix.features), planted.labels)
    assert error.code == "leak_missing_together"
    assert any(name in error.text("en") for name in used)


def test_a_class_emptied_for_those_who_leave_is_named(planted):
    left, frame = left_of(planted), planted.matrix.frame.copy()
    frame["class_name"] = np.where(left & (np.arange(len(left)) % 4 == 0), "", frame["class_name"])
    error = rung(FeatureMatrix(frame, planted.matrix.features), planted.labels)
    assert error.code == "leak_trace"
    assert "class_name" in error.text("zh")


def test_a_flag_after_which_nearly_all_leave_is_named(planted):
    left = left_of(planted)
    flag = (left & (np.arange(len(left)) % 4 == 0)).astype(float)
    error = rung(with_column(planted, flag, name="living_aid_lapsed", unit="flag"), planted.labels)
    assert error.code == "leak_trace"
    assert "living_aid_lapsed" in error.text("en")


def test_blank_classes_of_a_whole_school_are_no_trace(planted):
    frame = planted.matrix.frame.copy()
    frame.loc[frame["school_id"] == "school-3", "class_name"] = ""
    check_leaks(FeatureMatrix(frame, planted.matrix.features), planted.labels)


def test_rows_whose_outcome_is_unknown_are_not_looked_at(planted):
    outcome = planted.labels.frame["outcome"].where(~left_of(planted), "unknown")
    labels = Labels(planted.labels.frame.assign(outcome=outcome), planted.labels.label_date, "test")
    check_leaks(with_column(planted, left_of(planted).astype(float)), labels)


def test_no_error_names_a_student(planted):
    values = left_of(planted).astype(float)
    error = rung(with_column(planted, values), planted.labels)
    ids = pd.unique(planted.matrix.frame["student_id"])
    assert not any(student in str(error) for student in ids)
