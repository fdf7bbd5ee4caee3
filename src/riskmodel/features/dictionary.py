"""The data dictionary, written from the declarations: `python -m riskmodel.features.dictionary`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from riskmodel.domain import Audience, Family, FeatureInfo, Kind, Unit
from riskmodel.features import ALL_FEATURES
from riskmodel.wording import text
from riskmodel.wording.statements import format_value

_HEAD = """\
# 数据字典 / Data dictionary

Written by `make docs` from the declarations; a test holds it equal. Its words stand in the wording files.

Every feature of a matrix, as known on the as-of date. An empty value is not known: neither 0 nor "no".
Windows end on the as-of date and count it in. Shares are 0 to 1; marks are points of 100.
*Role*: `model`, the model may use it; `fact`, only for words on a sheet; `audit`, only to check that no
group is missed. *Direction*: + goes along with more leaving, − with less, blank: not said.
*Says*: the codes of its sentences (`reasons.`, `strengths.`).
"""
_DIRECTIONS = {1: "+", 0: "", -1: "−"}
_WRITTEN: Mapping[Unit, float] = {
    "share": 0.625, "flag": 1.0, "yuan": 1250.0, "points": -18.25, "standard_deviations": -1.26, "code": 8.0,
}  # fmt: skip
"""A value of each unit to show how it is written; of the others, nine and a half."""


def data_dictionary() -> str:
    """Return the data dictionary as Markdown: families, kinds, readers, units, and a row per feature."""
    return _HEAD + "".join(
        (
            _table(
                "类别 / Families",
                ("family", "名称", "in words", "features", "of which kind", "of which readers", "sentences"),
                map(_family_row, get_args(Family)),
            ),
            _table(
                "学校能不能做 / Who can act",
                ("kind", "名称", "in words"),
                ((f"`{kind}`", *_both(f"kinds.{kind}")) for kind in get_args(Kind)),
            ),
            _table(
                "谁可以看 / Who may read",
                ("audience", "名称", "in words"),
                ((f"`{each}`", *_both(f"sheet.audience.{each}")) for each in get_args(Audience)),
            ),
            _table(
                "单位和写法 / Units and how a value is written",
                ("unit", "名称", "in words", "value", "写作", "written"),
                map(_unit_row, get_args(Unit)),
            ),
            _table(
                "特征 / Features",
                ("name", "名称", "in words", "family", "unit", "kind", "audience", "source", "role",
                 "direction", "says"),
                map(_feature_row, ALL_FEATURES),
            ),
        )
    )  # fmt: skip


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (f"| {' | '.join(cells)} |\n" for cells in (head, ("---",) * len(head), *rows))
    return f"\n## {title}\n\n{''.join(lines)}"


def _family_row(family: Family) -> tuple[str, ...]:
    own = [feature for feature in ALL_FEATURES if feature.family == family]
    said = {code for feature in own for code in (feature.reason, feature.strength) if code}
    kinds, readers = ([one.kind for one in own], [one.audience for one in own])
    return (
        f"`{family}`",
        *_both(f"families.{family}"),
        str(len(own)),
        _counted(get_args(Kind), kinds),
        _counted(get_args(Audience), readers),
        str(len(said)),
    )


def _counted(names: Iterable[str], found: Sequence[str]) -> str:
    return ", ".join(f"`{name}` {found.count(name)}" for name in names if name in found)


def _unit_row(unit: Unit) -> tuple[str, ...]:
    value = _WRITTEN.get(unit, 9.5)
    return (
        f"`{unit}`", *_both(f"units.{unit}"), f"{value:g}",
        format_value(value, unit, "zh"), format_value(value, unit, "en"),
    )  # fmt: skip


def _feature_row(feature: FeatureInfo) -> tuple[str, ...]:
    said = ", ".join(f"`{code}`" for code in (feature.reason, feature.strength) if code)
    return (
        f"`{feature.name}`", *_both(f"features.{feature.name}"), feature.family, feature.unit, feature.kind,
        feature.audience, feature.source, feature.role, _DIRECTIONS[feature.direction], said,
    )  # fmt: skip


def _both(code: str) -> tuple[str, str]:
    return text(code, "zh"), text(code, "en")


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
