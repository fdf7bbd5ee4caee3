"""Who of the registers is found in school, where two children have one name and birthday."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from riskmodel.records.checking.roll_numbers import check_character

from .counties import official, taken_in, write_tables

NAMED = {"name": "王伟", "sex": "M", "birth_date": "2015-03-04"}


def number(sequence: str) -> str:
    body = f"52210120150304{sequence}"
    return f"G{body}{check_character(body)}"


ONE, OTHER = number("011"), number("031")


@pytest.mark.parametrize(
    ("on_the_roll", "in_the_register", "found"),
    [
        (OTHER, (ONE, OTHER), 1),
        (OTHER, ("", OTHER), 2),
        ("", (ONE,), 1),
        ("L" + "5221012015030403" + "11", (ONE,), 1),
    ],
    ids=["two of one name", "no number in the register", "no number on the roll", "a temporary number"],
)
def test_a_namesake_with_a_number_of_its_own_is_another_child(
    tmp_path: Path, on_the_roll: str, in_the_register: tuple[str, ...], found: int
) -> None:
    terms = [
        {"term": "2024-2025-1", "start_date": "2024-09-02", "end_date": "2025-01-17"},
        {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
    ]
    place = {"county": "甲县", "township": "东乡"}
    pupil = {"student_id": "b", "roll_number": on_the_roll, **NAMED}
    spell = {"student_id": "b", "school_id": "A", "start_date": "2024-09-02", "grade": 4,
             "recorded_on": "2024-09-02"}  # fmt: skip
    people = [
        {"source": "household", "person_id": f"p{at}", "roll_number": told, "recorded_on": "2024-09-02",
         **NAMED, **place}
        for at, told in enumerate(in_the_register)
    ]  # fmt: skip
    tables = {
        "schools": [{"school_id": "A", "name": "甲校", "stage": "primary", **place}],
        "students": [pupil], "enrolments": [spell], "population": people, "terms": terms,
    }  # fmt: skip
    store = taken_in(write_tables(tmp_path / "files", tables), tmp_path / "store", date(2025, 8, 1))
    [rate] = [
        one for one in official(store, date(2025, 7, 4), tmp_path / "rows")
        if (one.formula, one.place.level, one.by) == ("enrolment_rate", "county", "all")
    ]  # fmt: skip
    assert (rate.numerator, rate.denominator) == (found, len(in_the_register))
