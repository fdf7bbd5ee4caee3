"""The recipe of the configuration and its challengers on the same rows, and which of them goes forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from riskmodel.domain import FeatureMatrix, Labels
from riskmodel.evaluation.challengers import WORSE, Choice, choice_json, choice_lines, choose, gain_of
from riskmodel.evaluation.gates import judge_figures, refused
from riskmodel.figures import Evaluation
from riskmodel.models.training import BAG, MINIMUM_TRAINING_EVENTS, TrainedModel
from riskmodel.pipelines.gating import limits_of
from riskmodel.pipelines.judging import Learnt, judge, score_rows, train_on
from riskmodel.pipelines.run import Dates, Run, clock
from riskmodel.pipelines.searching import learnt_for_test
from riskmodel.recipe import PLAIN, Recipe, is_plain
from riskmodel.records.store import RecordStore
from riskmodel.tracking import NestedRun, model_metrics
from riskmodel.wording import LANGUAGES

CHOICE = "choice.json"
"""In a model's folder: which recipe went forward, and why."""
FIXED = "lightgbm_fixed"
"""What the plain recipe is called beside another."""


@dataclass(frozen=True)
class Field:
    """Models of several recipes that learnt from the same rows, the configuration's first."""

    learnt: Learnt
    trained: tuple[TrainedModel, ...]

    def of(self, recipe: str) -> tuple[TrainedModel, dict[str, TrainedModel]]:
        """Return the model of a recipe, and those that stand beside it in the table."""
        (chosen,) = (one for one in self.trained if one.recipe.name == recipe)
        beside = {table_name(one.recipe): one for one in self.trained if one is not chosen}
        return chosen, beside if chosen.probabilities else {}


def table_name(recipe: Recipe) -> str:
    """Return what a recipe is called in the table where another is the first."""
    return FIXED if is_plain(recipe) else recipe.name


def train_field(run: Run, store: RecordStore, dates: Dates, recipes: Sequence[Recipe]) -> Field:
    """Train every recipe on what was known before the test dates; the plain one stands beside any other."""
    learnt = learnt_for_test(run, store, dates)
    # Only a model that is published needs a bag: it says how sure a reason is, never a score.
    bag = BAG if dates.training == dates.training_for_test else 0
    trained = []
    for recipe in recipes:
        seconds = clock()
        trained.append(train_on(run, learnt, recipe=recipe, bag=bag))
        say_trained(run, trained[-1], recipe.name, seconds())
    if trained[0].probabilities and not any(is_plain(recipe) for recipe in recipes):
        trained.append(train_on(run, learnt, recipe=PLAIN, bag=0))
    return Field(learnt, tuple(trained))


def choose_of(run: Run, field: Field, tested: FeatureMatrix, outcomes: Labels, folder: Path) -> str:
    """Return the name of the recipe that goes forward; keep and say why, where there are challengers.

    The configuration's own where there are none, or too few leavers for any model.
    """
    configured, named = field.trained[0], {recipe.name for recipe in run.challengers}
    challengers = {one.recipe.name: one for one in field.trained[1:] if one.recipe.name in named}
    if not challengers or not configured.probabilities:
        return configured.recipe.name
    schools = field.learnt.matrix.read(["as_of_date", "student_id", "school_id"])
    found = {
        name: gain_of(one.out_of_fold, configured.out_of_fold, schools) for name, one in challengers.items()
    }
    limits = limits_of(run)

    def against(name: str) -> Sequence[str]:
        evaluation = _judged_first(run, field, name, tested, outcomes)
        if evaluation is None:
            return ()
        said = [each.gate for each in refused(judge_figures(evaluation, limits))]
        less = evaluation.paired_auc_difference.get(table_name(configured.recipe))
        worse = less is not None and less.high is not None and less.high < 0
        return [*dict.fromkeys(said), *([WORSE] if worse else [])]

    choice = choose(configured.recipe.name, found, against)
    _keep(run, choice, folder)
    return choice.chosen


def _judged_first(
    run: Run, field: Field, name: str, tested: FeatureMatrix, outcomes: Labels
) -> Evaluation | None:
    """Judge the recipes with one of them first; nothing is written."""
    first, beside = field.of(name)
    rows, models = score_rows(
        tested, outcomes, trained=first, bundle=None, last_list=None, beside={name: first, **beside}
    )
    return judge(run, rows, models, trained=first)


def _keep(run: Run, choice: Choice, folder: Path) -> None:
    (folder / CHOICE).write_text(choice_json(choice), encoding="utf-8")
    for language in LANGUAGES:
        for line in choice_lines(choice, language):
            run.say("challenger", language=language, line=line)


def nested_runs(run: Run, chosen: Recipe, evaluation: Evaluation | None) -> tuple[NestedRun, ...]:
    """Return each recipe that was judged, where there were challengers, as a run under the training's."""
    if not run.challengers or evaluation is None:
        return ()
    judged = {model.name: model for model in evaluation.models}
    runs = []
    for recipe in (run.recipe, *run.challengers):
        name = recipe.name if recipe.name == chosen.name else table_name(recipe)
        if name in judged:
            told = {key: str(value) for key, value in told_of(recipe).items()}
            metrics = model_metrics(judged[name])
            is_chosen = recipe.name == chosen.name
            runs.append(NestedRun(name=recipe.name, parameters=told, metrics=metrics, chosen=is_chosen))
    return tuple(runs)


def told_of(recipe: Recipe) -> dict[str, object]:
    """Return a recipe as flat parameters."""
    trees = {f"trees.{name}": value for name, value in asdict(recipe.trees).items()}
    return {"recipe": recipe.name, "learns": recipe.learns, "parts": " + ".join(recipe.parts), **trees}


def say_trained(run: Run, trained: TrainedModel, version: str, seconds: str) -> None:
    """Say what a model was trained on."""
    counts = trained.counts
    if trained.probabilities:
        run.say(
            "trained",
            rows=counts.rows,
            students=counts.students,
            events=counts.events,
            version=version,
            seconds=seconds,
        )
    else:
        run.say(
            "trained_without_probabilities",
            events=counts.events,
            minimum=MINIMUM_TRAINING_EVENTS,
            version=version,
        )
