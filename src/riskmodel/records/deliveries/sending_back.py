"""What goes back to the senders: for each file with findings its marked workbook, beside it."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from riskmodel.errors import Finding
from riskmodel.records.deliveries.marked import SentSheet, write_marked
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.raw import MARKED, format_of
from riskmodel.records.files.text_files import LONGEST_CELL, EncodingUnknown, delimiter_of, encoding_of
from riskmodel.records.files.workbooks import open_workbook


def send_back(sources: Sequence[SourceFiles], findings: Sequence[Finding]) -> list[Path]:
    """Write a marked workbook beside each file in which something is to be corrected or looked at.

    Workbooks of an earlier delivery are removed first. A finding about no file (or about a query) is told on
    screen alone.

    Returns
    -------
    list of Path
        The workbooks, in the order of their names.
    """
    folders = {source.name: source.path for source in sources}
    for folder in folders.values():
        for old in folder.rglob(f"*{MARKED}"):
            old.unlink()
    by_file: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        where = finding.where
        if where.source in folders and where.file is not None:
            by_file.setdefault((where.source, where.file), []).append(finding)
    written = []
    for (source, file), told in sorted(by_file.items()):
        if any(finding.severity != "mended" for finding in told):
            with _found(folders[source], file) as (path, out):
                if path is not None:
                    write_marked(sent_sheets(path), told, out=out)
                    written.append(out)
    return written


@contextmanager
def _found(folder: Path, file: str) -> Iterator[tuple[Path | None, Path]]:
    """Find a file of a folder, or of a zip in it, and say where its workbook goes; None: there is none."""
    path = folder / file
    if path.is_file():
        yield path, path.with_name(path.name + MARKED)
        return
    package = next((each for each in path.parents if each.is_file()), None)
    if package is None:
        yield None, path
        return
    inside = path.relative_to(package).as_posix()
    out = package.with_name(f"{package.name}.{inside.replace('/', '_')}{MARKED}")
    with TemporaryDirectory() as unpacked:
        copy = Path(unpacked) / "file"
        try:
            with zipfile.ZipFile(package) as members, members.open(inside) as member, copy.open("wb") as to:
                shutil.copyfileobj(member, to)
        except (KeyError, OSError, zipfile.BadZipFile, RuntimeError):
            copy.write_bytes(b"")
        yield copy, out


def sent_sheets(path: Path) -> list[SentSheet]:
    """Return a file's sheets as texts; none where it cannot be read."""
    form, _ = format_of(path)
    if form == "text":
        return [SentSheet(None, lambda: _text_rows(path))]
    if form == "parquet":
        return [SentSheet(None, lambda: _parquet_rows(path))] if _is_parquet(path) else []
    if form in ("xlsx", "xls", "ods"):
        try:
            _, sheets = open_workbook(path, form)
            return [SentSheet(sheet.name, _workbook_rows(path, sheet.name)) for sheet in sheets]
        except WorkbookRefused:
            return []
    return []


def _text_rows(path: Path) -> Iterator[Sequence[str]]:
    try:
        encoding = encoding_of(path)
        delimiter = delimiter_of(path, encoding, lambda _: 0)
    except EncodingUnknown:
        encoding, delimiter = "utf-8", ","
    csv.field_size_limit(LONGEST_CELL * 100)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        yield from csv.reader(file, delimiter=delimiter)


def _is_parquet(path: Path) -> bool:
    try:
        pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return False
    return True


def _parquet_rows(path: Path) -> Iterator[Sequence[str]]:
    with pq.ParquetFile(path) as file:
        yield file.schema_arrow.names
        for batch in file.iter_batches():
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield ["" if cell is None else str(cell) for cell in row]


def _workbook_rows(path: Path, name: str) -> Callable[[], Iterator[Sequence[str]]]:
    def rows() -> Iterator[Sequence[str]]:
        form, _ = format_of(path)
        _, sheets = open_workbook(path, form)
        for sheet in sheets:
            if sheet.name == name:
                for chunk in sheet.chunks:
                    yield from chunk

    return rows
