"""Intake: a delivery of files becomes a new generation of the record store, all of it or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.domain import Language
from riskmodel.errors import Finding, RecordsRefused, Where
from riskmodel.records.checking.identity import Keyed, identify
from riskmodel.records.checking.plausible import check_plausible
from riskmodel.records.checking.references import check_references
from riskmodel.records.checking.sense import check_sense
from riskmodel.records.contract import TABLES
from riskmodel.records.deliveries.erasing import leave_out_erased
from riskmodel.records.deliveries.generation import write_generation
from riskmodel.records.deliveries.shipment import Shipment, SourceFiles, look_at
from riskmodel.records.deliveries.staging import create_staged, stage
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.durable import told_in_a_sentence
from riskmodel.records.keeping.engine import duckdb_settings, without_progress_bar
from riskmodel.records.keeping.manifest import COPIES, MANIFEST, STAGING, clear_leftovers
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.reading.cells import read_cells
from riskmodel.records.reading.queries import RawViews
from riskmodel.records.store import RecordStore
from riskmodel.records.values.cell_checks import check_cells
from riskmodel.wording import text

MEMORY_LIMIT = "600MB"
"""Of the engine that stages rows; beyond it, it spills beside the store, and that is removed at the end."""


@dataclass(frozen=True)
class IntakeReport:
    """What a delivery did. `rows` counts, per table, all stored rows, withdrawn ones included."""

    changed: bool
    content_hash: str
    rows: Mapping[str, int]
    findings: tuple[Finding, ...] = ()

    def text(self, language: Language) -> str:
        """Say what was stored, and each finding that wants a look, a line each."""
        tables = text("intake.separator", language).join(
            text("intake.table", language, table=name, rows=f"{count:,}") for name, count in self.rows.items()
        )
        code = "intake.changed" if self.changed else "intake.unchanged"
        lines = [text(code, language, tables=tables, hash=self.content_hash[:12])]
        return "\n".join([*lines, *(f"- {finding.text(language)}" for finding in self.findings)])


def told_to_programs(result: IntakeReport | RecordsRefused) -> dict[str, Any]:
    """Return what a delivery did, or why it was refused, for programs: no value of a person is in it."""
    if isinstance(result, RecordsRefused):
        findings = (*result.findings, *result.notes)
        told = {"stored": False, "refusals": result.count, "refusals_by_code": result.by_code}
    else:
        findings = result.findings
        told = {"stored": True, "changed": result.changed, "rows": dict(result.rows), "refusals": 0}
    return told | {"findings": [finding.as_dict() for finding in findings]}


def take_in(
    sources: Sequence[SourceFiles],
    *,
    store: Path,
    delivered_on: date,
    force: bool = False,
    identity_key: bytes | None = None,
    progress: Callable[[str], None] | None = None,
) -> IntakeReport:
    """Take a delivery into the record store: all of it, or nothing.

    Files that were delivered before and are not sent again, or are the same, keep their rows; a delivery
    in which nothing changed leaves the store as it is.

    Parameters
    ----------
    sources
        What is delivered.
    store
        The store's folder; made by the first delivery.
    delivered_on
        The day of the delivery: from then on changes to rows that were there before are known.
    force
        A person says that what looks like a mistake (an older file after a newer one, a school half gone) is
        right: such doubts are then listed and recorded. Real errors are never overruled.
    identity_key
        From what ids are made where a source is keyed by roll number (`identity.identity_key`).
    progress
        Is told `<source>: <file>` before each file.

    Raises
    ------
    RecordsRefused
        With all findings; then nothing was stored.
    ConfigurationError
        If a mapping file is wrong.
    WorkspaceError
        If the folder holds a store of another version, or the disk is full.
    """
    with told_in_a_sentence(store):
        try:
            return _take_in(
                sources,
                store=store,
                delivered_on=delivered_on,
                force=force,
                identity_key=identity_key,
                progress=progress,
            )
        finally:
            _remove_copies(store)


def _take_in(
    sources: Sequence[SourceFiles],
    *,
    store: Path,
    delivered_on: date,
    force: bool,
    identity_key: bytes | None,
    progress: Callable[[str], None] | None,
) -> IntakeReport:
    before = RecordStore.open(store) if (store / MANIFEST).exists() else None
    clear_leftovers(store, before.manifest if before else None)
    findings = Findings(is_forced=force)
    shipments = [look_at(source, before, findings, beside=store) for source in sources]
    refused_at_sight = findings.refused
    _check_delivery(shipments, before, delivered_on=delivered_on, findings=findings)
    if findings.refused > refused_at_sight:
        findings.raise_if_refused()
    # What is known cannot go back: what is forced in under an earlier day is known from the last one.
    delivered_on = max(
        [delivered_on, *([d.delivered_on for d in before.manifest.deliveries] if before else [])]
    )
    changed = [shipment for shipment in shipments if shipment.is_changed]
    if not changed:
        findings.raise_if_refused()
    if before is not None and not changed:
        return IntakeReport(False, before.content_hash, before.manifest.rows, tuple(findings.notes))
    with _staging(store) as (connection, spill):
        first = before.manifest.deliveries[-1].number + 1 if before else 1
        read: dict[tuple[str, str], Telling] = {}
        create_staged(connection)
        for number, shipment in enumerate(changed, start=first):
            for telling in _read(connection, shipment, spill=spill, findings=findings, progress=progress):
                read[telling.source, telling.file] = telling
                check_cells(connection, telling, findings)
                shipment.rows[telling.file] = stage(
                    connection, telling, delivery=number, delay=shipment.source.reporting_delay_days
                )
                if not shipment.rows[telling.file]:
                    tell = findings.doubt if telling.table.required else findings.review
                    tell("file_without_rows", telling.where())
            _read_number_changes(connection, shipment, read, findings)
        if refused_at_sight:
            # Nobody knows the rows of a file that was refused before it was read: the cells of the others are
            # told, and nothing that lies between files.
            findings.raise_if_refused()
        keyed = Keyed(
            tuple(each.source.name for each in shipments if each.source.keyed_by == "roll_number"),
            identity_key,
        )
        identify(connection, before, keyed, read=read, delivered_on=delivered_on, findings=findings)
        left_out = leave_out_erased(connection, store, on=delivered_on)
        if left_out:
            findings.review("erased_left_out", Where(), rows=left_out)
        unread = {t.table.name for each in changed for t in each.changed if t.file not in each.rows}
        check_references(connection, before, read=read, unread=unread, findings=findings)
        check_plausible(
            connection, before, read=read, unread=unread, delivered_on=delivered_on, findings=findings
        )
        if not findings.refused:
            check_sense(connection, before, delivered_on=delivered_on, findings=findings)
        forced = tuple(sorted(findings.overruled))
        if forced:
            findings.review("forced", Where(), codes=", ".join(forced))
        deliveries = [
            shipment.delivery(number, delivered_on, forced=forced)
            for number, shipment in enumerate(changed, start=first)
        ]
        after = write_generation(
            connection,
            before,
            deliveries,
            store=store,
            delivered_on=delivered_on,
            identity_check=keyed.check if keyed.sources else "",
            findings=findings,
        )
    return IntakeReport(True, after.content_hash, after.manifest.rows, tuple(findings.notes))


def _check_delivery(
    shipments: Sequence[Shipment], before: RecordStore | None, *, delivered_on: date, findings: Findings
) -> None:
    """Refuse what cannot be a delivery, before any cell is read."""
    last = max((d.delivered_on for d in before.manifest.deliveries), default=None) if before else None
    if last is not None and delivered_on < last:
        findings.doubt("delivered_before_last", Where(), delivered_on=delivered_on, last=last)
    names = [shipment.source.name for shipment in shipments]
    for name in sorted({name for name in names if names.count(name) > 1}):
        findings.refuse("source_twice", Where(source=name))
    if findings.refused:
        return
    told = {telling.table.name for shipment in shipments for telling in shipment.tellings}
    for table in TABLES:
        if table.required and table.name not in told | set(before.tables if before else ()):
            findings.refuse("table_missing", Where(source=", ".join(names)), table=table.name)


def _read(
    connection: duckdb.DuckDBPyConnection,
    shipment: Shipment,
    *,
    spill: Path,
    findings: Findings,
    progress: Callable[[str], None] | None,
) -> Iterator[Telling]:
    """Put the cells of one changed file or query after the other into the table `cells`."""
    with ExitStack() as opened:
        views = None
        for telling in shipment.changed:
            if progress is not None:
                progress(f"{shipment.source.name}: {telling.file}")
            if not telling.query or shipment.mapping is None:
                read = read_cells(connection, telling, findings)
            else:
                if views is None:
                    views = RawViews(shipment.source.name, shipment.mapping, spill_to=spill)
                    opened.callback(views.close)
                    if not views.open(shipment.files, findings):
                        return
                read = telling if views.read_cells(connection, telling, findings) else None
            if read is not None:
                yield read


def _remove_copies(store: Path) -> None:
    shutil.rmtree(store / COPIES, ignore_errors=True)
    if store.is_dir() and not any(store.iterdir()):
        store.rmdir()


def _read_number_changes(
    connection: duckdb.DuckDBPyConnection,
    shipment: Shipment,
    read: dict[tuple[str, str], Telling],
    findings: Findings,
) -> None:
    """Put what a source says about roll numbers of one child into the table `number_changes`."""
    for asked in shipment.number_changes:
        telling = read_cells(connection, asked, findings)
        if telling is None:
            continue
        read[telling.source, telling.file] = telling
        check_cells(connection, telling, findings)
        connection.execute(
            """INSERT INTO number_changes
               SELECT upper(former_roll_number), upper(roll_number), evidence, $source, $file, sheet, "row"
               FROM told""",
            {"source": telling.source, "file": telling.file},
        )


@contextmanager
def _staging(store: Path) -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """Open a database on disk beside the generations, and remove it whatever happens."""
    is_new = not store.exists()
    folder = store / STAGING
    folder.mkdir(parents=True)
    try:
        spill = folder / "spill"
        settings = duckdb_settings(threads=2, memory_limit=MEMORY_LIMIT, spill_to=spill)
        with duckdb.connect(str(folder / "rows.duckdb"), config=settings) as connection:
            without_progress_bar(connection)
            # It makes a join of each list of codes; planning a file then takes five times as long.
            connection.execute("SET disabled_optimizers = 'in_clause'")
            # The rows here outlive nothing: what is only in memory yet need not be written before it goes.
            connection.execute("PRAGMA disable_checkpoint_on_shutdown")
            yield connection, spill
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new and not any(store.iterdir()):
            store.rmdir()
