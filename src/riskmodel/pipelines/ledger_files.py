"""The ledgers as files: written as the workbook that bureaus keep, and taken in from one on paper's like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from python_calamine import CalamineError, CalamineWorkbook

from riskmodel.domain import Language
from riskmodel.errors import Finding, RecordsRefused
from riskmodel.ledger.cases import Entry, Home
from riskmodel.ledger.codes import FoundBy, Kind, Reason
from riskmodel.pipelines.ledgers import opened_ledger, read_ledger
from riskmodel.pipelines.lists import read_list
from riskmodel.pipelines.publishing import BUREAU
from riskmodel.pipelines.run import Run
from riskmodel.records.contract import Column, Table
from riskmodel.records.keeping.durable import whole_file
from riskmodel.records.mapping.telling import Telling
from riskmodel.sheets.ledger_file import heading, ledger_task, ledger_workbook, tab_of
from riskmodel.store.cases import cases, last_closed_on
from riskmodel.store.ledger import EntryRefused, open_case
from riskmodel.wording import LANGUAGES, codes, text


def write_ledgers(run: Run, file: Path, *, language: Language) -> int:
    """Write all cases as the workbook that bureaus keep; return how many."""
    with read_ledger(run) as store:
        found = cases(store, BUREAU)
    with whole_file(file) as beside:
        beside.write_bytes(ledger_workbook(ledger_task(found, language=language, on=run.today)))
    run.say("ledger_written", count=len(found), file=file)
    return len(found)


_FILE = Table(
    "ledger",
    (
        Column("student_id", required=True),
        Column("opened_on", "date", required=True),
        Column("left_on", "date"),
        Column("closed_on", "date"),
        *(
            Column(name)
            for name in (
                "name", "sex", "birth_date", "ethnicity", "number_tail", "school_id", "township",
                "class_name", "guardian", "phone", "address", "household_place", "hardship", "reasons",
                "owner", "helper", "found_by",
            )
        ),
        Column("grade", "integer", minimum=1, maximum=16),
    ),
)  # fmt: skip
_CHILD = ("name", "sex", "birth_date", "ethnicity", "number_tail", "guardian", "phone", "address",
          "household_place", "hardship")  # fmt: skip


class _Ledger(Telling):
    """A ledger on paper: its columns are known by the headings of the workbook in any language."""

    def _names_of(self, column: str) -> tuple[str, ...]:
        return (column, *(heading(column, language) for language in LANGUAGES))


def take_ledger(run: Run, file: Path, *, kind: Kind, by: str) -> int:
    """Open a case for every row of a ledger's tab (CSV, Excel, ODS); return how many are new.

    A child that has an open case already is left as it stands, and the same file taken in twice changes
    nothing. A row that was closed opens nothing, nor does one that was found before a case of the child was
    closed here. Every case begins as one to be verified: what a file says is verified by nobody yet.

    Raises
    ------
    RecordsRefused
        With file, sheet, row and column of everything that cannot be kept; then nothing was.
    """
    telling, rows = read_list(run, _Ledger("ledger", _FILE, file.name, path=file, sheets=_tab(file, kind)))
    findings: list[Finding] = []
    count, at = 0, datetime.now(UTC)
    with opened_ledger(run) as store, store.writing():
        for row in rows:
            closed_on = row.get("closed_on") or last_closed_on(store, BUREAU, row["student_id"])
            if closed_on is not None and row["opened_on"] <= closed_on:
                continue
            try:
                entry = _opening(row, kind=kind, by=by)
                found = open_case(store, BUREAU, row["student_id"], entry, at=at)
                count += found.entries[0].recorded_at == at
            except EntryRefused as refused:
                if refused.code == "ledger_open_already":
                    continue
                column = {"day": "opened_on", "home": "school_id"}.get(refused.field, refused.field)
                known = column if any(one.name == column for one in _FILE.columns) else None
                where = telling.where(sheet=row.get("sheet"), row=row["row"], column=known)
                findings.append(Finding(refused.code, "refuse", where))
        if findings:
            raise RecordsRefused(findings)
    run.say("ledger_taken", count=count, rows=len(rows))
    return count


def _tab(file: Path, kind: Kind) -> str:
    """Return the tab of a workbook of ours; empty where it is another's: then all are read."""
    try:
        names = CalamineWorkbook.from_path(file).sheet_names
    except CalamineError:
        return ""
    return next((one for language in LANGUAGES if (one := tab_of(kind, language)) in names), "")


def _opening(row: Mapping[str, Any], *, kind: Kind, by: str) -> Entry:
    told = {name: str(row.get(name) or "") for name in (*_CHILD, "school_id", "township", "class_name")}
    people = {"class_teacher": row.get("owner"), "helper": row.get("helper")}
    duties = {post: person for post, person in people.items() if person}
    entry = Entry(
        event="opened",
        day=row["opened_on"],
        by=by,
        kind=kind,
        found_by=_code("found_by", row.get("found_by"), get_args(FoundBy)) or "ledger_file",
        why=text("ledger.file.taken", "zh"),
        left_on=row.get("left_on"),
        reasons=_reasons(row.get("reasons")),
        child={name: told[name] for name in _CHILD if told[name]},
        home=Home(told["school_id"], told["township"], row.get("grade"), told["class_name"]),
        duties=duties,  # type: ignore[arg-type]
    )
    said = json.dumps([row["student_id"], repr(entry)], ensure_ascii=False)
    return replace(entry, entry_id="file-" + hashlib.sha256(said.encode()).hexdigest()[:20])


def _reasons(said: str | None) -> tuple[Reason, ...]:
    parts = (said or "").replace("；", ";").replace("、", ";").split(";")
    found = [_code("reasons", part.strip(), get_args(Reason)) for part in parts if part.strip()]
    if None in found:
        raise EntryRefused("reasons", "ledger_code")
    return tuple(dict.fromkeys(found))


def _code(group: str, said: str | None, allowed: Sequence[str]) -> Any:
    """Return the code whose name in any language was written; None where it is none."""
    if said in allowed:
        return said
    named = {
        text(code, language): code.rsplit(".", 1)[1]
        for language in LANGUAGES
        for code in codes(f"ledger.{group}.", language)
    }
    return named.get(said or "")
