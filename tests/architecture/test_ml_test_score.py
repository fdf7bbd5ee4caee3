"""The page of the ML Test Score names tests that exist, and adds up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ml-test-score.md"
SECTIONS = {"Data": "D", "Model": "M", "Infrastructure": "I", "Monitoring": "N"}
LINK = re.compile(r"\[([^\]]+)\]\(([^)]+)\)")


@dataclass(frozen=True)
class Line:
    """A line of a section's table."""

    number: str
    score: float
    shown: str
    missing: str

    @property
    def tests(self) -> list[tuple[str, Path]]:
        return [
            (name, PAGE.parent / place)
            for name, place in LINK.findall(self.shown)
            if name.startswith("test_")
        ]


def lines_of(page: str) -> list[Line]:
    found = []
    for row in page.splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        if re.fullmatch(r"[DMIN]\d", cells[0]):
            number, _, score, shown, missing = cells
            found.append(Line(number, float(score), shown, missing))
    return found


def wrong_in(page: str) -> list[str]:
    """Name what the page says and cannot hold: links, tests, scores without a ground, sums."""
    lines, wrong = lines_of(page), []
    sums = {
        name: sum(line.score for line in lines if line.number[0] == letter)
        for name, letter in SECTIONS.items()
    }
    wrong += [place for _, place in LINK.findall(page) if not (PAGE.parent / place).exists()]
    for line in lines:
        wrong += [
            name
            for name, file in line.tests
            if not file.is_file() or f"\ndef {name}(" not in file.read_text(encoding="utf-8")
        ]
        if line.score not in (0, 0.5, 1):
            wrong.append(f"{line.number} has no such score")
        if line.score == 1 and not line.tests:
            wrong.append(f"{line.number} is whole without a test")
        if line.score == 0.5 and not LINK.search(line.shown):
            wrong.append(f"{line.number} is half without a page or a test")
        if line.score < 1 and not line.missing:
            wrong.append(f"{line.number} does not say what is missing")
    for name, total in sums.items():
        told = {f"**{name}: {total:.1f}**", f"| {name.lower()} | {total:.1f} |"}
        wrong += [each for each in told if each not in page]
    final = f"| **final: the lowest** | **{min(sums.values()):.1f}** |"
    return wrong if final in page else [*wrong, final]


def test_all_28_lines_stand_once_in_their_order() -> None:
    numbers = [line.number for line in lines_of(PAGE.read_text(encoding="utf-8"))]
    assert numbers == [f"{letter}{number}" for letter in SECTIONS.values() for number in range(1, 8)]


def test_every_named_test_exists_and_every_sum_is_right() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert sum(len(line.tests) for line in lines_of(page)) > 50
    assert wrong_in(page) == []


@pytest.mark.parametrize(
    ("held", "planted", "noticed"),
    [
        (r"\[test_\w+\]", "[test_that_is_not_there]", "test_that_is_not_there"),
        (r"\(\.\./tests/[^)]+\)", "(../tests/gone.py)", "../tests/gone.py"),
        (r"\| N5 \|.*", "| N5 | asks | 1 | everybody knows | |", "N5 is whole without a test"),
        (r"\| N5 \|.*", "| N5 | asks | 0 | | |", "N5 does not say what is missing"),
        (r"\*\*Model: [\d.]+\*\*", "**Model: 9.0**", "**Model: "),
        (r"\| model \| [\d.]+ \|", "| model | 9.0 |", "| model | "),
        (r"\| \*\*[\d.]+\*\* \|", "| **9.0** |", "| **final"),
    ],
)
def test_what_the_page_cannot_hold_is_noticed(held: str, planted: str, noticed: str) -> None:
    page, found = re.subn(held, planted, PAGE.read_text(encoding="utf-8"), count=1)
    assert found
    assert any(wrong.startswith(noticed) for wrong in wrong_in(page))
