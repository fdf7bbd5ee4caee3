"""The age group as other registers know it, and which of its children are found in school.

A person is looked up by roll number; where that finds nobody, by name and birth date, unless both sides have
a lasting number: then they are two of one name. What is compared are hashes of both. Who is found at several
students' names counts as the one who is in school.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from riskmodel.indicators.counting import _PLACE, STAGES, Cell, Counter, _dicts, _listed, _place
from riskmodel.indicators.following import NO_LASTING_NUMBER
from riskmodel.official import LEVELS, By, IndicatorRule, Level, Span
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

IN_SCHOOL = ("in_school", "graduated", "home_teaching", "transferred_out")
GONE = ("died", "emigrated")
_AGED = """
CREATE OR REPLACE TEMP TABLE {name} AS
SELECT *, CASE WHEN age BETWEEN {p0} AND {p1} THEN 'primary'
               WHEN age BETWEEN {j0} AND {j1} THEN 'junior' END AS stage
FROM (
    SELECT *, date_diff('year', birth_date, DATE '{on}')
        - CASE WHEN (month(birth_date), day(birth_date)) > ({month}, {day}) THEN 1 ELSE 0 END AS age
    FROM {of}
)
WHERE age BETWEEN {p0} AND {p1} OR age BETWEEN {j0} AND {j1}
"""

_LOOKED_UP = """
CREATE OR REPLACE TEMP TABLE looked_up AS
WITH ranked AS (
    SELECT by_number, by_name, no_lasting_number, CASE WHEN list_contains({in_school}, state) THEN 1
        WHEN list_contains({gone}, state) THEN 3 ELSE 2 END AS rank FROM pupils
),
numbers AS (SELECT by_number, min(rank) AS rank FROM ranked WHERE by_number IS NOT NULL GROUP BY 1),
names AS (
    SELECT by_name, min(rank) AS rank, min(rank) FILTER (no_lasting_number) AS unnumbered FROM ranked
    WHERE by_name IS NOT NULL GROUP BY 1
)
SELECT person.*, coalesce(
    numbers.rank, CASE WHEN no_lasting_number THEN names.rank ELSE names.unnumbered END, 0) AS rank
FROM people AS person LEFT JOIN numbers USING (by_number) LEFT JOIN names USING (by_name)
"""


def look_up(
    counter: Counter, store: RecordStore, folders: Sequence[Path], *,
    as_of_date: date, span: Span, rule: IndicatorRule,
) -> None:  # fmt: skip
    """Make `looked_up`, a row per person of the age groups, and `of_age`, those of them on a roll."""
    connection = counter.connection
    with BucketReader(store, 0, left_out=None, only=("population",)) as reader:
        told = reader.known_on(as_of_date).sql(
            f"""SELECT source, person_id, birth_date, coalesce(sex, '') AS sex,
                      coalesce(county, '') AS county, coalesce(township, '') AS township,
                      md5(nullif(upper(trim(roll_number)), '')) AS by_number,
                      md5(trim(name) || '|' || birth_date) AS by_name,
                      {NO_LASTING_NUMBER} AS no_lasting_number FROM population"""
        )
        connection.register("told", told.to_arrow_table())
    aged = {"p0": rule.primary_ages[0], "p1": rule.primary_ages[1], "j0": rule.junior_ages[0],
            "j1": rule.junior_ages[1], "month": rule.age_on[0], "day": rule.age_on[1],
            "on": date(int(span.name[:4]), *rule.age_on)}  # fmt: skip
    connection.execute(_AGED.format(name="people", of="told", **aged))
    connection.unregister("told")
    files = _listed(folder / "pupils.parquet" for folder in folders)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW pupils AS FROM read_parquet({files})")
    connection.execute(_LOOKED_UP.format(in_school=list(IN_SCHOOL), gone=list(GONE)))
    rolls = """(SELECT * FROM pupils JOIN places USING (school_id)
                WHERE state = 'in_school' AND birth_date IS NOT NULL)"""
    connection.execute(_AGED.format(name="of_age", of=rolls, **aged))


def register_cells(counter: Counter, span: Span) -> Iterator[Cell]:
    """Count the age groups in the registers and on the rolls, on the first day of a school year.

    Nothing is yielded of a register that was not delivered: then its rate is not known.
    """
    connection = counter.connection
    for source, prefix in (("household", ""), ("disability", "disabled_")):
        if not connection.execute("SELECT 1 FROM people WHERE source = $s LIMIT 1", {"s": source}).fetchall():
            continue
        for level in LEVELS[:-1]:
            slices: tuple[By, ...] = ("all", "stage") if prefix else ("all", "stage", "sex")
            for by in slices:
                yield from _level(counter, source, prefix, level=level, by=by, span=span)


def _level(counter: Counter, source: str, prefix: str, *, level: Level, by: By, span: Span) -> Iterator[Cell]:
    columns = _PLACE[level]
    stage = "''" if by == "all" else "stage"
    value = "sex" if by == "sex" else "''"
    using = ", ".join([*columns, "stage", "value"])
    keys = ", ".join([*columns, f"{stage} AS stage", f"{value} AS value"])
    known = f"{value} <> ''" if by == "sex" else "true"
    rows = _dicts(
        counter.connection,
        f"""
        WITH registered AS (
            SELECT {keys}, count(*) FILTER (rank <> 3) AS registered,
                   count(*) FILTER (rank = 1) AS found_in_school,
                   count(*) FILTER (rank = 0) AS not_found, count(*) FILTER (rank = 2) AS not_in_school
            FROM looked_up WHERE source = '{source}' AND {known} GROUP BY ALL),
        rolls AS (SELECT {keys}, count(*) AS on_the_rolls FROM of_age WHERE {known} GROUP BY ALL)
        SELECT {using}, coalesce(registered, 0) AS registered,
               coalesce(found_in_school, 0) AS found_in_school,
               coalesce(not_found, 0) AS not_found, coalesce(not_in_school, 0) AS not_in_school,
               coalesce(on_the_rolls, 0) AS on_the_rolls
        FROM registered {"LEFT" if prefix else "FULL"} JOIN rolls USING ({using}) ORDER BY ALL""",
    )
    for row in rows:
        counts = {name: int(row[name]) for name in row if name not in (*columns, "stage", "value")}
        if prefix:
            counts = {
                "disabled_registered": counts["registered"],
                "disabled_in_school": counts["found_in_school"],
                "not_found": counts["not_found"],
            }
        yield Cell(span, _place(row, level), by, str(row["stage"]), str(row["value"]), counts)


assert STAGES == ("primary", "junior")  # noqa: S101  the age groups are those of the stages
