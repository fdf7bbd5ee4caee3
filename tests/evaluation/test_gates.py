"""Ten bad models, planted where scores are judged: each is refused by the gate that is meant for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from riskmodel.evaluation.audit import Audit, judge_groups, judge_others
from riskmodel.evaluation.capacity import judge_places
from riskmodel.evaluation.gates import (
    Limits,
    Verdict,
    gates_json,
    judge_gates,
    read_gates_found,
    refused,
)
from riskmodel.evaluation.groups import Calibrated, calibrated
from riskmodel.evaluation.metrics import evaluate
from riskmodel.evaluation.stability import ReasonStability, same_reasons
from riskmodel.figures import Evaluation, Interval

pytestmark = pytest.mark.slow

LIMITS = Limits(
    auc_low=0.5, auc_suspicious=0.95, beaten_by=("absence_rule", "school_rate", "constant"),
    observed_over_expected=(0.8, 1.25), group_observed_over_expected=(0.8, 1.25),
    calibration_slope=(0.8, 1.25), recall_gap=0.1, known_schools=0.8,
    same_list=0.5, same_first=0.8, same_three=0.8, flipped_by_a_day=0.05,
    newest_outcomes_days=550,
)  # fmt: skip
TESTED, CURRENT = date(2025, 10, 27), date(2026, 5, 18)
STUDENTS, SCHOOLS, FAMILIES = 8000, 80, 6
Floats = np.ndarray


@dataclass(frozen=True)
class Looked:
    """A county on one date, a model's margins and calibrated risks on it, and what else the gates ask."""

    rows: pd.DataFrame
    true: Floats
    margin: Floats
    risk: Floats
    other_seeds: tuple[Floats, ...]
    reasons: tuple[Floats, Floats]
    label_date: date = TESTED - timedelta(days=14)
    newest_learnt: date = date(2025, 4, 14)
    known_schools: float = 1.0

    def gates(self):
        evaluation = self.evaluation()
        return judge_gates(
            evaluation, self.audit(), LIMITS, newest_learnt=self.newest_learnt, current=CURRENT
        )

    def evaluation(self) -> Evaluation:
        generator = np.random.default_rng(9)
        models = {
            "model": (self.margin, self.risk),
            "absence_rule": (self.true + 3 * generator.standard_normal(STUDENTS), None),
            "school_rate": (self.rows["school_id"].str.len().to_numpy(float), None),
            "constant": (np.zeros(STUDENTS), None),
        }
        return evaluate(models, self.rows, seed=1, training_rows=0, training_events=500, resamples=200)

    def audit(self) -> Audit:
        groups, gaps = judge_groups(self.rows, risk=self.risk, share=0.1, seed=1, resamples=200)
        seeds = {f"seed {n}": margin for n, margin in enumerate(self.other_seeds)}
        first, three = same_reasons(self.reasons[0], self.reasons[1])
        return Audit(
            model_version="v", share=0.1, test_dates=(TESTED,), label_date=self.label_date,
            training_dates=(self.newest_learnt,), groups=groups, gaps=gaps, cutoffs=(), unseen_schools=None,
            places=judge_places(self.rows, self.risk, share=0.1, seed=1, resamples=20), learning=(), aged=(),
            seeds=judge_others(self.rows, self.margin, seeds, training=dict.fromkeys(seeds, (3, 500)),
                               share=0.1, seed=1, resamples=20),
            stability=ReasonStability(len(self.reasons[0]), len(self.reasons[1]), first, three, 0.0, ()),
            known_schools=self.known_schools, near_line=None,
        )  # fmt: skip


def sigmoid(margin: Floats) -> Floats:
    return 1 / (1 + np.exp(-margin))


@pytest.fixture(scope="module")
def honest() -> Looked:
    """A county whose model knows each child's chance but for some noise, and its reasons nearly always."""
    generator = np.random.default_rng(4)
    true = 1.6 * generator.standard_normal(STUDENTS) - 3.6
    left = generator.random(STUDENTS) < sigmoid(true)
    rows = pd.DataFrame({
        "as_of_date": pd.Timestamp(TESTED).as_unit("s"),
        "student_id": [f"s{number}" for number in range(STUDENTS)],
        "school_id": [f"k{number % SCHOOLS}" for number in range(STUDENTS)],
        "outcome": np.where(left, "left", "stayed"),
        "group_boarding": np.where(np.arange(STUDENTS) // SCHOOLS % 2, "yes", "no"),
    })  # fmt: skip
    wobble = 0.15 * generator.standard_normal((2, STUDENTS))
    reasons = generator.standard_normal((300, FAMILIES)) * np.arange(FAMILIES, 0, -1)
    again = reasons + 0.1 * generator.standard_normal((20, 300, FAMILIES))
    return Looked(rows, true, true, sigmoid(true), tuple(true + wobble), (reasons, again))


def noisy(looked: Looked, size: float, *, seed: int) -> Floats:
    return looked.margin + size * np.random.default_rng(seed).standard_normal(STUDENTS)


def scored(looked: Looked, margin: Floats) -> Looked:
    """The same county, other margins; other seeds move along."""
    return replace(looked, margin=margin, risk=sigmoid(margin), other_seeds=(margin, margin))


def labels_flipped(looked: Looked) -> Looked:
    return scored(looked, -looked.margin - 7)


def a_leak(looked: Looked) -> Looked:
    left = (looked.rows["outcome"] == "left").to_numpy(float)
    return scored(looked, looked.margin + 8 * left - 1)


def a_constant(looked: Looked) -> Looked:
    return scored(looked, np.full(STUDENTS, -3.0))


def class_weights(looked: Looked) -> Looked:
    """Leavers weigh as much as those who stay, and nothing is calibrated after."""
    return scored(looked, looked.margin + 3.2)


def trained_on_the_future(looked: Looked) -> Looked:
    return replace(looked, label_date=TESTED + timedelta(days=200))


def one_school_only(looked: Looked) -> Looked:
    return replace(looked, known_schools=float((looked.rows["school_id"] == "k1").mean()))


def miscalibrated(looked: Looked) -> Looked:
    """The order is right; risks are drawn out."""
    return scored(looked, 2.2 * looked.margin + 3)


def unstable(looked: Looked) -> Looked:
    return replace(looked, other_seeds=(noisy(looked, 4, seed=1), noisy(looked, 4, seed=2)))


def unstable_reasons(looked: Looked) -> Looked:
    ours, theirs = looked.reasons
    noise = 9 * np.random.default_rng(3).standard_normal(theirs.shape)
    return replace(looked, reasons=(ours, theirs + noise))


def a_group_missed(looked: Looked) -> Looked:
    boards = (looked.rows["group_boarding"] == "yes").to_numpy()
    return scored(looked, np.where(boards, looked.margin - 2.5, looked.margin))


def stale(looked: Looked) -> Looked:
    return replace(looked, newest_learnt=date(2022, 4, 18))


PLANTED: dict[Callable[[Looked], Looked], str] = {
    labels_flipped: "better_than_chance",
    a_leak: "too_good",
    a_constant: "better_than_chance",
    class_weights: "observed_over_expected",
    trained_on_the_future: "knew_nothing_later",
    one_school_only: "known_schools",
    miscalibrated: "calibration_slope",
    unstable: "same_list",
    unstable_reasons: "same_first",
    a_group_missed: "no_group_missed",
    stale: "not_stale",
}


def test_a_model_that_knows_each_child_s_chance_but_for_noise_is_let_through(honest):
    found = honest.gates()
    assert refused(found) == ()
    assert {each.verdict for each in found} == {Verdict.MET}
    assert {each.gate for each in found} > set(PLANTED.values())


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_a_bad_model_is_refused_by_the_gate_that_is_meant_for_it(honest, planted):
    found = refused(planted(honest).gates())
    assert PLANTED[planted] in {each.gate for each in found}
    assert all(each.value is not None for each in found)


def test_what_touches_one_thing_is_refused_for_that_alone(honest):
    for planted in (trained_on_the_future, one_school_only, unstable, stale):
        assert {each.gate for each in refused(planted(honest).gates())} == {PLANTED[planted]}


def test_the_group_that_is_missed_is_named_with_the_one_that_is_not(honest):
    (gap,) = [each for each in refused(a_group_missed(honest).gates()) if each.gate == "no_group_missed"]
    assert gap.of == ("boarding", "no", "yes")
    assert gap.value.low > 0.1


def with_groups(looked: Looked, *, gap: Interval, over: Interval, events: int) -> tuple[Verdict, Verdict]:
    """What the gates of groups say of one gap and one group."""
    audit = looked.audit()
    one = replace(audit.groups[0], observed_over_expected=over, events=events)
    changed = replace(audit, groups=(one,), gaps=(replace(audit.gaps[0], gap=gap),))
    found = judge_gates(
        looked.evaluation(), changed, LIMITS, newest_learnt=looked.newest_learnt, current=CURRENT
    )
    said = {each.gate: each.verdict for each in found}
    return said["no_group_missed"], said["group_calibrated"]


def test_a_figure_outside_its_limits_whose_interval_reaches_in_is_for_a_person_to_decide(honest):
    said = with_groups(honest, gap=Interval(0.3, 0.05, 0.5), over=Interval(1.4, 1.1, 1.7), events=150)
    assert said == (Verdict.TOO_FEW, Verdict.TOO_FEW)
    said = with_groups(honest, gap=Interval(0.3, 0.15, 0.5), over=Interval(1.4, 1.3, 1.7), events=150)
    assert said == (Verdict.REFUSED, Verdict.REFUSED)


def test_in_a_group_of_twenty_to_ninety_nine_leavers_an_interval_that_holds_one_is_enough(honest):
    wide = {"gap": Interval(0.0, -0.1, 0.1), "over": Interval(1.4, 0.9, 1.9)}
    assert with_groups(honest, **wide, events=60)[1] is Verdict.MET
    assert with_groups(honest, **wide, events=100)[1] is Verdict.TOO_FEW
    assert with_groups(honest, **wide, events=19)[1] is Verdict.TOO_FEW


@pytest.mark.parametrize("over", [Interval(1.2, 1.04, 1.4), Interval(0.85, 0.7, 0.96)])
def test_what_the_table_of_groups_calls_too_low_or_too_high_is_not_met(honest, over):
    assert with_groups(honest, gap=Interval(0.0), over=over, events=60)[1] is Verdict.TOO_FEW
    assert calibrated(over, events=60) is not Calibrated.AS_EXPECTED
    assert with_groups(honest, gap=Interval(0.0), over=over, events=100)[1] is Verdict.MET
    assert calibrated(over, events=100) is Calibrated.AS_EXPECTED


def test_of_few_leavers_nothing_is_refused_but_it_is_said(honest):
    few = honest.rows.assign(outcome=np.where(np.arange(STUDENTS) < 12, "left", "stayed"))
    found = replace(labels_flipped(honest), rows=few).gates()
    rests_on_leavers = [each for each in found if each.events is not None and each.gate != "too_good"]
    assert {each.verdict for each in rests_on_leavers} == {Verdict.TOO_FEW}


def test_what_was_never_looked_at_is_not_met(honest):
    blind = replace(honest.audit(), seeds=(), stability=None)
    found = judge_gates(
        honest.evaluation(), blind, LIMITS, newest_learnt=honest.newest_learnt, current=CURRENT
    )
    not_looked = {"same_list", "same_first", "same_three", "flipped_by_a_day"}
    assert {each.gate for each in found if each.verdict is Verdict.TOO_FEW} == not_looked


def test_what_gates_found_is_read_back_as_it_was_written(honest):
    found = class_weights(honest).gates()
    assert read_gates_found(gates_json(found)) == found
