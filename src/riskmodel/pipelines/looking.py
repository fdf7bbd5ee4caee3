"""Tell who looked at whom, and whether the log of looks is whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from riskmodel.domain import CHINA_TIME
from riskmodel.pipelines.run import Run
from riskmodel.store.audit import open_audit
from riskmodel.store.engine import open_store
from riskmodel.store.looks import looks_at, looks_by_key
from riskmodel.store.principals import Principal
from riskmodel.store.tables import day_of

READER = Principal(key_id="riskmodel", role="bureau")


def show_looks(
    run: Run, *, student_id: str | None = None, since: date | None = None, until: date | None = None
) -> bool:
    """Tell how much each key looked, or who looked at one child; first, whether the log is whole.

    Parameters
    ----------
    since, until
        Both included; left out: the last 30 days.

    Returns
    -------
    bool
        Whether every row of the log fits the one before it.

    Raises
    ------
    StoreError
        If there is no store, or the log cannot be read.
    """
    store = open_store(run.workspace.store)
    audit = open_audit(store.folder)
    try:
        checked = audit.verify()
        if checked.broken_at is None:
            run.say("looks_whole", rows=checked.rows, head=checked.head)
        else:
            run.say("looks_broken", row=checked.broken_at, rows=checked.rows)
        if student_id is not None:
            for look in looks_at(store, audit, READER, student_id):
                run.say(
                    "look_at_student",
                    at=f"{look.at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}",
                    key_id=look.key_id,
                    role=look.role or "",
                    label=look.label or "",
                    purpose=look.purpose or "",
                    route=look.route,
                )
            return checked.broken_at is None
        last = until or day_of(datetime.now(UTC))
        first = since or last - timedelta(days=30)
        run.say("looks_from", since=first, until=last)
        for line in looks_by_key(
            store,
            audit,
            READER,
            since=datetime.combine(first, time(), CHINA_TIME),
            until=datetime.combine(last, time(), CHINA_TIME) + timedelta(days=1),
        ):
            run.say(
                "looks_line",
                key_id=line.key_id,
                role=line.role or "",
                label=line.label or "",
                requests=line.requests,
                looks=line.looks,
                students=line.students,
                missed=line.missed,
                purposes=" ".join(f"{name}:{count}" for name, count in line.by_purpose.items()),
                much="!" if line.much else "",
            )
        return checked.broken_at is None
    finally:
        audit.close()
        store.close()
