"""`make bench` in its smallest form: ways of a job give the same, and the table tells what each took."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from riskmodel.store.engine import open_store
from riskmodel.store.reading import current_set

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench

    yield bench
    for name in ("bench", "growth", "sizes", "sizes.ways", "sizes.drawing"):
        sys.modules.pop(name, None)


def test_the_ways_of_training_reasons_and_publishing_do_the_same_work(bench, tmp_path, monkeypatch):
    jobs = ("training", "reasons", "publishing")
    bench.prepare(jobs, tmp_path, rows=600, students=300, county=0)
    from sizes import ways

    with pytest.raises(SystemExit, match="10000 rows and more"):
        ways.reasons_ours(tmp_path)
    monkeypatch.setattr(ways.gbm, "BULK_ROWS", 100)
    did = {job: {way: done(tmp_path)[0]() for way, done in ways.WAYS[job].items()} for job in jobs}
    ours, exact, shap, _ = did["reasons"].values()
    assert np.abs(ours[::10] - exact).max() < 1e-9
    assert np.abs(exact[:, :-1] - shap).max() < 1e-6
    assert not np.array_equal(ours[::10], exact), "ours was another way"
    ours, by_hand, least = did["training"].values()
    assert told_of(ours.trees.text) == told_of(by_hand.model_to_string()) == told_of(least.trees.text)
    assert did["publishing"]["ours"] == current_set(open_store(tmp_path / "store")).set_id
    assert did["publishing"]["LightGBM, pandas, SQLite"] == 300


def told_of(text: str) -> list[str]:
    """Return what a model's trees are made of."""
    return [line for line in text.splitlines() if line.startswith(("split_", "threshold", "leaf_value"))]


def test_the_table_tells_what_each_way_took(bench):
    found = {"reasons": {"ours": bench.Measured(count=600, cpu=1.0, wall=2.0, peak_mb=300.0)}}
    [line] = list(bench.table(found, found))[2:]
    assert line.startswith("| reasons | ours | 600 | 1.00 | 2.00 | 300 |")


def test_a_law_is_found_again_and_told_for_a_province(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import growth
    from county_knowable import Cost

    sizes = (1_000, 2_000, 4_000, 8_000)
    law = growth.Law.of(sizes, [0.5 * size**1.2 for size in sizes])
    assert law.at(1_000_000) == pytest.approx(0.5 * 1_000_000**1.2)
    found = {n: {step: Cost(step, n / 100, n / 100, 100 + n / 50) for step in growth.STEPS} for n in sizes}
    said = "\n".join(growth.told(found, dict.fromkeys(sizes, 1_000_000)))
    assert "| intake | 0.01 n^1.00 | 10,000 |" in said  # the planted law
    assert "| a province, 5 million | 56 |" in said  # 4 steps of 10,000 s, five times
