from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.errors import RecordsRefused
from riskmodel.records.mapping.source_mapping import SourceMapping
from riskmodel.records.suggesting.suggestion import suggest_mapping

SAMPLES = Path(__file__).parents[3] / "configs" / "sources" / "samples"


def draft(path):
    suggestion = suggest_mapping(path)
    return SourceMapping.model_validate(yaml.safe_load(suggestion.text)), suggestion


def test_names_codes_and_the_share_of_rows_understood_are_drafted(tmp_path):
    file = tmp_path / "名单.csv"
    rows = ["C1,张三,男,31/05/2011", "C2,李四,女,01/06/2011", "C3,王五,?,02/06/2011", "C4,赵六,男,不详"]
    file.write_text("\n".join(["某校名单,,,", "个人标识码,姓名,性别,出生日期", *rows]), encoding="gb18030")
    mapping, suggestion = draft(file)
    students = mapping.tables["students"]
    assert students.columns == {
        "student_id": "个人标识码", "name": "姓名", "sex": "性别", "birth_date": "出生日期",
    }  # fmt: skip
    assert students.codes == {"sex": {"?": "", "女": "F", "男": "M"}}
    assert students.dates == {"birth_date": "%d/%m/%Y"}
    assert suggestion.understood == {"students": 0.75}
    assert "75.0%" in suggestion.text


def test_days_and_subjects_side_by_side_are_recognised():
    mapping, suggestion = draft(SAMPLES / "七一班考勤.csv")
    wide = mapping.tables["attendance"].wide
    assert wide is not None
    assert (wide.days_into, wide.marks["√"]) == (("start_date", "end_date"), None)
    assert suggestion.understood == {"attendance": 1.0}
    mapping, suggestion = draft(SAMPLES / "期中成绩.csv")
    wide = mapping.tables["grades"].wide
    assert wide is not None
    assert wide.columns["语文"] == {"subject": "chinese", "full_score": "120"}
    assert suggestion.understood == {"grades": 1.0}


def test_what_is_not_known_is_left_as_a_question(tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("学生姓名,性别,班主任,出生日期\n张三,男,王五,2011-05-01\n", encoding="utf-8")
    suggestion = suggest_mapping(file)
    assert "# student_id: ?" in suggestion.text
    assert "not stored: 班主任" in suggestion.text
    assert suggestion.understood == {"students": 0.0}


def test_a_file_without_a_known_name_is_refused(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("secret,13800000000\n", encoding="utf-8")
    with pytest.raises(RecordsRefused) as refusal:
        suggest_mapping(file)
    assert [f.code for f in refusal.value.findings] == ["header_unknown"]
    assert "secret" not in str(refusal.value)


def test_the_command_prints_the_draft():
    result = CliRunner().invoke(app, ["mapping", "suggest", str(SAMPLES / "补助名单.csv")])
    assert result.exit_code == 0
    assert "  subsidies:" in result.output
