"""Which form of an answer a client wants: `Accept`, as RFC 9110 weighs it."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import Request

from serve.problems import Problem


def wanted_type(request: Request, offered: Sequence[str]) -> str:
    """Return the media type that the client prefers; of equals, the first that is offered.

    Raises
    ------
    Problem
        `not_acceptable` if it takes none of them.
    """
    ranges = [_range(part) for part in request.headers.get("accept", "*/*").split(",")]

    def weight(media_type: str) -> float:
        kind = media_type.split("/", maxsplit=1)[0]
        for name in (media_type, f"{kind}/*", "*/*"):
            said = [quality for media_range, quality in ranges if media_range == name]
            if said:
                return max(said)
        return 0.0

    best = max(offered, key=weight)
    if weight(best) <= 0:
        raise Problem("not_acceptable")
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
