import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from riskmodel.domain import Band, FeatureMatrix
from riskmodel.errors import BundleRefused, NotEnoughData
from riskmodel.explain import FLOOR
from riskmodel.models.rules import absence_rule
from riskmodel.scoring import places_on_last_list, score, score_beside, scored_term, tie_breaks

BANDS = (0.5, 0.3)


@pytest.fixture(scope="module")
def bundle(trained, bundled, tmp_path_factory):
    return bundled(tmp_path_factory.mktemp("models") / "m1", trained)


@pytest.fixture(scope="module")
def rule_bundle(trained, bundled, tmp_path_factory):
    return bundled(tmp_path_factory.mktemp("models") / "rule", replace(trained, fitted=None))


@pytest.fixture
def term(other_term, bundle, facts, schools):
    return scored_term(
        other_term.matrix, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.05
    )


def _with(matrix: FeatureMatrix, rows, **values) -> FeatureMatrix:
    frame = matrix.frame.copy()
    for name, value in values.items():
        frame.loc[frame.index[rows], name] = value
    return replace(matrix, frame=frame)


def test_scores_find_the_planted_signal_in_another_term(other_term, bundle):
    margin, risk = score(other_term.matrix, bundle)
    left = other_term.labels.frame["outcome"] == "left"
    assert roc_auc_score(left, margin) > 0.5 + 0.8 * (roc_auc_score(left, other_term.true_margin) - 0.5)
    assert risk.mean() == pytest.approx(left.mean(), rel=0.2)


def test_scores_do_not_depend_on_the_order_of_columns_or_rows(other_term, bundle):
    margin, _ = score(other_term.matrix, bundle)
    turned = other_term.matrix.frame.iloc[::-1, ::-1]
    assert np.array_equal(score(replace(other_term.matrix, frame=turned), bundle).margin[::-1], margin)


def test_a_matrix_without_a_column_of_the_model_is_refused_by_name(other_term, bundle):
    lacking = replace(other_term.matrix, frame=other_term.matrix.frame.drop(columns="marks_last_round"))
    with pytest.raises(BundleRefused, match="marks_last_round"):
        score(lacking, bundle)


def test_what_stands_beside_ranks_the_same_rows(other_term, trained):
    beside = score_beside(other_term.matrix, trained)
    assert list(beside) == ["logistic", "absence_rule", "school_rate", "constant"]
    assert {len(scores.margin) for scores in beside.values()} == {len(other_term.matrix.frame)}
    assert beside["absence_rule"].risk is None
    assert set(beside["constant"].risk) == {trained.base_risk}
    assert "logistic" not in score_beside(other_term.matrix, replace(trained, fitted=None))
    untrained = score_beside(other_term.matrix, None)
    assert list(untrained) == ["absence_rule", "constant"]
    assert untrained["constant"].risk is None


def test_the_schools_rate_alone_ranks_by_who_left_the_school_whatever_told_of_it(
    other_term, planted, trained
):
    """By labels, so that a leaver of the ledger or by absence counts, whose spell need not have ended."""
    left = (planted.labels.frame["outcome"] == "left").to_numpy()
    schools = planted.matrix.frame["school_id"]
    few = _with(other_term.matrix, [0], school_id="new")
    few = _with(replace(few, frame=few.frame.head(3)), [1], stage="beyond")
    alone = score_beside(few, trained)["school_rate"]
    mine = (schools == few.frame["school_id"].iloc[2]).to_numpy()
    own = (left[mine].sum() + 200 * left.mean()) / (mine.sum() + 200)
    assert alone.margin == pytest.approx([left.mean(), np.nan, own], nan_ok=True)
    assert own != left.mean()
    assert alone.risk is None


def test_last_terms_list_gives_places_by_student_and_none_to_the_unseen(other_term, trained):
    few = replace(other_term.matrix, frame=other_term.matrix.frame.iloc[[2, 0, 1, 3]])
    first, second, third, _ = few.frame["student_id"]
    earlier = pd.Series({third: 0.1, first: 0.9, "gone since": 0.4, second: 0.1})
    places = places_on_last_list(few, earlier)
    assert places.tolist()[:3] == [1.0, 1.5 / 4, 1.5 / 4]
    assert math.isnan(places[3])
    assert np.array_equal(
        score_beside(few, trained, last_term=places)["last_term"].margin, places, equal_nan=True
    )


def test_bands_come_from_risk_by_limits(term):
    for student in term.students:
        if student.risk is None:
            assert student.band is Band.NOT_ENOUGH_INFORMATION
        elif student.risk >= BANDS[0]:
            assert student.band is Band.REACH_OUT
        else:
            assert student.band is (Band.CHECK_IN if student.risk >= BANDS[1] else Band.USUAL_CARE)
    assert {student.band for student in term.students} >= {Band.REACH_OUT, Band.CHECK_IN, Band.USUAL_CARE}


def test_listed_are_the_places_and_whoever_is_banded_for_help(other_term, bundle, facts, schools):
    for share, bands in ((0.3, (0.99, 0.98)), (0.0005, BANDS)):
        term = scored_term(
            other_term.matrix, bundle, facts=facts, schools=schools, bands=bands, capacity_share=share
        )
        by_risk = sorted(term.students, key=lambda student: -student.risk)
        places = math.ceil(share * len(by_risk))
        help_ = {Band.REACH_OUT, Band.CHECK_IN}
        assert all(student.listed for student in by_risk[:places])
        assert all(student.listed == (student.band in help_) for student in by_risk[places:])


def test_only_the_listed_have_statements_and_all_have_similar(term):
    assert any(student.reasons for student in term.students if student.listed)
    for student in term.students:
        assert student.listed or not (student.reasons or student.strengths)
        assert student.similar.low <= student.similar.point <= student.similar.high


def test_reasons_are_true_of_the_student_and_above_the_floor(term, other_term):
    declared = {feature.name: feature for feature in other_term.matrix.features}
    rows = other_term.matrix.frame.set_index("student_id")
    told = [(student, reason) for student in term.students for reason in student.reasons]
    assert told
    for student, reason in told:
        assert reason.contribution > FLOOR
        values = rows.loc[student.student_id]
        tellers = [
            feature
            for feature in declared.values()
            if feature.reason == reason.code and feature.family == reason.family
        ]
        assert any(
            feature.reason_range[0] <= values[feature.name] <= feature.reason_range[1] for feature in tellers
        )
        for slot, value in reason.values.items():
            if value is not None:
                assert value == values[slot]


def test_of_whom_too_little_is_known_there_is_no_risk_and_no_place(other_term, bundle, facts, schools):
    top = np.argsort(-score(other_term.matrix, bundle).margin)[:5]
    blank = _with(other_term.matrix, top, absence_share_56d=np.nan, days_since_exam=np.nan)
    term = scored_term(blank, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=1.0)
    for number, student in enumerate(term.students):
        assert (student.risk is None) == (number in top)
        assert student.listed == (number not in top)
    unknown = term.students[top[0]]
    assert unknown.band is Band.NOT_ENOUGH_INFORMATION
    assert unknown.similar is None
    assert {one.code for one in unknown.unknowns} >= {"unknowns.attendance_not_reported", "unknowns.no_marks"}


def test_equal_risks_get_their_places_by_a_fixed_hash_in_any_order_of_rows(
    other_term, bundle, facts, schools
):
    first = other_term.matrix.frame.iloc[[0]]
    same = other_term.matrix.frame.iloc[:200].copy()
    for name in bundle.feature_names:
        same[name] = first[name].iloc[0]
    listed = []
    for frame in (same, same.sample(frac=1, random_state=1)):
        term = scored_term(
            replace(other_term.matrix, frame=frame), bundle, facts=facts, schools=schools,
            bands=(0.999, 0.998), capacity_share=0.1,
        )  # fmt: skip
        listed.append({student.student_id for student in term.students if student.listed})
    assert listed[0] == listed[1]
    assert len(listed[0]) == 20
    hashes = dict(zip(same["student_id"], tie_breaks(same["student_id"]), strict=True))
    assert max(hashes[one] for one in listed[0]) < min(hashes[one] for one in hashes if one not in listed[0])


def test_near_the_line_the_bag_disagrees_and_far_above_it_does_not(term):
    by_risk = sorted(term.students, key=lambda student: -student.risk)
    near = [rank for rank, student in enumerate(by_risk) if student.near_line]
    assert near
    assert near[0] > 10
    assert len(near) < len(by_risk) / 4
    line = sum(student.listed for student in by_risk)
    assert near[0] < line < near[-1]


def test_the_history_of_attendance_is_oldest_first_and_none_where_not_reported(
    other_term, bundle, facts, schools
):
    matrix = _with(other_term.matrix, [0], absence_days_block_2=np.nan)
    term = scored_term(matrix, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.01)
    row = matrix.frame.iloc[0]
    history = term.students[0].attendance_history
    assert history[1] is None
    assert history[0] == row["absence_days_block_1"]
    assert history[5] == row["absence_days_block_6"]


def test_without_probabilities_bands_come_from_the_rule_and_nobody_has_a_risk(
    other_term, rule_bundle, facts, schools
):
    facts = replace(facts, probabilities=False)
    term = scored_term(
        other_term.matrix, rule_bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.02
    )
    rule = absence_rule(other_term.matrix)
    for student, missed in zip(term.students, rule, strict=True):
        assert student.risk is None
        assert student.similar is None
        assert not student.reasons
        assert (student.band is Band.REACH_OUT) == (missed >= 0.2)
    assert any(student.listed for student in term.students)


def test_rows_of_another_day_are_refused(planted, bundle, facts, schools):
    with pytest.raises(NotEnoughData) as refused:
        scored_term(planted.matrix, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.1)
    assert refused.value.code == "not_the_as_of_date"


def test_an_empty_cohort_is_an_empty_term(other_term, bundle, facts, schools):
    nobody = replace(other_term.matrix, frame=other_term.matrix.frame.iloc[:0])
    term = scored_term(nobody, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.1)
    assert term.students == ()


def test_progress_ends_when_all_listed_are_explained(other_term, bundle, facts, schools):
    told: list[tuple[int, int]] = []
    term = scored_term(
        other_term.matrix, bundle, facts=facts, schools=schools, bands=BANDS, capacity_share=0.05,
        progress=lambda done, all_: told.append((done, all_)),
    )  # fmt: skip
    listed = sum(student.listed for student in term.students)
    assert told[-1] == (listed, listed)
