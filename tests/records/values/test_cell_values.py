"""How one cell is read: kept, mended without loss and told, or refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from riskmodel.records.contract import table
from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.values.cell_checks import check_cells

ID = "110105194912310021"


def read(column, cells, *, of="students", **telling):
    """Return the values of a column's cells, and what was told of each as (code, row)."""
    findings = Findings()
    with duckdb.connect() as connection:
        connection.execute(
            f'CREATE TABLE cells ("{column}" VARCHAR, sheet VARCHAR, "row" BIGINT, "at" BIGINT)'
        )
        connection.executemany(
            "INSERT INTO cells VALUES (?, NULL, ?, NULL)", [(c, n) for n, c in enumerate(cells, start=2)]
        )
        check_cells(connection, Telling("b", table(of), "f.csv", Path(), **telling), findings)
        values = connection.execute(f'SELECT "{column}" FROM told ORDER BY "row"').fetchall()
    told = [*findings.refusals, *findings.notes]
    return [value for (value,) in values], [(f.code, f.where.row) for f in told if f.where.column == column]


def one(column, cell, **more):
    """Read one cell: its value, and the code of what was told of it."""
    values, told = read(column, [cell], **more)
    return values[0], [code for code, _ in told]


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("2011-09-01", date(2011, 9, 1), None),
        ("2011-9-1", date(2011, 9, 1), "dates_rewritten"),
        ("2011/09/01", date(2011, 9, 1), "dates_rewritten"),
        ("2011.9.1", date(2011, 9, 1), "dates_rewritten"),
        ("20110901", date(2011, 9, 1), "dates_rewritten"),
        ("2011年9月1日", date(2011, 9, 1), "dates_rewritten"),
        ("２０１１年９月１日", date(2011, 9, 1), "dates_rewritten"),
        ("2011-09-01 00:00:00", date(2011, 9, 1), "dates_rewritten"),
        ("2011-09-01 08:30", date(2011, 9, 1), "times_dropped"),
        ("40787", date(2011, 9, 1), "dates_from_numbers"),
        ("40787.35", date(2011, 9, 1), "dates_from_numbers"),
        (" 2011-09-01\u200b", date(2011, 9, 1), "blanks_trimmed"),
        ("２011-09-01", date(2011, 9, 1), "digits_narrowed"),
        ("9月1日", None, "date_without_year"),
        ("01/02/2011", None, "date_ambiguous"),
        ("11-09-01", None, "date_ambiguous"),
        ("2011-02-30", None, "value_no_date"),
        ("2011-13-01", None, "value_no_date"),
        ("2011年9月", None, "value_no_date"),
        ("123456", None, "value_no_date"),
        ("不详", None, "value_no_date"),
        ("#N/A", None, "formula_error"),
        ("#UNCALCULATED", None, "formula_not_calculated"),
        ("9999-12-31", None, "date_placeholder"),
        ("1900-01-00", None, "date_placeholder"),
    ],
)
def test_a_date_is_read_where_the_year_comes_first_and_never_guessed(cell, value, code):
    assert one("birth_date", cell) == (value, [code] if code else [])


def test_a_placeholder_where_a_date_must_stand_is_refused():
    assert one("start_date", "9999-12-31", of="enrolments")[1] == ["value_no_date"]


def test_day_numbers_count_from_the_base_of_the_workbook_and_a_declared_format_is_held_to():
    assert one("birth_date", "39325", base_1904=True)[0] == date(2011, 9, 1)
    form = {"dates": {"birth_date": "%d/%m/%Y"}}
    assert one("birth_date", "01/09/2011", **form) == (date(2011, 9, 1), [])
    assert one("birth_date", "2011-09-01", **form) == (date(2011, 9, 1), [])
    assert one("birth_date", "2011/09/01", **form) == (None, ["value_no_date"])


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("1250", 1250.0, None),
        ("0.5", 0.5, None),
        ("1,250.50", 1250.5, "thousands_removed"),
        ("１２５０", 1250.0, "digits_narrowed"),
        ("1250元", 1250.0, "units_removed"),
        ("￥1,250", 1250.0, "thousands_removed"),
        ("85.", 85.0, "numbers_rewritten"),
        (".5", 0.5, "numbers_rewritten"),
        ("12,50", None, "value_no_number"),
        ("1,25,000", None, "value_no_number"),
        ("8 5", None, "value_no_number"),
        ("85+10", None, "value_no_number"),
        ("95%", None, "value_no_number"),
        ("1e3", None, "value_no_number"),
        ("1_000", None, "value_no_number"),
        ("٣", None, "value_no_number"),
        ("inf", None, "value_no_number"),
        ("-", None, "value_no_number"),
        ("三千", None, "value_no_number"),
        ("#DIV/0!", None, "formula_error"),
    ],
)
def test_a_number_is_digits_and_what_is_mended_loses_nothing(cell, value, code):
    assert one("amount_yuan", cell, of="subsidies") == (value, [code] if code else [])


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("7", 7, None),
        ("7.0", 7, "numbers_rewritten"),
        ("７", 7, "digits_narrowed"),
        ("七年级", 7, "codes_translated"),
        ("初三", 9, "codes_translated"),
        ("7年级", 7, "units_removed"),
        ("7.5", None, "value_no_integer"),
        ("2022级", None, "value_no_integer"),
    ],
)
def test_a_grade_is_told_by_its_usual_words(cell, value, code):
    assert one("grade", cell, of="enrolments") == (value, [code] if code else [])


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("007", "007", None),
        ("a-7 ", "a-7", "blanks_trimmed"),
        ("'" + ID, ID, "id_mended"),
        ("１１０１", "1101", "id_mended"),
        ("12.0", "12", "id_mended"),
        ("1.10101E+17", None, "id_digits_lost"),
        ("110105194912310000", None, "id_digits_lost"),
        ("110105194912310021.0", None, "id_digits_lost"),
        ("110 105", None, "blank_inside_code"),
        ("110105\n1949", None, "blank_inside_code"),
        ("1101O5194912310021", None, "letter_for_digit"),
        ("#REF!", None, "formula_error"),
        ("锟斤拷", None, "text_garbled"),
    ],
)
def test_an_id_is_opaque_and_what_a_spreadsheet_lost_is_not_invented(cell, value, code):
    assert one("student_id", cell) == (value, [code] if code else [])


def test_a_roll_number_ends_in_a_capital_x():
    assert one("roll_number", "g11010519491231002x") == ("G11010519491231002X", ["id_mended"])


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("买买提·吐尔逊", "买买提·吐尔逊", None),
        ("张䶮", "张䶮", None),
        ("NA", "NA", None),
        ("null", "null", None),
        ("张\ue000", "张\ue000", "private_characters"),
        ("\u202e三张", "\u202e三张", "direction_marks"),
        ("<b>张三</b>", "<b>张三</b>", "markup_in_text"),
        ("=1+1", "=1+1", "starts_like_formula"),
        ("张三13800000000", "张三***", "personal_data_in_text"),
        ("张\ufffd", None, "text_garbled"),
        ("合计", None, "total_row_with_key"),
        ("#VALUE!", None, "formula_error"),
    ],
)
def test_a_name_is_kept_as_it_stands_unless_it_is_damaged(cell, value, code):
    assert one("name", cell) == (value, [code] if code else [])


@pytest.mark.parametrize(
    ("of", "column", "cell", "value", "code"),
    [
        ("students", "sex", "M", "M", None),
        ("students", "sex", "女", "F", "codes_translated"),
        ("students", "sex", "1", "M", "codes_translated"),
        ("students", "sex", "3", None, "value_no_code"),
        ("enrolments", "boards", "true", True, None),
        ("enrolments", "boards", "是", True, "codes_translated"),
        ("enrolments", "boards", "0", False, "codes_translated"),
        ("enrolments", "boards", "也许", None, "value_no_boolean"),
        ("grades", "subject", "语文", "chinese", "codes_translated"),
        ("grades", "subject", "other:美术", "other:美术", None),
        ("grades", "subject", "美术", None, "value_no_code"),
        ("grades", "status", "缺考", "absent", "codes_translated"),
    ],
)
def test_codes_are_told_in_both_languages(of, column, cell, value, code):
    assert one(column, cell, of=of) == (value, [code] if code else [])


def test_codes_that_the_mapping_declares_hold_and_no_usual_word_beside_them():
    codes = {"codes": {"sex": {"甲": "M", "乙": "F"}}}
    assert one("sex", "甲", **codes) == ("M", [])
    assert one("sex", "男", **codes) == (None, ["value_no_code"])


def test_what_was_mended_is_told_once_a_column_with_its_count_and_first_row():
    _, told = read("birth_date", ["2011-09-01", "2011/9/1", "2011/9/2", "40787"])
    assert told == [("dates_from_numbers", 5), ("dates_rewritten", 3)]


def test_the_kind_of_a_refused_value_is_told_and_the_value_is_not():
    findings = Findings()
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE cells AS "
            "SELECT '秘密' AS birth_date, CAST(NULL AS VARCHAR) AS sheet, 2 AS row, NULL::BIGINT AS at"
        )
        check_cells(connection, Telling("b", table("students"), "f.csv"), findings)
    refused = next(f for f in findings.refusals if f.code == "value_no_date")
    assert refused.kind == "words"
    assert "文字" in refused.text("zh")
    assert "秘密" not in refused.text("zh") + refused.text("en")


@pytest.mark.parametrize("wrong", [("utf-8", "gb18030"), ("gb18030", "latin-1")])
def test_a_column_that_was_once_read_in_the_wrong_encoding_is_refused_at_its_first_row(wrong):
    names = ["李四", "张三", "欧阳明月", "李四"]
    garbled = [name.encode(wrong[0]).decode(wrong[1]) for name in names]
    assert read("name", garbled)[1] == [("text_garbled", 2)]
    assert read("name", [*names, "鏉庡洓"])[1] == []
    assert read("name", ["买买提·吐尔逊", "张䶮", "José", "鑫淼"])[1] == []
