import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.cutoffs import cutoffs_of, equal_recall_cutoffs, rank_of, try_cutoffs


def county(students=20_000, *, seed=1):
    """Leavers of group b look like those who stay more than leavers of group a do."""
    generator = np.random.default_rng(seed)
    group = np.where(np.arange(students) % 2, "a", "b")
    left = generator.random(students) < 0.03
    seen = np.where(left, np.where(group == "a", 2.0, 1.0), 0.0)
    risk = 1 / (1 + np.exp(4 - seen - generator.standard_normal(students)))
    rows = pd.DataFrame({
        "as_of_date": pd.Timestamp("2025-10-27"),
        "student_id": [f"s{number}" for number in range(students)],
        "school_id": [f"k{number % 60}" for number in range(students)],
        "outcome": np.where(left, "left", "stayed"),
    })  # fmt: skip
    return rows, pd.DataFrame({"grouping": group}), risk, left


def test_cut_offs_give_each_group_the_same_recall_within_the_places():
    _, groups, risk, left = county()
    group = groups["grouping"].to_numpy(dtype=str)
    cutoffs = equal_recall_cutoffs(risk, left, group, known=left | ~left, share=0.05)
    listed = risk / cutoffs_of(group, cutoffs) >= 1
    recall = {name: listed[left & (group == name)].mean() for name in "ab"}
    assert recall["a"] == pytest.approx(recall["b"], abs=0.01)
    assert 0.045 < listed.mean() <= 0.05
    assert cutoffs["b"] < cutoffs["a"]


def test_who_gets_no_place_from_any_list_moves_no_cut_off():
    _, groups, risk, left = county()
    group = groups["grouping"].to_numpy(dtype=str)
    known = ~((group == "b") & (np.arange(len(risk)) % 4 == 0))
    thin = np.where(known, risk, 0.95)  # half of one group looks the riskiest, and no school is told of them
    cutoffs = equal_recall_cutoffs(thin, left, group, known=known, share=0.05)
    listed = known & (risk / cutoffs_of(group, cutoffs) >= 1)
    recall = {name: listed[known & left & (group == name)].mean() for name in "ab"}
    assert recall["a"] == pytest.approx(recall["b"], abs=0.01)
    assert listed.mean() == pytest.approx(0.05, abs=0.001)


def test_on_other_rows_the_gap_shrinks_the_places_stay_and_the_cost_is_told():
    _, groups, risk, left = county(seed=1)
    cutoffs = equal_recall_cutoffs(
        risk, left, groups["grouping"].to_numpy(dtype=str), known=left | ~left, share=0.05
    )
    rows, groups, risk, _ = county(seed=2)
    tried = try_cutoffs(rows, groups, grouping="grouping", risk=risk, cutoffs=cutoffs, share=0.05, seed=1)
    assert tried.before.gap.low > 0.1
    assert abs(tried.after.gap.value) < tried.before.gap.value / 2
    assert tried.listed == 1000
    assert tried.changed > 0
    assert tried.found_before >= tried.found_after > 0.7 * tried.found_before


def test_a_group_with_few_leavers_keeps_the_cut_off_of_everybody():
    _, groups, risk, left = county()
    group = groups["grouping"].to_numpy(dtype=object)
    group[:50] = "few"
    cutoffs = equal_recall_cutoffs(risk, left, group.astype(str), known=left | ~left, share=0.05)
    assert cutoffs["few"] == pytest.approx(np.quantile(risk, 0.95))


def test_a_group_unknown_when_the_cut_offs_were_made_takes_the_one_in_the_middle():
    found = cutoffs_of(np.array(["a", "new"]), {"a": 0.2, "b": 0.1, "c": 0.05})
    assert found.tolist() == [0.2, 0.1]


def test_lists_go_by_risk_or_where_a_bureau_decided_so_by_risk_over_the_groups_cut_off():
    groups = pd.DataFrame({"sex": ["x", "x"], "stage": ["primary", "junior"]})
    risk = np.array([0.2, 0.3])
    assert rank_of(risk, None, groups).tolist() == [0.2, 0.3]
    told = {"by": "stage", "cutoffs": {"primary": 0.1, "junior": 0.3}}
    assert rank_of(risk, told, groups).tolist() == pytest.approx([2, 1])
