"""Publish, write sheets, hand out keys: where the model wing hands over to the people wing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast, get_args

from riskmodel.bundle import ModelBundle
from riskmodel.config import actions_file, read_actions, read_ledger_rules, region_rules_file
from riskmodel.domain import AsOf, Band, ScoredStudent, ScoredTerm, TermFacts
from riskmodel.errors import StoreError, Where, WorkspaceError
from riskmodel.pipelines.approving import (
    approved_last,
    check_approval,
    check_fits,
    model_named,
    model_of_today,
)
from riskmodel.pipelines.bundles import USED, read_used, trusted, try_used
from riskmodel.pipelines.gating import check_gates
from riskmodel.pipelines.inputs import SCORING, files_of_day, learn_also, remove_scoring
from riskmodel.pipelines.outbox import keep, send
from riskmodel.pipelines.reporting import check_cards
from riskmodel.pipelines.run import Run, clock, code_hash, complete_to, dates_of, digest
from riskmodel.pipelines.scoring_parts import Scored, score_parts
from riskmodel.records.asking.roll_numbers import roll_numbers
from riskmodel.records.store import RecordStore
from riskmodel.sheets.school_list import Hours
from riskmodel.sheets.steps import Steps
from riskmodel.sheets.writing import write_school
from riskmodel.store import keys
from riskmodel.store.engine import Store, open_store
from riskmodel.store.ledger import keep_ledger_rules
from riskmodel.store.principals import RIGHTS, Permission, Principal, Reach, Role, SchoolClass
from riskmodel.store.publishing import publish, taken_back
from riskmodel.store.reading import classes as classes_of
from riskmodel.store.reading import current_set, school, schools, students
from riskmodel.store.roll_numbers import lookup_key, roll_ref
from riskmodel.store.served import served_term
from riskmodel.store.sets import Document, published_sets
from riskmodel.store.steps import keep_steps, steps_of
from riskmodel.store.tickets import tickets
from riskmodel.tracking import Entry, tracking_command
from riskmodel.wording import LANGUAGES
from riskmodel.wording import version as wording_version

BUREAU = Principal(key_id="riskmodel", role="bureau")
"""Who writes sheets: the bureau itself, which sees all schools."""


def publish_scores(run: Run, *, version: str | None = None) -> str:
    """Score the current date's cohort, publish it, and make its model the champion; return the set id.

    Parameters
    ----------
    version
        Which model; None: that of today's records and configuration or, where these have changed since, the
        one that was approved last.

    Raises
    ------
    WorkspaceError
        If there is no such model, a gate refuses it, or it was made under other decisions than today's.
    StoreError
        If it needs an approval, is older than what stands, or was taken back.
    """
    store = RecordStore.open(run.workspace.records)
    if not any(run.workspace.models.glob(f"*/{USED}")):
        raise WorkspaceError("model_not_trained", Where(file=str(run.workspace.models)))
    published = open_store(run.workspace.store, create=True)
    today = model_of_today(run)
    model = model_named(run, version) or today or approved_last(run, published)
    if model is None:
        raise WorkspaceError("model_not_trained", Where(file=str(run.workspace.models)))
    marker = run.workspace.store / "PUBLISHED_FROM"
    # Of records and configuration the name of a model tells only where it was made from today's.
    stands = _standing(marker, published, model.name) if model == today else None
    if stands is not None:
        run.say("published_reused", set_id=stands)
        return stands
    dates = dates_of(run, store)
    check_fits(run, model)
    check_gates(run, model, scored=dates.current.as_of_date)
    check_cards(model)
    published_by = check_approval(run, published, model)
    seconds = clock()
    try_used(run, model)
    bundle = read_used(run, model)
    _check_not_older(published, dates.current)
    term = scored_on(run, store, dates.current, bundle, model)
    set_id = publish_term(run, store, published, term, by=published_by, seconds=seconds)
    # Kept before the marker stands: whoever is killed in between publishes once more, and tells MLflow.
    keep(run, Entry(kind="published", region=run.configuration.region, model_version=bundle.model_version))
    marker.write_text(f"{bundle.model_version} {set_id}", encoding="utf-8")
    send(run)
    return set_id


def _check_not_older(published: Store, current: AsOf) -> None:
    """Let nothing of an earlier day take the place of what is published: that is a rollback, with a name."""
    try:
        stands = current_set(published).facts.as_of_date
    except StoreError as error:
        if error.code != "nothing_published":
            raise
        return
    if current.as_of_date < stands:
        raise StoreError("published_is_newer", asked=current.as_of_date, stands=stands)


def scored_on(
    run: Run, store: RecordStore, as_of: AsOf, bundle: ModelBundle, model: Path, *, corrected: bool = False
) -> ScoredTerm:
    """Score the cohort of a day as the configuration bands and lists it.

    Parameters
    ----------
    bundle, model
        The model that is used, and its folder, from which those who score a part read it.
    corrected
        See `inputs.files_of_day`.
    """
    files = files_of_day(run, store, as_of, corrected=corrected)
    bands = run.configuration.bands.reach_out, run.configuration.bands.check_in
    share = run.configuration.capacity.share
    protected = learn_also(run)
    made_from = digest(*files, bundle.manifest, bands, share, protected, code_hash(""))
    remove_scoring(run, but=f"{SCORING}{made_from}")
    parts = [
        Scored(
            matrix=file,
            learn_also=protected,
            bundle=model / USED,
            version=model.name,
            public_key=trusted(run),
            out=file.parents[1] / f"{SCORING}{made_from}" / file.parent.name,
        )
        for file in files
    ]
    students = score_parts(parts, runner=run.runner, bands=bands, capacity_share=share)
    return ScoredTerm(_facts(run, store, as_of, bundle), store.schools(), students)


def publish_term(
    run: Run, store: RecordStore, published: Store, term: ScoredTerm, *, by: str, seconds: Callable[[], str]
) -> str:
    """Publish a scored term with all that schools ask of it, and say so; return the set id.

    Raises
    ------
    StoreError
        If somebody has gone back from this model's very answers about this day.
    """
    _check_not_taken_back(published, term)
    _take_steps(run, published)
    take_ledger_rules(run, published)
    set_id = publish(
        published,
        term,
        published_at=datetime.now(UTC),
        published_by=by,
        roll_refs=_roll_refs(run, store, term),
        documents=_cards(run.workspace.models / term.facts.model_version),
    )
    unknown = Band.NOT_ENOUGH_INFORMATION
    bands = Counter(each.band for each in term.students if each.listed or each.band is unknown)
    run.say(
        "published",
        set_id=set_id,
        students=len(term.students),
        listed=sum(student.listed for student in term.students),
        **{band.value: bands[band] for band in Band},
        seconds=seconds(),
    )
    return set_id


def _check_not_taken_back(published: Store, term: ScoredTerm) -> None:
    left = taken_back(published)
    asked = (term.facts.as_of_date, term.facts.model_version)
    for each in published_sets(published) if left else ():
        if each.set_id in left and (each.facts.as_of_date, each.facts.model_version) == asked:
            former = served_term(published, BUREAU, each)
            if {one.student_id: one for one in former.students} == {
                one.student_id: one for one in term.students
            }:
                raise StoreError("set_taken_back", set_id=each.set_id, by=left[each.set_id])


def _roll_refs(run: Run, store: RecordStore, term: ScoredTerm) -> dict[str, str]:
    """Return what is published instead of the roll numbers of the term's students."""
    key = lookup_key(run.workspace.lookup_key, create=True)
    if key is None:
        raise AssertionError("a key that is made is there")
    numbers = roll_numbers(store, term.facts.as_of_date)
    known = ((one.student_id, numbers.get(one.student_id)) for one in term.students)
    return {student_id: roll_ref(number, key) for student_id, number in known if number}


def _cards(model: Path) -> tuple[Document, ...]:
    """Return the model's card in every language; none where no report was written."""
    files = {language: model / f"card.{language}.html" for language in LANGUAGES}
    return tuple(
        Document("card", language, file.read_text(encoding="utf-8"))
        for language, file in files.items()
        if file.exists()
    )


def current_bundle(run: Run) -> ModelBundle:
    """Read the model that these records, this configuration and this code made.

    Raises
    ------
    WorkspaceError
        If there is none yet.
    """
    folder = model_of_today(run)
    if folder is None:
        raise WorkspaceError("model_not_trained", Where(file=str(run.workspace.models)))
    return read_used(run, folder)


def write_sheets(run: Run, *, school_ids: Sequence[str] = ()) -> tuple[Path, ...]:
    """Write the sheets of schools; where none is named, of those with the longest lists.

    Raises
    ------
    StoreError
        If a school is not in the published set.
    """
    store = open_store(run.workspace.store)
    hours = Hours(**run.configuration.school_hours.model_dump())
    published = current_set(store)
    chosen = school_ids or _longest_lists(store, run.configuration.sheets_for_schools)
    found = {school_id: school(store, BUREAU, school_id) for school_id in chosen}
    missing = _take_steps(run, store)
    steps = Steps.general(steps_of(store))
    seconds = clock()
    files: list[Path] = []
    for school_id, named in found.items():
        if named is None:
            raise StoreError("school_not_published", Where(key=school_id))
        folder = run.workspace.sheets_of(published.set_id, school_id)
        listed = _listed(store, school_id)
        files += write_school(
            folder,
            listed,
            published,
            named,
            languages=LANGUAGES,
            steps=steps,
            hours=hours,
            tickets=tickets(store, BUREAU, student_ids=[student.student_id for student in listed]),
        )
    if missing is not None and files:
        run.say("no_actions", file=missing)
    run.say(
        "sheets_written",
        schools=len(chosen),
        files=len(files),
        folder=run.workspace.sheets / published.set_id,
        seconds=seconds(),
    )
    return tuple(files)


def take_ledger_rules(run: Run, published: Store) -> None:
    """Keep the deadlines of cases as the region's configuration has them now: the server reads them here."""
    rules = read_ledger_rules(region_rules_file(run.file, run.configuration.region))
    keep_ledger_rules(published, BUREAU, rules, at=datetime.now(UTC))


def _take_steps(run: Run, store: Store) -> Path | None:
    """Keep the bureau's action library as it is now; return where one is missing.

    Without one, sheets hold the three general steps.
    """
    file = actions_file(run.file)
    keep_steps(store, read_actions(file) if file.exists() else {}, at=datetime.now(UTC))
    return None if file.exists() else file


def show_what_to_open(run: Run, *, port: int) -> None:
    """Replace the demo keys and print what a newcomer may open."""
    store = open_store(run.workspace.store)
    demo = keys.replace_demo_keys(store, school_ids=_longest_lists(store, 2), at=datetime.now(UTC))
    run.say("open")
    run.say("open_docs", port=port)
    for school_id, key in demo.schools:
        run.say("open_keys", role="school", label=school_id, key=key)
    run.say("open_keys", role="bureau", label="", key=demo.bureau)
    if demo.schools:
        school_id, key = demo.schools[0]
        run.say("open_list", port=port, school_id=school_id, key=key)
        for student in _listed(store, school_id)[:1]:
            run.say("open_student", port=port, student_id=student.student_id, key=key)
    written = sorted((run.workspace.sheets / current_set(store).set_id).rglob("*.zh.pdf"))
    for sheet in written[:1]:
        run.say("open_sheet", file=sheet)
    run.say(
        "open_mlflow", command=tracking_command(run.workspace.tracking, server=run.configuration.tracking)
    )


def make_key(
    run: Run,
    *,
    role: str,
    label: str,
    school_ids: Sequence[str] = (),
    townships: Sequence[str] = (),
    classes: Sequence[str] = (),
    permissions: Sequence[str] = (),
    days: int | None = None,
) -> None:
    """Make a key and show it: the only time that anybody can see it.

    Parameters
    ----------
    classes
        Each as `SCHOOL/GRADE/CLASS`.
    permissions
        Empty: all that the role may do.
    days
        How long it lives; None: until it is revoked.

    Raises
    ------
    StoreError
        If the role, a class or a permission cannot be read, or the key would contradict its role.
    """
    if role not in get_args(Role):
        raise StoreError("role_unknown", roles=", ".join(get_args(Role)))
    asked = cast(Role, role)
    if not set(permissions) <= set(get_args(Permission)):
        allowed = " ".join(sorted(RIGHTS[asked].permissions))
        raise StoreError("key_permission_unknown", role=role, permissions=allowed)
    now = datetime.now(UTC)
    store = open_store(run.workspace.store, create=True)
    named = [_school_class(one) for one in classes]
    key = keys.make_key(
        store,
        role=asked,
        label=label,
        made_at=now,
        school_ids=school_ids,
        townships=townships,
        classes=named,
        permissions=cast(Sequence[Permission], permissions) or None,
        expires_at=None if days is None else now + timedelta(days=days),
    )
    run.say("key_made", key=key)
    if published_sets(store, most=1):
        _say_unseen(run, store, school_ids, named)


def _say_unseen(run: Run, store: Store, school_ids: Sequence[str], named: Sequence[SchoolClass]) -> None:
    """Say of which places nothing is published: a key for a class written in another way sees nobody."""
    for school_id in school_ids:
        if school(store, BUREAU, school_id) is None:
            run.say("key_school_unseen", school_id=school_id)
    for school_id, grade, class_name in named:
        there = [each.class_name for each in classes_of(store, BUREAU, school_id) if each.grade == grade]
        if class_name not in there:
            asked = f"{school_id}/{grade}/{class_name}"
            run.say("key_class_unseen", asked=asked, classes=" ".join(filter(None, there)) or "–")


def _school_class(told: str) -> SchoolClass:
    school_id, _, rest = told.partition("/")
    grade, _, class_name = rest.partition("/")
    if not (school_id and class_name and grade.isascii() and grade.isdigit()):
        raise StoreError("key_class_unreadable")
    return SchoolClass(school_id, int(grade), class_name)


def rotate_key(run: Run, key_id: str, *, overlap_days: int) -> None:
    """Make a key in place of another and show it; the old one lives on for some days."""
    store = open_store(run.workspace.store)
    key = keys.rotate(store, key_id, at=datetime.now(UTC), overlap=timedelta(days=overlap_days))
    run.say("key_made", key=key)
    run.say("key_rotated", key_id=key_id, days=overlap_days)


def list_keys(run: Run) -> None:
    """List all keys ever made, without their secrets."""
    for key in keys.list_keys(open_store(run.workspace.store)):
        run.say(
            "key_line",
            key_id=key.key_id,
            role=key.role,
            label=key.label,
            places=",".join(_places(key.reach)),
            state=_state(key),
        )


def _places(reach: Reach) -> list[str]:
    classes = (f"{one.school_id}/{one.grade}/{one.class_name}" for one in reach.classes)
    return sorted((*reach.townships, *reach.school_ids, *classes))


def _state(key: keys.KeyRecord) -> str:
    if key.revoked_at:
        return f"revoked {key.revoked_at:%Y-%m-%d}"
    return f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else ""


def revoke_key(run: Run, key_id: str) -> None:
    """Revoke a key; it is refused from the next request on."""
    keys.revoke(open_store(run.workspace.store), key_id, at=datetime.now(UTC))
    run.say("key_revoked", key_id=key_id)


def _standing(marker: Path, published: Store, version: str) -> str | None:
    """Return the current set if this model's publishing of it was done to its end."""
    if not marker.exists():
        return None
    try:
        set_id = current_set(published).set_id
    except StoreError as error:
        if error.code != "nothing_published":
            raise
        return None
    return set_id if marker.read_text(encoding="utf-8") == f"{version} {set_id}" else None


def _facts(run: Run, store: RecordStore, current: AsOf, bundle: ModelBundle) -> TermFacts:
    return TermFacts(
        region=run.configuration.region,
        term=current.term,
        as_of_date=current.as_of_date,
        horizon_end=current.horizon_end,
        valid_until=current.as_of_date + timedelta(days=run.configuration.valid_days),
        model_version=bundle.model_version,
        rule_version=run.rule(current).version,
        wording_version=wording_version(),
        records_hash=store.content_hash,
        data_complete_to=complete_to(run, store, current),
        probabilities=bundle.probabilities,
        features=bundle.features,
        records_delivery=store.manifest.deliveries[-1].number,
    )


def _listed(store: Store, school_id: str) -> tuple[ScoredStudent, ...]:
    """Return a school's listed students, reading page after page."""
    found: list[ScoredStudent] = []
    after: str | None = None
    while True:
        page = students(store, BUREAU, school_id, listed=True, limit=500, after=after)
        found += page.students
        if page.after is None:
            return tuple(found)
        after = page.after


def _longest_lists(store: Store, count: int) -> tuple[str, ...]:
    """Return the schools with the longest lists: the ones to show."""
    lists = {each.school_id: len(_listed(store, each.school_id)) for each in schools(store, BUREAU)}
    return tuple(sorted(lists, key=lambda school_id: (-lists[school_id], school_id))[:count])
