"""The county's files are a delivery like any other: strict intake finds nothing to say about them."""

from datetime import date
from pathlib import Path

from riskmodel.county.world import write_county
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import take_in
from riskmodel.records.store import RecordStore

from .conftest import WRITTEN


def test_intake_takes_every_row_of_the_county_and_finds_nothing(tmp_path: Path):
    written = write_county(tmp_path / "county", students=800, seed=5)
    source = SourceFiles("county", tmp_path / "county" / "records")
    report = take_in([source], store=tmp_path / "store", delivered_on=date(2026, 7, 11))
    assert report.findings == ()
    store = RecordStore.open(tmp_path / "store")
    assert set(store.tables) == {contract.name for contract in WRITTEN}
    # A closed row of which no opening was sent tells the opening too; nothing is stored twice or lost.
    assert {name for name, rows in report.rows.items() if rows < written.rows[name]} == set()
    assert store.student_count == written.students
    assert store.last_complete_date(["enrolments"]) <= date(2026, 7, 10)
    assert len(store.terms()) == 6
    assert len(store.schools()) == written.schools
