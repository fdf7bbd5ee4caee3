"""The bureau's library of first steps, kept where sheets on paper and sheets over HTTP both find it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert, select

from riskmodel.domain import Family, Step
from riskmodel.store.engine import Store
from riskmodel.store.rows import read_steps, steps_text
from riskmodel.store.tables import STEPS, instant_text

_LATEST = select(STEPS.c.content).order_by(STEPS.c.number.desc()).limit(1)


def keep_steps(store: Store, steps: Mapping[Family, tuple[Step, ...]], *, at: datetime) -> None:
    """Keep the library as it is from now on; nothing is written where it is the one that was kept last."""
    content = steps_text(steps)
    with store.writing() as connection:
        if connection.scalar(_LATEST) != content:
            connection.execute(insert(STEPS).values(kept_at=instant_text(at), content=content))


def steps_of(store: Store) -> Mapping[Family, tuple[Step, ...]]:
    """Return the library that was kept last; empty where none was."""

    def read() -> Mapping[Family, tuple[Step, ...]]:
        with store.reading() as connection:
            content = connection.scalar(_LATEST)
        return {} if content is None else read_steps(content)

    return store.remember("first steps", read)
