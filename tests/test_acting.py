"""A list of what was done: all of it is kept, or nothing, and a refusal names row and column."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import xlsxwriter
import yaml

from riskmodel.domain import Band, FeatureInfo, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.errors import RecordsRefused
from riskmodel.pipelines.acting import take_actions
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.store.actions import actions_in_force
from riskmodel.store.engine import open_store
from riskmodel.store.publishing import publish
from riskmodel.store.tables import day_of

TODAY = day_of(datetime.now(UTC))
FACTS = TermFacts(
    region="r", term="t", as_of_date=date(2026, 10, 31), horizon_end=date(2027, 4, 29),
    valid_until=date(2027, 1, 29), model_version="m", rule_version="r", wording_version="w",
    records_hash="00", data_complete_to=date(2026, 10, 30), probabilities=True,
    features=(FeatureInfo(name="x", unit="days", family="attendance", source="attendance"),),
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Give as much of a run as the step asks for: the place of the store, and what is said."""
    child = ScoredStudent(
        student_id="s1", school_id="A", stage=Stage.JUNIOR, grade=7, class_name="1", masked_name="王**",
        number_tail="0000", risk=0.1, band=Band.CHECK_IN, listed=True,
    )  # fmt: skip
    store = open_store(tmp_path / "store", create=True)
    term = ScoredTerm(FACTS, (School("A", "甲校", "镇"),), (child,))
    publish(store, term, published_at=datetime.now(UTC), published_by="test")
    store.close()
    said: list[dict[str, Any]] = []
    return SimpleNamespace(
        file=tmp_path / "run.yaml",
        workspace=SimpleNamespace(store=tmp_path / "store"),
        say=lambda code, **slots: said.append({"code": code, **slots}),
        said=said,
    )


def kept(run: Any) -> list[tuple[str, str, date]]:
    store = open_store(run.workspace.store)
    found = [
        (one.action.student_id, one.action.kind, one.action.day) for one in actions_in_force(store, BUREAU)
    ]
    store.close()
    return found


def workbook(file: Path, rows: list[list[Any]]) -> Path:
    with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet("十一月")
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return file


def test_a_workbook_in_the_schools_words_is_kept_and_a_second_time_changes_nothing(
    run: Any, tmp_path: Path
) -> None:
    rows = [
        ["学生编号", "类别", "日期", "经办人", "项目", "时数", "结果"],
        ["s1", "家访", TODAY, "李老师", None, None, "已联系上"],
        ["s1", "资助", TODAY - timedelta(days=1), "资助中心", "living_cost", None, None],
    ]
    file = workbook(tmp_path / "list.xlsx", rows)
    for _ in range(2):
        assert take_actions(run, file) == 2
        assert kept(run) == [("s1", "visited", TODAY), ("s1", "aid_given", TODAY - timedelta(days=1))]
    assert run.said[-1] == {"code": "actions_taken", "count": 2}


def test_every_wrong_cell_is_told_with_sheet_row_and_column_and_nothing_is_kept(
    run: Any, tmp_path: Path
) -> None:
    rows = [
        ["学生编号", "类别", "日期", "经办人", "时数"],
        ["s1", "家访", TODAY, "李老师", None],
        ["none", "家访", TODAY, "李老师", None],
        ["s1", "辅导", TODAY, "李老师", None],
        ["s1", "家访", TODAY + timedelta(days=300), "李老师", None],
    ]
    with pytest.raises(RecordsRefused) as refused:
        take_actions(run, workbook(tmp_path / "list.xlsx", rows))
    places = {
        (one.code, one.where.sheet, one.where.row, one.where.letter, one.where.column)
        for one in refused.value.findings
    }
    assert places == {
        ("action_student_unknown", "十一月", 3, "A", "学生编号"),
        ("action_incomplete", "十一月", 4, "E", "时数"),
        ("action_day", "十一月", 5, "C", "日期"),
    }
    assert kept(run) == []


def test_a_programme_that_the_bureau_does_not_have_is_told_and_its_names_in_words_are_known(
    run: Any, tmp_path: Path
) -> None:
    aid = {"id": "aid", "kind": "entitlement", "name": {"zh": "临时救助", "en": "Emergency aid"},
           "eligible": "true", "cost_yuan": 1000}  # fmt: skip
    told = {"config_version": 1, "budget": {"yuan": 0, "hours_per_school": 0}, "programmes": [aid]}
    (tmp_path / "programmes.yaml").write_text(yaml.safe_dump(told, allow_unicode=True), "utf-8")
    head = ["学生编号", "类别", "日期", "经办人", "项目"]
    named = [["s1", "资助", TODAY, "李", name] for name in ("aid", "临时救助", "Emergency aid", "救助")]
    assert take_actions(run, workbook(tmp_path / "a.xlsx", [head, *named])) == 4
    assert {"code": "programmes_unknown", "count": 1, "row": 5} in run.said


def test_a_word_that_is_none_of_ours_is_refused_before_anything_is_written(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"student_id,kind,day,done_by\ns1,telephoned,{TODAY},x\n", encoding="utf-8")
    with pytest.raises(RecordsRefused) as refused:
        take_actions(run, file)
    [found] = refused.value.findings
    assert (found.where.row, found.where.column) == (2, "kind")
    assert "telephoned" not in str(refused.value)
    assert kept(run) == []
