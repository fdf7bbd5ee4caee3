"""The national roll number (学籍号): what form it has, as SQL, and what is wrong with those of a delivery.

19 characters. `G` and the 18 of the identity number; `J` and 18 for a child who has none (6 division, 8
birthday, 3 sequence, 1 check); `L`, temporary, and 18 digits (6 division, 8 birthday, 4 drawn). G and J end
with the check character of GB 11643 (ISO 7064, modulus 11-2); L has none. Nothing else is read
from a number than whether it can be one, and whether it says the birthday and sex that stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import duckdb

from riskmodel.records.findings import Findings
from riskmodel.records.mapping.telling import Telling

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
_BIRTHDAY_AT = "[8:15]"


def check_character(body: str) -> str:
    """Return the check character of the 17 digits before it (GB 11643)."""
    total = sum(int(digit) * weight for digit, weight in zip(body, WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def fault_sql(number: str) -> str:
    """Return the SQL of what is wrong with a number: a code, or missing where it can be one."""
    total = " + ".join(
        f"coalesce(TRY_CAST({number}[{place}] AS INTEGER), 0) * {weight}"
        for place, weight in enumerate(WEIGHTS, start=2)
    )
    return f"""CASE
        WHEN {number} IS NULL THEN NULL
        WHEN NOT regexp_full_match({number}, '[GJ][0-9]{{17}}[0-9X]|L[0-9]{{18}}')
        THEN 'roll_number_malformed'
        WHEN {number}[1] = 'L' THEN NULL
        WHEN {birthday_sql(number)} IS NULL THEN 'roll_number_malformed'
        WHEN {number}[19] <> '{CHECK_CHARACTERS}'[({total}) % 11 + 1] THEN 'check_digit_wrong'
        END"""


def birthday_sql(number: str) -> str:
    """Return the SQL of the birthday in a number, missing where there is none."""
    return f"CAST(try_strptime({number}{_BIRTHDAY_AT}, '%Y%m%d') AS DATE)"


def check_roll_numbers(
    connection: duckdb.DuckDBPyConnection,
    *,
    places: Iterable[tuple[str, str, str]],
    read: Mapping[tuple[str, str], Telling],
    findings: Findings,
) -> None:
    """Refuse numbers that cannot be one; `places` names relation, column, and a condition on its rows."""
    for relation, column, condition in places:
        fault = fault_sql(f'"{column}"')
        wrong = f'SELECT origin, file, sheet, "row", {fault} AS code FROM {relation} WHERE {condition}'
        counts = connection.execute(
            f"SELECT code, count(*) FROM ({wrong}) WHERE code IS NOT NULL GROUP BY code ORDER BY code"
        ).fetchall()
        for code, count in counts:
            rows = connection.execute(
                f'SELECT origin, file, sheet, "row" FROM ({wrong}) WHERE code = $code '
                f"ORDER BY ALL LIMIT {findings.room}",
                {"code": code},
            ).fetchall()
            for source, file, sheet, row in rows:
                findings.refuse(code, read[source, file].where(row=row, column=column, sheet=sheet))
            findings.count_more(code, count - len(rows))


def review_birthdays(
    connection: duckdb.DuckDBPyConnection, read: Mapping[tuple[str, str], Telling], findings: Findings
) -> None:
    """List students whose (possible) number says another birthday, or (G) another sex, than their row."""
    for column, test in (
        ("birth_date", f"roll_number[1] <> 'L' AND {birthday_sql('roll_number')} <> birth_date"),
        ("sex", "roll_number[1] = 'G' AND CASE TRY_CAST(roll_number[18] AS INTEGER) % 2 "
                "WHEN 1 THEN 'M' WHEN 0 THEN 'F' END <> sex"),
    ):  # fmt: skip
        rows = connection.execute(
            f"""SELECT origin, file, sheet, min("row"), count(*) FROM staged_students
                WHERE roll_number IS NOT NULL AND {test} AND {fault_sql("roll_number")} IS NULL
                GROUP BY origin, file, sheet ORDER BY ALL"""
        ).fetchall()
        for source, file, sheet, row, count in rows:
            where = read[source, file].where(row=row, column=column, sheet=sheet)
            findings.review("roll_number_disagrees", where, count=count, students=f"{count:,}")
