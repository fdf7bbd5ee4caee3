"""Reports from records, a published set and real actions to files, and to what schools read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from riskmodel.domain import Action, Band, FeatureInfo, School, ScoredStudent, ScoredTerm, Stage, TermFacts
from riskmodel.errors import NotEnoughData
from riskmodel.pipelines import Run, tell_indicators, write_reports
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.reports.render import to_html
from riskmodel.runners.local import LocalRunner
from riskmodel.store.actions import record_actions
from riskmodel.store.engine import open_store
from riskmodel.store.official import figures, report, reports
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

DAY = date(2025, 6, 13)
PUBLISHED = datetime(2025, 3, 3, 8, tzinfo=UTC)
CHILDREN = {f"{school}{n:02}": school for school, count in (("A", 60), ("B", 50)) for n in range(count)}
LEFT = {*(f"A{n:02}" for n in range(7)), *(f"B{n:02}" for n in range(5))}
LISTED = [f"A{n:02}" for n in range(10, 16)]


def records() -> dict[str, list[dict[str, Any]]]:
    spells: list[dict[str, Any]] = []
    for name, school in CHILDREN.items():
        usual = {"student_id": name, "school_id": school, "start_date": "2024-09-02", "grade": 8,
                 "recorded_on": "2024-09-02"}  # fmt: skip
        spells.append(usual)
        if name in LEFT:
            spells.append(
                usual | {"end_date": "2025-04-11", "exit_reason": "dropped_out", "recorded_on": "2025-04-20"}
            )
    return {
        "schools": [
            {"school_id": "A", "name": "甲校", "county": "甲县", "township": "东乡", "stage": "junior"},
            {"school_id": "B", "name": "乙校", "county": "甲县", "township": "西乡", "stage": "junior"},
        ],
        "terms": [
            {"term": "2024-2025-1", "start_date": "2024-09-02", "end_date": "2025-01-17"},
            {"term": "2024-2025-2", "start_date": "2025-02-17", "end_date": "2025-07-04"},
        ],
        "enrolments": spells,
        "attendance_reports": [
            {
                "school_id": "A",
                "start_date": "2025-02-17",
                "end_date": "2025-06-13",
                "recorded_on": "2025-06-13",
            }
        ],
        "attendance": [],
    }


def scored(records_hash: str) -> ScoredTerm:
    facts = TermFacts(
        region="test", term="2024-2025-2", as_of_date=date(2025, 3, 1), horizon_end=date(2025, 8, 28),
        valid_until=date(2025, 7, 4), model_version="m", rule_version="r", wording_version="w",
        records_hash=records_hash, data_complete_to=date(2025, 3, 1), probabilities=True,
        features=(FeatureInfo(name="x", unit="days", family="attendance", source="attendance"),),
    )  # fmt: skip
    students = tuple(
        ScoredStudent(
            student_id=name, school_id=school, stage=Stage.JUNIOR, grade=8, class_name="1",
            masked_name="王**", number_tail="0000", risk=0.1, band=Band.CHECK_IN, listed=name in LISTED,
        )
        for name, school in CHILDREN.items()
    )  # fmt: skip
    return ScoredTerm(facts, (School("A", "甲校", "东乡"), School("B", "乙校", "西乡")), students)


@pytest.fixture
def run(tmp_path: Path, bureau: Callable[..., Any]) -> Run:
    """Publish a list of six of school A, of whom two were reached, one of them by a visit."""
    workspace = tmp_path / "workspace"
    (tmp_path / "regions").mkdir()
    dated = {"version": "test", "valid_from": "2020-09-01", "source": "a test"}
    target = {"name": "junior_leaving", "formula": "dropout_rate", "stage": "junior", "at_most": 0.018,
              "valid_from": "2020-01-01", "source": "plan", "zh": "辍学率", "en": "leaving"}  # fmt: skip
    for file, told in {
        "regions/test.yaml": {"config_version": 1, "rules": [dated], "indicators": [dated]},
        "targets.yaml": {"config_version": 1, "targets": [target]},
        "test.yaml": {
            "config_version": 1, "region": "test", "workspace": str(workspace), "seed": 1,
            "sources": [{"name": "bureau", "path": str(tmp_path / "delivery-1")}],
            "as_of": {"weeks": [2], "current": DAY}, "horizon": {"days": 180},
            "bands": {"reach_out": 0.4, "check_in": 0.05}, "capacity": {"share": 0.05},
        },
    }.items():  # fmt: skip
        (tmp_path / file).write_text(yaml.safe_dump(told, allow_unicode=True), encoding="utf-8")
    store = bureau(records(), store=workspace / "records", delivered_on=date(2025, 6, 14))
    actions = [
        Action(student_id=name, kind=kind, day=date(2025, 5, day), done_by="李老师")
        for name, kind, day in (("A10", "contacted", 6), ("A10", "visited", 7), ("A11", "contacted", 8))
    ]
    with closing(open_store(workspace / "store", create=True)) as published:
        publish(published, scored(store.content_hash), published_at=PUBLISHED, published_by="test")
        record_actions(published, BUREAU, actions, at=datetime(2025, 6, 1, tzinfo=UTC))
    made = Run.of(tmp_path / "test.yaml", say=lambda *_, **__: None)
    return replace(made, runner=LocalRunner(processes=1))


def test_a_countys_and_a_schools_report_are_written_and_kept_for_who_may_read_them(run: Run) -> None:
    files = write_reports(run, kinds=("school", "county"), school_id="A")
    stems = {"school-A", "county-甲县"}
    assert {file.name for file in files} == {
        f"{stem}.{language}.{suffix}" for stem in stems for language in ("zh", "en")
        for suffix in ("html", "pdf", "xlsx")
    }  # fmt: skip
    county = next(file for file in files if file.name == "county-甲县.en.html").read_text(encoding="utf-8")
    assert "10.91% (6.35%–18.1%)" in county  # 12 of 110
    assert "12 / 110" in county
    assert "Of the 6 listed students 2 were contacted (33%)" in county
    assert "sent neither attendance nor marks this term (1): 乙校" in county
    assert "甲校" not in county
    school = next(file for file in files if file.name == "school-A.zh.html").read_text(encoding="utf-8")
    assert "名单上还有 4 名学生没有联系记录" in school

    own, other = (Principal("k", "school", frozenset({school})) for school in "AB")
    with closing(open_store(run.workspace.store)) as published:
        [listed] = reports(published, own)
        assert reports(published, other) == ()
        assert len(reports(published, BUREAU)) == 2
        kept = report(published, own, listed.report_id)
        assert kept is not None
        assert to_html(kept.content["zh"]) == school


def scoring_day(run: Run, day: date) -> Run:
    as_of = run.configuration.as_of.model_copy(update={"current": day})
    return replace(run, configuration=run.configuration.model_copy(update={"as_of": as_of}))


def test_a_report_of_the_scored_day_counts_what_was_done_since_the_publishing(run: Run) -> None:
    scored_before_publishing = scoring_day(replace(run, today=DAY), date(2025, 3, 1))
    files = write_reports(scored_before_publishing, kinds=("county",))
    county = next(file for file in files if file.name == "county-甲县.en.html").read_text(encoding="utf-8")
    assert "Of the 6 listed students 2 were contacted (33%)" in county


def test_a_report_of_a_day_before_the_publishing_says_that_no_list_was_out(run: Run) -> None:
    files = write_reports(run, kinds=("county",), as_of_date=date(2025, 3, 1))
    county = next(file for file in files if file.name == "county-甲县.zh.html").read_text(encoding="utf-8")
    assert "还没有发布过名单" in county
    assert "请说明有什么困难" not in county


def test_figures_are_kept_for_who_may_read_them(run: Run) -> None:
    tell_indicators(run)
    with closing(open_store(run.workspace.store)) as published:
        page = figures(published, Principal("k", "school", frozenset({"B"})), formula="dropout_rate")
        assert page is not None
        year = [one for one in page.figures if one["span_kind"] == "year" and one["by"] == "stage"]
        assert [(one["school_id"], one["numerator"], one["denominator"]) for one in year] == [("B", 5, 50)]


def test_before_the_first_count_there_is_no_report(run: Run) -> None:
    with pytest.raises(NotEnoughData) as refused:
        write_reports(run, as_of_date=date(2024, 9, 20))
    assert refused.value.code == "no_school_year"
