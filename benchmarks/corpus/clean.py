"""Clean deliveries: two schools of a fictional county, in the contract's own words or in a bureau's."""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
import yaml

from riskmodel.county.world import write_county
from riskmodel.records.contract import table as contract_table

from .files import WORKBOOKS, Cell, Delivery, File, Format, Sheet

Style = Literal["plain", "local"]
TABLES = ("schools", "terms", "students", "enrolments", "attendance", "grades", "family", "subsidies")
NEEDED = ("schools", "terms", "students", "enrolments")
FEWEST, STUDENTS_A_SCHOOL = 6, 9
ROWS_AT_MOST = 40

STEMS = {"students": "学生花名册", "enrolments": "学籍", "attendance": "考勤", "grades": "成绩"}
COLUMNS = {
    "students": {
        "student_id": "学生编号", "roll_number": "学籍号", "name": "姓名", "sex": "性别",
        "birth_date": "出生日期",
        "ethnicity": "民族", "household": "户口性质", "household_id": "家庭编号", "recorded_on": "登记日期",
    },
    "enrolments": {
        "student_id": "学生编号", "school_id": "学校代码", "start_date": "入学日期", "grade": "年级",
        "class_name": "班级", "boards": "是否住校", "end_date": "离校日期", "exit_reason": "离校原因",
        "to_school_id": "转入学校", "expected_return": "预计返校日期", "recorded_on": "登记日期",
    },
    "attendance": {
        "student_id": "学生编号", "start_date": "开始日期", "end_date": "结束日期", "days_absent": "缺勤天数",
        "days_unexcused": "旷课天数", "times_late": "迟到次数", "recorded_on": "登记日期",
    },
    "grades": {
        "student_id": "学生编号", "subject": "科目", "exam_date": "考试日期", "exam": "考试", "score": "成绩",
        "full_score": "满分", "status": "状态", "recorded_on": "登记日期",
    },
}  # fmt: skip
OTHER_NAMES = {"姓名": "学生姓名", "学籍号": "全国学籍号", "成绩": "分数", "班级": "班级名称", "科目": "学科"}
"""Names that the mapping file states besides."""
CODES = {
    "students": {
        "sex": {"男": "M", "女": "F"},
        "household": {"农业": "rural", "非农业": "urban"},
    },
    "enrolments": {
        "boards": {"是": "true", "否": "false"},
        "exit_reason": {
            "升级": "continued", "转学": "transferred", "转学未确认": "transfer_unconfirmed",
            "毕业": "graduated", "休学": "suspended", "送教上门": "home_teaching", "死亡": "died",
            "出国": "emigrated", "失学": "dropped_out",
        },
    },
    "grades": {
        "subject": {
            "语文": "chinese", "数学": "mathematics", "英语": "english", "物理": "physics",
            "化学": "chemistry",
            "生物": "biology", "历史": "history", "地理": "geography", "政治": "politics", "科学": "science",
        },
        "exam": {"月考": "monthly", "期中": "midterm", "期末": "final"},
        "status": {"参加": "sat", "缺考": "absent", "免考": "exempt", "作废": "void", "缓考": "deferred"},
    },
}  # fmt: skip


@dataclass(frozen=True)
class County:
    """The rows of a fictional county by table, cells typed as the contract types them."""

    rows: dict[str, list[dict[str, Cell]]]


@lru_cache(maxsize=1)
def county() -> County:
    """Make the county from which all deliveries are drawn: 500 students, two terms."""
    with tempfile.TemporaryDirectory() as folder:
        write_county(Path(folder), students=500, first_school_year=2024, school_years=1, seed=20260901)
        return County({name: _rows(Path(folder) / "records", name) for name in TABLES})


def _rows(folder: Path, name: str) -> list[dict[str, Cell]]:
    parquet = folder / f"{name}.parquet"
    if parquet.exists():
        return pq.read_table(parquet).to_pylist()
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [{key: _typed(name, key, cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def _typed(table: str, column: str, cell: str) -> Cell:
    if not cell:
        return None
    match contract_table(table).column(column).kind:
        case "date":
            return date.fromisoformat(cell)
        case "integer":
            return int(cell)
        case "number":
            return float(cell)
        case _:
            return cell


def clean_delivery(seed: int, *, style: Style, formats: Mapping[str, Format] | None = None) -> Delivery:
    """Make a clean delivery of two schools.

    `formats` says the format of some tables; the others that a delivery needs are CSV. Without it every
    table is there, in a format that the seed draws.
    """
    draw = random.Random(f"clean {seed}")  # noqa: S311  a seed, no secret
    rows = _of_two_schools(draw)
    files = []
    for name in TABLES:
        if formats is not None and name not in (*NEEDED, *formats):
            continue
        drawn: Format = draw.choice(("csv", "tsv", "parquet", "zip", *WORKBOOKS))
        if formats is not None:
            drawn = formats.get(name, "csv")
        is_typed = drawn == "parquet" or (drawn in WORKBOOKS and draw.random() < 0.5)
        files.append(_file(name, rows[name], style, drawn, is_typed))
    return Delivery(files, mapping=mapping_of(files) if style == "local" else "")


def _of_two_schools(draw: random.Random) -> dict[str, list[dict[str, Cell]]]:
    all_rows = county().rows
    spells: dict[Cell, set[Cell]] = {}
    for row in all_rows["enrolments"]:
        spells.setdefault(row["student_id"], set()).add(row["school_id"])
    gone_nowhere = {
        row["student_id"]
        for row in all_rows["enrolments"]
        if row["exit_reason"] == "transferred" and row["to_school_id"] is None
    }
    of_class: dict[Cell, dict[object, list[str]]] = {}
    for row in all_rows["enrolments"]:
        student = row["student_id"]
        if len(spells[student]) == 1 and student not in gone_nowhere:
            of_grade = of_class.setdefault(row["school_id"], {})
            of_grade.setdefault((row["grade"], row["class_name"]), []).append(str(student))
    large = {
        str(school): sorted({tuple(sorted(set(c))) for c in grades.values() if len(set(c)) >= FEWEST})
        for school, grades in of_class.items()
    }
    schools = draw.sample(sorted(school for school, classes in large.items() if classes), 2)
    chosen = {student for school in schools for student in draw.choice(large[school])[:STUDENTS_A_SCHOOL]}
    told = {}
    for name, rows in all_rows.items():
        about = [row for row in rows if row.get("student_id", None) in chosen]
        if name == "schools":
            about = [row for row in rows if row["school_id"] in schools]
        elif name == "terms":
            about = rows
        told[name] = about[:ROWS_AT_MOST]
    return told


def _file(name: str, rows: list[dict[str, Cell]], style: Style, in_format: Format, is_typed: bool) -> File:
    columns = list(rows[0]) if rows else [column.name for column in contract_table(name).columns]
    local = COLUMNS.get(name, {}) if style == "local" else {}
    theirs = {
        column: {ours: said for said, ours in codes.items()} for column, codes in CODES.get(name, {}).items()
    }
    cells = [
        [_cell(row[column], theirs.get(column, {}) if local else {}, is_typed) for column in columns]
        for row in rows
    ]
    stem = STEMS.get(name, name) if style == "local" else name
    sheet = Sheet("Sheet1" if in_format in WORKBOOKS else "", [local.get(c, c) for c in columns], cells)
    return File(name, stem, in_format, [sheet])


def _cell(cell: Cell, codes: dict[str, str], is_typed: bool) -> Cell:
    if isinstance(cell, str):
        return codes.get(cell, cell)
    if cell is None or is_typed:
        return cell
    return cell.isoformat() if isinstance(cell, date) else f"{cell:.10g}"


def mapping_of(files: Sequence[File]) -> str:
    """Write the mapping file of a delivery in a bureau's words."""
    tables = {}
    for file in files:
        told: dict[str, object] = {"file": f"{file.stem}.*"}
        if file.table in COLUMNS:
            names = COLUMNS[file.table].items()
            told["columns"] = {ours: [name, *filter(None, [OTHER_NAMES.get(name)])] for ours, name in names}
            told["codes"] = CODES.get(file.table, {})
        tables[file.table] = told
    return yaml.safe_dump({"config_version": 1, "tables": tables}, allow_unicode=True, sort_keys=False)
