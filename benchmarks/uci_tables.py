"""Our recipes beside four common models on real tables without time, which enter at the feature matrix.

`python benchmarks/uci_tables.py DATA`, where DATA holds `uci697/data.csv` and `uci320/student-*.csv`.
What counts as ours, and how it is judged, was settled before the first figure: `benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from scipy.stats import t as student_t
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from riskmodel.domain import MATRIX_KEYS, FeatureInfo, FeatureMatrix, Labels, Outcome
from riskmodel.evaluation.probabilities import Probabilities
from riskmodel.evaluation.ranking import Pooled
from riskmodel.figures import Interval
from riskmodel.models import training
from riskmodel.models.learning import rows_to_learn
from riskmodel.models.search import search_trees
from riskmodel.recipe import PLAIN, Recipe, Search, TreeParameters
from riskmodel.scoring import score_unwritten
from riskmodel.splits import school_folds

Floats = NDArray[np.float64]
Fit = Callable[["Fold"], Floats]

SEEDS = (1, 2, 3, 4, 5)
FOLDS = 5
RESAMPLES = 200
OURS = "table_average"
TABLE_AVERAGE = Recipe(
    name=OURS, parts=("trees", "linear"), trees=TreeParameters(rounds=960, depth=4), prior_sd=0.3
)
AVERAGE = Recipe(name="average", parts=("trees", "linear"))
"""As the files of `configs/recipes`."""
RARE = 20
"""Rows of a training fold below which a level is merged with the other rare ones."""
LEAST_EVENTS = 50
"""The product gives no probabilities from fewer than 100 leavers; a fold of UCI 320 has 80 to 104 events to
learn from, so the bound is lowered here, and nowhere else."""
ORDER = {"auc": 1, "average_precision": 1, "brier": -1}
"""1 where more is better."""
DAY = pd.Timestamp(2000, 1, 1).as_unit("s")
FEES = ("Debtor", "Tuition_fees_up_to_date")


class Fold(NamedTuple):
    """What a model gets: numbers, the same for all, to learn from; and the rows it must judge."""

    names: tuple[str, ...]
    X: Floats
    y: NDArray[np.int_]
    held: Floats
    seed: int


@dataclass(frozen=True)
class Table:
    """A table without time: `y` is 1 for who left, or failed; `categories` names columns without an order."""

    name: str
    columns: pd.DataFrame
    y: NDArray[np.int_]
    categories: tuple[str, ...]

    def fold(self, learn: NDArray[np.intp], held: NDArray[np.intp], seed: int) -> Fold:
        """Turn levels into columns of 0 and 1, by what the rows to learn from hold alone."""
        numbers = self.columns.drop(columns=list(self.categories))
        levels = self.columns[list(self.categories)].astype(str)
        coder = OneHotEncoder(min_frequency=RARE, handle_unknown="infrequent_if_exist", sparse_output=False)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Found unknown categories", category=UserWarning)
            coded = coder.fit(levels.iloc[learn]).transform(levels)
        X = np.column_stack([numbers.to_numpy(dtype=np.float64), coded])
        names = tuple(f"column_{number}" for number in range(X.shape[1]))
        return Fold(names, X[learn], self.y[learn], X[held], seed)


def read_tables(data: Path) -> list[Table]:
    """Read UCI 697 (end of semester 1; also without fee columns) and UCI 320 (with G1; without grades)."""
    dropout = pd.read_csv(data / "uci697" / "data.csv", sep=";", encoding="utf-8-sig")
    left = (dropout["Status"] == "Dropout").to_numpy(dtype=np.int_)
    later = [name for name in dropout if "2nd_sem" in name]
    semester = dropout.drop(columns=["Status", *later])
    codes = (
        "Marital_status", "Application_mode", "Course", "Previous_qualification", "Nacionality",
        "Mothers_qualification", "Fathers_qualification", "Mothers_occupation", "Fathers_occupation",
    )  # fmt: skip
    tables = [
        Table("UCI 697, semester 1", semester, left, codes),
        Table("UCI 697, without fees and debts", semester.drop(columns=list(FEES)), left, codes),
    ]
    for file, subject, mark in (("por", "Portuguese", ","), ("mat", "mathematics", ";")):
        pupils = pd.read_csv(data / "uci320" / f"student-{file}.csv", sep=mark)
        failed = (pupils["G3"] < 10).to_numpy(dtype=np.int_)
        known, categories = _two_levels_as_numbers(pupils.drop(columns=["G2", "G3"]))
        tables += [
            Table(f"UCI 320 {subject}, with G1", known, failed, categories),
            Table(f"UCI 320 {subject}, no grades", known.drop(columns="G1"), failed, categories),
        ]
    return tables


def _two_levels_as_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Make 0 and 1 of columns with two words; name those with more."""
    words = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    two = [name for name in words if frame[name].nunique() == 2]
    coded = {name: (frame[name] == frame[name].max()).astype(int) for name in two}
    return frame.assign(**coded), tuple(name for name in words if name not in two)


# --- the models -------------------------------------------------------------------------------------


def matrix_of(fold: Fold, X: Floats) -> FeatureMatrix:
    """Give rows the form in which the product takes them.

    Each student is a school and a household of its own, so that the calibration deals students into its
    folds, as the outer folds do.
    """
    keys: dict[str, Any] = dict.fromkeys(MATRIX_KEYS, "") | {"as_of_date": DAY, "grade": 9}
    ids = [f"s{number:05d}" for number in range(len(X))]
    keys |= dict.fromkeys(("student_id", "household_id", "school_id"), ids)
    frame = pd.DataFrame(keys).join(pd.DataFrame(X, columns=list(fold.names)))
    features = tuple(FeatureInfo(name=n, unit="code", family="study", source="table") for n in fold.names)
    return FeatureMatrix(frame, features)


def labels_of(fold: Fold, matrix: FeatureMatrix) -> Labels:
    """Say what became of the rows to learn from."""
    frame = matrix.frame[["as_of_date", "student_id"]].assign(
        outcome=np.where(fold.y == 1, Outcome.LEFT.value, Outcome.STAYED.value),
        left_on=DAY, cause="", returned_on=pd.NaT, arrived_on=pd.NaT, term="", horizon_end=DAY,
    )  # fmt: skip
    return Labels(frame, DAY.date(), "table")


def product(recipe: Recipe) -> Fit:
    """Fit, calibrate and score by the code of the product; a search sees the fold's learning rows alone."""

    def fit(fold: Fold) -> Floats:
        matrix = matrix_of(fold, fold.X)
        labels = labels_of(fold, matrix)
        used = _searched(recipe, matrix, labels, fold.seed) if recipe.search else recipe
        with patch.object(training, "MINIMUM_TRAINING_EVENTS", LEAST_EVENTS):
            trained = training.train(matrix, labels, recipe=used, seed=fold.seed, bag=0)
        if not trained.probabilities:
            raise ValueError(f"fewer than {LEAST_EVENTS} events in a fold")
        return np.asarray(score_unwritten(matrix_of(fold, fold.held), trained).risk, dtype=np.float64)

    return fit


def _searched(recipe: Recipe, matrix: FeatureMatrix, labels: Labels, seed: int) -> Recipe:
    rows = rows_to_learn(matrix, labels, None, recipe=recipe)
    folds = school_folds(rows.schools, rows.households, rows.students)
    found = search_trees(rows, folds, recipe=recipe, by="school", seed=seed)
    return replace(recipe, trees=found.chosen.trees)


def plain(make: Callable[[int], Any]) -> Fit:
    """Fit a scikit-learn classifier, as it comes."""

    def fit(fold: Fold) -> Floats:
        model = make(fold.seed).fit(fold.X, fold.y)
        return np.asarray(model.predict_proba(fold.held)[:, 1], dtype=np.float64)

    return fit


def _catboost(seed: int) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False)


def our_models(search: int = 0) -> dict[str, Fit]:
    """Name our recipes, the one that counts first; the searched one where trials are asked for."""
    ours = {OURS: product(TABLE_AVERAGE), "average": product(AVERAGE), "lightgbm_fixed": product(PLAIN)}
    if search:
        ours["searched"] = product(replace(AVERAGE, search=Search(trials=search, minutes=5)))
    return ours


def rivals() -> dict[str, Fit]:
    """Name the four models, each as its library makes it; CatBoost only where it is installed."""
    four = {
        "logistic": plain(lambda _: make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))),
        "lightgbm_defaults": plain(
            lambda seed: LGBMClassifier(random_state=seed, num_threads=1, verbosity=-1, deterministic=True)
        ),
        "hist_gradient_boosting": plain(lambda seed: HistGradientBoostingClassifier(random_state=seed)),
    }
    return four | ({"catboost": plain(_catboost)} if find_spec("catboost") else {})


# --- judging ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """Risks of every row by models that had not seen it, (repeats, rows) for each; and the row's fold."""

    table: Table
    ours: tuple[str, ...]
    risks: Mapping[str, Floats]
    fold: NDArray[np.int_]

    def by_fold(self, model: str) -> dict[str, Floats]:
        """Return AUC, average precision and Brier of every fold of every repeat."""
        figures = [
            _figures(risk[fold == number], self.table.y[fold == number])
            for risk, fold in zip(self.risks[model], self.fold, strict=True)
            for number in np.unique(fold)
        ]
        return {name: np.array([each[name] for each in figures]) for name in ORDER}

    def interval(self, values: Floats) -> Interval:
        """Return the mean of the folds' values with its corrected interval."""
        return corrected(values, folds=int(self.fold.max()) + 1)

    def best(self, figure: str) -> str:
        """Name the best of those that are not ours."""
        others = [name for name in self.risks if name not in self.ours]
        return max(others, key=lambda name: ORDER[figure] * float(self.by_fold(name)[figure].mean()))

    def ahead(self, figure: str, ours: str, other: str) -> Interval:
        """Return by how much one of ours is ahead of another on the same folds; above 0: ours is better."""
        better = self.by_fold(ours)[figure] - self.by_fold(other)[figure]
        return self.interval(ORDER[figure] * better)

    def calibration(self, model: str, resamples: int = RESAMPLES) -> tuple[Interval, Interval]:
        """Return slope and O/E, a mean over repeats of all rows held out; intervals resample students."""
        students = np.arange(len(self.table.y))
        repeats = [Probabilities.of(risk, self.table.y == 1, students) for risk in self.risks[model]]

        def at(weights: Floats) -> tuple[float, float]:
            figures = [each.figures(weights) for each in repeats]
            slopes, ratios = (
                [each[name] for each in figures] for name in ("calibration_slope", "observed_over_expected")
            )
            return float(np.mean(slopes)), float(np.mean(ratios))

        chance, size = np.random.default_rng(0), len(students)
        drawn = [
            at(np.bincount(chance.integers(0, size, size), minlength=size).astype(float))
            for _ in range(resamples)
        ]
        low, high = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
        slope, ratio = zip(at(np.ones(size)), low, high, strict=True)
        return Interval(*map(float, slope)), Interval(*map(float, ratio))


def _figures(risk: Floats, y: NDArray[np.int_]) -> dict[str, float]:
    students = np.arange(len(y))
    ranked = Pooled.of(risk, y == 1, students).figures(np.ones(len(y)))
    return ranked | {"brier": float(np.mean((risk - y) ** 2))}


def corrected(values: Floats, *, folds: int) -> Interval:
    """Return the mean over repeated folds with a 95 % interval that allows for their sharing of rows.

    The corrected resampled t of Nadeau and Bengio (Machine Learning 52, 2003, 239-281): the variance of the
    folds' values counts 1 / (number of values) + (rows held out) / (rows learnt from) times.
    """
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    error = spread * np.sqrt(1 / len(values) + 1 / (folds - 1))
    reach = float(student_t.ppf(0.975, len(values) - 1) * error)
    return Interval(mean, mean - reach, mean + reach)


def judge(
    table: Table,
    *,
    ours: Mapping[str, Fit],
    others: Mapping[str, Fit],
    seeds: Sequence[int] = SEEDS,
    folds: int = FOLDS,
) -> Judged:
    """Fit every model on the same folds: rows dealt by chance, leavers evenly, anew for each seed."""
    models, rows = {**ours, **others}, len(table.y)
    risks = {name: np.full((len(seeds), rows), np.nan) for name in models}
    fold = np.zeros((len(seeds), rows), dtype=np.int_)
    with threadpool_limits(1):
        for repeat, seed in enumerate(seeds):
            dealt = StratifiedKFold(folds, shuffle=True, random_state=seed).split(table.columns, table.y)
            for number, (learn, held) in enumerate(dealt):
                fold[repeat, held] = number
                given = table.fold(learn, held, seed)
                for name, fit in models.items():
                    risks[name][repeat, held] = fit(given)
            print(f"{table.name}: seed {seed} done", file=sys.stderr, flush=True)
    return Judged(table, tuple(ours), risks, fold)


# --- telling ----------------------------------------------------------------------------------------


def report(judged: Judged, resamples: int = RESAMPLES) -> str:
    """Tell a table's figures, and how far ours are ahead of each other model and of the best, as Markdown."""
    return "\n".join([*_first(judged, resamples), "", *_second(judged), ""])


def _first(judged: Judged, resamples: int) -> Iterator[str]:
    table = judged.table
    repeats, folds = len(judged.fold), int(judged.fold.max()) + 1
    yield f"### {table.name}: {len(table.y):,} rows, {table.y.sum():,} events, {repeats} x {folds} folds"
    yield ""
    yield "| model | AUC | AP | Brier | calibration slope | O/E |"
    yield "|---|---|---|---|---|---|"
    for name in judged.risks:
        folded = judged.by_fold(name)
        figures = [judged.interval(folded[figure]) for figure in ORDER]
        figures += judged.calibration(name, resamples)
        shown = f"**{name}**" if name in judged.ours else name
        yield f"| {shown} | {' | '.join(map(_told, figures))} |"


def _second(judged: Judged) -> Iterator[str]:
    best = {figure: judged.best(figure) for figure in ORDER}
    yield "| ahead of (above 0: ours is better) | AUC | AP | Brier |"
    yield "|---|---|---|---|"
    for ours in judged.ours:
        told = [
            f"{_told(judged.ahead(figure, ours, name), sign='+')} {name}" for figure, name in best.items()
        ]
        yield f"| **{ours}**, the best | {' | '.join(told)} |"
    for other in (name for name in judged.risks if name != OURS):
        told = [_told(judged.ahead(figure, OURS, other), sign="+") for figure in ORDER]
        yield f"| {OURS}, {other} | {' | '.join(told)} |"


def _told(figure: Interval, sign: str = "") -> str:
    return f"{figure.value:{sign}.3f} [{figure.low:{sign}.3f}, {figure.high:{sign}.3f}]"


def main() -> None:
    """Judge every table that is asked for, and print each when it is done."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("data", type=Path)
    asked.add_argument("--tables", nargs="*", type=int, help="numbers, in the order of read_tables, from 0")
    asked.add_argument("--search", type=int, default=0, help="trials of a search inside each training fold")
    asked.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    given = asked.parse_args()
    tables = read_tables(given.data)
    others = rivals()
    if "catboost" not in others:
        print("CatBoost is not installed and is left out (requirements/bench.lock has it).\n")
    for number in range(len(tables)) if given.tables is None else given.tables:
        judged = judge(tables[number], ours=our_models(given.search), others=others, seeds=given.seeds)
        print(report(judged), flush=True)


if __name__ == "__main__":
    main()
