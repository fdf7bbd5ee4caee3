"""The cohort: the students who could leave, as known on the as-of date.

Decisions where the record contract leaves room:

- A spell whose end was announced in advance still runs up to that day, both ends included.
- Of several running spells the one that began last counts, then the one that ends last (open before
  closed), then the greater `school_id`.
- A break belongs to those whose last spell ended in it or in the term before it: who was expected back
  after an earlier break and never came is unaccounted there, and is not expected anew each term.
- `transferred` is within the data only where `to_school_id` names a school of `schools`. An empty one is
  "not known": such a student is back in the cohort as soon as the receiving school reports a spell.
- Of the ledger's `verified_dropout`, `verified_not_dropout` and `returned` the latest decides (by event
  date, then by when it was recorded; on one day a verified dropout yields to the two others). A spell
  that begins after the verification is a return, even if the ledger does not say so.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from riskmodel.domain import RegionRule

if TYPE_CHECKING:
    import duckdb

_COHORT = """
CREATE OR REPLACE TABLE cohort AS
WITH asked_term AS (
    SELECT start_date, end_date FROM terms
    WHERE $as_of_date BETWEEN start_date AND end_date AND ($term IS NULL OR term = $term)
),
term_break AS (
    SELECT
        count(*) = 0
        OR coalesce(bool_or($as_of_date <= start_date + $break_days), false) AS is_running
    FROM asked_term
),
begun AS (
    SELECT *, coalesce(end_date, DATE '9999-12-31') AS last_day
    FROM enrolments
    WHERE start_date <= $as_of_date
),
running AS (
    SELECT * FROM begun
    WHERE last_day >= $as_of_date
      AND (NOT $begun_in_term OR start_date >= (SELECT term_start FROM as_of))
    QUALIFY row_number() OVER (
        PARTITION BY student_id ORDER BY start_date DESC, last_day DESC, school_id DESC
    ) = 1
),
ended_last AS (
    SELECT * FROM begun
    WHERE student_id NOT IN (SELECT student_id FROM begun WHERE last_day >= $as_of_date)
    QUALIFY row_number() OVER (
        PARTITION BY student_id ORDER BY last_day DESC, start_date DESC, school_id DESC
    ) = 1
),
expected_back AS (
    SELECT spell.* FROM ended_last AS spell
    LEFT JOIN schools AS receiving ON receiving.school_id = spell.to_school_id
    WHERE (SELECT is_running FROM term_break) AND NOT $begun_in_term
      AND (
        exit_reason = 'continued'
        OR (exit_reason = 'graduated' AND grade < $last_compulsory_grade)
        OR (exit_reason = 'transferred' AND receiving.school_id IS NOT NULL)
      )
      AND $as_of_date <= coalesce(
        (SELECT min(terms.start_date) FROM terms WHERE terms.start_date > spell.end_date) + $break_days,
        $as_of_date
      )
),
members AS (
    SELECT *, true AS spell_running FROM running
    UNION ALL BY NAME
    SELECT *, false AS spell_running FROM expected_back
),
ledger_says AS (
    SELECT student_id, event, event_date FROM ledger_events
    WHERE event IN ('verified_dropout', 'verified_not_dropout', 'returned')
      AND event_date <= $as_of_date
    QUALIFY row_number() OVER (
        PARTITION BY student_id
        ORDER BY event_date DESC, event = 'verified_dropout', recorded_on DESC NULLS LAST, event
    ) = 1
)
SELECT
    spell.student_id,
    coalesce(student.household_id, spell.student_id) AS household_id,
    spell.school_id,
    school.township,
    CASE WHEN spell.grade <= 6 THEN 'primary' WHEN spell.grade <= 9 THEN 'junior' ELSE 'beyond' END AS stage,
    CAST(spell.grade AS INTEGER) AS grade,
    spell.class_name,
    spell.boards,
    spell.start_date,
    spell.spell_running,
    CASE WHEN NOT spell.spell_running THEN spell.end_date END AS ended_on,
    student.name,
    student.roll_number
FROM members AS spell
LEFT JOIN students AS student USING (student_id)
LEFT JOIN schools AS school ON school.school_id = spell.school_id
LEFT JOIN ledger_says ON ledger_says.student_id = spell.student_id
WHERE ledger_says.event IS DISTINCT FROM 'verified_dropout' OR spell.start_date > ledger_says.event_date
ORDER BY spell.student_id
"""


def create_cohort(
    connection: duckdb.DuckDBPyConnection, *, as_of_date: date, rule: RegionRule, term: str | None
) -> None:
    """Create the relation `cohort` from what a connection holds as known on the as-of date.

    One row per student who could leave, sorted by `student_id`: those with a running spell, and, in a
    break between terms and `rule.break_days` after a term's start, those who are expected back; not
    those whose dropout the ledger has verified. Columns: `student_id`, `household_id` (falls back to the
    student's own id), `school_id`, `township`, `stage` (of `grade`), `grade`, `class_name`, `boards`,
    `start_date` (of the spell), `spell_running` (false: expected back; the other columns are then those
    of the last spell, which ended on `ended_on`), `name`, `roll_number`. What is missing is not known.

    Parameters
    ----------
    connection
        Holds the tables of the record contract and `as_of`, as known on the day.
    as_of_date
        The day whose knowledge counts.
    rule
        What counts in the region on that day.
    term
        The term that was asked for, where terms overlap; None: any term in which the day lies.
    """
    connection.execute(
        _COHORT,
        {
            "as_of_date": as_of_date,
            "term": term,
            "break_days": rule.break_days,
            "begun_in_term": rule.spells_begun_in_term,
            "last_compulsory_grade": rule.last_compulsory_grade,
        },
    )
