"""The header of a sheet: found by the names that are known, under titles, in one row or in two."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from riskmodel.errors import Where
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Wanted
from riskmodel.records.mapping.vocabulary import plain
from riskmodel.records.mapping.wide import Wide

SEARCHED = 20
"""Rows from the top in which a header is looked for."""


@dataclass(frozen=True)
class Header:
    """A header that was found: its last row (from 1), its names, and whether it takes two rows."""

    row: int
    names: tuple[str, ...]
    two_rows: bool = False


def known_names(rows: Sequence[Sequence[str]], wanted: Wanted) -> int:
    """Count the names that are known in the best of some rows."""
    known = wanted.by_plain_name()
    return max((len({known.get(plain(cell)) for cell in row} - {None}) for row in rows), default=0)


def find_header(
    rows: Sequence[Sequence[str]], wanted: Wanted, where: Where, findings: Findings
) -> Header | None:
    """Find the header in the first rows of a sheet; None where there is none, or more than one.

    It is the one row that holds all required names; else the one pair of rows that holds them together
    (a name below wins over the one above it); else the row with most known names, whose lacks are told
    elsewhere.
    """
    top = rows[:SEARCHED]
    single = [Header(at, _names(row)) for at, row in enumerate(top, start=1)]
    pairs = [
        Header(at + 1, _under(_names(upper), _names(lower)), two_rows=True)
        for at, (upper, lower) in enumerate(pairwise(top), start=1)
    ]
    known = wanted.by_plain_name()
    for candidates in (single, pairs):
        whole = [each for each in candidates if wanted.required <= _told(each, known)]
        if candidates is single:
            whole = [each for each in whole if _told(each, known)]
        if len(whole) > 1:
            told = ", ".join(str(each.row) for each in whole)
            findings.refuse("header_twice", where, rows=told)
            return None
        if whole:
            return _with_row_below(whole[0], top, known)
    best = max(single, key=lambda each: len(_told(each, known)), default=None)
    return best if best is not None and _told(best, known) else None


def find_days(rows: Sequence[Sequence[str]], wide: Wide, titles: Sequence[str]) -> Header | None:
    """Find the header of a sheet of which only the spread columns are told: the row with most of them."""
    top = [Header(at, _names(row)) for at, row in enumerate(rows[:SEARCHED], start=1)]
    above = [cell for row in rows[:SEARCHED] for cell in row if cell]
    best = max(top, key=lambda each: len(wide.spread(each.names, [*above, *titles])), default=None)
    return best if best is not None and wide.spread(best.names, [*above, *titles]) else None


def _with_row_below(header: Header, top: Sequence[Sequence[str]], known: Mapping[str, str]) -> Header:
    """Add the row below where it goes on with the header: nothing but known names, and new ones."""
    lower = _names(top[header.row]) if header.row < len(top) else ()
    names = [plain(cell) for cell in lower if cell]
    if header.two_rows or not names or not all(name in known for name in names):
        return header
    both = Header(header.row + 1, _under(header.names, lower), two_rows=True)
    return both if _told(both, known) > _told(header, known) else header


def choose_columns(
    header: Header,
    wanted: Wanted,
    where: Where,
    findings: Findings,
    *,
    mapped: frozenset[str] = frozenset(),
    apart: Collection[int] = (),
) -> dict[str, int] | None:
    """Find the canonical columns in a header.

    Parameters
    ----------
    mapped
        Columns that a mapping file names: they must be there as well.
    apart
        Positions of columns that are read in another way, and so are not reported as dropped.

    Returns
    -------
    dict or None
        Canonical name to position; None where a column is missing or there twice.
    """
    before = findings.refused
    known = wanted.by_plain_name()
    told = [known.get(plain(name)) if name else None for name in header.names]
    chosen: dict[str, int] = {}
    for at, (name, canonical) in enumerate(zip(header.names, told, strict=True)):
        place = _at(where, at, name)
        if (canonical is None and name and [plain(n) for n in header.names[:at]].count(plain(name))) or (
            canonical is not None and canonical in chosen
        ):
            findings.refuse("column_twice", place, column=name)
        elif canonical is not None:
            chosen[canonical] = at
    unknown = [name for name, canonical in zip(header.names, told, strict=True) if name and canonical is None]
    for canonical in sorted((wanted.required | mapped) - chosen.keys(), key=list(wanted.names).index):
        name = wanted.names[canonical][0]
        near = difflib.get_close_matches(name, unknown, n=1, cutoff=0.6)
        code = "column_missing_but_near" if near else "column_missing"
        slots = {"near": near[0]} if near else {"header": ", ".join(n for n in header.names if n)}
        findings.refuse(code, where, column=name, **slots)
    for at, (name, canonical) in enumerate(zip(header.names, told, strict=True)):
        if name and canonical is None and at not in apart:
            findings.review("column_dropped", _at(where, at, name), column=name)
        elif canonical is not None and plain(name) != plain(wanted.names[canonical][0]) and not mapped:
            findings.mended("column_recognised", _at(where, at, name), column=name, canonical=canonical)
        elif canonical is not None and name not in wanted.names[canonical]:
            findings.mended("header_mended", _at(where, at, name), column=name)
    return chosen if findings.refused == before else None


def letter_of(position: int) -> str:
    """Return the letter over a spreadsheet's column, counted from 0: A, Z, AA."""
    letters = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _at(where: Where, position: int, name: str) -> Where:
    return Where(
        where.source, where.file, where.sheet, where.row, letter=letter_of(position), column=name.strip()
    )


def _names(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in row)


def _under(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    width = max(len(upper), len(lower))
    above = [*upper, *[""] * (width - len(upper))]
    below = [*lower, *[""] * (width - len(lower))]
    return tuple(low or high for high, low in zip(above, below, strict=True))


def _told(header: Header, known: Mapping[str, str]) -> set[str]:
    return {known[plain(name)] for name in header.names if plain(name) in known}
