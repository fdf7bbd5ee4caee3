"""Kinds 8 to 17: titles, merged cells, totals, blank and hidden rows, sheets, columns."""

# ruff: noqa: D103  the name of a function that spoils is its sentence
from __future__ import annotations

import yaml

from .clean import OTHER_NAMES
from .files import TEXT, WORKBOOKS, Cell, Sheet, letter
from .kinds import ANY, Spoiler, kind

_MENDED = {
    "性别": "性 别", "出生日期": "出生\n日期", "满分": "满 分", "入学日期": "入学\n日期", "grade": "Grade",
    "sex": "SEX", "exam_date": "Exam_date", "birth_date": "Birth_Date",
}  # fmt: skip


@kind(8, tables=("students", "enrolments", "grades"))
def titles_above_the_header(spoil: Spoiler) -> None:
    width = len(spoil.sheet.header)
    rows: list[list[Cell]] = [["某县2024学年学生情况登记表"], ["填报单位：青禾镇", "", "填报日期：2024年9月"]]
    for row in rows[: spoil.draw.choice((1, 2))]:
        spoil.sheet.above.append([*row, *[""] * (width - len(row))])
    if spoil.file.format in WORKBOOKS:
        spoil.sheet.merged.append((1, 1, 1, width))
    spoil.expect("mended", "title_rows_skipped")


@kind(8, tables=("students", "grades"), formats=WORKBOOKS)
def a_header_in_two_rows(spoil: Spoiler) -> None:
    """Name groups in the upper row, and the columns that belong to none."""
    sheet = spoil.sheet
    middle = len(sheet.header) // 2
    upper = [name if at < middle else "" for at, name in enumerate(sheet.header)]
    upper[middle] = "其他情况"
    lower = ["" if at < middle else name for at, name in enumerate(sheet.header)]
    sheet.above.append(list(upper))
    sheet.header = lower
    sheet.merged.append((1, middle + 1, 1, len(upper)))
    sheet.merged += [(1, at + 1, 2, at + 1) for at in range(middle)]
    spoil.expect("mended", "header_of_two_rows", row=2)


@kind(8, tables=("students", "grades"))
def no_header_at_all(spoil: Spoiler) -> None:
    spoil.sheet.header = [str(cell or "") for cell in spoil.sheet.rows.pop(0)]
    spoil.expect("refuse", "header_missing")
    spoil.case.may |= {"student_id_unknown"}


@kind(9, tables=("enrolments",), formats=WORKBOOKS)
def a_class_named_once_for_many(spoil: Spoiler) -> None:
    at, sheet = spoil.at("class_name"), spoil.sheet
    first = spoil.draw.randrange(2, 6)
    last = first + spoil.draw.randrange(1, 4)
    for index in range(first + 1, last + 1):
        sheet.rows[index][at] = None
    sheet.merged.append((sheet.row(first), at + 1, sheet.row(last), at + 1))
    spoil.expect("refuse", "cells_merged", index=first, column="class_name")


@kind(9, tables=("enrolments",), formats=WORKBOOKS, styles=("local",), pairs=False)
def a_class_named_once_where_the_mapping_says_so(spoil: Spoiler) -> None:
    """Merge a block of one class, of a mapping that fills its column down."""
    at, sheet = spoil.at("class_name"), spoil.sheet
    first = spoil.draw.randrange(2, 6)
    last = first + spoil.draw.randrange(1, 4)
    for index in range(first + 1, last + 1):
        spoil.put_same(index, "class_name", sheet.rows[first][at])
        sheet.rows[index][at] = None
    sheet.merged.append((sheet.row(first), at + 1, sheet.row(last), at + 1))
    told = yaml.safe_load(spoil.case.delivery.mapping)
    told["tables"]["enrolments"]["fill_down"] = ["class_name"]
    spoil.case.delivery.mapping = yaml.safe_dump(told, allow_unicode=True, sort_keys=False)
    spoil.expect("mended", "cells_filled_down", index=first + 1, column="class_name")


@kind(10, tables=("students", "enrolments"))
def totals_and_signatures_at_the_bottom(spoil: Spoiler) -> None:
    sheet, width = spoil.sheet, len(spoil.sheet.header)
    count = str(len(sheet.rows))
    foot: list[list[Cell]] = [["合计", count], ["制表人：王某", "审核：李某"], ["注：本表数据截至九月"]]
    first = len(sheet.rows)
    for row in foot[: spoil.draw.choice((1, 2, 3))]:
        sheet.rows.append([*row, *[""] * (width - len(row))])
    spoil.expect("mended", "total_rows_dropped", index=first)


@kind(10, tables=("enrolments",))
def a_total_with_a_key(spoil: Spoiler) -> None:
    index = spoil.any_row("class_name")
    spoil.put(index, "class_name", spoil.draw.choice(("合计", "小计", "平均")))
    spoil.expect("refuse", "total_row_with_key", index=index)


@kind(11, tables=("students", "grades", "attendance"))
def blank_rows_and_columns(spoil: Spoiler) -> None:
    sheet, width = spoil.sheet, len(spoil.sheet.header)
    index = spoil.draw.randrange(2, len(sheet.rows) - 1)
    for _ in range(spoil.draw.choice((1, 2, 5))):
        sheet.rows.insert(index, [spoil.draw.choice(("", "", None, " ")) for _ in range(width)])
    for row in sheet.rows:
        row.append(None)
    sheet.header.append("")
    spoil.expect("mended", "blank_rows_skipped", index=index)


@kind(11, tables=("students", "grades"), formats=("xlsx",))
def thousands_of_formatted_empty_rows(spoil: Spoiler) -> None:
    spoil.sheet.empty_formatted_rows = 20_000
    spoil.case.may |= {"blank_rows_skipped"}


@kind(12, tables=("students", "grades"), formats=WORKBOOKS)
def hidden_rows(spoil: Spoiler) -> None:
    indexes = spoil.draw.sample(range(1, len(spoil.sheet.rows)), 3)
    spoil.sheet.hidden_rows = {spoil.sheet.row(index) for index in indexes}
    spoil.expect("review", "rows_hidden")


@kind(12, tables=("students", "grades"), formats=WORKBOOKS)
def a_hidden_column(spoil: Spoiler) -> None:
    column = {"students": "sex", "grades": "score"}[spoil.table]
    spoil.sheet.hidden_columns = {spoil.at(column) + 1}
    spoil.expect("review", "columns_hidden")


@kind(12, tables=("students", "grades"), formats=WORKBOOKS)
def a_hidden_sheet(spoil: Spoiler) -> None:
    half = _halves(spoil)
    half.is_hidden = True
    spoil.expect("review", "sheet_hidden", sheet=half)


@kind(13, tables=("students", "enrolments", "grades"), formats=WORKBOOKS)
def one_sheet_a_class(spoil: Spoiler) -> None:
    _halves(spoil)


@kind(13, tables=("students", "enrolments", "grades"), formats=WORKBOOKS)
def one_sheet_with_another_layout(spoil: Spoiler) -> None:
    odd = Sheet("表三", ["食堂", "菜名", "价格"], [["一食堂", "土豆丝", "3"], ["二食堂", "白菜", "2"]])
    _halves(spoil)
    spoil.file.sheets.append(odd)
    spoil.expect("refuse", "header_missing", "sheet_odd", sheet=odd)


@kind(14, tables=("students", "enrolments", "grades"))
def columns_in_another_order_and_other_words(spoil: Spoiler) -> None:
    sheet = spoil.sheet
    order = list(range(len(sheet.header)))
    spoil.draw.shuffle(order)
    sheet.header = [sheet.header[at] for at in order]
    sheet.rows = [[row[at] for at in order] for row in sheet.rows]
    sheet.header = [OTHER_NAMES.get(name, name + " ") for name in sheet.header]
    for at, name in enumerate(map(str.strip, sheet.header)):
        if name in _MENDED:
            sheet.header[at] = _MENDED[name]
            spoil.expect("mended", "header_mended", row=1, letter=letter(at))


@kind(14, tables=("students", "enrolments", "grades"), formats=(*ANY, "parquet"))
def a_column_nobody_asked_for(spoil: Spoiler) -> None:
    sheet = spoil.sheet
    at = spoil.draw.randrange(len(sheet.header) + 1)
    sheet.header.insert(at, "家长电话")
    for row in sheet.rows:
        row.insert(at, "13800000000")

    spoil.expect("review", "column_dropped", row=1, letter=letter(at))


@kind(15, tables=("students", "enrolments", "grades"))
def two_columns_of_one_name(spoil: Spoiler) -> None:
    column = {"students": "name", "enrolments": "grade", "grades": "score"}[spoil.table]
    sheet, at = spoil.sheet, spoil.at(column)
    sheet.header.append(sheet.header[at])
    for row in sheet.rows:
        row.append(row[at])

    spoil.expect("refuse", "column_twice", row=1, letter=letter(len(sheet.header) - 1))
    spoil.case.may |= {"student_id_unknown"}


@kind(16, tables=("students", "enrolments", "grades"), formats=(*ANY, "parquet"))
def a_required_column_missing(spoil: Spoiler) -> None:
    column = {"students": "student_id", "enrolments": "grade", "grades": "full_score"}[spoil.table]
    sheet, at = spoil.sheet, spoil.at(column)
    near = spoil.draw.random() < 0.5
    if near:
        sheet.header[at] += "x"
    else:
        sheet.header.pop(at)
        for row in sheet.rows:
            row.pop(at)
    spoil.expect("refuse", "column_missing_but_near" if near else "column_missing", row=1)
    spoil.case.may |= {"student_id_unknown", "column_dropped"}


@kind(17, tables=("students", "enrolments", "attendance"), formats=TEXT)
def a_cell_too_many_or_too_few(spoil: Spoiler) -> None:
    index = spoil.any_row()
    row = spoil.sheet.rows[index]
    if spoil.draw.random() < 0.5:
        row.insert(spoil.draw.randrange(1, len(row)), "青禾镇")
        spoil.expect("refuse", "row_too_long", index=index)
    else:
        row.pop()
        spoil.expect("refuse", "row_too_short", index=index)
    spoil.case.may |= {"student_id_unknown"}


def _halves(spoil: Spoiler) -> Sheet:
    """Deal the rows to two sheets; return the second."""
    first, half = spoil.sheet, len(spoil.sheet.rows) // 2
    second = Sheet("七2班", list(first.header), first.rows[half:])
    first.name, first.rows = "七1班", first.rows[:half]
    spoil.file.sheets.append(second)
    return second
