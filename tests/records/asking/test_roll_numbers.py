from __future__ import annotations

from datetime import date

from riskmodel.records.asking.roll_numbers import roll_numbers


def test_the_number_known_on_the_day_is_told_and_an_unknown_one_is_left_out(bureau, tmp_path):
    folder = tmp_path / "store"
    students = [{"student_id": "s1", "roll_number": f"L{1:018}"}, {"student_id": "s2", "roll_number": ""}]
    bureau({"students": students}, store=folder, delivered_on=date(2024, 11, 1))
    changed = [{"student_id": "s1", "roll_number": f"L{2:018}"}, {"student_id": "s2", "roll_number": ""}]
    store = bureau({"students": changed}, store=folder, delivered_on=date(2024, 12, 1))

    assert roll_numbers(store, date(2024, 11, 30)) == {"s1": f"L{1:018}"}
    assert roll_numbers(store, date(2024, 12, 1)) == {"s1": f"L{2:018}"}
