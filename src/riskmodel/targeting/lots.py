"""Lots at the line: where places run out, chance decides between those whom need hardly tells apart.

Places go by need first. Then, of one programme and one cost, and of one school where hours or places are its
own, the last places given and the first who wait for one are dealt out anew. Like is exchanged for like, so
that every limit holds as before; and within such a group everybody's chance is the same, whatever else they
are, so that what became of those with a place and those without can be compared (Wilder and Welle 2024,
arXiv 2407.07596).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import AidAnswer
from riskmodel.targeting.greedy import CENT, Given
from riskmodel.targeting.need import ANSWERS, WAITS, Bools, Ints, Pairs, fixed_number
from riskmodel.targeting.programmes import ProgrammesFile

_ENOUGH = ANSWERS.index(AidAnswer.ENOUGH_PROGRAMMES)


@dataclass(frozen=True)
class Drawing:
    """The pairs with the drawn in the order of their lots; `group` numbers from 1 who was drawn with whom.

    Places of the order keep their answers: only who stands there changes. 0: not drawn.
    """

    pairs: Pairs
    group: Ints


def draw_lots(
    pairs: Pairs,
    given: Given,
    told: ProgrammesFile,
    *,
    student_ids: NDArray[np.str_],
    by_floor: Bools,
    own_places: Sequence[bool],
) -> Drawing:
    """Draw who gets the last places, and who waits first.

    Of each group as large a share of its places as `lottery.share` says, rounded up, and as many of those
    who wait first. A student is drawn for one programme at most, the first in the file; not drawn is who has
    a place by a floor, who was refused another programme for having enough, and who could take no more.

    Parameters
    ----------
    given
        What the pairs were given by need.
    student_ids
        By number of a student: the lot is a hash of seed, programme and this.
    own_places
        By programme: its places are those of schools.
    """
    enough = np.zeros(len(student_ids), dtype=bool)
    enough[pairs.student[given.answers == _ENOUGH]] = True
    has = np.bincount(pairs.student[given.taken], minlength=len(student_ids))
    full = has >= told.budget.programmes_per_student
    waits = np.isin(given.answers, WAITS) & ~full[pairs.student]
    may = ~by_floor & ~enough[pairs.student] & (given.taken | waits)
    where = np.arange(len(pairs))
    group = np.zeros(len(pairs), dtype=np.int64)
    drawn_already = np.zeros(len(student_ids), dtype=bool)
    for rows in _alike(pairs, own_places):
        candidates = rows[may[rows] & ~drawn_already[pairs.student[rows]]]
        places, waiting = candidates[given.taken[candidates]], candidates[~given.taken[candidates]]
        count = int(np.ceil(told.lottery.share * len(places) - CENT))  # 7 % of 100 is 7, not 8
        if not count or not len(waiting):
            continue
        slots = np.concatenate([places[-count:], waiting[:count]])
        programme = told.programmes[pairs.programme[slots[0]]].id
        lots = [
            fixed_number(f"{told.lottery.seed}:{programme}:{student_ids[student]}")
            for student in pairs.student[slots]
        ]
        where[slots] = slots[np.argsort(np.array(lots, dtype=np.uint64), kind="stable")]
        group[slots] = group.max() + 1
        drawn_already[pairs.student[slots]] = True
    whose = {name: getattr(pairs, name)[where] for name in ("student", "school", "risk", "group")}
    return Drawing(replace(pairs, **whose), group)


def _alike(pairs: Pairs, own_places: Sequence[bool]) -> list[Ints]:
    """Return rows of pairs, in their order, between which a place may move and no limit is touched."""
    of_school = (pairs.hours > 0) | np.array(own_places, dtype=bool)[pairs.programme]
    keys = np.stack([pairs.programme, np.where(of_school, pairs.school, -1), pairs.yuan], axis=1)
    number = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    return np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
