"""Exact contributions of many rows at once: what a few questions of a tree answer is reckoned once.

A contribution of path-dependent TreeSHAP (Lundberg et al. 2020) depends on a row through the answers to the
questions of the tree alone. Trees are cut into groups of leaves whose paths ask at most `MOST_QUESTIONS`
questions; for each group a table holds the contributions for every combination of answers, so that a row
costs a look-up. Precomputing by leaf is the idea of Fast TreeSHAP v2 (Yang 2021); with shallow trees a
whole tree is one table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MOST_QUESTIONS = 8
"""Answers fill one byte; the contributions of eight columns are 16 kB, which stay near the processor."""
_ROWS_AT_ONCE = 8192
_ZERO = 1e-35
"""Below it LightGBM takes a number for 0."""


@dataclass(frozen=True)
class _Question:
    """`x[column] <= threshold`, and what is answered where x is not known (None: x counts as 0)."""

    column: int
    threshold: float
    not_known: bool | None
    zero_is_not_known: bool

    def answers(self, values: Floats, missing: Bools) -> Bools:
        yes = np.asarray(values <= self.threshold)  # never where it is not known
        if self.zero_is_not_known:
            gone = missing | (np.abs(values) <= _ZERO)
            return yes | gone if self.not_known else yes & ~gone
        not_known = self.threshold >= 0 if self.not_known is None else self.not_known
        return yes | missing if not_known else yes


@dataclass(frozen=True)
class _Leaf:
    """A value, and the way to it: questions, their answers, and the share of rows that goes that way."""

    value: float
    way: tuple[tuple[int, bool, float], ...]


@dataclass(frozen=True)
class _Group:
    """Questions, and for each combination of answers (the first is the lowest bit) what columns add."""

    questions: tuple[_Question, ...]
    columns: tuple[int, ...]
    table: Floats


@dataclass(frozen=True)
class ContributionTables:
    """Tables of all trees of a model.

    Attributes
    ----------
    width
        How many columns the model has.
    base
        Mean margin over the rows that each tree was grown from.
    """

    width: int
    base: float
    _groups: tuple[_Group, ...]

    @classmethod
    def of(cls, model: Mapping[str, Any]) -> ContributionTables | None:
        """Make the tables of a model as LightGBM dumps it; None where a tree asks about categories."""
        groups: list[_Group] = []
        base = 0.0
        for tree in model["tree_info"]:
            root = tree["tree_structure"]
            if any(node["decision_type"] != "<=" for node in _nodes(root)):
                return None
            leaves = list(_leaves(root, ()))
            base += sum(leaf.value * float(np.prod([share for *_, share in leaf.way])) for leaf in leaves)
            questions = {node["split_index"]: _question(node) for node in _nodes(root)}
            groups += [_group(questions, some) for some in _cut(leaves)]
        return cls(model["max_feature_idx"] + 1, base, tuple(groups))

    def contributions(self, X: Floats) -> Floats:
        """Return (n, p + 1) log-odds that each column adds, the last being the base; see `Gbm`."""
        added = np.zeros((len(X), self.width + 1))
        added[:, -1] = self.base
        for start in range(0, len(X), _ROWS_AT_ONCE):
            added[start : start + _ROWS_AT_ONCE, :-1] = self._added(X[start : start + _ROWS_AT_ONCE])
        return added

    def _added(self, X: Floats) -> Floats:
        values = np.ascontiguousarray(X.T)
        missing = np.isnan(values)
        added = np.zeros(values.shape)
        looked_up = np.empty(len(X))
        for group in self._groups:
            code = np.zeros(len(X), dtype=np.uint8)
            for question in reversed(group.questions):
                code <<= 1
                code |= question.answers(values[question.column], missing[question.column]).view(np.uint8)
            at = code.astype(np.intp)
            for column, table in zip(group.columns, group.table, strict=True):
                np.take(table, at, out=looked_up, mode="clip")  # which writes without a copy between
                added[column] += looked_up
        return added.T


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "split_index" in node:
        yield node
        yield from _nodes(node["left_child"])
        yield from _nodes(node["right_child"])


def _leaves(node: Mapping[str, Any], way: tuple[tuple[int, bool, float], ...]) -> Iterator[_Leaf]:
    if "split_index" not in node:
        yield _Leaf(float(node["leaf_value"]), way)
        return
    for side, answer in (("left_child", True), ("right_child", False)):
        below = node[side]
        share = below.get("internal_count", below.get("leaf_count")) / node["internal_count"]
        yield from _leaves(below, (*way, (node["split_index"], answer, share)))


def _question(node: Mapping[str, Any]) -> _Question:
    not_known = None if node["missing_type"] == "None" else bool(node["default_left"])
    return _Question(
        node["split_feature"], float(node["threshold"]), not_known, node["missing_type"] == "Zero"
    )


def _cut(leaves: list[_Leaf], depth: int = 0) -> Iterator[list[_Leaf]]:
    """Cut leaves at the uppermost question until each group asks few enough."""
    if len({number for leaf in leaves for number, *_ in leaf.way}) <= MOST_QUESTIONS:
        yield leaves
        return
    for answer in (True, False):
        yield from _cut([leaf for leaf in leaves if leaf.way[depth][1] == answer], depth + 1)


def _group(questions: Mapping[int, _Question], leaves: list[_Leaf]) -> _Group:
    asked = sorted({number for leaf in leaves for number, *_ in leaf.way})
    columns = sorted({questions[number].column for number in asked})
    codes = np.arange(1 << len(asked))
    answers = {number: (codes >> bit & 1).astype(bool) for bit, number in enumerate(asked)}
    table = np.zeros((len(columns), len(codes)))
    for leaf in leaves:
        # Of each column on the way: does the row go along at all its questions, and which share would.
        goes: dict[int, Bools] = {}
        share: dict[int, float] = {}
        for number, answer, part in leaf.way:
            column = questions[number].column
            goes[column] = goes.get(column, np.ones(len(codes), dtype=bool)) & (answers[number] == answer)
            share[column] = share.get(column, 1.0) * part
        for column, added in _shapley(goes, share).items():
            table[columns.index(column)] += leaf.value * added
    return _Group(tuple(questions[number] for number in asked), tuple(columns), table)


def _shapley(goes: Mapping[int, Bools], share: Mapping[int, float]) -> dict[int, Floats]:
    """Return the Shapley values of a product of which each factor is `goes`, or `share` if left out."""
    found = {}
    for column in goes:
        others = [other for other in goes if other != column]
        total = np.zeros(len(goes[column]))
        for count in range(len(others) + 1):
            weight = factorial(count) * factorial(len(others) - count) / factorial(len(others) + 1)
            for known in combinations(others, count):
                left_out = float(np.prod([share[other] for other in others if other not in known]))
                total += weight * left_out * np.all([goes[other] for other in known], axis=0)
        found[column] = total * (goes[column] - share[column])
    return found
