"""How a day is read: with the year first, as declared, or as a workbook's number; never by guessing."""

from __future__ import annotations

from riskmodel.records.contract import Column
from riskmodel.records.values.forms import PLACEHOLDERS, Reading, ValueSql, literal

_YEAR_FIRST = "([0-9]{4})(?:[-/.]|年) ?([0-9]{1,2})(?:[-/.]|月) ?([0-9]{1,2})日?"
_TIME = "[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:[.][0-9]+)?)?"
_MIDNIGHT = "[ T]0?0:00(?::00(?:[.]0+)?)?"
_LEAST_SERIAL, _GREATEST_SERIAL = 20_000, 60_000
_DAYS_BETWEEN_BASES = 1_462


def date_sql(column: Column, plain: str, reading: Reading) -> ValueSql:
    """Return how a day is read."""
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
        f"IN {PLACEHOLDERS} THEN 'date_placeholder' END"
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
