"""In which order a list stands, and the cursor that says where a page ended.

A cursor names its set and its order: pages of two sets, or of two orders, never mix.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import UnaryExpression, and_, case, or_
from sqlalchemy.sql.elements import ColumnElement

from riskmodel.domain import Band, ScoredStudent
from riskmodel.errors import StoreError
from riskmodel.store.tables import STUDENTS

OrderName = Literal["grade", "class", "band", "student_id"]
ORDER_NAMES: tuple[OrderName, ...] = get_args(OrderName)
USUAL_ORDER = "grade,class"

_BANDS = (Band.REACH_OUT, Band.CHECK_IN, Band.NOT_ENOUGH_INFORMATION, Band.USUAL_CARE)
_BAND_PLACES = {band.value: place for place, band in enumerate(_BANDS)}
_COLUMNS: dict[str, ColumnElement[Any]] = {
    "grade": STUDENTS.c.grade,
    "class": STUDENTS.c.class_name,
    "band": case(_BAND_PLACES, value=STUDENTS.c.band, else_=len(_BANDS)),
    "student_id": STUDENTS.c.student_id,
}
_NUMBERS = ("grade", "band")


@dataclass(frozen=True)
class Order:
    """Names with their direction, the student id always the last of them, so that no two are equal."""

    parts: tuple[tuple[str, bool], ...]
    """(name, descending)."""

    @property
    def text(self) -> str:
        """Write the order as `read_order` reads it."""
        return ",".join(f"-{name}" if descending else name for name, descending in self.parts)

    def columns(self) -> list[ColumnElement[Any] | UnaryExpression[Any]]:
        """Return what the query is ordered by."""
        return [_COLUMNS[name].desc() if down else _COLUMNS[name] for name, down in self.parts]

    def behind(self, values: Sequence[object]) -> ColumnElement[bool]:
        """Keep what stands behind a row of these values."""
        clauses = []
        for place, (name, down) in enumerate(self.parts):
            same = [
                _COLUMNS[other] == value
                for (other, _), value in zip(self.parts[:place], values[:place], strict=True)
            ]
            column, value = _COLUMNS[name], values[place]
            clauses.append(and_(*same, column < value if down else column > value))
        return or_(*clauses)

    def values_of(self, student: ScoredStudent) -> list[object]:
        """Return the values that place a student in this order."""
        told = {
            "grade": student.grade, "class": student.class_name, "band": _BAND_PLACES[student.band],
            "student_id": student.student_id,
        }  # fmt: skip
        return [told[name] for name, _ in self.parts]


def read_order(words: str) -> Order:
    """Read an order such as `-grade,class`; a minus turns it round.

    Raises
    ------
    StoreError
        `order_unreadable` if a name is none of ours, or stands twice.
    """
    parts = [(word.removeprefix("-"), word.startswith("-")) for word in words.split(",")]
    names = [name for name, _ in parts]
    if len(set(names)) != len(names) or not set(names) <= set(ORDER_NAMES):
        raise StoreError("order_unreadable")
    if "student_id" in names:
        parts = parts[: names.index("student_id") + 1]
    else:
        parts.append(("student_id", False))
    return Order(tuple(parts))


def write_cursor(set_id: str, order: Order, last: ScoredStudent) -> str:
    """Write where a page ended."""
    return _written([set_id, order.text, order.values_of(last)])


def read_cursor(cursor: str, set_id: str, order: Order) -> list[object]:
    """Read where a page ended.

    Raises
    ------
    StoreError
        `cursor_unreadable` if it is none of ours or of another order, `cursor_of_former_set` if it is of
        another set.
    """
    try:
        of_set, of_order, values = _parts(cursor)
        if not isinstance(of_set, str) or of_order != order.text or not isinstance(values, list):
            raise ValueError
        for (name, _), value in zip(order.parts, values, strict=True):
            if name in _NUMBERS:
                if type(value) is not int or not 0 <= value < 100:
                    raise ValueError
            else:
                value.encode()  # a lone surrogate would only fail inside the database
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError):
        raise StoreError("cursor_unreadable") from None
    if of_set != set_id:
        raise StoreError("cursor_of_former_set")
    return values


def write_item_cursor(run_id: str, programme: str, student_id: str) -> str:
    """Write where a page of an allocation's items ended."""
    return _written([run_id, programme, student_id])


def read_item_cursor(cursor: str, run_id: str) -> tuple[str, str]:
    """Read where a page of an allocation's items ended: programme and student.

    Raises
    ------
    StoreError
        `cursor_unreadable` if it is none of ours, or of another run.
    """
    try:
        of_run, programme, student_id = _parts(cursor)
        f"{programme}{student_id}".encode()
        if of_run != run_id or not isinstance(programme, str) or not isinstance(student_id, str):
            raise ValueError
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise StoreError("cursor_unreadable") from None
    return programme, student_id


def _written(parts: Sequence[object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False).encode()).decode()


def _parts(cursor: str) -> Any:
    return json.loads(base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True))
