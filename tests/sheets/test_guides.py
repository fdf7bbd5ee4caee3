import io
import re
from pathlib import Path

import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.sheets.guides import guide_to_pdf
from riskmodel.wording import forbidden_in

SOURCE = Path(__file__).parents[2] / "docs" / "for-counsellors"


def read(pdf: bytes) -> list[str]:
    return ["".join(leaf.extract_text().split()) for leaf in PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.parametrize("page", sorted(SOURCE.glob("*.md")), ids=lambda page: page.name)
def test_a_guide_is_two_pages_says_all_that_its_source_says_and_no_forbidden_word(page: Path) -> None:
    language = page.stem.rpartition(".")[2]
    markdown = page.read_text(encoding="utf-8")
    leaves = read(guide_to_pdf(markdown, language))
    assert 1 <= len(leaves) <= 2
    said = "".join(leaves)
    lines = [
        re.sub(r"\*\*(.+?)\*\*", r"\1", line.lstrip("#- ")) for line in markdown.splitlines() if line.strip()
    ]
    assert [line for line in lines if "".join(line.split()) not in said] == []
    assert forbidden_in(markdown, language) == ()


def test_there_is_a_guide_and_five_cases_in_both_languages() -> None:
    assert {page.name for page in SOURCE.glob("*.md")} == {
        f"{name}.{language}.md" for name in ("guide", "cases") for language in ("zh", "en")
    }
    for language in ("zh", "en"):
        assert (SOURCE / f"cases.{language}.md").read_text(encoding="utf-8").count("\n## ") == 5


def test_the_command_writes_a_pdf_for_each_page(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["guides", "--from", str(SOURCE), "--to", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert len(list(tmp_path.glob("*.pdf"))) == 4
    empty = CliRunner().invoke(app, ["guides", "--from", str(tmp_path), "--to", str(tmp_path)])
    assert empty.exit_code == 1


def test_nothing_in_a_guide_is_read_as_markup() -> None:
    said = read(guide_to_pdf('# a\n- #panic("x") $x$ @ref *b*\n', "en"))[0]
    assert '#panic("x")$x$@ref*b*' in said
