"""How a number is read: its unit and its thousands taken off, nothing made up."""

from __future__ import annotations

from riskmodel.records.contract import Column
from riskmodel.records.mapping.vocabulary import usual_codes
from riskmodel.records.values.forms import Reading, ValueSql, literal

_UNITS = {
    "score": "分", "full_score": "分", "days_absent": "天|日", "days_unexcused": "天|日", "times_late": "次",
    "amount_yuan": "元", "distance_km": "公里|千米|km|KM", "carer_schooling_years": "年", "siblings": "人|个",
    "grade": "年级",
}  # fmt: skip


def number_sql(column: Column, plain: str, reading: Reading) -> ValueSql:
    """Return how a number is read."""
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
