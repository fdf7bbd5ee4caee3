"""Attendance, per reported school day: a day that no school reported is not a day present.

What is counted are the school days of the student's own spells that were reported, each once (where spells
overlap, by the one begun last; one within another does not count); without one in a window every value of
that window is not known. Where a row tells a total for several days (a monthly count), it is spread evenly
over the school days within it, so that each window takes its part. Days are school days unless the name of a
feature says otherwise. An absence on a day that was not reported does not lengthen a run, but counts as a day
absent.
"""

from __future__ import annotations

from functools import partial

from riskmodel.features.declaration import Feature, Group
from riskmodel.features.periods import BLOCKS, HISTORY_DAYS, PERIODS, WINDOWS

_COUNTED = ", ".join(
    f"count(*) FILTER ({condition} AND reported) AS reported_{window}"
    for window, condition in WINDOWS.items()
)
_ABSENT = ", ".join(
    f"sum(days_absent) FILTER ({condition}) AS absent_{window}" for window, condition in WINDOWS.items()
)
_UNEXCUSED = ", ".join(
    f"""sum(days_unexcused) FILTER ({WINDOWS[window]}) AS unexcused_{window},
        bool_or(days_unexcused IS NULL AND days_absent > 0) FILTER ({WINDOWS[window]}) AS unsaid_{window}"""
    for window in ("28d", "56d")
)
_SUMMED = ", ".join(f"sum(reported_{window}) AS reported_{window}" for window in WINDOWS)

RELATION = f"""
WITH periods AS ({PERIODS}),
days AS (
    SELECT school.school_id, school.date, reported.date IS NOT NULL AS reported, periods.*,
           as_of_date - school.date AS age,
           count(reported.date) OVER (PARTITION BY school.school_id ORDER BY school.date) AS nth,
           count(reported.date) OVER (PARTITION BY school.school_id) AS nth_last
    FROM school_days AS school
    CROSS JOIN periods
    LEFT JOIN reported_days AS reported USING (school_id, date)
    WHERE school.date BETWEEN followed_from AND as_of_date
),
begun AS (
    SELECT student_id, enrolments.school_id, start_date AS first_day, least(end_date, as_of_date) AS last_day
    FROM enrolments SEMI JOIN cohort USING (student_id) CROSS JOIN periods
    QUALIFY last_day = max(last_day) OVER (PARTITION BY student_id ORDER BY start_date, enrolments.school_id)
),
spells AS (
    SELECT * REPLACE (least(last_day, lead(first_day) OVER later - 1) AS last_day)
    FROM begun WINDOW later AS (PARTITION BY student_id ORDER BY first_day, school_id)
),
counted AS (
    SELECT stay.*, {_COUNTED},
           count(*) FILTER (age < 56) AS school_days_56d,
           min(age) FILTER (reported) AS days_since_report
    FROM (SELECT DISTINCT school_id, first_day, last_day FROM spells) AS stay
    JOIN days ON days.school_id = stay.school_id AND days.date BETWEEN first_day AND last_day
    GROUP BY ALL
),
own AS (
    SELECT student_id, {_SUMMED}, sum(school_days_56d) AS school_days_56d,
           min(days_since_report) AS days_since_report
    FROM spells JOIN counted USING (school_id, first_day, last_day)
    GROUP BY student_id
),
told AS (
    SELECT attendance.*, cohort.school_id
    FROM attendance JOIN cohort USING (student_id) CROSS JOIN periods
    WHERE attendance.end_date >= followed_from
),
spread AS (
    SELECT told.*, days.date, count(*) OVER (PARTITION BY student_id, told.start_date, end_date) AS parts
    FROM told
    LEFT JOIN school_days AS days
    ON days.school_id = told.school_id AND days.date BETWEEN told.start_date AND end_date
    WHERE told.start_date < end_date
),
daily AS (
    SELECT student_id, school_id, end_date AS date, days_absent, days_unexcused, times_late
    FROM told WHERE start_date = end_date
    UNION ALL
    SELECT student_id, school_id, coalesce(date, end_date), days_absent / parts, days_unexcused / parts,
           times_late / parts
    FROM spread
),
whole AS (
    SELECT student_id, age, nth = nth_last AS is_last,
           nth - row_number() OVER (PARTITION BY student_id ORDER BY nth) AS island
    FROM (SELECT student_id, school_id, date FROM daily
          GROUP BY ALL HAVING sum(days_absent) > 0.99)
    JOIN days USING (school_id, date)
    WHERE reported
),
runs AS (
    SELECT student_id, count(*) AS run, min(age) AS age, bool_or(is_last) AS run_is_open
    FROM whole GROUP BY student_id, island
),
longest AS (
    SELECT student_id, max(run) FILTER ({WINDOWS["56d"]}) AS run_56d,
           max(run) FILTER (run_is_open) AS running_run
    FROM runs GROUP BY student_id
),
absences AS (
    SELECT student_id, {_ABSENT}, {_UNEXCUSED}, sum(times_late) FILTER ({WINDOWS["56d"]}) AS late_56d,
           min(age) FILTER (days_absent > 0) AS days_since_absence
    FROM (SELECT daily.*, periods.*, as_of_date - date AS age FROM daily CROSS JOIN periods)
    GROUP BY student_id
)
SELECT own.*, absences.* EXCLUDE (student_id), longest.* EXCLUDE (student_id)
FROM own
LEFT JOIN absences USING (student_id)
LEFT JOIN longest USING (student_id)
"""


def _days(window: str, summed: str = "absent") -> str:
    """Tell a sum over a window; NULL where nothing was reported in it."""
    return f"CASE WHEN reported_{window} > 0 THEN coalesce({summed}_{window}, 0) END"


def _unexcused(window: str) -> str:
    """As `_days`, but NULL where there are absences of which nobody said it."""
    return f"CASE WHEN NOT coalesce(unsaid_{window}, false) THEN {_days(window, 'unexcused')} END"


def _share(window: str, days: str | None = None) -> str:
    """Divide by the days reported, or by more absences where some are told of days that were not."""
    absences = days or _days(window)
    return f"(({absences}) / greatest(({absences}), reported_{window}))"


_attendance = partial(
    Feature, family="attendance", source="attendance", kind="can_act", freshness="attendance_report_age_days"
)

GROUP = Group(
    "attendance",
    RELATION,
    (
        _attendance(name="absence_share_7d", unit="share", direction=1, expression=_share("7d"),
                    reason="reasons.absence_recent", reason_range=(0.1, 1.0)),
        _attendance(name="absence_share_14d", unit="share", direction=1, expression=_share("14d"),
                    reason="reasons.absence_recent", reason_range=(0.05, 1.0)),
        _attendance(name="absence_share_28d", unit="share", direction=1, expression=_share("28d"),
                    reason="reasons.absence_recent", reason_range=(0.03, 1.0)),
        _attendance(name="absence_share_56d", unit="share", direction=1, expression=_share("56d"),
                    reason="reasons.absence_two_months", reason_range=(0.03, 1.0),
                    strength="strengths.attendance_steady", strength_range=(0.0, 0.03)),
        _attendance(name="absence_share_term", unit="share", direction=1, expression=_share("term"),
                    reason="reasons.absence_this_term", reason_range=(0.03, 1.0)),
        _attendance(name="absence_share_change_28d", unit="share", direction=1,
                    expression=f"{_share('28d')} - {_share('prior_28d')}",
                    reason="reasons.absence_recent", reason_range=(0.02, 1.0)),
        _attendance(name="absence_share_change_term", unit="share", direction=1,
                    expression=f"{_share('term')} - {_share('previous_term')}",
                    reason="reasons.absence_since_last_term", reason_range=(0.02, 1.0)),
        _attendance(name="unexcused_absence_share_28d", unit="share", direction=1,
                    expression=_share("28d", _unexcused("28d")),
                    reason="reasons.absence_unexcused", reason_range=(0.01, 1.0)),
        _attendance(name="unexcused_absence_share_56d", unit="share", direction=1,
                    expression=_share("56d", _unexcused("56d")),
                    reason="reasons.absence_unexcused", reason_range=(0.01, 1.0)),
        _attendance(name="longest_absence_run_56d", unit="days", direction=1,
                    expression="CASE WHEN reported_56d > 0 THEN coalesce(run_56d, 0) END",
                    reason="reasons.absence_run", reason_range=(2.0, 400.0)),
        _attendance(name="running_absence_run", unit="days", direction=1,
                    expression="CASE WHEN reported_history > 0 THEN coalesce(running_run, 0) END",
                    reason="reasons.absence_running", reason_range=(2.0, 400.0)),
        _attendance(name="days_since_absence", unit="days", direction=-1,
                    expression=f"""CASE WHEN reported_history > 0
                        THEN least({HISTORY_DAYS}, coalesce(days_since_absence, {HISTORY_DAYS})) END""",
                    strength="strengths.attendance_steady", strength_range=(56.0, float(HISTORY_DAYS))),
        _attendance(name="times_late_56d", unit="count", direction=1,
                    expression=_days("56d", "late"),
                    reason="reasons.lateness", reason_range=(2.0, 400.0)),
        _attendance(name="unreported_share_56d", unit="share",
                    expression="1 - reported_56d / nullif(school_days_56d, 0)"),
        *(
            _attendance(name=f"absence_days_{window}", unit="days", role="fact", expression=_days(window))
            for window in ("14d", "28d", "prior_28d", "56d", "term", "previous_term")
        ),
        _attendance(name="unexcused_absence_days_56d", unit="days", role="fact",
                    expression=_unexcused("56d")),
        *(
            _attendance(name=f"absence_days_block_{n}", unit="days", role="fact",
                        expression=_days(f"block_{n}"))
            for n in BLOCKS
        ),
        _attendance(name="reported_days_56d", unit="days", role="fact",
                    expression="reported_56d"),
        _attendance(name="attendance_report_age_days", unit="days", role="fact",
                    expression="days_since_report"),
    ),
    per_student=True,
)  # fmt: skip
