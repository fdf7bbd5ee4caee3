"""What the comparisons find becomes cases to be verified, once, and nothing of it a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from riskmodel.pipelines import Run, ledgers, reconciling, take_in_records
from riskmodel.records.store import RecordStore
from riskmodel.store.ledger import EntryRefused

from .test_ledgers import DAY, SENT, run

__all__ = ["run"]
POPULATION = """source,person_id,name,birth_date,sex,township,recorded_on
household,p1,王甲子,2017-05-01,M,镇,2026-09-10
household,p2,李乙丑,2017-06-01,F,镇,2026-09-10
household,p3,张丙䶮,2017-07-01,F,镇,2026-09-10
"""
STUDENTS = "student_id,name,birth_date,sex\ns-1,王甲子,2017-05-01,M\ns-3,张丙寅,2017-07-01,F\n"
ENROLMENTS = """student_id,school_id,start_date,grade,recorded_on,end_date,exit_reason
s-1,sch-1,2026-09-01,3,2026-09-05,,
s-3,sch-1,2026-09-01,3,2026-09-05,,
"""


@pytest.fixture
def job(run: Callable[[str], Run]) -> Run:
    return sent(run("compared"))


def sent(made: Run, **more: str) -> Run:
    """Send a county's tables, with further rows by table, and take them in."""
    folder = made.file.parent / "sent"
    folder.mkdir()
    schools = "school_id,name,county,township,stage\nsch-1,校,县,东镇,primary\n"
    files = {
        **SENT,
        "schools": schools,
        "students": STUDENTS,
        "enrolments": ENROLMENTS,
        "population": POPULATION,
    }
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content + more.get(name, ""), "utf-8")
    source = made.configuration.sources[0].model_copy(update={"path": folder, "complete_to": DAY})
    configuration: Any = made.configuration.model_copy(update={"sources": (source,)})
    made = replace(made, configuration=configuration)
    take_in_records(made, delivered_on=DAY)
    return made


def test_a_mismatch_becomes_one_case_to_be_verified_and_a_near_pair_none(job: Run) -> None:
    before = RecordStore.open(job.workspace.records).content_hash
    found = reconciling.reconcile(job, on=DAY, by="王")
    assert {(one.what, one.subject) for one in found.mismatches} == {
        ("not_enrolled", "household:p2"), ("near_pair", "household:p3"),
    }  # fmt: skip
    assert ledgers.tell_totals(job) == {("school_age", "to_verify"): 1}
    reconciling.reconcile(job, on=DAY, by="王")
    assert ledgers.tell_totals(job) == {("school_age", "to_verify"): 1}
    with ledgers.opened_ledger(job) as store:
        [case] = ledgers.cases.cases(store, ledgers.BUREAU)
        assert ledgers.cases.ledger_events(store, ledgers.BUREAU) == [], "no label of what nobody verified"
    assert (case.case.found_by, case.case.home.township) == ("reconciliation", "镇")
    assert RecordStore.open(job.workspace.records).content_hash == before
    folder = job.workspace.root / "reconcile" / DAY.isoformat()
    assert "household:p3,s-3" in (folder / "pairs_to_check.csv").read_text("utf-8-sig")


@pytest.fixture
def of_former_pupil(run: Callable[[str], Run]) -> Run:
    """The same, and a child of the roll whose spell has ended."""
    return sent(
        run("former"),
        students="s-4,赵丁卯,2017-08-01,F\n",
        enrolments="s-4,sch-1,2026-09-01,3,2026-10-12,2026-10-09,emigrated\n",
        population="household,p4,赵丁卯,2017-08-01,F,镇,2026-09-10\n",
    )


def test_what_is_written_for_a_spreadsheet_is_no_formula(run: Callable[[str], Run]) -> None:
    job = sent(run("formula"), population="household,p9,钱戊辰,2017-09-01,F,=1+1,2026-09-10\n")
    reconciling.reconcile(job, on=DAY)
    written = job.workspace.root / "reconcile" / DAY.isoformat() / "mismatches.csv"
    assert "household:p9,,'=1+1" in written.read_text("utf-8-sig")


def of_s4(job: Run) -> Any:
    with ledgers.opened_ledger(job) as store:
        return next(one for one in ledgers.cases.cases(store, ledgers.BUREAU) if one.student_id == "s-4")


def test_a_former_pupil_who_is_verified_as_out_reaches_the_labels(of_former_pupil: Run) -> None:
    job = of_former_pupil
    reconciling.reconcile(job, on=DAY, by="王")
    case = of_s4(job)
    assert case.case.kind == "suspected", "a roll told of the child"

    def verify(*more: str) -> None:
        told = ["reasons=work", "evidence=家访", *more]
        ledgers.add_entry(job, case.case_id, ledgers.entry_of("verified_out", told, by="李", day=job.today))

    with pytest.raises(EntryRefused) as refused:
        verify()
    assert refused.value.field == "left_on"
    verify("left_on=2026-10-10")
    with ledgers.opened_ledger(job) as store:
        known = ledgers.cases.ledger_events(store, ledgers.BUREAU)
    [row] = [one for one in known if one["event"] == "verified_dropout"]
    assert (row["student_id"], row["left_on"]) == ("s-4", "2026-10-10")
    assert of_s4(job).case.kind == "dropped_out"


def close(job: Run, case_id: str, code: str, day: date) -> None:
    """Close a case as explained, by two persons."""
    for event, told, by in (
        ("verified_not_out", ["why=查明", "evidence=证明"], "李"),
        ("closing_proposed", [f"code={code}", "evidence=证明"], "李"),
        ("closing_confirmed", [], "赵"),
    ):
        ledgers.add_entry(job, case_id, ledgers.entry_of(event, told, by=by, day=day))


def test_a_closed_case_is_opened_anew_only_by_what_is_newer(of_former_pupil: Run) -> None:
    job = of_former_pupil
    reconciling.reconcile(job, on=DAY, by="王")
    with ledgers.opened_ledger(job) as store:
        opened = {one.student_id: one.case_id for one in ledgers.cases.cases(store, ledgers.BUREAU)}
    assert set(opened) == {"household:p2", "s-4"}
    close(job, opened["household:p2"], "no_such_person", DAY)
    close(job, opened["s-4"], "emigrated", DAY)
    reconciling.reconcile(job, on=DAY, by="王")
    assert sum(ledgers.tell_totals(job).values()) == 2, "the same registers say the same again"
    back_and_gone = "s-4,sch-1,2026-11-04,3,2026-11-19,2026-11-18,emigrated\n"
    with (job.file.parent / "sent" / "enrolments.csv").open("a", encoding="utf-8") as file:
        file.write(back_and_gone)
    take_in_records(job, delivered_on=date(2026, 11, 20))
    reconciling.reconcile(job, on=date(2026, 11, 20), by="王")
    told = ledgers.tell_totals(job)
    assert told == {("school_age", "closed"): 1, ("suspected", "closed"): 1, ("suspected", "to_verify"): 1}
