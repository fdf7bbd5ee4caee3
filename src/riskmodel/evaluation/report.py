"""The figures that every training prints: a table for people, in both languages, and JSON for machines."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from riskmodel.domain import Language
from riskmodel.figures import AtCapacity, Evaluation, Interval, ModelFigures
from riskmodel.wording import has, text

FEW_EVENTS = 100
"""Below so many leavers an AUC is known to some +- 0.05 only (measured at AUC 0.85, base rate 1.5 %)."""

_NONE = "–"


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """Figures that others published on the same rows. What they did not give is None.

    `precision_at_10` is the precision of a list of the top 10 %.
    """

    name: str
    auc: float | None = None
    auc_low: float | None = None
    auc_high: float | None = None
    average_precision: float | None = None
    precision_at_10: float | None = None
    brier: float | None = None
    calibration_slope: float | None = None


def evaluation_report(
    evaluation: Evaluation, language: Language, *, reference: Sequence[ReferenceRow] = ()
) -> str:
    """Return counts, figures and lists as Markdown whose columns are aligned, to be read as it is too.

    Reference rows stand beneath ours and are marked as such.
    """
    parts = [
        bullets(count_lines(evaluation, language)),
        *figures(evaluation, language, reference=reference),
        *_transfers(evaluation, language),
    ]
    return "\n\n".join(parts) + "\n"


def figures(
    evaluation: Evaluation, language: Language, *, reference: Sequence[ReferenceRow] = ()
) -> list[str]:
    """Return the parts of a report that hold figures: every model, differences and verdict, lists."""
    parts = [
        markdown_table(overall_head(language), overall_rows(evaluation, language, reference)),
        bullets([*differences(evaluation, language), *verdict(evaluation, language)]),
        _say("lists", language),
        markdown_table(list_head(language), list_rows(evaluation, language, reference)),
    ]
    return [part for part in parts if part]


def bullets(lines: Sequence[str]) -> str:
    """Return lines as a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def evaluation_json(evaluation: Evaluation) -> str:
    """Return the whole evaluation as JSON, dates ISO 8601; `read_evaluation` reads it back."""
    return json.dumps(asdict(evaluation), ensure_ascii=False, indent=2, default=str) + "\n"


def read_evaluation(written: str) -> Evaluation:
    """Read what `evaluation_json` wrote."""
    return TypeAdapter(Evaluation).validate_python(json.loads(written))


def _say(code: str, language: Language, **slots: object) -> str:
    return text(f"evaluation.{code}", language, **slots)


def count_lines(evaluation: Evaluation, language: Language, *, trained: bool = True) -> list[str]:
    """Say who was judged, who not, what the first model was trained on (`trained`), what intervals mean."""
    numbers = {name: f"{value:,}" for name, value in asdict(evaluation).items() if isinstance(value, int)} | {
        "seed": str(evaluation.seed)
    }
    dates = ", ".join(str(day) for day in evaluation.test_dates)
    lines = [
        _say("judged", language, dates=dates, **numbers),
        _say("apart", language, **numbers),
        *(
            [_say("little_known", language, rows=evaluation.left_little_known)]
            if evaluation.left_little_known
            else ()
        ),
        *([_say("trained_on", language, **numbers)] if trained else []),
        _say("intervals", language, resampled=_say(f"resampled.{evaluation.resampled}", language), **numbers),
    ]
    if evaluation.events < FEW_EVENTS:
        lines.append(_say("few_events", language, **numbers))
    return lines


def overall_head(language: Language) -> list[str]:
    """Return the titles of the columns of `overall_rows`."""
    columns = ("model", "auc", "average_precision", "brier", "calibration_slope", "observed_over_expected")
    return [_say(f"column.{column}", language) for column in columns]


def overall_rows(
    evaluation: Evaluation, language: Language, reference: Sequence[ReferenceRow] = ()
) -> list[list[str]]:
    """Return a row per method: AUC, average precision, Brier, calibration; references below ours."""
    ours = [
        [
            model_name(model, language),
            figure(model.auc, 3),
            figure(model.average_precision, 3),
            figure(model.brier, 4),
            figure(model.calibration_slope, 2),
            figure(model.observed_over_expected, 2),
        ]
        for model in evaluation.models
    ]
    theirs = [
        [
            _say("reference", language, name=row.name),
            figure(_given(row.auc, row.auc_low, row.auc_high), 3),
            figure(_given(row.average_precision), 3),
            figure(_given(row.brier), 4),
            figure(_given(row.calibration_slope), 2),
            _NONE,
        ]
        for row in reference
    ]
    return ours + theirs


def differences(evaluation: Evaluation, language: Language) -> list[str]:
    """Say how the first method differs from each other, pair by pair."""
    names = {model.name: model_name(model, language) for model in evaluation.models}
    return [
        _say(
            "difference",
            language,
            first=names[evaluation.models[0].name],
            other=names[other],
            auc=figure(auc, 3, sign="+"),
            average_precision=figure(evaluation.paired_average_precision_difference.get(other), 3, sign="+"),
        )
        for other, auc in evaluation.paired_auc_difference.items()
    ]


def verdict(evaluation: Evaluation, language: Language) -> list[str]:
    """Say whether the model is better than all beside it, beyond the interval of the AUC difference.

    Empty where the first of the table is a rule: only a model has risks.
    """
    first = evaluation.models[0]
    if first.brier is None:
        return []
    names = {model.name: model_name(model, language) for model in evaluation.models}
    differences = evaluation.paired_auc_difference
    even = not_beaten(evaluation)
    worse = [other for other in even if (differences[other].high or 0) < 0]
    even = [other for other in even if other not in worse]
    said = [("worse_than", worse), ("not_better_than", even)] if worse or even else [("better_than_all", [])]
    between = _say("and", language)
    return [
        _say(code, language, first=names[first.name], others=between.join(names[other] for other in others))
        for code, others in said
        if others or code == "better_than_all"
    ]


def not_beaten(evaluation: Evaluation) -> list[str]:
    """Name what the first model of the table does not beat beyond the interval of the AUC difference."""
    differences = evaluation.paired_auc_difference
    return [other for other, auc in differences.items() if auc.low is None or auc.low <= 0]


def _transfers(evaluation: Evaluation, language: Language) -> list[str]:
    """Show what transfers that nobody confirmed could change; nothing where there are none."""
    ways = evaluation.unconfirmed_transfers
    if not ways:
        return []
    columns = ("transfers_counted", "rows", "events", "auc", "average_precision")
    rows = [
        [_say(f"transfers.{way.counted}", language), f"{way.rows:,}", f"{way.events:,}", figure(way.auc, 3),
         figure(way.average_precision, 3)]
        for way in ways
    ]  # fmt: skip
    model = model_name(evaluation.models[0], language)
    said = _say("transfers.what", language, model=model, count=f"{ways[0].unconfirmed_rows:,}")
    return [said, markdown_table([_say(f"column.{column}", language) for column in columns], rows)]


def list_head(language: Language) -> list[str]:
    """Return the titles of the columns of `list_rows`."""
    columns = ("share", "model", "listed", "listed_left", "precision", "ceiling", "found", "recall", "lift")
    return [_say(f"column.{column}", language) for column in columns]


def list_rows(
    evaluation: Evaluation, language: Language, reference: Sequence[ReferenceRow] = ()
) -> list[list[str]]:
    """Return a row per length of list and method."""
    rows: list[list[str]] = []
    for lists in zip(*(model.at_capacity for model in evaluation.models), strict=True):
        share = f"{lists[0].share * 100:g} %"
        rows += [
            [share, model_name(model, language), *_list_cells(at, evaluation.events, language)]
            for model, at in zip(evaluation.models, lists, strict=True)
        ]
        if lists[0].share == 0.1:
            rows += [
                [share, _say("reference", language, name=row.name), _NONE, _NONE,
                 _percent(row.precision_at_10), _NONE, _NONE, _NONE, _NONE]
                for row in reference
                if row.precision_at_10 is not None
            ]  # fmt: skip
    return rows


def _list_cells(at: AtCapacity, events: int, language: Language) -> list[str]:
    return [
        f"{at.listed:,}",
        f"{at.listed_left:,}",
        figure(at.precision, 1, percent=True),
        _percent(at.precision_ceiling),
        _say("found_of", language, found=f"{at.found:,}", events=f"{events:,}"),
        figure(at.recall, 1, percent=True),
        figure(at.lift, 1),
    ]


def model_name(model: ModelFigures, language: Language) -> str:
    """Return what people call a model or a baseline."""
    code = f"evaluation.model.{model.name}"
    return text(code, language) if has(code, language) else model.name


def _given(value: float | None, low: float | None = None, high: float | None = None) -> Interval | None:
    return None if value is None else Interval(value, low, high)


def figure(interval: Interval | None, decimals: int, *, percent: bool = False, sign: str = "") -> str:
    """Return a value with its interval in brackets, or a dash where there is none."""
    if interval is None:
        return _NONE
    scale, unit = (100, " %") if percent else (1, "")
    value = f"{interval.value * scale:{sign}.{decimals}f}{unit}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} [{interval.low * scale:.{decimals}f}, {interval.high * scale:.{decimals}f}]"


def _percent(share: float | None) -> str:
    return _NONE if share is None else f"{share * 100:.1f} %"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown whose columns are aligned on a screen too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(cells[0]), line(["-" * width for width in widths]), *map(line, cells[1:])])


def _width(cell: str) -> int:
    """Columns on a screen: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in cell)
