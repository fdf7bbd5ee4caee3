from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel import splits
from riskmodel.domain import AsOf, Term
from riskmodel.errors import NotEnoughData

AUTUMN = Term("2024-2025-1", date(2024, 9, 2), date(2025, 1, 17))
SPRING = Term("2024-2025-2", date(2025, 2, 17), date(2025, 7, 4))
NEXT_AUTUMN = Term("2025-2026-1", date(2025, 9, 1), date(2026, 1, 16))
TERMS = (AUTUMN, SPRING, NEXT_AUTUMN)


def of_weeks(*weeks: int, terms=TERMS, horizon_days: int | None = 90):
    return splits.resolve(terms, weeks=weeks, dates=(), horizon_days=horizon_days)


def of_dates(*dates: date, terms=TERMS, horizon_days: int | None = 90):
    return splits.resolve(terms, weeks=(), dates=dates, horizon_days=horizon_days)


# --- as-of dates


def test_day_56_of_a_term_is_the_end_of_its_week_8():
    assert of_weeks(8, terms=(AUTUMN,)) == (AsOf(date(2024, 10, 28), date(2025, 1, 26), "2024-2025-1"),)


def test_a_week_beyond_the_end_of_a_term_is_left_out():
    twenty_weeks = Term("exact", date(2024, 9, 2), date(2024, 9, 2) + timedelta(days=140))
    assert [as_of.as_of_date for as_of in of_weeks(20, 21, terms=(twenty_weeks,))] == [twenty_weeks.end_date]


def test_a_horizon_to_the_end_of_the_term_ends_with_it():
    assert of_weeks(8, terms=(AUTUMN,), horizon_days=None)[0].horizon_end == AUTUMN.end_date


def test_a_horizon_to_the_end_of_the_term_needs_a_day_of_it_left():
    twenty_weeks = Term("exact", date(2024, 9, 2), date(2024, 9, 2) + timedelta(days=140))
    assert of_weeks(20, terms=(twenty_weeks,), horizon_days=None) == ()


def test_weeks_are_resolved_in_every_term_and_sorted_by_date():
    found = of_weeks(12, 8)
    assert [(as_of.term, as_of.as_of_date) for as_of in found] == [
        ("2024-2025-1", date(2024, 10, 28)),
        ("2024-2025-1", date(2024, 11, 25)),
        ("2024-2025-2", date(2025, 4, 14)),
        ("2024-2025-2", date(2025, 5, 12)),
        ("2025-2026-1", date(2025, 10, 27)),
        ("2025-2026-1", date(2025, 11, 24)),
    ]


def test_a_date_that_is_also_the_end_of_a_week_stands_once():
    found = splits.resolve((AUTUMN,), weeks=(8,), dates=(date(2024, 10, 28),), horizon_days=90)
    assert len(found) == 1


def test_a_date_in_a_break_belongs_to_the_term_before_and_looks_to_the_end_of_the_next():
    assert of_dates(date(2025, 8, 1), horizon_days=None) == (
        AsOf(date(2025, 8, 1), NEXT_AUTUMN.end_date, "2024-2025-2"),
    )


def test_a_date_in_a_break_with_no_known_term_after_it_has_no_horizon_to_a_term_end():
    assert of_dates(date(2026, 2, 1), horizon_days=None) == ()
    assert of_dates(date(2026, 2, 1), horizon_days=30)[0].term == "2025-2026-1"


def test_a_date_before_all_terms_is_left_out():
    assert of_dates(date(2024, 9, 1)) == ()
    assert of_dates(date(2024, 9, 2))[0].term == "2024-2025-1"


def test_where_terms_overlap_a_date_belongs_to_the_one_begun_last():
    long_course = Term("long", date(2024, 8, 1), date(2025, 6, 30))
    assert of_dates(date(2024, 10, 1), terms=(AUTUMN, long_course))[0].term == "2024-2025-1"
    assert of_dates(date(2025, 2, 1), terms=(AUTUMN, long_course))[0].term == "long"


def test_a_term_holds_its_last_day_and_that_day_has_no_horizon_to_its_end():
    long_course = Term("long", date(2024, 8, 1), date(2025, 2, 10))
    assert of_dates(date(2025, 2, 10), terms=(AUTUMN, long_course))[0].term == "long"
    assert of_dates(AUTUMN.end_date, horizon_days=None) == ()


# --- forward in time


def test_a_date_teaches_from_the_day_on_which_its_outcomes_are_known():
    as_of = AsOf(date(2025, 1, 1), date(2025, 3, 1), "t")
    known_on = as_of.horizon_end + timedelta(days=70)
    far = date(2030, 1, 1)

    def teaches(predicted: date, complete_to: date) -> bool:
        return bool(
            splits.training_dates(
                (as_of,), predicted=predicted, outcome_delay_days=70, complete_to=complete_to
            )
        )

    assert teaches(known_on, far)
    assert teaches(far, known_on)
    assert not teaches(known_on - timedelta(days=1), far)
    assert not teaches(far, known_on - timedelta(days=1))


def test_the_test_dates_are_those_of_the_latest_term_with_known_outcomes():
    candidates = of_weeks(4, 12, horizon_days=60)
    found = splits.test_dates(candidates, outcome_delay_days=70, complete_to=date(2025, 9, 19))
    assert [(as_of.term, as_of.as_of_date) for as_of in found] == [
        ("2024-2025-2", date(2025, 3, 17)),
        ("2024-2025-2", date(2025, 5, 12)),
    ]
    earlier = splits.test_dates(candidates, outcome_delay_days=70, complete_to=date(2025, 9, 18))
    assert [as_of.as_of_date for as_of in earlier] == [date(2025, 3, 17)]


def test_there_are_no_test_dates_while_no_outcome_is_known():
    assert splits.test_dates(of_weeks(8), outcome_delay_days=70, complete_to=date(2024, 12, 1)) == ()


def test_a_horizon_past_the_data_is_refused_with_both_dates():
    as_of = AsOf(date(2025, 1, 1), date(2025, 3, 1), "t")
    splits.check_reach(as_of, complete_to=date(2025, 3, 31), outcome_delay_days=30)
    with pytest.raises(NotEnoughData, match="2025-03-31") as refused:
        splits.check_reach(as_of, complete_to=date(2025, 3, 30), outcome_delay_days=30)
    assert "2025-03-30" in refused.value.text("zh")


def test_an_as_of_date_past_the_data_is_refused():
    as_of = AsOf(date(2025, 1, 1), date(2025, 3, 1), "t")
    splits.check_known(as_of, complete_to=date(2025, 1, 1))
    with pytest.raises(NotEnoughData, match="2024-12-31"):
        splits.check_known(as_of, complete_to=date(2024, 12, 31))


@st.composite
def terms_of_a_bureau(draw):
    """Terms one after the other, or overlapping."""
    terms, start = [], date(2020, 1, 1)
    for number in range(draw(st.integers(1, 6))):
        start += timedelta(days=draw(st.integers(20, 250)))
        terms.append(Term(f"t{number}", start, start + timedelta(days=draw(st.integers(10, 300)))))
    return tuple(terms)


@given(
    terms=terms_of_a_bureau(),
    weeks=st.lists(st.integers(1, 40), max_size=5),
    dates=st.lists(st.dates(date(2019, 12, 1), date(2024, 1, 1)), max_size=4),
    horizon_days=st.one_of(st.none(), st.integers(7, 400)),
    delay=st.integers(0, 120),
    predicted=st.dates(date(2020, 1, 1), date(2025, 1, 1)),
    complete_to=st.dates(date(2020, 1, 1), date(2025, 1, 1)),
)
@settings(max_examples=500, deadline=None)
def test_every_training_outcome_was_known_before_the_predicted_date(
    terms, weeks, dates, horizon_days, delay, predicted, complete_to
):
    candidates = splits.resolve(terms, weeks=weeks, dates=dates, horizon_days=horizon_days)
    assert all(as_of.as_of_date < as_of.horizon_end for as_of in candidates)
    teaching = splits.training_dates(
        candidates, predicted=predicted, outcome_delay_days=delay, complete_to=complete_to
    )
    for as_of in candidates:
        known_on = as_of.horizon_end + timedelta(days=delay)
        assert (as_of in teaching) == (known_on <= predicted and known_on <= complete_to)
    test = splits.test_dates(candidates, outcome_delay_days=delay, complete_to=complete_to)
    assert len({as_of.term for as_of in test}) <= 1
    for as_of in test:
        splits.check_reach(as_of, complete_to=complete_to, outcome_delay_days=delay)


def test_last_terms_list_is_of_the_latest_date_before_the_test_that_is_of_another_term():
    candidates = of_weeks(8, 16)
    autumn = tuple(as_of for as_of in candidates if as_of.term == NEXT_AUTUMN.term)
    last = splits.last_of_earlier_term(candidates, autumn[1:])
    assert last is not None
    assert (last.term, last.as_of_date) == (SPRING.term, SPRING.start_date + timedelta(days=112))
    first_term = tuple(as_of for as_of in candidates if as_of.term == AUTUMN.term)
    assert splits.last_of_earlier_term(candidates, first_term) is None
    assert splits.last_of_earlier_term(candidates, ()) is None


def test_last_terms_list_lies_before_every_test_date_whatever_other_terms_overlap():
    def on(day: int, term: str) -> AsOf:
        return AsOf(date(2025, 3, day), date(2025, 6, 1), term)

    before, same_day, between = on(3, "long"), on(10, "long"), on(12, "long")
    test = (on(10, "short"), on(20, "short"))
    assert splits.last_of_earlier_term((before, same_day, between, *test), test) == before


# --- by school


def folds_of(rows, folds=5):
    schools, households, students = (np.array(ids, dtype=str) for ids in zip(*rows, strict=True))
    return splits.school_folds(schools, households, students, folds=folds)


def test_schools_are_dealt_into_folds_of_like_size():
    rows = [
        (f"s{school}", f"h{school}-{i}", f"c{school}-{i}") for school in range(20) for i in range(5 + school)
    ]
    sizes = [len(held_out) for _, held_out in folds_of(rows)]
    assert sum(sizes) == len(rows)
    assert max(sizes) - min(sizes) <= 5


def test_a_sibling_of_a_held_out_student_is_on_neither_side():
    rows = [("s1", "h1", "elder"), ("s2", "h1", "younger"), ("s1", "h2", "a"), ("s2", "h3", "b")]
    for learn, held_out in folds_of(rows, folds=2):
        learned = {rows[row] for row in learn}
        assert len(learned) == 1
        assert "h1" not in {household for _, household, _ in learned}
        assert len(held_out) == 2


def test_with_fewer_schools_than_folds_each_school_is_a_fold():
    rows = [("s1", "h1", "a"), ("s2", "h2", "b"), ("s3", "h3", "c")]
    assert sorted(rows[held_out[0]][0] for _, held_out in folds_of(rows)) == ["s1", "s2", "s3"]


def test_one_school_alone_cannot_be_held_out():
    with pytest.raises(NotEnoughData, match="1 school"):
        folds_of([("s1", "h1", "a"), ("s1", "h2", "b")])


def test_schools_that_share_every_household_leave_nobody_to_learn_from():
    with pytest.raises(NotEnoughData, match="household_id"):
        folds_of([("s1", "h1", "a"), ("s2", "h1", "b")])


def test_one_fold_that_leaves_nobody_to_learn_from_is_enough_to_refuse():
    rows = [("s1", "h1", "a"), ("s1", "h2", "b"), ("s2", "h1", "c"), ("s3", "h2", "d")]
    with pytest.raises(NotEnoughData, match="household_id"):
        folds_of(rows)


def test_there_are_five_folds_if_nobody_asks_for_more():
    ids = np.array([str(number) for number in range(9)])
    assert len(splits.school_folds(ids, ids, ids)) == 5


@st.composite
def stacked_rows(draw):
    """Rows of students over several dates; some change school, some have siblings elsewhere."""
    schools = draw(st.integers(2, 8))
    number = draw(st.integers(schools, 60))
    rows = [(f"s{row}", f"h-{row}", f"c-{row}") for row in range(schools)]
    for _ in range(number):
        school, household, student = (draw(st.integers(0, n)) for n in (schools - 1, 25, 30))
        rows.append((f"s{school}", f"h{household}", f"c{student}"))
    return rows


@given(rows=stacked_rows(), folds=st.integers(2, 6), order=st.randoms(use_true_random=False))
@settings(max_examples=500, deadline=None)
def test_no_school_household_or_student_stands_on_both_sides(rows, folds, order):
    split = folds_of(rows, folds)
    assert sorted(np.concatenate([held_out for _, held_out in split])) == list(range(len(rows)))
    for learn, held_out in split:
        for part in range(3):
            held = {rows[row][part] for row in held_out}
            assert not held & {rows[row][part] for row in learn}
        # Nobody is left out who could have been learned from.
        held_out_ids = {rows[row][part] for row in held_out for part in range(3)}
        assert len(learn) == sum(not held_out_ids & set(row) for row in rows)
    shuffled = list(range(len(rows)))
    order.shuffle(shuffled)
    again = folds_of([rows[row] for row in shuffled], folds)
    for (learn, held_out), (learn_again, held_out_again) in zip(split, again, strict=True):
        assert {shuffled[row] for row in learn_again} == set(learn)
        assert {shuffled[row] for row in held_out_again} == set(held_out)


# --- horizons that are still running, and terms held out

LONG_AGO, RUNNING, TODAY = date(2024, 9, 30), date(2025, 3, 17), date(2025, 5, 1)


def test_a_date_is_learnt_from_once_known_or_while_running_never_both():
    known, running = (
        choose(
            of_dates(LONG_AGO, RUNNING, TODAY), predicted=TODAY, outcome_delay_days=20, complete_to=date.max
        )
        for choose in (splits.training_dates, splits.running_dates)
    )
    assert [as_of.as_of_date for as_of in known] == [LONG_AGO]
    assert [as_of.as_of_date for as_of in running] == [RUNNING]


@pytest.mark.parametrize(
    ("complete_to", "until"), [(date.max, date(2025, 4, 11)), (date(2025, 4, 20), date(2025, 3, 31))]
)
def test_a_running_horizon_ends_where_what_was_known_ends(complete_to, until):
    asked = {"predicted": TODAY, "outcome_delay_days": 20, "complete_to": complete_to}
    (running,) = splits.running_dates(of_dates(RUNNING), **asked)
    assert splits.observed((running,), **asked) == (AsOf(RUNNING, until, SPRING.term),)


@given(
    offsets=st.lists(st.integers(0, 700), min_size=1, max_size=12, unique=True),
    horizon=st.integers(7, 300),
    delay=st.integers(0, 90),
    predicted=st.integers(1, 900),
)
def test_nothing_observed_of_a_running_horizon_lies_within_the_outcome_delay(
    offsets, horizon, delay, predicted
):
    start = AUTUMN.start_date
    dates = of_dates(*(start + timedelta(days=offset) for offset in offsets), horizon_days=horizon)
    asked = {
        "predicted": start + timedelta(days=predicted),
        "outcome_delay_days": delay,
        "complete_to": date.max,
    }
    known = splits.training_dates(dates, **asked)
    running = splits.running_dates(dates, **asked)
    assert not set(known) & set(running)
    for as_of in splits.observed(running, **asked):
        assert as_of.as_of_date < as_of.horizon_end <= asked["predicted"] - timedelta(days=delay)


def test_each_term_is_held_out_from_what_was_known_before_it():
    dates = of_weeks(4, 8, horizon_days=60)
    rows = np.repeat(np.array([as_of.as_of_date for as_of in dates], dtype="datetime64[s]"), 2)
    folds = splits.forward_folds(rows, dates, outcome_delay_days=10)
    told = [
        ({str(day)[:10] for day in rows[learn]}, {str(day)[:10] for day in rows[held]})
        for learn, held in folds
    ]
    day = {(as_of.term, number % 2): str(as_of.as_of_date) for number, as_of in enumerate(dates)}
    autumn = {day[AUTUMN.term, 0], day[AUTUMN.term, 1]}
    spring = {day[SPRING.term, 0], day[SPRING.term, 1]}
    later = {day[NEXT_AUTUMN.term, 0], day[NEXT_AUTUMN.term, 1]}
    assert told == [(autumn, spring), (autumn | spring, later)]


def test_what_became_known_within_a_held_out_term_teaches_nothing_about_it():
    first, second = of_weeks(8, 16, terms=(SPRING,), horizon_days=60)
    learnt = AsOf(date(2025, 1, 6), second.as_of_date - timedelta(days=20), AUTUMN.term)
    assert learnt.horizon_end > first.as_of_date
    rows = np.array([each.as_of_date for each in (learnt, first, second)], dtype="datetime64[s]")
    assert splits.forward_folds(rows, (learnt, first, second), outcome_delay_days=10) == []


def test_a_term_before_which_nothing_was_known_is_not_held_out():
    dates = of_weeks(4, terms=(AUTUMN, SPRING), horizon_days=200)
    rows = np.array([as_of.as_of_date for as_of in dates], dtype="datetime64[s]")
    assert splits.forward_folds(rows, dates, outcome_delay_days=70) == []


def test_each_date_has_the_delay_of_its_own_rule():
    first, second = of_dates(LONG_AGO, RUNNING)
    delays = {first: 90, second: 10}
    asked = {"predicted": first.horizon_end + timedelta(days=89), "complete_to": date.max}
    assert splits.training_dates((first, second), outcome_delay_days=delays.__getitem__, **asked) == ()
    known_to = first.horizon_end + timedelta(days=90)
    told = splits.test_dates((first, second), outcome_delay_days=delays.__getitem__, complete_to=known_to)
    assert told == (first,)
    asked = {"predicted": TODAY, "complete_to": date.max, "outcome_delay_days": delays.__getitem__}
    (running,) = splits.observed(splits.running_dates((first, second), **asked), **asked)
    assert running == replace(second, horizon_end=TODAY - timedelta(days=10))
