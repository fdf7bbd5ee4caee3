from __future__ import annotations

import pyarrow as pa

from riskmodel.features.peers import beside_peers, median, percentile

SEVEN = [3.0, None, 1.0, 1.0, 2.0, 5.0, 4.0]


def compared(
    values: list[float | None], *, grades: list[int] | None = None, running: list[bool] | None = None
) -> dict[str, list[float | None]]:
    students = pa.table(
        {
            "school_id": ["north"] * len(values),
            "grade": grades or [7] * len(values),
            "spell_running": running or [True] * len(values),
            "marks": pa.array(values, pa.float64()),
        }
    )
    made = beside_peers(students, [f"round({percentile('marks')})", f"marks - {median('marks')}"])
    return {name: column.to_pylist() for name, column in made.items()}


def test_equal_ones_stand_in_the_middle_and_one_who_is_not_known_stands_nowhere() -> None:
    made = compared(SEVEN)

    assert made["percentile_of_marks"] == [7 / 12, None, 2 / 12, 2 / 12, 5 / 12, 11 / 12, 9 / 12]
    assert made["median_of_marks"] == [2.0] * 7


def test_fewer_than_five_others_are_nobody_to_compare_with() -> None:
    grades = [7] * 7 + [8] * 5

    made = compared([*SEVEN, 1.0, 2.0, 3.0, 4.0, 5.0], grades=grades)

    assert made["percentile_of_marks"][7:] == made["median_of_marks"][7:] == [None] * 5
    assert made["median_of_marks"][:7] == [2.0] * 7


def test_who_has_not_come_back_is_not_compared_with_the_year_below() -> None:
    made = compared([*SEVEN, 9.0], running=[True] * 7 + [False])

    assert made["percentile_of_marks"] == [*compared(SEVEN)["percentile_of_marks"], None]
    assert made["median_of_marks"] == [2.0] * 7 + [None]


def test_only_what_expressions_name_is_made() -> None:
    students = pa.table({"school_id": ["north"], "grade": [7], "spell_running": [True], "marks": [1.0]})

    assert list(beside_peers(students, ["marks", median("marks")])) == ["median_of_marks"]
    assert beside_peers(students.slice(0, 0), [percentile("marks")])["percentile_of_marks"].to_pylist() == []
