"""Between trainings: the model in use scores later weeks, and students whose records were corrected."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from riskmodel.bundle import ModelBundle
from riskmodel.config import WeekOfTerm
from riskmodel.domain import AsOf, PublishedSet, ScoredTerm, Term
from riskmodel.errors import NotEnoughData, Where, WorkspaceError
from riskmodel.pipelines.approving import check_approval, check_fits
from riskmodel.pipelines.bundles import read_in_use
from riskmodel.pipelines.gating import check_gates
from riskmodel.pipelines.publishing import BUREAU, publish_term, scored_on
from riskmodel.pipelines.reporting import check_cards
from riskmodel.pipelines.run import Run, as_of_on, clock, complete_to
from riskmodel.records.asking.corrections import corrected_since
from riskmodel.records.store import RecordStore
from riskmodel.store.engine import Store, open_store
from riskmodel.store.reading import current_set
from riskmodel.store.served import served_term


def score_week(run: Run, *, week: int | None = None) -> str:
    """Score a week of the term by the model in use, and publish it; return the id of the set in use then.

    A week that is not published yet is scored as known on its last day. One that is published is revised:
    only students whose records of it were corrected, or completed, since are scored again, from what is known
    now of that day; all others stay as they were, to the bit. Nothing is trained; the gates and the approval
    of the model hold.

    Parameters
    ----------
    week
        Week of the term of the set in use; None: the latest that the records tell completely.

    Raises
    ------
    StoreError
        If nothing was published yet, the model has lost its approval, or somebody has gone back from what
        would be published.
    WorkspaceError
        If the model in use is gone, a gate refuses it, it was made under other decisions than today's, or the
        week lies before the one that is published.
    NotEnoughData
        If the records do not tell the week yet.
    """
    store = RecordStore.open(run.workspace.records)
    published = open_store(run.workspace.store)
    stands = current_set(published)
    as_of = week_to_score(run, store, stands, week)
    if (as_of.as_of_date, store.content_hash) == (stands.facts.as_of_date, stands.facts.records_hash):
        run.say("week_stands", set_id=stands.set_id, as_of_date=as_of.as_of_date)
        return stands.set_id
    model = run.workspace.models / stands.facts.model_version
    bundle = read_in_use(run, model)
    check_fits(run, model)
    check_gates(run, model, scored=as_of.as_of_date)
    check_cards(model)
    published_by = check_approval(run, published, model)
    seconds = clock()
    if as_of.as_of_date > stands.facts.as_of_date:
        term = scored_on(run, store, as_of, bundle, model)
        run.say("week_scored", week_end=as_of.as_of_date, version=bundle.model_version)
        return publish_term(run, store, published, term, by=published_by, seconds=seconds)
    revised = _revised(run, store, published, stands, bundle, model, as_of)
    if revised is None:
        run.say("week_nothing_corrected", set_id=stands.set_id)
        return stands.set_id
    term, count = revised
    set_id = publish_term(run, store, published, term, by=published_by, seconds=seconds)
    run.say("week_revised", set_id=set_id, former=stands.set_id, count=count, seconds=seconds())
    return set_id


def week_to_score(run: Run, store: RecordStore, stands: PublishedSet, week: int | None) -> AsOf:
    """Return the day that `score_week` scores; see there for what is refused."""
    term = next((term for term in store.terms() if term.term == stands.facts.term), None)
    if term is None:
        raise NotEnoughData("term_of_set_unknown", Where(key=stands.facts.term))
    if week is None:
        last = _latest_week(run, store, term, stands)
        as_of = as_of_on(run, WeekOfTerm(term=term.term, week=last), (term,))
        # What is published may be of a day that ends no week.
        return max(as_of, _day_of(stands), key=lambda each: each.as_of_date)
    as_of = as_of_on(run, WeekOfTerm(term=term.term, week=week), (term,))
    reach = complete_to(run, store, as_of)
    if as_of.as_of_date > min(reach, term.end_date):
        raise NotEnoughData(
            "week_not_told", Where(key=f"--week {week}"), as_of_date=as_of.as_of_date, complete_to=reach
        )
    if as_of.as_of_date < stands.facts.as_of_date:
        raise WorkspaceError(
            "week_is_past",
            Where(key=f"--week {week}"),
            asked=as_of.as_of_date,
            stands=stands.facts.as_of_date,
        )
    return as_of


def _day_of(stands: PublishedSet) -> AsOf:
    return AsOf(stands.facts.as_of_date, stands.facts.horizon_end, stands.facts.term)


def _latest_week(run: Run, store: RecordStore, term: Term, stands: PublishedSet) -> int:
    """Return the last week that ends within the term and within what the records tell completely."""
    until = max(min(complete_to(run, store, _day_of(stands)), term.end_date), stands.facts.as_of_date)
    return max(1, (until - term.start_date).days // 7)


def _revised(
    run: Run,
    store: RecordStore,
    published: Store,
    stands: PublishedSet,
    bundle: ModelBundle,
    model: Path,
    as_of: AsOf,
) -> tuple[ScoredTerm, int] | None:
    """Put those whose records were corrected in the place of what was published of them; None: of nobody.

    Nobody loses a place on a list because another's records were put right.
    """
    corrected = corrected_since(
        store, as_of_date=as_of.as_of_date, since_delivery=stands.facts.records_delivery
    )
    if not corrected.student_ids | corrected.school_ids:
        return None
    anew = scored_on(run, store, as_of, bundle, model, corrected=True)
    former = served_term(published, BUREAU, stands)
    schools_of = {student.student_id: student.school_id for student in (*former.students, *anew.students)}
    ids = corrected.student_ids | {
        student for student, school in schools_of.items() if school in corrected.school_ids
    }
    now = {student.student_id: student for student in anew.students if student.student_id in ids}
    before = {student.student_id: student for student in former.students if student.student_id in ids}
    if now == before:
        return None
    schools = {school.school_id: school for school in (*former.schools, *anew.schools)}
    term = ScoredTerm(
        replace(
            former.facts,
            records_hash=anew.facts.records_hash,
            records_delivery=anew.facts.records_delivery,
            revises=stands.set_id,
        ),
        tuple(schools.values()),
        (*(student for student in former.students if student.student_id not in ids), *now.values()),
    )
    return term, sum(now.get(student) != before.get(student) for student in now.keys() | before.keys())
