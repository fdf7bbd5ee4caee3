"""A small matrix with a planted signal, the labels that belong to it, and one training of it."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest

from riskmodel.domain import FeatureMatrix, Labels, Outcome, School, TermFacts
from riskmodel.features import ALL_FEATURES
from riskmodel.models.training import TrainedModel, train

USED = (
    "absence_share_28d", "absence_share_56d", "unexcused_absence_share_28d", "unexcused_absence_share_56d",
    "unreported_share_56d", "absence_days_28d", "days_since_attendance_report", "marks_last_round",
    "days_since_exam", "parents_away", "home_statement_age_days", "living_aid_lapsed",
    "days_since_aid_record", "distance_km", "distance_statement_age_days", "months_at_school",
    "years_over_grade_age",
    *(f"absence_days_block_{block}" for block in range(1, 7)),
)  # fmt: skip
FEATURES = tuple(one for one in ALL_FEATURES if one.name in (*USED, "parents_away_age_days"))
DATES = (date(2024, 11, 15), date(2025, 5, 16))


@dataclass(frozen=True)
class Planted:
    """`true_margin` is what the outcomes were drawn from, one per row of the matrix."""

    matrix: FeatureMatrix
    labels: Labels
    true_margin: np.ndarray


def plant(*, students: int, seed: int, dates: tuple[date, ...] = DATES, base: float = -3.4) -> Planted:
    """Draw students whose leaving goes along with absence, low marks and parents away; the rest is noise."""
    chance = np.random.default_rng(seed)
    rows = students * len(dates)
    days = {
        name: chance.integers(1, 60, rows).astype(float) for name in USED if name.startswith("days_since")
    }
    absence = chance.beta(1, 12, rows)
    unreported = chance.random(rows) < 0.05
    values = {
        **{name: chance.random(rows) for name in USED},
        **days,
        "absence_share_28d": absence,
        "absence_share_56d": np.clip(absence + chance.normal(0, 0.02, rows), 0, 1),
        "unexcused_absence_share_28d": absence / 2,
        "unexcused_absence_share_56d": absence / 2,
        "unreported_share_56d": np.where(unreported, 1.0, 0.0),
        "absence_days_28d": np.round(absence * 20),
        "marks_last_round": np.clip(chance.normal(72, 14, rows), 0, 100),
        "parents_away": chance.integers(0, 3, rows).astype(float),
        "home_statement_age_days": chance.integers(10, 600, rows).astype(float),
        "distance_km": chance.exponential(3, rows),
        "months_at_school": chance.exponential(20, rows),
        "years_over_grade_age": chance.normal(0, 0.5, rows),
        "living_aid_lapsed": (chance.random(rows) < 0.1).astype(float),
    }
    values["parents_away_age_days"] = values["home_statement_age_days"]
    true_margin = (
        base + 12 * absence - 0.05 * (values["marks_last_round"] - 72) + 0.6 * values["parents_away"]
    )
    values["marks_last_round"][chance.random(rows) < 0.1] = np.nan
    for name in ("absence_share_28d", "absence_share_56d", "unexcused_absence_share_28d",
                 "unexcused_absence_share_56d", "absence_days_28d"):  # fmt: skip
        values[name] = np.where(unreported, np.nan, values[name])
    numbers = np.tile(np.arange(students), len(dates))
    keys = pd.DataFrame(
        {
            "as_of_date": pd.to_datetime(np.repeat(dates, students)).astype("datetime64[s]"),
            "student_id": [f"s{number:05}" for number in numbers],
            "household_id": [f"h{number:05}" for number in numbers],
            "school_id": [f"school-{number % 12}" for number in numbers],
            "township": "t",
            "stage": "junior",
            "grade": 8,
            "class_name": "8-1",
            "masked_name": "王**",
            "number_tail": "0000",
        }
    )
    frame = pd.concat([keys, pd.DataFrame({one.name: values[one.name] for one in FEATURES})], axis=1)
    left = chance.random(rows) < 1 / (1 + np.exp(-true_margin))
    outcomes = frame[["as_of_date", "student_id"]].assign(
        outcome=np.where(left, Outcome.LEFT.value, Outcome.STAYED.value)
    )
    return Planted(FeatureMatrix(frame, FEATURES), Labels(outcomes, date(2026, 3, 1), "test"), true_margin)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant(students=1500, seed=1)


@pytest.fixture(scope="session")
def other_term() -> Planted:
    """Other students of the same kind, on one later date."""
    return plant(students=1200, seed=2, dates=(date(2025, 11, 14),))


@pytest.fixture(scope="session")
def trained(planted: Planted) -> TrainedModel:
    return train(planted.matrix, planted.labels, seed=7)


@pytest.fixture
def draw():
    """Draw another matrix: `draw(students=…, seed=…)`."""
    return plant


@pytest.fixture
def facts() -> TermFacts:
    return TermFacts(
        region="test", term="2025-autumn", as_of_date=date(2025, 11, 14), horizon_end=date(2026, 5, 13),
        valid_until=date(2026, 2, 12), model_version="m1", rule_version="test", wording_version="w",
        records_hash="0" * 64, data_complete_to=date(2025, 11, 14), probabilities=True, features=FEATURES,
    )  # fmt: skip


@pytest.fixture
def schools() -> tuple[School, ...]:
    return tuple(School(f"school-{number}", f"学校{number}", "t") for number in range(12))
