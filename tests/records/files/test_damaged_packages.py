"""Packages whose packed bytes are damaged: a finding with the file, never a traceback."""

import zipfile
from datetime import date
from pathlib import Path

import pytest

from riskmodel.errors import RecordsRefused
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.files.packages import WorkbookRefused
from riskmodel.records.files.xlsx_scan import scan_xlsx
from riskmodel.records.intake import take_in

PACKED = pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])


def _spoilt(package: Path, member: str, packed: int) -> Path:
    """Write a package, and turn its packed bytes into what nothing unpacks; names and sizes stay."""
    with zipfile.ZipFile(package, "w", packed) as written:
        written.writestr(member, "student_id,name\n" + "\n".join(f"s{n},某{n}" for n in range(500)))
        info = written.getinfo(member)
    content = bytearray(package.read_bytes())
    begin = info.header_offset + 30 + len(member.encode())
    content[begin : begin + 40] = b"\xff" * 40
    package.write_bytes(bytes(content))
    return package


@PACKED
def test_damaged_bytes_in_a_zip_are_a_finding_with_the_file(tmp_path, packed):
    folder = tmp_path / "in"
    folder.mkdir()
    _spoilt(folder / "students.zip", "students.csv", packed)
    with pytest.raises(RecordsRefused) as refused:
        take_in([SourceFiles("b", folder)], store=tmp_path / "store", delivered_on=date(2025, 3, 1))
    told = {(finding.code, finding.where.file) for finding in refused.value.findings}
    assert ("zip_damaged", "students.zip") in told
    assert not (tmp_path / "store" / "manifest.json").exists()


@PACKED
def test_damaged_bytes_in_a_workbook_are_told_as_damage(tmp_path, packed):
    with pytest.raises(WorkbookRefused) as refused:
        scan_xlsx(_spoilt(tmp_path / "students.xlsx", "xl/workbook.xml", packed))
    assert refused.value.code == "zip_damaged"
