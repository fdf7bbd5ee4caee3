"""The student among the others of the school-grade, and the school: the second stage.

It reads what the first stage made of every student of one as-of date (`students`, one row each) and what
was known of earlier leavers (`leaving`, counts per school and stage). A percentile is from 0 to 1, ties in
the middle, and not known with fewer than five others to compare with. Who is expected back after a break and
has not come is compared with the others of whom that is true, and not with the year below, which is in the
grade now. The current cohort's own outcomes are never counted: with them a peers' rate tells the answer.

How often students left a school is counted over the year that ended `outcome_delay_days` before the as-of
date, among all who had a spell in it: (left + 200 r) / (students + 200), where r is the county's share in
the same stage. So 200 students of the county stand beside each school's own, and a small school without a
leaver does not read as safe. Not known where the records begin later than that year.
"""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group
from riskmodel.features.peers import ENOUGH, median, percentile

_SHRINKAGE_STUDENTS = 200
_LOOK_BACK_DAYS = 365

LEAVING = f"""
WITH earlier AS (
    SELECT as_of_date - CAST($delay AS INTEGER) AS until,
           as_of_date - CAST($delay AS INTEGER) - {_LOOK_BACK_DAYS} AS since
    FROM as_of
),
closed_late AS (
    SELECT DISTINCT spell.student_id, spell.end_date FROM enrolments AS spell
    JOIN enrolments AS other ON other.student_id = spell.student_id AND other.start_date <= spell.end_date
        AND coalesce(other.end_date > spell.end_date, true)
    WHERE spell.exit_reason = 'dropped_out'
)
SELECT spell.school_id, coalesce(any_value(township), '') AS township,
       CASE WHEN grade <= 6 THEN 'primary' WHEN grade <= 9 THEN 'junior' ELSE 'beyond' END AS stage,
       count(DISTINCT spell.student_id) FILTER (
           spell.start_date < until AND coalesce(spell.end_date >= since, true)) AS students,
       count(DISTINCT spell.student_id) FILTER (
           exit_reason = 'dropped_out' AND spell.end_date + 1 BETWEEN since AND until
           AND closed_late.end_date IS NULL) AS leavers,
       min(spell.start_date) <= any_value(since) AS reaches_back
FROM enrolments AS spell CROSS JOIN earlier LEFT JOIN schools ON schools.school_id = spell.school_id
LEFT JOIN closed_late ON closed_late.student_id = spell.student_id AND closed_late.end_date = spell.end_date
GROUP BY ALL
"""
"""Per school and stage of one bucket: `students` with a spell in the earlier year, `leavers` of them, and
whether the records reach back to its start. Who stood on another roll that goes on when the former one was
closed has not left, as in the labels. Who left is no longer in the cohort, hence a table of its own."""

_SHRUNK = f"(leavers + {_SHRINKAGE_STUDENTS} * county_rate) / (students + {_SHRINKAGE_STUDENTS})"

RELATION = f"""
WITH county AS (
    SELECT stage, sum(leavers) / nullif(sum(students), 0) AS county_rate
    FROM leaving WHERE (SELECT bool_or(reaches_back) FROM leaving) GROUP BY stage
),
by_school AS (
    SELECT school_id, stage, sum(students) AS students, sum(leavers) AS leavers FROM leaving GROUP BY ALL
),
by_township AS (
    SELECT township, stage, sum(students) AS students, sum(leavers) AS leavers FROM leaving GROUP BY ALL
),
school_rates AS (
    SELECT school_id, stage, {_SHRUNK} AS school_rate FROM by_school JOIN county USING (stage)
),
township_rates AS (
    SELECT township, stage, {_SHRUNK} AS township_rate FROM by_township JOIN county USING (stage)
),
grades AS (
    SELECT school_id, grade, spell_running,
           sum(count(*)) OVER (PARTITION BY school_id, grade) AS grade_students,
           sum(count(*)) OVER (PARTITION BY school_id) AS school_students,
           count(missed_exam_share_term) AS grade_exams_known,
           avg(missed_exam_share_term) AS grade_missed_share
    FROM students GROUP BY school_id, grade, spell_running
)
SELECT students.*, grades.* EXCLUDE (school_id, grade, spell_running),
       coalesce(school_rate, county_rate) AS school_rate,
       coalesce(township_rate, county_rate) AS township_rate
FROM students
JOIN grades USING (school_id, grade, spell_running)
LEFT JOIN county USING (stage)
LEFT JOIN school_rates USING (school_id, stage)
LEFT JOIN township_rates USING (township, stage)
"""


def _above(column: str) -> str:
    """Own value less the median of the school-grade."""
    return f"{column} - {median(column)}"


_attendance = partial(
    Feature, family="attendance", source="attendance", kind="can_act", freshness="attendance_report_age_days"
)
_marks = partial(Feature, family="study", source="grades", kind="can_act", freshness="days_since_exam")
_school = partial(Feature, family="school", source="enrolments", kind="background")

GROUP = Group(
    "school",
    RELATION,
    (
        _attendance(name="absence_percentile_7d", unit="share", direction=1,
                    expression=percentile("absence_share_7d")),
        _attendance(name="absence_percentile_28d", unit="share", direction=1,
                    expression=percentile("absence_share_28d"),
                    reason="reasons.absence_recent", reason_range=(0.6, 1.0)),
        _attendance(name="absence_percentile_56d", unit="share", direction=1,
                    expression=percentile("absence_share_56d"),
                    reason="reasons.absence_two_months", reason_range=(0.6, 1.0)),
        _attendance(name="absence_percentile_term", unit="share", direction=1,
                    expression=percentile("absence_share_term"),
                    reason="reasons.absence_this_term", reason_range=(0.6, 1.0)),
        _attendance(name="absence_change_percentile_28d", unit="share", direction=1,
                    expression=percentile("absence_share_change_28d")),
        _attendance(name="absence_run_percentile_56d", unit="share", direction=1,
                    expression=percentile("longest_absence_run_56d")),
        _attendance(name="days_since_absence_percentile", unit="share", direction=-1,
                    expression=percentile("days_since_absence")),
        *(
            _attendance(name=f"absence_share_above_grade_{window}", unit="share", direction=1,
                        expression=_above(f"absence_share_{window}"),
                        reason=f"reasons.{told}", reason_range=(0.03, 1.0))
            for window, told in (("7d", "absence_recent"), ("28d", "absence_recent"),
                                 ("56d", "absence_two_months"))
        ),
        *(
            _attendance(name=f"grade_median_absence_days_{window}", unit="days", role="fact",
                        expression=median(f"absence_days_{window}"))
            for window in ("28d", "56d", "term")
        ),
        _marks(name="marks_percentile_365d", unit="share", direction=-1,
               expression=percentile("marks_mean_365d"),
               reason="reasons.marks_low_year", reason_range=(0.0, 0.3),
               strength="strengths.marks_good_year", strength_range=(0.6, 1.0)),
        _marks(name="marks_percentile_change_term", unit="share", direction=-1,
               expression=f"{percentile('marks_term')} - {percentile('marks_previous_term')}",
               reason="reasons.marks_fell_since_last_term", reason_range=(-1.0, -0.1),
               strength="strengths.marks_rose_since_last_term", strength_range=(0.1, 1.0)),
        _marks(name="marks_change_above_grade_round", unit="points", direction=-1,
               expression=_above("marks_change_round"),
               reason="reasons.marks_fell", reason_range=(-100.0, -3.0),
               strength="strengths.marks_rose", strength_range=(3.0, 100.0)),
        _marks(name="marks_change_above_grade_term", unit="points", direction=-1,
               expression=_above("marks_change_term"),
               reason="reasons.marks_fell_since_last_term", reason_range=(-100.0, -3.0),
               strength="strengths.marks_rose_since_last_term", strength_range=(3.0, 100.0)),
        _marks(name="marks_slope_above_grade", unit="points", direction=-1, expression=_above("marks_slope")),
        _marks(name="missed_exam_share_above_grade_term", unit="share", direction=1,
               expression=f"""CASE WHEN grade_exams_known > {ENOUGH}
                   THEN missed_exam_share_term - grade_missed_share END""",
               reason="reasons.exams_missed_this_term", reason_range=(0.01, 1.0)),
        _marks(name="grade_median_marks_last_round", unit="points", role="fact",
               expression=median("marks_last_round")),
        _marks(name="grade_median_marks_365d", unit="points", role="fact",
               expression=median("marks_mean_365d")),
        _marks(name="grade_median_marks_change_round", unit="points", role="fact",
               expression=median("marks_change_round")),
        _marks(name="grade_median_marks_change_term", unit="points", role="fact",
               expression=median("marks_change_term")),
        Feature(name="years_older_than_grade", unit="years", family="age_and_grade", source="students",
                direction=1, kind="background",
                expression=_above("years_over_grade_age"),
                reason="reasons.older_than_grade", reason_range=(0.8, 20.0)),
        _school(name="school_students", unit="count", role="audit",
                expression="school_students"),
        _school(name="school_grade_students", unit="count", role="audit",
                expression="grade_students"),
        _school(name="school_leaving_share_earlier", unit="share", direction=1, expression="school_rate"),
        _school(name="township_leaving_share_earlier", unit="share", direction=1, expression="township_rate"),
    ),
)  # fmt: skip
