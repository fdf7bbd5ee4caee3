"""Records and features: from a bureau's files to matrices."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from contextlib import closing
from datetime import date

from riskmodel.domain import Stage
from riskmodel.errors import Finding, NotEnoughData, RecordsRefused, Where
from riskmodel.pipelines.inputs import matrix_files
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, clock, code_hash, dates_of, digest
from riskmodel.records.checking.identity import identity_key
from riskmodel.records.contract import LEDGER_SOURCE
from riskmodel.records.deliveries.sending_back import send_back
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import IntakeReport, take_in
from riskmodel.records.keeping.manifest import MANIFEST
from riskmodel.records.store import RecordStore
from riskmodel.store.cases import ledger_events
from riskmodel.store.engine import FILE_NAME, open_store
from riskmodel.wording import LANGUAGES

_LEDGER_COLUMNS = ("student_id", "event_date", "event", "left_on", "reason", "recorded_on")


def make_county(run: Run, *, until: date | None = None) -> None:
    """Write the fictional county, unless the same one is there, or the configuration names none.

    With `until` the files of `county/records` hold what was recorded by that day, as a bureau would have sent
    them then; the whole county waits in `county/whole`, so that later deliveries need no other one.
    """
    _make_whole_county(run)
    folder = run.workspace.county
    if until is None or run.configuration.county is None:
        return
    from riskmodel.county.writing import write_until

    if not (folder / "whole").exists():
        (folder / "records").rename(folder / "whole")
    rows = write_until(folder / "whole", folder / "records", until)
    run.say("county_until", until=until, rows=rows, folder=folder / "records")


def _make_whole_county(run: Run) -> None:
    asked = run.configuration.county
    if asked is None:
        return
    from riskmodel.county.calendar import terms_of
    from riskmodel.county.world import write_county

    folder, marker = run.workspace.county, run.workspace.county / "MADE_FROM"
    wanted = digest(asked.model_dump_json(), run.configuration.seed, code_hash("county"))
    if marker.exists() and marker.read_text(encoding="utf-8") == wanted:
        run.say("county_reused", folder=folder)
        return
    years = range(asked.first_school_year, asked.first_school_year + asked.school_years)
    terms = [term for year in years for term in terms_of(year)]
    ahead = [
        as_of_on(run, moment, terms)
        for moment in (*run.configuration.as_of.test, run.configuration.as_of.current)
    ]
    seconds = clock()
    shutil.rmtree(folder, ignore_errors=True)
    # Another county is no later word about the former one: its records are not revisions.
    shutil.rmtree(run.workspace.records, ignore_errors=True)
    report = write_county(
        folder,
        students=asked.students,
        counties=asked.counties,
        first_school_year=asked.first_school_year,
        school_years=asked.school_years,
        seed=run.configuration.seed,
        rates={Stage.PRIMARY: asked.primary_leavers_a_year, Stage.JUNIOR: asked.junior_leavers_a_year},
        truth_dates=[(as_of.as_of_date, as_of.horizon_end) for as_of in ahead],
    )
    marker.write_text(wanted, encoding="utf-8")
    run.say(
        "county_made",
        schools=report.schools,
        students=report.students,
        rows=sum(report.rows.values()),
        folder=folder,
        seconds=seconds(),
    )


def take_in_records(run: Run, *, force: bool = False, delivered_on: date | None = None) -> IntakeReport:
    """Take the sources' files into the record store: all of them, or nothing.

    Beside each file in which something is to be corrected or looked at, its marked workbook is written.
    `force`: a person says that what looks like a mistake is right, and that is recorded. `delivered_on`: the
    day on which the files came; None: today.

    Raises
    ------
    RecordsRefused
        With all findings; then nothing was stored.
    """
    seconds = clock()
    # On which ground a source may be used is a question for the cohort, not for reading it.
    told = [source.model_dump(exclude={"legal_basis"}) for source in run.configuration.sources]
    on = delivered_on or run.today
    sources = [SourceFiles(**each) for each in told] + ledger_source(run, on)
    try:
        report = take_in(
            sources,
            store=run.workspace.records,
            delivered_on=on,
            force=force,
            identity_key=_identity_key(run),
        )
    except RecordsRefused as refusal:
        _send_back(run, sources, (*refusal.findings, *refusal.notes))
        raise
    _send_back(run, sources, report.findings)
    store = RecordStore.open(run.workspace.records)
    reach = store.last_complete_date(["enrolments"])
    for language in LANGUAGES:
        for finding in report.findings:
            run.say("finding", language=language, finding=finding.text(language))
    if not report.changed:
        run.say("records_reused", complete_to=reach)
        return report
    run.say(
        "records_taken",
        rows=sum(report.rows.values()),
        students=store.student_count,
        findings=len(report.findings),
        complete_to=reach,
        seconds=seconds(),
    )
    return report


def ledger_source(run: Run, on: date) -> list[SourceFiles]:
    """Write what the ledgers know as a source of its own; none where they hold nothing yet.

    The ledgers are ours: they tell everything up to the day of the delivery. A later correction replaces
    rows of the earlier delivery, so that what was known before stays answerable.
    """
    file = run.workspace.ledger / "ledger_events.csv"
    if not (run.workspace.store / FILE_NAME).is_file():
        return []
    with closing(open_store(run.workspace.store)) as store:
        rows = ledger_events(store, BUREAU)
    if not rows and not file.exists():
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, _LEDGER_COLUMNS)
        writer.writeheader()
        writer.writerows(row for row in rows if row["recorded_on"] <= on.isoformat())
    return [SourceFiles(LEDGER_SOURCE, file.parent, complete_to=on)]


def _identity_key(run: Run) -> bytes | None:
    """Read the key of ids, or make it with the first delivery that needs one."""
    if all(source.keyed_by != "roll_number" for source in run.configuration.sources):
        return None
    has_store = (run.workspace.records / MANIFEST).exists()
    issued = has_store and RecordStore.open(run.workspace.records).manifest.identity_check
    return identity_key(run.workspace.identity_key, is_new=not issued)


def _send_back(run: Run, sources: Sequence[SourceFiles], findings: Sequence[Finding]) -> None:
    """Write the marked workbooks; a folder that cannot be written to is no reason to stop."""
    try:
        for workbook in send_back(sources, findings):
            run.say("marked", file=workbook)
    except OSError as problem:
        run.say("not_marked", problem=problem.strerror)


def build_features(run: Run) -> None:
    """Build the features of every date that the configuration needs, as they were known on it.

    Raises
    ------
    NotEnoughData
        If nobody was enrolled on a date that is judged or scored. (A term of long ago from which nobody
        can be learnt is no harm.)
    """
    store = RecordStore.open(run.workspace.records)
    built = {file.stem for file in matrix_files(run, store)}
    dates = dates_of(run, store)
    for as_of in (*dates.test, dates.current):
        if f"matrix-{as_of.as_of_date}-{as_of.term}" not in built:
            raise NotEnoughData("cohort_empty", Where(key=as_of.as_of_date.isoformat()))
