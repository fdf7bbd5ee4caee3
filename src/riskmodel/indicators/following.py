"""What became, between two days, of the students who were counted on the first: one bucket's, as rows.

Everything is as known on one day. Decisions where the contract leaves room:

- Where a student stands on a day is told by the spell that runs then (of several the one that began last),
  else by the spell that ended last, and by the ledger's latest word up to that day.
- The ledger's `verified_dropout` holds against a running spell (a name on the roll, and no child) and
  against an end that leaves the child unaccounted or suspended; a spell that begins after it is a return.
- Absence alone is no dropout in an official rate: it makes a suspected one, until somebody has verified it.
- Who is expected back after a break is `in_school` until the region's `break_days` of the next term have
  passed, and `not_back` from then on.
- Of a `returned` in the ledger after a dropout with no spell, the roll does not say where: `unexplained`.
- Every child counts, also where a guardian objects to being scored: these are the law's own statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from riskmodel.domain import RegionRule
from riskmodel.official import Span
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.checking.roll_numbers import fault_sql
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore

GROUPS = ("left_behind", "boarding", "migrant", "disability", "hardship", "orphan")
"""Groups by the latest family statement of the span (boarding: by the spell counted on its first day, of who
came later by the one they came on). Who is of no group, or of whom nothing was said, is in none."""

_TABLES = ("schools", "terms", "students", "enrolments", "family", "ledger_events")

# Where each student stands on $day. Who was verified has left on the day that the ledger tells, else on that
# of the word, as in the labels: who is verified in November as gone since August left in the old year. A word
# that the next one took back says nothing of the days before it.
_STANDING = """
WITH last_spell AS (
    SELECT *, coalesce(end_date, DATE '9999-12-31') AS last_day FROM enrolments WHERE start_date <= $day
    QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY
        last_day >= $day DESC, CASE WHEN last_day >= $day THEN start_date END DESC NULLS LAST,
        last_day DESC, start_date DESC, school_id DESC) = 1
),
words AS (
    SELECT *, lead(event) OVER (PARTITION BY student_id
        ORDER BY event_date, event <> 'verified_dropout', recorded_on NULLS FIRST, event DESC) AS next_word
    FROM ledger_events WHERE event IN ('verified_dropout', 'verified_not_dropout', 'returned')
),
says AS (
    SELECT student_id, event, event_date FROM words
    WHERE CASE WHEN event = 'verified_dropout' AND next_word IS DISTINCT FROM 'verified_not_dropout'
               THEN coalesce(left_on, event_date) ELSE event_date END <= $day
    QUALIFY row_number() OVER (PARTITION BY student_id
        ORDER BY event_date DESC, event = 'verified_dropout', recorded_on DESC NULLS LAST, event) = 1
),
due AS (
    SELECT end_date, (SELECT min(terms.start_date) FROM terms WHERE terms.start_date > ends.end_date)
        + $break_days AS due_on
    FROM (SELECT DISTINCT end_date FROM last_spell) AS ends
)
SELECT
    spell.student_id, spell.school_id, CAST(spell.grade AS INTEGER) AS grade,
    coalesce(spell.boards, false) AS boards,
    CASE
        WHEN $by_ledger AND says.event = 'verified_dropout' AND spell.start_date <= says.event_date
             AND (spell.last_day >= $day
                  OR coalesce(exit_reason, '') NOT IN ('died', 'emigrated', 'home_teaching')
                  AND NOT (exit_reason IS NOT DISTINCT FROM 'graduated' AND grade >= $last_grade)
                  AND NOT (exit_reason IS NOT DISTINCT FROM 'transferred' AND receiving.school_id IS NULL))
            THEN 'dropped_out'
        WHEN spell.last_day >= $day THEN 'in_school'
        WHEN exit_reason = 'dropped_out' AND $by_exit THEN
            CASE WHEN says.event = 'returned' AND says.event_date > spell.end_date THEN 'unexplained'
                 ELSE 'dropped_out' END
        WHEN exit_reason = 'suspended' THEN
            CASE WHEN $overrun IS NOT NULL AND expected_return + $overrun < $day THEN 'dropped_out'
                 ELSE 'suspended' END
        WHEN exit_reason = 'graduated' AND grade >= $last_grade THEN 'graduated'
        WHEN exit_reason = 'transferred' AND receiving.school_id IS NULL THEN 'transferred_out'
        WHEN exit_reason IN ('died', 'emigrated', 'home_teaching', 'transfer_unconfirmed') THEN exit_reason
        WHEN exit_reason IN ('continued', 'graduated', 'transferred') THEN
            CASE WHEN due.due_on IS NULL OR $day < due.due_on THEN 'in_school' ELSE 'not_back' END
        ELSE 'unexplained'
    END AS state,
    spell.last_day >= $day AS running
FROM last_spell AS spell
LEFT JOIN says USING (student_id)
LEFT JOIN due ON due.end_date = spell.end_date
LEFT JOIN schools AS receiving ON receiving.school_id = spell.to_school_id
"""

_COUNTED = "state = 'in_school' AND running AND grade <= $last_grade"

_FOLLOWED = """
CREATE OR REPLACE TEMP TABLE followed AS
WITH first AS (SELECT * FROM {on_first} WHERE {counted}),
last AS (SELECT * FROM {on_last}),
here AS (SELECT * FROM last WHERE state = 'in_school' AND grade <= $last_grade),
ended_a_school AS (
    SELECT DISTINCT student_id FROM enrolments
    WHERE exit_reason = 'graduated' AND end_date >= $first_day AND end_date < $last_day
),
known_then AS (
    SELECT known.student_id, known.school_id, known.grade, known.boards FROM counted_then AS known
    JOIN {on_first} AS now USING (student_id)
    WHERE known.first_day = $first_day AND now.state = 'dropped_out'
)
SELECT first.student_id, first.school_id AS first_school, first.grade AS first_grade, first.boards,
       last.state AS outcome, here.school_id AS last_school, here.grade AS last_grade,
       CASE WHEN here.school_id = first.school_id THEN 'same'
            WHEN here.school_id IS NULL THEN NULL
            WHEN ended.student_id IS NOT NULL OR (first.grade <= 6) <> (here.grade <= 6) THEN 'promoted'
            ELSE 'transferred' END AS way
FROM first JOIN last USING (student_id) LEFT JOIN here USING (student_id)
LEFT JOIN ended_a_school AS ended USING (student_id)
UNION ALL BY NAME
SELECT here.student_id, here.school_id AS last_school, here.grade AS last_grade, here.boards,
       CASE WHEN before.student_id IS NOT NULL THEN 'returned' WHEN here.grade = 1 THEN 'entered'
            ELSE 'came' END AS way
FROM here LEFT JOIN (SELECT student_id FROM {on_first}) AS before USING (student_id)
WHERE here.student_id NOT IN (SELECT student_id FROM first)
UNION ALL BY NAME
SELECT student_id, school_id AS first_school, grade AS first_grade, boards, 'already_gone' AS outcome
FROM known_then
"""

_WITH_GROUPS = """
SELECT $name AS span, $kind AS kind, followed.*, coalesce(sex, '') AS sex,
    coalesce(parents_away IN ('one', 'both'), false) AS left_behind, boards AS boarding,
    coalesce(migrant_child, false) AS migrant, coalesce(disability <> 'none', false) AS disability,
    coalesce(hardship <> 'none', false) AS hardship,
    coalesce(hardship IN ('orphan', 'de_facto_unsupported'), false) AS orphan,
    CASE WHEN outcome = 'dropped_out' THEN coalesce(reason, '') END AS reason
FROM followed
LEFT JOIN students USING (student_id)
LEFT JOIN (
    SELECT student_id, arg_max(parents_away, recorded_on) FILTER (parents_away IS NOT NULL) AS parents_away,
           arg_max(migrant_child, recorded_on) FILTER (migrant_child IS NOT NULL) AS migrant_child,
           arg_max(disability, recorded_on) FILTER (disability IS NOT NULL) AS disability,
           arg_max(hardship, recorded_on) FILTER (hardship IS NOT NULL) AS hardship
    FROM family WHERE recorded_on <= $last_day GROUP BY student_id
) USING (student_id)
LEFT JOIN (
    SELECT student_id, arg_max(reason, event_date) AS reason FROM ledger_events
    WHERE reason IS NOT NULL AND coalesce(left_on, event_date) <= $last_day GROUP BY student_id
) USING (student_id)
"""

# Who may be in a population register: keys of a hash, so that no name lies in a file beside the records.
# A temporary number (L…) gives way to a permanent one, a wrong one to the right one: two ids may be one
# child's.
NO_LASTING_NUMBER = f"""(coalesce(trim(roll_number), '') = '' OR upper(trim(roll_number)) LIKE 'L%'
       OR {fault_sql("upper(trim(roll_number))")} IS NOT NULL)"""
_PUPILS = """
SELECT student_id, school_id, state, birth_date, coalesce(sex, '') AS sex,
       md5(nullif(upper(trim(roll_number)), '')) AS by_number,
       md5(trim(name) || '|' || birth_date) AS by_name,
       {no_lasting_number} AS no_lasting_number
FROM {on_first} LEFT JOIN students USING (student_id)
"""


# Each school's roll on a day: as known then, as known now, and who runs in a second spell beside.
_ROLLS = """
SELECT DATE '{day}' AS day, school_id, beside, counted_then, counted_now, twice FROM (
    SELECT school_id, '' AS beside, count(*) FILTER (known = 'then') AS counted_then,
           count(*) FILTER (known = 'now') AS counted_now, 0 AS twice
    FROM (SELECT school_id, 'then' AS known FROM counted_then WHERE first_day = DATE '{day}'
          UNION ALL SELECT school_id, 'now' FROM {on_first}
          WHERE state = 'in_school' AND running AND grade <= {last_grade})
    GROUP BY ALL
    UNION ALL
    SELECT one.school_id, two.school_id AS beside, 0, 0, count(DISTINCT one.student_id) AS twice
    FROM enrolments AS one JOIN enrolments AS two ON one.student_id = two.student_id
         AND (one.start_date, one.school_id) < (two.start_date, two.school_id)
    WHERE DATE '{day}' BETWEEN one.start_date AND coalesce(one.end_date, DATE '9999-12-31')
      AND DATE '{day}' BETWEEN two.start_date AND coalesce(two.end_date, DATE '9999-12-31')
    GROUP BY ALL
)
"""


@dataclass(frozen=True)
class FollowTask:
    """One bucket, the day of knowledge, and the spans. Picklable.

    `rules` holds the region's rule of what counts as leaving, span by span. `register_day`: the day on which
    pupils are looked up in the population registers.
    """

    store: Path
    bucket: int
    as_of_date: date
    spans: tuple[Span, ...]
    rules: tuple[RegionRule, ...]
    register_day: date
    register_rule: RegionRule
    out: Path


def follow_bucket(task: FollowTask) -> Path:
    """Write `followed`, `pupils` and `rolls` (`.parquet`) of a bucket into the folder `task.out`.

    `followed`: a row per span and student who was counted on its first day (`outcome`), or who had gone by
    then, which was recorded later (`already_gone`), or who is on a roll on the last day only (`way`).
    """
    store = RecordStore.open(task.store)
    task.out.mkdir(parents=True, exist_ok=True)
    with BucketReader(store, task.bucket, left_out=None, only=_TABLES) as reader:
        connection = reader.known_on(task.as_of_date)
        _count_then(reader, task)
        reader.known_on(task.as_of_date)
        pieces = []
        standing = _Standing(connection)
        for number, (span, rule) in enumerate(zip(task.spans, task.rules, strict=True)):
            on = {"on_first": standing.on(span.first_day, rule), "on_last": standing.on(span.last_day, rule)}
            days = {"first_day": span.first_day, "last_day": span.last_day}
            asked = days | {"last_grade": rule.last_compulsory_grade}
            connection.execute(_FOLLOWED.format(counted=_COUNTED, **on), asked)
            connection.execute(
                f"CREATE TEMP TABLE piece_{number} AS {_WITH_GROUPS}",
                {"name": span.name, "kind": span.kind, "last_day": span.last_day},
            )
            pieces.append(f"FROM piece_{number}")
        _write(connection, " UNION ALL BY NAME ".join(pieces), task.out / "followed.parquet")
        pupils = standing.on(task.register_day, task.register_rule)
        _write(
            connection,
            _PUPILS.format(on_first=pupils, no_lasting_number=NO_LASTING_NUMBER),
            task.out / "pupils.parquet",
        )
        rules = {span.first_day: rule for span, rule in zip(task.spans, task.rules, strict=True)}
        for day, rule in rules.items():
            standing.on(day, rule)
        rolls = [
            _ROLLS.format(day=day, on_first=standing.on(day, rule), last_grade=rule.last_compulsory_grade)
            for day, rule in rules.items()
        ]
        _write(connection, " UNION ALL ".join(rolls), task.out / "rolls.parquet")
    return task.out


class _Standing:
    """Relations of where each student stands, each made once: spans share their days."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._made: dict[tuple[date, RegionRule], str] = {}

    def on(self, day: date, rule: RegionRule) -> str:
        """Return the name of the relation of a day."""
        if (day, rule) not in self._made:
            name = f"standing_{len(self._made)}"
            stand(self._connection, name, day, rule)
            self._made[day, rule] = name
        return self._made[day, rule]


def stand(connection: duckdb.DuckDBPyConnection, name: str, day: date, rule: RegionRule) -> None:
    """Make the relation `name`: where each student stands on a day, by what the connection knows."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS {_STANDING}",
        {
            "day": day,
            "break_days": rule.break_days,
            "last_grade": rule.last_compulsory_grade,
            "by_ledger": rule.verified_by_ledger,
            "by_exit": rule.dropped_out_exit,
            "overrun": rule.suspension_overrun_days,
        },
    )


def _count_then(reader: BucketReader, task: FollowTask) -> None:
    """Make `counted_then`: who was counted on each first day, as known on that day."""
    connection = reader.known_on(task.as_of_date)
    connection.execute(
        """CREATE TEMP TABLE counted_then
           (first_day DATE, student_id VARCHAR, school_id VARCHAR, grade INTEGER, boards BOOLEAN)"""
    )
    rules = {span.first_day: rule for span, rule in zip(task.spans, task.rules, strict=True)}
    for day, rule in rules.items():
        stand(reader.known_on(day), "on_first", day, rule)
        connection.execute(
            f"""INSERT INTO counted_then SELECT $day, student_id, school_id, grade, boards
                FROM on_first WHERE {_COUNTED}""",
            {"day": day, "last_grade": rule.last_compulsory_grade},
        )


def _write(connection: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    import pyarrow.parquet as pq

    with whole_file(file) as beside:
        pq.write_table(connection.sql(query).to_arrow_table(), beside, compression="zstd")
