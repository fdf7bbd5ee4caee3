"""What is withheld cannot be had again: no sum and no combination of sums gives a small count away."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskmodel.hiding import Sum, withheld


def table(rows: list[list[int]]) -> tuple[dict[tuple[int, int], int], list[Sum[tuple[int, int]]]]:
    """Return a table with its margins (number -1), and how they are tied."""
    counts = {(r, c): value for r, row in enumerate(rows) for c, value in enumerate(row)}
    height, width = range(len(rows)), range(len(rows[0]))
    counts |= {(r, -1): sum(rows[r]) for r in height} | {(-1, c): sum(row[c] for row in rows) for c in width}
    counts[-1, -1] = sum(map(sum, rows))
    sums = [Sum((r, -1), tuple((r, c) for c in width)) for r in (*height, -1)]
    sums += [Sum((-1, c), tuple((r, c) for r in height)) for c in (*width, -1)]
    return counts, sums


def determined(hidden: set[tuple[int, int]], sums: list[Sum[tuple[int, int]]]) -> set[tuple[int, int]]:
    """Return the hidden cells that somebody who knows all the shown ones can reckon."""
    cells = sorted(hidden)
    matrix = np.array(
        [[(key in one.parts) - (key == one.total) for key in cells] for one in sums], dtype=float
    ).reshape(len(sums), len(cells))
    rank = np.linalg.matrix_rank(matrix)
    unit = np.eye(len(cells))
    return {key for n, key in enumerate(cells) if np.linalg.matrix_rank(np.vstack([matrix, unit[n]])) == rank}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0, 0, 1, 2, 4, 5, 7, 30]), min_size=width, max_size=width),
            min_size=2, max_size=5,
        )
    )
)  # fmt: skip
def test_no_small_count_can_be_reckoned_from_what_is_shown(rows: list[list[int]]) -> None:
    counts, sums = table(rows)
    hidden = withheld(counts, sums, below=5)
    small = {key for key, value in counts.items() if 0 < value < 5}
    assert small <= hidden
    assert not determined(hidden, sums) & small
    for one in sums:
        within = [key for key in one.parts if key in hidden]
        if within and one.total not in hidden:
            assert sum(counts[key] for key in within) >= 5


def test_a_single_small_cell_takes_the_next_smallest_with_it() -> None:
    counts, sums = table([[2, 30, 7], [40, 50, 60]])
    hidden = withheld(counts, sums[:1], below=5)
    assert hidden == {(0, 0), (0, 2)}


def test_without_the_complement_the_small_count_would_be_reckoned() -> None:
    counts, sums = table([[2, 30, 7], [40, 50, 60]])
    alone = {key for key, value in counts.items() if 0 < value < 5}
    assert determined(alone, sums) == {(0, 0)}


def test_of_what_could_go_beside_a_small_count_the_cheapest_goes() -> None:
    counts, sums = table([[2, 30, 7], [40, 50, 60]])
    hidden = withheld(counts, sums[:1], below=5, worth=lambda key: key == (0, 2))
    assert hidden == {(0, 0), (0, 1)}


def test_nothing_is_withheld_where_nothing_is_small() -> None:
    counts, sums = table([[0, 30], [40, 5]])
    assert withheld(counts, sums, below=5) == set()
