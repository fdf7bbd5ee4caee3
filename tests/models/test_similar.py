import json

import numpy as np
import pytest

from riskmodel.domain import PerHundred
from riskmodel.models.similar import GROUP_EVENTS, SimilarStudents, group_by_risk


def _drawn(rows: int = 8000, seed: int = 0):
    chance = np.random.default_rng(seed)
    risk = chance.beta(1, 20, rows)
    return risk, (chance.random(rows) < risk).astype(int)


def test_shares_rise_with_risk_and_hold_the_truth_within_their_interval():
    risk, y = _drawn()
    similar = group_by_risk(risk, y, np.arange(8000))
    shares = [share for share, _, _ in similar.groups]
    assert len(shares) > 4
    assert shares == sorted(shares)
    group = np.searchsorted(similar.edges, risk, side="right")
    within = [
        low <= risk[group == number].mean() <= high for number, (_, low, high) in enumerate(similar.groups)
    ]
    assert np.mean(within) >= 0.75


def test_every_group_holds_enough_leavers():
    risk, y = _drawn()
    similar = group_by_risk(risk, y, np.arange(8000))
    group = np.searchsorted(similar.edges, risk, side="right")
    assert np.bincount(group, weights=y).min() >= GROUP_EVENTS


def test_a_student_on_several_dates_counts_once():
    risk, y = _drawn()
    once = group_by_risk(risk, y, np.arange(8000))
    thrice = group_by_risk(np.repeat(risk, 3), np.repeat(y, 3), np.repeat(np.arange(8000), 3))
    assert np.array(thrice.groups) == pytest.approx(np.array(once.groups))


def test_few_leavers_make_one_group():
    risk = np.linspace(0, 0.1, 400)
    y = np.zeros(400, dtype=int)
    y[-12:] = 1
    similar = group_by_risk(risk, y, np.arange(400))
    assert similar.edges == ()
    assert similar.of(np.array([0.0, 1.0])) == (PerHundred(3, 1, 6),) * 2


def test_numbers_come_back_from_json():
    risk, y = _drawn()
    similar = group_by_risk(risk, y, np.arange(8000))
    assert SimilarStudents.from_numbers(json.loads(json.dumps(similar.to_numbers()))) == similar
