"""Who of one register is who of another: by roll number, by name and birthday, and by likeness.

Three steps, each taking only who is left. The roll number, whole and with a right check character (L numbers
have none), of any time. The name and the birthday, both the same and of one person only on either side. Then
the Fellegi-Sunter model of Splink on what is left, with fixed weights (docs/decisions/0013): nothing is
learnt from a county, so that the same two rows are always judged alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from riskmodel.records.checking.roll_numbers import fault_sql
from riskmodel.records.keeping.engine import duckdb_settings

ACCEPT, REVIEW = 0.97, 0.30
"""Probabilities from which two rows are taken as one person, and from which a person is asked."""
_NAME_CHARACTERS = 12
"""Characters of a name that are held against each other, one by one."""
PRIOR_LEFT = 1_000
"""At least so many rows are reckoned to compete for a match: few rows left do not make one likelier."""

PEOPLE = ("unique_id", "name", "birth_date", "sex", "township", "roll_number")
"""Columns of both tables; ids unique within each. Of one child with several numbers: one row, the numbers
separated by a space."""


@dataclass(frozen=True)
class Pair:
    """Two rows that are, or may be, one person. `by`: roll_number, name_and_birthday or likeness."""

    left: str
    right: str
    probability: float
    by: str

    @property
    def is_near(self) -> bool:
        """Whether a person must look: likely enough to ask, not enough to take."""
        return self.probability < ACCEPT


def link(connection: duckdb.DuckDBPyConnection, left: str, right: str) -> list[Pair]:
    """Pair the rows of two tables of people; each row stands in one pair at most.

    Returns
    -------
    list of Pair
        Those to be taken, and those near the line, by `left`.
    """
    for side, table in (("l", left), ("r", right)):
        connection.execute(_PLAIN.format(side=side, table=table))
    pairs: list[Pair] = []
    for by, query in (("roll_number", _BY_NUMBER), ("name_and_birthday", _BY_NAME)):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE met AS {query}")
        rows = connection.execute("FROM met ORDER BY ALL").fetchall()
        pairs += [Pair(one, other, 1.0, by) for one, other in rows]
        connection.execute("DELETE FROM plain_l WHERE unique_id IN (SELECT a FROM met)")
        connection.execute("DELETE FROM plain_r WHERE unique_id IN (SELECT b FROM met)")
    return sorted([*pairs, *_alike(connection)], key=lambda one: one.left)


# Dots within minority names are written in many ways, and blanks come and go.
_PLAIN = """
CREATE OR REPLACE TEMP TABLE plain_{side} AS
SELECT unique_id, regexp_replace(lower(nfc_normalize(name)), '[\\s·•・‧∙⋅.．。]', '', 'g') AS name,
       CAST(birth_date AS VARCHAR) AS birth_date, sex, township,
       list_filter(string_split(upper(coalesce(roll_number, '')), ' '), lambda x: x <> '') AS numbers
FROM {table}
"""

_BY_NUMBER = f"""
WITH l AS (SELECT unique_id, unnest(numbers) AS number FROM plain_l),
r AS (SELECT unique_id, unnest(numbers) AS number FROM plain_r),
pairs AS (
    SELECT DISTINCT l.unique_id AS a, r.unique_id AS b FROM l JOIN r USING (number)
    WHERE {fault_sql("number")} IS NULL
)
SELECT a, b FROM pairs
QUALIFY count(*) OVER (PARTITION BY a) = 1 AND count(*) OVER (PARTITION BY b) = 1
"""

_BY_NAME = """
SELECT any_value(l.unique_id) AS a, any_value(r.unique_id) AS b
FROM plain_l AS l JOIN plain_r AS r USING (name, birth_date)
GROUP BY name, birth_date
HAVING count(DISTINCT l.unique_id) = 1 AND count(DISTINCT r.unique_id) = 1
"""


def _alike(connection: duckdb.DuckDBPyConnection) -> list[Pair]:
    """Pair who is left by how alike they are: the likeliest first, each once."""
    sizes = [
        int(connection.execute(f"SELECT count(*) FROM plain_{side}").fetchall()[0][0]) for side in ("l", "r")
    ]
    if not all(sizes):
        return []
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    settings = SettingsCreator(
        link_type="link_only",
        probability_two_random_records_match=1 / max(*sizes, PRIOR_LEFT),
        blocking_rules_to_generate_predictions=[
            block_on("birth_date", "substr(name, 1, 1)"),
            block_on("birth_date", "substr(name, 2)"),
            block_on("name", "substr(birth_date, 1, 4)"),
            block_on("name", "substr(birth_date, 6, 5)"),
        ],
        comparisons=_comparisons(),
        retain_intermediate_calculation_columns=False,
    )
    # Splink names tables of its own: they stay out of the caller's connection.
    with duckdb.connect(config=duckdb_settings(memory_limit="4GB")) as own:
        api = DuckDBAPI(connection=own)
        tables = [
            api.register(
                connection.sql(
                    f"SELECT unique_id, name, birth_date, sex, township FROM plain_{side} ORDER BY unique_id"
                ).to_arrow_table(),
                dataset_display_name=side,
            )
            for side in ("l", "r")
        ]
        linker = Linker(tables, settings, log_level=None)
        found = linker.inference.predict(threshold_match_probability=REVIEW)
        return _one_to_one(found.as_record_list())


def _one_to_one(found: list[dict[str, Any]]) -> list[Pair]:
    """Take the likeliest pairs first, each row once; where two are as likely, neither is sure."""
    rows = []
    for one in found:
        sides = {one["source_dataset_l"]: one["unique_id_l"], one["source_dataset_r"]: one["unique_id_r"]}
        rows.append((one["match_probability"], sides["l"], sides["r"]))
    rows.sort(key=lambda row: (-row[0], row[1], row[2]))
    best: dict[tuple[str, str], list[float]] = {}
    for probability, left, right in rows:
        best.setdefault(("l", left), []).append(probability)
        best.setdefault(("r", right), []).append(probability)
    taken: set[tuple[str, str]] = set()
    pairs = []
    for probability, left, right in rows:
        keys = {("l", left), ("r", right)}
        if keys & taken:
            continue
        taken |= keys
        rivals = [other for key in keys for other in best[key][1:] if other > probability - 0.01]
        pairs.append(
            Pair(left, right, min(probability, ACCEPT - 0.01) if rivals else probability, "likeness")
        )
    return pairs


def _level(said: str, condition: str, m: float, u: float) -> dict[str, Any]:
    """One level of agreement: how often it stands in pairs of one person (m), and of two (u)."""
    return {"sql_condition": condition, "label_for_charts": said, "m_probability": m, "u_probability": u}


def _missing(column: str) -> dict[str, Any]:
    condition = f"{column}_l IS NULL OR {column}_r IS NULL"
    return {"sql_condition": condition, "label_for_charts": "missing", "is_null_level": True}


def _comparison(column: str, *levels: dict[str, Any]) -> dict[str, Any]:
    return {"output_column_name": column, "comparison_levels": [_missing(column), *levels]}


def _comparisons() -> list[dict[str, Any]]:
    # DuckDB's levenshtein counts bytes: one Chinese character would be three.
    differs = " + ".join(
        f"CAST(substr(name_l, {at}, 1) <> substr(name_r, {at}, 1) AS INTEGER)"
        for at in range(1, _NAME_CHARACTERS + 1)
    )
    swapped = (
        "concat(substr(birth_date_l, 1, 5), substr(birth_date_l, 9, 2), '-', substr(birth_date_l, 6, 2)) "
        "= birth_date_r"
    )
    digit = "levenshtein(birth_date_l, birth_date_r) = 1"
    return [
        _comparison(
            "name",
            _level("same", "name_l = name_r", 0.86, 0.0005),
            _level("one character", f"({differs}) = 1 AND length(name_l) > 1", 0.12, 0.02),
            _level("other", "ELSE", 0.02, 0.9795),
        ),
        _comparison(
            "birth_date",
            _level("same", "birth_date_l = birth_date_r", 0.90, 0.0003),
            _level("day and month swapped, or one digit", f"{swapped} OR {digit}", 0.09, 0.005),
            _level("other", "ELSE", 0.01, 0.9947),
        ),
        _comparison("sex", _level("same", "sex_l = sex_r", 0.99, 0.5), _level("other", "ELSE", 0.01, 0.5)),
        _comparison(
            "township",
            _level("same", "township_l = township_r", 0.90, 0.1),
            _level("other", "ELSE", 0.10, 0.9),
        ),
    ]
