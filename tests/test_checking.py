"""`riskmodel intake --force` and `riskmodel check`, as a bureau runs them."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.records.checking.roll_numbers import check_character
from riskmodel.records.store import RecordStore
from riskmodel.wording import LANGUAGES

NUMBERS = [f"G{body}{check_character(body)}" for body in (f"9901012012030{n:04d}" for n in range(7001, 7025))]


def write(folder: Path, tables: dict[str, list[dict[str, Any]]]) -> None:
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, rows[0])
            writer.writeheader()
            writer.writerows(rows)


def rolls(numbers: list[str]) -> dict[str, list[dict[str, Any]]]:
    spell = {"school_id": "A", "start_date": "2024-09-02", "grade": 7}
    return {
        "schools": [{"school_id": "A", "name": "甲校", "county": "甲县", "stage": "junior"}],
        "terms": [
            {"term": "2024-2025-1", "start_date": "2024-09-02", "end_date": "2025-01-17"},
            {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
        ],
        "students": [{"student_id": number, "name": "欧阳小草"} for number in NUMBERS],
        "enrolments": [{"student_id": number, **spell} for number in numbers],
    }


def configured(folder: Path) -> Path:
    source = {"name": "roll", "path": str(folder / "in"), "keyed_by": "roll_number"}
    content = {
        "config_version": 1, "region": "here", "workspace": str(folder / "workspace"), "sources": [source],
        "as_of": {"weeks": [4], "current": {"term": "2024-2025-2", "week": 4}}, "horizon": {"days": 90},
        "bands": {"reach_out": 0.2, "check_in": 0.1}, "capacity": {"share": 0.02},
    }  # fmt: skip
    rules = {
        "config_version": 1,
        "rules": [{"version": "x", "valid_from": date(2024, 1, 1), "source": "a test"}],
    }
    (folder / "regions").mkdir()
    (folder / "here.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "regions" / "here.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    return folder / "here.yaml"


def test_a_school_half_gone_is_forced_in_and_its_students_are_listed_for_the_school_alone(tmp_path):
    configuration = str(configured(tmp_path))
    said = ""

    def run(*command: str) -> int:
        nonlocal said
        ran = CliRunner().invoke(app, [*command, "--config", configuration])
        said += ran.output
        return ran.exit_code

    write(tmp_path / "in", rolls(NUMBERS))
    assert run("intake") == 0
    write(tmp_path / "in", rolls(NUMBERS[:8]))
    assert run("intake") == 1
    assert run("intake", "--force") == 0
    store = RecordStore.open(tmp_path / "workspace" / "records")
    assert store.manifest.deliveries[-1].forced == ("school_shrunk",)
    today = store.manifest.deliveries[-1].delivered_on
    assert run("check", "--as-of", today.isoformat()) == 0
    folder = tmp_path / "workspace" / "check" / today.isoformat()
    assert all((folder / f"presence.{language}.html").exists() for language in LANGUAGES)
    with (folder / "expected" / "A.csv").open(encoding="utf-8-sig", newline="") as told:
        rows = list(csv.reader(told))[1:]
    assert sum("没有这名学生" in row[6] for row in rows) == len(NUMBERS) - 8
    assert all(row[3] == "欧阳小草" for row in rows)
    assert "Traceback" not in said
    assert "欧阳小草" not in said
    assert not any(number in said for number in NUMBERS)
    assert not any(number in path.name for number in NUMBERS for path in (tmp_path / "workspace").rglob("*"))
