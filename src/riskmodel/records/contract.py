"""The record contract: the tables, columns and codes that a bureau's files must say.

These names are public. They stand in the docs, in error messages and in the mapping files, and do not
change without a migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LEDGER_SOURCE = "ledger"
"""The source that riskmodel writes itself, from its ledgers."""
ColumnKind = Literal["text", "date", "integer", "number", "boolean", "code"]


@dataclass(frozen=True)
class Column:
    """A column of the contract.

    Attributes
    ----------
    required
        The column must be there, and no cell of it may be empty (unless `may_be_empty`).
    key
        Part of the row's key. An empty key part is a value.
    codes
        The allowed values of a `code` column; with `open_codes`, `other:…` is allowed as well.
    minimum, maximum
        Bounds of a number, both included.
    """

    name: str
    kind: ColumnKind = "text"
    required: bool = False
    key: bool = False
    may_be_empty: bool = False
    codes: tuple[str, ...] = ()
    open_codes: bool = False
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the contract.

    Attributes
    ----------
    event_dates
        The dates that a row states of what happened; a row without `recorded_on` is known on the last
        of them. None: the table is then known from the beginning.
    spell
        The row is a spell with an opening (`start_date`) and, later, a closing (`end_date`).
    per_student
        The table has `student_id` and is bucketed by it.
    required
        A delivery without this table is refused.
    """

    name: str
    columns: tuple[Column, ...]
    event_dates: tuple[str, ...] | None = None
    spell: bool = False
    per_student: bool = True
    required: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the key columns."""
        return tuple(column.name for column in self.columns if column.key)

    def column(self, name: str) -> Column:
        """Return the column of that name."""
        return next(column for column in self.columns if column.name == name)


def _key(name: str, kind: ColumnKind = "text", *, empty: bool = False, codes: tuple[str, ...] = (),
         open_codes: bool = False) -> Column:  # fmt: skip
    return Column(name, kind, required=True, key=True, may_be_empty=empty, codes=codes, open_codes=open_codes)


def _must(name: str, kind: ColumnKind = "text", *, codes: tuple[str, ...] = (),
          minimum: float | None = None, maximum: float | None = None) -> Column:  # fmt: skip
    return Column(name, kind, required=True, codes=codes, minimum=minimum, maximum=maximum)


_RECORDED_ON = Column("recorded_on", "date")

EXIT_REASONS = (
    "continued", "transferred", "transfer_unconfirmed", "graduated", "suspended", "home_teaching",
    "died", "emigrated", "dropped_out",
)  # fmt: skip

SCHOOLS = Table(
    "schools",
    (
        _key("school_id"),
        _must("name"),
        _must("county"),
        Column("township"),
        _must("stage", "code", codes=("primary", "junior", "nine_year", "senior", "tertiary")),
        Column("kind", "code", codes=("ordinary", "teaching_point", "boarding", "special")),
        Column("open_from", "date"),
        Column("open_to", "date"),
        Column("successor_id"),
    ),
    per_student=False,
    required=True,
)

TERMS = Table(
    "terms",
    (_key("term"), _must("start_date", "date"), _must("end_date", "date")),
    per_student=False,
    required=True,
)

CALENDAR = Table(
    "calendar",
    (
        _key("date", "date"),
        _key("school_id", empty=True),
        _must("is_school_day", "boolean"),
        Column("reason"),
    ),
    per_student=False,
)

STUDENTS = Table(
    "students",
    (
        _key("student_id"),
        Column("roll_number"),
        Column("name"),
        Column("sex", "code", codes=("F", "M")),
        Column("birth_date", "date"),
        Column("ethnicity"),
        Column("household", "code", codes=("rural", "urban")),
        Column("household_id"),
        _RECORDED_ON,
    ),
    required=True,
)

ENROLMENTS = Table(
    "enrolments",
    (
        _key("student_id"),
        _key("school_id"),
        _key("start_date", "date"),
        _must("grade", "integer", minimum=1, maximum=16),
        Column("class_name"),
        Column("boards", "boolean"),
        Column("end_date", "date"),
        Column("exit_reason", "code", codes=EXIT_REASONS),
        Column("to_school_id"),
        Column("expected_return", "date"),
        _RECORDED_ON,
    ),
    event_dates=("start_date", "end_date"),
    spell=True,
    required=True,
)

ATTENDANCE = Table(
    "attendance",
    (
        _key("student_id"),
        _key("start_date", "date"),
        _key("end_date", "date"),
        _must("days_absent", "number", minimum=0),
        Column("days_unexcused", "number", minimum=0),
        Column("times_late", "number", minimum=0),
        _RECORDED_ON,
    ),
    event_dates=("end_date",),
)

ATTENDANCE_REPORTS = Table(
    "attendance_reports",
    (
        _key("school_id"),
        _key("start_date", "date"),
        _key("end_date", "date"),
        _RECORDED_ON,
    ),
    event_dates=("end_date",),
    per_student=False,
)

GRADES = Table(
    "grades",
    (
        _key("student_id"),
        _key(
            "subject",
            "code",
            codes=(
                "chinese", "mathematics", "english", "physics", "chemistry", "biology", "history",
                "geography", "politics", "science",
            ),
            open_codes=True,
        ),
        _key("exam_date", "date"),
        _key("exam", "code", codes=("monthly", "midterm", "final"), open_codes=True),
        Column("score", "number", minimum=0),
        _must("full_score", "number", minimum=1),
        _must("status", "code", codes=("sat", "absent", "exempt", "void", "deferred")),
        _RECORDED_ON,
    ),
    event_dates=("exam_date",),
)  # fmt: skip

FAMILY = Table(
    "family",
    (
        _key("student_id"),
        Column("recorded_on", "date", required=True, key=True),
        Column(
            "carer",
            "code",
            codes=("both_parents", "one_parent", "grandparents", "other", "institution"),
        ),
        Column("parents_away", "code", codes=("none", "one", "both")),
        Column(
            "hardship",
            "code",
            codes=(
                "none", "low_income", "near_low_income", "monitored", "lifted_out",
                "extreme_poverty", "orphan", "de_facto_unsupported", "other",
            ),
        ),
        Column(
            "disability",
            "code",
            codes=(
                "none", "physical", "hearing", "sight", "speech", "intellectual", "mental",
                "multiple",
            ),
        ),
        Column("siblings", "integer", minimum=0),
        Column("sibling_left_school", "boolean"),
        Column("distance_km", "number", minimum=0),
        Column("carer_schooling_years", "number", minimum=0, maximum=30),
        Column("migrant_child", "boolean"),
    ),
    event_dates=("recorded_on",),
)  # fmt: skip

SUBSIDIES = Table(
    "subsidies",
    (
        _key("student_id"),
        _key(
            "programme",
            "code",
            codes=("living_cost", "nutrition", "boarding", "orphan", "disability", "emergency"),
            open_codes=True,
        ),
        _key("start_date", "date"),
        _must("amount_yuan", "number", minimum=0),
        Column("end_date", "date"),
        _RECORDED_ON,
    ),
    event_dates=("start_date", "end_date"),
    spell=True,
)

LEDGER_EVENTS = Table(
    "ledger_events",
    (
        _key("student_id"),
        _key("event_date", "date"),
        _key(
            "event",
            "code",
            codes=(
                "suspected", "verified_dropout", "verified_not_dropout", "visited", "returned",
                "closed",
            ),
        ),
        Column("left_on", "date"),
        Column("reason"),
        Column("by"),
        _RECORDED_ON,
    ),
    event_dates=("event_date",),
)  # fmt: skip

CONSENTS = Table(
    "consents",
    (
        _key("student_id"),
        _key("source", empty=True),
        Column("recorded_on", "date", required=True, key=True),
        _must("state", "code", codes=("given", "withdrawn", "objected")),
    ),
    event_dates=("recorded_on",),
)
"""What a guardian says of the use of a source's records (`source`: its name; empty: all), as statements."""

POPULATION = Table(
    "population",
    (
        _key("source", "code", codes=("household", "poverty_relief", "civil_affairs", "disability")),
        _key("person_id"),
        _must("name"),
        Column("sex", "code", codes=("F", "M")),
        _must("birth_date", "date"),
        Column("county"),
        Column("township"),
        Column("roll_number"),
        _RECORDED_ON,
    ),
    per_student=False,
)

TABLES: tuple[Table, ...] = (
    SCHOOLS, TERMS, CALENDAR, STUDENTS, ENROLMENTS, ATTENDANCE, ATTENDANCE_REPORTS, GRADES, FAMILY,
    SUBSIDIES, LEDGER_EVENTS, CONSENTS, POPULATION,
)  # fmt: skip


def table(name: str) -> Table:
    """Return the table of that name."""
    return next(candidate for candidate in TABLES if candidate.name == name)
