"""What intake finds in a delivery: collected to the end, so that a bureau corrects all at once."""

from __future__ import annotations

from collections import Counter

from riskmodel.errors import Finding, RecordsRefused, Where

LIMIT = 1_000
"""So many findings are told one by one; beyond them only the count of each kind goes on."""


class Findings:
    """All findings of a delivery. Values of a person never go into one.

    `by_code` counts every problem by its kind, whether it is told one by one or not. `overruled` holds the
    kinds of doubt that would have kept the delivery out, had nobody forced it in.
    """

    def __init__(self, *, is_forced: bool = False) -> None:
        self.is_forced = is_forced
        self.overruled: set[str] = set()
        self.refusals: list[Finding] = []
        self.notes: list[Finding] = []
        self.by_code: Counter[str] = Counter()

    @property
    def refused(self) -> int:
        """How many problems keep the delivery out."""
        return self.by_code.total()

    @property
    def room(self) -> int:
        """How many more refusals are told one by one."""
        return max(LIMIT - len(self.refusals), 0)

    def refuse(self, code: str, where: Where, *, kind: str | None = None, **slots: object) -> None:
        """Note a problem that keeps the whole delivery out."""
        self.by_code[code] += 1
        if self.room:
            self.refusals.append(_finding(code, "refuse", where, slots, kind=kind))

    def doubt(self, code: str, where: Where, **slots: object) -> None:
        """Note what is most likely a mistake: it keeps the delivery out unless a person forces it in."""
        if self.is_forced:
            self.overruled.add(code)
            self.review(code, where, count=1, kind=None, **slots)
        else:
            self.refuse(code, where, kind=None, **slots)

    def count_more(self, code: str, count: int) -> None:
        """Count problems that are not told one by one."""
        self.by_code[code] += count

    def mended(self, code: str, where: Where, *, count: int = 1, **slots: object) -> None:
        """Note something that was put right without loss, in so many cells; `where` is the first."""
        self.notes.append(_finding(code, "mended", where, slots | {"count": f"{count:,}"}, count=count))

    def review(
        self, code: str, where: Where, *, count: int = 1, kind: str | None = None, **slots: object
    ) -> None:
        """Note something that is kept and wants a person's look."""
        told = slots | ({"count": f"{count:,}"} if count > 1 else {})
        self.notes.append(_finding(code, "review", where, told, kind=kind, count=count))

    def raise_if_refused(self) -> None:
        """Refuse the delivery if there is anything to refuse.

        Raises
        ------
        RecordsRefused
            With all findings, up to the limit, and the count of all.
        """
        if self.refused:
            raise RecordsRefused(self.refusals, count=self.refused, by_code=self.by_code, notes=self.notes)


def _finding(
    code: str,
    severity: str,
    where: Where,
    slots: dict[str, object],
    *,
    kind: str | None = None,
    count: int = 1,
) -> Finding:
    told = tuple((name, str(value)) for name, value in slots.items())
    return Finding(code, severity, where, told, kind, count)
