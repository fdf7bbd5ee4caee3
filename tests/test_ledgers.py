"""The ledgers on the command line: a case by entries as they are typed, and a workbook out and in again."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from riskmodel.errors import RecordsRefused, StoreError
from riskmodel.pipelines import Run, ledger_files, ledgers, publishing, take_in_records
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import open_store
from riskmodel.store.ledger import EntryRefused

CONFIGURATION = """
config_version: 1
region: demo
workspace: {workspace}
sources: [{{name: bureau, path: {workspace}}}]
as_of: {{weeks: [8], current: {{term: 2026-2027-1, week: 8}}}}
horizon: {{days: 180}}
bands: {{reach_out: 0.1, check_in: 0.05}}
capacity: {{share: 0.05}}
"""
RULES = Path(__file__).parents[1] / "configs" / "regions" / "demo.yaml"
DAY = date(2026, 11, 2)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[str], Run]:
    """Give `run(name)`: a run on an empty workspace of that name, whose lines are in `run.say.told`."""

    def make(name: str) -> Run:
        place = tmp_path / name
        (place / "regions").mkdir(parents=True)
        (place / "regions" / "demo.yaml").write_text(RULES.read_text("utf-8"), "utf-8")
        file = place / "run.yaml"
        file.write_text(CONFIGURATION.format(workspace=place / "workspace"), "utf-8")
        told: list[tuple[str, dict[str, Any]]] = []

        def say(code: str, **slots: Any) -> None:
            told.append((code, slots))

        say.told = told  # type: ignore[attr-defined]
        return Run.of(file, say=say)

    return make


def opened(run: Run, student: str = "s-1", *more: str, days: int = 0) -> str:
    """Open a case some days ago."""
    told = ["why=三天未到", "kind=suspected", "found_by=school", "home.school_id=sch-1", *more]
    day = run.today - timedelta(days=days)
    return ledgers.open_case(run, student, ledgers.entry_of("opened", told, by="李", day=day))


def test_a_case_is_worked_on_as_typed_and_the_chain_holds(run: Callable[[str], Run]) -> None:
    job = run("one")
    case = opened(job, days=14)
    for event, told, days in (
        ("visited", ["met=guardian"], 12),
        ("returned", ["placement=former_school", "evidence=到校签字;照片"], 10),
        ("followed_up", ["week=1", "in_school=是"], 4),
    ):
        day = job.today - timedelta(days=days)
        ledgers.add_entry(job, case, ledgers.entry_of(event, told, by="李", day=day))
    ledgers.draft_plan(job, case, by="李")
    ledgers.draft_plan(job, case, by="李", language="en")
    drafted = [slots["what"] for code, slots in job.say.told if code == "ledger_plan_step"]  # type: ignore[attr-defined]
    zh, en = drafted[: len(drafted) // 2], drafted[len(drafted) // 2 :]
    assert all(what.isascii() for what in en)
    assert not any(what.isascii() for what in zh)
    assert ledgers.check_chain(job)
    assert not ledgers.check_chain(job, known_head="f" * 64)
    assert ledgers.tell_totals(job) == {("suspected", "returned"): 1}
    assert ledgers.show_due(job) == 0


@pytest.mark.parametrize(
    ("told", "field", "code"),
    [
        ("mystery=1", "mystery", "ledger_field_unknown"),
        ("left_on=2026-02-31", "left_on", "ledger_no_day"),
        ("left_on=yesterday", "left_on", "ledger_no_day"),
        ("week=x", "week", "ledger_code"),
        ("week=1.5", "week", "ledger_code"),
        ("in_school=perhaps", "in_school", "ledger_code"),
        ("met=somebody", "met", "ledger_code"),
        ("home.street=1", "home.street", "ledger_field_unknown"),
        ("home.grade=seven", "home.grade", "ledger_code"),
        ("home=x", "home", "ledger_field_unknown"),
        ("child=x child.name=y", "child.name", "ledger_field_unknown"),
        ("child=x", "child", "ledger_code"),
        ("plan=x", "plan", "ledger_code"),
        ("why.x=1", "why", "ledger_code"),
        ("duties.friend=李", "duties.friend", "ledger_code"),
    ],
)
def test_what_is_no_field_of_an_entry_is_refused_by_its_name(told: str, field: str, code: str) -> None:
    with pytest.raises(EntryRefused) as refused:
        ledgers.entry_of("visited", told.split(" "), by="李", day=DAY)
    assert (refused.value.field, refused.value.code) == (field, code)
    assert field in refused.value.text("zh")
    assert field in refused.value.text("en")


def test_what_only_reads_makes_no_ledger_and_a_ledger_that_is_gone_is_not_sound(
    run: Callable[[str], Run], tmp_path: Path
) -> None:
    job = run("none")
    for reads in (
        ledgers.show_due,
        ledgers.tell_totals,
        ledgers.check_chain,
        lambda job: ledgers.show_case(job, "case-x"),
        lambda job: ledger_files.write_ledgers(job, tmp_path / "台账.xlsx", language="zh"),
    ):
        with pytest.raises(StoreError) as refused:
            reads(job)
        assert refused.value.code == "store_absent"
    assert not job.workspace.store.exists()


def test_what_only_reads_changes_nothing_and_who_publishes_keeps_the_deadlines(
    run: Callable[[str], Run],
) -> None:
    job = run("rules")
    opened(job)
    [due] = {one.on for one in due_of(job)}
    file = job.file.parent / "regions" / "demo.yaml"
    file.write_text(file.read_text("utf-8").replace("first_visit_days: 7", "first_visit_days: 2"), "utf-8")
    ledgers.show_due(job)
    assert {one.on for one in due_of(job)} == {due}
    with closing(open_store(job.workspace.store)) as store:
        publishing.take_ledger_rules(job, store)
    assert {one.on for one in due_of(job)} == {due - timedelta(days=5)}


def due_of(job: Run) -> list[Any]:
    """The first thing that is due of each case."""
    with ledgers.read_ledger(job) as store:
        return [one.due[0] for one in ledgers.cases.cases(store, ledgers.BUREAU)]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_workbook_written_in_one_office_is_taken_in_by_another(
    run: Callable[[str], Run], tmp_path: Path, language: Any
) -> None:
    first, second = run("first"), run("second")
    for number in range(3):
        opened(first, f"s-{number}", f"child.name=王甲{number}", "child.phone=013800000000", "reasons=work")
    file = tmp_path / "台账.xlsx"
    assert ledger_files.write_ledgers(first, file, language=language) == 3
    assert ledger_files.take_ledger(second, file, kind="suspected", by="王") == 3
    assert ledger_files.take_ledger(second, file, kind="suspected", by="王") == 0
    with ledgers.opened_ledger(second) as store:
        [one, *_] = ledgers.cases.cases(store, ledgers.BUREAU)
    assert one.case.child["phone"] == "013800000000"
    assert (one.case.found_by, one.case.reasons, one.case.home.school_id) == ("school", ("work",), "sch-1")
    assert one.case.state == "to_verify"


def test_a_row_that_cannot_be_kept_is_named_and_nothing_is(run: Callable[[str], Run], tmp_path: Path) -> None:
    file = tmp_path / "台账.csv"
    file.write_text("学生编号,发现日期,学校编号\ns-1,2026-11-02,sch-1\ns-2,2026-11-02,\n", "utf-8")
    job = run("one")
    with pytest.raises(RecordsRefused) as refused:
        ledger_files.take_ledger(job, file, kind="suspected", by="王")
    assert [(one.where.row, one.code) for one in refused.value.findings] == [(3, "ledger_student_unknown")]
    assert ledgers.tell_totals(job) == {}


def test_a_telephone_number_in_a_column_of_words_is_told_with_its_row(
    run: Callable[[str], Run], tmp_path: Path
) -> None:
    file, job = tmp_path / "台账.csv", run("one")
    rows = "s-1,2026-11-02,sch-1,王父 13800001111\n"
    file.write_text(f"学生编号,发现日期,学校编号,guardian\n{rows}", "utf-8")
    assert ledger_files.take_ledger(job, file, kind="suspected", by="王") == 1
    told = [slots["finding"] for code, slots in job.say.told if code == "finding"]  # type: ignore[attr-defined]
    assert len(told) == 2
    assert all("guardian" in one and "2" in one and "138" not in one for one in told)


def test_what_a_file_says_of_before_the_closing_opens_nothing(
    run: Callable[[str], Run], tmp_path: Path
) -> None:
    job, file, rows = run("one"), tmp_path / "台账.csv", "s-1,2026-11-02,sch-1,\n"

    def taken(more: str = "") -> int:
        file.write_text(f"学生编号,发现日期,学校编号,销号日期\n{rows}{more}", "utf-8")
        return ledger_files.take_ledger(job, file, kind="suspected", by="王")

    assert taken("s-2,2026-11-02,sch-1,2026-11-05\n") == 1, "what is closed there is not opened here"
    with ledgers.opened_ledger(job) as store:
        [case] = ledgers.cases.cases(store, ledgers.BUREAU)
    for event, told, by in (
        ("verified_not_out", ["why=查明", "evidence=证明"], "李"),
        ("closing_proposed", ["code=emigrated", "evidence=证明"], "李"),
        ("closing_confirmed", [], "赵"),
    ):
        entry = ledgers.entry_of(event, told, by=by, day=date(2026, 11, 10))
        ledgers.add_entry(job, case.case_id, entry)
    assert taken() == 0
    assert ledgers.tell_totals(job) == {("suspected", "closed"): 1}
    assert taken("s-1,2026-11-11,sch-1,\n") == 1, "found anew after the closing"


def test_a_reason_that_is_none_of_ours_is_named_with_its_row(
    run: Callable[[str], Run], tmp_path: Path
) -> None:
    file, job = tmp_path / "台账.csv", run("one")
    rows = "s-1,2026-11-02,sch-1,work\ns-2,2026-11-02,sch-1,work;没写\n"
    file.write_text(f"学生编号,发现日期,学校编号,reasons\n{rows}", "utf-8")
    with pytest.raises(RecordsRefused) as refused:
        ledger_files.take_ledger(job, file, kind="suspected", by="王")
    [one] = refused.value.findings
    assert (one.code, one.where.row, one.where.column) == ("ledger_code", 3, "reasons")


SENT = {
    "schools": "school_id,name,county,stage\nsch-1,校,县,primary\n",
    "terms": "term,start_date,end_date\n2026-2027-1,2026-09-01,2027-01-20\n",
    "students": "student_id\ns-1\n",
    "enrolments": "student_id,school_id,start_date,grade,recorded_on\ns-1,sch-1,2026-09-01,3,2026-09-05\n",
}


def sending(job: Run) -> Run:
    """Let a run have a delivery, in the folder `sent` beside its configuration."""
    sent = job.configuration.sources[0].model_copy(
        update={"path": job.file.parent / "sent", "complete_to": date(2026, 12, 1)}
    )
    sent.path.mkdir(parents=True)
    for name, content in SENT.items():
        (sent.path / f"{name}.csv").write_text(content, "utf-8")
    return replace(job, configuration=job.configuration.model_copy(update={"sources": (sent,)}))


def test_an_id_of_the_ledger_that_no_roll_tells_of_any_more_hinders_no_delivery(
    run: Callable[[str], Run],
) -> None:
    job = sending(run("gone"))
    take_in_records(job, delivered_on=date(2026, 9, 6))
    opened(job, "s-1")
    opened(job, "s-mistyped")
    for file in ("students", "enrolments"):
        path = job.file.parent / "sent" / f"{file}.csv"
        path.write_text(path.read_text("utf-8").replace("s-1", "s-2"), "utf-8")
    report = take_in_records(job, delivered_on=job.today, force=True)
    [told] = [one for one in report.findings if one.code == "student_of_ledger_in_no_records"]
    assert dict(told.slots)["students"] == "2"
    assert "s-1" not in told.text("en")
    assert report.rows["ledger_events"] == 2


def test_what_the_ledger_knows_reaches_the_records_from_its_day_on_and_a_correction_from_its_own(
    run: Callable[[str], Run],
) -> None:
    job = sending(run("flow"))
    take_in_records(job, delivered_on=date(2026, 9, 6))
    case, rule = opened(job), job.rules[0]
    out = ["reasons=work", "evidence=家访", "left_on=2026-09-20"]
    ledgers.add_entry(job, case, ledgers.entry_of("verified_out", out, by="李", day=job.today))

    def verified(as_of: date) -> list[Any]:
        store = RecordStore.open(job.workspace.records)
        found: list[Any] = []
        for bucket in range(store.bucket_count):
            with BucketReader(store, bucket) as reader:
                told = reader.at(as_of, rule).sql(
                    "SELECT left_on FROM ledger_events WHERE event = 'verified_dropout'"
                )
                found += told.fetchall()
        return found

    today, tomorrow = job.today, job.today + timedelta(days=1)
    take_in_records(job, delivered_on=today)
    assert verified(today) == [(date(2026, 9, 20),)]
    assert verified(today - timedelta(days=1)) == [], "not before it was written down"
    with ledgers.opened_ledger(job) as store:
        number = ledgers.cases.cases(store, ledgers.BUREAU)[0].entries[1].number
    wrong = [f"corrects={number}", "withdrawn=yes", "why=看错人"]
    ledgers.add_entry(job, case, ledgers.entry_of("verified_out", wrong, by="李", day=job.today))
    take_in_records(job, delivered_on=tomorrow)
    assert verified(tomorrow) == []
    assert verified(today) == [(date(2026, 9, 20),)], "what was known before stays answerable"


def test_no_feature_is_made_from_the_ledger() -> None:
    from riskmodel.features import ALL_FEATURES

    assert len(ALL_FEATURES) > 40
    assert not [one for one in ALL_FEATURES if one.source in ("ledger_events", "population")]
    for file in (Path(__file__).parents[1] / "src/riskmodel/features").rglob("*.py"):
        assert not re.search(r"(FROM|JOIN)\s+(ledger_events|population)", file.read_text("utf-8"))
