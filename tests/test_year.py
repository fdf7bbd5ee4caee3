"""The story of `make year`: commands that exist, in the order of their days, gone on with after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from riskmodel.cli import app
from riskmodel.config import read_configuration, read_gate_limits, read_recipe


@pytest.fixture(scope="module")
def year(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("year")


@pytest.mark.parametrize("short", [True, False])
def test_every_step_is_a_command_that_the_command_line_takes(year: ModuleType, short: bool) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    steps = year.story(students=1000, short=short)
    assert all(step.command or step.does for step in steps)
    for step in steps:
        if step.command:
            name, *args = step.command
            commands[name].make_context(name, [*args, "--config", "year.yaml"])


def test_deliveries_never_go_back(year: ModuleType) -> None:
    days = [step.command[2] for step in year.story(students=1000) if step.command[:1] == ("intake",)]
    assert days == sorted(days)
    assert len(days) > 5


def test_the_bureau_s_files_are_read_by_the_same_rules_as_any(year: ModuleType, tmp_path: Path) -> None:
    year.configure(tmp_path, students=1000, current=year.SPRING)
    told = read_configuration(tmp_path / "year.yaml")
    assert told.as_of.current.term == year.SPRING  # type: ignore[union-attr]
    assert read_configuration(tmp_path / "challenger.yaml").recipe == "hasty"
    assert read_recipe(tmp_path / "recipes" / "hasty.yaml").trees.rounds == 1
    assert read_gate_limits(tmp_path / "gates.yaml").recall_gap == year.DECIDED["recall_gap"]


def test_a_year_that_was_stopped_goes_on_and_one_that_goes_wrong_stops(
    year: ModuleType, tmp_path: Path
) -> None:
    ran: list[str] = []
    codes = {"intake": 0, "monitor": 3, "promote": 1}

    def run(command: Sequence[str], log: Path) -> tuple[int, float, float]:
        ran.append(command[0])
        return codes.get(command[0], 0), 1.0, 100.0

    steps = (
        year.Step("take in", ("intake",)),
        year.Step("watch", ("monitor",), exits=(year.ALARM,)),
        year.Step("two people approve", ("promote",)),
    )
    with pytest.raises(SystemExit, match="two people approve: exit code 1"):
        year.live(tmp_path, steps, run=run)
    assert [took["command"] for took in json.loads((tmp_path / "took.json").read_text())] == [
        "intake",
        "monitor",
    ]
    codes["promote"] = 0
    took = year.live(tmp_path, steps, run=run)
    assert ran == ["intake", "monitor", "promote", "promote"]
    assert "| watch | `monitor` | 3 |" in year.table(took)


def test_distances_in_metres_are_those_of_one_school_and_are_put_right_again(
    year: ModuleType, tmp_path: Path
) -> None:
    records = tmp_path / "workspace" / "county" / "records"
    records.mkdir(parents=True)
    (records / "enrolments.csv").write_text("student_id,school_id\na,A\nb,A\nc,B\n", encoding="utf-8")
    before = "student_id,distance_km\na,1.5\nb,\nc,2\n"
    (records / "family.csv").write_text(before, encoding="utf-8")
    year.in_metres(tmp_path)
    assert (records / "family.csv").read_text(encoding="utf-8") == "student_id,distance_km\na,1500\nb,\nc,2\n"
    year.put_right(tmp_path)
    assert (records / "family.csv").read_text(encoding="utf-8") == before
