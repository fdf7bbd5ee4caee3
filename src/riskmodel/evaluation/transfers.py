"""What transfers that nobody confirmed could change: left out, counted as staying, counted as leaving.

Such a student may be at another school, or nowhere. Figures of a training leave them out; the two other ways
are the ends between which the truth lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from riskmodel.domain import Outcome
from riskmodel.evaluation.metrics import ScoresLike, evaluate
from riskmodel.figures import TransferFigures

if TYPE_CHECKING:
    import pandas as pd

UNCONFIRMED = "transfer_unconfirmed"
"""The cause of a label that says so."""
WAYS: tuple[tuple[Literal["left_out", "stayed", "left"], Outcome], ...] = (
    ("left_out", Outcome.UNACCOUNTED),
    ("stayed", Outcome.STAYED),
    ("left", Outcome.LEFT),
)


def transfer_figures(
    scores: ScoresLike, frame: pd.DataFrame, *, seed: int, resamples: int = 200
) -> tuple[TransferFigures, ...]:
    """Judge one model three times: with unconfirmed transfers left out, as staying, and as leaving.

    Parameters
    ----------
    scores, seed
        As `evaluate` takes them.
    frame
        As `evaluate` takes it, and `cause`, why an outcome is unaccounted.

    Returns
    -------
    One entry per way, in that order; empty where no transfer is unconfirmed.
    """
    unconfirmed = (frame["outcome"] == Outcome.UNACCOUNTED.value) & (frame["cause"] == UNCONFIRMED)
    if not unconfirmed.any():
        return ()
    found = []
    for way, outcome in WAYS:
        counted = frame.assign(outcome=frame["outcome"].mask(unconfirmed, outcome.value))
        judged = evaluate(
            {"model": scores}, counted, seed=seed, training_rows=0, training_events=0, shares=(),
            resamples=resamples,
        )  # fmt: skip
        figures = judged.models[0]
        found.append(
            TransferFigures(
                counted=way,
                unconfirmed_rows=int(unconfirmed.sum()),
                rows=judged.rows,
                events=judged.events,
                auc=figures.auc,
                average_precision=figures.average_precision,
            )
        )
    return tuple(found)
