"""Leak alarms: what is too good to be known in advance stops a training and is named.

Four alarms, in this order. A column from our own ledger or lists, whatever it tells. One column that alone
ranks leavers above the others with an AUC beyond `SINGLE_COLUMN_AUC`. What is not known, as one column or all
together, beyond `MISSING_AUC`: survivors have their files kept up. And a trace of leaving: a blank or a flag
after which nearly everybody left, as a blank class or a closed card. The last two also look at the cells of a
matrix that no model uses, for they tell of the records.

With fewer leavers than `ENOUGH_EVENTS` in a column an AUC strays by chance, so that the low end of its 95 %
interval counts and not the value, and the alarm says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from riskmodel.design import ArrayDesign, gap_pattern
from riskmodel.domain import FeatureInfo, Labels, Matrix, Outcome
from riskmodel.errors import LeakSuspected
from riskmodel.models.learning import Ids, margins_of, numbered, outcomes_of
from riskmodel.models.logistic import fit_logistic
from riskmodel.splits import school_folds

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SINGLE_COLUMN_AUC = 0.90
MISSING_AUC = 0.75
"""Both from our collection of validity rules (V4, V5): one column of aid that went to survivors lifted a
model's AUC by 0.10; no honest column of the data sets that we know comes near 0.90."""
ENOUGH_EVENTS = 100
TRACE_SHARE = 0.5
"""Low end (Wilson, 95 %) of the share that left, from which a blank or a flag is a trace of leaving."""
TRACE_LEAVERS = 10

SOURCES = frozenset({
    "students", "enrolments", "attendance", "attendance_reports", "grades", "family", "subsidies", "schools",
    "terms", "calendar",
})  # fmt: skip
"""Tables of the record contract that a feature may be made from. The ledger is our own follow-up, the
population is for reconciliation, and our lists and scores are no table of the contract."""
_OWN = re.compile(
    r"ledger|listed|on_list|visited|case_|suspected|verified|exit_reason|closed|card_|deregist|left_on"
)
_CELLS = ("class_name", "number_tail", "masked_name")
_Z = 1.959964


@dataclass(frozen=True)
class _Auc:
    """How well one column ranks, whichever way round: 0.5 to 1, with its interval and the leavers in it."""

    value: float
    low: float
    high: float
    events: int

    def beyond(self, limit: float) -> bool:
        return (self.value if self.events >= ENOUGH_EVENTS else self.low) > limit

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}], n={self.events}"


def check_leaks(matrix: Matrix, labels: Labels) -> None:
    """Stop where a column tells what cannot be known in advance.

    Parameters
    ----------
    matrix, labels
        What a model is about to learn from, joined on (`as_of_date`, `student_id`); only rows that left or
        stayed are looked at.

    Raises
    ------
    LeakSuspected
        Naming every column that rang, and its figures.
    """
    check_declarations([feature for feature in matrix.features if feature.role == "model"])
    told = outcomes_of(matrix, labels)["outcome"]
    left = (told == Outcome.LEFT).to_numpy(dtype=bool)
    used = np.flatnonzero(left | (told == Outcome.STAYED).to_numpy(dtype=bool))
    left = left[used]
    if not 0 < left.sum() < len(left):
        return
    names, flags = matrix.model_features, {each.name for each in matrix.features if each.unit == "flag"}
    whose = matrix.read(["student_id", "school_id", "household_id"]).iloc[used]
    students = numbered(whose["student_id"])
    X = matrix.design(names).at(used)
    each: dict[str, _Auc] = {}
    # Of columns that lack together the first: they say the same.
    distinct: dict[bytes, tuple[str, Bools]] = {}
    raised: dict[str, Bools] = {}

    def add(name: str, gone: Bools) -> None:
        pattern = gap_pattern(gone)
        if pattern is not None:
            distinct.setdefault(pattern, (name, gone))

    for number, name in enumerate(names):
        column = X.column(number)
        known = ~np.isnan(column)
        auc = _auc(column[known], left[known], students[known])
        if auc is not None:
            each[name] = auc
        add(name, ~known)
        if name in flags:
            raised[f"{name} = 1"] = column == 1
    _stop("leak_single_column", {n: a for n, a in each.items() if a.beyond(SINGLE_COLUMN_AUC)},
          limit=SINGLE_COLUMN_AUC)  # fmt: skip
    cells = matrix.read([name for name in _CELLS if name in matrix.columns]).iloc[used]
    for cell in cells.columns:
        add(str(cell), (cells[cell] == "").to_numpy(dtype=bool))
    blank = dict(distinct.values())
    _check_missing(blank, left, whose, students)
    _check_traces({f"{name} = –": gone for name, gone in blank.items()} | raised, left, students)


def check_declarations(features: Sequence[FeatureInfo]) -> None:
    """Stop where a column that a model may use is made from our own doings, or tells how a spell ends.

    Raises
    ------
    LeakSuspected
        Naming the columns.
    """
    own = [f.name for f in features if f.source not in SOURCES or _OWN.search(f.name)]
    if own:
        raise LeakSuspected("leak_own_records", columns=", ".join(own))


def _check_missing(blank: dict[str, Bools], left: Bools, rows: pd.DataFrame, students: Ids) -> None:
    each = {name: _auc(gone.astype(float), left, students) for name, gone in blank.items()}
    known = {name: auc for name, auc in each.items() if auc is not None}
    _stop("leak_missing", {n: a for n, a in known.items() if a.beyond(MISSING_AUC)}, limit=MISSING_AUC)
    together = _auc_of_all_blanks(blank, left, rows, students)
    if together is not None and together.beyond(MISSING_AUC):
        most = sorted(known, key=lambda name: -known[name].value)[:3]
        _stop("leak_missing_together", dict.fromkeys([", ".join(most)], together), limit=MISSING_AUC)


def _check_traces(states: dict[str, Bools], left: Bools, students: Ids) -> None:
    found = {}
    for name, there in states.items():
        leavers = len(np.unique(students[there & left]))
        if leavers >= TRACE_LEAVERS:
            low = _wilson_low(leavers, len(np.unique(students[there])))
            if low > TRACE_SHARE:
                found[name] = f"{leavers} / {len(np.unique(students[there]))}"
    _stop("leak_trace", found, limit=TRACE_SHARE)


def _stop(code: str, found: dict[str, _Auc] | dict[str, str], *, limit: float) -> None:
    if found:
        columns = "; ".join(f"{name} ({figure})" for name, figure in found.items())
        raise LeakSuspected(code, columns=columns, limit=f"{limit:.2f}", enough=ENOUGH_EVENTS)


def _auc_of_all_blanks(
    blank: dict[str, Bools], left: Bools, rows: pd.DataFrame, students: Ids
) -> _Auc | None:
    """Judge a model of nothing but what is missing, on schools that it has not seen."""
    schools, households = (numbered(rows[name]) for name in ("school_id", "household_id"))
    if not blank or len(np.unique(schools)) < 2:
        return None
    X, y = ArrayDesign(np.column_stack(list(blank.values()))), left.astype(np.int_)
    margin = np.full(len(y), np.nan)
    with threadpool_limits(1, user_api="blas"):
        for learn, held in school_folds(schools, households, students):
            if 0 < y[learn].sum() < len(learn):
                line = fit_logistic(X.at(learn), y[learn], names=list(blank))
                margin[held] = margins_of(line, X.at(held))
    judged = ~np.isnan(margin)
    return _auc(margin[judged], left[judged], students[judged], either_way=False)


def _auc(values: Floats, left: Bools, students: Ids, *, either_way: bool = True) -> _Auc | None:
    """Return the AUC with its interval by Hanley and McNeil (1982), each student counted once in it."""
    from scipy.stats import rankdata

    rows_left = int(left.sum())
    rows_stayed = len(left) - rows_left
    if not rows_left or not rows_stayed:
        return None
    auc = (rankdata(values)[left].sum() / rows_left - (rows_left + 1) / 2) / rows_stayed
    auc = max(auc, 1 - auc) if either_way else auc
    events, others = len(np.unique(students[left])), len(np.unique(students[~left]))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (events - 1) * (q1 - auc**2) + (others - 1) * (q2 - auc**2)
    # Of an AUC of 1 the formula knows no spread: there the interval of a share without failures holds.
    error = max(np.sqrt(max(spread, 0) / (events * others)), (1 - 0.05 ** (1 / events)) / (2 * _Z))
    return _Auc(float(auc), float(auc - _Z * error), float(min(1, auc + _Z * error)), events)


def _wilson_low(successes: int, trials: int) -> float:
    """Return the low end of the 95 % interval of a share (Wilson 1927)."""
    share, z2 = successes / trials, _Z**2
    middle = share + z2 / (2 * trials)
    return float(
        (middle - _Z * np.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    )
