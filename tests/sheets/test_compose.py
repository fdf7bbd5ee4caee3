from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from riskmodel.domain import Audience, Band, PublishedSet, School, ScoredStudent, Statement, Step, Unknown
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.steps import Steps
from riskmodel.store.tickets import Ticket
from riskmodel.wording import has


@pytest.fixture
def make(published: PublishedSet, school: School, steps: Steps):
    def made(student: ScoredStudent, audience: Audience = "counsellor", facts=published, tickets=()) -> Sheet:
        sheet = compose(student, facts, school, audience=audience, steps=steps, tickets=tickets)
        assert sheet is not None
        return sheet

    return made


def told(sheet: Sheet) -> list[Statement]:
    return [statement for group in sheet.reasons for statement in group.statements]


def test_usual_care_gets_no_sheet_listed_or_not(student, published, school, steps) -> None:
    for listed in (True, False):
        usual = replace(student, band=Band.USUAL_CARE, listed=listed)
        assert compose(usual, published, school, audience="counsellor", steps=steps) is None


def test_reasons_are_grouped_by_what_can_be_done_strongest_first(student, make) -> None:
    mixed = replace(student, reasons=(student.reasons[3], *student.reasons[:3]))
    sheet = make(mixed)
    assert [group.kind for group in sheet.reasons] == ["can_act", "needs_others"]
    assert told(sheet) == [*student.reasons[:3], student.reasons[3]]


def test_at_most_four_reasons_are_told(student, make) -> None:
    assert len(told(make(replace(student, reasons=student.reasons * 2)))) == 4


def test_a_class_teacher_is_told_that_there_is_more_but_not_what(fullest, make) -> None:
    teacher, counsellor = make(fullest, "class_teacher"), make(fullest, "counsellor")
    assert teacher.withheld
    assert not counsellor.withheld
    assert "test.sibling" not in repr(teacher)
    assert "test.sibling" in repr(counsellor)


def said(sheet: Sheet) -> list[str]:
    return [step.text("en") for step in sheet.steps]


def of(steps: Steps, family: str) -> list[str]:
    return [step.text("en") for step in steps.of_family[family]]


def test_steps_of_a_family_that_is_withheld_are_not_given(student, fullest, make, steps) -> None:
    sibling_only = replace(student, reasons=fullest.reasons[3:])
    assert set(said(make(sibling_only, "class_teacher"))) & set(of(steps, "home")) == set()
    assert set(said(make(sibling_only, "counsellor"))) & set(of(steps, "home")) != set()


def test_a_step_for_the_counsellor_is_not_told_to_the_class_teacher(student, make, steps) -> None:
    one = replace(student, reasons=student.reasons[:1])
    own = steps.of_family["attendance"][2]
    assert own.audience == "counsellor"
    assert own.text("en") in said(make(one, "counsellor"))
    assert own.text("en") not in said(make(one, "class_teacher"))


def test_steps_begin_with_a_talk_and_come_in_turn_from_the_families_of_the_reasons(
    student, make, steps
) -> None:
    talk, guardian, refer = (one.text("en") for one in (steps.talk, steps.guardian, steps.refer))
    first = [of(steps, family)[0] for family in ("attendance", "study", "money")]
    assert said(make(student)) == [talk, *first, refer]
    one = said(make(replace(student, reasons=student.reasons[:1])))
    assert one[1:3] == of(steps, "attendance")[:2]
    assert said(make(replace(student, reasons=()))) == [talk, guardian, refer]


def test_a_language_that_the_bureaus_file_lacks_reads_the_step_in_english() -> None:
    assert Step({"zh": "问", "en": "Ask"}).text("xx") == "Ask"


def test_the_latest_answer_of_half_a_year_is_told(student, make) -> None:
    def ticket(number: int, day: date | None) -> Ticket:
        at = datetime(2025, 5, 1, tzinfo=UTC)
        closed = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
        return Ticket(
            ticket_id=number, student_id="st-0001", school_id="s-01", family="attendance", opened_at=at,
            closed_at=closed, closed_by="b" if day else None, answer="corrected" if day else None,
        )  # fmt: skip

    tickets = [ticket(1, date(2025, 9, 1)), ticket(2, date(2025, 10, 8)), ticket(3, None)]
    answered = make(student, tickets=tickets).answered
    assert (answered.family, answered.answer, answered.on) == ("attendance", "corrected", date(2025, 10, 8))
    assert make(student, tickets=[ticket(1, date(2025, 3, 1))]).answered is None


def test_the_sheet_names_the_families_of_reasons_that_may_be_called_unfit(fullest, make) -> None:
    assert make(fullest, "counsellor").told_families == ("attendance", "study", "travel", "home")
    assert "home" not in make(fullest, "class_teacher").told_families


def test_what_the_system_never_knows_stands_on_every_sheet(student, make) -> None:
    own = Unknown("test.stale", {"away_months": 14.0})
    unknowns = make(replace(student, unknowns=(own,))).unknowns
    assert unknowns[0] == own
    assert [unknown.code for unknown in unknowns[1:]] == [f"standing_unknowns.{n}" for n in (1, 2, 3, 4)]


def test_the_last_block_of_the_history_ends_on_the_as_of_date(student, make) -> None:
    history = make(student).history
    assert [block.days_absent for block in history] == [0.0, 1.0, None, 2.0, 2.5, 9.0]
    assert history[-1].start_date == date(2025, 10, 4)
    assert history[0].start_date == date(2025, 5, 17)


def test_caveats_follow_what_the_sheet_says(student, fullest, published, make) -> None:
    def caveats(given: ScoredStudent) -> list[str]:
        return [code.removeprefix("caveats.") for code in make(given).caveats]

    assert caveats(student) == ["B1", "B2", "B5", "B7"]
    assert caveats(replace(student, reasons=fullest.reasons[3:])) == ["B3", "B1", "B2", "B5", "B7"]
    silent = replace(student, band=Band.NOT_ENOUGH_INFORMATION, risk=None, similar=None, reasons=())
    assert caveats(silent) == ["B4", "B5", "B7"]
    assert caveats(replace(silent, near_line=True))[1] == "B1"


def test_a_student_without_a_risk_has_a_sheet_without_numbers(student, published, make) -> None:
    facts = replace(published, facts=replace(published.facts, probabilities=False))
    sheet = make(replace(student, risk=None, similar=None), facts=facts)
    assert sheet.similar is None
    assert not sheet.probabilities
    assert told(sheet) == list(student.reasons)


def test_every_code_of_a_sheet_has_words(fullest, make) -> None:
    sheet = make(fullest)
    spoken = (*sheet.feedback, *sheet.caveats, *(unknown.code for unknown in sheet.unknowns))
    assert [code for code in spoken if not has(code)] == []
    assert sheet.feedback == tuple(f"feedback.F{n}" for n in (0, 1, 2, 3, 4, 5))


def test_a_sheet_holds_neither_risk_nor_id_nor_full_number(fullest, make) -> None:
    assert not {"student_id", "risk", "roll_number", "name"} & set(Sheet.__dataclass_fields__)
    assert "st-0001" not in repr(make(fullest))
    assert "0.1372" not in repr(make(fullest))
