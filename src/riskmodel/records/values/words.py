"""How text is read: names and notes, what names something by a number, and words that stand for codes."""

from __future__ import annotations

from riskmodel.records.contract import Column
from riskmodel.records.mapping.vocabulary import BLANKS, TOTAL_WORDS, usual_codes
from riskmodel.records.values.forms import Reading, ValueSql, formula_faults, listed, literal

_DIGITS_KEPT = 15
"""More digits than this a spreadsheet's number does not keep (IEEE 754 double; Excel sets the rest to 0)."""


def is_identifier(column: Column) -> bool:
    """Tell whether a text column names something by a number or code, and is no prose."""
    return column.kind == "text" and column.name.endswith(("_id", "roll_number", "term", "phone"))


def identifier_sql(column: Column, text: str, plain: str) -> ValueSql:
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
        f"CASE {formula_faults(text)} WHEN {lost} THEN 'id_digits_lost' "
        f"WHEN regexp_matches({bare}, '[\\s{BLANKS[4:]}]') THEN 'blank_inside_code' "
        f"WHEN {letters} THEN 'letter_for_digit' WHEN {garbled_sql(text)} THEN 'text_garbled' END"
    )
    mended = f"CASE WHEN \"{column.name}\" <> {text} THEN 'id_mended' END"
    return ValueSql(f"CASE WHEN ({fault}) IS NULL THEN {value} END", mended, fault)


def prose_sql(text: str, plain: str) -> ValueSql:
    """Read names and words: kept as they stand, and told where they look like something else."""
    fault = (
        f"CASE {formula_faults(text)} WHEN {garbled_sql(text)} THEN 'text_garbled' "
        f"WHEN {text} IN ({listed(TOTAL_WORDS)}) THEN 'total_row_with_key' END"
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


def garbled_sql(text: str) -> str:
    """Return the SQL that tells text which a wrong encoding has destroyed."""
    return f"regexp_matches({text}, '\\x{{FFFD}}|锟斤拷|锟斤|烫烫烫|屯屯屯')"


def code_sql(column: Column, text: str, plain: str, reading: Reading) -> ValueSql:
    """Return how a word is read that stands for a code, or for true or false."""
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
    allowed = f"{text} IN ({listed(column.codes)})"
    if column.open_codes:
        allowed += f" OR regexp_full_match({text}, 'other:.+')"
    value = f"CASE WHEN {allowed} THEN {text} ELSE {word} END"
    mended = f"CASE WHEN NOT ({allowed}) AND {word} IS NOT NULL THEN 'codes_translated' END"
    return ValueSql(value, mended, "'value_no_code'")
