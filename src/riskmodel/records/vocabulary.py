"""What columns are called: the names under which data teams write the contract's columns."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_NOT_PART_OF_A_NAME = ("*", "＊", "(必填)", "(选填)", ":")


@lru_cache(maxsize=10_000)
def plain(name: str) -> str:
    """Return a column's name as it is compared: one width, no blanks or line breaks, small letters."""
    told = unicodedata.normalize("NFKC", name)
    told = "".join(c for c in told if not c.isspace() and unicodedata.category(c) != "Cf").lower()
    for part in _NOT_PART_OF_A_NAME:
        told = told.removeprefix(part).removesuffix(part)
    return told
