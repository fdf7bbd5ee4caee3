"""After a term: what was given of what a run allocated, and what became of those children.

Who got a place needed it more to begin with. So that more of them left than of others says nothing
of the programme, and no difference is told but one: among students at the line who were drawn by lot, those
who drew a place and those who did not differ by chance alone (`targeting/lots.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from riskmodel.domain import AidAnswer, Language, Outcome
from riskmodel.figures import Interval
from riskmodel.official import wilson
from riskmodel.wording import text

if TYPE_CHECKING:
    import pandas as pd

SMALL_CELL = 10
FEWEST_DRAWN = 20
"""Students of each side of a lottery, with known outcomes, below which no difference is told."""
_Z = 1.959964


@dataclass(frozen=True)
class Became:
    """What became of the students who had one answer of one programme, in all runs that are told of.

    A student of several runs counts once: as left if he or she left within the horizon of any of them, else
    as stayed where that is known. `given`: to whom people wrote down that they gave it, from a run's day to
    the end of its horizon; `left`, `stayed`, `unknown` by the outcome within that horizon.
    """

    programme: str
    answer: AidAnswer
    students: int
    given: int
    left: int
    stayed: int
    unknown: int


@dataclass(frozen=True)
class Drawn:
    """What the lottery of a programme tells; a student counts in the first run whose lot he or she was in.

    `with_place` and `without` count students with known outcomes in groups where the lot decided, `left` how
    many of each left;
    `fewer_left`: of 100 who drew a place, so many fewer left than of 100 who did not (negative: more). It is
    of the place, not of what was really given: `given` says how many of those with a place received it, and
    how many of those without. None: too few, or no lot decided.
    """

    programme: str
    with_place: int
    without: int
    given: tuple[int, int]
    left: tuple[int, int]
    fewer_left: Interval | None


@dataclass(frozen=True)
class Afterwards:
    """What is told after a term."""

    became: tuple[Became, ...]
    drawn: tuple[Drawn, ...]


def what_became(items: pd.DataFrame) -> Afterwards:
    """Count what became of the students of some runs.

    Parameters
    ----------
    items
        A row for each run, programme and student, the earliest run first: `run_id`, `programme`,
        `student_id`, `answer`, `lot_group` (missing: not drawn), `given`, and `outcome` (a value of
        `Outcome`, or missing where none is known).
    """
    states = items[["programme", "answer", "student_id", "given"]].assign(
        left=items["outcome"] == Outcome.LEFT.value, stayed=items["outcome"] == Outcome.STAYED.value
    )
    people = states.groupby(["programme", "answer", "student_id"], as_index=False).any()
    counted = []
    for (programme, answer), rows in people.groupby(["programme", "answer"], sort=True):
        left, stayed = int(rows["left"].sum()), int((rows["stayed"] & ~rows["left"]).sum())
        counted.append(
            Became(
                str(programme), AidAnswer(str(answer)), len(rows), int(rows["given"].sum()), left, stayed,
                len(rows) - left - stayed,
            )
        )  # fmt: skip
    drawn = items[items["lot_group"].notna()].drop_duplicates(["programme", "student_id"])
    drawn = drawn[drawn["outcome"].isin([Outcome.LEFT.value, Outcome.STAYED.value])]
    lots = [_drawn(str(programme), rows) for programme, rows in drawn.groupby("programme", sort=True)]
    return Afterwards(tuple(counted), tuple(lots))


def _drawn(programme: str, rows: pd.DataFrame) -> Drawn:
    group = rows.groupby(["run_id", "lot_group"]).ngroup().to_numpy()
    place = (rows["answer"] == AidAnswer.TAKEN.value).to_numpy(dtype=float)
    left = (rows["outcome"] == Outcome.LEFT.value).to_numpy(dtype=float)
    size = np.bincount(group).astype(float)
    share = np.bincount(group, place) / size
    decided = ((share > 0) & (share < 1))[group]  # elsewhere all or none got it, and nothing can be compared
    has = place[decided] > 0
    given = rows["given"].to_numpy(dtype=bool)[decided]
    counts = int(has.sum()), int((~has).sum())
    went = int(left[decided][has].sum()), int(left[decided][~has].sum())
    fewer = None
    if min(counts) >= FEWEST_DRAWN:
        fewer = _fewer_left(group[decided], place[decided], left[decided])
    return Drawn(programme, *counts, (int(given[has].sum()), int(given[~has].sum())), went, fewer)


def _fewer_left(group: Any, place: Any, left: Any) -> Interval:
    """Compare within groups: the regression of leaving on the place with an effect of each group.

    Its variance is that of Neyman's repeated draws, robust (HC1 within each group): each squared residual
    times n / (n - 1) of its group, which makes up for the group's own mean. Where hardly anybody left it is
    far too small (nobody on either side: nought), so the interval reaches at least as far as Newcombe's from
    the counts of the two sides (method 10, Statistics in Medicine 17, 1998).
    """
    size = np.bincount(group).astype(float)
    size[size == 0] = 1.0
    centred = place - (np.bincount(group, place) / size)[group]
    around = left - (np.bincount(group, left) / size)[group]
    weight = float((centred**2).sum())
    more = float((centred * around).sum()) / weight
    rest = around - more * centred
    inflate = (size / np.maximum(size - 1, 1))[group]
    error = _Z * float(np.sqrt((inflate * (centred * rest) ** 2).sum())) / weight
    has = place > 0
    (low_with, high_with), (low_without, high_without) = (_from_share(left[side]) for side in (has, ~has))
    below = max(error, float(np.hypot(low_with, high_without)))
    above = max(error, float(np.hypot(high_with, low_without)))
    return Interval(0.0 - 100 * more, -100 * (more + above), -100 * (more - below))


def _from_share(left: Any) -> tuple[float, float]:
    """Return how far Wilson's limits lie below and above the share of those who left."""
    share = float(left.mean())
    low, high = wilson(int(left.sum()), len(left)) or (share, share)
    return share - low, high - share


def _too_few(left: int, stayed: int) -> bool:
    """Whether who left, or who stayed, would be told of a few children."""
    return left + stayed < SMALL_CELL or 0 < left < SMALL_CELL or 0 < stayed < SMALL_CELL


def afterwards_table(told: Afterwards, names: dict[str, dict[Language, str]], language: Language) -> str:
    """Say it as a table of text. No words claim an effect but those of a lottery, with its interval."""

    def name(programme: str) -> str:
        return names.get(programme, {}).get(language, programme)

    lines = [text("targeting.after.head", language)]
    hidden = text("targeting.back.hidden", language)
    for one in told.became:
        few = _too_few(one.left, one.stayed)
        lines.append(
            text(
                "targeting.after.line", language, name=name(one.programme),
                answer=text(f"targeting.answers.{one.answer}", language), students=one.students,
                given=one.given, left=hidden if few else one.left, stayed=hidden if few else one.stayed,
                unknown=one.unknown,
            )
        )  # fmt: skip
    lines.append(text("targeting.after.not_an_effect", language))
    for lot in told.drawn:
        found, sides = lot.fewer_left, zip((lot.with_place, lot.without), lot.left, strict=True)
        slots: dict[str, object] = {
            "name": name(lot.programme), "with_place": lot.with_place, "without": lot.without,
            "given": lot.given[0], "given_without": lot.given[1],
        }  # fmt: skip
        if found is None:
            lines.append(text("targeting.after.too_few_drawn", language, **slots))
        elif any(_too_few(left, drew - left) for drew, left in sides):
            # A difference and its interval give the counts of both sides away, to the child.
            lines.append(text("targeting.after.too_few_left", language, **slots))
        else:
            slots |= {"left": lot.left[0], "left_without": lot.left[1]}
            slots |= {
                "fewer": f"{found.value:+.1f}",
                "low": f"{found.low:+.1f}",
                "high": f"{found.high:+.1f}",
            }
            lines.append(text("targeting.after.drawn", language, **slots))
    if not told.drawn:
        lines.append(text("targeting.after.no_lottery", language))
    return "\n".join(lines)
