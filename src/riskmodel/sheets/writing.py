"""The sheets of a school as files in a folder, with a page that lists them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from riskmodel.domain import Audience, Band, Language, PublishedSet, School, ScoredStudent
from riskmodel.html_templates import templates
from riskmodel.sheets.booklet import printed_booklet
from riskmodel.sheets.compose import Sheet, compose_each
from riskmodel.sheets.page import class_title
from riskmodel.sheets.render import to_html, to_pdf
from riskmodel.sheets.school_list import (
    Hours,
    SchoolList,
    list_to_csv,
    list_to_html,
    list_to_pdf,
    list_to_workbook,
    school_list,
)
from riskmodel.sheets.steps import Steps
from riskmodel.store.tickets import Ticket
from riskmodel.wording import text
from riskmodel.wording.statements import band_name, format_date

INDEX = "index.html"


@dataclass(frozen=True)
class _Entry:
    stem: str
    sheet: Sheet


def write_school(
    folder: Path,
    students: Sequence[ScoredStudent],
    published: PublishedSet,
    school: School,
    *,
    languages: Sequence[Language],
    steps: Steps,
    hours: Hours,
    tickets: Sequence[Ticket] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write a school's list, and for class teachers and for counsellors a folder of sheets each.

    In each of the two: a booklet per class to print (`g8-c03.zh.pdf`), the same sheets as HTML, one a file
    (`g8-c03-001.zh.html`), and `index.html`. A name holds grade, class and a running number, nothing of a
    person. The folder is replaced as a whole, and only when all files are made: an error leaves what was
    there before.

    Parameters
    ----------
    students
        The school's students, listed or not; only the listed get a sheet.
    languages
        The index is written in the first of them.
    steps, hours
        The library of first steps; the hours that the school has.
    tickets
        What the school called wrong, of any student.
    progress
        Called with the sheets done and the sheets in all.

    Returns
    -------
    list of Path
        The list's files first, then for each audience the index, the booklets and the sheets.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        names = _write_list(unfinished, school_list(students, published, school, hours=hours), languages)
        by_audience = {
            audience: _entries(students, published, school, audience, steps, tickets)
            for audience in get_args(Audience)
        }
        of, done = sum(map(len, by_audience.values())), 0
        for audience, entries in by_audience.items():
            place = unfinished / audience
            place.mkdir()
            index = _index(entries, students, published, school, languages)
            (place / INDEX).write_text(index, encoding="utf-8")
            names += [f"{audience}/{INDEX}"]
            for stem, of_class in _classes(entries).items():
                names += [f"{audience}/{name}" for name in _write_class(place, stem, of_class, languages)]
                done += len(of_class)
                if progress is not None:
                    progress(done, of)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [folder / name for name in names]


def _write_list(folder: Path, given: SchoolList, languages: Sequence[Language]) -> list[str]:
    names = []
    for language in languages:
        forms = {
            "html": list_to_html(given, language).encode(),
            "pdf": list_to_pdf(given, language),
            "xlsx": list_to_workbook(given, language),
            "csv": list_to_csv(given, language),
        }
        for form, content in forms.items():
            (folder / f"list.{language}.{form}").write_bytes(content)
            names.append(f"list.{language}.{form}")
    return names


def _classes(entries: Sequence[_Entry]) -> dict[str, list[_Entry]]:
    classes: dict[str, list[_Entry]] = {}
    for entry in entries:
        classes.setdefault(entry.stem.rpartition("-")[0], []).append(entry)
    return classes


def _write_class(
    folder: Path, stem: str, entries: Sequence[_Entry], languages: Sequence[Language]
) -> list[str]:
    names = []
    for language in languages:
        booklet = f"{stem}.{language}.pdf"
        printed = printed_booklet([entry.sheet for entry in entries], language)
        (folder / booklet).write_bytes(to_pdf(printed))
        names.append(booklet)
        for entry in entries:
            html = f"{entry.stem}.{language}.html"
            (folder / html).write_text(to_html(entry.sheet, language), encoding="utf-8")
            names.append(html)
    return names


def _entries(
    students: Sequence[ScoredStudent],
    published: PublishedSet,
    school: School,
    audience: Audience,
    steps: Steps,
    tickets: Sequence[Ticket],
) -> list[_Entry]:
    """Compose the listed, numbered within their class by student id: a number tells no order of risk."""
    listed = sorted(
        (student for student in students if student.listed and student.band is not Band.USUAL_CARE),
        key=lambda student: (student.grade, student.class_name, student.student_id),
    )
    classes: dict[int, list[str]] = {}
    numbers: dict[tuple[int, str], int] = {}
    sheets = compose_each(listed, published, school, audience=audience, steps=steps, tickets=tickets)
    entries = []
    for student, sheet in zip(listed, sheets, strict=True):
        of_grade = classes.setdefault(student.grade, [])
        if student.class_name not in of_grade:
            of_grade.append(student.class_name)
        place = (student.grade, student.class_name)
        numbers[place] = numbers.get(place, 0) + 1
        if sheet is not None:
            stem = f"g{student.grade}-c{len(of_grade):02d}-{numbers[place]:03d}"
            entries.append(_Entry(stem, sheet))
    return entries


def _index(
    entries: Sequence[_Entry],
    students: Sequence[ScoredStudent],
    published: PublishedSet,
    school: School,
    languages: Sequence[Language],
) -> str:
    language = languages[0]
    without = sum(s.band is Band.NOT_ENOUGH_INFORMATION and not s.listed for s in students)
    valid_until = format_date(published.facts.valid_until, language)
    parts = ("title", "none", "class_name", "student", "advice", "booklets", "pages")
    labels = {part: text(f"sheet_index.{part}", language) for part in parts}
    named = {each: text("sheet_index.this_language", each) for each in languages}
    rows = [
        {
            "class": class_title(entry.sheet, language),
            "name": entry.sheet.masked_name,
            "tail": entry.sheet.number_tail,
            "mark": text(f"bands.{entry.sheet.band}.mark", language),
            "advice": band_name(entry.sheet.band, language),
            "files": [(f"{entry.stem}.{each}.html", label) for each, label in named.items()],
        }
        for entry in entries
    ]
    classes = [
        {
            "name": class_title(of_class[0].sheet, language),
            "count": text("booklet.count", language, count=len(of_class)),
            "files": [(f"{stem}.{each}.pdf", label) for each, label in named.items()],
        }
        for stem, of_class in _classes(entries).items()
    ]
    return (
        templates("riskmodel.sheets")
        .get_template("index.html.j2")
        .render(
            language=language,
            labels=labels,
            school=school.name,
            rows=rows,
            classes=classes,
            count=text("sheet_index.count", language, count=len(rows), date=valid_until),
            not_enough=text("sheet_index.not_enough", language, count=without) if without else "",
            limits=text("sheet.limits", language),
            not_the_ledger=text("sheet.not_the_ledger", language),
            run=text("booklet.run", language, set_id=published.set_id),
        )
    )
