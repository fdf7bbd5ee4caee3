"""What counts as a change: unlike every earlier term, by more than usual, and beyond chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from riskmodel.evaluation.drift import LISTED, Change, Day, Kind, alarms_of, measure

NAMES = ("absence", "marks", LISTED)
SOURCES = ("attendance", "grades", "scores")
SCHOOLS, EACH = 6, 80


def day(seed: int, *, season: float = 0.0) -> Day:
    """Draw a term: absence has a season; a tenth of the marks are not known; 4 % are listed."""
    rng = np.random.default_rng(seed)
    n = SCHOOLS * EACH
    absence = rng.poisson(2 + season, n).astype(float)
    marks = rng.normal(70, 10, n).round(1)
    marks[rng.random(n) < 0.1] = np.nan
    listed = (rng.random(n) < 0.04).astype(float)
    schools = np.repeat([f"school-{number}" for number in range(SCHOOLS)], EACH)
    students = np.array([f"s{number:04}" for number in range(n)])
    return Day(students, schools, NAMES, np.column_stack([absence, marks, listed]), SOURCES, (False,) * 3)


EARLIER = (day(1, season=1.0), day(2), day(3, season=1.0), day(4))


def spoilt(column: str, values: object, school: str | None = None) -> Day:
    now = day(5)
    X = now.X.copy()
    rows = slice(None) if school is None else now.schools == school
    at = NAMES.index(column)
    X[rows, at] = values(X[rows, at]) if callable(values) else values
    return replace(now, X=X)


def alarms(now: Day) -> list[tuple[str, str, str | None]]:
    found = alarms_of(measure(now, EARLIER))
    return [(alarm.kind.value, alarm.source, alarm.school_id) for alarm in found]


def test_an_ordinary_term_of_either_season_is_quiet() -> None:
    for seed in range(10, 20):
        assert alarms(day(seed, season=float(seed % 2))) == []


@pytest.mark.parametrize(
    ("now", "alarm"),
    [
        (spoilt("marks", lambda values: values * 1.5), ("values", "grades", None)),
        (spoilt("marks", np.nan), ("known", "grades", None)),
        (spoilt("absence", 2.0), ("constant", "attendance", None)),
        (spoilt("marks", EARLIER[0].X[:, 1]), ("same", "grades", None)),
        (spoilt("absence", lambda values: values + 9, "school-2"), ("values", "attendance", "school-2")),
        (spoilt("marks", np.nan, "school-3"), ("known", "grades", "school-3")),
        (spoilt(LISTED, np.ones_like), ("listed", "scores", None)),
    ],
)
def test_a_change_is_told_with_its_table_and_school(now: Day, alarm: tuple[str, str, str | None]) -> None:
    assert alarm in alarms(now)


@pytest.mark.parametrize("which", [0, 1])
def test_a_school_whose_roll_came_after_the_lists_were_made_is_not_asked_of_them(which: int) -> None:
    days = [spoilt(LISTED, np.ones_like), *EARLIER]
    X = days[which].X.copy()
    X[days[which].schools == "school-2", NAMES.index(LISTED)] = np.nan
    days[which] = replace(days[which], X=X)
    found = {change.school_id for change in measure(days[0], days[1:]) if change.kind is Kind.LISTED}
    assert found >= {None, "school-1"}
    assert ("school-2" in found) == (which != 0)


def test_a_school_alone_makes_no_alarm_of_other_schools() -> None:
    told = alarms(spoilt("absence", lambda values: values + 9, "school-2"))
    assert {school for _, _, school in told} == {"school-2"}


def test_schools_that_are_missing_and_a_county_cut_in_half_are_told() -> None:
    now = day(5)
    kept = now.schools != "school-1"
    without = replace(now, students=now.students[kept], schools=now.schools[kept], X=now.X[kept])
    assert ("students", "enrolments", "school-1") in alarms(without)
    half = replace(now, students=now.students[::2], schools=now.schools[::2], X=now.X[::2])
    assert ("students", "enrolments", None) in alarms(half)


def test_where_the_county_changed_its_schools_are_counted_and_not_told_one_by_one() -> None:
    (alarm,) = [
        alarm for alarm in alarms_of(measure(spoilt("marks", np.nan), EARLIER)) if alarm.kind is Kind.KNOWN
    ]
    assert (alarm.school_id, alarm.schools) == (None, SCHOOLS)


def test_what_is_like_any_one_earlier_term_is_no_change() -> None:
    unlike_most = spoilt("absence", lambda values: values + 9)
    assert ("values", "attendance", None) in alarms(unlike_most)
    known = (*EARLIER[:3], replace(unlike_most, students=EARLIER[3].students))
    found = alarms_of(measure(spoilt("absence", lambda values: values + 9), known))
    assert not [alarm for alarm in found if alarm.kind is Kind.VALUES and alarm.source == "attendance"]


def test_a_large_distance_that_chance_explains_is_no_alarm() -> None:
    change = Change(Kind.VALUES, "marks", "grades", None, now=1, before=0, distance=0.9, limit=0.1, p=0.2)
    assert not change.alarms
    assert replace(change, p=0.001).alarms
    assert not replace(change, p=0.001, distance=0.05).alarms


def test_a_value_of_whole_schools_counts_as_many_draws_as_there_are_schools() -> None:
    def with_lateness(day: Day, seed: int) -> Day:
        late = np.repeat(np.random.default_rng(seed).random(SCHOOLS), EACH)
        return replace(day, X=np.column_stack([late, day.X[:, 1:]]))

    now = with_lateness(day(5), 5)
    now.X[:, 0] += 2
    found = alarms_of(measure(now, [with_lateness(each, seed) for seed, each in enumerate(EARLIER)]))
    assert not [alarm for alarm in found if alarm.source == "attendance"]


def test_schools_that_report_as_wholly_as_last_term_are_not_counted_by_their_students() -> None:
    """Four schools of six tell nothing missing in both terms; of the terms before two did, and one."""

    def reported(seed: int, whole: int) -> Day:
        rng = np.random.default_rng(seed)
        share = np.where(np.arange(SCHOOLS) < whole, 0.0, rng.uniform(0.1, 0.5, SCHOOLS))
        return replace(day(seed), X=np.column_stack([np.repeat(share, EACH), day(seed).X[:, 1:]]))

    now, *earlier = reported(5, 4), reported(1, 4), reported(2, 2), reported(3, 2), reported(4, 1)
    assert alarms_of(measure(now, earlier)) == ()
    copied = replace(now, X=np.column_stack([now.X[:, 0], earlier[0].X[:, 1], now.X[:, 2]]))
    assert [one.kind for one in alarms_of(measure(copied, earlier))] == [Kind.SAME]


def test_a_term_from_before_a_table_was_delivered_hides_no_change_of_its_values() -> None:
    oldest = replace(EARLIER[3], X=EARLIER[3].X.copy())
    oldest.X[:, NAMES.index("marks")] = np.nan
    now = spoilt("marks", lambda values: values * 1.5)
    found = alarms_of(measure(now, (*EARLIER[:3], oldest)))
    assert ("values", "grades") in [(alarm.kind.value, alarm.source) for alarm in found]
    quiet = alarms_of(measure(day(5), (*EARLIER[:3], oldest)))
    assert not [alarm for alarm in quiet if alarm.kind is Kind.VALUES]
