"""The stretches of time that features look back on. The as-of date itself belongs to the past."""

from __future__ import annotations

HISTORY_DAYS = 168
"""How far absences are followed back: six blocks of 28 days, and to the start of the former term."""

PERIODS = """
    SELECT as_of_date, term_start, previous_end,
           (SELECT max(start_date) FROM terms WHERE end_date = previous_end) AS previous_start
    FROM (
        SELECT as_of_date, term_start,
               (SELECT max(end_date) FROM terms WHERE end_date < as_of.term_start) AS previous_end
        FROM as_of
    )
"""
"""One row: `as_of_date`, `term_start` (of the term of the as-of date), `previous_start`, `previous_end`
(the last term that ended before it). Empty where there is no such term."""

BLOCKS = range(1, 7)
"""Six blocks of 28 days, the oldest first; the sixth ends on the as-of date."""

WINDOWS = {
    "7d": "age < 7",
    "14d": "age < 14",
    "28d": "age < 28",
    "prior_28d": "age BETWEEN 28 AND 55",
    "56d": "age < 56",
    **{f"block_{n}": f"age BETWEEN {28 * (6 - n)} AND {28 * (6 - n) + 27}" for n in BLOCKS},
    "history": f"age < {HISTORY_DAYS}",
    "term": "date >= term_start",
    "previous_term": "date BETWEEN previous_start AND previous_end",
}
"""Windows as conditions on a day's `date` and its `age` (days before the as-of date, from 0)."""
