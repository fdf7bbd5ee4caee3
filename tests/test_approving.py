"""Whose approval a model needs, as the store and the workspace tell it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.errors import StoreError
from riskmodel.pipelines.approving import BY_COMMAND, check_approval
from riskmodel.store.engine import Store, open_store
from riskmodel.store.publishing import publish

from .store.conftest import make_term

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store", create=True)


def run_in(folder: Path) -> Any:
    return SimpleNamespace(workspace=SimpleNamespace(models=folder / "models"), say=lambda code, **_: None)


def model(folder: Path, name: str, *, approved: bool = False) -> Path:
    made = folder / "models" / name
    made.mkdir(parents=True)
    (made / "gates.json").write_text("[]")
    if approved:
        told = {"names": ["甲", "乙"], "gates_sha256": sha256(b"[]").hexdigest()}
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
