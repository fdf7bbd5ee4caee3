from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.audit import (
    Audit,
    audit_json,
    groups_in,
    judge_cutoffs,
    judge_groups,
    judge_others,
    judge_unseen_schools,
    judgeable,
    read_audit,
)
from riskmodel.evaluation.capacity import judge_places
from riskmodel.evaluation.stability import ReasonStability
from riskmodel.figures import Interval


def county(students=6000, *, seed=1):
    generator = np.random.default_rng(seed)
    group = np.where(np.arange(students) % 2, "a", "b")
    left = generator.random(students) < 0.05
    seen = np.where(left, np.where(group == "a", 2.5, 1.0), 0.0)
    margin = seen - 4 + generator.standard_normal(students)
    return pd.DataFrame({
        "as_of_date": pd.Timestamp("2025-10-27").as_unit("s"),
        "student_id": [f"s{number}" for number in range(students)],
        "school_id": [f"k{number % 40}" for number in range(students)],
        "outcome": np.where(left, "left", "stayed"),
        "group_way": group,
        "left": left.astype(int),
        "margin": margin, "risk": 1 / (1 + np.exp(-margin)),
        "logistic_margin": margin / 2, "logistic_risk": 1 / (1 + np.exp(-margin / 2)),
    })  # fmt: skip


def test_rows_that_nobody_can_judge_yet_take_no_part():
    rows = county(20)
    rows.loc[3, "outcome"] = "unknown"
    rows.loc[4, "outcome"] = "unaccounted"
    later = rows.assign(as_of_date=pd.Timestamp("2026-03-27").as_unit("s"), outcome="unknown")
    kept = judgeable(pd.concat([rows, later], ignore_index=True))
    assert len(kept) == 19
    assert kept["outcome"].eq("unaccounted").sum() == 1


def test_a_model_that_is_the_judged_one_again_differs_in_nothing_and_a_worse_one_is_told():
    rows = county()
    margin = rows["margin"].to_numpy()
    noise = np.random.default_rng(2).standard_normal(len(rows))
    same, worse = judge_others(
        rows, margin, {"same": margin * 2, "worse": margin + 2 * noise},
        training={"same": (3, 120), "worse": (1, 110)}, share=0.02, seed=1, resamples=50,
    )  # fmt: skip
    assert same.auc_less == Interval(0.0, 0.0, 0.0)
    assert same.same_list == 1
    assert (worse.training_dates, worse.training_events) == (1, 110)
    assert worse.auc_less.low < worse.auc_less.value < worse.auc_less.high < 0
    assert worse.same_list < 0.6


def test_cut_offs_are_tried_where_a_gap_is_beyond_chance_and_only_there():
    rows, learnt = county(seed=1), county(seed=2)
    risk = rows["risk"].to_numpy()
    figures, gaps = judge_groups(rows, risk=risk, share=0.05, seed=1, resamples=100)
    assert [one.group for one in figures] == ["a", "b"]
    (tried,) = judge_cutoffs(rows, learnt, gaps, risk=risk, share=0.05, seed=1)
    assert tried.after.gap.value < tried.before.gap.value
    even = rows.assign(group_way=np.where(np.arange(len(rows)) // 2 % 2, "a", "b"))
    _, gaps = judge_groups(even, risk=risk, share=0.05, seed=1, resamples=100)
    assert judge_cutoffs(even, learnt, gaps, risk=risk, share=0.05, seed=1) == ()


def test_the_groups_of_kept_rows_are_found_by_their_columns():
    assert list(groups_in(county(10))) == ["way"]


def test_schools_never_seen_are_judged_on_the_training_s_own_rows():
    found = judge_unseen_schools(county(), share=0.02, seed=1, resamples=20)
    model, logistic = found.models
    assert model.auc.value == pytest.approx(logistic.auc.value)


def test_risks_calibrated_on_the_rows_themselves_are_not_judged_on_them():
    for model in judge_unseen_schools(county(), share=0.02, seed=1, resamples=20).models:
        assert model.observed_over_expected is None
        assert model.calibration_slope is None


def test_an_audit_is_read_back_as_it_was_written():
    rows = county()
    risk = rows["risk"].to_numpy()
    groups, gaps = judge_groups(rows, risk=risk, share=0.02, seed=1, resamples=20)
    audit = Audit(
        model_version="v", share=0.02, test_dates=(date(2025, 10, 27),), label_date=date(2025, 9, 29),
        training_dates=(date(2024, 9, 29),), places=judge_places(rows, risk, share=0.02, seed=1),
        groups=groups, gaps=gaps, cutoffs=(), unseen_schools=None, learning=(), aged=(), seeds=(),
        stability=ReasonStability(10, 20, 0.9, 0.8, 0.01, ("marks",)), known_schools=1.0, near_line=None,
    )  # fmt: skip
    assert read_audit(audit_json(audit)) == audit
