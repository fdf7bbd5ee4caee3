"""How a cell of text becomes a value of the contract: as SQL, by rules of ours and never by guessing.

Of every column four expressions are made: the cell without blanks around it, its value (missing where it is
none), what was mended on the way without loss, and what is wrong with it. One cell has one of each at most.
"""

from __future__ import annotations

from riskmodel.records.contract import Column
from riskmodel.records.keeping.rows import SQL_TYPES
from riskmodel.records.mapping.vocabulary import TOTAL_WORDS
from riskmodel.records.values.dates import date_sql
from riskmodel.records.values.forms import (
    FORMULA_ERRORS,
    PLACEHOLDERS,
    Reading,
    ValueSql,
    formula_faults,
    listed,
    narrowed,
)
from riskmodel.records.values.numbers import number_sql
from riskmodel.records.values.words import code_sql, garbled_sql, identifier_sql, is_identifier, prose_sql


def is_plain_sql(column: Column, reading: Reading) -> str:
    """Return the SQL that tells cells of which nothing needs to be said: most of them, told by one look.

    For them the value is the cell, cast to the column's type.
    """
    cell = f'"cell {column.name}"'
    if column.kind == "date":
        form = "[12][0-9]{3}-[0-9]{2}-[0-9]{2}"
        told = f"regexp_full_match({cell}, '{form}') AND TRY_CAST({cell} AS DATE) IS NOT NULL "
        return told + f"AND {cell} NOT IN {PLACEHOLDERS}"
    if column.kind == "boolean":
        return f"{cell} IN ('true', 'false')"
    if column.kind == "code":
        listed_code = f"{cell} IN ({listed(column.codes)})"
        return (
            f"({listed_code} OR regexp_full_match({cell}, 'other:.+'))" if column.open_codes else listed_code
        )
    if is_identifier(column):
        # However long, a name that begins with a letter and has no O, I or l is no number that was spoilt.
        endless = "[A-Z_][A-HJ-NP-Z0-9_-]*"
        if column.name != "roll_number":
            endless = "[A-Za-z_][A-HJ-NP-Za-kmnp-z0-9_-]*"
        return f"regexp_full_match({cell}, '[A-Za-z_][A-Za-z0-9_-]{{0,14}}|{endless}|[0-9]{{1,15}}')"
    if column.kind == "text":
        told = f"regexp_full_match({cell}, '[\\x{{4E00}}-\\x{{9FFF}}]+') AND NOT {garbled_sql(cell)}"
        return f"{told} AND {cell} NOT IN ({listed(TOTAL_WORDS)})"
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
        return identifier_sql(column, text, plain) if is_identifier(column) else prose_sql(text, plain)
    if column.kind == "date":
        read = date_sql(column, plain, reading)
    elif column.kind in ("code", "boolean"):
        read = code_sql(column, text, plain, reading)
    else:
        read = number_sql(column, plain, reading)
    wide = f"CASE WHEN {plain} <> {text} AND {value} IS NOT NULL THEN 'digits_narrowed' END"
    return ValueSql(
        read.value,
        f"coalesce({read.mended}, {wide})",
        f"CASE {formula_faults(text)} WHEN {text} IS NOT NULL AND {value} IS NULL THEN {read.fault} END",
        read.doubt,
    )


def kind_sql(text: str) -> str:
    """Return the SQL of the kind of value that stands in a text cell: a code of `value_kinds`."""
    plain = narrowed(text)
    return f"""CASE
        WHEN {text} IS NULL THEN 'empty'
        WHEN {text} IN ({listed(FORMULA_ERRORS)}) THEN 'formula_error'
        WHEN regexp_full_match({plain}, '[-+]?[0-9]+') THEN 'whole_number'
        WHEN regexp_full_match({plain}, '[-+]?[0-9,]*[.]?[0-9]+') THEN 'decimal'
        WHEN regexp_full_match({plain}, '[-+]?[0-9.]+[Ee][-+]?[0-9]+') THEN 'scientific'
        WHEN regexp_full_match({plain}, '[-+]?[0-9.]+ ?%') THEN 'percent'
        WHEN regexp_full_match({plain}, '[0-9年月日号/.: T-]+') THEN 'date'
        WHEN lower({plain}) IN ('true', 'false') THEN 'truth'
        WHEN regexp_full_match({plain}, '[A-Za-z0-9_ -]+') THEN 'letters_and_digits'
        ELSE 'words' END"""


def typed_fault(column: Column) -> str:
    """Return the SQL of the fault of a cell that already has a type."""
    code = f"value_no_{column.kind}"
    return f'CASE WHEN "cell {column.name}" IS NOT NULL AND "{column.name}" IS NULL THEN \'{code}\' END'


def typed_mended(column: Column, *, cell: str, kind: str) -> str:
    """Return the SQL of what is mended of a cell that already has a type: the time of day is left out."""
    if column.kind == "date" and kind.startswith("TIMESTAMP"):
        return f"CASE WHEN {cell} <> date_trunc('day', {cell}) THEN 'times_dropped' END"
    return "NULL"


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
        return f"CAST({cell} AS DATE)"
    if (column.kind, kind) in (("date", "DATE"), ("boolean", "BOOLEAN")):
        return cell
    return f"CAST(NULL AS {SQL_TYPES[column.kind]})"
