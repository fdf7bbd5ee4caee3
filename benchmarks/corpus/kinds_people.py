"""Kinds 23 to 26 and 44 to 48: who is who, and what a delivery says beside the one before it."""

# ruff: noqa: D103  the name of a function that spoils is its sentence
from __future__ import annotations

from datetime import date, timedelta

from .files import Cell, Expected, File
from .kinds import ANY, Spoiler, kind


@kind(7, pairs=False)
def a_name_with_another_dot(spoil: Spoiler) -> None:
    """Write the dot of a name in another way: the child stays the same, and the name as it is written."""
    index = spoil.any_row("name")
    spoil.put_both(
        index,
        "name",
        spoil.draw.choice(("买买提•吐尔逊", "买买提・吐尔逊", "买买提．吐尔逊", "买买提 · 吐尔逊")),
    )
    before = spoil.case.clean.copy()
    before.of("students").sheet.rows[index][spoil.at("name")] = "买买提·吐尔逊"
    spoil.case.earlier = [before]


@kind(23, pairs=False)
def a_temporary_number_that_becomes_the_true_one(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", of=lambda row: str(row[spoil.at("roll_number")])[0] == "G")
    before = spoil.case.clean.copy()
    number = str(spoil.get(index, "roll_number"))
    temporary = f"L{number[1:]}".replace("X", "0")  # a temporary number has digits alone
    before.of("students").sheet.rows[index][spoil.at("roll_number")] = temporary
    spoil.case.earlier = [before]


@kind(23)
def perhaps_one_child_under_two_numbers(spoil: Spoiler) -> None:
    """Another child of the same name and birthday under a temporary number: nobody may join them unasked."""
    index = spoil.any_row("name", "birth_date", "roll_number")
    twin = list(spoil.sheet.rows[index])
    twin[spoil.at("student_id")] = "s0twin000"
    twin[spoil.at("roll_number")] = f"L{spoil.draw.randrange(10**17, 10**18)}"
    _append_on_both_sides(spoil, twin)
    spoil.expect("review", "perhaps_one_child", index=len(spoil.sheet.rows) - 1)


@kind(24, tables=("students", "enrolments", "attendance", "grades"))
def the_same_row_twice(spoil: Spoiler) -> None:
    index = spoil.any_row()
    spoil.sheet.rows.append(list(spoil.sheet.rows[index]))
    spoil.expect("mended", "rows_repeated", index=len(spoil.sheet.rows) - 1)


@kind(24, tables=("students", "enrolments", "grades"))
def the_same_key_with_another_content(spoil: Spoiler) -> None:
    column = {"students": "ethnicity", "enrolments": "class_name", "grades": "full_score"}[spoil.table]
    other: Cell = {"students": "壮族", "enrolments": "9班", "grades": "300"}[spoil.table]
    index = spoil.any_row(column)
    row = list(spoil.sheet.rows[index])
    row[spoil.at(column)] = other
    spoil.sheet.rows.append(row)
    spoil.expect("refuse", "rows_contradict", index=len(spoil.sheet.rows) - 1)


@kind(25, tables=("enrolments",))
def one_child_at_two_schools(spoil: Spoiler) -> None:
    index = spoil.any_row("school_id", of=lambda row: row[spoil.at("end_date")] in (None, ""))
    row = list(spoil.sheet.rows[index])
    schools = [str(each[0]) for each in spoil.case.clean.of("schools").sheet.rows]
    row[spoil.at("school_id")] = next(each for each in schools if each != row[spoil.at("school_id")])
    spoil.sheet.rows.append(row)
    spoil.expect("refuse", "spells_overlap", index=len(spoil.sheet.rows) - 1)
    spoil.case.may |= {"grade_outside_stage"}


@kind(26)
def two_children_with_one_number(spoil: Spoiler) -> None:
    first, second = sorted((spoil.any_row("roll_number"), spoil.any_row("roll_number")))
    spoil.put(second, "roll_number", spoil.get(first, "roll_number"))
    spoil.expect("refuse", "roll_number_of_two", index=second, column="roll_number")
    spoil.case.may |= {"roll_number_disagrees"}


@kind(44, tables=("grades",), formats=(*ANY, "parquet"), pairs=False)
def the_same_file_twice(spoil: Spoiler) -> None:
    spoil.case.earlier = [spoil.case.clean.copy()]


@kind(44, tables=("grades",), pairs=False)
def an_older_file_after_a_newer_one(spoil: Spoiler) -> None:
    newer = spoil.case.clean.copy()
    sheet = newer.of("grades").sheet
    at = sheet.at(spoil.name("score"))
    for row in sheet.rows[:10]:
        row[at] = "61" if row[at] not in (None, "") else row[at]
    spoil.case.earlier = [spoil.case.clean.copy(), newer]
    spoil.case.same_as = newer
    spoil.expect("refuse", "file_sent_before", of_sheet=False)


@kind(45, tables=("grades",), styles=("plain",), pairs=False)
def last_term_s_file_under_this_term_s_name(spoil: Spoiler) -> None:
    first = spoil.file
    spoil.case.is_untouched = False
    spoil.case.earlier = [spoil.case.clean.copy()]
    first.stem = "grades-2024-2025-1"
    spoil.case.earlier[0].of("grades").stem = first.stem
    spoil.case.clean.of("grades").stem = first.stem
    again = File("grades", "grades-2024-2025-2", first.format, first.sheets)
    spoil.case.delivery.files.append(again)
    spoil.case.same_as = spoil.case.clean
    spoil.expect("refuse", "file_of_former_term", file=again.told, of_sheet=False)
    spoil.case.may |= {"file_of_another_term"}


@kind(46, tables=("enrolments",), pairs=False)
def half_of_a_school_gone(spoil: Spoiler) -> None:
    at = spoil.at("school_id")
    school = spoil.get(spoil.any_row("school_id"), "school_id")
    of_school = [index for index, row in enumerate(spoil.sheet.rows) if row[at] == school]
    gone = set(of_school[1:])
    spoil.case.earlier = [spoil.case.clean.copy()]
    spoil.sheet.rows[:] = [row for index, row in enumerate(spoil.sheet.rows) if index not in gone]
    spoil.case.same_as = spoil.case.clean
    spoil.case.expected.append(Expected(("school_shrunk",), "refuse"))
    # Without the newest rows of that school the file may look like an older one as well.
    spoil.case.may |= {"delivery_older"}


@kind(47, tables=("enrolments",))
def a_school_that_nobody_knows(spoil: Spoiler) -> None:
    index = spoil.any_row("school_id")
    spoil.put(index, "school_id", spoil.draw.choice(("x999-07", "另县第一中学", "9901")))
    spoil.expect("refuse", "school_id_unknown", index=index, column="school_id")
    spoil.case.may |= {"spells_overlap"}


@kind(47, tables=("enrolments",), pairs=False)
def a_school_closed_before(spoil: Spoiler) -> None:
    index = spoil.any_row("school_id", "start_date")
    school = spoil.get(index, "school_id")
    for delivery in (spoil.case.delivery, spoil.same):
        schools = delivery.of("schools").sheet
        row = next(each for each in schools.rows if each[0] == school)
        row[schools.at("open_to")] = (
            date(2024, 6, 30) + timedelta(days=spoil.draw.randrange(30))
        ).isoformat()
    spoil.case.same_as = None
    first = next(i for i, row in enumerate(spoil.sheet.rows) if row[spoil.at("school_id")] == school)
    spoil.expect("refuse", "school_closed", index=first, column="school_id")
    spoil.case.may |= {"school_closed"}


@kind(48, tables=("enrolments",))
def a_transfer_to_nowhere(spoil: Spoiler) -> None:
    index = spoil.any_row("school_id", of=lambda row: row[spoil.at("end_date")] in (None, ""))
    local = bool(spoil.case.delivery.mapping)
    spoil.put_both(index, "end_date", "2025-03-14")
    spoil.put_both(index, "to_school_id", None)
    spoil.put_both(index, "exit_reason", "转学" if local else "transferred")
    spoil.expect("review", "transfer_without_school", index=index, column="exit_reason")


def _append_on_both_sides(spoil: Spoiler, row: list[Cell]) -> None:
    spoil.sheet.rows.append(list(row))
    spoil.same.of(spoil.table).sheet.rows.append(list(row))
