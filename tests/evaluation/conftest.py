from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.metrics import evaluate
from riskmodel.figures import Evaluation


def cohort(outcomes: dict[str, str], as_of_date: str = "2025-10-20") -> pd.DataFrame:
    """One row per student of one date: id -> outcome."""
    return pd.DataFrame(
        {
            "student_id": list(outcomes),
            "as_of_date": pd.Timestamp(as_of_date),
            "outcome": list(outcomes.values()),
        }
    )


@pytest.fixture
def cohort_of() -> Callable[..., pd.DataFrame]:
    return cohort


@pytest.fixture(scope="session")
def county() -> tuple[pd.DataFrame, np.ndarray]:
    """3,000 students on two dates with known risks of about 4 %."""
    rng = np.random.default_rng(7)
    lean = rng.normal(size=3000)
    frames, risks = [], []
    for day in ("2025-10-20", "2025-11-17"):
        risk = 1 / (1 + np.exp(3.8 - 1.2 * lean))
        left = rng.random(3000) < risk
        frames.append(cohort({f"s{n:05d}": "left" if out else "stayed" for n, out in enumerate(left)}, day))
        risks.append(risk)
    return pd.concat(frames, ignore_index=True), np.concatenate(risks)


@pytest.fixture(scope="session")
def judged(county) -> Evaluation:
    frame, risk = county
    noisy = np.log(risk) + np.random.default_rng(3).normal(size=len(risk))
    models = {
        "lightgbm": (np.log(risk), risk),
        "logistic": (noisy, risk),
        "absence_rule": (noisy.round(), None),
    }
    return evaluate(models, frame, seed=1, training_rows=9000, training_events=321, resamples=200)
