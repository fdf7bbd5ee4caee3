"""Paper comes back: what was ticked is entered, all of it or nothing, and the intake answers in time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.domain import Band, School, ScoredStudent, ScoredTerm, Stage, Statement, Term, TermFacts
from riskmodel.pipelines.feedback import school_days_between
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.store.engine import Store, open_store
from riskmodel.store.feedback import feedback_of
from riskmodel.store.publishing import publish
from riskmodel.store.sheet_codes import sheet_code
from riskmodel.store.tickets import tickets

DAY = date(2026, 10, 31)
REASON = Statement(
    "attendance", "reasons.lateness", "can_act", "class_teacher", 0.9, 3, {}, "attendance", DAY
)
HEADER = "单号,代码,类别,日期\n"


@dataclass
class Office:
    config: Path
    store: Store
    set_id: str

    def sheet(self, student_id: str = "s1") -> str:
        return sheet_code(self.set_id, student_id)

    def enter(self, content: str | bytes) -> Any:
        file = self.config.parent / "back.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CliRunner().invoke(app, ["feedback", str(file), "--config", str(self.config)])


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    workspace = tmp_path / "workspace"
    told = {
        "config_version": 1, "region": "here", "workspace": str(workspace),
        "sources": [{"name": "a", "path": "a"}], "as_of": {"current": DAY}, "horizon": {"days": 90},
        "bands": {"reach_out": 0.2, "check_in": 0.1}, "capacity": {"share": 0.1},
    }  # fmt: skip
    rule = {"version": "1", "valid_from": date(2023, 9, 1), "source": "x"}
    (tmp_path / "regions").mkdir()
    (tmp_path / "here.yaml").write_text(yaml.safe_dump(told))
    (tmp_path / "regions" / "here.yaml").write_text(yaml.safe_dump({"config_version": 1, "rules": [rule]}))
    facts = TermFacts(
        region="here", term="2026-2027-1", as_of_date=DAY, horizon_end=date(2027, 1, 29), valid_until=DAY,
        model_version="m", rule_version="1", wording_version="w", records_hash="0", data_complete_to=DAY,
        probabilities=False, features=(),
    )  # fmt: skip
    student = ScoredStudent(
        student_id="s1", school_id="a", stage=Stage.JUNIOR, grade=8, class_name="1", masked_name="王*",
        number_tail="0000", risk=None, band=Band.REACH_OUT, listed=True, reasons=(REASON,),
    )  # fmt: skip
    students = (student, *(replace(student, student_id=f"s{number}") for number in range(2, 13)))
    workspace.mkdir()
    (workspace / "FORMAT").write_text("1\n")
    store = open_store(workspace / "store", create=True)
    set_id = publish(
        store, ScoredTerm(facts, (School("a", "A", ""),), students), published_at=datetime.now(UTC),
        published_by="x",
    )  # fmt: skip
    yield Office(tmp_path / "here.yaml", store, set_id)
    store.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_from_any_office_program_is_entered(office: Office, encoding: str) -> None:
    content = (
        f"{HEADER}{office.sheet()},F1,出勤,2026年11月9日\n{office.sheet('s2').lower()},f0,,2026/11/9\n,,,\n"
    )
    done = office.enter(content.encode(encoding))
    assert done.exit_code == 0, done.output
    [first] = feedback_of(office.store, BUREAU, "s1")
    assert (first.code, first.family, first.noted_on, first.on_paper) == (
        "F1", "attendance", date(2026, 11, 9), True,
    )  # fmt: skip
    assert [one.code for one in feedback_of(office.store, BUREAU, "s2")] == ["F0"]
    assert [one.family for one in tickets(office.store, BUREAU)] == ["attendance"]


def test_before_any_sheet_has_come_back_the_command_says_so(office: Office) -> None:
    told = CliRunner().invoke(app, ["feedback", "--config", str(office.config)])
    assert told.exit_code == 0
    assert "no sheet with a reason has come back yet" in told.output


def test_a_file_entered_twice_is_entered_once(office: Office) -> None:
    content = f"sheet,code,kind,date\n{office.sheet()},F4,Attendance,2026-11-09\n"
    assert office.enter(content).exit_code == office.enter(content).exit_code == 0
    assert len(feedback_of(office.store, BUREAU, "s1")) == 1


def test_every_wrong_cell_is_named_with_its_row_and_nothing_is_kept(office: Office) -> None:
    rows = [
        f"{office.sheet()},F0,,2026-11-09", "7KQ4M-2X9TP,F0,,2026-11-09", f"{office.sheet()},F9,,2026-11-09",
        f"{office.sheet()},F4,,2026-11-09", f"{office.sheet()},F1,money?,2026-11-09",
        f"{office.sheet()},F3,出勤,2026-11-09", f"{office.sheet()},F0,,yesterday",
    ]  # fmt: skip
    done = office.enter(HEADER + "\n".join(rows))
    assert done.exit_code == 1
    places = re.findall(r"第 ([\d-]+) 行 / 列“(\w+)”", done.output)
    assert places == [("3", "单号"), ("4", "代码"), ("5-7", "类别"), ("8", "日期")]
    assert "money?" not in done.output
    assert feedback_of(office.store, BUREAU, "s1") == ()


def test_what_is_wrong_is_named_by_the_column_of_the_file_and_a_ticket_in_words(office: Office) -> None:
    assert "列“代码”" in office.enter(f"{HEADER}{office.sheet()},F9,出勤,2026-11-09\n").output
    office.enter(f"{HEADER}{office.sheet()},F1,出勤,2026-11-09\n")
    closed = CliRunner().invoke(
        app, ["tickets", "close", "1", "--answer", "stands", "--config", str(office.config)]
    )
    assert "核对单 1 已结：记录无误" in closed.output
    assert "Ticket 1 is closed: the record stands" in closed.output


def test_a_file_without_its_columns_is_refused(office: Office) -> None:
    for content in ("", "sheet,code\n", "名字\n王\n"):
        done = office.enter(content)
        assert done.exit_code == 1
        assert "feedback" not in done.output
    assert office.enter(b"\xff\xfe\x00\xff").exit_code == 1


def test_how_often_reasons_fit_is_told_once_enough_sheets_came_back(office: Office) -> None:
    rows = [f"{office.sheet(f's{number}')},F0,,2026-11-09" for number in range(1, 9)]
    few = office.enter(HEADER + "\n".join(rows)).output
    assert "出勤：收回的单子不到 10 张，不给比例" in few
    rows = [f"{office.sheet(f's{number}')},F4,出勤,2026-11-10" for number in range(9, 13)]
    told = office.enter(HEADER + "\n".join(rows)).output
    assert "出勤：收回 12 张，理由被认可 67% [39%, 86%]" in told


AUTUMN = (Term("t", date(2026, 9, 1), date(2027, 1, 15)), Term("u", date(2027, 3, 1), date(2027, 6, 30)))


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (date(2026, 11, 2), date(2026, 11, 2), 0),
        (date(2026, 11, 2), date(2026, 11, 16), 10),
        (date(2026, 11, 6), date(2026, 11, 8), 0),
        (date(2027, 1, 14), date(2027, 3, 2), 3),
        (date(2026, 9, 30), date(2026, 10, 11), 3),
        (date(2027, 6, 30), date(2027, 7, 2), 2),
    ],
)
def test_turnaround_counts_school_days_by_the_calendar(first: date, last: date, days: int) -> None:
    holidays = {date(2026, 10, day): False for day in range(1, 8)} | {date(2026, 10, 10): True}
    assert school_days_between(first, last, terms=AUTUMN, calendar=holidays) == days
