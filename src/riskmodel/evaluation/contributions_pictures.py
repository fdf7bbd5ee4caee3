"""Pictures of what features add, by family and one by one: the only door to SHAP.

SHAP draws them from the model's own contributions (equal to SHAP's TreeExplainer; a test holds it). Every
picture holds dots without a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from riskmodel.domain import FeatureInfo, Language
from riskmodel.evaluation.canvas import BLUE, figure_file, small_print
from riskmodel.evaluation.ranking import Floats
from riskmodel.wording import text

_MOST_DOTS = 2000
_MOST_FEATURES = 20


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
    sums = family_sums(contributions, names, features)
    strength = {family: float(np.abs(total).mean()) for family, total in sums.items()}

    def titles(language: Language) -> list[str]:
        return [f"{text(f'families.{family}', language)}  {strength[family]:.2f}" for family in sums]

    added = np.column_stack(list(sums.values()))
    return _beeswarm(
        file, "families", added, titles, language=language, height=0.55, color=BLUE, alpha=0.5, s=9
    )


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

    def titles(language: Language) -> list[str]:
        return [text(f"features.{name}", language) for name in names]

    added = contributions[:, : len(names)]
    return _beeswarm(file, "features", added, titles, values, language=language, height=0.38, alpha=0.6, s=7)


def _shap() -> Any:
    """Import SHAP; of the errors that it keeps for what it could not import, only their words.

    With their frames all that stood in the caller's variables would live to the end: at 200,000 students the
    matrices of two dates, 0.4 GB.
    """
    import shap
    from shap.utils import _general

    for _, problem in _general.import_errors.values():
        problem.__traceback__ = problem.__context__ = None
    return shap


def _beeswarm(
    file: Path,
    words: str,
    added: Floats,
    titles: Any,
    values: Floats | None = None,
    *,
    language: Language,
    height: float,
    **dots: object,
) -> Path:
    """Draw some rows' additions, the largest on the whole uppermost; `dots` go to SHAP."""
    shap = _shap()
    drawn = np.unique(np.linspace(0, len(added) - 1, _MOST_DOTS).astype(int))
    order = np.argsort(-np.abs(added).mean(axis=0), kind="stable")
    most = min(_MOST_FEATURES, added.shape[1])
    with figure_file(file, language, size=(9.6, height * most + 1.7)) as (figure, say), _fixed_dots():
        axes = figure.subplots()
        shap.plots.beeswarm(
            shap.Explanation(
                added[drawn],
                data=None if values is None else values[drawn],
                feature_names=titles(say.language),
            ),
            order=order, group_remaining_features=False, max_display=most, ax=axes, show=False,
            plot_size=None, color_bar=False, **dots,
        )  # fmt: skip
        axes.set_xlabel(say("adds"), fontsize=10)
        axes.tick_params(labelsize=9)
        axes.set_title(say(words), loc="left")
        small_print(figure, say(f"{words}_note"))
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


@contextmanager
def _fixed_dots() -> Iterator[None]:
    """SHAP shuffles its dots with numpy's global generator: fix it, and give it back as it was."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
