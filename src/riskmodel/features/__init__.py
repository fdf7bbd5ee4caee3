"""Features of a day: what was known of each student of the cohort, as numbers.

A feature is ONE declared value: its name, unit, family, source, who may read it, the sentence that tells
it, and the SQL expression over the as-of relations that computes it. To add one, add a value to a group
and its name to the wording files; nothing else knows the list.

Two stages. The first looks at each student alone and runs bucket by bucket; the second compares students
of one school-grade and reads only what the first wrote. Where nothing is known a value is empty, which is
neither 0 nor "no". No feature reads the ledger, or how a running spell ends.
"""

from __future__ import annotations

from riskmodel.domain import FeatureInfo
from riskmodel.features import aid, attendance, enrolment, home, marks, school, season, travel
from riskmodel.features.declaration import Feature, Group

__all__ = ["ALL_FEATURES", "GROUPS", "Feature", "Group"]

GROUPS: tuple[Group, ...] = (
    attendance.GROUP, marks.GROUP, home.GROUP, aid.GROUP, travel.GROUP, enrolment.GROUP,
    season.GROUP,
)  # fmt: skip
"""Groups of the first stage. The second has one, `school.GROUP`."""

ALL_FEATURES: tuple[FeatureInfo, ...] = tuple(
    feature.info for group in (*GROUPS, school.GROUP) for feature in group.features
)
"""Every feature of a matrix, in the order of its columns."""

PROTECTED = ("sex_female", "ethnicity_not_han", "disability_registered")
"""For auditing only, unless a bureau decides otherwise in writing: `protected_features`."""
