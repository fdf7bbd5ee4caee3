"""Scores and reasons, mapped over the parts of a day's matrix.

Who is listed is asked of the whole cohort: so every part is scored first (`stand_part`), the last place of
each list is found among all of them here, and then every part is told (`tell_part`). Both run by a Runner.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.bundle import ModelBundle, read_bundle
from riskmodel.domain import FeatureMatrix, ScoredStudent
from riskmodel.evaluation.cutoffs import cutoffs_of
from riskmodel.evaluation.groups import groups_of
from riskmodel.features.build import read_matrix
from riskmodel.records.keeping.durable import whole_file
from riskmodel.runners import Runner
from riskmodel.scoring import Floats, Line, Scores, Standing, draw_lines, stand, tell
from riskmodel.store.rows import read_students, students_text


@dataclass(frozen=True)
class Scored:
    """A part of a day's matrix, and the model that scores it.

    Attributes
    ----------
    matrix
        File of one as-of date and part.
    learn_also
        See `features.build.read_matrix`.
    bundle, version, public_key
        See `bundle.read_bundle`.
    out
        Where the results are written, each beside this name.
    """

    matrix: Path
    learn_also: tuple[str, ...]
    bundle: Path
    version: str
    public_key: str
    out: Path

    @property
    def standing(self) -> Path:
        """What `stand_part` writes."""
        return self.out.with_suffix(".parquet")

    @property
    def students(self) -> Path:
        """What `tell_part` writes."""
        return self.out.with_suffix(".json")

    def read(self) -> tuple[FeatureMatrix, ModelBundle]:
        """Read the rows and the model."""
        bundle = read_bundle(self.bundle, version=self.version, public_key=self.public_key)
        return read_matrix([self.matrix], learn_also=self.learn_also), bundle


@dataclass(frozen=True)
class Told:
    """A part that was scored, and what tells who is listed: see `scoring.tell`."""

    part: Scored
    lines: tuple[Line, ...]
    bands: tuple[float, float]


def score_parts(
    parts: Sequence[Scored], *, runner: Runner, bands: tuple[float, float], capacity_share: float
) -> tuple[ScoredStudent, ...]:
    """Score a cohort that lies in parts: what `scoring.scored_term` tells of the students, part by part.

    The parts' files lie in one folder, which is removed when everything was read: broken off before, it is
    what the next run goes on from.
    """
    standings = [read_standing(file) for file in runner.map(stand_part, parts)]
    lines = draw_lines(standings, capacity_share=capacity_share)
    told = runner.map(tell_part, [Told(part, lines, bands) for part in parts])
    students = tuple(student for file in told for student in read_students(file.read_bytes()))
    for folder in {part.out.parent for part in parts}:
        # Who was thought lost may be writing there still; what it leaves, the next scoring removes.
        shutil.rmtree(folder, ignore_errors=True)
    return students


def stand_part(part: Scored) -> Path:
    """Write how the rows of a part stand."""
    if not part.standing.exists():
        matrix, bundle = part.read()
        standing = stand(matrix, bundle, cutoffs=_cutoffs(bundle, matrix))
        columns = {"margin": standing.scores.margin, "known": standing.known, "ties": standing.ties}
        if standing.scores.risk is not None:
            columns["risk"] = standing.scores.risk
        columns["cutoff"] = standing.cutoff
        columns |= {f"bag-{number}": risk for number, risk in enumerate(standing.bag)}
        with whole_file(part.standing) as beside:
            pq.write_table(pa.table(columns), beside)
    return part.standing


def read_standing(file: Path) -> Standing:
    """Read what `stand_part` wrote."""
    table = pq.read_table(file)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    bag = [risk for name, risk in columns.items() if name.startswith("bag-")]
    return Standing(
        scores=Scores(columns["margin"], columns.get("risk")),
        known=columns["known"],
        ties=columns["ties"],
        cutoff=columns["cutoff"],
        bag=np.array(bag).reshape(len(bag), len(columns["margin"])),
    )


def tell_part(told: Told) -> Path:
    """Write the scored students of a part."""
    part = told.part
    if not part.students.exists():
        matrix, bundle = part.read()
        standing = read_standing(part.standing)
        students = tell(matrix, bundle, standing, told.lines, bands=told.bands)
        with whole_file(part.students) as beside:
            beside.write_bytes(students_text(students))
    return part.students


def _cutoffs(bundle: ModelBundle, matrix: FeatureMatrix) -> Floats | None:
    """Return the cut-off of each row's group, if the bureau decided on cut-offs by group."""
    told = bundle.manifest["cutoffs"]
    if told is None:
        return None
    return cutoffs_of(groups_of(matrix.frame)[told["by"]].to_numpy(dtype=str), told["cutoffs"])
