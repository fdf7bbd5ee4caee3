"""Runs of allocation as they are kept: drafted, frozen, approved by name, and read by those who act.

A run is never changed once it is drafted; another one takes its place. What was really given is written into
the actions table by people, and never here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from itertools import islice
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, not_, select, tuple_, update

from riskmodel.domain import AidAnswer, ScoredStudent
from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.paging import read_item_cursor, write_item_cursor
from riskmodel.store.principals import Principal
from riskmodel.store.rows import read_student
from riskmodel.store.scope import objects, sees_student
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import ALLOCATION_ITEMS, ALLOCATION_RUNS, STUDENTS, instant, instant_text

CHUNK_ROWS = 5_000
MOST_PER_PAGE = 500
USUAL_PER_PAGE = 100
State = Literal["draft", "frozen", "approved"]
WaitingAt = Literal["school", "bureau"]


@dataclass(frozen=True, kw_only=True)
class AllocationItem:
    """What one student is told of one programme. Missing where nothing was compared.

    Attributes
    ----------
    place
        In the order of the programme's eligible students, from 1.
    waiting, waiting_at
        On the waiting list, from 1, of the student's school or of the bureau: of whose hours or places are
        used up.
    waiting_since
        The as-of date of the first run that left the student waiting.
    yuan_left
        Of the budget, after this line.
    lot_group
        Who was drawn by lot with whom, a number within the run; missing: not drawn.
    """

    programme: str
    student_id: str
    school_id: str
    answer: AidAnswer
    place: int | None
    waiting: int | None
    waiting_at: WaitingAt | None
    waiting_since: date | None
    yuan: float | None
    hours: float | None
    yuan_left: float | None
    by_floor: bool
    lot_group: int | None
    stable: bool


@dataclass(frozen=True, kw_only=True)
class AllocationRun:
    """A run: the set that it rests on, who made, froze and approved it, and what it was told and found.

    `content` holds the programmes as they were written, names in both languages, and the run's figures.
    """

    run_id: str
    set_id: str
    as_of_date: date
    made_at: datetime
    made_by: str
    state: State
    frozen_at: datetime | None = None
    frozen_by: str | None = None
    approved_at: datetime | None = None
    approved_by: str | None = None
    content: Mapping[str, Any]


@dataclass(frozen=True)
class ItemPage:
    """Items of a run by programme and student, each with the student as placed today.

    The last page has no `after`.
    """

    run: AllocationRun
    items: tuple[tuple[AllocationItem, ScoredStudent], ...]
    after: str | None


def save_run(store: Store, principal: Principal, run: AllocationRun, items: Iterable[AllocationItem]) -> bool:
    """Keep a drafted run; return False, changing nothing, if the same run is there already.

    The items come in chunks and the run is seen once all are there; what a killed saving left is removed.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not allocate.
    """
    principal.must("allocate")
    with store.writing() as connection:
        state = connection.scalar(
            select(ALLOCATION_RUNS.c.state).where(ALLOCATION_RUNS.c.run_id == run.run_id)
        )
        if state not in (None, "writing"):
            return False
        connection.execute(delete(ALLOCATION_ITEMS).where(ALLOCATION_ITEMS.c.run_id == run.run_id))
        connection.execute(delete(ALLOCATION_RUNS).where(ALLOCATION_RUNS.c.run_id == run.run_id))
        connection.execute(insert(ALLOCATION_RUNS).values(**_run_row(run), state="writing"))
    rows = (_item_row(run.run_id, item) for item in items)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        with store.writing() as connection:
            connection.execute(insert(ALLOCATION_ITEMS), chunk)
    with store.writing() as connection:
        _set_state(connection, run.run_id, was="writing", becomes="draft")
    return True


def freeze(store: Store, principal: Principal, run_id: str, *, by: str, at: datetime) -> None:
    """Freeze a draft: this is what will be approved, whatever is drafted later.

    Raises
    ------
    StoreError
        If there is no such draft, or the principal may not allocate.
    """
    principal.must("allocate")
    with store.writing() as connection:
        _set_state(
            connection, run_id, was="draft", becomes="frozen", frozen_by=by, frozen_at=instant_text(at)
        )


def approve(store: Store, principal: Principal, run_id: str, *, by: str, at: datetime) -> None:
    """Approve a frozen run by name: not the name that froze it.

    Raises
    ------
    StoreError
        If no run of that id is frozen, the same person froze it, or the principal may not allocate.
    """
    principal.must("allocate")
    with store.writing() as connection:
        froze = connection.scalar(
            select(ALLOCATION_RUNS.c.frozen_by).where(
                ALLOCATION_RUNS.c.run_id == run_id, ALLOCATION_RUNS.c.state == "frozen"
            )
        )
        if froze is not None and froze.strip().casefold() == by.strip().casefold():
            raise StoreError("allocation_needs_another_name", run_id=run_id)
        _set_state(
            connection, run_id, was="frozen", becomes="approved", approved_by=by, approved_at=instant_text(at)
        )


def runs(store: Store, principal: Principal) -> tuple[AllocationRun, ...]:
    """Return the runs, newest first; see `_readable`."""
    principal.must("read_list")
    with store.reading() as connection:
        rows = connection.execute(
            select(ALLOCATION_RUNS)
            .where(_readable(principal, connection))
            .order_by(ALLOCATION_RUNS.c.made_at.desc(), ALLOCATION_RUNS.c.run_id)
        ).all()
    return tuple(_run(row) for row in rows)


def items(
    store: Store,
    principal: Principal,
    run_id: str,
    *,
    programme: str | None = None,
    school_id: str | None = None,
    answer: AidAnswer | None = None,
    student_id: str | None = None,
    limit: int = USUAL_PER_PAGE,
    after: str | None = None,
) -> ItemPage | None:
    """Return a page of a run's items of students that are the principal's now; None where no run is readable.

    Who has left since, and whose guardian objects, is not among them.

    Parameters
    ----------
    school_id
        Where the students are today.
    limit
        1 to 500.
    after
        `ItemPage.after` of the page before.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read a counsellor's facts: an entitlement tells them.
        `cursor_unreadable` if `after` is none of ours or of another run.
    """
    principal.must("read_list")
    if principal.rights.audience != "counsellor":
        raise StoreError("not_allowed")  # who is entitled tells of hardship and disability
    most = min(max(limit, 1), MOST_PER_PAGE)
    of, now = ALLOCATION_ITEMS.c, STUDENTS.alias("now")
    wanted = [(of.programme, programme), (now.c.school_id, school_id), (of.answer, answer),
              (of.student_id, student_id)]  # fmt: skip
    with store.reading() as connection:
        told = connection.execute(
            select(ALLOCATION_RUNS).where(
                ALLOCATION_RUNS.c.run_id == run_id, _readable(principal, connection)
            )
        ).first()
        if told is None:
            return None
        set_id = current_set_id(connection)
        query = (
            select(ALLOCATION_ITEMS, now.c.content.label("student"))
            .join(now, and_(now.c.set_id == set_id, now.c.student_id == of.student_id))
            .where(
                of.run_id == run_id,
                sees_student(principal, now),
                *(column == value for column, value in wanted if value is not None),
            )
            .order_by(of.programme, of.student_id)
            .limit(most + 1)
        )
        if after is not None:
            last = read_item_cursor(after, run_id)
            query = query.where(tuple_(of.programme, of.student_id) > tuple_(*last))
        found = [(_item(row), read_student(row.student)) for row in connection.execute(query)]
    end = found[most - 1][0] if len(found) > most else None
    cursor = None if end is None else write_item_cursor(run_id, end.programme, end.student_id)
    return ItemPage(_run(told), tuple(found[:most]), cursor)


def _readable(principal: Principal, connection: Connection) -> ColumnElement[bool]:
    """Limit runs to those that the principal may read.

    Who allocates reads all. Everybody else reads what was approved: a draft is a proposal that may still be
    changed or dropped, and a school that has seen it would have promised it. A run that holds no student of
    the principal's is none for it.
    """
    states = ("draft", "frozen", "approved") if principal.may("allocate") else ("approved",)
    known = ALLOCATION_RUNS.c.state.in_(states)
    if principal.rights.everywhere:
        return known
    of, now = ALLOCATION_ITEMS.c, STUDENTS.alias("now")
    theirs = select(now.c.student_id).where(
        now.c.set_id == current_set_id(connection), sees_student(principal, now)
    )
    return and_(
        known,
        select(of.run_id).where(of.run_id == ALLOCATION_RUNS.c.run_id, of.student_id.in_(theirs)).exists(),
    )


def items_to_evaluate(store: Store, principal: Principal, run_id: str) -> tuple[AllocationItem, ...]:
    """Return all items of an approved run, of who has left too, but for children whose guardian objects.

    What the data team's evaluation reads; no school is told so.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not allocate.
    """
    principal.must("allocate")
    of = ALLOCATION_ITEMS.c
    with store.reading() as connection:
        rows = connection.execute(
            select(ALLOCATION_ITEMS)
            .join(ALLOCATION_RUNS, ALLOCATION_RUNS.c.run_id == of.run_id)
            .where(
                of.run_id == run_id,
                ALLOCATION_RUNS.c.state == "approved",
                not_(objects(of.student_id)),
            )
            .order_by(of.programme, of.student_id)
        )
        return tuple(_item(row) for row in rows)


def waiting_since(store: Store, principal: Principal) -> dict[tuple[str, str], date]:
    """Return since when students wait, by programme and student, as the newest approved run left them."""
    principal.must("allocate")
    approved = [run for run in runs(store, principal) if run.state == "approved"]
    if not approved:
        return {}
    newest = max(approved, key=lambda run: (run.as_of_date, run.approved_at or run.made_at))
    of = ALLOCATION_ITEMS.c
    with store.reading() as connection:
        rows = connection.execute(
            select(of.programme, of.student_id, of.waiting_since).where(
                of.run_id == newest.run_id, of.answer.in_([one.value for one in AidAnswer if one.waits])
            )
        ).all()
    return {(row.programme, row.student_id): date.fromisoformat(row.waiting_since) for row in rows}


def _set_state(connection: Connection, run_id: str, *, was: str, becomes: str, **values: str) -> None:
    moved = connection.execute(
        update(ALLOCATION_RUNS)
        .where(ALLOCATION_RUNS.c.run_id == run_id, ALLOCATION_RUNS.c.state == was)
        .values(state=becomes, **values)
    )
    if moved.rowcount != 1:
        raise StoreError("allocation_not_in_state", run_id=run_id, state=was)


def _run_row(run: AllocationRun) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "set_id": run.set_id,
        "as_of_date": run.as_of_date.isoformat(),
        "made_at": instant_text(run.made_at),
        "made_by": run.made_by,
        "content": json.dumps(run.content, ensure_ascii=False, sort_keys=True),
    }


def _run(row: Any) -> AllocationRun:
    def when(stored: str | None) -> datetime | None:
        return None if stored is None else instant(stored)

    return AllocationRun(
        run_id=row.run_id,
        set_id=row.set_id,
        as_of_date=date.fromisoformat(row.as_of_date),
        made_at=instant(row.made_at),
        made_by=row.made_by,
        state=row.state,
        frozen_at=when(row.frozen_at),
        frozen_by=row.frozen_by,
        approved_at=when(row.approved_at),
        approved_by=row.approved_by,
        content=json.loads(row.content),
    )


def _item_row(run_id: str, item: AllocationItem) -> dict[str, object]:
    told = {each.name: getattr(item, each.name) for each in fields(item)}
    since = None if item.waiting_since is None else item.waiting_since.isoformat()
    return told | {"run_id": run_id, "waiting_since": since, "answer": item.answer.value}


def _item(row: Any) -> AllocationItem:
    told = {each.name: getattr(row, each.name) for each in fields(AllocationItem)}
    since = None if row.waiting_since is None else date.fromisoformat(row.waiting_since)
    return AllocationItem(**told | {"waiting_since": since, "answer": AidAnswer(row.answer)})
