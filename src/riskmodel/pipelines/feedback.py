"""Feedback that comes back on paper, and the tickets for the intake that it opens."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast, get_args

from riskmodel.domain import Family, Term
from riskmodel.errors import ConfigurationError, Finding, RecordsRefused, Where
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import Store, open_store
from riskmodel.store.feedback import Code, Said, agreement, record_feedback
from riskmodel.store.sheet_codes import plain_code, students_of_codes
from riskmodel.store.tables import day_of
from riskmodel.store.tickets import Ticket, close_ticket, tickets
from riskmodel.wording import LANGUAGES, text

COLUMNS = ("sheet", "code", "family", "noted_on")
FEWEST = 10
"""Below so many sheets no share is said: it would be noise, and might be about one person."""


def take_feedback(run: Run, file: Path) -> None:
    """Keep what came back on paper: a CSV with a row for each thing that was said. All of it, or nothing.

    Raises
    ------
    RecordsRefused
        With the row and the column of each cell that cannot be read.
    """
    store = open_store(run.workspace.store)
    said = _read(file, store)
    kept = record_feedback(store, BUREAU, said, at=datetime.now(UTC))
    run.say("feedback_taken", count=len(kept), tickets=len({one.ticket_id for one in kept if one.ticket_id}))


def tell_agreement(run: Run) -> None:
    """Print, for each family, how often its reasons were let stand on the sheets that came back."""
    told = [each for each in agreement(open_store(run.workspace.store), BUREAU) if each.came_back]
    if not told:
        run.say("agreement_none")
    for each in told:
        share = each.share
        for language in LANGUAGES:
            family = text(f"families.{each.family}", language)
            if each.came_back < FEWEST:
                run.say("agreement_few", language=language, family=family, fewest=FEWEST)
            else:
                run.say(
                    "agreement",
                    language=language,
                    family=family,
                    came_back=each.came_back,
                    share=f"{share.value:.0%}",
                    low=f"{share.low:.0%}",
                    high=f"{share.high:.0%}",
                )


def list_tickets(run: Run) -> None:
    """List the tickets that are open, with the school days that each has waited, and how fast others were."""
    store = open_store(run.workspace.store)
    records = RecordStore.open(run.workspace.records)
    terms, calendar, allowed = records.terms(), records.calendar(), run.configuration.ticket_school_days
    known = tickets(store, BUREAU)
    for ticket in known:
        if ticket.closed_at is None:
            waited = _waited(ticket, run.today, terms, calendar)
            for language in LANGUAGES:
                run.say(
                    "ticket_overdue" if waited > allowed else "ticket_open",
                    language=language,
                    ticket=ticket.ticket_id,
                    school=ticket.school_id,
                    student=ticket.student_id,
                    family=text(f"families.{ticket.family}", language) if ticket.family else "–",
                    opened=day_of(ticket.opened_at),
                    days=waited,
                    allowed=allowed,
                )
    took = [_waited(one, run.today, terms, calendar) for one in known if one.closed_at]
    answers = Counter(one.answer for one in known if one.answer)
    run.say(
        "tickets_counted",
        open=len(known) - len(took),
        closed=len(took),
        in_time=sum(days <= allowed for days in took),
        allowed=allowed,
        corrected=answers["corrected"],
        stands=answers["stands"],
        unclear=answers["unclear"],
    )


def close_data_ticket(run: Run, ticket_id: int, *, answer: str) -> None:
    """Close a ticket with the intake's answer, which the next sheet shows."""
    closed = close_ticket(
        open_store(run.workspace.store), BUREAU, ticket_id, answer=answer, at=datetime.now(UTC)
    )
    for language in LANGUAGES:
        said = text(f"steps.ticket_answer.{closed.answer}", language)
        run.say("ticket_closed", language=language, ticket=closed.ticket_id, answer=said)


def school_days_between(
    first: date, last: date, *, terms: Iterable[Term], calendar: Mapping[date, bool]
) -> int:
    """Count the school days after the first day up to the last.

    What the calendar says of a day holds; else Monday to Friday of a term are school days. Days past the last
    known term count as if there were one: a ticket does not stand still where no calendar was sent yet.
    """
    known = tuple(terms)
    end = max((term.end_date for term in known), default=date.min)

    def school_day(day: date) -> bool:
        in_term = day > end or any(term.start_date <= day <= term.end_date for term in known)
        return calendar.get(day, in_term and day.isoweekday() <= 5)

    days = ((first + timedelta(days=number)) for number in range(1, (last - first).days + 1))
    return sum(school_day(day) for day in days)


def _waited(ticket: Ticket, today: date, terms: tuple[Term, ...], calendar: Mapping[date, bool]) -> int:
    last = day_of(ticket.closed_at) if ticket.closed_at else today
    return school_days_between(day_of(ticket.opened_at), last, terms=terms, calendar=calendar)


def _read(file: Path, store: Store) -> list[Said]:
    rows = list(csv.reader(io.StringIO(_decoded(file), newline="")))
    header = [_column(cell) for cell in rows[0]] if rows else []
    missing = [column for column in COLUMNS if column not in header and column != "family"]
    if missing:
        where = Where(file=file.name, row=1)
        raise RecordsRefused([Finding("feedback_column_missing", "refuse", where, (("column", missing[0]),))])
    told = [
        (number, {name: cell.strip() for name, cell in zip(header, row, strict=False)})
        for number, row in enumerate(rows[1:], start=2)
        if any(cell.strip() for cell in row)
    ]
    written = dict(zip(header, rows[0] if rows else (), strict=True))
    codes = (plain_code(cells.get("sheet", "")) for _, cells in told)
    students = students_of_codes(store, BUREAU, codes)
    findings: list[Finding] = []
    said: list[Said] = []
    for number, cells in told:
        sheet = students.get(plain_code(cells.get("sheet", "")))
        code, family = cells.get("code", "").upper(), _family(cells.get("family", ""))
        noted_on = _day(cells.get("noted_on", ""))
        wrong = {
            "sheet": sheet is None,
            "code": code not in get_args(Code),
            "family": family == ""
            or (family is None and code == "F4")
            or bool(family and code in ("F0", "F3", "F5")),
            "noted_on": noted_on is None,
        }
        findings += [
            Finding(
                f"feedback_{column}",
                "refuse",
                Where(file=file.name, row=number, column=written.get(column, column)),
            )
            for column in COLUMNS
            if wrong[column]
        ]
        if sheet is not None and noted_on is not None and not any(wrong.values()):
            said.append(
                Said(
                    student_id=sheet[1],
                    code=cast(Code, code),
                    noted_on=noted_on,
                    family=cast(Family, family) if family else None,
                    set_id=sheet[0],
                    on_paper=True,
                )
            )
    if findings:
        raise RecordsRefused(findings)
    return said


def _decoded(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError:
        raise ConfigurationError("feedback_file_missing", Where(file=str(file))) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RecordsRefused([Finding("encoding_unknown", "refuse", Where(file=file.name))])


def _column(written: str) -> str:
    """Read a column's name as any language writes it."""
    names = {text(f"feedback_file.{column}", each): column for column in COLUMNS for each in LANGUAGES}
    return names.get(written.strip(), written.strip())


def _family(written: str) -> str | None:
    """Read a family by code or by name; None where none is named, empty where there is none of that name."""
    if not written:
        return None
    names: dict[str, str] = {
        text(f"families.{family}", each): family for family in get_args(Family) for each in LANGUAGES
    }
    return names.get(written, written if written in get_args(Family) else "")


def _day(written: str) -> date | None:
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日"):
        try:
            return datetime.strptime(written, form).replace(tzinfo=UTC).date()
        except ValueError:
            continue
    return None
