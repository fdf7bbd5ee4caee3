"""Fonts that hold Chinese: found, or a loud error; and which characters a font can print."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from riskmodel.errors import RiskmodelError

FAMILIES = ("Noto Sans SC", "Noto Sans CJK SC", "Source Han Sans SC")
"""In the order of search: the font package, then what the system has."""
_FONT_PACKAGE = "pylopdf_fonts_zh_cn"


@dataclass(frozen=True)
class Fonts:
    """The families that were found, the handle that typst takes, and the characters they hold together."""

    families: tuple[str, ...]
    handle: Any
    characters: frozenset[int]

    def require(self, words: str) -> None:
        """Raise unless every character of the words can be printed: a box would hide a name."""
        missing = {character for character in words if not character.isspace()} - {
            chr(code) for code in self.characters.intersection(map(ord, words))
        }
        if missing:
            raise RiskmodelError("sheet_glyph_missing", count=len(missing), families=", ".join(self.families))


@lru_cache(maxsize=1)
def find_fonts() -> Fonts:
    """Find the families among the font package and the system's fonts.

    Raises
    ------
    RiskmodelError
        If none is there.
    """
    import typst

    package = find_spec(_FONT_PACKAGE)
    folders = [str(Path(package.origin).parent)] if package is not None and package.origin else []
    handle = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False, font_paths=folders)
    faces: dict[str, Any] = {}
    for face in handle.fonts():
        if face.family in FAMILIES and face.style.lower() == "normal" and face.weight == 400 and face.path:
            faces.setdefault(face.family, face)
    families = tuple(family for family in FAMILIES if family in faces)
    if not families:
        raise RiskmodelError("sheet_font_missing", families=", ".join(FAMILIES))
    held = [_characters(Path(faces[family].path), faces[family].index) for family in families]
    return Fonts(families, handle, frozenset().union(*held))


def _characters(path: Path, index: int) -> frozenset[int]:
    """Read the characters that a font file maps to a glyph (OpenType `cmap`, format 12; none without it)."""
    data = path.read_bytes()
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if data[:4] == b"ttcf" else 0
    tables = struct.unpack_from(">H", data, start + 4)[0]
    records = (struct.unpack_from(">4sIII", data, start + 12 + 16 * n) for n in range(tables))
    cmap = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    subtables = [
        cmap + struct.unpack_from(">HHI", data, cmap + 4 + 8 * n)[2]
        for n in range(struct.unpack_from(">H", data, cmap + 2)[0])
    ]
    formats = {struct.unpack_from(">H", data, offset)[0]: offset for offset in subtables}
    if 12 not in formats:
        return frozenset()
    count = struct.unpack_from(">I", data, formats[12] + 12)[0]
    groups = (struct.unpack_from(">III", data, formats[12] + 16 + 12 * n) for n in range(count))
    return frozenset(code for first, last, glyph in groups if glyph for code in range(first, last + 1))
