"""What the records hold and lack, to look at and to send; and who is expected and not there."""

from __future__ import annotations

from collections import Counter
from datetime import date

from riskmodel.pipelines.run import Run, as_of_on
from riskmodel.records.asking.expected import expected_not_there
from riskmodel.records.asking.expected_files import write_expected
from riskmodel.records.asking.presence import presence
from riskmodel.records.asking.presence_files import write_presence
from riskmodel.records.store import RecordStore
from riskmodel.wording import LANGUAGES


def check_records(run: Run, *, as_of_date: date | None = None) -> None:
    """Write what is there as known on a day (default: the day to score), and each school's list to verify.

    Into `check/<day>/` of the workspace: `presence.<language>.html` and `.xlsx`, and per school
    `expected/<school_id>.xlsx` and `.csv`.
    """
    store = RecordStore.open(run.workspace.records)
    as_of = as_of_on(run, as_of_date or run.configuration.as_of.current, store.terms())
    rule = run.rule(as_of)
    found, expected = presence(store, as_of, rule), expected_not_there(store, as_of, rule)
    folder = run.workspace.check / as_of.as_of_date.isoformat()
    pages = write_presence(folder, found, expected, store.schools())
    lists = write_expected(folder / "expected", expected, store.schools())
    here = [one for one in found.schools if one.term == as_of.term]
    run.say(
        "checked",
        as_of_date=as_of.as_of_date,
        schools=len(here),
        silent=sum(one.is_silent for one in here),
        sources=len(found.sources),
    )
    run.say(
        "checked_expected", students=len(expected), schools=len(Counter(one.school_id for one in expected))
    )
    for language, page in zip(LANGUAGES, pages, strict=False):
        run.say("checked_open", language=language, file=page)
    if lists:
        run.say("checked_lists", folder=folder / "expected")
