"""What is wrong with the counts themselves: told beside the rates, and never averaged into them.

Each fault names the schools and the day. A rate of a place that holds such a school stands, with the mark
that it does; nothing is put right by guessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import duckdb

from riskmodel.indicators.counting import Counter, _listed
from riskmodel.official import Fault, OfficialFigure, Place, Span
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

FEW_ON_A_ROLL = 10
"""A roll of fewer may empty from one term to the next (a teaching point)."""
SHRUNK = 0.5

_ROLLS = """
CREATE OR REPLACE TEMP TABLE rolls AS
SELECT day, school_id, beside, CAST(sum(counted_then) AS BIGINT) AS counted_then,
       CAST(sum(counted_now) AS BIGINT) AS counted_now, CAST(sum(twice) AS BIGINT) AS twice
FROM read_parquet({files}) GROUP BY ALL
"""
_MISSING = """
WITH days AS (SELECT day, lag(day) OVER (ORDER BY day) AS before FROM (SELECT DISTINCT day FROM rolls)),
own AS (SELECT * FROM rolls WHERE beside = '')
SELECT days.day, school.school_id, '' AS beside, greatest(was.counted_now, was.counted_then) AS students,
       CASE WHEN coalesce(own.counted_then, 0) > 0 AND coalesce(own.counted_now, 0) = 0
                THEN 'school_withdrawn'
            WHEN coalesce(own.counted_now, 0) = 0 THEN 'school_missing' ELSE 'school_shrunk' END AS code
FROM days JOIN own AS was ON was.day = days.before JOIN school USING (school_id)
LEFT JOIN own ON own.day = days.day AND own.school_id = was.school_id
WHERE coalesce(school.open_to >= days.day, true) AND coalesce(successor_id, '') = ''
  AND greatest(was.counted_now, was.counted_then) >= {few}
  AND coalesce(own.counted_now, 0) < {shrunk} * greatest(was.counted_now, was.counted_then)
"""
_WITHDRAWN = """
SELECT day, school_id, '' AS beside, counted_then AS students, 'school_withdrawn' AS code
FROM rolls WHERE beside = '' AND counted_then >= {few} AND counted_now < {shrunk} * counted_then
"""
_MERGED = """
SELECT day, school_id, coalesce(successor_id, '') AS beside, counted_now AS students,
       CASE WHEN counted_now > 0 THEN 'merged_still_counted' ELSE 'merged' END AS code
FROM (SELECT DISTINCT day FROM rolls) CROSS JOIN school
LEFT JOIN (SELECT * FROM rolls WHERE beside = '') USING (day, school_id)
WHERE (successor_id <> '' OR open_to < day) AND coalesce(open_to, day) <= day
  AND (counted_now > 0
       OR successor_id <> '' AND school_id IN (SELECT school_id FROM rolls WHERE counted_now > 0))
"""
_TWICE = """
SELECT day, school_id, beside, twice AS students,
       CASE WHEN school_id = beside THEN 'spell_twice' ELSE 'two_schools' END AS code
FROM rolls WHERE twice > 0
"""
# Two children of one name and birthday are two where each has a lasting number of its own.
_SAME_CHILD = """
WITH found AS (
    SELECT by_number AS key, school_id, state, student_id, true AS may_be_one
    FROM pupils WHERE by_number IS NOT NULL
    UNION ALL SELECT by_name, school_id, state, student_id, no_lasting_number
    FROM pupils WHERE by_name IS NOT NULL
),
of_one AS (
    SELECT key, min(student_id) AS student_id, min(school_id) AS school_id, max(school_id) AS beside
    FROM found
    GROUP BY key
    HAVING count(DISTINCT student_id) > 1 AND bool_or(state = 'in_school') AND bool_or(may_be_one)
)
SELECT DATE '{day}' AS day, school_id, beside, count(DISTINCT student_id) AS students, 'same_child' AS code
FROM of_one GROUP BY ALL
"""


def find_faults(
    counter: Counter, store: RecordStore, folders: Sequence[Path], *, spans: Sequence[Span], as_of_date: date
) -> tuple[Fault, ...]:
    """Look for schools that are missing, terms told twice, merged schools, and children counted twice."""
    connection = counter.connection
    connection.execute(_ROLLS.format(files=_listed(folder / "rolls.parquet" for folder in folders)))
    _schools(connection, store, as_of_date)
    latest = max((span.first_day for span in spans if span.kind == "year"), default=as_of_date)
    asked = {"few": FEW_ON_A_ROLL, "shrunk": SHRUNK, "day": latest}
    rows: dict[tuple[object, ...], Fault] = {}
    for query in (_MISSING, _WITHDRAWN, _MERGED, _TWICE, _SAME_CHILD):
        for day, school, beside, students, code in connection.execute(query.format(**asked)).fetchall():
            fault = Fault(code, day, str(school), str(beside), int(students or 0), _named(spans, day))
            rows.setdefault((code, day, school, beside), fault)
    found = [*rows.values(), *_terms_twice(store)]
    return tuple(sorted(found, key=lambda fault: (fault.day, fault.code, fault.school_id, fault.beside)))


def doubted(
    found: Iterable[OfficialFigure], faults: Sequence[Fault], places: dict[str, Place]
) -> Iterator[bool]:
    """Tell of each figure whether a fault touches its place within its span."""
    touched: set[tuple[Place, str]] = set()
    for fault in faults:
        for school in {fault.school_id, fault.beside} & places.keys():
            own = places[school]
            for place in (
                own, Place("township", own.county, own.township), Place("county", own.county), Place("region")
            ):  # fmt: skip
                touched |= {(place, name) for name in fault.spans}
        if not fault.school_id:
            touched |= {(Place("region"), name) for name in fault.spans}
    return ((figure.place, figure.span.name) in touched for figure in found)


def _named(spans: Sequence[Span], day: date) -> tuple[str, ...]:
    """Name the spans that the count of a day belongs to, as their first or their last."""
    return tuple(sorted({span.name for span in spans if day in (span.first_day, span.last_day)}))


def _terms_twice(store: RecordStore) -> Iterator[Fault]:
    terms = store.terms()
    for at, one in enumerate(terms):
        for other in terms[at + 1 :]:
            shared = min(one.end_date, other.end_date) - max(one.start_date, other.start_date)
            shorter = min(one.end_date - one.start_date, other.end_date - other.start_date)
            if shared > shorter / 2:
                yield Fault("term_twice", other.start_date, "", f"{one.term} / {other.term}", 0,
                            (one.term, other.term))  # fmt: skip


def _schools(connection: duckdb.DuckDBPyConnection, store: RecordStore, as_of_date: date) -> None:
    with BucketReader(store, 0, left_out=None, only=("schools",)) as reader:
        told = reader.known_on(as_of_date).sql("SELECT school_id, open_to, successor_id FROM schools")
        connection.register("told", told.to_arrow_table())
        connection.execute("CREATE OR REPLACE TEMP TABLE school AS SELECT * FROM told")
        connection.unregister("told")
