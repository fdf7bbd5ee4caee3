"""Lists for those who act: per school one workbook, and one PDF per programme and language.

The workbook has a sheet per programme (who is to get it, and who waits) and one with every student's answer
to every programme, so that "why not this child?" is answered from the list alone. Names are masked as
everywhere; no reason and no score stands on a list.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskmodel.domain import AidAnswer, Language, ScoredStudent, ScoredTerm
from riskmodel.sheets.typesetting import as_json, set_pdf
from riskmodel.sheets.workbooks import plain_workbook, tab_name, write_across
from riskmodel.wording import LANGUAGES, text
from riskmodel.wording.statements import format_date
from riskmodel.workspace import file_stem

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("to_give", "to_weigh", "to_wait")
"""Of a programme's list: what is to be given; places that hang on what is assumed of effects, for people to
weigh; who waits."""
COLUMNS = (
    "grade",
    "class_name",
    "name",
    "number_tail",
    "answer",
    "place",
    "waiting",
    "yuan",
    "hours",
    "stable",
)
_WIDTHS = {"answer": 48, "place": 17, "waiting": 26, "stable": 24, "remark": 26, "programme": 26}
FILLED_IN = ("given_on", "remark")
"""Columns for people to fill in; `riskmodel actions` reads what was given."""


@dataclass(frozen=True)
class SchoolList:
    """A school's lines: (student, item) in the order of grade, class and id."""

    school_id: str
    school_name: str
    lines: tuple[tuple[ScoredStudent, Any], ...]

    def of(self, programme: str, part: str) -> list[tuple[ScoredStudent, Any]]:
        """Return the lines of a part of a programme's list, by place; entitlements by class."""
        chosen = [line for line in self.lines if line[1].programme == programme and _part(line[1]) == part]
        return sorted(chosen, key=lambda line: line[1].order if line[1].order == line[1].order else 0.0)


def _part(item: Any) -> str | None:
    answer = AidAnswer(item.answer)
    if answer is AidAnswer.ENTITLED_NOT_RECEIVING:
        return "to_give"
    if answer is AidAnswer.TAKEN:
        return "to_give" if item.stable else "to_weigh"
    return "to_wait" if answer.waits else None


def write_lists(
    folder: Path,
    items: pd.DataFrame,
    served: ScoredTerm,
    *,
    programmes: Mapping[str, Mapping[Language, str]],
    run_id: str,
) -> list[Path]:
    """Write the lists of every school; the folder is replaced as a whole, and only when all are made.

    Parameters
    ----------
    items
        `Allocation.items`.
    programmes
        Ids, and their names in both languages, in the file's order.

    Returns
    -------
    list of Path
        `<school>/list.xlsx` and `<school>/<programme>.<language>.pdf` of each school that has a line to act
        on; the folder is named as `workspace.file_stem` names it.
    """
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for one in school_lists(items, served):
        place = unfinished / file_stem(one.school_id)
        place.mkdir()
        _write_workbook(place / "list.xlsx", one, programmes=programmes, served=served, run_id=run_id)
        for programme in programmes:
            if one.of(programme, "to_give") or one.of(programme, "to_weigh"):
                for language in LANGUAGES:
                    made = to_pdf(one, programme, programmes[programme][language], served, run_id, language)
                    (place / f"{programme}.{language}.pdf").write_bytes(made)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
    return sorted(folder.rglob("*.*"))


def school_lists(items: pd.DataFrame, served: ScoredTerm) -> list[SchoolList]:
    """Return the lines of each school in which somebody is to get something or waits, by school id."""
    students = {student.student_id: student for student in served.students}
    names = {school.school_id: school.name for school in served.schools}
    acts = {AidAnswer.ENTITLED_NOT_RECEIVING, AidAnswer.TAKEN, *(each for each in AidAnswer if each.waits)}
    acting = items.loc[items["answer"].isin(acts), "school_id"].unique()
    found = []
    for school_id, rows in items[items["school_id"].isin(acting)].groupby("school_id", sort=True):
        told: Iterable[Any] = rows.itertuples(index=False)
        lines = [(students[item.student_id], item) for item in told]
        lines.sort(key=lambda line: (line[0].grade, line[0].class_name, line[0].student_id))
        found.append(SchoolList(str(school_id), names.get(str(school_id), str(school_id)), tuple(lines)))
    return found


def _write_workbook(
    file: Path,
    school: SchoolList,
    *,
    programmes: Mapping[str, Mapping[Language, str]],
    served: ScoredTerm,
    run_id: str,
) -> None:
    with file.open("wb") as out, plain_workbook(out, made_at=served.facts.as_of_date) as book:
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        wrap = book.add_format({"text_wrap": True, "valign": "top"})
        for programme, name in programmes.items():
            sheet = book.add_worksheet(tab_name(name["zh"], book))
            lines = [line for part in PARTS for line in school.of(programme, part)]
            _write_sheet(sheet, lines, title=f"{name['zh']} / {name['en']}", school=school, served=served,
                         run_id=run_id, head=head, wrap=wrap, filled_in=True)  # fmt: skip
        sheet = book.add_worksheet(tab_name(text("targeting.every_answer", "zh"), book))
        title = " / ".join(text("targeting.every_answer", each) for each in LANGUAGES)
        _write_sheet(sheet, school.lines, title=title, school=school, served=served, run_id=run_id, head=head,
                     wrap=wrap, filled_in=False, names=programmes)  # fmt: skip


def _write_sheet(
    sheet: Any,
    lines: Sequence[tuple[ScoredStudent, Any]],
    *,
    title: str,
    school: SchoolList,
    served: ScoredTerm,
    run_id: str,
    head: Any,
    wrap: Any,
    filled_in: bool,
    names: Mapping[str, Mapping[Language, str]] | None = None,
) -> None:
    both = {each: _words(served, run_id, each) for each in LANGUAGES}
    columns = (*(["programme"] if names else []), *COLUMNS, *(FILLED_IN if filled_in else ()))
    widths = [_WIDTHS.get(name, 13) for name in columns]
    write_across(sheet, 0, f"{title} · {school.school_name}", head, widths=widths)
    for row, part in enumerate(("basis", "use"), start=1):
        said = " / ".join(both[each][part] for each in LANGUAGES)
        write_across(sheet, row, said, wrap, widths=widths)
    for column, name in enumerate(columns):
        label = " / ".join(text(f"targeting.columns.{name}", each) for each in LANGUAGES)
        sheet.write_string(4, column, label, head)
        sheet.set_column(column, column, widths[column])
    for row, (student, item) in enumerate(lines, start=5):
        cells = _cells(student, item)
        if names:
            cells = {"programme": " / ".join(names[item.programme][each] for each in LANGUAGES)} | cells
        for column, name in enumerate(columns):
            sheet.write_string(row, column, cells.get(name, ""), wrap)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_row(4, 32)  # headings in two languages take two lines
    sheet.repeat_rows(4)
    sheet.freeze_panes(5, 0)


def _cells(student: ScoredStudent, item: Any, language: Language | None = None) -> dict[str, str]:
    """Return what stands in a line; in both languages where none is named."""
    spoken = LANGUAGES if language is None else (language,)

    def say(code: str) -> str:
        return " / ".join(text(code, each) for each in spoken)

    def number(value: float) -> str:
        return "" if value != value or not value else f"{value:g}"

    return {
        "grade": str(student.grade),
        "class_name": student.class_name,
        "name": student.masked_name,
        "number_tail": student.number_tail,
        "answer": say(f"targeting.answers.{item.answer}"),
        "place": f"{number(item.order)} {say('targeting.by_lot')}"
        if item.lot_group == item.lot_group
        else number(item.order),
        "waiting": " / ".join(
            text(f"targeting.waiting.{item.waiting_at}", each, place=number(item.waiting)) for each in spoken
        )
        if item.waiting_at
        else "",
        "yuan": number(item.yuan),
        "hours": number(item.hours),
        "stable": say("targeting.stable") if item.stable else "",
    }


def _words(served: ScoredTerm, run_id: str, language: Language) -> dict[str, str]:
    facts = served.facts
    return {
        "basis": text("targeting.basis", language, day=format_date(facts.as_of_date, language),
                      until=format_date(facts.valid_until, language), run_id=run_id),
        "use": text("targeting.use", language),
    }  # fmt: skip


def to_pdf(
    school: SchoolList, programme: str, name: str, served: ScoredTerm, run_id: str, language: Language
) -> bytes:
    """Make a school's list of one programme as A4 pages, landscape; the same bytes from the same list.

    Raises
    ------
    RiskmodelError
        If no font with Chinese is there, or a character has no glyph.
    """

    def rows(part: str) -> list[list[str]]:
        cells = [_cells(*line, language=language) for line in school.of(programme, part)]
        return [[each[column] for column in COLUMNS] for each in cells]

    told = {
        "language": language,
        "title": name,
        "school": school.school_name,
        "columns": [text(f"targeting.columns.{column}", language) for column in (*COLUMNS, "given_on")],
        "parts": [{"heading": text(f"targeting.{part}", language), "rows": rows(part)} for part in PARTS],
        **_words(served, run_id, language),
    }
    template = resources.files("riskmodel.targeting").joinpath("list.typ").read_bytes()
    return set_pdf(template, {"list": as_json(told)})
