"""A million attendance rows with 500 faults scattered among them, and 300,000 rows in a workbook.

Each file is taken in by a process of its own, beside pandas reading the same file in another one; printed are
the wall time, the peak memory of the process, and how many of the faults were found at their row and column.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

HEADER = (
    "student_id",
    "start_date",
    "end_date",
    "days_absent",
    "days_unexcused",
    "times_late",
    "recorded_on",
)
TERM_START, SCHOOL_DAYS = date(2024, 9, 2), 130
FAULTS = {
    "value_no_date": ("B", "2024-02-30"),
    "value_no_number": ("D", "一天"),
    "cell_empty": ("D", ""),
    "end_before_start": ("C", "2024-09-01"),
    "absent_longer_than_period": ("D", "9"),
    "number_too_small": ("F", "-1"),
    "student_id_unknown": ("A", "s-nobody"),
}
"""A finding's code, the letter of the column, and what stands there."""


@dataclass(frozen=True)
class Sizes:
    """How much is written."""

    csv_rows: int
    xlsx_rows: int
    faults: int


FULL = Sizes(csv_rows=1_000_000, xlsx_rows=300_000, faults=500)


@dataclass(frozen=True)
class Measured:
    """One row of the table. `found` counts faults told with their code, row and column; `other` the rest."""

    what: str
    rows: int
    wall_seconds: float
    peak_mb: float
    found: int | None = None
    other: int | None = None


def rows_of(count: int, students: int) -> Iterator[list[str]]:
    """Yield attendance rows: every student, day after day."""
    days = [(TERM_START + timedelta(days=n)).isoformat() for n in range(SCHOOL_DAYS)]
    for number in range(count):
        day = days[number // students * 2 % SCHOOL_DAYS]
        yield [f"s{number % students:08x}", day, day, "1", "0", "0", day]


def faults_of(count: int, faults: int, seed: int = 20260901) -> dict[int, str]:
    """Draw the rows (as a spreadsheet counts them) that have a fault, and its code."""
    draw = random.Random(seed)  # noqa: S311  a seed, no secret
    rows = sorted(draw.sample(range(2, count + 2), faults))
    return {row: draw.choice(list(FAULTS)) for row in rows}


def write_folder(folder: Path, *, rows: int, faults: dict[int, str], in_format: str) -> None:
    """Write a delivery: the three small tables, and attendance in the format that is measured."""
    students = max(rows // 50, 1)
    folder.mkdir(parents=True)
    small = {
        "schools": "school_id,name,county,stage\nA,甲校,甲县,junior\n",
        "terms": f"term,start_date,end_date\n2024-2025-1,{TERM_START},2025-01-17\n",
        "students": "student_id\n" + "".join(f"s{n:08x}\n" for n in range(students)),
        "enrolments": "student_id,school_id,start_date,grade\n"
        + "".join(f"s{n:08x},A,{TERM_START},7\n" for n in range(students)),
    }
    for name, content in small.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    spoilt = (_with_fault(row, faults.get(at)) for at, row in enumerate(rows_of(rows, students), start=2))
    file = folder / f"attendance.{in_format}"
    if in_format == "csv":
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(HEADER)
            writer.writerows(spoilt)
        return
    import xlsxwriter

    with xlsxwriter.Workbook(str(file), {"constant_memory": True}) as book:
        page = book.add_worksheet("考勤")
        page.write_row(0, 0, HEADER)
        for at, row in enumerate(spoilt, start=1):
            page.write_row(at, 0, row)


def _with_fault(row: list[str], code: str | None) -> list[str]:
    if code is not None:
        letter, cell = FAULTS[code]
        row[ord(letter) - ord("A")] = cell
    return row


def take_in_and_tell(folder: Path) -> dict[str, object]:
    """Take a folder in and return what was found in its attendance."""
    from riskmodel.errors import RecordsRefused
    from riskmodel.records.deliveries.shipment import SourceFiles
    from riskmodel.records.intake import take_in

    source = SourceFiles("bureau", folder / "sent")
    try:
        take_in([source], store=folder / "store", delivered_on=date(2025, 9, 1))
    except RecordsRefused as refusal:
        return {"found": [[f.code, f.where.row, f.where.letter] for f in refusal.findings]}
    return {"found": []}


def read_with_pandas(folder: Path) -> dict[str, object]:
    """Read the attendance file with pandas, every cell as text."""
    import pandas as pd

    file = next((folder / "sent").glob("attendance.*"))
    if file.suffix == ".csv":
        return {"rows": len(pd.read_csv(file, dtype=str))}
    return {"rows": len(pd.read_excel(file, dtype=str, engine="calamine"))}


def in_a_process(work: str, folder: Path) -> tuple[dict[str, object], float, float]:
    """Do a piece of work in a process of its own: its answer, wall seconds, peak memory in MB."""
    command = [sys.executable, __file__, "--work", work, "--folder", str(folder)]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(done.stderr)
    answer = json.loads(done.stdout)
    return answer, wall, answer.pop("peak_kb") / 1024


def measure(folder: Path, *, rows: int, faults: int, in_format: str) -> list[Measured]:
    """Measure one file: taken in, and read by pandas."""
    wanted = faults_of(rows, faults)
    write_folder(folder / "sent", rows=rows, faults=wanted, in_format=in_format)
    answer, wall, peak = in_a_process("intake", folder)
    found = {(code, row, letter) for code, row, letter in answer["found"]}  # type: ignore[attr-defined]
    planted = {(code, row, FAULTS[code][0]) for row, code in wanted.items()}
    taken = Measured(
        f"riskmodel intake, {in_format}", rows, wall, peak, len(planted & found), len(found - planted)
    )
    _, wall, peak = in_a_process("pandas", folder)
    return [taken, Measured(f"pandas, the same {in_format}, as text", rows, wall, peak)]


def main(sizes: Sizes = FULL) -> int:
    """Measure all and print the table; the exit code is 1 where a fault was not found or told wrongly."""
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for rows in (sizes.csv_rows // 4, sizes.csv_rows):
            measured += measure(Path(folder) / f"csv-{rows}", rows=rows, faults=sizes.faults, in_format="csv")
        measured += measure(
            Path(folder) / "xlsx", rows=sizes.xlsx_rows, faults=sizes.faults, in_format="xlsx"
        )
    print("| what | rows | wall s | peak MB | faults found | told besides |")
    print("|---|---|---|---|---|---|")
    for each in measured:
        found = "" if each.found is None else f"{each.found} of {sizes.faults}"
        other = "" if each.other is None else str(each.other)
        print(
            f"| {each.what} | {each.rows:,} | {each.wall_seconds:.1f} | {each.peak_mb:.0f} "
            f"| {found} | {other} |"
        )
    return int(any(m.found is not None and (m.found != sizes.faults or m.other) for m in measured))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", choices=("intake", "pandas"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rows", type=int, default=FULL.csv_rows)
    asked = parser.parse_args()
    if asked.work:
        answer = (take_in_and_tell if asked.work == "intake" else read_with_pandas)(asked.folder)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(answer | {"peak_kb": peak}))
    else:
        share = asked.rows / FULL.csv_rows
        sys.exit(main(Sizes(asked.rows, int(FULL.xlsx_rows * share), min(FULL.faults, asked.rows // 20))))
