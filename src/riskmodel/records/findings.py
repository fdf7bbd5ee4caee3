"""What intake finds in a delivery: collected to the end, so that a bureau corrects all at once."""

from __future__ import annotations

from riskmodel.errors import Finding, RecordsRefused, Where

LIMIT = 1_000
"""So many findings are told one by one; beyond them only the count goes on."""


class Findings:
    """All findings of a delivery. Values of a person never go into one."""

    def __init__(self) -> None:
        self.refusals: list[Finding] = []
        self.notes: list[Finding] = []
        self.refused = 0

    @property
    def room(self) -> int:
        """How many more refusals are told one by one."""
        return max(LIMIT - len(self.refusals), 0)

    def refuse(self, code: str, where: Where, **slots: object) -> None:
        """Note a problem that keeps the whole delivery out."""
        self.refused += 1
        if self.room:
            self.refusals.append(_finding(code, "refuse", where, slots))

    def count_more(self, count: int) -> None:
        """Count problems that are not told one by one."""
        self.refused += count

    def mended(self, code: str, where: Where, **slots: object) -> None:
        """Note something that was put right without loss."""
        self.notes.append(_finding(code, "mended", where, slots))

    def review(self, code: str, where: Where, **slots: object) -> None:
        """Note something that is kept and wants a person's look."""
        self.notes.append(_finding(code, "review", where, slots))

    def raise_if_refused(self) -> None:
        """Refuse the delivery if there is anything to refuse.

        Raises
        ------
        RecordsRefused
            With all findings, up to the limit, and the count of all.
        """
        if self.refused:
            raise RecordsRefused(self.refusals, count=self.refused)


def _finding(code: str, severity: str, where: Where, slots: dict[str, object]) -> Finding:
    return Finding(code, severity, where, tuple((name, str(value)) for name, value in slots.items()))
