"""The one table of which event may follow in which state, and where it leads. Nothing else may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from riskmodel.ledger.codes import Event, State

_OPEN: tuple[State, ...] = ("to_verify", "explained", "persuading", "returned")
_STAYS: Mapping[State, State] = {state: state for state in _OPEN}

TRANSITIONS: Mapping[Event, Mapping[State, State | Literal["back"]]] = {
    "opened": {"none": "to_verify"},
    "visited": _STAYS,
    "noted": {**_STAYS, "closing": "closing"},
    "assigned": {**_STAYS, "closing": "closing"},
    "planned": _STAYS,
    "handed_over": _STAYS,
    "verified_out": {"to_verify": "persuading", "explained": "persuading"},
    "verified_not_out": {"to_verify": "explained", "persuading": "explained"},
    "returned": {"to_verify": "returned", "persuading": "returned"},
    "followed_up": {"returned": "returned"},
    "left_again": {"returned": "persuading"},
    "closing_proposed": {"explained": "closing", "persuading": "closing", "returned": "closing"},
    "closing_refused": {"closing": "back"},  # to the state in which the closing was proposed
    "closing_confirmed": {"closing": "closed"},
    "reopened": {"closed": "to_verify"},
}
