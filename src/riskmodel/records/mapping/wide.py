"""Sheets with one column per day or per subject: each filled cell is a row of its own.

The columns of a sheet that are not spread (who, which class) stand in every row; what a spread column is
about (a day, a subject and its full mark) comes from its header, and what a mark stands for from the mapping.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from riskmodel.records.mapping.vocabulary import plain

# A term's own name (2025-2026-2) states no month: a year that follows another, or a number before 学期.
_YEAR_AND_MONTH = re.compile(
    r"(?<![0-9])(?<![0-9]{4}[-./~—–至])([12][0-9]{3})\s*(?:年|[-./])\s*([01]?[0-9])"
    r"(?:\s*月|(?![0-9])(?!\s*学期))"
)
_OF_A_DAY = re.compile(r"\s*[0-3]?[0-9]\s*[日号]|[-./][0-3]?[0-9]")
_DAY = re.compile(r"([0-3]?[0-9])[日号]?")
_MONTH_AND_DAY = re.compile(r"([01]?[0-9])[月./-]([0-3]?[0-9])[日号]?")
_WHOLE = re.compile(r"([12][0-9]{3})[年./-]([01]?[0-9])[月./-]([0-3]?[0-9])日?")


@dataclass(frozen=True)
class Wide:
    """How a sheet is spread.

    Attributes
    ----------
    value
        The canonical column that a cell fills; None where `marks` say all.
    columns
        By the name of a spread column, the canonical values that it gives to its rows.
    days_into
        Canonical columns that the day in a header fills; such headers are days of the month that the
        title, the sheet's or the file's name states, or whole dates.
    marks
        By what stands in a cell, the canonical values that it means; None: no row.
    """

    value: str | None = None
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    days_into: tuple[str, ...] = ()
    marks: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)

    @property
    def filled(self) -> tuple[str, ...]:
        """Canonical columns that spread cells fill."""
        told = [self.value] if self.value else []
        told += [name for given in self.columns.values() for name in given]
        told += self.days_into
        told += [name for given in self.marks.values() for name in given or ()]
        return tuple(dict.fromkeys(told))

    def spread(self, names: Sequence[str], titles: Sequence[str]) -> dict[int, Mapping[str, str]]:
        """Return the positions of the spread columns in a header, and what each gives to its rows.

        Parameters
        ----------
        titles
            Where a month may be stated: title cells, the sheet's name, the file's name, in this order.
        """
        month = next(iter(_stated(titles)), None)
        known = {plain(name): given for name, given in self.columns.items()}
        found: dict[int, Mapping[str, str]] = {}
        for at, name in enumerate(names):
            if plain(name) in known:
                found[at] = known[plain(name)]
            elif self.days_into and (day := _day_of(plain(name), month)) is not None:
                found[at] = dict.fromkeys(self.days_into, day.isoformat())
        return found

    def months(self, names: Sequence[str], titles: Sequence[str]) -> list[str]:
        """Return the months that are stated, each once, where the days of the header need one."""
        if self.spread(names, titles) == self.spread(names, ()):
            return []
        return list(dict.fromkeys(f"{month[1]}-{int(month[2]):02}" for month in _stated(titles)))


def _stated(titles: Sequence[str]) -> list[re.Match[str]]:
    """Find the months that titles state; dates of a day (of printing) where there is nothing else."""
    found = [month for title in titles for month in _YEAR_AND_MONTH.finditer(title)]
    return [month for month in found if not _OF_A_DAY.match(month.string, month.end())] or found


def _day_of(name: str, month: re.Match[str] | None) -> date | None:
    if whole := _WHOLE.fullmatch(name):
        parts = whole.groups()
    elif month is not None and (day := _DAY.fullmatch(name)):
        parts = (month[1], month[2], day[1])
    elif month is not None and (told := _MONTH_AND_DAY.fullmatch(name)):
        parts = (month[1], told[1], told[2])
    else:
        return None
    try:
        return date(*map(int, parts))
    except ValueError:
        return None
