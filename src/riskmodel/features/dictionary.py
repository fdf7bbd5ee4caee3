"""The data dictionary, written from the declarations: `python -m riskmodel.features.dictionary`."""

from __future__ import annotations

import sys

from riskmodel.domain import FeatureInfo, Language
from riskmodel.features import ALL_FEATURES
from riskmodel.wording import text

_HEAD = """\
# 数据字典 / Data dictionary

Written by `python -m riskmodel.features.dictionary > docs/data-dictionary.md`; a test holds it equal.

Every feature of a matrix, as known on the as-of date. An empty value is not known: neither 0 nor "no".
Windows end on the as-of date and count it in. Shares are 0 to 1; marks are points of 100.
*Role*: `model`, the model may use it; `fact`, only for words on a sheet; `audit`, only to check that no
group is missed. *Direction*: + goes along with more leaving, − with less, blank: not said.
*Audience*: who may read it. *Says*: the codes of its sentences (`reasons.`, `strengths.`).

| name | 名称 | in words | family | unit | source | role | direction | audience | says |
|---|---|---|---|---|---|---|---|---|---|
"""
_DIRECTIONS = {1: "+", 0: "", -1: "−"}


def data_dictionary() -> str:
    """Return the data dictionary as Markdown, one row per feature in the order of the columns."""
    return _HEAD + "".join(_row(feature) for feature in ALL_FEATURES)


def _row(feature: FeatureInfo) -> str:
    said = ", ".join(f"`{code}`" for code in (feature.reason, feature.strength) if code)
    cells = (
        f"`{feature.name}`", _plain(feature, "zh"), _plain(feature, "en"), feature.family, feature.unit,
        feature.source, feature.role, _DIRECTIONS[feature.direction], feature.audience, said,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _plain(feature: FeatureInfo, language: Language) -> str:
    return text(f"features.{feature.name}", language)


if __name__ == "__main__":
    sys.stdout.write(data_dictionary())
