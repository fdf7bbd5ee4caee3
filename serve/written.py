"""What is told of one student, written: JSON joined from parts that were written once.

Of many students the same is said, and around all of a set stands the same. To put it into words, check it and
write it anew for each student took longer than all the rest of an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date
from functools import lru_cache
from operator import itemgetter
from types import NoneType

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from riskmodel.domain import PerHundred, PublishedSet
from riskmodel.store.principals import RIGHTS, Role
from serve import answers
from serve.schemas import ModelOut, SetOut

_KINDS: Mapping[str, tuple[type, ...]] = {
    "student_id": (str,), "school_id": (str,), "stage": (str,), "grade": (int,), "class_name": (str,),
    "masked_name": (str,), "risk": (float, int, NoneType),
}  # fmt: skip
"""Of what is told as it was stored; all else is looked up, or checked when it is put into words."""
_WHETHER = {False: b"false", True: b"true"}
_NULL = b"null"
_of_statement = itemgetter("code", "family", "kind", "dots", "source", "source_date")


def written_risk(content: str, published: PublishedSet, *, role: Role, today: date) -> bytes:
    """Write what `answers.student_risk` tells of a student, to the byte, from what is stored.

    What is stored was checked when it was written; here only its kind is looked at.

    Raises
    ------
    LookupError, TypeError, ValueError
        If it is no student: then `rows.read_student` says what is wrong.
    """
    [row] = from_json(content)
    for name, kinds in _KINDS.items():
        if type(row[name]) not in kinds:
            raise TypeError(name)
    units, days = published.facts.units, published.facts.horizon_days
    band, similar = row["band"], row["similar"]
    told, hidden = {}, False
    for name in ("reasons", "strengths"):
        read = [one for one in row[name] if RIGHTS[role].reads(one["audience"])]
        hidden = hidden or len(read) < len(row[name])
        told[name] = _all(
            _statement(*_of_statement(one), *answers.filling(one["values"], units)) for one in read
        )
    unknowns = _all(_unknown(one["code"], *answers.filling(one["values"], units)) for one in row["unknowns"])
    head = to_json({
        "student_id": row["student_id"], "school_id": row["school_id"], "stage": row["stage"],
        "grade": row["grade"], "class_name": row["class_name"],
        "masked_name": answers.name_read(row["masked_name"], role),
        "risk": row["risk"] if RIGHTS[role].risk else None, "band": band,
    })  # fmt: skip
    return b"".join((
        head[:-1],
        b',"band_label":', _words(f"bands.{band}.name"),
        b',"band_meaning":', _words(f"bands.{band}.meaning"),
        b',"listed":', _WHETHER[row["listed"]],
        b',"near_line":', _WHETHER[row["near_line"]],
        b',"similar_per_100":', _NULL if similar is None else _similar(PerHundred(**similar), days),
        b',"reasons":', told["reasons"],
        b',"strengths":', told["strengths"],
        b',"withheld":', _words("api.withheld") if hidden else _NULL,
        b',"unknowns":', unknowns,
        b',"model":', _model(**answers.of_model(published)),
        b',"set":', _set(**answers.of_set(published, today=today)),
        b',"notice":', _words("api.notice"),
        b"}",
    ))  # fmt: skip


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
