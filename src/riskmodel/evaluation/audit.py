"""All that is asked of a model beside its table: places, groups, schools never seen, age, chance, reasons.

An audit is numbers only; the report, the card and the gates are made from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from riskmodel.domain import Outcome
from riskmodel.evaluation.capacity import Places, known_rows, top_lists
from riskmodel.evaluation.cutoffs import CutoffsTried, equal_recall_cutoffs, try_cutoffs
from riskmodel.evaluation.groups import GroupFigures, RecallGap, group_figures
from riskmodel.evaluation.metrics import evaluate
from riskmodel.evaluation.ranking import Floats
from riskmodel.evaluation.stability import ReasonStability
from riskmodel.figures import Evaluation, Interval

if TYPE_CHECKING:
    import pandas as pd

GROUP = "group_"
"""Columns of kept rows that begin so tell the row's group in a grouping."""


@dataclass(frozen=True)
class OtherModel:
    """A model made by the same recipe in another way, on the rows that were judged.

    Attributes
    ----------
    training_dates, training_events
        As-of dates it learnt from, and the students who left of them.
    auc_less
        AUC less that of the judged model, on the same bootstrap samples.
    same_list
        Share of the students on both lists, of those on either (Jaccard).
    """

    name: str
    training_dates: int
    training_events: int
    auc: Interval
    recall: Interval
    auc_less: Interval
    same_list: float


@dataclass(frozen=True)
class Audit:
    """What an audit found; figures of the judged model on its test dates unless they say otherwise.

    Attributes
    ----------
    share
        Length of all lists, as a share of the cohort.
    unseen_schools
        The training's own rows, each scored by a model that had not seen its school: order only.
    learning, aged, seeds
        Models that learnt from the last 1, 2, … terms only; that are 1, 2, 3 terms old; of another seed.
    known_schools
        Share of judged student-dates at a school that the training knew.
    near_line
        Share of listed student-dates that another seed does not list.
    """

    model_version: str
    share: float
    test_dates: tuple[date, ...]
    label_date: date
    training_dates: tuple[date, ...]
    places: tuple[Places, ...]
    groups: tuple[GroupFigures, ...]
    gaps: tuple[RecallGap, ...]
    cutoffs: tuple[CutoffsTried, ...]
    unseen_schools: Evaluation | None
    learning: tuple[OtherModel, ...]
    aged: tuple[OtherModel, ...]
    seeds: tuple[OtherModel, ...]
    stability: ReasonStability | None
    known_schools: float
    near_line: float | None


def judgeable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that take part: of dates of which outcomes are known, less those not known yet."""
    outcome = rows["outcome"].to_numpy(dtype=str)
    known = np.isin(outcome, [Outcome.STAYED.value, Outcome.LEFT.value])
    dates = rows["as_of_date"][known].unique()
    kept = rows["as_of_date"].isin(dates).to_numpy() & (outcome != Outcome.UNKNOWN.value)
    chosen: pd.DataFrame = rows[kept].reset_index(drop=True)
    return chosen


def judge_groups(
    rows: pd.DataFrame,
    *,
    risk: Floats,
    share: float,
    seed: int,
    resamples: int = 1000,
    rank: Floats | None = None,
) -> tuple[tuple[GroupFigures, ...], tuple[RecallGap, ...]]:
    """Judge every group on the bureau's list, on which `rank` puts people; None: the risk."""
    listed = top_lists(rows, risk if rank is None else rank, share=share)
    return group_figures(rows, groups_in(rows), risk=risk, listed=listed, seed=seed, resamples=resamples)


def judge_cutoffs(
    rows: pd.DataFrame,
    learnt: pd.DataFrame,
    gaps: tuple[RecallGap, ...],
    *,
    risk: Floats,
    share: float,
    seed: int,
) -> tuple[CutoffsTried, ...]:
    """Try cut-offs by each grouping whose gap is beyond chance.

    Parameters
    ----------
    learnt
        The training's own rows: `risk` by models that had not seen the school, `left`, and groups.
    """
    tried = []
    for gap in gaps:
        if not gap.gap.low or gap.gap.low <= 0:
            continue
        cutoffs = equal_recall_cutoffs(
            learnt["risk"].to_numpy(dtype=np.float64),
            learnt["left"].to_numpy(dtype=bool),
            learnt[f"{GROUP}{gap.grouping}"].to_numpy(dtype=str),
            known=known_rows(learnt),
            share=share,
        )
        one = try_cutoffs(
            rows, groups_in(rows), grouping=gap.grouping, risk=risk, cutoffs=cutoffs, share=share, seed=seed
        )
        tried += [one] if one else []
    return tuple(tried)


def groups_in(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the groups that kept rows tell, a column per grouping."""
    named = {column: column.removeprefix(GROUP) for column in map(str, rows) if column.startswith(GROUP)}
    return rows[list(named)].rename(columns=named)


def judge_unseen_schools(
    learnt: pd.DataFrame, *, share: float, seed: int, resamples: int = 200
) -> Evaluation:
    """Judge the training's own rows, each by a model that had not seen its school.

    By margins only. The risk was calibrated on these very rows, so that observed over expected is 1 and the
    slope is 1 whatever a new school would show; cross-fitted over the folds, the one is 1 as well.
    """
    outcome = np.where(learnt["left"].to_numpy(dtype=bool), Outcome.LEFT.value, Outcome.STAYED.value)
    models = {
        name: (learnt[column].to_numpy(dtype=np.float64), None)
        for name, column in (("model", "margin"), ("logistic", "logistic_margin"))
    }
    rows = learnt.assign(outcome=outcome)
    return evaluate(
        models, rows, seed=seed, training_rows=0, training_events=0, resamples=resamples, shares=(share,)
    )


def judge_others(
    rows: pd.DataFrame,
    margin: Floats,
    others: Mapping[str, Floats],
    *,
    training: Mapping[str, tuple[int, int]],
    share: float,
    seed: int,
    resamples: int = 200,
) -> tuple[OtherModel, ...]:
    """Judge other models beside the one that is judged, on the same rows and bootstrap samples.

    Parameters
    ----------
    margin
        Of the judged model, one per row.
    others
        Margins by name.
    training
        By name the as-of dates that it learnt from, and the students who left of them.
    """
    if not others:
        return ()
    found = evaluate(
        {"judged": (margin, None)} | {name: (other, None) for name, other in others.items()},
        rows, seed=seed, training_rows=0, training_events=0, resamples=resamples, shares=(share,),
    )  # fmt: skip
    ours = top_lists(rows, margin, share=share)
    judged = []
    for model in found.models[1:]:
        theirs = top_lists(rows, others[model.name], share=share)
        judged.append(
            OtherModel(
                name=model.name,
                training_dates=training[model.name][0],
                training_events=training[model.name][1],
                auc=model.auc,
                recall=model.at_capacity[0].recall,
                auc_less=_turned(found.paired_auc_difference[model.name]),
                same_list=float((ours & theirs).sum() / (ours | theirs).sum()),
            )
        )
    return tuple(judged)


def _turned(difference: Interval) -> Interval:
    """Return the difference the other way round."""
    low, high = difference.low, difference.high
    return Interval(
        0 - difference.value, None if high is None else 0 - high, None if low is None else 0 - low
    )


def audit_json(audit: Audit) -> str:
    """Return an audit as JSON; `read_audit` reads it back."""
    return json.dumps(asdict(audit), ensure_ascii=False, indent=1, default=str) + "\n"


def read_audit(text: str) -> Audit:
    """Read what `audit_json` wrote."""
    return TypeAdapter(Audit).validate_python(json.loads(text))
