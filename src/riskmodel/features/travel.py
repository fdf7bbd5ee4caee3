"""The way to school and boarding. Distances are kilometres, as the family's statements say."""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group

RELATION = """
WITH distances AS (
    SELECT student_id, arg_max(distance_km, recorded_on) AS distance_km,
           max(recorded_on) FILTER (distance_km IS NOT NULL) AS stated_on
    FROM family GROUP BY student_id
),
spells AS (
    SELECT spell.student_id, spell.start_date, spell.boards,
           lag(spell.boards) OVER (PARTITION BY spell.student_id ORDER BY spell.start_date, spell.school_id)
               AS boarded
    FROM enrolments AS spell JOIN cohort USING (student_id)
    WHERE spell.start_date <= cohort.start_date AND spell.boards IS NOT NULL
)
SELECT cohort.student_id, cohort.boards, distance_km, as_of_date - stated_on AS statement_age,
       as_of_date - spells.start_date AS age, spells.boards AND NOT boarded AS began,
       boarded AND NOT spells.boards AS ended
FROM cohort CROSS JOIN as_of
LEFT JOIN distances USING (student_id)
LEFT JOIN spells USING (student_id)
"""

_BOARDS = "CAST(any_value(boards) AS INTEGER)"
_DISTANCE = "any_value(distance_km)"


def _within_a_year(change: str) -> str:
    """Tell whether the change came in the last year; boarding that is not recorded is not known."""
    return f"""CASE WHEN any_value(boards) IS NOT NULL
        THEN coalesce(max(CAST({change} AND age < 365 AS INTEGER)), 0) END"""


_travel = partial(Feature, family="travel", kind="needs_others")
_way = partial(_travel, source="family", freshness="distance_statement_age_days")
_roll = partial(_travel, source="enrolments", freshness="days_since_spell_start")

GROUP = Group(
    "travel",
    RELATION,
    (
        _way(name="distance_km", unit="km", direction=1, expression=_DISTANCE,
             reason="reasons.distance", reason_range=(5.0, 500.0),
             strength="strengths.near_school", strength_range=(0.0, 2.0)),
        _way(name="distance_without_boarding_km", unit="km", direction=1,
             expression=f"{_DISTANCE} * (1 - {_BOARDS})",
             reason="reasons.distance_without_boarding", reason_range=(3.0, 500.0)),
        _roll(name="boards", unit="flag", expression=_BOARDS,
              strength="strengths.boards", strength_range=(1.0, 1.0)),
        _roll(name="boarding_began_365d", unit="flag", expression=_within_a_year("began"),
              reason="reasons.boarding_began", reason_range=(1.0, 1.0)),
        _roll(name="boarding_ended_365d", unit="flag", direction=1, expression=_within_a_year("ended"),
              reason="reasons.boarding_ended", reason_range=(1.0, 1.0)),
        _way(name="distance_statement_age_days", unit="days", role="fact",
             expression="any_value(statement_age)"),
    ),
)  # fmt: skip
