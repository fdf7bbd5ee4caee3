"""Home and care, from statements about the household.

An empty column of a statement says nothing new: the last known value of that column holds, and is as old as
the statement that told it. What concerns
third parties, money or health is for the counsellor. Sex, ethnicity, a rural household and disability serve
only to check that no group is missed (`audit`); no model may use them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from riskmodel.features.declaration import Feature, Group

RELATION = """
WITH told AS (
    SELECT family.*, CASE parents_away WHEN 'none' THEN 0 WHEN 'one' THEN 1 WHEN 'both' THEN 2 END AS away
    FROM family SEMI JOIN cohort USING (student_id)
),
changes AS (
    SELECT *, away > last_value(away IGNORE NULLS) OVER earlier AS more_away
    FROM told
    WINDOW earlier AS (
        PARTITION BY student_id ORDER BY recorded_on ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT cohort.student_id, as_of_date, sex, ethnicity, household, changes.* EXCLUDE (student_id)
FROM cohort CROSS JOIN as_of
LEFT JOIN (SELECT student_id, sex, ethnicity, household FROM students) USING (student_id)
LEFT JOIN changes USING (student_id)
"""


def _latest(column: str) -> str:
    """Take the last known value: `arg_max` passes over rows in which it is empty."""
    return f"arg_max({column}, recorded_on)"


def _age(name: str, column: str, **more: Any) -> Feature:
    """Tell how old the last known value of a column is: what its sentence is dated by."""
    stated_on = f"max(recorded_on) FILTER ({column} IS NOT NULL)"
    return _home(
        name=name, unit="days", role="fact", expression=f"any_value(as_of_date) - {stated_on}", **more
    )


_LEFT_ON = "max(recorded_on) FILTER (more_away)"
_AWAY = f"{_latest('away')} > 0"
_home = partial(Feature, family="home", source="family", kind="needs_others")
_away = partial(_home, freshness="parents_away_age_days")
_audit = partial(Feature, unit="flag", family="home", source="students", audience="counsellor", role="audit")

GROUP = Group(
    "home",
    RELATION,
    (
        _away(name="parents_away", unit="count", direction=1, expression=_latest("away"),
              reason="reasons.parents_away", reason_range=(1.0, 2.0),
              strength="strengths.parents_at_home", strength_range=(0.0, 0.0)),
        _away(name="parents_left_180d", unit="flag", direction=1,
              expression=f"""CASE WHEN {_latest('away')} IS NOT NULL THEN CAST(
                  coalesce({_AWAY} AND any_value(as_of_date) - {_LEFT_ON} < 180, false) AS INTEGER) END""",
              reason="reasons.parents_left", reason_range=(1.0, 1.0)),
        _away(name="months_since_parents_left", unit="months", direction=-1,
              expression=f"CASE WHEN {_AWAY} THEN (any_value(as_of_date) - {_LEFT_ON}) / 30.4375 END",
              reason="reasons.parents_left", reason_range=(0.0, 12.0)),
        _home(name="carer_not_parents", unit="flag", direction=1, freshness="carer_age_days",
              expression=f"CAST({_latest('carer')} NOT IN ('both_parents', 'one_parent') AS INTEGER)",
              reason="reasons.carer_not_parents", reason_range=(1.0, 1.0)),
        _home(name="sibling_left_school", unit="flag", direction=1, audience="counsellor",
              freshness="sibling_left_age_days",
              expression=f"CAST({_latest('sibling_left_school')} AS INTEGER)",
              reason="reasons.sibling_left", reason_range=(1.0, 1.0)),
        _home(name="siblings", unit="count", audience="counsellor", expression=_latest("siblings")),
        _home(name="carer_schooling_years", unit="years", direction=-1, audience="counsellor",
              kind="background", expression=_latest("carer_schooling_years")),
        _home(name="migrant_child", unit="flag", direction=1, audience="counsellor", kind="background",
              freshness="migrant_child_age_days",
              expression=f"CAST({_latest('migrant_child')} AS INTEGER)",
              reason="reasons.migrant_child", reason_range=(1.0, 1.0)),
        _home(name="home_statement_age_days", unit="days", kind="background",
              expression="any_value(as_of_date) - max(recorded_on)"),
        _age("parents_away_age_days", "away"),
        _age("carer_age_days", "carer"),
        _age("sibling_left_age_days", "sibling_left_school", audience="counsellor"),
        _age("migrant_child_age_days", "migrant_child", audience="counsellor"),
        _audit(name="sex_female", expression="CAST(any_value(sex) = 'F' AS INTEGER)"),
        _audit(name="ethnicity_not_han",
               expression="CAST(any_value(ethnicity) NOT IN ('汉', '汉族', 'Han', '01') AS INTEGER)"),
        _audit(name="household_rural", expression="CAST(any_value(household) = 'rural' AS INTEGER)"),
        _audit(name="disability_registered", source="family",
               expression=f"CAST({_latest('disability')} <> 'none' AS INTEGER)"),
    ),
)  # fmt: skip
