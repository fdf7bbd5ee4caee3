import subprocess
import sys

import numpy as np
import pytest

from riskmodel.domain import FeatureInfo
from riskmodel.evaluation.contributions_pictures import family_picture, family_sums, feature_picture
from riskmodel.models.gbm import fit_gbm

NAMES = ("absence_days", "late_days", "mark", "distance")
FEATURES = tuple(
    FeatureInfo(name=name, unit="days", family=family, source="attendance")
    for name, family in zip(NAMES, ("attendance", "attendance", "study", "travel"), strict=True)
)


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 4))
    X[rng.random((800, 4)) < 0.1] = np.nan
    y = (rng.random(800) < 1 / (1 + np.exp(1.5 - np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 2])))).astype(
        int
    )
    return fit_gbm(X, y, names=NAMES, seed=1), X


def is_a_picture(file) -> bool:
    return file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and file.stat().st_size > 10_000


def test_our_contributions_are_those_of_shaps_tree_explainer(model):
    import shap

    gbm, X = model
    explained = shap.TreeExplainer(gbm._booster).shap_values(X)
    np.testing.assert_allclose(explained, gbm.contributions(X)[:, :-1], rtol=0, atol=1e-12)


def test_contributions_are_summed_by_family_without_the_base():
    contributions = np.array([[1.0, 2.0, 4.0, 8.0, 100.0]])
    sums = family_sums(contributions, NAMES, FEATURES)
    assert {family: total.tolist() for family, total in sums.items()} == {
        "attendance": [3.0], "study": [4.0], "travel": [8.0],
    }  # fmt: skip


@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_families_add_is_drawn_in_both_languages(model, tmp_path, language):
    gbm, X = model
    drawn = family_picture(
        tmp_path / "families.png",
        contributions=gbm.contributions(X),
        names=NAMES,
        features=FEATURES,
        language=language,
    )
    assert is_a_picture(drawn)


def test_drawing_leaves_numpys_global_generator_as_it_was(model, tmp_path):
    gbm, X = model
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    family_picture(
        tmp_path / "families.png", contributions=gbm.contributions(X), names=NAMES, features=FEATURES
    )
    assert np.random.random() == expected


def test_the_features_that_add_most_are_drawn_by_their_plain_names(model, tmp_path):
    gbm, X = model
    names = ("absence_share_7d", "absence_share_28d", "marks_last_round", "boards")
    added = gbm.contributions(X)
    for language in ("zh", "en"):
        file = tmp_path / f"features.{language}.png"
        assert is_a_picture(
            feature_picture(file, contributions=added, values=X, names=names, language=language)
        )


def test_a_picture_keeps_nothing_of_who_asked_for_it() -> None:
    """SHAP keeps the errors of its first import with their frames; a process of its own imports it anew."""
    program = """
import gc, weakref
from pathlib import Path
from tempfile import TemporaryDirectory
import numpy
from riskmodel.evaluation.contributions_pictures import feature_picture
class Matrix:
    pass
def asking(folder):
    matrix = Matrix()
    rows = numpy.random.default_rng(1).normal(size=(30, 3))
    feature_picture(
        Path(folder) / "x.png", contributions=rows, values=rows[:, :2], names=["marks_term", "boards"]
    )
    return weakref.ref(matrix)
with TemporaryDirectory() as folder:
    kept = asking(folder)
gc.collect()
assert kept() is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)
