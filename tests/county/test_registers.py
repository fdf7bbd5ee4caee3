"""The registers of the fictional county have something of each kind for `riskmodel reconcile`."""

from __future__ import annotations

import numpy as np

from riskmodel.county.register_rows import _mistyped

from .conftest import Written


def test_slips_of_the_pen_are_of_four_kinds_and_fall_only_where_they_may() -> None:
    count = 3_000
    name = np.full(count, "王甲子")
    born = np.datetime64("2015-03-04") + np.arange(count) % 300
    can_be = np.arange(count) % 2 == 0
    told, day = _mistyped(name, born, can_be=can_be, rng=np.random.default_rng(1))
    other_name, other_day = told != name, day != born
    assert not (other_name | other_day)[~can_be].any()
    assert not (other_name & other_day).any()
    dotted = told == "王甲·子"
    assert {text[:2] for text in told[other_name]} == {"王甲"}
    for slips in (dotted, other_name & ~dotted, (day - born).astype(int) == 1):
        assert 10 < slips.sum() < 45
    swapped = other_day & ((day - born).astype(int) != 1)
    assert swapped.any()
    for one, other in zip(born[swapped].astype(str), day[swapped].astype(str), strict=True):
        assert (one[:4], one[5:7], one[8:]) == (other[:4], other[8:], other[5:7])


def test_the_relief_register_tells_of_pupils_and_of_who_left_in_the_year_before(busy: Written) -> None:
    people, students = busy.tables["population"], busy.tables["students"]
    assert set(people["source"]) == {"household", "disability", "poverty_relief"}
    assert not people.duplicated(["source", "person_id"]).any()
    relief = people[people["source"] == "poverty_relief"]
    named = relief.merge(students.drop_duplicates("student_id"), on=["name", "birth_date"])
    left = named["student_id"].isin(busy.leavings["student_id"])
    assert 0 < left.sum() < len(named)
