"""Lines of the log: JSON, made of fields that stand here, so that nothing else can come into one.

Of our own requests the line holds what `serve.surroundings` names; of uvicorn its own words without what was
filled in; of any other library only that it spoke, since its messages may hold what a request held.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from pydantic_core import to_json

FIELDS = ("request_id", "method", "route", "status", "milliseconds", "key_id", "error", "place")
"""Of a request."""


REQUESTS = "serve.requests"
_LOG = logging.getLogger(REQUESTS)
_BLANK = vars(logging.LogRecord(REQUESTS, logging.INFO, "", 0, "%s", (), None))


def log_request(level: int, told: dict[str, object]) -> None:
    """Log a line about a request.

    What `logging` finds out for each (where in the code it is, by which thread) no line of ours tells.
    """
    if _LOG.isEnabledFor(level):
        record = logging.LogRecord.__new__(logging.LogRecord)
        of_now = {"levelno": level, "levelname": logging.getLevelName(level), "created": time.time()}
        record.__dict__ = {**_BLANK, **of_now, "args": told}
        _LOG.handle(record)


class Lines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the fields that are allowed; never a message of others, never a traceback."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.name == REQUESTS and isinstance(record.args, dict):
            told = record.args
            line |= {name: told[name] for name in FIELDS if name in told}
        elif record.name == "uvicorn.error":
            line["message"] = str(record.msg)
        if record.exc_info and record.exc_info[1] is not None:
            line |= error_fields(record.exc_info[1])
        return to_json(line).decode()


def error_fields(problem: BaseException) -> dict[str, object]:
    """Return kind and place of an error, never its message."""
    frames = traceback.extract_tb(problem.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return {"error": type(problem).__name__, "place": place}


def write_lines() -> None:
    """Let everything that this process logs come out in this form, on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
