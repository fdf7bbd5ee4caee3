"""One run of allocation from records and a published set to lists, by two people, and on to the next run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from riskmodel.domain import (
    Action,
    Band,
    FeatureInfo,
    School,
    ScoredStudent,
    ScoredTerm,
    Stage,
    TermFacts,
)
from riskmodel.errors import StoreError, WorkspaceError
from riskmodel.pipelines import (
    Run,
    approve_allocation,
    draft_allocation,
    freeze_allocation,
    list_allocations,
    take_objection,
)
from riskmodel.pipelines.judging_aid import look_back, what_became_of_allocated
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.store import allocations
from riskmodel.store.actions import record_actions
from riskmodel.store.engine import open_store
from riskmodel.store.publishing import publish
from riskmodel.workspace import file_stem

pytestmark = pytest.mark.slow

DAY = date(2026, 11, 2)
NOW = datetime(2026, 11, 3, 8, tzinfo=UTC)
EFFECT = {"low": 0.0, "middle": 0.1, "high": 0.2, "source": "assumed"}
PROGRAMMES = {
    "config_version": 1,
    "budget": {"yuan": 0, "hours_per_school": 6},
    "programmes": [
        {"id": "living_cost", "kind": "entitlement", "name": {"zh": "生活补助", "en": "Living-cost aid"},
         "eligible": 'hardship != "none"', "served": '"living_cost" in receiving', "cost_yuan": 375},
        {"id": "counselling", "kind": "discretionary", "name": {"zh": "辅导", "en": "Counselling"},
         "eligible": 'band == "check_in"', "served": '"counselling" in given', "cost_hours": 6,
         "effect": EFFECT},
    ],
}  # fmt: skip
RISKS = {"s1": 0.3, "s2": 0.3, "s3": 0.1}


def scored(records_hash: str, day: date = DAY) -> ScoredTerm:
    facts = TermFacts(
        region="test", term="2026-2027-1", as_of_date=day, horizon_end=date(2027, 5, 1),
        valid_until=date(2027, 1, 31), model_version="m", rule_version="r", wording_version="w",
        records_hash=records_hash, data_complete_to=day, probabilities=True,
        features=(FeatureInfo(name="x", unit="days", family="attendance", source="attendance"),),
    )  # fmt: skip
    students = tuple(
        ScoredStudent(
            student_id=one, school_id="A", stage=Stage.JUNIOR, grade=7, class_name="1", masked_name="王**",
            number_tail="0000", risk=risk, band=Band.CHECK_IN, listed=True,
        )
        for one, risk in RISKS.items()
    )  # fmt: skip
    return ScoredTerm(facts, (School("A", "甲校", "东乡"),), students)


@pytest.fixture
def run(tmp_path: Path, bureau: Any) -> Any:
    """Publish three students, of whom one is entitled and every one wants the only six hours."""
    workspace = tmp_path / "workspace"
    (tmp_path / "regions").mkdir()
    rules = [{"version": "test", "valid_from": "2021-09-01", "source": "a test"}]
    for file, told in {
        "regions/test.yaml": {"config_version": 1, "rules": rules},
        "programmes.yaml": PROGRAMMES,
        "test.yaml": {
            "config_version": 1, "region": "test", "workspace": str(workspace), "seed": 1,
            "sources": [{"name": "bureau", "path": str(tmp_path / "delivery-1")}],
            "as_of": {"weeks": [8], "current": {"term": "2026-2027-1", "week": 9}},
            "horizon": {"days": 180}, "bands": {"reach_out": 0.4, "check_in": 0.05},
            "capacity": {"share": 0.5},
        },
    }.items():  # fmt: skip
        (tmp_path / file).write_text(yaml.safe_dump(told, allow_unicode=True), encoding="utf-8")
    spells = [
        {"student_id": one, "school_id": "A", "start_date": "2026-09-01", "grade": 7, "class_name": "1"}
        for one in RISKS
    ]
    records = bureau(
        {
            "terms": [{"term": "2026-2027-1", "start_date": "2026-09-01", "end_date": "2027-01-20"}],
            "enrolments": spells,
            "family": [
                {
                    "student_id": one,
                    "recorded_on": "2026-09-10",
                    "hardship": "orphan" if one == "s3" else "none",
                }
                for one in RISKS
            ],
            "subsidies": [
                {"student_id": "s1", "programme": "nutrition", "start_date": "2026-09-01", "amount_yuan": 1}
            ],
        },
        store=workspace / "records",
        delivered_on=date(2026, 11, 2),
    )
    store = open_store(workspace / "store", create=True)
    publish(store, scored(records.content_hash), published_at=NOW, published_by="test")
    store.close()
    made = Run.of(tmp_path / "test.yaml", say=lambda code, **slots: said.append((code, slots)))
    said: list[tuple[str, dict[str, Any]]] = []
    object.__setattr__(made, "said", said)
    return made


def answers(run: Any, run_id: str) -> dict[tuple[str, str], str]:
    page = allocations.items(open_store(run.workspace.store), BUREAU, run_id)
    assert page is not None
    return {(item.programme, item.student_id): item.answer.value for item, _ in page.items}


def approved(run: Any) -> str:
    run_id = draft_allocation(run, by="李")
    freeze_allocation(run, run_id, by="李")
    approve_allocation(run, run_id, by="王")
    return run_id


def test_a_draft_answers_every_student_and_programme_and_writes_the_lists(run: Any) -> None:
    run_id = draft_allocation(run, by="李")
    found = answers(run, run_id)
    assert len(found) == 3 * 2
    assert found["living_cost", "s3"] == "entitled_not_receiving"
    assert sorted(found["counselling", one] for one in RISKS) == ["hours_used_up", "hours_used_up", "taken"]
    assert found["counselling", "s3"] == "hours_used_up"
    lists = {file.name for file in (run.workspace.allocations / run_id / "A").iterdir()}
    assert lists == {
        "list.xlsx",
        *(f"{p}.{e}.pdf" for p in ("living_cost", "counselling") for e in ("zh", "en")),
    }
    [bound] = [slots for code, slots in run.said if code == "allocation_bound"]
    assert bound["gap"].endswith("%")


def test_the_same_inputs_are_the_same_run(run: Any) -> None:
    first = draft_allocation(run, by="李")
    before = {file: file.read_bytes() for file in (run.workspace.allocations / first).rglob("*.*")}
    assert draft_allocation(run, by="王") == first
    assert {file: file.read_bytes() for file in before} == before
    list_allocations(run)
    assert [slots["made_by"] for code, slots in run.said if code == "allocation_line"] == ["李"]


def test_one_person_alone_approves_nothing(run: Any) -> None:
    run_id = draft_allocation(run, by="李")
    freeze_allocation(run, run_id, by="李")
    with pytest.raises(StoreError, match="another"):
        approve_allocation(run, run_id, by="李")
    approve_allocation(run, run_id, by="王")
    assert [one.state for one in allocations.runs(open_store(run.workspace.store), BUREAU)] == ["approved"]


@pytest.mark.parametrize("named", ["counselling", "辅导", " Counselling"])
def test_what_was_given_and_who_waits_carries_over_to_the_next_run(
    run: Any, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    first = approved(run)
    given = answers(run, first)
    [got] = [one for one in RISKS if given["counselling", one] == "taken"]
    [waited] = [one for one in ("s1", "s2") if one != got]
    store = open_store(run.workspace.store)
    done = Action(
        student_id=got, kind="counselling_hours", day=DAY, done_by="陈老师", hours=6, programme=named
    )
    record_actions(store, BUREAU, [done], at=NOW)
    store.close()
    second = draft_allocation(run, by="李")
    assert second != first
    found = answers(run, second)
    assert found["counselling", got] == "already_helped"
    assert found["counselling", waited] == "taken"
    page = allocations.items(open_store(run.workspace.store), BUREAU, second, student_id="s3")
    assert page is not None
    [still] = [item for item, _ in page.items if item.programme == "counselling"]
    assert (still.answer.value, still.waiting_since, still.waiting) == ("hours_used_up", DAY, 1)


def test_records_that_came_after_the_set_stop_the_run(run: Any, bureau: Callable[..., Any]) -> None:
    bureau(
        {"family": [{"student_id": "s1", "recorded_on": "2026-10-10", "hardship": "orphan"}]},
        store=run.workspace.records, delivered_on=date(2026, 11, 3), raw=True, name="other",
    )  # fmt: skip
    with pytest.raises(WorkspaceError):
        draft_allocation(run, by="李")


def test_after_the_term_it_is_told_what_was_given_and_what_became(
    run: Any, bureau: Callable[..., Any]
) -> None:
    run_id = approved(run)
    given = answers(run, run_id)
    [got] = [one for one in RISKS if given["counselling", one] == "taken"]
    store = open_store(run.workspace.store)
    done = Action(
        student_id=got, kind="counselling_hours", day=DAY, done_by="陈老师", hours=6, programme="counselling"
    )
    record_actions(store, BUREAU, [done], at=NOW)
    store.close()
    assert what_became_of_allocated(run) is None
    spells = [
        {"student_id": one, "school_id": "A", "start_date": "2026-09-01", "grade": 7, "class_name": "1"}
        | ({"end_date": "2026-12-10", "exit_reason": "dropped_out"} if one == "s3" else {})
        for one in RISKS
    ]
    bureau(
        {
            "terms": [
                {"term": "2026-2027-1", "start_date": "2026-09-01", "end_date": "2027-01-20"},
                {"term": "2026-2027-2", "start_date": "2027-02-22", "end_date": "2027-12-31"},
            ],
            "enrolments": spells,
        },
        store=run.workspace.records, delivered_on=date(2027, 12, 1), force=True,
        complete_to=date(2027, 11, 30),
    )  # fmt: skip
    found = what_became_of_allocated(run)
    assert found is not None
    told = {(one.programme, one.answer.value): one for one in found.became}
    assert (told["counselling", "taken"].given, told["counselling", "taken"].stayed) == (1, 1)
    assert told["counselling", "hours_used_up"].given == 0
    assert told["living_cost", "entitled_not_receiving"].left == 1
    assert found.drawn == ()
    tables = [slots["table"] for code, slots in run.said if code == "table"]
    assert "no effect is estimated" in tables[-1]


def test_looking_back_tells_of_the_terms_of_the_backtest(run: Any) -> None:
    with pytest.raises(WorkspaceError):  # no backtest, and the model in use left no scores
        look_back(run)
    folder = run.workspace.backtest / "2026-2027-1" / "inputs"
    folder.mkdir(parents=True)
    (folder / "term.json").write_text("{}", encoding="utf-8")
    rows = pd.DataFrame(
        {
            "as_of_date": DAY, "student_id": list(RISKS), "school_id": "A", "stage": "junior",
            "outcome": ["stayed", "left", "stayed"], "lightgbm_score": [0.0, 1.0, 2.0],
            "lightgbm_risk": [0.06, 0.3, 0.01], "absence_rule_score": [3.0, 2.0, 1.0],
            "group_boarding": ["yes", "no", "no"],
        }
    )  # fmt: skip
    rows.to_parquet(folder / "scores.parquet")
    told = {(one.order, one.group): one for one in look_back(run)}
    model, absence = told["model", None], told["absence_rule", None]
    assert (model.places, model.leavers) == (1, 1)
    assert model.per_100 is not None
    assert absence.per_100 is not None
    assert (model.per_100.value, absence.per_100.value) == (100, 0)
    assert told["model", ("boarding", "yes")].leavers is None
    tables = [slots["table"] for code, slots in run.said if code == "table"]
    assert "2026-2027-1" in tables[-1]


def test_an_objection_removes_the_lists_of_the_childs_school_alone_whatever_its_id(run: Any) -> None:
    places = [run.workspace.allocations / "run-1" / file_stem(one) for one in ("A/1", "A/2", "x001-01")]
    for place in places:
        place.mkdir(parents=True)
    assert run.workspace.aid_lists_of("A/1") == [places[0]]
    assert run.workspace.aid_lists_of("x001-01") == [places[2]]


def test_an_objection_takes_the_child_out_of_lists_answers_and_the_next_run(run: Any) -> None:
    run_id = approved(run)
    take_objection(run, "s3", by="李")
    assert not (run.workspace.allocations / run_id / "A").exists()
    assert {student for _, student in answers(run, run_id)} == {"s1", "s2"}
    assert {student for _, student in answers(run, draft_allocation(run, by="李"))} == {"s1", "s2"}
