"""One case, judged: what intake found and stored, laid beside what it should have."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from riskmodel.errors import Finding, RecordsRefused
from riskmodel.records.contract import table as contract_table
from riskmodel.records.deliveries.shipment import SourceFiles
from riskmodel.records.intake import IntakeReport, take_in
from riskmodel.records.keeping.manifest import MANIFEST
from riskmodel.records.keeping.rows import STORED, column_types
from riskmodel.records.store import RecordStore

from .files import Case, Delivery, Expected
from .writing import write

SOURCE = "bureau"
DELIVERED_ON = date(2025, 9, 1)
SENT_AGAIN = 4
"""Of so many refused deliveries one is mended and sent again, into the store that refused it."""
_NOT_CONTENT = ("origin", "file", "row", "sheet", "delivery")

Intake = Callable[..., IntakeReport]
Content = dict[str, list[tuple[Any, ...]]]


@dataclass
class Verdict:
    """What came of one case. Each list holds sentences for whoever mends it; empty is as it should be."""

    missed: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missed or self.misplaced or self.false or self.silent or self.crashed)


@dataclass
class _Outcome:
    findings: Sequence[Finding] = ()
    refused: bool = False
    crash: str = ""


def judge(case: Case, folder: Path, *, intake: Intake = take_in) -> Verdict:
    """Take a case in and say what is wrong with what came of it. The folder is used, and emptied."""
    verdict = Verdict()
    shutil.rmtree(folder, ignore_errors=True)
    spoilt = folder / "spoilt"
    try:
        wanted = _wanted_content(case, folder / "clean")
    except RuntimeError as problem:
        verdict.false.append(str(problem))
        return verdict
    before = _take_in_all(case.earlier, spoilt, intake=take_in)
    wanted_before = content(spoilt / "store")
    outcome = (
        before
        if before.refused or before.crash
        else _take_in_one(case.delivery, spoilt, len(case.earlier), intake)
    )
    if outcome.crash:
        verdict.crashed.append(outcome.crash)
        return verdict
    _compare(case, outcome, verdict)
    is_refused = any(expected.answer == "refuse" for expected in case.expected)
    if is_refused and outcome.refused and case.seed % SENT_AGAIN:
        verdict.silent += differences(wanted_before, content(spoilt / "store"))
        return verdict
    if is_refused and outcome.refused:
        again = _take_in_one(case.same_as or case.clean, spoilt, len(case.earlier) + 1, intake)
        if again.refused or again.crash:
            said = "; ".join(map(_said, again.findings))
            verdict.silent.append(f"the mended delivery was not taken in: {again.crash or said}")
            return verdict
    if is_refused == outcome.refused:
        verdict.silent += differences(wanted, content(spoilt / "store"))
    return verdict


_CONTENT_OF: dict[tuple[int, str], Content] = {}


def _wanted_content(case: Case, folder: Path) -> Content:
    """Return what a sound store holds: of an unchanged clean delivery, once a seed and process.

    Raises
    ------
    RuntimeError
        If even that is refused.
    """
    plain = not case.earlier and case.same_as is None and case.is_untouched
    key = (case.seed, ",".join(sorted(file.table for file in case.clean.files)))
    if plain and key in _CONTENT_OF:
        return _CONTENT_OF[key]
    outcome = _take_in_all([*case.earlier, case.same_as or case.clean], folder, intake=take_in)
    if outcome.refused or outcome.crash:
        raise RuntimeError(outcome.crash or "; ".join(map(_said, outcome.findings)))
    told = content(folder / "store")
    if plain:
        _CONTENT_OF[key] = told
    return told


def judge_clean(delivery: Delivery, folder: Path, *, intake: Intake = take_in) -> Verdict:
    """Take a clean delivery in: any finding is a false one."""
    verdict = Verdict()
    shutil.rmtree(folder, ignore_errors=True)
    outcome = _take_in_one(delivery, folder, 0, intake)
    verdict.false += [_said(finding) for finding in outcome.findings]
    verdict.crashed += [outcome.crash] if outcome.crash else []
    return verdict


def _take_in_all(deliveries: Sequence[Delivery], folder: Path, *, intake: Intake) -> _Outcome:
    outcome = _Outcome()
    for number, delivery in enumerate(deliveries):
        outcome = _take_in_one(delivery, folder, number, intake)
    return outcome


def _take_in_one(delivery: Delivery, folder: Path, number: int, intake: Intake) -> _Outcome:
    sent = folder / "sent"
    shutil.rmtree(sent, ignore_errors=True)
    write(delivery, sent)
    mapping = None
    if delivery.mapping:
        mapping = folder / "mapping.yaml"
        mapping.write_text(delivery.mapping, encoding="utf-8")
    day = DELIVERED_ON + timedelta(days=number)
    try:
        report = intake([SourceFiles(SOURCE, sent, mapping)], store=folder / "store", delivered_on=day)
    except RecordsRefused as refusal:
        return _Outcome([*refusal.findings, *refusal.notes], refused=True)
    except Exception:
        return _Outcome(crash=traceback.format_exc())
    return _Outcome(report.findings)


def _compare(case: Case, outcome: _Outcome, verdict: Verdict) -> None:
    left = list(outcome.findings)
    for expected in case.expected:
        named = [f for f in left if f.code in expected.codes and f.severity == expected.answer]
        there = [f for f in named if _is_at(f, expected)]
        if there:
            left.remove(there[0])
        elif named:
            verdict.misplaced.append(f"{_wanted(expected)}, but found {'; '.join(map(_said, named))}")
            left.remove(named[0])
        else:
            verdict.missed.append(_wanted(expected))
    verdict.false += [_said(finding) for finding in left if finding.code not in case.may]


def _is_at(finding: Finding, expected: Expected) -> bool:
    where = finding.where
    pairs = (
        (where.file, expected.file), (where.sheet, expected.sheet), (where.row, expected.row),
        (where.letter, expected.letter),
    )  # fmt: skip
    return all(wanted is None or found == wanted for found, wanted in pairs)


def _wanted(expected: Expected) -> str:
    place = f"{expected.file}/{expected.sheet or ''}/{expected.letter or ''}{expected.row or ''}"
    return f"{expected.answer} {'|'.join(expected.codes)} at {place}"


def _said(finding: Finding) -> str:
    where = finding.where
    place = f"{where.file}/{where.sheet or ''}/{where.letter or ''}{where.row or ''}"
    return f"{finding.severity} {finding.code} at {place}"


def content(store: Path) -> Content:
    """Return what a store holds, without where each row came from."""
    if not (store / MANIFEST).exists():
        return {}
    opened = RecordStore.open(store)
    told: Content = {}
    with duckdb.connect() as connection:
        for name in opened.tables:
            columns = [c for c in (*column_types(contract_table(name)), *STORED) if c not in _NOT_CONTENT]
            select = ", ".join(f'"{column}"' for column in columns)
            rows: list[tuple[Any, ...]] = []
            for file in opened.files(name):
                found = connection.execute(f"SELECT {select} FROM read_parquet($file)", {"file": str(file)})
                rows += found.fetchall()
            told[name] = sorted(rows, key=repr)
    return told


def differences(wanted: Content, found: Content) -> list[str]:
    """Say which tables differ, and by how many rows."""
    said = []
    for name in sorted(wanted.keys() | found.keys()):
        mine, theirs = wanted.get(name, []), found.get(name, [])
        if mine != theirs:
            lost = [row for row in mine if row not in theirs]
            new = [row for row in theirs if row not in mine]
            said.append(f"{name}: {len(lost)} rows lost, {len(new)} rows new; {lost[:1]} {new[:1]}")
    return said
