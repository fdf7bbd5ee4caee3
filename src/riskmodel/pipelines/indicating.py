"""The official figures of a day: counted, held against the targets, and written for people and programs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from riskmodel.config import (
    read_indicator_rules,
    read_targets,
    region_rules_file,
    rule_on,
    targets_file,
)
from riskmodel.domain import Language
from riskmodel.errors import ConfigurationError, NotEnoughData, Where
from riskmodel.indicators.behind import Behind, people_behind, students_behind
from riskmodel.indicators.counting import Cell, Counter
from riskmodel.indicators.register import look_up
from riskmodel.indicators.showing import shown
from riskmodel.indicators.spans import spans_of
from riskmodel.indicators.table import Rules, count, figures
from riskmodel.indicators.targets import against
from riskmodel.official import (
    AgainstTarget,
    Fault,
    IndicatorRule,
    OfficialFigure,
    Place,
    Span,
    SpanKind,
    Target,
)
from riskmodel.official_words import fault_words, figure_words, place_words, span_words, target_words
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, clock
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import FILE_NAME, open_store
from riskmodel.store.official import save_figures
from riskmodel.wording import LANGUAGES, text

COLUMNS = (
    "formula", "version", "span", "span_kind", "first_day", "last_day", "complete", "level", "county",
    "township", "school_id", "by", "stage", "value", "numerator", "denominator", "rate", "low", "high",
    "unaccounted", "already_gone", "hidden",
)  # fmt: skip


@dataclass(frozen=True)
class Indicators:
    """The figures of a day: all of them, those that others may see, and those beside a target."""

    as_of_date: date
    spans: tuple[Span, ...]
    cells: tuple[Cell, ...]
    every: tuple[OfficialFigure, ...]
    shown: tuple[OfficialFigure, ...]
    against: tuple[AgainstTarget, ...]
    targets: tuple[Target, ...]
    rules: tuple[IndicatorRule, ...]
    faults: tuple[Fault, ...]


def tell_indicators(run: Run, *, as_of_date: date | None = None) -> Indicators:
    """Count the official figures as known on a day (default: the day to score), write and tell them.

    Into `indicators/<day>/` of the workspace: `figures.parquet` with all counts, for the data team, and
    `figures.csv`, `figures.json`, `targets.json`, in which small counts are withheld.
    """
    seconds = clock()
    store = RecordStore.open(run.workspace.records)
    day = as_of_on(run, as_of_date or run.configuration.as_of.current, store.terms()).as_of_date
    found = indicators_on(run, store, day)
    folder = run.workspace.indicators / day.isoformat()
    _write(folder, found)
    _keep(run, found)
    run.say(
        "indicators_counted", as_of_date=day, figures=f"{len(found.every):,}",
        withheld=f"{sum(one.hidden for one in found.shown):,}", seconds=seconds(), folder=folder,
    )  # fmt: skip
    for one in found.against:
        if one.figure.place.level in ("region", "county"):
            for language in LANGUAGES:
                run.say("indicator_line", language=language, line=target_line(one, language))
    for fault in found.faults:
        for language in LANGUAGES:
            run.say("indicator_line", language=language, line=fault_words(fault, language))
    return found


def list_behind(
    run: Run, *, span: str, kind: SpanKind, place: Place, stage: str = "", everyone: bool = False,
    register: bool = False, as_of_date: date | None = None,
) -> tuple[Behind, ...]:  # fmt: skip
    """Write whom the rates of a place and span count, with file and row: `behind.csv` of the day's folder.

    With `register` those of the age groups' registers who are not in school, for the latest school year.

    Raises
    ------
    NotEnoughData
        If nothing was counted on that day yet.
    """
    store = RecordStore.open(run.workspace.records)
    day = as_of_on(run, as_of_date or run.configuration.as_of.current, store.terms()).as_of_date
    folder = run.workspace.indicators / day.isoformat()
    folders = sorted((folder / "rows").glob("bucket-*"))
    if not folders:
        raise NotEnoughData("indicators_not_counted", Where(file=str(folder)), as_of_date=day)
    if register:
        found = _people_behind(run, store, folders, day, place)
    else:
        found = students_behind(
            store, folders, day, span=span, kind=kind, place=place, stage=stage, everyone=everyone
        )
    with (
        whole_file(folder / "behind.csv") as beside,
        beside.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("student_id", "outcome", "arrival", "table", "file", "sheet", "row"))
        for one in found:
            for row in one.rows:
                writer.writerow((one.who, one.outcome, one.arrival, row.table, row.file, row.sheet, row.row))
    run.say("behind_listed", students=len(found), file=folder / "behind.csv")
    for one in found[:20]:
        places = ", ".join(f"{row.file}:{row.row}" for row in one.rows)
        run.say("behind_line", language="en", who=one.who, outcome=one.outcome or one.arrival, rows=places)
    return found


def _people_behind(
    run: Run, store: RecordStore, folders: Sequence[Path], day: date, place: Place
) -> tuple[Behind, ...]:
    rule_of = partial(rule_on, indicator_rules(run))
    latest = [span for span in spans_of(store.terms(), day, rule_of) if span.kind == "year"][-1]
    counter = Counter(store, folders, day)
    try:
        look_up(counter, store, folders, as_of_date=day, span=latest, rule=rule_of(latest.first_day))
        return people_behind(counter, store, day, place)
    finally:
        counter.close()


def indicators_on(run: Run, store: RecordStore, day: date, *, latest_only: bool = False) -> Indicators:
    """Count and hold against the targets, without writing what is for people.

    With `latest_only` the latest school year alone, and no rows are kept that `riskmodel behind` could list.
    """
    rules, leaving = indicator_rules(run), run.rules
    told = Rules(
        indicators=partial(rule_on, rules),
        # Years before the first rule are told by the first: it is the only one that there is.
        leaving=lambda on: rule_on(leaving, max(on, leaving[0].valid_from)),
    )
    folder = run.workspace.indicators / ("compared" if latest_only else f"{day.isoformat()}/rows")
    shutil.rmtree(folder, ignore_errors=True)
    counted = count(store, day, told, runner=run.runner, folder=folder, latest_only=latest_only)
    if latest_only:
        shutil.rmtree(folder, ignore_errors=True)
    every = tuple(figures(counted.cells))
    others = tuple(shown(every, lambda figure: rule_on(rules, figure.span.first_day)))
    targets = read_targets(targets_file(run.file))
    return Indicators(
        day,
        counted.spans,
        counted.cells,
        every,
        others,
        tuple(against(others, targets)),
        targets,
        rules,
        counted.faults,
    )


def indicator_rules(run: Run) -> tuple[IndicatorRule, ...]:
    """Return the region's dated rules of its official figures.

    Raises
    ------
    ConfigurationError
        If the region has none: then nobody has said what its year and its age groups are.
    """
    file = region_rules_file(run.file, run.configuration.region)
    rules = read_indicator_rules(file)
    if not rules:
        raise ConfigurationError("no_indicator_rules", Where(file=str(file), key="indicators"))
    return rules


def target_line(one: AgainstTarget, language: Language) -> str:
    """Say a figure beside its target: place, span, rate, and the distance in students."""
    return text(
        "indicators.line", language, place=place_words(one.figure.place, language),
        span=span_words(one.figure.span, language), target=target_words(one.target, language),
        figure=figure_words(one, language),
    )  # fmt: skip


def figure_row(figure: OfficialFigure) -> dict[str, Any]:
    """Return a figure as a row of `COLUMNS`."""
    low, high = figure.interval or (None, None)
    return {
        "formula": figure.formula, "version": figure.version, "span": figure.span.name,
        "span_kind": figure.span.kind, "first_day": figure.span.first_day, "last_day": figure.span.last_day,
        "complete": figure.span.complete, "level": figure.place.level, "county": figure.place.county,
        "township": figure.place.township, "school_id": figure.place.school_id, "by": figure.by,
        "stage": figure.stage, "value": figure.value, "numerator": figure.numerator,
        "denominator": figure.denominator, "rate": figure.rate, "low": low, "high": high,
        "unaccounted": figure.unaccounted, "already_gone": figure.already_gone, "hidden": figure.hidden,
    }  # fmt: skip


def _keep(run: Run, found: Indicators) -> None:
    """Keep what others may see in the published store, if there is one: there schools read it."""
    if not (run.workspace.store / FILE_NAME).is_file():
        return
    beside: dict[int, list[dict[str, Any]]] = {}
    for one in found.against:
        told = _against_row(one)
        beside.setdefault(id(one.figure), []).append(
            {name: told[name] for name in ("target", "at_least", "at_most", "distance", "met")}
        )
    rows = (figure_row(one) | {"targets": beside.get(id(one), [])} for one in found.shown)
    content = {
        "rules": sorted({rule.version for rule in found.rules}),
        "targets": [{"target": one.name, "texts": dict(one.texts or {}), "source": one.source}
                    for one in found.targets],
        "faults": [{"code": one.code, "day": one.day, "school_id": one.school_id, "beside": one.beside,
                    "students": one.students} for one in found.faults],
    }  # fmt: skip
    with closing(open_store(run.workspace.store)) as published:
        save_figures(published, BUREAU, found.as_of_date, rows, counted_at=datetime.now(UTC), content=content)


def _write(folder: Path, found: Indicators) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    every = [figure_row(figure) for figure in found.every]
    with whole_file(folder / "figures.parquet") as beside:
        pq.write_table(pa.Table.from_pylist(every), beside, compression="zstd")
    rows = [figure_row(figure) for figure in found.shown]
    with (
        whole_file(folder / "figures.csv") as beside,
        beside.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    _json(folder / "figures.json", rows)
    _json(folder / "targets.json", [_against_row(one) for one in found.against])


def _against_row(one: AgainstTarget) -> dict[str, Any]:
    target = one.target
    return figure_row(one.figure) | {
        "target": target.name,
        "at_least": None if target.at_least is None else float(target.at_least),
        "at_most": None if target.at_most is None else float(target.at_most),
        "distance": one.distance,
        "met": one.met,
    }


def _json(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    with whole_file(file) as beside:
        beside.write_text(json.dumps(rows, ensure_ascii=False, default=str, indent=0), encoding="utf-8")
