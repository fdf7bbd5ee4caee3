"""The comparisons of 三比对 and of transfers: registers against the rolls, rolls against who is present.

Most of what does not fit is an error of a record, and some is a child. So each is told as something to
verify, with the close code that would fit if it is what it looks like; nothing of it is a label, and nothing
is opened or closed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa

from riskmodel.domain import RegionRule
from riskmodel.official import IndicatorRule
from riskmodel.outcomes import DAYS_AWAY
from riskmodel.reconcile.linking import Pair, link
from riskmodel.records.asking.asof import BucketReader
from riskmodel.records.store import RecordStore

What = Literal["not_enrolled", "near_pair", "not_present", "left_and_in_relief", "not_arrived"]
_AFTER: dict[str, str] = {
    "died": "died", "emigrated": "emigrated", "transferred": "out_of_province_no_roll",
    "transfer_unconfirmed": "out_of_province_no_roll", "home_teaching": "home_teaching",
    "suspended": "suspended_with_papers", "graduated": "in_school", "continued": "in_school",
}  # fmt: skip
"""What would explain a child whose last spell ended so."""
MOST_BY_CHANCE = 0.01
"""A school is told of where so many transfers that nobody confirms would be rarer than this by chance."""
FEWEST_TRANSFERS = 4


@dataclass(frozen=True)
class Mismatch:
    """Something that does not fit, to be verified by a person.

    Attributes
    ----------
    subject
        The student's id; of a child whom no roll tells of, `SOURCE:PERSON_ID`.
    suggested_code
        The close code that fits if it is what it looks like; empty where the child may be out of school.
    other, probability
        The row that may be the same person, and how likely.
    since
        From when on it is so: the end of the last spell, the first day away. None where no day is known.
    """

    what: What
    subject: str
    school_id: str = ""
    township: str = ""
    suggested_code: str = ""
    other: str = ""
    probability: float | None = None
    since: date | None = None


@dataclass(frozen=True)
class SchoolTransfers:
    """Transfers out of a school, how many nobody confirms, and how often chance alone would do that.

    `chance`: for an honest school; see `judge_transfers`.
    """

    school_id: str
    transfers: int
    unconfirmed: int
    chance: float

    @property
    def is_told(self) -> bool:
        """Whether somebody should look at what this school calls transfers."""
        return self.unconfirmed >= FEWEST_TRANSFERS and self.chance < MOST_BY_CHANCE


@dataclass(frozen=True)
class Compared:
    """What the comparisons found on a day."""

    as_of_date: date
    mismatches: tuple[Mismatch, ...]
    pairs: tuple[Pair, ...]
    schools: tuple[SchoolTransfers, ...]


def compare(
    store: RecordStore,
    as_of_date: date,
    *,
    rule: RegionRule,
    ages: IndicatorRule,
    absent_school_days: int,
    arrives_within_days: int = 60,
    looks_back_days: int = 730,
) -> Compared:
    """Hold the registers against each other as they were known on a day.

    Parameters
    ----------
    ages
        On which day ages are told, and from which to which a child is of school age.
    absent_school_days
        Reported school days in a row, all unexcused, after which who is on the roll is not there.
    arrives_within_days
        From the end of a spell by transfer to the arrival somewhere, before it is told of.
    looks_back_days
        Transfers that lie further back are asked of nobody and held against no school: two school years.
    """
    with duckdb.connect() as connection:
        _gather(connection, store, as_of_date, rule, absent_school_days)
        connection.execute(_OF_AGE, _born(as_of_date, ages))
        pairs = link(connection, "of_age", "pupils")
        found = [*_not_enrolled(connection, pairs)]
        rows = connection.execute(_NOT_PRESENT).fetchall()
        found += [replace(Mismatch("not_present", *row), since=since) for *row, since in rows]
        relief = link(connection, "relief", "left_pupils")
        homes = {row[0]: row[1:] for row in connection.execute("FROM left_homes").fetchall()}
        for one in relief:
            if not one.is_near:
                school_id, township, since = homes[one.right]
                told = Mismatch("left_and_in_relief", one.right, school_id, township, "", one.left)
                found.append(replace(told, probability=one.probability, since=since))
        window = {
            "first": as_of_date - timedelta(days=looks_back_days),
            "last": as_of_date - timedelta(days=arrives_within_days),
        }
        connection.execute(_TRANSFERS, window)
        rows = connection.execute(
            "SELECT student_id, school_id, township, end_date FROM transfers WHERE NOT arrived ORDER BY ALL"
        ).fetchall()
        found += [replace(Mismatch("not_arrived", *row), since=since) for *row, since in rows]
        counts = connection.execute(
            "SELECT school_id, count(*) FILTER (within), count(*) FILTER (within AND NOT arrived),"
            " count(*) FILTER (NOT within), count(*) FILTER (NOT within AND NOT arrived)"
            " FROM transfers GROUP BY 1 ORDER BY 1"
        ).fetchall()
    near = tuple(one for one in pairs if one.is_near)
    return Compared(as_of_date, tuple(found), near, tuple(judge_transfers(counts)))


def judge_transfers(counts: Iterable[tuple[str, int, int, int, int]]) -> list[SchoolTransfers]:
    """Tell for each school how often chance would leave so many of its transfers unconfirmed.

    Transfers within the records and those to schools outside are held apart, each against the share of all
    the other schools (at least one more of each is reckoned, so that a county without any is not certain that
    there are none): near the border more children go where nobody here can ask, and the school is as honest.
    The chance is that of the rarest of three: within, outside, both together; times three, for three were
    looked at.

    Parameters
    ----------
    counts
        School, transfers within the records, those of them that never arrived, transfers to elsewhere, and
        those of them that nobody confirms.
    """
    from scipy.stats import binom

    told = list(counts)
    totals = [sum(one[column] for one in told) for column in range(1, 5)]  # type: ignore[misc]
    found = []
    for school_id, within, lost, outside, open_still in told:
        inner = (totals[1] - lost + 1) / (totals[0] - within + 2)
        outer = (totals[3] - open_still + 1) / (totals[2] - outside + 2)
        both = np.convolve(
            binom.pmf(range(within + 1), within, inner), binom.pmf(range(outside + 1), outside, outer)
        )
        rarest = min(
            float(binom.sf(lost - 1, within, inner)),
            float(binom.sf(open_still - 1, outside, outer)),
            float(both[lost + open_still :].sum()),
        )
        found.append(SchoolTransfers(school_id, within + outside, lost + open_still, min(1.0, 3 * rarest)))
    return found


def _born(as_of_date: date, ages: IndicatorRule) -> dict[str, date]:
    """Return the first and last birthday of who is of school age in the school year of a day."""
    year = as_of_date.year if (as_of_date.month, as_of_date.day) >= ages.year_begins else as_of_date.year - 1
    month, day = ages.age_on
    last = date(year - ages.primary_ages[0], month, day)
    first = date(year - ages.junior_ages[1] - 1, month, day) + timedelta(days=1)
    return {"first": first, "last": last}


def _gather(
    connection: duckdb.DuckDBPyConnection,
    store: RecordStore,
    as_of_date: date,
    rule: RegionRule,
    absent_school_days: int,
) -> None:
    """Make `people` (the registers), `spells`, `pupils` and `streaks` of all buckets as known on the day."""
    with BucketReader(store, 0, left_out=None, only=("population",)) as reader:
        people = reader.known_on(as_of_date).sql("FROM population").to_arrow_table()
    connection.register("people_told", people)
    connection.execute("CREATE TEMP TABLE people AS FROM people_told")
    parts: dict[str, list[pa.Table]] = {"spells": [], "known": [], "streaks": [], "out": []}
    for bucket in range(store.bucket_count):
        with BucketReader(store, bucket, left_out=None) as reader:
            told = reader.at(as_of_date, rule)
            for name, query in (("spells", _SPELLS), ("known", _KNOWN), ("out", _OUT)):
                parts[name].append(told.sql(query).to_arrow_table())
            streaks = told.sql(_STREAKS, params={"days": absent_school_days})
            parts["streaks"].append(streaks.to_arrow_table())
    for name, tables in parts.items():
        connection.register(f"{name}_told", pa.concat_tables(tables))
        connection.execute(f"CREATE TEMP TABLE {name} AS FROM {name}_told")
    connection.execute(_PUPILS)


def _not_enrolled(connection: duckdb.DuckDBPyConnection, pairs: list[Pair]) -> list[Mismatch]:
    """Tell of age and on no roll now: by the last spell of who is linked, or as unknown to the rolls."""
    last = {
        row[0]: row[1:]
        for row in connection.execute(
            "SELECT student_id, school_id, township, running, exit_reason, end_date FROM last_spell"
        ).fetchall()
    }
    linked = {one.left: one for one in pairs}
    found = []
    for person, township in connection.execute(
        "SELECT unique_id, township FROM of_age ORDER BY unique_id"
    ).fetchall():
        pair = linked.get(person)
        if pair is None:
            found.append(Mismatch("not_enrolled", person, "", township or ""))
        elif pair.is_near:
            told = Mismatch("near_pair", person, "", township or "", "number_or_name_wrong")
            found.append(replace(told, other=pair.right, probability=pair.probability))
        elif (spell := last.get(pair.right)) is not None and not spell[2]:
            code = _AFTER.get(spell[3] or "", "")
            told = Mismatch("not_enrolled", pair.right, spell[0], spell[1] or "", code, person)
            found.append(replace(told, since=spell[4]))
    return found


_SPELLS = """
SELECT spell.student_id, spell.school_id, place.township, spell.start_date, spell.end_date,
       spell.exit_reason, spell.to_school_id IN (SELECT school_id FROM schools) AS to_one_of_ours
FROM enrolments AS spell LEFT JOIN schools AS place USING (school_id)
"""

# A number can change: all that were ever known of a child, up to the day.
_KNOWN = """
WITH numbers AS (
    SELECT student_id, string_agg(DISTINCT upper(trim(roll_number)), ' ') AS roll_number
    FROM raw.students, as_of WHERE known_from IS NULL OR known_from <= as_of_date GROUP BY student_id
)
SELECT student_id, name, birth_date, sex, numbers.roll_number
FROM students LEFT JOIN numbers USING (student_id)
"""

# The reported school days of a running spell that are away up to now, without one present after them.
_STREAKS = f"""
WITH spells AS (FROM enrolments), {DAYS_AWAY},
days AS (
    SELECT running.student_id, running.school_id, day.date, day.is_away,
           count(*) FILTER (NOT day.is_away) OVER (
               PARTITION BY running.student_id, running.school_id ORDER BY day.date DESC
           ) AS present_since
    FROM enrolments AS running
    JOIN reported AS day ON day.student_id = running.student_id AND day.date >= running.start_date
    WHERE running.end_date IS NULL
)
SELECT student_id, school_id, min(date) AS since FROM days WHERE is_away AND present_since = 0
GROUP BY student_id, school_id HAVING count(*) >= $days
"""

# Who has left: by the spell, or verified by the ledger, and not back: a later spell is a return. Who stands
# on another roll that goes on when a spell is closed has changed schools.
_OUT = """
SELECT DISTINCT student_id FROM enrolments WHERE exit_reason = 'dropped_out'
  AND NOT EXISTS (FROM enrolments AS later WHERE later.student_id = enrolments.student_id
                  AND coalesce(later.end_date > enrolments.end_date, true))
UNION
SELECT student_id FROM (
    SELECT student_id, event, event_date FROM ledger_events
    WHERE event IN ('verified_dropout', 'verified_not_dropout', 'returned')
    QUALIFY row_number() OVER (PARTITION BY student_id
        ORDER BY event_date DESC, event = 'verified_dropout', recorded_on DESC NULLS LAST, event) = 1
) AS says WHERE event = 'verified_dropout'
  AND NOT EXISTS (FROM enrolments AS later WHERE later.student_id = says.student_id
                  AND later.start_date > says.event_date)
"""

_PUPILS = """
CREATE TEMP TABLE last_spell AS
SELECT student_id, school_id, township, end_date IS NULL AS running, exit_reason, end_date FROM spells
QUALIFY row_number() OVER (PARTITION BY student_id ORDER BY end_date IS NULL DESC, start_date DESC) = 1;
CREATE TEMP TABLE pupils AS
SELECT known.student_id AS unique_id, name, birth_date, sex, last_spell.township, roll_number
FROM known JOIN last_spell USING (student_id);
CREATE TEMP TABLE relief AS
SELECT source || ':' || person_id AS unique_id, name, birth_date, sex, township, roll_number
FROM people WHERE source = 'poverty_relief';
CREATE TEMP TABLE left_pupils AS SELECT pupils.* FROM pupils JOIN out ON out.student_id = pupils.unique_id;
CREATE TEMP TABLE left_homes AS
SELECT student_id, school_id, coalesce(township, ''), end_date
FROM last_spell SEMI JOIN out USING (student_id)
"""

_OF_AGE = """
CREATE TEMP TABLE of_age AS
SELECT source || ':' || person_id AS unique_id, name, birth_date, sex, township, roll_number
FROM people WHERE source = 'household' AND birth_date BETWEEN $first AND $last
"""

_NOT_PRESENT = """
SELECT streaks.student_id, streaks.school_id, coalesce(last_spell.township, ''), streaks.since
FROM streaks JOIN last_spell USING (student_id) ORDER BY ALL
"""

# Whom a school says to have transferred, and whether any later spell says where the child is, the same school
# included. Whom a school outside the records has confirmed, nobody can ask after in them: that is arrived.
_TRANSFERS = """
CREATE TEMP TABLE transfers AS
SELECT spell.student_id, spell.school_id, coalesce(spell.township, '') AS township, spell.end_date,
       coalesce(spell.to_one_of_ours, false) AS within,
       (spell.exit_reason = 'transferred' AND NOT within)
       OR EXISTS (FROM spells AS later WHERE later.student_id = spell.student_id
                  AND later.start_date > spell.start_date) AS arrived
FROM spells AS spell
WHERE spell.exit_reason IN ('transferred', 'transfer_unconfirmed') AND spell.end_date BETWEEN $first AND $last
"""
