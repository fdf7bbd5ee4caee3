"""Whose approval a model needs, as the store and the workspace tell it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.domain import RegionRule
from riskmodel.errors import StoreError, WorkspaceError
from riskmodel.pipelines.approving import BY_COMMAND, approved_last, check_approval, check_fits
from riskmodel.store.engine import Store, open_store
from riskmodel.store.publishing import go_back, publish

from .store.conftest import make_term

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", create=True)


def run_in(folder: Path) -> Any:
    return SimpleNamespace(workspace=SimpleNamespace(models=folder / "models"), say=lambda code, **_: None)


def model(folder: Path, name: str, *, approved: bool = False, at: str = "2026-11-01") -> Path:
    made = folder / "models" / name
    made.mkdir(parents=True)
    (made / "gates.json").write_text("[]")
    if approved:
        told = {"names": ["甲", "乙"], "gates_sha256": sha256(b"[]").hexdigest(), "approved_at": at}
        (made / "approval.json").write_text(json.dumps(told))
    return made


def test_the_first_model_is_published_by_the_command_and_an_approved_one_by_its_people(
    store: Store, tmp_path: Path
) -> None:
    assert check_approval(run_in(tmp_path), store, model(tmp_path, "first")) == BY_COMMAND
    assert check_approval(run_in(tmp_path), store, model(tmp_path, "next", approved=True)) == "甲 + 乙"


def test_what_people_published_is_replaced_by_no_unapproved_model_though_the_approval_is_lost(
    store: Store, tmp_path: Path
) -> None:
    publish(store, make_term(), published_at=NOW, published_by=BY_COMMAND)
    assert check_approval(run_in(tmp_path), store, model(tmp_path, "second")) == BY_COMMAND
    publish(store, make_term(), published_at=NOW, published_by="甲 + 乙")
    # No folder of the approved model is here (docs/how-to/a-term.md: one may remove it).
    with pytest.raises(StoreError) as refused:
        check_approval(run_in(tmp_path), store, model(tmp_path, "third"))
    assert refused.value.code == "not_approved"


def test_beside_a_model_that_was_approved_none_that_nobody_read_is_published(
    store: Store, tmp_path: Path
) -> None:
    model(tmp_path, "read by two", approved=True)
    with pytest.raises(StoreError) as refused:
        check_approval(run_in(tmp_path), store, model(tmp_path, "trained in between"))
    assert refused.value.code == "not_approved"


def test_the_model_that_was_approved_last_is_published_but_for_one_that_somebody_went_back_from(
    store: Store, tmp_path: Path
) -> None:
    run = run_in(tmp_path)
    former = model(tmp_path, "former", approved=True, at="2026-09-01")
    newer = model(tmp_path, "newer", approved=True, at="2026-11-01")
    for name in ("former", "newer"):
        publish(store, make_term(model_version=name), published_at=NOW, published_by="甲 + 乙")
    assert approved_last(run, store) == newer
    go_back(store, to=None, by="丙", at=NOW)
    assert approved_last(run, store) == former


def decided(folder: Path, **changed: Any) -> tuple[Any, Path]:
    """Return a run of today's decisions, and the folder of a model made under these but for `changed`."""
    used = model(folder, "made before") / "bundle"
    used.mkdir()
    told = {"horizon": 180, "rule_version": "2020", "as_of_dates": ["2025-10-27"]} | changed
    columns = told.pop("model_columns", ["absence_share_28d"])
    (used / "manifest.json").write_text(json.dumps(told))
    (used / "features.json").write_text(json.dumps({"model_columns": columns}))
    rule = RegionRule(version="2020", valid_from=date(2020, 1, 1), source="an example")
    run = SimpleNamespace(
        configuration=SimpleNamespace(protected_features=None),
        file=Path("c.yaml"),
        horizon=180,
        rules=(rule,),
    )
    return run, used.parent


def test_a_model_made_under_todays_decisions_fits(tmp_path: Path) -> None:
    check_fits(*decided(tmp_path))


def test_of_a_model_that_learnt_under_several_rules_each_counts(tmp_path: Path) -> None:
    check_fits(*decided(tmp_path, rule_version="2015+2020"))


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("horizon", {"horizon": 90}),
        ("horizon", {"horizon": None}),  # made before a manifest told it
        ("horizon", {"horizon": "end_of_term"}),
        ("rules", {"rule_version": "2020-draft"}),
        ("protected_features", {"model_columns": ["absence_share_28d", "disability_registered"]}),
    ],
)
def test_a_model_made_under_another_decision_is_refused_and_the_decision_named(
    tmp_path: Path, key: str, changed: dict[str, Any]
) -> None:
    with pytest.raises(WorkspaceError) as refused:
        check_fits(*decided(tmp_path, **changed))
    assert refused.value.code == "model_of_other_decisions"
    assert key in refused.value.text("zh")
