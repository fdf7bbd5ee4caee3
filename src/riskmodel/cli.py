"""One command per pipeline, in the order of a term's work."""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup

from riskmodel.domain import Language
from riskmodel.errors import ConfigurationError, RecordsRefused, RiskmodelError, Where
from riskmodel.runners import RunnerName, cluster
from riskmodel.wording import LANGUAGES, text

if TYPE_CHECKING:
    from riskmodel.pipelines import Run
    from riskmodel.pipelines.run import Say

TERM_OF_WORK = (
    "county", "mapping", "intake", "check", "indicators", "behind", "reconcile", "features", "train",
    "backtest", "audit", "report", "promote", "publish", "score", "monitor", "sets", "rollback", "track",
    "explain", "target", "sheets", "reports", "guides", "feedback", "tickets", "actions", "ledger",
    "object", "retain", "keys", "looks", "export-child", "erase", "serve", "backup", "restore", "term",
    "run",
)  # fmt: skip


class _InOrder(TyperGroup):
    """Lists the commands in the order of a term's work; Typer itself puts groups of commands last."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return sorted(super().list_commands(ctx), key=TERM_OF_WORK.index)


app = typer.Typer(
    cls=_InOrder,
    help=text("commands.help", "zh") + "\n\n" + text("commands.help", "en"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys = typer.Typer(
    help=text("commands.keys", "zh") + " / " + text("commands.keys", "en"), no_args_is_help=True
)

mapping = typer.Typer(
    help=text("commands.mapping", "zh") + " / " + text("commands.mapping", "en"), no_args_is_help=True
)

tickets = typer.Typer(
    help=text("commands.tickets", "zh") + " / " + text("commands.tickets", "en"), no_args_is_help=True
)
ledger = typer.Typer(
    help=text("commands.ledger", "zh") + " / " + text("commands.ledger", "en"), no_args_is_help=True
)
target = typer.Typer(help=text("commands.target", "zh") + " / " + text("commands.target", "en"))

Config = Annotated[Path, typer.Option("--config", help="configs/demo.yaml")]
TargetBy = Annotated[str, typer.Option("--by", help=text("commands.target_by", "en"))]
Data = Annotated[Path | None, typer.Option("--data", help=text("commands.data", "en"))]
Force = Annotated[bool, typer.Option("--force", help=text("commands.force", "en"))]
RunnerOption = Annotated[RunnerName, typer.Option("--runner", help=text("commands.runner", "en"))]
ModelOption = Annotated[str | None, typer.Option("--model", help=text("commands.model", "en"))]
Scheduler = Annotated[str | None, typer.Option("--scheduler", help=text("commands.scheduler", "en"))]
Port = Annotated[int, typer.Option("--port", min=1, max=65535)]
ALARM = 3
"""Exit code of `riskmodel monitor` where somebody has something to do; 1 is an error, as everywhere."""
DEMO = Path("configs/demo.yaml")


def _help(command: str) -> str:
    return f"{text(f'commands.{command}', 'zh')} / {text(f'commands.{command}', 'en')}"


def say(code: str, *, language: Language | None = None, **slots: object) -> None:
    """Tell the person one line in each language, or what has its own language in that one."""
    for each in LANGUAGES if language is None else (language,):
        lead = "▸ " if each == "zh" and language is None else "  "
        typer.echo(lead + text(f"steps.{code}", each, **slots))


@contextmanager
def _job(
    config: Path,
    data: Path | None = None,
    *,
    tell: Say | None = None,
    alone: bool = True,
    runner: RunnerName = "local",
    scheduler: str | None = None,
) -> Iterator[Run]:
    """Open the configuration and its workspace; an error becomes two sentences and exit code 1."""
    os.umask(0o027)  # what is written here is about children: its owner's group reads it at most
    try:
        from riskmodel.pipelines import Run

        run = Run.of(config, say=tell or say, data=data)
        with (
            run.workspace.opened() if alone else nullcontext(),
            cluster(runner, scheduler=scheduler, folder=run.workspace.root.absolute()) as elsewhere,
        ):
            yield run.on(elsewhere) if elsewhere else run
    except RiskmodelError as error:
        raise _told(error) from None
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise  # a pipe breaks where the reader has seen enough (`| head`): Typer ends without a word
    except Exception as error:
        # A fault of the program. Its words may name a child (pandas does): only the way to it is shown.
        typer.echo("".join(traceback.format_tb(error.__traceback__)), err=True, nl=False)
        raise _told(RiskmodelError("unexpected_error", kind=type(error).__name__)) from None


def _told(error: RiskmodelError) -> typer.Exit:
    """Tell an error in both languages; return the end with code 1."""
    for language in LANGUAGES:
        typer.echo(f"✗ {error.text(language)}", err=True)
    return typer.Exit(1)


def _step(config: Path, name: str, *, runner: RunnerName = "local", scheduler: str | None = None) -> None:
    with _job(config, runner=runner, scheduler=scheduler) as run:
        from riskmodel import pipelines

        step: Callable[[Run], object] = getattr(pipelines, name)
        step(run)


@app.command(help=_help("county"))
def county(
    config: Config = DEMO,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help=text("commands.county_until", "en")),
    ] = None,
) -> None:
    """Write the fictional county, or what a bureau would have sent of it by a day."""
    with _job(config) as run:
        from riskmodel.pipelines import make_county

        make_county(run, until=until.date() if until else None)


@app.command(help=_help("intake"))
def intake(
    config: Config = DEMO,
    data: Data = None,
    force: Force = False,
    delivered_on: Annotated[
        datetime | None,
        typer.Option("--delivered-on", formats=["%Y-%m-%d"], help=text("commands.delivered_on", "en")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=text("commands.intake_json", "en"))] = False,
) -> None:
    """Take the records in: all of them, or none."""
    day = delivered_on.date() if delivered_on else None
    if not as_json:
        with _job(config, data) as run:
            from riskmodel.pipelines import take_in_records

            take_in_records(run, force=force, delivered_on=day)
        return
    with _job(config, data, tell=lambda *_, **__: None) as run:
        from riskmodel.pipelines import take_in_records, told_to_programs

        try:
            told = told_to_programs(take_in_records(run, force=force, delivered_on=day))
        except RecordsRefused as refusal:
            told = told_to_programs(refusal)
    typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    if not told["stored"]:
        raise typer.Exit(1)


@app.command(help=_help("check"))
def check(
    config: Config = DEMO,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help=text("commands.explain_as_of", "en")),
    ] = None,
) -> None:
    """Show what the records hold and lack, and list who is expected and not there."""
    with _job(config) as run:
        from riskmodel.pipelines import check_records

        check_records(run, as_of_date=as_of.date() if as_of else None)


@app.command(help=_help("indicators"))
def indicators(
    config: Config = DEMO,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help=text("commands.explain_as_of", "en")),
    ] = None,
    runner: RunnerOption = "local",
    scheduler: Scheduler = None,
) -> None:
    """Count the official figures as known on a day, beside their targets."""
    with _job(config, runner=runner, scheduler=scheduler) as run:
        from riskmodel.pipelines import tell_indicators

        tell_indicators(run, as_of_date=as_of.date() if as_of else None)


@app.command(help=_help("behind"))
def behind(
    span: Annotated[str, typer.Argument(help=text("commands.behind_span", "en"))],
    kind: Annotated[str, typer.Option("--kind", help="year | within_year | term")] = "year",
    county: Annotated[str, typer.Option("--county")] = "",
    township: Annotated[str, typer.Option("--township")] = "",
    school: Annotated[str, typer.Option("--school")] = "",
    stage: Annotated[str, typer.Option("--stage", help="primary | junior")] = "",
    everyone: Annotated[
        bool, typer.Option("--everyone", help=text("commands.behind_everyone", "en"))
    ] = False,
    register: Annotated[
        bool, typer.Option("--register", help=text("commands.behind_register", "en"))
    ] = False,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help=text("commands.explain_as_of", "en")),
    ] = None,
    config: Config = DEMO,
) -> None:
    """List the rows behind an official figure."""
    with _job(config) as run:
        from riskmodel.official import Place
        from riskmodel.pipelines import list_behind

        level: Any = "school" if school else "township" if township else "county" if county else "region"
        list_behind(
            run, span=span, kind=cast(Any, kind), place=Place(level, county, township, school), stage=stage,
            everyone=everyone, register=register, as_of_date=as_of.date() if as_of else None,
        )  # fmt: skip


@app.command(help=_help("reconcile"))
def reconcile(
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help=text("commands.reconcile_on", "en"))
    ] = None,
    by: Annotated[str, typer.Option("--open-by", help=text("commands.reconcile_by", "en"))] = "",
    config: Config = DEMO,
) -> None:
    """Hold the registers against each other, and list what does not fit."""
    with _job(config) as job:
        from riskmodel.pipelines.reconciling import reconcile as compare_registers

        compare_registers(job, on=on.date() if on else None, by=by)


@app.command(help=_help("features"))
def features(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Build the features of every date that the configuration needs."""
    _step(config, "build_features", runner=runner, scheduler=scheduler)


@app.command(help=_help("train"))
def train(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Train, judge on dates whose outcomes are known, and track."""
    _step(config, "train_model", runner=runner, scheduler=scheduler)


@app.command(help=_help("audit"))
def audit(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Judge groups, places, age, chance and reasons of the model that was judged; kept as JSON."""
    _step(config, "audit_model", runner=runner, scheduler=scheduler)


@app.command(help=_help("report"))
def report(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Write the report, the model card and the datasheet."""
    _step(config, "write_report", runner=runner, scheduler=scheduler)


@app.command(help=_help("backtest"))
def backtest(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Judge every past term as it would have been scored, and report; only what is new is judged."""
    _step(config, "backtest", runner=runner, scheduler=scheduler)


@app.command(help=_help("publish"))
def publish(
    config: Config = DEMO,
    model: ModelOption = None,
    runner: RunnerOption = "local",
    scheduler: Scheduler = None,
) -> None:
    """Score the current date and publish."""
    with _job(config, runner=runner, scheduler=scheduler) as run:
        from riskmodel.pipelines import publish_scores

        publish_scores(run, version=model)


@app.command(help=_help("score"))
def score(
    config: Config = DEMO,
    week: Annotated[int | None, typer.Option("--week", min=1, help=text("commands.score_week", "en"))] = None,
    runner: RunnerOption = "local",
    scheduler: Scheduler = None,
) -> None:
    """Score a week of the term by the model in use and publish it, or revise what was published of it."""
    with _job(config, runner=runner, scheduler=scheduler) as run:
        from riskmodel.pipelines import score_week

        score_week(run, week=week)


@app.command(help=_help("monitor"))
def monitor(config: Config = DEMO, runner: RunnerOption = "local", scheduler: Scheduler = None) -> None:
    """Watch what is in use; exit code 3 where there is an alarm."""
    with _job(config, runner=runner, scheduler=scheduler) as run:
        from riskmodel import pipelines

        quiet = pipelines.monitor(run)
    if not quiet:
        raise typer.Exit(ALARM)


@app.command(help=_help("promote"))
def promote(
    by: Annotated[list[str], typer.Option("--by", help=text("commands.promote_by", "en"))],
    config: Config = DEMO,
    model: ModelOption = None,
) -> None:
    """Note that two people approve the model."""
    with _job(config) as job:
        from riskmodel.pipelines import promote_model

        promote_model(job, by, version=model)


@app.command(help=_help("rollback"))
def rollback(
    by: Annotated[str, typer.Option("--by", help=text("commands.rollback_by", "en"))],
    to: Annotated[str | None, typer.Option("--to", help=text("commands.rollback_to", "en"))] = None,
    config: Config = DEMO,
) -> None:
    """Put the set that was published before in its place again."""
    with _job(config) as job:
        from riskmodel.pipelines import roll_back

        roll_back(job, by=by, set_id=to)


@app.command(help=_help("sets"))
def sets(config: Config = DEMO) -> None:
    """List what was published."""
    with _job(config, alone=False) as run:
        from riskmodel.pipelines import list_sets

        list_sets(run)


@app.command(help=_help("track"))
def track(config: Config = DEMO) -> None:
    """Log in MLflow what could not be logged before."""
    with _job(config) as job:
        from riskmodel.pipelines import send_waiting

        if not send_waiting(job):
            raise typer.Exit(1)


@app.command(help=_help("explain"))
def explain(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help=text("commands.explain_student", "en"))],
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help=text("commands.explain_as_of", "en")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=text("commands.explain_json", "en"))] = False,
    config: Config = DEMO,
) -> None:
    """Show the data team how a student's score comes about."""
    with _job(config) as run:
        from riskmodel.pipelines import explain_student, tell_explanation

        told = explain_student(run, student, as_of_date=as_of.date() if as_of else None)
        if as_json:
            typer.echo(told.json())
        else:
            tell_explanation(run, told)


@target.callback(invoke_without_command=True)
def target_draft(
    ctx: typer.Context,
    by: Annotated[str, typer.Option("--by", help=text("commands.target_by", "en"))] = "riskmodel target",
    config: Config = DEMO,
) -> None:
    """Answer for every student and programme; keep it as a draft."""
    if ctx.invoked_subcommand is not None:
        return
    with _job(config) as job:
        from riskmodel.pipelines import draft_allocation

        draft_allocation(job, by=by)


@target.command("freeze", help=_help("target_freeze"))
def target_freeze(run_id: str, by: TargetBy, config: Config = DEMO) -> None:
    """Freeze a drafted run."""
    with _job(config) as job:
        from riskmodel.pipelines import freeze_allocation

        freeze_allocation(job, run_id, by=by)


@target.command("approve", help=_help("target_approve"))
def target_approve(run_id: str, by: TargetBy, config: Config = DEMO) -> None:
    """Approve a frozen run."""
    with _job(config) as job:
        from riskmodel.pipelines import approve_allocation

        approve_allocation(job, run_id, by=by)


@target.command("runs", help=_help("target_runs"))
def target_runs(config: Config = DEMO) -> None:
    """List the runs."""
    _step(config, "list_allocations")


@target.command("evaluate", help=_help("target_evaluate"))
def target_evaluate(config: Config = DEMO) -> None:
    """Look back on dates whose outcomes are known."""
    _step(config, "evaluate_allocation")


@app.command(help=_help("reports"))
def reports(
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help=text("commands.reports_kind", "en"))
    ] = None,
    school: Annotated[str | None, typer.Option("--school")] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help=text("commands.explain_as_of", "en")),
    ] = None,
    config: Config = DEMO,
) -> None:
    """Write the periodic reports of schools, counties, prefecture and province."""
    from riskmodel.reports.told import KINDS

    with _job(config) as run:
        from riskmodel.pipelines import write_reports

        chosen = [one for one in KINDS if one in (kind or ([] if school is None else ["school"]))]
        if kind and len(chosen) < len(set(kind)):
            raise ConfigurationError("report_kind_unknown", Where(key="--kind"), kinds=", ".join(KINDS))
        write_reports(run, kinds=chosen, school_id=school, as_of_date=as_of.date() if as_of else None)


@app.command(help=_help("sheets"))
def sheets(
    config: Config = DEMO,
    school: Annotated[list[str] | None, typer.Option("--school", help="school_id")] = None,
) -> None:
    """Write the sheets of schools."""
    with _job(config) as run:
        from riskmodel.pipelines import write_sheets

        write_sheets(run, school_ids=tuple(school or ()))


@app.command(help=_help("guides"))
def guides(
    source: Annotated[Path, typer.Option("--from", help=text("commands.guides_from", "en"))] = Path(
        "docs/for-counsellors"
    ),
    folder: Annotated[Path, typer.Option("--to", help=text("commands.guides_to", "en"))] = Path(
        "workspace-guides"
    ),
) -> None:
    """Write the guides for class teachers and counsellors as PDF."""
    from riskmodel.pipelines import write_guides

    try:
        written = write_guides(source, folder)
    except RiskmodelError as error:
        raise _told(error) from None
    say("guides_written", files=len(written), folder=folder)


@app.command(help=_help("feedback"))
def feedback(
    file: Annotated[Path | None, typer.Argument(help=text("commands.feedback_file", "en"))] = None,
    config: Config = DEMO,
) -> None:
    """Keep what came back on paper, and tell how often the reasons fit."""
    with _job(config) as run:
        from riskmodel.pipelines import take_feedback, tell_agreement

        if file is not None:
            take_feedback(run, file)
        tell_agreement(run)


@tickets.command("list", help=_help("tickets_list"))
def tickets_list(config: Config = DEMO) -> None:
    """List the data that schools call wrong, and how long each has waited."""
    _step(config, "list_tickets")


@tickets.command("close", help=_help("tickets_close"))
def tickets_close(
    ticket: int,
    answer: Annotated[str, typer.Option(help="corrected | stands | unclear")],
    config: Config = DEMO,
) -> None:
    """Close a ticket with its answer."""
    with _job(config) as job:
        from riskmodel.pipelines import close_data_ticket

        close_data_ticket(job, ticket, answer=answer)


@app.command("actions", help=_help("actions"))
def take_actions(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help=text("commands.actions_file", "en"))
    ],
    config: Config = DEMO,
) -> None:
    """Keep what was done for students, from a list."""
    with _job(config) as job:
        from riskmodel import pipelines

        pipelines.take_actions(job, file)


Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help=text("commands.ledger_day", "en"))]
EntryBy = Annotated[str, typer.Option("--by", help=text("commands.ledger_by", "en"))]
Lang = Annotated[Language, typer.Option("--lang")]
Tells = Annotated[list[str] | None, typer.Option("--tell", help=text("commands.ledger_tell", "en"))]


@ledger.command("due", help=_help("ledger_due"))
def ledger_due(until: Day = None, config: Config = DEMO) -> None:
    """Tell what is due by a day."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        ledgers.show_due(job, until=until.date() if until else None)


@ledger.command("show", help=_help("ledger_show"))
def ledger_show(case: str, config: Config = DEMO) -> None:
    """Tell a case with its history."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        ledgers.show_case(job, case)


@ledger.command("open", help=_help("ledger_open"))
def ledger_open(
    student: str,
    by: EntryBy,
    kind: Annotated[str, typer.Option(help="school_age | suspected | dropped_out")] = "suspected",
    tell: Tells = None,
    day: Day = None,
    config: Config = DEMO,
) -> None:
    """Open a case of a child."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        told = ["found_by=department", *(tell or []), f"kind={kind}"]
        entry = ledgers.entry_of("opened", told, by=by, day=day.date() if day else job.today)
        ledgers.open_case(job, student, entry)


@ledger.command("add", help=_help("ledger_add"))
def ledger_add(
    case: str, event: str, by: EntryBy, tell: Tells = None, day: Day = None, config: Config = DEMO
) -> None:
    """Keep what was done or found in a case."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        entry = ledgers.entry_of(event, tell or [], by=by, day=day.date() if day else job.today)
        ledgers.add_entry(job, case, entry)


@ledger.command("plan", help=_help("ledger_plan"))
def ledger_plan(case: str, by: EntryBy, lang: Lang = "zh", config: Config = DEMO) -> None:
    """Draft and keep the child's plan."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        ledgers.draft_plan(job, case, by=by, language=lang)


@ledger.command("totals", help=_help("ledger_totals"))
def ledger_totals(config: Config = DEMO) -> None:
    """Tell how many cases stand in which ledger and state."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        ledgers.tell_totals(job)


@ledger.command("export", help=_help("ledger_export"))
def ledger_export(
    file: Path,
    lang: Lang = "zh",
    config: Config = DEMO,
) -> None:
    """Write the ledgers as the workbook that bureaus keep."""
    with _job(config) as job:
        from riskmodel.pipelines import ledger_files

        ledger_files.write_ledgers(job, file, language=lang)


@ledger.command("import", help=_help("ledger_import"))
def ledger_import(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    by: EntryBy,
    kind: Annotated[str, typer.Option(help="school_age | suspected | dropped_out")] = "suspected",
    config: Config = DEMO,
) -> None:
    """Open a case for every row of a ledger on paper."""
    with _job(config) as job:
        from riskmodel.pipelines import ledger_files

        ledger_files.take_ledger(job, file, kind=cast(Any, kind), by=by)


@ledger.command("check", help=_help("ledger_check"))
def ledger_check(
    head: Annotated[str | None, typer.Option(help=text("commands.ledger_head", "en"))] = None,
    config: Config = DEMO,
) -> None:
    """Tell whether the ledger stands as it was written; exit code 3 where it does not."""
    with _job(config) as job:
        from riskmodel.pipelines import ledgers

        sound = ledgers.check_chain(job, known_head=head)
    if not sound:
        raise typer.Exit(ALARM)


@app.command("object", help=_help("object"))
def take_objection(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help=text("commands.explain_student", "en"))],
    by: Annotated[str, typer.Option("--by", help=text("commands.object_by", "en"))],
    lift: Annotated[bool, typer.Option("--lift", help=text("commands.object_lift", "en"))] = False,
    config: Config = DEMO,
) -> None:
    """Take a guardian's objection down, or lift it."""
    with _job(config) as job:
        from riskmodel import pipelines

        pipelines.take_objection(job, student, by=by, lift=lift)


@app.command(help=_help("retain"))
def retain(
    yes: Annotated[bool, typer.Option("--yes", help=text("commands.retain_yes", "en"))] = False,
    config: Config = DEMO,
) -> None:
    """Show, or remove, what is kept for longer than the configuration says."""
    with _job(config) as job:
        from riskmodel import pipelines

        pipelines.retain(job, yes=yes)


@app.command(help=_help("serve"))
def serve(
    config: Config = DEMO,
    port: Port = 8000,
    workers: Annotated[int, typer.Option("--workers", min=1, help=text("commands.serve_workers", "en"))] = 1,
) -> None:
    """Start the server alone."""
    from riskmodel.config import read_configuration

    try:
        workspace = read_configuration(config).workspace
    except RiskmodelError as error:
        for language in LANGUAGES:
            typer.echo(f"✗ {error.text(language)}", err=True)
        raise typer.Exit(1) from None
    _serve(workspace, port, workers)


@app.command(help=_help("backup"))
def backup(
    into: Annotated[Path, typer.Argument(metavar="DIR", help=text("commands.backup_dir", "en"))],
    config: Config = DEMO,
) -> None:
    """Back up all that cannot be made again, while everything goes on; the keys apart."""
    with _job(config, alone=False) as job:
        from riskmodel.pipelines import back_up

        back_up(job, into)


@app.command(help=_help("restore"))
def restore(
    backup: Annotated[Path, typer.Argument(metavar="DIR", help=text("commands.restore_dir", "en"))],
    keys: Annotated[Path | None, typer.Option("--keys", help=text("commands.restore_keys", "en"))] = None,
    config: Config = DEMO,
) -> None:
    """Put a backup in the place of the workspace: whole, or not at all."""
    with _job(config, alone=False) as job:
        from riskmodel import pipelines

        pipelines.restore(job, backup, keys=keys)


@app.command(help=_help("term"))
def term(
    name: Annotated[str, typer.Argument(metavar="TERM", help="2025-2026-2")],
    config: Config = DEMO,
    runner: RunnerOption = "local",
    scheduler: Scheduler = None,
) -> None:
    """Do a term's work up to the approval; publish nothing."""
    with _job(config, runner=runner, scheduler=scheduler) as job:
        from riskmodel.pipelines import prepare_term

        prepare_term(job, term=name)


@app.command(help=_help("run"))
def run(
    config: Config = DEMO,
    data: Data = None,
    serve: Annotated[bool, typer.Option("--serve/--no-serve")] = True,
    port: Port = 8000,
    runner: RunnerOption = "local",
    scheduler: Scheduler = None,
) -> None:
    """Do a term's work from records to sheets, then serve."""
    with _job(config, data, runner=runner, scheduler=scheduler) as job:
        from riskmodel.pipelines import run_all

        if serve:
            _check_port(port)
        run_all(job, port=port)
        workspace = job.configuration.workspace
    if serve:
        _serve(workspace, port)


@keys.command("make", help=_help("keys_make"))
def keys_make(
    role: Annotated[
        str, typer.Option(help="data_team | bureau | district | school | counsellor | class_teacher")
    ],
    label: Annotated[str, typer.Option(help=text("commands.label", "en"))],
    school: Annotated[list[str] | None, typer.Option("--school", help="school_id")] = None,
    township: Annotated[
        list[str] | None, typer.Option("--township", help=text("commands.key_township", "en"))
    ] = None,
    school_class: Annotated[list[str] | None, typer.Option("--class", help="SCHOOL/GRADE/CLASS")] = None,
    may: Annotated[list[str] | None, typer.Option("--may", help=text("commands.key_may", "en"))] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help=text("commands.key_days", "en"))] = None,
    config: Config = DEMO,
) -> None:
    """Make a key; it is shown once."""
    with _job(config) as job:
        from riskmodel.pipelines import make_key

        make_key(
            job,
            role=role,
            label=label,
            school_ids=tuple(school or ()),
            townships=tuple(township or ()),
            classes=tuple(school_class or ()),
            permissions=tuple(may or ()),
            days=days,
        )


@keys.command("rotate", help=_help("keys_rotate"))
def keys_rotate(
    key_id: str,
    overlap_days: Annotated[
        int, typer.Option("--overlap-days", min=0, max=90, help=text("commands.key_overlap", "en"))
    ] = 14,
    config: Config = DEMO,
) -> None:
    """Make a key in place of another, which lives on for some days."""
    with _job(config) as job:
        from riskmodel.pipelines import rotate_key

        rotate_key(job, key_id, overlap_days=overlap_days)


@keys.command("list", help=_help("keys_list"))
def keys_list(config: Config = DEMO) -> None:
    """List keys, without their secrets."""
    _step(config, "list_keys")


@keys.command("revoke", help=_help("keys_revoke"))
def keys_revoke(key_id: str, config: Config = DEMO) -> None:
    """Revoke a key; it is refused from the next request on."""
    with _job(config) as job:
        from riskmodel.pipelines import revoke_key

        revoke_key(job, key_id)


@app.command(help=_help("looks"))
def looks(
    student: Annotated[
        str | None, typer.Option("--student", help=text("commands.looks_student", "en"))
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help=text("commands.looks_since", "en")),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=["%Y-%m-%d"], help=text("commands.looks_until", "en")),
    ] = None,
    config: Config = DEMO,
) -> None:
    """Tell who looked at how much, or at one child, and whether the log of looks is whole."""
    with _job(config) as job:
        from riskmodel.pipelines import show_looks

        whole = show_looks(
            job,
            student_id=student,
            since=since.date() if since else None,
            until=until.date() if until else None,
        )
    if not whole:
        raise typer.Exit(1)


@app.command("export-child", help=_help("export_child"))
def export_child(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help=text("commands.explain_student", "en"))],
    out: Annotated[Path, typer.Option("--out", help=text("commands.export_out", "en"))],
    config: Config = DEMO,
) -> None:
    """Write everything that is held about one child into a folder."""
    with _job(config) as job:
        from riskmodel import pipelines

        pipelines.export_child(job, student, out=out)


@app.command(help=_help("erase"))
def erase(
    student: Annotated[str, typer.Argument(metavar="STUDENT", help=text("commands.explain_student", "en"))],
    by: Annotated[str, typer.Option("--by", help=text("commands.rollback_by", "en"))],
    config: Config = DEMO,
) -> None:
    """Remove one child from everything, and keep it out for good."""
    with _job(config) as job:
        from riskmodel.pipelines import erase_child

        erase_child(job, student, by=by)


@mapping.command("suggest", help=_help("mapping_suggest"))
def mapping_suggest(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Draft the mapping of a file, to be corrected by a person; nothing is taken in."""
    from riskmodel.pipelines import suggest_mapping

    try:
        suggestion = suggest_mapping(file)
    except RiskmodelError as error:
        for language in LANGUAGES:
            typer.echo(error.text(language), err=True)
        raise typer.Exit(1) from None
    typer.echo(suggestion.text, nl=False)


app.add_typer(ledger, name="ledger")
app.add_typer(mapping, name="mapping")
app.add_typer(keys, name="keys")
app.add_typer(tickets, name="tickets")
app.add_typer(target, name="target")


def _check_port(port: int) -> None:
    """Say that the port is in use before the work, and not after it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise ConfigurationError("port_in_use", Where(key="PORT"), port=port)


def _serve(workspace: Path, port: int, workers: int = 1) -> None:
    """Become the web process, which knows nothing of the model wing: its memory and locks are given back."""
    command = [sys.executable, "-m", "serve", "--workspace", str(workspace), "--port", str(port)]
    command += ["--workers", str(workers)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)  # noqa: S606  our own module, no shell
