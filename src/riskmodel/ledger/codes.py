"""The words of a case: ledgers, states, events, and what visits, reasons and closings are told by.

教基厅函〔2024〕15号 asks for three ledgers (三本台账). Reasons, close codes, placements and the fields about
a child are those that county software keeps; their words in each language stand in the wording files under
`ledger`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["school_age", "suspected", "dropped_out"]
"""Which ledger: a child of school age whom no roll tells of, one who may have left, one who has left."""
State = Literal["none", "to_verify", "explained", "persuading", "returned", "closing", "closed"]
"""`none`: no case yet. `explained`: verified, and not out of school. `persuading`: verified as out of school,
being asked back. `closing`: a closing is proposed, and waits for a second person."""
Event = Literal[
    "opened", "visited", "noted", "assigned", "planned", "handed_over", "verified_out", "verified_not_out",
    "returned", "followed_up", "left_again", "closing_proposed", "closing_refused", "closing_confirmed",
    "reopened",
]  # fmt: skip
FoundBy = Literal["reconciliation", "school", "township", "village", "department", "family", "ledger_file"]
"""Who or what found that there is something to verify. A score is not among them, and never will be."""
Met = Literal["student", "guardian", "both", "by_phone", "relatives", "nobody"]
"""Whom a visit reached."""
Reason = Literal[
    "poverty", "learning", "distance", "illness", "disability", "mental_health", "lack_of_care",
    "family_change", "work", "early_marriage", "moved_with_parents", "justice", "religious_study",
    "bullying", "other",
]  # fmt: skip
SENSITIVE_REASONS: frozenset[Reason] = frozenset(
    {"poverty", "illness", "disability", "mental_health", "justice", "religious_study"}
)
"""Told to who may read a counsellor's facts, and to who wrote them down."""
Placement = Literal[
    "former_school", "other_school", "special_school", "regular_class", "special_class", "home_teaching",
    "vocational", "institution",
]  # fmt: skip
"""Where a child learns after the return; for disabled children the places that the plan names."""
SENSITIVE_PLACEMENTS: frozenset[Placement] = frozenset(
    {"special_school", "regular_class", "special_class", "home_teaching", "institution"}
)
"""Where disabled children are placed (随班就读, 送教上门 as well): these say as much as the reason would."""
Duty = Literal[
    "county_head", "education_head", "township_head", "village_head", "headteacher", "class_teacher",
    "guardian", "helper",
]  # fmt: skip
"""The duty chain (七长), and a helper by name. The first that is named of `OWNERS` owns the case."""
OWNERS: tuple[Duty, ...] = ("class_teacher", "headteacher", "village_head", "township_head")
CloseCode = Literal[
    "in_school", "transferred", "in_province_no_roll", "out_of_province_no_roll", "suspended_with_papers",
    "home_teaching", "medical_exemption", "died", "emigrated", "past_age", "number_or_name_wrong",
    "double_registration", "empty_registration", "no_such_person", "returned_stable",
]  # fmt: skip
SENSITIVE_CODES: frozenset[CloseCode] = frozenset({"medical_exemption", "home_teaching"})
"""These say as much as the reason would, and are told to the same."""
CHILD_FIELDS = (
    "name", "sex", "birth_date", "ethnicity", "guardian", "phone", "address", "household_place", "hardship",
    "number_tail",
)  # fmt: skip
"""What the ledger holds about a child beside the id; of a number only its last four characters."""


@dataclass(frozen=True)
class Closing:
    """When a case may be closed by a code.

    Attributes
    ----------
    of
        The states in which the closing may be proposed.
    says_school
        Whether the school must be named in which the child is now.
    """

    of: frozenset[State]
    says_school: bool = False


_EXPLAINED: frozenset[State] = frozenset({"explained"})
_ALSO_OUT: frozenset[State] = frozenset({"explained", "persuading"})
CLOSINGS: Mapping[CloseCode, Closing] = {
    "in_school": Closing(_EXPLAINED),
    "transferred": Closing(_EXPLAINED, says_school=True),
    "in_province_no_roll": Closing(_EXPLAINED, says_school=True),
    "out_of_province_no_roll": Closing(_EXPLAINED, says_school=True),
    "suspended_with_papers": Closing(_EXPLAINED),
    "home_teaching": Closing(frozenset({"explained", "persuading", "returned"})),
    "medical_exemption": Closing(_ALSO_OUT),
    "died": Closing(_ALSO_OUT),
    "emigrated": Closing(_ALSO_OUT),
    "past_age": Closing(_ALSO_OUT),
    "number_or_name_wrong": Closing(_EXPLAINED),
    "double_registration": Closing(_EXPLAINED),
    "empty_registration": Closing(_EXPLAINED),
    "no_such_person": Closing(_EXPLAINED),
    "returned_stable": Closing(frozenset({"returned"})),
}
"""Every close code asks for evidence and a second person. That a child cannot be found is no code: such a
case stays open, and its next visit stays due."""
