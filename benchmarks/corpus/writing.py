"""Files in their formats: text with an encoding, XLSX, XLS and ODS workbooks, Parquet, a zip of one."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
import xlwt

from .files import Cell, Delivery, File, Formula, Sheet

_ODS_NAMES = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0" office:version="1.2"'
)
_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def write(delivery: Delivery, folder: Path) -> None:
    """Write the files of a delivery into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in delivery.files:
        (folder / file.name).write_bytes(in_format(file))


def in_format(file: File) -> bytes:
    """Return a file's bytes."""
    match file.format:
        case "csv" | "tsv":
            content = _text(file)
        case "xlsx":
            content = _xlsx(file)
        case "xls":
            content = _xls(file)
        case "ods":
            content = _ods(file)
        case "parquet":
            content = _parquet(file.sheet)
        case "zip":
            inner = File(file.table, file.stem, "csv", file.sheets, file.encoding)
            content = zipped({inner.name: in_format(inner)})
    return file.after(content) if file.after else content


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2025, 9, 1, 0, 0, 0)), content, packing)
    return out.getvalue()


def as_text(cell: Cell) -> str:
    """Return a cell as a CSV says it."""
    if isinstance(cell, Formula):
        return as_text(cell.value)
    if cell is None:
        return ""
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return str(cell)


def _text(file: File) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if file.format == "tsv" else ",", lineterminator="\r\n")
    writer.writerows([as_text(cell) for cell in row] for row in file.sheet.table())
    return out.getvalue().encode(file.encoding)


def _xlsx(file: File) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "default_date_format": "yyyy-mm-dd", "date_1904": file.is_1904}
    )
    for sheet in file.sheets:
        page = book.add_worksheet(sheet.name)
        for at, row in enumerate(sheet.table()):
            for column, cell in enumerate(row):
                _write_xlsx(page, at, column, cell)
        for top, left, bottom, right in sheet.merged:
            shown = sheet.table()[top - 1][left - 1]
            page.merge_range(top - 1, left - 1, bottom - 1, right - 1, as_text(shown))
        for number in sheet.hidden_rows:
            page.set_row(number - 1, None, None, {"hidden": True})
        for number in sheet.hidden_columns:
            page.set_column(number - 1, number - 1, None, None, {"hidden": True})
        if sheet.is_hidden:
            page.hide()
        if sheet.empty_formatted_rows:
            first, grey = len(sheet.table()), book.add_format({"bg_color": "#EEEEEE"})
            for number in range(first, first + sheet.empty_formatted_rows):
                page.write_blank(number, 0, None, grey)
    book.close()
    return _without_marked_values(out.getvalue())


_NO_VALUE = "no cached value"


def _write_xlsx(page: xlsxwriter.worksheet.Worksheet, row: int, column: int, cell: Cell) -> None:
    match cell:
        case None:
            pass
        case Formula():
            page.write_formula(row, column, cell.text, None, _NO_VALUE if cell.value is None else cell.value)
        case str():
            page.write_string(row, column, cell)
        case date():
            page.write_datetime(row, column, cell)
        case _:
            page.write_number(row, column, cell)


def _without_marked_values(content: bytes) -> bytes:
    """Take the values out of formulas that have none, which XlsxWriter cannot leave out."""
    if _NO_VALUE.encode() not in b"".join(_members(content).values()):
        return content
    members = {
        name: re.sub(rf' t="str"(><f>[^<]*</f>)<v>{_NO_VALUE}</v>'.encode(), rb"\1", part)
        for name, part in _members(content).items()
    }
    return zipped(members)


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _xls(file: File) -> bytes:
    book = xlwt.Workbook(encoding="utf-8")
    if file.is_1904:
        book.dates_1904 = True
    day = xlwt.easyxf(num_format_str="yyyy-mm-dd")
    for sheet in file.sheets:
        page = book.add_sheet(sheet.name, cell_overwrite_ok=True)
        for at, row in enumerate(sheet.table()):
            for column, cell in enumerate(row):
                if isinstance(cell, date):
                    base = date(1904, 1, 1) if file.is_1904 else date(1899, 12, 30)
                    page.write(at, column, (cell - base).days, day)
                elif cell is not None and not isinstance(cell, Formula):
                    page.write(at, column, cell)
        for top, left, bottom, right in sheet.merged:
            shown = sheet.table()[top - 1][left - 1]
            page.write_merge(top - 1, bottom - 1, left - 1, right - 1, as_text(shown))
        for number in sheet.hidden_rows:
            page.row(number - 1).hidden = True
        for number in sheet.hidden_columns:
            page.col(number - 1).hidden = True
        page.visibility = int(sheet.is_hidden)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _ods(file: File) -> bytes:
    tables = "".join(_ods_sheet(sheet) for sheet in file.sheets)
    hidden = (
        '<style:style style:name="hidden" style:family="table">'
        '<style:table-properties table:display="false"/></style:style>'
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_ODS_NAMES}>'
        f"<office:automatic-styles>{hidden}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{_ODS_TYPE}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    members = {"mimetype": _ODS_TYPE, "content.xml": content, "META-INF/manifest.xml": manifest}
    return zipped({name: part.encode() for name, part in members.items()})


def _ods_sheet(sheet: Sheet) -> str:
    spans = {(top, left): (bottom - top + 1, right - left + 1) for top, left, bottom, right in sheet.merged}
    columns = "".join(
        "<table:table-column" + (' table:visibility="collapse"' if n in sheet.hidden_columns else "") + "/>"
        for n in range(1, len(sheet.header) + 1)
    )
    rows = []
    for number, row in enumerate(sheet.table(), start=1):
        cells = "".join(_ods_cell(cell, spans.get((number, at))) for at, cell in enumerate(row, start=1))
        collapsed = ' table:visibility="collapse"' if number in sheet.hidden_rows else ""
        rows.append(f"<table:table-row{collapsed}>{cells or '<table:table-cell/>'}</table:table-row>")
    style = ' table:style-name="hidden"' if sheet.is_hidden else ""
    return f"<table:table table:name={quoteattr(sheet.name)}{style}>{columns}{''.join(rows)}</table:table>"


def _ods_cell(cell: Cell, span: tuple[int, int] | None) -> str:
    spanned = (
        f' table:number-rows-spanned="{span[0]}" table:number-columns-spanned="{span[1]}"' if span else ""
    )
    if isinstance(cell, Formula):
        return f"<table:table-cell{spanned} table:formula={quoteattr('of:' + cell.text)}/>"
    if cell is None:
        return f"<table:table-cell{spanned}/>"
    shown = f"<text:p>{_ods_text(as_text(cell))}</text:p>"
    if isinstance(cell, date):
        typed = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, str):
        typed = 'office:value-type="string"'
    else:
        typed = f'office:value-type="float" office:value="{as_text(cell)}"'
    return f"<table:table-cell{spanned} {typed}>{shown}</table:table-cell>"


def _ods_text(text: str) -> str:
    """Return text as LibreOffice writes it: blanks and tabs as elements, a paragraph per line."""
    told = escape(text).replace("\n", "</text:p><text:p>").replace("\t", "<text:tab/>")
    return re.sub("^ | $|(?<= ) ", "<text:s/>", told)


def _parquet(sheet: Sheet) -> bytes:
    columns = {name: [row[at] for row in sheet.rows] for at, name in enumerate(sheet.header)}
    out = io.BytesIO()
    pq.write_table(pa.table({name: _column(cells) for name, cells in columns.items()}), out)
    return out.getvalue()


def _column(cells: list[Cell]) -> pa.Array:
    there = [cell for cell in cells if cell is not None]
    if any(isinstance(cell, str) for cell in there):
        return pa.array([None if cell is None else as_text(cell) for cell in cells], pa.string())
    if any(isinstance(cell, float) for cell in there):
        return pa.array([None if cell is None else float(cell) for cell in cells], pa.float64())
    return pa.array(cells) if there else pa.array(cells, pa.string())
