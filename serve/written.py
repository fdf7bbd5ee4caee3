"""What is told of one student, written: JSON joined from parts that were written once.

Of many students the same is said, and around all of a set stands the same. To put it into words, check it and
write it anew for each student took longer than all the rest of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from datetime import date
from functools import lru_cache

from pydantic import BaseModel
from pydantic_core import to_json

from riskmodel.domain import PublishedSet, ScoredStudent
from riskmodel.store.principals import RIGHTS, Role
from serve import answers
from serve.schemas import ModelOut, SetOut, StudentRisk

_SHAPE = (
    b"{" + b",".join(b'"%b":%%(%b)b' % (2 * (name.encode(),)) for name in StudentRisk.model_fields) + b"}"
)
_NULL, _WHETHER = b"null", {False: b"false", True: b"true"}


def written_risk(student: ScoredStudent, published: PublishedSet, *, role: Role, today: date) -> bytes:
    """Write what `answers.student_risk` tells, to the byte."""
    facts, units = published.facts, published.facts.units
    reasons, strengths = answers.readable(student.reasons, role), answers.readable(student.strengths, role)
    hidden = len(reasons) < len(student.reasons) or len(strengths) < len(student.strengths)
    band, similar = student.band, student.similar
    return _SHAPE % {
        b"student_id": to_json(student.student_id),
        b"school_id": to_json(student.school_id),
        b"stage": to_json(student.stage),
        b"grade": to_json(student.grade),
        b"class_name": to_json(student.class_name),
        b"masked_name": to_json(answers.name_read(student, role)),
        b"risk": to_json(student.risk) if RIGHTS[role].risk else _NULL,
        b"band": to_json(band),
        b"band_label": _words(f"bands.{band}.name"),
        b"band_meaning": _words(f"bands.{band}.meaning"),
        b"listed": _WHETHER[student.listed],
        b"near_line": _WHETHER[student.near_line],
        b"similar_per_100": _NULL if similar is None else _similar(similar, facts.horizon_days),
        b"reasons": _all(_statement(*answers.of_statement(one, units)) for one in reasons),
        b"strengths": _all(_statement(*answers.of_statement(one, units)) for one in strengths),
        b"withheld": _words("api.withheld") if hidden else _NULL,
        b"unknowns": _all(_unknown(*answers.of_unknown(one, units)) for one in student.unknowns),
        b"model": _model(**answers.of_model(published)),
        b"set": _set(**answers.of_set(published, today=today)),
        b"notice": _words("api.notice"),
    }


def _all(parts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(parts) + b"]"


def _once(told: Callable[..., BaseModel], *, most: int) -> Callable[..., bytes]:
    @lru_cache(maxsize=most)
    def written(*given: Hashable, **named: Hashable) -> bytes:
        return told(*given, **named).model_dump_json().encode()

    return written


_words = _once(answers.words, most=1_024)
_similar = _once(answers.similar_out, most=4_096)
_statement = _once(answers.statement_out, most=16_384)
_unknown = _once(answers.unknown_out, most=1_024)
_model = _once(ModelOut, most=64)
_set = _once(SetOut, most=64)
