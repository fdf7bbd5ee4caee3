"""Whose approval a model needs, as the store and the workspace tell it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from riskmodel.domain import AsOf
from riskmodel.errors import StoreError
from riskmodel.pipelines.approving import (
    BY_COMMAND,
    approved_last,
    check_approval,
    check_not_taken_back,
)
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


def test_what_was_taken_back_is_not_published_again_from_the_same_records(store: Store) -> None:
    publish(store, make_term(), published_at=NOW, published_by="a")
    bad = publish(store, make_term(model_version="bad"), published_at=NOW, published_by="a")
    day = make_term().facts.as_of_date
    as_of = AsOf(day, date(2027, 4, 29), "2026-2027-1")
    check_not_taken_back(store, as_of, version="bad", records_hash="00ff")
    go_back(store, to=None, by="丙", at=NOW)
    with pytest.raises(StoreError) as refused:
        check_not_taken_back(store, as_of, version="bad", records_hash="00ff")
    assert refused.value.code == "set_taken_back"
    assert all(word in refused.value.text("en") for word in (bad, "丙"))
    check_not_taken_back(store, as_of, version="bad", records_hash="corrected")
    check_not_taken_back(store, as_of, version="other", records_hash="00ff")
