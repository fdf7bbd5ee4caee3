"""The lists that people act by: read back from the files, in both languages."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader
from python_calamine import CalamineWorkbook

from riskmodel.domain import Band, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.targeting.allocation import allocate
from riskmodel.targeting.lists import write_lists

from .conftest import facts_of

FACTS = TermFacts(
    region="demo", term="2025-2026-2", as_of_date=date(2026, 6, 22), horizon_end=date(2026, 12, 19),
    valid_until=date(2026, 9, 22), model_version="m", rule_version="r", wording_version="w",
    records_hash="00", data_complete_to=date(2026, 6, 22), probabilities=True, features=(),
)  # fmt: skip
NAMES = {
    "aid": {"zh": "生活补助", "en": "Living-cost aid"},
    "talks": {"zh": "心理辅导", "en": "Counselling"},
}


def served(facts: pd.DataFrame) -> ScoredTerm:
    students = tuple(
        ScoredStudent(
            student_id=row.student_id, school_id=row.school_id, stage=Stage.JUNIOR, grade=8,
            class_name=str(1 + number % 2), masked_name=f"{'王李张刘陈'[number % 5]}**",
            number_tail=f"{1000 + number}", risk=row.risk, band=Band(row.band), listed=row.listed,
        )
        for number, row in enumerate(facts.itertuples())
    )  # fmt: skip
    schools = tuple(School(one, f"第{one}中学", "镇") for one in sorted(set(facts["school_id"])))
    return ScoredTerm(FACTS, schools, students)


@pytest.fixture
def written(tmp_path: Path, programmes):
    """Write the lists of two schools: two entitled, counselling for one child of each school."""

    def write(folder: str = "run", **told: object) -> dict[str, Path]:
        file = programmes(
            {"id": "aid", "kind": "entitlement", "eligible": 'hardship != "none"', "cost_yuan": 375},
            {"id": "talks", "cost_hours": 6, "served": '"talks" in given'},
            budget={"yuan": 0, "hours_per_school": 6}, **told,
        )  # fmt: skip
        facts = facts_of(
            {"risk": 0.2, "hardship": "orphan"}, {"risk": 0.3}, {"risk": 0.1}, {"given": ["talks"]},
            {"school_id": "B", "risk": 0.05, "hardship": "orphan"}, {"school_id": "C", "given": ["talks"]},
        )  # fmt: skip
        files = write_lists(
            tmp_path / folder, allocate(facts, file).items, served(facts), programmes=NAMES, run_id="alloc-1"
        )
        return {str(one.relative_to(tmp_path / folder)): one for one in files}

    return write


def rows(file: Path, sheet: str) -> list[list[str]]:
    return [
        [str(cell) for cell in row]
        for row in CalamineWorkbook.from_path(file).get_sheet_by_name(sheet).to_python()
    ]


def pdf_text(file: Path) -> str:
    pages = PdfReader(BytesIO(file.read_bytes())).pages
    return "\n".join(page.extract_text() for page in pages)


def test_each_school_with_something_to_do_has_a_workbook_and_a_pdf_a_programme_and_language(written) -> None:
    assert set(written()) == {
        "A/list.xlsx", "A/aid.zh.pdf", "A/aid.en.pdf", "A/talks.zh.pdf", "A/talks.en.pdf",
        "B/list.xlsx", "B/aid.zh.pdf", "B/aid.en.pdf", "B/talks.zh.pdf", "B/talks.en.pdf",
    }  # fmt: skip


def test_the_workbook_says_who_gets_it_who_waits_and_at_which_place(written) -> None:
    found = rows(written()["A/list.xlsx"], "心理辅导")
    head, *lines = found[4:]
    told = [dict(zip((name.split(" / ")[1] for name in head), line, strict=True)) for line in lines]
    assert [one["roll no. ending"] for one in told] == ["1001", "1000", "1002"]
    assert [one["answer"].split(" / ")[1] for one in told] == [
        "given a place", "the school's hours used up, waiting", "the school's hours used up, waiting",
    ]  # fmt: skip
    assert [one["waiting no."] for one in told] == [
        "", "本校第1位 / no. 1 at this school", "本校第2位 / no. 2 at this school",
    ]  # fmt: skip
    assert {one["given on"] for one in told} == {""}


def test_why_not_this_child_is_answered_from_the_last_tab_alone(written) -> None:
    found = rows(written()["A/list.xlsx"], "每名学生的答复")
    lines = [line for line in found[5:] if line[4] == "1003"]
    assert [(line[0].split(" / ")[1], line[5].split(" / ")[1]) for line in lines] == [
        ("Living-cost aid", "not eligible"), ("Counselling", "already helped"),
    ]  # fmt: skip
    assert len(found[5:]) == 4 * 2


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["心理辅导", "请办理", "候补", "本校第2位", "应享的资助不因分数减少"]),
        (
            "en",
            ["Counselling", "To be given", "Waiting", "no. 2 at this school", "no entitlement is ever cut"],
        ),
    ],
)
def test_the_pdf_says_the_same_in_each_language(written, language: str, words: list[str]) -> None:
    text = pdf_text(written()[f"A/talks.{language}.pdf"])
    for word in words:
        assert word.replace(" ", "") in text.replace(" ", "")
    assert "0.3" not in text
    assert "s01" not in text


def test_the_lists_say_whose_place_in_the_order_was_drawn(written) -> None:
    files = written(lottery={"enabled": True, "share": 0.2})
    found = [line for line in rows(files["A/list.xlsx"], "每名学生的答复")[5:] if "Counselling" in line[0]]
    places = sorted(line[6] for line in found if line[6])
    assert places == ["1 由抽签 / by lot", "2 由抽签 / by lot", "3"]
    assert "by lot" in pdf_text(files["A/talks.en.pdf"])
    assert "by lot" not in pdf_text(written("again")["A/talks.en.pdf"])


def test_places_that_hang_on_what_is_assumed_stand_apart(written, tmp_path: Path, programmes) -> None:
    sure = {"low": 0.1, "middle": 0.1, "high": 0.1, "source": "x"}
    unsure = {"low": 0.0, "middle": 0.3, "high": 0.5, "source": "x"}
    file = programmes(
        {"id": "aid", "cost_yuan": 500, "effect": sure}, {"id": "talks", "cost_yuan": 500, "effect": unsure},
        budget={"yuan": 500, "programmes_per_student": 1}, method="linear",
    )  # fmt: skip
    facts = facts_of({"risk": 0.5})
    items = allocate(facts, file).items
    assert items["answer"].tolist() == ["enough_programmes", "taken"]
    write_lists(tmp_path / "x", items, served(facts), programmes=NAMES, run_id="alloc-1")
    assert "weigh before giving" in pdf_text(tmp_path / "x" / "A" / "talks.en.pdf")
    assert "weigh before giving" not in pdf_text(written()["A/talks.en.pdf"])


def test_the_same_inputs_give_the_same_files_byte_for_byte(written, monkeypatch: pytest.MonkeyPatch) -> None:
    def digests(folder: str) -> dict[str, str]:
        return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in written(folder).items()}

    first = digests("one")

    class AnyDatetime(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Later(metaclass=AnyDatetime):
        @staticmethod
        def now(tz: object = None) -> datetime:
            return datetime(2030, 1, 1, tzinfo=UTC)

    monkeypatch.setattr("xlsxwriter.core.datetime", Later)
    assert digests("two") == first


def test_a_folder_of_lists_is_replaced_as_a_whole(written, tmp_path: Path) -> None:
    written()
    stale = tmp_path / "run" / "A" / "stale.pdf"
    stale.write_bytes(b"")
    written()
    assert not stale.exists()
    assert not (tmp_path / "run.unfinished").exists()
