"""A model that learnt from some of those who stayed says risks that are true of all of them."""

from dataclasses import replace

import numpy as np
import pytest

from riskmodel.models import training
from riskmodel.models.learning import LearningRows, rows_to_learn
from riskmodel.models.training import train
from riskmodel.recipe import PLAIN, Recipe
from riskmodel.scoring import score

from .conftest import plant

SAMPLED = Recipe(name="sampled", sample_staying=0.1)


@pytest.fixture(scope="module")
def many():
    """Twelve thousand rows of whom some 2 % leave."""
    return plant(students=6000, seed=21, base=-5.0)


def too_many(scored, left) -> float:
    """Return how many standard errors more were expected to leave than left."""
    return (scored.sum() - left.sum()) / np.sqrt((scored * (1 - scored)).sum())


def of(planted, **changed):
    return rows_to_learn(planted.matrix, planted.labels, None, **{"recipe": SAMPLED, "seed": 7} | changed)


def test_all_who_left_are_learnt_from_and_a_share_of_those_who_stayed(many):
    rows = of(many)
    learnt = rows.sampled()

    assert learnt.y.sum() == rows.y.sum() > 100
    stayed = (rows.y == 0).sum()
    assert (learnt.y == 0).sum() == pytest.approx(0.1 * stayed, abs=4 * np.sqrt(0.09 * stayed))
    assert learnt.times is not None
    assert set(learnt.times[learnt.y == 1]) == {1.0}
    assert set(learnt.times[learnt.y == 0]) == {10.0}
    assert of(many, recipe=PLAIN).sampled().times is None


def test_who_is_drawn_hangs_on_student_date_and_seed_alone(many):
    frame = many.matrix.frame.sample(frac=0.5, random_state=1)
    half = replace(many, matrix=replace(many.matrix, frame=frame))
    alone, among = of(half), of(many)

    def drawn(planted, rows: LearningRows) -> dict[tuple[str, str], float]:
        whose = planted.matrix.frame["student_id"].tolist()
        keys = zip(whose, rows.days.astype(str).tolist(), strict=True)
        return dict(zip(keys, rows.times.tolist(), strict=True))

    told = drawn(many, among)
    assert all(told[key] == times for key, times in drawn(half, alone).items())
    assert (of(many, seed=8).times != among.times).mean() > 0.1
    first, second = (among.times[among.days == day] > 0 for day in np.unique(among.days))
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("parts", [("trees",), ("linear",)])
def test_risks_and_margins_stay_true(many, bundled, tmp_path, parts):
    trained = train(many.matrix, many.labels, recipe=replace(SAMPLED, parts=parts), seed=7, bag=1)
    later = plant(students=6000, seed=22, base=-5.0)
    left = (later.labels.frame["outcome"] == "left").to_numpy()

    margin, risk = score(later.matrix, bundled(tmp_path / "m", trained))

    assert abs(too_many(risk, left)) < 2.5
    assert (1 / (1 + np.exp(-margin))).mean() == pytest.approx(left.mean(), rel=0.3)
    found = trained.out_of_fold
    assert len(found) == len(many.matrix.frame), "everybody is calibrated on"
    for name in ("risk", "logistic_risk"):
        assert abs(too_many(found[name], found["left"])) < 0.5
    groups = trained.fitted.similar.groups
    assert groups[0][0] < left.mean() < groups[-1][0]
    assert trained.counts.rows == len(many.matrix.frame)


def test_a_sample_that_is_taken_for_everybody_is_noticed(many):
    rows = rows_to_learn(many.matrix, many.labels, None, recipe=SAMPLED, seed=7)
    fitted = training._fit(
        replace(rows.sampled(), times=None),
        recipe=SAMPLED, seed=7, bag=1, folds=2, progress=None,
    )[0]  # fmt: skip
    left = (many.labels.frame["outcome"] == "left").to_numpy()
    X = many.matrix.frame[list(many.matrix.model_features)].to_numpy()

    assert too_many(fitted.calibrator.risk(fitted.scorer.margin(X)), left) > 20
