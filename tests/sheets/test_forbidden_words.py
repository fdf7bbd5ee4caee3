"""No word that labels a child or claims a cause stands on anything that is handed to a school."""

from __future__ import annotations

import html as html_module
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import serve
from riskmodel import sheets
from riskmodel.domain import Audience, Language, PublishedSet, School
from riskmodel.features import ALL_FEATURES
from riskmodel.sheets.booklet import printed_booklet
from riskmodel.sheets.compose import compose_each
from riskmodel.sheets.school_list import Hours, list_page, school_list
from riskmodel.sheets.steps import Steps
from riskmodel.sheets.writing import write_school
from riskmodel.wording import LANGUAGES, forbidden_in

from .test_golden import STUDENTS

TEMPLATES = [
    file
    for room in (sheets, serve)
    for ending in ("*.j2", "*.typ")
    for file in Path(str(room.__file__)).parent.rglob(ending)
]


@pytest.fixture
def published_here(published: PublishedSet) -> PublishedSet:
    return replace(published, facts=replace(published.facts, features=ALL_FEATURES))


@pytest.fixture
def class_of_twelve():
    named = enumerate(STUDENTS.values())
    return [replace(student, student_id=f"st-{number:04}") for number, student in named]


def words_of(file: Path) -> str:
    """Return all that a person could read in a file."""
    if file.suffix == ".xlsx":
        with zipfile.ZipFile(file) as packed:
            return html_module.unescape(packed.read("xl/sharedStrings.xml").decode())
    said = file.read_text(encoding="utf-8")
    return html_module.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", said, flags=re.DOTALL))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda file: file.name)
def test_no_template_holds_one(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert [forbidden_in(source, language) for language in LANGUAGES] == [()] * len(LANGUAGES)


def test_the_templates_are_all_there() -> None:
    names = {template.name for template in TEMPLATES}
    assert names >= {"sheet.html.j2", "index.html.j2", "list.html.j2", "sheet.typ", "pages.typ", "paper.typ"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_file_of_a_school_holds_one(
    tmp_path: Path, class_of_twelve, published_here, school: School, steps: Steps, hours: Hours,
    language: Language,
) -> None:  # fmt: skip
    written = write_school(
        tmp_path / "out", class_of_twelve, published_here, school, languages=(language,), steps=steps,
        hours=hours,
    )  # fmt: skip
    read = [file for file in written if file.suffix != ".pdf"]
    assert len(read) == 2 * (1 + 12) + 3, "two folders with an index and twelve sheets; html, xlsx and csv"
    assert {file.name: forbidden_in(words_of(file), language) for file in read if forbidden_in(
        words_of(file), language)} == {}  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_words_that_are_set_as_pdf_hold_one(
    class_of_twelve, published_here, school: School, steps: Steps, hours: Hours, language: Language
) -> None:
    given = school_list(class_of_twelve, published_here, school, hours=hours)
    assert forbidden_in(str(list_page(given, language)), language) == ()
    for audience in get_args(Audience):
        composed = compose_each(
            class_of_twelve, published_here, school, audience=audience, steps=steps, tickets=()
        )
        printed = str(printed_booklet([one for one in composed if one is not None], language))
        assert printed.count("('sheet', ") == 12
        assert forbidden_in(printed, language) == ()


def test_a_word_that_slipped_into_a_template_a_page_or_a_workbook_would_be_found(
    tmp_path: Path, class_of_twelve, published_here, school: School, steps: Steps, hours: Hours
) -> None:
    planted = [replace(one, class_name="后进生班") for one in class_of_twelve[:1]]
    written = write_school(
        tmp_path / "out", planted, published_here, school, languages=("zh",), steps=steps, hours=hours
    )
    found = {file.suffix for file in written if file.suffix != ".pdf" and forbidden_in(words_of(file), "zh")}
    assert found == {".html", ".xlsx", ".csv"}
