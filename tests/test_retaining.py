"""`riskmodel retain`: shown first, removed when a person says so."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from riskmodel import pipelines
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.store import allocations
from riskmodel.store.allocations import AllocationRun
from riskmodel.store.engine import open_store

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def run(tmp_path: Path) -> pipelines.Run:
    told = yaml.safe_load((CONFIGS / "demo.yaml").read_text(encoding="utf-8"))
    told |= {"workspace": str(tmp_path / "workspace"), "retention_days": {"allocations": 365}}
    shutil.copytree(CONFIGS / "regions", tmp_path / "regions")
    file = tmp_path / "demo.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    return pipelines.Run.of(file, say=lambda *_, **__: None)


def test_old_runs_of_aid_are_shown_first_and_go_with_their_lists(run: pipelines.Run) -> None:
    store = open_store(run.workspace.store, create=True)
    now = datetime.now(UTC)
    for run_id, days in (("alloc-old", 400), ("alloc-new", 10)):
        made = AllocationRun(
            run_id=run_id, set_id="s", as_of_date=now.date(), made_at=now - timedelta(days=days),
            made_by="x", state="draft", content={},
        )  # fmt: skip
        allocations.save_run(store, BUREAU, made, [])
    for folder in ("alloc-old", "alloc-new", "alloc-of-no-run", "alloc-next.unfinished"):
        (run.workspace.allocations / folder / "A").mkdir(parents=True)
        (run.workspace.allocations / folder / "A" / "list.xlsx").write_bytes(b"x")
    long_ago = (now - timedelta(days=400)).timestamp()
    of_no_run = run.workspace.allocations / "alloc-of-no-run"
    for place in (of_no_run / "A" / "list.xlsx", of_no_run / "A", of_no_run):
        os.utime(place, (long_ago, long_ago))
    shown = {(one.kind, one.name) for one in pipelines.retain(run)}
    assert shown == {("allocation", "alloc-old"), ("allocation lists", "alloc-of-no-run")}
    assert len(allocations.runs(store, BUREAU)) == 2
    pipelines.retain(run, yes=True)
    assert [one.run_id for one in allocations.runs(store, BUREAU)] == ["alloc-new"]
    # What somebody writes at this moment is of no run yet, and stays.
    left = sorted(one.name for one in run.workspace.allocations.iterdir())
    assert left == ["alloc-new", "alloc-next.unfinished"]
    assert pipelines.retain(run, yes=True) == ()
