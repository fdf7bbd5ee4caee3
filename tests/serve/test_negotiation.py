from __future__ import annotations

import pytest
from fastapi import Request

from serve.negotiation import wanted_type
from serve.problems import Problem

OFFERED = ("application/json", "text/html", "application/pdf")


def wanted(accept: str | None) -> str:
    headers = [] if accept is None else [(b"accept", accept.encode())]
    return wanted_type(Request({"type": "http", "headers": headers}), OFFERED)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"), ("*/*", "application/json"), ("application/pdf", "application/pdf"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("text/*", "text/html"), ("application/*;q=0.5, text/html;q=0.6", "text/html"),
        ("application/json;q=0, */*", "text/html"), ("application/PDF ; q=1.0", "application/pdf"),
        ("application/pdf;q=x, application/json;q=0.1", "application/json"),
    ],
)  # fmt: skip
def test_the_form_that_the_client_prefers_is_chosen(accept: str | None, expected: str) -> None:
    assert wanted(accept) == expected


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "", "text/plain, image/*"])
def test_a_client_that_takes_none_of_them_is_told_so(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        wanted(accept)
    assert refused.value.code == "not_acceptable"
