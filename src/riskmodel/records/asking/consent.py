"""Who is left out of learning and scoring: those who object, and those without a consent that is needed.

What counts is the latest statement that the store holds, whatever the as-of date: a consent that was
withdrawn today keeps a child out of the matrices of all former days as well. Decisions where the contract
leaves room:

- A consent covers the source that it names, or all where it names none; of the two the later one counts, and
  on one day the one that names the source.
- A child of whom a source on consent tells anything is left out as a whole unless a consent is in force.
- An objection leaves the child out whatever the basis, until a later statement of the same scope says
  `given`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskmodel.domain import LeftOut
from riskmodel.records.contract import CONSENTS, TABLES

if TYPE_CHECKING:
    import duckdb

_TABLES = [each.name for each in TABLES if each.per_student and each is not CONSENTS]

_LATEST = """
CREATE TEMP TABLE says AS
SELECT student_id, coalesce(source, '') AS source, state, recorded_on, known_from FROM raw.consents
WHERE known_until IS NULL
QUALIFY row_number() OVER (
    PARTITION BY student_id, coalesce(source, '')
    ORDER BY recorded_on DESC, known_from DESC, state <> 'given' DESC
) = 1
"""

_LEFT_OUT = """
CREATE TEMP TABLE left_out AS
WITH told_by AS ({told_by}),
in_force AS (
    SELECT told_by.student_id, told_by.origin, says.state FROM told_by
    LEFT JOIN says ON says.student_id = told_by.student_id AND says.source IN ('', told_by.origin)
    QUALIFY row_number() OVER (
        PARTITION BY told_by.student_id, told_by.origin
        ORDER BY says.recorded_on DESC NULLS LAST, says.source = told_by.origin DESC
    ) = 1
)
SELECT unnest($students) AS student_id
UNION SELECT student_id FROM says WHERE state = 'objected'
UNION SELECT student_id FROM in_force WHERE state IS DISTINCT FROM 'given'
"""


def leave_out(connection: duckdb.DuckDBPyConnection, left_out: LeftOut) -> None:
    """Remove every row of those who are left out from the schema `raw` of a `BucketReader`'s connection."""
    connection.execute(_LATEST)
    told_by = " UNION ".join(
        f"SELECT student_id, origin FROM raw.{name} WHERE list_contains($needs_consent, origin)"
        for name in _TABLES
    )
    connection.execute(
        _LEFT_OUT.format(told_by=told_by),
        {"students": list(left_out.students), "needs_consent": list(left_out.needs_consent)},
    )
    for name in (*_TABLES, CONSENTS.name):
        connection.execute(f"DELETE FROM raw.{name} WHERE student_id IN (SELECT student_id FROM left_out)")
    connection.execute("DROP TABLE left_out; DROP TABLE says")
