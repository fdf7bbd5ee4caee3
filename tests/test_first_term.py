"""A county without known outcomes: lists by the rule, and the statement of when there can be a model."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient
from typer.testing import CliRunner

from riskmodel.cli import app
from riskmodel.domain import AsOf
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.pipelines.bundles import read_used
from riskmodel.pipelines.first_term import look_ahead
from riskmodel.pipelines.run import Run, silent
from riskmodel.store.cases import ledger_rules
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.reading import current_set, schools, students
from riskmodel.wording import LANGUAGES, text
from serve.app import create_app
from serve.settings import Settings

pytestmark = pytest.mark.slow

BUREAU = Principal(key_id="test", role="bureau")
EARLY = AsOf(date(2024, 10, 1), date(2024, 12, 30), "2024-2025-1")
LATE = AsOf(date(2024, 12, 1), date(2025, 3, 1), "2024-2025-1")
SPRING = AsOf(date(2025, 3, 20), date(2025, 6, 18), "2024-2025-2")


# --- the arithmetic


def test_outcomes_will_be_known_after_the_horizon_and_the_delay_the_earliest_first() -> None:
    ahead = look_ahead((SPRING, LATE, EARLY), counted=(), events=0, outcome_delay_days=10)

    assert ahead.waiting == (
        (date(2025, 1, 9), EARLY), (date(2025, 3, 11), LATE), (date(2025, 6, 28), SPRING),
    )  # fmt: skip
    assert ahead.enough_on is None


def test_a_date_that_counts_already_waits_no_more() -> None:
    ahead = look_ahead((EARLY, LATE), counted=(EARLY,), events=3, outcome_delay_days=10)

    assert [as_of for _, as_of in ahead.waiting] == [LATE]


def test_the_pace_so_far_tells_about_when_there_will_be_enough() -> None:
    ahead = look_ahead((), counted=(EARLY, LATE), events=50, outcome_delay_days=10)

    assert ahead.days == 151  # 2024-10-01 to 2025-03-01
    # As many again take as many days again, and are known ten days later.
    assert ahead.enough_on == date(2025, 8, 9)


def test_half_a_day_is_a_day_still_to_wait() -> None:
    one = AsOf(date(2024, 10, 1), date(2024, 10, 2), "2024-2025-1")

    ahead = look_ahead((), counted=(one,), events=99, outcome_delay_days=0)

    assert ahead.enough_on == date(2024, 10, 3)


def test_there_are_not_enough_before_the_next_date_counts() -> None:
    ahead = look_ahead((EARLY, SPRING), counted=(EARLY,), events=99, outcome_delay_days=10)

    assert ahead.enough_on == date(2025, 6, 28)


def test_where_nobody_left_there_is_no_pace() -> None:
    ahead = look_ahead((), counted=(EARLY,), events=0, outcome_delay_days=10)

    assert (ahead.days, ahead.enough_on) == (90, None)


# --- the line


def configured(folder: Path, *, complete_to: str, current: dict[str, Any]) -> Path:
    """Write the configuration of a county in its first school year, whose records reach to a day."""
    workspace = folder / "workspace"
    records = {"name": "county", "path": str(workspace / "county" / "records"), "complete_to": complete_to}
    content = {
        "config_version": 1,
        "region": "first",
        "workspace": str(workspace),
        "seed": 7,
        "county": {"students": 500, "school_years": 1},
        "sources": [records],
        "as_of": {"weeks": [8, 12], "current": current},
        "horizon": {"days": 90},
        "bands": {"reach_out": 0.15, "check_in": 0.08},
        "capacity": {"share": 0.02},
    }
    rule: dict[str, Any] = {"version": "first-2023", "valid_from": date(2023, 9, 1), "source": "an example"}
    rule["outcome_delay_days"] = 30
    (folder / "regions").mkdir(exist_ok=True)
    (folder / "first.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    (folder / "regions" / "first.yaml").write_text(
        yaml.safe_dump({"config_version": 1, "rules": [rule], "ledger": [DEADLINES]}), encoding="utf-8"
    )
    return folder / "first.yaml"


DEADLINES: dict[str, Any] = {
    "version": "near", "valid_from": date(2023, 9, 1), "source": "an example",
    "suspected_after_school_days": 3, "first_visit_days": 2, "verify_days": 28, "visit_every_days": 30,
    "follow_up_weeks": [1], "closing_days": 14,
}  # fmt: skip


def does(config: Path, *steps: str) -> str:
    output = ""
    for step in steps:
        ran = CliRunner().invoke(app, [step, "--config", str(config)])
        assert ran.exit_code == 0, ran.output
        output = ran.stdout
    return output


def assert_answered_without_a_number(workspace: Path, config: Path) -> None:
    made = CliRunner().invoke(
        app, ["keys", "make", "--role", "bureau", "--label", "x", "--config", str(config)]
    )
    key = re.search(r"rm_[0-9a-f]+_[\w-]+", made.stdout)
    assert key is not None
    with TestClient(create_app(Settings(workspace=workspace))) as client:
        client.headers["Authorization"] = f"Bearer {key[0]}"
        school_id = client.get("/v1/schools").json()["schools"][0]["school_id"]
        listed = client.get(f"/v1/schools/{school_id}/students").json()["students"]
        answers = [client.get(f"/v1/students/{one['student_id']}/risk").json() for one in listed]
    assert answers
    assert {answer["risk"] for answer in answers} == {None}
    assert {answer["similar_per_100"] for answer in answers} == {None}
    assert {answer["model"]["probabilities"] for answer in answers} == {False}
    assert "usual_care" in {answer["band"] for answer in answers}


def test_a_county_in_its_first_term_gets_lists_by_the_rule_and_is_told_when_there_can_be_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskmodel.runners.local.os.cpu_count", lambda: 1)  # no processes of their own
    config = configured(tmp_path, complete_to="2023-12-31", current={"term": "2023-2024-1", "week": 16})
    trained = does(config, "county", "intake", "features", "train")
    does(config, "publish")
    with closing(open_store(tmp_path / "workspace" / "store")) as store, store.reading() as connection:
        assert [one.first_visit_days for one in ledger_rules(connection)] == [2], "the server knows them"

    for language in LANGUAGES:
        said = text("steps.first_term", language, events=0, minimum=MINIMUM_TRAINING_EVENTS)
        assert said in trained
        # Week 8 ends on 2023-10-27; 90 days of horizon and 30 of delay follow.
        next_one = text(
            "steps.first_term_next",
            language,
            as_of_date="2023-10-27",
            known_on="2024-02-24",
            horizon_end="2024-01-25",
            delay=30,
        )
        assert next_one in trained
        assert text("steps.first_term_no_pace", language, minimum=MINIMUM_TRAINING_EVENTS) in trained
        assert text("steps.not_judged", language) in trained
    (model,) = (tmp_path / "workspace" / "models").iterdir()
    bundle = read_used(Run.of(config, say=silent), model)
    assert not bundle.probabilities
    assert (bundle.manifest["base_risk"], bundle.manifest["training"]["rows"]) == (None, 0)
    store = open_store(tmp_path / "workspace" / "store")
    everybody = [
        student
        for school in schools(store, BUREAU)
        for student in students(store, BUREAU, school.school_id, limit=500).students
    ]
    assert not current_set(store).facts.probabilities
    assert any(student.listed for student in everybody)
    assert {student.risk for student in everybody} == {None}
    assert_answered_without_a_number(tmp_path / "workspace", config)
    again = does(config, "train")
    assert text("steps.model_reused", "en", version=bundle.model_version) in again
    assert next_one in again

    # In spring the autumn's outcomes are known, but nothing was before them: the rule alone is judged.
    config = configured(tmp_path, complete_to="2024-05-31", current={"term": "2023-2024-2", "week": 12})
    spring = does(config, "intake", "features", "train")
    assert text("steps.judged_by_rule", "en", first="2023-10-27") in spring
    assert text("steps.first_term_counted", "en", dates="2023-10-27, 2023-11-24") in spring
