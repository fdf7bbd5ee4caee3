"""A few students with every fact that rules may name, and programmes written as a bureau writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import cel  # noqa: F401  drawn at random while it is imported, which no strategy of Hypothesis may
import pandas as pd
import pytest
import yaml

from riskmodel.targeting.programmes import ProgrammesFile, read_programmes

PLAIN = {
    "school_id": "A", "township": "东乡", "stage": "junior", "grade": 8, "boards": False,
    "household": "rural", "carer": "both_parents", "parents_away": "none", "hardship": "none",
    "disability": "none", "siblings": 1, "sibling_left_school": False, "distance_km": 2.0,
    "migrant_child": False, "receiving": [], "given": [], "risk": 0.02, "band": "usual_care",
    "listed": False, "reason_families": [],
}  # fmt: skip
EFFECT = {"low": 0.0, "middle": 0.1, "high": 0.2, "source": "assumed"}


def facts_of(*students: dict[str, Any]) -> pd.DataFrame:
    """Give facts of students s1, s2, …: what a student does not say is plain."""
    rows = [PLAIN | {"student_id": f"s{number:02}"} | told for number, told in enumerate(students, start=1)]
    facts = pd.DataFrame(rows).astype(dict.fromkeys(("receiving", "given", "reason_families"), object))
    facts["risk"] = facts["risk"].astype(float)
    facts.attrs["as_of_date"] = date(2026, 6, 22)
    return facts


def written(*programmes: dict[str, Any], **told: Any) -> dict[str, Any]:
    """Give the content of a file of programmes, each discretionary unless it says otherwise."""
    plain = {
        "kind": "discretionary",
        "name": {"zh": "项目", "en": "programme"},
        "eligible": "true",
        "effect": EFFECT,
    }
    made = [plain | {"id": f"p{number}"} | one for number, one in enumerate(programmes, start=1)]
    for one in made:
        if one["kind"] == "entitlement":
            one.pop("effect")
    return {"config_version": 1, "budget": {"yuan": 1000}, "programmes": made} | told


@pytest.fixture
def facts() -> Callable[..., pd.DataFrame]:
    return facts_of


@pytest.fixture
def programmes(tmp_path: Path) -> Callable[..., ProgrammesFile]:
    def make(*told: dict[str, Any], **more: Any) -> ProgrammesFile:
        file = tmp_path / "programmes.yaml"
        file.write_text(yaml.safe_dump(written(*told, **more), allow_unicode=True), encoding="utf-8")
        return read_programmes(file)

    return make
