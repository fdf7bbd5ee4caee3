"""What 500 sheets cost: ours as ten booklets and one by one, beside headless Chromium and WeasyPrint.

    make bench-sheets                 (SHEETS=500 PEER_SHEETS=20)

The students are those of `tests/sheets/golden/`, in turn. Each way runs once, in a process of its own whose
start counts, one after the other in one run; Chromium and WeasyPrint print the HTML that we make of the
same sheets: Chromium all in one document, WeasyPrint page by page in one process (`PEER_SHEETS` of them).
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from runpy import run_path

from riskmodel.config import read_actions
from riskmodel.domain import PublishedSet, School, TermFacts
from riskmodel.features import ALL_FEATURES
from riskmodel.sheets.booklet import printed_booklet
from riskmodel.sheets.compose import Sheet, compose
from riskmodel.sheets.render import printed_sheet, to_html, to_pdf
from riskmodel.sheets.steps import Steps

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "sheets" / "test_golden.py"
OF_A_CLASS = 50
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-pdf-header-footer",
)  # fmt: skip
WEASYPRINT = """
import sys
from pathlib import Path
from weasyprint import HTML
for file in sorted(Path(sys.argv[1]).glob("*.html"))[: int(sys.argv[2])]:
    HTML(str(file)).write_pdf(f"{sys.argv[1]}/{file.stem}.weasyprint.pdf")
"""


def sheets(count: int) -> list[Sheet]:
    """Compose so many sheets of the typical students in turn."""
    students = list(run_path(str(GOLDEN))["golden_students"]().values())
    facts = TermFacts(
        region="bench", term="2025-2026-1", as_of_date=date(2025, 10, 31), horizon_end=date(2026, 10, 31),
        valid_until=date(2026, 1, 31), model_version="m", rule_version="r", wording_version="w",
        records_hash="0" * 64, data_complete_to=date(2025, 10, 31), probabilities=True, features=ALL_FEATURES,
    )  # fmt: skip
    published = PublishedSet("r2026a-7f31", datetime(2025, 11, 2, tzinfo=UTC), facts)
    school = School("s-01", "云溪县青石镇中心学校", "青石镇")
    steps = Steps.general(read_actions(ROOT / "configs" / "actions.yaml"))
    numbered = (replace(students[n % len(students)], student_id=f"st-{n:04}") for n in range(count))
    made = (compose(one, published, school, audience="counsellor", steps=steps) for one in numbered)
    return [sheet for sheet in made if sheet is not None]


def make_ours(way: str, count: int, folder: Path) -> None:
    """Make the files of one of our ways: `booklets`, `singly` or `html`."""
    made = sheets(count)
    if way == "booklets":
        for start in range(0, count, OF_A_CLASS):
            (folder / f"{start}.booklet.pdf").write_bytes(
                to_pdf(printed_booklet(made[start : start + OF_A_CLASS], "zh"))
            )
        return
    for number, sheet in enumerate(made):
        stem = folder / f"{number:04}"
        if way == "singly":
            stem.with_suffix(".single.pdf").write_bytes(to_pdf(printed_sheet(sheet, "zh")))
        else:
            stem.with_suffix(".html").write_text(to_html(sheet, "zh"), encoding="utf-8")


def timed(name: str, count: int, command: Sequence[str], folder: Path, made: str) -> None:
    """Run a command and print its row: clock, processor time of it and its children, sizes, load."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    sizes = [file.stat().st_size for file in folder.glob(made)]
    print(
        f"| {name} | {count} | {wall:.1f} | {cpu:.1f} | {1000 * cpu / count:.0f} | "
        f"{len(sizes)} x {max(sizes) / 1000:.0f} kB | {os.getloadavg()[0]:.1f} |",
        flush=True,
    )


def main() -> None:
    """Run every way and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sheets", type=int, default=500)
    parser.add_argument("--peer-sheets", type=int, default=20)
    parser.add_argument("--weasyprint", help="a Python that has WeasyPrint", default=sys.executable)
    parser.add_argument("--make", nargs=2, metavar=("WAY", "FOLDER"))
    asked = parser.parse_args()
    if asked.make:
        make_ours(asked.make[0], asked.sheets, Path(asked.make[1]))
        return
    print(
        "| way | sheets | wall s | CPU s | CPU ms a sheet | files x largest | load |\n"
        "|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = [sys.executable, __file__, "--sheets", str(asked.sheets), "--make"]
        timed("ours, booklets of 50", asked.sheets, [*ours, "booklets", name], folder, "*.booklet.pdf")
        timed("ours, one by one", asked.sheets, [*ours, "singly", name], folder, "*.single.pdf")
        timed("ours, HTML", asked.sheets, [*ours, "html", name], folder, "*.html")
        together = folder / "together.htm"
        pages = [file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.html"))]
        mains = (re.sub(r".*<body>|</body>.*", "", page, flags=re.DOTALL) for page in pages)
        breaks = '<div style="break-after: page"></div>'
        together.write_text(
            f"{pages[0].partition('<body>')[0]}<body>{breaks.join(mains)}</body></html>", encoding="utf-8"
        )
        options = [f"--user-data-dir={name}/profile", f"--print-to-pdf={name}/chromium.pdf"]
        timed(
            "Chromium, one document",
            asked.sheets,
            [*CHROMIUM, *options, together.as_uri()],
            folder,
            "chromium.pdf",
        )
        beside = [asked.weasyprint, "-c", WEASYPRINT, name, str(asked.peer_sheets)]
        timed("WeasyPrint, page by page", asked.peer_sheets, beside, folder, "*.weasyprint.pdf")


if __name__ == "__main__":
    main()
