"""What a backtest adds to the figures of its terms: all terms together, lead time, and churn between lists.

Each term was judged by a model of its own. Pooled are terms of one kind only: those that a model scored, or,
where no term had one, those of the absence rule. Where there are calibrated risks, they rank: margins of
different models mean different things. A student who left counts once, however many terms hold the leaving.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter

from riskmodel.domain import Outcome, Stage
from riskmodel.errors import NotEnoughData
from riskmodel.evaluation.by_school import SchoolCells
from riskmodel.evaluation.capacity import top_lists
from riskmodel.evaluation.groups import FEW_EVENTS, hidden_cells
from riskmodel.evaluation.metrics import evaluate
from riskmodel.evaluation.ranking import Bools, Floats
from riskmodel.figures import Evaluation

STAGES = (Stage.PRIMARY, Stage.JUNIOR)
_NOT_JUDGED = ("nobody_left", "nobody_stayed", "no_known_outcomes")
"""Why a stage may have no figures: a few of one stage at a school of another stop no backtest."""


@dataclass(frozen=True)
class TermJudged:
    """One term of a backtest.

    Attributes
    ----------
    training_dates, training_events
        As-of dates whose outcomes were known before the term's first one, and the students who left of them.
    by_model
        Whether a model scored it; otherwise too few had left before, and the absence rule did.
    evaluation
        None where nobody left.
    """

    term: str
    as_of_dates: tuple[date, ...]
    training_dates: int
    training_events: int
    by_model: bool
    evaluation: Evaluation | None


@dataclass(frozen=True)
class LeadTime:
    """Days from a student's first list to leaving, of the lists from which leaving lay within the horizon.

    `found` of all `leavers`, each once; median and quartiles over the found, None where nobody was.
    """

    leavers: int
    found: int
    lower: float | None
    median: float | None
    upper: float | None


@dataclass(frozen=True)
class Churn:
    """Two lists, one after the other.

    `entered` and `dropped` count students, `gone` those of the dropped who are no longer in the cohort;
    `jaccard` is the share of both lists' students who are on both.
    """

    earlier: date
    later: date
    listed_earlier: int
    listed_later: int
    entered: int
    dropped: int
    gone: int
    jaccard: float


@dataclass(frozen=True)
class Backtest:
    """All terms, and what the pooled ones say together. Lists hold the top `capacity_share` of each date.

    `pooled` and a stage are None where nobody is known to have left, or to have stayed; lists of
    a stage are drawn up within it. A stage is None, and one of `hidden`, where its counts would tell of a few
    children (as in the audit), or fewer than `FEW_EVENTS` left.
    """

    capacity_share: float
    terms: tuple[TermJudged, ...]
    pooled_terms: tuple[str, ...]
    pooled: Evaluation | None
    by_stage: Mapping[str, Evaluation | None]
    lead_time: LeadTime
    churn: tuple[Churn, ...]
    hidden: tuple[str, ...] = ()


def summarise(
    terms: Sequence[TermJudged],
    scores: Mapping[str, pd.DataFrame],
    *,
    capacity_share: float,
    seed: int,
    resamples: int = 1000,
) -> Backtest:
    """Judge the terms together, and by stage; measure lead time and churn.

    Parameters
    ----------
    terms
        At least one, oldest first.
    scores
        Per term a row per student-date: `as_of_date`, `student_id`, `school_id`, `stage`, `outcome`,
        `left_on`, and for each method `<name>_score` and, if it gives risks, `<name>_risk`.
    """
    pooled = [term.term for term in terms if term.by_model] or [term.term for term in terms]
    rows, models = pool([scores[term] for term in pooled])

    def judge(kept: Bools) -> Evaluation | None:
        some = {
            name: (score[kept], None if risk is None else risk[kept])
            for name, (score, risk) in models.items()
        }
        try:
            return evaluate(
                some,
                rows[kept],
                seed=seed,
                training_rows=0,
                training_events=0,
                resamples=resamples,
                shares=(capacity_share,),
            )
        except NotEnoughData as error:
            if error.code not in _NOT_JUDGED:
                raise
            return None

    stage = rows["stage"].to_numpy(dtype=str)
    listed = top_lists(rows, next(iter(models.values()))[0], share=capacity_share)
    hidden = _hidden(SchoolCells.of(rows, listed=listed), stage)
    return Backtest(
        capacity_share=capacity_share,
        terms=tuple(terms),
        pooled_terms=tuple(pooled),
        pooled=judge(np.ones(len(rows), dtype=bool)),
        by_stage={
            each.value: None if each.value in hidden else judge(stage == each)
            for each in STAGES
            if (stage == each).any()
        },
        lead_time=lead_time(rows, listed),
        churn=churn(rows, listed),
        hidden=tuple(each.value for each in STAGES if each.value in hidden),
    )


def _hidden(cells: SchoolCells, stage: NDArray[np.str_]) -> set[str]:
    """Name the stages of which nothing is told: as `hidden_cells` does in the audit, and with few leavers."""
    counted = {str(each): cells.count(stage == each) for each in np.unique(stage)}
    few = {each for each, one in counted.items() if 0 < one.events < FEW_EVENTS}
    return few | hidden_cells({each: (one.students, one.events) for each, one in counted.items()})


def pool(frames: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, tuple[Floats, Floats | None]]]:
    """Put the rows of terms together; return them, and score and risk of each method that any term has.

    Risks rank where every term has them, for margins of different models cannot be compared; what a term
    lacks ranks last in it. The constant stays one: terms with more leavers are no ranking.
    """
    rows = pd.concat(frames, ignore_index=True)
    most = max(frames, key=lambda frame: len(frame.columns))
    names = [column.removesuffix("_score") for column in most.columns if column.endswith("_score")]
    models: dict[str, tuple[Floats, Floats | None]] = {}
    for name in names:
        score = rows[f"{name}_score"].to_numpy(dtype=np.float64)
        risk = rows[f"{name}_risk"].to_numpy(dtype=np.float64) if f"{name}_risk" in rows else None
        if risk is None or np.isnan(risk).any():
            models[name] = (score, None)
        else:
            models[name] = (score if name == "constant" else risk, risk)
    return rows, models


def lead_time(rows: pd.DataFrame, listed: Bools) -> LeadTime:
    """Measure how long before leaving a list first held those who left: see `LeadTime`."""
    left = rows["outcome"].to_numpy(dtype=str) == Outcome.LEFT
    found = rows[left & listed].sort_values("as_of_date").drop_duplicates("student_id")
    days = (found["left_on"] - found["as_of_date"]).dt.days.to_numpy(dtype=np.float64)
    lower, median, upper = np.percentile(days, (25, 50, 75)).tolist() if len(days) else (None,) * 3
    return LeadTime(rows.loc[left, "student_id"].nunique(), len(days), lower, median, upper)


def churn(rows: pd.DataFrame, listed: Bools) -> tuple[Churn, ...]:
    """Compare each list with the one before, oldest first."""
    day = rows["as_of_date"].dt.date
    days = sorted(set(day))
    cohorts = {each: set(rows["student_id"][day == each]) for each in days}
    lists = {each: set(rows["student_id"][listed & (day == each)]) for each in days}
    return tuple(
        Churn(
            earlier=earlier,
            later=later,
            listed_earlier=len(lists[earlier]),
            listed_later=len(lists[later]),
            entered=len(lists[later] - lists[earlier]),
            dropped=len(lists[earlier] - lists[later]),
            gone=len(lists[earlier] - cohorts[later]),
            jaccard=len(lists[earlier] & lists[later]) / len(lists[earlier] | lists[later]),
        )
        for earlier, later in pairwise(days)
    )


def backtest_json(backtest: Backtest) -> str:
    """Return the whole backtest as JSON; `read_backtest` reads it back.

    What was trained on stands with each term, not with the pooled.
    """
    told = asdict(backtest)
    for together in (told["pooled"], *told["by_stage"].values()):
        for name in ("training_rows", "training_events"):
            if together is not None:
                del together[name]
    return _json(told)


def read_backtest(text: str) -> Backtest:
    """Read what `backtest_json` wrote; the pooled have learnt from nothing of their own (0)."""
    told = json.loads(text)
    for together in (told["pooled"], *told["by_stage"].values()):
        if together is not None:
            together |= {"training_rows": 0, "training_events": 0}
    return TypeAdapter(Backtest).validate_python(told)


def term_json(term: TermJudged) -> str:
    """Return one term as JSON; `read_term` reads it back."""
    return _json(asdict(term))


def read_term(text: str) -> TermJudged:
    """Read what `term_json` wrote."""
    return TypeAdapter(TermJudged).validate_python(json.loads(text))


def _json(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"
