"""An HTML page as an answer: a policy that allows the page's own style sheet, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import re

from fastapi import Response

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def html_answer(page: str) -> Response:
    """Answer with a page that loads nothing; its style is allowed by its hash."""
    hashes = [hashlib.sha256(style.encode()).digest() for style in _STYLE.findall(page)]
    styles = " ".join(f"'sha256-{base64.b64encode(one).decode()}'" for one in hashes) or "'none'"
    policy = (
        f"default-src 'none'; style-src {styles}; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    return Response(
        page, media_type="text/html", headers={"Content-Security-Policy": policy, "Vary": "Accept"}
    )
