"""A challenger beside the champion on the same rows: figures pair by pair, who enters and leaves, and why.

The champion is scored as it stands, on rows of dates before which it had learnt. "Why" is told in families,
as people read reasons: of whom a list takes in or drops, the family whose contribution changed most between
the two models, each measured from its own mean over all rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from riskmodel.domain import Outcome
from riskmodel.evaluation.by_school import SchoolCells, interval_of, ratio
from riskmodel.evaluation.capacity import top_lists
from riskmodel.evaluation.metrics import evaluate
from riskmodel.evaluation.ranking import Bools, Floats
from riskmodel.figures import Evaluation, Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Ranked:
    """A model on some rows: margins, calibrated risks, and contributions by family, one of each per row."""

    margin: Floats
    risk: Floats
    families: Mapping[str, Floats]


@dataclass(frozen=True)
class Moved:
    """Student-dates that one list has and the other has not.

    `left` of them left; `families` counts, largest first, which family moved them.
    """

    rows: int
    left: int
    families: Mapping[str, int]


@dataclass(frozen=True)
class Comparison:
    """The challenger beside the champion on the rows that the challenger was judged on.

    Attributes
    ----------
    champion
        Version of the champion.
    evaluation
        Both on the same rows; the challenger is the first, differences are challenger less champion.
    recall_less
        Recall at capacity, challenger less champion, on the same resamples of schools.
    both
        Student-dates on both lists.
    """

    champion: str
    evaluation: Evaluation
    recall_less: Interval
    both: int
    entered: Moved
    dropped: Moved


def compare(
    rows: pd.DataFrame,
    challenger: Ranked,
    champion: Ranked,
    *,
    version: str,
    share: float,
    seed: int,
    resamples: int = 1000,
) -> Comparison:
    """Compare two models on the same rows and lists of the top `share`.

    Parameters
    ----------
    rows
        A row per student-date: `as_of_date`, `student_id`, `school_id`, `outcome`.
    version
        The champion's.
    """
    both = {"challenger": challenger, "champion": champion}
    evaluation = evaluate(
        {name: (one.margin, one.risk) for name, one in both.items()},
        rows, seed=seed, training_rows=0, training_events=0, resamples=resamples, shares=(share,),
    )  # fmt: skip
    ours, theirs = (top_lists(rows, one.margin, share=share) for one in both.values())
    recalls = []
    for listed in (ours, theirs):
        cells = SchoolCells.of(rows, listed=listed)
        draws = cells.draws(seed=seed, resamples=resamples)
        count = cells.count()
        recalls.append(ratio(count.found, count.leavers, draws))
    left = (rows["outcome"] == Outcome.LEFT).to_numpy(dtype=bool)
    more = {name: _centred(sums) - _centred(champion.families[name])
            for name, sums in challenger.families.items() if name in champion.families}  # fmt: skip
    return Comparison(
        champion=version,
        evaluation=evaluation,
        recall_less=interval_of(recalls[0] - recalls[1]),
        both=int((ours & theirs).sum()),
        entered=_moved(ours & ~theirs, left, more, sign=1),
        dropped=_moved(theirs & ~ours, left, more, sign=-1),
    )


def _centred(sums: Floats) -> Floats:
    centred: Floats = sums - sums.mean()
    return centred


def _moved(rows: Bools, left: Bools, more: Mapping[str, Floats], *, sign: int) -> Moved:
    names = list(more)
    if not names or not rows.any():
        return Moved(int(rows.sum()), int((rows & left).sum()), {})
    changed = sign * np.column_stack([more[name][rows] for name in names])
    counts = Counter(names[family] for family in changed.argmax(axis=1))
    return Moved(int(rows.sum()), int((rows & left).sum()), dict(counts.most_common()))


def comparison_json(comparison: Comparison) -> str:
    """Return a comparison as JSON; fields are those of the type."""
    return json.dumps(asdict(comparison), ensure_ascii=False, indent=1, default=str) + "\n"
