"""The features of a matrix in pandas, as a data analyst would write them: the twin of `riskmodel.features`.

Written from the declared meaning of each column (docs/data-dictionary.md), not from the SQL, to check it
(`tests/features/test_twin.py`: equal to 1e-9) and to be measured beside it. One call looks at one as-of date
and every student of its cohort; what was known on the day is given, as frames of the record contract.
"""

from __future__ import annotations

import pandas as pd

from . import attendance, home, marks, roll, school, season
from .known import Known, dated, read_known

__all__ = ["Known", "dated", "features", "read_known"]

DECIMALS = 9
"""Students are compared by rounded values: shares that are equal on paper shall be equal."""


def features(known: Known) -> pd.DataFrame:
    """Compute every feature: one row per student of the cohort, by `student_id`; NaN where not known."""
    parts = (attendance, marks, home, roll, season)
    alone = pd.concat([part.features(known) for part in parts], axis=1)
    alone = alone.astype("float64").round(DECIMALS)
    return pd.concat([alone, school.features(known, alone).astype("float64").round(DECIMALS)], axis=1)
