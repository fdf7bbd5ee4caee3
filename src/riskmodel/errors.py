"""The error tree. Catch `RiskmodelError`; every error says what is wrong, where, and what to do.

    RiskmodelError
    ├── ConfigurationError     a key of a configuration file
    ├── RecordsRefused         one or more findings in the records; nothing of the delivery was stored
    ├── NotEnoughData          an as-of date, horizon or training set that the records cannot carry
    ├── WorkspaceError         a workspace of another version, locked, half there
    ├── LeakSuspected          a column that tells what cannot be known in advance; the training stops
    ├── BundleRefused          a model bundle that is not what its manifest says
    └── StoreError             the published store, its keys, its audit file

The sentence stands in the wording files under `errors.<code>`, in both languages, and ends with what to
do. Values of a person never go into a slot: an error names file, sheet, row, column and key, not what
stood there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from riskmodel.domain import Language
from riskmodel.wording import LANGUAGES, text

_PARTS = ("source", "file", "sheet", "row", "column", "key")


@dataclass(frozen=True)
class Where:
    """The place of a problem, as the user's own program shows it.

    `row` counts from 1 (a header in the first row is row 1), `letter` is the letter of the column over a
    spreadsheet and `column` the name that its header gives it.
    """

    source: str | None = None
    file: str | None = None
    sheet: str | None = None
    row: int | None = None
    column: str | None = None
    key: str | None = None
    letter: str | None = None

    def text(self, language: Language, *, rows: str | None = None) -> str:
        """Say the place, leaving out what is not known; empty where nothing is. `rows`: several, for one."""
        said = [
            text("where.rows", language, value=rows)
            if part == "row" and rows
            else text(f"where.{part}", language, value=getattr(self, part))
            for part in _PARTS
            if getattr(self, part) is not None and not (part == "column" and self.letter)
        ]
        if self.letter:
            code = "where.letter" if self.column is None else "where.lettered_column"
            said.append(text(code, language, letter=self.letter, value=self.column))
        return text("where.separator", language).join(said)


@dataclass(frozen=True)
class Finding:
    """One problem, or one thing worth a look, in the records that a bureau sent.

    Attributes
    ----------
    severity
        `refuse` keeps the whole delivery out, `mended` was put right without loss, and `review` is kept
        and listed for a person.
    where
        Where it stands; of a finding that stands for many cells (`count`), the first of them.
    kind
        What kind of value stood there (`value_kinds.<kind>` of the wording files), never the value.
    count
        How many cells or rows it stands for.
    """

    code: str
    severity: str
    where: Where
    slots: tuple[tuple[str, str], ...] = ()
    kind: str | None = None
    count: int = 1

    def text(self, language: Language, *, rows: str | None = None) -> str:
        """Say place, problem and remedy in one line, and what kind of value stands there."""
        said = _sentence(self.code, self.where.text(language, rows=rows), dict(self.slots), language)
        if self.kind is not None:
            kind = text(f"value_kinds.{self.kind}", language)
            said += text("where.kind", language, kind=kind)
        if self.severity == "review" and self.count > 1:
            said += text("where.and_more", language, more=f"{self.count - 1:,}")
        return said

    def as_dict(self) -> dict[str, Any]:
        """Return it for programs: code, place, kind of value, and problem with remedy in both languages."""
        said = {str(each): text(f"errors.{self.code}", each, **dict(self.slots)) for each in LANGUAGES}
        place = {part: getattr(self.where, part) for part in (*_PARTS, "letter")}
        told: dict[str, Any] = {"code": self.code, "severity": self.severity, **place}
        return {**told, "kind": self.kind, "count": self.count, **said}


class RiskmodelError(Exception):
    """The base of all errors that riskmodel raises on purpose.

    Parameters
    ----------
    code
        The sentence: `errors.<code>` of the wording files.
    where
        File, row, column or key of the problem.
    **slots
        What the sentence names. Never a value of a person.
    """

    def __init__(self, code: str, where: Where | None = None, **slots: object) -> None:
        self.code = code
        self.where = where or Where()
        self.slots = {name: str(value) for name, value in slots.items()}
        super().__init__(f"{self.text('zh')}\n{self.text('en')}")

    def __reduce__(self) -> tuple[Any, ...]:
        # An error of a worker process must reach the person whole.
        return _again, (type(self), self.__dict__.copy())

    def text(self, language: Language) -> str:
        """Say place, problem and remedy in one language."""
        return _sentence(self.code, self.where.text(language), self.slots, language)


class ConfigurationError(RiskmodelError):
    """A configuration file says something that cannot be."""


class NotEnoughData(RiskmodelError):  # noqa: N818  the name is the sentence
    """The records do not reach far enough for what was asked."""


class WorkspaceError(RiskmodelError):
    """The workspace is of another version, in use, or not complete."""


class LeakSuspected(RiskmodelError):  # noqa: N818
    """A column tells what cannot be known in advance: nothing was trained."""


class BundleRefused(RiskmodelError):  # noqa: N818
    """A model bundle is damaged, foreign or incomplete."""


class StoreError(RiskmodelError):
    """The published store cannot do what was asked."""


class RecordsRefused(RiskmodelError):  # noqa: N818
    """The records of a delivery hold problems; nothing of it was stored.

    `findings` has all problems that were found (up to a thousand), not only the first; `count` is how
    many there are, where they are more; `by_code` then says how many of each kind, and `notes` what was
    mended or wants a look besides.
    """

    def __init__(
        self,
        findings: Sequence[Finding],
        *,
        count: int | None = None,
        by_code: Mapping[str, int] | None = None,
        notes: Sequence[Finding] = (),
    ) -> None:
        self.findings = tuple(findings)
        self.count = len(self.findings) if count is None else count
        self.by_code = dict(by_code or Counter(finding.code for finding in self.findings))
        self.notes = tuple(notes)
        super().__init__("records_refused", count=self.count)

    def text(self, language: Language) -> str:
        """Say how many problems there are, the same of many rows in one line, and the counts beyond."""
        lines = [super().text(language)]
        same: dict[Finding, list[Finding]] = {}
        for finding in self.findings:
            same.setdefault(replace(finding, where=replace(finding.where, row=None)), []).append(finding)
        for found in same.values():
            rows = sorted({one.where.row for one in found if one.where.row is not None})
            lines.append(f"- {found[0].text(language, rows=_ranges(rows) if len(rows) > 1 else None)}")
        if self.count > len(self.findings):
            lines.append(text("where.more", language, told=len(self.findings)))
            lines += [
                text("where.of_kind", language, kind=code, count=f"{count:,}")
                for code, count in sorted(self.by_code.items(), key=lambda each: (-each[1], each[0]))
            ]
        return "\n".join(lines)


def _again(kind: type[RiskmodelError], state: dict[str, Any]) -> RiskmodelError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (f"{error.text('zh')}\n{error.text('en')}",)
    return error


def _ranges(rows: Sequence[int]) -> str:
    """Say ascending numbers as ranges: 2-4, 7."""
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _sentence(code: str, place: str, slots: dict[str, str], language: Language) -> str:
    said = text(f"errors.{code}", language, **slots)
    return f"{place}{text('where.colon', language)}{said}" if place else said
