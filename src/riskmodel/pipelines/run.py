"""One run: a configuration, the dates that it asks for, and what every step needs to know."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

from riskmodel import labels as labelling
from riskmodel import splits
from riskmodel.config import (
    HorizonDays,
    RunConfiguration,
    WeekOfTerm,
    configuration_hash,
    read_configuration,
    read_recipe,
    read_region_rules,
    recipe_file,
    region_rules_file,
    rule_on,
)
from riskmodel.domain import NOBODY, AsOf, LeftOut, RegionRule, Term
from riskmodel.errors import ConfigurationError, NotEnoughData, Where
from riskmodel.recipe import PLAIN, Recipe
from riskmodel.records.store import RecordStore
from riskmodel.runners import Runner
from riskmodel.runners.local import LocalRunner
from riskmodel.store.engine import FILE_NAME, open_store
from riskmodel.store.objections import objecting
from riskmodel.store.tables import day_of
from riskmodel.workspace import Workspace

HERE = LocalRunner()
Say = Callable[..., None]
"""`say(code, **slots)` tells the person one line: `steps.<code>` of the wording files."""


@dataclass(frozen=True)
class Run:
    """One configuration, the region's rules, and a way to tell what happens."""

    configuration: RunConfiguration
    file: Path
    rules: tuple[RegionRule, ...]
    today: date
    say: Say
    recipe: Recipe = PLAIN
    challengers: tuple[Recipe, ...] = ()
    runner: Runner = HERE
    """Where bucket functions run."""

    @classmethod
    def of(cls, file: Path, *, say: Say, data: Path | None = None) -> Run:
        """Read a configuration; `data` takes the place of the first source's folder."""
        configuration = read_configuration(file)
        if data is not None:
            first = configuration.sources[0].model_copy(update={"path": data})
            configuration = configuration.model_copy(update={"sources": (first, *configuration.sources[1:])})
        rules = read_region_rules(region_rules_file(file, configuration.region))
        named = configuration.recipe
        recipe = read_recipe(recipe_file(file, named)) if named else PLAIN
        challengers = tuple(read_recipe(recipe_file(file, name)) for name in configuration.challengers)
        return cls(configuration, file, rules, day_of(datetime.now(UTC)), say, recipe, challengers)

    def on(self, runner: Runner) -> Run:
        """Return the same run on another runner, its workspace named as every machine knows it."""
        workspace = self.configuration.workspace.absolute()
        configuration = self.configuration.model_copy(update={"workspace": workspace})
        return replace(self, configuration=configuration, runner=runner)

    @cached_property
    def workspace(self) -> Workspace:
        """Where everything lies that the run makes."""
        return Workspace(self.configuration.workspace)

    @cached_property
    def left_out(self) -> LeftOut:
        """Whose records are neither learnt from nor scored: asked once a run, as it begins to need it."""
        needs_consent = tuple(
            source.name for source in self.configuration.sources if source.legal_basis == "consent"
        )
        if not (self.workspace.store / FILE_NAME).is_file():
            return LeftOut((), needs_consent)
        published = open_store(self.workspace.store, create=True)
        try:
            return LeftOut(tuple(sorted(objecting(published))), needs_consent)
        finally:
            published.close()

    @property
    def left_out_digest(self) -> tuple[LeftOut, ...]:
        """What a digest of inputs needs of it: nothing where only the records say who is left out."""
        return () if self.left_out == NOBODY else (self.left_out,)

    @cached_property
    def signing_key(self) -> Path:
        """Where the key lies that signs models: for all workspaces of this user, unless configured.

        Raises
        ------
        ConfigurationError
            If it is configured to lie within the workspace: who can write there could make models.
        """
        file = self.configuration.signing_key
        if file is None:
            settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
            return settings / "riskmodel" / "signing.key"
        if file.resolve().is_relative_to(self.workspace.root.resolve()):
            where = Where(file=str(self.file), key="signing_key")
            raise ConfigurationError("signing_key_in_workspace", where)
        return file

    @property
    def horizon(self) -> int | Literal["end_of_term"]:
        """How many days a risk looks ahead."""
        configured = self.configuration.horizon
        return configured.days if isinstance(configured, HorizonDays) else configured

    def rule(self, as_of: AsOf) -> RegionRule:
        """Return the region's rule that holds on an as-of date."""
        return rule_on(self.rules, as_of.as_of_date)

    def outcome_delay_days(self, as_of: AsOf) -> int:
        """Return the outcome delay of an as-of date: its label is made by the rule of that date."""
        return self.rule(as_of).outcome_delay_days


@dataclass(frozen=True)
class Dates:
    """From which days the run looks ahead, and which of them may be learnt from for which."""

    test: tuple[AsOf, ...]
    training_for_test: tuple[AsOf, ...]
    current: AsOf
    training: tuple[AsOf, ...]
    running_for_test: tuple[AsOf, ...] = ()
    running: tuple[AsOf, ...] = ()
    """What a hazard may learn from beside: dates whose horizon was still running."""
    last_term: AsOf | None = None
    """The latest date of an earlier term than those of `test`: whose list was in force before."""

    @property
    def all(self) -> tuple[AsOf, ...]:
        """Every date that needs features, oldest first."""
        return tuple(
            sorted(
                {
                    *self.test,
                    *self.training_for_test,
                    self.current,
                    *self.training,
                    *self.running_for_test,
                    *self.running,
                    *([self.last_term] if self.last_term else ()),
                },
                key=lambda as_of: (as_of.as_of_date, as_of.term),
            )
        )


def as_of_on(run: Run, moment: WeekOfTerm | date, terms: Sequence[Term]) -> AsOf:
    """Resolve a moment of the configuration; it must lie in or after a term that is known."""
    horizon = run.configuration.horizon
    days = horizon.days if isinstance(horizon, HorizonDays) else None
    if isinstance(moment, WeekOfTerm):
        of_term = [term for term in terms if term.term == moment.term]
        found = splits.resolve(of_term, weeks=(moment.week,), dates=(), horizon_days=days)
        where = f"{moment.term} / {moment.week}"
    else:
        found = splits.resolve(terms, weeks=(), dates=(moment,), horizon_days=days)
        where = moment.isoformat()
    if not found:
        raise NotEnoughData(
            "as_of_date_outside_terms", Where(key=where), terms=", ".join(term.term for term in terms)
        )
    return found[0]


def candidates_of(run: Run, terms: Sequence[Term]) -> tuple[AsOf, ...]:
    """Resolve the days of which the configuration wants every one that can be learnt from.

    Of terms that share a day (a calendar for each stage) the one begun last has it, as its cohort is the
    same; unless a rule limits the cohort to those who began in the term.
    """
    horizon = run.configuration.horizon
    found = splits.resolve(
        terms,
        weeks=run.configuration.as_of.weeks,
        dates=run.configuration.as_of.dates,
        horizon_days=horizon.days if isinstance(horizon, HorizonDays) else None,
    )
    begun = {term.term: term.start_date for term in terms}
    has = {
        as_of.as_of_date: as_of.term for as_of in sorted(found, key=lambda one: (begun[one.term], one.term))
    }
    return tuple(
        one for one in found if has[one.as_of_date] == one.term or run.rule(one).spells_begun_in_term
    )


def learnable(
    run: Run, candidates: Sequence[AsOf], *, on: date, reach: date
) -> tuple[tuple[AsOf, ...], tuple[AsOf, ...]]:
    """Return the dates whose outcomes were known on a day and, for a hazard, those still running on it."""

    def of(dates: Callable[..., tuple[AsOf, ...]]) -> tuple[AsOf, ...]:
        return dates(candidates, predicted=on, outcome_delay_days=run.outcome_delay_days, complete_to=reach)

    hazard = any(recipe.learns == "hazard" for recipe in (run.recipe, *run.challengers))
    return of(splits.training_dates), of(splits.running_dates) if hazard else ()


def dates_of(run: Run, store: RecordStore) -> Dates:
    """Resolve the configuration's dates against the terms, and hold them against what the data reach."""
    terms, asked = store.terms(), run.configuration.as_of
    candidates = candidates_of(run, terms)
    current = as_of_on(run, asked.current, terms)
    reach = complete_to(run, store, current)
    test = tuple(as_of_on(run, moment, terms) for moment in asked.test) or splits.test_dates(
        candidates, outcome_delay_days=run.outcome_delay_days, complete_to=reach
    )
    for as_of in test:
        splits.check_reach(as_of, complete_to=reach, outcome_delay_days=run.outcome_delay_days(as_of))
    splits.check_known(current, complete_to=reach)

    def learnable_on(day: date) -> tuple[tuple[AsOf, ...], tuple[AsOf, ...]]:
        return learnable(run, candidates, on=day, reach=reach)

    first = min((as_of.as_of_date for as_of in test), default=None)
    known_for_test, running_for_test = learnable_on(first) if first else ((), ())
    known, running = learnable_on(current.as_of_date)
    return Dates(
        test=test,
        training_for_test=known_for_test,
        current=current,
        training=known,
        running_for_test=running_for_test,
        running=running,
        last_term=splits.last_of_earlier_term(candidates, test),
    )


def complete_to(run: Run, store: RecordStore, as_of: AsOf) -> date:
    """Return the last day up to which every source that a label rests on tells everything."""
    found = store.last_complete_date(labelling.tables_of(run.rule(as_of)))
    if found is None:
        raise NotEnoughData("no_complete_date", Where(file=str(run.workspace.records)))
    return found


def model_version(run: Run, store: RecordStore) -> str:
    """Name a model by all that it is made from: the same inputs give the same name."""
    current = as_of_on(run, run.configuration.as_of.current, store.terms())
    made_from = digest(
        configuration_hash(run.file),
        (run.recipe, *run.challengers),
        [source.model_dump_json() for source in run.configuration.sources],
        run.rules,
        store.content_hash,
        code_hash(""),
        *run.left_out_digest,
    )
    return f"{current.as_of_date:%Y%m%d}-{made_from[:8]}"


def digest(*parts: object) -> str:
    """Return sixteen hex digits that change with any part."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]


@lru_cache
def code_hash(*rooms: str) -> str:
    """Return a hash over the source of some rooms: what other code made is not used again.

    It is read once: files that are edited while a run goes on are not the code that runs.
    """
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in rooms:
        place = package / room
        for file in [place] if place.is_file() else sorted(place.rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@lru_cache
def commit() -> str | None:
    """Return the commit of the code that runs, and whether the tree differs from it; None outside of git.

    Asked is the repository that tracks this very file: an installed copy may lie in somebody else's.
    """
    here = Path(__file__)

    def git(*asked: str) -> str:
        command = ["git", "-C", str(here.parent), *asked]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603

    try:
        git("ls-files", "--error-unmatch", here.name)
        told = git("rev-parse", "HEAD")
        return f"{told} with changes" if git("status", "--porcelain", "--untracked-files=no") else told
    except (OSError, subprocess.CalledProcessError):
        return None


def clock() -> Callable[[], str]:
    """Start a stopwatch; calling it tells the seconds."""
    begun = time.monotonic()
    return lambda: f"{time.monotonic() - begun:.0f}"


def silent(code: str, **slots: object) -> None:
    """Say nothing: a step that another one needs has told its line before."""
