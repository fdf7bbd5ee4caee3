"""Every sentence that a person reads, by code, one file per language.

A code is a dotted path into the file (`reasons.absence_rise`). A sentence may hold slots in braces; a slot
is filled with a value given by name. Nothing else is evaluated. The languages are the files in this
folder: a third language is one more file with the same codes (a test compares them).
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib import resources
from string import Formatter
from typing import Any, cast

from riskmodel.domain import Language
from riskmodel.yaml_text import parse_yaml

_FIRST = ("zh", "en")


def _languages() -> tuple[Language, ...]:
    """Return the languages whose files are here, Chinese and English first."""
    found = {
        name.removesuffix(".yaml")
        for name in (file.name for file in resources.files(__package__).iterdir())
        if name.endswith(".yaml")
    }
    return cast(tuple[Language, ...], (*_FIRST, *sorted(found - set(_FIRST))))


LANGUAGES: tuple[Language, ...] = _languages()


def text(code: str, language: Language, **slots: object) -> str:
    """Return the sentence for a code, its slots filled.

    Raises
    ------
    KeyError
        If the language has no such code, or the sentence has a slot that was not given.
    """
    try:
        template = _sentences(language)[code]
    except KeyError:
        raise KeyError(f"{language}.yaml has no sentence {code!r}") from None
    return template.format_map(slots)


def has(code: str, language: Language = "zh") -> bool:
    """Tell whether there is a sentence for the code."""
    return code in _sentences(language)


def codes(prefix: str, language: Language = "zh") -> tuple[str, ...]:
    """Return the codes that begin with a prefix, in the order of the file."""
    return tuple(code for code in _sentences(language) if code.startswith(prefix))


@lru_cache(maxsize=4_096)
def slots(code: str, language: Language = "zh") -> frozenset[str]:
    """Return the names of the slots of a sentence."""
    parsed = Formatter().parse(_sentences(language)[code])
    return frozenset(name for _, name, _, _ in parsed if name)


def forbidden_in(sentence: str, language: Language) -> tuple[str, ...]:
    """Return what may stand on no sheet of a sentence's words: whole ones in English, any part in Chinese."""
    return tuple(
        word for word, pattern in _forbidden(language) if re.search(pattern, sentence, re.IGNORECASE)
    )


@lru_cache
def _forbidden(language: Language) -> tuple[tuple[str, str], ...]:
    words = (text(code, language) for code in codes("forbidden.", language))
    return tuple((word, rf"\b{re.escape(word)}\b" if word.isascii() else re.escape(word)) for word in words)


@lru_cache(maxsize=1)
def version() -> str:
    """Return the first eight characters of the hash over all wording files: it changes with any word."""
    digest = hashlib.sha256()
    for language in LANGUAGES:
        digest.update(_file(language).encode())
    return digest.hexdigest()[:8]


def _file(language: Language) -> str:
    return resources.files(__package__).joinpath(f"{language}.yaml").read_text(encoding="utf-8")


@lru_cache(maxsize=len(LANGUAGES))
def _sentences(language: Language) -> dict[str, str]:
    flat: dict[str, str] = {}
    _flatten(parse_yaml(_file(language)), "", flat)
    return flat


def _flatten(node: Any, path: str, into: dict[str, str]) -> None:
    if isinstance(node, dict):
        for name, child in node.items():
            _flatten(child, f"{path}.{name}" if path else str(name), into)
    elif isinstance(node, list):
        for number, child in enumerate(node, start=1):
            _flatten(child, f"{path}.{number}", into)
    else:
        into[path] = str(node)
