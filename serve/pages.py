"""Answers that are no JSON: pages, whose policy allows their own style sheet only, and files."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import Response

JSON, HTML, PDF = "application/json", "text/html", "application/pdf"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def html_answer(page: str) -> Response:
    """Answer with a page that loads nothing; its style is allowed by its hash."""
    hashes = [hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(page)]
    styles = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes) or "'none'"
    policy = (
        f"default-src 'none'; style-src {styles}; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return Response(page, media_type=HTML, headers={"Content-Security-Policy": policy, "Vary": "Accept"})


def file_answer(made: bytes, media_type: str, name: str) -> Response:
    """Answer with a file. Its name holds nothing of a person."""
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Vary": "Accept"}
    return Response(made, media_type=media_type, headers=headers)
