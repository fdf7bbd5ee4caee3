"""Does a delivery make sense beside the ones before it? What is allowed and yet most likely a mistake.

Each is a doubt: it keeps the delivery out until a person has looked and says that it is right (`--force`,
which is recorded), or, where nothing can be lost by waiting, it is listed for review. A row that is
missing from a file is never taken for a child who left: it is withdrawn, and the child stands on the list of
those to be verified.
"""

from __future__ import annotations

from datetime import date

import duckdb

from riskmodel.errors import Where
from riskmodel.records.contract import Table, table
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.rows import column_types, quoted
from riskmodel.records.store import RecordStore

FEWEST_ROWS = 20
"""Below so many rows likeness is chance: nothing is said of a file."""
ALIKE = 0.95
"""Share of rows from which a file is taken for another one's copy (the corpus of messy input, kind 45)."""
FEWEST_STUDENTS = 5
HALF = 0.5
"""Share of a school's students whose rows may not vanish in one delivery without a word (kind 46)."""
DAYS_BEFORE_TERM = 30
DAYS_OLDER = 7
"""A file that tells nothing new, and whose newest row is so much older, is an older one."""

_DATED = {"attendance": "end_date", "attendance_reports": "end_date", "grades": "exam_date"}
"""Tables whose rows belong to one term, and the date that says to which."""


def check_sense(
    connection: duckdb.DuckDBPyConnection,
    before: RecordStore | None,
    *,
    delivered_on: date,
    findings: Findings,
) -> None:
    """Hold what is staged against what is stored, and against itself.

    Needs the tables `staged_<table>` and `sent`.
    """
    told = {name for (name,) in connection.execute('SELECT DISTINCT "table" FROM sent').fetchall()}
    for name in sorted(told):
        _make_stored(connection, before, table(name))
        if before is not None:
            _older_than_stored(connection, table(name), findings)
            _columns_emptied(connection, table(name), findings)
    for name in sorted(told & _DATED.keys()):
        _copies_of_other_files(connection, table(name), findings)
        _files_of_other_terms(connection, before, table(name), findings)
    if "enrolments" in told and before is not None:
        _schools_that_shrank(connection, delivered_on, findings)


def _make_stored(connection: duckdb.DuckDBPyConnection, before: RecordStore | None, of: Table) -> None:
    """Make the view `stored_<table>`: what the store holds now, as it was sent."""
    files = [str(file) for file in before.files(of.name)] if before else []
    if files:
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        told = (
            f"FROM read_parquet([{listed}], union_by_name = true) WHERE known_until IS NULL AND NOT implied"
        )
    else:
        told = f"FROM staged_{of.name} WHERE false"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW stored_{of.name} AS {told}")


def _older_than_stored(connection: duckdb.DuckDBPyConnection, of: Table, findings: Findings) -> None:
    """Doubt a file that ends earlier than the one it replaces, lacks rows of it, and tells nothing new."""
    content = quoted(column_types(of))
    rows = connection.execute(
        f"""WITH was AS (
                SELECT origin, file, count(*) AS "rows", max(statement_on) AS newest
                FROM stored_{of.name} GROUP BY origin, file
            ),
            says AS (
                SELECT origin, file, count(*) AS "rows", max(statement_on) AS newest
                FROM staged_{of.name} GROUP BY origin, file
            )
            SELECT origin, file, was.newest, says.newest FROM was JOIN says USING (origin, file)
            WHERE was."rows" >= {FEWEST_ROWS} AND says."rows" < was."rows"
              AND says.newest < was.newest - {DAYS_OLDER}
              AND NOT EXISTS (
                SELECT {content}, origin, file FROM staged_{of.name} AS t
                WHERE (t.origin, t.file) = (was.origin, was.file)
                EXCEPT SELECT {content}, origin, file FROM stored_{of.name})
            ORDER BY ALL"""
    ).fetchall()
    for source, file, was, says in rows:
        findings.doubt("delivery_older", Where(source=source, file=file), newest=says, stored=was)


def _columns_emptied(connection: duckdb.DuckDBPyConnection, of: Table, findings: Findings) -> None:
    """Doubt a file in which a column that had values has none any more: its layout has changed."""
    free = [column.name for column in of.columns if not column.key and not column.required]
    if not free:
        return
    counts = ", ".join(f'count("{name}")' for name in free)
    was, says = (
        {
            (source, file): filled
            for source, file, *filled in connection.execute(
                f"""SELECT origin, file, count(*), {counts} FROM {which}_{of.name}
                    WHERE (origin, file) IN (SELECT (origin, file) FROM sent) GROUP BY origin, file"""
            ).fetchall()
        }
        for which in ("stored", "staged")
    )
    for (source, file), (rows, *filled) in sorted(says.items()):
        for name, now, then in zip(
            free, filled, was.get((source, file), (0, *[0] * len(free)))[1:], strict=True
        ):
            if rows >= FEWEST_ROWS and now == 0 and then >= FEWEST_ROWS / 2:
                findings.doubt("column_emptied", Where(source=source, file=file, column=name), count=then)


def _copies_of_other_files(connection: duckdb.DuckDBPyConnection, of: Table, findings: Findings) -> None:
    """Doubt a file nearly all of whose rows another file of the source tells: last term's under a new name.

    Marks are compared without their dates: a copied sheet often has the new date.
    """
    same = (
        ("student_id", "subject", "score", "full_score") if of.name == "grades" else tuple(column_types(of))
    )
    some = "WHERE score IS NOT NULL" if of.name == "grades" else ""
    sources, files = connection.execute(
        f"""SELECT count(DISTINCT origin), count(DISTINCT (origin, file))
            FROM (SELECT origin, file FROM staged_{of.name}
                  UNION ALL SELECT origin, file FROM stored_{of.name})"""
    ).fetchall()[0]
    if sources == files:
        return
    rows = connection.execute(
        f"""WITH says AS (SELECT DISTINCT origin, file, hash({quoted(same)}) AS content
                          FROM staged_{of.name} {some}),
            known AS (
                SELECT * FROM says
                UNION SELECT origin, file, hash({quoted(same)}) FROM stored_{of.name} {some}
            ),
            alike AS (
                SELECT a.origin, a.file, b.file AS other, count(*) AS "rows"
                FROM says AS a JOIN known AS b
                ON b.origin = a.origin AND b.file <> a.file AND b.content = a.content
                GROUP BY ALL
            ),
            size AS (SELECT origin, file, count(*) AS "all" FROM says GROUP BY ALL),
            known_size AS (SELECT origin, file, count(*) AS "all" FROM known GROUP BY ALL),
            seen AS (SELECT DISTINCT origin, file FROM stored_{of.name})
            SELECT origin, file, other, "rows" / size."all"
            FROM alike JOIN size USING (origin, file)
            JOIN known_size AS others ON others.origin = alike.origin AND others.file = alike.other
            WHERE size."all" >= {FEWEST_ROWS} AND "rows" >= {ALIKE} * size."all"
              AND ((alike.origin, alike.other) IN (SELECT (origin, file) FROM seen) OR other < file)
            QUALIFY row_number() OVER (PARTITION BY origin, file ORDER BY "rows" DESC, other) = 1
            ORDER BY ALL"""
    ).fetchall()
    for source, file, other, share in rows:
        where = Where(source=source, file=file)
        findings.doubt("file_of_former_term", where, other=other, share=f"{share:.0%}")


def _files_of_other_terms(
    connection: duckdb.DuckDBPyConnection, before: RecordStore | None, of: Table, findings: Findings
) -> None:
    """Doubt a file that is named for a term and tells of days outside it."""
    terms = {term.term: (term.start_date, term.end_date) for term in before.terms()} if before else {}
    staged = connection.execute("SELECT term, start_date, end_date FROM staged_terms").fetchall()
    terms |= {name: (start, end) for name, start, end in staged}
    files = connection.execute(f"SELECT DISTINCT origin, file FROM staged_{of.name} ORDER BY ALL").fetchall()
    for source, file in files:
        named = [name for name in terms if name in file]
        if not named:
            continue
        term = max(named, key=len)
        start, end = terms[term]
        count, inside = connection.execute(
            f"""SELECT count(*), count(*) FILTER (
                    "{_DATED[of.name]}" BETWEEN $start - {DAYS_BEFORE_TERM} AND $end + {DAYS_BEFORE_TERM})
                FROM staged_{of.name} WHERE origin = $source AND file = $file""",
            {"start": start, "end": end, "source": source, "file": file},
        ).fetchall()[0]
        if count >= FEWEST_ROWS and inside <= (1 - ALIKE) * count:
            findings.doubt(
                "file_of_another_term", Where(source=source, file=file), term=term, start=start, end=end
            )


def _schools_that_shrank(
    connection: duckdb.DuckDBPyConnection, delivered_on: date, findings: Findings
) -> None:
    """Doubt a delivery in which half of a school's running spells are gone, neither open nor closed."""
    rows = connection.execute(
        """WITH was AS (
                SELECT DISTINCT origin, school_id, student_id FROM stored_enrolments
                WHERE (origin, file) IN (SELECT (origin, file) FROM sent WHERE "table" = 'enrolments')
                  AND start_date <= $day
                QUALIFY coalesce(last_value(end_date) OVER (
                    PARTITION BY origin, school_id, student_id
                    ORDER BY start_date, statement_on, end_date NULLS FIRST
                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING), $day) >= $day
            ),
            says AS (
                SELECT origin, school_id, student_id FROM staged_enrolments
                UNION SELECT origin, school_id, student_id FROM stored_enrolments
                WHERE (origin, file) NOT IN (SELECT (origin, file) FROM sent WHERE "table" = 'enrolments')
            )
            SELECT was.origin, was.school_id, count(*), count(says.student_id)
            FROM was LEFT JOIN says USING (origin, school_id, student_id)
            GROUP BY ALL ORDER BY ALL""",
        {"day": delivered_on},
    ).fetchall()
    for source, school, then, now in rows:
        if then - now >= max(FEWEST_STUDENTS, HALF * then):
            code = "school_shrunk" if now else "school_vanished"
            findings.doubt(code, Where(source=source, key=f"school_id={school}"), before=then, now=now)
