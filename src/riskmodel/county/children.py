"""The children and households of one fictional county, before anything happens to them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from riskmodel.county import people
from riskmodel.county.places import Places

GRADES = 9
HARDSHIPS = np.array(
    ["none", "low_income", "near_low_income", "monitored", "lifted_out", "extreme_poverty", "orphan",
     "de_facto_unsupported"]
)  # fmt: skip
_HARDSHIP_SHARES = (0.83, 0.06, 0.02, 0.02, 0.05, 0.01, 0.003, 0.007)
_LATE_ENTRY_SHARES = (0.90, 0.08, 0.02)
"""Children who entered school in the year they were due, one year later, two years later."""


@dataclass(frozen=True)
class Children:
    """What does not change about the children of a county. Arrays by child, or (`h_`) by household.

    `entry_year` is the school year in which the child enters grade 1; `due_year` the one in which it was
    due to (six years old by 31 August).
    """

    places: Places
    student_id: NDArray[np.str_]
    name: NDArray[np.str_]
    roll_number: NDArray[np.str_]
    male: NDArray[np.bool_]
    born: NDArray[np.datetime64]
    due_year: NDArray[np.int16]
    entry_year: NDArray[np.int16]
    household: NDArray[np.intp]
    primary_school: NDArray[np.intp]
    first_class: NDArray[np.float32]
    ethnicity: NDArray[np.str_]
    h_township: NDArray[np.intp]
    h_km: NDArray[np.float32]
    h_schooling: NDArray[np.int16]
    h_hardship: NDArray[np.intp]
    h_rural: NDArray[np.bool_]
    siblings: NDArray[np.int16]
    disability: NDArray[np.bool_]

    def take(self, who: NDArray[np.intp]) -> Children:
        """Return some of the children; households keep their positions."""
        own = (f.name for f in fields(self) if f.name != "places" and not f.name.startswith("h_"))
        return replace(self, **{name: getattr(self, name)[who] for name in own})

    @cached_property
    def poor(self) -> NDArray[np.bool_]:
        """Whether the child's household is one of hardship."""
        return self.h_hardship[self.household] > 0


def draw_children(
    places: Places, *, first_year: int, years: int, enrolled: int, first_number: int, seed: int,
    rng: np.random.Generator,
) -> Children:  # fmt: skip
    """Draw the children enrolled in the first school year and those who enter grade 1 later."""
    count = round(enrolled * (GRADES + years - 1) / GRADES)
    entry = np.arange(count) % (GRADES + years - 1) + first_year - GRADES + 1
    rng.shuffle(entry)
    due = entry - rng.choice(3, p=_LATE_ENTRY_SHARES, size=count)
    september = (due - 7 - 1970).astype("datetime64[Y]").astype("datetime64[M]") + 8
    birthday = np.asarray(
        september.astype("datetime64[D]") + rng.integers(0, 365, size=count), "datetime64[D]"
    )
    household, h_township = _households(places, entry, rng)
    houses = len(h_township)
    h_school = _first_schools(places, h_township, rng)
    point = places.kind[h_school] == "teaching_point"
    km = np.exp(rng.normal(np.where(h_township == 0, 0.0, 0.7), 0.7)) * np.where(point, 0.7, 1.0)
    male = rng.random(count) < 0.52
    return Children(
        places=places,
        student_id=people.student_ids(first_number, count, seed=seed),
        name=people.names(household, rng),
        roll_number=people.national_numbers(places.division, birthday, male),
        male=male,
        born=birthday,
        due_year=due.astype(np.int16),
        entry_year=entry.astype(np.int16),
        household=household,
        primary_school=h_school[household],
        first_class=rng.random(count, dtype=np.float32),
        ethnicity=np.where(rng.random(count) < 0.85, "汉族", "其他"),
        h_township=h_township,
        h_km=np.round(np.clip(km, 0.1, 15), 1).astype(np.float32),
        h_schooling=np.clip(rng.normal(8.5, 2.8, houses), 0, 16).astype(np.int16),
        h_hardship=rng.choice(len(HARDSHIPS), p=_HARDSHIP_SHARES, size=houses),
        h_rural=rng.random(houses) < np.where(h_township == 0, 0.4, 0.92),
        siblings=(np.bincount(household)[household] - 1 + (rng.random(count) < 0.2)).astype(np.int16),
        disability=rng.random(count) < 0.006,
    )


def _households(
    places: Places, entry: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Put children of different school years into households of one to three, and those into townships."""
    count = len(entry)
    sizes = rng.choice([1, 2, 3], p=[0.45, 0.42, 0.13], size=count)
    first = np.repeat(np.arange(count), sizes)[:count]
    order = rng.permutation(count)
    same = np.zeros(count, dtype=bool)
    for back in (1, 2):
        together = first[back:] == first[:-back]
        same[back:] |= together & (entry[order][back:] == entry[order][:-back])
    alone = np.where(same, count + np.arange(count), first)
    household = np.empty(count, dtype=np.intp)
    household[order] = np.unique(alone, return_inverse=True)[1]
    houses = int(household.max()) + 1
    return household, rng.choice(len(places.township_share), p=places.township_share, size=houses)


def _first_schools(
    places: Places, h_township: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Choose a primary school of the township by its weight."""
    chosen = np.empty(len(h_township), dtype=np.intp)
    for township in range(len(places.township_share)):
        schools = np.flatnonzero((places.township == township) & (places.weight > 0))
        here = np.flatnonzero(h_township == township)
        share = places.weight[schools] / places.weight[schools].sum()
        chosen[here] = rng.choice(schools, p=share, size=len(here))
    return chosen
