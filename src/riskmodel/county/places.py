"""Townships and schools of one fictional county: teaching points of a few dozen, town schools of 1,500."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOWNSHIPS = ["青禾", "柳溪", "石桥", "云岭", "白沙", "松坪", "南塘", "竹园", "清河", "红土", "双井", "月湖"]
SCHOOL_SPREAD, TOWNSHIP_SPREAD = 0.25, 0.15
"""Standard deviations of the school and township differences in the log hazard."""


@dataclass(frozen=True)
class Places:
    """Schools by position, and what each means for its students.

    Attributes
    ----------
    junior_of
        Junior school to which the children of a school go after grade 6 (itself, where it has grade 7).
    weight
        Share of its township's children who begin at the school (0 for junior schools).
    gap_km
        Further way to the junior school.
    effect
        School and township difference in the log hazard.
    county
        Number of this county within the region, from 0.
    """

    county: int
    township: NDArray[np.intp]
    stage: NDArray[np.str_]
    kind: NDArray[np.str_]
    junior_of: NDArray[np.intp]
    weight: NDArray[np.float64]
    gap_km: NDArray[np.float32]
    effect: NDArray[np.float32]
    township_share: NDArray[np.float64]

    @property
    def county_name(self) -> str:
        """The invented name of the county."""
        return f"虚构县{self.county + 1}"

    @property
    def division(self) -> str:
        """A division code of the kind used in national numbers; none begins with 99."""
        return f"99{self.county + 1:04d}"

    def school_ids(self) -> NDArray[np.str_]:
        """Return the ids by which records name the schools."""
        return np.array([f"x{self.county + 1:03d}-{i + 1:02d}" for i in range(len(self.stage))])

    def township_names(self) -> NDArray[np.str_]:
        """Return the township of each school, as text."""
        return np.array([f"{_TOWNSHIPS[t]}{'镇' if t == 0 else '乡'}" for t in self.township])

    def school_names(self) -> NDArray[np.str_]:
        """Return an invented name per school."""
        seen: dict[tuple[int, str], int] = {}
        said = []
        for township, stage, kind in zip(self.township, self.stage, self.kind, strict=True):
            word = {"primary": "小学", "junior": "初级中学", "nine_year": "九年一贯制学校"}[str(stage)]
            word = "教学点" if kind == "teaching_point" else word
            number = seen[township, word] = seen.get((int(township), word), 0) + 1
            said.append(f"{self.county_name}{_TOWNSHIPS[township]}第{number}{word}")
        return np.array(said)


def build_places(county: int, students: int, rng: np.random.Generator) -> Places:
    """Draw some 60 schools in a dozen townships; fewer where there are few students."""
    townships = max(2, min(12, round(12 * students / 20_000)))
    share = np.r_[3.0, rng.uniform(0.5, 1.5, townships - 1)]
    township: list[int] = []
    stage: list[str] = []
    kind, junior_of, weight, gap = [], [], [], []
    for place in range(townships):
        town = place == 0
        juniors = list(range(len(stage), len(stage) + (2 if town and townships > 3 else 1)))
        nine_year = not town and place % 4 == 1
        for junior in juniors:
            stage.append("nine_year" if nine_year else "junior")
            kind.append("ordinary" if town or rng.random() < 0.4 else "boarding")
            junior_of.append(junior)
            weight.append(0.3 if nine_year else 0.0)
            gap.append(0.0)
        centres = 3 if town else 2
        points = 0 if town else 1 + int(rng.random() < 0.6)
        for i in range(centres + points):
            point = i >= centres
            stage.append("primary")
            kind.append("teaching_point" if point else "ordinary")
            junior_of.append(juniors[i % len(juniors)])
            weight.append(rng.uniform(0.03, 0.08) if point else rng.uniform(0.2, 1.0))
            gap.append(rng.uniform(4, 12) if point else rng.uniform(0.3, 4))
        township += [place] * (len(stage) - len(township))
    home = rng.normal(0, TOWNSHIP_SPREAD, townships)
    effect = home[township] + rng.normal(0, SCHOOL_SPREAD, len(stage))
    return Places(
        county, np.array(township), np.array(stage), np.array(kind), np.array(junior_of), np.array(weight),
        np.array(gap, dtype=np.float32), effect.astype(np.float32), share / share.sum(),
    )  # fmt: skip
