"""The table of official figures of a day: every formula on every cell that it is defined for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from riskmodel.domain import RegionRule
from riskmodel.indicators.counting import Cell, Counter
from riskmodel.indicators.faults import find_faults
from riskmodel.indicators.following import FollowTask, follow_bucket
from riskmodel.indicators.formulas import FORMULAS, UNACCOUNTED, Counts, Formula
from riskmodel.indicators.register import look_up, register_cells
from riskmodel.indicators.spans import spans_of
from riskmodel.official import Fault, IndicatorRule, OfficialFigure, Span
from riskmodel.records.store import RecordStore

if TYPE_CHECKING:
    from riskmodel.runners import Runner


@dataclass(frozen=True)
class Rules:
    """The dated rules of a region: by what its figures are told, and what counts as leaving."""

    indicators: Callable[[date], IndicatorRule]
    leaving: Callable[[date], RegionRule]


@dataclass(frozen=True)
class Counted:
    """What was counted on a day: the cells, and the spans of which they tell."""

    as_of_date: date
    spans: tuple[Span, ...]
    cells: tuple[Cell, ...]
    faults: tuple[Fault, ...] = ()


def count(
    store: RecordStore, as_of_date: date, rules: Rules, *, runner: Runner, folder: Path,
    latest_only: bool = False,
) -> Counted:  # fmt: skip
    """Follow all students bucket by bucket and count them; rows of students stay in `folder`.

    With `latest_only` the latest school year and its terms: what a comparison needs, in less time.
    """
    spans = spans_of(store.terms(), as_of_date, rules.indicators)
    years = [span for span in spans if span.kind == "year"]
    if not years:
        return Counted(as_of_date, (), ())
    latest = years[-1]
    if latest_only:
        spans = tuple(span for span in spans if span.first_day >= latest.first_day)
    tasks = [
        FollowTask(
            store.folder, bucket, as_of_date, spans, tuple(rules.leaving(span.first_day) for span in spans),
            latest.first_day, rules.leaving(latest.first_day), folder / f"bucket-{bucket:03d}",
        )
        for bucket in range(store.bucket_count)
    ]  # fmt: skip
    folders = runner.map(follow_bucket, tasks)
    counter = Counter(store, folders, as_of_date, spill_to=folder / "spill")
    try:
        rule = rules.indicators(latest.first_day)
        look_up(counter, store, folders, as_of_date=as_of_date, span=latest, rule=rule)
        faults = find_faults(counter, store, folders, spans=spans, as_of_date=as_of_date)
        cells = [
            *counter.cells(spans), *counter.reasons(spans), *counter.nine_years(spans),
            *register_cells(counter, latest),
        ]  # fmt: skip
    finally:
        counter.close()
    return Counted(as_of_date, spans, tuple(cells), faults)


def figures(cells: Iterable[Cell]) -> Iterator[OfficialFigure]:
    """Apply every formula to the cells that tell all that it needs."""
    for cell in cells:
        for formula in FORMULAS:
            if cell.span.kind in formula.kind and cell.by in formula.by:
                figure = _figure(formula, cell)
                if figure is not None:
                    yield figure


def _figure(formula: Formula, cell: Cell) -> OfficialFigure | None:
    counts = cell.counts
    if cell.by == "reason":
        if formula.name != "dropout_rate":
            return None
        return OfficialFigure("dropout_rate", formula.version, cell.span, cell.place, "reason", cell.stage,
                              cell.value, counts["dropped_out"], None)  # fmt: skip
    try:
        ratio = formula.compute(counts)
    except KeyError:
        return None  # the cell is of another kind: of the registers, or of nine years
    return OfficialFigure(
        formula.name, formula.version, cell.span, cell.place, cell.by, cell.stage, cell.value,
        ratio.numerator, ratio.denominator, _unaccounted(counts), counts.get("already_gone"),
    )  # fmt: skip


def _unaccounted(counts: Counts) -> int | None:
    if "not_found" in counts:
        return counts["not_found"]
    return sum(counts[name] for name in UNACCOUNTED) if UNACCOUNTED[0] in counts else None
