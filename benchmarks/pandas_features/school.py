"""The student among the others of the school-grade, and how many left the school in an earlier year."""

from __future__ import annotations

import pandas as pd

from .known import Known

ENOUGH = 5
SHRINKAGE_STUDENTS = 200
PLACES = {
    "absence_percentile_7d": "absence_share_7d", "absence_percentile_28d": "absence_share_28d",
    "absence_percentile_56d": "absence_share_56d", "absence_percentile_term": "absence_share_term",
    "absence_change_percentile_28d": "absence_share_change_28d",
    "absence_run_percentile_56d": "longest_absence_run_56d",
    "days_since_absence_percentile": "days_since_absence", "marks_percentile_365d": "marks_mean_365d",
}  # fmt: skip
ABOVE = {
    **{f"absence_share_above_grade_{window}": f"absence_share_{window}" for window in ("7d", "28d", "56d")},
    "marks_change_above_grade_round": "marks_change_round",
    "marks_change_above_grade_term": "marks_change_term", "marks_slope_above_grade": "marks_slope",
    "years_older_than_grade": "years_over_grade_age",
}  # fmt: skip
MEDIANS = {
    **{f"grade_median_absence_days_{w}": f"absence_days_{w}" for w in ("28d", "56d", "term")},
    "grade_median_marks_last_round": "marks_last_round", "grade_median_marks_365d": "marks_mean_365d",
    "grade_median_marks_change_round": "marks_change_round",
    "grade_median_marks_change_term": "marks_change_term",
}  # fmt: skip


def features(known: Known, alone: pd.DataFrame) -> pd.DataFrame:
    """Compare the values of students (one row each) with those of their school-grade."""
    cohort = known["cohort"].set_index("student_id")
    peers = [cohort["school_id"], cohort["grade"], cohort["spell_running"]]
    compared = sorted({*PLACES.values(), *ABOVE.values(), *MEDIANS.values(), "marks_term",
                       "marks_previous_term", "missed_exam_share_term"})  # fmt: skip
    grouped = alone[compared].groupby(peers)
    others = grouped.transform("count")
    enough = others > ENOUGH
    # Of an even number the lower of the two in the middle: a value that somebody has.
    middle = grouped.quantile(0.5, interpolation="lower")
    medians = middle.reindex(pd.MultiIndex.from_arrays(peers)).set_axis(alone.index).where(enough)
    places = ((grouped.rank() - 0.5) / others).where(enough)
    missed = alone["missed_exam_share_term"] - grouped["missed_exam_share_term"].transform("mean")
    made = {name: places[column] for name, column in PLACES.items()}
    made |= {name: alone[column] - medians[column] for name, column in ABOVE.items()}
    made |= {name: medians[column] for name, column in MEDIANS.items()}
    made |= {
        "marks_percentile_change_term": places["marks_term"] - places["marks_previous_term"],
        "missed_exam_share_above_grade_term": missed.where(enough["missed_exam_share_term"]),
        "school_students": cohort.groupby("school_id")["grade"].transform("size"),
        "school_grade_students": cohort.groupby(["school_id", "grade"])["grade"].transform("size"),
        **_leaving_shares(known, cohort),
    }
    return pd.DataFrame(made, index=known.students)


def _stage(grade: pd.Series) -> pd.Series:
    return pd.cut(grade, [0, 6, 9, 99], labels=["primary", "junior", "beyond"]).astype("str")


def _leaving_shares(known: Known, cohort: pd.DataFrame) -> dict[str, pd.Series]:
    """Shares of the year that ended the outcome delay ago, shrunk to the county's share of the stage."""
    until = known.as_of_date - pd.Timedelta(days=known.outcome_delay_days)
    since = until - pd.Timedelta(days=365)
    spells = known["enrolments"].merge(
        known["schools"][["school_id", "township"]], how="left", on="school_id"
    )
    spells = spells.assign(stage=_stage(spells["grade"]), township=spells["township"].fillna(""))
    one = ["student_id", "school_id", "stage", "township"]
    there = spells[(spells["start_date"] < until) & ~(spells["end_date"] < since)].drop_duplicates(one)
    left_on = spells["end_date"] + pd.Timedelta(days=1)
    beyond = spells[["student_id", "start_date", "end_date"]].fillna({"end_date": pd.Timestamp("2200-01-01")})
    pairs = spells.reset_index().merge(beyond, on="student_id", suffixes=("", "_other"))
    late = pairs["start_date_other"].le(pairs["end_date"]) & pairs["end_date_other"].gt(pairs["end_date"])
    left = (spells["exit_reason"] == "dropped_out") & ~spells.index.isin(pairs.loc[late, "index"])
    gone = spells[left & left_on.between(since, until)].drop_duplicates(one)
    stage, township = _stage(cohort["grade"]), cohort["township"].fillna("")
    county = (
        gone.groupby("stage").size().reindex(there["stage"].unique()).fillna(0)
        / there.groupby("stage").size()
    )
    own_county = stage.map(county)

    def shrunk(place: str, of_student: pd.Series) -> pd.Series:
        keys = pd.MultiIndex.from_arrays([of_student, stage])
        students = there.groupby([place, "stage"]).size().reindex(keys).fillna(0).to_numpy()
        leavers = gone.groupby([place, "stage"]).size().reindex(keys).fillna(0).to_numpy()
        share = (leavers + SHRINKAGE_STUDENTS * own_county) / (students + SHRINKAGE_STUDENTS)
        return share if spells["start_date"].min() <= since else share * float("nan")

    return {
        "school_leaving_share_earlier": shrunk("school_id", cohort["school_id"]),
        "township_leaving_share_earlier": shrunk("township", township),
    }
