"""The vocabulary as the API tells it: every code that an answer may hold, with its words and slots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import get_args

from riskmodel.domain import Band, Family, FeatureInfo, Kind, PublishedSet
from riskmodel.wording import codes, has, slots, text
from serve.answers import both, set_out, words
from serve.schemas import BandOut, CodeOut, ReasonBook, SentenceOut, SlotOut


def reason_book(published: PublishedSet, *, today: date) -> ReasonBook:
    """Tell the vocabulary by which a set's reasons, strengths and unknowns are said."""
    features = {feature.name: feature for feature in published.facts.features}
    sentences = [
        *(_sentence(one.reason, "reason", one, features) for one in features.values() if one.reason),
        *(_sentence(one.strength, "strength", one, features) for one in features.values() if one.strength),
        *(_sentence(code, "unknown", None, features) for code in codes("unknowns.")),
        *(_sentence(code, "unknown", None, features) for code in codes("standing_unknowns.")),
    ]
    return ReasonBook(
        bands=tuple(
            BandOut(
                code=band,
                name=words(f"bands.{band}.name"),
                meaning=words(f"bands.{band}.meaning"),
                mark=text(f"bands.{band}.mark", "zh"),
            )
            for band in Band
        ),
        families=_coded(f"families.{family}" for family in get_args(Family)),
        kinds=_coded(f"kinds.{kind}" for kind in get_args(Kind)),
        sentences=tuple({(one.code, one.use): one for one in sentences}.values()),
        first_steps=_coded(codes("first_steps.")),
        feedback_codes=_coded(codes("feedback.")),
        wording_version=published.facts.wording_version,
        set=set_out(published, today=today),
    )


def _coded(every: Iterable[str]) -> tuple[CodeOut, ...]:
    return tuple(CodeOut(code=code, text=words(code)) for code in every)


def _sentence(
    code: str, use: str, feature: FeatureInfo | None, features: Mapping[str, FeatureInfo]
) -> SentenceOut:
    names = sorted(slots(code))
    unfilled = {name: f"{{{name}}}" for name in names}
    return SentenceOut(
        code=code,
        use=use,
        family=feature.family if feature else None,
        kind=feature.kind if feature else None,
        audience=feature.audience if feature else "class_teacher",
        text=both(lambda language: text(code, language, **unfilled)),
        slots=tuple(_slot(name, features.get(name)) for name in names),
    )


def _slot(name: str, feature: FeatureInfo | None) -> SlotOut:
    return SlotOut(
        name=name,
        unit=feature.unit if feature else None,
        label=words(f"features.{name}") if has(f"features.{name}") else None,
    )
