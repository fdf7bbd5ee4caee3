"""Weeks of a term scored by the model in use, and a student's corrected records published as a revision."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.config import HorizonDays
from riskmodel.domain import PublishedSet, ScoredStudent, Term
from riskmodel.pipelines.within_term import week_to_score
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set
from riskmodel.store.served import revised_students, served_term
from riskmodel.store.sets import published_sets
from riskmodel.wording import text

pytestmark = pytest.mark.slow
BUREAU = Principal(key_id="test", role="bureau")
WEEK_10, WEEK_11 = "2023-11-10", "2023-11-17"


def configured(folder: Path) -> Path:
    """Write the configuration of a county of 500 in its first year: no model yet, lists by the rule."""
    workspace = folder / "workspace"
    content = {
        "config_version": 1,
        "region": "week",
        "workspace": str(workspace),
        "seed": 7,
        "county": {"students": 500, "school_years": 1},
        "sources": [{"name": "county", "path": str(workspace / "county" / "records")}],
        "as_of": {"current": {"term": "2023-2024-1", "week": 10}},
        "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08},
        "capacity": {"share": 0.02},
    }
    rule = {"version": "week-2023", "valid_from": date(2023, 9, 1), "source": "an example"}
    (folder / "regions").mkdir()
    (folder / "week.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "regions" / "week.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule]}), encoding="utf-8"
    )
    return folder / "week.yaml"


def does(config: Path, *command: str, fails: bool = False) -> str:
    ran = CliRunner().invoke(app, [*command, "--config", str(config)])
    assert (ran.exit_code == 1) == fails, ran.output
    return ran.output


def in_use(config: Path) -> tuple[PublishedSet, dict[str, ScoredStudent]]:
    store = open_store(config.parent / "workspace" / "store")
    published = current_set(store)
    term = served_term(store, BUREAU, published)
    store.close()
    return published, {student.student_id: student for student in term.students}


def correct_one(file: Path, until: date) -> str:
    """Say of the student with most absence that it was half of what was told; return who that is."""
    rows = pq.read_table(file)
    known = rows.filter(pc.less_equal(rows["recorded_on"], pa.scalar(until)))
    absences = known.group_by("student_id").aggregate([("days_absent", "sum")])
    most = absences.sort_by([("days_absent_sum", "descending")])["student_id"][0].as_py()
    days = pc.if_else(
        pc.equal(rows["student_id"], most), pc.multiply(rows["days_absent"], 0.5), rows["days_absent"]
    )
    at = rows.schema.get_field_index("days_absent")
    pq.write_table(rows.set_column(at, rows.schema.field(at), days), file, store_schema=False)
    return str(most)


def test_a_week_is_scored_without_training_and_a_correction_revises_it_for_that_student_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskmodel.runners.local.os.cpu_count", lambda: 1)  # no processes of their own
    config = configured(tmp_path)
    workspace = tmp_path / "workspace"
    does(config, "county", "--until", WEEK_10)
    does(config, "intake", "--delivered-on", WEEK_10)
    for step in ("features", "train", "publish"):
        does(config, step)
    first, _ = in_use(config)
    assert str(first.facts.as_of_date) == WEEK_10

    # A week that the records do not tell yet, and one that is past.
    assert "week 12" in does(config, "score", "--week", "12", fails=True)
    assert "week 9" in does(config, "score", "--week", "9", fails=True)
    assert in_use(config)[0] == first

    does(config, "county", "--until", WEEK_11)
    does(config, "intake", "--delivered-on", WEEK_11)
    does(config, "score")
    second, before = in_use(config)
    assert str(second.facts.as_of_date) == WEEK_11
    assert second.facts.model_version == first.facts.model_version
    assert second.facts.revises is None
    assert len(list((workspace / "models").iterdir())) == 1
    assert text("steps.week_stands", "en", set_id=second.set_id, as_of_date=WEEK_11) in does(config, "score")

    corrected = correct_one(workspace / "county" / "records" / "attendance.parquet", date(2023, 11, 17))
    does(config, "intake", "--delivered-on", "2023-11-20")
    said = does(config, "score", "--week", "11")
    third, after = in_use(config)
    assert third.facts.revises == second.set_id
    assert third.facts.as_of_date == second.facts.as_of_date
    assert "1 student(s) whose records were corrected" in said
    assert {student for student in before if before[student] != after[student]} == {corrected}
    store = open_store(workspace / "store")
    assert revised_students(store, BUREAU, third).changed == {corrected}
    assert [each.set_id for each in published_sets(store)] == [third.set_id, second.set_id, first.set_id]
    assert after[corrected].attendance_history != before[corrected].attendance_history

    # What somebody has taken back does not come again by itself.
    does(config, "rollback", "--by", "甲")
    assert in_use(config)[0] == second
    for week in ((), ("--week", "11")):
        said = does(config, "score", *week, fails=True)
        assert "甲" in said
        assert third.set_id in said
    listed = does(config, "sets")
    assert f"→ {second.set_id}" in listed
    assert f"× {third.set_id}" in listed
    # Nor are risks of one horizon told as those of another.
    told = yaml.safe_load(config.read_text(encoding="utf-8")) | {"horizon": {"days": 120}}
    config.write_text(yaml.safe_dump(told), encoding="utf-8")
    assert "made under another decision" in does(config, "score", fails=True)


def test_what_was_published_of_a_day_that_ends_no_week_is_the_latest_to_be_revised() -> None:
    term = Term("2026-1", date(2026, 3, 2), date(2026, 7, 3))
    run: Any = SimpleNamespace(
        configuration=SimpleNamespace(horizon=HorizonDays(days=90)), rule=lambda as_of: None
    )
    facts = SimpleNamespace(term="2026-1", as_of_date=date(2026, 3, 20), horizon_end=date(2026, 6, 18))
    stands: Any = SimpleNamespace(facts=facts)
    records: Any = SimpleNamespace(terms=lambda: (term,))
    with patch("riskmodel.pipelines.within_term.complete_to", lambda *_: date(2026, 3, 21)):
        found = week_to_score(run, records, stands, None)
    assert found.as_of_date == date(2026, 3, 20)
