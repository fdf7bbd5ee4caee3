"""The pictures of a training: calibration, precision by list length, terms, figures with their intervals.

Every picture holds aggregates. What features add is drawn in `contributions_pictures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from riskmodel.domain import Language
from riskmodel.evaluation.canvas import BLUE, Say, figure_file, percent_axis, small_print
from riskmodel.evaluation.ranking import Floats
from riskmodel.figures import Evaluation, Interval

_GREY, _RED = "#8a8f98", "#b3261e"
_COLOURS = (BLUE, "#d98e04", "#3a7d44", "#7d5ba6", "#4fa3a5", _GREY)
_MOST_BINS = 10
_EXPECTED_PER_BIN = 5


def calibration_picture(file: Path, *, risk: ArrayLike, left: ArrayLike, language: Language = "en") -> Path:
    """Draw observed leaving against calibrated risk, in bins of equal expected events; return the file.

    Parameters
    ----------
    risk, left
        Calibrated risk in (0, 1), and whether the student left, of each judged student-date.
    """
    with figure_file(file, language, size=(7.2, 5.6)) as (figure, say):
        bins = calibration_bins(np.asarray(risk, dtype=float), np.asarray(left, dtype=bool))
        expected, observed, rows = bins[:, 0], bins[:, 1], bins[:, 2]
        predicted, rate = expected / rows, observed / rows
        low, high = wilson(observed, rows)
        axes = figure.subplots()
        lowest = min(predicted.min(), np.where(observed > 0, low, high).min()) * 0.6
        highest = min(max(predicted.max(), high.max()) * 1.6, 1.0)
        axes.plot([lowest, highest], [lowest, highest], color=_GREY, lw=1, ls="--", label=say("perfect"))
        seen = observed > 0
        axes.vlines(predicted, np.maximum(low, lowest), high, color=BLUE, lw=1.6, alpha=0.55)
        axes.plot(predicted[seen], rate[seen], "o", color=BLUE, ms=7, label=say("observed"))
        if not seen.all():
            axes.plot(predicted[~seen], high[~seen], "v", color=BLUE, mfc="white", label=say("nobody_left"))
        for x, top, events, count in zip(predicted, high, observed, rows, strict=True):
            axes.annotate(
                f"{events:,.0f}/{count:,.0f}", (x, top), (0, 4), textcoords="offset points", rotation=60,
                ha="left", va="bottom", rotation_mode="anchor", fontsize=8, color="#444444",
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=(lowest, highest), ylim=(lowest, min(highest * 2.2, 3.0)))
        for axis in (axes.xaxis, axes.yaxis):
            percent_axis(axis)
        axes.set_xlabel(say("risk"))
        axes.set_ylabel(say("left_share"))
        axes.set_title(say("calibration"), loc="left")
        axes.legend(loc="lower right", frameon=False)
        small_print(figure, say("calibration_note"))
    return file


def precision_picture(file: Path, *, evaluation: Evaluation, language: Language = "en") -> Path:
    """Draw precision and recall of the lists, by length, with intervals and ceilings; return the file."""
    with figure_file(file, language, size=(9.6, 4.8)) as (figure, say):
        precision, recall = figure.subplots(1, 2)
        lists = evaluation.models[0].at_capacity
        places = np.arange(len(lists))
        for axes, name in ((precision, "precision"), (recall, "recall")):
            _bars(axes, evaluation, name, say)
            axes.set_xticks(places, [f"{at.share * 100:g} %" for at in lists])
            percent_axis(axes.yaxis)
            axes.grid(axis="y", color="#e6e6e6")
            axes.set_axisbelow(True)
            axes.set_xlabel(say("list_length"))
            axes.set_title(say(name), loc="left")
        top = precision.get_ylim()[1] * 1.15
        precision.set_ylim(0, top)
        for place, at in zip(places, lists, strict=True):
            beyond = at.precision_ceiling > top * 0.93
            height = top * 0.93 if beyond else at.precision_ceiling
            precision.hlines(
                height, place - 0.44, place + 0.44, color=_RED, ls=":" if beyond else "-",
                label=say("ceiling") if place == len(lists) - 1 else None,
            )  # fmt: skip
            said = f"{'↑ ' if beyond else ''}{at.precision_ceiling * 100:.0f} %"
            precision.annotate(
                said, (place, height), (0, 3), textcoords="offset points", ha="center", color=_RED, fontsize=9
            )
        handles, labels = precision.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
        small_print(
            figure, say("lists_note", events=f"{evaluation.events:,}", students=f"{evaluation.students:,}")
        )
    return file


def _bars(axes: Any, evaluation: Evaluation, name: str, say: Say) -> None:
    """Draw one bar with its interval per model and list length, models side by side."""
    width = 0.84 / len(evaluation.models)
    for number, model in enumerate(evaluation.models):
        figures = [getattr(at, name) for at in model.at_capacity]
        value = np.array([one.value for one in figures])
        ends = np.array(
            [(one.value, one.value) if one.low is None else (one.low, one.high) for one in figures]
        )
        at = np.arange(len(figures)) + (number - (len(evaluation.models) - 1) / 2) * width
        colour = _COLOURS[number % len(_COLOURS)]
        axes.bar(at, value, width * 0.92, color=colour, label=say(f"model.{model.name}"))
        axes.vlines(at, ends[:, 0], ends[:, 1], color="#333333", lw=1.2)


def terms_picture(file: Path, *, terms: Mapping[str, Evaluation], language: Language = "en") -> Path:
    """Draw AUC, and recall at capacity, of each method by term, with intervals; return the file.

    Parameters
    ----------
    terms
        Evaluations by term, oldest first, each judged at one list length.
    """
    with figure_file(file, language, size=(max(9.6, 2.4 * len(terms)), 5.2)) as (figure, say):
        most_first = sorted(terms.values(), key=lambda one: -len(one.models))
        names = list(dict.fromkeys(model.name for one in most_first for model in one.models))
        under = [f"{term}\n{say('terms_left', events=f'{one.events:,}')}" for term, one in terms.items()]
        for axes, figure_name in zip(figure.subplots(1, 2), ("auc", "recall"), strict=True):
            for number, name in enumerate(names):
                shift = (number - (len(names) - 1) / 2) * 0.12
                drawn = [
                    (place + shift, model.auc if figure_name == "auc" else model.at_capacity[0].recall)
                    for place, one in enumerate(terms.values())
                    for model in one.models
                    if model.name == name
                ]
                colour = _COLOURS[number % len(_COLOURS)]
                at, value = [place for place, _ in drawn], [found.value for _, found in drawn]
                label = say(f"model.{name}") if figure_name == "auc" else None
                axes.plot(at, value, "o", ms=5, color=colour, label=label)
                for place, found in drawn:
                    if found.low is not None:
                        axes.vlines(place, found.low, found.high, color=colour, lw=1.4)
            axes.set_xticks(range(len(terms)), under, fontsize=8)
            axes.set_xlim(-0.6, len(terms) - 0.4)
            axes.grid(axis="y", color="#e6e6e6")
            axes.set_title(say(f"terms_{figure_name}"), loc="left")
        percent_axis(axes.yaxis)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        share = next(iter(terms.values())).models[0].at_capacity[0].share
        small_print(figure, say("terms_note", share=f"{share * 100:g}"))
    return file


def ranges_picture(
    file: Path,
    *,
    rows: Mapping[str, Interval],
    title: str,
    note: str,
    at: float | None = None,
    percent: bool = False,
    language: Language = "en",
) -> Path:
    """Draw figures with their intervals below each other, and a line to compare with; return the file.

    Parameters
    ----------
    rows
        Figures by what they are called, the uppermost first.
    title, note
        Words above and below, a wording code of `evaluation.picture` each.
    at
        Where the line stands; None: there is none.
    """
    with figure_file(file, language, size=(8.6, 0.3 * len(rows) + 1.6)) as (figure, say):
        axes = figure.subplots()
        for place, found in enumerate(rows.values()):
            if found.low is not None and found.high is not None:
                axes.hlines(place, found.low, found.high, color=BLUE, lw=1.6, alpha=0.55)
            axes.plot(found.value, place, "o", color=BLUE, ms=5)
        if at is not None:
            axes.axvline(at, color=_GREY, lw=1, ls="--")
        axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="x", color="#e6e6e6")
        axes.set_axisbelow(True)
        if percent:
            percent_axis(axes.xaxis)
        axes.set_title(say(title), loc="left")
        small_print(figure, say(note))
    return file


def calibration_bins(risk: Floats, left: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """Return (expected events, observed events, rows) per bin, lowest risk first.

    Bins share the expected events evenly (up to 10 bins, five expected events each or more), so that the
    top of the list, where lists are cut, is seen as finely as the broad bottom.
    """
    order = np.argsort(risk, kind="stable")
    risk, left = risk[order], left[order]
    count = int(np.clip(risk.sum() // _EXPECTED_PER_BIN, 1, _MOST_BINS))
    middle = np.cumsum(risk) - risk / 2
    number = np.minimum((middle / risk.sum() * count).astype(int), count - 1)
    bins = np.column_stack(
        [np.bincount(number, weights, minlength=count) for weights in (risk, left, np.ones_like(risk))]
    )
    return bins[bins[:, 2] > 0].astype(float)


def wilson(events: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % score interval of a share (Wilson 1927): it holds at 0 events too."""
    z = 1.959964
    share = events / rows
    centre = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2))
    return np.maximum(centre - half, 0.0), centre + half
