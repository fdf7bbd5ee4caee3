"""A sample of the corpus of messy input: every third kind, a pair and a clean one (`make corpus`: all)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = str(Path(__file__).parents[1] / "benchmarks")


@pytest.fixture(scope="module")
def corpus():
    """`benchmarks/corpus`, a package beside the scripts."""
    sys.path.insert(0, BENCHMARKS)
    try:
        import corpus.run as run

        yield run
    finally:
        sys.path.remove(BENCHMARKS)


@pytest.mark.parametrize("kind", range(1, 51, 3))
def test_a_kind_of_messy_input_gets_its_answer_at_its_place(corpus, kind):
    seed = kind % len(corpus.VARIANTS[kind])
    _, verdict = corpus.judged(corpus.Task(f"{kind:02}", seed))
    assert verdict.is_sound, verdict


def test_nothing_is_found_in_clean_deliveries_of_every_format(corpus):
    for seed in range(2):
        _, verdict = corpus.judged(corpus.Task("clean", seed))
        assert verdict.is_sound, verdict


def test_the_judge_sees_faults_that_are_planted_in_intake(corpus):
    from corpus import planted

    whole, planted.PLANTED = planted.PLANTED, planted.PLANTED[::5]
    try:
        assert planted.unseen() == []
    finally:
        planted.PLANTED = whole


def test_two_kinds_in_one_delivery_are_both_told(corpus):
    _, verdict = corpus.judged(corpus.Task("pair", 0))
    assert verdict.is_sound, verdict
