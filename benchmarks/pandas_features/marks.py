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

    def count(rows: pd.DataFrame, among: pd.DataFrame = told) -> pd.Series:
        counts = rows.groupby("student_id").size().reindex(known.students).fillna(0)
        return counts.where(pd.Series(known.students.isin(among["student_id"]), index=known.students))

    last_by_student = last.groupby("student_id")["points"]
    made = {
        "marks_last_round": mean(last),
        "marks_mean_365d": mean(year),
        "marks_term": mean(term),
        "fails_last_round": count(last[last["fails"]], among=sat),
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
        "missed_exams_365d": count(all_year[all_year["missed"]]),
        "exams_sat_term": count(term),
        "missed_exams_term": count(all_term[all_term["missed"]]),
        "exams_sat_365d": count(year),
        "fails_365d": count(year[year["fails"]]),
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
