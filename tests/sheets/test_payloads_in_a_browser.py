"""A real browser runs none of the hostile texts; one that is let through unescaped is noticed."""

import re
import shutil
import subprocess
from pathlib import Path
from runpy import run_path

import pytest

from riskmodel.sheets.render import to_html
from riskmodel.sheets.school_list import list_to_html

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: `make payloads` installs it"
)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=3000",
    "--dump-dom",
)  # fmt: skip
MARK = "document.documentElement.setAttribute('ran',1)"
WATCH = f"<script>alert = x = () => {MARK}</script>"
RUNNING = (
    f"<script>{MARK}</script>", f"<img src=x onerror={MARK}>", f"<svg onload={MARK}>",
    f'"><body onpageshow="{MARK}">', f"<iframe srcdoc=\"<script>parent.{MARK}</script>\"></iframe>",
)  # fmt: skip


def payloads() -> tuple[str, ...]:
    return (*run_path(str(Path(__file__).with_name("test_payloads.py")))["PAYLOADS"], *RUNNING)


def dom_in_browser(folder: Path, body: str) -> str:
    page = folder / "page.html"
    page.write_text(f"<!doctype html><html><head>{WATCH}</head><body>{body}</body></html>", encoding="utf-8")
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def ran(dom: str) -> bool:
    return re.search(r"<html[^>]* ran=", dom) is not None


def test_no_payload_runs_in_a_browser(tmp_path: Path, poisoned) -> None:
    bodies = []
    for payload in payloads():
        sheet, given = poisoned(payload)
        whole = (to_html(sheet, "zh"), list_to_html(given, "zh"))
        bodies += [page.partition("<body>")[2].rpartition("</body>")[0] for page in whole]
    assert all(bodies)
    dom = dom_in_browser(tmp_path, "".join(bodies))
    assert dom.count("<main") >= len(payloads())
    assert not ran(dom)


@pytest.mark.parametrize("planted", RUNNING[:3])
def test_a_planted_payload_that_is_not_escaped_is_noticed(tmp_path: Path, planted: str) -> None:
    assert ran(dom_in_browser(tmp_path, planted))
