"""Official figures and periodic reports as they are kept, and read by scope.

A figure or report of a school is told to who sees the school in the current set, one of a township to who
sees the township, and those of a county or of the whole region to who sees everywhere. Small counts were
withheld before anything is kept: the store cannot tell what it does not hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    delete,
    false,
    insert,
    or_,
    select,
    true,
    update,
)

from riskmodel.errors import StoreError
from riskmodel.official import Level, Place
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.scope import sees_school
from riskmodel.store.sets import current_set_id
from riskmodel.store.tables import (
    OFFICIAL_DAYS,
    OFFICIAL_FIGURES,
    PERIODIC_REPORTS,
    SCHOOLS,
    instant,
    instant_text,
)

CHUNK_ROWS = 5_000
MOST_PER_PAGE = 500


@dataclass(frozen=True)
class FigurePage:
    """A page of a day's figures; `after` where more follow. `content` is what is true of the whole day."""

    day: date
    counted_at: datetime
    content: Mapping[str, Any]
    figures: tuple[Mapping[str, Any], ...]
    after: str | None


@dataclass(frozen=True)
class KeptReport:
    """A periodic report; `content` holds its pages by language, where one report is read."""

    report_id: str
    kind: str
    place: Place
    as_of_date: date
    made_at: datetime
    titles: Mapping[str, str]
    content: Mapping[str, Any]


def save_figures(
    store: Store, principal: Principal, day: date, figures: Iterable[Mapping[str, Any]], *,
    counted_at: datetime, content: Mapping[str, Any],
) -> None:  # fmt: skip
    """Keep a day's figures, in place of those that were kept of it; they are seen once all are there.

    Raises
    ------
    StoreError
        `not_allowed` if the principal does not see everywhere.
    """
    principal.must("read_list")
    principal.must_see_everywhere()
    key, values = day.isoformat(), {"counted_at": instant_text(counted_at), "content": _text(content)}
    with store.writing() as connection:
        connection.execute(delete(OFFICIAL_FIGURES).where(OFFICIAL_FIGURES.c.day == key))
        connection.execute(delete(OFFICIAL_DAYS).where(OFFICIAL_DAYS.c.day == key))
        connection.execute(insert(OFFICIAL_DAYS).values(day=key, state="writing", **values))
    rows = iter(
        {"day": key, "number": number, **{name: one[name] for name in _NAMED}, "content": _text(one)}
        for number, one in enumerate(figures)
    )
    while chunk := list(islice(rows, CHUNK_ROWS)):
        with store.writing() as connection:
            connection.execute(insert(OFFICIAL_FIGURES), chunk)
    with store.writing() as connection:
        connection.execute(update(OFFICIAL_DAYS).where(OFFICIAL_DAYS.c.day == key).values(state="complete"))


def figures(
    store: Store, principal: Principal, *, formula: str | None = None, span: str | None = None,
    level: Level | None = None, school_id: str | None = None, limit: int = 100, after: str | None = None,
) -> FigurePage | None:  # fmt: skip
    """Return a page of the figures of the newest day that are within the scope; None where none was counted.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists; `cursor_of_former_set` if the page before was of
        another day; `cursor_unreadable` if `after` is none of ours.
    """
    principal.must("read_list")
    most, of = min(max(limit, 1), MOST_PER_PAGE), OFFICIAL_FIGURES.c
    wanted = ((of.formula, formula), (of.span, span), (of.level, level), (of.school_id, school_id))
    with store.reading() as connection:
        day = connection.execute(
            select(OFFICIAL_DAYS)
            .where(OFFICIAL_DAYS.c.state == "complete")
            .order_by(OFFICIAL_DAYS.c.day.desc())
        ).first()
        if day is None:
            return None
        query = (
            select(of.number, of.content)
            .where(of.day == day.day, sees_place(principal, connection, OFFICIAL_FIGURES))
            .where(*(column == value for column, value in wanted if value is not None))
            .order_by(of.number)
            .limit(most + 1)
        )
        begins = day.day.replace("-", "")
        if after is not None:
            if not after.startswith(begins):
                raise StoreError("cursor_of_former_set")
            number = after.removeprefix(begins)
            if not (number.isascii() and number.isdigit() and len(number) < 19):
                raise StoreError("cursor_unreadable")
            query = query.where(of.number > int(number))
        rows = connection.execute(query).all()
    return FigurePage(
        date.fromisoformat(day.day), instant(day.counted_at), json.loads(day.content),
        tuple(json.loads(row.content) for row in rows[:most]),
        f"{begins}{rows[most - 1].number}" if len(rows) > most else None,
    )  # fmt: skip


def save_report(
    store: Store, principal: Principal, *, report_id: str, kind: str, place: Place, as_of_date: date,
    made_at: datetime, content: Mapping[str, Any],
) -> None:  # fmt: skip
    """Keep a report, in place of the one of the same id.

    Raises
    ------
    StoreError
        `not_allowed` if the principal does not see everywhere.
    """
    principal.must("read_list")
    principal.must_see_everywhere()
    with store.writing() as connection:
        connection.execute(delete(PERIODIC_REPORTS).where(PERIODIC_REPORTS.c.report_id == report_id))
        connection.execute(
            insert(PERIODIC_REPORTS).values(
                report_id=report_id, kind=kind, level=place.level, county=place.county,
                township=place.township, school_id=place.school_id, as_of_date=as_of_date.isoformat(),
                made_at=instant_text(made_at), content=_text(content),
            )
        )  # fmt: skip


def reports(store: Store, principal: Principal) -> tuple[KeptReport, ...]:
    """Return the reports within the scope, the newest first, without their pages.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    of = PERIODIC_REPORTS.c
    with store.reading() as connection:
        rows = connection.execute(
            select(PERIODIC_REPORTS)
            .where(sees_place(_of_schools(principal), connection, PERIODIC_REPORTS))
            .order_by(of.as_of_date.desc(), of.kind, of.county, of.school_id)
            .limit(MOST_PER_PAGE)
        ).all()
    return tuple(_report(row, pages=False) for row in rows)


def report(store: Store, principal: Principal, report_id: str) -> KeptReport | None:
    """Return a report with its pages; None where none of that id is within the scope.

    Raises
    ------
    StoreError
        `not_allowed` if the principal may not read lists.
    """
    principal.must("read_list")
    with store.reading() as connection:
        row = connection.execute(
            select(PERIODIC_REPORTS).where(
                PERIODIC_REPORTS.c.report_id == report_id,
                sees_place(_of_schools(principal), connection, PERIODIC_REPORTS),
            )
        ).first()
    return None if row is None else _report(row, pages=True)


def _of_schools(principal: Principal) -> Principal:
    """Leave out classes: a school's report counts children of all of them, small counts too."""
    return replace(principal, classes=frozenset())


def sees_place(principal: Principal, connection: Connection, of: FromClause) -> ColumnElement[bool]:
    """Limit rows about places to those of the principal, as the current set places its schools."""
    if principal.rights.everywhere:
        return true()
    own = select(SCHOOLS.c.school_id).where(
        SCHOOLS.c.set_id == current_set_id(connection), sees_school(principal)
    )
    return or_(
        false(),
        and_(of.c.level == "school", of.c.school_id.in_(own)),
        and_(of.c.level == "township", of.c.township.in_(sorted(principal.townships))),
    )


_NAMED = ("level", "county", "township", "school_id", "formula", "span", "span_kind")


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, default=str)


def _report(row: Any, *, pages: bool) -> KeptReport:
    content = json.loads(row.content)
    return KeptReport(
        row.report_id, row.kind, Place(row.level, row.county, row.township, row.school_id),
        date.fromisoformat(row.as_of_date), instant(row.made_at),
        {language: page["title"] for language, page in content.items()}, content if pages else {},
    )  # fmt: skip
