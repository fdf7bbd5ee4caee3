"""How much of what is knowable the model reaches, on fictional counties whose true probabilities are known.

For each seed a county is made, and the commands of `make run` work on it up to training. What was judged is
then held against the county's truth on the same rows: the true probability of each child, and the knowable
one, in which causes that no record shows are averaged out (an upper bound: records also come late or not at
all).

    python benchmarks/county_knowable.py 1 2 3
    python benchmarks/county_knowable.py 1 2 3 --judge-only    without training the model to be used
    python benchmarks/county_knowable.py 1 2 3 --keep FOLDER   a county that was judged is not judged again
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from riskmodel.config import CountySize
from riskmodel.domain import Outcome
from riskmodel.evaluation.metrics import evaluate, knowable_share, share_of_knowable
from riskmodel.figures import AtCapacity, Evaluation, Interval
from riskmodel.pipelines import Run
from riskmodel.pipelines.bundles import JUDGED, read_judged
from riskmodel.pipelines.run import dates_of, silent
from riskmodel.pipelines.searching import searched
from riskmodel.pipelines.training import judge_recipe
from riskmodel.records.store import RecordStore

ROOT = Path(__file__).parents[1]
STEPS = ("county", "intake", "features")
METHODS = {
    "model": "model",
    "lightgbm_fixed": "LightGBM, fixed parameters",
    "logistic": "logistic regression",
    "absence_rule": "absence rule",
}
BASELINES = ("logistic", "lightgbm_fixed")
"""The model is compared with them pair by pair."""
TRUTHS = {"knowable": "knowable", "true": "true"}
APART = pd.Timedelta(days=36_500)
"""Lists are drawn up per as-of date: pooled counties are put so far apart that none shares one."""
ERROR_DRAWS = 20


@dataclass(frozen=True)
class Cost:
    """What a command took. `peak_mb` is that of its largest process."""

    step: str
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


@dataclass(frozen=True)
class County:
    """A county that was judged: one row per student-date, with scores, outcome and truth.

    Where the model says "of 100 similar students about so many left", the row has the number of its group of
    risk (`similar`), and the ends of what is said (`similar_low`, `similar_high`, of 100).
    `without_truth` rows are left out: the child had left, or was not in class, and no record said so; of
    them `left_without_truth` count as leaving within the horizon.
    """

    seed: int
    rows: pd.DataFrame
    without_truth: int
    left_without_truth: int
    training_events: int
    costs: tuple[Cost, ...]


def run_county(
    seed: int, folder: Path, *, students: int, times_leavers: float, recipe: str | None, judge_only: bool
) -> County:
    """Do the commands of `make run` up to training in a folder of their own."""
    config = configured(seed, folder, students=students, times_leavers=times_leavers, recipe=recipe)
    steps = (*STEPS, "judge" if judge_only else "train")
    costs = tuple(measured(step, config) for step in steps)
    workspace = folder / "workspace"
    model = next((workspace / "models").glob("*/evaluation.json")).parent
    judged = pd.read_parquet(model / "judged-scores.parquet")
    judged = with_similar(judged, Run.of(config, say=silent), model)
    truth = pd.read_parquet(workspace / "county" / "truth" / "probabilities.parquet")
    evaluation = json.loads((model / "evaluation.json").read_text(encoding="utf-8"))
    return _county(seed, judged, truth, costs, training_events=evaluation["training_events"])


def with_similar(judged: pd.DataFrame, run: Run, folder: Path) -> pd.DataFrame:
    """Add to each judged row its group of risk and what is said of it; nothing where there is no model."""
    model = read_judged(run, folder).model if (folder / JUDGED).exists() else None
    if model is None:
        return judged
    risk = judged[next(name for name in judged.columns if name.endswith("_risk"))].to_numpy(dtype=np.float64)
    said = model.similar.of(risk)
    return judged.assign(
        similar=np.searchsorted(model.similar.edges, risk, side="right"),
        similar_low=[one.low for one in said],
        similar_high=[one.high for one in said],
    )


def configured(
    seed: int,
    folder: Path,
    *,
    students: int,
    times_leavers: float,
    recipe: str | None = None,
    school_years: int | None = None,
    weeks: Sequence[int] | None = None,
    test: Sequence[Mapping[str, object]] | None = None,
) -> Path:
    """Write the demo's configuration with another seed, workspace and county; return the file.

    A county of more `school_years` ends where the demo's does, and has begun earlier.
    """
    for beside in ("regions", "recipes"):
        shutil.copytree(ROOT / "configs" / beside, folder / beside)
    shutil.copy(ROOT / "configs" / "gates.yaml", folder)
    told = yaml.safe_load((ROOT / "configs" / "demo.yaml").read_text(encoding="utf-8"))
    told |= {"seed": seed, "recipe": recipe, "workspace": str(folder / "workspace")}
    told["sources"][0]["path"] = str(folder / "workspace" / "county" / "records")
    usual = CountySize()
    told["county"] |= {
        "students": students,
        "primary_leavers_a_year": times_leavers * usual.primary_leavers_a_year,
        "junior_leavers_a_year": times_leavers * usual.junior_leavers_a_year,
    }
    if school_years is not None:
        end = told["county"]["first_school_year"] + told["county"]["school_years"]
        told["county"] |= {"first_school_year": end - school_years, "school_years": school_years}
        rules = folder / "regions" / f"{told['region']}.yaml"
        held = yaml.safe_load(rules.read_text(encoding="utf-8"))
        held["rules"][0]["valid_from"] = date(end - school_years, 9, 1)
        rules.write_text(yaml.safe_dump(held, allow_unicode=True), encoding="utf-8")
    if weeks is not None:
        told["as_of"]["weeks"] = list(weeks)
    if test is not None:
        told["as_of"]["test"] = [dict(moment) for moment in test]
    file = folder / "county.yaml"
    file.write_text(yaml.safe_dump(told), encoding="utf-8")
    return file


def measured(step: str, config: Path) -> Cost:
    """Run one command as a user would, and measure it with all its processes."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        program = [str(Path(sys.executable).with_name("riskmodel")), step]
        if step == "judge":
            program = [sys.executable, __file__, "--judge"]
        command = [*program, "--config", str(config)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(said.read().decode())
    cpu = used.ru_utime + used.ru_stime
    return Cost(step, time.monotonic() - begun, cpu, used.ru_maxrss / 1024)


def judge(config: Path) -> None:
    """Do the part of `riskmodel train` that trains and judges on the test dates, and nothing after it."""
    run = Run.of(config, say=lambda *_, **__: None)
    with run.workspace.opened():
        store = RecordStore.open(run.workspace.records)
        dates = dates_of(run, store)
        recipe, _ = searched(run, store, dates)
        folder = run.workspace.models / "judged-only"
        folder.mkdir(parents=True)
        judge_recipe(run, store, dates, folder, recipe=recipe)


def _county(
    seed: int, judged: pd.DataFrame, truth: pd.DataFrame, costs: tuple[Cost, ...], *, training_events: int
) -> County:
    """Lay the truth beside what was judged; rows that were judged and have no truth are left out."""
    truth = truth.assign(as_of_date=pd.to_datetime(truth["as_of_date"]).astype("datetime64[s]"))
    truth = truth.rename(columns={"knowable_probability": "knowable", "true_probability": "true"})
    columns = ["as_of_date", "student_id", "knowable", "true", "simulation_error"]
    # The first scores are the model's, whatever its recipe is called.
    first = next(name for name in judged.columns if name.endswith("_score")).removesuffix("_score")
    if f"{first}_risk" in judged:
        judged = judged.rename(columns={f"{first}_{kind}": f"model_{kind}" for kind in ("score", "risk")})
    judged = judged.assign(as_of_date=judged["as_of_date"].astype("datetime64[s]"))
    rows = judged.merge(truth[columns], on=columns[:2], how="left", validate="one_to_one")
    lacks = _is_judged(rows) & rows["knowable"].isna()
    left = int((rows.loc[lacks, "outcome"] == Outcome.LEFT).sum())
    rows = rows[~lacks].assign(student_id=f"{seed}/" + rows["student_id"])
    return County(seed, rows, int(lacks.sum()), left, training_events, costs)


def _is_judged(rows: pd.DataFrame) -> pd.Series[bool]:
    return rows["outcome"].isin([Outcome.STAYED, Outcome.LEFT])


@dataclass(frozen=True)
class Said:
    """How often "of 100 similar students about so many left (from low to high)" held the truth.

    The truth is the mean true probability of the group's students on the judged dates, a student of several
    dates once. `groups` of all counties, `held` of them; `rows` are student-dates, `rows_held` those in a
    group that held it. `too_low` groups: more leave in truth than the upper end says.
    """

    groups: int
    held: int
    too_low: int
    rows: int
    rows_held: int


def said_of_similar(rows: pd.DataFrame) -> Said | None:
    """Count how often what is said of similar students held their mean true probability."""
    if "similar" not in rows:
        return None
    rows = rows[rows["similar"].notna()]
    county = rows["student_id"].str.partition("/")[0]
    keys = [county, rows["similar"]]
    each = rows.groupby([*keys, rows["student_id"]])["true"].mean()
    true = 100 * each.groupby(level=[0, 1]).mean()
    group = rows.groupby(keys)
    low, high, count = group["similar_low"].first(), group["similar_high"].first(), group.size()
    held = (low <= true) & (true <= high)
    return Said(len(true), int(held.sum()), int((true > high).sum()), len(rows), int(count[held].sum()))


@dataclass(frozen=True)
class Found:
    """A county, or all of them pooled: the figures on the same rows."""

    name: str
    evaluation: Evaluation
    share: Interval | None
    share_with_error: float | None
    error: float
    auc_lost: float
    without_truth: int
    left_without_truth: int
    training_events: int
    said: Said | None


def found(name: str, counties: Sequence[County], *, resamples: int) -> Found:
    """Judge all methods and both truths on the same rows.

    Pooled counties are ranked by calibrated risk where there is one: margins of two models have no common
    scale.
    """
    rows = pd.concat(
        [county.rows.assign(as_of_date=county.rows["as_of_date"] + number * APART)
         for number, county in enumerate(counties)], ignore_index=True,
    )  # fmt: skip
    scores = {name: rows.get(f"{name}_risk", rows.get(f"{name}_score")) for name in METHODS}
    models = {name: (score, None) for name, score in scores.items() if score is not None}
    models |= {name: (rows[name], None) for name in TRUTHS}
    training_events = sum(county.training_events for county in counties)
    evaluation = evaluate(
        models, rows, seed=1, training_rows=0, training_events=training_events, resamples=resamples
    )
    judged = rows[_is_judged(rows)]
    left, knowable = (judged["outcome"] == Outcome.LEFT).to_numpy(), judged["knowable"].to_numpy(float)
    lost = _auc_lost(judged, left)
    aucs = {model.name: model.auc.value for model in evaluation.models}
    share = None
    if "model" in models:
        share = knowable_share(
            models["model"][0][judged.index], knowable, labels=left, students=list(judged["student_id"]),
            seed=1, resamples=resamples,
        )  # fmt: skip
    return Found(
        name,
        evaluation,
        share,
        share_of_knowable(aucs["model"], aucs["knowable"] + lost) if share else None,
        float(judged["simulation_error"].mean() / judged["knowable"].mean()),
        lost,
        sum(county.without_truth for county in counties),
        sum(county.left_without_truth for county in counties),
        training_events,
        said_of_similar(judged),
    )


def _auc_lost(judged: pd.DataFrame, left: np.ndarray[Any, np.dtype[np.bool_]]) -> float:
    """Return how much AUC the knowable probability loses when its simulation error is added once more.

    About so much it has lost by the error that it has: the knowable AUC is too low by it, the share too high.
    """
    from sklearn.metrics import roc_auc_score

    knowable = np.maximum(judged["knowable"].to_numpy(float), 1e-9)
    relative = np.minimum(judged["simulation_error"].to_numpy(float) / knowable, 1)
    spread = np.sqrt(np.log1p(relative**2))
    generator = np.random.default_rng(1)
    noisy = (knowable * np.exp(spread * generator.standard_normal(len(knowable))) for _ in range(ERROR_DRAWS))
    return float(roc_auc_score(left, knowable) - np.mean([roc_auc_score(left, each) for each in noisy]))


def report(counties: Sequence[County], *, resamples: int) -> str:
    """Tell everything as Markdown tables."""
    each = [found(f"seed {county.seed}", [county], resamples=resamples) for county in counties]
    if len(counties) > 1:
        each.append(found("pooled", counties, resamples=resamples))
    return "\n".join([*_overall(each), "", *_similar(each), "", *_lists(each), "", *_costs(counties)])


def _similar(each: Sequence[Found]) -> Iterator[str]:
    titles = (
        "groups of similar students | held the truth | said too little | student-dates in those that held it"
    )
    yield f"| county | {titles} |"
    yield "|---|---:|---:|---:|---:|"
    for one in each:
        said = one.said
        if said is None:
            yield f"| {one.name} | – | – | – | – |"
            continue
        share = f"{said.rows_held:,} of {said.rows:,} ({said.rows_held / said.rows:.1%})"
        yield f"| {one.name} | {said.groups} | {said.held} | {said.too_low} | {share} |"


def _overall(each: Sequence[Found]) -> Iterator[str]:
    names = {**METHODS, **TRUTHS}
    titles = " | ".join(f"AUC {title}" for title in names.values())
    less = " | ".join(f"model less {METHODS[name]}" for name in BASELINES)
    yield f"| county | student-dates | left (each once) | left in training | {titles} | {less} |"
    yield f"|---|---:|---:|---:|{'---|' * (len(names) + len(BASELINES))}"
    for one in each:
        aucs = {model.name: _interval(model.auc) for model in one.evaluation.models}
        cells = " | ".join(aucs.get(name, "–") for name in names)
        counts = f"{one.evaluation.rows:,} | {one.evaluation.events} | {one.training_events}"
        found_less = [one.evaluation.paired_auc_difference.get(name) for name in BASELINES]
        paired = " | ".join(_interval(less) if less else "–" for less in found_less)
        yield f"| {one.name} | {counts} | {cells} | {paired} |"
    yield from _between_seeds(each)
    yield ""
    titles = "simulation error | AUC lost by it | share, that allowed for | no truth (left)"
    yield f"| county | share of what is knowable | {titles} |"
    yield "|---|---|---:|---:|---:|---:|"
    for one in each:
        share = "– (too few events for a model)" if one.share is None else _interval(one.share)
        allowed = "–" if one.share_with_error is None else f"{one.share_with_error:.3f}"
        error = f"{one.error:.1%} of the probability | {one.auc_lost:.4f}"
        left_out = f"{one.without_truth} ({one.left_without_truth})"
        yield f"| {one.name} | {share} | {error} | {allowed} | {left_out} |"


def _between_seeds(each: Sequence[Found]) -> Iterator[str]:
    """Tell the means over counties, with what another draw of counties would give (t, 95 %)."""
    alone = [one for one in each if one.name != "pooled" and one.share is not None]
    if len(alone) < 3:
        return
    yield ""
    yield f"| mean of {len(alone)} counties | value, with the 95 % interval between counties |"
    yield "|---|---|"
    yield f"| share of what is knowable | {_mean([one.share.value for one in alone if one.share])} |"
    for name in BASELINES:
        less = [one.evaluation.paired_auc_difference.get(name) for one in alone]
        values = [paired.value for paired in less if paired]
        if len(values) == len(alone):
            yield f"| AUC, model less {METHODS[name]} | {_mean(values)} |"


def _mean(values: Sequence[float]) -> str:
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    mean = float(np.mean(values))
    return _interval(Interval(mean, mean - half, mean + half))


def _lists(each: Sequence[Found]) -> Iterator[str]:
    names = {**METHODS, **TRUTHS}
    yield "| county | list | method | listed | left | precision | ceiling | recall | lift |"
    yield "|---|---:|---|---:|---:|---|---:|---|---|"
    for one in each:
        for number, share in enumerate(one.evaluation.models[0].at_capacity):
            for model in one.evaluation.models:
                figures = _list(model.at_capacity[number])
                yield f"| {one.name} | {share.share:.0%} | {names[model.name]} | {figures} |"


def _list(at: AtCapacity) -> str:
    figures = (f"{at.listed:,}", str(at.listed_left), _interval(at.precision), f"{at.precision_ceiling:.3f}")
    return " | ".join([*figures, _interval(at.recall), _interval(at.lift, digits=1)])


def _costs(counties: Sequence[County]) -> Iterator[str]:
    yield from costs_table({f"seed {county.seed}": county.costs for county in counties})


def costs_table(costs: Mapping[str, Sequence[Cost]]) -> Iterator[str]:
    """Tell what each command took, by county."""
    yield "| county | step | wall s | CPU s | peak MB of the largest process |"
    yield "|---|---|---:|---:|---:|"
    for county, steps in costs.items():
        for cost in steps:
            used = f"{cost.wall_seconds:.0f} | {cost.cpu_seconds:.0f} | {cost.peak_mb:.0f}"
            yield f"| {county} | {cost.step} | {used} |"


def _interval(figure: Interval, *, digits: int = 3) -> str:
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def keep(county: County, folder: Path) -> None:
    """Keep a county that was judged; the folder is there only when it is whole."""
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    county.rows.to_parquet(part / "rows.parquet")
    told = {name: value for name, value in vars(county).items() if name not in ("rows", "costs")}
    costs = [asdict(cost) for cost in county.costs]
    (part / "county.json").write_text(json.dumps({**told, "costs": costs}), encoding="utf-8")
    part.rename(folder)


def read_kept(folder: Path) -> County:
    """Read what `keep` kept."""
    told = json.loads((folder / "county.json").read_text(encoding="utf-8"))
    costs = tuple(Cost(**cost) for cost in told.pop("costs"))
    rows = pd.read_parquet(folder / "rows.parquet")
    return County(
        rows=rows.assign(as_of_date=rows["as_of_date"].astype("datetime64[s]")), costs=costs, **told
    )


def main() -> None:
    """Make the counties one after the other, and print the tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("seeds", type=int, nargs="*")
    asked.add_argument("--students", type=int, default=20_000)
    asked.add_argument("--times-leavers", type=float, default=1, help="so many times as many leave")
    asked.add_argument("--recipe", help="a file of configs/recipes, without .yaml")
    asked.add_argument("--resamples", type=int, default=1000)
    asked.add_argument("--judge-only", action="store_true", help="do not train the model to be used")
    asked.add_argument(
        "--keep", type=Path, help="a folder: what was judged is kept there, and not judged again"
    )
    asked.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    asked.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    told = asked.parse_args()
    if told.judge:
        judge(told.config)
        return
    counties: list[County] = []
    for seed in told.seeds:
        print(f"seed {seed} ({len(counties) + 1} of {len(told.seeds)})", file=sys.stderr, flush=True)
        kept = told.keep / f"seed-{seed}" if told.keep else None
        if kept is not None and kept.exists():
            counties.append(read_kept(kept))
            continue
        with tempfile.TemporaryDirectory(prefix="county-") as folder:
            county = run_county(
                seed,
                Path(folder),
                students=told.students,
                times_leavers=told.times_leavers,
                recipe=told.recipe,
                judge_only=told.judge_only,
            )
            counties.append(county)
            if kept is not None:
                keep(county, kept)
            print(report([county], resamples=told.resamples), file=sys.stderr, flush=True)
    print(report(counties, resamples=told.resamples))


if __name__ == "__main__":
    main()
