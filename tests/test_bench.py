"""`make bench` in its smallest form: every way of every job does its work, and the table tells it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import bench

    yield bench
    for name in ("bench", "growth", "sizes", "sizes.ways", "sizes.drawing"):
        sys.modules.pop(name, None)


def test_every_way_of_training_reasons_and_publishing_works(bench, tmp_path):
    jobs = ("training", "reasons", "publishing")
    bench.prepare(jobs, tmp_path, rows=600, students=300, county=0)
    found = {job: {way: bench.work_at(job, way, tmp_path) for way in bench.ways_of(job)} for job in jobs}
    lines = list(bench.table(found, found))
    assert len(lines) == 2 + sum(len(ways) for ways in found.values())
    assert all(
        taken["count"] >= 30 and taken["peak_mb"] > 50 for ways in found.values() for taken in ways.values()
    )
    assert lines[2].startswith("| training | ours | 600 |")


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
