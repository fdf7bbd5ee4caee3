"""What is there, per source, school and term: how fresh, how complete, what changed. Counts only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from riskmodel.domain import AsOf, RegionRule
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.contract import TABLES
from riskmodel.records.store import RecordStore

_SPELLS = """
CREATE OR REPLACE TEMP TABLE of_term AS
SELECT DISTINCT term, terms.start_date, terms.end_date, spell.student_id, spell.school_id
FROM terms JOIN enrolments AS spell
ON spell.start_date <= terms.end_date AND coalesce(spell.end_date, DATE '9999-12-31') >= terms.start_date
WHERE terms.start_date <= $day
"""
_MARKS = """
SELECT term, school_id, count(DISTINCT of_term.student_id), max(coalesce(recorded_on, exam_date))
FROM of_term JOIN grades AS mark
ON mark.student_id = of_term.student_id AND mark.exam_date BETWEEN of_term.start_date AND of_term.end_date
GROUP BY term, school_id
"""
_ABSENCES = """
SELECT term, school_id, sum(days_absent), max(coalesce(recorded_on, absence.end_date))
FROM of_term JOIN attendance AS absence
ON absence.student_id = of_term.student_id
   AND absence.end_date BETWEEN of_term.start_date AND of_term.end_date
GROUP BY term, school_id
"""
_FAMILY = """
SELECT term, school_id, count(DISTINCT student_id) FROM of_term
WHERE student_id IN (SELECT student_id FROM family) GROUP BY term, school_id
"""
_ALL = "SELECT term, school_id, count(DISTINCT student_id) FROM of_term GROUP BY term, school_id"
_REPORTED = """
SELECT term, day.school_id, count(*), count(reported.date), max(reported.date)
FROM terms JOIN school_days AS day ON day.date BETWEEN terms.start_date AND terms.end_date
LEFT JOIN reported_days AS reported ON reported.school_id = day.school_id AND reported.date = day.date
WHERE day.date <= $day GROUP BY term, day.school_id
"""


@dataclass(frozen=True)
class SourcePresence:
    """A source: its last delivery, up to where it tells everything, and what the last delivery changed.

    `added` and `withdrawn` count rows that hold by its last delivery, and that this delivery took back.
    `forced` names the doubts that a person overruled in any delivery.
    """

    source: str
    deliveries: int
    delivered_on: date
    complete_to: date | None
    tables: tuple[str, ...]
    added: int
    withdrawn: int
    forced: tuple[str, ...]


@dataclass(frozen=True)
class SchoolTerm:
    """What is there of a school in a term, up to the day.

    `students` have a spell in the term. `newest` is the newest day told by marks, absences and reported days;
    None where nothing is told. `vanished` counts students whose running spell the last delivery no longer
    tells, neither open nor closed (the day's term only).
    """

    term: str
    school_id: str
    students: int = 0
    with_marks: int = 0
    with_family: int = 0
    school_days: int = 0
    reported_days: int = 0
    days_absent: float = 0.0
    newest: date | None = None
    vanished: int = 0

    @property
    def is_silent(self) -> bool:
        """Whether the school told nothing at all in the term: neither a report, nor a mark."""
        return self.students > 0 and self.school_days > 0 and self.newest is None


@dataclass(frozen=True)
class Told:
    """What one source tells of one school in one term: rows of a table, and the newest day of a row."""

    source: str
    term: str
    school_id: str
    table: str
    rows: int
    newest: date


@dataclass(frozen=True)
class Presence:
    """What the records hold on a day; `missing_tables` were delivered by nobody."""

    as_of: AsOf
    sources: tuple[SourcePresence, ...]
    schools: tuple[SchoolTerm, ...]
    told: tuple[Told, ...]
    missing_tables: tuple[str, ...]


def presence(store: RecordStore, as_of: AsOf, rule: RegionRule) -> Presence:
    """Count what was known on a day, by source, and by term and school, the latest term first.

    Nobody is left out, who objects to being scored neither.
    """
    rows: dict[tuple[str, str], SchoolTerm] = {}
    last = max(delivery.delivered_on for delivery in store.manifest.deliveries)
    vanished: dict[str, int] = defaultdict(int)
    told: list[Told] = []
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket, left_out=None) as reader:
            connection = reader.at(as_of.as_of_date, rule, as_of.term)
            connection.execute(_SPELLS, {"day": as_of.as_of_date})
            _add_counts(connection, rows)
            told += _told(connection, as_of.as_of_date)
            if bucket == 0:
                _add_reports(connection, rows, as_of.as_of_date)
            for school, count in _vanished(connection, last):
                vanished[school] += count
    for (term, school), one in rows.items():
        if term == as_of.term and vanished[school]:
            rows[term, school] = replace(one, vanished=vanished[school])
    terms = [term.term for term in store.terms()]
    ordered = sorted(
        (one for one in rows.values() if one.students or one.reported_days),
        key=lambda one: (-terms.index(one.term), one.school_id),
    )
    return Presence(
        as_of,
        _sources(store),
        tuple(ordered),
        _united(told, terms),
        tuple(each.name for each in TABLES if each.name not in store.tables),
    )


def _add_counts(connection: duckdb.DuckDBPyConnection, rows: dict[tuple[str, str], SchoolTerm]) -> None:
    def at(term: str, school: str) -> SchoolTerm:
        return rows.get((term, school), SchoolTerm(term, school))

    for term, school, count in connection.execute(_ALL).fetchall():
        one = at(term, school)
        rows[term, school] = replace(one, students=one.students + count)
    for term, school, count in connection.execute(_FAMILY).fetchall():
        one = at(term, school)
        rows[term, school] = replace(one, with_family=one.with_family + count)
    for term, school, count, newest in connection.execute(_MARKS).fetchall():
        one = at(term, school)
        rows[term, school] = replace(
            one, with_marks=one.with_marks + count, newest=_later(one.newest, newest)
        )
    for term, school, days, newest in connection.execute(_ABSENCES).fetchall():
        one = at(term, school)
        absent = one.days_absent + float(days or 0)
        rows[term, school] = replace(one, days_absent=absent, newest=_later(one.newest, newest))


def _add_reports(
    connection: duckdb.DuckDBPyConnection, rows: dict[tuple[str, str], SchoolTerm], day: date
) -> None:
    for term, school, days, reported, newest in connection.execute(_REPORTED, {"day": day}).fetchall():
        one = rows.get((term, school), SchoolTerm(term, school))
        told = _later(one.newest, newest)
        rows[term, school] = replace(one, school_days=days, reported_days=reported, newest=told)


def _vanished(connection: duckdb.DuckDBPyConnection, delivered_on: date) -> list[tuple[str, int]]:
    """Count, by school, running spells that the last delivery took back, and nothing holds instead."""
    return connection.execute(
        """SELECT school_id, count(DISTINCT student_id) FROM raw.enrolments AS was
           WHERE known_until = $day AND NOT implied AND end_date IS NULL AND NOT EXISTS (
               SELECT 1 FROM raw.enrolments AS now WHERE now.student_id = was.student_id
               AND now.school_id = was.school_id AND now.known_until IS NULL)
           GROUP BY school_id""",
        {"day": delivered_on},
    ).fetchall()


def _told(connection: duckdb.DuckDBPyConnection, day: date) -> list[Told]:
    found = []
    for table, happened in (
        ("enrolments", "start_date"),
        ("attendance", "end_date"),
        ("grades", "exam_date"),
    ):
        within = "true" if table == "enrolments" else f"fact.{happened} BETWEEN t.start_date AND t.end_date"
        same = "AND fact.school_id = t.school_id" if table == "enrolments" else ""
        rows = connection.execute(
            f"""SELECT origin, term, t.school_id, '{table}', count(*), max(known_from)
                FROM of_term AS t JOIN raw.{table} AS fact
                ON fact.student_id = t.student_id {same} AND {within}
                WHERE known_from <= $day AND coalesce(known_until > $day, true) AND NOT implied
                GROUP BY ALL""",
            {"day": day},
        ).fetchall()
        found += [Told(*row) for row in rows]
    return found


def _united(told: list[Told], terms: list[str]) -> tuple[Told, ...]:
    """Add up what the buckets tell of the same, the latest term first."""
    united: dict[tuple[str, ...], Told] = {}
    for one in told:
        key = (one.source, one.term, one.school_id, one.table)
        same = united.get(key)
        united[key] = (
            replace(one, rows=one.rows + same.rows, newest=max(one.newest, same.newest)) if same else one
        )
    return tuple(
        sorted(
            united.values(), key=lambda one: (-terms.index(one.term), one.school_id, one.source, one.table)
        )
    )


def _sources(store: RecordStore) -> tuple[SourcePresence, ...]:
    found = []
    for source in sorted({delivery.source for delivery in store.manifest.deliveries}):
        deliveries = [delivery for delivery in store.manifest.deliveries if delivery.source == source]
        last = deliveries[-1]
        added = withdrawn = 0
        with duckdb.connect(config={"threads": 1}) as connection:
            for name in last.tables:
                files = [str(file) for file in store.files(name)]
                if not files:
                    continue
                more, less = connection.execute(
                    """SELECT count(*) FILTER (delivery = $number AND known_until IS NULL AND NOT implied),
                              count(*) FILTER (known_until = $day AND NOT implied)
                       FROM read_parquet($files) WHERE origin = $source""",
                    {"files": files, "number": last.number, "day": last.delivered_on, "source": source},
                ).fetchall()[0]
                added, withdrawn = added + more, withdrawn + less
        found.append(
            SourcePresence(
                source=source,
                deliveries=len(deliveries),
                delivered_on=last.delivered_on,
                complete_to=store.complete_to(source),
                tables=tuple(sorted({name for delivery in deliveries for name in delivery.tables})),
                added=added,
                withdrawn=withdrawn,
                forced=tuple(sorted({code for delivery in deliveries for code in delivery.forced})),
            )
        )
    return tuple(found)


def _later(one: date | None, other: date | None) -> date | None:
    return max((day for day in (one, other) if day is not None), default=None)
