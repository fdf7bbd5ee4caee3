"""The periodic reports: counted on the day and on the day of the last one, composed, written and kept."""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from riskmodel.config import rule_on
from riskmodel.domain import AsOf, Language, Term
from riskmodel.errors import NotEnoughData, StoreError, Where
from riskmodel.indicators.faults import doubted
from riskmodel.official import Place
from riskmodel.pipelines.indicating import Indicators, indicators_on
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run, as_of_on, clock, digest
from riskmodel.records.asking.expected import expected_not_there
from riskmodel.records.asking.presence import presence
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.store import RecordStore
from riskmodel.reports.compose import report_page
from riskmodel.reports.render import to_html, to_pdf, to_workbook
from riskmodel.reports.told import Covered, ReportKind, Told, Work, by_key
from riskmodel.store.engine import FILE_NAME, open_store
from riskmodel.store.ledger_totals import ledger_totals
from riskmodel.store.official import save_report
from riskmodel.store.work import work_by_school
from riskmodel.wording import LANGUAGES

Pages = dict[Language, dict[str, Any]]
_MONTHS: dict[ReportKind, int] = {"school": 1, "county": 3, "province": 12}


def write_reports(
    run: Run,
    *,
    kinds: Sequence[ReportKind] = (),
    school_id: str | None = None,
    as_of_date: date | None = None,
) -> tuple[Path, ...]:
    """Write the periodic reports of a day, by default those of the schools and counties, and of the region.

    Into `reports/<day>/` of the workspace: `<kind>-<place>.<language>.html`, `.pdf`, `.xlsx`. All are kept
    in the published store, if there is one; of schools only some are written as files
    (`sheets_for_schools`), or the one that is named.

    Raises
    ------
    NotEnoughData
        If the records tell of no school year by that day.
    """
    seconds = clock()
    store = RecordStore.open(run.workspace.records)
    as_of = as_of_on(run, as_of_date or run.configuration.as_of.current, store.terms())
    # The day that is scored lies before its publishing; what was done since is told up to today.
    worked_until = as_of_date or max(as_of.as_of_date, run.today)
    teller = _Teller(run, store, as_of, worked_until)
    if not teller.now.spans:
        raise NotEnoughData(
            "no_school_year", Where(file=str(run.workspace.records)), as_of_date=as_of.as_of_date
        )
    folder = run.workspace.reports / as_of.as_of_date.isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    made_at, files, kept = datetime.now(UTC), [], 0
    written_schools = 0
    for kind in kinds or teller.usual_kinds():
        told = teller.told(kind)
        for place in _places(kind, told):
            if school_id is not None and kind == "school" and place.school_id != school_id:
                continue
            pages = {language: report_page(told, kind, place, language).plain() for language in LANGUAGES}
            kept += _keep(run, kind, place, as_of.as_of_date, made_at, pages)
            if kind == "school" and school_id is None:
                written_schools += 1
                if written_schools > run.configuration.sheets_for_schools:
                    continue
            files += _write(folder, f"{kind}-{_plain(place)}", pages, made_at)
    run.say("reports_written", files=len(files), kept=kept, folder=folder, seconds=seconds())
    for file in files:
        if file.suffix == ".html":
            run.say("report_open", file=file)
    return tuple(files)


class _Teller:
    """What reports of one day are told; each former day is counted once."""

    def __init__(self, run: Run, store: RecordStore, as_of: AsOf, worked_until: date) -> None:
        self._run, self._store, self._as_of, self._worked_until = run, store, as_of, worked_until
        self.now = indicators_on(run, store, as_of.as_of_date)
        self._counted = {(as_of.as_of_date, latest_only): self.now for latest_only in (False, True)}
        rule = run.rule(as_of)
        self._presence = presence(store, as_of, rule)
        self._expected = Counter(
            (one.school_id, one.reason) for one in expected_not_there(store, as_of, rule)
        )
        self._names = {school.school_id: school.name for school in store.schools()}
        schools = [one.place for one in self.now.shown if one.place.level == "school"]
        self._places = {place.school_id: place for place in schools if place.county}

    def usual_kinds(self) -> tuple[ReportKind, ...]:
        """Return the kinds that say something here: a prefecture is more than one county."""
        counties = {place.county for place in self._places.values()}
        return ("school", "county", "prefecture", "province") if len(counties) > 1 else ("school", "county")

    def told(self, kind: ReportKind) -> Told:
        """Gather what a kind of report is told."""
        now, day = self.now, self._as_of.as_of_date
        since = former_day(kind, day, self._store.terms())
        before = self._before(since, kind)
        rule = rule_on(now.rules, now.spans[-1].first_day)
        marks = doubted(now.shown, now.faults, self._places)
        touched = {(one.place, one.span.name) for one, mark in zip(now.shown, marks, strict=True) if mark}
        return Told(
            as_of_date=day, since=since if before else None, spans=now.spans, figures=by_key(now.shown),
            before=by_key(before.shown) if before else {}, targets=now.targets, few_below=rule.few_below,
            hide_below=rule.hide_below, faults=now.faults, doubted=frozenset(touched), places=self._places,
            names=self._names, covered=tuple(self._covered()),
            work=self._work(since or day - timedelta(days=91)),
            expected=dict(self._expected), ledgers=self._ledgers(),
        )  # fmt: skip

    def _before(self, since: date | None, kind: ReportKind) -> Indicators | None:
        if since is None or since < self._store.terms()[0].start_date:
            return None
        # Nine years are compared once a year: to follow every class so far back takes long.
        asked = since, kind != "province"
        if asked not in self._counted:
            self._counted[asked] = indicators_on(self._run, self._store, since, latest_only=asked[1])
        return self._counted[asked] if self._counted[asked].spans else None

    def _covered(self) -> Iterator[Covered]:
        reported = "attendance" not in self._presence.missing_tables
        marked = "grades" not in self._presence.missing_tables
        for one in self._presence.schools:
            if one.term == self._as_of.term:
                yield Covered(
                    one.school_id, one.students, one.school_days, one.reported_days if reported else None,
                    one.with_marks if marked else None, one.is_silent and (reported or marked),
                )  # fmt: skip

    def _ledgers(self) -> dict[tuple[str, str, str, str], int] | None:
        if not (self._run.workspace.store / FILE_NAME).is_file():
            return None
        with closing(open_store(self._run.workspace.store)) as published:
            found = ledger_totals(published, BUREAU, until=self._worked_until)
        return {
            (school, town, ledger, state): count for (school, town, ledger, state), count in found.items()
        }

    def _work(self, since: date) -> tuple[Work, ...] | None:
        if not (self._run.workspace.store / FILE_NAME).is_file():
            return None
        with closing(open_store(self._run.workspace.store)) as published:
            try:
                found = work_by_school(published, BUREAU, since=since, until=self._worked_until)
            except StoreError:
                return None  # the store is there, and nothing was published in it by that day
        return tuple(
            Work(school, one.listed, one.contacted, one.aided, one.visits, one.aid, one.hours)
            for school, one in sorted(found.items())
        )


def former_day(kind: ReportKind, day: date, terms: Sequence[Term]) -> date | None:
    """Return the day of the last report: a month, a quarter or a year before, or the end of the last term."""
    if kind == "prefecture":
        return max((term.end_date for term in terms if term.end_date < day), default=None)
    year, month = divmod(day.year * 12 + day.month - 1 - _MONTHS[kind], 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _places(kind: ReportKind, told: Told) -> list[Place]:
    if kind == "school":
        return [told.places[school] for school in sorted(told.places)]
    return told.parts(Place("region")) if kind == "county" else [Place("region")]


def _keep(run: Run, kind: ReportKind, place: Place, day: date, made_at: datetime, pages: Pages) -> int:
    if not (run.workspace.store / FILE_NAME).is_file():
        return 0
    named = digest(kind, place.county, place.township, place.school_id)[:8]
    with closing(open_store(run.workspace.store)) as published:
        save_report(
            published, BUREAU, report_id=f"rep-{day:%Y%m%d}-{named}", kind=kind, place=place, as_of_date=day,
            made_at=made_at, content={str(language): page for language, page in pages.items()},
        )  # fmt: skip
    return 1


def _write(folder: Path, name: str, pages: Pages, made_at: datetime) -> list[Path]:
    files = []
    for language, page in pages.items():
        stem = folder / f"{name}.{language}"
        for suffix, made in (
            (".html", to_html(page).encode()), (".pdf", to_pdf(page)), (".xlsx", to_workbook(page, made_at)),
        ):  # fmt: skip
            file = stem.with_name(stem.name + suffix)
            with whole_file(file) as beside:
                beside.write_bytes(made)
            files.append(file)
    return files


def _plain(place: Place) -> str:
    return re.sub(r"[^\w-]", "_", place.school_id or place.county) or "region"
