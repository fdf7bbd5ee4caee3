"""When a contribution is a reason, and which sentence tells it.

Log-odds add up, so a family's sum is exact; single columns of one family tell nearly the same and share the
weight by chance, a family's sum is stable. What is not known is never a reason about a student.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from riskmodel import wording
from riskmodel.domain import Family, FeatureInfo, FeatureMatrix, Matrix, Statement, Unknown

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Row = Mapping[Hashable, Any]

FLOOR = 0.15
"""Log-odds below which a family says nothing: odds up or down by a sixth."""
AGREEMENT = 0.8
"""Share of the bagged models in which a family must have the same sign."""
DOTS: tuple[float, float] = (0.4, 0.8)
"""Log-odds from which a statement has two and three dots: odds by half, odds more than doubled."""
MOST_REASONS = 3
MOST_BACKGROUND = 1
MOST_STRENGTHS = 2

STALE_FAMILY_DAYS = 365
"""Circumstances of families are asked for each school year."""
NEW_STUDENT_MONTHS = 2
"""With less time at the school there is hardly an own past to compare with."""
MOSTLY_UNREPORTED = 0.5


@dataclass(frozen=True)
class Explained:
    """What may be said about one row, strongest first."""

    reasons: tuple[Statement, ...]
    strengths: tuple[Statement, ...]


def family_statements(
    contributions: Floats,
    bag_contributions: Floats,
    *,
    rows: pd.DataFrame,
    names: Sequence[str],
    features: Sequence[FeatureInfo],
) -> tuple[Explained, ...]:
    """Tell the families that raise and that lower the margin of each row.

    A family is a reason if its sum is above `FLOOR`, it is positive in `AGREEMENT` of the bag, and one of
    its members that raises the margin has a known value within the range of its sentence: the one with
    the largest contribution is told. Strengths likewise, the other way round. There are at most three reasons
    that someone can act on, one of background, and two strengths.

    Parameters
    ----------
    contributions
        (n, p + 1) log-odds of the model that scores, the base last.
    bag_contributions
        (b, n, p + 1), the same of the bagged models.
    rows
        n rows of a matrix's frame, with all its columns.
    names
        The p columns of the model, in order.
    features
        All declarations of the matrix: slots may name features that the model does not use.
    """
    declared = {feature.name: feature for feature in features}
    members: dict[Family, list[int]] = {}
    for column, name in enumerate(names):
        members.setdefault(declared[name].family, []).append(column)
    sums = {family: _added(contributions, columns) for family, columns in members.items()}
    bag_sums = {family: _added(bag_contributions, columns) for family, columns in members.items()}
    explained = []
    for number, row in enumerate(rows.to_dict("records")):
        found: dict[int, list[Statement]] = {1: [], -1: []}
        for family, columns in members.items():
            total = float(sums[family][number])
            sign = 1 if total > 0 else -1
            agree = np.mean(np.sign(bag_sums[family][:, number]) == sign)
            if abs(total) <= FLOOR or agree < AGREEMENT:
                continue
            ordered = sorted(columns, key=lambda column: -sign * contributions[number, column])
            telling = [
                declared[names[column]] for column in ordered if sign * contributions[number, column] > 0
            ]
            statement = _tell(telling, row, total=total, declared=declared)
            if statement:
                found[sign].append(statement)
        explained.append(Explained(_choose_reasons(found[1]), _strongest(found[-1], MOST_STRENGTHS)))
    return tuple(explained)


def _added(contributions: Floats, columns: Sequence[int]) -> Floats:
    """Add some columns, one after the other: a row's sum is the same bits whatever rows stand beside it."""
    total = np.zeros(contributions.shape[:-1])
    for column in columns:
        total += contributions[..., column]
    return total


def _tell(
    members: Sequence[FeatureInfo], row: Row, *, total: float, declared: dict[str, FeatureInfo]
) -> Statement | None:
    """Tell the first member that has a sentence which is true of this row."""
    for member in members:
        code, (low, high) = (
            (member.reason, member.reason_range) if total > 0 else (member.strength, member.strength_range)
        )
        value = _known(row, member.name)
        if code is None or value is None or not low <= value <= high:
            continue
        slots = sorted(wording.slots(code))
        if any(_known(row, slot) is None for slot in slots):
            # A sentence with a gap in it tells nothing: the next member speaks.
            continue
        told = [member, *(declared[slot] for slot in slots if slot in declared)]
        days = _known(row, member.freshness) if member.freshness else None
        as_of_date = row["as_of_date"].date()
        return Statement(
            family=member.family,
            code=code,
            kind=member.kind,
            audience="counsellor" if any(one.audience == "counsellor" for one in told) else "class_teacher",
            contribution=total,
            dots=_dots(total),
            values={slot: _known(row, slot) for slot in slots},
            source=member.source,
            source_date=None if days is None else as_of_date - timedelta(days=int(days)),
        )
    return None


def _known(row: Row, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) and not np.isnan(value) else None


def _dots(total: float) -> Literal[1, 2, 3]:
    if abs(total) >= DOTS[1]:
        return 3
    return 2 if abs(total) >= DOTS[0] else 1


def _strongest(statements: Sequence[Statement], most: int) -> tuple[Statement, ...]:
    return tuple(sorted(statements, key=lambda one: (-abs(one.contribution), one.family))[:most])


def _choose_reasons(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    ordered = _strongest(statements, len(statements))
    to_act_on = islice((one for one in ordered if one.kind != "background"), MOST_REASONS)
    background = islice((one for one in ordered if one.kind == "background"), MOST_BACKGROUND)
    return _strongest([*to_act_on, *background], MOST_REASONS + MOST_BACKGROUND)


def enough_known(matrix: Matrix) -> Bools:
    """Tell of each row whether a judgement can rest on it.

    It can with one reported school day in the last 56 days, or with one mark, whenever it was (features
    look three years back). Without both there is only background, and no judgement rests on that alone.
    """
    frame = matrix.read(["absence_share_56d", "days_since_exam"])
    return np.asarray(frame["absence_share_56d"].notna() | frame["days_since_exam"].notna(), dtype=bool)


def unknowns(matrix: FeatureMatrix) -> tuple[tuple[Unknown, ...], ...]:
    """Return what is not known of each row, in a fixed order."""
    frame = matrix.frame
    said = {
        "unknowns.attendance_not_reported": (frame["absence_share_56d"].isna(), None),
        "unknowns.attendance_mostly_not_reported": (
            frame["absence_share_56d"].notna() & (frame["unreported_share_56d"] > MOSTLY_UNREPORTED),
            "unreported_share_56d",
        ),
        "unknowns.no_marks": (frame["days_since_exam"].isna(), None),
        "unknowns.family_not_stated": (frame["home_statement_age_days"].isna(), None),
        "unknowns.family_stale": (
            frame["home_statement_age_days"] > STALE_FAMILY_DAYS,
            "home_statement_age_days",
        ),
        "unknowns.parents_away_stale": (
            (frame["parents_away_age_days"] > STALE_FAMILY_DAYS)
            & (frame["home_statement_age_days"] <= STALE_FAMILY_DAYS),
            "parents_away_age_days",
        ),
        "unknowns.new_student": (frame["months_at_school"] < NEW_STUDENT_MONTHS, "months_at_school"),
    }
    found: list[list[Unknown]] = [[] for _ in range(len(frame))]
    for code, (holds, slot) in said.items():
        values = frame[slot].to_numpy() if slot else None
        for number in np.flatnonzero(holds.to_numpy()):
            filled = {slot: float(values[number])} if slot and values is not None else {}
            found[number].append(Unknown(code, filled))
    return tuple(tuple(one) for one in found)
