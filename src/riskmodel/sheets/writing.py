"""The sheets of a school as files in a folder, with a page that lists them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from riskmodel.domain import Audience, Band, Language, PublishedSet, School, ScoredStudent
from riskmodel.html_templates import templates
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.page import class_title
from riskmodel.sheets.render import to_html, to_pdf
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
    audience: Audience,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write one HTML and one PDF per listed student and language, and `index.html` that lists them.

    A file name holds grade, class and a running number (`g8-c03-001.zh.pdf`), nothing of a person. The folder
    is replaced as a whole, and only when all files are made: an error leaves what was there before.

    Parameters
    ----------
    students
        The school's students, listed or not; only the listed get a sheet.
    languages
        The index is written in the first of them.
    progress
        Called with the sheets done and the sheets in all.

    Returns
    -------
    list of Path
        The index first, then the sheets in the order of the index.
    """
    entries = _entries(students, published, school, audience)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        (unfinished / INDEX).write_text(
            _index(entries, students, published, school, languages), encoding="utf-8"
        )
        names = [INDEX]
        for done, entry in enumerate(entries, start=1):
            names += _write(unfinished, entry, languages)
            if progress is not None:
                progress(done, len(entries))
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [folder / name for name in names]


def _write(folder: Path, entry: _Entry, languages: Sequence[Language]) -> list[str]:
    names = []
    for language in languages:
        html, pdf = f"{entry.stem}.{language}.html", f"{entry.stem}.{language}.pdf"
        (folder / html).write_text(to_html(entry.sheet, language), encoding="utf-8")
        (folder / pdf).write_bytes(to_pdf(entry.sheet, language))
        names += [html, pdf]
    return names


def _entries(
    students: Sequence[ScoredStudent], published: PublishedSet, school: School, audience: Audience
) -> list[_Entry]:
    """Compose the listed, numbered within their class by student id: a number tells no order of risk."""
    listed = sorted(
        (student for student in students if student.listed),
        key=lambda student: (student.grade, student.class_name, student.student_id),
    )
    classes: dict[int, list[str]] = {}
    numbers: dict[tuple[int, str], int] = {}
    entries = []
    for student in listed:
        of_grade = classes.setdefault(student.grade, [])
        if student.class_name not in of_grade:
            of_grade.append(student.class_name)
        place = (student.grade, student.class_name)
        numbers[place] = numbers.get(place, 0) + 1
        sheet = compose(student, published, school, audience=audience)
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
    labels = {label: text(f"sheet_index.{label}", language)
              for label in ("title", "none", "class_name", "student", "advice", "open")}  # fmt: skip
    rows = [
        {
            "class": class_title(entry.sheet, language),
            "name": entry.sheet.masked_name,
            "tail": entry.sheet.number_tail,
            "mark": text(f"bands.{entry.sheet.band}.mark", language),
            "advice": band_name(entry.sheet.band, language),
            "files": [f"{entry.stem}.{each}.{form}" for each in languages for form in ("html", "pdf")],
        }
        for entry in entries
    ]
    return (
        templates("riskmodel.sheets")
        .get_template("index.html.j2")
        .render(
            language=language,
            labels=labels,
            school=school.name,
            rows=rows,
            count=text("sheet_index.count", language, count=len(rows), date=valid_until),
            not_enough=text("sheet_index.not_enough", language, count=without) if without else "",
            limits=text("sheet.limits", language),
            not_the_ledger=text("sheet.not_the_ledger", language),
            run=text("sheet.run", language, set_id=published.set_id),
        )
    )
