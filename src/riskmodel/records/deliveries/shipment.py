"""A source as it was sent: its files, and what of them is new or changed since the last delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from riskmodel.errors import Where
from riskmodel.records.checking.identity import ROLL_NUMBER_CHANGES
from riskmodel.records.files.raw import RawFile, raw_files, sha256_of
from riskmodel.records.files.zips import unpacked
from riskmodel.records.findings import Findings
from riskmodel.records.keeping.manifest import COPIES, Delivery, FileReceipt
from riskmodel.records.mapping.source_mapping import SourceMapping, mapping_hash, read_mapping, tellings
from riskmodel.records.mapping.telling import Telling
from riskmodel.records.reading.databases import copy_from_database
from riskmodel.records.store import RecordStore


@dataclass(frozen=True)
class SourceFiles:
    """A source: a folder of files, or a database, and the mapping file that translates it, if any.

    `url` is the SQLAlchemy URL of a database; `path` then has no meaning.

    `reporting_delay_days` is added to the last event date of rows that do not say when they were
    recorded; `complete_to` is the day up to which the source claims to tell everything (None: its latest
    `recorded_on`, or, where it has none, the latest day from which a row of it is known). Where it is keyed
    by roll number, its `student_id` holds that, and children get ids of ours (see `identity`).
    """

    name: str
    path: Path = Path()
    mapping: Path | None = None
    reporting_delay_days: int = 0
    complete_to: date | None = None
    url: str | None = None
    keyed_by: Literal["student_id", "roll_number"] = "student_id"


@dataclass
class Shipment:
    """What was sent of a source.

    Attributes
    ----------
    files
        The raw files that something is told by.
    receipts
        Their hashes, by name.
    tellings
        What tells rows of the contract's tables; `changed` those of them that are read anew.
    is_changed
        Whether anything differs from the last delivery: a file, the mapping, the delay, `complete_to`.
    number_changes
        Files that say which roll numbers mean one child; read whenever anything is.
    rows
        Rows read, by file.
    """

    source: SourceFiles
    mapping: SourceMapping | None = None
    mapping_sha256: str | None = None
    files: list[RawFile] = field(default_factory=list)
    receipts: dict[str, str] = field(default_factory=dict)
    tellings: list[Telling] = field(default_factory=list)
    changed: list[Telling] = field(default_factory=list)
    is_changed: bool = True
    number_changes: list[Telling] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def delivery(self, number: int, delivered_on: date, *, forced: tuple[str, ...] = ()) -> Delivery:
        """Return the receipt of what was read, and of the doubts that a person overruled."""
        return Delivery(
            number=number,
            source=self.source.name,
            delivered_on=delivered_on,
            files=tuple(FileReceipt(n, sha, self.rows.get(n, 0)) for n, sha in self.receipts.items()),
            tables=tuple(sorted({telling.table.name for telling in self.changed})),
            mapping_sha256=self.mapping_sha256,
            reporting_delay_days=self.source.reporting_delay_days,
            complete_to=self.source.complete_to,
            forced=forced,
            keyed_by=self.source.keyed_by,
        )


def look_at(source: SourceFiles, before: RecordStore | None, findings: Findings, *, beside: Path) -> Shipment:
    """Look at what was sent: which files tell what, and which of them changed.

    What must be unpacked, or copied from a database, goes into `COPIES` beside the generations, in the
    store's folder `beside`; whoever takes the shipment in removes it.
    """
    shipment = Shipment(source)
    if source.mapping is not None:
        shipment.mapping = read_mapping(source.mapping)
        shipment.mapping_sha256 = mapping_hash(source.mapping)
    refused = findings.refused
    files = _files_of(source, shipment.mapping, beside / COPIES / source.name, findings)
    if findings.refused > refused and not files:
        return shipment
    if source.keyed_by == "roll_number":
        about = [raw for raw in files if Path(raw.local).stem == ROLL_NUMBER_CHANGES.name]
        files = [raw for raw in files if raw not in about]
        shipment.number_changes = [
            Telling(source.name, ROLL_NUMBER_CHANGES, raw.name, path=raw.path) for raw in about
        ]
    shipment.tellings = tellings(source.name, files, shipment.mapping, findings)
    used = {telling.file for telling in shipment.tellings}
    if shipment.mapping is not None:
        used |= shipment.mapping.raw_names()
    shipment.files = [raw for raw in files if raw.name in used]
    shipment.receipts = {raw.name: sha256_of(raw.path) for raw in shipment.files}
    shipment.receipts |= {told.file: sha256_of(told.path) for told in shipment.number_changes}
    _compare(shipment, before, findings)
    return shipment


def _files_of(
    source: SourceFiles, mapping: SourceMapping | None, copies: Path, findings: Findings
) -> list[RawFile]:
    if source.url is not None:
        copies.mkdir(parents=True, exist_ok=True)
        return copy_from_database(source.url, mapping, source=source.name, folder=copies, findings=findings)
    if not source.path.is_dir():
        findings.refuse("folder_missing", Where(source=source.name, file=str(source.path)))
        return []
    files = raw_files(source.path)
    if not files:
        findings.refuse("folder_empty", Where(source=source.name, file=str(source.path)))
    return unpacked(files, source=source.name, folder=copies, findings=findings)


def _compare(shipment: Shipment, before: RecordStore | None, findings: Findings) -> None:
    """Say what is read anew: changed files, queries over them; all of it where the translation changed."""
    source = shipment.source
    earlier = [d for d in before.manifest.deliveries if d.source == source.name] if before else []
    if not earlier:
        shipment.changed = shipment.tellings
        return
    last = earlier[-1]
    if last.reporting_delay_days != source.reporting_delay_days:
        findings.review("delay_changed", Where(source=source.name))
    known = {receipt.file: receipt.sha256 for delivery in earlier for receipt in delivery.files}
    _doubt_older(shipment, earlier, findings)
    changed_files = {name for name, sha in shipment.receipts.items() if known.get(name) != sha}
    translated_anew = (last.mapping_sha256, last.reporting_delay_days, last.keyed_by) != (
        shipment.mapping_sha256,
        source.reporting_delay_days,
        source.keyed_by,
    ) or bool(changed_files & {told.file for told in shipment.number_changes})
    shipment.changed = [
        telling
        for telling in shipment.tellings
        if translated_anew or telling.file in changed_files or (telling.query and changed_files)
    ]
    shipment.is_changed = bool(shipment.changed) or last.complete_to != source.complete_to


def _doubt_older(shipment: Shipment, earlier: Sequence[Delivery], findings: Findings) -> None:
    """Doubt files that were sent before, and have been replaced since."""
    for name, sha in shipment.receipts.items():
        sent = [
            (receipt.sha256, delivery.delivered_on)
            for delivery in earlier
            for receipt in delivery.files
            if receipt.file == name
        ]
        days = [day for before, day in sent if before == sha]
        if days and sent[-1][0] != sha:
            where = Where(source=shipment.source.name, file=name)
            findings.doubt("file_sent_before", where, sent_on=days[-1], replaced_on=sent[-1][1])
