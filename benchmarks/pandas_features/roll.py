"""What the roll says: age and grade, moves between schools, boarding, earlier time away."""

from __future__ import annotations

import pandas as pd

from .home import DAYS_OF_A_MONTH
from .known import Known

AWAY_DAYS = 120


def features(known: Known) -> pd.DataFrame:
    """Features of the spells up to the one that makes a student a member of the cohort."""
    cohort = known["cohort"].set_index("student_id")
    spells = known["enrolments"].merge(
        known["cohort"][["student_id", "school_id", "start_date"]], on="student_id", suffixes=("", "_now")
    )
    spells = spells[spells["start_date"] <= spells["start_date_now"]]
    spells = spells.sort_values(["student_id", "start_date", "school_id"])
    before = spells.groupby("student_id")[["school_id", "grade", "end_date", "exit_reason"]].shift()
    age = known.age(spells["start_date"])
    moved = (
        before["school_id"].notna() & (before["school_id"] != spells["school_id"])
        & (before["exit_reason"] != "graduated")
        & ~((before["grade"] <= 6) & (spells["grade"] >= 7))
    )  # fmt: skip
    gap = (spells["start_date"] - before["end_date"]).dt.days
    elsewhere = before["exit_reason"].isin(["transferred", "emigrated", "home_teaching", "suspended"])
    was_away = ((before["exit_reason"] == "dropped_out") & (gap > 0)) | ((gap > AWAY_DAYS) & ~elsewhere)
    by_student = spells["student_id"]
    here = spells["school_id"] == spells["school_id_now"]
    born = known["students"].set_index("student_id")["birth_date"].reindex(known.students)
    day = cohort["ended_on"].fillna(known.as_of_date)  # of who has not come, the last day in the grade
    year = day.dt.year - (day.dt.month < 9)
    first_of_september = pd.to_datetime(pd.DataFrame({"year": year, "month": 9, "day": 1}))
    made = {
        "grade_level": cohort["grade"],
        "years_over_grade_age": (first_of_september - born).dt.days / 365.25 - cohort["grade"] - 6,
        "grades_repeated": _repeated(spells),
        "transfers_730d": (moved & (age < 730)).groupby(by_student).sum(),
        "months_at_school": age[here].groupby(by_student).max() / DAYS_OF_A_MONTH,
        "days_since_spell_start": known.age(cohort["start_date"]),
        "returned_before": was_away.groupby(by_student).max(),
        "suspended_before": (before["exit_reason"] == "suspended").groupby(by_student).max(),
        **_boarding(known, spells),
    }
    return pd.DataFrame(
        {name: values.reindex(known.students).astype("float64") for name, values in made.items()}
    )


def _repeated(spells: pd.DataFrame) -> pd.Series:
    """Count the grades that a student began in two school years or more; a school year begins in August."""
    years = spells["start_date"].dt.year + (spells["start_date"].dt.month >= 8)
    by_grade = years.groupby([spells["student_id"], spells["grade"]]).nunique()
    return (by_grade > 1).groupby("student_id").sum()


def _boarding(known: Known, spells: pd.DataFrame) -> dict[str, pd.Series]:
    told = spells[spells["boards"].notna()]
    change = told["boards"].astype("float64").groupby(told["student_id"]).diff()
    recent = known.age(told["start_date"]) < 365
    boards = known["cohort"].set_index("student_id")["boards"]

    def came(is_so: pd.Series) -> pd.Series:
        ever = is_so.groupby(told["student_id"]).max().reindex(known.students)
        return ever.astype("float64").fillna(0).where(boards.notna())

    return {
        "boarding_began_365d": came((change == 1) & recent),
        "boarding_ended_365d": came((change == -1) & recent),
    }
