"""What was kept for longer than the configuration says: shown first, removed when a person says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from riskmodel.pipelines.run import Run
from riskmodel.store import retention
from riskmodel.store.engine import FILE_NAME, Store, open_store
from riskmodel.store.tables import day_of


@dataclass(frozen=True)
class Removal:
    """One thing that is no longer kept: what kind, which, and how it goes."""

    kind: str
    name: str
    go: Callable[[], object]


def retain(run: Run, *, yes: bool = False) -> tuple[Removal, ...]:
    """Show what is kept for longer than `retention_days` says and, with `yes`, remove it.

    The current set and the previous one never go, nor a model of a set that stays, nor the newest model, nor
    the newest approved run of aid, nor an objection. Rows of the log of looks stay, too.
    """
    published = None
    if (run.workspace.store / FILE_NAME).is_file():
        published = open_store(run.workspace.store, create=True)
    removals = tuple(_removals(run, published, datetime.now(UTC)))
    for removal in removals:
        run.say("retain_line", kind=removal.kind, name=removal.name)
        if yes:
            removal.go()
    run.say("retained" if yes else "retain_shown", count=len(removals))
    return removals


def _removals(run: Run, published: Store | None, now: datetime) -> Iterable[Removal]:
    days, workspace = run.configuration.retention_days, run.workspace
    staying: set[str] = set()
    if published is not None:
        going: tuple[str, ...] = ()
        if days.sets is not None:
            before = now - timedelta(days=days.sets)
            going = retention.outdated_sets(published, before=before)
            for set_id in going:
                yield Removal("set", set_id, _set_goes(published, set_id, before))
        kept = [each for each in retention.complete_sets(published) if each.set_id not in going]
        staying = {each.model_version for each in kept}
        if days.sets is not None:
            names = {each.set_id for each in kept}
            yield from _folders(workspace.sheets, "sheets", lambda folder: folder.name not in names)
        if days.actions is not None:
            day = day_of(now) - timedelta(days=days.actions)
            count = retention.outdated_actions(published, before=day)
            if count:
                yield Removal(
                    "actions", f"{count} (< {day})", lambda: retention.remove_actions(published, before=day)
                )
        if days.allocations is not None:
            yield from _runs_of_aid(published, workspace.allocations, now - timedelta(days=days.allocations))
    if days.matrices is not None:
        old = _older(now - timedelta(days=days.matrices))
        yield from _folders(workspace.features, "matrices", old)
        yield from _folders(workspace.labels, "labels", old)
        yield from _folders(workspace.indicators, "indicators", old)
    if days.models is not None:
        old = _older(now - timedelta(days=days.models))
        newest = max(_inside(workspace.models), key=lambda folder: folder.stat().st_mtime, default=None)
        yield from _folders(
            workspace.models,
            "model",
            lambda folder: old(folder) and folder != newest and folder.name not in staying,
        )


def _runs_of_aid(published: Store, lists: Path, before: datetime) -> Iterable[Removal]:
    """Yield runs with their lists, and lists of which no run is kept."""
    going = retention.outdated_allocations(published, before=before)
    for run_id in going:
        yield Removal("allocation", run_id, _run_goes(published, lists / run_id, run_id, before))
    kept = retention.allocation_runs(published)
    old = _older(before)  # younger ones may be in the midst of being written
    yield from _folders(lists, "allocation lists", lambda folder: folder.name not in kept and old(folder))


def _run_goes(published: Store, folder: Path, run_id: str, before: datetime) -> Callable[[], object]:
    def go() -> None:
        if retention.remove_allocation(published, run_id, before=before):
            shutil.rmtree(folder, ignore_errors=True)

    return go


def _set_goes(published: Store, set_id: str, before: datetime) -> Callable[[], object]:
    return lambda: retention.remove_sets(published, [set_id], before=before)


def _folders(place: Path, kind: str, goes: Callable[[Path], bool]) -> Iterable[Removal]:
    for folder in _inside(place):
        if goes(folder):
            yield Removal(kind, folder.name, lambda folder=folder: shutil.rmtree(folder))  # type: ignore[misc]


def _inside(place: Path) -> list[Path]:
    return sorted(folder for folder in place.glob("*") if folder.is_dir())


def _older(than: datetime) -> Callable[[Path], bool]:
    """Tell whether nothing in a folder was written since: its newest file counts."""

    def old(folder: Path) -> bool:
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
        return datetime.fromtimestamp(newest, UTC) < than

    return old
