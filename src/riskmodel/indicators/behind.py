"""The rows behind a figure: whom it counts, what became of each, and which row of which file tells so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from riskmodel.indicators.counting import Counter
from riskmodel.official import Place, SpanKind
from riskmodel.records.asking.asof import BucketReader, held_rows
from riskmodel.records.contract import table
from riskmodel.records.keeping.rows import bucket_of
from riskmodel.records.store import RecordStore

_TOLD_BY = ("enrolments", "ledger_events")


@dataclass(frozen=True)
class SourceRow:
    """A row of a file, as a spreadsheet counts it (the header is row 1)."""

    table: str
    file: str
    sheet: str
    row: int


@dataclass(frozen=True)
class Behind:
    """One of those whom a figure counts.

    Attributes
    ----------
    who
        The student's id, or the person's in a register.
    outcome
        What became of who was counted on the first day; of an arrival empty; of a person of a register
        `found` or `not_found`, `not_in_school`.
    arrival
        How one came who was not there on the first day.
    rows
        The rows that tell so, as they held on the day of knowledge.
    """

    who: str
    outcome: str
    arrival: str
    rows: tuple[SourceRow, ...]


def students_behind(
    store: RecordStore, folders: Sequence[Path], as_of_date: date, *,
    span: str, kind: SpanKind, place: Place, stage: str = "", everyone: bool = False,
) -> tuple[Behind, ...]:  # fmt: skip
    """List whom the rates of a place and span count: those who did not simply stay, or everyone.

    `folders` are those that counting wrote for the same day.
    """
    counter = Counter(store, folders, as_of_date)
    try:
        ends = {end: _within(end) for end in ("first", "last")}
        stayed = "outcome = 'in_school' AND way = 'same'"
        rows = counter.connection.execute(
            f"""SELECT student_id, coalesce(outcome, ''),
                       CASE WHEN outcome IS NULL OR NOT ({ends["first"]}) THEN coalesce(way, '') ELSE '' END
                FROM followed WHERE span = $span AND kind = $kind
                  AND (outcome IS NOT NULL AND {ends["first"]}
                       OR last_school IS NOT NULL AND {ends["last"]} AND coalesce(way, '') <> 'same')
                  AND ($everyone OR NOT coalesce({stayed}, false)) ORDER BY student_id""",
            {"span": span, "kind": kind, "everyone": everyone, "county": place.county,
             "township": place.township, "school": place.school_id, "stage": stage},
        ).fetchall()  # fmt: skip
    finally:
        counter.close()
    told = _rows_of(store, (str(row[0]) for row in rows), as_of_date)
    return tuple(Behind(who, outcome, way, tuple(told[who])) for who, outcome, way in rows)


def people_behind(counter: Counter, store: RecordStore, as_of_date: date, place: Place) -> tuple[Behind, ...]:
    """List the people of the registers' age groups who are not in school.

    `register.look_up` comes first: it makes the relation that is asked.
    """
    with BucketReader(store, 0, left_out=None, only=("population",)) as reader:
        columns = ("source", "person_id", "file", "sheet", "row")
        held = reader.known_on(as_of_date).execute(
            held_rows(table("population"), columns), {"day": as_of_date}
        )
        where = {(source, who): SourceRow("population", file, sheet or "", row)
                 for source, who, file, sheet, row in held.fetchall()}  # fmt: skip
    rows = counter.connection.execute(
        """SELECT source, person_id, rank FROM looked_up
           WHERE rank IN (0, 2) AND source IN ('household', 'disability')
             AND ($county = '' OR county = $county) AND ($township = '' OR township = $township)
           ORDER BY source, person_id""",
        {"county": place.county, "township": place.township},
    ).fetchall()
    named = {0: "not_found", 2: "not_in_school"}
    return tuple(Behind(who, named[rank], "", (where[source, who],)) for source, who, rank in rows)


def _within(end: str) -> str:
    """Return the condition that an end of a row lies in the place and stage asked for."""
    said = ["($county = '' OR {end}_county = $county)", "($township = '' OR {end}_township = $township)",
            "($school = '' OR {end}_school = $school)",
            "($stage = '' OR ($stage = 'primary') = ({end}_grade <= 6))"]  # fmt: skip
    return " AND ".join(said).replace("{end}", end)


def _rows_of(store: RecordStore, students: Iterable[str], day: date) -> dict[str, list[SourceRow]]:
    buckets: dict[int, list[str]] = defaultdict(list)
    for student in students:
        buckets[bucket_of(student, store.bucket_count)].append(student)
    found: dict[str, list[SourceRow]] = defaultdict(list)
    for bucket, own in sorted(buckets.items()):
        with BucketReader(store, bucket, left_out=None, only=_TOLD_BY) as reader:
            connection = reader.known_on(day)
            for name in _TOLD_BY:
                held = held_rows(table(name), ("student_id", "file", "sheet", "row"))
                rows = connection.execute(
                    f"SELECT * FROM ({held}) WHERE list_contains($own, student_id) ORDER BY file, row",
                    {"day": day, "own": own},
                ).fetchall()
                for student, file, sheet, row in rows:
                    found[student].append(SourceRow(name, file, sheet or "", row))
    return found
