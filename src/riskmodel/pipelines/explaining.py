"""Explain one student's score to the data team: values, source rows, contributions, and what came of them.

Every number is made as production makes it: the matrix of the whole cohort, the one path to a score, the
current bundle. What stands here is about one child and is shown on the screen of the one who asked; it is
never logged, and no error repeats the id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby

import numpy as np

from riskmodel import splits
from riskmodel.bundle import ModelBundle
from riskmodel.domain import AsOf, Band, Family, FeatureMatrix, FeatureRole
from riskmodel.explain import enough_known
from riskmodel.features import school
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.publishing import current_bundle
from riskmodel.pipelines.run import Run, as_of_on, complete_to, dates_of
from riskmodel.records.asking.tracing import TracedRow, trace
from riskmodel.records.contract import table
from riskmodel.records.store import RecordStore
from riskmodel.scoring import bands_of, score
from riskmodel.wording import LANGUAGES, text


@dataclass(frozen=True)
class ExplainedFeature:
    """A feature's value and what it adds.

    Attributes
    ----------
    source
        The table of the record contract whose rows it is made from.
    compares
        It compares with others of the school-grade, or with the school: their rows are behind it, too.
    value
        None: not known.
    contribution
        Log-odds that it adds to the margin; None where the model does not use it. It goes along with
        leaving in past years, and is no cause.
    """

    name: str
    family: Family
    source: str
    role: FeatureRole
    compares: bool
    value: float | None
    contribution: float | None


@dataclass(frozen=True)
class Explanation:
    """How a student's score came about.

    `margin` is the model's raw log-odds: `base` and all contributions add up to it. Without probabilities it
    is the absence rule's score, and there is no base. `risk` is None where there are no probabilities, or too
    little is known. `knows_later_outcomes`: the model has learnt from outcomes that nobody knew on the day,
    so that the risk was no prediction.
    """

    student_id: str
    as_of_date: date
    term: str
    horizon_end: date
    rule_version: str
    records_hash: str
    model_version: str
    label_date: date
    knows_later_outcomes: bool
    margin: float
    base: float | None
    risk: float | None
    band: Band
    features: tuple[ExplainedFeature, ...]
    rows: tuple[TracedRow, ...]

    def json(self) -> str:
        """Write everything for machines; a number is read back as the very same."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1, default=str, allow_nan=False)


def explain_student(run: Run, student_id: str, *, as_of_date: date | None = None) -> Explanation:
    """Return how a student's score of a day comes about.

    Parameters
    ----------
    as_of_date
        None: the current date of the configuration, whose scores are published.

    Raises
    ------
    NotEnoughData
        If nobody of this id is recorded or in the cohort on that day, or the records do not reach it.
    WorkspaceError
        If there are no records, or no model of them, yet.
    """
    store = RecordStore.open(run.workspace.records)
    as_of = _asked(run, store, as_of_date)
    bundle = current_bundle(run)
    rows = trace(store, student_id, as_of_date=as_of.as_of_date, rule=run.rule(as_of), term=as_of.term)
    # A place in the school-grade needs the whole school, and the same batch gives the same bits.
    matrix = matrix_of(run, store, (as_of,))
    at = matrix.frame["student_id"].tolist().index(student_id)
    scores, known = score(matrix, bundle), enough_known(matrix)
    bands = run.configuration.bands
    band = bands_of(scores, known, limits=(bands.reach_out, bands.check_in))[at]
    contributions, base = _contributions(matrix, at, bundle)
    label_date = date.fromisoformat(bundle.manifest["label_date"])
    return Explanation(
        student_id=student_id,
        as_of_date=as_of.as_of_date,
        term=as_of.term,
        horizon_end=as_of.horizon_end,
        rule_version=run.rule(as_of).version,
        records_hash=store.content_hash,
        model_version=bundle.model_version,
        label_date=label_date,
        knows_later_outcomes=as_of.as_of_date < label_date,
        margin=float(scores.margin[at]),
        base=base,
        risk=float(scores.risk[at]) if scores.risk is not None and known[at] else None,
        band=band,
        features=_features(matrix, at, contributions),
        rows=rows,
    )


def tell_explanation(run: Run, told: Explanation) -> None:
    """Say an explanation in both languages: the score, what adds to it by family, the rows behind it."""
    run.say("explained", student_id=told.student_id, as_of_date=told.as_of_date, term=told.term,
            horizon_end=told.horizon_end, rule=told.rule_version)  # fmt: skip
    run.say("explained_model", version=told.model_version, label_date=told.label_date)
    if told.knows_later_outcomes:
        run.say("explained_later_outcomes")
    _tell_score(run, told)
    used = [feature for feature in told.features if feature.contribution is not None]
    if used:
        run.say("explained_contributions")
    for family, sum_, members in _by_family(used):
        _line(run, "explained_family", sum=f"{sum_:+.4f}", **_both(f"families.{family}"))
        _tell_features(run, members)
    run.say("explained_other_features")
    _tell_features(run, [feature for feature in told.features if feature.contribution is None])
    run.say("explained_rows", rows=len(told.rows))
    for name, rows in groupby(told.rows, key=lambda row: row.table):
        _tell_rows(run, name, list(rows))


def _asked(run: Run, store: RecordStore, day: date | None) -> AsOf:
    """Resolve the day: one of the configuration's dates where it is one, and never past the data."""
    dates = dates_of(run, store)
    if day is None:
        return dates.current
    configured = [as_of for as_of in (dates.current, *dates.all) if as_of.as_of_date == day]
    as_of = configured[0] if configured else as_of_on(run, day, store.terms())
    splits.check_known(as_of, complete_to=complete_to(run, store, as_of))
    return as_of


def _contributions(
    matrix: FeatureMatrix, at: int, bundle: ModelBundle
) -> tuple[Mapping[str, float], float | None]:
    """Return what each column of the model adds for one row, and the base; nothing without a model."""
    if bundle.model is None:
        return {}, None
    row = matrix.frame.iloc[[at]][list(bundle.feature_names)].to_numpy(dtype=np.float64)
    *added, base = bundle.model.scorer.contributions(row)[0].tolist()
    return dict(zip(bundle.feature_names, added, strict=True)), base


def _features(
    matrix: FeatureMatrix, at: int, contributions: Mapping[str, float]
) -> tuple[ExplainedFeature, ...]:
    row = matrix.frame.iloc[at]
    compares = {feature.name for feature in school.GROUP.features}
    return tuple(
        ExplainedFeature(
            name=feature.name,
            family=feature.family,
            source=feature.source,
            role=feature.role,
            compares=feature.name in compares,
            value=None if np.isnan(row[feature.name]) else float(row[feature.name]),
            contribution=contributions.get(feature.name),
        )
        for feature in matrix.features
    )


def _by_family(
    features: Iterable[ExplainedFeature],
) -> list[tuple[Family, float, list[ExplainedFeature]]]:
    """Families with the sum of their contributions and their members, the largest first."""
    families: dict[Family, list[ExplainedFeature]] = {}
    for feature in features:
        families.setdefault(feature.family, []).append(feature)
    summed = [
        (family, sum(one.contribution or 0 for one in members), sorted(members, key=_size))
        for family, members in families.items()
    ]
    return sorted(summed, key=lambda one: -abs(one[1]))


def _size(feature: ExplainedFeature) -> float:
    return -abs(feature.contribution or 0)


def _tell_score(run: Run, told: Explanation) -> None:
    for language in LANGUAGES:
        band = text(f"bands.{told.band}.name", language)
        if told.risk is not None:
            run.say("explained_risk", language=language, risk=told.risk, band=band)
        else:
            run.say("explained_no_risk", language=language, band=band)
    if told.base is None:
        run.say("explained_rule", margin=told.margin)
    else:
        run.say("explained_margin", margin=told.margin, base=told.base)


def _tell_features(run: Run, features: Iterable[ExplainedFeature]) -> None:
    for feature in features:
        added = feature.contribution
        _line(
            run,
            "explained_feature",
            contribution="       " if added is None else f"{added:+.4f}",
            value="—" if feature.value is None else f"{feature.value:g}",
            name=feature.name,
            compares="*" if feature.compares else "",
            **_both(f"features.{feature.name}"),
        )


def _tell_rows(run: Run, name: str, rows: list[TracedRow]) -> None:
    """Tell the rows of a table one by one; of the tables about schools how many, for they are long."""
    files = ", ".join(sorted({f"{row.source}/{row.file}" for row in rows}))
    _line(run, "explained_table", rows=len(rows), files=files, **_both(f"sources.{name}"))
    if not table(name).per_student:
        return
    for row in rows:
        values = [f"{column}={value}" for column, value in row.values.items() if value is not None]
        _line(
            run,
            "explained_row",
            place=f"{row.source}/{row.file}:{row.row}",
            known_from=row.known_from or "—",
            values=" ".join(values) + (" (…)" if row.implied else ""),
        )


def _line(run: Run, code: str, **slots: object) -> None:
    """Say a line of numbers once: it names things in both languages itself."""
    run.say(code, language="zh", **slots)


def _both(code: str) -> dict[str, str]:
    return {language: text(code, language) for language in LANGUAGES}
