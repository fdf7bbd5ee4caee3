"""The guides for class teachers and counsellors, from their pages to PDF."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from riskmodel.domain import Language
from riskmodel.errors import ConfigurationError, Where
from riskmodel.sheets.guides import guide_to_pdf
from riskmodel.wording import LANGUAGES


def write_guides(source: Path, folder: Path) -> tuple[Path, ...]:
    """Set every page `<name>.<language>.md` of a folder as a PDF of the same name.

    Raises
    ------
    ConfigurationError
        If the folder holds no such page.
    """
    pages = [page for page in sorted(source.glob("*.*.md")) if page.stem.rpartition(".")[2] in LANGUAGES]
    if not pages:
        raise ConfigurationError("configuration_missing", Where(file=str(source)))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in pages:
        language = cast(Language, page.stem.rpartition(".")[2])
        file = folder / f"{page.stem}.pdf"
        file.write_bytes(guide_to_pdf(page.read_text(encoding="utf-8"), language))
        written.append(file)
    return tuple(written)
