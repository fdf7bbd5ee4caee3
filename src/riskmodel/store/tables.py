"""The tables of the published store: sets, their schools and students, the pointer, keys, feedback.

SQLAlchemy Core, so that SQLite and PostgreSQL hold the same. Instants are text in UTC with a fixed number of
digits, so that they sort and compare as text on both. A set is never changed once it is complete.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import (
    DDL,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
)

from riskmodel.domain import CHINA_TIME

SCHEMA_VERSION = 3
"""Counts up with every change of a table below; a store of another version is refused at opening.
`migrations.py` brings an older one to this."""

METADATA = MetaData()

SCHEMA = Table("schema_version", METADATA, Column("version", Integer, primary_key=True))

SETS = Table(
    "published_set", METADATA,
    Column("set_id", Text, primary_key=True),
    Column("published_at", Text, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("term", Text, nullable=False),
    Column("student_count", Integer, nullable=False),
    Column("facts", Text, nullable=False),
    CheckConstraint("state IN ('writing', 'complete', 'abandoned')", name="state_is_known"),
)  # fmt: skip

MOVES = Table(
    "pointer_move", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("set_id", Text, ForeignKey("published_set.set_id"), nullable=False),
    Column("moved_at", Text, nullable=False),
    Column("moved_by", Text, nullable=False),
)  # fmt: skip
"""Which set is current: the one of the last row. The rows before it tell what was current when."""

SCHOOLS = Table(
    "published_school", METADATA,
    Column("set_id", Text, ForeignKey("published_set.set_id"), primary_key=True),
    Column("school_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("township", Text, nullable=False),
)  # fmt: skip

STUDENTS = Table(
    "published_student", METADATA,
    Column("set_id", Text, primary_key=True),
    Column("student_id", Text, primary_key=True),
    Column("school_id", Text, nullable=False),
    Column("grade", Integer, nullable=False),
    Column("class_name", Text, nullable=False),
    Column("band", Text, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("roll_ref", Text),
    Column("content", Text, nullable=False),
    ForeignKeyConstraint(["set_id", "school_id"], ["published_school.set_id", "published_school.school_id"]),
    Index("students_of_a_school", "set_id", "school_id", "grade", "class_name", "student_id"),
    Index("students_by_roll_ref", "set_id", "roll_ref"),
)  # fmt: skip
"""`roll_ref` stands for the roll number, which is not kept; empty where none is known."""

DOCUMENTS = Table(
    "published_document", METADATA,
    Column("set_id", Text, ForeignKey("published_set.set_id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("language", Text, primary_key=True),
    Column("content", Text, nullable=False),
)  # fmt: skip
"""What was published with a set and is about nobody: the model card, as HTML."""

STEPS = Table(
    "step_library", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kept_at", Text, nullable=False),
    Column("content", Text, nullable=False),
)  # fmt: skip
"""The bureau's library of first steps: the last row is the one that sheets are written with."""

ANSWERS = Table(
    "write_answer", METADATA,
    Column("key_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Index("write_answers_by_age", "made_at"),
)  # fmt: skip
"""What a write was answered in the last day (`idempotency`). It may name students: an erasure empties it."""

KEYS = Table(
    "access_key", METADATA,
    Column("key_id", Text, primary_key=True),
    Column("secret_sha256", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("permissions", Text),
    Column("label", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("revoked_at", Text),
    Column("replaces", Text),
    CheckConstraint(
        "role IN ('data_team', 'bureau', 'district', 'school', 'counsellor', 'class_teacher')",
        name="role_is_known",
    ),
)  # fmt: skip
"""`permissions`: separated by a space; NULL: all that the role may do."""

KEY_PLACES = Table(
    "access_key_place", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key_id", Text, ForeignKey("access_key.key_id"), nullable=False, index=True),
    Column("township", Text),
    Column("school_id", Text),
    Column("grade", Integer),
    Column("class_name", Text),
    CheckConstraint("(township IS NULL) <> (school_id IS NULL)", name="township_or_school"),
    CheckConstraint("(grade IS NULL) = (class_name IS NULL)", name="class_is_whole"),
    CheckConstraint("grade IS NULL OR school_id IS NOT NULL", name="class_has_a_school"),
)  # fmt: skip
"""What a key reaches: a township, a school, or a class of a school, in a row each."""

ACTIONS = Table(
    "action", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("student_id", Text, nullable=False),
    Column("action_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("done_by", Text, nullable=False),
    Column("programme", Text),
    Column("amount_yuan", Float),
    Column("hours", Float),
    Column("result", Text),
    Column("note", Text),
    Column("corrects", Text),
    Column("withdrawn", Boolean, nullable=False),
    Column("set_id", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("risk", Float),
    Column("band", Text, nullable=False),
    Column("listed", Boolean, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    UniqueConstraint("student_id", "action_id"),
    UniqueConstraint("student_id", "corrects"),
)  # fmt: skip
"""What was done for whom, with what had been served. No foreign key to the set: an action outlives it."""

OBJECTIONS = Table(
    "objection", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("student_id", Text, nullable=False, index=True),
    Column("lifted", Boolean, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Text, nullable=False),
)  # fmt: skip
"""The last row of a child says whether an objection holds."""


def _rows_never_change(table: Table) -> None:
    """Let the database itself refuse to change a row of a table that only grows."""
    refused = f"BEFORE UPDATE ON {table.name} BEGIN SELECT RAISE(ABORT, 'append only'); END"
    trigger = DDL(f"CREATE TRIGGER {table.name}_only_grows {refused}")  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", trigger.execute_if(dialect="sqlite"))


for _table in (ACTIONS, OBJECTIONS, STEPS):
    _rows_never_change(_table)

TICKETS = Table(
    "data_ticket", METADATA,
    Column("ticket_id", Integer, primary_key=True, autoincrement=True),
    Column("student_id", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("family", Text),
    Column("opened_at", Text, nullable=False),
    Column("closed_at", Text),
    Column("closed_by", Text),
    Column("answer", Text),
    CheckConstraint("answer IN ('corrected', 'stands', 'unclear')", name="answer_is_known"),
    CheckConstraint("(closed_at IS NULL) = (answer IS NULL)", name="closed_with_an_answer"),
    Index("tickets_of_a_student", "student_id"),
)  # fmt: skip
"""Data that somebody at a school calls wrong: the intake asks the source, and answers."""

FEEDBACK = Table(
    "feedback", METADATA,
    Column("feedback_id", Text, primary_key=True),
    Column("set_id", Text, nullable=False),
    Column("student_id", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("noted_on", Text, nullable=False),
    Column("entered_at", Text, nullable=False),
    Column("entered_by", Text, nullable=False),
    Column("on_paper", Boolean, nullable=False),
    Column("ticket_id", Integer, ForeignKey("data_ticket.ticket_id")),
    CheckConstraint("code IN ('F0', 'F1', 'F2', 'F3', 'F4', 'F5')", name="code_is_known"),
    UniqueConstraint("set_id", "student_id", "code", "family", "noted_on", name="said_once"),
    Index("feedback_of_a_student", "student_id"),
)  # fmt: skip
"""What a school said of a sheet. `family` is empty where none was named. No free text: what is personal is
said in person, and no part of the model wing can read any of it."""

ALLOCATION_RUNS = Table(
    "allocation_run", METADATA,
    Column("run_id", Text, primary_key=True),
    Column("set_id", Text, nullable=False),
    Column("as_of_date", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("frozen_at", Text),
    Column("frozen_by", Text),
    Column("approved_at", Text),
    Column("approved_by", Text),
    Column("content", Text, nullable=False),
    CheckConstraint("state IN ('writing', 'draft', 'frozen', 'approved')", name="allocation_state_is_known"),
)  # fmt: skip
"""No foreign key to the set: what became of those who were helped is asked long after it."""

ALLOCATION_ITEMS = Table(
    "allocation_item", METADATA,
    Column("run_id", Text, ForeignKey("allocation_run.run_id"), primary_key=True),
    Column("programme", Text, primary_key=True),
    Column("student_id", Text, primary_key=True),
    Column("school_id", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("place", Integer),
    Column("waiting", Integer),
    Column("waiting_at", Text),
    Column("waiting_since", Text),
    Column("yuan", Float),
    Column("hours", Float),
    Column("yuan_left", Float),
    Column("by_floor", Boolean, nullable=False),
    Column("lot_group", Integer),
    Column("stable", Boolean, nullable=False),
    Index("allocation_of_a_student", "student_id", "run_id"),
)  # fmt: skip
"""What a run answered, a row for each student and programme. `place`: in the programme's order, from 1."""


OFFICIAL_DAYS = Table(
    "official_day", METADATA,
    Column("day", Text, primary_key=True),
    Column("counted_at", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("content", Text, nullable=False),
    CheckConstraint("state IN ('writing', 'complete')", name="official_day_state_is_known"),
)  # fmt: skip
"""Days as known on which official figures were counted. `content`: rules, targets, faults of the counts."""

OFFICIAL_FIGURES = Table(
    "official_figure", METADATA,
    Column("day", Text, ForeignKey("official_day.day"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("level", Text, nullable=False),
    Column("county", Text, nullable=False),
    Column("township", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("formula", Text, nullable=False),
    Column("span", Text, nullable=False),
    Column("span_kind", Text, nullable=False),
    Column("content", Text, nullable=False),
    Index("official_figures_of_a_place", "day", "level", "school_id", "number"),
)  # fmt: skip
"""Figures as others may see them: what is withheld never gets here. No figure names a student."""

PERIODIC_REPORTS = Table(
    "periodic_report", METADATA,
    Column("report_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("county", Text, nullable=False),
    Column("township", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("as_of_date", Text, nullable=False),
    Column("made_at", Text, nullable=False),
    Column("content", Text, nullable=False),
    CheckConstraint(
        "kind IN ('school', 'county', 'prefecture', 'province')", name="report_kind_is_known"
    ),
)  # fmt: skip
"""`content`: the report in each language, as plain data that `reports.render` takes."""


LEDGER_RULES = Table(
    "ledger_rules", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("kept_at", Text, nullable=False),
    Column("content", Text, nullable=False),
)  # fmt: skip
"""The region's dated deadlines of cases: the last row is the one that holds."""

LEDGER_ENTRIES = Table(
    "ledger_entry", METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("case_id", Text, nullable=False, index=True),
    Column("entry_id", Text),
    Column("event", Text, nullable=False),
    Column("recorded_at", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("student_id", Text, nullable=False, index=True),
    Column("content", Text),
    Column("salt", Text),
    Column("digest", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("case_id", "entry_id"),
    sqlite_autoincrement=True,
)  # fmt: skip
"""Everything that was ever done or found in a case, as a chain. `digest` is of salt, child, entry_id (the
teller's own text, in which a child may be named) and content: of an erased child these four are emptied, and
the chain still holds."""
_EMPTIED = ("student_id", "entry_id", "content", "salt")

LEDGER_CASES = Table(
    "ledger_case", METADATA,
    Column("case_id", Text, primary_key=True),
    Column("student_id", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_on", Text, nullable=False),
    Column("school_id", Text, nullable=False),
    Column("township", Text, nullable=False),
    Column("grade", Integer),
    Column("class_name", Text, nullable=False),
    Column("last_number", Integer, nullable=False),
    Index("ledger_cases_of_a_school", "school_id", "state"),
    Index("ledger_cases_of_a_township", "township", "state"),
)  # fmt: skip
"""How each case stands, by which it is found and whose it is. It follows from the entries, and is held
against them (`check_ledger`)."""

_EMPTIED_ONLY = " AND ".join(
    [
        "NEW.student_id = '' AND NEW.entry_id IS NULL AND NEW.content IS NULL AND NEW.salt IS NULL",
        *(
            f"NEW.{column.name} IS OLD.{column.name}"
            for column in LEDGER_ENTRIES.c
            if column.name not in _EMPTIED
        ),
    ]
)
for _name, _verb, _when in (
    ("only_grows", "UPDATE", f"WHEN NOT ({_EMPTIED_ONLY})"), ("never_shrinks", "DELETE", ""),
):  # fmt: skip
    _refused = f"BEFORE {_verb} ON ledger_entry {_when} BEGIN SELECT RAISE(ABORT, 'append only'); END"
    _guard = DDL(f"CREATE TRIGGER ledger_entry_{_name} {_refused}")  # type: ignore[no-untyped-call]
    event.listen(LEDGER_ENTRIES, "after_create", _guard.execute_if(dialect="sqlite"))


def instant_text(instant: datetime) -> str:
    """Write an instant as the store keeps it.

    Raises
    ------
    ValueError
        If the instant has no time zone: then nobody knows when it was.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def day_of(instant: datetime) -> date:
    """Return the day on which an instant falls where schools are: that of UTC begins there at eight."""
    return instant.astimezone(CHINA_TIME).date()


def instant(stored: str) -> datetime:
    """Read an instant that the store kept; in UTC."""
    return datetime.fromisoformat(stored)
