"""What a model must meet before anybody may use it: each gate looks at one figure, and can say no.

A gate refuses where the figures leave no room for chance: the value and its whole interval lie outside the
limits. Where the value lies outside and the interval reaches in, or fewer than 20 left, too few left to say,
and a person decides. `riskmodel audit` asks them with the limits of `configs/gates.yaml`, and
`riskmodel publish` publishes nothing that one of them refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from math import inf

from pydantic import TypeAdapter

from riskmodel.evaluation.audit import Audit
from riskmodel.evaluation.groups import FEW_EVENTS, MANY_EVENTS
from riskmodel.figures import Evaluation, Interval


class Verdict(StrEnum):
    """What a gate says."""

    MET = "met"
    REFUSED = "refused"
    TOO_FEW = "too_few"
    """Too few left, or nothing was looked at: a person decides."""


@dataclass(frozen=True)
class Limits:
    """What the gates ask.

    Attributes
    ----------
    auc_low
        The lower end of AUC must lie above it.
    auc_suspicious
        An AUC above it is taken for a leak until a person has found why.
    beaten_by
        Simpler methods that must not be better beyond the interval.
    observed_over_expected, group_observed_over_expected, calibration_slope
        Lowest and highest. Of a group of fewer than `MANY_EVENTS` leavers the interval must hold 1; where it
        does not, and the value lies within, a person decides.
    recall_gap
        Between two groups the lower end of the gap must not lie above it.
    known_schools
        Share of judged student-dates at schools that the training knew, at least.
    same_list, same_first, same_three
        Overlap, at least: of lists between seeds; of the first, and the first three, families of reasons.
    flipped_by_a_day
        Share of reasons that one more day of absence turns to something else, at most.
    newest_outcomes_days
        Days from the newest as-of date that was learnt from to the one that is scored, at most.
    """

    auc_low: float
    auc_suspicious: float
    beaten_by: tuple[str, ...]
    observed_over_expected: tuple[float, float]
    group_observed_over_expected: tuple[float, float]
    calibration_slope: tuple[float, float]
    recall_gap: float
    known_schools: float
    same_list: float
    same_first: float
    same_three: float
    flipped_by_a_day: float
    newest_outcomes_days: int


@dataclass(frozen=True)
class GateFound:
    """What one gate found.

    Attributes
    ----------
    value
        The figure, in its own unit; None where there is none.
    limits
        Lowest and highest that is let through; None on a side without a limit.
    events
        Leavers behind the figure; None where it does not rest on leavers.
    of
        Of which method, grouping or group: codes from large to small; empty for the whole.
    """

    gate: str
    verdict: Verdict
    value: Interval | None
    limits: tuple[float | None, float | None]
    events: int | None = None
    of: tuple[str, ...] = ()


def judge_gates(
    evaluation: Evaluation, audit: Audit, limits: Limits, *, newest_learnt: date, current: date
) -> tuple[GateFound, ...]:
    """Ask every gate of the model that was judged.

    Parameters
    ----------
    evaluation
        Its table; the first model is the one that is asked about.
    audit
        Its audit on the same rows.
    newest_learnt
        The newest as-of date that the model to be used has learnt from.
    current
        The as-of date that is to be scored.
    """
    return (
        *judge_figures(evaluation, limits),
        _time(audit),
        judge_age(limits, newest_learnt=newest_learnt, current=current),
        _at_least("known_schools", audit.known_schools, limits.known_schools),
        *_groups(audit, limits),
        *_chance(audit, limits),
        *_reasons(audit, limits),
    )


def judge_figures(evaluation: Evaluation, limits: Limits) -> tuple[GateFound, ...]:
    """Ask the gates that the table alone can answer, of its first model."""
    return (*_discrimination(evaluation, limits), *_calibration(evaluation, limits))


def judge_age(limits: Limits, *, newest_learnt: date, current: date) -> GateFound:
    """Ask whether a model has grown too old for the as-of date that is to be scored: no figure is needed."""
    age = (current - newest_learnt).days
    most = limits.newest_outcomes_days
    return GateFound("not_stale", _met(age <= most), Interval(age), (None, most))


def refused(found: Sequence[GateFound]) -> tuple[GateFound, ...]:
    """Return the gates that say no."""
    return tuple(each for each in found if each.verdict is Verdict.REFUSED)


def _discrimination(evaluation: Evaluation, limits: Limits) -> Iterator[GateFound]:
    model, events = evaluation.models[0], evaluation.events
    auc = model.auc
    better = (auc.value if auc.low is None else auc.low) > limits.auc_low
    yield GateFound("better_than_chance", _said(better, events), auc, (limits.auc_low, None), events)
    believable = auc.value <= limits.auc_suspicious
    yield GateFound("too_good", _met(believable), auc, (None, limits.auc_suspicious), events)
    for name in limits.beaten_by:
        less = evaluation.paired_auc_difference.get(name)
        if less is not None:
            beaten = (less.value if less.high is None else less.high) < 0
            yield GateFound("not_beaten", _said(not beaten, events), less, (0.0, None), events, (name,))


def _calibration(evaluation: Evaluation, limits: Limits) -> Iterator[GateFound]:
    model, events = evaluation.models[0], evaluation.events
    for gate, figure, within in (
        ("observed_over_expected", model.observed_over_expected, limits.observed_over_expected),
        ("calibration_slope", model.calibration_slope, limits.calibration_slope),
    ):
        verdict = Verdict.TOO_FEW if figure is None else _within(figure, within, events)
        yield GateFound(gate, verdict, figure, within, events)


def _within(figure: Interval, within: tuple[float | None, float | None], events: int | None) -> Verdict:
    """Compare a figure that rests on leavers with its limits."""
    lowest = -inf if within[0] is None else within[0]
    highest = inf if within[1] is None else within[1]
    if events is not None and events < FEW_EVENTS:
        return Verdict.TOO_FEW
    if lowest <= figure.value <= highest:
        return Verdict.MET
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    return Verdict.REFUSED if low > highest or high < lowest else Verdict.TOO_FEW


def _time(audit: Audit) -> GateFound:
    """Ask that all the judged model knew was known before the first date that it is judged on."""
    early = (min(audit.test_dates) - audit.label_date).days
    return GateFound("knew_nothing_later", _met(early >= 0), Interval(early), (0, None))


def _groups(audit: Audit, limits: Limits) -> Iterator[GateFound]:
    for gap in audit.gaps:
        most = (None, limits.recall_gap)
        of = (gap.grouping, gap.most, gap.least)
        yield GateFound("no_group_missed", _within(gap.gap, most, None), gap.gap, most, None, of)
    for each in audit.groups:
        over, events = each.observed_over_expected, each.events
        if over is None or events is None:
            continue
        within = limits.group_observed_over_expected
        verdict = _within(over, within, events)
        if FEW_EVENTS <= events < MANY_EVENTS:
            holds_one = over.low is not None and over.high is not None and over.low <= 1 <= over.high
            if holds_one:
                verdict = Verdict.MET
            elif verdict is Verdict.MET:  # the table calls the estimates too low, or too high
                verdict = Verdict.TOO_FEW
        yield GateFound("group_calibrated", verdict, over, within, events, (each.grouping, each.group))


def _chance(audit: Audit, limits: Limits) -> Iterator[GateFound]:
    if not audit.seeds:
        yield GateFound("same_list", Verdict.TOO_FEW, None, (limits.same_list, None))
        return
    yield _at_least("same_list", min(one.same_list for one in audit.seeds), limits.same_list)


def _reasons(audit: Audit, limits: Limits) -> Iterator[GateFound]:
    told = audit.stability
    for gate, value, least in (
        ("same_first", None if told is None else told.same_first, limits.same_first),
        ("same_three", None if told is None else told.same_three, limits.same_three),
    ):
        yield _at_least(gate, value, least)
    flips = None if told is None else told.flipped_by_a_day
    most = limits.flipped_by_a_day
    if flips is None:
        yield GateFound("flipped_by_a_day", Verdict.TOO_FEW, None, (None, most))
    else:
        yield GateFound("flipped_by_a_day", _met(flips <= most), Interval(flips), (None, most))


def _at_least(gate: str, value: float | None, least: float) -> GateFound:
    if value is None:
        return GateFound(gate, Verdict.TOO_FEW, None, (least, None))
    return GateFound(gate, _met(value >= least), Interval(value), (least, None))


def _said(sound: bool, events: int) -> Verdict:
    """Return the verdict of a figure that rests on leavers; of few, even what looks wrong may be chance."""
    return Verdict.TOO_FEW if events < FEW_EVENTS else _met(sound)


def _met(sound: bool) -> Verdict:
    return Verdict.MET if sound else Verdict.REFUSED


def gates_json(found: Sequence[GateFound]) -> str:
    """Return what the gates found as JSON; `read_gates_found` reads it back."""
    return json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1) + "\n"


def read_gates_found(text: str) -> tuple[GateFound, ...]:
    """Read what `gates_json` wrote."""
    return TypeAdapter(tuple[GateFound, ...]).validate_python(json.loads(text))
