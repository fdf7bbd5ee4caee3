"""Report on a model: a page to look at, the card, the datasheet; in every language, kept and logged."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from riskmodel.bundle import ModelBundle
from riskmodel.config import HorizonDays
from riskmodel.documents.card import card_page, datasheet_page
from riskmodel.documents.marked import Facts, check_figures
from riskmodel.documents.report import Coverage, Told, report_page
from riskmodel.documents.tables import other_name, others_of
from riskmodel.domain import AsOf, Language, Outcome
from riskmodel.errors import Where, WorkspaceError
from riskmodel.evaluation.audit import read_audit
from riskmodel.evaluation.backtest import read_backtest
from riskmodel.evaluation.challengers import read_choice
from riskmodel.evaluation.comparison import Comparison, Ranked, compare, comparison_json
from riskmodel.evaluation.contributions_pictures import family_picture, family_sums, feature_picture
from riskmodel.evaluation.gates import read_gates_found
from riskmodel.evaluation.gates_report import group_title
from riskmodel.evaluation.groups import FEW_EVENTS, SMALL_CELL
from riskmodel.evaluation.pictures import (
    calibration_picture,
    precision_picture,
    ranges_picture,
    terms_picture,
)
from riskmodel.evaluation.report import read_evaluation
from riskmodel.features import PROTECTED
from riskmodel.models.training import MINIMUM_TRAINING_EVENTS
from riskmodel.pipelines.bundles import JUDGED, USED, read_judged, read_used
from riskmodel.pipelines.challenging import CHOICE
from riskmodel.pipelines.gating import AUDIT, GATES
from riskmodel.pipelines.in_use import model_in_use
from riskmodel.pipelines.inputs import matrix_of
from riskmodel.pipelines.judging import JUDGED_SCORES, Judged
from riskmodel.pipelines.outbox import track
from riskmodel.pipelines.run import Run, clock, complete_to, dates_of, model_version
from riskmodel.records.asking.coverage import coverage
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.tracking import Entry
from riskmodel.wording import LANGUAGES

Floats = NDArray[np.float64]
KEYS = ["as_of_date", "student_id"]
PICTURED_ROWS = 2000
"""Rows whose contributions are drawn: more of them hide each other."""
FACTS, COMPARISON, BACKTEST = "facts.json", "comparison.json", "backtest.json"
CARDS = ("card.*.html", "datasheet.*.html")


def write_report(run: Run) -> Path | None:
    """Write `report`, `card` and `datasheet` in every language into the model's folder; return the folder.

    They go to the training's run in MLflow too. None where no model was judged.

    Raises
    ------
    WorkspaceError
        If a figure of a card is not what the run says.
    """
    store = RecordStore.open(run.workspace.records)
    version = model_version(run, store)
    folder = run.workspace.models / version
    if not (folder / JUDGED_SCORES).exists() or not (folder / JUDGED).exists():
        run.say("audit_nothing")
        return None
    seconds = clock()
    region = run.configuration.region
    judged = Judged.read(run, folder)
    values = _values_of(run, store, judged.rows)
    told = _told(run, store, folder, judged, values, champion=model_in_use(run))
    _keep_facts(run, folder, told)
    facts = _facts(folder)
    made: list[Path] = []
    for language in LANGUAGES:
        report = replace(told, pictures=_draw(judged, values, told, language))
        pages = {
            "report": report_page(report, language),
            "card": card_page(facts, told.evaluation.models, told.gates, language),
            "datasheet": datasheet_page(facts, language),
        }
        for name, page in pages.items():
            made.append(folder / f"{name}.{language}.html")
            made[-1].write_text(page, encoding="utf-8")
    check_cards(folder)
    _keep(folder, {**json.loads((folder / FACTS).read_text(encoding="utf-8")), "read": _read_of(folder)})
    pages_made = {f"report/{file.name}": file for file in made}
    track(run, Entry(kind="files", region=region, model_version=version), pages_made)
    for language in LANGUAGES:
        run.say("report_open", language=language, file=folder / f"report.{language}.html")
    run.say("reported", folder=folder, seconds=seconds())
    return folder


def check_cards(folder: Path) -> None:
    """Hold every figure of a model's cards and datasheets against the run's own files.

    Raises
    ------
    WorkspaceError
        If one differs, or stands there without a source; the first is named.
    """
    for file in sorted(file for pattern in CARDS for file in folder.glob(pattern)):
        wrong = check_figures(file.read_text(encoding="utf-8"), _facts(folder))
        if wrong:
            raise WorkspaceError(
                "card_differs",
                Where(file=str(file)),
                figure=wrong[0].figure or "–",
                written=wrong[0].written,
                found=wrong[0].found or "–",
                count=len(wrong),
            )


def check_report(folder: Path) -> None:
    """Hold a model's report against its audit and the answers of the gates: what people read must be of them.

    Raises
    ------
    WorkspaceError
        If the model was audited anew since it was reported on.
    """
    told = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    if told.get("read") != _read_of(folder):
        raise WorkspaceError("approval_report_is_older", Where(file=str(folder / FACTS)))


def _read_of(folder: Path) -> dict[str, str | None]:
    """Return the sha256 of what a report tells of; None where it is not there."""
    files = {name: folder / name for name in (AUDIT, GATES)}
    return {
        name: hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None
        for name, file in files.items()
    }


def _values_of(run: Run, store: RecordStore, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the values of the rows that were judged, in their order."""
    matrix = matrix_of(run, store, dates_of(run, store).test)
    return rows[KEYS].merge(matrix.frame, on=KEYS, how="left", validate="one_to_one")


def _told(
    run: Run,
    store: RecordStore,
    folder: Path,
    judged: Judged,
    values: pd.DataFrame,
    *,
    champion: str | None,
) -> Told:
    """Read everything that was found of the model, and compare it with the champion."""
    dates = dates_of(run, store)
    backtest = run.workspace.backtest / BACKTEST
    audit, gates, choice = folder / AUDIT, folder / GATES, folder / CHOICE
    comparison = None
    if champion is not None and champion != folder.name:
        comparison = _compare(
            run, judged, values, run.workspace.models / champion, first=dates.test[0].as_of_date
        )
    return Told(
        model_version=folder.name,
        manifest=read_used(run, folder).manifest,
        coverage=_coverage(run, store, dates.current),
        evaluation=read_evaluation((folder / "evaluation.json").read_text(encoding="utf-8")),
        audit=read_audit(audit.read_text(encoding="utf-8")) if audit.exists() else None,
        gates=read_gates_found(gates.read_text(encoding="utf-8")) if gates.exists() else (),
        backtest=read_backtest(backtest.read_text(encoding="utf-8")) if backtest.exists() else None,
        comparison=comparison,
        choice=read_choice(choice.read_text(encoding="utf-8")) if choice.exists() else None,
        pictures={},
    )


def _compare(
    run: Run, judged: Judged, values: pd.DataFrame, champion: Path, *, first: date
) -> Comparison | None:
    """Compare with the champion as it stands; where it has seen what came after, as it was judged.

    None where it is not there any more, has no probabilities, had learnt later outcomes even then, or needs
    columns that there are no more: which is said.
    """
    ours = judged.bundle.model
    for kind, read in ((USED, read_used), (JUDGED, read_judged)):
        if ours is None or judged.risk is None or not (champion / kind).exists():
            continue
        theirs = read(run, champion)
        early = date.fromisoformat(theirs.manifest["label_date"]) <= first
        if theirs.model is None or not early or not set(theirs.feature_names) <= set(values):
            continue
        return compare(
            judged.rows,
            _ranked(judged.bundle, values),
            _ranked(theirs, values),
            version=theirs.model_version,
            share=run.configuration.capacity.share,
            seed=run.configuration.seed,
        )
    run.say("champion_not_comparable", version=champion.name)
    return None


def _ranked(bundle: ModelBundle, values: pd.DataFrame) -> Ranked:
    model = bundle.model
    if model is None:
        raise AssertionError("only a bundle with probabilities is compared")
    X = values[list(bundle.feature_names)].to_numpy(dtype=np.float64)
    margin = model.scorer.margin(X)
    families = family_sums(model.scorer.contributions(X), bundle.feature_names, bundle.features)
    return Ranked(margin, model.calibrator.risk(margin), families)


def _coverage(run: Run, store: RecordStore, current: AsOf) -> Coverage:
    found = coverage(store, current, run.rule(current))
    days: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    for one in found.reported:
        days[one.term] += one.school_days
        reported[one.term] += one.reported_days
    return Coverage(
        rows=dict(found.rows),
        missing_tables=tuple(found.missing_tables),
        reported={term: reported[term] / count for term, count in days.items() if count},
        students=found.students,
        without_marks=found.without_marks,
        without_family_statement=found.without_family_statement,
        complete_to=str(complete_to(run, store, current)),
    )


def _keep_facts(run: Run, folder: Path, told: Told) -> None:
    """Keep what a card tells beside the run's other files: where they stand, a card can be checked."""
    horizon, decision = run.configuration.horizon, run.configuration.protected_features
    audit = told.audit
    shares = [{"term": term, "share": share} for term, share in told.coverage.reported.items()]
    missing = len(told.coverage.missing_tables)
    facts = {
        "horizon": horizon.days if isinstance(horizon, HorizonDays) else None,
        "decided": decision.decided if decision else None,
        "dates": ", ".join(str(day) for day in told.evaluation.test_dates),
        "coverage": {**asdict(told.coverage), "reported": shares, "missing": missing},
        "numbers": {
            kind: [other.name.split()[-1] for other in getattr(audit, kind)] if audit else []
            for kind in ("learning", "aged", "seeds")
        },
        "constants": {
            "interval_percent": 95,
            "minimum_training_events": MINIMUM_TRAINING_EVENTS,
            "few_events": FEW_EVENTS,
            "small_cell": SMALL_CELL,
        },
    }
    _keep(folder, facts)
    if told.comparison is not None:
        (folder / COMPARISON).write_text(comparison_json(told.comparison), encoding="utf-8")


def _keep(folder: Path, facts: Mapping[str, object]) -> None:
    """Keep the facts; what was read of audit and gates (`read`) is told when all pages are there."""
    with whole_file(folder / FACTS) as beside:
        beside.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")


def _facts(folder: Path) -> Facts:
    """Read the run's own figures again."""

    def read(name: str) -> Any:
        file = folder / name
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else None

    manifest, columns = read("bundle/manifest.json"), read("bundle/features.json")["model_columns"]
    used = [name for name in PROTECTED if name in columns]
    learnt = {"columns": len(columns), "protected": used}
    names = {"records": manifest["data_hash"][:16], "seed": str(manifest["seed"])}
    beside = read(FACTS) or {}
    judged = {"evaluation": read("evaluation.json"), "audit": read(AUDIT), "gates": read(GATES) or []}
    return Facts({**beside, **judged, **names, **learnt, "manifest": manifest})


def _draw(judged: Judged, values: pd.DataFrame, told: Told, language: Language) -> dict[str, bytes]:
    """Draw every picture of the report in a language."""
    outcome = judged.rows["outcome"].to_numpy(dtype=str)
    left = outcome == Outcome.LEFT
    known = left | (outcome == Outcome.STAYED)
    model, audit, backtest = judged.bundle.model, told.audit, told.backtest
    with TemporaryDirectory() as temporary:

        def at(name: str) -> Path:
            return Path(temporary) / f"{name}.png"

        precision_picture(at("precision"), evaluation=told.evaluation, language=language)
        if judged.risk is not None:
            calibration_picture(
                at("calibration"), risk=judged.risk[known], left=left[known], language=language
            )
        if model is not None:
            names = judged.bundle.feature_names
            X = values.iloc[:: max(1, len(values) // PICTURED_ROWS)][list(names)].to_numpy(dtype=np.float64)
            added = model.scorer.contributions(X)
            family_picture(
                at("families"),
                contributions=added,
                names=names,
                features=judged.bundle.features,
                language=language,
            )
            feature_picture(at("features"), contributions=added, values=X, names=names, language=language)
        if audit is not None:
            recalls = {
                group_title(one.grouping, one.group, language): one.recall
                for one in audit.groups
                if one.recall is not None
            }
            everybody = audit.places[0].recall.value
            if recalls:
                ranges_picture(
                    at("groups"), rows=recalls, title="groups", note="groups_note", at=everybody,
                    percent=True, language=language,
                )  # fmt: skip
            less = {other_name(kind, other, language): other.auc_less for kind, other in others_of(audit)}
            if less:
                ranges_picture(
                    at("others"), rows=less, title="others", note="others_note", at=0.0, language=language
                )
        terms = {one.term: one.evaluation for one in backtest.terms if one.evaluation} if backtest else {}
        if terms:
            terms_picture(at("terms"), terms=terms, language=language)
        return {file.stem: file.read_bytes() for file in Path(temporary).glob("*.png")}
