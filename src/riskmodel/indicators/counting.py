"""From rows of students to counts by place and slice: nothing is divided here, and nothing left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.indicators.following import GROUPS
from riskmodel.indicators.formulas import MOVES, OUTCOMES
from riskmodel.official import LEVELS, By, IndicatorRule, Level, Place, Span
from riskmodel.records.keeping.engine import duckdb_settings
from riskmodel.records.store import RecordStore

_PLACE = {"region": (), "county": ("county",), "township": ("county", "township"),
          "school": ("county", "township", "school")}  # fmt: skip
_STAGE = "CASE WHEN {grade} <= 6 THEN 'primary' WHEN {grade} <= 9 THEN 'junior' ELSE 'beyond' END"

STAGES = ("primary", "junior")
SEXES = ("F", "M")
RECORDED_AFTER = timedelta(days=30)
"""Until then after a school year graduations still come in, and a rate would tell of the clerks."""


@dataclass(frozen=True)
class Cell:
    """The counts of one place, span and slice."""

    span: Span
    place: Place
    by: By
    stage: str
    value: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class _Slice:
    by: By
    stage: bool
    first: str
    """SQL of the slice's value for who was counted first; `''`: all."""
    last: str
    condition: str = "true"


_SLICES: tuple[_Slice, ...] = (
    _Slice("all", False, "''", "''"),
    _Slice("stage", True, "''", "''"),
    _Slice("grade", True, "CAST(first_grade AS VARCHAR)", "CAST(last_grade AS VARCHAR)"),
    _Slice("sex", True, "sex", "sex", "sex <> ''"),
    *(_Slice("group", True, f"'{name}'", f"'{name}'", name) for name in GROUPS),
)
_AT_SCHOOLS: tuple[By, ...] = ("all", "stage", "grade")
"""Slices of a school: a sex or a group of one school is a handful of children whom everybody there knows."""


class Counter:
    """The rows of all buckets, opened for counting."""

    def __init__(
        self, store: RecordStore, followed: Sequence[Path], as_of_date: date, *,
        threads: int = 2, memory_limit: str = "3GB", spill_to: Path | None = None,
    ) -> None:  # fmt: skip
        settings = duckdb_settings(threads=threads, memory_limit=memory_limit, spill_to=spill_to)
        self.connection = duckdb.connect(config=settings)
        _schools(self.connection, store, as_of_date)
        self.connection.execute(
            """CREATE VIEW followed AS
               SELECT rows.* EXCLUDE (way), CASE way WHEN 'came' THEN 'transferred' ELSE way END AS way,
                      a.county AS first_county, a.township AS first_township,
                      b.county AS last_county, b.township AS last_township
               FROM read_parquet($files) AS rows
               LEFT JOIN places AS a ON a.school_id = first_school
               LEFT JOIN places AS b ON b.school_id = last_school""".replace(
                "$files", _listed(folder / "followed.parquet" for folder in followed)
            )
        )

    def close(self) -> None:
        """Let go of all rows."""
        self.connection.close()

    def cells(self, spans: Sequence[Span]) -> Iterator[Cell]:
        """Count every span, place and slice."""
        named = {(span.name, span.kind): span for span in spans}
        for level in LEVELS:
            for slice_ in _SLICES:
                if level == "school" and slice_.by not in _AT_SCHOOLS:
                    continue
                for row in self._slice(level, slice_):
                    yield Cell(named[row["span"], row["kind"]], _place(row), slice_.by, row["stage"],
                               row["value"], {name: row[name] for name in COUNTED})  # fmt: skip

    def reasons(self, spans: Sequence[Span]) -> Iterator[Cell]:
        """Count the dropouts of formula v1 by reason: the ledger's, or empty where none was told.

        Who is suspended, or has left for a school that does not confirm, stands under that outcome's name.
        """
        named = {(span.name, span.kind): span for span in spans}
        for level in LEVELS[:-1]:
            columns = _PLACE[level]
            keys = ["span", "kind", *(f"first_{name} AS {name}" for name in columns)]
            rows = _dicts(
                self.connection,
                f"""SELECT {", ".join(keys)}, count(*) AS dropped_out,
                           CASE outcome WHEN 'dropped_out' THEN coalesce(reason, '') ELSE outcome END AS value
                    FROM followed
                    WHERE outcome IN ('dropped_out', 'suspended', 'transfer_unconfirmed')
                    GROUP BY ALL ORDER BY ALL""",
            )
            for row in rows:
                counts = {"dropped_out": row["dropped_out"]}
                yield Cell(named[row["span"], row["kind"]], _place(row, level), "reason", "",
                           row["value"], counts)  # fmt: skip

    def _slice(self, level: Level, slice_: _Slice) -> Iterator[dict[str, Any]]:
        columns = _PLACE[level]
        outside = " OR ".join(f"first_{c} IS DISTINCT FROM last_{c}" for c in columns) or "false"
        outcomes = [f"count(*) FILTER (outcome = '{name}') AS {name}" for name in OUTCOMES]
        moved = f"outcome = 'in_school' AND last_school IS NOT NULL AND ({outside})"
        first = f"""
            SELECT span, kind, {_keys(columns, slice_, "first")},
                   count(*) FILTER (outcome <> 'already_gone') AS enrolled,
                   {", ".join(outcomes)},
                   count(*) FILTER (outcome = 'already_gone') AS already_gone,
                   count(*) FILTER ({moved} AND way = 'transferred') AS moved_out,
                   count(*) FILTER ({moved} AND way = 'promoted') AS promoted_out
            FROM followed WHERE outcome IS NOT NULL AND {slice_.condition} GROUP BY ALL"""
        arrived = f"outcome IS NULL OR ({moved})"
        last = f"""
            SELECT span, kind, {_keys(columns, slice_, "last")},
                   count(*) FILTER (way = 'entered') AS entered,
                   count(*) FILTER (way = 'promoted') AS promoted_in,
                   count(*) FILTER (way = 'transferred') AS transferred_in,
                   count(*) FILTER (way = 'returned') AS returned
            FROM followed WHERE ({arrived}) AND {slice_.condition} GROUP BY ALL"""
        using = ", ".join(["span", "kind", *columns, "stage", "value"])
        yield from (
            row | {"level": level}
            for row in _dicts(
                self.connection,
                f"""SELECT {using}, {", ".join(f"coalesce({name}, 0) AS {name}" for name in COUNTED)}
                    FROM ({first}) FULL JOIN ({last}) USING ({using}) ORDER BY ALL""",
            )
        )

    def nine_years(self, spans: Sequence[Span]) -> Iterator[Cell]:
        """Follow each cohort from grade 1 to the end of grade 9, where the records hold all nine years.

        Nothing is told of a cohort before its ninth year has ended and graduations had time to be recorded.
        """
        years = [span for span in spans if span.kind == "year"]
        ended = {span.name: span.last_day for span in spans if span.kind == "within_year" and span.complete}
        for last_at in range(8, len(years)):
            chain = years[last_at - 8 : last_at + 1]
            ninth = chain[-1]
            if ninth.name not in ended or ninth.last_day < ended[ninth.name] + RECORDED_AFTER:
                continue
            if int(ninth.name[:4]) - int(chain[0].name[:4]) != 8:
                continue
            self.connection.execute(_COHORT, {"names": [span.name for span in chain]})
            for level in LEVELS[:-1]:
                ways: tuple[tuple[By, str], ...] = (("all", "''"), ("sex", "sex"))
                for by, sex in ways:
                    for row in self._chain(level, sex):
                        counts = {name: row[name] for name in NINE_YEARS}
                        yield Cell(chain[-1], _place(row, level), by, "", row["value"], counts)

    def _chain(self, level: Level, sex: str) -> Iterator[dict[str, Any]]:
        columns = _PLACE[level]
        place = "".join(f"first_{name} AS {name}, " for name in columns)
        same = " AND ".join(["true", *(f"a.{name} = b.{name}" for name in columns)])
        using = ", ".join([*columns, "value"])
        yield from _dicts(
            self.connection,
            f"""
            WITH member AS (SELECT grade, student_id, outcome, {place} {sex} AS value FROM cohort),
            own AS (SELECT {using}, count(*) FILTER (grade = 1) AS entrants,
                           count(*) FILTER (grade = 9 AND outcome = 'graduated') AS graduates
                    FROM member GROUP BY ALL),
            into_it AS (SELECT {using}, count(*) AS came_in FROM member AS b WHERE grade > 1 AND NOT EXISTS (
                    FROM member AS a WHERE a.student_id = b.student_id AND a.grade = b.grade - 1 AND {same})
                    GROUP BY ALL),
            out_of_it AS (SELECT {using}, count(*) FILTER (outcome = 'died') AS died,
                           count(*) FILTER (outcome IN ('transferred_out', 'emigrated', 'home_teaching')
                               OR outcome = 'in_school' OR (outcome = 'graduated' AND grade < 9)) AS went_out
                    FROM member AS a
                    WHERE (grade = 9 AND outcome <> 'graduated') OR (grade < 9 AND NOT EXISTS (
                        FROM member AS b
                        WHERE b.student_id = a.student_id AND b.grade = a.grade + 1 AND {same}))
                    GROUP BY ALL)
            SELECT {using}, {", ".join(f"coalesce({name}, 0) AS {name}" for name in NINE_YEARS)}
            FROM own FULL JOIN into_it USING ({using}) FULL JOIN out_of_it USING ({using})
            WHERE value <> '' OR {"true" if sex == "''" else "false"} ORDER BY ALL""",
        )


COUNTED = (
    "enrolled",
    *OUTCOMES,
    "already_gone",
    *MOVES,
    "entered",
    "promoted_in",
    "transferred_in",
    "returned",
)
NINE_YEARS = ("entrants", "graduates", "came_in", "went_out", "died")

_COHORT = """
CREATE OR REPLACE TEMP TABLE cohort AS
SELECT list_position($names, span) AS grade, student_id, outcome, sex, first_county, first_township
FROM followed
WHERE kind = 'year' AND outcome IS NOT NULL AND outcome <> 'already_gone'
  AND list_position($names, span) = first_grade
"""


def _schools(connection: duckdb.DuckDBPyConnection, store: RecordStore, as_of_date: date) -> None:
    """Make `places`: county and township of every school, as known on the day."""
    from riskmodel.records.asking.asof import BucketReader

    with BucketReader(store, 0, left_out=None, only=("schools",)) as reader:
        rows = reader.known_on(as_of_date).sql(
            """SELECT school_id, coalesce(county, '') AS county, coalesce(township, '') AS township
               FROM schools"""
        )
        connection.register("told", rows.to_arrow_table())
        connection.execute("CREATE TABLE places AS SELECT * FROM told")
        connection.unregister("told")


def _keys(columns: Sequence[str], slice_: _Slice, end: str) -> str:
    stage = _STAGE.format(grade=f"{end}_grade") if slice_.stage else "''"
    place = [f"coalesce({end}_{name}, '') AS {name}" for name in columns]
    value = slice_.first if end == "first" else slice_.last
    return ", ".join([*place, f"{stage} AS stage", f"{value} AS value"])


def _place(row: Mapping[str, Any], level: Level | None = None) -> Place:
    said: Level = level or row["level"]
    return Place(said, *(str(row[name]) if name in row else "" for name in ("county", "township", "school")))


def _listed(files: Iterator[Path]) -> str:
    return "[" + ", ".join("'" + str(file).replace("'", "''") + "'" for file in files) + "]"


def _dicts(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, Any]]:
    done = connection.execute(query)
    names = [column[0] for column in done.description]
    while rows := done.fetchmany(10_000):
        yield from (dict(zip(names, row, strict=True)) for row in rows)


def age_group(rule: IndicatorRule, stage: str) -> tuple[int, int]:
    """Return first and last age of a stage's group; of an empty stage that of both."""
    if stage == "primary":
        return rule.primary_ages
    return rule.junior_ages if stage == "junior" else (rule.primary_ages[0], rule.junior_ages[1])
