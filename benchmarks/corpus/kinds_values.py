"""Kinds 27 to 40: dates, marks, grades, counts, blanks and codes."""

# ruff: noqa: D103  the name of a function that spoils is its sentence
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from riskmodel.records.checking.plausible import FEWEST_MARKS

from .files import TEXT, WORKBOOKS, Cell
from .kinds import Spoiler, kind
from .kinds_cells import check_digit

_YEAR_FIRST = ("{y}-{m}-{d}", "{y}/{m:02}/{d:02}", "{y}.{m}.{d}", "{y}{m:02}{d:02}", "{y}年{m}月{d}日")
_DATES = {
    "students": "birth_date",
    "enrolments": "start_date",
    "grades": "exam_date",
    "attendance": "start_date",
}
_DATED = tuple(_DATES)
_AROUND = (" {}", "{}\u00a0", "\u3000{}\u3000", "{}\t", "{}\n", "\u200b{}", "{}\ufeff")
_HAN = "零一二三四五六七八九"


def _day(spoil: Spoiler, index: int, column: str) -> date:
    cell = spoil.get(index, column)
    return cell if isinstance(cell, date) else date.fromisoformat(str(cell))


@kind(27, tables=_DATED)
def dates_written_in_many_ways(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    indexes = sorted(spoil.any_row(column) for _ in range(4))
    for index in indexes:
        day = _day(spoil, index, column)
        form = spoil.draw.choice(_YEAR_FIRST[1:])
        spoil.put(index, column, form.format(y=day.year, m=day.month, d=day.day))
    spoil.expect("mended", "dates_rewritten", index=indexes[0], column=column)


@kind(27, tables=_DATED)
def a_date_without_its_year(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    index = spoil.any_row(column)
    day = _day(spoil, index, column)
    spoil.put(index, column, f"{day.month}月{day.day}日")
    spoil.expect("refuse", "date_without_year", index=index, column=column)


@kind(28, tables=_DATED)
def a_date_that_can_be_read_in_two_ways(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    index = spoil.any_row(column)
    spoil.put(index, column, spoil.draw.choice(("01/02/2011", "5.6.2011", "11-9-1", "03-04-12")))
    spoil.expect("refuse", "date_ambiguous", "value_no_date", index=index, column=column)


@kind(29, tables=_DATED, formats=(*TEXT, *WORKBOOKS))
def the_day_s_number_for_a_date(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    index = spoil.any_row(column)
    serial = (_day(spoil, index, column) - date(1899, 12, 30)).days
    spoil.put(index, column, str(serial) if spoil.draw.random() < 0.5 else serial)
    spoil.expect("mended", "dates_from_numbers", index=index, column=column)


@kind(29, tables=_DATED, formats=("xlsx", "xls"))
def days_counted_from_1904(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    for index in range(len(spoil.sheet.rows)):
        spoil.put(index, column, _day(spoil, index, column))
    spoil.file.is_1904 = True


@kind(30, tables=_DATED)
def a_day_that_never_was(spoil: Spoiler) -> None:
    column = _DATES[spoil.table]
    index = spoil.any_row(column)
    spoil.put(index, column, spoil.draw.choice(("2011-02-30", "2013-13-01", "2012-06-31", "2011-02-29")))
    spoil.expect("refuse", "value_no_date", index=index, column=column)


@kind(30, tables=("enrolments",))
def a_placeholder_for_no_date(spoil: Spoiler) -> None:
    index = spoil.any_row("student_id", of=lambda row: row[spoil.at("end_date")] in (None, ""))
    spoil.put(index, "end_date", spoil.draw.choice(("9999-12-31", "1900-01-00", "1900-01-01")))
    spoil.expect("review", "date_placeholder", index=index, column="end_date")


def _born(spoil: Spoiler, born: date) -> int:
    """Give a student another birthday, and a roll number that agrees; on both sides."""
    index = spoil.any_row(
        "roll_number", "birth_date", of=lambda row: str(row[spoil.at("roll_number")])[0] == "G"
    )
    old = spoil.get(index, "birth_date")
    number = str(spoil.get(index, "roll_number"))
    body = f"{number[1:7]}{born:%Y%m%d}{number[15:18]}"
    spoil.put_both(index, "birth_date", born if isinstance(old, date) else born.isoformat())
    spoil.put_both(index, "roll_number", f"G{body}{check_digit(body)}")
    return index


@kind(31)
def born_in_the_future(spoil: Spoiler) -> None:
    index = _born(spoil, date(2031, 5, 1) + timedelta(days=spoil.draw.randrange(500)))
    spoil.case.same_as = None
    spoil.expect("refuse", "birth_in_future", index=index, column="birth_date")


@kind(31, beside=("enrolments",))
def born_too_early_or_too_late_for_the_grade(spoil: Spoiler) -> None:
    index = _born(spoil, spoil.draw.choice((date(2021, 9, 20), date(1985, 3, 5))))
    spoil.expect("review", "age_unusual", index=index, column="birth_date")


@kind(32, tables=("attendance", "grades"))
def a_day_outside_every_term(spoil: Spoiler) -> None:
    columns = ("start_date", "end_date") if spoil.table == "attendance" else ("exam_date",)
    whole_day = spoil.table == "grades"
    index = spoil.any_row(
        *columns, of=lambda row: whole_day or row[spoil.at(columns[0])] == row[spoil.at(columns[1])]
    )
    day = date(2025, 1, 25) + timedelta(days=spoil.draw.randrange(20))
    for column in columns:
        old = spoil.get(index, column)
        spoil.put_both(index, column, day if isinstance(old, date) else day.isoformat())
    spoil.expect("review", "date_outside_terms", index=index, column=columns[0])


@kind(32, tables=("attendance", "grades"))
def a_day_years_off(spoil: Spoiler) -> None:
    columns = ("start_date", "end_date") if spoil.table == "attendance" else ("exam_date",)
    index = spoil.any_row(*columns)
    day = date(spoil.draw.choice((2014, 2034)), 10, 8)
    for column in columns:
        old = spoil.get(index, column)
        spoil.put(index, column, day if isinstance(old, date) else day.isoformat())
    spoil.expect("refuse", "date_far_off", index=index, column=columns[0])
    spoil.case.may |= {"absent_longer_than_period"}


@kind(33, tables=("grades",))
def a_word_for_a_mark(spoil: Spoiler) -> None:
    index = spoil.any_row("score")
    word, code = spoil.draw.choice(
        (("缺考", "absent"), ("免考", "exempt"), ("缓考", "deferred"), ("作弊", "void"))
    )
    said = {"absent": "缺考", "exempt": "免考", "deferred": "缓考", "void": "作废"}[code]
    status = said if spoil.case.delivery.mapping else code
    spoil.put(index, "score", word)
    spoil.put(index, "status", status)
    spoil.put_same(index, "score", None)
    spoil.put_same(index, "status", status)
    spoil.expect("mended", "score_words_coded", index=index, column="score")


@kind(33, tables=("grades",))
def an_unknown_word_for_a_mark(spoil: Spoiler) -> None:
    index = spoil.any_row("score")
    spoil.put(index, "score", spoil.draw.choice(("不详", "见附件", "补", "ABC")))
    spoil.expect("refuse", "value_no_number", index=index, column="score")


@kind(34, tables=("grades",))
def a_mark_that_cannot_be(spoil: Spoiler) -> None:
    index = spoil.any_row("score")
    spoil.put(index, "score", spoil.draw.choice(("-5", "150.5", "8 5", "85+10", "1e2", "９９９")))
    codes = ("number_too_small", "score_above_full", "value_no_number")
    spoil.expect("refuse", *codes, index=index, column="score")
    spoil.case.may |= {"digits_narrowed"}


@kind(34, tables=("grades",))
def a_mark_with_its_unit(spoil: Spoiler) -> None:
    index = spoil.any_row(
        "score", of=lambda row: float(str(row[spoil.at("score")])) == int(float(str(row[spoil.at("score")])))
    )
    mark = str(int(float(str(spoil.get(index, "score")))))
    wide = mark.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    spoil.put(index, "score", spoil.draw.choice((f"{mark}分", f"{mark}.", wide)))
    spoil.expect(
        "mended", "units_removed", "numbers_rewritten", "digits_narrowed", index=index, column="score"
    )


def _sat_by_a_class(spoil: Spoiler) -> Callable[[list[Cell]], bool]:
    """Return whether five of the row's class sat its exam: of fewer nothing is said."""
    spells = spoil.case.clean.of("enrolments").sheet
    names = [spoil.column_of("enrolments", each) for each in ("school_id", "grade", "class_name")]
    student = spells.at(spoil.column_of("enrolments", "student_id"))
    class_of = {row[student]: tuple(row[spells.at(name)] for name in names) for row in spells.rows}

    def exam(row: list[Cell]) -> tuple[object, ...]:
        told = [row[spoil.at(each)] for each in ("subject", "exam_date", "exam")]
        return (*told, class_of.get(row[spoil.at("student_id")]))

    sat = Counter(exam(row) for row in spoil.sheet.rows if row[spoil.at("score")] not in (None, ""))
    return lambda row: sat[exam(row)] >= FEWEST_MARKS


@kind(35, tables=("grades",), beside=("enrolments",))
def nought_for_a_whole_class(spoil: Spoiler) -> None:
    subject = spoil.get(spoil.any_row("score", of=_sat_by_a_class(spoil)), "subject")
    at, of = spoil.at("subject"), spoil.at("score")
    hit = [i for i, row in enumerate(spoil.sheet.rows) if row[at] == subject and row[of] not in (None, "")]
    for index in hit:
        spoil.put_both(index, "score", "0" if isinstance(spoil.get(index, "score"), str) else 0.0)
    spoil.expect("review", "marks_all_zero")
    spoil.case.may |= {"marks_all_zero"}


@kind(36, tables=("enrolments",))
def a_grade_in_words(spoil: Spoiler) -> None:
    index = spoil.any_row("grade")
    grade = int(str(spoil.get(index, "grade")))
    said = [f"{_HAN[grade]}年级", f"{grade}年级"]
    said.append(f"初{_HAN[grade - 6]}" if grade > 6 else f"小学{_HAN[grade]}年级")
    spoil.put(index, "grade", spoil.draw.choice(said))
    spoil.expect("mended", "codes_translated", "units_removed", index=index, column="grade")


@kind(36, tables=("enrolments",))
def a_year_of_entry_for_a_grade(spoil: Spoiler) -> None:
    """Write 2022级: no grade is guessed from it."""
    index = spoil.any_row("grade")
    spoil.put(index, "grade", f"{spoil.draw.randrange(2018, 2025)}级")
    spoil.expect("refuse", "value_no_integer", index=index, column="grade")


@kind(36, tables=("enrolments",))
def a_grade_that_the_school_has_not(spoil: Spoiler) -> None:
    index = spoil.any_row("grade")
    spoil.put(index, "grade", spoil.draw.choice(("10", "高一", "十年级", "12")))
    spoil.expect("refuse", "grade_outside_stage", index=index, column="grade")
    spoil.case.may |= {"codes_translated"}


@kind(37, tables=("attendance",))
def more_days_absent_than_there_are(spoil: Spoiler) -> None:
    index = spoil.any_row("days_absent")
    spoil.put(index, "days_absent", spoil.draw.choice(("30", "95", "400")))
    spoil.expect("refuse", "absent_longer_than_period", index=index, column="days_absent")


@kind(37, tables=("attendance",))
def absence_in_another_unit(spoil: Spoiler) -> None:
    index = spoil.any_row("days_absent")
    spoil.put(index, "days_absent", spoil.draw.choice(("95%", "6小时", "3节", "0.95%")))
    spoil.expect("refuse", "value_no_number", index=index, column="days_absent")


@kind(38, tables=("attendance", "grades"))
def a_word_where_a_number_stands(spoil: Spoiler) -> None:
    column = "times_late" if spoil.table == "attendance" else "full_score"
    index = spoil.any_row(column)
    spoil.put(index, column, spoil.draw.choice(("三次", "无", "-", "/", "NULL")))
    spoil.expect("refuse", "value_no_number", index=index, column=column)


@kind(38, tables=("attendance", "grades"))
def an_error_of_the_spreadsheet(spoil: Spoiler) -> None:
    column = "days_absent" if spoil.table == "attendance" else "score"
    index = spoil.any_row(column)
    spoil.put(index, column, spoil.draw.choice(("#N/A", "#REF!", "#VALUE!", "#DIV/0!")))
    spoil.expect("refuse", "formula_error", index=index, column=column)


@kind(38)
def a_name_that_looks_like_nothing(spoil: Spoiler) -> None:
    spoil.put_both(spoil.any_row("name"), "name", spoil.draw.choice(("NA", "null", "None", "无", "True")))


@kind(39, tables=("students", "enrolments", "grades"))
def blanks_around_a_cell(spoil: Spoiler) -> None:
    column = {"students": "name", "enrolments": "class_name", "grades": "subject"}[spoil.table]
    index = spoil.any_row(column)
    around = spoil.draw.choice(_AROUND)
    if spoil.file.format == "ods":  # of which the reader gives no tabs
        around = spoil.draw.choice([each for each in _AROUND if "\t" not in each])
    spoil.put(index, column, around.format(spoil.get(index, column)))
    spoil.expect("mended", "blanks_trimmed", index=index, column=column)


@kind(39, tables=("enrolments", "grades"))
def a_blank_inside_a_code(spoil: Spoiler) -> None:
    column = {"enrolments": "school_id", "grades": "student_id"}[spoil.table]
    index = spoil.any_row(column)
    code = str(spoil.get(index, column))
    spoil.put(index, column, code[:3] + spoil.draw.choice((" ", "\u200b", "\n", "\u00a0")) + code[3:])
    spoil.expect("refuse", "blank_inside_code", index=index, column=column)


@kind(40, styles=("plain",))
def sex_by_another_list(spoil: Spoiler) -> None:
    index = spoil.any_row("sex")
    lists = {"M": ("男", "1", "男性"), "F": ("女", "2", "女性")}
    spoil.put(index, "sex", spoil.draw.choice(lists[str(spoil.get(index, "sex"))]))
    spoil.expect("mended", "codes_translated", index=index, column="sex")


@kind(40, tables=("enrolments",), styles=("plain",))
def yes_by_another_word(spoil: Spoiler) -> None:
    index = spoil.any_row("boards")
    words = {"true": ("是", "√", "1", "有"), "false": ("否", "×", "0", "无")}
    spoil.put(index, "boards", spoil.draw.choice(words[str(spoil.get(index, "boards")).lower()]))
    spoil.expect("mended", "codes_translated", index=index, column="boards")


@kind(40, tables=("students", "enrolments"))
def a_code_of_no_list(spoil: Spoiler) -> None:
    column, code = ("sex", "value_no_code") if spoil.table == "students" else ("boards", "value_no_boolean")
    index = spoil.any_row(column)
    spoil.put(index, column, spoil.draw.choice(("未知", "丙", "7", "甲等")))
    spoil.expect("refuse", code, index=index, column=column)
