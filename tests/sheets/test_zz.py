from pathlib import Path
from dataclasses import replace
from riskmodel.sheets.render import printed_sheet, to_pdf
from riskmodel.sheets.compose import compose
from riskmodel.sheets.booklet import printed_booklet
import gc


def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024


def test_leak(poisoned, student, published, school, steps):
    def book(n, k0):
        sheets = [
            compose(
                replace(student, student_id=f"s{n}-{k}", masked_name=f"王{n}*"),
                published,
                school,
                audience="counsellor",
                steps=steps,
            )
            for k in range(k0)
        ]
        return to_pdf(printed_booklet(sheets, "zh"))

    for n in range(1, 161):
        book(n, 2)
        if n % 40 == 0:
            gc.collect()
            print("booklet2", n, rss())
    for n in range(1, 401):
        to_pdf(printed_sheet(poisoned(f"名字{n}")[0], "zh"))
        if n % 100 == 0:
            gc.collect()
            print("sheet", n, rss())
