"""Where in the term the as-of date lies."""

from __future__ import annotations

import pandas as pd

from .known import Known


def features(known: Known) -> pd.DataFrame:
    """Days from the first day of the as-of date's term; the same for everybody."""
    days = (known.as_of_date - known.term_start).days
    return pd.DataFrame({"days_since_term_start": float(days)}, index=known.students)
