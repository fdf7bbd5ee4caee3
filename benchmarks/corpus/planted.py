"""Faults planted in intake itself: a judge that does not see them proves nothing.

Each takes the place of `take_in` for one case, and breaks it in one way: it reads wrongly and says nothing,
names the wrong place, swallows a finding, invents one, or dies.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from riskmodel.errors import Finding, RecordsRefused, Where
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import IntakeReport, take_in
from riskmodel.records.reading import sheet_rows

from .clean import clean_delivery
from .judging import Intake, Verdict, judge, judge_clean
from .kinds import make_case


def _with_findings(change: Callable[[list[Finding]], list[Finding]]) -> Intake:
    """Take in, and tell other findings than were found."""

    def intake(sources: Sequence[SourceFiles], **options: Any) -> IntakeReport:
        try:
            report = take_in(sources, **options)
        except RecordsRefused as refusal:
            told = change([*refusal.findings, *refusal.notes])
            raise RecordsRefused(told, count=refusal.count) from None
        return replace(report, findings=tuple(change(list(report.findings))))

    return intake


def _moved(finding: Finding, **place: Any) -> Finding:
    return replace(finding, where=replace(finding.where, **place))


def _one_row_up(found: list[Finding]) -> list[Finding]:
    return [_moved(each, row=each.where.row - 1) if each.where.row else each for each in found]


def _one_column_left(found: list[Finding]) -> list[Finding]:
    return [
        _moved(each, letter=chr(ord(each.where.letter) - 1)) if each.where.letter else each for each in found
    ]


def _swallowed(found: list[Finding]) -> list[Finding]:
    return found[1:]


def _invented(found: list[Finding]) -> list[Finding]:
    return [
        *found,
        Finding("cell_empty", "review", Where(source="bureau", file="schools.csv", row=2, letter="A")),
    ]


@contextmanager
def _cells_changed(change: Callable[[str], str]) -> Iterator[None]:
    """Let every cell of a text file or workbook be read as something else."""
    whole = sheet_rows.SheetRows.batch

    def batch(self: Any, chunk: Any, *rest: Any) -> Any:
        return whole(self, [[change(cell) for cell in row] for row in chunk], *rest)

    sheet_rows.SheetRows.batch = batch  # type: ignore[method-assign]
    try:
        yield
    finally:
        sheet_rows.SheetRows.batch = whole  # type: ignore[method-assign]


def _reading(change: Callable[[str], str]) -> Intake:
    def intake(sources: Sequence[SourceFiles], **options: Any) -> IntakeReport:
        with _cells_changed(change):
            return take_in(sources, **options)

    return intake


def _storing_what_is_refused(sources: Sequence[SourceFiles], **options: Any) -> IntakeReport:
    """Take the delivery in however wrong it is, and say nothing."""
    try:
        return take_in(sources, **options)
    except RecordsRefused:
        return IntakeReport(True, "", {}, ())


def _dying(*_: Any, **__: Any) -> IntakeReport:
    raise ZeroDivisionError


PLANTED: tuple[tuple[str, Intake, int, str], ...] = (
    ("a reader that strips leading zeros", _reading(lambda cell: cell.replace("h00", "h")), 40, "silent"),
    ("a reader that loses half marks", _reading(lambda cell: cell.replace(".5", "")), 33, "silent"),
    ("a finding one row too high", _with_findings(_one_row_up), 30, "misplaced"),
    ("a finding one column to the left", _with_findings(_one_column_left), 30, "misplaced"),
    ("a finding swallowed", _with_findings(_swallowed), 27, "missed"),
    ("a finding invented", _with_findings(_invented), 27, "false"),
    ("a refusal swallowed", _storing_what_is_refused, 30, "missed"),
    ("a traceback", _dying, 30, "crashed"),
)
"""What is planted, the intake that has it, a kind to try it on (seed 0), and the measure that must ring."""


def unseen() -> list[str]:
    """Try every planted fault; return those that the judge did not see, and a false alarm without one."""
    missed = []
    for name, intake, number, measure in PLANTED:
        verdict = _judged(number, intake)
        if not getattr(verdict, measure):
            missed.append(f"{name}: {measure} did not ring: {verdict}")
    with tempfile.TemporaryDirectory() as folder:
        style = clean_delivery(0, style="plain")
        if not judge_clean(style, Path(folder) / "a", intake=_with_findings(_invented)).false:
            missed.append("a false finding on a clean delivery")
    for number in sorted({number for _, _, number, _ in PLANTED}):
        verdict = _judged(number, take_in)
        if not verdict.is_sound:
            missed.append(f"kind {number} is not sound without a planted fault: {verdict}")
    return missed


def _judged(number: int, intake: Intake) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        return judge(make_case(number, 0), Path(folder), intake=intake)
