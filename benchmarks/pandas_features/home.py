"""Home and care, money, and the way to school."""

from __future__ import annotations

import pandas as pd

from .known import Known

AWAY = {"none": 0, "one": 1, "both": 2}
DAYS_OF_A_MONTH = 30.4375


def features(known: Known) -> pd.DataFrame:
    """Read what the family's statements and the grants say about circumstances."""
    said = known.of_cohort("family").sort_values(["student_id", "recorded_on"])
    said = said.assign(away=said["parents_away"].map(AWAY).astype("float64"))
    latest = said.groupby("student_id").last().reindex(known.students)
    return pd.concat(
        [_home(known, said, latest), _aid(known, said, latest), _distance(known, said, latest)], axis=1
    )


def _home(known: Known, said: pd.DataFrame, latest: pd.DataFrame) -> pd.DataFrame:
    before = said.groupby("student_id")["away"].ffill().groupby(said["student_id"]).shift()
    left_on = said[said["away"] > before].groupby("student_id")["recorded_on"].max().reindex(known.students)
    since_left = known.age(left_on).where(latest["away"] > 0)
    newest = said.groupby("student_id")["recorded_on"].max().reindex(known.students)
    stated = {
        "parents_away_age_days": "away", "carer_age_days": "carer",
        "sibling_left_age_days": "sibling_left_school", "migrant_child_age_days": "migrant_child",
    }  # fmt: skip
    about = known["students"].set_index("student_id").reindex(known.students)
    made = {
        "parents_away": latest["away"],
        "parents_left_180d": (since_left < 180).where(latest["away"].notna()),
        "months_since_parents_left": since_left / DAYS_OF_A_MONTH,
        "carer_not_parents": _flag(~latest["carer"].isin(["both_parents", "one_parent"]), latest["carer"]),
        "sibling_left_school": latest["sibling_left_school"],
        "siblings": latest["siblings"],
        "carer_schooling_years": latest["carer_schooling_years"],
        "migrant_child": latest["migrant_child"],
        "home_statement_age_days": known.age(newest),
        **{name: _stated(known, said, column) for name, column in stated.items()},
        "sex_female": _flag(about["sex"] == "F", about["sex"]),
        "ethnicity_not_han": _flag(~about["ethnicity"].isin(["汉", "汉族", "Han", "01"]), about["ethnicity"]),
        "household_rural": _flag(about["household"] == "rural", about["household"]),
        "disability_registered": _flag(latest["disability"] != "none", latest["disability"]),
    }
    return pd.DataFrame({name: values.astype("float64") for name, values in made.items()})


def _stated(known: Known, said: pd.DataFrame, column: str) -> pd.Series:
    told = said[said[column].notna()].groupby("student_id")["recorded_on"].max()
    return known.age(told.reindex(known.students))


def _flag(is_so: pd.Series, stated: pd.Series) -> pd.Series:
    return is_so.astype("float64").where(stated.notna())


def _aid(known: Known, said: pd.DataFrame, latest: pd.DataFrame) -> pd.DataFrame:
    hardship = _flag(latest["hardship"] != "none", latest["hardship"])
    grants = known.of_cohort("subsidies")
    grants = grants[grants["start_date"] <= known.as_of_date]
    start, end, student = grants["start_date"], grants["end_date"], grants["student_id"]
    age = known.age(start)
    former_start, former_end = known.previous_term
    living = grants["programme"] == "living_cost"
    this_term = ~(end < known.term_start)
    former_term = (start <= former_end) & ~(end < former_start)

    def of_student(rows: pd.Series) -> pd.Series:
        return student[rows].value_counts().reindex(known.students).notna()

    lapsed = of_student(living & former_term) & ~of_student(living & this_term)
    running = student[~(end < known.as_of_date)].value_counts().reindex(known.students).fillna(0)
    yuan = grants["amount_yuan"][age < 365].groupby(student).sum().reindex(known.students).fillna(0)
    ended = end[living & ~this_term].groupby(student).max().reindex(known.students)
    record_age = age.where(~(end <= known.as_of_date), known.age(end)).astype("float64")
    made = {
        "hardship_registered": hardship,
        "aid_grants_running": running,
        "aid_yuan_365d": yuan,
        "living_aid_lapsed": lapsed.astype("float64"),
        "days_since_living_aid_lapsed": known.age(ended).where(lapsed),
        "hardship_without_aid": hardship * (running == 0),
        "hardship_age_days": _stated(known, said, "hardship"),
        "aid_record_age_days": record_age.groupby(student).min(),
    }
    frame = pd.DataFrame(made, index=known.students)
    if "subsidies" not in known.delivered:
        frame = frame[["hardship_registered", "hardship_age_days"]].reindex(columns=list(made))
    return frame


def _distance(known: Known, said: pd.DataFrame, latest: pd.DataFrame) -> pd.DataFrame:
    boards = known["cohort"].set_index("student_id")["boards"].astype("float64")
    stated = said[said["distance_km"].notna()].groupby("student_id")["recorded_on"].max()
    made = {
        "distance_km": latest["distance_km"],
        "distance_without_boarding_km": latest["distance_km"] * (1 - boards),
        "boards": boards,
        "distance_statement_age_days": known.age(stated),
    }
    return pd.DataFrame(made, index=known.students)
