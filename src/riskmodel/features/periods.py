"""The stretches of time that features look back on. The as-of date itself belongs to the past."""

from __future__ import annotations

HISTORY_DAYS = 168
"""How far absences are followed back: six blocks of 28 days, and to the start of the former term."""

PERIODS = f"""
    SELECT *, least(as_of_date - {HISTORY_DAYS - 1}, term_start, previous_start) AS followed_from
    FROM (
        SELECT as_of_date, any_value(term_start) AS term_start, max(end_date) AS previous_end,
               arg_max(start_date, (end_date, start_date)) AS previous_start
        FROM as_of LEFT JOIN terms ON terms.end_date < as_of.term_start
        GROUP BY as_of_date
    )
"""
"""One row: `as_of_date`, `term_start` (of the term of the as-of date), `previous_start`, `previous_end`
(the last term that ended before it; both empty where there is none), and `followed_from`, the first day on
which absences are looked at."""

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
