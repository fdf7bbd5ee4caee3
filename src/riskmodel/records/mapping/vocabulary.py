"""What bureaus call the contract's columns and codes: recognised where no mapping file says otherwise.

The words stand in `vocabulary.yaml` beside this file.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from riskmodel.records.contract import Column
from riskmodel.yaml_text import parse_yaml

BLANKS = " \t\r\n\u3000\u00a0\u200b\u200c\u200d\u2060\ufeff\u2028\u2029"
"""Blanks and characters that nobody sees."""
TOTAL_WORDS = (
    "合计", "总计", "小计", "共计", "累计", "平均", "平均分", "均分", "最高分", "最低分", "及格率", "优秀率",
    "总人数",
)  # fmt: skip

_NOT_PART_OF_A_NAME = ("*", "(必填)", "(选填)", ":")


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """Return a column's name as it is compared: one width, no blanks or line breaks, small letters."""
    told = unicodedata.normalize("NFKC", name)
    told = "".join(c for c in told if not c.isspace() and unicodedata.category(c) != "Cf").lower()
    for part in _NOT_PART_OF_A_NAME:
        told = told.removeprefix(part).removesuffix(part)
    return told


def synonyms(table: str, column: str) -> tuple[str, ...]:
    """Return the names that bureaus give a column of a table, the usual one first."""
    return tuple(_words()["columns"].get(table, {}).get(column, ()))


def usual_codes(column: Column) -> Mapping[str, str]:
    """Return the canonical code by the word that stands for it in bureaus' files, in small letters."""
    told = _words()["booleans"] if column.kind == "boolean" else _words()["codes"].get(column.name, {})
    if column.kind == "code":
        told = {code: words for code, words in told.items() if code in column.codes}
    return {str(word).lower(): str(code) for code, words in told.items() for word in words}


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    file = resources.files(__package__).joinpath("vocabulary.yaml")
    told: dict[str, Any] = parse_yaml(file.read_text(encoding="utf-8"))
    return told
