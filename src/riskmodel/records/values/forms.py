"""What every kind of value shares: what is declared of a column, and the SQL that is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from riskmodel.records.mapping.vocabulary import BLANKS

FORMULA_ERRORS = (
    "#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#ERROR",
    "Err:502", "Err:504", "Err:508", "#UNCALCULATED",
)  # fmt: skip
_WIDE = "".join(chr(code) for code in range(0xFF01, 0xFF5F)) + "\u3000。"
_NARROW = "".join(chr(code) for code in range(0x21, 0x7F)) + " ."
PLACEHOLDERS = "('9999-12-31', '9999-01-01', '1900-01-01', '1900-01-00', '1899-12-30', '1899-12-31')"


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


def trimmed(name: str) -> str:
    """Return the SQL of a text cell without blanks around it, missing where nothing is left."""
    return f"nullif(trim(\"{name}\", {literal(BLANKS)}), '')"


def narrowed(cell: str) -> str:
    """Return the SQL of a cell with letters, digits and signs of full width made narrow."""
    return f"translate({cell}, {literal(_WIDE)}, {literal(_NARROW)})"


def listed(words: Sequence[str]) -> str:
    """Return words as an SQL list, without its brackets."""
    return ", ".join(literal(word) for word in words)


def formula_faults(text: str) -> str:
    """Return the branches of a CASE that tell error cells, and formulas that nobody calculated."""
    *errors, uncalculated = FORMULA_ERRORS
    return (
        f"WHEN {text} IN ({listed(errors)}) THEN 'formula_error' "
        f"WHEN {text} = {literal(uncalculated)} THEN 'formula_not_calculated'"
    )
