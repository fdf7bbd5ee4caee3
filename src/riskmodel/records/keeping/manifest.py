"""The record store: a folder of Parquet, one file per table and bucket, under a manifest.

    <store>/manifest.json                              says which generation holds
    <store>/generation-00001/attendance/bucket-000.parquet
    <store>/generation-00001/schools/all.parquet       tables that have no student_id

A generation is written beside the one that holds, and settled on the disk; the manifest is moved into place
last. Whoever is killed before that, or loses power, leaves the old store whole; the next intake clears away
what such a one left lying.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from riskmodel.records.contract import Table
from riskmodel.records.keeping.durable import settle, settle_tree

FORMAT = 2
MANIFEST = "manifest.json"
COPIES = "copies.partial"
"""Where zips are unpacked and databases copied to while a delivery is taken in."""
STAGING = "staging.partial"
UNBUCKETED = "all"


@dataclass(frozen=True)
class FileReceipt:
    """A file as it was taken in: its hash, and the rows that were read from it."""

    file: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Delivery:
    """One delivery of one source: the files that were new or changed, and the tables that they told.

    `complete_to` is the day that configuration claims, if it does; `forced` names the doubts that a person
    overruled.
    """

    number: int
    source: str
    delivered_on: date
    files: tuple[FileReceipt, ...]
    tables: tuple[str, ...]
    mapping_sha256: str | None = None
    reporting_delay_days: int = 0
    complete_to: date | None = None
    forced: tuple[str, ...] = ()
    keyed_by: str = "student_id"


@dataclass(frozen=True)
class Latest:
    """The latest days that rows of a source tell: that it recorded one, and that one is known at all."""

    recorded_on: date | None = None
    known_from: date | None = None

    def or_later(self, recorded_on: date | None, known_from: date | None) -> Latest:
        """Return the later of what was told and what is told now."""
        recorded = max((d for d in (self.recorded_on, recorded_on) if d), default=None)
        return Latest(recorded, max((d for d in (self.known_from, known_from) if d), default=None))


@dataclass(frozen=True)
class Manifest:
    """What a store says of itself.

    `rows` counts stored rows per table, withdrawn ones included. `attendance_known` holds, per source, each
    day from which a row of attendance is known, in order. `identity_check` tells whether a key is
    the one from which ids were made (empty: none were); it tells nothing of the key.
    """

    bucket_count: int
    generation: int
    student_count: int
    deliveries: tuple[Delivery, ...]
    latest: dict[str, Latest] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    identity_check: str = ""
    attendance_known: dict[str, tuple[date, ...]] = field(default_factory=dict)

    @property
    def complete_to(self) -> dict[str, date]:
        """Up to which day each source tells everything.

        That is what configuration claims; else the latest `recorded_on`; else the latest day from which a
        row is known, but not past the delivery (a grant may state an end to come).
        """
        days = {}
        for delivery in self.deliveries:
            latest = self.latest.get(delivery.source, Latest())
            known = min(latest.known_from, delivery.delivered_on) if latest.known_from else None
            day = delivery.complete_to or latest.recorded_on or known
            if day is not None:
                days[delivery.source] = day
        return days

    def attendance_told_to(self, day: date) -> date:
        """Return up to which day attendance was told, as known on a day: what came later tells nothing.

        Of each source that is the latest day from which a row of it is known by then, but not past what it
        claims today; or what it had claimed by then, where that is later. The earliest of all sources.
        """
        reach = day
        for source in {delivery.source for delivery in self.deliveries if "attendance" in delivery.tables}:
            claims = [d.complete_to for d in self.deliveries if d.source == source and d.delivered_on <= day]
            known = [each for each in self.attendance_known.get(source, ()) if each <= day]
            latest = min(known[-1], self.complete_to[source]) if known else date.min
            reach = min(reach, max([latest, *(claim for claim in claims if claim)]))
        return reach

    @property
    def content_hash(self) -> str:
        """The sha256 over what was delivered: the same deliveries in the same order give the same."""
        told = [asdict(delivery) for delivery in self.deliveries]
        return hashlib.sha256(json.dumps([FORMAT, told], default=str).encode()).hexdigest()


def generation_folder(folder: Path, generation: int) -> Path:
    """Return the folder of a generation of a store."""
    return folder / f"generation-{generation:05d}"


def table_file(of: Table, bucket: int | None) -> Path:
    """Return the path, inside a generation, of a table's rows."""
    part = f"bucket-{bucket:03d}" if of.per_student and bucket is not None else UNBUCKETED
    return Path(of.name) / f"{part}.parquet"


def commit(folder: Path, manifest: Manifest) -> None:
    """Make a written generation the one that holds: move the manifest last, then clear older ones.

    Each step is on the disk for good before the next: the rows, their names, the manifest, its name. Only
    then may anything older go, and only then is the delivery acknowledged by returning.
    """
    complete_to = {source: str(day) for source, day in sorted(manifest.complete_to.items())}
    content = {"format": FORMAT, "content_hash": manifest.content_hash, "complete_to": complete_to}
    content |= asdict(manifest)
    settle_tree(generation_folder(folder, manifest.generation))
    beside = folder / f"{MANIFEST}.partial"
    with beside.open("w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False, indent=1, default=str)
        out.flush()
        os.fsync(out.fileno())
    # The folders above may be new as well: the workspace, and the folder that it was made in.
    settle(folder, folder.parent, folder.parent.parent)
    beside.replace(folder / MANIFEST)
    settle(folder)
    clear_leftovers(folder, manifest)


def clear_leftovers(folder: Path, manifest: Manifest | None) -> None:
    """Remove what an intake that was interrupted left lying, and generations that hold no more.

    What cannot be removed now does no harm, and is tried again by the next intake.
    """
    holds = generation_folder(folder, manifest.generation) if manifest else None
    for other in (*folder.glob("generation-*"), folder / STAGING, folder / COPIES):
        if other != holds:
            shutil.rmtree(other, ignore_errors=True)
    with suppress(OSError):
        (folder / f"{MANIFEST}.partial").unlink(missing_ok=True)


def manifest_of(content: dict[str, Any]) -> Manifest:
    """Read what a manifest file says."""
    deliveries = tuple(
        Delivery(
            number=told["number"],
            source=told["source"],
            delivered_on=date.fromisoformat(told["delivered_on"]),
            files=tuple(FileReceipt(**file) for file in told["files"]),
            tables=tuple(told["tables"]),
            mapping_sha256=told["mapping_sha256"],
            reporting_delay_days=told["reporting_delay_days"],
            complete_to=date.fromisoformat(told["complete_to"]) if told["complete_to"] else None,
            forced=tuple(told.get("forced", ())),
            keyed_by=told.get("keyed_by", "student_id"),
        )
        for told in content["deliveries"]
    )
    return Manifest(
        bucket_count=content["bucket_count"],
        generation=content["generation"],
        student_count=content["student_count"],
        deliveries=deliveries,
        latest={
            source: Latest(*(date.fromisoformat(day) if day else None for day in told.values()))
            for source, told in content["latest"].items()
        },
        rows=content["rows"],
        identity_check=content.get("identity_check", ""),
        attendance_known={
            source: tuple(map(date.fromisoformat, days))
            for source, days in content["attendance_known"].items()
        },
    )
