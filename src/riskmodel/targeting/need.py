"""Who may have what: facts of the day held against the rules of every programme.

A student has exactly one answer for each programme. What needs no comparison with others is answered here;
what is left are pairs of a student and a discretionary programme, in the order in which places go.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import AidAnswer, Band
from riskmodel.targeting.programmes import Programme, ProgrammesFile
from riskmodel.targeting.rules import NO, UNKNOWN, YES

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


ANSWERS = tuple(AidAnswer)
WAITS = [number for number, each in enumerate(ANSWERS) if each.waits]
"""Indexes into `ANSWERS` of those who wait for a place."""
BANDS = {Band.REACH_OUT: 2, Band.CHECK_IN: 1, Band.USUAL_CARE: 0}


@dataclass(frozen=True)
class Pairs:
    """Pairs of a student and a discretionary programme, in the order in which places go.

    Arrays of one length. `student` is a row of the facts, `programme` an index into
    `ProgrammesFile.programmes`, `school` a number per school; `risk` in [0, 1]; `group` a bit per group floor
    of the programme.
    """

    student: Ints
    programme: Ints
    school: Ints
    risk: Floats
    yuan: Floats
    hours: Floats
    group: Ints

    def __len__(self) -> int:
        return len(self.student)


@dataclass(frozen=True)
class Needs:
    """What was answered without comparing, by student and programme.

    `answers` holds indexes into `ANSWERS`, -1 where the pair competes; `yuan` what it would cost, NaN where
    the amount is not known.
    """

    answers: NDArray[np.int8]
    yuan: Floats
    pairs: Pairs


def needs_of(facts: pd.DataFrame, told: ProgrammesFile) -> Needs:
    """Hold every student against every programme.

    Parameters
    ----------
    facts
        One row per student, sorted by `student_id`: `school_id`, the columns of `DAY_FACTS` and
        `SCORE_FACTS`, `risk` (NaN where there is none), and `waiting_since` (a column per programme,
        `waiting_since:<id>`, where an earlier run left somebody waiting; missing: nobody waits).
    told
        The programmes. Amounts are those of the day in `facts.attrs["as_of_date"]`.
    """
    answers = np.full((len(facts), len(told.programmes)), -1, dtype=np.int8)
    yuan = np.zeros(answers.shape)
    for number, programme in enumerate(told.programmes):
        yuan[:, number] = _yuan(facts, programme, told)
        answers[:, number] = _answers(facts, programme, yuan[:, number])
    return Needs(answers, yuan, _pairs(facts, told, answers, yuan))


def _answers(facts: pd.DataFrame, programme: Programme, yuan: Floats) -> NDArray[np.int8]:
    eligible = programme.eligible.answers(facts)
    served = np.full(len(facts), NO) if programme.served is None else programme.served.answers(facts)
    found = np.full(len(facts), -1, dtype=np.int8)
    unknown = (eligible == UNKNOWN) | ((eligible == YES) & (served == UNKNOWN))
    if programme.kind == "discretionary":
        unknown |= (eligible == YES) & (served == NO) & (facts["risk"].isna().to_numpy() | np.isnan(yuan))
    found[unknown] = ANSWERS.index(AidAnswer.NOT_ENOUGH_INFORMATION)
    found[eligible == NO] = ANSWERS.index(AidAnswer.NOT_ELIGIBLE)
    entitled = programme.kind == "entitlement"
    has = AidAnswer.ENTITLED_RECEIVING if entitled else AidAnswer.ALREADY_HELPED
    found[(eligible == YES) & (served == YES)] = ANSWERS.index(has)
    if entitled:
        found[(eligible == YES) & (served == NO)] = ANSWERS.index(AidAnswer.ENTITLED_NOT_RECEIVING)
    return found


def _yuan(facts: pd.DataFrame, programme: Programme, told: ProgrammesFile) -> Floats:
    """Return what the programme costs for each student; NaN where the facts do not tell the amount."""
    if programme.amount is None:
        return np.full(len(facts), programme.cost_yuan)
    found = np.full(len(facts), np.nan)
    open_rows = np.ones(len(facts), dtype=bool)
    for row in told.amounts_on(programme.amount, facts.attrs["as_of_date"]).yearly:
        answer = row.when.answers(facts)
        found[open_rows & (answer == YES)] = row.yuan * programme.share_of_year
        open_rows &= answer == NO
    return found


def _pairs(facts: pd.DataFrame, told: ProgrammesFile, answers: NDArray[np.int8], yuan: Floats) -> Pairs:
    student, programme = (index.astype(np.int64) for index in np.nonzero(answers == -1))
    risk = facts["risk"].to_numpy(dtype=np.float64)[student]
    match = np.zeros(len(student), dtype=np.int64)
    group = np.zeros(len(student), dtype=np.int64)
    waiting = np.full(len(student), np.inf)
    for number, one in enumerate(told.programmes):
        mine = programme == number
        rows = student[mine]
        answered = set(one.answers)
        match[mine] = [
            bool(answered & set(families)) for families in facts["reason_families"].to_numpy()[rows]
        ]
        since = facts.get(f"waiting_since:{one.id}")
        if since is not None:
            days = since.to_numpy(dtype="datetime64[D]").astype(np.float64)
            days[np.isnat(since.to_numpy(dtype="datetime64[D]"))] = np.inf
            waiting[mine] = days[rows]
        for bit, floor in enumerate(one.floors.groups):
            group[mine] |= (floor.who.answers(facts.iloc[rows]) == YES).astype(np.int64) << bit
    order = _order(facts, told, student, programme, risk=risk, match=match, waiting=waiting)
    schools = np.unique(facts["school_id"].to_numpy(dtype=str), return_inverse=True)[1].astype(np.int64)
    hours = np.array([one.cost_hours for one in told.programmes])
    return Pairs(
        student=student[order],
        programme=programme[order],
        school=schools[student][order],
        risk=risk[order],
        yuan=yuan[student, programme][order],
        hours=hours[programme][order],
        group=group[order],
    )


def _order(
    facts: pd.DataFrame, told: ProgrammesFile, student: Ints, programme: Ints, *, risk: Floats, match: Ints,
    waiting: Floats,
) -> Ints:  # fmt: skip
    """Order pairs: band, a reason that the programme answers, risk, who has waited longest, a fixed hash."""
    band = np.array([BANDS.get(Band(each), 0) for each in facts["band"]])[student]
    ids = facts["student_id"].to_numpy(dtype=str)
    names = [one.id for one in told.programmes]
    tie = np.array(
        [fixed_number(f"{names[p]}:{ids[s]}") for s, p in zip(student, programme, strict=True)],
        dtype=np.uint64,
    )
    return np.lexsort((tie, waiting, -risk, -match, -band)).astype(np.int64)


def fixed_number(text: str) -> int:
    """Return a number below 2**64 that looks like chance and is always the same for the text."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
