"""A third language is one file: put beside the two, every sheet can be read in it."""

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import riskmodel
from riskmodel.sheets.compose import Sheet, compose

PACKAGE = Path(riskmodel.__file__).parent
RENDER = """
import pickle, sys
from pathlib import Path
from riskmodel import wording
from riskmodel.sheets.booklet import printed_booklet
from riskmodel.sheets.render import printed_sheet, to_html, to_pdf
sheet = pickle.loads(sys.stdin.buffer.read())
assert wording.LANGUAGES == ("zh", "en", "xx"), wording.LANGUAGES
assert Path(wording.__file__).is_relative_to(sys.argv[1]), wording.__file__
assert to_pdf(printed_sheet(sheet, "xx")).startswith(b"%PDF")
assert to_pdf(printed_booklet([sheet], "xx")).startswith(b"%PDF")
sys.stdout.buffer.write(to_html(sheet, "xx").encode())
"""


@pytest.fixture
def sheet(student, published, school, steps) -> Sheet:
    aid = replace(student.reasons[2], code="reasons.aid_lapsed")
    made = compose(
        replace(student, reasons=(aid,), strengths=()), published, school, audience="counsellor", steps=steps
    )
    assert made is not None
    return made


def test_one_more_wording_file_is_a_language_that_sheets_are_printed_in(tmp_path: Path, sheet: Sheet) -> None:
    shutil.copytree(PACKAGE, tmp_path / "riskmodel", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "riskmodel" / "wording"
    english = (folder / "en.yaml").read_text(encoding="utf-8")
    theirs = english.replace("Student care note", "Ucenik: list za brigu").replace(
        "Received the living subsidy last term", "Primao potporu"
    )
    assert theirs != english
    (folder / "xx.yaml").write_text(theirs, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(tmp_path)], input=pickle.dumps(sheet), capture_output=True,
        env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    html = done.stdout.decode()
    assert '<html lang="xx">' in html
    assert "Ucenik: list za brigu" in html
    assert "Primao potporu" in html
