import numpy as np
import pytest

from riskmodel.domain import FeatureInfo
from riskmodel.evaluation.pictures import (
    calibration_bins,
    calibration_picture,
    family_picture,
    family_sums,
    feature_picture,
    precision_picture,
    ranges_picture,
    wilson,
)
from riskmodel.figures import Interval
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
def test_every_picture_is_drawn_in_both_languages(judged, county, model, tmp_path, language):
    frame, risk = county
    gbm, X = model
    left = frame["outcome"] == "left"
    folder = tmp_path / "pictures"
    files = [
        calibration_picture(folder / "calibration.png", risk=risk, left=left, language=language),
        precision_picture(folder / "precision.png", evaluation=judged, language=language),
        family_picture(
            folder / "families.png", contributions=gbm.contributions(X), names=NAMES, features=FEATURES,
            language=language,
        ),
    ]  # fmt: skip
    assert sorted(folder.iterdir()) == sorted(files)
    assert all(is_a_picture(file) for file in files)


def test_drawing_leaves_numpys_global_generator_as_it_was(model, tmp_path):
    gbm, X = model
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    family_picture(
        tmp_path / "families.png", contributions=gbm.contributions(X), names=NAMES, features=FEATURES
    )
    assert np.random.random() == expected


def test_a_picture_is_drawn_where_hardly_anybody_left(tmp_path):
    risk = np.concatenate([np.full(500, 0.02), np.full(50, 0.2)])
    left = np.arange(550) < 1
    assert is_a_picture(calibration_picture(tmp_path / "few.png", risk=risk, left=left))


def test_calibration_bins_share_the_expected_events_and_lose_nobody(county):
    frame, risk = county
    left = (frame["outcome"] == "left").to_numpy()
    bins = calibration_bins(risk, left)
    assert len(bins) == 10
    assert bins[:, 2].sum() == len(risk)
    assert bins[:, 1].sum() == left.sum()
    np.testing.assert_allclose(bins[:, 0], risk.sum() / 10, atol=risk.max())
    assert (np.diff(bins[:, 0] / bins[:, 2]) > 0).all()


def test_the_interval_of_no_events_is_wilsons():
    low, high = wilson(np.array([0.0, 5.0]), np.array([10.0, 10.0]))
    np.testing.assert_allclose(low, [0, 0.2366], atol=1e-4)
    np.testing.assert_allclose(high, [0.2775, 0.7634], atol=1e-4)


def test_the_features_that_add_most_are_drawn_by_their_plain_names(model, tmp_path):
    gbm, X = model
    names = ("absence_share_7d", "absence_share_28d", "marks_last_round", "boards")
    added = gbm.contributions(X)
    for language in ("zh", "en"):
        file = tmp_path / f"features.{language}.png"
        assert is_a_picture(
            feature_picture(file, contributions=added, values=X, names=names, language=language)
        )


def test_figures_are_drawn_below_each_other_with_and_without_an_interval(tmp_path):
    rows = {"云岭乡": Interval(0.4, 0.2, 0.6), "alone": Interval(0.5)}
    file = tmp_path / "ranges.png"
    drawn = ranges_picture(file, rows=rows, title="groups", note="groups_note", at=0.4, percent=True)
    assert is_a_picture(drawn)
