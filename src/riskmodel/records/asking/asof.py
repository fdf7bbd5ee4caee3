"""Records as known on a day: nothing else can be reached through the connection's own names.

Everything stored of one bucket is loaded once into a schema of its own (`raw`); for each as-of date the
relations of the contract are made from it, in full, so that a query at one date never sees another. One of
which nothing became known between two dates, and nothing was withdrawn, stays as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from datetime import date
from pathlib import Path
from types import TracebackType

import duckdb

from riskmodel.domain import NOBODY, LeftOut, RegionRule
from riskmodel.records.asking.cohort import create_cohort
from riskmodel.records.asking.consent import leave_out
from riskmodel.records.contract import ATTENDANCE, GRADES, TABLES, Table
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.keeping.rows import (
    STORED,
    column_types,
    latest_first,
    quoted,
    statement_of,
    township_of_one_place,
)
from riskmodel.records.store import RecordStore

KNOWN = "known_from <= $day AND (known_until IS NULL OR known_until > $day)"

_AS_OF = """
CREATE OR REPLACE TABLE as_of AS
WITH chosen AS (
    SELECT term, start_date, end_date FROM terms
    WHERE ($term IS NULL AND start_date <= $day) OR term = $term
    ORDER BY end_date >= $day DESC, start_date DESC, term DESC
    LIMIT 1
)
SELECT CAST($day AS DATE) AS as_of_date, term, start_date AS term_start, end_date AS term_end
FROM (SELECT 1) LEFT JOIN chosen ON true
"""

# A calendar row of one school wins over a row that holds for all (its school_id is empty).
_SCHOOL_DAYS = """
CREATE OR REPLACE TABLE school_days AS
WITH term_days AS (
    SELECT DISTINCT CAST(unnest(generate_series(start_date, end_date, INTERVAL 1 DAY)) AS DATE) AS date
    FROM terms
),
usual AS (
    SELECT coalesce(term_days.date, calendar.date) AS date,
           coalesce(calendar.is_school_day, isodow(term_days.date) <= 5) AS is_school_day
    FROM term_days
    FULL JOIN (SELECT * FROM calendar WHERE coalesce(school_id, '') = '') AS calendar
    ON calendar.date = term_days.date
),
own AS (
    SELECT school_id, date, is_school_day FROM calendar WHERE school_id <> ''
),
days AS (
    SELECT schools.school_id, usual.date, coalesce(own.is_school_day, usual.is_school_day) AS is_school_day
    FROM schools CROSS JOIN usual
    LEFT JOIN own ON own.school_id = schools.school_id AND own.date = usual.date
    UNION ALL
    SELECT school_id, date, is_school_day FROM own ANTI JOIN usual ON usual.date = own.date
)
SELECT days.school_id, days.date FROM days JOIN schools USING (school_id)
WHERE is_school_day
  AND days.date BETWEEN coalesce(open_from, DATE '0001-01-01') AND coalesce(open_to, DATE '9999-12-31')
ORDER BY days.school_id, days.date
"""

_REPORTED_IN_PERIODS = """
CREATE OR REPLACE TABLE reported_days AS
SELECT school_id, date FROM school_days
WHERE date <= $day AND EXISTS (
    SELECT 1 FROM attendance_reports AS report
    WHERE report.school_id = school_days.school_id
      AND school_days.date BETWEEN report.start_date AND report.end_date
)
ORDER BY school_id, date
"""

_REPORTED_UP_TO = """
CREATE OR REPLACE TABLE reported_days AS
SELECT school_id, date FROM school_days WHERE date <= $day ORDER BY school_id, date
"""

# A row counts from its end date; where a daily row lies inside a longer one, the daily rows hold.
_ATTENDANCE_HOLDS = """
DELETE FROM attendance WHERE end_date > $day;
DELETE FROM attendance AS longer
WHERE longer.start_date < longer.end_date AND EXISTS (
    SELECT 1 FROM attendance AS daily
    WHERE daily.student_id = longer.student_id AND daily.start_date = daily.end_date
      AND daily.start_date BETWEEN longer.start_date AND longer.end_date
)
"""


def corrected_rows(of: Table) -> str:
    """Return the SQL of a stored file's rows (`$file`) as if what was withdrawn had never been said.

    A row that replaced a withdrawn one is known from when that one was: it says the same statement (key, and
    when it was recorded) of the same source, only rightly. Nothing else is known any earlier.
    """
    same = ", ".join(["origin", *statement_of(of)])
    return f"""
        SELECT * EXCLUDE (said_from)
                 REPLACE (least(known_from, coalesce(said_from, known_from)) AS known_from)
        FROM (
            SELECT *, min(known_from) FILTER (known_until IS NOT NULL) OVER (PARTITION BY {same}) AS said_from
            FROM read_parquet($file)
        ) WHERE known_until IS NULL"""


def held_rows(of: Table, columns: Iterable[str]) -> str:
    """Return the SQL of the rows of a table that hold on `$day`: known by then, each key's latest statement.

    It reads the schema `raw` of a `BucketReader`'s connection; what a longer attendance row loses to the
    daily rows inside it is not cut here.
    """
    named = quoted(columns)
    return f"""
        SELECT {named} FROM raw.{of.name} WHERE single AND {KNOWN}
        UNION ALL
        SELECT {named} FROM (
            SELECT * FROM raw.{of.name} WHERE NOT single AND {KNOWN}
            QUALIFY row_number() OVER (PARTITION BY {quoted(of.key)} ORDER BY {latest_first(of)}) = 1
        )"""


class BucketReader:
    """One bucket of the store, and the tables that hold for all students, cut at any day.

    Parameters
    ----------
    store
        The record store, or its folder.
    bucket
        Which bucket, from 0.
    threads, memory_limit
        What the engine may use; beyond the limit it fails and does not spill personal data to a disk.
    corrected
        Take what was corrected since for what was said then: for scoring a day again, never for learning.
    left_out
        Of whom no row is loaded; those who object in the records' own consents are always left out. None:
        nobody is, for counts that the law asks of every child.
    only
        Names of the tables to load, the others being there and empty; None: all.
    """

    def __init__(
        self, store: RecordStore | Path, bucket: int, *, threads: int = 1, memory_limit: str = "1GB",
        corrected: bool = False, left_out: LeftOut | None = NOBODY, only: Collection[str] | None = None,
    ) -> None:  # fmt: skip
        self._only = frozenset(each.name for each in TABLES if only is None or each.name in only)
        self._corrected = corrected
        self._store = store if isinstance(store, RecordStore) else RecordStore.open(store)
        self._changes: dict[str, list[date]] = {}
        self._shown: dict[str, int] = {}
        settings = duckdb_settings(threads=threads, memory_limit=memory_limit)
        self._connection = duckdb.connect(config=settings)
        self._load(bucket)
        if left_out is not None:
            leave_out(self._connection, left_out)

    def __enter__(self) -> BucketReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all rows."""
        self._connection.close()

    def at(self, as_of_date: date, rule: RegionRule, term: str | None = None) -> duckdb.DuckDBPyConnection:
        """Return a connection whose relations hold only what was known on a day.

        One relation per table of the contract, each key once (its latest statement), contract columns;
        and `as_of`, `cohort`, `school_days`, `reported_days`, `tables_present`. The connection is always
        the same: a second call replaces what the first one made.

        Parameters
        ----------
        as_of_date
            The day whose knowledge counts.
        rule
            What counts as leaving in the region on that day.
        term
            The term meant, where terms overlap. None: the term that holds the day (of several the one
            begun last), else the last one begun before it. `as_of` has an empty term where there is none.
        """
        connection = self._connection
        cut = {each.name for each in TABLES if self._cut(each, as_of_date)}
        for statement in _ATTENDANCE_HOLDS.split(";"):
            connection.execute(statement, {"day": as_of_date} if "$day" in statement else None)
        connection.execute(_AS_OF, {"day": as_of_date, "term": term})
        if cut & {"schools", "terms", "calendar"}:
            connection.execute(_SCHOOL_DAYS)
        self._reported_days(as_of_date)
        create_cohort(connection, as_of_date=as_of_date, rule=rule, term=term)
        return connection

    def known_on(self, day: date) -> duckdb.DuckDBPyConnection:
        """Return the connection with the loaded tables cut at a day, and nothing derived from them."""
        for each in TABLES:
            if each.name in self._only:
                self._cut(each, day)
        return self._connection

    def _load(self, bucket: int) -> None:
        connection = self._connection
        connection.execute("CREATE SCHEMA raw")
        for each in TABLES:
            columns = ", ".join(f'"{n}" {t}' for n, t in (column_types(each) | STORED).items())
            connection.execute(f"CREATE TABLE raw.{each.name} ({columns}, single BOOLEAN)")
            file = self._store.file(each.name, bucket) if each.name in self._only else None
            stored = corrected_rows(each) if self._corrected else "SELECT * FROM read_parquet($file)"
            if file is not None:
                # Most facts have one statement: knowing which spares a sort at every as-of date.
                connection.execute(
                    f"""INSERT INTO raw.{each.name} BY NAME
                        SELECT *, count(*) OVER (PARTITION BY {quoted(each.key)}) = 1 AS single
                        FROM ({stored})""",
                    {"file": str(file)},
                )
            self._changes[each.name] = self._days_of_change(each)
        self._name_townships()
        connection.execute("CREATE TABLE tables_present (table_name VARCHAR)")
        for name in self._store.tables:
            connection.execute("INSERT INTO tables_present VALUES ($name)", {"name": name})

    def _days_of_change(self, of: Table) -> list[date]:
        found = self._connection.execute(
            f"""SELECT DISTINCT day FROM (SELECT unnest([known_from, known_until]) AS day FROM raw.{of.name})
                WHERE day IS NOT NULL ORDER BY day"""
        )
        return [day for (day,) in found.fetchall()]

    def _name_townships(self) -> None:
        file = self._store.file("schools")
        for name in ("schools", "population") if file is not None else ():
            township = township_of_one_place("read_parquet($file)")
            self._connection.execute(f"UPDATE raw.{name} SET township = {township}", {"file": str(file)})

    def _cut(self, of: Table, day: date) -> bool:
        """Make a table as known on a day; tell whether it had to be: it may be as on the day before."""
        shown = bisect_right(self._changes[of.name], day)
        if shown == self._shown.get(of.name) and of is not ATTENDANCE:
            return False
        held = held_rows(of, column_types(of))
        if of is GRADES:
            # By far the most rows, which one query reads: a copy would take as long as reading them.
            held = held.replace("$day", f"DATE '{day}'")
            self._connection.execute(f"CREATE OR REPLACE VIEW main.{of.name} AS {held}")
        else:
            self._connection.execute(f"CREATE OR REPLACE TABLE main.{of.name} AS {held}", {"day": day})
        self._shown[of.name] = shown
        return True

    def _reported_days(self, day: date) -> None:
        if "attendance" not in self._store.tables:
            self._connection.execute(_REPORTED_UP_TO, {"day": date.min})
        elif "attendance_reports" in self._store.tables:
            self._connection.execute(_REPORTED_IN_PERIODS, {"day": day})
        else:
            self._connection.execute(_REPORTED_UP_TO, {"day": self._store.manifest.attendance_told_to(day)})
