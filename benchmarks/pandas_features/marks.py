"""Marks, as points out of 100; a round is all that was sat within a week of the next."""

from __future__ import annotations

import pandas as pd

from .known import Known

GAP_DAYS = 7
YEARS_BACK_DAYS = 1095
PASS_POINTS = 60


def features(known: Known) -> pd.DataFrame:
    """Means, fails, missed exams, changes and trends."""
    told = _told(known)
    sat = told[told["status"] == "sat"].sort_values(["student_id", "age"])
    gap = sat.groupby("student_id")["age"].diff()
    sat["round"] = (gap.isna() | (gap > GAP_DAYS)).groupby(sat["student_id"]).cumsum()
    last, prior = sat[sat["round"] == 1], sat[sat["round"] == 2]
    year, term = sat[sat["age"] < 365], sat[sat["date"] >= known.term_start]
    former = sat[sat["date"].between(*known.previous_term)]
    all_year, all_term = told[told["age"] < 365], told[told["date"] >= known.term_start]

    def mean(rows: pd.DataFrame, column: str = "points") -> pd.Series:
        return rows.groupby("student_id")[column].mean().reindex(known.students)

    def size(rows: pd.DataFrame) -> pd.Series:
        return rows.groupby("student_id").size().reindex(known.students)

    has_sat, is_told = size(sat).notna(), size(told).notna()
    last_by_student = last.groupby("student_id")["points"]
    made = {
        "marks_last_round": mean(last),
        "marks_mean_365d": mean(year),
        "marks_term": mean(term),
        "fails_last_round": size(last[last["fails"]]).fillna(0).where(has_sat),
        "fail_share_365d": mean(year, "fails"),
        "missed_exam_share_term": mean(all_term, "missed"),
        "missed_exam_share_365d": mean(all_year, "missed"),
        "worst_mark_last_round": last_by_student.min(),
        "best_mark_last_round": last_by_student.max(),
        "marks_spread_last_round": last_by_student.std(ddof=0),
        "days_since_exam": sat.groupby("student_id")["age"].min(),
        "marks_change_round": mean(last) - mean(prior),
        "marks_change_term": mean(term) - mean(former),
        "marks_slope": _slope(sat),
        "marks_prior_round": mean(prior),
        "marks_previous_term": mean(former),
        "missed_exams_365d": size(all_year[all_year["missed"]]).fillna(0).where(is_told),
        "exams_sat_term": size(term).fillna(0).where(is_told),
        "missed_exams_term": size(all_term[all_term["missed"]]).fillna(0).where(is_told),
        "exams_sat_365d": size(year).fillna(0).where(is_told),
        "fails_365d": size(year[year["fails"]]).fillna(0).where(is_told),
    }
    return pd.DataFrame(made, index=known.students)


def _told(known: Known) -> pd.DataFrame:
    """Exams sat and missed in the last three years; exempt, void and deferred are neither."""
    told = known.of_cohort("grades").rename(columns={"exam_date": "date"})
    told = told.assign(age=known.age(told["date"]), missed=told["status"] == "absent")
    told = told[told["age"].between(0, YEARS_BACK_DAYS - 1)]
    told = told[told["missed"] | ((told["status"] == "sat") & told["score"].notna())]
    points = (100 * told["score"] / told["full_score"]).where(~told["missed"])
    return told.assign(points=points, fails=points < PASS_POINTS)


def _slope(sat: pd.DataFrame) -> pd.Series:
    """Least squares, points per year, where there are three rounds or more."""
    enough = sat[sat.groupby("student_id")["round"].transform("max") >= 3]
    by_student = enough.groupby("student_id")
    x = -(enough["age"] - by_student["age"].transform("mean"))
    y = enough["points"] - by_student["points"].transform("mean")
    sums = pd.DataFrame({"xy": x * y, "xx": x * x}).groupby(enough["student_id"]).sum()
    return sums["xy"] / sums["xx"] * 365
