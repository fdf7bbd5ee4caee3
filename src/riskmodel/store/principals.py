"""Who asks, and what each role may do and read: one table, `RIGHTS`.

`docs/who-may-see-what.md` tells the same to people; a test holds it against this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from riskmodel.domain import Audience
from riskmodel.errors import StoreError

Role = Literal["data_team", "bureau", "district", "school", "counsellor", "class_teacher"]
Permission = Literal[
    "read_list", "read_risk", "write_actions", "write_feedback", "read_audit", "allocate", "read_cases",
    "write_cases", "close_cases",
]  # fmt: skip
"""What a key may do. Keys themselves, exports and erasures are made on the server's own command line only."""

Purpose = Literal["care", "verification", "aid", "oversight", "correction"]
"""Why somebody looks: to help a child, to check the records, to place aid, to supervise, to put right."""


@dataclass(frozen=True)
class Rights:
    """What a role may do at most; a key may be given less.

    Attributes
    ----------
    everywhere
        Sees all schools. Every other role sees what its key names, and nothing where it names nothing.
    permissions
        What it may do.
    audience
        Which facts it reads. Facts for the counsellor are hardship, disability, brothers and sisters, the
        carers' schooling: what a feature declares with `audience="counsellor"`.
    names
        Reads the masked name.
    risk
        Reads the risk as a number. Without it the band and the words say the same.
    margin
        Reads the model's raw log-odds.
    purpose
        Why it looks where the caller says nothing.
    """

    everywhere: bool
    permissions: frozenset[Permission]
    audience: Audience
    names: bool
    risk: bool
    margin: bool
    purpose: Purpose

    def reads(self, audience: Audience) -> bool:
        """Tell whether it reads facts for this audience."""
        return self.audience in ("counsellor", audience)


_READ: frozenset[Permission] = frozenset({"read_list", "read_risk"})
_HELP: frozenset[Permission] = _READ | {"write_actions", "write_feedback", "read_cases", "write_cases"}

# fmt: off
RIGHTS: Mapping[Role, Rights] = {
    "data_team": Rights(everywhere=True, permissions=_READ | {"read_audit"}, audience="counsellor",
                        names=False, risk=True, margin=True, purpose="verification"),
    "bureau": Rights(everywhere=True, permissions=_HELP | {"read_audit", "allocate", "close_cases"},
                     audience="counsellor", names=True, risk=True, margin=False, purpose="oversight"),
    "district": Rights(everywhere=False,
                       permissions=_READ | {"write_actions", "read_cases", "write_cases", "close_cases"},
                       audience="class_teacher", names=True, risk=True, margin=False, purpose="oversight"),
    "school": Rights(everywhere=False, permissions=_HELP, audience="class_teacher",
                     names=True, risk=True, margin=False, purpose="care"),
    "counsellor": Rights(everywhere=False, permissions=_HELP, audience="counsellor",
                         names=True, risk=True, margin=False, purpose="care"),
    "class_teacher": Rights(everywhere=False, permissions=_HELP, audience="class_teacher",
                            names=True, risk=False, margin=False, purpose="care"),
}
# fmt: on
"""The one table of who may do and read what."""


class SchoolClass(NamedTuple):
    """A class of a school."""

    school_id: str
    grade: int
    class_name: str


@dataclass(frozen=True)
class Reach:
    """Which students a key reaches, where its role does not reach all: any of these."""

    school_ids: frozenset[str] = frozenset()
    townships: frozenset[str] = frozenset()
    classes: frozenset[SchoolClass] = frozenset()


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes
    ----------
    school_ids, townships, classes
        Whose students may be seen: those of these schools, of all schools that the published set places in
        these townships, and of these classes. A role that sees everywhere needs none.
    permissions
        What the key was given; None: all that its role may do.
    """

    key_id: str
    role: Role
    school_ids: frozenset[str] = frozenset()
    townships: frozenset[str] = frozenset()
    classes: frozenset[SchoolClass] = frozenset()
    permissions: frozenset[Permission] | None = None

    @property
    def rights(self) -> Rights:
        """What its role may do and read."""
        return RIGHTS[self.role]

    def may(self, permission: Permission) -> bool:
        """Tell whether role and key allow this."""
        given = self.rights.permissions if self.permissions is None else self.permissions
        return permission in given & self.rights.permissions

    def must(self, permission: Permission) -> None:
        """Refuse what role or key do not allow. Every function of the store that shows or changes begins so.

        Raises
        ------
        StoreError
            `not_allowed`, whatever was asked for.
        """
        if not self.may(permission):
            raise StoreError("not_allowed")

    def must_see_everywhere(self) -> None:
        """Refuse whose role reaches only some schools.

        Raises
        ------
        StoreError
            `not_allowed`, whatever was asked for.
        """
        if not self.rights.everywhere:
            raise StoreError("not_allowed")
