"""A child without the consent that is needed, or with an objection, is in no row, score, label or answer."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskmodel.bundle import ModelBundle
from riskmodel.domain import NOBODY, AsOf, FeatureInfo, Labels, LeftOut, RegionRule, ScoredTerm, TermFacts
from riskmodel.errors import NotEnoughData
from riskmodel.features.build import StudentStageTask, read_matrix, school_stage, student_stage
from riskmodel.labels import LabelTask, label_bucket, read_labels
from riskmodel.models.training import train
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore
from riskmodel.scoring import scored_term
from riskmodel.store import reading
from riskmodel.store.engine import open_store
from riskmodel.store.principals import Principal
from riskmodel.store.publishing import publish

from .conftest import complete, write_tables

pytestmark = pytest.mark.slow

AS_OF = AsOf(date(2025, 3, 21), date(2025, 6, 20), "2024-2025-2")
RULE = RegionRule(version="test", valid_from=date(2020, 1, 1), source="test")
NOW = datetime(2026, 1, 2, tzinfo=UTC)
CHILDREN = tuple(f"s{number}" for number in range(5))
FACTS = TermFacts(
    region="r", term=AS_OF.term, as_of_date=AS_OF.as_of_date, horizon_end=AS_OF.horizon_end,
    valid_until=date(2025, 6, 1), model_version="m", rule_version="r", wording_version="w",
    records_hash="00", data_complete_to=AS_OF.as_of_date, probabilities=False,
    features=(FeatureInfo(name="x", unit="days", family="attendance", source="attendance"),),
)  # fmt: skip
SAID = st.tuples(
    st.sampled_from(CHILDREN),
    st.sampled_from(["", "app", "register"]),
    st.dates(date(2024, 9, 1), date(2025, 12, 1)),
    st.sampled_from(["given", "withdrawn", "objected"]),
)


def oracle(said: list[tuple[str, str, date, str]], in_app: set[str], objecting: set[str]) -> set[str]:
    """Say who may be there: written from the promise."""
    allowed = set()
    for child in CHILDREN:
        own = sorted(
            (day, source == "app", source, state) for who, source, day, state in said if who == child
        )
        latest = {source: state for _, _, source, state in own}
        covering = [state for _, _, source, state in own if source in ("", "app")]
        needs = child in in_app
        if child in objecting or "objected" in latest.values():
            continue
        if not needs or (covering and covering[-1] == "given"):
            allowed.add(child)
    return allowed


def records(folder: Path, said: list[tuple[str, str, date, str]], in_app: set[str]) -> RecordStore:
    """Take a register and an app in: the app tells absences of some, the register all the rest."""
    tables: dict[str, Any] = complete({"students": [{"student_id": one} for one in CHILDREN]})
    tables["consents"] = [
        {"student_id": who, "source": source, "recorded_on": day, "state": state}
        for who, source, day, state in said
    ]
    absent = {"start_date": "2025-03-03", "end_date": "2025-03-03", "days_absent": 1}
    app = {"attendance": [{"student_id": one, **absent} for one in sorted(in_app)]}
    sources = [SourceFiles("register", write_tables(folder / "register", tables))]
    sources.append(SourceFiles("app", write_tables(folder / "app", app)))
    take_in(sources, store=folder / "records", delivered_on=date(2026, 1, 1))
    return RecordStore.open(folder / "records")


def everywhere(
    folder: Path, store: RecordStore, bundle: Callable[..., ModelBundle], left_out: LeftOut
) -> dict[str, set[str]]:
    """Return who is in the matrix, in the labels, in the scored term, and in what schools are answered."""
    tasks = [
        StudentStageTask(folder / "records", bucket, ((AS_OF, RULE),), folder / "features", left_out=left_out)
        for bucket in range(store.bucket_count)
    ]
    files = school_stage([student_stage(task) for task in tasks], out=folder / "features")
    asked = [
        LabelTask(folder / "records", bucket, (AS_OF,), (RULE,), date(2026, 1, 1),
                  folder / f"{bucket}.parquet", left_out)
        for bucket in range(store.bucket_count)
    ]  # fmt: skip
    labels = read_labels(
        [label_bucket(task) for task in asked], label_date=date(2026, 1, 1), rule_version="test"
    )
    found = {"labels": set(labels.frame["student_id"])}
    try:
        matrix = read_matrix(files)
    except NotEnoughData:
        return found | {"matrix": set()}
    found["matrix"] = set(matrix.frame["student_id"])
    term: ScoredTerm = scored_term(
        matrix,
        bundle(matrix, labels),
        facts=FACTS,
        schools=store.schools(),
        bands=(0.2, 0.1),
        capacity_share=1.0,
    )
    found["scored"] = {one.student_id for one in term.students}
    published = open_store(folder / "published", create=True)
    publish(published, term, published_at=NOW, published_by="test")
    page = reading.students(published, Principal("key", "bureau"), "A")
    found["answered"] = {one.student_id for one in page.students}
    published.close()
    return found


@pytest.fixture(scope="session")
def bundle(
    tmp_path_factory: pytest.TempPathFactory, bundled: Callable[..., ModelBundle]
) -> Callable[..., ModelBundle]:
    """Give a bundle without probabilities, trained once on whatever comes first."""
    made: list[ModelBundle] = []

    def of(matrix: Any, labels: Labels) -> ModelBundle:
        if not made:
            made.append(bundled(tmp_path_factory.mktemp("bundle") / "m", train(matrix, labels, seed=1)))
        return made[0]

    return of


NUMBERS = itertools.count()


@settings(
    max_examples=200 if os.environ.get("RISKMODEL_VALIDITY") == "full" else 4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    said=st.lists(SAID, max_size=8, unique_by=lambda one: (one[0], one[1], one[2])),
    in_app=st.sets(st.sampled_from(CHILDREN)),
    objecting=st.sets(st.sampled_from(CHILDREN), max_size=1),
)
def test_only_those_may_be_anywhere_who_are_allowed_to(
    tmp_path: Path, bundle: Callable[..., ModelBundle], said: Any, in_app: set[str], objecting: set[str]
) -> None:
    folder = tmp_path / str(next(NUMBERS))
    # The app's file must hold something: a child without an absence is then told by no app.
    store = records(folder, said, in_app or {"s0"})
    left_out = LeftOut(tuple(sorted(objecting)), ("app",))
    for where, found in everywhere(folder, store, bundle, left_out).items():
        assert found == oracle(said, in_app or {"s0"}, objecting), where


def test_the_oracle_rings_where_nobody_is_left_out(
    tmp_path: Path, bundle: Callable[..., ModelBundle]
) -> None:
    store = records(tmp_path, [("s1", "app", date(2025, 1, 1), "given")], {"s0", "s1"})
    found = everywhere(tmp_path, store, bundle, NOBODY)["matrix"]
    assert found != oracle([("s1", "app", date(2025, 1, 1), "given")], {"s0", "s1"}, set())
