"""Rows that cannot be, or hardly can, beside the other tables of a delivery: schools, terms, spells, births.

What cannot be keeps the delivery out; what is most likely a mistake does so until a person forces it in; what
is merely unusual is kept and listed, once a file with its count and first row. Nobody is left out of the
cohort for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import duckdb

from riskmodel.errors import Where
from riskmodel.records.contract import TABLES
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.rows import column_types, quoted
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.store import RecordStore

Read = Mapping[tuple[str, str], Telling]

YOUNGEST_BESIDE_GRADE, OLDEST_BESIDE_GRADE = 4, 11
"""Age less grade at the start of a spell; 5 or 6 is usual, late starters and repeaters are older."""
FAR_OFF_DAYS = 366
"""A day so far from every known term is a slip of the year (kind 32 of the corpus)."""
LAST_COMPULSORY_GRADE = 9
FEWEST_MARKS = 5
"""Fewer marks of 0 on a paper may well be true."""
_Answer = Literal["refuse", "doubt", "review"]


@dataclass(frozen=True)
class _Check:
    """Rows that a check finds: SQL that gives `origin, file, sheet, "row"`, and what is said of them.

    It is made where this delivery tells all tables of `needs`, and could read all it tells of `beside` too.
    """

    code: str
    needs: tuple[str, ...]
    column: str | None
    answer: _Answer
    rows: str
    beside: tuple[str, ...] = ()


_OUTSIDE: tuple[tuple[str, _Answer, str], ...] = (
    ("date_far_off", "doubt", ""),
    ("date_outside_terms", "review", "NOT"),
)


def _two_schools(row: str, kind: str) -> str:
    """Give the SQL for children at two schools at one time: the rows of the former or of the later spell.

    Of two spells that begin on one day the one that stands below is the later one.
    """
    place = "{0}.place[1], {0}.place[3], coalesce({0}.place[4], ''), {0}.place[5]"
    former, later = place.format("former"), place.format("later")
    return f"""WITH spell AS (
               SELECT student_id, school_id, start_date, max(end_date) AS end_date,
                      max((delivery, origin, file, sheet, "row")) AS place
               FROM staged_enrolments SEMI JOIN places USING (school_id)
               WHERE start_date IS NOT NULL GROUP BY ALL
           )
           SELECT place[2], place[3], place[4], place[5] FROM (
               SELECT {row}.place,
                      former.end_date IS NULL AND former.start_date < later.start_date AS former_open
               FROM spell AS former JOIN spell AS later USING (student_id)
               WHERE former.school_id <> later.school_id
                 AND (former.start_date, {former}) < (later.start_date, {later})
                 AND later.start_date <= coalesce(former.end_date, later.start_date)
           ) WHERE {kind}"""


_CHECKS = (
    _Check(
        "birth_in_future", ("students",), "birth_date", "refuse",
        'SELECT origin, file, sheet, "row" FROM staged_students WHERE birth_date > $day',
    ),
    _Check(
        "age_unusual", ("students", "enrolments"), "birth_date", "review",
        f"""SELECT DISTINCT ON (origin, file, sheet, "row") p.origin, p.file, p.sheet, p."row"
            FROM staged_students AS p JOIN staged_enrolments AS e USING (student_id)
            WHERE e.grade <= {LAST_COMPULSORY_GRADE} AND birth_date <= $day
              AND date_diff('year', birth_date, e.start_date) - e.grade
                  NOT BETWEEN {YOUNGEST_BESIDE_GRADE} AND {OLDEST_BESIDE_GRADE}""",
    ),
    _Check(
        "grade_outside_stage", ("enrolments",), "grade", "doubt",
        # Where primary school ends after five grades, grade 6 belongs to the junior schools.
        """SELECT e.origin, e.file, e.sheet, e."row" FROM staged_enrolments AS e
           JOIN places USING (school_id)
           WHERE grade <= 16 AND CASE stage
               WHEN 'primary' THEN grade > 6
               WHEN 'junior' THEN grade NOT BETWEEN 6 AND 9
               WHEN 'nine_year' THEN grade > 9
               WHEN 'senior' THEN grade NOT BETWEEN 10 AND 12 END""",
        beside=("schools",),
    ),
    _Check(
        "school_closed", ("enrolments",), "school_id", "doubt",
        """SELECT e.origin, e.file, e.sheet, e."row" FROM staged_enrolments AS e
           JOIN places USING (school_id) WHERE e.start_date > open_to""",
        beside=("schools",),
    ),
    _Check(
        "spells_overlap", ("enrolments",), None, "doubt", _two_schools("later", "NOT former_open"),
        beside=("schools",),
    ),
    # The former school is often late in saying that a child has gone: the child is where it last began.
    _Check(
        "former_spell_open", ("enrolments",), "end_date", "review", _two_schools("former", "former_open"),
        beside=("schools",),
    ),
    _Check(
        "end_without_reason", ("enrolments",), "exit_reason", "review",
        # Not where a reason was told later, or another roll: then it is known what became of the child.
        """SELECT origin, file, sheet, "row" FROM staged_enrolments AS ended
           WHERE end_date <= $day AND exit_reason IS NULL AND NOT EXISTS (
               SELECT 1 FROM staged_enrolments AS told WHERE told.student_id = ended.student_id
                 AND (told.start_date > ended.start_date
                      OR told.exit_reason IS NOT NULL AND told.statement_on >= ended.statement_on
                         AND (told.school_id, told.start_date) = (ended.school_id, ended.start_date)))""",
    ),
    _Check(
        "transfer_without_school", ("enrolments",), "exit_reason", "review",
        """SELECT origin, file, sheet, "row" FROM staged_enrolments AS left_from
           WHERE exit_reason = 'transferred' AND to_school_id IS NULL AND NOT EXISTS (
               SELECT 1 FROM staged_enrolments AS next WHERE next.student_id = left_from.student_id
                 AND next.start_date > left_from.start_date)""",
    ),
    *(
        _Check(
            code, (name,), column, answer,
            f"""SELECT origin, file, sheet, "row" FROM staged_{name} AS told, reach
                WHERE NOT EXISTS (SELECT 1 FROM times
                                  WHERE told.{column} BETWEEN times.start_date AND times.end_date)
                  AND {far} (told.{column} < begun - {FAR_OFF_DAYS}
                             OR told.{column} > ended + {FAR_OFF_DAYS})""",
            beside=("terms",),
        )
        for name, column in (("attendance", "start_date"), ("grades", "exam_date"))
        for code, answer, far in _OUTSIDE
    ),
)  # fmt: skip


def check_plausible(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    *,
    read: Read,
    unread: Collection[str],
    delivered_on: date,
    findings: Findings,
) -> None:
    """Hold the staged rows against schools, terms and each other.

    Needs the tables `staged_<table>` and `sent`; `read` has the tellings of this delivery. What takes a table
    that could not be read (`unread`) is left out.
    """
    told = {name for (name,) in connection.execute('SELECT DISTINCT "table" FROM sent').fetchall()}
    _make_known(connection, before, "places", "schools", "school_id, stage, open_to")
    _make_known(connection, before, "times", "terms", "start_date, end_date")
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE reach AS
           SELECT min(start_date) AS begun, max(end_date) AS ended FROM times"""
    )
    for check in _CHECKS:
        if told >= set(check.needs) and not {*check.needs, *check.beside} & set(unread):
            _tell(connection, check, read=read, day=delivered_on, findings=findings)
    if "grades" in told and not {"grades", "enrolments"} & set(unread):
        _make_known(
            connection, before, "spells", "enrolments", "student_id, school_id, grade, class_name, start_date"
        )
        _tell_zero_marks(connection, findings)
    for name in sorted(told):
        _tell_repeated(connection, name, read=read, findings=findings)


def _make_known(
    connection: duckdb.DuckDBPyConnection, before: RecordStore | None, as_name: str, table: str, columns: str
) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {as_name} AS SELECT DISTINCT {columns} FROM staged_{table}"
    )
    for file in before.files(table) if before else ():
        connection.execute(
            f"""INSERT INTO {as_name} SELECT DISTINCT {columns} FROM read_parquet($file)
                WHERE known_until IS NULL
                  AND (origin, file) NOT IN (SELECT (origin, file) FROM sent WHERE "table" = '{table}')""",
            {"file": str(file)},
        )


def _tell(
    connection: duckdb.DuckDBPyConnection, check: _Check, *, read: Read, day: date, findings: Findings
) -> None:
    given = {"day": day} if "$day" in check.rows else {}
    rows = connection.execute(f"{check.rows} ORDER BY ALL", given).fetchall()
    if check.answer != "review":
        for source, file, sheet, row in rows:
            where = read[source, file].where(sheet=sheet, row=row, column=check.column)
            (findings.refuse if check.answer == "refuse" else findings.doubt)(check.code, where)
        return
    by_sheet: dict[tuple[str, str, str | None], list[int]] = {}
    for source, file, sheet, row in rows:
        by_sheet.setdefault((source, file, sheet), []).append(row)
    for (source, file, sheet), found in by_sheet.items():
        where = read[source, file].where(sheet=sheet, row=found[0], column=check.column)
        findings.review(check.code, where, count=len(found))


def _tell_zero_marks(connection: duckdb.DuckDBPyConnection, findings: Findings) -> None:
    """List papers on which a whole class has 0: more often a mark that nobody has entered."""
    rows = connection.execute(
        f"""WITH class AS (
                SELECT student_id, max_by((school_id, grade, class_name), start_date) AS class
                FROM spells GROUP BY student_id
            )
            SELECT origin, file, sheet, min("row"), count(*)
            FROM staged_grades LEFT JOIN class USING (student_id) WHERE status = 'sat'
            GROUP BY origin, file, sheet, subject, exam_date, exam, class
            HAVING count(*) >= {FEWEST_MARKS} AND max(score) = 0 ORDER BY ALL"""
    ).fetchall()
    for source, file, sheet, row, count in rows:
        where = Where(source=source, file=file, sheet=sheet, row=row, column="score")
        findings.review("marks_all_zero", where, marks=count)


def _tell_repeated(
    connection: duckdb.DuckDBPyConnection, name: str, *, read: Read, findings: Findings
) -> None:
    """Say which rows say again what another row of the same file says; they are kept once."""
    table = next(each for each in TABLES if each.name == name)
    content = quoted(column_types(table))
    # A hash finds the few that may be repeated; only these are laid side by side.
    told = f"hash({content}, origin, file)"
    rows = connection.execute(
        f"""SELECT origin, file, sheet, min("row"), count(*) FROM (
                SELECT origin, file, sheet, "row" FROM staged_{name}
                WHERE {told} IN (SELECT {told} FROM staged_{name} GROUP BY 1 HAVING count(*) > 1)
                QUALIFY row_number() OVER (PARTITION BY {content}, origin, file ORDER BY sheet, "row") > 1)
            GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    for source, file, sheet, row, count in rows:
        findings.mended("rows_repeated", read[source, file].where(sheet=sheet, row=row), count=count)
