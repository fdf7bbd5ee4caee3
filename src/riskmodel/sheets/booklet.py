"""A class's sheets as one PDF to print on both sides: a cover, and each sheet with its back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riskmodel.domain import Language
from riskmodel.sheets.compose import Sheet
from riskmodel.sheets.page import class_title, page
from riskmodel.sheets.render import Printed
from riskmodel.wording import codes, text
from riskmodel.wording.statements import band_name, format_date, term_name

ON_A_COVER = 100
_BACK_PARTS = ("before", "reading", "talking", "never", "wrong")


def printed_booklet(sheets: Sequence[Sheet], language: Language) -> Printed:
    """Say what the booklet of one class for one audience holds; the sheets are all of that class."""
    return Printed(
        title=text("booklet.title", language),
        language=language,
        pages=[
            *(("cover", cover) for cover in cover_pages(sheets, language)),
            *(("sheet", page(sheet, language)) for sheet in sheets),
        ],
        back=back_page(language),
    )


def cover_pages(sheets: Sequence[Sheet], language: Language) -> list[dict[str, Any]]:
    """Say whose booklet it is, who is in it, what it is for and until when it may be kept.

    One page, or several where more children stand in it than one page can name (a grade without classes).
    """
    first = sheets[0]
    until = format_date(first.valid_until, language)
    rows = [
        [
            str(number),
            sheet.masked_name,
            sheet.number_tail,
            f"{text(f'bands.{sheet.band}.mark', language)} {band_name(sheet.band, language)}",
            sheet.sheet_code,
        ]
        for number, sheet in enumerate(sheets, start=1)
    ]
    cover = {
        **top(first, "booklet.title", language),
        "class": class_title(first, language),
        "school": first.school_name,
        "count": text("booklet.count", language, count=len(sheets)),
        "sentences": [
            text("sheet.not_the_ledger", language),
            text("booklet.destroy", language, date=until),
            text("booklet.both_sides", language),
        ],
        "heads": [
            text(f"booklet.heads.{head}", language) for head in ("number", "name", "tail", "advice", "code")
        ],
        "blanks": [text(f"booklet.blanks.{blank}", language) for blank in ("received", "date", "destroyed")],
        "footer": [text("sheet.limits", language), text("caveats.B5", language)],
        "run": text("booklet.run", language, set_id=first.set_id),
    }
    return [cover | {"rows": rows[start : start + ON_A_COVER]} for start in range(0, len(rows), ON_A_COVER)]


def back_page(language: Language) -> dict[str, Any]:
    """Say how to read a sheet, on its back."""
    return {
        "title": text("sheet_back.title", language),
        "parts": [
            {
                "head": text(f"sheet_back.{part}.head", language),
                "sentences": [text(code, language) for code in codes(f"sheet_back.{part}.lines.", language)],
            }
            for part in _BACK_PARTS
        ],
    }


def top(sheet: Sheet, title: str, language: Language) -> dict[str, str]:
    """Say what stands at the top of every page that is no sheet."""
    return {
        "title": text(title, language),
        "internal": text("sheet.internal", language),
        "audience": text(f"sheet.audience.{sheet.audience}", language),
        "term": term_name(sheet.term, language),
        "data_to": text("sheet.data_to", language, date=format_date(sheet.as_of_date, language)),
        "valid_until": text("sheet.valid_until", language, date=format_date(sheet.valid_until, language)),
    }
