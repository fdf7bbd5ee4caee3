"""How a cell of text becomes a value of the contract: as SQL, by rules of ours and never by guessing.

Of every column four expressions are made: the cell without blanks around it, its value (missing where it is
none), what was mended on the way without loss, and what is wrong with it. One cell has one of each at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskmodel.records.contract import Column
from riskmodel.records.store import SQL_TYPES
from riskmodel.records.vocabulary import usual_codes

BLANKS = " \t\r\n\u3000\u00a0\u200b\u200c\u200d\u2060\ufeff\u2028\u2029"
"""Blanks and characters that nobody sees."""
FORMULA_ERRORS = (
    "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#ERROR",
    "Err:502", "Err:504", "Err:508", "#UNCALCULATED",
)  # fmt: skip
TOTAL_WORDS = (
    "合计", "总计", "小计", "共计", "累计", "平均", "平均分", "均分", "最高分", "最低分", "及格率", "优秀率",
    "总人数",
)  # fmt: skip
_WIDE = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000。"
_NARROW = "".join(chr(code) for code in range(0x21, 0x7F)) + " ."
_UNITS = {
    "score": "分", "full_score": "分", "days_absent": "天|日", "days_unexcused": "天|日", "times_late": "次",
    "amount_yuan": "元", "distance_km": "公里|千米|km|KM", "carer_schooling_years": "年", "siblings": "人|个",
    "grade": "年级",
}  # fmt: skip
_YEAR_FIRST = "([0-9]{4})(?:[-/.]|年) ?([0-9]{1,2})(?:[-/.]|月) ?([0-9]{1,2})日?"
_TIME = "[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.][0-9]+)?)?"
_MIDNIGHT = "[ T]0?0:00(?::00(?:[.]0+)?)?"
_LEAST_SERIAL, _GREATEST_SERIAL = 20_000, 60_000
_DAYS_BETWEEN_BASES = 1_462
_PLACEHOLDERS = "('9999-12-31', '9999-01-01', '1900-01-01', '1900-01-00', '1899-12-30', '1899-12-31')"
_DIGITS_KEPT = 15
"""More digits than this a spreadsheet's number does not keep (IEEE 754 double; Excel sets the rest to 0)."""


@dataclass(frozen=True)
class Reading:
    """What is declared of a column's cells.

    Attributes
    ----------
    codes
        The source's words for codes; None: the usual ones are recognised.
    date_format
        A strptime format; None: the year comes first, or a workbook's day number.
    base_1904
        Whether day numbers count from 1904.
    factor
        What a number is multiplied by.
    decimal_comma
        Whether numbers have a decimal comma (and points between thousands).
    """

    codes: Mapping[str, str] | None = None
    date_format: str | None = None
    base_1904: bool = False
    factor: float = 1.0
    decimal_comma: bool = False


@dataclass(frozen=True)
class ValueSql:
    """SQL of a column: its value, and codes of what was mended, what is wrong and what wants a look."""

    value: str
    mended: str
    fault: str
    doubt: str = "NULL"


def literal(value: str) -> str:
    """Return text as an SQL literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def is_identifier(column: Column) -> bool:
    """Tell whether a text column names something by a number or code, and is no prose."""
    return column.kind == "text" and column.name.endswith(("_id", "roll_number", "term"))


def trimmed(name: str) -> str:
    """Return the SQL of a text cell without blanks around it, missing where nothing is left."""
    return f"nullif(trim(\"{name}\", {literal(BLANKS)}), '')"


def narrowed(cell: str) -> str:
    """Return the SQL of a cell with letters, digits and signs of full width made narrow."""
    return f"translate({cell}, {literal(_WIDE)}, {literal(_NARROW)})"


def is_plain_sql(column: Column, reading: Reading) -> str:
    """Return the SQL that tells cells of which nothing needs to be said: most of them, told by one look.

    For them the value is the cell, cast to the column's type.
    """
    cell = f'"cell {column.name}"'
    if column.kind == "date":
        form = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
        told = f"regexp_full_match({cell}, '{form}') AND TRY_CAST({cell} AS DATE) IS NOT NULL "
        return told + f"AND {cell} NOT IN {_PLACEHOLDERS}"
    if column.kind == "boolean":
        return f"{cell} IN ('true', 'false')"
    if column.kind == "code":
        return f"{cell} IN ({_listed(column.codes)})"
    if is_identifier(column):
        return f"regexp_full_match({cell}, '[A-Za-z_][A-Za-z0-9_-]{{0,14}}|[0-9]{{1,15}}')"
    if column.kind == "text":
        told = f"regexp_full_match({cell}, '[\\x{{4E00}}-\\x{{9FFF}}]+') AND NOT {_garbled(cell)}"
        return f"{told} AND {cell} NOT IN ({_listed(TOTAL_WORDS)})"
    if reading.decimal_comma or reading.factor != 1.0:
        return "false"
    form = "-?[0-9]{1,15}" if column.kind == "integer" else "-?[0-9]{1,15}([.][0-9]+)?"
    return f"regexp_full_match({cell}, '{form}')"


def value_sql(column: Column, reading: Reading) -> ValueSql:
    """Return how a text cell of the column is read.

    The SQL names the trimmed and translated cell `"cell <column>"`, its narrowed form `"plain <column>"`,
    and, but in `value` itself, the value by the column's own name.
    """
    text, plain, value = (f'"{part}{column.name}"' for part in ("cell ", "plain ", ""))
    if column.kind == "text":
        return _identifier(column, text, plain) if is_identifier(column) else _prose(text, plain)
    if column.kind == "date":
        read = _date(column, plain, reading)
    elif column.kind in ("code", "boolean"):
        read = _code(column, text, plain, reading)
    else:
        read = _number(column, plain, reading)
    wide = f"CASE WHEN {plain} <> {text} AND {value} IS NOT NULL THEN 'digits_narrowed' END"
    return ValueSql(
        read.value,
        f"coalesce({read.mended}, {wide})",
        f"CASE {_formula_faults(text)} WHEN {text} IS NOT NULL AND {value} IS NULL THEN {read.fault} END",
        read.doubt,
    )


def kind_sql(text: str) -> str:
    """Return the SQL of the kind of value that stands in a text cell: a code of `value_kinds`."""
    plain = narrowed(text)
    return f"""CASE
        WHEN {text} IS NULL THEN 'empty'
        WHEN {text} IN ({_listed(FORMULA_ERRORS)}) THEN 'formula_error'
        WHEN regexp_full_match({plain}, '[-+]?[0-9]+') THEN 'whole_number'
        WHEN regexp_full_match({plain}, '[-+]?[0-9,]*[.]?[0-9]+') THEN 'decimal'
        WHEN regexp_full_match({plain}, '[-+]?[0-9.]+[Ee][-+]?[0-9]+') THEN 'scientific'
        WHEN regexp_full_match({plain}, '[-+]?[0-9.]+ ?%') THEN 'percent'
        WHEN regexp_full_match({plain}, '[0-9年月日号/.: T-]+') THEN 'date'
        WHEN lower({plain}) IN ('true', 'false') THEN 'truth'
        WHEN regexp_full_match({plain}, '[A-Za-z0-9_ -]+') THEN 'letters_and_digits'
        ELSE 'words' END"""


def _listed(words: Sequence[str]) -> str:
    return ", ".join(literal(word) for word in words)


def _formula_faults(text: str) -> str:
    *errors, uncalculated = FORMULA_ERRORS
    return (
        f"WHEN {text} IN ({_listed(errors)}) THEN 'formula_error' "
        f"WHEN {text} = {literal(uncalculated)} THEN 'formula_not_calculated'"
    )


def _identifier(column: Column, text: str, plain: str) -> ValueSql:
    """Read what names something by number or code: every character counts, none is put right by guessing."""
    bare = f"regexp_replace({plain}, '^[''`]', '')"
    value = f"regexp_replace({bare}, '^([0-9]{{1,{_DIGITS_KEPT}}})[.]0+$', '\\1')"
    if column.name == "roll_number":
        value = f"upper({value})"
    lost = " OR ".join(
        f"regexp_full_match({bare}, '{form}')"
        for form in (
            "[0-9]+([.][0-9]+)?[Ee][+]?[0-9]+",
            f"[0-9]{{{_DIGITS_KEPT + 1},}}[.]0+",
            f"[0-9]{{{_DIGITS_KEPT}}}0{{2,5}}",
        )
    )
    letters = f"regexp_full_match({bare}, '[GJLgjl]?[0-9OoIl]{{16,}}[0-9Xx]?') "
    letters += f"AND regexp_matches({bare}, '.[OoIl]')"
    fault = (
        f"CASE {_formula_faults(text)} WHEN {lost} THEN 'id_digits_lost' "
        f"WHEN regexp_matches({bare}, '[\\s{BLANKS[4:]}]') THEN 'blank_inside_code' "
        f"WHEN {letters} THEN 'letter_for_digit' WHEN {_garbled(text)} THEN 'text_garbled' END"
    )
    mended = f"CASE WHEN \"{column.name}\" <> {text} THEN 'id_mended' END"
    return ValueSql(f"CASE WHEN ({fault}) IS NULL THEN {value} END", mended, fault)


def _prose(text: str, plain: str) -> ValueSql:
    """Read names and words: kept as they stand, and told where they look like something else."""
    fault = (
        f"CASE {_formula_faults(text)} WHEN {_garbled(text)} THEN 'text_garbled' "
        f"WHEN {text} IN ({_listed(TOTAL_WORDS)}) THEN 'total_row_with_key' END"
    )
    doubts = (
        (f"regexp_matches({text}, '[\\x{{202A}}-\\x{{202E}}\\x{{2066}}-\\x{{2069}}]')", "direction_marks"),
        (f"regexp_matches({text}, '<[A-Za-z/!]')", "markup_in_text"),
        (f"regexp_matches({text}, '^[=+@-].')", "starts_like_formula"),
        (f"regexp_matches({text}, '[\\x{{E000}}-\\x{{F8FF}}]')", "private_characters"),
        (f"regexp_matches({plain}, '[0-9]{{11}}')", "personal_data_in_text"),
        (f"regexp_matches({plain}, '[(](父|母|爷|奶|外公|外婆|监护|家长)')", "guardian_in_text"),
    )
    doubt = " ".join(f"WHEN {test} THEN '{code}'" for test, code in doubts)
    # Telephone and identity numbers have no place in a name or a note: they are not stored.
    masked = (
        f"CASE WHEN regexp_matches({plain}, '[0-9]{{11}}') "
        f"THEN regexp_replace({plain}, '[0-9]{{11,}}[Xx]?', '***', 'g') ELSE {text} END"
    )
    return ValueSql(f"CASE WHEN ({fault}) IS NULL THEN {masked} END", "NULL", fault, f"CASE {doubt} END")


def _garbled(text: str) -> str:
    return f"regexp_matches({text}, '\\x{{FFFD}}|锟斤拷|锟斤|烫烫烫|屯屯屯')"


def _date(column: Column, plain: str, reading: Reading) -> ValueSql:
    iso = f"regexp_full_match({plain}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')"
    year_first = f"regexp_full_match({plain}, '{_YEAR_FIRST}({_MIDNIGHT})?')"
    with_time = f"regexp_full_match({plain}, '{_YEAR_FIRST}{_TIME}')"
    eight = f"regexp_full_match({plain}, '[12][0-9]{{7}}')"
    serial = (
        f"(regexp_full_match({plain}, '[0-9]{{5}}([.][0-9]+)?') "
        f"AND TRY_CAST({plain} AS DOUBLE) BETWEEN {_LEAST_SERIAL} AND {_GREATEST_SERIAL})"
    )
    base = _DAYS_BETWEEN_BASES if reading.base_1904 else 0
    parts = ", ".join(f"regexp_extract({plain}, '^{_YEAR_FIRST}', {group})" for group in (1, 2, 3))
    forms = [(iso, f"TRY_CAST({plain} AS DATE)", "NULL")]
    if reading.date_format is not None:
        declared = f"CAST(try_strptime({plain}, {literal(reading.date_format)}) AS DATE)"
        forms.append(("true", declared, "NULL"))
    else:
        padded = f"TRY_CAST(concat_ws('-', {parts}) AS DATE)"
        from_base = f"DATE '1899-12-30' + CAST(floor(CAST({plain} AS DOUBLE)) AS INTEGER) + {base}"
        forms += [
            (year_first, padded, "'dates_rewritten'"),
            (with_time, padded, "'times_dropped'"),
            (eight, f"CAST(try_strptime({plain}, '%Y%m%d') AS DATE)", "'dates_rewritten'"),
            (serial, from_base, "'dates_from_numbers'"),
        ]
    placeholder = (
        f"CASE WHEN regexp_replace(regexp_replace({plain}, '{_MIDNIGHT}$', ''), '[/.]', '-', 'g') "
        f"IN {_PLACEHOLDERS} THEN 'date_placeholder' END"
    )
    day_month = f"regexp_full_match({plain}, '[0-9]{{1,2}}月[0-9]{{1,2}}日?')"
    ambiguous = f"regexp_full_match({plain}, '[0-9]{{1,2}}[-/.][0-9]{{1,2}}[-/.]([0-9]{{2}}|[0-9]{{4}})')"
    values = " ".join(f"WHEN {test} THEN {value}" for test, value, _ in forms)
    mends = " ".join(f"WHEN {test} THEN {code}" for test, _, code in forms)
    forgiven = "'value_no_date'" if column.required else "NULL"
    value = f"CASE WHEN {placeholder} IS NOT NULL THEN NULL {values} END"
    return ValueSql(
        value,
        f'CASE WHEN "{column.name}" IS NULL THEN NULL {mends} END',
        f"CASE WHEN {placeholder} IS NOT NULL THEN {forgiven} WHEN {day_month} THEN 'date_without_year' "
        f"WHEN {ambiguous} THEN 'date_ambiguous' ELSE 'value_no_date' END",
        "NULL" if column.required else placeholder,
    )


def _code(column: Column, text: str, plain: str, reading: Reading) -> ValueSql:
    usual = usual_codes(column) if reading.codes is None else {}
    whens = " ".join(f"WHEN {literal(word)} THEN {literal(code)}" for word, code in usual.items())
    word = f"CASE lower({plain}) {whens} END" if usual else "CAST(NULL AS VARCHAR)"
    if column.kind == "boolean":
        told = f"CASE lower({plain}) WHEN 'true' THEN true WHEN 'false' THEN false END"
        value = f"coalesce({told}, TRY_CAST({word} AS BOOLEAN))"
        return ValueSql(
            value, f"CASE WHEN {told} IS NULL AND {word} IS NOT NULL THEN 'codes_translated' END",
            "'value_no_boolean'",
        )  # fmt: skip
    allowed = f"{text} IN ({_listed(column.codes)})"
    if column.open_codes:
        allowed += f" OR regexp_full_match({text}, 'other:.+')"
    value = f"CASE WHEN {allowed} THEN {text} ELSE {word} END"
    mended = f"CASE WHEN NOT ({allowed}) AND {word} IS NOT NULL THEN 'codes_translated' END"
    return ValueSql(value, mended, "'value_no_code'")


def _number(column: Column, plain: str, reading: Reading) -> ValueSql:
    point, thousands = (",", "[.]") if reading.decimal_comma else ("[.]", ",")
    unit = _UNITS.get(column.name)
    bare = plain
    if unit is not None:
        bare = f"regexp_replace({plain}, '^[￥¥]? ?(.*?) ?({unit})?$', '\\1')"
    ungrouped = f"regexp_replace({bare}, '{thousands}', '', 'g')"
    if reading.decimal_comma:
        ungrouped = f"replace({ungrouped}, ',', '.')"
    grouped = f"regexp_full_match({bare}, '-?[0-9]{{1,3}}({thousands}[0-9]{{3}})+({point}[0-9]+)?')"
    exact = f"regexp_full_match({bare}, '-?[0-9]+({point}[0-9]+)?')"
    loose = f"regexp_full_match({bare}, '[+]?[0-9]+{point}?|[+-]?{point}[0-9]+|[+][0-9]+({point}[0-9]+)?')"
    number = f"CASE WHEN {exact} OR {grouped} OR {loose} THEN TRY_CAST({ungrouped} AS DOUBLE) END"
    words = usual_codes(column) if reading.codes is None else {}
    word = "CAST(NULL AS DOUBLE)"
    if words:
        whens = " ".join(f"WHEN {literal(w)} THEN {code}" for w, code in words.items())
        word = f"CASE {plain} {whens} END"
        number = f"coalesce({number}, {word})"
    if reading.factor != 1.0:
        number = f"({number}) * {reading.factor!r}"
    value = f"CASE WHEN isfinite({number}) THEN {number} END"
    rewritten = f"NOT regexp_full_match({bare}, '-?[0-9]+')" if column.kind == "integer" else f"NOT {exact}"
    if column.kind == "integer":
        value = f"CASE WHEN ({number}) = trunc({number}) THEN TRY_CAST({number} AS BIGINT) END"
    mended = (
        f'CASE WHEN "{column.name}" IS NULL THEN NULL '
        f"WHEN {word} IS NOT NULL THEN 'codes_translated' "
        f"WHEN {grouped} THEN 'thousands_removed' WHEN {bare} <> {plain} THEN 'units_removed' "
        f"WHEN {rewritten} THEN 'numbers_rewritten' END"
    )
    fault = "'value_no_integer'" if column.kind == "integer" else "'value_no_number'"
    return ValueSql(value, mended, fault)


def typed_fault(column: Column) -> str:
    """Return the SQL of the fault of a cell that already has a type."""
    code = f"value_no_{column.kind}"
    return f'CASE WHEN "cell {column.name}" IS NOT NULL AND "{column.name}" IS NULL THEN \'{code}\' END'


def typed_value(column: Column, *, cell: str, kind: str) -> str:
    """Return the SQL of the value of a cell that already has a type (of a Parquet file, or a query)."""
    is_integer = kind.lstrip("U") in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
    is_number = is_integer or kind in ("FLOAT", "DOUBLE") or kind.startswith("DECIMAL")
    if column.kind == "text" and is_integer:
        return f"CAST({cell} AS VARCHAR)"
    if column.kind == "integer" and is_number:
        return f"CASE WHEN {cell} = trunc({cell}) THEN TRY_CAST({cell} AS BIGINT) END"
    if column.kind == "number" and is_number:
        return f"CASE WHEN isfinite(CAST({cell} AS DOUBLE)) THEN CAST({cell} AS DOUBLE) END"
    if column.kind == "date" and kind.startswith("TIMESTAMP"):
        return f"CASE WHEN {cell} = date_trunc('day', {cell}) THEN CAST({cell} AS DATE) END"
    if (column.kind, kind) in (("date", "DATE"), ("boolean", "BOOLEAN")):
        return cell
    return f"CAST(NULL AS {SQL_TYPES[column.kind]})"
