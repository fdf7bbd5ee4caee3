"""The same write sent twice is done once: what it was answered is kept, in the transaction of the write."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select

from riskmodel.errors import StoreError
from riskmodel.store.engine import Store
from riskmodel.store.principals import Principal
from riskmodel.store.tables import ANSWERS, instant_text

KEPT_FOR = timedelta(hours=24)
"""How long an answer is kept: a program that has not asked again by then has given up."""


@dataclass(frozen=True)
class Answered:
    """What a write was answered; `again`: it was done before, and this is what was answered then."""

    answer: str
    again: bool


def forget_answers(connection: Connection, student_id: str) -> int:
    """Remove the answers that name a child; return how many there were.

    An answer holds ids as JSON does, in quotes; a caller may have put one into its own key.
    """
    named = or_(
        ANSWERS.c.answer.contains(json.dumps(student_id, ensure_ascii=False), autoescape=True),
        ANSWERS.c.idempotency_key.contains(student_id, autoescape=True),
    )
    return connection.execute(delete(ANSWERS).where(named)).rowcount


def forget_old_answers(connection: Connection, at: datetime) -> None:
    """Remove the answers whose time is over."""
    connection.execute(delete(ANSWERS).where(ANSWERS.c.made_at <= instant_text(at - KEPT_FOR)))


def answer_once(
    store: Store,
    principal: Principal,
    idempotency_key: str,
    *,
    fingerprint: str,
    at: datetime,
    write: Callable[[], str],
) -> Answered:
    """Do a write, or return what it was answered before.

    The write and the memory of its answer are one transaction: both are kept, or neither. What fails is not
    remembered, and can be sent again. Keys of different principals have nothing to do with each other.

    Parameters
    ----------
    idempotency_key
        What the caller made up for this write.
    fingerprint
        Stands for everything that was sent: another one under the same key is a mistake.
    write
        Does the write by functions of this package, and returns the answer.

    Raises
    ------
    StoreError
        `idempotency_key_reused` if the key stands for another request; whatever the write raises.
    """
    with store.writing() as connection:
        forget_old_answers(connection, at)
        known = connection.execute(
            select(ANSWERS.c.fingerprint, ANSWERS.c.answer).where(
                ANSWERS.c.key_id == principal.key_id, ANSWERS.c.idempotency_key == idempotency_key
            )
        ).one_or_none()
        if known is not None:
            if known.fingerprint != fingerprint:
                raise StoreError("idempotency_key_reused")
            return Answered(known.answer, again=True)
        answer = write()
        connection.execute(
            insert(ANSWERS).values(
                key_id=principal.key_id,
                idempotency_key=idempotency_key,
                fingerprint=fingerprint,
                answer=answer,
                made_at=instant_text(at),
            )
        )
        return Answered(answer, again=False)
