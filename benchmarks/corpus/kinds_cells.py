"""Kinds 18 to 22 and 49, 50: identifiers, and cells that are more than they seem."""

# ruff: noqa: D103  the name of a function that spoils is its sentence
from __future__ import annotations

from datetime import date

from .files import WORKBOOKS, Cell
from .kinds import ANY, NoRowFitsError, Spoiler, kind

_WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def check_digit(body: str) -> str:
    """Return the last digit of an identity number of 18, from its first 17 (GB 11643)."""
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11]


def _is_g(spoil: Spoiler) -> object:
    at = spoil.at("roll_number")
    return lambda row: str(row[at]).startswith("G")


@kind(18)
def a_number_with_lost_digits(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", of=_is_g(spoil))
    number = str(spoil.get(index, "roll_number"))[1:18]
    lost: list[Cell] = [f"{float(number):.5E}", f"G{number[:15]}000", f"{float(number):.0f}"[:-3] + "000"]
    if spoil.file.format in WORKBOOKS:
        lost.append(float(number))
    told = spoil.draw.choice(lost)
    if told == f"G{number[:15]}000" and check_digit(f"{number[:15]}00") == "0":
        # Digits are gone, and by chance the check digit is right: nobody can see it.
        raise NoRowFitsError
    spoil.put(index, "roll_number", told)
    spoil.expect("refuse", "id_digits_lost", "check_digit_wrong", index=index, column="roll_number")


@kind(19)
def a_number_with_things_around_it(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number")
    number = str(spoil.get(index, "roll_number"))
    around = spoil.draw.choice(("'{}", "{}\t", "\u00a0{}", " {} "))
    spoil.put(index, "roll_number", around.format(number))
    spoil.expect("mended", "blanks_trimmed", "id_mended", index=index, column="roll_number")


@kind(19)
def a_long_number_as_a_decimal(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", of=_is_g(spoil))
    number = str(spoil.get(index, "roll_number"))[1:18]
    spoil.put(index, "roll_number", f"{number}2.0")
    spoil.expect("refuse", "id_digits_lost", index=index, column="roll_number")


def _numbered_schools(spoil: Spoiler, numbers: tuple[str, str]) -> None:
    """Give the two schools codes of digits, everywhere and on both sides."""
    spoil.case.is_untouched = False
    ids = [str(row[0]) for row in spoil.case.clean.of("schools").sheet.rows]
    new: dict[Cell, Cell] = dict(zip(ids, numbers, strict=True))
    for delivery in (spoil.case.clean, spoil.case.delivery, spoil.same):
        for file in delivery.files:
            for row in file.sheet.rows:
                row[:] = [new.get(cell, cell) if isinstance(cell, str) else cell for cell in row]


@kind(20, tables=("enrolments",), pairs=False)
def leading_zeros_lost(spoil: Spoiler) -> None:
    _numbered_schools(spoil, ("0301", "0412"))
    index = spoil.any_row("school_id")
    spoil.put(index, "school_id", str(spoil.get(index, "school_id")).lstrip("0"))
    spoil.expect("mended", "zeros_restored", index=index, column="school_id")


@kind(20, tables=("enrolments",), pairs=False)
def leading_zeros_lost_with_two_to_choose_from(spoil: Spoiler) -> None:
    _numbered_schools(spoil, ("0301", "00301"))
    index = spoil.any_row("school_id")
    spoil.put(index, "school_id", "301")
    spoil.expect("refuse", "school_id_unknown", "code_ambiguous", index=index, column="school_id")


@kind(21)
def wide_digits(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number")
    spoil.put(index, "roll_number", str(spoil.get(index, "roll_number")).translate(_WIDE))
    spoil.expect("mended", "id_mended", index=index, column="roll_number")


@kind(21)
def a_letter_for_a_digit(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", of=_is_g(spoil))
    number = str(spoil.get(index, "roll_number"))
    at = spoil.draw.choice([at for at, digit in enumerate(number[:-1]) if digit in "01"])
    spoil.put(index, "roll_number", number[:at] + {"0": "O", "1": "l"}[number[at]] + number[at + 1 :])
    spoil.expect("refuse", "letter_for_digit", index=index, column="roll_number")


@kind(22)
def a_wrong_check_digit(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", of=_is_g(spoil))
    number = str(spoil.get(index, "roll_number"))
    others = [digit for digit in "0123456789" if digit != number[-1]]
    spoil.put(index, "roll_number", number[:-1] + spoil.draw.choice(others))
    spoil.expect("refuse", "check_digit_wrong", index=index, column="roll_number")


@kind(22)
def a_number_made_of_an_old_one_of_15_digits(spoil: Spoiler) -> None:
    """Write G and the 15 digits of before 1999: nobody adds the century and the check digit by guessing."""
    index = spoil.any_row("roll_number", of=_is_g(spoil))
    number = str(spoil.get(index, "roll_number"))
    spoil.put(index, "roll_number", f"G{number[1:7]}{number[9:18]}")
    spoil.expect("refuse", "roll_number_malformed", index=index, column="roll_number")


@kind(22)
def a_number_that_tells_another_birthday(spoil: Spoiler) -> None:
    index = spoil.any_row("roll_number", "birth_date", of=_is_g(spoil))
    born = date.fromisoformat(str(spoil.get(index, "birth_date")))
    moved = born.replace(day=born.day % 27 + 1)
    cell: Cell = moved if isinstance(spoil.get(index, "birth_date"), date) else moved.isoformat()
    spoil.put_both(index, "birth_date", cell)
    spoil.expect("review", "roll_number_disagrees", index=index, column="birth_date")
    _review_stays(spoil)


def _review_stays(spoil: Spoiler) -> None:
    """Allow what is reviewed: it stands on both sides and is stored."""
    spoil.case.may |= {expected.codes[0] for expected in spoil.case.expected if expected.answer == "review"}


@kind(49, tables=("students",))
def a_cell_that_begins_a_formula(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    payload = spoil.draw.choice(('=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "=1+1"))
    spoil.put_both(index, "name", payload)
    spoil.expect("review", "starts_like_formula", index=index, column="name")


@kind(49, tables=("students",))
def markup_and_turned_reading_in_a_name(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    spoil.put_both(
        index, "name", spoil.draw.choice(("<script>alert(1)</script>", "<b>张三</b>", "张\u202e三"))
    )
    spoil.expect("review", "markup_in_text", "direction_marks", index=index, column="name")


@kind(50, tables=("students",))
def a_phone_in_the_name_column(spoil: Spoiler) -> None:
    index = spoil.any_row("name")
    name = str(spoil.get(index, "name"))
    spoil.put_both(
        index, "name", spoil.draw.choice(("13812345678", f"{name}13912345678", f"{name}(父亲张某)"))
    )
    spoil.expect("review", "personal_data_in_text", "guardian_in_text", index=index, column="name")


@kind(50, tables=("enrolments",), formats=ANY)
def an_identity_number_in_free_text(spoil: Spoiler) -> None:
    index = spoil.any_row("class_name")
    body = "99000120110506123"
    spoil.put_both(index, "class_name", f"1班 {body}{check_digit(body)}")
    spoil.expect("review", "personal_data_in_text", index=index, column="class_name")
