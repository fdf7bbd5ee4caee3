"""Facts put into words: values with their unit, dates, reasons, strengths and what is not known.

The endpoint, the sheets and the notebook all say a fact through these functions, so that one fact reads
the same everywhere. Sentences hold the word of the unit themselves ("缺勤{absence_days_28d}天"); a slot is
filled with the number alone, except a share, which brings its percent sign.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from riskmodel.domain import Band, Kind, Language, Statement, Unit, Unknown
from riskmodel.wording import has, slots, text

_WHOLE_UNITS = frozenset({"yuan", "code"})
_SAME_SCHOOL_YEAR_DAYS = 300
"""Past so many days a date without its year could be read as this year's."""


def format_value(value: float | None, unit: Unit, language: Language) -> str:
    """Write a value as people write it: "9", "9.5", "62%", "1,250".

    Shares (0 to 1) become whole percents, yuan whole with thousands separated; every other number has one
    decimal at most, halves rounded away from zero. A flag is a word. None and NaN say "not known".
    """
    if value is None or not math.isfinite(value):
        return text("values.not_known", language)
    if unit == "flag":
        return text("values.yes" if value else "values.no", language)
    if unit == "share":
        return f"{_rounded(value, 0, scale=100)}%"
    return _rounded(value, 0 if unit in _WHOLE_UNITS else 1, separate=unit == "yuan")


def statement_text(statement: Statement, units: Mapping[str, Unit], language: Language) -> str:
    """Say a reason or a strength.

    Parameters
    ----------
    units
        Unit of each feature by name, as the published dictionary has it.

    Raises
    ------
    KeyError
        If the sentence has a slot that is no feature of the statement.
    """
    return fact_text(statement.code, statement.values, units, language)


def unknown_text(unknown: Unknown, units: Mapping[str, Unit], language: Language) -> str:
    """Say something that the system does not know about a student."""
    return fact_text(unknown.code, unknown.values, units, language)


def source_note(statement: Statement, language: Language, *, as_of: date | None = None) -> str:
    """Say where a statement comes from and how new it is: "（考勤，10月30日）".

    The year is left out only where `as_of` is given and shows that it cannot be mistaken.
    """
    source = text(f"sources.{statement.source}", language)
    if statement.source_date is None:
        return text("dates.source", language, source=source)
    day = format_date(statement.source_date, language, as_of=as_of)
    return text("dates.source_and_date", language, source=source, date=day)


def format_date(day: date, language: Language, *, as_of: date | None = None) -> str:
    """Write a day: "2025年10月30日", or "10月30日" where `as_of` lies in the months around it."""
    near = as_of is not None and abs((as_of - day).days) <= _SAME_SCHOOL_YEAR_DAYS
    month = text(f"dates.months.{day.month}", language)
    if near:
        return text("dates.short", language, month=month, day=day.day)
    return text("dates.full", language, year=day.year, month=month, day=day.day)


def term_name(term: str, language: Language) -> str:
    """Say the name of a term: "2025-2026-1" is "2025年秋季学期"; names of another form stay as they are."""
    found = re.fullmatch(r"(\d{4})-(\d{4})-([12])", term)
    if found is None:
        return term
    autumn = found[3] == "1"
    return text("terms.autumn" if autumn else "terms.spring", language, year=found[1 if autumn else 2])


def grade_name(grade: int, language: Language) -> str:
    """Say the name of a grade: 8 is "八年级"; beyond compulsory education the number is said."""
    code = f"grades.{grade}"
    return text(code, language) if has(code, language) else text("grades.other", language, grade=grade)


def band_name(band: Band, language: Language) -> str:
    """Say what a school is asked to do: "优先联系"."""
    return text(f"bands.{band}.name", language)


def kind_name(kind: Kind, language: Language) -> str:
    """Say whether a school can act on a reason, needs others for it, or it is background."""
    return text(f"kinds.{kind}", language)


def fact_text(
    code: str, values: Mapping[str, float | None], units: Mapping[str, Unit], language: Language
) -> str:
    """Say the sentence of a code about these values, as `statement_text` and `unknown_text` do.

    Raises
    ------
    KeyError
        If the sentence has a slot that is no feature among them.
    """
    filled = {name: format_value(values[name], units[name], language) for name in slots(code, language)}
    return text(code, language, **filled)


@lru_cache(maxsize=16_384)  # the same few numbers are said of many
def _rounded(value: float, places: int, *, scale: int = 1, separate: bool = False) -> str:
    # Decimal, so that a value rounds as it is printed (0.575 is 58 %) and not as it lies in binary.
    step = Decimal(1).scaleb(-places)
    number = (scale * Decimal(repr(float(value)))).quantize(step, rounding=ROUND_HALF_UP)
    if number == number.to_integral_value():
        number = number.to_integral_value()
    sign = "−" if number < 0 else ""
    return f"{sign}{abs(number):,}" if separate else f"{sign}{abs(number)}"
