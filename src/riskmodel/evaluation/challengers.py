"""Which recipe goes forward: a rule written down before its result is seen (decision 11).

1. On the rows that were learnt from, each scored by a model blind to its school, the challenger's log loss is
   lower than that of the configuration's recipe beyond the interval. The judged rows choose nothing.
2. On the judged rows nothing speaks against it: no gate that figures alone can answer refuses it, and its AUC
   is not below that of the configuration's recipe beyond the interval.
3. Of several, the one with the lowest log loss. Of none, the configuration's recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from riskmodel.domain import Language
from riskmodel.evaluation.report import figure
from riskmodel.figures import Interval
from riskmodel.models.search import NORMAL_95, mean_and_error
from riskmodel.wording import text

if TYPE_CHECKING:
    import pandas as pd

    from riskmodel.evaluation.ranking import Floats

KEYS = ["as_of_date", "student_id"]
_SMALLEST = 1e-12
WORSE = "worse_on_judged_rows"
"""What speaks against a challenger, beside the names of gates."""


@dataclass(frozen=True)
class Challenged:
    """One challenger.

    Attributes
    ----------
    gain
        Mean log loss a row, in nats, of the configuration's recipe less the challenger's: above 0 the
        challenger is better. The interval resamples schools.
    rows, events
        Student-dates it rests on, and who of them left, each once.
    against
        What spoke against it on the judged rows: gates, or `WORSE`. None: not asked, as it was not better.
    """

    recipe: str
    gain: Interval
    rows: int
    events: int
    against: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Choice:
    """The recipe that goes forward, the one that the configuration names, and each challenger."""

    chosen: str
    configured: str
    challengers: tuple[Challenged, ...]


def gain_of(challenger: pd.DataFrame, configured: pd.DataFrame, schools: pd.DataFrame) -> Challenged:
    """Compare two recipes on the rows that both learnt from.

    Parameters
    ----------
    challenger, configured
        Their `TrainedModel.out_of_fold`; the challenger's recipe is left empty.
    schools
        `school_id` of each row, by `KEYS`.
    """
    columns = [*KEYS, "left", "risk"]
    both = (
        configured[columns]
        .merge(challenger[[*KEYS, "risk"]], on=KEYS, suffixes=("", "_challenger"), validate="one_to_one")
        .merge(schools[[*KEYS, "school_id"]], on=KEYS, validate="one_to_one")
        .dropna(subset=["risk", "risk_challenger"])
    )
    left = both["left"].to_numpy(dtype=bool)
    gained = _log_loss(both["risk"].to_numpy(), left) - _log_loss(both["risk_challenger"].to_numpy(), left)
    mean, error = mean_and_error(gained, both["school_id"].to_numpy(dtype=str))
    interval = Interval(mean, mean - NORMAL_95 * error, mean + NORMAL_95 * error)
    return Challenged("", interval, len(both), both.loc[left, "student_id"].nunique())


def choose(
    configured: str, found: Mapping[str, Challenged], against: Callable[[str], Sequence[str]]
) -> Choice:
    """Choose by the rule above.

    Parameters
    ----------
    found
        By recipe, what `gain_of` gave.
    against
        Tells what speaks against a recipe on the judged rows; asked of those that are better, best first,
        until nothing speaks against one.
    """
    told = {name: Challenged(name, one.gain, one.rows, one.events) for name, one in found.items()}
    better = [name for name, one in told.items() if one.gain.low is not None and one.gain.low > 0]
    chosen = configured
    for name in sorted(better, key=lambda name: -told[name].gain.value):
        spoke = tuple(against(name))
        one = told[name]
        told[name] = Challenged(name, one.gain, one.rows, one.events, spoke)
        if not spoke:
            chosen = name
            break
    return Choice(chosen, configured, tuple(told.values()))


def choice_json(choice: Choice) -> str:
    """Return a choice as JSON; fields are those of the types."""
    return json.dumps(asdict(choice), ensure_ascii=False, indent=1) + "\n"


def read_choice(written: str) -> Choice:
    """Read what `choice_json` wrote."""
    return TypeAdapter(Choice).validate_python(json.loads(written))


def choice_lines(choice: Choice, language: Language) -> list[str]:
    """Say what was chosen, and of each challenger why or why not."""
    lines = []
    for one in choice.challengers:
        named = {"recipe": one.recipe, "configured": choice.configured, "gain": figure(one.gain, 5, sign="+")}
        counts = {"rows": f"{one.rows:,}", "events": f"{one.events:,}"}
        if one.recipe == choice.chosen:
            code = "chosen"
        elif one.against:
            code = "spoken_against"
        else:
            code = "not_best" if one.gain.low is not None and one.gain.low > 0 else "not_better"
        reasons = text("evaluation.and", language).join(
            text("challengers.worse", language) if each == WORSE else text(f"gates.name.{each}", language)
            for each in one.against or ()
        )
        lines.append(text(f"challengers.{code}", language, **named, **counts, reasons=reasons))
    if choice.chosen == choice.configured:
        lines.append(text("challengers.stays", language, configured=choice.configured))
    return lines


def _log_loss(risk: Floats, left: np.ndarray) -> Floats:
    told = np.clip(np.where(left, risk, 1 - risk), _SMALLEST, 1)
    loss: Floats = -np.log(told)
    return loss
