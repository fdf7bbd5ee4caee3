"""Is what the model reads on a day unlike every earlier term's? Asked of the county, and of each school.

A term differs from the last one by season, and from the same one a year ago by who grew older: so a day is
held against the same week of several earlier terms, and counts as changed only where it is unlike all of
them, by more than they are unlike each other, and by more than chance explains over all that was asked
(Benjamini and Yekutieli, for questions that depend on each other). With tens of thousands of rows chance
explains nearly nothing; the size of a change decides. Limits were chosen on counties of other seeds (docs/
decisions/0009).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskmodel.domain import FeatureMatrix

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
RISK, LISTED = "risk", "listed"
"""Columns beside the features: the risk that was given (NaN: none), and 1 for who is listed."""
SCORES = "scores"
"""What stands where a feature names the table that it is made from."""
FEWEST = 20
"""Values on each side that a distribution is compared from."""
FEWEST_TERMS = 3
"""Earlier terms that must know a feature of the county: fewer do not tell how far terms usually are apart."""
FALSE_DISCOVERIES = 0.01


class Kind(StrEnum):
    """What changed.

    The values; how many are known; that they differ between students; that they are not last term's; how many
    students there are; how many are listed.
    """

    VALUES = "values"
    KNOWN = "known"
    CONSTANT = "constant"
    SAME = "same"
    STUDENTS = "students"
    LISTED = "listed"


LIMITS = {
    (Kind.VALUES, False): 0.2,
    (Kind.VALUES, True): 0.5,
    (Kind.KNOWN, False): 0.2,
    (Kind.KNOWN, True): 0.3,
    (Kind.CONSTANT, False): 0.01,
    (Kind.CONSTANT, True): 0.4,
    (Kind.SAME, False): 0.25,
    (Kind.SAME, True): 0.4,
    (Kind.STUDENTS, False): math.log(1.15),
    (Kind.STUDENTS, True): math.log(1.6),
    (Kind.LISTED, False): math.log(2),
    (Kind.LISTED, True): math.log(4),
}
"""Distance from which a change counts, for the county and (True) for a school. Values: Kolmogorov's distance
(see `_apart`); known: by how much the share fell; constant: the share that differed from the most common
value; same: difference of shares; students, listed: logarithm of the ratio."""
TIMES_USUAL = 1.5
"""So many times as far as earlier terms were from those before them when they came."""
SLACK_SPREAD, SLACK_DAYS = 0.25, 14.0
"""A quarter of the standard deviation, or two weeks of the calendar: values that moved so far have not."""
WHOLE_SCHOOL = 0.8
"""Share of a school's students with one and the same value from which it is the school's, and not theirs."""
MOVES_EVERY_TERM = ("attendance", "grades")
"""Tables of events: what they tell of a student is new each term. A register may well say the same."""


@dataclass(frozen=True)
class Day:
    """One date: who was there, and what was known of them.

    Attributes
    ----------
    students, schools
        (n,) ids.
    X
        (n, p) values of `names`, NaN where not known.
    sources, in_days
        (p,) the table that each column is made from, and whether it counts days.
    """

    students: NDArray[np.str_]
    schools: NDArray[np.str_]
    names: tuple[str, ...]
    X: Floats
    sources: tuple[str, ...]
    in_days: tuple[bool, ...]

    @classmethod
    def of(cls, matrix: FeatureMatrix, *, risk: Floats | None = None, listed: Floats | None = None) -> Day:
        """Take the rows of one date; `risk` and `listed` are columns more."""
        frame: pd.DataFrame = matrix.frame
        columns = {name: frame[name].to_numpy(dtype=np.float64) for name in matrix.model_features}
        columns |= {name: values for name, values in ((RISK, risk), (LISTED, listed)) if values is not None}
        told = {feature.name: feature for feature in matrix.features}
        return cls(
            frame["student_id"].to_numpy(dtype=str),
            frame["school_id"].to_numpy(dtype=str),
            tuple(columns),
            np.column_stack(list(columns.values())),
            tuple(told[name].source if name in told else SCORES for name in columns),
            tuple(name in told and told[name].unit == "days" for name in columns),
        )

    def at(self, school: str | None) -> Day:
        """Return the rows of a school; None: all."""
        if school is None:
            return self
        rows = self.schools == school
        return replace(self, students=self.students[rows], schools=self.schools[rows], X=self.X[rows])


@dataclass(frozen=True)
class Change:
    """One thing that was asked, and how far the day is from the earlier term that it is most like.

    Attributes
    ----------
    feature, source
        None where it is about students, or about all that a table tells; the table.
    school_id
        None: the county.
    now, before
        What is told: a median (values), a share (known, constant, same, listed), a count (students).
    distance, limit
        See `LIMITS`.
    p
        How often chance alone would do it, corrected for all that was asked.
    """

    kind: Kind
    feature: str | None
    source: str
    school_id: str | None
    now: float
    before: float
    distance: float
    limit: float
    p: float

    @property
    def alarms(self) -> bool:
        """Whether it is larger than usual, and than chance explains."""
        return self.distance > self.limit and self.p < FALSE_DISCOVERIES


@dataclass(frozen=True)
class Alarm:
    """Changes of one kind in what one table tells, of the county or of one school.

    `schools` counts those where the same was found, where the county's alarm tells it once for all.
    """

    kind: Kind
    source: str
    school_id: str | None
    changes: tuple[Change, ...]
    schools: int = 0


def measure(now: Day, earlier: Sequence[Day]) -> tuple[Change, ...]:
    """Measure a day against the same week of earlier terms, the latest first; at least one.

    Schools that have too few students, or are new, are not asked about by themselves.
    """
    from scipy.stats import false_discovery_control

    found = [*_of_unit(now, earlier, None)]
    for school in np.unique(np.concatenate([earlier[0].schools, now.schools])):
        found += _of_unit(now.at(school), [day.at(school) for day in earlier], str(school))
    if not found:
        return ()
    corrected = false_discovery_control([change.p for change in found], method="by")
    return tuple(
        Change(**{**vars(change), "p": float(p)}) for change, p in zip(found, corrected, strict=True)
    )


def alarms_of(changes: Sequence[Change]) -> tuple[Alarm, ...]:
    """Put the changes that alarm together: by kind and table, the county first."""

    def key(change: Change) -> tuple[str, str, str]:
        return change.kind, change.source, change.school_id or ""

    loud = sorted((change for change in changes if change.alarms), key=key)
    alarms = [
        Alarm(Kind(kind), source, school or None, tuple(group))
        for (kind, source, school), group in groupby(loud, key=key)
    ]
    county = {(alarm.kind, alarm.source) for alarm in alarms if alarm.school_id is None}
    told = []
    for alarm in alarms:
        if alarm.school_id is None:
            same = sum((a.kind, a.source) == (alarm.kind, alarm.source) for a in alarms) - 1
            told.append(Alarm(alarm.kind, alarm.source, None, alarm.changes, same))
        elif (alarm.kind, alarm.source) not in county:
            told.append(alarm)
    return tuple(sorted(told, key=lambda alarm: alarm.school_id is not None))


def _of_unit(now: Day, earlier: Sequence[Day], school: str | None) -> Iterator[Change]:
    """Ask everything of the county, or of one school."""
    there = [day for day in earlier if len(day.students) >= FEWEST]
    if not there:
        return
    yield _students([len(day.students) for day in (now, *there)], school)
    if len(now.students) < FEWEST:
        return
    days = (now, *there)
    for column, (name, source) in enumerate(zip(now.names, now.sources, strict=True)):
        columns = [day.X[:, column] for day in days]
        known = [values[~np.isnan(values)] for values in columns]
        if name == LISTED:
            # A roll that came after its set was published has students of whom no list was made.
            served = [values for values in known if len(values) >= FEWEST]
            if len(known[0]) >= FEWEST and len(served) > 1:
                yield _listed(served, school)
            continue
        if school is None:
            # A school that is a few days late lacks a short window: of a school whole tables are asked below.
            counts = _draws(days, [np.isnan(values) for values in columns])
            yield _known(columns, counts, name, source, school)
        # Of the county a term from before a table was delivered says nothing, and the others do; what moves
        # at one school from year to year only all of them tell.
        told = [number for number, values in enumerate(known) if len(values) >= FEWEST]
        needed = len(days) if school is not None else min(len(days), 1 + FEWEST_TERMS)
        if told[:1] != [0] or len(told) < needed:
            continue
        columns, known = [columns[number] for number in told], [known[number] for number in told]
        asked = [days[number] for number in told]
        common = [_most_common(values) for values in known[1:]]
        if school is None or max(common) <= WHOLE_SCHOOL:
            # What is one for a whole school says nothing of its students.
            sizes = [len(values) for values in known]
            if school is None:
                sizes = _draws(asked, columns)
            ordered = [np.sort(values) for values in known]
            yield _values(ordered, sizes, name, source, school, now.in_days[column])
            if known[0].min() == known[0].max():
                yield _constant(common, len(known[0]), name, source, school)
            if source in MOVES_EVERY_TERM and len(asked) > 2:
                same = _same(asked, column, school, sizes)
                if same:
                    yield same
    if school is not None:
        for source in sorted({*now.sources} - {SCORES}):
            of = [number for number, each in enumerate(now.sources) if each == source]
            counts = [len(day.students) for day in days]
            yield _known([day.X[:, of] for day in days], counts, None, source, school)


def _usual(distance: Sequence[Sequence[float]]) -> float:
    """Return how far the last two earlier terms were, when they came, from what was there before them.

    `distance[k][j]` is that of two earlier terms, the latest first. A term with one before it says nothing:
    that one was of the other season.
    """
    count = len(distance)
    came = [min(distance[k][k + 1 :]) for k in range(min(2, count - 2))]
    return max(came, default=0.0)


def _change(
    kind: Kind, name: str | None, source: str, school: str | None, *, now: float, before: float,
    distances: Sequence[float], ps: Sequence[float], usual: float = 0.0,
) -> Change:  # fmt: skip
    """Take the earlier term that the day is most like, and the largest p: it must be unlike all of them."""
    limit = max(LIMITS[kind, school is not None], TIMES_USUAL * usual)
    distance = float(min(distances))
    return Change(kind, name, source, school, now, before, distance, limit, float(max(ps)))


def _draws(days: Sequence[Day], values: Sequence[NDArray[Any]]) -> list[int]:
    """Count what chance drew: students, or schools where a value differs between them and hardly within."""
    before, told = days[1], values[1]
    within = [_most_common(told[before.schools == school]) for school in np.unique(before.schools)]
    if _most_common(told) < WHOLE_SCHOOL < float(np.mean(within)):
        return [len(np.unique(day.schools)) for day in days]
    return [int((~np.isnan(each)).sum()) for each in values]


def _values(
    known: Sequence[Floats], sizes: Sequence[int], name: str, source: str, school: str | None, in_days: bool
) -> Change:
    """Ask whether sorted values lie elsewhere; `sizes` are how many draws each is worth."""
    now, earlier = known[0], known[1:]
    slack = SLACK_SPREAD * float(np.std(np.concatenate(earlier)))
    slack = max(slack, SLACK_DAYS) if in_days else slack
    distances = [_apart(now, before, slack) for before in earlier]
    ps = [_kolmogorov_p(d, sizes[0], size) for d, size in zip(distances, sizes[1:], strict=True)]
    among = [[0.0 if a is b else _apart(a, b, slack) for b in earlier] for a in earlier]
    nearest = earlier[int(np.argmin(distances))]
    return _change(
        Kind.VALUES, name, source, school, now=float(np.median(now)), before=float(np.median(nearest)),
        distances=distances, ps=ps, usual=_usual(among),
    )  # fmt: skip


def _known(
    columns: Sequence[Floats], counts: Sequence[int], name: str | None, source: str, school: str | None
) -> Change:
    """Ask whether less is known than ever: to know more is no harm."""
    shares = [float((~np.isnan(values)).mean()) for values in columns]
    ps = [_shares_p(shares[0], counts[0], s, n) for s, n in zip(shares[1:], counts[1:], strict=True)]
    return _change(
        Kind.KNOWN, name, source, school, now=shares[0], before=min(shares[1:]),
        distances=[share - shares[0] for share in shares[1:]], ps=ps,
        usual=_usual([[max(0.0, b - a) for b in shares[1:]] for a in shares[1:]]),
    )  # fmt: skip


def _most_common(values: NDArray[Any]) -> float:
    """Return the share of the most common value."""
    return float(np.unique(values, return_counts=True)[1].max() / len(values))


def _constant(common: Sequence[float], count: int, name: str, source: str, school: str | None) -> Change:
    """Tell that values which always differed are all the same now."""
    return _change(
        Kind.CONSTANT, name, source, school, now=1.0, before=max(common),
        distances=[1 - share for share in common], ps=[share**count for share in common],
    )  # fmt: skip


def _same(days: Sequence[Day], column: int, school: str | None, sizes: Sequence[int]) -> Change | None:
    """Ask whether students who were there before have the very values of the term before.

    `sizes` are how many draws the values of each day are worth: students, or schools.
    """
    shares = [_same_share(a, b, column) for a, b in pairwise(days)]
    pairs = [(share, min(count, size)) for (share, count), size in zip(shares, sizes, strict=False)]
    before = [pair for pair, (_, count) in zip(pairs[1:], shares[1:], strict=True) if count >= FEWEST]
    if shares[0][1] < FEWEST or not before:
        return None
    (now, draws), (usual, of) = pairs[0], max(before)
    name, source = days[0].names[column], days[0].sources[column]
    return _change(
        Kind.SAME, name, source, school, now=now, before=usual,
        distances=[now - usual], ps=[_shares_p(now, draws, usual, of)],
    )  # fmt: skip


def _same_share(a: Day, b: Day, column: int) -> tuple[float, int]:
    _, of_a, of_b = np.intersect1d(a.students, b.students, return_indices=True)
    one, other = a.X[of_a, column], b.X[of_b, column]
    both = ~np.isnan(one) & ~np.isnan(other)
    return (float((one[both] == other[both]).mean()) if both.any() else 0.0), int(both.sum())


def _students(counts: Sequence[int], school: str | None) -> Change:
    """Ask whether there are more students, or fewer, than in any earlier term."""
    from scipy.stats import binomtest

    distances = [abs(math.log(max(counts[0], 0.5) / count)) for count in counts[1:]]
    among = [[abs(math.log(a / b)) for b in counts[1:]] for a in counts[1:]]
    ps = [float(binomtest(counts[0], counts[0] + count).pvalue) for count in counts[1:]]
    before = counts[1:][int(np.argmin(distances))]
    return _change(
        Kind.STUDENTS, None, "enrolments", school, now=counts[0], before=before,
        distances=distances, ps=ps, usual=_usual(among),
    )  # fmt: skip


def _listed(known: Sequence[Floats], school: str | None) -> Change:
    """Ask whether another share of the students is on the lists."""
    counts = [len(values) for values in known]
    shares = [(float(values.sum()) + 0.5) / (len(values) + 1) for values in known]
    distances = [abs(math.log(shares[0] / share)) for share in shares[1:]]
    ps = [_shares_p(shares[0], counts[0], s, n) for s, n in zip(shares[1:], counts[1:], strict=True)]
    among = [[abs(math.log(a / b)) for b in shares[1:]] for a in shares[1:]]
    return _change(
        Kind.LISTED, LISTED, SCORES, school, now=shares[0], before=shares[1:][int(np.argmin(distances))],
        distances=distances, ps=ps, usual=_usual(among),
    )  # fmt: skip


def _apart(a: Floats, b: Floats, slack: float) -> float:
    """Return Kolmogorov's distance of two sorted samples where a value may move by `slack` for nothing."""
    both = np.concatenate([a, b])
    below_a, below_b = (np.searchsorted(of, both, side="right") / len(of) for of in (a, b))
    more_a, more_b = (np.searchsorted(of, both + slack, side="right") / len(of) for of in (a, b))
    return float(max(0.0, (below_a - more_b).max(), (below_b - more_a).max()))


def _kolmogorov_p(distance: float, n: int, m: int) -> float:
    from scipy.stats import kstwobign

    return float(kstwobign.sf(math.sqrt(n * m / (n + m)) * distance))


def _shares_p(a: float, n: int, b: float, m: int) -> float:
    """Return the two-sided p of two shares being one."""
    from scipy.stats import norm

    pooled = (a * n + b * m) / (n + m)
    spread = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / m))
    return float(2 * norm.sf(abs(a - b) / spread))
