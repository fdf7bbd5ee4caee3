"""What a model may never be told, looked for in the names that the fitted model itself holds."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from riskmodel.domain import MATRIX_KEYS, FeatureMatrix, Labels, Outcome
from riskmodel.features import ALL_FEATURES
from riskmodel.models.training import train
from riskmodel.recipe import Recipe

BANNED = re.compile(
    "sex|gender|female|ethnic|minority|rural|hukou|relig|faith|disab|health|illness|face|finger|biometr|voice|"
    "address|street|village|coordinate|name|phone|roll_number|identity|password|chat|browsing"
)
"""Protected traits, religion, biometrics, where a home lies, who a person is, what a person says online."""
ALLOWED = {feature.name for feature in ALL_FEATURES if feature.role == "model"}
AVERAGE = Recipe(name="average", parts=("trees", "linear"))


def everything(features=ALL_FEATURES, students=400):
    """Every declared column with some value, whatever its role, and leaving that each goes along with."""
    chance = np.random.default_rng(0)
    values = chance.normal(size=(students, len(features)))
    left = values.sum(axis=1) > 0
    ids = [f"s{number:03}" for number in range(students)]
    keys = dict.fromkeys(MATRIX_KEYS, "t") | {
        "as_of_date": pd.Timestamp(2025, 5, 16).as_unit("s"), "student_id": ids, "household_id": ids,
        "school_id": [f"school-{number % 6}" for number in range(students)], "grade": 8,
    }  # fmt: skip
    frame = pd.DataFrame(keys).join(pd.DataFrame(values, columns=[each.name for each in features]))
    outcome = np.where(left, Outcome.LEFT.value, Outcome.STAYED.value)
    labels = frame[["as_of_date", "student_id"]].assign(outcome=outcome)
    return FeatureMatrix(frame, tuple(features)), Labels(labels, pd.Timestamp(2026, 3, 1).date(), "test")


def names_in(scorer) -> list[str]:
    """Return the columns as LightGBM and the line tell them after they were read back from their texts."""
    read = type(scorer).from_texts(scorer.texts)
    return [*read.trees._booster.feature_name(), *read.linear.names]


def test_no_banned_column_and_none_that_is_not_declared_for_the_model_is_in_a_fitted_model():
    matrix, labels = everything()
    fitted = train(matrix, labels, recipe=AVERAGE, seed=1, bag=1).fitted
    for scorer in (fitted.scorer, *fitted.bag):
        names = names_in(scorer)
        assert [name for name in names if BANNED.search(name)] == []
        assert set(names) == ALLOWED


@pytest.mark.parametrize(
    "name", ["sex_female", "ethnicity_not_han", "household_rural", "disability_registered"]
)
def test_a_protected_trait_given_to_the_model_is_seen(name):
    planted = [replace(each, role="model") if each.name == name else each for each in ALL_FEATURES]
    matrix, labels = everything(planted)
    names = names_in(train(matrix, labels, recipe=AVERAGE, seed=1, bag=0).fitted.scorer)
    assert {each for each in names if BANNED.search(each)} == {name}
    assert set(names) - ALLOWED == {name}
