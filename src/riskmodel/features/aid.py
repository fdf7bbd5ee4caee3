"""Aid: grants that run, grants that lapsed, and need without a grant.

Without the table nothing is known; with it, a student without a row has no grant. A grant has lapsed where
a living-cost grant ran in the former term and none has run in this one so far. A grant without an end is
taken to run.
"""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group
from riskmodel.features.periods import PERIODS

RELATION = f"""
WITH periods AS ({PERIODS}),
needs AS (
    SELECT student_id, CAST(arg_max(hardship, recorded_on) <> 'none' AS INTEGER) AS hardship,
           max(recorded_on) FILTER (hardship IS NOT NULL) AS hardship_on
    FROM family GROUP BY student_id
),
delivered AS (SELECT count(*) > 0 AS known FROM tables_present WHERE table_name = 'subsidies')
SELECT cohort.student_id, known, hardship, programme, amount_yuan, grant_.end_date, periods.*,
       as_of_date - hardship_on AS hardship_age, as_of_date - grant_.start_date AS age,
       coalesce(grant_.end_date >= as_of_date, true) AND programme IS NOT NULL AS runs,
       coalesce(grant_.end_date >= term_start, true) AND programme IS NOT NULL AS ran_this_term,
       grant_.start_date <= previous_end AND coalesce(grant_.end_date >= previous_start, true)
           AS ran_previous_term
FROM cohort CROSS JOIN periods CROSS JOIN delivered
LEFT JOIN needs USING (student_id)
LEFT JOIN subsidies AS grant_ ON grant_.student_id = cohort.student_id AND grant_.start_date <= as_of_date
"""


def _known(expression: str) -> str:
    return f"CASE WHEN any_value(known) THEN {expression} END"


_LIVING = "programme = 'living_cost'"
_LAPSED = f"""(coalesce(bool_or(ran_previous_term) FILTER ({_LIVING}), false)
    AND NOT coalesce(bool_or(ran_this_term) FILTER ({_LIVING}), false))"""
_NEEDS = "any_value(hardship)"
_aid = partial(Feature, family="money", source="subsidies", kind="can_act", freshness="aid_record_age_days")

GROUP = Group(
    "aid",
    RELATION,
    (
        _aid(name="hardship_registered", unit="flag", direction=1, source="family", kind="needs_others",
             audience="counsellor", freshness="hardship_age_days", expression=_NEEDS,
             reason="reasons.hardship", reason_range=(1.0, 1.0)),
        _aid(name="aid_grants_running", unit="count", direction=-1,
             expression=_known("count(*) FILTER (runs)"),
             strength="strengths.aid_in_place", strength_range=(1.0, 20.0)),
        _aid(name="aid_yuan_365d", unit="yuan", direction=-1,
             expression=_known("coalesce(sum(amount_yuan) FILTER (age < 365), 0)"),
             strength="strengths.aid_yuan", strength_range=(1.0, 1e6)),
        _aid(name="living_aid_lapsed", unit="flag", direction=1,
             expression=_known(f"CAST({_LAPSED} AS INTEGER)"),
             reason="reasons.aid_lapsed", reason_range=(1.0, 1.0)),
        _aid(name="days_since_living_aid_lapsed", unit="days",
             expression=_known(f"""CASE WHEN {_LAPSED} THEN
                 any_value(as_of_date) - max(end_date) FILTER ({_LIVING} AND NOT ran_this_term) END"""),
             reason="reasons.aid_lapsed", reason_range=(1.0, 400.0)),
        _aid(name="hardship_without_aid", unit="flag", direction=1, audience="counsellor",
             expression=_known(f"{_NEEDS} * CAST(count(*) FILTER (runs) = 0 AS INTEGER)"),
             reason="reasons.hardship_without_aid", reason_range=(1.0, 1.0)),
        _aid(name="hardship_age_days", unit="days", role="fact", source="family", kind="needs_others",
             audience="counsellor", freshness=None, expression="any_value(hardship_age)"),
        _aid(name="aid_record_age_days", unit="days", role="fact",
             expression="min(least(age, CASE WHEN end_date <= as_of_date THEN as_of_date - end_date END))"),
    ),
)  # fmt: skip
