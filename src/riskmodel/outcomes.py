"""What became of a student: the record contract's outcome by a region's rule, as SQL.

Each step of SQL is a clause of the contract. Decisions where it leaves room:

- A leaving on or before the as-of date that a return had ended by then does not make a student already
  gone; nor does one that was known on the as-of date, for the cohort was formed knowing it. Unexcused
  absence is the exception: whoever had reached the threshold by the as-of date and has not been present
  since is already gone, known or not, for the threshold cannot be reached once more.
- `left_on` is the day after the last day attended (`dropped_out_exit`), `left_on` else `event_date`
  (`verified_by_ledger`), `expected_return` plus the set days (`suspension_overrun`), and the last of the
  consecutive days (`unexcused_absence`). Of several on one day the cause that stands first here holds.
- Who is on another roll by then, which goes on, has changed schools: the former one was late to close its
  spell, whatever reason it wrote. (The contract says nothing of two schools at once.)
- What comes earlier in the ledger, or on the same day, a `verified_not_dropout` cancels.
- A return is a spell that begins, or `returned` in the ledger, on the day of leaving or after it; after
  absence also the next reported school day present.
- A student is due back `break_days` after the start of the first term that begins after the spell's last
  day. A spell whose leaving day lies within the horizon counts, even if the student is due after it: then
  the label is unknown until the due day has passed. An unconfirmed transfer, and an end of which no reason
  is told, are unaccounted at once, and settled by a statement or by a spell that begins up to the due day.
- A confirmed transfer is not leaving. Only who stands in the cohort of a break after one within the data
  is due back.
- A student of whom no spell is known any more on the label date (withdrawn) is unaccounted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from riskmodel.domain import AsOf, RegionRule

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


def tell_leavings(connection: duckdb.DuckDBPyConnection, rule: RegionRule, label_date: date) -> None:
    """Make `spells` and `leavings` of what the connection knows."""
    connection.execute(_SPELLS, {"break_days": rule.break_days})
    connection.execute(_NO_LEAVINGS)
    if rule.dropped_out_exit:
        connection.execute(_DROPPED_OUT)
    if rule.verified_by_ledger:
        connection.execute(_VERIFIED)
    if rule.suspension_overrun_days is not None:
        connection.execute(_SUSPENSION_OVERRUN, {"days": rule.suspension_overrun_days})
    if rule.unexcused_absence is not None:
        connection.execute(_UNEXCUSED_ABSENCE, {"days": rule.unexcused_absence.consecutive_school_days})
    connection.execute("DELETE FROM leavings WHERE left_on > $label_date", {"label_date": label_date})
    connection.execute(_RETURNS)


def judge_cohort(
    connection: duckdb.DuckDBPyConnection,
    as_of: AsOf,
    rule: RegionRule,
    *,
    cohort: Mapping[str, pa.Table],
    known_to: date,
) -> pa.Table:
    """Tell what became of a cohort after its as-of date, from the leavings that `tell_leavings` made.

    Parameters
    ----------
    cohort
        `cohort_then` (`student_id`, `spell_running`), and `known_then`, the leavings (as `KNOWN_THEN` reads
        them) that were known when it was formed.
    known_to
        Up to which day outcomes can be known.

    Returns
    -------
    pa.Table
        A row per student, with the columns of `labels.COLUMNS`.
    """
    for name, rows in cohort.items():
        connection.register(name, rows)
    asked: dict[str, Any] = {
        "as_of_date": as_of.as_of_date,
        "term": as_of.term,
        "horizon_end": as_of.horizon_end,
        "known_to": known_to,
        "is_known": as_of.horizon_end + timedelta(days=rule.outcome_delay_days) <= known_to,
        "last_compulsory_grade": rule.last_compulsory_grade,
    }
    rows = connection.sql(_OUTCOMES, params=asked).to_arrow_table()
    for name in cohort:
        connection.unregister(name)
    return rows


# A spell, the day on which the student is due back after it, and the first spell that goes on beyond it.
_SPELLS = """
CREATE OR REPLACE TABLE spells AS
SELECT
    spell.student_id, spell.school_id, spell.start_date, spell.end_date, spell.grade, spell.exit_reason,
    spell.to_school_id, spell.expected_return,
    (SELECT min(terms.start_date) FROM terms WHERE terms.start_date > spell.end_date) + $break_days AS due_on,
    (
        SELECT min(other.start_date) FROM enrolments AS other
        WHERE other.student_id = spell.student_id
          AND coalesce(other.end_date, DATE '9999-12-31') > spell.end_date
    ) AS next_start
FROM enrolments AS spell
"""

# Of several causes on one day the one that stands first here holds.
_NO_LEAVINGS = """
CREATE OR REPLACE TABLE leavings (
    student_id VARCHAR, left_on DATE,
    cause ENUM ('dropped_out_exit', 'verified_by_ledger', 'suspension_overrun', 'unexcused_absence'),
    present_again_on DATE
)
"""

_DROPPED_OUT = """
INSERT INTO leavings BY NAME
SELECT student_id, end_date + 1 AS left_on, 'dropped_out_exit' AS cause
FROM spells
WHERE exit_reason = 'dropped_out' AND end_date IS NOT NULL AND (next_start IS NULL OR next_start > end_date)
"""

_VERIFIED = """
INSERT INTO leavings BY NAME
SELECT said.student_id, coalesce(said.left_on, said.event_date) AS left_on,
       'verified_by_ledger' AS cause
FROM ledger_events AS said
WHERE said.event = 'verified_dropout' AND NOT EXISTS (
    FROM ledger_events AS other
    WHERE other.student_id = said.student_id AND other.event = 'verified_not_dropout'
      AND other.event_date >= said.event_date
)
"""

_SUSPENSION_OVERRUN = """
INSERT INTO leavings BY NAME
SELECT student_id, expected_return + $days AS left_on, 'suspension_overrun' AS cause
FROM spells
WHERE exit_reason = 'suspended' AND expected_return IS NOT NULL
  AND (next_start IS NULL OR next_start > expected_return + $days)
"""

# Only the days of students who can reach the threshold at all are laid out: they are few. A row may count a
# whole month: its days are known as away only where all of its school days are unexcused.
DAYS_AWAY = """
candidates AS (
    SELECT student_id FROM attendance WHERE days_unexcused >= 1
    GROUP BY student_id HAVING sum(days_unexcused) >= $days
),
school_days_of_student AS (
    SELECT DISTINCT spell.student_id, spell.school_id, day.date
    FROM candidates
    JOIN spells AS spell USING (student_id)
    JOIN school_days AS day
      ON day.school_id = spell.school_id
     AND day.date BETWEEN spell.start_date AND coalesce(spell.end_date, DATE '9999-12-31')
),
fully_unexcused AS (
    SELECT row.student_id, row.start_date, row.end_date
    FROM attendance AS row
    JOIN (SELECT DISTINCT student_id, date FROM school_days_of_student) AS day
      ON day.student_id = row.student_id AND day.date BETWEEN row.start_date AND row.end_date
    GROUP BY row.student_id, row.start_date, row.end_date, row.days_unexcused
    HAVING row.days_unexcused >= count(*)
),
reported AS (
    SELECT
        day.student_id, day.date,
        EXISTS (
            FROM fully_unexcused AS row
            WHERE row.student_id = day.student_id AND day.date BETWEEN row.start_date AND row.end_date
        ) AS is_away
    FROM (
        SELECT DISTINCT student_id, date
        FROM school_days_of_student SEMI JOIN reported_days USING (school_id, date)
    ) AS day
)
"""
"""CTEs for the connection of a day. `reported` (`student_id`, `date`, `is_away`): each reported school day of
whoever can have been away for `$days`. They ask for `spells`, with the columns of `enrolments`."""

_UNEXCUSED_ABSENCE = f"""
INSERT INTO leavings BY NAME
WITH {DAYS_AWAY},
stretches AS (
    SELECT *, count(*) FILTER (NOT is_away) OVER (PARTITION BY student_id ORDER BY date) AS stretch
    FROM reported
),
counted AS (
    SELECT *, count(*) OVER (PARTITION BY student_id, stretch ORDER BY date) AS day_of_stretch
    FROM stretches WHERE is_away
)
SELECT
    student_id, date AS left_on, 'unexcused_absence' AS cause,
    (
        SELECT min(later.date) FROM stretches AS later
        WHERE later.student_id = counted.student_id AND later.stretch = counted.stretch + 1
    ) AS present_again_on
FROM counted
WHERE day_of_stretch = $days AND NOT EXISTS (
    FROM ledger_events AS said
    WHERE said.student_id = counted.student_id AND said.event = 'verified_not_dropout'
      AND said.event_date >= counted.date
)
"""

_RETURNS = """
CREATE OR REPLACE TABLE leavings AS
WITH returns AS (
    SELECT student_id, start_date AS back_on FROM enrolments
    UNION
    SELECT student_id, event_date FROM ledger_events WHERE event = 'returned'
)
SELECT
    student_id, left_on, cause,
    least(min(back_on) FILTER (back_on >= left_on), any_value(present_again_on)) AS back_on
FROM leavings LEFT JOIN returns USING (student_id)
GROUP BY student_id, left_on, cause
"""

KNOWN_THEN = "SELECT student_id, left_on, CAST(cause AS VARCHAR) AS cause FROM leavings"
"""Leavings as rows that can be laid beside those of another day."""

_OUTCOMES = """
WITH gone AS (
    SELECT student_id, min(left_on) AS left_on, arg_min(cause, (left_on, cause)) AS cause
    FROM leavings ANTI JOIN known_then USING (student_id, left_on, cause)
    WHERE left_on <= $as_of_date AND (back_on IS NULL OR back_on > $as_of_date)
    GROUP BY student_id
),
departed AS (
    SELECT student_id, left_on, cause, CASE WHEN back_on <= $horizon_end THEN back_on END AS returned_on
    FROM leavings
    WHERE left_on > $as_of_date AND left_on <= $horizon_end
    QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY left_on, cause) = 1
),
unsettled AS (
    SELECT
        student_id, end_date, next_start,
        CASE coalesce(exit_reason, 'unexplained')
            WHEN 'transfer_unconfirmed' THEN exit_reason WHEN 'unexplained' THEN 'unexplained' ELSE 'not_back'
        END AS cause,
        cause <> 'not_back' OR coalesce(due_on <= $known_to, false) AS is_due
    FROM spells JOIN cohort_then USING (student_id)
    WHERE end_date < $horizon_end
      AND (next_start IS NULL OR (next_start > due_on AND next_start > $as_of_date))
      AND (
        exit_reason IS NULL OR exit_reason IN ('transfer_unconfirmed', 'continued')
        OR (exit_reason = 'graduated' AND grade < $last_compulsory_grade)
        OR (
            exit_reason = 'transferred' AND NOT spell_running
            AND to_school_id IN (SELECT school_id FROM schools)
        )
      )
    QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY is_due DESC, end_date, cause, school_id) = 1
),
withdrawn AS (
    SELECT student_id FROM cohort_then
    ANTI JOIN (SELECT student_id FROM spells WHERE start_date <= $horizon_end) USING (student_id)
),
judged AS (
    SELECT
        student_id,
        CASE
            WHEN gone.student_id IS NOT NULL THEN 'already_gone'
            WHEN departed.student_id IS NOT NULL THEN 'left'
            WHEN unsettled.is_due OR withdrawn.student_id IS NOT NULL THEN 'unaccounted'
            WHEN unsettled.student_id IS NOT NULL THEN 'unknown'
            ELSE 'stayed'
        END AS outcome,
        coalesce(gone.left_on, departed.left_on) AS left_on,
        CAST(coalesce(gone.cause, departed.cause) AS VARCHAR) AS cause_of_leaving,
        CASE
            WHEN withdrawn.student_id IS NOT NULL THEN 'record_withdrawn' ELSE unsettled.cause
        END AS cause_of_doubt,
        CASE WHEN gone.student_id IS NULL THEN departed.returned_on END AS returned_on,
        unsettled.next_start AS arrived_on
    FROM cohort_then
    LEFT JOIN gone USING (student_id)
    LEFT JOIN departed USING (student_id)
    LEFT JOIN unsettled USING (student_id)
    LEFT JOIN withdrawn USING (student_id)
)
SELECT
    CAST($as_of_date AS DATE) AS as_of_date,
    CAST($term AS VARCHAR) AS term,
    CAST($horizon_end AS DATE) AS horizon_end,
    student_id,
    CASE WHEN $is_known THEN outcome ELSE 'unknown' END AS outcome,
    left_on,
    CASE
        WHEN left_on IS NOT NULL THEN cause_of_leaving
        WHEN $is_known AND outcome = 'unaccounted' THEN cause_of_doubt
    END AS cause,
    returned_on,
    CASE WHEN $is_known AND outcome = 'unaccounted' THEN arrived_on END AS arrived_on
FROM judged
ORDER BY student_id
"""
