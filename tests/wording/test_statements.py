from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskmodel.domain import Band, Statement, Unit, Unknown
from riskmodel.wording import statements


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (9.0, "days", "9"),
        (9.5, "days", "9.5"),
        (0.575, "share", "58%"),
        (0.62, "share", "62%"),
        (1.0, "share", "100%"),
        (18.25, "points", "18.3"),
        (-18.0, "points", "−18"),
        (-0.04, "points", "0"),
        (5.04, "km", "5"),
        (1250.0, "yuan", "1,250"),
        (8.0, "code", "8"),
        (-1.26, "standard_deviations", "−1.3"),
    ],
)
def test_a_value_is_written_as_people_write_it(value: float, unit: Unit, said: str) -> None:
    assert statements.format_value(value, unit, "zh") == said
    assert statements.format_value(value, unit, "en") == said


def test_flags_and_missing_values_are_words() -> None:
    assert statements.format_value(1.0, "flag", "zh") == "是"
    assert statements.format_value(0.0, "flag", "en") == "no"
    assert statements.format_value(None, "days", "zh") == "未知"
    assert statements.format_value(float("nan"), "share", "en") == "not known"


@given(st.floats(min_value=-1e6, max_value=1e6))
def test_a_written_number_is_within_half_a_tenth_of_the_value(value: float) -> None:
    written = float(statements.format_value(value, "points", "zh").replace("−", "-"))
    assert abs(written - value) <= 0.05 + 1e-9


def attendance(code: str, **values: float | None) -> Statement:
    return Statement(
        family="attendance", code=code, kind="can_act", audience="class_teacher", contribution=0.5, dots=2,
        values=values, source="attendance", source_date=date(2025, 10, 30),
    )  # fmt: skip


def test_a_source_note_names_the_table_and_the_day() -> None:
    statement = attendance("families.attendance")
    near = date(2025, 11, 2)
    assert statements.source_note(statement, "zh", as_of=near) == "（考勤，10月30日）"
    assert statements.source_note(statement, "en", as_of=near) == "(attendance, 30 Oct)"


def test_a_source_note_gives_the_year_where_it_could_be_mistaken() -> None:
    statement = attendance("families.attendance")
    assert statements.source_note(statement, "zh") == "（考勤，2025年10月30日）"
    assert statements.source_note(statement, "en", as_of=date(2026, 11, 2)) == "(attendance, 30 Oct 2025)"


def test_the_slots_of_a_sentence_are_filled_with_formatted_values(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = {"r.absence": "{now_days} / {prev_days} / {share_of_days}"}
    monkeypatch.setattr(statements, "text", lambda code, _, **slots: sentences[code].format(**slots)
                        if code in sentences else "?")  # fmt: skip
    monkeypatch.setattr(statements, "slots", lambda *_: {"now_days", "prev_days", "share_of_days"})
    units: dict[str, Unit] = {"now_days": "days", "prev_days": "days", "share_of_days": "share"}
    statement = attendance("r.absence", now_days=9.0, prev_days=None, share_of_days=0.45)
    assert statements.statement_text(statement, units, "zh") == "9 / ? / 45%"
    unknown = Unknown("r.absence", statement.values)
    assert statements.unknown_text(unknown, units, "zh") == "9 / ? / 45%"


def test_a_slot_that_the_statement_does_not_hold_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "slots", lambda *_: {"elsewhere"})
    with pytest.raises(KeyError):
        statements.statement_text(attendance("families.attendance"), {}, "zh")


def test_terms_grades_and_bands_have_names() -> None:
    assert statements.term_name("2025-2026-1", "zh") == "2025年秋季学期"
    assert statements.term_name("2025-2026-2", "en") == "Spring term 2026"
    assert statements.term_name("2014B", "en") == "2014B"
    assert statements.grade_name(8, "zh") == "八年级"
    assert statements.grade_name(13, "en") == "Year 13"
    assert statements.band_name(Band.CHECK_IN, "zh") == "近期了解"
    assert statements.kind_name("needs_others", "en") == "Needs others too"
