"""Who is expected in a term and not there: a list for schools to verify, and no judgement about anybody.

A row that is missing says nothing about a child. Whoever stands here may sit in another school, may come
next week, or may need a visit: the school finds out, and the roll is put right.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

REASONS = (
    "primary_done", "moved_up", "transfer", "unexplained", "suspension_over", "vanished", "not_renewed",
)  # fmt: skip
"""In the order in which they are worth a look. `primary_done`: ended a school below the last compulsory
grade, grade 6 above all, and nobody has enrolled the child since. `unexplained`: the spell ended, and no
reason is told."""
DAYS_IN_A_GRADE = 400
"""A spell that runs longer was never renewed: a grade lasts a school year."""
_MERGERS = 9
"""So many schools are followed one into the other: two that name each other have no end."""

_EXPECTED = """
WITH RECURSIVE this_term AS (SELECT term_start FROM as_of),
former_term AS (
    SELECT coalesce(max(start_date), DATE '0001-01-01') AS start_date FROM terms
    WHERE start_date < (SELECT term_start FROM this_term)
),
last_spell AS (
    SELECT * FROM enrolments WHERE start_date <= $day
    QUALIFY row_number() OVER (PARTITION BY student_id
        ORDER BY start_date DESC, coalesce(end_date, DATE '9999-12-31') DESC, school_id DESC) = 1
),
gone AS (
    SELECT student_id, school_id, start_date, max(grade) AS grade, max(class_name) AS class_name,
           max(known_until) AS end_date
    FROM raw.enrolments AS spell
    WHERE known_until <= $day AND NOT implied AND spell.end_date IS NULL
      AND student_id NOT IN (SELECT student_id FROM enrolments)
    GROUP BY student_id, school_id, start_date
    QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY start_date DESC, school_id DESC) = 1
),
expected AS (
    SELECT student_id, school_id, start_date, grade, class_name, end_date AS last_day, to_school_id, CASE
        WHEN end_date IS NULL OR end_date >= $day
            THEN CASE WHEN start_date < $day - {days_in_a_grade} THEN 'not_renewed' END
        WHEN exit_reason = 'suspended' THEN CASE WHEN expected_return <= $day THEN 'suspension_over' END
        WHEN end_date < (SELECT start_date FROM former_term) THEN NULL
        WHEN exit_reason = 'graduated' AND grade < $last_grade THEN 'primary_done'
        WHEN exit_reason = 'continued' THEN 'moved_up'
        WHEN exit_reason IS NULL THEN 'unexplained'
        WHEN exit_reason = 'transfer_unconfirmed' THEN 'transfer'
        WHEN exit_reason = 'transferred' AND to_school_id IN (SELECT school_id FROM schools) THEN 'transfer'
        END AS reason
    FROM last_spell
    UNION ALL
    SELECT student_id, school_id, start_date, grade, class_name, end_date, NULL, 'vanished' FROM gone
),
merged AS (
    SELECT school_id, school_id AS heir, 0 AS step FROM schools
    UNION ALL
    SELECT merged.school_id, closed.successor_id, step + 1
    FROM merged JOIN schools AS closed ON closed.school_id = merged.heir
    WHERE closed.open_to < $day AND closed.successor_id IN (SELECT school_id FROM schools)
      AND step < {mergers}
),
heirs AS (SELECT school_id, arg_max(heir, step) AS heir FROM merged GROUP BY school_id),
ledger_says AS (
    SELECT student_id, event, event_date FROM ledger_events
    WHERE event IN ('verified_dropout', 'verified_not_dropout', 'returned') AND event_date <= $day
    QUALIFY row_number() OVER (PARTITION BY student_id
        ORDER BY event_date DESC, event = 'verified_dropout', recorded_on DESC NULLS LAST, event) = 1
)
SELECT coalesce(heir, expected.school_id), reason, grade, coalesce(class_name, ''), student_id,
       coalesce(student.name, ''), coalesce(right(trim(student.roll_number), 4), ''), last_day,
       coalesce(to_school_id, '')
FROM expected LEFT JOIN students AS student USING (student_id) LEFT JOIN heirs USING (school_id)
WHERE reason IS NOT NULL
  AND NOT EXISTS (FROM ledger_says AS says WHERE says.student_id = expected.student_id
                  AND event = 'verified_dropout' AND event_date >= expected.start_date)
""".replace("{days_in_a_grade}", str(DAYS_IN_A_GRADE)).replace("{mergers}", str(_MERGERS))


@dataclass(frozen=True)
class Expected:
    """A student who is expected and not there, as known on a day.

    `school_id`, `grade` and `class_name` are those of the last spell; of a school that is closed the school
    that followed it asks after its children, where one is named. `last_day` its last day (of one whose
    rows are in no file any more the day of that delivery; None: the spell runs). `to_school_id` is the
    school to which a transfer was to lead; empty where that is not known.
    """

    school_id: str
    reason: str
    grade: int
    class_name: str
    student_id: str
    name: str
    number_tail: str
    last_day: date | None
    to_school_id: str


def expected_not_there(store: RecordStore, as_of: AsOf, rule: RegionRule) -> tuple[Expected, ...]:
    """List who is expected in the as-of date's term and has no spell in it, by school, reason, class.

    Nobody is left out, who objects to being scored neither: to verify enrolment is the school's duty.
    """
    found: list[Expected] = []
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket, left_out=None) as reader:
            connection = reader.at(as_of.as_of_date, rule, as_of.term)
            asked = {"day": as_of.as_of_date, "last_grade": rule.last_compulsory_grade}
            found += [Expected(*row) for row in connection.execute(_EXPECTED, asked).fetchall()]
    return tuple(
        sorted(
            found,
            key=lambda one: (
                one.school_id,
                REASONS.index(one.reason),
                -one.grade,
                one.class_name,
                one.student_id,
            ),
        )
    )
