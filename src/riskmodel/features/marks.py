"""Marks, as points out of 100 of the full score.

A round is all that a student sat within a week of the next: a midterm of several subjects is one round, and
round 1 is the latest. Below 60 points is a fail (及格线, the usual pass mark of Chinese schools).
A missed exam is one with the status `absent`; exempt, void and deferred are neither a mark nor missed.
How the marks and their changes stand to those of others in the school-grade is told in `school.py`: exams
differ, so that a change alone is only a fact for words, and so is what mostly tells the calendar (exams sat).
"""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group
from riskmodel.features.periods import PERIODS

_GAP_DAYS = 7
_YEARS_BACK_DAYS = 1095

RELATION = f"""
WITH periods AS ({PERIODS}),
told AS (
    SELECT student_id, exam_date AS date, as_of_date - exam_date AS age, status,
           CASE WHEN status = 'sat' THEN 100 * score / full_score END AS points, periods.*
    FROM grades SEMI JOIN cohort USING (student_id)
    CROSS JOIN periods
    WHERE exam_date <= as_of_date AND exam_date > as_of_date - {_YEARS_BACK_DAYS}
      AND (status = 'absent' OR (status = 'sat' AND score IS NOT NULL))
),
days AS (
    SELECT student_id, age, coalesce(age - lag(age) OVER latest > {_GAP_DAYS}, true) AS begins
    FROM (SELECT DISTINCT student_id, age FROM told WHERE status = 'sat')
    WINDOW latest AS (PARTITION BY student_id ORDER BY age)
),
rounds AS (
    SELECT student_id, age, sum(CAST(begins AS INTEGER)) OVER (PARTITION BY student_id ORDER BY age) AS round
    FROM days
)
SELECT told.*, CASE WHEN status = 'sat' THEN round END AS round
FROM told LEFT JOIN rounds USING (student_id, age)
"""

_TERM = "date >= term_start"
_PREVIOUS = "date BETWEEN previous_start AND previous_end"
_LAST = "round = 1"


def _mean(condition: str) -> str:
    return f"avg(points) FILTER ({condition})"


_marks = partial(Feature, family="study", source="grades", kind="can_act", freshness="days_since_exam")

GROUP = Group(
    "marks",
    RELATION,
    (
        _marks(name="marks_last_round", unit="points", direction=-1, expression=_mean(_LAST),
               reason="reasons.marks_low", reason_range=(0.0, 60.0),
               strength="strengths.marks_good", strength_range=(75.0, 100.0)),
        _marks(name="marks_mean_365d", unit="points", direction=-1, expression=_mean("age < 365"),
               reason="reasons.marks_low_year", reason_range=(0.0, 60.0),
               strength="strengths.marks_good_year", strength_range=(75.0, 100.0)),
        _marks(name="marks_term", unit="points", direction=-1, expression=_mean(_TERM)),
        _marks(name="fails_last_round", unit="count", direction=1,
               expression=f"CASE WHEN max(round) >= 1 THEN count(*) FILTER ({_LAST} AND points < 60) END",
               reason="reasons.marks_fails", reason_range=(1.0, 100.0)),
        _marks(name="fail_share_365d", unit="share", direction=1,
               expression="avg(CAST(points < 60 AS INTEGER)) FILTER (age < 365)",
               reason="reasons.marks_fails_year", reason_range=(0.2, 1.0)),
        _marks(name="missed_exam_share_term", unit="share", direction=1,
               expression=f"avg(CAST(status = 'absent' AS INTEGER)) FILTER ({_TERM})",
               reason="reasons.exams_missed_this_term", reason_range=(0.01, 1.0)),
        _marks(name="missed_exam_share_365d", unit="share", direction=1,
               expression="avg(CAST(status = 'absent' AS INTEGER)) FILTER (age < 365)",
               reason="reasons.exams_missed", reason_range=(0.01, 1.0)),
        _marks(name="worst_mark_last_round", unit="points", direction=-1,
               expression=f"min(points) FILTER ({_LAST})"),
        _marks(name="best_mark_last_round", unit="points", direction=-1,
               expression=f"max(points) FILTER ({_LAST})"),
        _marks(name="marks_spread_last_round", unit="points",
               expression=f"stddev_pop(points) FILTER ({_LAST})"),
        _marks(name="days_since_exam", unit="days", role="fact",
               expression="min(age) FILTER (status = 'sat')"),
        _marks(name="marks_change_round", unit="points", role="fact",
               expression=f"{_mean(_LAST)} - {_mean('round = 2')}"),
        _marks(name="marks_change_term", unit="points", role="fact",
               expression=f"{_mean(_TERM)} - {_mean(_PREVIOUS)}"),
        _marks(name="marks_slope", unit="points", role="fact",
               expression="CASE WHEN max(round) >= 3 THEN regr_slope(points, -age) * 365 END"),
        _marks(name="marks_prior_round", unit="points", role="fact", expression=_mean("round = 2")),
        _marks(name="marks_previous_term", unit="points", role="fact", expression=_mean(_PREVIOUS)),
        _marks(name="missed_exams_365d", unit="count", role="fact",
               expression="count(*) FILTER (status = 'absent' AND age < 365)"),
        _marks(name="exams_sat_term", unit="count", role="fact",
               expression=f"count(*) FILTER (status = 'sat' AND {_TERM})"),
        _marks(name="missed_exams_term", unit="count", role="fact",
               expression=f"count(*) FILTER (status = 'absent' AND {_TERM})"),
        _marks(name="exams_sat_365d", unit="count", role="fact",
               expression="count(*) FILTER (status = 'sat' AND age < 365)"),
        _marks(name="fails_365d", unit="count", role="fact",
               expression="count(*) FILTER (points < 60 AND age < 365)"),
    ),
)  # fmt: skip
