"""The pictures of a training: calibration, precision by list length, what each family adds.

The only door to SHAP, which draws the last of them from LightGBM's own contributions (equal to SHAP's
TreeExplainer; a test holds it). Every picture holds aggregates, or dots without a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from riskmodel.domain import FeatureInfo, Language
from riskmodel.evaluation.ranking import Floats
from riskmodel.figures import Evaluation, Interval
from riskmodel.wording import has, text

_BLUE, _GREY, _RED = "#2f6690", "#8a8f98", "#b3261e"
_COLOURS = (_BLUE, "#d98e04", "#3a7d44", "#7d5ba6", "#4fa3a5", _GREY)
_MOST_BINS = 10
_EXPECTED_PER_BIN = 5
_MOST_DOTS = 2000
_MOST_FEATURES = 20


def calibration_picture(file: Path, *, risk: ArrayLike, left: ArrayLike, language: Language = "en") -> Path:
    """Draw observed leaving against calibrated risk, in bins of equal expected events; return the file.

    Parameters
    ----------
    risk, left
        Calibrated risk in (0, 1), and whether the student left, of each judged student-date.
    """
    with _figure(file, language, size=(7.2, 5.6)) as (figure, say):
        bins = calibration_bins(np.asarray(risk, dtype=float), np.asarray(left, dtype=bool))
        expected, observed, rows = bins[:, 0], bins[:, 1], bins[:, 2]
        predicted, rate = expected / rows, observed / rows
        low, high = wilson(observed, rows)
        axes = figure.subplots()
        lowest = min(predicted.min(), np.where(observed > 0, low, high).min()) * 0.6
        highest = min(max(predicted.max(), high.max()) * 1.6, 1.0)
        axes.plot([lowest, highest], [lowest, highest], color=_GREY, lw=1, ls="--", label=say("perfect"))
        seen = observed > 0
        axes.vlines(predicted, np.maximum(low, lowest), high, color=_BLUE, lw=1.6, alpha=0.55)
        axes.plot(predicted[seen], rate[seen], "o", color=_BLUE, ms=7, label=say("observed"))
        if not seen.all():
            axes.plot(predicted[~seen], high[~seen], "v", color=_BLUE, mfc="white", label=say("nobody_left"))
        for x, top, events, count in zip(predicted, high, observed, rows, strict=True):
            axes.annotate(
                f"{events:,.0f}/{count:,.0f}", (x, top), (0, 4), textcoords="offset points", rotation=60,
                ha="left", va="bottom", rotation_mode="anchor", fontsize=8, color="#444444",
            )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=(lowest, highest), ylim=(lowest, min(highest * 2.2, 3.0)))
        for axis in (axes.xaxis, axes.yaxis):
            _percent_axis(axis)
        axes.set_xlabel(say("risk"))
        axes.set_ylabel(say("left_share"))
        axes.set_title(say("calibration"), loc="left")
        axes.legend(loc="lower right", frameon=False)
        _note(figure, say("calibration_note"))
    return file


def precision_picture(file: Path, *, evaluation: Evaluation, language: Language = "en") -> Path:
    """Draw precision and recall of the lists, by length, with intervals and ceilings; return the file."""
    with _figure(file, language, size=(9.6, 4.8)) as (figure, say):
        precision, recall = figure.subplots(1, 2)
        lists = evaluation.models[0].at_capacity
        places = np.arange(len(lists))
        for axes, name in ((precision, "precision"), (recall, "recall")):
            _bars(axes, evaluation, name, say)
            axes.set_xticks(places, [f"{at.share * 100:g} %" for at in lists])
            _percent_axis(axes.yaxis)
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
        _note(figure, say("lists_note", events=f"{evaluation.events:,}", students=f"{evaluation.students:,}"))
    return file


def _bars(axes: Any, evaluation: Evaluation, name: str, say: _Say) -> None:
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
    with _figure(file, language, size=(max(9.6, 2.4 * len(terms)), 5.2)) as (figure, say):
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
        _percent_axis(axes.yaxis)
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        share = next(iter(terms.values())).models[0].at_capacity[0].share
        _note(figure, say("terms_note", share=f"{share * 100:g}"))
    return file


def family_picture(
    file: Path,
    *,
    contributions: Floats,
    names: Sequence[str],
    features: Sequence[FeatureInfo],
    language: Language = "en",
) -> Path:
    """Draw, with SHAP's beeswarm, what each feature family adds to the log-odds; return the file.

    Parameters
    ----------
    contributions
        (n, p) or (n, p + 1) log-odds per feature, a last column being the base, which is left out. Of more
        than 2,000 rows every so-manieth is drawn.
    names, features
        The p columns, and the declarations that tell their families.
    """
    import shap

    sums = family_sums(contributions, names, features)
    strength = {family: float(np.abs(total).mean()) for family, total in sums.items()}
    drawn = np.unique(np.linspace(0, len(contributions) - 1, _MOST_DOTS).astype(int))
    with _figure(file, language, size=(8.6, 0.55 * len(sums) + 1.7)) as (figure, say), _fixed_dots():
        axes = figure.subplots()
        shap.plots.beeswarm(
            shap.Explanation(
                np.column_stack([total[drawn] for total in sums.values()]),
                feature_names=[f"{text(f'families.{f}', say.language)}  {strength[f]:.2f}" for f in sums],
            ),
            order=np.argsort([-value for value in strength.values()]),
            max_display=len(sums), color=_BLUE, alpha=0.5, s=9, ax=axes, show=False, plot_size=None,
            color_bar=False,
        )  # fmt: skip
        axes.set_xlabel(say("adds"), fontsize=10)
        axes.tick_params(labelsize=10)
        axes.set_title(say("families"), loc="left")
        _note(figure, say("families_note"))
    return file


def feature_picture(
    file: Path,
    *,
    contributions: Floats,
    values: Floats,
    names: Sequence[str],
    language: Language = "en",
) -> Path:
    """Draw, with SHAP's beeswarm, the features that add most, coloured by their value; return the file.

    Parameters
    ----------
    contributions, values
        (n, p) log-odds, and the values that they were given for; a missing value is grey.
    names
        The p columns.
    """
    import shap

    drawn = np.unique(np.linspace(0, len(contributions) - 1, _MOST_DOTS).astype(int))
    contributions, values = contributions[drawn, : len(names)], values[drawn]
    most = min(_MOST_FEATURES, len(names))
    with _figure(file, language, size=(9.6, 0.38 * most + 1.7)) as (figure, say), _fixed_dots():
        axes = figure.subplots()
        titles = [text(f"features.{name}", say.language) for name in names]
        shap.plots.beeswarm(
            shap.Explanation(contributions, data=values, feature_names=titles),
            order=np.argsort(-np.abs(contributions).mean(axis=0), kind="stable"),
            group_remaining_features=False,
            max_display=most, alpha=0.6, s=7, ax=axes, show=False, plot_size=None, color_bar=False,
        )  # fmt: skip
        axes.set_xlabel(say("adds"), fontsize=10)
        axes.tick_params(labelsize=9)
        axes.set_title(say("features"), loc="left")
        _note(figure, say("features_note"))
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
    with _figure(file, language, size=(8.6, 0.3 * len(rows) + 1.6)) as (figure, say):
        axes = figure.subplots()
        for place, found in enumerate(rows.values()):
            if found.low is not None and found.high is not None:
                axes.hlines(place, found.low, found.high, color=_BLUE, lw=1.6, alpha=0.55)
            axes.plot(found.value, place, "o", color=_BLUE, ms=5)
        if at is not None:
            axes.axvline(at, color=_GREY, lw=1, ls="--")
        axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="x", color="#e6e6e6")
        axes.set_axisbelow(True)
        if percent:
            _percent_axis(axes.xaxis)
        axes.set_title(say(title), loc="left")
        _note(figure, say(note))
    return file


def family_sums(
    contributions: Floats, names: Sequence[str], features: Sequence[FeatureInfo]
) -> dict[str, Floats]:
    """Return the contributions of each row summed by family, in the order of the declarations."""
    family = {feature.name: feature.family for feature in features}
    columns: dict[str, list[int]] = {}
    for feature in features:
        if feature.name in names:
            columns.setdefault(family[feature.name], []).append(list(names).index(feature.name))
    return {name: contributions[:, of].sum(axis=1) for name, of in columns.items()}


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


class _Say:
    """The words of a picture, in the language for which a font is there."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, code: str, **slots: object) -> str:
        for prefix in ("evaluation.picture", "evaluation"):
            if has(f"{prefix}.{code}", self.language):
                return text(f"{prefix}.{code}", self.language, **slots)
        return code.removeprefix("model.")


@contextmanager
def _figure(file: Path, language: Language, *, size: tuple[float, float]) -> Iterator[tuple[Any, _Say]]:
    """Give an empty figure, and write it as PNG at the end. Without a Chinese font it speaks English."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # In English too, a township goes by its own name.
    font = _chinese_font()
    fonts = ["DejaVu Sans", *([font] if font else [])]
    if language == "zh":
        fonts.reverse()
    plain = {"font.family": fonts, "axes.spines.top": False, "axes.spines.right": False}
    with rc_context({"axes.unicode_minus": False, **plain}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, _Say(language if font else "en")
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=150)


def _chinese_font() -> str | None:
    from matplotlib import font_manager

    try:
        from pylopdf_fonts_zh_cn import sans_path
    except ImportError:
        return None
    font_manager.fontManager.addfont(sans_path())
    return str(font_manager.FontProperties(fname=sans_path()).get_name())


@contextmanager
def _fixed_dots() -> Iterator[None]:
    """SHAP shuffles its dots with numpy's global generator: fix it, and give it back as it was."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)


def _percent_axis(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{share * 100:g} %"))
    axis.set_minor_formatter(NullFormatter())


def _note(figure: Any, note: str) -> None:
    figure.supxlabel(note, fontsize=8.5, color="#555555", x=0.01, ha="left")
