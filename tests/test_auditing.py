"""What the audit changes of a child when it tells one more day of absence."""

from __future__ import annotations

import numpy as np
import pytest

from riskmodel.domain import SEASON
from riskmodel.features import ALL_FEATURES
from riskmodel.pipelines.auditing import _a_day_more

ATTENDANCE = [each.name for each in ALL_FEATURES if (each.family, each.role) == ("attendance", "model")]
STAYS = [
    name
    for name in ATTENDANCE
    if "percentile" in name or name.startswith(("unexcused", "unreported", "times_late"))
]
"""Where the student stands among others; what an excused day does not change."""


def a_day_more(**told: float) -> dict[str, float]:
    names = [SEASON, *ATTENDANCE]
    X = np.array([[told.get(name, 0.0) for name in names]])
    before = X.copy()
    after = dict(zip(names, _a_day_more(X, names)[0].tolist(), strict=True))
    assert np.array_equal(X, before, equal_nan=True)
    return after


def test_every_column_that_follows_from_a_day_of_absence_moves_and_no_other() -> None:
    told = dict.fromkeys(ATTENDANCE, 0.2) | {"days_since_absence": 100.0, SEASON: 60.0}
    after = a_day_more(**told)
    assert [name for name in ATTENDANCE if after[name] == told[name]] == STAYS


def test_windows_changes_and_distances_move_by_as_much() -> None:
    after = a_day_more(absence_share_28d=0.1, absence_share_change_28d=-0.2, **{SEASON: 69.0})
    assert after["absence_share_28d"] == pytest.approx(0.15)
    assert after["absence_share_change_28d"] == pytest.approx(-0.15)
    assert after["absence_share_above_grade_28d"] == pytest.approx(0.05)
    # Ten weeks into the term there were fifty school days.
    assert after["absence_share_term"] == after["absence_share_change_term"] == pytest.approx(0.02)
    assert a_day_more(absence_share_7d=0.95, absence_share_above_grade_7d=0.9)[
        "absence_share_above_grade_7d"
    ] == pytest.approx(0.95)


def test_who_is_absent_once_more_was_absent_last_today() -> None:
    after = a_day_more(days_since_absence=168.0, running_absence_run=2.0, longest_absence_run_56d=2.0)
    assert after["days_since_absence"] == 0
    assert after["running_absence_run"] == after["longest_absence_run_56d"] == 3
    assert a_day_more(longest_absence_run_56d=5.0)["longest_absence_run_56d"] == 5


def test_what_is_not_known_stays_so() -> None:
    after = a_day_more(**dict.fromkeys(ATTENDANCE, float("nan")))
    assert all(np.isnan(after[name]) for name in ATTENDANCE)
