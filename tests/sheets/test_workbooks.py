import io
from datetime import UTC, date, datetime
from zipfile import ZipFile

import pytest

from riskmodel.sheets.workbooks import plain_workbook, tab_name


def made(texts: list[str], made_at: date) -> bytes:
    out = io.BytesIO()
    with plain_workbook(out, made_at=made_at) as book:
        sheet = book.add_worksheet("a")
        for row, each in enumerate(texts):
            sheet.write(row, 0, each)
    return out.getvalue()


def test_what_begins_like_a_formula_an_address_or_a_number_stays_a_text() -> None:
    packed = ZipFile(io.BytesIO(made(["=1+1", "https://example.org", "007"], date(2026, 6, 22))))
    sheet = packed.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count('t="s"') == 3
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet


@pytest.mark.parametrize("made_at", [date(2026, 6, 22), datetime(2026, 6, 22, 5, tzinfo=UTC)])
def test_the_same_content_is_the_same_bytes_whenever_it_is_made(made_at: date) -> None:
    assert made(["王"], made_at) == made(["王"], made_at)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("辅导", "辅导"), ("餐/宿 [补]: 2?*", "餐 宿  补   2"), ("名" * 40, "名" * 31), ("'", "-"), ("", "-"),
    ],
)  # fmt: skip
def test_a_tab_is_named_as_excel_takes_it_whatever_a_bureau_calls_a_programme(name: str, told: str) -> None:
    with plain_workbook(io.BytesIO(), made_at=date(2026, 6, 22)) as book:
        assert tab_name(name, book) == told
        book.add_worksheet(told)


def test_two_tabs_of_one_name_are_numbered() -> None:
    with plain_workbook(io.BytesIO(), made_at=date(2026, 6, 22)) as book:
        names = []
        for _ in range(3):
            names.append(tab_name("A" * 40, book))
            book.add_worksheet(names[-1])
    assert len({each.casefold() for each in names}) == 3
    assert names[1] == f"{'A' * 27} (2)"
