"""Where in the term a day lies. It is the same for everybody of a day: learnt from, never told as a reason.

What records show of a child rests on fewer school days early in a term than late in it, so that the same
share of absence tells less. A model that does not know the day takes it for as much (docs/decisions/0010).
"""

from __future__ import annotations

from riskmodel.domain import SEASON
from riskmodel.features.declaration import Feature, Group

RELATION = """
SELECT cohort.student_id, as_of_date - term_start AS days FROM cohort CROSS JOIN as_of
"""

GROUP = Group(
    "season",
    RELATION,
    (
        Feature(name=SEASON, unit="days", family="season", source="terms", kind="background",
                expression="any_value(days)"),
    ),
)  # fmt: skip
