"""A model's name changes with everything that it was specified by."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from riskmodel.domain import Term
from riskmodel.pipelines import run as running
from riskmodel.pipelines.run import Run, model_version, silent

CONFIGURATION: dict[str, Any] = {
    "config_version": 1, "region": "here", "workspace": "workspace", "seed": 7, "recipe": "mine",
    "sources": [{"name": "bureau", "path": "records"}],
    "as_of": {"weeks": [4], "current": {"term": "2025-2026-1", "week": 8}},
    "horizon": {"days": 90}, "bands": {"reach_out": 0.15, "check_in": 0.08}, "capacity": {"share": 0.02},
}  # fmt: skip
RULE = {"version": "here-2023", "valid_from": date(2023, 9, 1), "source": "an example"}


@dataclass(frozen=True)
class Records:
    """As much of a record store as a version asks."""

    content_hash: str = "abc"

    def terms(self) -> tuple[Term, ...]:
        return (Term("2025-2026-1", date(2025, 9, 1), date(2026, 1, 16)),)


@pytest.fixture
def version(tmp_path: Path) -> Callable[..., str]:
    """Name the model of a configuration, a recipe, a rule and records, each changed as asked."""

    def name(*, records: str = "abc", rule: Any = None, recipe: Any = None, **configuration: Any) -> str:
        for file, told in (
            ("here.yaml", CONFIGURATION | configuration),
            ("regions/here.yaml", {"config_version": 1, "rules": [RULE | (rule or {})]}),
            ("recipes/mine.yaml", {"config_version": 1, "parts": ["trees"]} | (recipe or {})),
        ):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text(yaml.safe_dump(told), encoding="utf-8")
        run = Run.of(tmp_path / "here.yaml", say=silent)
        return model_version(run, Records(records))  # type: ignore[arg-type]

    return name


def test_the_same_specification_has_the_same_name_which_begins_with_its_day(version) -> None:
    assert version() == version()
    assert version().startswith("20251027-")


def test_configuration_recipe_rule_records_and_code_each_change_the_name(version, monkeypatch) -> None:
    names = [
        version(),
        version(seed=8),
        version(horizon={"days": 120}),
        version(recipe={"parts": ["trees", "linear"]}),
        version(recipe={"learns": "hazard"}),
        version(rule={"outcome_delay_days": 40}),
        version(records="abd"),
    ]
    monkeypatch.setattr(running, "code_hash", lambda *_: "other code")
    names.append(version())
    assert len(set(names)) == len(names)


def test_the_code_s_hash_moves_with_one_character_of_any_module(tmp_path, monkeypatch) -> None:
    module = tmp_path / "models" / "gbm.py"
    module.parent.mkdir()
    (tmp_path / "pipelines").mkdir()
    monkeypatch.setattr(running, "__file__", str(tmp_path / "pipelines" / "run.py"))
    told = []
    for source in ("DEPTH = 3\n", "DEPTH = 4\n"):
        module.write_text(source, encoding="utf-8")
        running.code_hash.cache_clear()
        told.append(running.code_hash(""))
    running.code_hash.cache_clear()
    assert told[0] != told[1]


def test_the_commit_of_the_code_is_told_with_whether_it_was_changed_and_no_other_repository_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.py"
    file.write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(running, "__file__", str(file))
    asked = running.commit.__wrapped__
    assert asked() is None

    def git(*told: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", "-C", str(tmp_path), *identity, *told], check=True, capture_output=True)

    git("init")
    assert asked() is None, "a repository that does not track the code says nothing of it"
    git("add", "run.py")
    git("commit", "-m", "first")
    told = asked()
    assert told is not None
    assert re.fullmatch(r"[0-9a-f]{40,64}", told)
    file.write_text("a = 2\n", encoding="utf-8")
    assert asked() == f"{told} with changes"
    monkeypatch.setenv("PATH", "")
    assert asked() is None
